//! NumPy's file of one array.
//!
//! ```text
//! 93 N U M P Y  major minor  length of the header: u16, from version 2 u32  header  numbers
//! header: {'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }       blanks to a multiple of 64 bytes
//! ```
//!
//! Read are truth values, integers, and real and complex numbers of single and double precision, in either order of bytes; integers
//! above 2⁵³ are rounded. Written is row-major, in double precision, value by value: no second copy is made.

use super::number::Number;
use super::{Array, Complex, Fault, LIMIT, at, count};
use crate::error::{Result, io};
use std::{
    io::{BufReader, Read, Write},
    path::Path,
};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Headers of plain arrays have about 100 bytes.
const HEADER_LIMIT: u64 = 1 << 16;
/// Bytes that are read at a time, or as many as make whole numbers.
const CHUNK: usize = 1 << 16;
/// Bytes of a letter of a text.
const LETTER: usize = 4;
/// What the length of everything before the numbers is a multiple of.
const ALIGNMENT: usize = 64;

/// A number that is written.
pub trait Item: Copy {
    /// Its type in NumPy's words.
    const DESCR: &'static str;
    /// Writes its bytes.
    ///
    /// # Errors
    /// Those of the target.
    fn put(self, target: &mut impl Write) -> std::io::Result<()>;
}

impl Item for f64 {
    const DESCR: &'static str = "<f8";
    fn put(self, target: &mut impl Write) -> std::io::Result<()> {
        target.write_all(&self.to_le_bytes())
    }
}

impl Item for i64 {
    const DESCR: &'static str = "<i8";
    fn put(self, target: &mut impl Write) -> std::io::Result<()> {
        target.write_all(&self.to_le_bytes())
    }
}

impl Item for Complex {
    const DESCR: &'static str = "<c16";
    fn put(self, target: &mut impl Write) -> std::io::Result<()> {
        self.into_iter().try_for_each(|part| part.put(target))
    }
}

/// Reads an array of real numbers.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io); [`Error::Array`](crate::Error::Array) with what is wrong with the file.
pub fn read(path: &Path) -> Result<Array> {
    parse(BufReader::new(std::fs::File::open(path).map_err(io(path))?), path)
}

/// Reads an array of complex numbers; real ones are taken as such.
///
/// # Errors
/// As [`read`].
pub fn read_complex(path: &Path) -> Result<Array<Complex>> {
    parse_complex(BufReader::new(std::fs::File::open(path).map_err(io(path))?), path)
}

/// As [`read`], from bytes; `path` stands in messages.
///
/// # Errors
/// As [`read`].
pub fn parse(mut reader: impl Read, path: &Path) -> Result<Array> {
    let header = Header::read(&mut reader, path)?;
    let (number, layout) = header.number(path)?;
    if number.is_complex() {
        return Err(at(path, Fault::Complex));
    }
    header.array(reader, (layout, number.part()), path)
}

/// As [`read_complex`], from bytes; `path` stands in messages.
///
/// # Errors
/// As [`read`].
pub fn parse_complex(mut reader: impl Read, path: &Path) -> Result<Array<Complex>> {
    let header = Header::read(&mut reader, path)?;
    let (number, layout) = header.number(path)?;
    let part = number.part();
    if number.is_complex() {
        let both = |bytes: &[u8]| {
            let (real, imaginary) = bytes.split_at(bytes.len() / 2);
            [part(real), part(imaginary)]
        };
        return header.array(reader, (layout, both), path);
    }
    header.array(reader, (layout, |bytes: &[u8]| [part(bytes), 0.0]), path)
}

/// The vector of texts in a file as [`encode_text`] makes it, from bytes; `path` stands in messages.
///
/// # Errors
/// As [`read`]; [`Fault::NotText`] where there are numbers.
pub fn parse_text(mut reader: impl Read, path: &Path) -> Result<Vec<String>> {
    let header = Header::read(&mut reader, path)?;
    let layout = header.text(path)?;
    let letter = |bytes: &[u8]| {
        let code = bytes.try_into().map_or(0, u32::from_le_bytes);
        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
    };
    let text = |bytes: &[u8]| {
        let padded: String = bytes.chunks_exact(LETTER).map(letter).collect();
        padded.trim_end_matches('\0').to_owned()
    };
    let Array { shape, values } = header.array(reader, (layout, text), path)?;
    match shape.len() {
        1 => Ok(values),
        _ => Err(at(path, Fault::Shape { found: shape, expected: "a vector" })),
    }
}

/// The file of an array.
pub fn encode<T: Item>(array: &Array<T>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length::<T>(&array.shape));
    // Writing to bytes in memory does not fail.
    let _ = write(&mut bytes, &array.shape, array.values.iter().copied());
    bytes
}

