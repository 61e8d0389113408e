//! Packing: examples into groups of at most so many tokens.
//!
//! First fit: an example goes to the first open group with room. The oldest groups close first, so that the time
//! stays linear: those still open after so many others have little room left.

/// Groups that may still take an example.
const OPEN: usize = 256;

/// Groups of indices into `lengths`, filled in the order of `order` up to `budget` tokens each; `[group][member]`. An
/// example longer than the budget gets a group of its own.
pub(crate) fn first_fit(lengths: &[usize], order: &[usize], budget: usize) -> Vec<Vec<usize>> {
    let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
    for &index in order {
        let length = lengths[index];
        let open = groups.len().saturating_sub(OPEN);
        match groups[open..].iter_mut().find(|(used, _)| used.saturating_add(length) <= budget) {
            Some((used, members)) => {
                *used += length;
                members.push(index);
            }
            None => groups.push((length, vec![index])),
        }
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

/// Groups of neighbours: the order stays.
pub(crate) fn next_fit(lengths: &[usize], budget: usize) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut used = 0_usize;
    for (index, &length) in lengths.iter().enumerate() {
        match groups.last_mut().filter(|_| used.saturating_add(length) <= budget) {
            Some(group) => {
                used += length;
                group.push(index);
            }
            None => {
                used = length;
                groups.push(vec![index]);
            }
        }
    }
    groups
}
