//! Files of numbers: as NumPy and SciPy write them, round trips, and files that lie.

use proptest::prelude::*;
use rankine_data::Error;
use rankine_data::arrays::npz::{Npz, Writer};
use rankine_data::arrays::{Array, Fault, Matrix, Ratings, Sparse, csv, matrix_market, npy};
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arrays").join(name)
}

fn array(shape: &[usize], values: &[f64]) -> Array {
    Array { shape: shape.to_vec(), values: values.to_vec() }
}

/// What `make_arrays.py` calls `matrix`.
fn matrix() -> Array {
    array(&[2, 3], &[-1.0, -0.5, 0.0, 0.5, 1.0, 1.5])
}

fn fault(error: Error) -> Fault {
    assert!(error.to_string().starts_with('`'), "{error}");
    match error {
        Error::Array { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

/// What is wrong with these bytes of an npy file.
fn npy_fault(bytes: &[u8]) -> Fault {
    fault(npy::parse(bytes, Path::new("x.npy")).unwrap_err())
}

/// A file of two numbers of this type with these bytes.
fn npy_file(descr: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2,)}}");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00".as_slice(), &length, header.as_bytes(), bytes].concat()
}

#[test]
fn every_type_of_numpy_s_is_read() {
    for name in ["f8.npy", "f4.npy", "version2.npy"] {
        assert_eq!(npy::read(&fixture(name)).unwrap(), matrix(), "{name}");
    }
    let integers = array(&[6], &[-3.0, -2.0, -1.0, 0.0, 1.0, 2.0]);
    assert_eq!(npy::read(&fixture("i4.npy")).unwrap(), integers);
    assert_eq!(npy::read(&fixture("i8.npy")).unwrap(), array(&[], &[7.0]));
    assert_eq!(npy::read(&fixture("empty.npy")).unwrap(), array(&[0, 3], &[]));
    let counted: Vec<f64> = (0..24).map(f64::from).collect();
    assert_eq!(npy::read(&fixture("fortran.npy")).unwrap(), array(&[2, 3, 4], &counted));
    let twisted = matrix().values.iter().map(|&value| [value, 2.0 * value]).collect();
    assert_eq!(npy::read_complex(&fixture("c8.npy")).unwrap(), Array { shape: vec![2, 3], values: twisted });
    let pairs = vec![[-1.0, -0.5], [-0.5, -1.0], [0.0, -1.5]];
    assert_eq!(npy::read_complex(&fixture("c16.npy")).unwrap(), Array { shape: vec![3], values: pairs });
    let real = npy::read_complex(&fixture("f4.npy")).unwrap();
    assert!(real.values.iter().zip(matrix().values).all(|(found, value)| *found == [value, 0.0]));
    assert_eq!(fault(npy::read(&fixture("c8.npy")).unwrap_err()), Fault::Complex);
    assert_eq!(npy::read(&fixture("big_endian.npy")).unwrap(), matrix());
    let types: [(&str, &[u8], [f64; 2]); 10] = [
        ("|b1", &[0, 1], [0.0, 1.0]),
        ("|u1", &[7, 255], [7.0, 255.0]),
        ("|i1", &[7, 255], [7.0, -1.0]),
        ("<u2", &[1, 2, 255, 255], [513.0, 65535.0]),
        (">u2", &[1, 2, 255, 255], [258.0, 65535.0]),
        (">i2", &[0, 3, 255, 254], [3.0, -2.0]),
        ("<u4", &[0, 0, 0, 128, 1, 0, 0, 0], [2147483648.0, 1.0]),
        (">i4", &[255, 255, 255, 255, 0, 0, 1, 0], [-1.0, 256.0]),
        ("<u8", &[0, 0, 0, 0, 0, 0, 0, 128, 9, 0, 0, 0, 0, 0, 0, 0], [9223372036854775808.0, 9.0]),
        (">f4", &[63, 192, 0, 0, 192, 0, 0, 0], [1.5, -2.0]),
    ];
    for (descr, bytes, expected) in types {
        let found = npy::parse(npy_file(descr, bytes).as_slice(), Path::new("x.npy")).unwrap();
        assert_eq!(found, array(&[2], &expected), "{descr}");
    }
    let turned = npy_file(">c8", &[63, 128, 0, 0, 192, 0, 0, 0, 0, 0, 0, 0, 64, 64, 0, 0]);
    let found = npy::parse_complex(turned.as_slice(), Path::new("x.npy")).unwrap();
    assert_eq!(found.values, [[1.0, -2.0], [0.0, 3.0]]);
    for descr in ["<f2", "|O", "<M8[ns]", "=f8", "f8", "<", ""] {
        let refused = npy_fault(&npy_file(descr, &[0; 16]));
        assert_eq!(refused, Fault::Type { found: descr.to_owned() });
        assert!(refused.hint().unwrap().contains("float64"));
    }
}

