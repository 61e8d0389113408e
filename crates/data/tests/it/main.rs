//! The crate from outside: agreement with transformers, files in every format, broken files.

#[cfg(test)]
mod arrays;
#[cfg(test)]
mod broken;
#[cfg(test)]
mod encoding;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod gguf;
#[cfg(test)]
mod images;
#[cfg(test)]
mod labelled;
#[cfg(test)]
mod masks;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod tokenizers;
