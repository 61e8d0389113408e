//! Where the tensors of a model of the llama family lie in a GGUF file: under which name, its rows in which order.

use super::names::{ggml, layer_part};
use super::{Fault, heads};
use crate::Config;
use crate::config::Architecture;

/// llama.cpp's name for models of this architecture, `general.architecture`; `None` for those that are not written.
pub fn family(architecture: Architecture) -> Option<&'static str> {
    match architecture {
        Architecture::Llama | Architecture::Mistral => Some("llama"),
        Architecture::Qwen2 => Some("qwen2"),
        Architecture::Qwen3 => Some("qwen3"),
        _ => None,
    }
}

/// The place of one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// ggml's name, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Heads whose rows ggml keeps in another order.
    heads: Option<usize>,
}

impl Layout {
    /// Of the tensor that Hugging Face calls `name`, such as `model.layers.0.self_attn.q_proj.weight`; `None` where the
    /// family or the tensor has none.
    pub fn of(config: &Config, name: &str) -> Option<Self> {
        let family = family(config.architecture)?;
        let name = ggml(name)?;
        let part = name.rsplit_once('.').and_then(|(stem, _)| layer_part(stem)).map(|(_, part)| part);
        let heads = match (family, part) {
            ("llama", Some("attn_q")) => Some(config.heads),
            ("llama", Some("attn_k")) => Some(config.key_value_heads),
            _ => None,
        };
        Some(Self { name, heads })
    }

    /// How many of its `rows` rows go together: those of a head, or one.
    ///
    /// # Errors
    /// When the rows do not divide into heads of even size.
    pub fn step(&self, rows: usize) -> Result<usize, Fault> {
        let Some(heads) = self.heads else { return Ok(1) };
        heads::check(&self.name, rows, heads)?;
        Ok(rows / heads)
    }

    /// Puts `rows` rows, whole [`step`](Self::step)s, into the file's order.
    pub fn reorder<T: Copy>(&self, values: &mut Vec<T>, rows: usize, step: usize) {
        if self.heads.is_some() {
            *values = heads::reordered_rows(values, rows, rows / step);
        }
    }

    /// The numbers of all `rows` of the tensor, or of another matrix with these rows, in the file's order.
    ///
    /// # Errors
    /// When the rows do not divide into heads of even size.
    pub fn rows<T: Copy>(&self, values: Vec<T>, rows: usize) -> Result<Vec<T>, Fault> {
        let Some(heads) = self.heads else { return Ok(values) };
        heads::check(&self.name, rows, heads)?;
        Ok(heads::reordered_rows(&values, rows, heads))
    }
}
