//! Patterns of names, and what is said of one that no name fits.

use crate::Error;
use rankine_checkpoint::nearest;

/// Names that a message shows.
const SHOWN: usize = 3;

/// Whether a name fits a pattern, in which `*` stands for anything and `?` for one character.
pub(super) fn is_like(name: &[u8], pattern: &[u8]) -> bool {
    // Where to go on when what follows the last star does not fit: the star takes one character more.
    let (mut at, mut next, mut retry) = (0, 0, None);
    while at < name.len() {
        match pattern.get(next) {
            Some(b'*') => {
                retry = Some((at, next));
                next += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == name[at] => (at, next) = (at + 1, next + 1),
            _ => {
                let Some((start, star)) = retry else { return false };
                retry = Some((start + 1, star));
                (at, next) = (start + 1, star + 1);
            }
        }
    }
    pattern[next..].iter().all(|&letter| letter == b'*')
}

/// Says of a pattern that none of these names fits which one was perhaps meant.
pub(super) fn fits_none<'a>(pattern: &str, names: impl Iterator<Item = &'a str> + Clone) -> Error {
    let found = |instead, nearest| Error::NoTensor { pattern: pattern.to_owned(), instead, nearest };
    let around = |word: &str| {
        let wide = format!("*{word}*");
        let fitting = names.clone().filter(|name| is_like(name.as_bytes(), wide.as_bytes()));
        let fitting: Vec<String> = fitting.take(SHOWN).map(str::to_owned).collect();
        (!fitting.is_empty()).then(|| found(Some(wide), fitting))
    };
    let wanted = pattern.trim_matches('*');
    let whole = nearest(wanted, names.clone(), SHOWN);
    let word = || nearest(wanted, names.clone().flat_map(|name| name.split('.')), 1).pop();
    match around(wanted) {
        Some(error) => error,
        None if whole.is_empty() => {
            word().and_then(|word| around(&word)).unwrap_or_else(|| found(None, whole))
        }
        None => found(None, whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_perhaps_meant_is_said() {
        const NAMES: [&str; 3] = [
            "model.layers.0.self_attn.q_proj.weight",
            "model.layers.1.self_attn.q_proj.weight",
            "model.norm.weight",
        ];
        for (pattern, expected, first) in [
            ("q_proj", Some("*q_proj*"), NAMES[0]),
            ("layers.1.", Some("*layers.1.*"), NAMES[1]),
            ("q_prj", Some("*q_proj*"), NAMES[0]),
            ("*nrom", Some("*norm*"), NAMES[2]),
            ("model.norms.weight", None, NAMES[2]),
        ] {
            let error = fits_none(pattern, NAMES.into_iter());
            let Error::NoTensor { instead, nearest, .. } = &error else { panic!("{error}") };
            assert_eq!((instead.as_deref(), nearest[0].as_str()), (expected, first), "{pattern}");
            let hint = error.hint().unwrap();
            assert!(hint.contains(first) && expected.is_none_or(|pattern| hint.contains(pattern)), "{hint}");
        }
        let error = fits_none("qqqqqq.qqqqqq", NAMES.into_iter());
        assert!(error.to_string().contains("`qqqqqq.qqqqqq`") && error.hint().unwrap().contains("--headers"));
    }

    #[test]
    fn patterns_fit_whole_names() {
        for (name, pattern, fits) in [
            ("model.layers.3.q_proj.weight", "*q_proj*", true),
            ("model.layers.3.q_proj.weight", "model.layers.?.*.weight", true),
            ("model.layers.13.q_proj.weight", "model.layers.?.*.weight", false),
            ("a.b.a.c", "a*a.c", true),
            ("a.b", "a", false),
            ("a", "a**", true),
            ("", "", true),
            ("", "?", false),
        ] {
            assert_eq!(is_like(name.as_bytes(), pattern.as_bytes()), fits, "{name} {pattern}");
        }
    }
}
