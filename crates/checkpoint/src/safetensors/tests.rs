use super::*;
use crate::Dtype;
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

/// A file with this header, padded as the reference does, and this much data.
fn file(header: &serde_json::Value, data: &[u8]) -> Vec<u8> {
    file_of(&header.to_string(), data)
}

fn file_of(header: &str, data: &[u8]) -> Vec<u8> {
    let padded = format!("{header:width$}", width = header.len().next_multiple_of(8));
    [&(padded.len() as u64).to_le_bytes(), padded.as_bytes(), data].concat()
}

fn two_tensors() -> Vec<u8> {
    let header = json!({
        "__metadata__": { "format": "pt" },
        "b": { "dtype": "BF16", "shape": [2], "data_offsets": [8, 12] },
        "a": { "dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8] },
    });
    let numbers = [1.5_f32.to_le_bytes(), (-2.0_f32).to_le_bytes(), [0x80, 0x3f, 0x00, 0xc0]];
    file(&header, numbers.as_flattened())
}

fn fault_of(bytes: &[u8]) -> Fault {
    Header::parse(bytes).unwrap_err()
}

fn one(dtype: &str, shape: serde_json::Value, offsets: [u64; 2]) -> serde_json::Value {
    json!({ "t": { "dtype": dtype, "shape": shape, "data_offsets": offsets } })
}

#[test]
fn tensors_come_in_the_order_of_their_data() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.safetensors");
    std::fs::write(&path, two_tensors()).unwrap();
    let opened = Safetensors::open(&path).unwrap();
    assert_eq!(opened.infos().keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(opened.infos()["a"], TensorInfo { shape: vec![1, 2], dtype: Dtype::F32, bytes: 8 });
    assert_eq!(opened.metadata()["format"], "pt");
    let mut numbers = [0.0; 2];
    opened.read_into("a", &mut numbers).unwrap();
    assert_eq!(numbers, [1.5, -2.0]);
    opened.read_into("b", &mut numbers).unwrap();
    assert_eq!(numbers, [1.0, -2.0]);
    assert_eq!(opened.raw("b").unwrap().as_ref(), [0x80, 0x3f, 0x00, 0xc0]);
    assert!(matches!(opened.read_into("a", &mut [0.0; 3]), Err(Error::Length { expected: 2, found: 3, .. })));
    assert!(matches!(opened.raw("c"), Err(Error::MissingTensor { .. })));
}

#[test]
fn every_plain_format_is_read() {
    let cases: [(&str, &[u8], [f32; 2]); 12] = [
        ("F64", &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0], [1.5, -2.0]),
        ("F32", &[0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0], [1.5, -2.0]),
        ("F16", &[0, 0x3e, 0, 0xc0], [1.5, -2.0]),
        ("BF16", &[0xc0, 0x3f, 0, 0xc0], [1.5, -2.0]),
        ("F8_E4M3", &[0x3c, 0xc0], [1.5, -2.0]),
        ("F8_E5M2", &[0x3e, 0xc0], [1.5, -2.0]),
        ("I64", &[3, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255], [3.0, -1.0]),
        ("I32", &[3, 0, 0, 0, 255, 255, 255, 255], [3.0, -1.0]),
        ("I16", &[3, 0, 255, 255], [3.0, -1.0]),
        ("I8", &[3, 255], [3.0, -1.0]),
        ("U8", &[3, 255], [3.0, 255.0]),
        ("BOOL", &[0, 1], [0.0, 1.0]),
    ];
    let folder = TempDir::new().unwrap();
    for (dtype, bytes, expected) in cases {
        let path = folder.path().join(dtype);
        std::fs::write(&path, file(&one(dtype, json!([2]), [0, bytes.len() as u64]), bytes)).unwrap();
        let mut numbers = [0.0; 2];
        Safetensors::open(&path).unwrap().read_into("t", &mut numbers).unwrap();
        assert_eq!(numbers, expected, "{dtype}");
    }
}

