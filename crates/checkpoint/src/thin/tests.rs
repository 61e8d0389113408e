//! What is stored as factors is read as their product, and what is wrong with them is named.

use super::*;
use crate::writer::{OutputFolder, TensorsWriter};
use crate::{Checkpoint, Existing, ImageCheckpoint};
use rankine_testkit::{assert_close, fixtures};
use std::fs;
use tempfile::TempDir;

const MODULE: &str = "model.layers.0.mlp.up_proj";
const RANK: usize = 3;

fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|at| ((at * 37 + seed) % 101) as f32 / 50.0 - 1.0).collect()
}

/// The sides of the weight that is stored as factors.
fn sides() -> [usize; 2] {
    let whole = Checkpoint::open(fixtures::path("models/llama_untied")).unwrap();
    let shape = &whole.tensors().infos()[&format!("{MODULE}.weight")].shape;
    [shape[0], shape[1]]
}

/// A fixture with factors in the place of one of its weights; `change` spoils names and shapes.
fn thin(change: impl Fn(&mut IndexMap<String, Vec<usize>>), ranks: &Value) -> TempDir {
    let source = fixtures::path("models/llama_untied");
    let whole = Checkpoint::open(&source).unwrap();
    let [rows, columns] = sides();
    let mut shapes: IndexMap<String, Vec<usize>> = IndexMap::new();
    for (name, info) in whole.tensors().infos() {
        match name.rsplit_once('.') {
            Some((MODULE, "weight")) => {
                let [a, b] = ThinLayers::factors(MODULE);
                shapes.insert(a, vec![RANK, columns]);
                shapes.insert(b, vec![rows, RANK]);
            }
            Some((MODULE, _)) => drop(shapes.insert(ThinLayers::bias(MODULE), vec![rows])),
            _ => drop(shapes.insert(name.clone(), info.shape.clone())),
        }
    }
    change(&mut shapes);
    let root = TempDir::new().unwrap();
    let folder = OutputFolder::create(&root.path().join("thin"), Existing::Refuse).unwrap();
    let info = |shape: &Vec<usize>| TensorInfo { shape: shape.clone(), dtype: Dtype::F32, bytes: 0 };
    let infos: IndexMap<_, _> = shapes.iter().map(|(name, shape)| (name.clone(), info(shape))).collect();
    let writer = TensorsWriter::create(&folder.path("model.safetensors").unwrap(), &infos).unwrap();
    for (seed, (name, info)) in infos.iter().enumerate() {
        writer.write(name, &numbers(info.elements(), seed)).unwrap();
    }
    writer.finish().unwrap();
    let mut config: Value = serde_json::from_slice(&fs::read(source.join("config.json")).unwrap()).unwrap();
    let layers = ThinLayers { ranks: IndexMap::from([(MODULE.to_owned(), RANK)]) };
    config = layers.mark(vec![(CONFIG, config)]).remove(0).1;
    if !ranks.is_null() {
        config[MARK]["ranks"] = ranks.clone();
    }
    folder.write_json(CONFIG, &config).unwrap();
    folder.finish().unwrap();
    root
}

fn open(root: &TempDir) -> Result<Checkpoint> {
    Checkpoint::open(root.path().join("thin"))
}

#[test]
fn a_product_is_read_whole_and_by_rows() {
    let root = thin(|_| (), &Value::Null);
    let opened = open(&root).unwrap();
    let ([rows, columns], name) = (sides(), format!("{MODULE}.weight"));
    let tensors = opened.tensors();
    assert_eq!(tensors.infos()[&name].shape, [rows, columns]);
    let product = tensors.product(&name).unwrap();
    assert_eq!(product.rank, RANK);
    let (mut a, mut b) = (vec![0.0; RANK * columns], vec![0.0; rows * RANK]);
    tensors.read_into(&product.right, &mut a).unwrap();
    tensors.read_into(&product.left, &mut b).unwrap();
    let entry = |row: usize, column: usize| -> f32 {
        (0..RANK).map(|k| b[row * RANK + k] * a[k * columns + column]).sum()
    };
    let expected: Vec<f32> = (0..rows * columns).map(|at| entry(at / columns, at % columns)).collect();
    assert_close!(opened.read(&name).unwrap(), expected, absolute = 1e-6);
    let mut some = vec![0.0; 2 * columns];
    tensors.read_rows(&name, 1..3, &mut some).unwrap();
    assert_close!(some, &expected[columns..3 * columns], absolute = 1e-6);
    assert!(tensors.read_rows(&name, 1..3, &mut some[1..]).is_err());
    tensors.release(&name, 0..rows);
    // It is made and not stored; its bias has the name that it has in the whole model.
    assert!(tensors.encoded(&name).unwrap().is_none());
    assert!(matches!(tensors.raw(&name), Err(Error::NotPlain { .. })));
    assert!(opened.contains(&format!("{MODULE}.bias")) && !opened.contains(&ThinLayers::bias(MODULE)));
    assert!(is_thin(tensors) && tensors.product("model.norm.weight").is_none());
    assert_eq!(tensors.infos().values().filter(|info| info.shape == [rows, RANK]).count(), 0);
}

