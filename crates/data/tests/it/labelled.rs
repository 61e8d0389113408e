//! Labelled texts: reading, classes, and the tokens of encoders as transformers makes them.

use rankine_data::{
    Batches, Batching, Error, Fault, LabelColumns, LabelledTexts, Sample as _, Tokenizer, encode_labelled,
};
use serde_json::{Value, json};

fn columns(text: &str, second: Option<&str>, label: &str) -> LabelColumns {
    LabelColumns { text: text.into(), second: second.map(str::to_owned), label: label.into() }
}

fn read(name: &str, text: &str) -> Result<LabelledTexts, Error> {
    LabelledTexts::read_bytes(name, text.as_bytes(), &LabelColumns::default())
}

fn names(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/encoders.json")).unwrap()
}

fn tokenizer(kind: &str) -> Tokenizer {
    Tokenizer::from_json(&serde_json::to_vec(&fixture()[kind]["file"]).unwrap(), &Value::Null, None).unwrap()
}

#[test]
fn tokens_and_types_are_those_of_transformers() {
    let fixture = fixture();
    let limit = fixture["limit"].as_u64().unwrap() as usize;
    for kind in ["bert", "roberta"] {
        let rows = fixture[kind]["rows"].as_array().unwrap();
        let rows: Vec<&Value> = rows.iter().filter(|row| row["text"] != "").collect();
        assert!(
            rows.iter().any(|row| row["truncated"] == true)
                && rows.iter().any(|row| row["truncated"] == false)
        );
        for row in rows {
            let second = row["second"].as_str().map(|_| "second");
            let line = json!({"text": row["text"], "second": row["second"], "label": "1"}).to_string();
            let texts =
                LabelledTexts::read_bytes("a.jsonl", line.as_bytes(), &columns("text", second, "label"))
                    .unwrap();
            let (examples, summary) =
                encode_labelled(&texts, &tokenizer(kind), &names(&["0", "1"]), limit).unwrap();
            let expected = |key: &str| serde_json::from_value::<Vec<u32>>(row[key].clone()).unwrap();
            assert_eq!(examples[0].tokens, expected("tokens"), "{kind} {row}");
            assert_eq!(examples[0].types, expected("types"), "{kind} {row}");
            assert_eq!(summary.truncated == 1, row["truncated"] == true, "{kind} {row}");
            assert_eq!((examples[0].label, examples[0].length()), (1, examples[0].tokens.len()));
        }
    }
}

