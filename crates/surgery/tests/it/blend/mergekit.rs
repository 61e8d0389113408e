//! Against the numbers of mergekit itself; `fixtures/PROVENANCE.md`.

use super::{Kitchen, fixture};
use crate::common::read;
use rankine_checkpoint::{Checkpoint, open_tensors};
use rankine_testkit::assert_close;
use tempfile::TempDir;

#[test]
fn every_method_gives_what_mergekit_gives() {
    let expected = open_tensors(&fixture("expected.safetensors")).unwrap();
    let mut recipes: Vec<_> =
        std::fs::read_dir(fixture("recipes")).unwrap().map(|entry| entry.unwrap().path()).collect();
    recipes.sort();
    assert_eq!(recipes.len(), 29);
    let mut compared = 0;
    for path in recipes {
        let (root, name) = (TempDir::new().unwrap(), path.file_stem().unwrap().to_str().unwrap().to_owned());
        let (text, target) = (std::fs::read_to_string(&path).unwrap(), root.path().join("blend"));
        Kitchen::new(&text).blend(&target).unwrap_or_else(|error| panic!("{name}: {error}"));
        let blended = Checkpoint::open(&target).unwrap();
        let layers = if name.starts_with("stack") { 3 } else { 2 };
        assert_eq!((blended.config().layers, blended.config().tied), (layers, false), "{name}");
        for key in expected.infos().keys() {
            let Some(tensor) = key.strip_prefix(&format!("{name}/")) else { continue };
            let (found, wanted) = (read(blended.tensors(), tensor), read(expected.as_ref(), key));
            // Numbers reach 5; Model Stock divides by a small number where changes are at right angles.
            assert_close!(found, wanted, absolute = 1e-5, "{name}: {tensor}");
            compared += 1;
        }
    }
    assert_eq!(compared, expected.infos().len());
}