/// Their numbers are not read, and are copied as they are.
#[test]
fn other_formats_are_listed() {
    let folder = TempDir::new().unwrap();
    let cases: [(&str, &[u8]); 5] = [
        ("U16", &[1, 0, 2, 0]),
        ("C64", &[0; 16]),
        ("F8_E8M0", &[127, 128]),
        ("F8_E4M3FNUZ", &[1, 2]),
        ("F4", &[0x21]),
    ];
    for (dtype, bytes) in cases {
        let path = folder.path().join(dtype);
        std::fs::write(&path, file(&one(dtype, json!([2]), [0, bytes.len() as u64]), bytes)).unwrap();
        let opened = Safetensors::open(&path).unwrap();
        let info = &opened.infos()["t"];
        assert_eq!((info.dtype.name(), info.bytes, info.elements()), (dtype, bytes.len() as u64, 2));
        let error = opened.read_into("t", &mut [0.0; 2]).unwrap_err();
        assert!(matches!(error, Error::Unread { .. }) && error.to_string().contains(dtype), "{error}");
        assert!(error.hint().unwrap().contains("copies it as it is"), "{error}");
        let copy = folder.path().join("copy");
        let writer = crate::writer::TensorsWriter::create(&copy, opened.infos()).unwrap();
        writer.write_raw("t", &opened.raw("t").unwrap()).unwrap();
        writer.finish().unwrap();
        let copied = Safetensors::open(&copy).unwrap();
        assert_eq!((&copied.infos()["t"], copied.raw("t").unwrap().as_ref()), (info, bytes));
    }
    // Three numbers of four bits are no whole bytes.
    let odd = file(&one("F4", json!([3]), [0, 2]), &[0; 2]);
    assert!(matches!(fault_of(&odd), Fault::Shape { .. }));
}

