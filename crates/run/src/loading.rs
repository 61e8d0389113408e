//! From files to a model with its tokenizer.

use crate::{Error, Result, residual};
use rankine_checkpoint::{
    Adapter, AdapterConfig, Checkpoint, Config, TensorInfo, TokenizerFiles,
    adapter::{ModuleName, modules_of},
    gguf::{self, TokenKind},
};
use rankine_data::{Tokenizer, Vocabulary};
use rankine_nn::{
    LanguageModel,
    models::{self, Storage},
};
use rankine_surgery::Merged;
use std::path::{Path, PathBuf};

const TOKENIZER: &str = "tokenizer.json";

/// A model that is ready to run.
pub struct Loaded {
    /// The model; an adapter is already in its weights.
    pub model: Box<dyn LanguageModel>,
    /// Its tokenizer and chat template.
    pub tokenizer: Tokenizer,
    /// Its configuration.
    pub config: Config,
    /// Where it came from.
    pub path: PathBuf,
    /// What the user should know about the adapter.
    pub warnings: Vec<String>,
}

/// Opens a folder or `.gguf` file, with an adapter applied in memory.
pub fn load(path: &Path, adapter: Option<&Path>, storage: Storage) -> Result<Loaded> {
    let checkpoint = Checkpoint::open(path)?;
    let tokenizer = tokenizer(&checkpoint)?;
    let mut warnings = Vec::new();
    let model = apply(&checkpoint, adapter, storage, &mut warnings)?;
    Ok(Loaded { model, tokenizer, config: checkpoint.config().clone(), path: path.to_owned(), warnings })
}

/// The same without a tokenizer, which not every model has.
pub fn load_model(path: &Path, adapter: Option<&Path>) -> Result<(Box<dyn LanguageModel>, Config)> {
    let checkpoint = Checkpoint::open(path)?;
    let model = apply(&checkpoint, adapter, Storage::File, &mut Vec::new())?;
    Ok((model, checkpoint.config().clone()))
}

fn apply(
    checkpoint: &Checkpoint,
    adapter: Option<&Path>,
    storage: Storage,
    warnings: &mut Vec<String>,
) -> Result<Box<dyn LanguageModel>> {
    let (config, tensors) = (checkpoint.config(), checkpoint.tensors());
    let Some(folder) = adapter else {
        return Ok(models::load(config, tensors, storage)?);
    };
    let adapter = checkpoint.settle(open_adapter(checkpoint.path(), folder)?)?;
    warnings.extend(warning(folder, &adapter));
    Ok(models::load(config, &Merged::new(tensors, &adapter)?, storage)?)
}

/// What an adapter asks for that nobody here knows.
pub fn warning(folder: &Path, adapter: &Adapter) -> Option<String> {
    let keys = adapter.config.unknown_keys.join("`, `");
    let folder = folder.display();
    (!keys.is_empty()).then(|| {
        format!("warning: `{folder}/adapter_config.json`: `{keys}` is not known here and has no effect")
    })
}

/// The adapter in a folder, for the model at `base`; a run's folder is one.
pub fn open_adapter(base: &Path, folder: &Path) -> Result<Adapter> {
    let adapter = Adapter::open(folder)?;
    check_base(base, folder, &adapter.config)?;
    Ok(adapter)
}

/// An error when the adapter in `folder` stands on the residual base of its run, and `base` is another model: it would run, and
/// be wrong.
pub fn check_base(base: &Path, folder: &Path, config: &AdapterConfig) -> Result<()> {
    match residual::residual_of(base, folder, config) {
        Some(residual) => Err(Error::OtherBase { adapter: folder.to_owned(), residual }),
        None => Ok(()),
    }
}

