//! Files of torch 2.15, damaged ones, and ones that would run code.

use super::*;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pickle").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

fn read(tensors: &dyn Tensors, name: &str) -> Vec<f32> {
    let mut values = vec![0.0; tensors.infos()[name].elements()];
    tensors.read_into(name, &mut values).unwrap();
    values
}

fn expected(name: &str) -> IndexMap<String, (Vec<usize>, String, Vec<f32>)> {
    let json: Json = serde_json::from_slice(&bytes(name)).unwrap();
    let entry = |(name, entry): (&String, &Json)| {
        let list = |key: &str| entry[key].as_array().unwrap().iter();
        let shape = list("shape").map(|side| side.as_u64().unwrap() as usize).collect();
        let values = list("values").map(|value| value.as_f64().unwrap() as f32).collect();
        (name.clone(), (shape, entry["dtype"].as_str().unwrap().to_owned(), values))
    };
    json.as_object().unwrap().iter().map(entry).collect()
}

fn dtype(name: &str) -> Dtype {
    match name {
        "torch.float64" => Dtype::F64,
        "torch.float32" => Dtype::F32,
        "torch.float16" => Dtype::F16,
        "torch.bfloat16" => Dtype::Bf16,
        "torch.int64" => Dtype::I64,
        "torch.int32" => Dtype::I32,
        "torch.int16" => Dtype::I16,
        "torch.int8" => Dtype::I8,
        "torch.uint8" => Dtype::U8,
        "torch.bool" => Dtype::Bool,
        other => panic!("{other}"),
    }
}

fn compare(file: &str, json: &str) {
    let (opened, expected) = (Pickle::open(&path(file)).unwrap(), expected(json));
    assert!(opened.infos().keys().eq(expected.keys()), "{file}");
    for (name, (shape, stored, values)) in &expected {
        let info = &opened.infos()[name];
        assert_eq!((&info.shape, info.dtype), (shape, dtype(stored)), "{file}, {name}");
        assert_eq!(read(&opened, name), *values, "{file}, {name}");
        assert_eq!(opened.raw(name).unwrap().len() as u64, info.bytes, "{file}, {name}");
        let rows = info.rows() / 2..info.rows();
        let mut half = vec![0.0; rows.len() * info.row_elements()];
        opened.read_rows(name, rows.clone(), &mut half).unwrap();
        assert_eq!(half, values[values.len() - half.len()..], "{file}, {name}");
        opened.release(name, rows);
        assert_eq!(read(&opened, name), *values, "{file}, {name}");
    }
}

#[test]
fn every_type_and_every_view_is_read_as_torch_reads_it() {
    for format in ["zip", "legacy"] {
        compare(&format!("tensors_{format}.pth"), "tensors.json");
    }
}

#[test]
fn a_state_is_found_inside_a_training_checkpoint_and_under_other_protocols() {
    for format in ["zip", "legacy"] {
        for name in ["nested", "protocol4"] {
            compare(&format!("{name}_{format}.pth"), "state.json");
        }
    }
}

#[test]
fn a_tensor_beside_the_state_does_not_hide_it() {
    // {"w": a tensor, "state_dict": {"v": the same tensor}}
    let one = one(6, 0, [&[6], &[1]]);
    let tensor = &one[b"\x80\x02}U\x01w".len()..one.len() - b"s.".len()];
    let parts: [&[u8]; 5] = [b"\x80\x02}U\x01w", tensor, b"q\x00sU\x0astate_dict}U\x01v", b"h\x00", b"ss."];
    let file = archive(&[("x/data.pkl", &parts.concat()), ("x/data/0", &[0; 24])]);
    assert!(contents::read(&file).unwrap().keys().eq(["v"]));
}

#[test]
fn row_major_tensors_are_borrowed_and_others_gathered() {
    let opened = Pickle::open(&path("tensors_zip.pth")).unwrap();
    for (name, borrowed) in
        [("plain", true), ("shared_rows", true), ("transposed", false), ("strided", false)]
    {
        assert_eq!(matches!(opened.raw(name).unwrap(), Cow::Borrowed(_)), borrowed, "{name}");
    }
    assert!(opened.is_copy("plain", "plain") && !opened.is_copy("plain", "transposed"));
    assert!(matches!(opened.raw("none"), Err(Error::MissingTensor { .. })));
}

#[test]
fn what_would_run_code_is_refused_by_name() {
    for name in ["system_zip.pth", "system_legacy.pth", "evaluated.bin"] {
        let error = Pickle::open(&path(name)).unwrap_err();
        let Error::Pickle { fault: Fault::Global { name: global }, .. } = &error else { panic!("{error}") };
        assert!(["posix.system", "__builtin__.eval"].contains(&global.as_str()), "{error}");
        assert!(error.hint().unwrap().contains("run code"), "{error}");
    }
}