/// Writes the file of an array of this shape, of which `values` are the numbers, row after row.
///
/// # Errors
/// Those of the target.
pub fn write<T: Item>(
    target: &mut impl Write,
    shape: &[usize],
    mut values: impl Iterator<Item = T>,
) -> std::io::Result<()> {
    target.write_all(&preamble(T::DESCR, shape))?;
    values.try_for_each(|value| value.put(target))
}

/// Bytes of the file of an array of this shape.
pub(super) fn length<T: Item>(shape: &[usize]) -> usize {
    preamble(T::DESCR, shape).len() + shape.iter().product::<usize>() * size_of::<T>()
}

/// The file of a vector of texts.
pub fn encode_text(texts: &[String]) -> Vec<u8> {
    let length = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
    let mut bytes = preamble(&format!("<U{length}"), &[texts.len()]);
    for text in texts {
        let padded = text.chars().chain(std::iter::repeat('\0'));
        padded.take(length).for_each(|letter| bytes.extend(u32::from(letter).to_le_bytes()));
    }
    bytes
}

/// Everything before the numbers, of version 1.
fn preamble(descr: &str, shape: &[usize]) -> Vec<u8> {
    let mut sizes = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    if shape.len() == 1 {
        sizes.push(',');
    }
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // Magic, version, length, and the line end.
    let fixed = MAGIC.len() + 2 + 2 + 1;
    let whole = (fixed + header.len()).next_multiple_of(ALIGNMENT);
    header.extend(std::iter::repeat_n(' ', whole - fixed - header.len()));
    header.push('\n');
    // A shape has few sizes: the header is far below the 64 KiB of version 1.
    let length = (header.len() as u16).to_le_bytes();
    [MAGIC, &[1, 0], &length, header.as_bytes()].concat()
}

/// What a file says of its numbers.
#[derive(Debug)]
struct Header {
    /// Their type in NumPy's words.
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

/// How the bytes of a number lie.
#[derive(Clone, Copy, Debug)]
struct Layout {
    /// Bytes of a number; at least 1.
    bytes: usize,
    /// Bytes of each part of it, which have an order of their own.
    part_bytes: usize,
    /// Whether the most significant byte comes first.
    reversed: bool,
}

impl Header {
    fn read(reader: &mut impl Read, path: &Path) -> Result<Self> {
        let mut bytes = |count: u64| {
            let mut bytes = Vec::new();
            reader.take(count).read_to_end(&mut bytes).map(|_| bytes).map_err(io(path))
        };
        let start = bytes(8)?;
        let wide = match start.strip_prefix(MAGIC) {
            Some([1, _]) => false,
            Some([2 | 3, _]) => true,
            _ => return Err(at(path, Fault::NotNpy { found: start })),
        };
        let length = match (bytes(if wide { 4 } else { 2 })?.as_slice(), wide) {
            (&[a, b], false) => u64::from(u16::from_le_bytes([a, b])),
            (&[a, b, c, d], true) => u64::from(u32::from_le_bytes([a, b, c, d])),
            _ => return Err(at(path, Fault::Header { offset: 8, expected: "its length is" })),
        };
        if HEADER_LIMIT < length {
            return Err(at(path, Fault::LongHeader { found: length, limit: HEADER_LIMIT }));
        }
        let header = bytes(length)?;
        let start = if wide { 12 } else { 10 };
        let text = std::str::from_utf8(&header).unwrap_or_default();
        Words { text, rest: text, start }.header().map_err(|fault| at(path, fault))
    }

    /// The type of real or complex numbers.
    fn number(&self, path: &Path) -> Result<(Number, Layout)> {
        let unknown = || at(path, Fault::Type { found: self.descr.clone() });
        let (number, reversed) = Number::named(&self.descr).ok_or_else(unknown)?;
        Ok((number, Layout { bytes: number.bytes(), part_bytes: number.part_bytes(), reversed }))
    }

    /// That of texts.
    fn text(&self, path: &Path) -> Result<Layout> {
        let unknown = || at(path, Fault::NotText { found: self.descr.clone() });
        let parts = self.descr.split_once('U').filter(|(order, _)| ["<", ">"].contains(order));
        let (order, letters) = parts.ok_or_else(unknown)?;
        let letters = letters.parse::<u32>().ok().filter(|letters| 0 < *letters).ok_or_else(unknown)?;
        Ok(Layout { bytes: LETTER * letters as usize, part_bytes: LETTER, reversed: order == ">" })
    }

