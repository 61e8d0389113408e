//! The backend's operations as methods: elementwise arithmetic with broadcasting, products, reductions, shapes.
//!
//! Broadcasting is numpy's for equal ranks: sizes agree or one of them is 1.

use crate::{Error, Result, Tensor};
use burn::backend::{Dispatch, ops::FloatTensorOps};
use burn::tensor::{Shape, Slice};
use rankine_kernels::gemm::{self, Matrix};

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident => $operation:ident;)*) => {
        impl Tensor {
            $($(#[$doc])* pub fn $name(&self) -> Self {
                Self::from_handle(Dispatch::$operation(self.handle.clone()))
            })*
        }
    };
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident => $operation:ident;)*) => {
        impl Tensor {
            $($(#[$doc])* pub fn $name(&self, other: &Self) -> Result<Self> {
                self.broadcasts(other, stringify!($name))?;
                Ok(Self::from_handle(Dispatch::$operation(self.handle.clone(), other.handle.clone())))
            })*
        }
    };
}

unary! {
    /// −x.
    neg => float_neg;
    /// eˣ.
    exp => float_exp;
    /// Natural logarithm.
    ln => float_log;
    /// √x.
    sqrt => float_sqrt;
    /// |x|.
    abs => float_abs;
    /// The error function of x.
    erf => float_erf;
    /// tanh x.
    tanh => float_tanh;
    /// 1/x.
    recip => float_recip;
    /// Sum of all numbers; shape `[1]`.
    sum => float_sum;
    /// Mean of all numbers; shape `[1]`.
    mean => float_mean;
}

binary! {
    /// Elementwise sum.
    add => float_add;
    /// Elementwise difference.
    sub => float_sub;
    /// Elementwise product.
    mul => float_mul;
    /// Elementwise quotient.
    div => float_div;
}

impl Tensor {
    fn broadcasts(&self, other: &Self, operation: &'static str) -> Result<()> {
        let (a, b) = (self.shape(), other.shape());
        let fits = a.len() == b.len() && a.iter().zip(&b).all(|(&x, &y)| x == y || x == 1 || y == 1);
        if fits { Ok(()) } else { Err(Error::shape(operation, "shapes that broadcast", &[&a, &b])) }
    }

    /// Every number times `factor`.
    pub fn scale(&self, factor: f32) -> Self {
        Self::from_handle(Dispatch::float_mul_scalar(self.handle.clone(), factor.into()))
    }

    /// Every number plus `term`.
    pub fn shift(&self, term: f32) -> Self {
        Self::from_handle(Dispatch::float_add_scalar(self.handle.clone(), term.into()))
    }

    /// max(x, 0).
    pub fn relu(&self) -> Self {
        Self::from_handle(Dispatch::float_clamp_min(self.handle.clone(), 0.0.into()))
    }

    /// min(max(x, 0), 6).
    pub fn relu6(&self) -> Self {
        Self::from_handle(Dispatch::float_clamp(self.handle.clone(), 0.0.into(), 6.0.into()))
    }

    /// 1/(1 + e⁻ˣ).
    pub fn sigmoid(&self) -> Self {
        self.neg().exp().shift(1.0).recip()
    }

    /// Matrix product over the last two axes; leading axes broadcast.
    pub fn matmul(&self, other: &Self) -> Result<Self> {
        let (a, b) = (self.shape(), other.shape());
        let rank = a.len();
        let fits = rank >= 2
            && b.len() == rank
            && a[rank - 1] == b[rank - 2]
            && a[..rank - 2].iter().zip(&b[..rank - 2]).all(|(&x, &y)| x == y || x == 1 || y == 1);
        if !fits {
            return Err(Error::shape("matmul", "inner sizes that agree", &[&a, &b]));
        }
        Ok(Self::from_handle(Dispatch::float_matmul(self.handle.clone(), other.handle.clone())))
    }

    /// self − scale·b·a off the tape, in one pass over new memory; self: [m, n], b: [m, r], a: [r, n].
    pub fn minus_product(&self, b: &Self, a: &Self, scale: f32) -> Result<Self> {
        let ([m, n], left, right) =
            (self.matrix("minus_product")?, b.matrix("minus_product")?, a.matrix("minus_product")?);
        if left[0] != m || right[1] != n || left[1] != right[0] {
            let expected = "shapes [m, n], [m, r] and [r, n]";
            return Err(Error::shape("minus_product", expected, &[&[m, n], &left, &right]));
        }
        let mut values = self.to_vec();
        b.read(|b| {
            a.read(|a| {
                let (b, a) = (Matrix::new(b, m, left[1]), Matrix::new(a, left[1], n));
                gemm::matmul(&mut values, b, a, -scale, true);
            });
        });
        Self::new(values, &[m, n])
    }

