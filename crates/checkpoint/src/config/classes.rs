//! The classes that a classification head tells apart: `id2label` and `num_labels` of `config.json`.

use super::{Architecture, Config, Fault};
use crate::fields::{Fields, shorten};
use serde_json::{Map, Value, json};

/// End of the names of transformers' classes that tell texts apart.
const TEXTS: &str = "ForSequenceClassification";
/// End of the names of those that tell images apart.
const IMAGES: &str = "ForImageClassification";

impl Architecture {
    /// Modules of a head that tells texts apart, in order: an encoder has a map of the first token's state before the one to
    /// the classes.
    pub fn head(self) -> &'static [&'static str] {
        match self {
            Self::Bert => &["bert.pooler.dense", "classifier"],
            Self::Roberta => &["classifier.dense", "classifier.out_proj"],
            Self::Distilbert => &["pre_classifier", "classifier"],
            _ => &["score"],
        }
    }

    /// The last of them, which scores the classes.
    pub fn output(self) -> &'static str {
        self.head().last().copied().unwrap_or_default()
    }
}

impl Config {
    /// Whether the file is of a model whose head tells texts apart, or gives a number.
    pub fn tells_classes(&self) -> bool {
        let Some(classes) = self.raw.get("architectures") else { return false };
        let class = classes.as_str().or_else(|| classes.get(0)?.as_str());
        class.is_some_and(|class| class.ends_with(TEXTS))
    }

    /// Names of the classes in their order; `None` where the file is not of a classifier. As in transformers, classes
    /// without names are called `LABEL_0` and so on, and there are two where the file does not say how many.
    ///
    /// # Errors
    /// When the head gives a number, or several labels at once.
    pub fn classes(&self) -> Result<Option<Vec<String>>, Fault> {
        read(&self.raw, TEXTS)
    }

    /// Makes the file that of a classifier with these classes.
    pub fn set_classes(&mut self, names: &[String]) {
        if self.raw.is_null() {
            self.raw = self.compose();
        }
        let usual = self.architecture.class();
        write(&mut self.raw, names, |found| {
            headed(found).or_else(|| headed(Some(usual))).unwrap_or_else(|| usual.to_owned())
        });
    }
}

/// As [`Config::classes`], of the `config.json` of a model for images.
pub(crate) fn of_images(raw: &Value) -> Result<Option<Vec<String>>, Fault> {
    read(raw, IMAGES)
}

/// As [`Config::set_classes`], of the `config.json` of a vision transformer.
pub(crate) fn set_of_images(raw: &mut Value, names: &[String]) {
    write(raw, names, |_| format!("ViT{IMAGES}"));
}

fn read(raw: &Value, headed: &str) -> Result<Option<Vec<String>>, Fault> {
    let Some(raw) = raw.as_object() else { return Ok(None) };
    let fields = Fields(raw);
    let class = fields.strings("architectures")?.unwrap_or_default().into_iter().next();
    if !class.is_some_and(|class| class.ends_with(headed)) {
        return Ok(None);
    }
    let problem = fields.string("problem_type")?.unwrap_or("single_label_classification");
    if problem != "single_label_classification" {
        return Err(Fault::Problem { found: shorten(problem) });
    }
    let names = fields.object("id2label")?;
    let count = match (names, fields.count("num_labels")?) {
        (Some(names), _) => names.0.len(),
        (None, count) => count.unwrap_or(2),
    };
    super::size("num_labels", count, 1 << 20)?;
    if count == 1 {
        return Err(Fault::Problem { found: "regression".to_owned() });
    }
    let name = |class: usize| {
        let named = names.and_then(|names| names.0.get(&class.to_string())?.as_str());
        named.map_or_else(|| format!("LABEL_{class}"), str::to_owned)
    };
    Ok(Some((0..count).map(name).collect()))
}

