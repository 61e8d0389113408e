//! y_i = w[ids_i], with w: [v, d], y: [t, d]; backward adds every row of dy to its row of dw.

use super::numbers;
use crate::{
    Error, Result, Tensor,
    record::{Grad, arrays, record},
};
use std::sync::Arc;

/// Rows of a table; weight: [v, d], ids: [t] → [t, d].
pub fn embedding(weight: &Tensor, ids: &Arc<[u32]>) -> Result<Tensor> {
    let shape @ [rows, width] = weight.matrix("embedding")?;
    if let Some(id) = ids.iter().find(|&&id| id as usize >= rows) {
        return Err(Error::shape("embedding", format!("more than {id} rows"), &[&shape]));
    }
    let gather = |table: &[f32]| -> Vec<f32> {
        ids.iter().flat_map(|&id| &table[id as usize * width..][..width]).copied().collect()
    };
    let y = match arrays([weight]) {
        Some([table]) => gather(numbers(&table)),
        None => gather(&weight.to_vec()),
    };
    let saved = || Saved { ids: ids.clone(), shape };
    Ok(record([weight], y, &[ids.len(), width], saved))
}

#[derive(Clone, Debug)]
struct Saved {
    ids: Arc<[u32]>,
    shape: [usize; 2],
}

impl Grad for Saved {
    fn gradients(&self, output: &[f32], _: &[bool]) -> Vec<Option<Vec<f32>>> {
        let [rows, width] = self.shape;
        let mut dw = vec![0.0; rows * width];
        for (&id, dy) in self.ids.iter().zip(output.chunks_exact(width)) {
            let row = &mut dw[id as usize * width..][..width];
            row.iter_mut().zip(dy).for_each(|(sum, value)| *sum += value);
        }
        vec![Some(dw)]
    }
}
