//! Ratings: lines of user, item and value, as MovieLens and its kin write them.

use super::text::{self, Separator, lines, number};
use super::{Fault, Sparse};
use crate::error::{Result, names as listed};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

/// Ratings with the names of users and items, which may be any text.
#[derive(Clone, Debug, PartialEq)]
pub struct Ratings {
    /// Name of every row, in the order in which they appear.
    pub users: Vec<String>,
    /// Name of every column, likewise.
    pub items: Vec<String>,
    /// The values; [users, items].
    pub matrix: Sparse,
    /// Line of the file, from 1, of every value.
    pub lines: Vec<u32>,
    /// Line of the first remark that would be a rating but for the `#` it begins with, where there is one.
    pub remark: Option<u32>,
}

/// Names met so far, each with its number.
#[derive(Default)]
struct Numbered {
    numbers: HashMap<String, usize>,
    names: Vec<String>,
}

impl Numbered {
    fn of(&mut self, name: &str) -> usize {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = self.names.len();
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }
}

impl Ratings {
    /// Reads user, item and value from the first three columns, or from those with these numbers from 1 or names; further
    /// ones, such as a time, are left out. Fields stand between commas, semicolons, tabs, `::` or blanks, within quotes where they
    /// have such signs in them. A first line whose value starts with a letter holds the names of the columns; lines that begin with
    /// `#` are remarks.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io); [`Error::Array`](crate::Error::Array) with the line and the column of what is wrong.
    pub fn read(path: &Path, columns: Option<&[String; 3]>) -> Result<Self> {
        text::read(path, |text| Self::parse(text, columns))
    }

    /// As [`read`](Self::read), from text.
    ///
    /// # Errors
    /// [`Fault::Field`], [`Fault::Fields`], [`Fault::Quote`], [`Fault::Column`], [`Fault::Twice`], [`Fault::Empty`].
    pub fn parse(text: &str, columns: Option<&[String; 3]>) -> Result<Self, Fault> {
        let mut lines = lines(text, '#').peekable();
        let Some(&(line, first)) = lines.peek() else { return Err(Fault::Empty) };
        let separator = Separator::of(first);
        let mut fields = Vec::new();
        if !separator.split(first, &mut fields) {
            return Err(Fault::Quote { line });
        }
        let [user, item, value] = columns.map_or(Ok([0, 1, 2]), |columns| places(columns, &fields))?;
        let named = |field: &Cow<'_, str>| field.starts_with(char::is_alphabetic) && text::is_name(field);
        if fields.get(value).is_some_and(named) {
            lines.next();
        }
        let (mut users, mut items) = (Numbered::default(), Numbered::default());
        let (mut entries, mut places) = (Vec::new(), Vec::new());
        let needed = 1 + user.max(item).max(value);
        for (line, text) in lines {
            if !separator.split(text, &mut fields) {
                return Err(Fault::Quote { line });
            }
            if fields.len() < needed {
                return Err(Fault::Fields { line, expected: needed, found: fields.len() });
            }
            for column in [user, item] {
                if fields[column].is_empty() {
                    let (column, found) = (column + 1, String::new());
                    return Err(Fault::Field { line, column, expected: "name", found });
                }
            }
            let rating = number(&fields[value], line, value + 1)?;
            entries.push((users.of(&fields[user]), items.of(&fields[item]), rating));
            places.push(line as u32);
        }
        if entries.is_empty() {
            return Err(Fault::Empty);
        }
        let matrix = Sparse { rows: users.names.len(), columns: items.names.len(), entries };
        let remark =
            text.lines().zip(1..).filter(|(line, _)| line.starts_with('#')).find_map(|(line, number)| {
                separator.split(line, &mut fields);
                let is_rating = needed <= fields.len() && fields[value].parse::<f64>().is_ok();
                is_rating.then_some(number)
            });
        Ok(Self { users: users.names, items: items.names, matrix, lines: places, remark })
    }
}

/// Where the columns stand that are numbered from 1, or named. A number is one before it is a name: the first line may hold data.
fn places(columns: &[String; 3], header: &[Cow<'_, str>]) -> Result<[usize; 3], Fault> {
    let mut places = [0; 3];
    for (place, name) in places.iter_mut().zip(columns) {
        let missing =
            || Fault::Column { name: name.clone(), known: listed(header.iter().map(|name| &**name)) };
        *place = text::place(name, header.len(), header)?.ok_or_else(missing)?;
    }
    Ok(places)
}