#[test]
fn of_two_long_texts_the_longer_keeps_a_token_more() {
    let text = "both of these texts are far too long for the limit of tokens, and this one is the longer of the two of \
                them by far";
    let second = "and both of them have to give something of what they say";
    let line = json!({"text": text, "second": second, "label": "1"}).to_string();
    let columns = columns("text", Some("second"), "label");
    let texts = LabelledTexts::read_bytes("a.jsonl", line.as_bytes(), &columns).unwrap();
    let (examples, summary) = encode_labelled(&texts, &tokenizer("bert"), &names(&["0", "1"]), 16).unwrap();
    // Of transformers 5.24.
    assert_eq!(examples[0].tokens, [2, 34, 65, 152, 145, 104, 157, 147, 3, 105, 34, 65, 152, 145, 104, 3]);
    assert_eq!(examples[0].types, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(summary.truncated, 1);
}

#[test]
fn classes_are_names_or_numbers_in_order() {
    let labels = |text: &str| read("a.csv", text).unwrap().names().unwrap();
    assert_eq!(labels("text,label\na,spam\nb, ham\nc,spam\n"), ["ham", "spam"]);
    assert_eq!(labels("text,label\na,10\nb,9\nc,-1\n"), ["-1", "9", "10"]);
    let mixed = "{\"text\": \"a\", \"label\": true}\n{\"text\": \"b\", \"label\": 3}\n";
    assert_eq!(read("a.jsonl", mixed).unwrap().names().unwrap(), ["3", "true"]);
    let error = read("a.tsv", "text\tlabel\na\t1\nb\t01\n").unwrap().names().unwrap_err();
    assert!(matches!(&error, Error::OneClass { label, .. } if label == "1") && error.hint().is_some());
}

#[test]
fn a_label_is_a_name_of_the_model_or_its_number() {
    let texts = read("a.csv", "text,label\nhello,spam\nworld,0\n").unwrap();
    let tokenizer = tokenizer("bert");
    let (examples, summary) = encode_labelled(&texts, &tokenizer, &names(&["ham", "spam"]), 16).unwrap();
    assert_eq!(examples.iter().map(|example| example.label).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(summary.classes, [("ham".to_owned(), 1), ("spam".to_owned(), 1)]);
    // Where names are numbers, a number is a name.
    let stars = read("a.csv", "text,label\nhello,1\nworld,0\n").unwrap();
    let error = encode_labelled(&stars, &tokenizer, &names(&["1", "2", "3"]), 16).unwrap_err();
    assert!(matches!(&error, Error::Label { line: 3, label, .. } if label == "0"), "{error}");
    assert!(error.to_string().ends_with("`0` (classes of the data: 2, of the model: 3)"), "{error}");
    let error = encode_labelled(&texts, &tokenizer, &names(&["ham", "eggs"]), 16).unwrap_err();
    assert!(error.to_string().contains("line 2") && error.hint().unwrap().contains("`eggs`"), "{error}");
    let error = encode_labelled(&texts, &tokenizer, &names(&["ham", "spam"]), 3).unwrap_err();
    assert!(matches!(error, Error::NoRoom { found: 3, needed: 5 }), "{error}");
}

#[test]
fn rows_without_a_text_or_a_label_are_named() {
    let cases = [
        ("a.csv", "text,label\nhello,1\n  ,2\n", 3),
        ("a.csv", "text,label\nhello,1\nx,\n", 3),
        ("a.csv", "body,label\nhello,1\n", 2),
        ("a.jsonl", "{\"text\": \"a\", \"label\": 1.5}", 1),
        ("a.jsonl", "{\"text\": \"a\", \"label\": null}", 1),
        ("a.jsonl", "{\"text\": 3, \"label\": 1}", 1),
    ];
    for (name, text, expected) in cases {
        let error = read(name, text).unwrap_err();
        assert!(matches!(&error, Error::Record { line, .. } if *line == expected), "{text}: {error}");
    }
    let error = read("a.csv", "body,label\nhello,1\n").unwrap_err();
    assert!(error.hint().unwrap().contains("--text-column"), "{error}");
    let error = read("a.csv", "text,label\n \t,1\n").unwrap_err();
    assert!(matches!(error, Error::Record { fault: Fault::EmptyText { .. }, .. }), "{error}");
    for nothing in ["\n", "text,label\n"] {
        assert!(matches!(read("a.csv", nothing).unwrap_err(), Error::Empty { .. }));
    }
}

#[test]
fn a_batch_lays_examples_end_to_end() {
    let text = "text,label\nhello,a\nthe weights,b\nspam and eggs,a\n";
    let (examples, _) =
        encode_labelled(&read("a.csv", text).unwrap(), &tokenizer("bert"), &names(&["a", "b"]), 16).unwrap();
    let batches = Batches::new(examples.clone(), Batching::Examples(2), 0).unwrap();
    let all: Vec<_> = batches.sequential().collect();
    assert_eq!(all[0].labels, [0, 1]);
    assert_eq!(all[0].tokens, [examples[0].tokens.clone(), examples[1].tokens.clone()].concat());
    assert_eq!(all[0].lengths, [examples[0].length(), examples[1].length()]);
    assert_eq!((all[0].types.len(), all[1].labels.as_slice()), (all[0].tokens.len(), &[0][..]));
}
