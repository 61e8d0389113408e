//! Products with matrices in storage types, against the widened matrix in f64; where bf16 is multiplied as bf16, against that
//! of the rounded other operand too.

use crate::levels;
use crate::oracle::{close, normals, product, wide};
use rankine_kernels::dequantize::Format;
use rankine_kernels::stored::{Encoding, Stored};

/// Bytes of a matrix with numbers of moderate size: random blocks whose scales are small finite f16 numbers.
fn bytes(encoding: Encoding, count: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = normals("bytes", count * encoding.block_bytes())
        .into_iter()
        .map(|value| (value * 50.0) as i32 as u8)
        .collect();
    let scale = half::f16::from_f32(0.01).to_le_bytes();
    for block in bytes.chunks_exact_mut(encoding.block_bytes()) {
        match encoding {
            Encoding::Bf16 => {
                block.copy_from_slice(&half::bf16::from_f32(f32::from(block[0]) / 99.0 - 1.0).to_le_bytes())
            }
            Encoding::F16 => {
                block.copy_from_slice(&half::f16::from_f32(f32::from(block[0]) / 99.0 - 1.0).to_le_bytes())
            }
            Encoding::Blocks(Format::Q6K) => block[208..].copy_from_slice(&scale),
            Encoding::Blocks(_) => {
                block[..2].copy_from_slice(&scale);
                if !matches!(encoding, Encoding::Blocks(Format::Q4_0 | Format::Q8_0)) {
                    block[2..4].copy_from_slice(&scale);
                }
            }
        }
    }
    bytes
}

/// x as the product takes it.
fn taken(x: &[f32], as_bf16: bool) -> Vec<f64> {
    let taken = |&x: &f32| if as_bf16 { half::bf16::from_f32(x).to_f32() } else { x };
    wide(&x.iter().map(taken).collect::<Vec<_>>())
}

/// Asserts that y = x·wᵀ: to f32's precision of x as it is taken, to bf16's of x itself.
fn is_product(name: &str, y: &[f32], [x, taken]: [&[f64]; 2], w: &[f64], depth: usize) {
    let exact = product(x, w, depth);
    close(name, y, &product(taken, w, depth), 3e-6);
    let square = |x: f64| x * x;
    let error: f64 = y.iter().zip(&exact).map(|(&y, exact)| square(f64::from(y) - exact)).sum();
    assert!(error <= square(4e-3) * exact.iter().copied().map(square).sum::<f64>(), "{name}: {error:e}");
}

fn check(encoding: Encoding, t: usize, [rows, columns]: [usize; 2]) {
    levels::limited();
    let stored =
        Stored::new(encoding, rows, columns, bytes(encoding, rows * columns / encoding.block_elements()))
            .unwrap();
    let mut w = vec![0.0; rows * columns];
    stored.widen(0..rows, &mut w);
    let (x, dy) = (normals("x", t * columns), normals("dy", t * rows));
    let (mut y, mut dx) = (vec![f32::NAN; t * rows], vec![f32::NAN; t * columns]);
    let as_bf16 = encoding == Encoding::Bf16 && t > 15 && levels::multiplies_bf16();
    stored.times_transposed(&x, &mut y);
    is_product("y", &y, [&wide(&x), &taken(&x, as_bf16)], &wide(&w), columns);
    stored.times(&dy, &mut dx);
    let transposed: Vec<f64> = (0..columns)
        .flat_map(|column| (0..rows).map(move |row| (row, column)))
        .map(|(row, column)| f64::from(w[row * columns + column]))
        .collect();
    is_product("dx", &dx, [&wide(&dy), &taken(&dy, as_bf16)], &transposed, rows);
}

#[test]
fn products_are_those_of_the_widened_matrix() {
    for encoding in [Encoding::Bf16, Encoding::F16] {
        for (t, shape) in [(1, [7, 5]), (3, [300, 33]), (20, [33, 70]), (70, [150, 300]), (200, [97, 801])] {
            check(encoding, t, shape);
        }
    }
    for format in [Format::Q4_0, Format::Q4_1, Format::Q8_0] {
        for (t, shape) in [(1, [7, 32]), (17, [40, 96]), (64, [130, 576])] {
            check(Encoding::Blocks(format), t, shape);
        }
    }
    for format in [Format::Q4K, Format::Q6K] {
        check(Encoding::Blocks(format), 2, [9, 256]);
        check(Encoding::Blocks(format), 33, [40, 768]);
    }
}

#[test]
fn nothing_times_nothing_is_nothing() {
    check(Encoding::Bf16, 0, [4, 6]);
}

#[test]
fn bf16_rounds_to_nearest_even() {
    let values = [1.0, 1.003_906_3, 1.011_718_8, -3.3e38];
    let mut widened = [0.0; 4];
    Stored::bf16(&values, 2, 2).widen(0..2, &mut widened);
    assert_eq!(widened[..3], [1.0, 1.0, 1.015_625]);
    assert!((widened[3] / values[3] - 1.0).abs() < 4e-3);
}

#[test]
fn bytes_of_another_shape_are_refused() {
    assert!(Stored::new(Encoding::Bf16, 2, 3, vec![0; 11]).is_err());
    assert!(Stored::new(Encoding::Blocks(Format::Q8_0), 2, 33, vec![0; 68]).is_err());
    assert!(Stored::new(Encoding::Bf16, usize::MAX, 3, vec![]).is_err());
}
