//! Files in every format become records.

use rankine_data::{Columns, Content, Dataset, Format, Message};
use serde_json::json;

fn read(name: &str, text: &str) -> Dataset {
    Dataset::read_bytes(name, text.as_bytes(), None, None).unwrap()
}

fn chat(dataset: &Dataset, record: usize) -> &[Message] {
    match &dataset.records[record].content {
        Content::Chat { messages, .. } => messages,
        Content::Text(text) => panic!("text {text:?}"),
    }
}

/// `role: content` of every message.
fn spoken(dataset: &Dataset, record: usize) -> Vec<String> {
    chat(dataset, record).iter().map(|message| format!("{}: {}", message.role, message.text())).collect()
}

fn lines(dataset: &Dataset) -> Vec<usize> {
    dataset.records.iter().map(|record| record.line).collect()
}

#[test]
fn alpaca_arrays_and_lines() {
    let array = "\u{FEFF}[\r\n  {\"instruction\": \"Add.\", \"input\": \"1 1\", \"output\": \"2\"},\r\n  {\"instruction\": \"Hi\",\r\n   \"input\": null, \"output\": \"Ho\", \"system\": \"S\", \"history\": [[\"a\", \"b\"]]}]\r\n";
    let dataset = read("data.json", array);
    assert_eq!(dataset.format, Format::Alpaca);
    assert_eq!(spoken(&dataset, 0), ["user: Add.\n\n1 1", "assistant: 2"]);
    assert_eq!(spoken(&dataset, 1), ["system: S", "user: a", "assistant: b", "user: Hi", "assistant: Ho"]);
    assert_eq!(lines(&dataset), [2, 3]);
    let dataset = read(
        "data.jsonl",
        "\n{\"instruction\": \"A\", \"output\": \"B\"}\r\n\r\n{\"instruction\": \"C\", \"output\": \"D\"}",
    );
    assert_eq!(lines(&dataset), [2, 4]);
    assert_eq!(spoken(&dataset, 1), ["user: C", "assistant: D"]);
}

#[test]
fn sharegpt_with_tools() {
    let record = json!([{
        "conversations": [
            {"from": "human", "value": "Weather?"},
            {"from": "function_call", "value": "{\"name\": \"weather\", \"arguments\": {\"place\": \"Bonn\"}}"},
            {"from": "observation", "value": "grey"},
            {"from": "gpt", "value": "Grey."},
        ],
        "system": "S",
        "tools": "[{\"name\": \"weather\", \"parameters\": {}}]",
    }]);
    let dataset = read("data.json", &record.to_string());
    assert_eq!(dataset.format, Format::Sharegpt);
    assert_eq!(
        spoken(&dataset, 0),
        ["system: S", "user: Weather?", "assistant: ", "tool: grey", "assistant: Grey."]
    );
    let call = &chat(&dataset, 0)[2];
    assert_eq!(call.content, None);
    assert_eq!(call.extra["tool_calls"][0]["function"]["arguments"]["place"], "Bonn");
    let Content::Chat { tools, .. } = &dataset.records[0].content else { panic!() };
    assert_eq!(tools[0]["function"]["name"], "weather");
}

#[test]
fn messages_with_parts_weights_and_calls() {
    let text = [
        json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "value": "b"}]}, {"role": "assistant", "content": "c", "weight": 0}, {"role": "user", "content": "d"}, {"role": "assistant", "content": "e", "loss_weight": 1.0, "reasoning_content": "r"}]}).to_string(),
        json!({"messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}, {"role": "function", "name": "f", "content": "1"}]}).to_string(),
    ];
    let dataset = read("data.jsonl", &text.join("\n"));
    assert_eq!(dataset.format, Format::Messages);
    assert_eq!(spoken(&dataset, 0), ["user: ab", "assistant: c", "user: d", "assistant: e"]);
    assert_eq!(
        chat(&dataset, 0).iter().map(|message| message.learn).collect::<Vec<_>>(),
        [true, false, true, true]
    );
    assert_eq!(chat(&dataset, 0)[3].extra, *json!({"reasoning_content": "r"}).as_object().unwrap());
    assert_eq!(chat(&dataset, 1)[1].content, None);
    assert_eq!(chat(&dataset, 1)[2].role, "tool");
}