/// `class` makes the name of a class of transformers from the one that was there.
fn write(raw: &mut Value, names: &[String], class: impl Fn(Option<&str>) -> String) {
    let Value::Object(raw) = raw else { return };
    let ids: Map<String, Value> =
        names.iter().enumerate().map(|(id, name)| (id.to_string(), json!(name))).collect();
    let labels: Map<String, Value> =
        names.iter().enumerate().map(|(id, name)| (name.clone(), json!(id))).collect();
    let class = class(raw.get("architectures").and_then(|classes| classes.get(0)?.as_str()));
    raw.insert("architectures".to_owned(), json!([class]));
    raw.insert("id2label".to_owned(), Value::Object(ids));
    raw.insert("label2id".to_owned(), Value::Object(labels));
    raw.shift_remove("num_labels");
}

/// The class of transformers with a head, from one of the same family.
fn headed(class: Option<&str>) -> Option<String> {
    let ends = [TEXTS, "ForCausalLM", "ForMaskedLM", "ForPreTraining", "LMHeadModel", "Model"];
    let stem = ends.into_iter().find_map(|end| class?.strip_suffix(end))?;
    Some(format!("{stem}{TEXTS}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn bert(more: Value) -> Config {
        let mut json = json!({
            "model_type": "bert", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4,
            "architectures": ["BertForSequenceClassification"],
        });
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Config::parse(Path::new("config.json"), json, None).unwrap()
    }

    #[test]
    fn classes_are_those_of_transformers() {
        let names = |more| bert(more).classes().unwrap();
        assert_eq!(names(json!({})).unwrap(), ["LABEL_0", "LABEL_1"]);
        assert_eq!(names(json!({"num_labels": 3})).unwrap().len(), 3);
        assert_eq!(names(json!({"id2label": {"1": "spam", "0": "ham"}})).unwrap(), ["ham", "spam"]);
        assert_eq!(names(json!({"architectures": ["BertModel"]})), None);
        for more in [json!({"problem_type": "regression"}), json!({"num_labels": 1})] {
            assert!(bert(more).classes().is_err());
        }
    }

    #[test]
    fn what_is_set_is_read() {
        let mut config = bert(json!({"architectures": ["BertModel"], "num_labels": 7}));
        let names = ["b".to_owned(), "a".to_owned()];
        config.set_classes(&names);
        assert_eq!(config.classes().unwrap().unwrap(), names);
        assert_eq!(config.to_json()["label2id"]["a"], 1);
        assert_eq!(headed(Some("XLMRobertaForMaskedLM")).unwrap(), "XLMRobertaForSequenceClassification");
    }

    #[test]
    fn a_language_model_becomes_a_classifier_whatever_it_came_from() {
        let names = ["b".to_owned(), "a".to_owned()];
        for architecture in Architecture::ALL {
            let json = json!({"model_type": architecture.name(), "tie_word_embeddings": false});
            let mut config = Config::parse(Path::new("config.json"), json, None).unwrap();
            let before = config.tensors();
            config.set_classes(&names);
            assert_eq!(config.classes().unwrap().unwrap(), names, "{architecture:?}");
            let class = config.to_json()["architectures"][0].as_str().unwrap().to_owned();
            assert!(class.ends_with(TEXTS) && !class.contains("LM"), "{class}");
            let head = crate::ends::HEAD;
            let expected: Vec<_> = before.into_iter().filter(|(name, _)| name != head).collect();
            assert_eq!(config.tensors(), expected, "{architecture:?}");
        }
        // As a GGUF file has it.
        let llama = Config::parse(Path::new("config.json"), json!({"model_type": "llama"}), None).unwrap();
        let mut bare = Config { raw: Value::Null, padding: Some(7), ..llama };
        bare.set_classes(&names);
        let again = Config::parse(Path::new("config.json"), bare.to_json(), None).unwrap();
        assert_eq!((again.classes().unwrap().unwrap(), again.padding), (names.to_vec(), Some(7)));
    }
}
