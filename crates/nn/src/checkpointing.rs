//! One forward pass: its randomness, and which parts of it are computed again in the backward pass.
//!
//! A checkpointed block runs off the tape and leaves behind only its input. For the backward pass it runs once more, on
//! the tape, and is sent the gradient of its output through the scalar Σ y∘dy, whose gradient with respect to y is
//! exactly dy: the gradients are those of the pass that kept everything, bit for bit.
//!
//! A pass may also keep what every block gives: features that a loss compares with those of another model.

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
    features: Option<Vec<Tensor>>,
}

impl<'m> Pass<'m> {
    /// A pass that draws nothing: evaluation.
    pub fn quiet() -> Self {
        Self::default()
    }

    /// A pass of a training step, with the step's stream; `recompute` saves memory at the cost of a second forward.
    pub fn training(rng: Rng, recompute: bool) -> Self {
        Self { rng: Some(rng), segments: recompute.then(Vec::new), features: None }
    }

    /// The scope of the weight at `path`.
    pub fn scope<'a>(&'a self, path: &'a str) -> Scope<'a> {
        Scope { rng: self.rng.as_ref(), path }
    }

    /// Keeps what every block gives from here on.
    pub fn keep_features(&mut self) {
        self.features = Some(Vec::new());
    }

    /// What the blocks gave since then, in their order; [t, d] each.
    pub fn take_features(&mut self) -> Vec<Tensor> {
        self.features.take().unwrap_or_default()
    }

    /// Runs a block, on the tape or as a segment to be computed again.
    pub fn block(
        &mut self,
        x: Tensor,
        block: impl Fn(&Tensor, &Pass<'m>) -> Result<Tensor> + 'm,
    ) -> Result<Tensor> {
        let y = self.output(x, block)?;
        if let Some(features) = &mut self.features {
            features.push(y.clone());
        }
        Ok(y)
    }

    fn output(
        &mut self,
        x: Tensor,
        block: impl Fn(&Tensor, &Pass<'m>) -> Result<Tensor> + 'm,
    ) -> Result<Tensor> {
        let again = Self { rng: self.rng.clone(), ..Self::default() };
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
        let again = Self { rng: self.rng, ..Self::default() };
        let segments = self.segments.unwrap_or_default();
        let gradients = loss.backward()?;
        add(&gradients);
        // What reaches an output past the next block: of the last one everything, of others what is made of their features.
        let direct: Vec<_> = segments.iter().map(|segment| gradients.of(&segment.output)).collect();
        drop(gradients);
        let mut next: Option<Gradients> = None;
        for (segment, direct) in segments.into_iter().zip(direct).rev() {
            let through = next.as_ref().and_then(|gradients| gradients.of(&segment.output));
            let dy = match (direct, through) {
                (Some(direct), Some(through)) => direct.add(&through)?,
                (Some(dy), None) | (None, Some(dy)) => dy,
                (None, None) => continue,
            };
            let (inner, dx) = segment.backward(&dy, &again)?;
            inner.iter().for_each(&mut *add);
            if let Some(dx) = dx {
                let gradients = segment.input.mul(&dx)?.sum().backward()?;
                add(&gradients);
                next = Some(gradients);
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
