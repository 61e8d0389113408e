//! What the classes of a head are called, where the model or the data name them: one rule for texts and images.
//!
//! transformers calls classes that nobody named `LABEL_0`, `LABEL_1` and so on, others write their numbers alone: such names
//! are placeholders, and tell nothing.

/// Names of classes that have none.
pub(crate) fn numbered(classes: usize) -> Vec<String> {
    (0..classes).map(|class| format!("LABEL_{class}")).collect()
}

/// What the classes of a head for `head` of them are called, where those of data, `own` in the order that a new head would have
/// them, can be told by it; `known` are the names that it has. They stay where the data use them or numbers, and give way to
/// the data's where they are placeholders, or there are none.
pub(crate) fn named(known: Option<&[String]>, head: usize, own: &[String]) -> Option<Vec<String>> {
    let is_number = |(at, name): (usize, &String)| *name == at.to_string();
    let is_placeholder =
        |(at, name): (usize, &String)| is_number((at, name)) || *name == format!("LABEL_{at}");
    // Who names one `LABEL_1` means that one of the head, and the names beside it are wrong.
    let is_meant = |name: &String| name.parse::<usize>().is_err();
    match known {
        Some(known) if own.iter().all(|name| known.contains(name)) => Some(known.to_vec()),
        _ if own.len() != head => None,
        Some(known) if own.iter().enumerate().all(is_number) => Some(known.to_vec()),
        Some(known) if !known.iter().enumerate().all(is_placeholder) => None,
        Some(known) if own.iter().any(|name| known.contains(name) && is_meant(name)) => None,
        _ => Some(own.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn kept(known: Option<&[&str]>, head: usize, own: &[&str]) -> Option<Vec<String>> {
        named(known.map(names).as_deref(), head, &names(own))
    }

    #[test]
    fn a_head_stays_where_it_can_tell_the_classes() {
        let three = ["dog", "bird", "cat"];
        let (pets, digits) = (["cat", "dog"], ["0", "1"]);
        assert_eq!(kept(Some(&three), 3, &pets).unwrap(), three, "by their names, though there are fewer");
        assert_eq!(kept(Some(&["shirt", "shoe"]), 2, &digits).unwrap(), ["shirt", "shoe"]);
        assert_eq!(kept(None, 3, &pets), None);
        assert_eq!(kept(Some(&["shirt", "shoe"]), 2, &pets), None);
        assert_eq!(kept(Some(&three), 3, &digits), None, "numbers are no classes of a larger head");
    }

    #[test]
    fn placeholders_give_way_to_names() {
        let (pets, digits, labels) = (["cat", "dog"], ["0", "1"], ["LABEL_0", "LABEL_1"]);
        assert_eq!(kept(None, 2, &pets).unwrap(), pets);
        for known in [&labels, &digits] {
            assert_eq!(kept(Some(known), 2, &pets).unwrap(), pets, "{known:?}");
            assert_eq!(kept(Some(known), 2, &digits).unwrap(), *known, "{known:?}");
            assert_eq!(kept(Some(known), 2, &["1", "2"]).unwrap(), ["1", "2"], "{known:?}");
            assert_eq!(kept(Some(known), 2, &labels).unwrap(), labels, "{known:?}");
            assert_eq!(kept(Some(known), 2, &["bird", "cat", "dog"]), None, "{known:?}");
        }
        assert_eq!(kept(Some(&labels), 2, &["LABEL_1"]).unwrap(), labels, "these are names of the head");
        assert_eq!(kept(Some(&labels), 2, &["LABEL_1", "dog"]), None, "and one of them is no other class");
    }
}
