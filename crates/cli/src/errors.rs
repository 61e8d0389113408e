//! How errors are shown:
//!
//! ```text
//! error: what went wrong
//!   while what was being done
//!   caused by what lies beneath
//!
//! hint: how to mend it
//! ```
//!
//! Contexts are strings that begin with `while`; everything else in the chain is an error of a library.

use std::error::Error;
use std::io::Write as _;

/// Nobody reads stdout any more.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
pub struct Closed;

/// A fault that a command finds itself.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A fault without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// A fault and how to mend it.
    pub fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }
}

/// Whether the only fault is that the reader of stdout went away.
pub fn is_closed_output(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<Closed>())
}

/// Writes an error, what was being done, its causes and its hint to stderr.
pub fn show(error: &anyhow::Error, color: bool) {
    // Nobody can be told that stderr is closed.
    let _ = std::io::stderr().write_all(render(error, color).as_bytes());
}

fn render(error: &anyhow::Error, color: bool) -> String {
    let paint =
        |style: &str, text: &str| if color { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() };
    // Those of TOML end with a line break.
    let message = |error: &(dyn Error + 'static)| error.to_string().trim_end().to_owned();
    let messages: Vec<String> = error.chain().map(message).collect();
    let (contexts, causes): (Vec<_>, Vec<_>) =
        messages.iter().partition(|message| message.starts_with("while "));
    let (first, causes) =
        causes.split_first().map_or(("unknown", [].as_slice()), |(first, rest)| (first.as_str(), rest));
    let mut text = format!("{} {first}\n", paint("1;31", "error:"));
    // The innermost context is the nearest to the fault.
    for context in contexts.iter().rev() {
        text += &format!("  {context}\n");
    }
    let mut above = first;
    for cause in causes {
        // Some messages repeat their cause.
        if !above.contains(cause.as_str()) {
            text += &format!("  caused by {cause}\n");
        }
        above = cause;
    }
    if let Some(hint) = error.chain().find_map(hint) {
        text += &format!("\n{} {hint}\n", paint("1;36", "hint:"));
    }
    text
}

/// What a library says that the user can do.
fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    macro_rules! libraries {
        ($($library:ident),*) => {
            $(if let Some(error) = error.downcast_ref::<$library::Error>() { return error.hint(); })*
        };
    }
    libraries!(
        rankine_run,
        rankine_surgery,
        rankine_analyze,
        rankine_train,
        rankine_method,
        rankine_nn,
        rankine_data,
        rankine_hub,
        rankine_checkpoint,
        rankine_linalg,
        rankine_solve,
        rankine_report,
        rankine_tensor
    );
    error.downcast_ref::<Failure>().and_then(|failure| failure.hint.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn the_fault_comes_first_and_the_hint_last() {
        let fault: Result<(), Failure> = Err(Failure::with_hint("the rank is 0", "give `--rank 8`"));
        let error = fault.context("while attaching `lora`").context("while training").unwrap_err();
        let expected =
            "error: the rank is 0\n  while attaching `lora`\n  while training\n\nhint: give `--rank 8`\n";
        assert_eq!(render(&error, false), expected);
        assert!(render(&error, true).starts_with("\x1b[1;31merror:\x1b[0m "));
    }

    #[test]
    fn a_library_s_hint_and_its_causes_are_found() {
        let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = rankine_hub::Error::Io { action: "write", path: "/cache".into(), source };
        let text = render(&anyhow::Error::from(error).context("while pulling"), false);
        assert!(text.starts_with("error: could not write `/cache`\n  while pulling\n  caused by "), "{text}");
        assert!(text.contains("\n\nhint: the disk of `/cache` is full"), "{text}");
    }

    #[test]
    fn only_a_closed_output_is_quiet() {
        assert!(is_closed_output(&anyhow::Error::from(Closed).context("while speaking")));
        assert!(!is_closed_output(&std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()));
    }
}
