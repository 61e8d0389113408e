//! From options to a way of making matrices smaller.

use crate::errors::Failure;
use crate::truncation::{Svd, truncation};
use clap::ValueEnum;
use rankine_surgery::{
    Compress, Extent, Levels, LowRank, Magnitude, Monarch, Pattern, Prune, Quantize, Score, SvdActivation,
};
use serde::Serialize;

/// How matrices are made smaller.
#[derive(clap::Args)]
pub struct WayArgs {
    /// How matrices are made smaller
    #[arg(long, default_value = "lowrank")]
    pub method: Method,
    /// For `lowrank`, `svd-activation`: share of the numbers of every matrix that its factors have, above 0 and below 1; 0.5
    /// when nothing is said
    #[arg(long, value_name = "SHARE", conflicts_with_all = ["rank", "energy"])]
    ratio: Option<f64>,
    /// For `lowrank`, `svd-activation`: rank of every matrix
    #[arg(long, value_name = "N", conflicts_with = "energy")]
    rank: Option<usize>,
    /// For `lowrank`, `svd-activation`: share of the sum of squared singular values that is kept, above 0 and at most 1
    #[arg(long, value_name = "SHARE")]
    energy: Option<f64>,
    /// For `lowrank`: how singular vectors are found; `exact` when nothing is said
    #[arg(long, value_name = "WORD")]
    svd: Option<Svd>,
    /// For `lowrank` with `--svd randomized`: rounds that sharpen the range; 4 when nothing is said
    #[arg(long, value_name = "N")]
    iterations: Option<usize>,
    /// For `magnitude`, of every matrix, and `wanda`, of every row: share of the numbers that become zero, above 0 and below 1
    #[arg(long, value_name = "SHARE", conflicts_with = "pattern")]
    sparsity: Option<f64>,
    /// For `wanda`: N of every M neighbours along the input stay, such as `2:4`
    #[arg(long, value_name = "N:M", value_parser = pattern)]
    pattern: Option<Pattern>,
    /// For `monarch`: blocks of either factor; 4 when nothing is said
    #[arg(long, value_name = "N")]
    blocks: Option<usize>,
    /// For `quantize`: bits a number, 2 to 8; 4 when nothing is said
    #[arg(long, value_name = "N")]
    bits: Option<u32>,
    /// For `quantize`: neighbours along the input with a scale of their own; 128 when nothing is said
    #[arg(long, value_name = "N")]
    group_size: Option<usize>,
    /// For `quantize`: as many levels below zero as above
    #[arg(long)]
    symmetric: bool,
}

/// Ways to make a matrix smaller.
#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Two thin factors, from the truncated SVD
    Lowrank,
    /// Two thin factors that change least what the calibration data make a layer answer
    SvdActivation,
    /// The nearest Monarch matrix, multiplied out
    Monarch,
    /// Zeros in two of every four neighbours along the input: the smallest, or with `--calibration` those of the lowest Wanda score
    #[value(name = "prune-2:4")]
    #[serde(rename = "prune-2:4")]
    Prune24,
    /// Zeros in the place of the smallest numbers
    Magnitude,
    /// Zeros where magnitude times length of the input is lowest, row by row
    Wanda,
    /// Numbers rounded to the nearest of a few levels, and stored as before
    Quantize,
}