#[test]
fn what_is_written_is_what_numpy_writes() {
    let bytes = |name: &str| std::fs::read(fixture(name)).unwrap();
    assert_eq!(npy::encode(&matrix()), bytes("f8.npy"));
    let pairs = vec![[-1.0, -0.5], [-0.5, -1.0], [0.0, -1.5]];
    assert_eq!(npy::encode(&Array { shape: vec![3], values: pairs }), bytes("c16.npy"));
    assert_eq!(npy::encode(&Array { shape: vec![], values: vec![7_i64] }), bytes("i8.npy"));
    assert_eq!(npy::encode_text(&["a", "größe", ""].map(str::to_owned)), bytes("text.npy"));
}

#[test]
fn archives_hold_their_arrays_by_name() {
    let mut stored = Npz::open(&fixture("stored.npz")).unwrap();
    assert_eq!(
        (stored.names(), stored.only()),
        (["matrix", "phase", "vector"].map(str::to_owned).to_vec(), None)
    );
    assert_eq!(stored.array("matrix").unwrap(), matrix());
    assert_eq!(stored.complex("phase").unwrap().values[5], [0.0, 1.5]);
    let error = stored.array("phase").unwrap_err();
    assert!(error.to_string().contains("stored.npz/phase`: the numbers are complex"), "{error}");
    let missing = fault(stored.array("cost").unwrap_err());
    assert_eq!(missing.to_string(), "no array is called `cost`; there are `matrix`, `phase`, `vector`");
    let only = Array::read_matrix(&fixture("deflated.npz"), "whatever").unwrap();
    assert_eq!((only.shape.as_slice(), only.values[1999]), ([40, 50].as_slice(), 0.25));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let mut writer = Writer::new(&path);
    writer.add("left", &matrix()).unwrap();
    writer.add("counts", &Array { shape: vec![2], values: vec![3_i64, -4] }).unwrap();
    writer.add_text("users", &["a".to_owned()]).unwrap();
    assert!(matches!(fault(writer.add("left", &matrix()).unwrap_err()), Fault::Archive { .. }));
    let whole = writer.finish().unwrap();
    // The same, number by number into a file.
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = Writer::onto(&path, file);
    writer.add_values("left", &[2, 3], matrix().values.into_iter()).unwrap();
    writer.add_values("counts", &[2], [3_i64, -4].into_iter()).unwrap();
    writer.add_text("users", &["a".to_owned()]).unwrap();
    writer.close().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    let mut archive = Npz::open(&path).unwrap();
    assert_eq!(archive.array("left").unwrap(), matrix());
    assert_eq!(archive.array("counts").unwrap().values, [3.0, -4.0]);
    assert_eq!(fault(archive.array("users").unwrap_err()), Fault::Type { found: "<U1".to_owned() });
    assert_eq!(archive.text("users").unwrap(), ["a"]);
    assert_eq!(fault(archive.text("counts").unwrap_err()), Fault::NotText { found: "<i8".to_owned() });
}

#[test]
fn texts_come_back_as_they_were() {
    let texts: Vec<String> = (0..30_000).map(|n| format!("film {n} ε")).chain([String::new()]).collect();
    let written = npy::encode_text(&texts);
    let back = |bytes: &[u8]| npy::parse_text(bytes, Path::new("x"));
    assert_eq!(back(&written).unwrap(), texts);
    assert_eq!(back(&std::fs::read(fixture("text.npy")).unwrap()).unwrap(), ["a", "größe", ""]);
    assert!(matches!(fault(back(&written[..written.len() - 4]).unwrap_err()), Fault::Length { .. }));
    assert_eq!(back(&npy_file(">U2", &[0, 0, 0, b'a', 0, 0, 0, 0].repeat(2))).unwrap(), ["a", "a"]);
    let huge = npy_file("<U4294967295", &[]);
    assert!(matches!(fault(back(&huge).unwrap_err()), Fault::Length { .. }));
    assert!(matches!(fault(back(&npy_file("<U0", &[])).unwrap_err()), Fault::NotText { .. }));
}

