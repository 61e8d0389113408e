//! The methods, one file each; those on differences from a base share one.

use super::card::Card;

macro_rules! blends {
    ($($module:ident),* $(,)?) => {
        $(mod $module;)*

        /// Every method.
        pub(super) fn all() -> impl Iterator<Item = &'static Card> {
            [$($module::CARDS),*].into_iter().flatten()
        }
    };
}

pub use signature::robust_signature;

blends! { linear, slerp, nuslerp, multislerp, karcher, task, model_stock, passthrough, wise_ft, fisher, signature }