    /// The numbers after the header, by the way in which they lie and what their bytes stand for.
    fn array<T: Clone>(
        self,
        reader: impl Read,
        (layout, convert): (Layout, impl Fn(&[u8]) -> T),
        path: &Path,
    ) -> Result<Array<T>> {
        let (Self { fortran, shape, .. }, Layout { bytes, part_bytes, reversed }) = (self, layout);
        let too_large = || at(path, Fault::TooLarge { shape: shape.clone(), limit: LIMIT });
        let all = count(&shape).map_err(|fault| at(path, fault))?;
        let expected = all.checked_mul(bytes).ok_or_else(too_large)?;
        let piece = (CHUNK / bytes).max(1) * bytes;
        let (mut values, mut chunk, mut found) = (Vec::<T>::new(), Vec::new(), 0);
        // Grows with what is really there, so that a lying header allocates nothing, and not beyond what is announced.
        let mut reader = reader.take(expected as u64 + 1);
        loop {
            chunk.clear();
            reader.by_ref().take(piece as u64).read_to_end(&mut chunk).map_err(io(path))?;
            found += chunk.len();
            if reversed {
                chunk.chunks_exact_mut(part_bytes).for_each(<[u8]>::reverse);
            }
            let new = chunk.len() / bytes;
            if values.capacity() - values.len() < new {
                values.reserve_exact(values.len().max(new).min(all.saturating_sub(values.len())));
            }
            values.extend(chunk.chunks_exact(bytes).map(&convert));
            if chunk.len() < piece {
                break;
            }
        }
        if found != expected {
            return Err(at(path, Fault::Length { shape, expected, found }));
        }
        let values = if fortran { row_major(&values, &shape) } else { values };
        Ok(Array { shape, values })
    }
}

/// The values row after row of an array that lies column after column: its first axis innermost.
fn row_major<T: Clone>(values: &[T], shape: &[usize]) -> Vec<T> {
    let strides: Vec<usize> = shape
        .iter()
        .scan(1, |next, &size| {
            let stride = *next;
            *next *= size;
            Some(stride)
        })
        .collect();
    let (mut place, mut from) = (vec![0; shape.len()], 0);
    let next = |_: &T| {
        let value = values[from].clone();
        for axis in (0..shape.len()).rev() {
            place[axis] += 1;
            from += strides[axis];
            if place[axis] < shape[axis] {
                break;
            }
            from -= strides[axis] * shape[axis];
            place[axis] = 0;
        }
        value
    };
    values.iter().map(next).collect()
}

/// The header, read word after word.
struct Words<'a> {
    text: &'a str,
    rest: &'a str,
    /// Where in the file it starts.
    start: usize,
}

impl<'a> Words<'a> {
    fn header(&mut self) -> Result<Header, Fault> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.sign('{')?;
        while !self.skip('}') {
            let key = self.quoted()?;
            self.sign(':')?;
            match key {
                "descr" => descr = Some(self.quoted()?),
                "fortran_order" => fortran = Some(self.truth()?),
                "shape" => shape = Some(self.sizes()?),
                _ => return Err(self.fault("`descr`, `fortran_order` or `shape` is")),
            }
            if !self.skip(',') {
                self.sign('}')?;
                break;
            }
        }
        let (Some(descr), Some(fortran), Some(shape)) = (descr, fortran, shape) else {
            return Err(self.fault("`descr`, `fortran_order` and `shape` are"));
        };
        Ok(Header { descr: descr.to_owned(), fortran, shape })
    }

    fn fault(&self, expected: &'static str) -> Fault {
        Fault::Header { offset: self.start + self.text.len() - self.rest.len(), expected }
    }

    fn skip(&mut self, sign: char) -> bool {
        self.rest = self.rest.trim_start();
        let after = self.rest.strip_prefix(sign);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn sign(&mut self, sign: char) -> Result<(), Fault> {
        let expected = match sign {
            '{' => "`{` is",
            '}' => "`}` is",
            ':' => "`:` is",
            '(' => "`(` is",
            _ => "`)` is",
        };
        if self.skip(sign) { Ok(()) } else { Err(self.fault(expected)) }
    }

    fn quoted(&mut self) -> Result<&'a str, Fault> {
        let quote = ['\'', '"'].into_iter().find(|quote| self.skip(*quote));
        let found = quote.and_then(|quote| self.rest.split_once(quote));
        let (word, rest) = found.ok_or_else(|| self.fault("a word in quotes is"))?;
        self.rest = rest;
        Ok(word)
    }

    fn truth(&mut self) -> Result<bool, Fault> {
        let rest = self.rest.trim_start();
        let found = [("True", true), ("False", false)]
            .into_iter()
            .find_map(|(word, truth)| Some((rest.strip_prefix(word)?, truth)));
        let (rest, truth) = found.ok_or_else(|| self.fault("`True` or `False` is"))?;
        self.rest = rest;
        Ok(truth)
    }

    fn sizes(&mut self) -> Result<Vec<usize>, Fault> {
        let mut sizes = Vec::new();
        self.sign('(')?;
        while !self.skip(')') {
            let digits = self.rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(self.rest.len());
            let (number, rest) = self.rest.split_at(digits);
            sizes.push(number.parse().map_err(|_| self.fault("a size is"))?);
            self.rest = rest;
            if !self.skip(',') {
                self.sign(')')?;
                break;
            }
        }
        Ok(sizes)
    }
}
