//! A model that becomes a GGUF file, and what is said of the file.

use crate::stages::Stages;
use crate::{Context, disk::Room, units};
use anyhow::Result;
use rankine_checkpoint::gguf::{Gguf, Vocabulary};
use rankine_checkpoint::{Checkpoint, Dtype};
use rankine_report::{Cell, Column, Level, Page, Table};
use rankine_surgery::{GgufReport, GgufSource, GgufTarget, GgufTensor, Quantization};
use serde::Serialize;
use std::path::Path;

/// How many tensors that got another type than they should a note names.
const NAMED: usize = 5;

/// A model, opened.
pub enum Source {
    File(Gguf),
    Model(Box<Checkpoint>, Option<Vocabulary>),
}

impl Source {
    /// Opens the folder or file.
    pub fn open(context: &Context, path: &Path) -> Result<Self> {
        // Of a file nothing else is asked: models of families that are not built here are taken too.
        if is_gguf(path) {
            return Ok(Self::File(Gguf::open(path)?));
        }
        let model = Checkpoint::open(path)?;
        if model.is_gguf() {
            return Ok(Self::File(Gguf::open(model.path())?));
        }
        let vocabulary = rankine_run::gguf_vocabulary(&model)?;
        if vocabulary.is_none() {
            context.say(format!(
                "warning: `{}` has no tokenizer.json; llama.cpp does not load a model without a tokenizer",
                path.display()
            ));
        }
        Ok(Self::Model(Box::new(model), vocabulary))
    }

    /// Writes it to a file, or with `dry_run` says only what that would be.
    pub fn quantized(
        &self,
        context: &Context,
        quantization: &Quantization,
        to: &GgufTarget<'_>,
        dry_run: bool,
    ) -> Result<(GgufReport, Room)> {
        rankine_surgery::check_apart(to.target, &to.inputs)?;
        let source = self.source();
        let plan = quantization.plan(&source)?;
        let room = Room::ask(context, to.target, plan.bytes(), dry_run)?;
        if dry_run {
            return Ok((plan, room));
        }
        let mut stages = Stages::new(context);
        Ok((quantization.run(&source, to, &mut |progress| stages.see(progress))?, room))
    }

    /// The same for the writer.
    fn source(&self) -> GgufSource<'_> {
        match self {
            Self::File(gguf) => GgufSource::File(gguf),
            Self::Model(model, vocabulary) => GgufSource::Model(model, vocabulary.as_ref()),
        }
    }
}

/// Whether a path is that of a GGUF file, by its name.
pub fn is_gguf(path: &Path) -> bool {
    !path.is_dir() && path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

/// The result in JSON.
#[derive(Serialize)]
pub struct Report<'a> {
    output: &'a Path,
    dry_run: bool,
    parameters: u64,
    bytes_before: u64,
    bytes: u64,
    bits_per_weight: f64,
    relative_error: Option<f64>,
    #[serde(flatten)]
    room: Room,
    tensors: Vec<Tensor<'a>>,
}

#[derive(Serialize)]
struct Tensor<'a> {
    name: &'a str,
    shape: &'a [usize],
    from: String,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead_of: Option<String>,
    merged: bool,
    bytes: u64,
    relative_error: Option<f64>,
}

impl<'a> Report<'a> {
    pub fn new(output: &'a Path, dry_run: bool, report: &'a GgufReport, room: Room) -> Self {
        let tensor = |tensor: &'a GgufTensor| Tensor {
            name: &tensor.name,
            shape: &tensor.shape,
            from: word(tensor.from),
            to: word(tensor.to),
            instead_of: tensor.instead_of.map(word),
            merged: tensor.merged,
            bytes: tensor.bytes,
            relative_error: tensor.relative,
        };
        Self {
            output,
            dry_run,
            parameters: report.parameters(),
            bytes_before: report.before(),
            bytes: report.bytes(),
            bits_per_weight: report.bits(),
            relative_error: report.relative,
            room,
            tensors: report.tensors.iter().map(tensor).collect(),
        }
    }
}

/// The same for people; `listed` are the tensors of the table.
pub fn page(
    title: &str,
    output: &Path,
    (report, room): (&GgufReport, Room),
    listed: impl Fn(&GgufTensor) -> bool,
) -> Page {
    let mut page = Page::new(format!("{title} {}", output.display()));
    page.facts(&[
        ("tensors", Cell::Count(report.tensors.len() as u64)),
        ("parameters", Cell::Count(report.parameters())),
        ("weights before", Cell::Bytes(report.before())),
        ("weights", Cell::Bytes(report.bytes())),
        ("bits per weight", Cell::fixed(report.bits(), 2)),
        ("relative error", report.relative.map(Cell::Percent).into()),
        room.fact(),
    ]);
    let names = [Column::text("tensor"), Column::text("shape"), Column::text("from"), Column::text("to")];
    let numbers = [Column::number("size"), Column::number("relative error")];
    let mut table = Table::new(names.into_iter().chain(numbers));
    let listed: Vec<&GgufTensor> = report.tensors.iter().filter(|tensor| listed(tensor)).collect();
    for tensor in &listed {
        table.row([
            Cell::text(&tensor.name),
            Cell::text(units::shape(&tensor.shape)),
            Cell::text(word(tensor.from)),
            Cell::text(word(tensor.to)),
            Cell::Bytes(tensor.bytes),
            tensor.relative.map(Cell::Percent).into(),
        ]);
    }
    if !listed.is_empty() {
        page.table(table);
    }
    let others: Vec<&GgufTensor> =
        report.tensors.iter().filter(|tensor| tensor.instead_of.is_some()).collect();
    if !others.is_empty() {
        let named = others.iter().take(NAMED).map(|tensor| {
            let wanted = tensor.instead_of.map(word).unwrap_or_default();
            format!("{} ({} instead of {wanted})", tensor.name, word(tensor.to))
        });
        let (named, more) =
            (named.collect::<Vec<_>>().join(", "), if NAMED < others.len() { " …" } else { "" });
        page.note(Level::Note, format!("rows that do not divide into blocks: {named}{more}"));
    }
    page
}

/// A type as `--to` names it.
pub fn word(dtype: Dtype) -> String {
    match dtype {
        Dtype::Quantized(format) => format.name().to_lowercase(),
        plain => format!("{plain:?}").to_lowercase(),
    }
}
