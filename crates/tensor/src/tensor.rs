//! An f32 array of run-time rank.

use crate::{Error, Gradients, Result, kept::Recipe};
use burn::backend::{
    AutodiffBackend, BackendTensor, Dispatch, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind,
    TensorMetadata as _, flex::FlexTensor,
};
use burn::tensor::{Shape, TensorData};
use std::borrow::Cow;

/// An f32 array of rank 1 or more, row-major; clones share the data. Scalars have shape `[1]`.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub(crate) handle: DispatchTensor,
    /// How operations get the numbers for their backward pass, where they should not keep them.
    pub(crate) recipe: Option<Recipe>,
}

impl Tensor {
    /// A constant from row-major `values`.
    pub fn new(values: Vec<f32>, shape: &[usize]) -> Result<Self> {
        if shape.is_empty() || shape.iter().product::<usize>() != values.len() {
            return Err(Error::shape(
                "Tensor::new",
                format!("a shape of {} numbers", values.len()),
                &[shape],
            ));
        }
        Ok(Self::constant(values, shape))
    }

    /// `new` for shapes that are right by construction.
    pub(crate) fn constant(values: Vec<f32>, shape: &[usize]) -> Self {
        Self::from_flex(flex(values, shape))
    }

    /// All zeros.
    pub fn zeros(shape: &[usize]) -> Self {
        Self::constant(vec![0.0; shape.iter().product()], shape)
    }

    /// One number; shape `[1]`.
    pub fn scalar(value: f32) -> Self {
        Self::constant(vec![value], &[1])
    }

    pub(crate) fn from_handle(handle: DispatchTensor) -> Self {
        Self { handle, recipe: None }
    }

    pub(crate) fn from_flex(tensor: FlexTensor) -> Self {
        let kind = DispatchTensorKind::Flex(BackendTensor::Float(tensor));
        Self::from_handle(DispatchTensor { kind, autodiff: DispatchAutodiffContext::Disabled })
    }

    /// Row-major shape, outermost first.
    pub fn shape(&self) -> Vec<usize> {
        self.handle.kind.shape().to_vec()
    }

    /// How many numbers it holds.
    pub fn elements(&self) -> usize {
        self.shape().iter().product()
    }

    /// Rows and columns of a matrix; an error for other ranks.
    pub fn matrix(&self, operation: &'static str) -> Result<[usize; 2]> {
        match self.shape().as_slice() {
            &[rows, columns] => Ok([rows, columns]),
            other => Err(Error::shape(operation, "a matrix", &[other])),
        }
    }

    /// The numbers, row-major.
    pub fn to_vec(&self) -> Vec<f32> {
        let flex = self.flex().unwrap_or_else(|| self.through_host());
        flex.as_slice::<f32>().map(Cow::Borrowed).unwrap_or_default().into_owned()
    }

    /// Reads the numbers, row-major, without copying them where they lie in one piece.
    pub fn read<R>(&self, reader: impl FnOnce(&[f32]) -> R) -> R {
        let flex = self.flex().unwrap_or_else(|| self.through_host());
        reader(flex.as_slice::<f32>().unwrap_or_default())
    }

    /// Whether shape and numbers are those of `other`.
    pub fn is_equal(&self, other: &Self) -> bool {
        self.shape() == other.shape() && self.read(|own| other.read(|others| own == others))
    }

    /// The one number of a scalar (the first one of a larger tensor, NaN of an empty one).
    pub fn item(&self) -> f32 {
        self.read(|values| values.first().copied().unwrap_or(f32::NAN))
    }

    /// The same numbers, out of reach of the backward pass.
    pub fn detach(&self) -> Self {
        match self.is_autodiff() {
            true => Self::from_handle(Dispatch::inner(self.handle.clone())),
            false => self.clone(),
        }
    }

    /// Changes the numbers in place, off the tape; they are copied only where something else still holds them.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut [f32]) -> R) -> R {
        if self.is_autodiff() {
            *self = self.detach();
        }
        self.recipe = None;
        match &mut self.handle.kind {
            DispatchTensorKind::Flex(BackendTensor::Float(array)) if array.as_slice::<f32>().is_some() => {
                change(array.storage_mut::<f32>())
            }
            _ => {
                let mut values = self.to_vec();
                let result = change(&mut values);
                *self = Self::constant(values, &self.shape());
                result
            }
        }
    }

    /// Whether a trained variable reaches this value.
    pub fn is_tracked(&self) -> bool {
        self.is_autodiff() && Dispatch::is_tracked(&self.handle)
    }

    /// Gradients of this scalar with respect to every variable that reached it. The tape is consumed.
    pub fn backward(&self) -> Result<Gradients> {
        if !self.is_tracked() {
            return Err(Error::NotTracked);
        }
        Ok(Gradients::new(Dispatch::backward(self.handle.clone())))
    }

    pub(crate) fn is_autodiff(&self) -> bool {
        self.handle.autodiff != DispatchAutodiffContext::Disabled
    }

    /// The contiguous CPU array behind the handle; `None` on another backend.
    pub(crate) fn flex(&self) -> Option<FlexTensor> {
        let tensor = match &self.handle.kind {
            DispatchTensorKind::Flex(BackendTensor::Float(tensor)) => tensor,
            DispatchTensorKind::Autodiff(inner) => match inner.as_ref() {
                DispatchTensorKind::Flex(BackendTensor::Autodiff(tensor)) => tensor.primitive(),
                _ => return None,
            },
            _ => return None,
        };
        Some(match tensor.as_slice::<f32>() {
            Some(_) => tensor.clone(),
            None => tensor.to_contiguous(),
        })
    }

    /// A copy on the CPU of a tensor of another backend.
    fn through_host(&self) -> FlexTensor {
        let data: burn::Tensor<1> = burn::Tensor::from_dispatch(self.detach().handle);
        FlexTensor::from_data(data.into_data().convert::<f32>())
    }
}

/// A CPU array that takes over `values`.
pub(crate) fn flex(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::from(shape.to_vec())))
}
