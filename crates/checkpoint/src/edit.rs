//! Tensors of a file under other names, or without some of them; the file stays as it is.

use crate::{TensorInfo, Tensors};
use indexmap::IndexMap;

/// A container that keeps what a tensor is apart from where it lies.
pub(crate) trait Editable: Tensors {
    /// Where a tensor lies.
    type Place;

    /// Names and infos, and the places in their order.
    fn parts(&mut self) -> (&mut IndexMap<String, TensorInfo>, &mut Vec<Self::Place>);

    /// Whether `name` and `other` are both there, and alike to the last bit.
    fn is_copy(&self, name: &str, other: &str) -> bool {
        let (Some(info), Some(other_info)) = (self.infos().get(name), self.infos().get(other)) else {
            return false;
        };
        let same = info == other_info
            && match (self.raw(name), self.raw(other)) {
                (Ok(bytes), Ok(other_bytes)) => bytes == other_bytes,
                _ => false,
            };
        self.release(name, 0..info.rows());
        self.release(other, 0..other_info.rows());
        same
    }

    /// Passes over the tensor `name` from now on.
    fn remove(&mut self, name: &str) {
        let (infos, places) = self.parts();
        if let Some((index, ..)) = infos.shift_remove_full(name) {
            places.remove(index);
        }
    }

    /// Names that `name` has for the tensors; those that it has none for are passed over, as is the second of two that get
    /// the same.
    fn rename(&mut self, name: impl Fn(&str) -> Option<String>) {
        let (infos, places) = self.parts();
        for ((old, info), place) in std::mem::take(infos).into_iter().zip(std::mem::take(places)) {
            if let Some(new) = name(&old)
                && !infos.contains_key(&new)
            {
                infos.insert(new, info);
                places.push(place);
            }
        }
    }
}
