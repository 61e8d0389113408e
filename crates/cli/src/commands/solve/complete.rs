//! `rankine solve complete`.

use super::options::{Watching, at_least_zero, help, settings};
use super::question::{Facts, Posed, Question, together};
use super::{files, named};
use crate::errors::Failure;
use anyhow::{Context as _, Result};
use rankine_data::arrays::npz::Writer;
use rankine_data::arrays::{Array, Fault, LIMIT, Matrix, Ratings, Sparse};
use rankine_random::Rng;
use rankine_report::format;
use rankine_solve::recovery::Factors;
use rankine_solve::recovery::completion::{Completion, CompletionSolver, Entries, Entry, HiddenMatrix};
use rankine_solve::{Error, Outcome};
use std::path::{Path, PathBuf};

/// Fill in a matrix of low rank from some of its entries
///
/// Entries are ratings, lines `user,item,rating` with anything behind (commas, semicolons, tabs, `::` or blanks between; names
/// may be any text, between quotes where such a sign is in them or they begin with `#`, as remarks do), an array with `nan` where
/// nothing is known, or a sparse `.mtx`. Ratings have no exact answer: without a --ridge one is chosen, that by which a tenth of
/// them is predicted best from the others, and a solver that no longer gets nearer is done, as it is with any --ridge above 0.
/// --output: `.npz` with the arrays left [rows, rank] and right [columns, rank], whose product completes the matrix; with
/// --biases also mean, row_bias and column_bias, which are added to it; of ratings also users and items, the names of rows and
/// columns.
#[derive(clap::Args)]
#[command(after_help = help::<CompletionSolver>(EXAMPLES))]
pub struct Complete {
    /// File of the entries
    #[arg(value_name = "FILE", required_unless_present = "random")]
    file: Option<PathBuf>,
    /// Columns of user, item and value, by number from 1 or name, commas between; the first three without it
    #[arg(long, value_name = "NAMES", value_parser = three)]
    columns: Option<[String; 3]>,
    /// Draw a problem with a known answer instead: rows, columns, rank, condition, share, deviation, seed
    #[arg(long, value_name = "KEY=VALUE", num_args = 0.., conflicts_with = "file")]
    random: Option<Vec<String>>,
    /// Columns of the factors
    #[arg(long, value_name = "N", default_value_t = 10)]
    rank: usize,
    /// Weight of the squares of the factors: about 0.05 for ratings, 0 for exact entries; without it chosen for ratings, and 0 for
    /// other entries
    #[arg(long, value_name = "NUMBER", value_parser = at_least_zero, allow_negative_numbers = true)]
    ridge: Option<f64>,
    /// Take out first what rows and columns add to all their entries, as users and films do
    #[arg(long)]
    biases: bool,
    /// Share of the entries to keep from the solver and to measure the answer on, below 1
    #[arg(long, value_name = "SHARE", value_parser = at_least_zero, allow_negative_numbers = true)]
    holdout: Option<f64>,
    /// Share of the other entries by which the solver chooses when to stop, below 1
    #[arg(long, value_name = "SHARE", value_parser = at_least_zero, allow_negative_numbers = true)]
    validation: Option<f64>,
    /// Which entries are held out
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

const EXAMPLES: &str = "\
Examples:
  rankine solve complete ratings.csv --rank 10 --holdout 0.1 --output factors.npz
  rankine solve complete ratings.csv --rank 10 --holdout 0.1 --ridge 0.05 --start factors.npz
  rankine solve complete u.data --rank 5 --ridge 0.1 --solver exact --validation 0.05
  rankine solve complete InstEval.csv --columns s,d,y --rank 3 --ridge 0.05 --biases --holdout 0.1
  rankine solve complete ratings.csv --set 'regression={sketched={count=10,oversampling=4}}' --set split=10
  rankine solve complete --random rows=500 columns=400 rank=5 share=0.1 --rank 5";

/// Damping of the biases: it suits ratings.
const DAMPING: f64 = 5.0;

/// Share of ratings by which a ridge is chosen.
const SHOWN: f64 = 0.1;

/// What the solvers are not told.
#[derive(Default)]
pub struct Known {
    users: Vec<String>,
    items: Vec<String>,
    held: Option<Entries>,
    truth: Option<Factors>,
    /// A line that is taken as a remark and reads as a rating.
    remark: Option<u32>,
    /// How many users and items have something to start from, where that goes by their names.
    started: Option<[usize; 2]>,
}

/// Columns that a spectral start takes beside the rank, at least as many as it does.
const SPARE: usize = 16;

impl Complete {
    /// All entries.
    fn entries(&self) -> Result<(Entries, Known)> {
        if let Some(changes) = &self.random {
            let matrix: HiddenMatrix = settings("", changes).context("while reading `--random`")?;
            let hidden = matrix.hide()?;
            return Ok((hidden.entries, Known { truth: Some(hidden.truth), ..Known::default() }));
        }
        // The command line asks for one of the two.
        let path = self.file.as_deref().unwrap_or(Path::new(""));
        if self.is_of_ratings() {
            return self.ratings(path);
        }
        let matrix = match files::ending(path).as_str() {
            "mtx" => match Matrix::read(path, "matrix")? {
                Matrix::Sparse(sparse) => sparse,
                Matrix::Dense(array) => known(&array),
            },
            _ => known(&Array::read_matrix(path, "matrix")?),
        };
        self.check_factors(&matrix, path)?;
        Ok((entries(&matrix)?, Known::default()))
    }

