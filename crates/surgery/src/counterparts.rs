//! A linear layer in two models.

use crate::Result;
use crate::compress::Site;
use crate::inputs::Seen;
use rankine_checkpoint::Tensors;

/// The weight of a linear layer in a model, and in one that was made of it.
#[derive(Clone)]
pub(crate) struct Counterparts<'a> {
    before: Site<'a>,
    after: Site<'a>,
}

impl<'a> Counterparts<'a> {
    /// `None` where the weight is no matrix, or the second model has none of its shape.
    pub fn new([before, after]: [&'a dyn Tensors; 2], module: &str) -> Option<Self> {
        let both = Self { before: Site::new(before, module)?, after: Site::new(after, module)? };
        (both.before.sides() == both.after.sides()).then_some(both)
    }

    /// With what was seen of the inputs.
    pub fn with(self, seen: Option<&'a dyn Seen>) -> Self {
        Self { before: self.before.with(seen), ..self }
    }

    pub fn module(&self) -> &str {
        self.before.module()
    }

    /// Columns of the matrix.
    pub fn inputs(&self) -> usize {
        self.before.sizes()[1]
    }

    /// The layer as it was.
    pub fn site(&self) -> &Site<'a> {
        &self.before
    }

    /// Both matrices, a row an output; [out, in].
    pub fn read(&self) -> Result<[Vec<f32>; 2]> {
        let read = |site: &Site<'_>| -> Result<Vec<f32>> { Ok(site.by_outputs(&site.read()?).into_owned()) };
        Ok([read(&self.before)?, read(&self.after)?])
    }
}
