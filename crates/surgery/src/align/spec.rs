//! Which axes of which tensors are permuted together, without a change of what the model computes.
//!
//! A group has units; a layout says how they lie along an axis of a tensor:
//!
//! ```text
//! axis = sections × units × width        a matrix of linear layers:        1 × n × 1
//!                                        behind a flattened convolution:   1 × channels × pixels
//!                                        heads of an attention:            1 × heads × head_dim
//!                                        query, key and value in one:      3 × heads × head_dim
//! ```
//!
//! Where query heads share key and value heads, units are query heads, `shared` of them beside each other go with one key and
//! value head, and layouts that are `outer` hold these.

use super::build::Builder;
use super::{chain, images, transformers};
use crate::{Error, Result, Subject};
use indexmap::IndexMap;
use rankine_checkpoint::thin::is_thin;
use rankine_checkpoint::{Network, chain_of};
use std::collections::HashSet;

/// What the units of a group are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnitKind {
    /// Hidden neurons of an MLP or a plain network, or channels inside a block.
    Hidden,
    /// Attention heads, whole.
    Heads,
    /// Channels of a residual stream, which all that reads or writes it shares.
    Residual,
}

/// Units that are permuted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The module, or where the stream begins.
    pub name: String,
    /// What the units are.
    pub kind: UnitKind,
    /// How many there are.
    pub units: usize,
    /// Query heads that share a key and value head, and stay together; 1 of everything else.
    pub shared: usize,
}

/// How the units of a group lie along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Place of the group.
    pub group: usize,
    /// How often all of them follow each other.
    pub sections: usize,
    /// Numbers of a unit along the axis.
    pub width: usize,
    /// Key and value heads rather than query heads.
    pub outer: bool,
}

/// Where units lie along an axis that a map reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadUnits {
    /// Place of the group.
    pub group: usize,
    /// How many there are.
    pub units: usize,
    /// Numbers of a unit, beside each other.
    pub width: usize,
}

/// The symmetries of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PermutationSpec {
    pub(super) groups: Vec<Group>,
    /// Of every tensor with such axes, the axes and their layouts, ascending.
    pub(super) axes: IndexMap<String, Vec<(usize, Layout)>>,
    /// Tensors of which nothing is known: the residual stream stays because of them.
    pub(super) strangers: Vec<String>,
}

impl UnitKind {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Hidden, Self::Heads, Self::Residual];

    /// Its word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hidden => "mlp",
            Self::Heads => "heads",
            Self::Residual => "residual",
        }
    }
}

impl PermutationSpec {
    /// What of these kinds can be permuted in a model. Without a configuration it is taken for a plain chain of layers with
    /// functions of single numbers between, in the order of the file, or in that of the numbers in the names.
    ///
    /// # Errors
    /// When tensors are missing, layers are thin, the order of a chain cannot be told, or a configuration says that it is none.
    pub fn of(subject: Subject<'_>, kinds: &[UnitKind]) -> Result<Self> {
        subject.check()?;
        let tensors = subject.tensors();
        if is_thin(tensors) {
            return Err(Error::Thin { path: subject.path().to_owned() });
        }
        let mut build = Builder::new(tensors.infos());
        let built = match subject {
            Subject::Texts(model) => {
                transformers::texts(model.config(), &mut build);
                Ok(())
            }
            Subject::Images(model) => network(model.network(), &mut build),
            Subject::Bare(bare) => {
                bare.check_plain()?;
                rankine_checkpoint::chain(build.infos()).map(|layers| chain::chain(&layers, &mut build))
            }
        };
        let spec = built.and_then(|()| build.finish());
        let spec = spec.map_err(|name| Error::Structure { path: subject.path().to_owned(), name })?;
        let wanted: Vec<bool> = spec.groups.iter().map(|group| kinds.contains(&group.kind)).collect();
        Ok(spec.kept(&wanted))
    }

    /// The groups, in the order of the model.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Tensors that no rule knows; where there are some the residual stream is no group.
    pub fn strangers(&self) -> &[String] {
        &self.strangers
    }

    /// Whether something of the tensor `name` may be permuted.
    pub fn is_permuted(&self, name: &str) -> bool {
        self.axes.contains_key(name)
    }

    /// The units that lie one after the other along an axis of the tensor `name`.
    pub fn units_along(&self, name: &str, axis: usize) -> Option<ReadUnits> {
        let (_, layout) = self.axes.get(name)?.iter().find(|(found, _)| *found == axis)?;
        let &Layout { group, sections, width, outer } = layout;
        let Group { units, .. } = self.groups[group];
        (sections == 1 && !outer).then_some(ReadUnits { group, units, width })
    }

    /// Tensors with permuted axes, and these, ascending.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (&str, &[(usize, Layout)])> {
        self.axes.iter().map(|(name, axes)| (name.as_str(), axes.as_slice()))
    }

    /// Of every group, the others with which it shares a tensor.
    pub(crate) fn neighbours(&self) -> Vec<HashSet<usize>> {
        let mut neighbours = vec![HashSet::new(); self.groups.len()];
        for axes in self.axes.values() {
            for (_, one) in axes {
                let others = axes.iter().map(|(_, other)| other.group).filter(|other| *other != one.group);
                neighbours[one.group].extend(others);
            }
        }
        neighbours
    }

    /// Without the groups that are not wanted.
    pub(super) fn kept(self, wanted: &[bool]) -> Self {
        let mut places = Vec::with_capacity(self.groups.len());
        let mut groups = Vec::new();
        for (group, &is_wanted) in self.groups.into_iter().zip(wanted) {
            places.push(is_wanted.then_some(groups.len()));
            groups.extend(is_wanted.then_some(group));
        }
        let moved =
            |(axis, layout): (usize, Layout)| Some((axis, Layout { group: places[layout.group]?, ..layout }));
        let mut axes: IndexMap<String, Vec<(usize, Layout)>> = IndexMap::new();
        for (name, all) in self.axes {
            let left: Vec<_> = all.into_iter().filter_map(moved).collect();
            if !left.is_empty() {
                axes.insert(name, left);
            }
        }
        Self { groups, axes, strangers: self.strangers }
    }
}

/// The symmetries of a network for images, or the name of a tensor that is not as was thought.
fn network(network: &Network, build: &mut Builder<'_>) -> Result<(), String> {
    match network {
        Network::Vit(sizes) => transformers::vit(sizes, build),
        Network::MobileNetV2 => images::mobilenet_v2(build),
        Network::ResNet => images::resnet(build),
        Network::Chain(layers) => chain::chain(&chain_of(build.infos(), &layers.modules())?, build),
    }
    Ok(())
}