#[test]
fn tables_with_usual_and_named_columns() {
    let dataset = read("data.csv", "question,answer\n\"Who, me?\",\"Yes\nyou \"\"two\"\"\"\nWhy?,So\n");
    assert_eq!((dataset.format, lines(&dataset)), (Format::Pairs, vec![2, 4]));
    assert_eq!(spoken(&dataset, 0), ["user: Who, me?", "assistant: Yes\nyou \"two\""]);
    let dataset = read("data.tsv", "prompt\tcompletion\tsystem\na\tb\tc\n");
    assert_eq!(spoken(&dataset, 0), ["system: c", "user: a", "assistant: b"]);
    let dataset = read("data.csv", "instruction,input,output\na,b,c\n");
    assert_eq!(
        (dataset.format, spoken(&dataset, 0)),
        (Format::Alpaca, vec!["user: a\n\nb".into(), "assistant: c".into()])
    );
    let columns = Columns::Pair { prompt: "in".into(), answer: "out".into(), system: None };
    let dataset =
        Dataset::read_bytes("data.csv", b"\xEF\xBB\xBFin,out,text\r\na,b,c\r\n", None, Some(columns))
            .unwrap();
    assert_eq!(spoken(&dataset, 0), ["user: a", "assistant: b"]);
    let columns = Columns::Text("body".into());
    let dataset =
        Dataset::read_bytes("data.jsonl", b"{\"body\": \"a\", \"text\": \"b\"}", None, Some(columns))
            .unwrap();
    assert_eq!(dataset.records[0].content, Content::Text("a".into()));
}

#[test]
fn plain_text_is_one_record() {
    let dataset = read("notes.md", "\u{FEFF}# A\r\n\r\nb\n");
    assert_eq!((dataset.format, dataset.records.len()), (Format::Text, 1));
    assert_eq!(dataset.records[0].content, Content::Text("# A\n\nb\n".into()));
    let dataset = Dataset::read_bytes("LICENSE", b"free", Some(Format::Text), None).unwrap();
    assert_eq!(dataset.records[0].content, Content::Text("free".into()));
    let dataset = read("data.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n");
    assert_eq!((dataset.format, dataset.records.len()), (Format::Text, 2));
}

#[test]
fn a_given_format_wins_over_the_fields() {
    let row = br#"{"text": "t", "instruction": "i", "output": "o"}"#;
    let dataset = Dataset::read_bytes("data.json", row, Some(Format::Text), None).unwrap();
    assert_eq!(dataset.records[0].content, Content::Text("t".into()));
    assert_eq!(Dataset::read_bytes("data", row, None, None).unwrap().format, Format::Alpaca);
}

#[test]
fn files_are_read_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.jsonl");
    std::fs::write(&path, "{\"prompt\": \"a\", \"response\": \"b\"}").unwrap();
    assert_eq!(Dataset::read(&path, None, None).unwrap().format, Format::Pairs);
    let absent = folder.path().join("none.json");
    let error = Dataset::read(&absent, None, None).unwrap_err();
    assert_eq!(error.to_string().matches("none.json").count(), 1, "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("check the path")), "{error}");
}

#[test]
fn an_answer_of_weight_0_is_not_learnt_in_sharegpt_either() {
    let turns = r#"[{"from": "human", "value": "a"}, {"from": "gpt", "value": "b", "weight": 0},
        {"from": "human", "value": "c"}, {"from": "gpt", "value": "d", "loss_weight": 1}]"#;
    let dataset = read("data.json", &format!(r#"[{{"conversations": {turns}}}]"#));
    let rankine_data::Content::Chat { messages, .. } = &dataset.records[0].content else { panic!("no chat") };
    assert_eq!(messages.iter().map(|message| message.learn).collect::<Vec<_>>(), [true, false, true, true]);
}
