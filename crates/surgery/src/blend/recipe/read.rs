//! From the tree of a recipe to what it says.

use super::fault::{Misplaced, Wrong};
use super::setting::{Parameters, Setting};
use super::tree::{self, Node};
use super::{BlendRecipe, Reference, Slice, Source};
use crate::blend::card::{Base, Card, Parameter};
use crate::blend::methods;
use rankine_checkpoint::{Dtype, nearest};
use std::ops::Range;
use std::path::Path;

const KEYS: &[&str] = &[
    "merge_method",
    "base_model",
    "models",
    "slices",
    "modules",
    "parameters",
    "dtype",
    "out_dtype",
    "tokenizer",
    "tokenizer_source",
    "chat_template",
];

/// Everything that the tree of `text` says; `name` is the file.
pub(super) fn recipe(root: &Node, (name, text): (&Path, &str)) -> Result<BlendRecipe, Misplaced> {
    let entries = root.entries_and_asides("recipe", KEYS)?;
    let found = |key| tree::find(entries, key);
    let method = found("merge_method").ok_or_else(|| Wrong::Missing { key: "merge_method" }.anywhere())?;
    let card = card(method)?;
    let mut reader = Reader { card, models: Vec::new() };
    let base = found("base_model").map(|node| reader.reference(node, "base_model")).transpose()?;
    if base.is_none() && card.base == Base::Needed && found("slices").is_none() {
        return Err(Wrong::NoBase { method: card.name }.at(&method.span));
    }
    let mut slices = match (found("models"), found("slices"), found("modules")) {
        (.., Some(node)) => {
            let instead = "give `models`, or `slices` of their layers";
            return Err(Wrong::NotBuilt { what: "a recipe by `modules`", instead }.at(&node.span));
        }
        (Some(_), Some(node), _) => {
            return Err(Wrong::Both { one: "models", other: "slices" }.at(&node.span));
        }
        (Some(models), None, _) => vec![reader.slice(models, None, base, &["model", "parameters"])?],
        (None, Some(slices), _) => reader.stack(slices, base)?,
        (None, None, _) => return Err(Wrong::Missing { key: "models" }.anywhere()),
    };
    let dtypes = ["out_dtype", "dtype"].map(|key| found(key).map(|node| dtype(node, key)).transpose());
    let [out, compute] = dtypes;
    let tokenizer = reader.tokenizer(found("tokenizer_source"), found("tokenizer"))?;
    let template = found("chat_template").map(chat_template).transpose()?;
    let parameters = reader.parameters(found("parameters"), false)?;
    if let (Some(model), [slice], None) = (base, slices.as_mut_slice(), found("slices"))
        && reader.joins(model, slice, &parameters)
    {
        slice.sources.push(Source { model, layers: 0..0, end: 0..0, parameters: Parameters::new() });
    }
    Ok(BlendRecipe {
        path: name.to_owned(),
        text: text.to_owned(),
        card,
        parameters,
        models: reader.models,
        slices,
        stacked: found("slices").is_some(),
        dtype: out?.or(compute?),
        tokenizer,
        names_tokenizer: found("tokenizer_source").is_some() || found("tokenizer").is_some(),
        chat_template: template.flatten(),
    })
}

fn card(node: &Node) -> Result<&'static Card, Misplaced> {
    let found = node.text("merge_method")?;
    methods::all().find(|card| card.name == found).ok_or_else(|| {
        let known: Vec<&'static str> = methods::all().map(|card| card.name).collect();
        // Some words are the beginning of several.
        let begun =
            known.iter().filter(|name| name.strip_prefix(found).is_some_and(|rest| rest.starts_with('_')));
        let begun: Vec<String> = begun.map(|name| (*name).to_owned()).collect();
        let nearest = if begun.is_empty() { nearest(found, known.iter().copied(), 3) } else { begun };
        Wrong::Method { found: found.to_owned(), nearest, known }.at(&node.span)
    })
}

/// What is known while the rest is read.
struct Reader {
    card: &'static Card,
    models: Vec<Reference>,
}

