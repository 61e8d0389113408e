//! Names that are nearly right: the edit distance behind "the nearest names are …".

/// Longer names are not compared: the cost is the product of the lengths.
const LONGEST: usize = 256;

/// The `count` names nearest to `wanted`, best first, each once; names that have little in common are left out.
pub(crate) fn nearest<'a>(
    wanted: &str,
    names: impl IntoIterator<Item = &'a str>,
    count: usize,
) -> Vec<String> {
    let limit = wanted.chars().count() / 2;
    let mut scored: Vec<(usize, &str)> = names
        .into_iter()
        .filter(|name| name.len() <= LONGEST && wanted.len() <= LONGEST)
        .map(|name| (edit_distance(wanted, name), name))
        .filter(|&(distance, _)| distance <= limit)
        .collect();
    scored.sort();
    scored.dedup();
    scored.into_iter().take(count).map(|(_, name)| name.to_owned()).collect()
}

/// Levenshtein: the fewest insertions, deletions and replacements that turn `left` into `right`.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshtein() {
        for (left, right, distance) in [("kitten", "sitting", 3), ("", "abc", 3), ("q_proj", "q_proj", 0)] {
            assert_eq!(edit_distance(left, right), distance);
            assert_eq!(edit_distance(right, left), distance);
        }
    }

    #[test]
    fn the_nearest_come_first_and_strangers_do_not_come() {
        let names = ["k_proj", "q_proj", "down_proj", "embed_tokens", "q_proj"];
        assert_eq!(nearest("q_prj", names, 2), ["q_proj", "k_proj"]);
        assert!(nearest("zzzz", names, 3).is_empty());
    }
}
