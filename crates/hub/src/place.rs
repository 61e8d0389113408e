//! Where caches lie, from the environment's variables. The lookup is an argument, so nothing here reads the
//! environment itself.

use std::ffi::OsString;
use std::path::PathBuf;

/// Rankine's cache: `$RANKINE_CACHE`, else `$XDG_CACHE_HOME/rankine`, else `$HOME/.cache/rankine` (on Windows
/// `%LOCALAPPDATA%\rankine`); `None` if none of them is set.
pub fn default_cache(lookup: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let under = |name: &str, tail: &str| variable(lookup, name).map(|root| root.join(tail));
    variable(lookup, "RANKINE_CACHE")
        .or_else(|| under("XDG_CACHE_HOME", "rankine"))
        .or_else(|| under("HOME", ".cache/rankine"))
        .or_else(|| under("LOCALAPPDATA", "rankine"))
}

/// The cache of Hugging Face's tools: `$HF_HUB_CACHE`, else `$HF_HOME/hub`, else
/// `$XDG_CACHE_HOME/huggingface/hub`, else `$HOME/.cache/huggingface/hub`.
pub fn hugging_face_cache(lookup: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let under = |name: &str, tail: &str| variable(lookup, name).map(|root| root.join(tail));
    variable(lookup, "HF_HUB_CACHE")
        .or_else(|| under("HF_HOME", "hub"))
        .or_else(|| under("XDG_CACHE_HOME", "huggingface/hub"))
        .or_else(|| under("HOME", ".cache/huggingface/hub"))
        .or_else(|| under("USERPROFILE", ".cache/huggingface/hub"))
}

/// A variable that is set but empty counts as not set.
fn variable(lookup: &dyn Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    lookup(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
    }

    #[test]
    fn the_more_special_variable_wins() {
        let all = [("RANKINE_CACHE", "/a"), ("XDG_CACHE_HOME", "/b"), ("HOME", "/c")];
        assert_eq!(default_cache(&with(&all)), Some("/a".into()));
        assert_eq!(default_cache(&with(&all[1..])), Some("/b/rankine".into()));
        assert_eq!(default_cache(&with(&all[2..])), Some("/c/.cache/rankine".into()));
        assert_eq!(default_cache(&with(&[])), None);
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let pairs = [("RANKINE_CACHE", ""), ("HOME", "/c")];
        assert_eq!(default_cache(&with(&pairs)), Some("/c/.cache/rankine".into()));
    }

    #[test]
    fn hugging_face_variables_are_those_of_its_own_library() {
        let all = [("HF_HUB_CACHE", "/a"), ("HF_HOME", "/b"), ("HOME", "/c")];
        assert_eq!(hugging_face_cache(&with(&all)), Some("/a".into()));
        assert_eq!(hugging_face_cache(&with(&all[1..])), Some("/b/hub".into()));
        assert_eq!(hugging_face_cache(&with(&all[2..])), Some("/c/.cache/huggingface/hub".into()));
    }
}
