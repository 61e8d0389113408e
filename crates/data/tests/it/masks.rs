//! Which tokens of a conversation are answers.

use proptest::prelude::*;
use rankine_data::{ChatOptions, ChatTokens, Error, Message, Tokenizer};
use serde_json::json;

use crate::fixtures::{TEMPLATES, conversation, source, tokenizer};

/// The texts of the runs of answer tokens.
fn answers(tokenizer: &Tokenizer, chat: &ChatTokens) -> Vec<String> {
    let tokens: Vec<_> = chat.tokens.iter().zip(&chat.answers).collect();
    let runs = tokens.chunk_by(|a, b| a.1 == b.1).filter(|run| *run[0].1);
    runs.map(|run| {
        tokenizer.decode(&run.iter().map(|(token, _)| **token).collect::<Vec<_>>(), false).unwrap()
    })
    .collect()
}

fn located(template: &str, messages: &[Message]) -> Vec<String> {
    let tokenizer = tokenizer(Some(template));
    let chat = tokenizer.encode_chat(messages, &ChatOptions::default()).unwrap();
    let text = tokenizer.render(messages, &ChatOptions::default()).unwrap();
    assert_eq!(chat.tokens, tokenizer.encode(&text, false).unwrap(), "the whole is cut into tokens at once");
    answers(&tokenizer, &chat)
}

fn two_rounds() -> Vec<Message> {
    vec![
        Message::system("Be kind."),
        Message::user("One?"),
        Message::assistant("Yes, one."),
        Message::user("Two?"),
        Message::assistant("No: 2.\n"),
    ]
}

#[test]
fn chatml_answers_are_content_and_end_of_turn() {
    assert_eq!(located(&source("chatml"), &two_rounds()), ["Yes, one.<|im_end|>", "No: 2.\n<|im_end|>"]);
}

#[test]
fn every_style_of_template_has_its_answers_found() {
    let without_system = &two_rounds()[1..];
    for (name, first, second) in [
        ("headers", "Yes, one.<|eot_id|>".to_owned(), "No: 2.<|eot_id|>".to_owned()),
        ("thinking", "Yes, one.<|im_end|>".into(), "<think>\n\n</think>\n\nNo: 2.\n<|im_end|>".into()),
        ("alternating", " Yes, one. </s>".into(), " No: 2. </s>".into()),
        ("marked", "Yes, one.<|im_end|>".into(), "No: 2.<|im_end|>".into()),
        ("turns", "Yes, one.<end_of_turn>".into(), "No: 2.<end_of_turn>".into()),
        ("opened_thought", "Yes, one.<|end|>".into(), "No: 2.\n<|end|>".into()),
    ] {
        assert_eq!(located(&source(name), without_system), [first, second], "{name}");
    }
}

#[test]
fn reasoning_left_out_of_the_past_is_not_learnt_there() {
    let messages = [
        Message::user("2 + 2?"),
        Message::assistant("<think>\nSum.\n</think>\n\nFour."),
        Message::user("3 + 3?"),
        Message::assistant("<think>\nAgain.\n</think>\n\nSix."),
    ];
    assert_eq!(
        located(&source("thinking"), &messages),
        ["Four.<|im_end|>", "<think>\nAgain.\n</think>\n\nSix.<|im_end|>"],
    );
}

#[test]
fn a_template_that_closes_the_text_does_not_close_every_turn() {
    let found = located(&source("closing"), &two_rounds());
    assert_eq!(found, ["Yes, one.<|end|>", "No: 2.\n<|end|>\n</s>"]);
}

#[test]
fn calls_of_tools_are_answers() {
    let messages = conversation(&TEMPLATES["conversations"]["tools"]);
    let found = located(&source("thinking"), &messages);
    assert_eq!(found.len(), 2, "{found:?}");
    let call = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"place\": \"Köln\", \"days\": 2}}\n</tool_call><|im_end|>";
    assert_eq!(found[0], call);
}

