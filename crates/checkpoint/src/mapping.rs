//! Files as bytes: memory-mapped when large, read under a size limit when small.

use crate::{Error, Result};
use memmap2::Mmap;
use serde::de::DeserializeOwned;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

/// Largest JSON file that is read; a tokenizer of 256 000 entries has 35 MB.
pub(crate) const JSON_LIMIT: u64 = 200 << 20;

/// A read-only memory map of a whole file.
pub(crate) fn map(path: &Path) -> Result<Mmap> {
    let file = std::fs::File::open(path).map_err(|source| Error::io(path, source))?;
    let metadata = file.metadata().map_err(|source| Error::io(path, source))?;
    if !metadata.is_file() {
        let source = std::io::Error::other("not a file");
        return Err(Error::io(path, source));
    }
    #[expect(
        unsafe_code,
        reason = "mapping is the one way not to hold a model twice in memory; the map is \
        read-only and every access is bounds-checked against its fixed length"
    )]
    // SAFETY: sound as long as nobody shortens or rewrites the file while it is open. That cannot be enforced
    // from here and is the documented condition of opening a model.
    let map = unsafe { Mmap::map(&file) };
    map.map_err(|source| Error::io(path, source))
}

/// What the system maps at most at once around a page that is looked at: pages come along that nobody asked for, and would stay
/// where pieces of a tensor meet. Linux maps a large page of its cache whole (from 6.18 on; 64 KiB before).
#[cfg(unix)]
const AROUND: usize = 2 << 20;

/// Gives the pages behind `bytes` of `map`, and those that came along with them, back to the system; they are read again when
/// they are next looked at. Reading a mapped model from end to end would otherwise make all of it resident.
#[cfg(unix)]
pub(crate) fn release(map: &Mmap, bytes: Range<usize>) {
    let place = map.as_ptr().addr();
    let start = ((place + bytes.start) / AROUND * AROUND).saturating_sub(place);
    let end = ((place + bytes.end).next_multiple_of(AROUND) - place).min(map.len());
    #[expect(unsafe_code, reason = "the advice is unsafe for maps with content of their own")]
    // SAFETY: the map is shared and read-only, so its pages hold the file's bytes and nothing else: the system reads
    // them again from the file, with the same content, whoever looks at them and whenever.
    let advised =
        unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, end - start) };
    // Advice: where it is not taken, memory stays used for longer.
    drop(advised);
}

#[cfg(not(unix))]
pub(crate) fn release(_map: &Mmap, _bytes: Range<usize>) {}

/// The bytes of a file that has at most `limit` of them.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = std::fs::File::open(path).map_err(|source| Error::io(path, source))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|source| Error::io(path, source))?;
    if bytes.len() as u64 > limit {
        let found = std::fs::metadata(path).map_or(limit + 1, |metadata| metadata.len());
        return Err(Error::TooLarge { path: path.to_owned(), bytes: found, limit });
    }
    Ok(bytes)
}

/// A JSON file as `T`.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    parse_json(path, &read_limited(path, JSON_LIMIT)?)
}

/// JSON text of `path` as `T`.
pub(crate) fn parse_json<T: DeserializeOwned>(path: &Path, text: &[u8]) -> Result<T> {
    serde_json::from_slice(text).map_err(|source| Error::Json { path: path.to_owned(), source })
}

/// A JSON file as `T`, or `None` where there is no such file.
pub(crate) fn read_json_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if path.is_file() { read_json(path).map(Some) } else { Ok(None) }
}
