use super::*;
use crate::safetensors::Safetensors;
use crate::{Dtype, Error, TensorInfo, Tensors};
use half::{bf16, f16};
use indexmap::IndexMap;
use proptest::prelude::*;
use std::io::Write as _;
use std::path::Path;
use tempfile::TempDir;

fn info(shape: &[usize], dtype: Dtype) -> TensorInfo {
    TensorInfo { shape: shape.to_vec(), dtype, bytes: 0 }
}

fn infos(dtype: Dtype) -> IndexMap<String, TensorInfo> {
    let tensors = [("a", vec![2, 3]), ("b", vec![5]), ("c", vec![1, 1]), ("d", vec![])];
    tensors.into_iter().map(|(name, shape)| (name.to_owned(), info(&shape, dtype))).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn values(name: &str, count: usize) -> Vec<f32> {
    (0..count).map(|i| f32::from(name.as_bytes()[0]) + i as f32 * 0.5).collect()
}

fn write_model(target: &Path, plan: &ShardPlan) {
    let folder = OutputFolder::create(target, Existing::Refuse).unwrap();
    let writer = ModelWriter::create(&folder, plan).unwrap();
    // Backwards: the order of writing is free.
    let mut planned: Vec<_> = plan.files().flat_map(|(_, shard)| shard.clone()).collect();
    planned.reverse();
    for (name, info) in &planned {
        writer.write(name, &values(name, info.elements())).unwrap();
    }
    writer.finish().unwrap();
    folder.finish().unwrap();
}

#[test]
fn a_model_is_read_back_from_one_file_or_many() {
    for (shard_bytes, files) in [(u64::MAX, 1), (36, 2), (24, 3), (1, 4)] {
        let root = TempDir::new().unwrap();
        let target = root.path().join("model");
        let plan = ShardPlan::new(infos(Dtype::F32), shard_bytes).unwrap();
        assert_eq!(plan.bytes(), 4 * (6 + 5 + 1 + 1));
        write_model(&target, &plan);
        let expected = if files == 1 { 1 } else { files + 1 };
        assert_eq!(names(&target).len(), expected, "{shard_bytes}: {:?}", names(&target));
        assert_eq!(names(root.path()), ["model"]);
        let opened = Safetensors::open(&target).unwrap();
        assert_eq!(opened.infos().len(), 4);
        for (name, info) in opened.infos() {
            let mut read = vec![0.0; info.elements()];
            opened.read_into(name, &mut read).unwrap();
            assert_eq!(read, values(name, read.len()));
        }
    }
}

#[test]
fn parts_make_up_the_whole_and_gaps_are_noticed() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("model.safetensors");
    let writer = TensorsWriter::create(&path, &infos(Dtype::Bf16)).unwrap();
    writer.write_part("a", 4, &[5.0, 6.0]).unwrap();
    writer.write_part("a", 0, &[1.0, 2.0, 3.0, 4.0]).unwrap();
    let bytes: Vec<u8> =
        [7.0_f32, 8.0, 9.0].into_iter().flat_map(|x| bf16::from_f32(x).to_le_bytes()).collect();
    writer.write_raw_part("b", 4, &bytes).unwrap();
    for error in [writer.write_part("a", 5, &[1.0, 2.0]), writer.write_raw_part("b", 9, &[1, 2])] {
        assert!(matches!(error, Err(Error::Output { fault: Fault::Length { .. }, .. })), "{error:?}");
    }
    writer.write("c", &[1.0]).unwrap();
    writer.write("d", &[1.0]).unwrap();
    let error = writer.finish().unwrap_err();
    let expected = Fault::Unwritten { names: vec!["b".to_owned()] };
    assert!(matches!(error, Error::Output { fault, .. } if fault == expected));
    let mut read = vec![0.0; 6];
    Safetensors::open(&path).unwrap().read_into("a", &mut read).unwrap();
    assert_eq!(read, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn the_index_is_that_of_transformers() {
    let root = TempDir::new().unwrap();
    let target = root.path().join("model");
    write_model(&target, &ShardPlan::new(infos(Dtype::Bf16), 14).unwrap());
    let index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(target.join("model.safetensors.index.json")).unwrap()).unwrap();
    let (first, second) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    let expected = serde_json::json!({
        "metadata": { "total_parameters": 13, "total_size": 26 },
        "weight_map": { "a": first, "b": second, "c": second, "d": second },
    });
    assert_eq!(index, expected);
}

#[test]
fn wide_numbers_come_first_so_that_all_are_aligned() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("x.safetensors");
    let tensors = IndexMap::from([
        ("bytes".to_owned(), info(&[3], Dtype::U8)),
        ("halves".to_owned(), info(&[3], Dtype::F16)),
        ("wholes".to_owned(), info(&[1], Dtype::F32)),
    ]);
    let writer = TensorsWriter::create(&path, &tensors).unwrap();
    writer.write_raw("bytes", &[1, 2, 3]).unwrap();
    writer.write("halves", &[1.0, 2.0, 3.0]).unwrap();
    writer.write("wholes", &[4.0]).unwrap();
    writer.finish().unwrap();
    let file = std::fs::read(&path).unwrap();
    let reference = ::safetensors::SafeTensors::deserialize(&file).unwrap();
    assert_eq!(reference.tensor("wholes").unwrap().data(), 4.0_f32.to_le_bytes());
    let opened = Safetensors::open(&path).unwrap();
    assert_eq!(opened.infos().keys().collect::<Vec<_>>(), ["wholes", "halves", "bytes"]);
    assert_eq!(opened.raw("bytes").unwrap().as_ref(), [1, 2, 3]);
    assert_eq!(opened.metadata()["format"], "pt");
}

