//! A weight with its place in a model.

use crate::{Leaf, Model, Result, Weight, weight::Dense};
use rankine_tensor::{Frozen, Tensor, Var};

/// What a weight does in its model: which methods may take it over, and whether it decays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A linear map [out, in].
    Linear,
    /// The taps of a convolution [out, in, height, width].
    Convolution,
    /// The output head [vocabulary, d].
    Head,
    /// A table of rows [vocabulary, d].
    Embedding,
    /// The factors of a norm [d].
    Norm,
    /// An added vector [out].
    Bias,
}

/// A weight, its dotted path as in the checkpoint (`model.layers.0.self_attn.q_proj.weight`), and its kind.
pub struct Parameter {
    path: String,
    kind: Kind,
    transposed: bool,
    groups: usize,
    /// The weight, in whatever structure.
    pub weight: Box<dyn Weight>,
}

impl Parameter {
    /// A weight in its place.
    pub fn new(path: String, kind: Kind, weight: Box<dyn Weight>) -> Self {
        Self { path, kind, transposed: false, groups: 1, weight }
    }

    /// A frozen parameter.
    pub fn frozen(path: String, kind: Kind, value: impl Into<Frozen>) -> Self {
        Self::new(path, kind, Box::new(Dense::frozen(value)))
    }

    /// The same of a matrix that lies in the checkpoint as [in, out]; the weight is [out, in].
    pub fn transposed(self) -> Self {
        Self { transposed: true, ..self }
    }

    /// The same of a convolution in groups, whose outputs see a share of the inputs each.
    pub fn grouped(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// The tensor's name in the checkpoint.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The module's name: the path without its last word.
    pub fn module(&self) -> &str {
        self.path.rsplit_once('.').map_or(self.path.as_str(), |(module, _)| module)
    }

    /// What it does in the model.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the checkpoint holds it as [in, out].
    pub fn is_transposed(&self) -> bool {
        self.transposed
    }

    /// Into how many groups a convolution is divided; 1 for everything else.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// A value of this weight, [out, in], as the checkpoint holds it.
    pub fn in_file(&self, value: &Tensor) -> Result<Tensor> {
        if !self.transposed {
            return Ok(value.clone());
        }
        let [outputs, inputs] = value.matrix("transposed weight")?;
        Ok(Tensor::new(value.t()?.to_vec(), &[inputs, outputs])?)
    }
}

/// Where a trained leaf stands in its model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number among the trained leaves.
    pub index: usize,
    /// Path of its parameter and its own name: `model.layers.0.mlp.up_proj.weight/a`.
    pub name: String,
    /// Kind of its parameter.
    pub kind: Kind,
}

/// Visits every trained leaf of a model, in the model's order.
pub fn for_each_trained(model: &(impl Model + ?Sized), visit: &mut dyn FnMut(Place, &Var)) {
    let mut index = 0;
    for parameter in model.parameters() {
        parameter.weight.leaves(&mut |leaf_name, leaf| {
            if let Leaf::Trained(variable) = leaf {
                visit(parameter.place(index, leaf_name), variable);
                index += 1;
            }
        });
    }
}

/// The same, to change them.
pub fn for_each_trained_mut(model: &mut (impl Model + ?Sized), visit: &mut dyn FnMut(Place, &mut Var)) {
    let mut index = 0;
    for parameter in model.parameters_mut() {
        let Parameter { path, kind, weight, .. } = parameter;
        weight.leaves_mut(&mut |leaf_name, leaf| {
            if let Leaf::Trained(variable) = leaf {
                visit(Place { index, name: format!("{path}/{leaf_name}"), kind: *kind }, variable);
                index += 1;
            }
        });
    }
}

/// What the weights of a model add to its loss: the mean over those that add something; shape [1].
pub fn penalty(model: &(impl Model + ?Sized)) -> Result<Option<Tensor>> {
    let mut penalties = Vec::new();
    for parameter in model.parameters() {
        penalties.extend(parameter.weight.penalty()?);
    }
    let count = penalties.len() as f32;
    let Some(first) = penalties.pop() else {
        return Ok(None);
    };
    let sum = penalties.iter().try_fold(first, |sum, penalty| sum.add(penalty))?;
    Ok(Some(sum.scale(count.recip())))
}

impl Parameter {
    fn place(&self, index: usize, leaf: &str) -> Place {
        Place { index, name: format!("{}/{leaf}", self.path), kind: self.kind }
    }
}