#[test]
fn the_configuration_is_that_of_the_whole_model() {
    let root = thin(|_| (), &Value::Null);
    let raw = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let marked = raw(&root.path().join("thin").join(CONFIG));
    assert_eq!((&marked["model_type"], &marked[MARK]["ranks"][MODULE]), (&MARK.into(), &RANK.into()));
    let whole = raw(&fixtures::path("models/llama_untied").join(CONFIG));
    assert_eq!(open(&root).unwrap().config().raw, whole);
}

#[test]
fn a_network_without_a_configuration_gets_one_that_says_no_more() {
    let layers = ThinLayers { ranks: IndexMap::from([("fc".to_owned(), 2)]) };
    let files = layers.mark(vec![("classes.json", json!(["a", "b"]))]);
    let mut config = files.into_iter().find(|(name, _)| *name == CONFIG).unwrap().1;
    assert_eq!(config, json!({ "model_type": MARK, MARK: { "ranks": { "fc": 2 } } }));
    assert_eq!(ThinLayers::take(&mut config).unwrap(), Some(layers));
    assert!(config.is_null());
    let root = TempDir::new().unwrap();
    fs::write(root.path().join(CONFIG), r#"{"model_type": "llama"}"#).unwrap();
    assert!(ImageCheckpoint::open(root.path()).unwrap().is_none());
}

#[test]
fn what_is_wrong_with_factors_is_named() {
    let [a, b] = ThinLayers::factors(MODULE);
    let root = thin(|shapes| drop(shapes.shift_remove(&b)), &Value::Null);
    let error = open(&root).unwrap_err();
    assert!(matches!(&error, Error::Thin { fault: Fault::NoFactor { factor, .. }, .. } if *factor == b));
    assert!(error.to_string().contains(&format!("`{b}` is missing")) && error.hint().is_some(), "{error}");
    let whole = |shapes: &mut IndexMap<String, Vec<usize>>| {
        shapes.insert(format!("{MODULE}.weight"), vec![2, 2]);
    };
    type Expected = fn(&Fault) -> bool;
    let faults: [(TempDir, Expected); 6] = [
        (thin(whole, &Value::Null), |fault| matches!(fault, Fault::Whole { .. })),
        (thin(|shapes| shapes[&a] = vec![RANK + 1, 4], &Value::Null), |fault| {
            matches!(fault, Fault::Shapes { rank: RANK, .. })
        }),
        (thin(|shapes| shapes[&a] = vec![RANK], &Value::Null), |fault| matches!(fault, Fault::Shapes { .. })),
        (thin(|_| (), &json!({ MODULE: 0 })), |fault| matches!(fault, Fault::Value(_))),
        (thin(|_| (), &json!([])), |fault| matches!(fault, Fault::Value(_))),
        (thin(|_| (), &json!({ "model.layers.0.mlp.absent": 2 })), |fault| {
            matches!(fault, Fault::NoFactor { .. })
        }),
    ];
    for (root, expected) in faults {
        match open(&root).unwrap_err() {
            Error::Thin { fault, .. } => assert!(expected(&fault), "{fault}"),
            error => panic!("{error}"),
        }
    }
    assert!(matches!(ThinLayers::take(&mut json!({ "model_type": MARK, MARK: {} })), Err(Fault::NoRanks)));
}
