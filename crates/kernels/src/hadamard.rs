//! The Walsh–Hadamard transform.
//!
//!     x ← H·x        H_ij = (−1)^(number of ones in i & j), not scaled: H·H = length·1
//!
//! length · log₂(length) additions, two levels a pass; parts of [`BLOCK`] numbers are finished before the next is touched,
//! so that what is beyond the cache is passed over once for two levels.

/// Numbers that stay in the first cache: 32 KiB.
const BLOCK: usize = 4096;

/// `x ← H·x`.
///
/// # Panics
/// When the length is no power of two.
pub fn transform(x: &mut [f64]) {
    assert!(x.len().is_power_of_two(), "the length of a Walsh–Hadamard transform is a power of two");
    if x.len() <= BLOCK {
        return block(x);
    }
    quarters(x);
    let quarter = x.len() / 4;
    x.chunks_exact_mut(quarter).for_each(transform);
}

vectorised! {
    fn quarters<V>(x: &mut [f64]) {
        fold(x);
    }

    fn block<V>(x: &mut [f64]) {
        let mut length = x.len();
        while 32 <= length {
            x.chunks_exact_mut(length).for_each(fold);
            length /= 4;
        }
        if length == 16 {
            x.chunks_exact_mut(16).for_each(halves);
            length = 8;
        }
        match length {
            8 => x.as_chunks_mut().0.iter_mut().for_each(eight),
            4 => fold(x),
            2 => halves(x),
            _ => {}
        }
    }
}

/// Two levels: each quarter becomes a signed sum of the four.
#[inline(always)]
fn fold(x: &mut [f64]) {
    let (left, right) = x.split_at_mut(x.len() / 2);
    let (a, b) = left.split_at_mut(left.len() / 2);
    let (c, d) = right.split_at_mut(right.len() / 2);
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
        let [sum, difference, other_sum, other_difference] = [*a + *b, *a - *b, *c + *d, *c - *d];
        (*a, *b) = (sum + other_sum, difference + other_difference);
        (*c, *d) = (sum - other_sum, difference - other_difference);
    }
}

/// One level.
#[inline(always)]
fn halves(x: &mut [f64]) {
    let (left, right) = x.split_at_mut(x.len() / 2);
    for (a, b) in left.iter_mut().zip(right) {
        (*a, *b) = (*a + *b, *a - *b);
    }
}

/// The whole transform of eight numbers.
#[inline(always)]
fn eight(x: &mut [f64; 8]) {
    let [a, b, c, d, e, f, g, h] = *x;
    let [a, b, c, d, e, f, g, h] = [a + e, b + f, c + g, d + h, a - e, b - f, c - g, d - h];
    let [a, b, c, d, e, f, g, h] = [a + c, b + d, a - c, b - d, e + g, f + h, e - g, f - h];
    *x = [a + b, a - b, c + d, c - d, e + f, e - f, g + h, g - h];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn irregular(length: usize) -> Vec<f64> {
        (0..length).map(|i| (i as f64 * 0.618_034).fract() - 0.5).collect()
    }

    #[test]
    fn it_is_the_product_with_the_matrix() {
        for levels in 0..=8 {
            let x = irregular(1 << levels);
            let mut found = x.clone();
            transform(&mut found);
            for (row, found) in found.iter().enumerate() {
                let sign =
                    |column: usize| if (row & column).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
                let wanted: f64 = x.iter().enumerate().map(|(column, x)| sign(column) * x).sum();
                assert!((found - wanted).abs() < 1e-12, "2^{levels}, row {row}: {found}, {wanted}");
            }
        }
    }

    #[test]
    fn twice_is_the_length_and_norms_stay() {
        for levels in [3, 9, 12, 13, 14, 17] {
            let x = irregular(1 << levels);
            let mut found = x.clone();
            transform(&mut found);
            let squares = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
            let length = x.len() as f64;
            assert!((squares(&found) / squares(&x) / length - 1.0).abs() < 1e-12);
            transform(&mut found);
            assert!(found.iter().zip(&x).all(|(found, x)| (found / length - x).abs() < 1e-12), "2^{levels}");
        }
    }
}
