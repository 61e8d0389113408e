//! What is written, against python's `gguf`, against the tests' own writer, and read back.

use super::*;
use crate::gguf::{GgufWriter, Metadata};
use crate::writer::{Existing, Fault, TensorsWriter};
use crate::{Dtype, Error, TensorInfo, Tensors};
use indexmap::IndexMap;
use proptest::prelude::*;
use rankine_kernels::dequantize::Format;
use std::path::Path;
use tempfile::TempDir;

const TINY: &[u8] = include_bytes!("../../../tests/fixtures/gguf/tiny-llama.gguf");
const VALUES: &[u8] = include_bytes!("../../../tests/fixtures/gguf/values.gguf");

/// The bytes of a file with this metadata and these tensors; `fill` writes their numbers.
fn written(
    metadata: &Metadata,
    infos: &IndexMap<String, TensorInfo>,
    fill: impl FnOnce(&TensorsWriter),
) -> Vec<u8> {
    let root = TempDir::new().unwrap();
    let target = root.path().join("new/file.gguf");
    let writer = GgufWriter::create(&target, Existing::Refuse, metadata, infos).unwrap();
    fill(writer.tensors());
    let bytes = writer.bytes();
    writer.finish().unwrap();
    assert_eq!(std::fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
    let file = std::fs::read(target).unwrap();
    assert_eq!(file.len() as u64, bytes);
    file
}

fn copied(file: &[u8]) -> Vec<u8> {
    let gguf = Gguf::from_bytes("original.gguf", file.to_vec()).unwrap();
    let tensors: Vec<_> = gguf.stored_tensors().collect();
    // The size is not asked for.
    let info = |info: &TensorInfo| TensorInfo { bytes: 0, ..info.clone() };
    let infos = tensors.iter().map(|&(name, stored, _)| (name.to_owned(), info(stored))).collect();
    written(gguf.metadata(), &infos, |writer| {
        // Backwards and in halves: the order of writing is free.
        for (name, _, bytes) in tensors.into_iter().rev() {
            let (left, right) = bytes.split_at(bytes.len() / 2);
            writer.write_raw_part(name, left.len(), right).unwrap();
            writer.write_raw_part(name, 0, left).unwrap();
        }
    })
}

fn infos(tensors: &[(&str, &[usize], Dtype)]) -> IndexMap<String, TensorInfo> {
    let info = |shape: &[usize], dtype| TensorInfo { shape: shape.to_vec(), dtype, bytes: 0 };
    tensors.iter().map(|&(name, shape, dtype)| (name.to_owned(), info(shape, dtype))).collect()
}

/// Ten storage types, metadata, order, alignment, the padding of the end.
#[test]
fn a_copy_of_a_file_of_gguf_py_is_that_file() {
    for file in [TINY, VALUES] {
        assert!(copied(file) == file);
    }
}

#[test]
fn values_of_gguf_py_are_read_by_their_type() {
    let gguf = Gguf::from_bytes("values.gguf", VALUES.to_vec()).unwrap();
    let strings = |words: &[&str]| Array::String(words.iter().map(|&word| word.to_owned()).collect());
    let lists = [
        ("uint8", Value::U8(0), Array::U8(vec![0, u8::MAX])),
        ("int8", Value::I8(i8::MIN), Array::I8(vec![i8::MIN, i8::MAX])),
        ("uint16", Value::U16(0), Array::U16(vec![0, u16::MAX])),
        ("int16", Value::I16(i16::MIN), Array::I16(vec![i16::MIN, i16::MAX])),
        ("uint32", Value::U32(0), Array::U32(vec![0, u32::MAX])),
        ("int32", Value::I32(i32::MIN), Array::I32(vec![i32::MIN, i32::MAX])),
        ("float32", Value::F32(-0.5), Array::F32(vec![-0.5, 1e30])),
        ("bool", Value::Bool(true), Array::Bool(vec![true, false])),
        ("string", text("καλημέρα"), strings(&["καλημέρα", ""])),
        ("uint64", Value::U64(0), Array::U64(vec![0, u64::MAX])),
        ("int64", Value::I64(i64::MIN), Array::I64(vec![i64::MIN, i64::MAX])),
        ("float64", Value::F64(-0.1), Array::F64(vec![-0.1, 1e300])),
    ];
    assert_eq!(gguf.metadata().0.len(), 2 * lists.len() + 3);
    for (name, one, list) in lists {
        assert_eq!(gguf.metadata().get(&format!("one.{name}")), Some(&one));
        assert_eq!(gguf.metadata().get(&format!("list.{name}")), Some(&Value::Array(list)));
    }
    let nested = Array::Array(vec![strings(&["a"]), strings(&["b", "c"])]);
    assert_eq!(gguf.metadata().get("nested"), Some(&Value::Array(nested)));
}

#[test]
fn numbers_are_converted_and_shapes_turned_round() {
    let tensors =
        infos(&[("a", &[2, 3], Dtype::F32), ("b", &[3], Dtype::F16), ("c", &[1, 2, 1, 2], Dtype::Bf16)]);
    let metadata = Metadata(IndexMap::from([("general.alignment".to_owned(), Value::U32(8))]));
    let file = written(&metadata, &tensors, |writer| {
        writer.write("c", &[0.5, 1.0, -1.0, 3.0]).unwrap();
        writer.write("a", &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]).unwrap();
        writer.write("b", &[1.0, -2.0, 65504.0]).unwrap();
    });
    let gguf = Gguf::from_bytes("file.gguf", file).unwrap();
    let numbers = |name: &str| {
        let mut out = vec![0.0; gguf.infos()[name].elements()];
        gguf.read_into(name, &mut out).unwrap();
        out
    };
    assert_eq!((gguf.version(), gguf.metadata()), (3, &metadata));
    for (name, info) in &tensors {
        let found = &gguf.infos()[name];
        assert_eq!((&found.shape, found.dtype), (&info.shape, info.dtype));
    }
    assert_eq!(numbers("a"), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
    assert_eq!(numbers("b"), [1.0, -2.0, 65504.0]);
    assert_eq!(numbers("c"), [0.5, 1.0, -1.0, 3.0]);
}

#[test]
fn what_the_format_cannot_hold_is_refused_before_anything_is_written() {
    let aligned = |found| Metadata(IndexMap::from([("general.alignment".to_owned(), Value::U32(found))]));
    let q4_0 = Dtype::Quantized(Format::Q4_0);
    let cases: [(_, &[usize], _, _); 5] = [
        (32, &[2], Dtype::U8, "cannot be written as U8"),
        (32, &[1, 1, 1, 1, 1], Dtype::F32, "5 dimensions"),
        (32, &[2, 33], q4_0, "rows of 33 numbers"),
        (32, &[usize::MAX, 2], Dtype::F32, "impossible shape"),
        (24, &[2], Dtype::F32, "power of two"),
    ];
    for (alignment, shape, dtype, message) in cases {
        let root = TempDir::new().unwrap();
        let target = root.path().join("deep/file.gguf");
        let tensors = infos(&[("a", shape, dtype)]);
        let made = GgufWriter::create(&target, Existing::Refuse, &aligned(alignment), &tensors);
        let error = made.unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
        assert!(std::fs::read_dir(root.path()).unwrap().next().is_none());
    }
}

#[test]
fn a_file_that_is_not_whole_is_not_there() {
    let root = TempDir::new().unwrap();
    let target = root.path().join("deep/file.gguf");
    let q4_0 = Dtype::Quantized(Format::Q4_0);
    let tensors = infos(&[("a", &[2], Dtype::F32), ("b", &[32], q4_0)]);
    let begin = || GgufWriter::create(&target, Existing::Refuse, &Metadata::default(), &tensors).unwrap();
    let writer = begin();
    let error = writer.tensors().write("b", &[0.0; 32]).unwrap_err();
    assert!(matches!(error, Error::Output { fault: Fault::Dtype { .. }, .. }), "{error}");
    assert!(writer.tensors().write_raw("b", &[0; 17]).is_err());
    writer.tensors().write_raw("b", &[0; 18]).unwrap();
    let error = writer.finish().unwrap_err();
    assert!(error.to_string().contains("`a`"), "{error}");
    drop(begin());
    assert!(std::fs::read_dir(root.path()).unwrap().next().is_none());
}

#[test]
fn files_are_replaced_only_when_asked_and_folders_never() {
    let root = TempDir::new().unwrap();
    let target = root.path().join("file.gguf");
    let begin = |target: &Path, existing| {
        GgufWriter::create(target, existing, &Metadata::default(), &IndexMap::new())
    };
    std::fs::write(&target, "mine").unwrap();
    let error = begin(&target, Existing::Refuse).unwrap_err();
    assert!(error.hint().unwrap().contains("--force"), "{error}");
    let writer = begin(&target, Existing::Replace).unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"mine");
    writer.finish().unwrap();
    assert!(Gguf::open(&target).unwrap().infos().is_empty());
    let meanwhile = root.path().join("meanwhile.gguf");
    let writer = begin(&meanwhile, Existing::Refuse).unwrap();
    std::fs::write(&meanwhile, "mine").unwrap();
    assert!(writer.finish().is_err());
    assert_eq!(std::fs::read(&meanwhile).unwrap(), b"mine");
    for existing in [Existing::Refuse, Existing::Replace] {
        let error = begin(root.path(), existing).unwrap_err();
        assert!(matches!(error, Error::Output { fault: Fault::Folder, .. }), "{error}");
    }
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2);
}

