//! From values to places on an axis, and the ticks along it.
//!
//!     position(v) = v  or  log₁₀ v        fraction(v) = (position(v) − low) / (high − low)
//!
//! Linear ticks are multiples of 1, 2 or 5 times a power of ten; log ticks are powers of ten, with 2 and 5 times them
//! where there is room, and linear ones inside less than a decade.

use crate::format;

/// Larger numbers would overflow in differences and margins; they are drawn as gaps, as are those below its inverse
/// on a log axis.
const LARGEST: f64 = 1e250;

/// Digits after the point that a label may have; the ticks of a range around zero need no more.
const MOST_DECIMALS: usize = 15;

/// A narrower range (relative to its ends) has no two labels that differ; it is widened.
const NARROWEST: f64 = 1e-12;

/// Whether a value has a place on an axis.
pub(crate) fn drawable(value: f64, log: bool) -> bool {
    value.abs() <= LARGEST && (!log || value >= 1.0 / LARGEST)
}

/// The range of an axis, in positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    log: bool,
}

/// A labelled place on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub value: f64,
    pub label: String,
}

impl Scale {
    /// The range that covers all drawable values; without any, 0..1 (log: 1..10).
    pub fn covering(values: impl IntoIterator<Item = f64>, log: bool) -> Self {
        let mut range: Option<(f64, f64)> = None;
        for value in values.into_iter().filter(|value| drawable(*value, log)) {
            let (low, high) = range.unwrap_or((value, value));
            range = Some((low.min(value), high.max(value)));
        }
        let (low, high) = range.unwrap_or(if log { (1.0, 10.0) } else { (0.0, 1.0) });
        let (low, high) = if log { (low.log10(), high.log10()) } else { (low, high) };
        Self { low, high, log }.widened()
    }

    /// The same range and a margin of `share` of it on both sides.
    pub fn padded(self, share: f64) -> Self {
        let margin = (self.high - self.low) * share;
        Self { low: self.low - margin, high: self.high + margin, log: self.log }
    }

    /// Where `value` lies between the ends, 0 to 1 (outside of it for values outside of the range).
    pub fn fraction(&self, value: f64) -> f64 {
        let position = if self.log { value.log10() } else { value };
        (position - self.low) / (self.high - self.low)
    }

    /// The ends of the range, as values.
    pub fn ends(&self) -> (f64, f64) {
        if self.log { (10f64.powf(self.low), 10f64.powf(self.high)) } else { (self.low, self.high) }
    }

    /// At most `most` (2 to 10) rising ticks inside the range.
    pub fn ticks(&self, most: usize) -> Vec<Tick> {
        let most = most.clamp(2, 10);
        if self.log && self.high - self.low >= 1.0 {
            return self.decade_ticks(most);
        }
        let (low, high) = self.ends();
        linear_ticks(low, high, most)
    }

    fn decade_ticks(&self, most: usize) -> Vec<Tick> {
        let (first, last) = (self.low.floor() as i32, self.high.ceil() as i32);
        let inside = |(mantissa, exponent): &(u8, i32)| {
            let position = f64::from(*mantissa).log10() + f64::from(*exponent);
            position >= self.low - 1e-9 && position <= self.high + 1e-9
        };
        let mut ticks: Vec<_> =
            (first..=last).flat_map(|e| [(1, e), (2, e), (5, e)]).filter(inside).collect();
        if ticks.len() > most {
            ticks.retain(|(mantissa, _)| *mantissa == 1);
        }
        // Counted from 10⁰, so that the same decades are labelled whatever the range.
        let stride = (1..).find(|stride| ticks.len().div_ceil(*stride as usize) < most).unwrap_or(1);
        if ticks.len() > most {
            ticks.retain(|(_, exponent)| exponent % stride == 0);
        }
        let plain = ticks.iter().all(|(_, exponent)| (-3..5).contains(exponent));
        let tick = |(mantissa, exponent): &(u8, i32)| {
            let value = format!("{mantissa}e{exponent}").parse().unwrap_or(0.0);
            let label = if plain { format::number(value, 3) } else { power_label(*mantissa, *exponent) };
            Tick { value, label }
        };
        ticks.iter().map(tick).collect()
    }

    /// A range of one value, or nearly so, gets room on both sides.
    fn widened(self) -> Self {
        let size = self.low.abs().max(self.high.abs());
        if self.high - self.low > (size * NARROWEST).max(f64::MIN_POSITIVE * 1e6) {
            return self;
        }
        let margin = if self.log {
            0.5
        } else if size < f64::MIN_POSITIVE * 1e6 {
            1.0
        } else {
            size * 0.1
        };
        Self { low: self.low - margin, high: self.high + margin, log: self.log }
    }
}

fn linear_ticks(low: f64, high: f64, most: usize) -> Vec<Tick> {
    // Small enough that the first step has ticks; a step with three ticks is followed by one that has some.
    let mut step = Step::above((high - low) / (5 * most) as f64);
    let mut values = multiples(low, high, step.size());
    while values.len() > most {
        step = step.next();
        values = multiples(low, high, step.size());
    }
    let largest = values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    let label = |value: f64| {
        if largest == 0.0 || (1e-3..1e7).contains(&largest) {
            format::fixed(value, usize::try_from(-step.exponent).unwrap_or(0).min(MOST_DECIMALS))
        } else {
            let digits = largest.log10().floor() as i32 - step.exponent + 1;
            format::scientific(value, usize::try_from(digits).unwrap_or(1))
        }
    };
    values.into_iter().map(|value| Tick { value, label: label(value) }).collect()
}

