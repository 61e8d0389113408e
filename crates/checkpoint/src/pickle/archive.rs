//! The zip archive around a pickle: which bytes of the file are which entry.
//!
//!     entries, each behind a header of its own · directory: one header an entry · end: where the directory lies
//!
//! torch stores entries as they are, so that an entry is a range of the file. Sizes come from the directory, in 32 bits or,
//! where these are full, from the 64-bit fields beside them. Checksums are not compared: torch may leave them out.

use super::Fault;
use super::cursor::Cursor;
use indexmap::IndexMap;
use std::ops::Range;

const END: [u8; 4] = *b"PK\x05\x06";
const END_LENGTH: usize = 22;
const WIDE_END: [u8; 4] = *b"PK\x06\x06";
const WIDE_PLACE: [u8; 4] = *b"PK\x06\x07";
const WIDE_PLACE_LENGTH: usize = 20;
const DIRECTORY: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// A 32-bit field whose value stands elsewhere.
const FULL: usize = u32::MAX as usize;

/// Every entry and its bytes, in the order of the directory.
pub(super) fn entries(file: &[u8]) -> Result<IndexMap<&str, Range<usize>>, Fault> {
    let (count, start) = directory(file)?;
    let mut cursor = Cursor::new(file, start);
    let mut entries = IndexMap::new();
    for _ in 0..count {
        let (name, range) = entry(file, &mut cursor)?;
        if entries.insert(name, range).is_some() {
            return Err(Fault::Archive { reason: "two entries have one name" });
        }
    }
    Ok(entries)
}

/// How many entries the directory has, and where it begins.
fn directory(file: &[u8]) -> Result<(usize, usize), Fault> {
    // A comment of up to 65 535 bytes may follow.
    let first = file.len().saturating_sub(END_LENGTH + usize::from(u16::MAX));
    let found = file[first..].windows(END.len()).rposition(|window| window == END);
    let end = first + found.ok_or(Fault::Archive { reason: "it has no end, so it is cut off" })?;
    let mut cursor = Cursor::new(file, end + 10);
    let (count, _, start) = (cursor.number(2)?, cursor.number(4)?, cursor.number(4)?);
    if count < usize::from(u16::MAX) && start < FULL {
        return Ok((count, start));
    }
    let place = end.checked_sub(WIDE_PLACE_LENGTH).ok_or(Fault::Archive { reason: "it has no directory" })?;
    let mut cursor = signed(file, place, WIDE_PLACE)?;
    cursor.take(4)?;
    let end = cursor.number(8)?;
    let mut cursor = signed(file, end, WIDE_END)?;
    cursor.take(28)?;
    let (count, _, start) = (cursor.number(8)?, cursor.number(8)?, cursor.number(8)?);
    Ok((count, start))
}

/// Behind the signature that should stand at byte `at`.
fn signed(file: &[u8], at: usize, signature: [u8; 4]) -> Result<Cursor<'_>, Fault> {
    let mut cursor = Cursor::new(file, at);
    if cursor.array::<4>()? != signature {
        return Err(Fault::Archive { reason: "a header is not where it should be" });
    }
    Ok(cursor)
}

/// The entry whose header in the directory comes next.
fn entry<'a>(file: &'a [u8], cursor: &mut Cursor<'a>) -> Result<(&'a str, Range<usize>), Fault> {
    if cursor.array::<4>()? != DIRECTORY {
        return Err(Fault::Archive { reason: "its directory is shorter than it says" });
    }
    cursor.take(4)?;
    let (flags, method) = (cursor.number(2)?, cursor.number(2)?);
    cursor.take(8)?;
    let (packed, size) = (cursor.number(4)?, cursor.number(4)?);
    let [name, extra, comment] = [cursor.number(2)?, cursor.number(2)?, cursor.number(2)?];
    cursor.take(8)?;
    let local = cursor.number(4)?;
    let (name, extra) = (cursor.take(name)?, cursor.take(extra)?);
    cursor.take(comment)?;
    let name = str::from_utf8(name).map_err(|_| Fault::Archive { reason: "a name is not UTF-8" })?;
    let [size, packed, local] = widened([size, packed, local], extra)?;
    if method != 0 || flags & 1 != 0 || size != packed {
        return Err(Fault::Packed { entry: crate::fields::shorten(name) });
    }
    let mut cursor = signed(file, local, LOCAL)?;
    cursor.take(22)?;
    let names = cursor.number(2)? + cursor.number(2)?;
    cursor.take(names)?;
    let start = cursor.position();
    cursor.take(size)?;
    Ok((name, start..start + size))
}

/// The fields that are full, replaced by those of the 64-bit block in `extra`, where they stand in this order.
fn widened(mut fields: [usize; 3], extra: &[u8]) -> Result<[usize; 3], Fault> {
    let mut blocks = Cursor::new(extra, 0);
    while fields.contains(&FULL) {
        let (kind, block) = (blocks.number(2)?, blocks.counted(2)?);
        if kind != 1 {
            continue;
        }
        let mut block = Cursor::new(block, 0);
        for field in fields.iter_mut().filter(|field| **field == FULL) {
            *field = block.number(8)?;
        }
        break;
    }
    Ok(fields)
}
