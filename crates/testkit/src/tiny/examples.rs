//! A data set small enough to be learnt in a few steps: the answer follows from the question by a rule.

use serde_json::{Value, json};

const THINGS: [(&str, &str); 8] = [
    ("sky", "blue"),
    ("grass", "green"),
    ("snow", "white"),
    ("coal", "black"),
    ("sun", "yellow"),
    ("rose", "red"),
    ("sea", "blue"),
    ("milk", "white"),
];

/// `examples` questions and answers in the alpaca format (`instruction`, `input`, `output`), as a JSON list: every
/// third has an `input`. The first 16 differ from each other; after that they repeat.
pub fn alpaca_json(examples: usize) -> String {
    let list: Vec<Value> = (0..examples).map(example).collect();
    format!("{:#}\n", Value::from(list))
}

fn example(index: usize) -> Value {
    let (thing, color) = THINGS[index % THINGS.len()];
    let greeting = if (index / THINGS.len()).is_multiple_of(2) { "" } else { "Please say: " };
    let (instruction, input) = match index % 3 {
        2 => (format!("{greeting}What color is it?"), thing),
        _ => (format!("{greeting}What color is the {thing}?"), ""),
    };
    json!({"instruction": instruction, "input": input, "output": format!("The {thing} is {color}.")})
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn examples_differ_and_are_answered() {
        let list: Vec<Value> = serde_json::from_str(&alpaca_json(16)).unwrap();
        let questions: HashSet<_> =
            list.iter().map(|e| format!("{}{}", e["instruction"], e["input"])).collect();
        assert_eq!((list.len(), questions.len()), (16, 16));
        assert!(list.iter().any(|example| example["input"] != ""));
        assert_eq!(list[0]["output"], "The sky is blue.");
    }
}