    /// An error where the factors of a matrix are larger than what is read, before anything of its sides is made: few entries may
    /// announce long ones.
    fn check_factors(&self, &Sparse { rows, columns, .. }: &Sparse, path: &Path) -> Result<()> {
        let numbers = rows.saturating_add(columns).saturating_mul(self.rank.saturating_add(SPARE));
        if numbers <= LIMIT {
            return Ok(());
        }
        let rank = self.rank;
        let message = format!(
            "`{}` has {rows} rows and {columns} columns: factors of rank {rank} have more than {LIMIT} numbers",
            path.display()
        );
        Err(Failure::with_hint(message, "leave out empty rows and columns, or give a smaller `--rank`")
            .into())
    }

    /// Whether the entries are of a file of ratings.
    fn is_of_ratings(&self) -> bool {
        let ending = self.file.as_deref().map(files::ending);
        ending.is_some_and(|ending| !["npy", "npz", "mtx"].contains(&ending.as_str()))
    }

    /// Whether the ridge is to be chosen.
    fn is_open(&self) -> bool {
        self.ridge.is_none() && self.is_of_ratings()
    }

    /// Those of a file of ratings.
    fn ratings(&self, path: &Path) -> Result<(Entries, Known)> {
        let ratings = Ratings::read(path, self.columns.as_ref()).map_err(|error| self.unread(error))?;
        let entries = entries(&ratings.matrix).map_err(|error| placed(error, &ratings, path))?;
        let Ratings { users, items, remark, .. } = ratings;
        Ok((entries, Known { users, items, remark, ..Known::default() }))
    }

    /// What is wrong with a file of ratings; the value may stand in another column than the one that was read.
    fn unread(&self, error: rankine_data::Error) -> anyhow::Error {
        match &error {
            rankine_data::Error::Array { fault: Fault::Field { expected: "number", .. }, .. }
                if self.columns.is_none() =>
            {
                let hint = "write numbers with a point; where the first three columns are not user, item and value, say which are: \
                            `--columns 2,3,1`";
                Failure::with_hint(error.to_string(), hint).into()
            }
            _ => error.into(),
        }
    }
}

/// Three names.
fn three(text: &str) -> Result<[String; 3], String> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    <[String; 3]>::try_from(names).map_err(|_| "should be three: user, item and value".to_owned())
}

/// What is not `nan` in a matrix.
fn known(array: &Array) -> Sparse {
    let (rows, columns) = (array.shape[0], array.shape[1]);
    let places = array.values.iter().enumerate().filter(|(_, value)| !value.is_nan());
    let entries = places.map(|(place, &value)| (place / columns, place % columns, value)).collect();
    Sparse { rows, columns, entries }
}

fn entries(matrix: &Sparse) -> Result<Entries, Error> {
    let entry = |&(row, column, value): &(usize, usize, f64)| Entry { row, column, value };
    let entries: Vec<Entry> = matrix.entries.iter().map(entry).collect();
    Entries::new(matrix.rows, matrix.columns, &entries)
}

/// What is wrong with ratings, by the names and the lines of their file.
fn placed(error: Error, ratings: &Ratings, path: &Path) -> anyhow::Error {
    let (at, wrong, hint) = match &error {
        Error::Twice { row, column } => {
            ([*row, *column], "is given twice", "keep one of them, or their mean")
        }
        Error::NotFinite { index, .. } if index.len() == 2 => {
            ([index[0], index[1]], "is no finite number", "leave out what is not known")
        }
        _ => return error.into(),
    };
    let numbered = ratings.matrix.entries.iter().zip(&ratings.lines);
    let lines =
        numbered.filter(|((row, column, _), _)| [*row, *column] == at).map(|(_, line)| line.to_string());
    let lines: Vec<String> = lines.collect();
    let (word, lines) = (if lines.len() == 1 { "line" } else { "lines" }, lines.join(" and "));
    let (user, item) = (&ratings.users[at[0]], &ratings.items[at[1]]);
    let message = format!("`{}`: {word} {lines}: what `{user}` gives `{item}` {wrong}", path.display());
    Failure::with_hint(message, hint).into()
}