impl Method {
    /// Its options.
    fn takes(self) -> &'static [&'static str] {
        match self {
            Self::Lowrank => &["ratio", "rank", "energy", "svd", "iterations"],
            Self::SvdActivation => &["ratio", "rank", "energy"],
            Self::Monarch => &["blocks"],
            Self::Prune24 => &[],
            Self::Magnitude => &["sparsity"],
            Self::Wanda => &["sparsity", "pattern"],
            Self::Quantize => &["bits", "group-size", "symmetric"],
        }
    }

    /// Whether two thin factors take the place of a matrix.
    pub fn makes_factors(self) -> bool {
        matches!(self, Self::Lowrank | Self::SvdActivation)
    }

    /// Its word.
    fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl WayArgs {
    /// The method with its settings; one of another's is an error, and so are calibration data that it would not look at.
    pub fn way(&self, is_calibrated: bool) -> anyhow::Result<Box<dyn Compress>> {
        self.refuse_others()?;
        let extent = self.extent();
        let way: Box<dyn Compress> = match self.method {
            Method::Lowrank => Box::new(LowRank { extent, svd: truncation(self.svd, self.iterations)? }),
            Method::SvdActivation => Box::new(SvdActivation { extent }),
            Method::Monarch => Box::new(self.blocks.map(|blocks| Monarch { blocks }).unwrap_or_default()),
            Method::Prune24 => {
                let score = if is_calibrated { Score::Wanda } else { Score::Magnitude };
                Box::new(Prune { pattern: Pattern::TWO_OF_FOUR, score })
            }
            Method::Magnitude => Box::new(Magnitude { sparsity: self.sparsity()? }),
            Method::Wanda => {
                let pattern = match self.pattern {
                    Some(pattern) => pattern,
                    None => Pattern::Rows(self.sparsity()?),
                };
                Box::new(Prune { pattern, score: Score::Wanda })
            }
            Method::Quantize => Box::new(Quantize {
                bits: self.bits.unwrap_or(4),
                group: Some(self.group_size.unwrap_or(128)),
                levels: if self.symmetric { Levels::Symmetric } else { Levels::Asymmetric },
            }),
        };
        if is_calibrated && !way.wanted().any() {
            let message = format!("`{}` looks at no inputs", self.method.word());
            return Err(Failure::with_hint(message, "leave out `--calibration`").into());
        }
        Ok(way)
    }

    fn refuse_others(&self) -> anyhow::Result<()> {
        let given = [
            ("ratio", self.ratio.is_some()),
            ("rank", self.rank.is_some()),
            ("energy", self.energy.is_some()),
            ("svd", self.svd.is_some()),
            ("iterations", self.iterations.is_some()),
            ("sparsity", self.sparsity.is_some()),
            ("pattern", self.pattern.is_some()),
            ("blocks", self.blocks.is_some()),
            ("bits", self.bits.is_some()),
            ("group-size", self.group_size.is_some()),
            ("symmetric", self.symmetric),
        ];
        let (word, takes) = (self.method.word(), self.method.takes());
        let Some((other, _)) = given.iter().find(|(name, is_given)| *is_given && !takes.contains(name))
        else {
            return Ok(());
        };
        let own: Vec<String> = takes.iter().map(|name| format!("`--{name}`")).collect();
        let hint = match own.as_slice() {
            [] => format!("leave out `--{other}`"),
            own => format!("it takes {}", own.join(", ")),
        };
        Err(Failure::with_hint(format!("`{word}` takes no `--{other}`"), hint).into())
    }

    fn extent(&self) -> Extent {
        let rank = self.rank.map(Extent::Rank);
        rank.or(self.energy.map(Extent::Energy)).unwrap_or(Extent::Ratio(self.ratio.unwrap_or(0.5)))
    }

    fn sparsity(&self) -> anyhow::Result<f64> {
        self.sparsity.ok_or_else(|| {
            let message = format!("`{}` takes `--sparsity`", self.method.word());
            Failure::with_hint(message, "for example `--sparsity 0.5`").into()
        })
    }
}

/// `2:4`.
fn pattern(text: &str) -> Result<Pattern, String> {
    let numbers =
        text.split_once(':').map(|(keep, of)| (keep.trim().parse::<usize>(), of.trim().parse::<usize>()));
    match numbers {
        Some((Ok(keep), Ok(of))) => Ok(Pattern::Groups { keep, of }),
        _ => Err("should be two whole numbers such as `2:4`".to_owned()),
    }
}
