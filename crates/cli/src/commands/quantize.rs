//! `rankine quantize`: a model as a GGUF file, its matrices in blocks of few bits.

use crate::gguf::{Report, Source, page};
use crate::output::WriteArgs;
use crate::{Context, Exit, model};
use anyhow::Context as _;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use rankine_checkpoint::Dtype;
use rankine_kernels::dequantize::Format;
use rankine_surgery::{GgufTarget, Quantization, Types};
use std::path::PathBuf;

/// Write a model as a quantised GGUF file, for llama.cpp
///
/// A model of the llama family becomes what llama.cpp's converter makes of it: its names and its order of rows, tokenizer and chat
/// template inside, norms in f32. A GGUF file, of any family, keeps metadata, order and alignment. Types are those of llama-quantize:
/// the head is q6_k beside smaller blocks, rows that do not divide into blocks of 256 get blocks of 32. Blocks are bit for bit those
/// of ggml's reference quantisers; the error of every tensor is told. Quantising what was quantised already adds up both errors.
/// The file appears when it is whole: work that breaks off starts over.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Quantize {
    /// Known name, hub repository, directory or .gguf file
    model: String,
    /// Type of the matrices; q4_k_m and q5_k_m give more bits to some, as llama.cpp does
    #[arg(long, value_name = "TYPE", value_parser = types_parser())]
    to: Types,
    /// Type of the head, or of an embedding that is one
    #[arg(long, value_name = "TYPE", value_parser = dtype_parser())]
    output_type: Option<Dtype>,
    /// Type of the embedding
    #[arg(long, value_name = "TYPE", value_parser = dtype_parser())]
    embedding_type: Option<Dtype>,
    /// File to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    writing: WriteArgs,
}

const EXAMPLES: &str = "\
Examples:
  rankine quantize smollm2-135m --to q8_0 --output smollm2-q8_0.gguf
  rankine quantize ./merged --to q4_k_m --output merged-q4_k_m.gguf --json
  rankine quantize model-f16.gguf --to q5_k --output-type q8_0 --output model-q5_k.gguf
  rankine quantize ./model --to q4_0 --embedding-type q4_0 --output model.gguf --dry-run
  llama-cli -m smollm2-q8_0.gguf                     what the file is for";

/// Types that are written.
const WORDS: [(&str, Types); 15] = [
    ("f32", Types::One(Dtype::F32)),
    ("f16", Types::One(Dtype::F16)),
    ("bf16", Types::One(Dtype::Bf16)),
    ("q8_0", blocks(Format::Q8_0)),
    ("q6_k", blocks(Format::Q6K)),
    ("q5_k_m", Types::Q5Medium),
    ("q5_k", blocks(Format::Q5K)),
    ("q5_1", blocks(Format::Q5_1)),
    ("q5_0", blocks(Format::Q5_0)),
    ("q4_k_m", Types::Q4Medium),
    ("q4_k", blocks(Format::Q4K)),
    ("q4_1", blocks(Format::Q4_1)),
    ("q4_0", blocks(Format::Q4_0)),
    ("q3_k", blocks(Format::Q3K)),
    ("q2_k", blocks(Format::Q2K)),
];

const fn blocks(format: Format) -> Types {
    Types::One(Dtype::Quantized(format))
}

fn types_parser() -> impl TypedValueParser<Value = Types> {
    PossibleValuesParser::new(WORDS.map(|(word, _)| word)).map(|found| {
        WORDS.into_iter().find(|(word, _)| *word == found).map_or(Types::Kept, |(_, types)| types)
    })
}

/// The same without the mixtures.
fn dtype_parser() -> impl TypedValueParser<Value = Dtype> {
    fn plain() -> impl Iterator<Item = (&'static str, Dtype)> {
        WORDS.into_iter().filter_map(|(word, types)| match types {
            Types::One(dtype) => Some((word, dtype)),
            Types::Kept | Types::Q4Medium | Types::Q5Medium => None,
        })
    }
    PossibleValuesParser::new(plain().map(|(word, _)| word))
        .map(|found| plain().find(|(word, _)| *word == found).map_or(Dtype::F32, |(_, dtype)| dtype))
}

impl Quantize {
    /// Quantises, and tells how near it comes.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = model::find(context, &self.model)?;
        let quantizing = || format!("while quantising `{}`", self.model);
        let source = Source::open(context, &path).with_context(quantizing)?;
        let (output, embedding) = (self.output_type, self.embedding_type);
        let quantization = Quantization { types: self.to, output, embedding };
        let (existing, dry_run) = (self.writing.existing(), self.writing.dry_run);
        let to = GgufTarget { target: &self.output, existing, inputs: vec![path] };
        let (report, room) =
            source.quantized(context, &quantization, &to, dry_run).with_context(quantizing)?;
        let title = if dry_run { "Would write" } else { "Quantised into" };
        match self.writing.json {
            true => context.show_json(&Report::new(&self.output, dry_run, &report, room))?,
            false => context.show(&page(title, &self.output, (&report, room), |_| true))?,
        }
        Ok(Exit::Done)
    }
}