#[test]
fn what_was_not_planned_or_not_written_is_named() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("x.safetensors");
    let tensors = IndexMap::from([("a".to_owned(), info(&[2], Dtype::F16))]);
    let writer = TensorsWriter::create(&path, &tensors).unwrap();
    let fault = |result: crate::Result<()>| match result.unwrap_err() {
        Error::Output { fault, .. } => fault,
        other => panic!("{other}"),
    };
    assert!(matches!(fault(writer.write("b", &[])), Fault::Unplanned { .. }));
    assert!(matches!(fault(writer.write("a", &[1.0])), Fault::Length { expected: 2, found: 1, .. }));
    assert!(matches!(fault(writer.write_raw("a", &[1])), Fault::Length { expected: 4, found: 1, .. }));
    assert!(matches!(fault(writer.write("a", &[1.0, 1e6])), Fault::Overflow { value: 1e6, .. }));
    assert!(matches!(fault(writer.finish()), Fault::Unwritten { names } if names == ["a"]));
    let integers = IndexMap::from([("a".to_owned(), info(&[1], Dtype::I64))]);
    let writer = TensorsWriter::create(&path, &integers).unwrap();
    assert!(matches!(fault(writer.write("a", &[1.0])), Fault::Dtype { .. }));
    assert!(ShardPlan::new(infos(Dtype::F32), 0).is_err());
    let huge = IndexMap::from([("a".to_owned(), info(&[usize::MAX, 2], Dtype::F32))]);
    assert!(ShardPlan::new(huge, 1).is_err());
}

#[test]
fn a_dropped_folder_leaves_nothing() {
    let root = TempDir::new().unwrap();
    let folder = OutputFolder::create(&root.path().join("out"), Existing::Refuse).unwrap();
    folder.write_file("a", b"half").unwrap();
    assert_eq!(names(root.path()).len(), 1);
    drop(folder);
    assert!(names(root.path()).is_empty());
}

