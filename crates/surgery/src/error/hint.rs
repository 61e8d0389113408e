//! What the user can do about an error.

use super::Error;

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Checkpoint(error) => return error.hint(),
            Self::Decomposition { source, .. } => return source.hint(),
            Self::OutputIsInput { .. } | Self::OutputInInput { .. } => "choose another output",
            Self::NoPlaceInGguf { .. } => {
                "language models of the llama family are written: llama, mistral, qwen2, qwen3, smollm"
            }
            Self::NotGguf { .. } => {
                "merge without `--requantize`, and make a GGUF file of it with `rankine quantize`"
            }
            Self::Unencodable { .. } => "the weights are damaged, or should stay f32 or bf16",
            Self::OutputIsForeign { .. } => "choose another output, or remove this one yourself",
            Self::Base { .. } => "the files are not complete or not of one model: download the model again",
            Self::Interrupted => return None,
            Self::Unfinished { folder, files, source } => {
                let files = match files {
                    1 => "1 finished file is".to_owned(),
                    files => format!("{files} finished files are"),
                };
                let folder = folder.display();
                let kept = format!("{files} kept in `{folder}`: the same command with `--resume` goes on");
                return Some(match source.hint() {
                    Some(hint) => format!("{hint}; {kept}"),
                    None => kept,
                });
            }
            Self::BegunOtherwise { .. } => {
                "give the same command as then; or start anew without `--resume`, which throws the finished files away"
            }
            Self::Busy { .. } => "wait until it is done, or choose another output",
            Self::PartialIsForeign { .. } => "move it away, or choose another output",
            Self::Unlike { .. } => {
                "both should be copies of one architecture, with the same sizes and vocabulary"
            }
            Self::Setting { name, .. } => return setting_hint(name),
            Self::FullRank { .. } => {
                "say how much of it to keep, with `--rank` or `--energy`; changes of DoRA, of kinds that scale or rotate weights, and \
                 on a rounded or otherwise altered base are so"
            }
            Self::NotLinear { .. } => {
                "merge it in Python with peft's `merge_and_unload`; or convert a copy of the adapter without this module"
            }
            Self::NoProjection { .. } => {
                "save the adapter once more, in Python, with `save_projection=True`: torch drew the matrix, and its random \
                 numbers are not made here"
            }
            Self::Index { .. } => "this adapter was made for another base model, or its file is damaged",
            Self::NotFinite { .. } => {
                "a direction of length zero or numbers too large: the training diverged, or the file is damaged"
            }
            Self::RowsOnResidual { .. } => "merge the adapter into its base instead",
            Self::NeedsBase { .. } => "name the base with `--base`",
            Self::NotProduct { .. } => {
                "merge that adapter into the base first, and make the others on the merged model; or train without \
                 biases and new rows"
            }
            Self::NotInGguf { obstacle, .. } => obstacle.hint(),
            Self::OtherShape { .. } => "only adapters of one base can be combined",
            Self::AlteredBase { initialisation, .. } => initialisation.way_back(),
            Self::Ambiguous { .. } => {
                "give the adapter as it was before the training, with `rankine adapter convert --initial`"
            }
            Self::Beginning(fault) => return Some(fault.hint()),
            Self::Factors { .. } => "read the adapter again from its folder",
            Self::BiasShape { .. } => "this adapter was made for another base model",
            Self::NewBias { .. } | Self::NoPlaceForBias { .. } => {
                "train without `lora_bias`, or use the adapter without merging it"
            }
            Self::Thin { .. } => "multiply its factors out first: `rankine merge THIN --output WHOLE`",
            Self::NotThin { .. } => "name the adapter: `rankine merge MODEL ADAPTER --output MERGED`",
            Self::NoLinear { .. } => {
                "`rankine train --method pela --target '.*conv.*'` makes two thin ones of every convolution and trains them; \
                 `--method lora` puts a branch beside each"
            }
            Self::NotSmaller { .. } => "ask for a smaller rank, ratio or energy, or for other targets",
            Self::Alike { .. } => "name first the model as it was, then what compression made of it",
            Self::NoCalibration => "give some text of the kind that the model is for with `--calibration`",
            Self::Unseen { .. } => "leave it out: name other modules with `--target`",
            Self::Inputs { .. } => return None,
            Self::Unchanged { .. } => {
                "look at what differs with `rankine diff`; `--whole` keeps what is no linear layer"
            }
            Self::Structure { .. } => {
                "give the folder with its `config.json`; without one only a plain chain of layers is known, in the order of the \
                 file"
            }
            Self::OtherUnits { .. } => "both should be copies of one architecture, with as many heads",
            Self::NoUnits { .. } => "leave out `--groups`, or name others: `mlp`, `heads`, `residual`",
            Self::Recipe { fault, .. } => return fault.hint(),
            Self::Dtype { .. } => "write them as f32, f16 or bf16",
        };
        Some(hint.to_owned())
    }
}

/// What could be given instead.
fn setting_hint(name: &str) -> Option<String> {
    let example = match name {
        "rank" => "--rank 8",
        "epsilon" => "--epsilon 0.5",
        "top" => "--top 10",
        "mitigate" => "--mitigate 0.75",
        "error" => "--error 0.01",
        "energy" => "--energy 0.99",
        "ratio" => "--ratio 0.5",
        "sparsity" => "--sparsity 0.5",
        "density" => "--density 0.2",
        "bits" => "--bits 4",
        "group size" => "--group-size 128",
        "pattern" => "--pattern 2:4",
        "blocks" => "--blocks 4",
        "weights" => "--weights 0.7,0.3",
        "sweeps" => "--sweeps 100",
        "starts" => "--starts 5",
        "learning rate" => "--learning-rate 0.01",
        "at" => "--at 0.5",
        _ => return None,
    };
    Some(format!("for example `{example}`"))
}
