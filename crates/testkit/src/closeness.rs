//! Two lists of numbers are close when, element by element,
//!
//! ```text
//! |actual − expected| ≤ absolute + relative · |expected|
//! ```
//!
//! Equal numbers are close, infinite ones too; a NaN on either side is close to nothing.

use std::fmt;

/// How close two lists are; the worst element is the one with the largest share of its allowance used.
#[derive(Clone, Debug, PartialEq)]
pub struct Closeness {
    /// Elements on the side of `actual` and of `expected`.
    pub lengths: (usize, usize),
    /// Index of the worst element.
    pub index: usize,
    /// The worst element, as found.
    pub actual: f64,
    /// The worst element, as it should be.
    pub expected: f64,
    /// Difference over allowance at the worst element: at most 1 when the lists are close.
    pub ratio: f64,
    /// Largest absolute difference of all elements.
    pub largest: f64,
    /// Elements beyond their allowance.
    pub failures: usize,
}

impl Closeness {
    /// Whether the lists are as long as each other and every element is within its allowance.
    pub fn is_close(&self) -> bool {
        self.lengths.0 == self.lengths.1 && self.failures == 0
    }
}

impl fmt::Display for Closeness {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (actual, expected) = self.lengths;
        if actual != expected {
            return write!(out, "{actual} elements instead of {expected}");
        }
        write!(
            out,
            "{} of {actual} elements differ; worst at [{}]: {:e} instead of {:e}, {:.3} times the allowance; \
             largest difference {:e}",
            self.failures, self.index, self.actual, self.expected, self.ratio, self.largest
        )
    }
}

/// Compares two lists of f32 or f64; see the formula above.
pub fn closeness<A, E>(actual: &[A], expected: &[E], relative: f64, absolute: f64) -> Closeness
where
    A: Copy + Into<f64>,
    E: Copy + Into<f64>,
{
    let mut report = Closeness {
        lengths: (actual.len(), expected.len()),
        index: 0,
        actual: 0.0,
        expected: 0.0,
        ratio: 0.0,
        largest: 0.0,
        failures: 0,
    };
    for (index, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        let (actual, expected) = (actual.into(), expected.into());
        let difference = difference(actual, expected);
        let ratio = if difference == 0.0 { 0.0 } else { difference / (absolute + relative * expected.abs()) };
        let ratio = if ratio.is_nan() { f64::INFINITY } else { ratio };
        report.failures += usize::from(ratio > 1.0);
        report.largest = report.largest.max(difference);
        if index == 0 || ratio > report.ratio {
            report = Closeness { index, actual, expected, ratio, ..report };
        }
    }
    report
}

/// |actual − expected|: 0 for equal infinities, infinite for a NaN.
fn difference(actual: f64, expected: f64) -> f64 {
    let difference = if actual == expected { 0.0 } else { (actual - expected).abs() };
    if difference.is_nan() { f64::INFINITY } else { difference }
}

/// Panics unless the lists are close; the message shows the worst element. [`assert_close!`](crate::assert_close!)
/// adds defaults and a context.
#[track_caller]
pub fn assert_close<A, E>(actual: &[A], expected: &[E], relative: f64, absolute: f64)
where
    A: Copy + Into<f64>,
    E: Copy + Into<f64>,
{
    let report = closeness(actual, expected, relative, absolute);
    assert!(report.is_close(), "{report}");
}