#[test]
fn some_rows_are_read_and_can_be_released() {
    let numbers: Vec<u8> =
        (0..12_u16).flat_map(|x| half::bf16::from_f32(f32::from(x)).to_le_bytes()).collect();
    let header = json!({
        "t": { "dtype": "BF16", "shape": [4, 3], "data_offsets": [0, 24] },
        "s": { "dtype": "U8", "shape": [], "data_offsets": [24, 25] },
        "wide": { "dtype": "U8", "shape": [0, 1_u64 << 40, 1_u64 << 40], "data_offsets": [25, 25] },
    });
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.safetensors");
    std::fs::write(&path, file(&header, &[&numbers[..], &[7]].concat())).unwrap();
    let opened = Safetensors::open(&path).unwrap();
    for (rows, expected) in
        [(1..3, vec![3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), (3..4, vec![9.0, 10.0, 11.0]), (2..2, vec![])]
    {
        let mut out = vec![0.0; expected.len()];
        opened.read_rows("t", rows.clone(), &mut out).unwrap();
        assert_eq!(out, expected);
        opened.release("t", rows.clone());
        opened.read_rows("t", rows, &mut out).unwrap();
        assert_eq!(out, expected);
    }
    let mut scalar = [0.0];
    opened.read_rows("s", 0..1, &mut scalar).unwrap();
    assert_eq!(scalar, [7.0]);
    opened.read_rows("wide", 0..0, &mut []).unwrap();
    let backwards = Range { start: 3, end: 1 };
    for (rows, length) in [(3..5, 6), (0..2, 5), (9..usize::MAX, 3), (backwards.clone(), 0)] {
        let error = opened.read_rows("t", rows, &mut vec![0.0; length]).unwrap_err();
        assert!(matches!(error, Error::Rows { .. }) && error.hint().is_some(), "{error}");
    }
    for (name, rows) in [("t", 3..9), ("none", 0..1), ("t", backwards)] {
        opened.release(name, rows);
    }
}

#[test]
fn scalars_and_empty_tensors_are_tensors() {
    let header = json!({
        "scalar": { "dtype": "U8", "shape": [], "data_offsets": [0, 1] },
        "empty": { "dtype": "F32", "shape": [0, 7], "data_offsets": [1, 1] },
    });
    let parsed = Header::parse(&file(&header, &[9])).unwrap();
    assert_eq!(parsed.tensors["scalar"].0.elements(), 1);
    assert_eq!(parsed.tensors["empty"].0.elements(), 0);
}

#[test]
fn a_lying_header_is_named() {
    let header_beyond = [&50_u64.to_le_bytes()[..], b"{}"].concat();
    let ok = |offsets| file(&one("F32", json!([2]), offsets), &[0; 8]);
    let pair = |second: [u64; 2]| {
        let header = json!({
            "a": { "dtype": "U8", "shape": [4], "data_offsets": [0, 4] },
            "b": { "dtype": "U8", "shape": [second[1] - second[0]], "data_offsets": second },
        });
        file(&header, &[0; 8])
    };
    let twice = r#"{"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#;
    type Is = fn(&Fault) -> bool;
    let cases: [(Vec<u8>, Is); 15] = [
        (vec![1, 2, 3], |f| matches!(f, Fault::Short { bytes: 3 })),
        (u64::MAX.to_le_bytes().to_vec(), |f| matches!(f, Fault::HeaderLimit { .. })),
        (header_beyond, |f| matches!(f, Fault::HeaderLength { expected: 50, found: 2 })),
        (file_of("[1, 2]", &[]), |f| matches!(f, Fault::Header { .. })),
        (file_of(twice, &[]), |f| matches!(f, Fault::Duplicate { name } if name == "t")),
        (file(&one("F9", json!([1]), [0, 1]), &[0]), |f| matches!(f, Fault::Dtype { .. })),
        (file(&one("F32", json!([1_u64 << 40, 1_u64 << 40]), [0, 8]), &[0; 8]), |f| {
            matches!(f, Fault::Shape { .. })
        }),
        (file(&one("U8", json!([-1]), [0, 1]), &[0]), |f| matches!(f, Fault::Header { .. })),
        (ok([8, 0]), |f| matches!(f, Fault::Backwards { .. })),
        (ok([0, 4]), |f| matches!(f, Fault::Size { expected: 8, found: 4, .. })),
        (ok([8, 16]), |f| matches!(f, Fault::Truncated { end: 16, found: 8, .. })),
        (pair([2, 8]), |f| matches!(f, Fault::Overlap { begin: 2, previous: 4, .. })),
        (pair([5, 8]), |f| matches!(f, Fault::Gap { begin: 4, end: 5 })),
        (pair([4, 6]), |f| matches!(f, Fault::Gap { begin: 6, end: 8 })),
        (file(&one("F32", json!([2]), [0, u64::MAX]), &[0; 8]), |f| matches!(f, Fault::Size { .. })),
    ];
    for (bytes, is) in cases {
        let fault = fault_of(&bytes);
        assert!(is(&fault), "{fault:?}");
        assert!(fault.hint().is_some(), "{fault:?}");
    }
}

fn sharded(index: &serde_json::Value) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join(INDEX), index.to_string()).unwrap();
    let tensor = |name: &str| {
        let entry = json!({ "dtype": "U8", "shape": [1], "data_offsets": [0, 1] });
        file(&json!({ name: entry }), &[name.as_bytes()[0]])
    };
    std::fs::write(folder.path().join("1.safetensors"), tensor("a")).unwrap();
    std::fs::write(folder.path().join("2.safetensors"), tensor("b")).unwrap();
    folder
}

