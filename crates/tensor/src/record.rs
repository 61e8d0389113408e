//! How an operation of ours enters the backend's tape.
//!
//! An operation computes its output on slices and hands over a [`Grad`]: what it saved, and how output gradients become
//! input gradients. Inputs that no variable reaches cost nothing: their gradient is never asked for, and when none
//! is tracked nothing is saved at all.

use crate::{Tensor, tensor::flex};
use burn::backend::{
    Autodiff, BackendTensor, DispatchKindConversion, DispatchTensor, DispatchTensorKind, Flex,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    flex::FlexTensor,
    tensor::FloatTensor,
};
use std::{fmt::Debug, marker::PhantomData};

type Taped = Autodiff<Flex, NoCheckpointing>;
type TapedTensor = FloatTensor<Taped>;

/// What an operation saved for its backward pass.
pub(crate) trait Grad: Clone + Send + Debug + 'static {
    /// Gradients of the inputs, in order; `None` where `needed` is false. Lengths are those of the inputs.
    fn gradients(&self, output: &[f32], needed: &[bool]) -> Vec<Option<Vec<f32>>>;
}

#[derive(Clone, Debug)]
struct State<S, const N: usize> {
    saved: S,
    shapes: [Vec<usize>; N],
}

#[derive(Debug)]
struct Operation<S, const N: usize>(PhantomData<S>);

impl<S: Grad, const N: usize> Backward<Flex, N> for Operation<S, N> {
    type State = State<S, N>;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let output = gradients.consume::<Flex>(&ops.node);
        let output = if output.as_slice::<f32>().is_some() { output } else { output.to_contiguous() };
        let needed = ops.parents.each_ref().map(Option::is_some);
        let inputs = ops.state.saved.gradients(output.as_slice::<f32>().unwrap_or_default(), &needed);
        for ((parent, values), shape) in ops.parents.iter().zip(inputs).zip(&ops.state.shapes) {
            if let (Some(parent), Some(values)) = (parent, values) {
                gradients.register::<Flex>(parent.id, flex(values, shape));
            }
        }
    }
}

/// The arrays behind `inputs`; `None` when one of them lies on another backend, so that the caller falls back.
pub(crate) fn arrays<const N: usize>(inputs: [&Tensor; N]) -> Option<[FlexTensor; N]> {
    let arrays: Vec<FlexTensor> = inputs.iter().filter_map(|input| input.flex()).collect();
    arrays.try_into().ok()
}

/// Puts an output of ours on the tape of its `inputs`; `save` runs only when one of them is tracked.
pub(crate) fn record<S: Grad, const N: usize>(
    inputs: [&Tensor; N],
    values: Vec<f32>,
    shape: &[usize],
    save: impl FnOnce() -> S,
) -> Tensor {
    record_array(inputs, flex(values, shape), save)
}

/// The same for an output that the backward pass keeps too, in a clone that shares its numbers.
pub(crate) fn record_array<S: Grad, const N: usize>(
    inputs: [&Tensor; N],
    output: FlexTensor,
    save: impl FnOnce() -> S,
) -> Tensor {
    if !inputs.iter().any(|input| input.is_tracked()) {
        return Tensor::from_flex(output);
    }
    let parents = inputs.map(|input| taped(input).node());
    let prepared = Operation::<S, N>(PhantomData).prepare::<NoCheckpointing>(parents).compute_bound();
    let taped = match prepared.stateful() {
        OpsKind::Tracked(tracked) => {
            let shapes = inputs.map(Tensor::shape);
            tracked.finish(State { saved: save(), shapes }, output)
        }
        OpsKind::UnTracked(untracked) => untracked.finish(output),
    };
    Tensor {
        handle: <DispatchTensor as DispatchKindConversion<Taped>>::from_backend(BackendTensor::Float(taped)),
    }
}

/// The tape's handle of an input; constants get a fresh one that asks for no gradient.
fn taped(input: &Tensor) -> TapedTensor {
    if let DispatchTensorKind::Autodiff(inner) = &input.handle.kind
        && let DispatchTensorKind::Flex(BackendTensor::Autodiff(tensor)) = inner.as_ref()
    {
        return tensor.clone();
    }
    TapedTensor::new(input.flex().unwrap_or_else(|| flex(vec![0.0], &[1])))
}
