//! A place in bytes of unknown honesty: nothing is taken that is not there, all numbers are little-endian.

use super::Fault;

/// What is left of some bytes.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// How far it has read, from the start of the bytes.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let left = self.bytes.get(self.at..).unwrap_or_default();
        let taken = left.get(..length).ok_or(Fault::Truncated { at: self.at, length })?;
        self.at += length;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A number of `width` ≤ 8 bytes; one that no address can be becomes the largest.
    pub(super) fn number(&mut self, width: usize) -> Result<usize, Fault> {
        let mut wide = [0; 8];
        wide[..width].copy_from_slice(self.take(width)?);
        Ok(usize::try_from(u64::from_le_bytes(wide)).unwrap_or(usize::MAX))
    }

    /// As many bytes as the number of `width` bytes before them says.
    pub(super) fn counted(&mut self, width: usize) -> Result<&'a [u8], Fault> {
        let length = self.number(width)?;
        self.take(length)
    }

    /// The text up to the next line break, which is passed over.
    pub(super) fn line(&mut self) -> Result<&'a str, Fault> {
        let at = self.at;
        let left = self.bytes.get(at..).unwrap_or_default();
        let ended = left.iter().position(|&byte| byte == b'\n');
        let length = ended.ok_or(Fault::Truncated { at, length: left.len() + 1 })?;
        let line = self.take(length + 1)?;
        str::from_utf8(&line[..length]).map_err(|_| Fault::Damaged { reason: "a name is not UTF-8", at })
    }
}
