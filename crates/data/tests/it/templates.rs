//! Chat templates render as transformers renders them.

use rankine_data::{ChatOptions, Error, Message, Moment};
use serde_json::Value;

use crate::fixtures::{TEMPLATES, conversation, source, tokenizer};

const NOW: Moment = Moment { year: 2026, month: 11, day: 3, hour: 9, minute: 5, second: 0 };

fn options(case: &Value) -> ChatOptions {
    let tools =
        if case["tools"] == true { TEMPLATES["tools"].as_array().unwrap().clone() } else { Vec::new() };
    ChatOptions {
        add_generation_prompt: case["add_generation_prompt"] == true,
        tools,
        now: (case["now"] == true).then_some(NOW),
        variables: case["variables"].as_object().cloned().unwrap_or_default(),
    }
}

#[test]
fn every_case_renders_as_in_transformers() {
    let mut cases = 0;
    for (name, recorded) in TEMPLATES["templates"].as_object().unwrap() {
        let tokenizer = tokenizer(Some(&source(name)));
        for case in recorded.as_array().unwrap() {
            let messages = conversation(&TEMPLATES["conversations"][case["conversation"].as_str().unwrap()]);
            let rendered = tokenizer.render(&messages, &options(case));
            let place = format!("{name}, {}", case["conversation"]);
            match case["refused"].as_str() {
                Some(expected) => match rendered {
                    Err(Error::TemplateRefused { message }) => assert_eq!(message, expected, "{place}"),
                    other => panic!("{place}: {other:?}"),
                },
                None => assert_eq!(rendered.unwrap(), case["expected"].as_str().unwrap(), "{place}"),
            }
            cases += 1;
        }
    }
    assert_eq!(cases, 201);
}

#[test]
fn answers_of_marked_templates_are_those_of_transformers() {
    let tokenizer = tokenizer(Some(&source("marked")));
    for case in TEMPLATES["templates"]["marked"].as_array().unwrap() {
        let messages = conversation(&TEMPLATES["conversations"][case["conversation"].as_str().unwrap()]);
        let chat = tokenizer.encode_chat(&messages, &options(case)).unwrap();
        let said: Vec<u32> = chat
            .tokens
            .iter()
            .zip(&chat.answers)
            .filter(|(_, answer)| **answer)
            .map(|(&token, _)| token)
            .collect();
        let expected: String =
            case["answers"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
        assert_eq!(tokenizer.decode(&said, false).unwrap(), expected, "{}", case["conversation"]);
    }
}

#[test]
fn without_a_time_a_template_uses_its_own_date() {
    let tokenizer = tokenizer(Some(&source("headers")));
    let text = tokenizer.render(&[Message::user("Hi")], &ChatOptions::default()).unwrap();
    assert!(text.contains("Today: 1 Jan 2025\n"), "{text}");
    let unconditional = crate::fixtures::tokenizer(Some("{{ strftime_now('%Y-%m-%d') }}"));
    let text = unconditional.render(&[Message::user("Hi")], &ChatOptions::default()).unwrap();
    assert_eq!(text, "2024-07-26");
}

#[test]
fn line_ends_of_a_template_do_not_matter() {
    let unix = source("marked");
    let render =
        |template: &str| tokenizer(Some(template)).render(&[Message::user("Hi")], &ChatOptions::default());
    assert_eq!(render(&unix.replace('\n', "\r\n")).unwrap(), render(&unix).unwrap());
}

#[test]
fn a_broken_template_names_its_line() {
    let render = |template: &str| {
        tokenizer(Some(template)).render(&[Message::user("Hi")], &ChatOptions::default()).unwrap_err()
    };
    for (template, line) in
        [("{{ 1 }}\n{% if %}", 2), ("{% for a in b %}", 1), ("a\n\n{% nonsense %}", 3), ("{{ 'open }}", 1)]
    {
        match render(template) {
            Error::TemplateSyntax { line: found, .. } => assert_eq!(found, line, "{template}"),
            other => panic!("{template}: {other}"),
        }
    }
    match render("first\n{{ messages[0].content.no_such_method() }}") {
        Error::TemplateRender { line, reason } => {
            assert!(line == 2 && reason.contains("no_such_method"), "{line} {reason}")
        }
        other => panic!("{other}"),
    }
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{{ a * b }}{% endfor %}{% endfor %}";
    assert!(matches!(render(endless), Error::TemplateRender { .. }));
}

#[test]
fn a_template_that_knows_no_tool_calls_gets_them_as_text() {
    let messages = conversation(&TEMPLATES["conversations"]["tools asked"]);
    let text = tokenizer(Some(&source("chatml"))).render(&messages, &ChatOptions::default()).unwrap();
    assert!(
        text.contains(r#"{"name":"weather","arguments":{"place":"Bonn","hours":[1,2.5]}}<|im_end|>"#),
        "{text}"
    );
}

#[test]
fn models_without_a_template_get_the_classic_form() {
    let tokenizer = tokenizer(None);
    let preamble = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n";
    let messages = [Message::user("Name a rank."), Message::assistant("Two."), Message::user("Another?")];
    let options = ChatOptions { add_generation_prompt: true, ..ChatOptions::default() };
    assert_eq!(
        tokenizer.render(&messages, &options).unwrap(),
        format!(
            "{preamble}### Instruction:\nName a rank.\n\n### Response:\nTwo.</s>\n\n### Instruction:\nAnother?\n\n### Response:\n"
        ),
    );
    let chat = tokenizer.encode_chat(&messages[..2], &ChatOptions::default()).unwrap();
    let said: Vec<u32> = chat
        .tokens
        .iter()
        .zip(&chat.answers)
        .filter(|(_, answer)| **answer)
        .map(|(&token, _)| token)
        .collect();
    assert_eq!(tokenizer.decode(&said, false).unwrap(), "Two.</s>");
}
