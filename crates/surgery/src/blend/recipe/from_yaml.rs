//! From YAML to the tree of a recipe.
//!
//! Aliases stand for what their anchor marks. The key `<<` takes over the entries of a mapping, or of several in a list, that
//! the mapping itself does not have; of several the first counts.

use super::extent;
use super::fault::{Misplaced, Wrong};
use super::tree::{Entry, Node, Value};
use saphyr::{LoadableYamlNode, MarkedYaml, Marker, Scalar, YamlData};
use std::collections::HashSet;
use std::ops::Range;

/// The tree of the one document of `text`.
pub(super) fn parse(text: &str) -> Result<Node, Misplaced> {
    let lines = Lines::of(text);
    if let Some((what, mark)) = extent::excess(text) {
        let at = lines.offset(&mark);
        return Err(Wrong::Syntax { what: what.to_owned() }.at(&(at..at)));
    }
    let documents = MarkedYaml::load_from_str(text).map_err(|error| {
        let at = lines.offset(error.marker());
        Wrong::Syntax { what: error.info().to_owned() }.at(&(at..at))
    })?;
    match documents.as_slice() {
        [] => Ok(Node { span: 0..0, value: Value::Null }),
        [one] if matches!(one.data, YamlData::BadValue) => Ok(Node { span: 0..0, value: Value::Null }),
        [one] => lines.root(one),
        [_, second, ..] => {
            let what = "a second document; a recipe is one".to_owned();
            Err(Wrong::Syntax { what }.at(&lines.span(second)))
        }
    }
}

/// Where each line begins; the parser counts characters, not bytes.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, starts: [0].into_iter().chain(ends).collect() }
    }

    /// The byte at a mark.
    fn offset(&self, mark: &Marker) -> usize {
        let Some(&start) = self.starts.get(mark.line().saturating_sub(1)) else { return self.text.len() };
        let rest = self.text.get(start..).unwrap_or_default();
        let within = rest.char_indices().nth(mark.col()).map_or(rest.len(), |(at, _)| at);
        start + within
    }

    fn span(&self, yaml: &MarkedYaml<'_>) -> Range<usize> {
        let start = self.offset(&yaml.span.start);
        start..self.offset(&yaml.span.end).max(start)
    }

    /// The document; an entry is anchored where an anchor stands in it, and its alias somewhere.
    fn root(&self, yaml: &MarkedYaml<'_>) -> Result<Node, Misplaced> {
        let mut root = self.node(yaml)?;
        if let Value::Table(entries) = &mut root.value {
            let aliases: HashSet<&str> = words_after('*', self.text).collect();
            for Entry { span, node, is_anchored, .. } in entries {
                let inside = self.text.get(span.start..node.span.end).unwrap_or_default();
                *is_anchored = words_after('&', inside).any(|anchor| aliases.contains(anchor));
            }
        }
        Ok(root)
    }

    fn node(&self, yaml: &MarkedYaml<'_>) -> Result<Node, Misplaced> {
        let span = self.span(yaml);
        let value = match &yaml.data {
            YamlData::Value(scalar) => scalar_value(scalar),
            YamlData::Sequence(items) => {
                Value::List(items.iter().map(|item| self.node(item)).collect::<Result<_, _>>()?)
            }
            YamlData::Mapping(entries) => {
                entries.iter().try_for_each(|(key, node)| self.check_once(key, node))?;
                let (merges, own): (Vec<_>, Vec<_>) = entries.iter().partition(|(key, _)| is_merge(key));
                let own = own.into_iter().map(|(key, node)| self.entry(key, node));
                let mut table = own.collect::<Result<Vec<_>, _>>()?;
                for (_, node) in merges {
                    self.merge(node, &mut table)?;
                }
                Value::Table(table)
            }
            _ => {
                let what = "tags and unresolved aliases have no place in a recipe".to_owned();
                return Err(Wrong::Syntax { what }.at(&span));
            }
        };
        Ok(Node { span, value })
    }

    /// Takes over what stands behind a `<<`.
    fn merge(&self, yaml: &MarkedYaml<'_>, table: &mut Vec<Entry>) -> Result<(), Misplaced> {
        let node = self.node(yaml)?;
        let mappings = if let Value::List(items) = node.value { items } else { vec![node] };
        for Node { span, value } in mappings {
            let Value::Table(entries) = value else {
                let expected = "a mapping, or a list of mappings";
                return Err(Wrong::Kind { key: "<<".to_owned(), expected }.at(&span));
            };
            for entry in entries {
                if table.iter().all(|own| own.key != entry.key) {
                    table.push(entry);
                }
            }
        }
        Ok(())
    }

    /// An error where a key stands in its mapping twice. The parser keeps the place of the first with the value of the last: the
    /// second lies between.
    fn check_once(&self, key: &MarkedYaml<'_>, node: &MarkedYaml<'_>) -> Result<(), Misplaced> {
        let YamlData::Value(Scalar::String(name)) = &key.data else { return Ok(()) };
        let start = self.span(key).end;
        let between = self.text.get(start..self.span(node).start).unwrap_or_default();
        match again(name, between) {
            Some(at) => {
                let at = start + at;
                Err(Wrong::Repeated { key: name.to_string() }.at(&(at..at + name.len())))
            }
            None => Ok(()),
        }
    }

    fn entry(&self, key: &MarkedYaml<'_>, node: &MarkedYaml<'_>) -> Result<Entry, Misplaced> {
        let span = self.span(key);
        match &key.data {
            YamlData::Value(Scalar::String(text)) => {
                Ok(Entry { key: text.to_string(), span, node: self.node(node)?, is_anchored: false })
            }
            _ => Err(Wrong::Syntax { what: "a key should be a text".to_owned() }.at(&span)),
        }
    }
}

