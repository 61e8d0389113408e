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
            Encoding::Nf4 => block[..4].copy_from_slice(&0.01_f32.to_le_bytes()),
            Encoding::Nf4Double => {}
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
    let bytes = bytes(encoding, rows * columns.div_ceil(encoding.block_elements()));
    check_products(&Stored::new(encoding, rows, columns, bytes).unwrap(), t);
}

fn check_products(stored: &Stored, t: usize) {
    levels::limited();
    let (encoding, [rows, columns]) = (stored.encoding(), stored.shape());
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

/// Columns that 64 divides, and rows that end with a short block.
#[test]
fn products_with_nf4_are_those_of_the_widened_matrix() {
    let shapes =
        [(1, [7, 64]), (2, [9, 70]), (5, [33, 40]), (20, [40, 96]), (40, [150, 801]), (64, [600, 320])];
    for (t, shape @ [rows, columns]) in shapes {
        check(Encoding::Nf4, t, shape);
        let values = normals("w", rows * columns);
        check_products(&Stored::nf4(&values, rows, columns), t);
        check_products(&Stored::nf4_double(&values, rows, columns), t);
    }
}

#[test]
fn nf4_is_near_in_little_memory() {
    let [rows, columns] = [300, 192];
    let values = normals("w", rows * columns);
    let error = |stored: &Stored| {
        let mut widened = vec![f32::NAN; rows * columns];
        stored.widen(0..rows, &mut widened);
        let square = |x: f32| f64::from(x).powi(2);
        let squares: f64 = values.iter().zip(&widened).map(|(x, y)| square(x - y)).sum();
        (squares / values.iter().copied().map(square).sum::<f64>()).sqrt()
    };
    let [plain, double] = [Stored::nf4(&values, rows, columns), Stored::nf4_double(&values, rows, columns)];
    let errors = [&plain, &double].map(error);
    assert!(0.08 < errors[0] && errors[0] < 0.1 && errors[1] < 1.05 * errors[0], "{errors:?}");
    let blocks = rows * columns / 64;
    assert_eq!([plain.bytes(), double.bytes()], [36 * blocks, 33 * blocks + 4 * (1 + blocks.div_ceil(256))]);
    // Rows and the parts that products take are cut at the same blocks.
    let mut row = vec![f32::NAN; columns];
    let mut all = vec![f32::NAN; rows * columns];
    double.widen(0..rows, &mut all);
    double.widen(297..298, &mut row);
    assert_eq!(row, all[297 * columns..298 * columns]);
}

#[test]
fn nothing_times_nothing_is_nothing() {
    check(Encoding::Bf16, 0, [4, 6]);
    check(Encoding::Nf4, 0, [4, 6]);
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
    assert!(Stored::new(Encoding::Nf4, 2, 70, vec![0; 4 * 36]).is_ok());
    assert!(Stored::new(Encoding::Nf4, 2, 70, vec![0; 3 * 36]).is_err());
    assert!(Stored::new(Encoding::Nf4Double, 2, 70, vec![0; 4 * 33 + 8]).is_ok());
    assert!(Stored::new(Encoding::Nf4Double, 2, 70, vec![0; 4 * 33]).is_err());
}