fn word() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), 0..6).prop_map(String::from_iter)
}

fn list<T: Arbitrary + 'static>(make: fn(Vec<T>) -> Array) -> BoxedStrategy<Array> {
    prop::collection::vec(any::<T>(), 0..4).prop_map(make).boxed()
}

fn array() -> impl Strategy<Value = Array> {
    let flat = prop_oneof![
        list(Array::U8),
        list(Array::I8),
        list(Array::U16),
        list(Array::I16),
        list(Array::U32),
        list(Array::I32),
        list(Array::U64),
        list(Array::I64),
        list(Array::F32),
        list(Array::F64),
        list(Array::Bool),
        prop::collection::vec(word(), 0..4).prop_map(Array::String),
    ];
    flat.prop_recursive(2, 8, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(Array::Array))
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u8>().prop_map(Value::U8),
        any::<i8>().prop_map(Value::I8),
        any::<u16>().prop_map(Value::U16),
        any::<i16>().prop_map(Value::I16),
        any::<u32>().prop_map(Value::U32),
        any::<i32>().prop_map(Value::I32),
        any::<u64>().prop_map(Value::U64),
        any::<i64>().prop_map(Value::I64),
        any::<f32>().prop_map(Value::F32),
        any::<f64>().prop_map(Value::F64),
        any::<bool>().prop_map(Value::Bool),
        word().prop_map(Value::String),
        array().prop_map(Value::Array),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn metadata_stays_what_it_is(values in prop::collection::vec((word(), value()), 0..6)) {
        let mut expected = Writer::new();
        for (index, (key, value)) in values.into_iter().enumerate() {
            expected.set(&format!("{index}.{key}"), value);
        }
        let metadata = Metadata(expected.metadata.iter().cloned().collect());
        let file = written(&metadata, &IndexMap::new(), |_| {});
        let mut bytes = expected.build();
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        prop_assert_eq!(&file, &bytes);
        // Once more by what was read; NaN is not equal to itself, but its bytes are.
        prop_assert_eq!(copied(&file), file);
    }
}
