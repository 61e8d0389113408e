//! Merges of a SentencePiece vocabulary that lists only pieces and scores.
//!
//! SentencePiece joins, at every step, the two neighbours whose union has the best score. Listing every way to cut
//! a piece into two pieces, ordered by the score of the whole (then by longer left, then longer right part, then by
//! place in the vocabulary), gives BPE the same order: the conversion that transformers uses.

use std::collections::HashMap;

/// No piece of a trained vocabulary is longer; the work below grows with the square of the length.
const LONGEST: usize = 256;

/// The merges, best first.
pub(super) fn merges(tokens: &[String], scores: &[f32]) -> Vec<(String, String)> {
    let ids: HashMap<&str, usize> =
        tokens.iter().enumerate().map(|(id, token)| (token.as_str(), id)).collect();
    let mut cuts = Vec::new();
    for (id, token) in tokens.iter().enumerate() {
        if token.len() <= LONGEST && ids.get(token.as_str()) == Some(&id) {
            cuts.extend(cuts_of(token, scores.get(id).copied().unwrap_or(f32::NEG_INFINITY), &ids));
        }
    }
    // A stable sort: equal cuts keep the vocabulary's order.
    cuts.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| (b.lengths).cmp(&a.lengths)));
    cuts.into_iter().map(|cut| (cut.left.to_owned(), cut.right.to_owned())).collect()
}

struct Cut<'a> {
    left: &'a str,
    right: &'a str,
    score: f32,
    /// Characters left and right.
    lengths: (usize, usize),
}

fn cuts_of<'a>(token: &'a str, score: f32, ids: &HashMap<&str, usize>) -> Vec<Cut<'a>> {
    let characters = token.chars().count();
    let mut cuts: Vec<_> = token
        .char_indices()
        .enumerate()
        .skip(1)
        .filter_map(|(count, (at, _))| {
            let (left, right) = token.split_at(at);
            let places = (*ids.get(left)?, *ids.get(right)?);
            Some((places, Cut { left, right, score, lengths: (count, characters - count) }))
        })
        .collect();
    cuts.sort_by_key(|(places, _)| *places);
    cuts.into_iter().map(|(_, cut)| cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_score_comes_first_then_the_longer_left_part() {
        let tokens: Vec<String> = ["a", "b", "ab", "bb", "abb"].map(String::from).into();
        let scores = [0.0, 0.0, -2.0, -1.0, -3.0];
        let merges = merges(&tokens, &scores);
        let pairs: Vec<_> = merges.iter().map(|(left, right)| (left.as_str(), right.as_str())).collect();
        assert_eq!(pairs, [("b", "b"), ("a", "b"), ("ab", "b"), ("a", "bb")]);
    }
}