/// The tokenizer and chat template of a model; its ending tokens are those of the configuration too.
pub fn tokenizer(checkpoint: &Checkpoint) -> Result<Tokenizer> {
    let made = match checkpoint.tokenizer_files()? {
        TokenizerFiles::Json { tokenizer, config, template } => {
            Tokenizer::from_json(&tokenizer, &config, template)
        }
        TokenizerFiles::Gguf(vocabulary) => Tokenizer::from_vocabulary(Vocabulary {
            kinds: vocabulary.kinds.iter().map(|&kind| kind.number()).collect(),
            model: vocabulary.model,
            pre: vocabulary.pre,
            tokens: vocabulary.tokens,
            merges: vocabulary.merges,
            scores: vocabulary.scores,
            bos: vocabulary.bos,
            eos: vocabulary.eos,
            unknown: vocabulary.unknown,
            padding: vocabulary.padding,
            add_bos: vocabulary.add_bos,
            add_eos: vocabulary.add_eos,
            add_space_prefix: vocabulary.add_space_prefix,
            chat_template: vocabulary.chat_template,
        }),
    };
    let mut tokenizer = made.map_err(|source| at_tokenizer(checkpoint, source))?;
    tokenizer.add_eos_ids(&checkpoint.config().eos);
    Ok(tokenizer)
}

/// The fault of a tokenizer, with its file.
fn at_tokenizer(checkpoint: &Checkpoint, source: rankine_data::Error) -> Error {
    let path =
        if checkpoint.is_gguf() { checkpoint.path().to_owned() } else { checkpoint.path().join(TOKENIZER) };
    Error::Tokenizer { path, source: Box::new(source) }
}

/// The tokenizer and chat template inside a GGUF file as the files that transformers reads; none where it has none, and
/// none for a folder, whose own are copied as they are.
pub fn tokenizer_companions(base: &Checkpoint) -> Result<Vec<(String, Vec<u8>)>> {
    if !base.is_gguf() || !base.has_tokenizer() {
        return Ok(Vec::new());
    }
    let tokenizer = tokenizer(base)?;
    let config = format!("{:#}\n", tokenizer.tokenizer_config_json());
    let mut files = vec![
        (TOKENIZER.to_owned(), tokenizer.to_json()?),
        ("tokenizer_config.json".to_owned(), config.into_bytes()),
    ];
    if let Some(template) = tokenizer.chat_template() {
        files.push(("chat_template.jinja".to_owned(), template.as_bytes().to_vec()));
    }
    Ok(files)
}

/// The tokenizer and chat template of a model as a GGUF file holds them; `None` where it has none.
///
/// # Errors
/// When llama.cpp would tokenise otherwise with what such a file can hold.
pub fn gguf_vocabulary(checkpoint: &Checkpoint) -> Result<Option<gguf::Vocabulary>> {
    if !checkpoint.has_tokenizer() {
        return Ok(None);
    }
    let (tokenizer, settings, template) = match checkpoint.tokenizer_files()? {
        TokenizerFiles::Gguf(vocabulary) => return Ok(Some(vocabulary)),
        TokenizerFiles::Json { tokenizer, config, template } => (tokenizer, config, template),
    };
    let config = checkpoint.config();
    let rows = checkpoint.tensors().infos().get(config.architecture.embedding()).map_or(0, TensorInfo::rows);
    let found = Vocabulary::from_json(&tokenizer, &settings, template, rows)
        .map_err(|source| at_tokenizer(checkpoint, source))?;
    // Some configurations name tokens that are not there.
    let known = |id: &u32| (*id as usize) < rows;
    let ends = || config.eos.iter().copied().filter(known);
    let eos = found.eos.or(ends().next());
    Ok(Some(gguf::Vocabulary {
        kinds: found.kinds.iter().map(|&kind| TokenKind::of(kind).unwrap_or(TokenKind::Normal)).collect(),
        model: found.model,
        pre: found.pre,
        tokens: found.tokens,
        merges: found.merges,
        scores: found.scores,
        bos: found.bos.or(config.bos.filter(known)),
        eos,
        end_of_turn: ends().find(|&token| Some(token) != eos),
        unknown: found.unknown,
        padding: found.padding.or(config.padding.filter(known)),
        add_bos: found.add_bos,
        add_eos: found.add_eos,
        add_space_prefix: found.add_space_prefix,
        chat_template: found.chat_template,
    }))
}

/// The modules of a model that targets are chosen from.
pub fn module_names(checkpoint: &Checkpoint) -> Vec<ModuleName> {
    modules_of(checkpoint.tensors())
}
