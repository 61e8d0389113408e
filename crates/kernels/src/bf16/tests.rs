use super::product::{DEEP, pieces};
use super::*;
use crate::cpu::at_every_level;
use std::cell::Cell;
use std::ops::Range;

thread_local! {
    /// Whether products of this thread are made by the plain kernel.
    pub(super) static PORTABLE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a test with the plain kernel, and with those of this processor. Holds on this thread only.
pub(crate) fn with_every_kernel(test: impl Fn()) {
    PORTABLE.set(true);
    test();
    PORTABLE.set(false);
    at_every_level(|| {
        if Kernel::best().is_some() {
            test();
        }
    });
}

/// Numbers between −1 and 1 that differ from their neighbours.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|at| (((at + seed) * 7919) % 2003) as f32 / 1001.5 - 1.0).collect()
}

/// Rounded to bf16, in f64.
fn rounded(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| half::bf16::from_f32(x).to_f64()).collect()
}

/// c from the definition.
fn plain(a: &[f64], b: &[f64], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let cell = |at: usize| (0..k).map(|q| a[at / n * k + q] * b[q * n + at % n]).sum();
    (0..m * n).map(cell).collect()
}

fn turned<T: Copy>(x: &[T], rows: usize, columns: usize) -> Vec<T> {
    (0..rows * columns).map(|at| x[at % rows * columns + at / rows]).collect()
}

/// Both ways of packing b, both layouts of c, overwritten and added to.
fn check(shape @ [m, k, n]: [usize; 3]) {
    let (a, b) = (numbers(m * k, 1), numbers(k * n, 700));
    let exact = plain(&rounded(&a), &rounded(&b), shape);
    let (left, right) = (Rounded::new(&a), Rounded::new(&b));
    let packings = [Packed::transposed(&turned(&b, k, n), n, k), Packed::straight(right.rows(k, n))];
    for packed in packings {
        for (layout, accumulate) in [Layout::Straight, Layout::Transposed]
            .into_iter()
            .flat_map(|layout| [(layout, false), (layout, true)])
        {
            let mut c = vec![if accumulate { 3.0 } else { f32::NAN }; m * n];
            let kernel = Kernel::best().unwrap();
            shared(kernel, left.rows(m, k), packed.panels(), Target { data: &mut c, layout, accumulate });
            let c = if layout == Layout::Straight { c } else { turned(&c, n, m) };
            for (at, (found, exact)) in c.iter().zip(&exact).enumerate() {
                let error = f64::from(*found) - exact - if accumulate { 3.0 } else { 0.0 };
                let bound = 1e-6 * (1.0 + k as f64).sqrt() * 3.0;
                assert!(
                    error.abs() < bound,
                    "{kernel:?} {shape:?} {layout:?}: number {at} is off by {error:e}"
                );
            }
        }
    }
}

#[test]
fn every_kernel_agrees_with_f64_of_the_rounded_operands_at_every_edge() {
    with_every_kernel(|| {
        for shape in [[1, 1, 1], [32, 32, 32], [64, 96, 64], [33, 31, 1], [1, 33, 33], [17, 2, 47]] {
            check(shape);
        }
        // More than a tile down and across, more than a piece deep; the last with an odd end.
        for shape in [[150, 40, 70], [40, 64, 300], [34, 801, 65], [32, 1024, 32]] {
            check(shape);
        }
    });
}

#[test]
fn no_depth_makes_zeros() {
    with_every_kernel(|| check([33, 0, 40]));
    with_every_kernel(|| check([0, 5, 4]));
    with_every_kernel(|| check([4, 5, 0]));
}

#[test]
fn parts_of_a_packed_operand_are_operands() {
    let (m, k, n) = (40, 130, 100);
    let (a, b) = (numbers(m * k, 1), numbers(k * n, 700));
    with_every_kernel(|| {
        let right = Rounded::new(&b);
        let packed = Packed::straight(right.rows(k, n));
        for (depth, columns) in [(0..64, 0..32), (64..130, 32..96), (96..128, 64..100), (128..130, 0..100)] {
            let part = |x: &[f32], width: usize, rows: Range<usize>, within: Range<usize>| -> Vec<f32> {
                rows.flat_map(|row| x[row * width..][within.clone()].to_vec()).collect()
            };
            let (a, b) = (part(&a, k, 0..m, depth.clone()), part(&b, n, depth.clone(), columns.clone()));
            let panels = packed.panels().depth(depth.clone()).columns(columns.clone());
            let mut c = vec![f32::NAN; m * columns.len()];
            let target = Target { data: &mut c, layout: Layout::Straight, accumulate: false };
            alone(Kernel::best().unwrap(), Rounded::new(&a).rows(m, depth.len()), panels, target);
            let exact = plain(&rounded(&a), &rounded(&b), [m, depth.len(), columns.len()]);
            for (found, exact) in c.iter().zip(exact) {
                assert!((f64::from(*found) - exact).abs() < 2e-5, "{depth:?} {columns:?}: {found} {exact}");
            }
        }
    });
}

/// Infinity and NaN stay in their row and their column: zeros are padded on both sides.
#[test]
fn what_is_not_finite_stays_where_it_belongs() {
    let (m, k, n) = (40, 33, 40);
    with_every_kernel(|| {
        let (mut a, mut b) = (numbers(m * k, 1), numbers(k * n, 2));
        (a[3 * k + 32], b[32 * n + 35]) = (f32::INFINITY, f32::NAN);
        let packed = Packed::transposed(&turned(&b, k, n), n, k);
        let mut c = vec![0.0; m * n];
        let target = Target { data: &mut c, layout: Layout::Straight, accumulate: false };
        alone(Kernel::best().unwrap(), Rounded::new(&a).rows(m, k), packed.panels(), target);
        for (at, c) in c.into_iter().enumerate() {
            assert_eq!(c.is_finite(), at / n != 3 && at % n != 35, "number {at} is {c}");
        }
    });
}

#[test]
fn rounding_is_that_of_half() {
    let patterns = (0..=u16::MAX).flat_map(|high| {
        [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff].map(|low: u32| f32::from_bits(u32::from(high) << 16 | low))
    });
    let x: Vec<f32> = patterns.collect();
    at_every_level(|| {
        let mut found = vec![[0; 2]; x.len()];
        round(&x, &mut found);
        for (&x, found) in x.iter().zip(found) {
            assert_eq!(found, half::bf16::from_f32(x).to_le_bytes(), "{x:e}");
        }
    });
}

#[test]
fn pieces_of_the_depth_are_equal_and_of_moderate_size() {
    let lengths = |depth| pieces(depth).map(|piece| piece.len()).collect::<Vec<_>>();
    assert_eq!([lengths(0), lengths(576), lengths(1536)], [vec![0], vec![576], vec![512; 3]]);
    for depth in 1..5000 {
        let pieces: Vec<_> = pieces(depth).collect();
        assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start && pair[1].start % SIDE == 0));
        assert!(pieces[0].start == 0 && pieces.last().unwrap().end == depth);
        assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= DEEP * 3 / 2));
    }
}
