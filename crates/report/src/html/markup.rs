//! The only door to a page of markup: tags are ours, every text and attribute value is escaped on its way in, and
//! what would steer the reader's program is shown as `�`.

use crate::text::steers;

/// Markup under construction; tags that are still open are closed by [`Markup::finish`].
#[derive(Default)]
pub(crate) struct Markup {
    out: String,
    open: Vec<&'static str>,
}

/// Attribute names and values.
pub(crate) type Attributes<'a> = [(&'static str, &'a str)];

impl Markup {
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a tag.
    pub fn open(&mut self, tag: &'static str, attributes: &Attributes) -> &mut Self {
        self.start(tag, attributes);
        self.out.push('>');
        self.open.push(tag);
        self
    }

    /// Closes the tag opened last. Blocks end a line, so that a person can read the source.
    pub fn close(&mut self) -> &mut Self {
        if let Some(tag) = self.open.pop() {
            self.out.push_str("</");
            self.out.push_str(tag);
            self.out.push('>');
            if !matches!(tag, "a" | "strong" | "code" | "span" | "th" | "td" | "dt" | "dd") {
                self.out.push('\n');
            }
        }
        self
    }

    /// A tag without content.
    pub fn empty(&mut self, tag: &'static str, attributes: &Attributes) -> &mut Self {
        self.start(tag, attributes);
        self.out.push_str("/>\n");
        self
    }

    /// A tag around a text.
    pub fn element(&mut self, tag: &'static str, attributes: &Attributes, text: &str) -> &mut Self {
        self.open(tag, attributes).text(text).close()
    }

    /// A text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        escape(text, &mut self.out);
        self
    }

    /// A text in which backticks stand round code.
    pub fn prose(&mut self, mut text: &str) -> &mut Self {
        while let Some((before, rest)) = text.split_once('`')
            && let Some((code, after)) = rest.split_once('`')
        {
            self.text(before).element("code", &[], code);
            text = after;
        }
        self.text(text)
    }

    /// Markup of ours, as it is.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.out.push_str(markup);
        self
    }

    /// Markup that was built apart.
    pub fn nested(&mut self, inner: Markup) -> &mut Self {
        self.out.push_str(&inner.finish());
        self
    }

    /// A tag around the parts of a style or script of ours.
    pub fn element_raw(&mut self, tag: &'static str, parts: &[&'static str]) -> &mut Self {
        self.open(tag, &[]);
        for &part in parts {
            self.raw(part);
        }
        self.close()
    }

    /// Closes what is open and hands the markup out.
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }

    fn start(&mut self, tag: &'static str, attributes: &Attributes) {
        self.out.push('<');
        self.out.push_str(tag);
        for (name, value) in attributes {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(value, &mut self.out);
            self.out.push('"');
        }
    }
}

fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(letter),
            _ if steers(letter) => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_round_code_become_a_tag() {
        for (text, expected) in [
            ("see `a<b>` and `c`.", "see <code>a&lt;b&gt;</code> and <code>c</code>."),
            ("one ` alone", "one ` alone"),
            ("`a` and ` alone", "<code>a</code> and ` alone"),
            ("plain & simple", "plain &amp; simple"),
        ] {
            let mut out = Markup::new();
            out.prose(text);
            assert_eq!(out.finish(), expected);
        }
    }

    #[test]
    fn texts_and_attributes_are_escaped_and_tags_closed() {
        let mut out = Markup::new();
        out.open("p", &[("title", "a\"b'<&")]).text("1 < 2 & 3").empty("br", &[]).open("a", &[]).text("x");
        assert_eq!(out.finish(), "<p title=\"a&quot;b&#39;&lt;&amp;\">1 &lt; 2 &amp; 3<br/>\n<a>x</a></p>\n");
    }
}
