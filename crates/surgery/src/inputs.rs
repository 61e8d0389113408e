//! What the matrices of a model see at work, for those who weigh errors by it.
//!
//! Nothing here runs a model: who can, gives [`Inputs`], which is asked for some matrices at a time, so that the statistics in
//! memory stay below some size however large the model is.

use crate::{Error, Result, Watch};

/// Statistics of inputs that are held at once; a second moment is made of a sum as large as itself.
const BYTES: usize = 1 << 30;

/// What is to be known of the inputs of a matrix; `Default` is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The mean of xᵀ·x.
    pub moment: bool,
    /// The mean of |x|, column by column.
    pub magnitudes: bool,
    /// The mean of x², column by column.
    pub squares: bool,
}

/// Runs a model on some data and looks at the inputs of its matrices.
pub trait Inputs: Sync {
    /// What the matrices of `modules` see.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when `watch` breaks off; [`Error::Inputs`] when the model does not run.
    fn see(&self, modules: &[String], wanted: Wanted, watch: &mut Watch) -> Result<Box<dyn Seen>>;
}

/// What some matrices saw; `None` is what was not asked for, and of a module that saw nothing.
pub trait Seen: Sync {
    /// The mean of xᵀ·x; row-major [in, in].
    fn moment(&self, module: &str) -> Option<&[f64]>;

    /// The mean of |x|; [in].
    fn magnitudes(&self, module: &str) -> Option<&[f64]>;

    /// The mean of x²; [in].
    fn squares(&self, module: &str) -> Option<&[f64]>;
}

impl Wanted {
    /// Whether it is anything at all.
    pub fn any(self) -> bool {
        self.moment || self.magnitudes || self.squares
    }

    /// Bytes of what is known of so many inputs.
    fn bytes(self, inputs: usize) -> usize {
        let vectors = usize::from(self.magnitudes) + usize::from(self.squares);
        let numbers = if self.moment { inputs.saturating_mul(inputs) } else { 0 };
        numbers.saturating_add(vectors * inputs).saturating_mul(2 * size_of::<f64>())
    }

    /// Cuts matrices, whose inputs `count` tells, into runs whose statistics can be held at once.
    pub(crate) fn batches<T>(self, items: &[T], count: impl Fn(&T) -> usize) -> Vec<&[T]> {
        let (mut batches, mut start, mut held) = (Vec::new(), 0, 0);
        for (at, item) in items.iter().enumerate() {
            let bytes = self.bytes(count(item));
            if start < at && BYTES < bytes.saturating_add(held) {
                batches.push(&items[start..at]);
                (start, held) = (at, 0);
            }
            held = bytes.saturating_add(held);
        }
        batches.push(&items[start..]);
        batches
    }
}

/// What is known of a module, or that it is not.
pub(crate) fn known<'s>(module: &str, found: Option<&'s [f64]>) -> Result<&'s [f64]> {
    found.ok_or_else(|| Error::Unseen { module: module.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_what_fits_and_one_at_least() {
        let wanted = Wanted { moment: true, ..Wanted::default() };
        // 16·4096² is a quarter of the bytes.
        let sizes = [4096, 4096, 4096, 4096, 1, 20_000, 4096];
        let batches = wanted.batches(&sizes, |size| *size);
        assert_eq!(batches, [&sizes[..4], &sizes[4..5], &sizes[5..6], &sizes[6..]]);
        assert_eq!(Wanted::default().batches(&sizes, |size| *size), [&sizes[..]]);
        assert!(!Wanted::default().any());
    }
}