#[test]
fn what_is_not_read_is_named() {
    type Is = fn(&Fault) -> bool;
    let cases: [(&str, Is); 2] = [
        ("expanded", |f| matches!(f, Fault::Expanded { elements: 1, .. })),
        ("complex", |f| matches!(f, Fault::Dtype { found } if found == "torch.ComplexFloatStorage")),
    ];
    for (name, is) in cases {
        for format in ["zip", "legacy"] {
            let fault = verify(&bytes(&format!("{name}_{format}.pth"))).unwrap_err();
            assert!(is(&fault) && fault.hint().is_some(), "{name}, {format}: {fault:?}");
        }
    }
}

/// An archive of stored entries.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let sizes = [(data.len() as u32).to_le_bytes(); 2].concat();
        let lengths = [&(name.len() as u16).to_le_bytes()[..], &[0; 2]].concat();
        let offset = (file.len() as u32).to_le_bytes();
        let head: [&[u8]; 6] = [b"PK\x03\x04", &[0; 14], &sizes, &lengths, name.as_bytes(), data];
        file.extend(head.concat());
        let head: [&[u8]; 7] =
            [b"PK\x01\x02", &[0; 16], &sizes, &lengths, &[0; 10], &offset, name.as_bytes()];
        directory.extend(head.concat());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let (length, start) = ((directory.len() as u32).to_le_bytes(), (file.len() as u32).to_le_bytes());
    let end: [&[u8]; 7] = [b"PK\x05\x06", &[0; 4], &count, &count, &length, &start, &[0; 2]];
    [file, directory, end.concat()].concat()
}

/// A dictionary with one tensor `w` of f32 in storage `0`: sizes and strides of at most two bytes each.
fn one(elements: u8, offset: u8, [shape, strides]: [&[u16]; 2]) -> Vec<u8> {
    let tuple = |sizes: &[u16]| {
        let items = sizes.iter().flat_map(|size| [&b"M"[..], &size.to_le_bytes()].concat());
        [b"(".to_vec(), items.collect(), b"t".to_vec()].concat()
    };
    let storage: [&[u8]; 3] = [b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK", &[elements], b"tQ"];
    let head: &[u8] = b"\x80\x02}U\x01wctorch._utils\n_rebuild_tensor_v2\n(";
    let parts: [&[u8]; 7] =
        [head, &storage.concat(), b"K", &[offset], &tuple(shape), &tuple(strides), b"\x89NtRs."];
    parts.concat()
}

fn verify_one(elements: u8, offset: u8, sizes: [&[u16]; 2]) -> Result<usize, Fault> {
    verify(&archive(&[("x/data.pkl", &one(elements, offset, sizes)), ("x/data/0", &[0; 24])]))
}

#[test]
fn tensors_stay_inside_their_storages() {
    let sound: [(u8, u8, &[u16], &[u16]); 5] = [
        (6, 0, &[2, 3], &[3, 1]),
        (6, 0, &[3, 2], &[1, 3]),
        (6, 4, &[2], &[1]),
        (6, 1, &[1, 2], &[60_000, 4]),
        (6, 200, &[0, 60_000], &[60_000, 9]),
    ];
    for (elements, offset, shape, strides) in sound {
        assert_eq!(verify_one(elements, offset, [shape, strides]), Ok(1), "{shape:?} {strides:?}");
    }
    type Is = fn(&Fault) -> bool;
    let beyond: Is = |f| matches!(f, Fault::Beyond { elements: 6, .. });
    type Case<'a> = (u8, u8, &'a [u16], &'a [u16], Is);
    let cases: [Case<'_>; 6] = [
        (6, 5, &[2], &[1], beyond),
        (6, 0, &[2, 2], &[1, 5], beyond),
        (6, 0, &[7], &[0], |f| matches!(f, Fault::Expanded { .. })),
        (6, 0, &[60_000; 5], &[0; 5], |f| matches!(f, Fault::Shape { .. })),
        (7, 0, &[7], &[1], |f| matches!(f, Fault::StorageSize { expected: 7, found: 6, .. })),
        (6, 0, &[2], &[1, 1], |f| matches!(f, Fault::Damaged { .. })),
    ];
    for (elements, offset, shape, strides, is) in cases {
        let fault = verify_one(elements, offset, [shape, strides]).unwrap_err();
        assert!(is(&fault) && fault.hint().is_some(), "{fault:?}");
    }
}

#[test]
fn a_file_that_contradicts_itself_is_named() {
    type Is = fn(&Fault) -> bool;
    let good = one(6, 0, [&[6], &[1]]);
    let pickle = |pickle: &[u8]| archive(&[("x/data.pkl", pickle), ("x/data/0", &[0; 24])]);
    let big = archive(&[("x/data.pkl", &good), ("x/data/0", &[0; 24]), ("x/byteorder", b"big")]);
    let mut packed = pickle(&good);
    let at = packed.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    packed[at + 10] = 8;
    let cases: [(Vec<u8>, Is); 12] = [
        (Vec::new(), |f| *f == Fault::NotTorch),
        (b"version https://git-lfs".to_vec(), |f| *f == Fault::NotTorch),
        (b"\x80\x02K\x01.".to_vec(), |f| *f == Fault::NotTorch),
        (b"PK\x03\x04".to_vec(), |f| matches!(f, Fault::Archive { .. })),
        (big, |f| *f == Fault::BigEndian),
        (packed, |f| matches!(f, Fault::Packed { entry } if entry == "x/data.pkl")),
        (archive(&[("x/data.pkl", &good)]), |f| matches!(f, Fault::Missing { name } if name == "data/0")),
        (archive(&[("x/y", b"")]), |f| matches!(f, Fault::Missing { name } if name == "data.pkl")),
        (pickle(b"\x80\x02]."), |f| *f == Fault::NoTensors),
        (pickle(b"\x80\x02I1\n."), |f| matches!(f, Fault::Opcode { code: b'I', at: 2 })),
        (pickle(b"\x80\x02K\x01."), |f| *f == Fault::NoTensors),
        (pickle(&[0x80, 2, b'X', 255, 255, 255, 255]), |f| matches!(f, Fault::Truncated { .. })),
    ];
    for (file, is) in cases {
        let fault = verify(&file).unwrap_err();
        assert!(is(&fault) && fault.hint().is_some(), "{fault:?}");
    }
}

#[test]
fn pickles_that_nest_or_repeat_without_end_are_harmless() {
    let file = |pickle: &[u8]| verify(&archive(&[("x/data.pkl", pickle)])).unwrap_err();
    let nested = [&b"\x80\x02)"[..], &vec![0x85; 1 << 20], b"."].concat();
    assert_eq!(file(&nested), Fault::NoTensors);
    assert_eq!(file(b"\x80\x02}q\x00U\x01ah\x00s."), Fault::NoTensors);
    assert!(matches!(file(&vec![b']'; (1 << 21) + 1]), Fault::Operations { .. }));
}

fn sharded(weight_map: &Json) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join(INDEX), json!({ "weight_map": weight_map }).to_string()).unwrap();
    for (name, file) in [("1.bin", "tensors_zip.pth"), ("2.bin", "nested_legacy.pth")] {
        std::fs::copy(path(file), folder.path().join(name)).unwrap();
    }
    folder
}