/// The words that begin with a sign, without it. An anchor is such a word, and an alias; a text that has one in it does no harm.
fn words_after(sign: char, text: &str) -> impl Iterator<Item = &str> {
    let is_between = |character: char| character.is_whitespace() || "[]{},".contains(character);
    text.split(is_between).filter_map(move |word| word.strip_prefix(sign))
}

/// Where `name` is a key last, between the first such key and a value.
fn again(name: &str, between: &str) -> Option<usize> {
    let is_key = |at: usize| {
        let (before, after) = (between.get(..at)?, between.get(at + name.len()..)?);
        let line = before.rsplit('\n').next().unwrap_or_default();
        let is_comment = line.starts_with('#') || line.contains(" #") || line.contains("\t#");
        let before = before.trim_end_matches(['"', '\'']);
        let is_begun = before.ends_with(|sign: char| sign.is_whitespace() || "{,".contains(sign));
        let after = after.trim_start_matches(['"', '\'']).trim_start_matches([' ', '\t']);
        (is_begun && !is_comment && after.starts_with(':')).then_some(at)
    };
    let mut places = between.rmatch_indices(name).filter(|(_, name)| !name.is_empty());
    places.find_map(|(at, _)| is_key(at))
}

fn is_merge(key: &MarkedYaml<'_>) -> bool {
    matches!(&key.data, YamlData::Value(Scalar::String(text)) if text == "<<")
}

