//! Inputs of matrices that a test knows number by number.

use rankine_checkpoint::Tensors;
use rankine_checkpoint::adapter::modules_of;
use rankine_random::Rng;
use rankine_surgery::{Inputs, Result, Seen, Wanted, Watch};
use std::collections::BTreeMap;

/// What every matrix of a model sees; rows of so many inputs.
#[derive(Clone)]
pub struct Shown {
    rows: BTreeMap<String, (usize, Vec<f32>)>,
}

impl Shown {
    /// Random rows that go together, some columns much larger than others.
    pub fn random(tensors: &dyn Tensors, rows: usize) -> Self {
        Self::of(tensors, |module, inputs| {
            let mut x = Rng::new(7).fork(module).normals(rows * inputs, 1.0);
            for row in x.chunks_mut(inputs) {
                let first = row[0];
                row.iter_mut().enumerate().for_each(|(j, x)| *x = (*x + first) * (0.05 + (j % 5) as f32));
            }
            x
        })
    }

    /// Every input once and alone: all directions alike.
    pub fn even(tensors: &dyn Tensors) -> Self {
        Self::of(tensors, |_, inputs| {
            let entry = |at: usize| if at / inputs == at % inputs { 1.0 } else { 0.0 };
            (0..inputs * inputs).map(entry).collect()
        })
    }

    /// Rows that are given: of every module how many inputs it has, and what it sees.
    pub fn given(rows: BTreeMap<String, (usize, Vec<f32>)>) -> Self {
        Self { rows }
    }

    fn of(tensors: &dyn Tensors, rows: impl Fn(&str, usize) -> Vec<f32>) -> Self {
        let mut found = BTreeMap::new();
        for module in modules_of(tensors) {
            if let Some(info) = tensors.infos().get(&format!("{}.weight", module.path)) {
                let inputs = info.row_elements();
                found.insert(module.path.clone(), (inputs, rows(&module.path, inputs)));
            }
        }
        Self { rows: found }
    }

    /// The rows that a module sees, and how long they are.
    pub fn rows(&self, module: &str) -> (usize, &[f32]) {
        let (inputs, rows) = &self.rows[module];
        (*inputs, rows)
    }
}

impl Inputs for Shown {
    fn see(&self, modules: &[String], wanted: Wanted, _: &mut Watch) -> Result<Box<dyn Seen>> {
        let mut known = BTreeMap::new();
        for module in modules {
            let Some((inputs, x)) = self.rows.get(module) else { continue };
            let inputs = *inputs;
            let mean = |number: &dyn Fn(&[f32]) -> f64| -> f64 {
                x.chunks(inputs).map(number).sum::<f64>() * inputs as f64 / x.len() as f64
            };
            let product = |i: usize, j: usize| mean(&|row| f64::from(row[i]) * f64::from(row[j]));
            let moment = wanted
                .moment
                .then(|| (0..inputs * inputs).map(|at| product(at / inputs, at % inputs)).collect());
            let squares = wanted.squares.then(|| (0..inputs).map(|j| product(j, j)).collect());
            let magnitude = |j: usize| mean(&|row| f64::from(row[j].abs()));
            let magnitudes = wanted.magnitudes.then(|| (0..inputs).map(magnitude).collect());
            known.insert(module.clone(), [moment, magnitudes, squares]);
        }
        Ok(Box::new(Known(known)))
    }
}

struct Known(BTreeMap<String, [Option<Vec<f64>>; 3]>);

impl Seen for Known {
    fn moment(&self, module: &str) -> Option<&[f64]> {
        self.0.get(module)?[0].as_deref()
    }

    fn magnitudes(&self, module: &str) -> Option<&[f64]> {
        self.0.get(module)?[1].as_deref()
    }

    fn squares(&self, module: &str) -> Option<&[f64]> {
        self.0.get(module)?[2].as_deref()
    }
}