impl Reader {
    /// The number of a model, which may be named before.
    fn reference(&mut self, node: &Node, key: &str) -> Result<usize, Misplaced> {
        let text = node.text(key)?;
        let reference = match text.split('+').collect::<Vec<_>>().as_slice() {
            [model] if !model.is_empty() => Reference { model: (*model).to_owned(), adapter: None },
            [model, adapter] if !model.is_empty() && !adapter.is_empty() => {
                Reference { model: (*model).to_owned(), adapter: Some((*adapter).to_owned()) }
            }
            _ => return Err(node.unlike(key, "`model` or `model+adapter`")),
        };
        let known = self.models.iter().position(|model| *model == reference);
        Ok(known.unwrap_or_else(|| {
            self.models.push(reference);
            self.models.len() - 1
        }))
    }

    fn stack(&mut self, node: &Node, base: Option<usize>) -> Result<Vec<Slice>, Misplaced> {
        let slices = node.list("slices")?;
        if slices.is_empty() {
            return Err(node.unlike("slices", "a list of slices"));
        }
        let mut stack = Vec::with_capacity(slices.len());
        for slice in slices {
            let entries = slice.entries("slices", &["sources", "base_model", "parameters"])?;
            let own = tree::find(entries, "base_model");
            let base = own.map(|node| self.reference(node, "base_model")).transpose()?.or(base);
            let sources = tree::find(entries, "sources");
            let sources = sources.ok_or_else(|| Wrong::Missing { key: "sources" }.at(&slice.span))?;
            let parameters = tree::find(entries, "parameters");
            stack.push(self.slice(sources, parameters, base, &["model", "layer_range", "parameters"])?);
        }
        Ok(stack)
    }