/// The multiples of `step` from `low` to `high`; rounding does not lose one that lies on an end.
fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    let slack = (high - low) * 1e-9;
    let first = ((low - slack) / step).ceil();
    let mut values: Vec<f64> = (0..)
        .map(|index| (first + f64::from(index)) * step)
        .take_while(|value| *value <= high + slack)
        .map(|value| if value.abs() < step * 1e-6 { 0.0 } else { value.clamp(low, high) })
        .collect();
    values.dedup();
    values
}

/// 1, 2 or 5 times a power of ten.
#[derive(Clone, Copy)]
struct Step {
    mantissa: i32,
    exponent: i32,
}

impl Step {
    /// The smallest one that is at least `least`.
    fn above(least: f64) -> Self {
        let exponent = least.log10().floor() as i32;
        let mut step = Self { mantissa: 1, exponent };
        while step.size() < least * (1.0 - 1e-9) {
            step = step.next();
        }
        step
    }

    fn size(self) -> f64 {
        f64::from(self.mantissa) * 10f64.powi(self.exponent)
    }

    fn next(self) -> Self {
        match self.mantissa {
            1 => Self { mantissa: 2, ..self },
            2 => Self { mantissa: 5, ..self },
            _ => Self { mantissa: 1, exponent: self.exponent + 1 },
        }
    }
}

fn power_label(mantissa: u8, exponent: i32) -> String {
    let power: String = exponent
        .to_string()
        .chars()
        .map(|digit| match digit.to_digit(10) {
            Some(digit) => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit as usize],
            None => '⁻',
        })
        .collect();
    if mantissa == 1 { format!("10{power}") } else { format!("{mantissa}×10{power}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(low: f64, high: f64, log: bool, most: usize) -> Vec<String> {
        Scale::covering([low, high], log).ticks(most).into_iter().map(|tick| tick.label).collect()
    }

    fn check(low: f64, high: f64, log: bool, most: usize) -> std::result::Result<(), TestCaseError> {
        let scale = Scale::covering([low, high], log);
        let ticks = scale.ticks(most);
        prop_assert!(ticks.len() <= 10 && ticks.len() <= most.max(2), "{ticks:?}");
        prop_assert!(!ticks.is_empty(), "{scale:?}");
        prop_assert!(ticks.windows(2).all(|pair| pair[0].value < pair[1].value), "{ticks:?}");
        prop_assert!(ticks.windows(2).all(|pair| pair[0].label != pair[1].label), "{ticks:?}");
        let inside = |tick: &Tick| (-1e-6..=1.0 + 1e-6).contains(&scale.fraction(tick.value));
        prop_assert!(ticks.iter().all(inside), "{ticks:?} outside of {scale:?}");
        Ok(())
    }

    proptest! {
        #[test]
        fn linear_ticks_rise_inside_the_range(
            low in prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL,
            high in prop::num::f64::NORMAL,
            most in 2usize..12,
        ) {
            check(low, high, false, most)?;
        }

        #[test]
        fn ordinary_ticks_rise_inside_the_range(low in -1e4..1e4, width in 1e-6..1e5, most in 2usize..12) {
            check(low, low + width, false, most)?;
        }

        #[test]
        fn log_ticks_rise_inside_the_range(low in -245.0..225.0f64, decades in 0.0..20.0f64, most in 2usize..12) {
            check(10f64.powf(low), 10f64.powf(low + decades), true, most)?;
        }

        #[test]
        fn fractions_keep_the_order(a in -1e6..1e6f64, b in -1e6..1e6f64, c in -1e6..1e6f64) {
            let scale = Scale::covering([a, b, c], false);
            prop_assert_eq!(a < b, scale.fraction(a) < scale.fraction(b));
            prop_assert!((0.0..=1.0).contains(&scale.fraction(c)));
        }
    }

    #[test]
    fn ticks_read_as_people_write_them() {
        assert_eq!(labels(0.0, 200.0, false, 5), ["0", "50", "100", "150", "200"]);
        assert_eq!(labels(0.0, 0.3, false, 4), ["0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(labels(-1.0, 1.0, false, 5), ["-1.0", "-0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(labels(0.0, 2e-4, false, 5), ["0", "5e-5", "1e-4", "1.5e-4", "2e-4"]);
        assert_eq!(labels(0.0, 20_000.0, false, 3), ["0", "10,000", "20,000"]);
        assert_eq!(labels(0.0, 3e6, false, 4), ["0", "1,000,000", "2,000,000", "3,000,000"]);
        assert_eq!(labels(0.0, 3e7, false, 4), ["0", "1e7", "2e7", "3e7"]);
        assert_eq!(labels(1e-5, 1e-2, true, 5), ["10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²"]);
        assert_eq!(labels(1.0, 100.0, true, 8), ["1", "2", "5", "10", "20", "50", "100"]);
        assert_eq!(labels(2.0, 3.0, true, 6), ["2.0", "2.2", "2.4", "2.6", "2.8", "3.0"]);
        assert_eq!(labels(1e-7, 3e-6, true, 8), ["10⁻⁷", "2×10⁻⁷", "5×10⁻⁷", "10⁻⁶", "2×10⁻⁶"]);
    }

    #[test]
    fn degenerate_ranges_get_room() {
        for (value, log) in
            [(0.0, false), (2.5, false), (-1e-310, false), (1e250, false), (1e-250, true), (3.0, true)]
        {
            let scale = Scale::covering([value], log);
            assert!((scale.fraction(value) - 0.5).abs() < 1e-6, "{value}: {scale:?}");
            assert!(!scale.ticks(6).is_empty(), "{value}");
        }
        assert_eq!(Scale::covering([f64::NAN, -1.0, 0.0], true).ends(), (1.0, 10.0));
        assert_eq!(Scale::covering([], false).ends(), (0.0, 1.0));
    }
}
