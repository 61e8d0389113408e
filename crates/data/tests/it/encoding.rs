//! Records become examples of bounded length.

use rankine_data::{Batches, Batching, Dataset, Encoding, Error, IGNORE, TemplateKind, encode};

use crate::fixtures::{source, tokenizer};

const PAIRS: &str = "prompt,completion\nOne?,Yes\nTwo?,\"No, not at all, there is a longer answer here\"\nThree? A long question that takes many tokens to ask,Yes\n";

fn pairs() -> Dataset {
    Dataset::read_bytes("pairs.csv", PAIRS.as_bytes(), None, None).unwrap()
}

fn at_most(max_length: usize) -> Encoding {
    Encoding { max_length, ..Encoding::default() }
}

#[test]
fn answers_are_learnt_and_counted() {
    let tokenizer = tokenizer(Some(&source("chatml")));
    let (examples, summary) = encode(&pairs(), &tokenizer, &Encoding::default()).unwrap();
    assert_eq!(examples.iter().map(|example| example.source).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!((summary.records, summary.examples, summary.truncated, summary.dropped), (3, 3, 0, 0));
    assert_eq!(summary.tokens, examples.iter().map(|example| example.tokens.len()).sum::<usize>());
    assert_eq!(summary.longest, examples.iter().map(|example| example.tokens.len()).max().unwrap());
    assert_eq!(summary.template, TemplateKind::Model);
    let said: Vec<u32> = examples[0]
        .tokens
        .iter()
        .zip(&examples[0].answers)
        .filter(|(_, answer)| **answer)
        .map(|(&token, _)| token)
        .collect();
    assert_eq!(tokenizer.decode(&said, false).unwrap(), "Yes<|im_end|>");
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!((&json["format"], &json["template"]), (&"pairs".into(), &"model".into()));
}

#[test]
fn long_examples_are_cut_and_empty_ones_dropped() {
    let tokenizer = tokenizer(Some(&source("chatml")));
    let (whole, _) = encode(&pairs(), &tokenizer, &Encoding::default()).unwrap();
    let first_answer = |example: usize| whole[example].answers.iter().position(|&answer| answer).unwrap();
    let limit = first_answer(1) + 3;
    assert!(limit < first_answer(2), "the third record must lose its answer");
    let (examples, summary) = encode(&pairs(), &tokenizer, &at_most(limit)).unwrap();
    assert_eq!((summary.examples, summary.dropped), (2, 1));
    assert_eq!(summary.longest, whole.iter().map(|example| example.tokens.len()).max().unwrap());
    assert_eq!(examples[1].tokens, whole[1].tokens[..limit]);
    assert!(0 < summary.truncated);
    assert_eq!(examples.iter().map(|example| example.source).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn all_dropped_tells_the_length_that_is_needed() {
    let tokenizer = tokenizer(Some(&source("chatml")));
    let error = encode(&pairs(), &tokenizer, &at_most(4)).unwrap_err();
    let Error::AllDropped { needed, records: 3, .. } = error else { panic!("{error}") };
    assert!(error.hint().unwrap().starts_with(&format!("raise the maximum length to {needed} ")));
    // No more than the model takes.
    let within =
        |context| encode(&pairs(), &tokenizer, &Encoding { context: Some(context), ..at_most(1024) });
    let hint = within(needed - 1).unwrap_err().hint().unwrap();
    assert!(hint.contains(&format!("no more than {}", needed - 1)) && !hint.contains("raise"), "{hint}");
    assert_eq!(within(needed).unwrap().1.examples, 1);
    assert!(matches!(encode(&pairs(), &tokenizer, &at_most(needed - 1)), Err(Error::AllDropped { .. })));
    assert_eq!(encode(&pairs(), &tokenizer, &at_most(needed)).unwrap().1.examples, 1);
    assert!(matches!(encode(&pairs(), &tokenizer, &at_most(1)), Err(Error::MaxLength { found: 1 })));
}

#[test]
fn answers_of_no_weight_leave_nothing_to_learn() {
    let text = br#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}]}"#;
    let dataset = Dataset::read_bytes("a.jsonl", text, None, None).unwrap();
    let error = encode(&dataset, &tokenizer(Some(&source("chatml"))), &Encoding::default()).unwrap_err();
    assert_eq!(error.to_string(), "`a.jsonl`: nothing to learn in 1 records");
}

#[test]
fn prompts_are_learnt_when_asked_for() {
    let tokenizer = tokenizer(Some(&source("chatml")));
    let encoding = Encoding { train_on_prompt: true, ..at_most(8) };
    let (examples, summary) = encode(&pairs(), &tokenizer, &encoding).unwrap();
    assert_eq!((summary.examples, summary.truncated, summary.answer_tokens), (3, 3, 3 * 7));
    assert!(examples.iter().all(|example| example.answers.iter().all(|&answer| answer)));
}

#[test]
fn every_token_of_a_text_is_predicted_once() {
    let text = "Rank is the number of independent rows.\n".repeat(20);
    let tokenizer = tokenizer(None);
    let dataset = Dataset::read_bytes("a.txt", text.as_bytes(), None, None).unwrap();
    let (examples, summary) = encode(&dataset, &tokenizer, &at_most(16)).unwrap();
    assert!(examples.iter().all(|example| example.tokens.len() <= 16));
    let mut tokens = tokenizer.encode(&text, true).unwrap();
    tokens.push(tokenizer.eos_ids()[0]);
    let batches = Batches::new(examples, Batching::Examples(1), 0).unwrap();
    let predicted: Vec<u32> =
        batches.sequential().flat_map(|batch| batch.targets).filter(|&target| target != IGNORE).collect();
    assert_eq!(predicted, tokens[1..]);
    assert_eq!((summary.answer_tokens, summary.template), (predicted.len(), TemplateKind::None));
}

#[test]
fn a_record_that_the_template_refuses_has_its_line() {
    let text = "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}]}\n{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}]}\n{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}]}\n";
    let dataset = Dataset::read_bytes("a.jsonl", text.as_bytes(), None, None).unwrap();
    let tokenizer = tokenizer(Some(&source("alternating")));
    let error = encode(&dataset, &tokenizer, &Encoding::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`a.jsonl`, line 2: the chat template refuses this conversation: user and assistant must take turns",
    );
}

#[test]
fn alpaca_without_a_template_shows_its_parts() {
    let dataset = Dataset::read_bytes(
        "a.json",
        br#"[{"instruction": "Add.", "input": "1 1", "output": "2"}]"#,
        None,
        None,
    )
    .unwrap();
    let tokenizer = tokenizer(None);
    let (examples, summary) = encode(&dataset, &tokenizer, &Encoding::default()).unwrap();
    assert_eq!(summary.template, TemplateKind::Alpaca);
    let text = tokenizer.decode(&examples[0].tokens, false).unwrap();
    assert!(
        text.ends_with("\n\n### Instruction:\nAdd.\n\n### Input:\n1 1\n\n### Response:\n2</s>"),
        "{text}"
    );
}
