//! The two ends of a language model: the table that it reads from, and the matrix that it answers with. In a tied model they
//! are one tensor, under the table's name. A model that tells texts apart has another head, and no tied one.

use crate::TensorInfo;
use crate::config::Architecture;
use indexmap::IndexMap;

/// The output head.
pub const HEAD: &str = "lm_head.weight";

/// The head of a model of the same families that tells texts apart.
pub const SCORE: &str = "score.weight";

/// Name of the input embedding, where there is one of a language model that is read here.
pub fn embedding(infos: &IndexMap<String, TensorInfo>) -> Option<&'static str> {
    let language = Architecture::ALL.into_iter().filter(|known| !known.is_encoder());
    language.map(Architecture::embedding).find(|&name| infos.contains_key(name))
}

/// Name of the input embedding that is the output head too.
pub fn tied(infos: &IndexMap<String, TensorInfo>) -> Option<&'static str> {
    let headed = infos.contains_key(HEAD) || infos.contains_key(SCORE);
    if headed { None } else { embedding(infos) }
}

/// The name under which the tensor `name` is stored: a tied head is the embedding.
pub fn stored<'n>(infos: &IndexMap<String, TensorInfo>, name: &'n str) -> &'n str {
    if name == HEAD { tied(infos).unwrap_or(name) } else { name }
}
