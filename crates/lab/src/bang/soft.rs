//! Training on soft targets: smoothed labels, mixed images.
//!
//!     x̃ = λ·xᵢ + (1 − λ)·xⱼ,  ỹ = λ·yᵢ + (1 − λ)·yⱼ,  λ ~ Beta(a, a)        j: the batch in reverse order, one λ a batch
//!     y = (1 − s)·onehot + s/K,  loss = ln Σ exp(zₖ) − Σ ỹₖ·zₖ              K classes, z: logits

use crate::{
    Images, Result,
    transfer::{self, Batch, Network, Rates},
};
use rankine_nn::Pass;
use rankine_random::Rng;
use rankine_tensor::Tensor;
use rankine_train::AdamW;
use std::cell::Cell;

/// How a network is trained.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(super) struct Training {
    pub label: &'static str,
    /// s.
    pub smoothing: f32,
    /// a; 0 mixes nothing.
    pub mixup: f64,
}

impl Training {
    /// Trains all of a network at one rate, on batches that do not depend on the way.
    pub(super) fn run<N: Network>(
        self,
        model: &mut N,
        images: &Images,
        rng: &Rng,
        (steps, batch, rate): (usize, usize, f32),
    ) -> Result<()> {
        let (classes, draws, step) = (transfer::classes(images), rng.fork("mixup"), Cell::new(0));
        let order = rng.fork("order");
        let batches = images.steps(batch, &order).take(steps).map(|rows| images.batch(&rows));
        let loss = |model: &N, batch: &Batch| {
            let mut draw = draws.fork_index("step", step.replace(step.get() + 1));
            self.loss(model, batch, (classes, beta(self.mixup, &mut draw) as f32))
        };
        let rates = Rates { hidden: rate, head: rate };
        let losses = transfer::minimise(model, batches, &mut AdamW::default(), rates, &loss)?;
        transfer::finite(&losses, rates)
    }

    /// Mean over the batch; `share` is λ.
    fn loss<N: Network>(
        self,
        model: &N,
        (x, labels): &Batch,
        (classes, share): (usize, f32),
    ) -> Result<Tensor> {
        let soft = self.targets(labels, classes, share)?;
        let hidden = model.hidden(&mixed(x, share)?, &Pass::quiet())?;
        let logits = hidden.matmul(&model.head().weight.dense()?.t()?)?;
        Ok(logits.log_sum_exp(1)?.sub(&logits.mul(&soft)?.sum_axis(1)?)?.mean())
    }

    /// ỹ; [t, classes].
    fn targets(self, labels: &[u32], classes: usize, share: f32) -> Result<Tensor> {
        let mut soft = vec![self.smoothing / classes as f32; labels.len() * classes];
        let rows = soft.chunks_exact_mut(classes.max(1));
        for (row, (first, second)) in rows.zip(labels.iter().zip(labels.iter().rev())) {
            row[*first as usize] += (1.0 - self.smoothing) * share;
            row[*second as usize] += (1.0 - self.smoothing) * (1.0 - share);
        }
        Ok(Tensor::new(soft, &[labels.len(), classes])?)
    }
}

/// x̃; [t, width].
fn mixed(x: &Tensor, share: f32) -> Result<Tensor> {
    let [rows, width] = x.matrix("mixup")?;
    let pixels = x.read(|x| {
        let pairs = x.chunks(width.max(1)).zip(x.chunks(width.max(1)).rev());
        let mix = |(x, y): (&f32, &f32)| share * x + (1.0 - share) * y;
        pairs.flat_map(|(first, second)| first.iter().zip(second).map(mix)).collect()
    });
    Ok(Tensor::new(pixels, &[rows, width])?)
}

/// Beta(a, a) after Jöhnk, for a up to 1 or so; 1 where a is 0.
fn beta(a: f64, rng: &mut Rng) -> f64 {
    if a == 0.0 {
        return 1.0;
    }
    loop {
        let [x, y] = [rng.uniform_f64(), rng.uniform_f64()].map(|uniform| uniform.powf(1.0 / a));
        if 0.0 < x + y && x + y <= 1.0 {
            return x / (x + y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_nn::models::Mlp;
    use rankine_tensor::ops;
    use std::sync::Arc;

    const PLAIN: Training = Training { label: "", smoothing: 0.0, mixup: 0.0 };

    fn batch() -> (Mlp, Batch) {
        let x = Tensor::new(Rng::new(2).normals(4 * 5, 1.0), &[4, 5]).unwrap();
        (Mlp::new(&[5, 6, 3], &Rng::new(1)).unwrap(), (x, Arc::from([0, 2, 1, 2])))
    }

    #[test]
    fn without_either_it_is_cross_entropy() {
        let (model, batch) = batch();
        let hidden = model.hidden(&batch.0, &Pass::quiet()).unwrap();
        let expected = ops::losses(&hidden, &model.head().weight.dense().unwrap(), &batch.1).unwrap().mean();
        let found = PLAIN.loss(&model, &batch, (3, 1.0)).unwrap();
        assert!((found.item() - expected.item()).abs() < 1e-5);
        assert_eq!(beta(0.0, &mut Rng::new(1)), 1.0);
    }

    #[test]
    fn targets_are_shared_between_both_labels_and_all_classes() {
        let way = Training { smoothing: 0.3, ..PLAIN };
        let soft = way.targets(&[0, 2, 1, 2], 3, 0.75).unwrap().to_vec();
        let expected = [0.625, 0.1, 0.275, 0.1, 0.275, 0.625];
        assert!(soft.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{soft:?}");
        assert!(soft.chunks(3).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-6));
        let (_, (x, _)) = batch();
        let (before, after) = (x.to_vec(), mixed(&x, 0.75).unwrap().to_vec());
        assert!((after[7] - 0.75 * before[7] - 0.25 * before[12]).abs() < 1e-6);
        assert_eq!(mixed(&x, 1.0).unwrap().to_vec(), before);
    }

    #[test]
    fn shares_are_of_a_beta_distribution() {
        let mut rng = Rng::new(4);
        let draws: Vec<f64> = (0..20_000).map(|_| beta(0.4, &mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        // 1/(4·(2a + 1)).
        assert!((mean - 0.5).abs() < 0.01 && (variance - 1.0 / 7.2).abs() < 0.005, "{mean} {variance}");
    }

    #[test]
    fn both_are_minimised() {
        let pixels = Rng::new(3).normals(40 * 5, 1.0);
        let labels = pixels.chunks(5).map(|x| u32::from(x[0] > 0.0) + u32::from(x[1] > 0.0)).collect();
        let images = Images { pixels, width: 5, labels };
        let loss = |model: &Mlp| {
            let (x, labels) = images.batch(&(0..40).collect::<Vec<_>>()).unwrap();
            PLAIN.loss(model, &(x, labels), (3, 1.0)).unwrap().item()
        };
        for way in [PLAIN, Training { smoothing: 0.1, mixup: 0.2, ..PLAIN }] {
            let (mut model, _) = batch();
            let before = loss(&model);
            way.run(&mut model, &images, &Rng::new(5), (100, 10, 1e-2)).unwrap();
            assert!(loss(&model) < 0.8 * before, "{way:?}");
        }
    }
}
