//! Colours of a heat map: told apart by lightness, so that they survive colour blindness and a black-and-white print.
//!
//! Values of one sign run through viridis, dark to light. Values of both signs run from blue over white to brown with
//! white at zero, both hues reaching as far as the larger of the two extremes.

use super::Heat;
use super::scale::{Scale, drawable};

/// Red, green, blue.
pub(crate) type Rgb = [u8; 3];

/// Ten evenly spaced colours of matplotlib's viridis.
const VIRIDIS: [u32; 10] =
    [0x440154, 0x482878, 0x3e4989, 0x31688e, 0x26828e, 0x1f9e89, 0x35b779, 0x6ece58, 0xb5de2b, 0xfde725];

/// Blue over white to brown, after ColorBrewer's PuOr and RdBu.
const TWO_HUES: [u32; 7] = [0x2166ac, 0x67a9cf, 0xd1e5f0, 0xf7f7f7, 0xfee0b6, 0xe08214, 0x8c4a06];

/// From a value to its colour.
pub(crate) struct Shades {
    scale: Scale,
    log: bool,
    stops: &'static [u32],
}

impl Shades {
    pub fn of(heat: &Heat) -> Self {
        let log = heat.value.log;
        let shown = || heat.values.iter().flatten().copied().filter(|value| drawable(*value, log));
        if !log && shown().any(|value| value < 0.0) && shown().any(|value| value > 0.0) {
            let both = shown().flat_map(|value| [value, -value]);
            return Self { scale: Scale::covering(both, false), log, stops: &TWO_HUES };
        }
        Self { scale: Scale::covering(shown(), log), log, stops: &VIRIDIS }
    }

    /// Where `value` lies between the ends, 0 to 1; `None` where it has no colour.
    pub fn fraction(&self, value: f64) -> Option<f64> {
        drawable(value, self.log).then(|| self.scale.fraction(value).clamp(0.0, 1.0))
    }

    /// The colour at a place between the ends, 0 to 1.
    pub fn at(&self, fraction: f64) -> Rgb {
        let place = fraction.clamp(0.0, 1.0) * (self.stops.len() - 1) as f64;
        let lower = (place.floor() as usize).min(self.stops.len() - 2);
        let share = place - lower as f64;
        let mix = |shift: u32| {
            let channel = |stop: u32| f64::from(stop >> shift & 0xff);
            (channel(self.stops[lower]) * (1.0 - share) + channel(self.stops[lower + 1]) * share).round()
                as u8
        };
        [mix(16), mix(8), mix(0)]
    }

    /// The values at both ends.
    pub fn ends(&self) -> (f64, f64) {
        self.scale.ends()
    }
}

/// Whether black is easier to read on `colour` than white: its relative luminance (WCAG 2) above 0.179.
pub(crate) fn wants_black(colour: Rgb) -> bool {
    let linear = |channel: u8| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2]) > 0.179
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Axis;

    fn heat(values: &[f64], log: bool) -> Heat {
        Heat::new("", Axis { label: String::new(), log }, vec![values.to_vec()])
    }

    #[test]
    fn one_sign_runs_dark_to_light_and_two_signs_meet_at_white() {
        let one = Shades::of(&heat(&[1.0, 3.0, f64::NAN], false));
        assert_eq!(one.at(0.0), [0x44, 0x01, 0x54]);
        assert_eq!(one.at(1.0), [0xfd, 0xe7, 0x25]);
        assert_eq!((one.fraction(2.0), one.fraction(f64::NAN)), (Some(0.5), None));
        assert!(!wants_black(one.at(0.0)) && wants_black(one.at(1.0)));
        let two = Shades::of(&heat(&[-1.0, 3.0], false));
        assert_eq!((two.ends(), two.fraction(0.0)), ((-3.0, 3.0), Some(0.5)));
        assert_eq!(two.at(0.5), [0xf7, 0xf7, 0xf7]);
    }

    #[test]
    fn log_colours_are_equally_far_apart_for_equal_ratios() {
        let shades = Shades::of(&heat(&[1e-3, 1e1, -1.0, 0.0], true));
        assert!((shades.fraction(1e-1).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(shades.fraction(0.0), None);
    }
}
