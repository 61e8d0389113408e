//! Heads stored as bf16, by the plain kernel and by those of this processor, against the widened head in f32.

use super::*;
use crate::bf16::tests::with_every_kernel;
use crate::stored::Stored;
use rankine_random::Rng;

/// Losses, their gradients, the greedy words, and the gradient of the weight.
#[derive(Debug, PartialEq)]
struct Found {
    losses: Vec<f32>,
    dx: Vec<f32>,
    greedy: Vec<u32>,
    dw: Vec<f32>,
}

fn found(weight: Operand<'_>, x: &[f32], targets: &[u32], width: usize) -> Found {
    let head = Head { weight, vocabulary: weight.elements() / width, width };
    let mut found = Found {
        losses: vec![f32::NAN; targets.len()],
        dx: vec![f32::NAN; x.len()],
        greedy: vec![9; targets.len()],
        dw: vec![0.0; weight.elements()],
    };
    head.losses(x, targets, &mut found.losses, Some(&mut found.dx), Some(&mut found.greedy));
    let mut alone = found.losses.clone();
    head.losses(x, targets, &mut alone, None, None);
    assert_eq!(alone, found.losses);
    head.weight_gradient(x, targets, &vec![1.0; targets.len()], &mut found.dw);
    found
}

/// ‖a − b‖ / ‖b‖.
fn error(a: &[f32], b: &[f32]) -> f32 {
    let differences: f32 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    (differences / b.iter().map(|b| b * b).sum::<f32>()).sqrt()
}

#[test]
fn a_bf16_head_agrees_with_the_widened_one() {
    for (rows, vocabulary, width) in [(1, 40, 3), (40, 1100, 33), (300, 530, 64)] {
        let normals = |name: &str, count| Rng::new(17).fork(name).normals(count, 0.5);
        let stored = Stored::bf16(&normals("w", vocabulary * width), vocabulary, width);
        let mut wide = vec![0.0; vocabulary * width];
        stored.widen(0..vocabulary, &mut wide);
        let x = normals("x", rows * width);
        // What rounding leaves as it is, so that logits are those of f32.
        let even: Vec<f32> = x.iter().map(|&x| half::bf16::from_f32(x).to_f32()).collect();
        let target = |row: usize| if row % 9 == 8 { IGNORED } else { (row * 7919 % vocabulary) as u32 };
        let targets: Vec<u32> = (0..rows).map(target).collect();
        let exact = [&x, &even].map(|x| found(wide.as_slice().into(), x, &targets, width));
        with_every_kernel(|| {
            let near = [&x, &even].map(|x| found(Operand::Stored(&stored), x, &targets, width));
            let errors = |of: fn(&Found) -> &[f32]| [0, 1].map(|at| error(of(&near[at]), of(&exact[at])));
            let all = [errors(|found| &found.losses), errors(|found| &found.dx), errors(|found| &found.dw)];
            let [losses, dx, dw] = all;
            let name = format!("{rows} rows, {vocabulary} words of {width}: {all:?}");
            assert!(losses[0] < 4e-3 && dx[0] < 4e-3 && dw[0] < 4e-3, "{name}");
            assert!(losses[1] < 1e-6 && dx[1] < 2e-3 && dw[1] < 1e-5, "{name}");
            assert_eq!(near[1].greedy, exact[1].greedy, "{name}");
        });
    }
}

#[test]
fn threads_change_no_byte_of_a_bf16_head() {
    let (rows, vocabulary, width) = (300, 1300, 40);
    let normals = |name: &str, count| Rng::new(17).fork(name).normals(count, 0.5);
    let (x, w) = (normals("x", rows * width), normals("w", vocabulary * width));
    let targets: Vec<u32> = (0..rows).map(|row| row as u32).collect();
    let all = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let all = std::sync::Mutex::new(Vec::new());
        pool.install(|| {
            with_every_kernel(|| {
                let stored = Stored::bf16(&w, vocabulary, width);
                all.lock().unwrap().push(found(Operand::Stored(&stored), &x, &targets, width));
            });
        });
        all.into_inner().unwrap()
    };
    let once = all(1);
    assert!(once == all(2) && once == all(5));
}
