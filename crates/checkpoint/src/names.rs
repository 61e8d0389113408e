//! Names that are nearly right, behind "the nearest names are …".

/// Longer names are not compared: the cost is the product of the lengths.
const LONGEST: usize = 256;

/// The `count` names nearest to `wanted`, best first, each once; names that have little in common are left out.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>, count: usize) -> Vec<String> {
    let limit = wanted.chars().count() / 2;
    let mut scored: Vec<(usize, &str)> = names
        .into_iter()
        .filter(|name| name.len() <= LONGEST && wanted.len() <= LONGEST)
        .map(|name| (strsim::levenshtein(wanted, name), name))
        .filter(|&(distance, _)| distance <= limit)
        .collect();
    scored.sort();
    scored.dedup();
    scored.into_iter().take(count).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_strangers_do_not_come() {
        let names = ["k_proj", "q_proj", "down_proj", "embed_tokens", "q_proj"];
        assert_eq!(nearest("q_prj", names, 2), ["q_proj", "k_proj"]);
        assert!(nearest("zzzz", names, 3).is_empty());
    }
}
