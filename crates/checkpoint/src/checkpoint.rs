//! A model as users name it: a folder of Hugging Face files, a GGUF file, or a folder with one GGUF file.

use crate::added::Added;
use crate::edit::Editable;
use crate::gguf::{Gguf, Vocabulary};
use crate::pickle::Pickle;
use crate::safetensors::Safetensors;
use crate::thin::Thin;
use crate::{
    Adapter, Config, Error, Result, Tensors, aliases, config, ends, mapping, module_names, open_tensors,
};
use serde::de::IgnoredAny;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An opened model: configuration, tensors, tokenizer.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    config: Config,
    source: Source,
    added: Option<Added>,
}

#[derive(Debug)]
enum Source {
    Folder(Arc<Safetensors>),
    Thin(Arc<Thin>),
    Pickle(Arc<Pickle>),
    Gguf(Arc<Gguf>),
}

/// What a tokenizer is made from.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenizerFiles {
    /// `tokenizer.json` and its companions.
    Json {
        /// The bytes of `tokenizer.json`.
        tokenizer: Vec<u8>,
        /// `tokenizer_config.json`; null where there is none.
        config: Value,
        /// The chat template: `chat_template.jinja`, else the default one of `tokenizer_config.json`.
        template: Option<String>,
    },
    /// The vocabulary inside a GGUF file.
    Gguf(Vocabulary),
}

/// Small files beside the weights that a copy of the model should have too, besides `config.json`.
pub(crate) const COMPANIONS: [&str; 9] = [
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
];

impl Checkpoint {
    /// Opens a folder or a `.gguf` file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let metadata = std::fs::metadata(path).map_err(|source| Error::io(path, source))?;
        if metadata.is_dir() {
            return match path.join("config.json").is_file() {
                true => Self::open_folder(path),
                false => Self::open_gguf(&only_gguf(path)?),
            };
        }
        let weights = ["safetensors", "bin", "pth", "pt"];
        let alone = weights.iter().any(|extension| has_extension(path, extension));
        if alone {
            return Err(undescribed(path));
        }
        if path.file_name().is_some_and(|name| name == "config.json") {
            let reason = "a model is more than this file";
            return Err(Error::NoModel { path: path.to_owned(), reason });
        }
        Self::open_gguf(path)
    }

    fn open_folder(path: &Path) -> Result<Self> {
        let (config, layers) = Config::read_marked(path)?;
        let source = match (layers, Safetensors::is_in(path) || !Pickle::is_in(path)) {
            (Some(layers), _) => {
                Source::Thin(Arc::new(Thin::new(settled(&config, Safetensors::open(path)?), &layers)?))
            }
            (None, true) => Source::Folder(Arc::new(settled(&config, Safetensors::open(path)?))),
            (None, false) => Source::Pickle(Arc::new(settled(&config, Pickle::open(path)?))),
        };
        Ok(Self { path: path.to_owned(), config, source, added: None })
    }

    fn open_gguf(path: &Path) -> Result<Self> {
        let gguf = Gguf::open(path)?;
        let config = gguf.config()?;
        config.check(path)?;
        Ok(Self { path: path.to_owned(), config, source: Source::Gguf(Arc::new(gguf)), added: None })
    }

    /// The folder or the GGUF file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a GGUF file.
    pub fn is_gguf(&self) -> bool {
        matches!(self.source, Source::Gguf(_))
    }

    /// The file, where it is a GGUF file.
    pub fn gguf(&self) -> Option<&Gguf> {
        match &self.source {
            Source::Gguf(gguf) => Some(gguf),
            Source::Folder(_) | Source::Thin(_) | Source::Pickle(_) => None,
        }
    }

    /// Whether a tokenizer came with it, of a kind that [`tokenizer_files`](Self::tokenizer_files) reads.
    pub fn has_tokenizer(&self) -> bool {
        match &self.source {
            Source::Folder(_) | Source::Thin(_) | Source::Pickle(_) => {
                self.path.join("tokenizer.json").is_file()
            }
            Source::Gguf(gguf) => gguf.metadata().get("tokenizer.ggml.tokens").is_some(),
        }
    }

    /// Shape and constants of the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Names of the classes that the head tells apart; `None` where the configuration is not of a classifier.
    pub fn classes(&self) -> Result<Option<Vec<String>>> {
        let path = self.path.join("config.json");
        self.config.classes().map_err(|fault| Error::Config { path, fault })
    }

    /// Makes the model a classifier of these classes, in memory; `tensors` (name, shape, row-major numbers) are those of its
    /// head that the file lacks. Other heads, as those of its pretraining, are passed over from now on.
    pub fn make_classifier(&mut self, names: &[String], tensors: Vec<(String, Vec<usize>, Vec<f32>)>) {
        self.config.set_classes(names);
        let mut added = self.added.take().unwrap_or_else(|| Added::beside(self.shared()));
        for (name, shape, values) in tensors {
            added.insert(name, shape, values);
        }
        if self.config.architecture.is_encoder() {
            let encoder: BTreeSet<String> = self.config.tensors().into_iter().map(|(name, _)| name).collect();
            let head = self.config.architecture.head();
            let is_of_head =
                |name: &str| name.rsplit_once('.').is_some_and(|(module, _)| head.contains(&module));
            added.retain(|name| encoder.contains(name) || is_of_head(name));
        } else {
            added.retain(|name| name != ends::HEAD);
        }
        self.added = Some(added);
    }

    /// All tensors, by their Hugging Face names.
    pub fn tensors(&self) -> &dyn Tensors {
        match &self.added {
            Some(added) => added,
            None => self.file(),
        }
    }

    /// An adapter under the names of the files.
    ///
    /// # Errors
    /// When it has other names, as one of the model without a head, and does not fit the model.
    pub fn settle(&self, adapter: Adapter) -> Result<Adapter> {
        module_names::settled(adapter, self.tensors())
    }

    /// The tensors of the file.
    fn file(&self) -> &dyn Tensors {
        match &self.source {
            Source::Folder(tensors) => tensors.as_ref(),
            Source::Thin(tensors) => tensors.as_ref(),
            Source::Pickle(tensors) => tensors.as_ref(),
            Source::Gguf(gguf) => gguf.as_ref(),
        }
    }

    /// The same, for whoever keeps them.
    fn shared(&self) -> Arc<dyn Tensors> {
        match &self.source {
            Source::Folder(tensors) => tensors.clone(),
            Source::Thin(tensors) => tensors.clone(),
            Source::Pickle(tensors) => tensors.clone(),
            Source::Gguf(gguf) => gguf.clone(),
        }
    }

    /// Whether there is a tensor `name`. A tied model has no `lm_head.weight`.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors().infos().contains_key(name)
    }

    /// The numbers of one tensor, row-major.
    pub fn read(&self, name: &str) -> Result<Vec<f32>> {
        let infos = self.tensors().infos();
        let info = infos.get(name).ok_or_else(|| Error::missing_tensor(&self.path, name, infos.keys()))?;
        let mut values = vec![0.0; info.elements()];
        self.tensors().read_into(name, &mut values)?;
        Ok(values)
    }

    /// What the tokenizer is made from.
    pub fn tokenizer_files(&self) -> Result<TokenizerFiles> {
        match &self.source {
            Source::Folder(_) | Source::Thin(_) | Source::Pickle(_) => read_tokenizer(&self.path),
            Source::Gguf(gguf) => gguf.vocabulary().map(TokenizerFiles::Gguf),
        }
    }

    /// Tokenizer, chat template and generation settings: the files that a changed copy of the model keeps.
    pub fn companions(&self) -> Vec<PathBuf> {
        match &self.source {
            Source::Folder(_) | Source::Thin(_) | Source::Pickle(_) => {
                let paths = COMPANIONS.iter().map(|name| self.path.join(name));
                paths.filter(|path| path.is_file()).collect()
            }
            Source::Gguf(_) => Vec::new(),
        }
    }
}

