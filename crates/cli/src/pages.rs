//! Pages that are written beside an answer, `--html FILE` and the like, and take the place of nothing but a page.

use crate::disk;
use crate::errors::Failure;
use anyhow::Result;
use rankine_report::Page;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What a page is written as.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Html,
    Markdown,
    Figure,
}

impl Kind {
    /// How such a file begins, in small letters.
    fn beginning(self) -> &'static str {
        match self {
            Self::Html => "<!doctype html",
            Self::Markdown => "# ",
            Self::Figure => "<svg",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Html => "HTML page",
            Self::Markdown => "Markdown page",
            Self::Figure => "SVG figure",
        }
    }
}

/// What the head of our pages of HTML has.
const MARK: &str = "name=\"generator\" content=\"rankine\"";

/// Where a page goes, if one was asked for.
#[derive(Debug)]
pub struct PageFile {
    path: Option<PathBuf>,
    inputs: Vec<PathBuf>,
}

impl PageFile {
    /// A page of HTML, before the work for it begins.
    ///
    /// # Errors
    /// As [`check`].
    pub fn html(path: Option<&Path>, inputs: Vec<PathBuf>) -> Result<Self> {
        if let Some(path) = path {
            check(path, Kind::Html, &inputs)?;
        }
        Ok(Self { path: path.map(Path::to_owned), inputs })
    }

    /// Writes what `page` makes.
    ///
    /// # Errors
    /// As [`write`].
    pub fn write(&self, page: impl FnOnce() -> Page) -> Result<()> {
        match &self.path {
            Some(path) => write(path, (Kind::Html, page().html().as_bytes()), &self.inputs),
            None => Ok(()),
        }
    }
}

/// An error unless a page may be written to `path`: that is none of the `inputs`, lies inside none of them, and what is there is
/// such a page, or empty.
pub fn check(path: &Path, kind: Kind, inputs: &[PathBuf]) -> Result<()> {
    rankine_surgery::check_apart(path, inputs)?;
    if path.symlink_metadata().is_ok() && !is_page(path, kind) {
        let message = format!(
            "`{}` is there and no {} of `rankine`, so it is not replaced",
            path.display(),
            kind.name()
        );
        return Err(Failure::with_hint(message, "choose another file, or remove this one yourself").into());
    }
    Ok(())
}

/// Writes a page, whole or not at all.
///
/// # Errors
/// As [`check`], and when writing fails.
pub fn write(path: &Path, (kind, page): (Kind, &[u8]), inputs: &[PathBuf]) -> Result<()> {
    // Once more: the work took its time.
    check(path, kind, inputs)?;
    disk::write(path, page)
}

/// Whether the file begins as such a page does, of HTML one of ours, or is empty. Scripts and recipes begin with a comment as Markdown
/// does with a title: it goes by its name too.
fn is_page(path: &Path, kind: Kind) -> bool {
    const BLANKS: usize = 64;
    // The mark stands before the title.
    const HEAD: u64 = 1024;
    let mut bytes = Vec::new();
    let is_file = path.metadata().is_ok_and(|found| found.is_file());
    if !is_file || File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut bytes)).is_err() {
        return false;
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}').trim_start().to_lowercase();
    let is_ours = match kind {
        Kind::Html => text.contains(MARK),
        Kind::Markdown => path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("md")),
        Kind::Figure => true,
    };
    (text.is_empty() && bytes.len() < BLANKS) || (is_ours && text.starts_with(kind.beginning()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_page_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        assert!(check(&path, Kind::Html, &[]).is_ok());
        for (text, kind, is_taken) in [
            ("", Kind::Html, true),
            (
                "\u{feff}\n<!DocType HTML>\n<html><meta name=\"generator\" content=\"rankine\"/>",
                Kind::Html,
                true,
            ),
            ("<!doctype html>\n<html>", Kind::Html, false),
            (&Page::new("any").html(), Kind::Html, true),
            ("<html>", Kind::Html, false),
            ("{\"weights\": 1}", Kind::Html, false),
            ("\u{8}\0\0\0\0\0\0\0{}", Kind::Html, false),
            ("# Title\n", Kind::Html, false),
            ("# comment\n", Kind::Markdown, false),
            ("<svg xmlns=", Kind::Figure, true),
            (&" ".repeat(500), Kind::Html, false),
        ] {
            std::fs::write(&path, text).unwrap();
            let written = write(&path, (kind, b"new"), &[]);
            assert_eq!(written.is_ok(), is_taken, "{text:?} {kind:?}");
            let expected = if is_taken { "new" } else { text };
            assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        }
        let titled = folder.path().join("page.md");
        std::fs::write(&titled, "# Title\n").unwrap();
        assert!(check(&titled, Kind::Markdown, &[]).is_ok());
        let error = check(folder.path(), Kind::Html, &[]).unwrap_err();
        assert!(error.to_string().contains("no HTML page"), "{error}");
    }

    #[test]
    fn a_page_is_no_input_and_lies_inside_none() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model");
        std::fs::create_dir(&model).unwrap();
        let [inside, beside] = [model.as_path(), folder.path()].map(|folder| folder.join("page.html"));
        std::fs::write(&beside, Page::new("any").html()).unwrap();
        assert!(check(&beside, Kind::Html, std::slice::from_ref(&model)).is_ok());
        assert!(check(&inside, Kind::Html, &[model]).unwrap_err().to_string().contains("lies inside"));
        let read = check(&beside, Kind::Html, std::slice::from_ref(&beside)).unwrap_err();
        assert!(read.to_string().contains("is read from it"), "{read}");
    }
}
