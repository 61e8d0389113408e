//! How large a YAML text gets once its aliases stand for what their anchors mark.
//!
//! The loader copies what they stand for: ten lines of aliases of aliases would fill any memory. So it is counted first.

use saphyr::Marker;
use saphyr_parser::{Event, Parser};
use std::collections::HashMap;

/// The most keys and values of a recipe.
const NODES: u64 = 1_000_000;

/// The most lists and mappings in one another; those who walk through them call themselves.
const DEPTH: u64 = 100;

/// Of a node with all that is in it.
#[derive(Clone, Copy)]
struct Extent {
    nodes: u64,
    depth: u64,
}

const ONE: Extent = Extent { nodes: 1, depth: 1 };

/// What is too much of `text`, and where that is seen; `None` too where it is no YAML, which the loader says.
pub(super) fn excess(text: &str) -> Option<(&'static str, Marker)> {
    let mut anchors: HashMap<usize, Extent> = HashMap::new();
    // Anchor, 0 where there is none, and what was seen so far of every list or mapping around.
    let mut open: Vec<(usize, Extent)> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        let (anchor, extent) = match event {
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                open.push((anchor, ONE));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop()?,
            Event::Scalar(_, _, anchor, _) => (anchor, ONE),
            Event::Alias(anchor) => (0, anchors.get(&anchor).copied().unwrap_or(ONE)),
            _ => continue,
        };
        if anchor != 0 {
            anchors.insert(anchor, extent);
        }
        if let Some((_, around)) = open.last_mut() {
            around.nodes = around.nodes.saturating_add(extent.nodes);
            around.depth = around.depth.max(extent.depth + 1);
            if NODES < around.nodes {
                return Some(("with its aliases a recipe of more than a million entries", span.start));
            }
            if DEPTH < around.depth {
                return Some(("more than a hundred lists and mappings in one another", span.start));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubled(levels: usize) -> String {
        let level = |at: usize| format!("x-{}: &x{} [*x{at}, *x{at}]\n", at + 1, at + 1);
        ["x-0: &x0 [1]\n".to_owned()].into_iter().chain((0..levels).map(level)).collect()
    }

    #[test]
    fn aliases_of_aliases_are_counted_and_not_copied() {
        assert!(excess(&doubled(12)).is_none());
        for levels in [20, 80] {
            let (what, at) = excess(&doubled(levels)).unwrap();
            assert!(what.contains("aliases") && at.line() < 22, "{what} {}", at.line());
        }
        let many = format!("x: &x {{a: 1}}\nb:\n{}", "  - *x\n".repeat(2000));
        assert!(excess(&many).is_none());
    }

    #[test]
    fn depth_is_that_of_aliases_too() {
        let chain = |length: usize| -> String {
            let link = |at: usize| format!("x-{}: &x{} [*x{at}]\n", at + 1, at + 1);
            ["x-0: &x0 [1]\n".to_owned()].into_iter().chain((0..length).map(link)).collect()
        };
        assert!(excess(&chain(90)).is_none());
        assert!(excess(&chain(120)).unwrap().0.contains("in one another"));
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(excess(&nested(90)).is_none() && excess(&nested(110)).is_some());
    }

    #[test]
    fn what_is_no_yaml_is_left_to_the_loader() {
        assert!(excess("a: [1").is_none() && excess("a: *nowhere").is_none() && excess("").is_none());
    }
}