    /// The last two axes swapped.
    pub fn t(&self) -> Result<Self> {
        let shape = self.shape();
        if shape.len() < 2 {
            return Err(Error::shape("t", "rank 2 or more", &[&shape]));
        }
        Ok(Self::from_handle(Dispatch::float_transpose(self.handle.clone())))
    }

    /// The axes in another order.
    pub fn permute(&self, axes: &[usize]) -> Result<Self> {
        let mut sorted = axes.to_vec();
        sorted.sort_unstable();
        if sorted != (0..self.shape().len()).collect::<Vec<_>>() {
            return Err(Error::shape(
                "permute",
                format!("a permutation of the axes, not {axes:?}"),
                &[&self.shape()],
            ));
        }
        Ok(Self::from_handle(Dispatch::float_permute(self.handle.clone(), axes)))
    }

    /// The same numbers in another shape.
    pub fn reshape(&self, shape: &[usize]) -> Result<Self> {
        if shape.is_empty() || shape.iter().product::<usize>() != self.elements() {
            return Err(Error::shape(
                "reshape",
                format!("as many numbers as {shape:?} holds"),
                &[&self.shape()],
            ));
        }
        Ok(Self::from_handle(Dispatch::float_reshape(self.handle.clone(), Shape::from(shape.to_vec()))))
    }

    /// `length` entries of `axis` from `start` on.
    pub fn narrow(&self, axis: usize, start: usize, length: usize) -> Result<Self> {
        let shape = self.shape();
        if axis >= shape.len() || start + length > shape[axis] {
            return Err(Error::shape(
                "narrow",
                format!("entries {start}..{} of axis {axis}", start + length),
                &[&shape],
            ));
        }
        let slices: Vec<Slice> = shape
            .iter()
            .enumerate()
            .map(
                |(index, &size)| {
                    if index == axis { (start..start + length).into() } else { (0..size).into() }
                },
            )
            .collect();
        Ok(Self::from_handle(Dispatch::float_slice(self.handle.clone(), &slices)))
    }

    /// Joins tensors that differ in `axis` only.
    pub fn concat(tensors: &[Self], axis: usize) -> Result<Self> {
        let shapes: Vec<Vec<usize>> = tensors.iter().map(Self::shape).collect();
        let fits = |shape: &Vec<usize>| {
            axis < shape.len()
                && shape.len() == shapes[0].len()
                && (0..shape.len()).all(|index| index == axis || shape[index] == shapes[0][index])
        };
        if tensors.is_empty() || !shapes.iter().all(fits) {
            let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
            return Err(Error::shape(
                "concat",
                format!("one or more shapes that differ in axis {axis} only"),
                &shapes,
            ));
        }
        let handles = tensors.iter().map(|tensor| tensor.handle.clone()).collect();
        Ok(Self::from_handle(Dispatch::float_cat(handles, axis)))
    }

    /// Sum over `axis`, which stays with size 1.
    pub fn sum_axis(&self, axis: usize) -> Result<Self> {
        self.has_axis(axis, "sum_axis")?;
        Ok(Self::from_handle(Dispatch::float_sum_dim(self.handle.clone(), axis)))
    }

    /// Mean over `axis`, which stays with size 1.
    pub fn mean_axis(&self, axis: usize) -> Result<Self> {
        self.has_axis(axis, "mean_axis")?;
        Ok(Self::from_handle(Dispatch::float_mean_dim(self.handle.clone(), axis)))
    }

    /// Largest number along `axis`, which stays with size 1; a constant, for stable softmax.
    pub fn max_axis(&self, axis: usize) -> Result<Self> {
        self.has_axis(axis, "max_axis")?;
        Ok(Self::from_handle(Dispatch::float_max_dim(self.detach().handle, axis)))
    }

    /// ln Σ eˣ along `axis`, which stays with size 1.
    pub fn log_sum_exp(&self, axis: usize) -> Result<Self> {
        let largest = self.max_axis(axis)?;
        self.sub(&largest)?.exp().sum_axis(axis)?.ln().add(&largest)
    }

    fn has_axis(&self, axis: usize, operation: &'static str) -> Result<()> {
        let shape = self.shape();
        if axis < shape.len() {
            Ok(())
        } else {
            Err(Error::shape(operation, format!("an axis {axis}"), &[&shape]))
        }
    }
}
