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
    fn name(self) -> &'static str {
        match self {
            Self::Html => "HTML page",
            Self::Markdown => "Markdown page",
            Self::Figure => "SVG figure",
        }
    }
}

/// What the head of our pages of HTML has, and what those of Markdown begin with.
const MARK: &str = "name=\"generator\" content=\"rankine\"";
const MARKDOWN_MARK: &str = "<!-- written by rankine -->";

/// How much of a file is looked at: marks stand before the title.
const HEAD: u64 = 1024;

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

/// Writes a page, whole or not at all; one of Markdown behind our mark.
///
/// # Errors
/// As [`check`], and when writing fails.
pub fn write(path: &Path, (kind, page): (Kind, &[u8]), inputs: &[PathBuf]) -> Result<()> {
    // Once more: the work took its time.
    check(path, kind, inputs)?;
    match kind {
        Kind::Html | Kind::Figure => disk::write(path, page),
        Kind::Markdown => disk::write(path, &[MARKDOWN_MARK.as_bytes(), b"\n\n", page].concat()),
    }
}

/// Whether the file begins as such a page of ours does, a figure as any, or is empty.
fn is_page(path: &Path, kind: Kind) -> bool {
    const BLANKS: usize = 64;
    let Some(bytes) = first_bytes(path, HEAD) else { return false };
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}').trim_start().to_lowercase();
    let is_ours = match kind {
        Kind::Html => text.starts_with("<!doctype html") && text.contains(MARK),
        Kind::Markdown => text.starts_with(MARKDOWN_MARK) || (text.starts_with("# ") && is_unmarked(path)),
        Kind::Figure => text.starts_with("<svg"),
    };
    (text.is_empty() && bytes.len() < BLANKS) || is_ours
}

/// Whether this is a page of Markdown of a version that left no mark: its first figure, which is called after it, lies beside
/// it in the colours of our figures.
fn is_unmarked(path: &Path) -> bool {
    // Several times what stands before the first figure of any such page.
    const PAGE: u64 = 1 << 16;
    const COLOURS: &str = "--paper: #";
    let figure = format!("{}-1.svg", path.file_stem().unwrap_or_default().to_string_lossy());
    let holds = |path: &Path, most: u64, words: &str| {
        first_bytes(path, most).is_some_and(|bytes| String::from_utf8_lossy(&bytes).contains(words))
    };
    holds(path, PAGE, &format!("]({figure})")) && holds(&path.with_file_name(&figure), HEAD, COLOURS)
}

/// At most so many bytes of a file from its beginning; `None` where it is none or cannot be read.
fn first_bytes(path: &Path, most: u64) -> Option<Vec<u8>> {
    if !path.metadata().is_ok_and(|found| found.is_file()) {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_report::{Axis, Lines, Markdown, Series};

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
        let error = check(folder.path(), Kind::Html, &[]).unwrap_err();
        assert!(error.to_string().contains("no HTML page"), "{error}");
    }

    #[test]
    fn only_our_own_markdown_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("README.md");
        std::fs::write(folder.path().join("README-1.svg"), "<svg xmlns=\"http://www.w3.org/2000/svg\"/>")
            .unwrap();
        for text in ["# Mine\n", "# Mine\n\n![a curve](README-1.svg)\n", "<!-- mine -->\n\n# Mine\n"] {
            std::fs::write(&path, text).unwrap();
            let error = write(&path, (Kind::Markdown, b"# New\n"), &[]).unwrap_err();
            assert!(error.to_string().contains("no Markdown page of `rankine`"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        std::fs::write(&path, "").unwrap();
        for page in ["# New\n", "# Newer\n"] {
            write(&path, (Kind::Markdown, page.as_bytes()), &[]).unwrap();
            let written = std::fs::read_to_string(&path).unwrap();
            assert_eq!(written, format!("<!-- written by rankine -->\n\n{page}"));
        }
    }

    #[test]
    fn a_page_from_before_the_mark_is_ours() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let mut page = Page::new("Old");
        let curve = Lines::new("curve", Axis::linear("step"), Axis::linear("loss"));
        page.plot(curve.series(Series::new("x", [(0.0, 1.0), (1.0, 2.0)])));
        let Markdown { text, figures } = page.markdown("05-old");
        for name in ["05-old.md", "README.md"] {
            std::fs::write(place(name), &text).unwrap();
        }
        assert!(check(&place("05-old.md"), Kind::Markdown, &[]).is_err(), "without its figure");
        for (name, figure) in &figures {
            std::fs::write(place(name), figure).unwrap();
        }
        assert!(check(&place("README.md"), Kind::Markdown, &[]).is_err(), "under another name");
        write(&place("05-old.md"), (Kind::Markdown, text.as_bytes()), &[]).unwrap();
        let written = std::fs::read_to_string(place("05-old.md")).unwrap();
        assert!(written.starts_with(MARKDOWN_MARK) && written.ends_with(&text), "{written}");
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
