//! A frozen weight changed inside its own singular basis:
//!
//!     w = u · f(m) · vt                              u: [out, k]  vt: [k, in]  k = min(out, in)
//!     m = | diag(α∘σ₁ + β)         0         |       σ₁, α, β: [r]
//!         |       0         diag(σ₂) + x·y   |       σ₂: [k−r]  x: [k−r, d]  y: [d, k−r]
//!     loss += λ · (‖α∘σ₁ + β − σ₁‖ + ‖x·y‖_F)
//!
//! Trains alpha, beta, x and y: 2r + 2d·(k−r) numbers. f is a ReLU on all of m, on its diagonal part, or nothing; see
//! [`Relu`]. f(m) is never formed as a whole: the first block is a diagonal, and the second one is a diagonal and a
//! product of rank d wherever the ReLU leaves it alone. Applying costs t·k·(out + in) multiply-adds, and t·(k−r)² more
//! for the ReLU on all of m, or 2·t·(k−r)·d.
//!
//! r = 0 leaves out alpha and beta, r = k leaves out x and y.
//!
//! A convolution's taps are a matrix [out, in·height·width] to it: `folded` gives the dense weight their shape back.

use super::{Factors, Leaf, Leaves, Scope, Weight};
use crate::Result;
use rankine_tensor::{Tensor, Var, ops, untaped};
use serde::{Deserialize, Serialize};

/// Where negative entries of m are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relu {
    /// Everywhere, off the diagonal too: f(m) of the tail is not of low rank.
    #[default]
    Full,
    /// In diag(α∘σ₁ + β); σ₂ is not negative anyway, and x·y keeps its signs and its rank.
    Diag,
    /// Nowhere.
    None,
}

/// Singular vectors that stay, singular values that are scaled and shifted, and a tail with a low-rank term.
#[derive(Debug)]
pub struct Singular {
    u: Leaf,
    sigma: Leaf,
    vt: Leaf,
    /// alpha and beta; [r] each.
    top: Option<[Leaf; 2]>,
    /// x and y; [k−r, d] and [d, k−r].
    tail: Option<[Leaf; 2]>,
    relu: Relu,
    regularization: f32,
    /// Of the dense weight, where it is no matrix.
    shape: Option<Vec<usize>>,
}

impl Singular {
    /// From u: [out, k], sigma: [k] and vt: [k, in], with α = 1 and β = 0 for the first `top` values. The tail is x: [k−r, d]
    /// and y: [d, k−r]; there is none where `top` is k.
    pub fn new([u, sigma, vt]: [Tensor; 3], top: usize, tail: Option<[Tensor; 2]>) -> Result<Self> {
        let trained = |start: Tensor| Leaf::Trained(Var::from_tensor(&start));
        let ones = (0 < top).then(|| Tensor::new(vec![1.0; top], &[top])).transpose()?;
        let [u, sigma, vt] = [u, sigma, vt].map(|constant| Leaf::Frozen(constant.into()));
        Ok(Self {
            u,
            sigma,
            vt,
            top: ones.map(|ones| [ones, Tensor::zeros(&[top])].map(trained)),
            tail: tail.map(|tail| tail.map(trained)),
            relu: Relu::Full,
            regularization: 0.0,
            shape: None,
        })
    }

    /// Another f.
    pub fn with_relu(self, relu: Relu) -> Self {
        Self { relu, ..self }
    }

    /// λ.
    pub fn with_regularization(self, factor: f32) -> Self {
        Self { regularization: factor, ..self }
    }

    /// The dense weight has this shape, of as many numbers, and nothing but it is asked for where that is no matrix.
    pub fn folded(self, shape: &[usize]) -> Self {
        Self { shape: (shape.len() != 2).then(|| shape.to_vec()), ..self }
    }

    /// r and k − r.
    fn sizes(&self) -> [usize; 2] {
        let top = self.top.as_ref().map_or(0, |[alpha, _]| alpha.elements());
        [top, self.sigma.elements().saturating_sub(top)]
    }

    /// σ₁ and α∘σ₁ + β; [1, r] each.
    fn shifted(&self) -> Result<Option<[Tensor; 2]>> {
        let Some([alpha, beta]) = &self.top else { return Ok(None) };
        let [top, _] = self.sizes();
        let sigma = self.sigma.tensor().narrow(0, 0, top)?;
        let shifted = alpha.tensor().mul(&sigma)?.add(&beta.tensor())?;
        Ok(Some([sigma.reshape(&[1, top])?, shifted.reshape(&[1, top])?]))
    }

    /// f of the first block.
    fn cut(&self, shifted: &Tensor) -> Tensor {
        match self.relu {
            Relu::Full | Relu::Diag => shifted.relu(),
            Relu::None => shifted.clone(),
        }
    }

