//! A cursor over bytes of unknown honesty: whatever a number in the file claims is compared with what is left of the
//! file before it is used, and before memory is asked for.

use super::Fault;
use super::value::{Array, Value};

/// Arrays inside arrays inside …: deeper ones are refused, so that a file cannot exhaust the stack.
const DEEPEST: usize = 8;

/// What is left of the header; all numbers are little endian.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How far it has read, in bytes from the start of the file.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        self.number(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fault> {
        self.number(u64::from_le_bytes)
    }

    /// A length in bytes or entries, for `count` things of at least `smallest` > 0 bytes each.
    pub(super) fn count(&mut self, what: &'static str, smallest: usize) -> Result<usize, Fault> {
        let at = self.at;
        let count = self.u64()?;
        let room = ((self.bytes.len() - self.at) / smallest) as u64;
        if count > room {
            return Err(Fault::Count { what, count, room, at });
        }
        Ok(count as usize)
    }

    /// A length and as many bytes of UTF-8.
    pub(super) fn string(&mut self) -> Result<String, Fault> {
        let length = self.count("bytes of text", 1)?;
        let at = self.at;
        let text = str::from_utf8(self.take(length)?).map_err(|_| Fault::NotUtf8 { at })?;
        Ok(text.to_owned())
    }

    /// A metadata value: the number of its type, then the value.
    pub(super) fn value(&mut self) -> Result<Value, Fault> {
        let at = self.at;
        let kind = self.u32()?;
        Ok(match kind {
            0 => Value::U8(self.number(u8::from_le_bytes)?),
            1 => Value::I8(self.number(i8::from_le_bytes)?),
            2 => Value::U16(self.number(u16::from_le_bytes)?),
            3 => Value::I16(self.number(i16::from_le_bytes)?),
            4 => Value::U32(self.u32()?),
            5 => Value::I32(self.number(i32::from_le_bytes)?),
            6 => Value::F32(self.number(f32::from_le_bytes)?),
            7 => Value::Bool(self.number(boolean)?),
            8 => Value::String(self.string()?),
            9 => Value::Array(self.array(0)?),
            10 => Value::U64(self.u64()?),
            11 => Value::I64(self.number(i64::from_le_bytes)?),
            12 => Value::F64(self.number(f64::from_le_bytes)?),
            _ => return Err(Fault::ValueType { found: kind, at }),
        })
    }

    fn array(&mut self, depth: usize) -> Result<Array, Fault> {
        if depth == DEEPEST {
            return Err(Fault::Depth { limit: DEEPEST, at: self.at });
        }
        let at = self.at;
        let kind = self.u32()?;
        Ok(match kind {
            0 => Array::U8(self.numbers(u8::from_le_bytes)?),
            1 => Array::I8(self.numbers(i8::from_le_bytes)?),
            2 => Array::U16(self.numbers(u16::from_le_bytes)?),
            3 => Array::I16(self.numbers(i16::from_le_bytes)?),
            4 => Array::U32(self.numbers(u32::from_le_bytes)?),
            5 => Array::I32(self.numbers(i32::from_le_bytes)?),
            6 => Array::F32(self.numbers(f32::from_le_bytes)?),
            7 => Array::Bool(self.numbers(boolean)?),
            // The smallest string is its length alone, the smallest array its type and length.
            8 => Array::String(self.repeat(8, Self::string)?),
            9 => Array::Array(self.repeat(12, |reader| reader.array(depth + 1))?),
            10 => Array::U64(self.numbers(u64::from_le_bytes)?),
            11 => Array::I64(self.numbers(i64::from_le_bytes)?),
            12 => Array::F64(self.numbers(f64::from_le_bytes)?),
            _ => return Err(Fault::ValueType { found: kind, at }),
        })
    }

    fn repeat<T>(
        &mut self,
        smallest: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let count = self.count("array entries", smallest)?;
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            entries.push(read(self)?);
        }
        Ok(entries)
    }

    fn numbers<const N: usize, T>(&mut self, number: impl Fn([u8; N]) -> T) -> Result<Vec<T>, Fault> {
        let count = self.count("array entries", N)?;
        let (entries, _) = self.take(count * N)?.as_chunks::<N>();
        Ok(entries.iter().map(|&bytes| number(bytes)).collect())
    }

    fn number<const N: usize, T>(&mut self, number: impl Fn([u8; N]) -> T) -> Result<T, Fault> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(number(bytes))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let left = &self.bytes[self.at..];
        let (taken, _) = left.split_at_checked(length).ok_or(Fault::Truncated { at: self.at, length })?;
        self.at += length;
        Ok(taken)
    }
}

/// The format wants 0 or 1; writers exist that store other non-zero bytes.
fn boolean([byte]: [u8; 1]) -> bool {
    byte != 0
}
