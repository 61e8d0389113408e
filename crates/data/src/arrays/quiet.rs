//! A target that is left alone once it has failed.
//!
//! An archive that is given up still writes its end, and prints on its own where that fails.

use std::io::{Error, ErrorKind, Result, Seek, SeekFrom, Write};

/// Passes on what is written until that fails; what comes after goes nowhere, and only places are kept.
#[derive(Debug)]
pub(super) struct Quiet<W> {
    pub target: W,
    pub failed: bool,
    position: u64,
    end: u64,
}

impl<W> Quiet<W> {
    pub fn new(target: W) -> Self {
        Self { target, failed: false, position: 0, end: 0 }
    }

    fn pass<T>(&mut self, ask: impl FnOnce(&mut W) -> Result<T>) -> Result<T> {
        let answer = ask(&mut self.target);
        if answer.as_ref().is_err_and(|error| error.kind() != ErrorKind::Interrupted) {
            (self.failed, self.position) = (true, self.end);
        }
        answer
    }

    fn at(&mut self, position: u64) -> u64 {
        (self.position, self.end) = (position, self.end.max(position));
        position
    }
}

impl<W: Write> Write for Quiet<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let count = if self.failed { bytes.len() } else { self.pass(|target| target.write(bytes))? };
        self.at(self.position + count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> Result<()> {
        if self.failed { Ok(()) } else { self.pass(W::flush) }
    }
}

impl<W: Seek> Seek for Quiet<W> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        if !self.failed {
            let position = self.pass(|target| target.seek(to))?;
            return Ok(self.at(position));
        }
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        let position = position.ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
        Ok(self.at(position))
    }

    fn stream_position(&mut self) -> Result<u64> {
        if self.failed {
            return Ok(self.position);
        }
        let position = self.pass(W::stream_position)?;
        Ok(self.at(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    /// A disk of so many bytes.
    struct Disk(Cursor<Vec<u8>>, usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            let fits = self.0.get_ref().len() + bytes.len() <= self.1;
            if fits { self.0.write(bytes) } else { Err(ErrorKind::StorageFull.into()) }
        }

        fn flush(&mut self) -> Result<()> {
            self.0.flush()
        }
    }

    impl Seek for Disk {
        fn seek(&mut self, to: SeekFrom) -> Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn an_archive_ends_on_a_full_disk() {
        let whole = |size: usize| {
            let mut archive = ZipWriter::new(Quiet::new(Disk(Cursor::new(Vec::new()), size)));
            let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
            let begun = archive.start_file("a", stored);
            let written = begun.is_ok() && archive.write_all(&[7; 100]).is_ok();
            // What would fail here, a drop would print of.
            (written, archive.finish().unwrap().failed)
        };
        assert_eq!(whole(1000), (true, false));
        assert_eq!(whole(60), (false, true));
    }
}
