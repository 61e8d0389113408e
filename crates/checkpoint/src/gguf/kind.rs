//! What a file is that is not what it should be, told by its first bytes.

use std::fmt;

/// Kinds of files that people have under the name of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// No bytes at all.
    Empty,
    /// A zip archive; PyTorch's `.bin` and `.pt` files are such.
    Zip,
    /// A Python pickle.
    Pickle,
    /// A safetensors file.
    Safetensors,
    /// A web page, usually an error page saved under the model's name.
    Html,
    /// The pointer that git leaves in place of a large file.
    LfsPointer,
    /// A ggml file from before GGUF.
    OldGgml,
    /// A gzip archive.
    Gzip,
    /// A JSON document.
    Json,
    /// None of these; the first bytes.
    Unknown([u8; 4]),
}

impl FileKind {
    /// The kind of a file that starts with `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let text = bytes.trim_ascii_start();
        let starts = |magic: &[u8]| bytes.starts_with(magic);
        let says = |word: &[u8]| text.get(..word.len()).is_some_and(|text| text.eq_ignore_ascii_case(word));
        let ggml: [&[u8]; 4] = [b"lmgg", b"tjgg", b"fmgg", b"algg"];
        match bytes {
            [] => Self::Empty,
            _ if starts(b"PK\x03\x04") => Self::Zip,
            [0x80, 2..=5, ..] => Self::Pickle,
            [_, _, _, _, _, 0, 0, 0, b'{', ..] => Self::Safetensors,
            _ if says(b"<!doctype") || says(b"<html") || says(b"<?xml") => Self::Html,
            _ if starts(b"version https://git-lfs") => Self::LfsPointer,
            _ if ggml.into_iter().any(starts) => Self::OldGgml,
            [0x1F, 0x8B, ..] => Self::Gzip,
            _ if says(b"{") => Self::Json,
            _ => {
                let mut first = [0; 4];
                first.iter_mut().zip(bytes).for_each(|(first, &byte)| *first = byte);
                Self::Unknown(first)
            }
        }
    }

    /// How the user comes to the file that was meant.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Empty => "the download did not start; download the file again",
            Self::Zip | Self::Pickle => {
                "weights of torch are half a model: name the folder that holds them and `config.json`"
            }
            Self::Safetensors => {
                "name the folder with `config.json` that holds this file, not the file itself"
            }
            Self::Html => {
                "the server answered with a web page; download the file itself, signed in if it is gated"
            }
            Self::LfsPointer => {
                "fetch the real file with `git lfs pull`, or download it from the model's page"
            }
            Self::OldGgml => "files from before GGUF are not read; convert it again with a current llama.cpp",
            Self::Gzip => "unpack the archive first",
            Self::Json => "name the `.gguf` file, or the folder that holds `config.json`",
            Self::Unknown(_) => "check the path, and download the file again if it should be a GGUF file",
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty file"),
            Self::Zip => f.write_str("a zip archive, perhaps PyTorch weights"),
            Self::Pickle => f.write_str("a Python pickle"),
            Self::Safetensors => f.write_str("a safetensors file"),
            Self::Html => f.write_str("a web page"),
            Self::LfsPointer => f.write_str("a git-lfs pointer"),
            Self::OldGgml => f.write_str("a ggml file from before GGUF"),
            Self::Gzip => f.write_str("a gzip archive"),
            Self::Json => f.write_str("a JSON document"),
            Self::Unknown(first) => write!(f, "`{}`", first.escape_ascii()),
        }
    }
}
