//! The order of query and key rows in files of architecture `llama`.
//!
//! Hugging Face turns number `j` of a head with number `j + d/2`; ggml's llama turns neighbours `2j` and `2j + 1`.
//! The converter therefore reordered the rows of q and k inside every head of `d` rows, and reading undoes it:
//!
//!     Hugging Face row h·d + half·(d/2) + j  =  file row h·d + 2j + half        half ∈ {0, 1}, j < d/2
//!
//! Whole rows move, so the blocks of a quantised row stay whole. The families qwen2 and qwen3 are not reordered.

use super::Fault;
use super::header::Header;
use super::names::layer_part;
use super::value::required;
use crate::TensorInfo;
use std::ops::Range;

/// Heads of the reordered tensor `name` of a file, or `None` where rows lie as they should.
pub(super) fn reordered(header: &Header, name: &str, info: &TensorInfo) -> Result<Option<usize>, Fault> {
    let part = name.rsplit_once('.').and_then(|(stem, _)| layer_part(stem)).map(|(_, part)| part);
    if header.metadata.string("general.architecture")? != Some("llama") {
        return Ok(None);
    }
    let heads = match part {
        Some("attn_q") => query_heads(header)?,
        Some("attn_k") => key_heads(header)?,
        _ => return Ok(None),
    };
    check(name, info.shape.first().copied().unwrap_or(0), heads)?;
    Ok(Some(heads))
}

/// An error unless `rows` divide into `heads` of even size.
pub(super) fn check(name: &str, rows: usize, heads: usize) -> Result<(), Fault> {
    if rows == 0 || heads == 0 || !rows.is_multiple_of(heads) || !(rows / heads).is_multiple_of(2) {
        return Err(Fault::Heads { tensor: name.to_owned(), rows, heads });
    }
    Ok(())
}

fn query_heads(header: &Header) -> Result<usize, Fault> {
    let key = "llama.attention.head_count";
    required(key, header.metadata.uniform_count(key)?)
}

fn key_heads(header: &Header) -> Result<usize, Fault> {
    let found = header.metadata.uniform_count("llama.attention.head_count_kv")?;
    found.map_or_else(|| query_heads(header), Ok)
}

/// Some rows of a file, counted and ordered as in Hugging Face; `bytes` = `height` rows of equal length.
pub(super) fn restored(bytes: &[u8], height: usize, heads: usize, rows: Range<usize>) -> Vec<u8> {
    // Rows without numbers cost a file nothing, so there may be any number of them.
    if bytes.is_empty() {
        return Vec::new();
    }
    let width = bytes.len() / height;
    let half = height / heads / 2;
    let mut out = Vec::with_capacity(rows.len() * width);
    for row in rows {
        let (head, within) = (row / (2 * half), row % (2 * half));
        let from = head * 2 * half + 2 * (within % half) + within / half;
        out.extend_from_slice(&bytes[from * width..(from + 1) * width]);
    }
    out
}

/// All rows in the file's order: the reverse of [`restored`]; `values` = `height` rows of equal length.
pub(super) fn reordered_rows<T: Copy>(values: &[T], height: usize, heads: usize) -> Vec<T> {
    let (width, half) = (values.len() / height, height / heads / 2);
    let mut out = Vec::with_capacity(values.len());
    for row in 0..height {
        let (head, within) = (row / (2 * half), row % (2 * half));
        let from = head * 2 * half + within % 2 * half + within / 2;
        out.extend_from_slice(&values[from * width..(from + 1) * width]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the converter's own formula, `reshape(heads, 2, d/2).swapaxes(1, 2)`, written out.
    #[test]
    fn undoes_the_converters_order() {
        for (heads, size) in [(1, 2), (2, 6), (3, 4), (5, 8)] {
            let rows = heads * size;
            let mut file = vec![0_u8; 3 * rows];
            for (head, half, j) in
                (0..rows).map(|row| (row / size, row % size / (size / 2), row % (size / 2)))
            {
                let (ours, theirs) = (head * size + half * size / 2 + j, (head * size / 2 + j) * 2 + half);
                file[3 * theirs..3 * theirs + 3].copy_from_slice(&[ours as u8, 100, 101]);
            }
            let expected: Vec<u8> = (0..rows as u8).flat_map(|row| [row, 100, 101]).collect();
            assert_eq!(restored(&file, rows, heads, 0..rows), expected);
            assert_eq!(reordered_rows(&expected, rows, heads), file);
            for row in 0..rows {
                assert_eq!(restored(&file, rows, heads, row..row + 1), expected[3 * row..3 * row + 3]);
            }
        }
    }
}