#[test]
fn files_are_told_by_their_ending() {
    for name in ["f8.npy", "dense.mtx", "sparse.mtx", "table.csv"] {
        assert_eq!(Array::read_matrix(&fixture(name), "x").unwrap(), matrix(), "{name}");
    }
    // matrixᵀ · matrix, a half of which stands in the files.
    let symmetric = array(&[3, 3], &[1.25, 1.0, 0.75, 1.0, 1.25, 1.5, 0.75, 1.5, 2.25]);
    for name in ["symmetric.mtx", "symmetric_dense.mtx"] {
        assert_eq!(Array::read_matrix(&fixture(name), "x").unwrap(), symmetric, "{name}");
    }
    assert_eq!(Array::read_matrix(&fixture("i4.npy"), "x").unwrap().shape, [6, 1]);
    assert_eq!(Array::read_vector(&fixture("i4.npy"), "x").unwrap().len(), 6);
    let found = vec![2, 3];
    assert_eq!(
        fault(Array::read_vector(&fixture("f8.npy"), "x").unwrap_err()),
        Fault::Shape { found, expected: "a vector" }
    );
    assert_eq!(fault(Matrix::read(Path::new("x.xlsx"), "x").unwrap_err()), Fault::Ending);
    assert!(matches!(Matrix::read(&fixture("none.npy"), "x"), Err(Error::Io { .. })));
}

#[test]
fn every_cut_and_every_extension_of_npy_is_an_error() {
    let whole = std::fs::read(fixture("f8.npy")).unwrap();
    (0..whole.len()).for_each(|length| drop(npy_fault(&whole[..length])));
    assert_eq!(
        npy_fault(&[whole.as_slice(), &[0]].concat()),
        Fault::Length { shape: vec![2, 3], expected: 48, found: 49 }
    );
}

#[test]
fn headers_that_lie_are_refused_before_room_is_made() {
    let file = |header: &str| {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\x00".as_slice(), &length, header.as_bytes()].concat()
    };
    let shaped = |shape: &str| file(&format!("{{'descr': '<f8', 'fortran_order': True, 'shape': {shape}}}"));
    let huge = npy_fault(&shaped("(4294967296, 4294967296, 4294967296)"));
    assert!(matches!(huge, Fault::TooLarge { .. }), "{huge}");
    assert!(matches!(npy_fault(&shaped("(2147483648,)")), Fault::Length { found: 0, .. }));
    assert!(matches!(npy_fault(&shaped("(2147483649,)")), Fault::TooLarge { .. }));
    for (header, expected) in [
        ("", "byte 10: `{` is expected in the header"),
        ("{'descr': [('a', '<f8')]", "byte 20: a word in quotes is expected in the header"),
        ("{'descr': '<f8' 3}", "byte 26: `}` is expected in the header"),
        (
            "{'descr': '<f8', 'x': 3}",
            "byte 31: `descr`, `fortran_order` or `shape` is expected in the header",
        ),
        ("{'descr': '<f8', 'fortran_order': 1", "byte 43: `True` or `False` is expected in the header"),
        ("{'descr': '<f8', 'shape': (3", "byte 38: `)` is expected in the header"),
        ("{'shape': (99999999999999999999,)}", "byte 21: a size is expected in the header"),
        ("{'descr': '<f8'}", "byte 26: `descr`, `fortran_order` and `shape` are expected in the header"),
    ] {
        let found = npy_fault(&file(header));
        assert_eq!(found.to_string(), expected, "{header}");
        assert!(found.hint().is_some());
    }
    let long = [b"\x93NUMPY\x02\x00".as_slice(), &u32::MAX.to_le_bytes()].concat();
    assert_eq!(npy_fault(&long), Fault::LongHeader { found: u64::from(u32::MAX), limit: 1 << 16 });
    assert_eq!(npy_fault(b"PK"), Fault::NotNpy { found: b"PK".to_vec() });
}

