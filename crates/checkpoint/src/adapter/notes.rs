//! What readers do with an adapter that is usable here: what they lose, and what they do again.
//!
//! llama.cpp as of its `convert_lora_to_gguf.py` of 2025-02: one alpha for the whole file, the rank taken from each tensor,
//! nothing but factors.

use super::{Bias, Initialisation, Inspection, LayerKind, Selection};
use crate::{Dtype, Tensors, module_names};

/// Something to know about an adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whom it concerns.
    pub reader: Reader,
    /// What.
    pub text: String,
}

/// Who reads adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Everyone.
    Everyone,
    /// transformers and peft.
    Transformers,
    /// llama.cpp.
    LlamaCpp,
}

impl Reader {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Everyone => "everyone",
            Self::Transformers => "transformers",
            Self::LlamaCpp => "llama.cpp",
        }
    }
}

/// How a base that was altered is come by again.
impl Initialisation {
    /// The value of `init_lora_weights`, as a word.
    pub fn word(self) -> String {
        match self.to_json() {
            serde_json::Value::String(word) => word,
            other => other.to_string(),
        }
    }

    /// Whether the base can be altered once more in the same way, from nothing but itself.
    pub fn is_repeatable(self) -> bool {
        matches!(self, Self::Pissa | Self::Olora)
    }

    /// How a change of the original base is come by, where the altered one cannot be made again.
    pub fn way_back(self) -> &'static str {
        match self {
            Self::Loftq => {
                "make a plain LoRA of it with `rankine adapter convert ADAPTER --base MODEL --residual FOLDER --rank N`, \
                 where FOLDER is the quantised model that it stands on, saved in Python with `unload().save_pretrained(FOLDER)`"
            }
            _ => {
                "make a plain LoRA of it with `rankine adapter convert ADAPTER --base MODEL --initial FOLDER`, where FOLDER is \
                 the adapter as `save_pretrained` wrote it before the training; or with `--residual FOLDER`, where the altered \
                 base was saved"
            }
        }
    }

    /// What it means for whoever loads the adapter.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Kaiming | Self::Random | Self::Gaussian | Self::Eva | Self::Orthogonal | Self::Mica => {
                "the base is as it was; the factors are the whole change"
            }
            Self::Pissa => {
                "the principal part of every weight was taken out of the base and is not in the file; it is found again \
                 by an SVD of the same base"
            }
            Self::Olora => {
                "a part of every weight was taken out of the base and is not in the file; it is found again by a QR \
                 decomposition of the same base"
            }
            Self::PissaIterations(_) => {
                "the principal part was taken out of the base as a randomised SVD found it; nobody finds the same again, \
                 and peft loads another base without a word"
            }
            Self::Corda | Self::LoraGa => {
                "a part of every weight that depends on data was taken out of the base; it is not in the file and cannot \
                 be found again"
            }
            Self::Loftq => "the factors stand on a quantised base, which is not in the file",
        }
    }
}

/// Everything to know about an adapter whose configuration was read.
pub(super) fn notes(inspection: &Inspection, base: &dyn Tensors) -> Vec<Note> {
    let note = |reader| move |text| Note { reader, text };
    let everyone = everyone(inspection).into_iter().map(note(Reader::Everyone));
    let transformers = transformers(inspection, base).into_iter().map(note(Reader::Transformers));
    everyone
        .chain(transformers)
        .chain(llama_cpp(inspection, base).into_iter().map(note(Reader::LlamaCpp)))
        .collect()
}

fn everyone(inspection: &Inspection) -> Vec<String> {
    let mut notes = Vec::new();
    let Some(config) = &inspection.config else { return notes };
    if !config.unknown_keys.is_empty() {
        notes.push(format!("`{}` is not known here and has no effect", config.unknown_keys.join("`, `")));
    }
    if inspection.dtypes.keys().any(|dtype| *dtype != Dtype::F32) {
        notes.push("not all tensors are stored as f32; they are widened when read".to_owned());
    }
    notes
}

fn transformers(inspection: &Inspection, base: &dyn Tensors) -> Vec<String> {
    let mut notes = Vec::new();
    let Some(config) = &inspection.config else { return notes };
    if config.base_model.is_none() {
        notes.push(
            "no `base_model_name_or_path`: AutoPeftModel does not find the base, PeftModel has to be given it"
                .to_owned(),
        );
    }
    if config.targets.modules == Selection::Default {
        notes.push(
            "no `target_modules`: what is adapted depends on the model type and peft's version".to_owned(),
        );
    }
    if config.initialisation.is_repeatable() {
        notes.push(
            "loading decomposes every adapted weight again, in f32; `rankine adapter convert` makes a LoRA that loads \
             at once"
                .to_owned(),
        );
    }
    let modules = inspection.modules.iter().map(|module| module.path.as_str());
    let names = modules.chain(inspection.whole.iter().map(String::as_str));
    notes.extend(module_names::note(names).map(str::to_owned));
    let ends = inspection
        .modules
        .iter()
        .filter(|module| module.kind == LayerKind::Embedding || module.path == "lm_head");
    if crate::ends::tied(base.infos()).is_some() && ends.count() == 1 {
        notes.push(
            "embedding and head of the base are one matrix, and one of them is adapted: merge_and_unload changes both; \
             `rankine merge` keeps them apart"
                .to_owned(),
        );
    }
    notes
}

fn llama_cpp(inspection: &Inspection, base: &dyn Tensors) -> Vec<String> {
    let mut notes = Vec::new();
    let Some(config) = &inspection.config else { return notes };
    if crate::ends::embedding(base.infos()).is_none() {
        return vec![
            "takes a LoRA beside a language model only, and this base is none: merge instead".to_owned(),
        ];
    }
    let modules = &inspection.modules;
    let is_off = |module: &&super::Module| {
        let expected = config.alpha / module.rank.max(1) as f64;
        (f64::from(module.scaling) - expected).abs() > 1e-6 * expected.abs()
    };
    let off = modules.iter().filter(is_off).count();
    if 0 < off {
        notes.push(format!(
            "{off} of {} modules get a wrong scale: alpha / rank with one alpha for all, whatever rslora and \
             alpha_pattern say; `rankine adapter export` writes a file with the right ones",
            modules.len()
        ));
    }
    if modules.iter().any(|module| module.magnitude) {
        notes.push(
            "DoRA's magnitudes are not read: convert with `rankine adapter convert`, or merge".to_owned(),
        );
    }
    let biases = config.lora_bias || config.bias != Bias::None;
    if biases || !inspection.whole.is_empty() || !inspection.new_rows.is_empty() {
        notes.push(
            "biases, whole modules and new rows are not taken: the converter stops at them; merge instead"
                .to_owned(),
        );
    }
    if config.initialisation.alters_base() {
        notes.push(
            "the factors would stand on the wrong base: convert with `rankine adapter convert` first"
                .to_owned(),
        );
    }
    notes
}
