//! Tokenizers of models: as files beside weights, and whether two models read texts alike.

use crate::Context;
use crate::errors::Failure;
use rankine_checkpoint::{Checkpoint, Opened, TokenizerFiles};
use serde_json::Value;
use std::collections::HashMap;

/// The files that a tokenizer inside a GGUF model becomes; none of other models.
pub fn companions(model: &Opened) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    match model {
        Opened::Texts(model) => Ok(rankine_run::tokenizer_companions(model)?),
        Opened::Images(_) | Opened::Bare(_) => Ok(Vec::new()),
    }
}

/// Warns where both models have a tokenizer, and these number texts differently.
pub fn warn(context: &Context, first: &Opened, second: &Opened) -> anyhow::Result<()> {
    let (Opened::Texts(first), Opened::Texts(second)) = (first, second) else { return Ok(()) };
    let pair = vocabulary(first)?.zip(vocabulary(second)?);
    if pair.is_some_and(|(first, second)| first != second) {
        context.say(format!(
            "warning: `{}` and `{}` have different tokenizers: the rows of their embeddings stand for other tokens",
            first.path().display(),
            second.path().display()
        ));
    }
    Ok(())
}

/// An error where a number stands for one token in the first model and for another in the second. More tokens in one of them are
/// worth a warning.
pub fn check(context: &Context, first: &Opened, second: &Opened) -> anyhow::Result<()> {
    if let (Opened::Texts(one), Opened::Texts(other)) = (first, second)
        && let Some((ours, theirs)) = vocabulary(one)?.zip(vocabulary(other)?)
    {
        let tokens: HashMap<u64, &String> = ours.iter().map(|(token, id)| (*id, token)).collect();
        let other_token = |(token, id): &&(String, u64)| tokens.get(id).is_some_and(|own| *own != token);
        if let Some((token, id)) = theirs.iter().filter(other_token).min_by_key(|(_, id)| *id) {
            let own = tokens.get(id).map_or("", |own| own.as_str());
            return Err(Failure::with_hint(
                format!(
                    "`{}` and `{}` have different tokenizers: token {id} is `{own}` to the one and `{token}` to the other",
                    one.path().display(),
                    other.path().display()
                ),
                "rows of their embeddings do not belong together; where only names of tokens differ, say whose are kept: \
                 `tokenizer_source: base`",
            )
            .into());
        }
    }
    warn(context, first, second)
}

/// The number of every token that a tokenizer gives; how it cuts or pads is of no matter here.
fn vocabulary(model: &Checkpoint) -> anyhow::Result<Option<Vec<(String, u64)>>> {
    if !model.has_tokenizer() {
        return Ok(None);
    }
    let mut numbered: Vec<(String, u64)> = match model.tokenizer_files()? {
        TokenizerFiles::Gguf(vocabulary) => vocabulary.tokens.into_iter().zip(0..).collect(),
        TokenizerFiles::Json { tokenizer, .. } => {
            let json: Value = serde_json::from_slice(&tokenizer)?;
            let ranked = json["model"]["vocab"].as_object().into_iter().flatten();
            let ranked = ranked.filter_map(|(token, id)| Some((token.clone(), id.as_u64()?)));
            let added = json["added_tokens"].as_array().into_iter().flatten();
            let added = added
                .filter_map(|token| Some((token["content"].as_str()?.to_owned(), token["id"].as_u64()?)));
            ranked.chain(added).collect()
        }
    };
    numbered.sort();
    numbered.dedup();
    Ok(Some(numbered))
}