#[test]
fn a_folder_that_is_kept_can_be_gone_on_with() {
    let root = TempDir::new().unwrap();
    let target = root.path().join("out");
    let begin = || OutputFolder::reopen(&target, Existing::Refuse).unwrap();
    let mut folder = begin();
    folder.write_file("a", b"half").unwrap();
    folder.keep();
    drop(folder);
    assert_eq!(names(root.path()), [".out.partial"]);
    assert_eq!(OutputFolder::partial(&target).unwrap(), root.path().join(".out.partial"));
    let folder = begin();
    folder.write_file("b", b"rest").unwrap();
    folder.finish().unwrap();
    assert_eq!(names(root.path()), ["out"]);
    assert_eq!(names(&target), ["a", "b"]);
    // Unless it is to be kept it goes.
    drop(OutputFolder::reopen(&root.path().join("deep/other"), Existing::Refuse).unwrap());
    assert_eq!(names(root.path()), ["out"]);
}

#[test]
fn parents_made_for_a_dropped_folder_go_with_it() {
    let root = TempDir::new().unwrap();
    std::fs::create_dir(root.path().join("old")).unwrap();
    drop(OutputFolder::create(&root.path().join("old/a/b/out"), Existing::Refuse).unwrap());
    assert_eq!(names(root.path()), ["old"]);
    assert!(names(&root.path().join("old")).is_empty());
    let folder = OutputFolder::create(&root.path().join("new/a/out"), Existing::Refuse).unwrap();
    std::fs::write(root.path().join("new/mine"), "").unwrap();
    drop(folder);
    assert_eq!(names(&root.path().join("new")), ["mine"]);
    OutputFolder::create(&root.path().join("deep/a/out"), Existing::Refuse).unwrap().finish().unwrap();
    assert!(root.path().join("deep/a/out").is_dir());
}

#[test]
fn an_output_below_a_file_is_refused_with_a_hint() {
    let root = TempDir::new().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    for target in ["file/out", "file/deep/out"] {
        let error = OutputFolder::create(&root.path().join(target), Existing::Replace).unwrap_err();
        let expected = Fault::InFile { file: file.clone() };
        assert!(error.hint().is_some() && error.to_string().contains("is a file"), "{error}");
        assert!(matches!(error, Error::Output { fault, .. } if fault == expected));
    }
    let error = write_file_atomically(&file.join("x"), b"").unwrap_err();
    assert!(error.hint().unwrap().contains("a file where a folder is needed"), "{error}");
}

#[test]
fn an_existing_output_is_refused_or_replaced_whole() {
    let root = TempDir::new().unwrap();
    let target = root.path().join("out");
    std::fs::create_dir(&target).unwrap();
    OutputFolder::create(&target, Existing::Refuse).unwrap().finish().unwrap();
    std::fs::write(target.join("old"), "old").unwrap();
    let error = OutputFolder::create(&target, Existing::Refuse).unwrap_err();
    assert!(matches!(error, Error::Output { fault: Fault::Exists, .. }));
    assert!(error.hint().unwrap().contains("--force"));
    let folder = OutputFolder::create(&target, Existing::Replace).unwrap();
    folder.write_file("deep/new", b"new").unwrap();
    assert_eq!(names(&target), ["old"]);
    folder.finish().unwrap();
    assert_eq!(names(&target), ["deep"]);
    assert_eq!(names(root.path()), ["out"]);
}

#[test]
fn an_output_that_appears_meanwhile_is_not_overwritten() {
    let root = TempDir::new().unwrap();
    let target = root.path().join("out");
    let folder = OutputFolder::create(&target, Existing::Refuse).unwrap();
    std::fs::write(&target, "mine").unwrap();
    assert!(folder.finish().is_err());
    assert_eq!(std::fs::read(&target).unwrap(), b"mine");
    assert_eq!(names(root.path()), ["out"]);
}

#[test]
fn names_stay_inside_the_folder() {
    let root = TempDir::new().unwrap();
    let folder = OutputFolder::create(&root.path().join("deep/out"), Existing::Refuse).unwrap();
    for name in ["../x", "/x", "", "a/../../x", "."] {
        assert!(folder.write_file(name, b"").is_err(), "{name}");
    }
    assert!(OutputFolder::create(Path::new("/"), Existing::Replace).is_err());
    assert!(OutputFolder::create(&root.path().join(".."), Existing::Replace).is_err());
}