impl Question for Complete {
    type Solvers = CompletionSolver;
    type Known = Known;
    const NAME: &'static str = "completion";
    const ENDINGS: &'static [&'static str] = &["npz"];

    fn solver(&self) -> &'static str {
        "alternating"
    }

    fn inputs(&self) -> Vec<PathBuf> {
        self.file.iter().cloned().collect()
    }

    fn pose(&self) -> Result<Posed<Self>> {
        let (mut entries, mut known) = self.entries()?;
        if let Some(share) = self.holdout {
            let (kept, held) = entries.split(share, self.seed)?;
            (entries, known.held) = (kept, Some(held));
        }
        let mut problem = Completion::new(entries, self.rank, self.ridge.unwrap_or(0.0))?;
        if self.biases {
            problem = problem.centred(DAMPING)?;
        }
        if let Some(share) = self.validation {
            problem = problem.validated(share, self.seed)?;
        }
        Ok(Posed { problem, known })
    }

    fn settle(&self, Posed { problem, known }: Posed<Self>, watching: &Watching<'_>) -> Result<Posed<Self>> {
        let problem = match self.is_open() {
            true => watching.watched("ridge", |watch| problem.with_best_ridge(SHOWN, self.seed, watch))?,
            false => problem,
        };
        Ok(Posed { problem, known })
    }

    fn start(&self, Posed { problem, known }: &mut Posed<Self>, path: &Path) -> Result<Factors> {
        let names = [known.users.as_slice(), known.items.as_slice()];
        let by_name = match names[0] {
            [] => None,
            _ => named::factors(path, names, self.rank, &Rng::new(self.seed).fork("start"))?,
        };
        let Some((factors, started)) = by_name else {
            let entries = problem.entries();
            return files::factors(path, entries.rows(), entries.columns(), self.rank);
        };
        if started == [0, 0] {
            let message = format!("`{}` has none of these users and items", path.display());
            let hint = "start from the answer to ratings that share users or items with these, or from none";
            return Err(Failure::with_hint(message, hint).into());
        }
        known.started = Some(started);
        Ok(factors)
    }

    fn lead(&self, posed: &Posed<Self>, _: Option<&CompletionSolver>) -> String {
        let entries = posed.problem.entries();
        let (count, rows, columns) = (entries.count(), entries.rows(), entries.columns());
        let chosen = if self.is_open() { " (chosen)" } else { "" };
        let ridge = format::number(posed.problem.ridge(), 3);
        format!(
            "{count} entries of {rows} rows and {columns} columns, rank {}, ridge {ridge}{chosen}",
            self.rank
        )
    }

    fn facts(&self, posed: &Posed<Self>, solution: &Factors) -> Facts {
        let Posed { problem, known } = posed;
        let mut facts = vec![("rmse", problem.entries().rmse_of(solution))];
        facts.extend(self.is_open().then(|| ("ridge", problem.ridge())));
        facts.extend(known.held.as_ref().map(|held| ("holdout rmse", problem.holdout_rmse(solution, held))));
        facts.extend(
            known.truth.as_ref().map(|truth| ("relative error", solution.distance_to(truth) / truth.norm())),
        );
        facts
    }

    fn warning(&self, posed: &Posed<Self>) -> Option<String> {
        let Known { users, items, remark, started, .. } = &posed.known;
        let remark = remark.map(|line| {
            format!(
                "line {line} begins with `#` and is left out, though it reads as a rating: put a name that begins so between quotes"
            )
        });
        let all = [users.len(), items.len()];
        let started = started.filter(|started| *started != all).map(|[user_count, item_count]| {
            format!(
                "{user_count} of {} users and {item_count} of {} items are in the start; the others begin small",
                all[0], all[1]
            )
        });
        together([remark, started])
    }

    fn is_good(&self, outcome: Outcome) -> bool {
        let noisy = self.is_open() || self.ridge.is_some_and(|ridge| 0.0 < ridge);
        outcome == Outcome::Converged || (noisy && outcome == Outcome::Stalled)
    }

    fn note(&self, outcome: Outcome) -> Option<&'static str> {
        (outcome == Outcome::Stalled).then_some(
            "the error no longer falls: entries with noise have no exact answer, and this is the one of this rank and ridge",
        )
    }

    fn remedy(&self, outcome: Outcome) -> Option<&'static str> {
        let above = matches!(outcome, Outcome::StepLimit | Outcome::Stalled);
        (self.is_of_ratings() && above && self.ridge == Some(0.0)).then_some(
            "ratings have no exact answer: leave `--ridge` out, or give `--ridge 0.05`; then a solver that no longer gets nearer \
             is done",
        )
    }

    fn write(&self, posed: &Posed<Self>, solution: &Factors, path: &Path) -> Result<()> {
        let Posed { problem, known } = posed;
        let mut writer = Writer::new(path);
        writer.add("left", &files::from_matrix(solution.left.as_ref()))?;
        writer.add("right", &files::from_matrix(solution.right.as_ref()))?;
        if let Some(biases) = problem.biases() {
            writer.add("mean", &files::from_number(biases.mean))?;
            writer.add("row_bias", &files::from_vector(&biases.rows))?;
            writer.add("column_bias", &files::from_vector(&biases.columns))?;
        }
        for (name, names) in [("users", &known.users), ("items", &known.items)] {
            if !names.is_empty() {
                writer.add_text(name, names)?;
            }
        }
        files::write(path, &writer.finish()?)
    }
}
