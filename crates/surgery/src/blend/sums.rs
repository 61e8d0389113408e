//! Sums of tensors.

/// Numbers that are summed at a time, which stay in the nearest cache.
const STRIPE: usize = 1024;

/// out = Σ c·x, in f64 and rounded once; every x is as long as `out`.
///
/// A term of factor 0 is left out, and a sum of one term is its product: so the end of a blend is its end, bit for bit.
pub fn combine(terms: &[(f64, &[f32])], out: &mut [f32]) {
    let terms: Vec<_> = terms.iter().filter(|(factor, _)| *factor != 0.0).collect();
    let Some((&&(factor, first), rest)) = terms.split_first() else { return out.fill(0.0) };
    for (at, out) in out.chunks_mut(STRIPE).enumerate() {
        let (start, end) = (at * STRIPE, at * STRIPE + out.len());
        let mut sums = [0.0_f64; STRIPE];
        sums.iter_mut().zip(&first[start..end]).for_each(|(sum, &x)| *sum = factor * f64::from(x));
        for &&(factor, x) in rest {
            sums.iter_mut().zip(&x[start..end]).for_each(|(sum, &x)| *sum += factor * f64::from(x));
        }
        out.iter_mut().zip(&sums).for_each(|(out, &sum)| *out = sum as f32);
    }
}

/// x ← x − base.
pub(super) fn subtract(base: &[f32], x: &mut [f32]) {
    x.iter_mut().zip(base).for_each(|(x, base)| *x -= base);
}

/// x ← factor · x, in f64 and rounded once.
pub(super) fn scale(x: &mut [f32], factor: f64) {
    x.iter_mut().for_each(|x| *x = (factor * f64::from(*x)) as f32);
}

/// Σ (x − y)², in f64.
pub(super) fn squared_distance(x: &[f32], y: &[f32]) -> f64 {
    x.iter().zip(y).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_weight_leaves_no_trace() {
        let x: Vec<f32> = (0..3000).map(|at| (at as f32 - 7.5) / 3.0).collect();
        let mut out = vec![9.0; x.len()];
        combine(&[(0.0, &vec![f32::NAN; x.len()]), (1.0, &x)], &mut out);
        assert_eq!(out, x);
        combine(&[(1.0, &[-0.0]), (0.0, &[1.0])], &mut out[..1]);
        assert!(out[0] == 0.0 && out[0].is_sign_negative());
        // Shares that add to 1 give back what they share.
        combine(&[(0.3, &x), (0.1, &x), (0.6, &x)], &mut out);
        assert_eq!(out, x);
        combine(&[], &mut out);
        assert!(out.iter().all(|&x| x == 0.0));
    }
}
