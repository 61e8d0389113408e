//! Broken files: the error says where and what.

use proptest::prelude::*;
use rankine_data::{Columns, Dataset, Error, Format};

fn error(name: &str, bytes: &[u8]) -> Error {
    Dataset::read_bytes(name, bytes, None, None).unwrap_err()
}

/// The line and the words of the fault of a record.
fn fault(name: &str, bytes: &[u8]) -> (usize, String) {
    match error(name, bytes) {
        Error::Record { line, fault, .. } => (line, fault.to_string()),
        other => panic!("{other}"),
    }
}

#[test]
fn broken_json_has_its_line() {
    let good = r#"{"instruction": "a", "output": "b"}"#;
    let cases: [(String, usize, &str); 8] = [
        (format!("{good}\n{{\"instruction\": \"a\", }}\n"), 2, "invalid JSON at column 22"),
        (format!("{good}\n\n{good} x"), 3, "trailing characters"),
        (format!("{good}\n[1]\n"), 2, "expected an object, found an array"),
        (format!("[\n{good},\n{good}"), 3, "expected `,` or `]`, found the end of the file"),
        (format!("[{good}\n {good}]"), 2, "invalid JSON at column 2: expected `,` or `]`, found `{{`"),
        (format!("[\n{good},\n{{\"a\":\n 1,}}]"), 4, "invalid JSON at column 4"),
        (format!("[{good}, {{\"a\" 1}}]"), 1, "invalid JSON at column 44"),
        (format!("[{good}] x"), 1, "expected the end of the file, found `x`"),
    ];
    for (text, line, words) in cases {
        let (found, fault) = fault("data.json", text.as_bytes());
        assert_eq!(found, line, "{text}: {fault}");
        assert!(fault.contains(&words.replace("{{", "{")), "{text}: {fault}");
    }
}

