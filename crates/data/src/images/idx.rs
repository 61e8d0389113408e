//! IDX files of bytes, the format of MNIST and Fashion-MNIST; plain or compressed with gzip.
//!
//! ```text
//! 00 00 08 n    n sizes: u32, big-endian    their product of bytes, the last size innermost
//! ```

use super::Fault;
use crate::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use std::{
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

/// The most bytes of values that are read; Fashion-MNIST has 47 million.
pub const LIMIT: usize = 1 << 30;

/// An array of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Its shape, outermost first; 1 to 4 sizes.
    pub sizes: Vec<usize>,
    /// Its values; as many as the product of the sizes.
    pub values: Vec<u8>,
}

/// Reads a file; gzip is told by its first two bytes.
///
/// # Errors
/// [`Error::Io`]; [`Error::Images`] with [`Fault::NotIdx`], [`Fault::TooLarge`] or [`Fault::Length`].
pub fn read(path: &Path) -> Result<Idx> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let mut file = BufReader::new(std::fs::File::open(path).map_err(io)?);
    match file.fill_buf().map_err(io)?.starts_with(&[0x1f, 0x8b]) {
        true => parse(MultiGzDecoder::new(file), path),
        false => parse(file, path),
    }
}

/// Reads uncompressed bytes; `path` stands in messages.
///
/// # Errors
/// As [`read`].
pub fn parse(mut reader: impl Read, path: &Path) -> Result<Idx> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let fault = |fault| Error::Images { path: path.to_owned(), fault };
    let magic: [u8; 4] = word(&mut reader).map_err(io)?;
    let [0, 0, 8, dimensions @ 1..=4] = magic else {
        return Err(fault(Fault::NotIdx { found: magic }));
    };
    let mut sizes = Vec::new();
    for _ in 0..dimensions {
        sizes.push(u32::from_be_bytes(word(&mut reader).map_err(io)?) as usize);
    }
    let product = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    let Some(expected) = product.filter(|&bytes| bytes <= LIMIT) else {
        return Err(fault(Fault::TooLarge { sizes, limit: LIMIT }));
    };
    // Grows with what is really there: a lying header allocates nothing.
    let mut values = Vec::new();
    reader.take(expected as u64 + 1).read_to_end(&mut values).map_err(io)?;
    if values.len() != expected {
        return Err(fault(Fault::Length { sizes, expected, found: values.len() }));
    }
    Ok(Idx { sizes, values })
}

fn word(reader: &mut impl Read) -> io::Result<[u8; 4]> {
    let mut word = [0; 4];
    reader.read_exact(&mut word)?;
    Ok(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const FILE: [u8; 18] = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6];

    fn parsed(bytes: &[u8]) -> Result<Idx> {
        parse(bytes, Path::new("x.idx"))
    }

    fn fault(bytes: &[u8]) -> Fault {
        match parsed(bytes) {
            Err(Error::Images { fault, .. }) => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_is_read_plain_and_compressed() {
        let expected = Idx { sizes: vec![2, 3], values: vec![1, 2, 3, 4, 5, 6] };
        let folder = tempfile::tempdir().unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&FILE).unwrap();
        for (name, bytes) in [("plain", FILE.to_vec()), ("gzip", gzip.finish().unwrap())] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read(&path).unwrap(), expected);
        }
    }

    #[test]
    fn every_truncation_and_every_extension_is_an_error() {
        assert!((0..FILE.len()).all(|length| parsed(&FILE[..length]).is_err()));
        let longer = fault(&[&FILE[..], &[7]].concat());
        assert!(matches!(longer, Fault::Length { expected: 6, found: 7, .. }), "{longer:?}");
        assert!(matches!(fault(&FILE[..15]), Fault::Length { expected: 6, found: 3, .. }));
    }

    #[test]
    fn lying_headers_are_refused_without_allocating() {
        let huge = [&[0, 0, 8, 4][..], &[255; 16]].concat();
        assert!(matches!(fault(&huge), Fault::TooLarge { .. }));
        let large = [&[0, 0, 8, 1][..], &[0x3f, 0xff, 0xff, 0xff, 1]].concat();
        assert!(matches!(fault(&large), Fault::Length { found: 1, .. }));
        for magic in [[0, 0, 9, 1], [0, 1, 8, 1], [0, 0, 8, 0], [0, 0, 8, 5]] {
            let found = fault(&[&magic[..], &[0; 20]].concat());
            assert!(matches!(found, Fault::NotIdx { .. }), "{magic:?}");
        }
    }
}