#[test]
fn damaged_archives_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let mut bytes = std::fs::read(fixture("stored.npz")).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 30]).unwrap();
    assert!(matches!(fault(Npz::open(&path).unwrap_err()), Fault::Archive { .. }));
    // A number of the first array: the checksum no longer fits.
    let place = bytes.windows(8).position(|word| word == 1.5_f64.to_le_bytes()).unwrap();
    bytes[place] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert!(Npz::open(&path).unwrap().array("matrix").is_err());
}

#[test]
fn tables_are_read_however_they_are_separated() {
    for text in
        ["a,b\n1,2\n3,-4e0\n", "\"a\";\"b\"\n1;2\n\n3;-4\n", "a\tb\n1\t2\n3\t-4", "# x\na b\n 1   2 \n3 -4"]
    {
        let csv::Table { names, array: found } = csv::parse(text).unwrap();
        assert_eq!(
            (names, found),
            (vec!["a".to_owned(), "b".to_owned()], array(&[2, 2], &[1.0, 2.0, 3.0, -4.0]))
        );
    }
    assert!(csv::parse("1,nan\n").unwrap().array.values[1].is_nan());
    // Names of rows, as R and pandas write them.
    for text in ["\"\",\"a\",\"b\"\n\"1\",1,2\n\"x, y\",3,4\n", ",a,b\n0,1,2\n1,3,4\n"] {
        let csv::Table { names, array: found } = csv::parse(text).unwrap();
        assert_eq!((names.join(" "), found), ("a b".to_owned(), array(&[2, 2], &[1.0, 2.0, 3.0, 4.0])));
    }
    let twins = csv::parse(",x,y,x\nr,1,2,3\n").unwrap();
    assert_eq!(
        (twins.column("y"), twins.column("3"), twins.column("z")),
        (Ok(Some(1)), Ok(Some(2)), Ok(None))
    );
    assert_eq!(twins.column("x").unwrap_err().to_string(), "columns 1 and 3 are both called `x`");
    assert_eq!(csv::encode(&["x"], &array(&[2], &[0.1, 1e300])), b"x\n0.1\n1e300\n");
    for (text, expected) in [
        ("1,2\n3,x\n", "line 2, column 2: `x` is no number"),
        ("1,x\n", "line 1, column 2: `x` is no number"),
        (",a\nr,x\n", "line 2, column 2: `x` is no number"),
        ("0,5;2,5\n1;1\n", "line 1, column 1: `0,5` is no number"),
        ("NA,null\n1,2\n", "line 1, column 1: `NA` is no number"),
        ("a,b\n1,\"2\n3,4\n", "line 2: a quote is opened and not closed"),
        ("\"a, \nx\",b\n1,2\n", "line 1: a quote is opened and not closed"),
        ("\"a\nx\",b\n1,2\n", "line 1: a quote is opened and not closed"),
        ("1,2\n\n3\n", "line 3: 1 fields; 2 expected"),
        ("a,b\n", "no numbers in it"),
        ("", "no numbers in it"),
    ] {
        assert_eq!(csv::parse(text).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn matrix_market_is_held_to_its_sizes() {
    let general = "%%MatrixMarket matrix coordinate real general\n% x\n";
    for (text, expected) in [
        ("%%MatrixMarket matrix array pattern general\n1 1\n".to_owned(), "line 1: expected `%%Matrix"),
        (general.replace("real", "complex") + "1 1 0\n", "line 1: expected `%%Matrix"),
        (general.replace("real", "pattern") + "2 2 1\n1 1 5\n", "line 4: 3 fields; 2 expected"),
        (format!("{general}2 2 1\n3 1 5\n"), "line 4: no entry has the place (3, 1) in a 2 by 2 matrix"),
        (format!("{general}2 2 1\n0 1 5\n"), "line 4: no entry has the place (0, 1)"),
        (format!("{general}2 2 1\n1 1\n"), "line 4: 2 fields; 3 expected"),
        (format!("{general}2 2 1\n1 1 x\n"), "line 4, column 3: `x` is no number"),
        (format!("{general}2 2 1\n1 -1 2\n"), "line 4, column 2: `-1` is no whole number"),
        (format!("{general}2 2 18446744073709551615\n1 1 2\n"), "line 3: 18446744073709551615 entries are"),
        (format!("{general}2 2\n"), "line 3: 2 fields; 3 expected"),
        (general.replace("coordinate real general", "array real symmetric") + "2 3\n", "an array of shape"),
        (general.replace("general", "symmetric") + "2 2 1\n1 2 1\n", "in the lower triangle of a 2 by 2"),
        (general.replace("coordinate", "array") + "2 2\n1\n", "line 3: 4 entries are announced; found 1"),
        (general.replace("coordinate", "array") + "4294967296 4294967296\n1\n", "makes more than"),
        (format!("{general}9 4000000000 1\n1 1 1\n"), "line 3: a matrix of 9 rows and 4000000000 columns"),
    ] {
        let found = matrix_market::parse(&text).unwrap_err().to_string();
        assert!(found.contains(expected), "{text}: {found}");
    }
    let pattern = general.replace("real general", "pattern symmetric") + "2 2 2\n1 1\n2 1\n";
    let Matrix::Sparse(found) = matrix_market::parse(&pattern).unwrap() else { panic!("entries") };
    assert_eq!(found.entries, [(0, 0, 1.0), (1, 0, 1.0), (0, 1, 1.0)]);
    let wide = Sparse { rows: 1 << 40, columns: 1 << 40, entries: vec![] };
    assert!(matches!(wide.dense(), Err(Fault::TooLarge { .. })));
}

#[test]
fn ratings_keep_the_names_of_users_and_items() {
    let entries = vec![(0, 0, 3.0), (1, 0, 4.5), (0, 1, 1.0)];
    for text in [
        "userId,movieId,rating,timestamp\nu 7,m,3,881250949\nx,m,4.5,0\nu 7,9,1,5\n",
        "u 7\tm\t3\t881250949\nx\tm\t4.5\t0\nu 7\t9\t1\t5\n",
        "u 7::m::3::1\nx::m::4.5::2\nu 7::9::1::5\n",
        "\"u 7\";\"m\";3\n\"x\";\"m\";4.5\n\"u 7\";\"9\";1\n",
    ] {
        let Ratings { users, items, matrix, .. } = Ratings::parse(text, None).unwrap();
        assert_eq!(
            (users, items),
            (vec!["u 7".to_owned(), "x".into()], vec!["m".to_owned(), "9".into()]),
            "{text}"
        );
        assert_eq!(matrix, Sparse { rows: 2, columns: 2, entries: entries.clone() }, "{text}");
    }
    let table = ",s,d,y\n1,a,b,5\n2,a,c,2\n";
    let columns = ["s", "d", "4"].map(str::to_owned);
    assert_eq!(Ratings::parse(table, Some(&columns)).unwrap().items, ["b", "c"]);
    // As R writes a table: names between quotes, numbers of the rows in front; empty lines and remarks count as lines.
    let exported = "\"\",\"s\",\"d\",\"dept\",\"y\"\n\n\"1\",\"17\",\"1002\",\"2\",5\n# moved\n\"2\",\"17\",\"9\",\"6\",2\n";
    let Ratings { users, items, matrix, lines, remark } =
        Ratings::parse(exported, Some(&["s", "d", "y"].map(str::to_owned))).unwrap();
    assert_eq!((users, items), (vec!["17".to_owned()], vec!["1002".to_owned(), "9".into()]));
    assert_eq!((matrix.entries, lines, remark), (vec![(0, 0, 5.0), (0, 1, 2.0)], vec![3, 5], None));
    // A name that begins as a remark does is told; between quotes it is one.
    let hidden = "# user,item,rating\n#1,a,3\n\"#2\",a,4\n#3,b,5\n";
    let Ratings { users, remark, .. } = Ratings::parse(hidden, None).unwrap();
    assert_eq!((users, remark), (vec!["#2".to_owned()], Some(2)));
    // A comma between quotes is part of the name, and a quote within a name is one.
    let quoted = "user,item,rating\n\"u, 7\",5\" disk,3\nx,\"a \"\"b\"\", c\",1\n";
    let Ratings { users, items, .. } = Ratings::parse(quoted, None).unwrap();
    assert_eq!(users, ["u, 7", "x"]);
    assert_eq!(items, ["5\" disk", "a \"b\", c"]);
    // With quotes around it or without, it is the same name; a quote that encloses nothing is one.
    let same = "\"\"\"a\"\"\",x\"\"y,1\n\"a\",5\",2\na,\"5\"\"\",3\n";
    let Ratings { users, items, matrix, .. } = Ratings::parse(same, None).unwrap();
    assert_eq!(
        (users, items),
        (vec!["\"a\"".to_owned(), "a".into()], vec!["x\"\"y".to_owned(), "5\"".into()])
    );
    assert_eq!(matrix.entries, [(0, 0, 1.0), (1, 1, 2.0), (1, 1, 3.0)]);
    // What stands between quotes may begin with one, and further fields may too.
    let titled = "a,b,3,\"\"\"Great\"\" film\"\n";
    assert_eq!(Ratings::parse(titled, None).unwrap().items, ["b"]);
    // `nan` is a number, not a name of a column.
    assert_eq!(Ratings::parse("a,b,nan\na,c,1\n", None).unwrap().matrix.entries.len(), 2);
    // Numbers are never looked for among the fields.
    let columns = ["1", "2", "3"].map(str::to_owned);
    assert_eq!(Ratings::parse("2,1,3\n", Some(&columns)).unwrap().users, ["2"]);
    for (text, expected) in [
        ("a,b,3\nc,d\n", "line 2: 2 fields; 3 expected"),
        ("a,b,3\nc,,1\n", "line 2, column 2: `` is no name"),
        ("a,b,3\nc,d,good\n", "line 2, column 3: `good` is no number"),
        ("a,b,NA\nc,d,1\n", "line 1, column 3: `NA` is no number"),
        ("\"us\ner\",item,rating\na,b,3\n", "line 1: a quote is opened and not closed"),
        ("user,\"it\nem\",rating\na,b,3\n", "line 1: a quote is opened and not closed"),
        ("a,\"b\nb\",3\n", "line 1: a quote is opened and not closed"),
        ("a,b,3,\"good\nbad\",c,1\n", "line 1: a quote is opened and not closed"),
        ("user,item,rating\n", "no numbers in it"),
    ] {
        assert_eq!(Ratings::parse(text, None).unwrap_err().to_string(), expected, "{text}");
    }
    let columns = ["s", "d", "z"].map(str::to_owned);
    let missing = Ratings::parse(table, Some(&columns)).unwrap_err().to_string();
    let columns = ["s", "d", "2"].map(str::to_owned);
    let twice = Ratings::parse("d,s,d\n1,2,3\n", Some(&columns)).unwrap_err();
    assert_eq!(twice.to_string(), "columns 1 and 3 are both called `d`");
    assert_eq!(missing, "line 1: there is no column `z` among ``, `s`, `d`, `y`");
}

proptest! {
    #[test]
    fn numbers_come_back_as_they_were(values in prop::collection::vec(prop::num::f64::ANY, 1..40)) {
        let whole = array(&[values.len(), 1], &values);
        let bits = |array: &Array| array.values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        let back = npy::parse(npy::encode(&whole).as_slice(), Path::new("x")).unwrap();
        prop_assert_eq!(bits(&back), bits(&whole));
        let finite = array(&whole.shape, &values.iter().map(|value| if value.is_finite() { *value } else { 0.5 }).collect::<Vec<_>>());
        let text = String::from_utf8(csv::encode(&["x"], &finite)).unwrap();
        prop_assert_eq!(bits(&csv::parse(&text).unwrap().array), bits(&finite));
        let entries = finite.values.iter().enumerate().map(|(row, value)| (row, row % 3, *value)).collect();
        let sparse = Sparse { rows: values.len(), columns: 3, entries };
        let text = String::from_utf8(matrix_market::encode(&sparse)).unwrap();
        prop_assert_eq!(matrix_market::parse(&text).unwrap(), Matrix::Sparse(sparse));
    }

    #[test]
    fn no_bytes_break_a_reader(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[0-9a ,;:\n%.-]{0,80}") {
        let _ = npy::parse(bytes.as_slice(), Path::new("x"));
        let _ = npy::parse_text(bytes.as_slice(), Path::new("x"));
        let _ = npy::parse([b"\x93NUMPY\x01\x00".as_slice(), &bytes].concat().as_slice(), Path::new("x"));
        let _ = csv::parse(&text);
        let _ = Ratings::parse(&text, None);
        for kind in ["coordinate", "array"] {
            let _ = matrix_market::parse(&format!("%%MatrixMarket matrix {kind} real symmetric\n{text}"));
        }
    }
}