#[test]
fn broken_records_have_their_field() {
    let cases = [
        (r#"{"instruction": "a", "output": 3}"#, "field `output`: expected a string, found a number"),
        (r#"{"instruction": "a", "output": null}"#, "field `output`: expected a string, found null"),
        (
            r#"{"instruction": "a", "output": "b", "input": []}"#,
            "field `input`: expected a string, found an array",
        ),
        (
            r#"{"instruction": "a", "output": "b", "history": [["a"]]}"#,
            "field `history[0]`: expected a pair of strings",
        ),
        (r#"{"conversations": {}}"#, "field `conversations`: expected an array, found an object"),
        (
            r#"{"conversations": [{"from": "alien", "value": "b"}]}"#,
            "field `conversations[0].from`: unknown role `alien`; known are `human`, `user`, `gpt`",
        ),
        (r#"{"conversations": [{"value": "b"}]}"#, "missing field `conversations[0].from`; found `value`"),
        (r#"{"conversations": [{"from": "human", "value": "b"}]}"#, "no answer to learn"),
        (r#"{"conversations": [], "tools": ""}"#, "no answer to learn"),
        (
            r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant"}]}"#,
            "missing field `messages[1].content`",
        ),
        (r#"{"messages": [{"role": "robot", "content": "a"}]}"#, "unknown role `robot`"),
        (
            r#"{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}"#,
            "field `messages[0].content[0]`: content of type `image_url`, but only text is read",
        ),
        (
            r#"{"messages": [{"role": "assistant", "content": "a", "weight": 0.5}]}"#,
            "field `messages[0].weight`: expected 0 or 1",
        ),
        (r#"{"messages": [3]}"#, "field `messages[0]`: expected an object, found a number"),
        (r#"{"messages": [], "tools": "[{]"}"#, "field `tools`"),
        (r#"{"this": 1, "that": 2}"#, "fields `this`, `that` belong to no known format"),
    ];
    for (text, words) in cases {
        let (line, fault) = fault("data.jsonl", format!("\n{text}").as_bytes());
        assert_eq!(line, 2, "{text}");
        assert!(fault.contains(words), "{text}: {fault}");
    }
    let (line, missing) = fault(
        "data.jsonl",
        b"{\"instruction\": \"a\", \"output\": \"b\"}\n{\"instruction\": \"a\", \"out\": \"b\"}",
    );
    assert_eq!((line, missing.as_str()), (2, "missing field `output`; found `instruction`, `out`"));
}

#[test]
fn broken_tables_have_their_line() {
    assert_eq!(
        fault("data.csv", b"prompt,completion\na,b\nc\n"),
        (3, "invalid CSV: 1 fields, but the header has 2".into())
    );
    assert_eq!(fault("data.csv", b"x,y\na,b\n").0, 2);
    let columns = Columns::Pair { prompt: "p".into(), answer: "q".into(), system: None };
    let error = Dataset::read_bytes("data.csv", b"p,r\na,b\n", None, Some(columns)).unwrap_err();
    assert_eq!(error.to_string(), "`data.csv`, line 2: missing field `q`; found `p`, `r`");
    assert!(error.hint().is_some());
}

#[test]
fn rows_of_tables_have_the_line_where_they_begin() {
    let lines = |text: &str| -> Vec<usize> {
        let dataset = Dataset::read_bytes("data.csv", text.as_bytes(), None, None).unwrap();
        dataset.records.iter().map(|record| record.line).collect()
    };
    assert_eq!(lines("prompt,completion\na,b\nc,d\n"), [2, 3]);
    assert_eq!(lines("prompt,completion\r\na,b\r\nc,d\r\n"), [2, 3]);
    assert_eq!(lines("prompt,completion\na,b\n\n\nc,\"d\ne\"\nf,g\n"), [2, 5, 7]);
    assert_eq!(fault("data.csv", b"prompt,completion\r\na,b\r\n\r\nc,d,e\r\n").0, 4);
    let (line, words) = fault("data.csv", b"prompt,completion\na,b\nc,\"d\ne,f\n");
    assert!(line == 3 && words.contains("never closed"), "{line} {words}");
    let (line, words) = fault("data.csv", b"prompt,completion,prompt\na,b,c\n");
    assert!(line == 1 && words.contains("second time"), "{line} {words}");
}

#[test]
fn what_is_no_text_is_named() {
    assert_eq!(fault("data.jsonl", b"{}\nab\xFFc"), (2, "invalid UTF-8 at byte 3 of the line".into()));
    for (bytes, words) in [
        (&b"PAR1...."[..], "Parquet"),
        (b"\x1F\x8B\x08", "gzip"),
        (b"\xFF\xFEa\0", "UTF-16"),
        (b"PK\x03\x04", "ZIP"),
    ] {
        let error = error("data.json", bytes);
        assert!(error.to_string().contains(words) && error.hint().is_some(), "{error}");
    }
    assert!(matches!(error("data.bin", b"words"), Error::UnknownFormat { .. }));
    let plain = Dataset::read_bytes("LICENCE", b"words", None, None).unwrap();
    assert_eq!((plain.format, plain.records.len()), (Format::Text, 1));
}

#[test]
fn nothing_is_an_error() {
    for (name, bytes) in [
        ("a.json", &b""[..]),
        ("a.json", b" \n"),
        ("a.json", b"[]"),
        ("a.jsonl", b"\xEF\xBB\xBF"),
        ("a.csv", b"prompt,completion\n"),
        ("a.txt", b"\r\n"),
    ] {
        assert!(matches!(error(name, bytes), Error::Empty { .. }), "{name} {bytes:?}");
    }
    assert!(matches!(Dataset::read_bytes("a", b"", Some(Format::Text), None), Err(Error::Empty { .. })));
}

proptest! {
    #[test]
    fn no_bytes_end_the_program(
        bytes in prop::collection::vec(prop_oneof![3 => prop::sample::select(b"[]{}\",:\n \\tfalse0messages".to_vec()), 1 => any::<u8>()], 0..80),
        name in prop::sample::select(vec!["a.json", "a.jsonl", "a.csv", "a.tsv", "a.txt", "a"]),
    ) {
        let _ = Dataset::read_bytes(name, &bytes, None, None);
    }

    #[test]
    fn cut_files_end_in_an_error_or_in_whole_records(cut in 0..120_usize) {
        let whole = br#"[{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "tools": []}]"#;
        let cut = cut.min(whole.len());
        let read = Dataset::read_bytes("a.json", &whole[..cut], None, None);
        prop_assert_eq!(read.is_ok(), cut == whole.len());
    }
}
