//! Conversations: messages, the model's chat template, and which tokens of the result are answers.
//!
//! Templates are Jinja as Hugging Face sets it up: `trim_blocks`, `lstrip_blocks`, `tojson` as Python writes JSON,
//! `raise_exception`, `strftime_now`, Python's string methods, values printed as Python prints them.

mod json;
mod locate;
mod message;
mod methods;
mod moment;
mod python;
mod template;

use serde_json::{Map, Value};

use crate::error::Result;
use crate::tokenizer::Tokenizer;

pub use message::Message;
pub use moment::Moment;
pub(crate) use template::Template;

/// What a chat template is told besides the messages.
#[derive(Clone, Debug, Default)]
pub struct ChatOptions {
    /// Whether the text ends with the opening of an answer.
    pub add_generation_prompt: bool,
    /// The tools the model may call, each a JSON schema.
    pub tools: Vec<Value>,
    /// The time that `strftime_now` tells. Without it a template that asks for the function uses a date of its own, and
    /// any other is told [`Moment::FIXED`]: training wants the same text every day.
    pub now: Option<Moment>,
    /// More variables for the template: `enable_thinking`, say.
    pub variables: Map<String, Value>,
}

/// A rendered conversation in tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatTokens {
    /// The tokens; `[t]`.
    pub tokens: Vec<u32>,
    /// Whether each token is one that the assistant says, its end-of-turn token included; `[t]`.
    pub answers: Vec<bool>,
}

impl Tokenizer {
    /// The text of a conversation by the model's chat template, or in the classic Alpaca form where it has none.
    ///
    /// # Errors
    /// [`TemplateSyntax`](crate::Error::TemplateSyntax) and [`TemplateRender`](crate::Error::TemplateRender) with the
    /// template's line; [`TemplateRefused`](crate::Error::TemplateRefused) when the template raises an exception.
    pub fn render(&self, messages: &[Message], options: &ChatOptions) -> Result<String> {
        self.template().render(&template::Scene { tokenizer: self, messages, options, marks: None })
    }

    /// The tokens of a conversation, and which of them are the assistant's.
    ///
    /// Answers are what the template puts in `{% generation %}` blocks. Where it has none, the prompt of an answer is
    /// the rendering of the messages before it with the generation prompt, and the answer what follows.
    ///
    /// # Errors
    /// Those of [`render`](Self::render); [`AnswerNotFound`](crate::Error::AnswerNotFound) when the template changes
    /// an answer so much that its place is not clear.
    pub fn encode_chat(&self, messages: &[Message], options: &ChatOptions) -> Result<ChatTokens> {
        locate::encode(self, messages, options)
    }
}
