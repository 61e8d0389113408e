//! A compiled chat template.
//!
//! `{% generation %}…{% endgeneration %}` becomes a filter block of the same shape, so that white space around it is
//! treated alike; the filter puts marks around the block when the places of the answers are asked for.

use std::sync::{Arc, OnceLock};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind};

use super::{ChatOptions, Message, Moment, json, methods, python};
use crate::error::{Error, Result};
use crate::tokenizer::Tokenizer;

/// The classic form of Alpaca, for models without a template of their own.
const ALPACA: &str = include_str!("alpaca.jinja");

/// The work one rendering may take: about 64 bytes or one instruction a unit. Real templates take a few thousand
/// for each message; one that does not end by itself ends here, within seconds.
const FUEL: u64 = 5_000_000;

const NAME: &str = "chat template";
const BLOCK: &str = "_generation_block";
const MARKS: &str = "_generation_marks";
const LEADS_WITH_BOS: &str = "_leads_with_bos";

/// A chat template, compiled when it is first used.
#[derive(Clone)]
pub(crate) struct Template {
    source: Arc<str>,
    compiled: Arc<OnceLock<Result<Environment<'static>, (usize, String)>>>,
    /// Whether it mentions tool calls.
    knows_tool_calls: bool,
    /// Whether it marks its answers.
    pub(super) marks_answers: bool,
}

/// What a template is rendered with.
pub(super) struct Scene<'a> {
    pub(super) tokenizer: &'a Tokenizer,
    pub(super) messages: &'a [Message],
    pub(super) options: &'a ChatOptions,
    /// The characters put before and after each generation block.
    pub(super) marks: Option<[char; 2]>,
}

impl Template {
    pub(crate) fn new(source: String) -> Self {
        let (knows_tool_calls, marks_answers) = (source.contains("tool_calls"), rewrite(&source).1);
        Self { source: source.into(), compiled: Arc::default(), knows_tool_calls, marks_answers }
    }

    pub(crate) fn alpaca() -> Self {
        Self::new(ALPACA.to_owned())
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn render(&self, scene: &Scene) -> Result<String> {
        let compiled = self.compiled.get_or_init(|| compile(&self.source));
        let environment = compiled
            .as_ref()
            .map_err(|(line, reason)| Error::TemplateSyntax { line: *line, reason: reason.clone() })?;
        environment
            .get_template(NAME)
            .and_then(|template| template.render(self.variables(scene)))
            .map_err(|error| render_error(&error))
    }

    fn variables(&self, scene: &Scene) -> Value {
        let Scene { tokenizer, messages, options, marks } = scene;
        let message = |message: &Message| value(&message.to_json(self.knows_tool_calls));
        let tools: Value = options.tools.iter().map(value).collect();
        let mut variables: Vec<(String, Value)> = vec![
            ("messages".into(), messages.iter().map(message).collect()),
            ("tools".into(), if options.tools.is_empty() { Value::from(()) } else { tools }),
            ("documents".into(), Value::from(())),
            ("add_generation_prompt".into(), options.add_generation_prompt.into()),
            (LEADS_WITH_BOS.into(), tokenizer.leads_with_bos().into()),
            (MARKS.into(), marks.map_or_else(String::new, |marks| marks.iter().collect()).into()),
        ];
        variables.extend(tokenizer.special_tokens().map(|(name, token)| (name.to_owned(), token.into())));
        variables.extend(options.variables.iter().map(|(name, item)| (name.clone(), value(item))));
        // A template that asks whether it can be told the time has a date of its own.
        let fixed = || Some(Moment::FIXED).filter(|_| !self.source.contains("strftime_now is defined"));
        if let Some(now) = options.now.or_else(fixed) {
            let tell = Value::from_function(move |pattern: &str| now.format(pattern));
            variables.push(("strftime_now".into(), tell));
        }
        Value::from_pairs(variables)
    }
}

/// The filter of generation blocks: puts the first mark before the text and the second behind it.
fn generation_block(text: &str, marks: &str) -> String {
    match marks.chars().next() {
        Some(before) => [&marks[..before.len_utf8()], text, &marks[before.len_utf8()..]].concat(),
        None => text.to_owned(),
    }
}

fn compile(source: &str) -> Result<Environment<'static>, (usize, String)> {
    let mut environment = Environment::new();
    let fault = |error: minijinja::Error| (error.line().unwrap_or(0), reason(&error));
    environment
        .set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(fault)?);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(|out, _, value| match value.as_str() {
        Some(text) => Ok(out.write_str(text)?),
        None => Ok(out.write_str(&python::text(value))?),
    });
    environment.set_unknown_method_callback(methods::call);
    environment.add_filter("tojson", json::tojson);
    environment.add_filter("string", python::text);
    environment.add_filter(BLOCK, generation_block);
    environment.add_test("iterable", is_iterable);
    environment
        .add_test("sequence", |value: &Value| is_iterable(value) && value.kind() != ValueKind::Iterable);
    environment.add_function("raise_exception", |message: &Value| -> Result<Value, minijinja::Error> {
        let raised = Raised(python::text(message));
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(raised))
    });
    environment.add_template_owned(NAME, rewrite(source).0).map_err(fault)?;
    Ok(environment)
}

/// What Jinja in Python can iterate over: what is undefined too, but not `none`.
fn is_iterable(value: &Value) -> bool {
    use ValueKind::{Iterable, Map, Seq, String, Undefined};
    matches!(value.kind(), Undefined | String | Seq | Map | Iterable)
}

/// What a template gave to `raise_exception`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

fn render_error(error: &minijinja::Error) -> Error {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(Raised(message)) = cause.downcast_ref() {
            return Error::TemplateRefused { message: message.clone() };
        }
        source = cause.source();
    }
    Error::TemplateRender { line: error.line().unwrap_or(0), reason: reason(error) }
}

/// Kind and detail without the place, which the error has in a field of its own.
fn reason(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// The source with generation blocks as filter blocks and with line feeds only, and whether it has such blocks.
/// Lines stay where they are.
fn rewrite(source: &str) -> (String, bool) {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let (mut written, mut rest, mut found) = (String::with_capacity(source.len()), source.as_str(), false);
    while let Some((before, tag)) = rest.split_once("{%") {
        let (tag, after) = tag.split_once("%}").map_or((tag, None), |(tag, after)| (tag, Some(after)));
        written.push_str(before);
        written.push_str("{%");
        match tag.trim_matches(|character: char| character.is_whitespace() || "+-".contains(character)) {
            "generation" => {
                found = true;
                written.push_str(&tag.replacen("generation", &format!("filter {BLOCK}({MARKS})"), 1));
            }
            "endgeneration" => written.push_str(&tag.replacen("endgeneration", "endfilter", 1)),
            _ => written.push_str(tag),
        }
        let Some(after) = after else { return (written, found) };
        written.push_str("%}");
        rest = after;
    }
    written.push_str(rest);
    (written, found)
}

/// A JSON value as the template engine knows it.
fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(truth) => Value::from(*truth),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Value::from(integer),
            (None, Some(integer)) => Value::from(integer),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => items.iter().map(value).collect(),
        serde_json::Value::Object(fields) => {
            Value::from_pairs(fields.iter().map(|(name, item)| (name.as_str(), value(item))))
        }
    }
}