/// The tensors of a model as transformers names them now.
fn settled<T: Editable>(config: &Config, mut tensors: T) -> T {
    aliases::settle(config.architecture, &mut tensors);
    // Some programs write the tied head out; as long as it is the embedding, it is no tensor of its own.
    if config.tied && tensors.is_copy(ends::HEAD, config.architecture.embedding()) {
        tensors.remove(ends::HEAD);
    }
    tensors
}

pub(crate) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// The one GGUF file of a folder without `config.json`.
fn only_gguf(folder: &Path) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).map_err(|source| Error::io(folder, source))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<_> = paths.filter(|path| path.is_file() && has_extension(path, "gguf")).collect();
    let no_model = |reason| Error::NoModel { path: folder.to_owned(), reason };
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) if Safetensors::is_in(folder) || Pickle::is_in(folder) => Err(undescribed(folder)),
        (None, _) => Err(no_model("neither `config.json` nor a `.gguf` file")),
        (Some(_), false) => Err(no_model("several `.gguf` files; name one of them")),
    }
}

/// That weights alone are no model, and the file that would make one of them where they may be a plain network.
fn undescribed(path: &Path) -> Error {
    let tensors = open_tensors(path).ok();
    let example = tensors.and_then(|tensors| config::Chain::example(tensors.infos()));
    Error::Undescribed { path: path.to_owned(), example: example.map(|file| file.to_string()) }
}

fn read_tokenizer(folder: &Path) -> Result<TokenizerFiles> {
    let path = folder.join("tokenizer.json");
    if !path.is_file() {
        let others = ["tokenizer.model", "vocab.json"];
        let other = others.into_iter().find(|name| folder.join(name).is_file());
        return Err(Error::MissingTokenizer { path: folder.to_owned(), other });
    }
    let tokenizer = mapping::read_limited(&path, mapping::JSON_LIMIT)?;
    // Whoever reads it knows the bytes and not the file, which a message should name.
    mapping::parse_json::<IgnoredAny>(&path, &tokenizer)?;
    let config: Option<Value> = mapping::read_json_if_there(&folder.join("tokenizer_config.json"))?;
    let config = config.unwrap_or(Value::Null);
    let template = match read_text_if_there(&folder.join("chat_template.jinja"))? {
        Some(template) => Some(template),
        None => default_template(&config),
    };
    Ok(TokenizerFiles::Json { tokenizer, config, template })
}

fn read_text_if_there(path: &Path) -> Result<Option<String>> {
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = mapping::read_limited(path, mapping::JSON_LIMIT)?;
    String::from_utf8(bytes).map(Some).map_err(|_| Error::NotText { path: path.to_owned() })
}

/// `chat_template` is one template, or a list of `{name, template}` of which the default counts.
fn default_template(config: &Value) -> Option<String> {
    let template = match config.get("chat_template")? {
        Value::Array(named) => named.iter().find(|one| one["name"] == "default")?.get("template")?,
        one => one,
    };
    template.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests;
