//! One forward pass: its randomness, and which parts of it are computed again in the backward pass.
//!
//! A checkpointed block runs off the tape and leaves behind only its input. For the backward pass it runs once more, on
//! the tape, and is sent the gradient of its output through the scalar Σ y∘dy, whose gradient with respect to y is
//! exactly dy: the gradients are those of the pass that kept everything, bit for bit.

use crate::{Result, Scope};
use rankine_random::Rng;
use rankine_tensor::{Gradients, Tensor, Var, untaped};

type Block<'m> = Box<dyn Fn(&Tensor, &Pass<'m>) -> Result<Tensor> + 'm>;

/// A block that was left out of the tape.
pub struct Segment<'m> {
    input: Tensor,
    output: Var,
    block: Block<'m>,
}

/// The state of one forward pass through a model.
#[derive(Default)]
pub struct Pass<'m> {
    rng: Option<Rng>,
    segments: Option<Vec<Segment<'m>>>,
}

impl<'m> Pass<'m> {
    /// A pass that draws nothing: evaluation.
    pub fn quiet() -> Self {
        Self::default()
    }

    /// A pass of a training step, with the step's stream; `recompute` saves memory at the cost of a second forward.
    pub fn training(rng: Rng, recompute: bool) -> Self {
        Self { rng: Some(rng), segments: recompute.then(Vec::new) }
    }

    /// The scope of the weight at `path`.
    pub fn scope<'a>(&'a self, path: &'a str) -> Scope<'a> {
        Scope { rng: self.rng.as_ref(), path }
    }

    /// Runs a block, on the tape or as a segment to be computed again.
    pub fn block(
        &mut self,
        x: Tensor,
        block: impl Fn(&Tensor, &Pass<'m>) -> Result<Tensor> + 'm,
    ) -> Result<Tensor> {
        let again = Self { rng: self.rng.clone(), segments: None };
        let Some(segments) = &mut self.segments else {
            return block(&x, &again);
        };
        let y = untaped(|| block(&x.detach(), &again))?;
        let output = Var::from_tensor(&y);
        let y = output.tensor();
        segments.push(Segment { input: x, output, block: Box::new(block) });
        Ok(y)
    }

    /// The backward pass from `loss` through the whole model; `add` is called with every part's gradients, which for
    /// any one variable must be summed.
    pub fn backward(self, loss: &Tensor, add: &mut dyn FnMut(&Gradients)) -> Result<()> {
        let again = Self { rng: self.rng, segments: None };
        let mut gradients = loss.backward()?;
        add(&gradients);
        for segment in self.segments.unwrap_or_default().into_iter().rev() {
            let Some(dy) = gradients.of(&segment.output) else {
                continue;
            };
            let (inner, dx) = segment.backward(&dy, &again)?;
            inner.iter().for_each(&mut *add);
            if let Some(dx) = dx {
                gradients = segment.input.mul(&dx)?.sum().backward()?;
                add(&gradients);
            }
        }
        Ok(())
    }
}

impl<'m> Segment<'m> {
    /// Gradients inside the block, and of its input when something before it is trained.
    fn backward(&self, dy: &Tensor, pass: &Pass<'m>) -> Result<(Option<Gradients>, Option<Tensor>)> {
        if !self.input.is_tracked() {
            let y = (self.block)(&self.input, pass)?;
            return Ok((y.is_tracked().then(|| y.mul(dy)?.sum().backward()).transpose()?, None));
        }
        let input = Var::from_tensor(&self.input);
        let gradients = (self.block)(&input.tensor(), pass)?.mul(dy)?.sum().backward()?;
        let dx = gradients.of(&input);
        Ok((Some(gradients), dx))
    }
}
