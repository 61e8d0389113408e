//! The kinds of adapters that peft 0.21 knows, by their `peft_type`, and what can be done with each.

use crate::names;

/// Kinds that `rankine adapter convert` makes a LoRA of.
pub const CONVERTIBLE: [&str; 14] = [
    "ADALORA", "BOFT", "DELORA", "HRA", "IA3", "LOHA", "LOKR", "MISS", "OFT", "OSF", "RANDLORA", "SHIRA",
    "VBLORA", "VERA",
];

/// Kinds that only peft's `save_as_lora` makes a LoRA of.
const PYTHON: [&str; 5] = ["C3A", "GRALORA", "HIRA", "PSOFT", "TINYLORA"];

/// Of these the same, because torch draws where their numbers belong.
const DRAWN: [&str; 3] = ["FOURIERFT", "UNILORA", "WAVEFT"];

/// Kinds that change no weight.
const PROMPTS: [&str; 7] = [
    "ADAPTION_PROMPT",
    "CARTRIDGE",
    "CPT",
    "MULTITASK_PROMPT_TUNING",
    "PREFIX_TUNING",
    "PROMPT_TUNING",
    "P_TUNING",
];

/// The others; peft merges some of them.
const OTHERS: [&str; 16] = [
    "ADAMSS",
    "BEFT",
    "DEFT",
    "FROD",
    "GLORA",
    "LILY",
    "LN_TUNING",
    "LORA",
    "PEANUT",
    "POLY",
    "PVERA",
    "ROAD",
    "SHADOW",
    "SUPERTUNING",
    "TRAINABLE_TOKENS",
    "XLORA",
];

/// What the user of an adapter that is no LoRA can do.
pub(super) fn hint(found: &str) -> String {
    let hint = if CONVERTIBLE.contains(&found) {
        "convert it first: `rankine adapter convert IN --base MODEL --to lora --output OUT`"
    } else if PYTHON.contains(&found) {
        "convert it in Python with peft's `save_as_lora(path, model, rank)` and use the result"
    } else if DRAWN.contains(&found) {
        "where its numbers belong is drawn by torch and not in the file: convert it in Python with peft's \
         `save_as_lora(path, model, rank)` and use the result"
    } else if PROMPTS.contains(&found) {
        "it adds virtual tokens and changes no weight, so it cannot be merged"
    } else if found == "BONE" {
        "peft replaced it by MISS: merge it in Python with the version of peft that wrote it"
    } else if OTHERS.contains(&found) {
        "merge it in Python with peft's `merge_and_unload`, where peft can"
    } else {
        return unknown(found);
    };
    hint.to_owned()
}

fn unknown(found: &str) -> String {
    let all = CONVERTIBLE.into_iter().chain(PYTHON).chain(DRAWN).chain(PROMPTS).chain(OTHERS);
    match names::nearest(found, all, 3).as_slice() {
        [] => "peft 0.21 knows no such type: update this program, or merge it in Python with the version of peft that \
               wrote it"
            .to_owned(),
        nearest => format!("the nearest types are `{}`", nearest.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_way_out() {
        for (found, part) in [
            ("LOHA", "rankine adapter convert"),
            ("HIRA", "save_as_lora"),
            ("FOURIERFT", "drawn by torch"),
            ("PROMPT_TUNING", "virtual tokens"),
            ("BONE", "MISS"),
            ("ROAD", "merge_and_unload"),
            ("LOAH", "`LOHA`"),
            ("ADALORRA", "`ADALORA`"),
            ("SOMETHING_ELSE", "knows no such type"),
        ] {
            assert!(hint(found).contains(part), "{found}: {}", hint(found));
        }
    }
}