    /// The models in a list, which have these keys.
    fn slice(
        &mut self,
        list: &Node,
        parameters: Option<&Node>,
        base: Option<usize>,
        keys: &'static [&'static str],
    ) -> Result<Slice, Misplaced> {
        if base.is_none() && self.card.base == Base::Needed {
            return Err(Wrong::NoBase { method: self.card.name }.at(&list.span));
        }
        let items = list.list("models")?.iter();
        let mut sources = items.map(|item| self.source(item, keys)).collect::<Result<Vec<_>, _>>()?;
        let base = base.filter(|_| self.card.base != Base::Passed);
        let place = base.and_then(|base| sources.iter().position(|source| source.model == base));
        let found = sources.len() - usize::from(place.is_some());
        let [least, most] = self.card.models;
        let expected = sources.first().map_or(0..0, |source| source.layers.clone());
        if !(least..=most).contains(&found) {
            let (method, expected) = (self.card.name, self.card.expected_models());
            return Err(Wrong::Count { method, expected, found }.at(&list.span));
        }
        if let Some(other) = sources.iter().find(|source| source.layers.len() != expected.len()) {
            let (expected, found) = (expected.len(), other.layers.len());
            return Err(Wrong::Uneven { expected, found }.at(&list.span));
        }
        let place = place.or_else(|| {
            let model = base?;
            sources.push(Source { model, layers: expected, end: 0..0, parameters: Parameters::new() });
            Some(sources.len() - 1)
        });
        Ok(Slice { sources, base: place, parameters: self.parameters(parameters, false)? })
    }

    /// Whether a base that is not listed is a model like the others: so mergekit takes it where the method makes nothing else of a
    /// base. Here that needs a parameter for all models, and a method of more than one.
    fn joins(&self, base: usize, slice: &Slice, parameters: &Parameters) -> bool {
        let is_given = |parameter: &Parameter| !parameter.of_each || parameters.contains_key(parameter.name);
        self.card.base == Base::Passed
            && slice.sources.len() < self.card.models[1]
            && slice.sources.iter().all(|source| source.model != base)
            && self.card.parameters.iter().all(is_given)
    }

    fn source(&mut self, item: &Node, keys: &'static [&'static str]) -> Result<Source, Misplaced> {
        let entries = item.entries("models", keys)?;
        let missing = |key| Wrong::Missing { key }.at(&item.span);
        let model = tree::find(entries, "model").ok_or_else(|| missing("model"))?;
        let (layers, end) = match keys.contains(&"layer_range") {
            true => layers(tree::find(entries, "layer_range").ok_or_else(|| missing("layer_range"))?)?,
            false => (0..0, 0..0),
        };
        let model = self.reference(model, "model")?;
        let parameters = self.parameters(tree::find(entries, "parameters"), true)?;
        Ok(Source { model, layers, end, parameters })
    }

    fn parameters(&self, node: Option<&Node>, of_model: bool) -> Result<Parameters, Misplaced> {
        let mut parameters = Parameters::new();
        let Some(node) = node else { return Ok(parameters) };
        for entry in node.table("parameters")? {
            let known = self.card.parameters;
            let Some(parameter) = known.iter().find(|parameter| parameter.name == entry.key) else {
                let known: Vec<&'static str> = known.iter().map(|parameter| parameter.name).collect();
                let nearest = nearest(&entry.key, known.iter().copied(), 3);
                let (method, found) = (self.card.name, entry.key.clone());
                return Err(Wrong::Parameter { method, found, nearest, known }.at(&entry.span));
            };
            if of_model && !parameter.of_each {
                return Err(Wrong::OfAll { name: parameter.name }.at(&entry.span));
            }
            parameters.insert(parameter.name, Setting::read(&entry.node, parameter)?);
        }
        Ok(parameters)
    }

    /// Whose tokenizer is copied; that of the first model when nothing is said.
    fn tokenizer(&mut self, source: Option<&Node>, table: Option<&Node>) -> Result<usize, Misplaced> {
        let instead = "`tokenizer_source: base`, or the model whose tokenizer is taken";
        let source = match (source, table) {
            (Some(_), Some(table)) => {
                return Err(Wrong::Both { one: "tokenizer_source", other: "tokenizer" }.at(&table.span));
            }
            (source, None) => source,
            (None, Some(table)) => {
                let entries = table.entries("tokenizer", &["source", "tokens", "pad_to_multiple_of"])?;
                let mut other = ["tokens", "pad_to_multiple_of"].into_iter();
                if let Some(node) = other.find_map(|key| tree::find(entries, key)) {
                    let what = "changing the tokens of a tokenizer";
                    return Err(Wrong::NotBuilt { what, instead }.at(&node.span));
                }
                tree::find(entries, "source")
            }
        };
        let Some(node) = source else { return Ok(0) };
        match node.text("tokenizer_source")? {
            "base" => Ok(0),
            "union" => Err(Wrong::NotBuilt { what: "the union of vocabularies", instead }.at(&node.span)),
            _ => self.reference(node, "tokenizer_source"),
        }
    }
}

/// From the first layer to before the second number, and where that stands.
fn layers(node: &Node) -> Result<(Range<usize>, Range<usize>), Misplaced> {
    let bounds = node.list("layer_range")?;
    let numbers = bounds.iter().map(|bound| bound.count("layer_range")).collect::<Result<Vec<_>, _>>()?;
    match (numbers.as_slice(), bounds) {
        (&[start, end], [_, last]) if start < end => Ok((start..end, last.span.clone())),
        _ => Err(node.unlike("layer_range", "two numbers, the first layer and the one behind the last")),
    }
}

fn dtype(node: &Node, key: &str) -> Result<Dtype, Misplaced> {
    let text = node.text(key)?;
    match text.strip_prefix("torch.").unwrap_or(text) {
        "float32" | "f32" => Ok(Dtype::F32),
        "float16" | "f16" => Ok(Dtype::F16),
        "bfloat16" | "bf16" => Ok(Dtype::Bf16),
        _ => Err(node.unlike(key, "`float32`, `float16` or `bfloat16`")),
    }
}

/// The template's text; `None` keeps that of the tokenizer.
fn chat_template(node: &Node) -> Result<Option<String>, Misplaced> {
    match node.text("chat_template")? {
        "auto" => Ok(None),
        text if text.contains('{') => Ok(Some(text.to_owned())),
        _ => {
            let instead = "give the template's text, or leave it out: the tokenizer's own is kept";
            Err(Wrong::NotBuilt { what: "a chat template by its name", instead }.at(&node.span))
        }
    }
}