#[test]
fn shards_are_one_model() {
    let folder = sharded(&json!({ "0.bias": "2.bin", "plain": "1.bin" }));
    let opened = Pickle::open(folder.path()).unwrap();
    assert_eq!(opened.infos().keys().collect::<Vec<_>>(), ["plain", "0.bias"]);
    assert_eq!(read(&opened, "0.bias"), expected("state.json")["0.bias"].2);
    type Is = fn(&Fault) -> bool;
    let cases: [(Json, Is); 3] = [
        (json!({ "plain": "3.bin" }), |f| matches!(f, Fault::MissingShard { .. })),
        (json!({ "plain": "../1.bin" }), |f| matches!(f, Fault::ShardName { .. })),
        (json!({ "plain": "2.bin" }), |f| matches!(f, Fault::NotInShard { .. })),
    ];
    for (weight_map, is) in cases {
        let error = Pickle::open(sharded(&weight_map).path()).unwrap_err();
        let Error::Pickle { fault, .. } = &error else { panic!("{error}") };
        assert!(is(fault) && error.hint().is_some(), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_read_or_refused(
        zip: bool,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        cuts: bool,
    ) {
        let mut file = bytes(if zip { "nested_zip.pth" } else { "nested_legacy.pth" });
        for (at, byte) in edits {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if cuts {
            file.truncate(cut.index(file.len()));
        }
        if let Ok(contents) = contents::read(&file) {
            for view in contents.values() {
                let found = view.bytes(&file, &(0..view.info.rows())).len();
                prop_assert_eq!(found as u64, view.info.bytes);
                prop_assert!(found <= file.len());
            }
        }
    }

    #[test]
    fn any_pickle_is_read_or_refused(pickle in prop::collection::vec(any::<u8>(), 0..200)) {
        _ = verify(&archive(&[("x/data.pkl", &pickle)]));
        _ = verify(&[&[0x80, 2][..], &pickle].concat());
    }
}
