//! How much a method would train of a model: nothing is attached, nothing is written.

use crate::{
    Result, TargetSection,
    classify::{give_head, tells_classes},
    ground::thought_of,
    images,
    kind::Runnable,
    targeted::load_targeted,
};
use indexmap::IndexMap;
use rankine_checkpoint::{Checkpoint, ImageCheckpoint, layer_and_role};
use rankine_method::{Choice, Counted, Cut, Method, count as count_weights};
use rankine_nn::{models::Storage, weight::counts};
use rankine_train::{Classify, ClassifyImages, NextToken};
use serde::Serialize;
use std::path::Path;

/// What a method would train of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Count {
    /// Numbers of the model.
    pub numbers: usize,
    /// Weights that are taken over.
    pub weights: usize,
    /// Numbers that are trained.
    pub trained: usize,
    /// Numbers of the adapter's file; `None` where they depend on more than shapes and ranks.
    pub written: Option<usize>,
    /// The ranks are averages: where they go is told by data.
    pub averages: bool,
    /// Weights that get less than the rank that was asked for, where that is allowed.
    pub capped: Option<Cut>,
    /// Modules that are trained whole beside, such as a head; nothing of them is counted above.
    pub whole: Vec<String>,
    /// Weights of one role and shape, in the model's order.
    pub groups: Vec<Group>,
}

/// Weights that do the same in every layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Their name behind the number of the layer, such as `mlp.up_proj`.
    pub role: String,
    /// Shape of each.
    pub shape: Vec<usize>,
    /// How many there are.
    pub weights: usize,
    /// The smallest and the largest rank.
    pub ranks: [usize; 2],
    /// Numbers that are trained in all of them.
    pub trained: usize,
}

/// Counts what `method` would train of the model at `path` with these targets. The head of a model that tells texts or images
/// apart, which is trained whole beside the method, is not counted among them; where it has none, one of two classes is thought
/// of.
///
/// # Errors
/// As a run: when the model cannot be read, the targets or the ranks do not fit it, or a setting is out of its range.
pub fn count(path: &Path, method: &Choice, targets: &TargetSection) -> Result<Count> {
    if let Some(mut images) = ImageCheckpoint::open(path)? {
        if images.head_classes().is_none() {
            images::give_head(&mut images, &thought_of(), 0);
        }
        let whole = images::trained_whole(&images, &targets.whole);
        let targets = TargetSection { whole, ..targets.clone() };
        return counted::<ClassifyImages>(&images, method, &targets);
    }
    let mut checkpoint = Checkpoint::open(path)?;
    if !tells_classes(&checkpoint)? {
        return counted::<NextToken>(&checkpoint, method, targets);
    }
    let whole = give_head(&mut checkpoint, &thought_of(), &targets.whole, 0);
    counted::<Classify>(&checkpoint, method, &TargetSection { whole, ..targets.clone() })
}

fn counted<T: Runnable>(files: &T::Files, method: &Choice, targets: &TargetSection) -> Result<Count> {
    targets.check(method)?;
    let cap = targets.capped(method);
    let method: &dyn Method = match &cap {
        Some(cap) => cap,
        None => method.method(),
    };
    let (model, modules) = load_targeted::<T>(files, (method, targets), Storage::File)?;
    let model = T::seen(model.as_ref());
    let weights = count_weights(model, method, &modules)?;
    Ok(Count {
        numbers: model.parameters().into_iter().map(|parameter| counts(parameter.weight.as_ref()).1).sum(),
        weights: weights.len(),
        trained: weights.iter().map(|weight| weight.trained).sum(),
        written: weights.iter().map(|weight| weight.written).sum(),
        averages: method.needs().principal.is_some(),
        capped: cap.as_ref().map(|cap| cap.cut(model, &modules)).transpose()?.flatten(),
        whole: targets.whole.clone(),
        groups: groups(&weights),
    })
}

fn groups(weights: &[Counted]) -> Vec<Group> {
    let mut groups: IndexMap<(String, &[usize]), Group> = IndexMap::new();
    for Counted { path, shape, rank, trained, .. } in weights {
        let role = role(path);
        let group = groups.entry((role.clone(), shape.as_slice())).or_insert_with(|| Group {
            role,
            shape: shape.clone(),
            weights: 0,
            ranks: [*rank; 2],
            trained: 0,
        });
        group.weights += 1;
        group.trained += trained;
        group.ranks = [group.ranks[0].min(*rank), group.ranks[1].max(*rank)];
    }
    groups.into_values().collect()
}

/// The name of a weight's module behind the number of its layer; all of it where nothing is.
fn role(path: &str) -> String {
    let module = path.rsplit_once('.').map_or(path, |(module, _)| module);
    let (_, role) = layer_and_role(module);
    if role.is_empty() { module.to_owned() } else { role.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_one_role_and_shape_are_one_group() {
        let weight = |path: &str, shape: [usize; 2], rank| Counted {
            path: path.to_owned(),
            shape: shape.to_vec(),
            rank,
            trained: 10 * rank,
            written: None,
        };
        let weights = [
            weight("model.layers.0.mlp.up_proj.weight", [4, 2], 3),
            weight("lm_head.weight", [9, 2], 1),
            weight("model.layers.1.mlp.up_proj.weight", [4, 2], 5),
            weight("model.layers.2.mlp.up_proj.weight", [6, 2], 1),
        ];
        let found: Vec<_> =
            groups(&weights).into_iter().map(|g| (g.role, g.shape, g.weights, g.ranks, g.trained)).collect();
        let expected = [
            ("mlp.up_proj", [4, 2], 2, [3, 5], 80),
            ("lm_head", [9, 2], 1, [1, 1], 10),
            ("mlp.up_proj", [6, 2], 1, [1, 1], 10),
        ]
        .map(|(role, shape, weights, ranks, trained)| {
            (role.to_owned(), shape.to_vec(), weights, ranks, trained)
        });
        assert_eq!(found, expected);
        assert_eq!(role("layers.0.weight"), "layers.0");
    }
}