#[test]
fn files_are_copied_and_written_atomically() {
    let root = TempDir::new().unwrap();
    let file = root.path().join("sub/file");
    write_file_atomically(&file, b"one").unwrap();
    write_file_atomically(&file, b"two").unwrap();
    let failed = write_file_with(&file, |target| {
        target.write_all(b"half").unwrap();
        Err(Error::io(&file, std::io::Error::other("no more")))
    });
    assert!(matches!(failed, Err(Error::Io { .. })));
    assert_eq!(names(file.parent().unwrap()), ["file"]);
    let folder = OutputFolder::create(&root.path().join("out"), Existing::Refuse).unwrap();
    folder.copy_file(&file, "copy").unwrap();
    assert!(folder.copy_file(&root.path().join("nothing"), "copy2").is_err());
    folder.finish().unwrap();
    assert_eq!(std::fs::read(root.path().join("out/copy")).unwrap(), b"two");
}

#[cfg(unix)]
#[test]
fn outputs_are_readable_as_the_mask_allows() {
    use std::os::unix::fs::PermissionsExt;
    let root = TempDir::new().unwrap();
    let plain = root.path().join("plain");
    std::fs::create_dir(&plain).unwrap();
    OutputFolder::create(&root.path().join("out"), Existing::Refuse).unwrap().finish().unwrap();
    let mode = |name: &str| std::fs::metadata(root.path().join(name)).unwrap().permissions().mode();
    assert_eq!(mode("out"), mode("plain"));
}

proptest! {
    #[test]
    fn sixteen_bit_numbers_are_rounded_to_nearest_even(values in prop::collection::vec(-6e4_f32..6e4, 0..40)) {
        for dtype in [Dtype::F16, Dtype::Bf16] {
            let root = TempDir::new().unwrap();
            let path = root.path().join("x.safetensors");
            let tensors = IndexMap::from([("a".to_owned(), info(&[values.len()], dtype))]);
            let writer = TensorsWriter::create(&path, &tensors).unwrap();
            writer.write("a", &values).unwrap();
            writer.finish().unwrap();
            let mut read = vec![0.0; values.len()];
            Safetensors::open(&path).unwrap().read_into("a", &mut read).unwrap();
            for (read, value) in read.iter().zip(&values) {
                // No neighbour of the result is nearer than it.
                let (below, above) = neighbours(dtype, *read);
                let distance = (read - value).abs();
                // `min` passes over the NaN beside zero's other sign.
                prop_assert!(distance <= (below - value).abs().min((above - value).abs()));
            }
        }
    }
}

fn neighbours(dtype: Dtype, value: f32) -> (f32, f32) {
    let step = |bits: u16, by: i32| (i32::from(bits) + by).clamp(0, 0xffff) as u16;
    match dtype {
        Dtype::F16 => {
            let bits = f16::from_f32(value).to_bits();
            (f16::from_bits(step(bits, -1)).to_f32(), f16::from_bits(step(bits, 1)).to_f32())
        }
        _ => {
            let bits = bf16::from_f32(value).to_bits();
            (bf16::from_bits(step(bits, -1)).to_f32(), bf16::from_bits(step(bits, 1)).to_f32())
        }
    }
}

#[test]
fn ties_go_to_even() {
    let mut bytes = Vec::new();
    // 1 + 2⁻⁸ lies midway between 1 and 1 + 2⁻⁷, 1 + 3·2⁻⁸ midway between 1 + 2⁻⁷ and 1 + 2⁻⁶.
    let result = crate::convert::from_f32(Dtype::Bf16, &[1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0], &mut bytes);
    assert!(result.is_ok());
    assert_eq!(bytes, [0x80, 0x3f, 0x82, 0x3f]);
}