#[test]
fn calls_of_tools_are_found_behind_a_prompt_that_opens_a_thought() {
    let template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for c in m.tool_calls or [] %}<tool>{{ c.function.name }}</tool>{% endfor %}{{ m.content or '' }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}";
    let messages = conversation(&TEMPLATES["conversations"]["tools"]);
    assert_eq!(located(template, &messages)[0], "<tool>weather</tool><|im_end|>");
}

#[test]
fn answers_of_weight_zero_are_not_learnt() {
    let mut messages = two_rounds();
    messages[2].learn = false;
    assert_eq!(located(&source("chatml"), &messages), ["No: 2.\n<|im_end|>"]);
    assert_eq!(located(&source("marked"), &messages), ["No: 2.<|im_end|>"]);
}

#[test]
fn characters_that_serve_as_marks_may_be_in_the_text() {
    let messages = [Message::user("\u{FDD0}\u{FDD1}"), Message::assistant("\u{FDD0}a\u{FDD1}\u{FDD2}")];
    let expected = ["\u{FDD0}a\u{FDD1}\u{FDD2}<|im_end|>"];
    assert_eq!(located(&source("marked"), &messages), expected);
    assert_eq!(located(&source("chatml"), &messages), expected);
}

#[test]
fn an_answer_that_cannot_be_found_is_an_error() {
    let template = "{% for m in messages %}{{ m.role }}:{{ m.content | reverse }}{{ m.content }}{{ loop.length }}\n{% endfor %}";
    let tokenizer = tokenizer(Some(template));
    let error = tokenizer
        .encode_chat(
            &[Message::user("a"), Message::assistant("b"), Message::user("c")],
            &ChatOptions::default(),
        )
        .unwrap_err();
    assert!(matches!(error, Error::AnswerNotFound { message: 2 }), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn the_generation_prompt_is_no_answer() {
    let tokenizer = tokenizer(Some(&source("chatml")));
    let options = ChatOptions { add_generation_prompt: true, ..ChatOptions::default() };
    let chat = tokenizer.encode_chat(&two_rounds()[..3], &options).unwrap();
    assert_eq!(answers(&tokenizer, &chat), ["Yes, one.<|im_end|>"]);
    assert_eq!(chat.answers.last(), Some(&false));
}

#[test]
fn extra_fields_reach_the_template() {
    let mut message = Message::assistant("b");
    message.extra.insert("note".into(), json!("seen"));
    let template =
        "{% for m in messages %}[{{ m.role }}{{ m.note }}]{{ m.content }}{{ eos_token }}{% endfor %}";
    let tokenizer = tokenizer(Some(template));
    assert_eq!(tokenizer.render(&[message], &ChatOptions::default()).unwrap(), "[assistantseen]b</s>");
}

proptest! {
    #[test]
    fn any_answers_are_found(
        first in "[a-z0-9é🙂]([ -~é中🙂\n]{0,30})", second in "[a-z0-9é🙂]([ -~é中🙂\n]{0,30})", system: bool,
    ) {
        let mut messages = vec![Message::user("One?"), Message::assistant(&first), Message::user(&first), Message::assistant(&second)];
        if system {
            messages.insert(0, Message::system("Be kind."));
        }
        let expected = [format!("{first}<|im_end|>"), format!("{second}<|im_end|>")];
        prop_assert_eq!(located(&source("chatml"), &messages), expected.clone());
        let trimmed = [&first, &second].map(|text| format!("{}<|im_end|>", text.trim()));
        prop_assert_eq!(located(&source("marked"), &messages), trimmed);
        if !second.contains("think>") && !first.contains("think>") {
            let with_thought = [expected[0].clone(), format!("<think>\n\n</think>\n\n{}", expected[1])];
            prop_assert_eq!(located(&source("thinking"), &messages), with_thought);
        }
    }
}
