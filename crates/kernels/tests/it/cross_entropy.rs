//! Head and cross-entropy.

use crate::levels;
use crate::oracle::{close, gradients, normals, product, wide};
use rankine_kernels::cross_entropy::{Head, IGNORED};
use rankine_kernels::stored::{Operand, Stored};

/// Losses from the whole logits.
fn plain(x: &[f64], w: &[f64], targets: &[u32], width: usize) -> Vec<f64> {
    let logits = product(x, w, width);
    let rows = logits.chunks(w.len() / width).zip(targets).map(|(row, &target)| {
        if target == IGNORED {
            return 0.0;
        }
        let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        max + row.iter().map(|z| (z - max).exp()).sum::<f64>().ln() - row[target as usize]
    });
    rows.collect()
}

fn check(rows: usize, vocabulary: usize, width: usize, ignored: impl Fn(usize) -> bool) {
    levels::limited();
    let (mut x, weight) = (normals("x", rows * width), normals("w", vocabulary * width));
    let targets: Vec<u32> = (0..rows)
        .map(|row| if ignored(row) { IGNORED } else { ((row * 7919 + 3) % vocabulary) as u32 })
        .collect();
    // An ignored row must not be computed at all: its NaN stays where it is.
    for (row, x) in x.chunks_mut(width).enumerate().filter(|&(row, _)| ignored(row)) {
        x.fill(if row % 2 == 0 { f32::NAN } else { 1e30 });
    }
    let head = Head { weight: weight.as_slice().into(), vocabulary, width };
    let (mut losses, mut dx) = (vec![f32::NAN; rows], vec![f32::NAN; x.len()]);
    let (mut alone, mut greedy) = (vec![f32::NAN; rows], vec![9; rows]);
    head.losses(&x, &targets, &mut losses, Some(&mut dx), None);
    head.losses(&x, &targets, &mut alone, None, Some(&mut greedy));
    assert_eq!(losses, alone);

    let clean: Vec<f32> = x.iter().map(|&x| if x.is_nan() || x > 1e20 { 0.0 } else { x }).collect();
    close("losses", &losses, &plain(&wide(&clean), &wide(&weight), &targets, width), 1e-6);
    let logits = product(&wide(&clean), &wide(&weight), width);
    for (row, logits) in logits.chunks(vocabulary).enumerate() {
        let best = (0..vocabulary).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        let expected = if ignored(row) { 0 } else { best as u32 };
        assert_eq!(greedy[row], expected, "row {row}");
    }

    let upstream = normals("upstream", rows);
    let scaled: Vec<f32> =
        dx.chunks(width).zip(&upstream).flat_map(|(dx, up)| dx.iter().map(move |dx| dx * up)).collect();
    let mut dw = vec![0.25; weight.len()];
    head.weight_gradient(&x, &targets, &upstream, &mut dw);
    dw.iter_mut().for_each(|dw| *dw -= 0.25);
    let f = |inputs: &[Vec<f64>]| plain(&inputs[0], &inputs[1], &targets, width);
    let name = format!("{rows} rows, {vocabulary} words of {width}");
    gradients(&name, &[&clean, &weight], &upstream, f, &[&scaled, &dw]);
}

#[test]
fn agrees_with_the_definition_and_with_central_differences() {
    check(1, 1, 1, |_| false);
    check(7, 50, 16, |_| false);
    check(64, 515, 9, |row| row % 3 == 0);
    check(300, 700, 5, |row| row > 280);
    check(20, 4500, 8, |row| row == 0);
    check(5, 40, 3, |_| true);
    check(0, 40, 3, |_| true);
}

/// x is what bf16 holds, so logits are as exact as those of f32 at every level; the gradient is not, where p is rounded.
#[test]
fn a_bf16_head_agrees_with_the_definition_and_with_central_differences() {
    levels::limited();
    for (rows, vocabulary, width) in [(3, 70, 5), (40, 1100, 33)] {
        let even = |name: &str, count: usize| -> Vec<f32> {
            normals(name, count).iter().map(|&x| half::bf16::from_f32(x / 2.0).to_f32()).collect()
        };
        let (x, weight) = (even("x", rows * width), even("w", vocabulary * width));
        let targets: Vec<u32> = (0..rows).map(|row| ((row * 7919 + 3) % vocabulary) as u32).collect();
        let stored = Stored::bf16(&weight, vocabulary, width);
        let (mut losses, mut dx) = (vec![f32::NAN; rows], vec![f32::NAN; x.len()]);
        let head = Head { weight: Operand::Stored(&stored), vocabulary, width };
        head.losses(&x, &targets, &mut losses, Some(&mut dx), None);
        close("losses", &losses, &plain(&wide(&x), &wide(&weight), &targets, width), 1e-6);
        let mut exact = vec![f32::NAN; x.len()];
        let head = Head { weight: weight.as_slice().into(), vocabulary, width };
        head.losses(&x, &targets, &mut losses, Some(&mut exact), None);
        close("dx", &dx, &wide(&exact), if levels::multiplies_bf16() { 4e-3 } else { 2e-6 });
        let f = |inputs: &[Vec<f64>]| plain(&inputs[0], &wide(&weight), &targets, width);
        gradients("widened head", &[&x], &vec![1.0; rows], f, &[&exact]);
    }
}

#[test]
fn more_rows_than_a_batch() {
    check(1100, 30, 4, |row| row % 50 == 7);
}

#[test]
fn the_first_of_equal_words_is_the_greedy_one_and_large_logits_do_not_overflow() {
    let weight = [1.0, 300.0, 300.0, -300.0];
    let head = Head { weight: weight.as_slice().into(), vocabulary: 4, width: 1 };
    let (mut losses, mut dx, mut greedy) = ([0.0; 2], [0.0; 2], [9; 2]);
    head.losses(&[300.0, -300.0], &[0, 3], &mut losses, Some(&mut dx), Some(&mut greedy));
    assert_eq!(greedy, [1, 3]);
    // Two words of 90 000, so ln 2 more than the difference to the target's 300.
    assert!((losses[0] - 89_700.69).abs() < 0.02 && losses[1] == 0.0, "{losses:?}");
    assert_eq!(dx, [299.0, 0.0]);
    head.losses(&[f32::NAN, 1.0], &[0, 3], &mut losses, None, None);
    assert!(losses[0].is_nan() && losses[1].is_finite());
}
