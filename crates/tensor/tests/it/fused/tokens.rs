//! Rows of a table, and the losses of a head.

use super::agree;
use rankine_random::Rng;
use rankine_tensor::{
    Tensor,
    ops::{self, IGNORED, plain},
};
use std::sync::Arc;

#[test]
fn losses_of_the_head() {
    for vocabulary in [5, 300, 2500] {
        let targets: Arc<[u32]> = Arc::from([1, IGNORED, 4, 0, vocabulary as u32 - 1]);
        let shapes: [&[usize]; 2] = [&[5, 12], &[vocabulary, 12]];
        let fused = |x: &[Tensor]| ops::losses(&x[0], &x[1], &targets);
        agree("losses", &fused, &|x| plain::losses(&x[0], &x[1], &targets), &shapes);
    }
}

#[test]
fn scores_are_losses_and_most_probable_tokens() {
    let mut rng = Rng::new(6);
    let (x, w) = (rng.normals(4 * 6, 1.0), rng.normals(50 * 6, 1.0));
    let (x, w) = (Tensor::new(x, &[4, 6]).unwrap(), Tensor::new(w, &[50, 6]).unwrap());
    let targets = [3, IGNORED, 7, 49];
    let scored = ops::score(&x, &w, &targets).unwrap();
    assert_eq!(scored.losses, ops::losses(&x, &w, &Arc::from(targets)).unwrap().to_vec());
    let logits = x.matmul(&w.t().unwrap()).unwrap().to_vec();
    for (row, &token) in scored.greedy.iter().enumerate().filter(|&(row, _)| targets[row] != IGNORED) {
        let best = logits[row * 50..][..50].iter().copied().fold(f32::MIN, f32::max);
        assert!((logits[row * 50 + token as usize] - best).abs() < 1e-5);
    }
}

#[test]
fn embedding_adds_rows_of_repeated_ids() {
    let ids: Arc<[u32]> = Arc::from([2, 0, 2]);
    let oracle = |x: &[Tensor]| {
        let mut chosen = vec![0.0; 3 * 4];
        ids.iter().enumerate().for_each(|(row, &id)| chosen[row * 4 + id as usize] = 1.0);
        Tensor::new(chosen, &[3, 4])?.matmul(&x[0])
    };
    agree("embedding", &|x| ops::embedding(&x[0], &ids), &oracle, &[&[4, 5]]);
}