    /// t·f(m)ᵀ; t: [n, k] → [n, k].
    fn mix(&self, t: &Tensor) -> Result<Tensor> {
        let [top, rest] = self.sizes();
        let mut blocks = Vec::new();
        if let Some([_, shifted]) = self.shifted()? {
            blocks.push(t.narrow(1, 0, top)?.mul(&self.cut(&shifted))?);
        }
        if let Some([x, y]) = &self.tail {
            let (x, y, t) = (x.tensor(), y.tensor(), t.narrow(1, top, rest)?);
            let sigma = self.sigma.tensor().narrow(0, top, rest)?;
            blocks.push(match self.relu {
                Relu::Full => ops::linear(&t, &x.matmul(&y)?.add(&diagonal(&sigma)?)?.relu())?,
                Relu::Diag | Relu::None => {
                    let product = ops::linear(&ops::linear(&t, &y)?, &x)?;
                    t.mul(&sigma.reshape(&[1, rest])?)?.add(&product)?
                }
            });
        }
        Ok(Tensor::concat(&blocks, 1)?)
    }

    /// The update as it is now, `None` where it is not of low rank.
    fn learnt(&self) -> Result<Option<Factors>> {
        if self.relu == Relu::Full && self.tail.is_some() {
            return Ok(None);
        }
        let ([top, rest], u, vt) = (self.sizes(), self.u.tensor(), self.vt.tensor());
        let (mut left, mut right) = (Vec::new(), Vec::new());
        if let Some([sigma, shifted]) = self.shifted()? {
            left.push(u.narrow(1, 0, top)?.mul(&self.cut(&shifted).sub(&sigma)?)?);
            right.push(vt.narrow(0, 0, top)?);
        }
        if let Some([x, y]) = &self.tail {
            left.push(u.narrow(1, top, rest)?.matmul(&x.tensor())?);
            right.push(y.tensor().matmul(&vt.narrow(0, top, rest)?)?);
        }
        let (b, a) = (Tensor::concat(&left, 1)?, Tensor::concat(&right, 0)?);
        Ok(Some(Factors { rank: a.shape()[0], a: a.to_vec(), b: b.to_vec(), scale: 1.0 }))
    }
}

/// diag(values); values: [n] → [n, n].
fn diagonal(values: &Tensor) -> Result<Tensor> {
    let size = values.elements();
    let mut matrix = vec![0.0; size * size];
    values.read(|values| matrix.iter_mut().step_by(size + 1).zip(values).for_each(|(to, from)| *to = *from));
    Ok(Tensor::new(matrix, &[size, size])?)
}

/// ‖t‖_F with slope 0 where it is 0: there ‖t‖² stands for it; [1].
fn norm(t: &Tensor) -> Result<Tensor> {
    let square = t.mul(t)?.sum();
    Ok(if square.item() > 0.0 { square.sqrt() } else { square })
}

impl Leaves for Singular {
    fn leaves(&self, visit: &mut dyn FnMut(&str, &Leaf)) {
        visit("u", &self.u);
        visit("sigma", &self.sigma);
        visit("vt", &self.vt);
        if let Some([alpha, beta]) = &self.top {
            visit("alpha", alpha);
            visit("beta", beta);
        }
        if let Some([x, y]) = &self.tail {
            visit("x", x);
            visit("y", y);
        }
    }

    fn leaves_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Leaf)) {
        visit("u", &mut self.u);
        visit("sigma", &mut self.sigma);
        visit("vt", &mut self.vt);
        if let Some([alpha, beta]) = &mut self.top {
            visit("alpha", alpha);
            visit("beta", beta);
        }
        if let Some([x, y]) = &mut self.tail {
            visit("x", x);
            visit("y", y);
        }
    }
}

impl Weight for Singular {
    fn dense(&self) -> Result<Tensor> {
        let mixed = self.mix(&self.vt.tensor().t()?)?;
        let dense = ops::linear(&self.u.tensor(), &mixed)?;
        Ok(match &self.shape {
            Some(shape) => dense.reshape(shape)?,
            None => dense,
        })
    }

    fn apply(&self, x: &Tensor, _scope: Scope<'_>) -> Result<Tensor> {
        let mixed = self.mix(&ops::frozen_linear(x, &self.vt.constant())?)?;
        Ok(ops::frozen_linear(&mixed, &self.u.constant())?)
    }

    fn penalty(&self) -> Result<Option<Tensor>> {
        if self.regularization == 0.0 {
            return Ok(None);
        }
        let mut sum = Tensor::scalar(0.0);
        if let Some([sigma, shifted]) = self.shifted()? {
            sum = sum.add(&norm(&shifted.sub(&sigma)?)?)?;
        }
        if let Some([x, y]) = &self.tail {
            sum = sum.add(&norm(&x.tensor().matmul(&y.tensor())?)?)?;
        }
        Ok(Some(sum.scale(self.regularization)))
    }

    fn update(&self) -> Option<Factors> {
        untaped(|| self.learnt()).ok().flatten()
    }
}