fn scalar_value(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(flag) => Value::Flag(*flag),
        Scalar::Integer(number) => Value::Number(*number as f64),
        Scalar::FloatingPoint(number) => Value::Number(number.0),
        Scalar::String(text) => Value::Text(text.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_know_their_places() {
        let text = "# blé\ngrün: [1, 0.5]\nlist:\n  - {filter: a, value: true}\n  - value: ~\n";
        let Value::Table(entries) = parse(text).unwrap().value else { panic!("no table") };
        let keys: Vec<&str> = entries.iter().map(|entry| &text[entry.span.clone()]).collect();
        assert_eq!(keys, ["grün", "list"]);
        let numbers = entries[0].node.list("grün").unwrap();
        assert_eq!((&numbers[0].value, &numbers[1].value), (&Value::Number(1.0), &Value::Number(0.5)));
        assert_eq!(&text[numbers[1].span.clone()], "0.5");
        let items = entries[1].node.list("list").unwrap();
        let Value::Table(first) = &items[0].value else { panic!("no table") };
        assert_eq!((first[0].key.as_str(), &first[0].node.value), ("filter", &Value::Text("a".to_owned())));
        assert_eq!(&text[first[1].node.span.clone()], "true");
        assert_eq!(items[1].table("list").unwrap()[0].node.value, Value::Null);
    }

    #[test]
    fn what_is_taken_over_counts_less_than_what_stands_there() {
        let table = |text: &str| {
            let Value::Table(entries) = parse(text).unwrap().value else { panic!("no table") };
            let last = entries.into_iter().next_back().unwrap().node;
            let Value::Table(entries) = last.value else { panic!("no table") };
            let mut found: Vec<(String, Value)> =
                entries.into_iter().map(|entry| (entry.key, entry.node.value)).collect();
            found.sort_by(|one, other| one.0.cmp(&other.0));
            found
        };
        let expected = |numbers: &[(&str, f64)]| -> Vec<(String, Value)> {
            numbers.iter().map(|(key, number)| ((*key).to_owned(), Value::Number(*number))).collect()
        };
        let anchors = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\n";
        let cases: [(&str, &[(&str, f64)]); 7] = [
            ("*a", &[("x", 1.0), ("y", 2.0)]),
            ("{<<: *a}", &[("x", 1.0), ("y", 2.0)]),
            ("{<<: *a, y: 9}", &[("x", 1.0), ("y", 9.0)]),
            ("{y: 9, <<: *a}", &[("x", 1.0), ("y", 9.0)]),
            ("{<<: [*a, *b]}", &[("x", 1.0), ("y", 2.0), ("z", 4.0)]),
            ("{<<: [*b, *a], x: 0}", &[("x", 0.0), ("y", 3.0), ("z", 4.0)]),
            ("{<<: {<<: *a, x: 5}}", &[("x", 5.0), ("y", 2.0)]),
        ];
        for (mapping, found) in cases {
            assert_eq!(table(&format!("{anchors}c: {mapping}\n")), expected(found), "{mapping}");
        }
        for (text, said) in [
            (
                "a: &a [1]\nb: {<<: *a}\n",
                "`<<` should be a mapping, or a list of mappings at line 1, column 8",
            ),
            ("a: &a {x: 1}\nb: {<<: [*a, 3]}\n", "at line 2, column 14"),
            ("a: {<<: *nowhere}\n", "at line 1"),
        ] {
            let fault = parse(text).unwrap_err().in_text(text).to_string();
            assert!(fault.contains(said), "{fault}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_at_the_second() {
        for (text, said) in [
            ("a: 1\nb: 2\na: 3\n", "`a` stands here a second time at line 3, column 1"),
            ("b: {a: 1, 'a': [2]}\n", "at line 1, column 12"),
            (
                "b:\n  - x: 1\n    aa: 0\n    x : &n {x: 2}\n",
                "`x` stands here a second time at line 4, column 5",
            ),
            ("a: {x: 1}\na: ~\n", "at line 2, column 1"),
            ("a: one\n\"a\": # a: 2\n  two\n", "at line 2, column 2"),
        ] {
            let fault = parse(text).unwrap_err().in_text(text).to_string();
            assert!(fault.contains(said), "{text}: {fault}");
        }
        for text in [
            "a: {a: {a: 1}}\n",
            "a: # a: 1\n  2\nb: [{a: 1}, {a: 2}]\n",
            "a: &a {a: 1}\nb: {<<: *a, a: 2}\n",
            "a: |\n  a: 1\n  a: 2\nb: 3\n",
            "a:\nb: 2\n",
            "a:\n  a: 1\nb:\n  a: 2\n",
            "a: 'a: 1'\nb: \"a: 2\"\n",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_recipe_is_refused_at_its_place() {
        let deep = format!("{}1{}", "[".repeat(110), "]".repeat(110));
        for (text, line) in [
            ("a: [1\nb: 2", "line "),
            ("a: 1\n---\nb: 2", "line 3"),
            ("1: 2", "line 1"),
            (deep.as_str(), "line 1"),
        ] {
            let fault = parse(text).unwrap_err().in_text(text).to_string();
            assert!(fault.contains(line) && fault.contains('^'), "{fault}");
        }
        assert_eq!(parse("").unwrap().value, Value::Null);
        assert_eq!(parse("# nothing\n").unwrap().value, Value::Null);
    }
}