#[test]
fn shards_are_one_model_with_or_without_metadata() {
    for metadata in
        [json!(null), json!({ "total_size": 2 }), json!({ "total_size": 2, "total_parameters": 2 })]
    {
        let weight_map = json!({ "b": "2.safetensors", "a": "1.safetensors" });
        let folder = sharded(&json!({ "metadata": metadata, "weight_map": weight_map }));
        let opened = Safetensors::open(folder.path()).unwrap();
        assert_eq!(opened.infos().keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(opened.raw("b").unwrap().as_ref(), b"b");
    }
}

#[test]
fn a_lying_index_is_named() {
    type Is = fn(&Fault) -> bool;
    let cases: [(serde_json::Value, Is); 5] = [
        (
            json!({ "weight_map": { "a": "3.safetensors" } }),
            |f| matches!(f, Fault::MissingShard { shard, tensors: 1 } if shard == "3.safetensors"),
        ),
        (json!({ "weight_map": { "b": "1.safetensors" } }), |f| matches!(f, Fault::NotInShard { .. })),
        (json!({ "weight_map": { "a": "../1.safetensors" } }), |f| matches!(f, Fault::ShardName { .. })),
        (json!({ "weight_map": { "a": "/etc/passwd" } }), |f| matches!(f, Fault::ShardName { .. })),
        (json!({ "weight_map": [1] }), |f| matches!(f, Fault::Index { .. })),
    ];
    for (index, is) in cases {
        let folder = sharded(&index);
        let error = Safetensors::open(folder.path()).unwrap_err();
        let Error::Safetensors { fault, .. } = &error else { panic!("{error}") };
        assert!(is(fault), "{fault:?}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn an_empty_file_is_too_short() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(SINGLE);
    std::fs::write(&path, "").unwrap();
    let error = Safetensors::open(folder.path()).unwrap_err();
    assert!(matches!(error, Error::Safetensors { fault: Fault::Short { bytes: 0 }, .. }), "{error}");
}

#[test]
fn folders_without_tensors_say_what_they_hold_instead() {
    type Is = fn(&Error) -> bool;
    let cases: [(&str, Is); 2] = [
        ("model-00001-of-00002.safetensors", |error| {
            matches!(error, Error::Safetensors { fault: Fault::MissingIndex { .. }, .. })
        }),
        ("notes.txt", |error| matches!(error, Error::NoModel { .. })),
    ];
    for (name, is) in cases {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join(name), "x").unwrap();
        let error = Safetensors::open(folder.path()).unwrap_err();
        assert!(is(&error), "{error}");
    }
}

proptest! {
    #[test]
    fn a_damaged_file_is_read_or_refused(
        edits in prop::collection::vec((0_usize..400, any::<u8>()), 1..6),
        cut in 0_usize..400,
    ) {
        let mut bytes = two_tensors();
        for (at, byte) in edits {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if cut % 3 == 0 {
            bytes.truncate(cut);
        }
        let reference = ::safetensors::SafeTensors::deserialize(&bytes);
        match Header::parse(&bytes) {
            Ok(header) => {
                let reference = reference.unwrap();
                prop_assert_eq!(header.tensors.len(), reference.len());
                for (name, (info, range)) in &header.tensors {
                    prop_assert_eq!(&bytes[range.clone()], reference.tensor(name).unwrap().data());
                    prop_assert_eq!(range.len() as u64, info.bytes);
                }
            }
            // Repeated names are where the reference accepts more.
            Err(fault) => prop_assert!(
                reference.is_err() || matches!(fault, Fault::Duplicate { .. }),
                "{fault:?}"
            ),
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(Header::parse(&bytes).is_err() || 8 < bytes.len());
    }

    #[test]
    fn a_damaged_index_is_read_or_refused(at in 0_usize..80, byte in any::<u8>()) {
        let index = json!({ "weight_map": { "b": "2.safetensors", "a": "1.safetensors" } });
        let folder = sharded(&index);
        let mut text = index.to_string().into_bytes();
        let at = at % text.len();
        text[at] = byte;
        std::fs::write(folder.path().join(INDEX), text).unwrap();
        if let Ok(opened) = Safetensors::open(folder.path()) {
            prop_assert!(opened.infos().len() <= 2);
        }
    }
}
