//! Plain text: a field `text`, or a whole file.

use serde_json::{Map, Value};

use super::{Columns, Content, Row, Shape, field};
use crate::error::Fault;

/// Rows with a field of text.
pub(super) struct Text;

const FIELD: &str = "text";

impl Shape for Text {
    fn fits(&self, fields: &Map<String, Value>) -> bool {
        fields.contains_key(FIELD)
    }

    fn read(&self, fields: &Map<String, Value>, columns: Option<&Columns>) -> Result<Content, Fault> {
        let name = match columns {
            Some(Columns::Text(name)) => name,
            _ => FIELD,
        };
        Ok(Content::Text(field::string(fields, "", name)?.to_owned()))
    }
}

/// A file of plain text as the one row it is; line ends of any system are the same.
pub(super) fn whole(text: &str) -> Row {
    let text = text.replace("\r\n", "\n");
    Row { line: 1, fields: Map::from_iter([(FIELD.to_owned(), Value::from(text))]) }
}
