//! What the numbers of an output depend on, to know whether work that broke off can be gone on with.
//!
//!     { "version": …, "settings": { NAME: VALUE, … }, "inputs": { FILE: "BYTES, TIME", … }, "files": { NAME: BYTES, … } }
//!
//! Everything is text, and is compared as text. Inputs are known by length and time of change: reading all of them to know
//! them by what they hold would take as long as much of the work. Hidden files are passed over: an output that is under way in
//! the folder of its input is one.

use crate::write::{WriteOptions, bytes_of};
use rankine_checkpoint::ShardPlan;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// That of this crate is that of the program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Something that is not as it was when the work began.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Changed {
    /// The program.
    Version {
        /// Its version then.
        before: String,
    },
    /// A setting.
    Setting {
        /// Its name.
        name: String,
        /// Its value then.
        before: String,
        /// Its value now.
        now: String,
    },
    /// A file that is read.
    Input {
        /// The file.
        path: String,
    },
    /// Which files are written, or how large they are.
    Files,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { before } => write!(f, "it was begun by version {before}; this is {VERSION}"),
            Self::Setting { name, before, now } => write!(f, "`{name}` was {before}, and is {now}"),
            Self::Input { path } => write!(f, "`{path}` is not the file that it was"),
            Self::Files => write!(f, "other files would be written"),
        }
    }
}

/// What the numbers depend on; `plan` is not there before the work is laid out.
pub(crate) fn fingerprint(
    settings: &BTreeMap<String, String>,
    options: &WriteOptions,
    plan: Option<&ShardPlan>,
) -> Value {
    let mut settings = settings.clone();
    settings.insert("type of the weights".to_owned(), format!("{:?}", options.dtype));
    let mut inputs = Map::new();
    for path in options.read() {
        // By one name, however it was called.
        add(std::fs::canonicalize(path).as_deref().unwrap_or(path), &mut inputs);
    }
    let mut fingerprint = json!({ "version": VERSION, "settings": settings, "inputs": inputs });
    if let Some(plan) = plan {
        let files: BTreeMap<String, String> =
            plan.files().map(|(name, shard)| (name, bytes_of(shard).to_string())).collect();
        fingerprint["files"] = json!(files);
    }
    fingerprint
}

/// What differs in `now` from `before`.
pub(crate) fn changes(before: &Value, now: &Value) -> Vec<Changed> {
    let version = |value: &Value| value["version"].as_str().unwrap_or("none").to_owned();
    if version(before) != version(now) {
        return vec![Changed::Version { before: version(before) }];
    }
    let setting = |(name, before, now)| Changed::Setting { name, before, now };
    let mut changes: Vec<Changed> = differing(before, now, "settings").map(setting).collect();
    changes.extend(differing(before, now, "inputs").map(|(path, ..)| Changed::Input { path }));
    if now.get("files").is_some() && differing(before, now, "files").next().is_some() {
        changes.push(Changed::Files);
    }
    changes
}

/// The names of a section that do not have the same value, with both values.
fn differing<'v>(
    before: &'v Value,
    now: &'v Value,
    section: &'static str,
) -> impl Iterator<Item = (String, String, String)> + 'v {
    let names = |value: &'v Value| value[section].as_object().into_iter().flat_map(Map::keys);
    let all: BTreeSet<&String> = names(before).chain(names(now)).collect();
    all.into_iter().filter_map(move |name| {
        let [before, now] =
            [before, now].map(|value| value[section][name.as_str()].as_str().unwrap_or("not given"));
        (before != now).then(|| (name.clone(), before.to_owned(), now.to_owned()))
    })
}

/// The file, or all files of the folder.
fn add(path: &Path, inputs: &mut Map<String, Value>) {
    let Ok(entries) = std::fs::read_dir(path) else {
        inputs.insert(path.display().to_string(), state(path).into());
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        // A link to a folder may lead in circles.
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        let is_circle = is_link && path.is_dir();
        if !is_hidden && !is_circle {
            add(&path, inputs);
        }
    }
}

/// Length and time of change.
fn state(path: &Path) -> String {
    let Ok(found) = std::fs::metadata(path) else { return "not there".to_owned() };
    let since = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanoseconds = since.map(|since| since.as_nanos()).unwrap_or_default();
    format!("{} bytes, changed at {nanoseconds} ns", found.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn an_input_is_the_same_however_it_is_called() {
        let root = TempDir::new().unwrap();
        std::fs::write(root.path().join("weights"), "x").unwrap();
        let roundabout = root.path().join("..").join(root.path().file_name().unwrap());
        let [plain, roundabout] = [root.path().to_owned(), roundabout].map(|path| {
            let options = WriteOptions { inputs: vec![path], ..WriteOptions::default() };
            fingerprint(&BTreeMap::new(), &options, None)
        });
        assert_eq!(plain, roundabout);
        assert_eq!(plain["inputs"].as_object().unwrap().len(), 1);
        std::fs::write(root.path().join("weights"), "xy").unwrap();
        let options = WriteOptions { inputs: vec![root.path().to_owned()], ..WriteOptions::default() };
        assert!(matches!(
            &changes(&plain, &fingerprint(&BTreeMap::new(), &options, None))[..],
            [Changed::Input { .. }]
        ));
    }
}