/// Asserts that two lists of f32 or f64 (vectors, slices, arrays) are close.
///
/// The default is `relative = 1e-5, absolute = 1e-6`; naming one of them alone sets the other to 0. A message may
/// follow, as in `assert!`.
///
/// ```
/// use rankine_testkit::assert_close;
/// assert_close!([1.0_f32], vec![1.000_001_f32]);
/// assert_close!([100.0_f32], [100.5_f64], relative = 0.01);
/// assert_close!([0.0_f32], [0.05_f32], absolute = 0.1, "row {}", 3);
/// assert_close!([1.0_f32], [1.1_f32], relative = 0.1, absolute = 0.01);
/// ```
#[macro_export]
macro_rules! assert_close {
    ($actual:expr, $expected:expr, relative = $relative:expr, absolute = $absolute:expr, $($context:tt)+) => {{
        let report = $crate::closeness(&$actual[..], &$expected[..], $relative, $absolute);
        assert!(report.is_close(), "{}: {report}", format_args!($($context)+));
    }};
    ($actual:expr, $expected:expr, relative = $relative:expr, absolute = $absolute:expr $(,)?) => {
        $crate::assert_close!($actual, $expected, relative = $relative, absolute = $absolute, "`{}`", stringify!($actual))
    };
    ($actual:expr, $expected:expr, relative = $relative:expr $(, $($context:tt)*)?) => {
        $crate::assert_close!($actual, $expected, relative = $relative, absolute = 0.0 $(, $($context)*)?)
    };
    ($actual:expr, $expected:expr, absolute = $absolute:expr $(, $($context:tt)*)?) => {
        $crate::assert_close!($actual, $expected, relative = 0.0, absolute = $absolute $(, $($context)*)?)
    };
    ($actual:expr, $expected:expr $(, $($context:tt)*)?) => {
        $crate::assert_close!($actual, $expected, relative = 1e-5, absolute = 1e-6 $(, $($context)*)?)
    };
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn the_worst_element_is_named() {
        let report = closeness(&[1.0_f32, 2.5, 100.1], &[1.0_f32, 2.0, 100.0], 0.0, 0.2);
        assert!(!report.is_close());
        assert_eq!((report.index, report.failures), (1, 1));
        assert!((report.ratio - 2.5).abs() < 1e-12 && (report.largest - 0.5).abs() < 1e-12);
        assert!(report.to_string().contains("worst at [1]: 2.5e0 instead of 2e0"), "{report}");
    }

    #[test]
    fn both_allowances_add_up() {
        assert!(closeness(&[10.0], &[11.0], 0.05, 0.5).is_close());
        assert!(!closeness(&[10.0], &[11.0], 0.05, 0.4).is_close());
        assert!(closeness(&[0.0], &[0.0], 0.0, 0.0).is_close());
        assert!(closeness::<f32, f32>(&[], &[], 0.0, 0.0).is_close());
    }

    #[test]
    fn nan_length_and_sign_are_not_forgiven() {
        let infinite = f64::INFINITY;
        assert!(closeness(&[infinite], &[infinite], 0.0, 0.0).is_close());
        for (actual, expected) in [
            (vec![f64::NAN], vec![f64::NAN]),
            (vec![f64::NAN], vec![1.0]),
            (vec![1.0], vec![f64::NAN]),
            (vec![-infinite], vec![infinite]),
            (vec![1.0], vec![infinite]),
            (vec![1.0, 1.0], vec![1.0]),
            (vec![], vec![1.0]),
        ] {
            assert!(!closeness(&actual, &expected, 1.0, 1e9).is_close(), "{actual:?} {expected:?}");
        }
    }

    #[test]
    fn the_macro_fails_with_its_context() {
        let failure = catch_unwind(|| assert_close!([1.0_f32], [2.0_f32], absolute = 0.5, "layer {}", 7));
        let message = *failure.unwrap_err().downcast::<String>().unwrap();
        assert!(message.starts_with("layer 7: 1 of 1 elements differ"), "{message}");
        assert!(catch_unwind(|| assert_close!([1.0_f32], [1.001_f32])).is_err());
        assert!(catch_unwind(|| assert_close!([1.0_f32], [1.001_f32], relative = 1e-4)).is_err());
        assert!(catch_unwind(|| assert_close(&[1.0_f32], &[1.001_f32], 1e-4, 0.0)).is_err());
        assert_close(&[1.0_f32], &[1.001_f32], 1e-2, 0.0);
    }
}
