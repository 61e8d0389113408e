//! Layers in the order of their model.

use indexmap::IndexMap;
use rankine_checkpoint::Layer;

/// Lists in the order in which they are met, each from its first layer to its last.
pub(crate) fn sorted<V>(mut layers: IndexMap<Layer, V>) -> IndexMap<Layer, V> {
    let mut lists: IndexMap<String, usize> = IndexMap::new();
    for layer in layers.keys() {
        let next = lists.len();
        lists.entry(layer.list.clone()).or_insert(next);
    }
    layers.sort_by_cached_key(|layer, _| (lists.get(&layer.list).copied(), layer.index));
    layers
}

/// Their numbers where all are of one list, else their names.
pub(crate) fn names<'a>(layers: impl Iterator<Item = &'a Layer> + Clone) -> Vec<String> {
    let mut lists = layers.clone().map(|layer| &layer.list);
    let first = lists.next();
    let is_one = lists.all(|list| Some(list) == first);
    layers.map(|layer| if is_one { layer.index.to_string() } else { layer.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(names: &[(&str, usize)]) -> IndexMap<Layer, ()> {
        let layer = |&(list, index): &(&str, usize)| (Layer { list: list.to_owned(), index }, ());
        names.iter().map(layer).collect()
    }

    #[test]
    fn lists_follow_the_model_and_layers_their_numbers() {
        let found =
            sorted(layers(&[("layer2", 1), ("layer10", 0), ("layer2", 0), ("layer10", 11), ("layer10", 2)]));
        assert_eq!(names(found.keys()), ["layer2.0", "layer2.1", "layer10.0", "layer10.2", "layer10.11"]);
        assert_eq!(names(sorted(layers(&[("h", 10), ("h", 9)])).keys()), ["9", "10"]);
        assert!(names(layers(&[]).keys()).is_empty());
    }
}
