//! The base that a method left: the original model without what the branches started as, or rounded.
//!
//! Written beside the adapter on request, for programs that want the factors themselves on the base they were trained
//! on. All weights are f32 there, whatever the original was stored as: the branch was trained against these very numbers.

use crate::folder::BEST;
use crate::{Error, Result, kind::ModelFiles};
use indexmap::IndexMap;
use rankine_checkpoint::{AdapterConfig, TensorInfo, Tensors};
use rankine_nn::Model;
use rankine_surgery::Watch;
use rankine_tensor::Frozen;
use std::{
    borrow::Cow,
    collections::HashMap,
    ops::Range,
    path::{Path, PathBuf},
};

/// Name of its folder in a run's folder.
pub(crate) const FOLDER: &str = "residual";

/// The original's tensors, some of them without their branch; those are widened when they are read.
struct Residual<'a> {
    original: &'a dyn Tensors,
    left: HashMap<&'a str, Frozen>,
}

impl Tensors for Residual<'_> {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        self.original.infos()
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> rankine_checkpoint::Result<()> {
        let rows = self.infos().get(name).map_or(0, TensorInfo::rows);
        self.read_rows(name, 0..rows, out)
    }

    /// Of the original: all weights are stored anew as f32.
    fn raw(&self, name: &str) -> rankine_checkpoint::Result<Cow<'_, [u8]>> {
        self.original.raw(name)
    }

    fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> rankine_checkpoint::Result<()> {
        let (Some(left), Some(info)) = (self.left.get(name), self.infos().get(name)) else {
            return self.original.read_rows(name, rows, out);
        };
        info.check_rows(name, &rows, out.len())?;
        let width = info.row_elements();
        match left {
            Frozen::Wide(left) => {
                left.read(|values| out.copy_from_slice(&values[rows.start * width..rows.end * width]));
            }
            Frozen::Stored(left) => left.widen(rows, out),
        }
        Ok(())
    }

    fn release(&self, name: &str, rows: Range<usize>) {
        self.original.release(name, rows);
    }
}

/// Whether some weight of `model` has a part taken out, or was rounded.
pub(crate) fn is_there(model: &dyn Model) -> bool {
    model.parameters().iter().any(|parameter| parameter.weight.residual().is_some())
}

/// An error unless some weight of `model` has a part taken out, or was rounded.
pub(crate) fn require(model: &dyn Model) -> Result<()> {
    match is_there(model) {
        true => Ok(()),
        false => Err(Error::Setting {
            key: "keep_residual",
            expected: "left out: this method leaves the base as it is",
            found: "true".to_owned(),
        }),
    }
}

/// Writes the base that `model`'s branches stand beside, as a model that transformers loads.
pub(crate) fn write(
    model: &dyn Model,
    original: &dyn ModelFiles,
    folder: &Path,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let parameters = model.parameters();
    let mut left = HashMap::new();
    for parameter in &parameters {
        if let Some((value, _)) = parameter.weight.residual() {
            let value = match parameter.is_transposed() {
                true => parameter.in_file(&value.tensor())?.into(),
                false => value,
            };
            left.insert(parameter.path(), value);
        }
    }
    original.write(&Residual { original: original.tensors(), left }, None, folder, watch)
}

/// The residual that the adapter in `folder` stands on, where `model` is another model: the one that its run left in the same
/// folder, the one that its configuration names, or where that is gone the one beside it. Where none of them is there, `model` is
/// told from it by its name alone.
pub fn residual_of(model: &Path, folder: &Path, config: &AdapterConfig) -> Option<PathBuf> {
    let resolved = |path: &Path| fs_err::canonicalize(path).ok();
    let is_residual =
        |path: &PathBuf| is_called_so(path) || resolved(path).is_some_and(|path| is_called_so(&path));
    let named = config.base_model.as_deref().map(PathBuf::from).filter(is_residual)?;
    let beside = folder.join("..").join(FOLDER);
    let of_the_run = if folder.file_name().is_some_and(|name| name == BEST) {
        beside.clone()
    } else {
        folder.join(FOLDER)
    };
    let places = [of_the_run, named.clone(), beside];
    match places.into_iter().find(|place| place.join("config.json").is_file()) {
        Some(residual) => (resolved(&residual) != resolved(model)).then_some(residual),
        None => (!resolved(model).is_some_and(|model| is_called_so(&model))).then_some(named),
    }
}

fn is_called_so(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == FOLDER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A file that is told what is no longer needed.
    #[derive(Default)]
    struct File {
        infos: IndexMap<String, TensorInfo>,
        released: Mutex<Vec<(String, Range<usize>)>>,
    }

    impl Tensors for File {
        fn infos(&self) -> &IndexMap<String, TensorInfo> {
            &self.infos
        }

        fn read_into(&self, _: &str, _: &mut [f32]) -> rankine_checkpoint::Result<()> {
            Ok(())
        }

        fn raw(&self, _: &str) -> rankine_checkpoint::Result<Cow<'_, [u8]>> {
            Ok(Cow::Borrowed(&[]))
        }

        fn release(&self, name: &str, rows: Range<usize>) {
            self.released.lock().unwrap().push((name.to_owned(), rows));
        }
    }

    #[test]
    fn a_residual_is_the_runs_own_the_one_that_is_named_or_the_one_beside() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for model in ["model", "a/residual", "b/residual"] {
            fs_err::create_dir_all(at(model)).unwrap();
            fs_err::write(at(model).join("config.json"), "{}").unwrap();
        }
        fs_err::create_dir(at("b/best")).unwrap();
        let of = |model: &str, folder: &str, named: &str| {
            let config = AdapterConfig { base_model: Some(named.to_owned()), ..AdapterConfig::default() };
            residual_of(&at(model), &at(folder), &config)
        };
        let named = at("a/residual").display().to_string();
        // What a run left in its folder is its own, wherever the folder went.
        assert_eq!(of("model", "b", &named), Some(at("b/residual")));
        assert_eq!(of("model", "b/best", &named), Some(at("b/best/../residual")));
        assert_eq!(of("model", "b/trained", &named), Some(at("a/residual")));
        assert_eq!(of("model", "c", &named), Some(at("a/residual")));
        assert_eq!(of("b/residual", "b/trained", &named), Some(at("a/residual")));
        assert_eq!(of("a/residual", "b/trained", &named), None);
        assert_eq!(of("model", "b", "gone/residual"), Some(at("b/residual")));
        assert_eq!(of("b/residual", "b", "gone/residual"), None);
        assert_eq!(of("model", "c", "gone/residual"), Some("gone/residual".into()));
        assert_eq!(of("a/residual", "c", "gone/residual"), None);
        assert_eq!(of("model", "b", "owner/model"), None);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(at("a/residual"), at("link")).unwrap();
            assert_eq!(of("model", "c", &at("link").display().to_string()), Some(at("link")));
        }
    }

    #[test]
    fn the_file_of_the_original_hears_what_is_no_longer_needed() {
        let original = File::default();
        Residual { original: &original, left: HashMap::new() }.release("embed_tokens.weight", 2..5);
        assert_eq!(*original.released.lock().unwrap(), [("embed_tokens.weight".to_owned(), 2..5)]);
    }
}
