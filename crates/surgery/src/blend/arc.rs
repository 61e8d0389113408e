//! The way from one vector to another at constant angular speed.
//!
//!     cos θ = ⟨x, y⟩ / (‖x‖·‖y‖)        a·x + b·y with a = sin((1 − t)·θ) / sin θ, b = sin(t·θ) / sin θ
//!
//! Where the angle is too small to divide by, or the vectors are opposed, a = 1 − t and b = t.

/// Sums that tell the angle between two vectors: ‖x‖², ‖y‖² and ⟨x, y⟩.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Products {
    pub first: f64,
    pub second: f64,
    pub both: f64,
}

impl Products {
    /// Of two vectors.
    pub fn of(x: &[f32], y: &[f32]) -> Self {
        let mut sums = Self::default();
        x.iter().zip(y).for_each(|(&x, &y)| sums.add(x, y));
        sums
    }

    /// With two more numbers.
    pub fn add(&mut self, x: f32, y: f32) {
        let (x, y) = (f64::from(x), f64::from(y));
        self.first += x * x;
        self.second += y * y;
        self.both += x * y;
    }

    /// cos θ; `unit` is the norm that stands in the place of a norm.
    pub fn cosine(self, unit: impl Fn(f64) -> f64) -> f64 {
        self.both / (unit(self.first.sqrt()) * unit(self.second.sqrt()))
    }
}

/// The factors of both vectors at `t`, from the cosine of their angle.
pub(super) fn factors(t: f64, cosine: f64) -> (f64, f64) {
    let angle = cosine.clamp(-1.0, 1.0).acos();
    let sine = angle.sin();
    // A NaN, of numbers that are not finite, goes the straight way too.
    if 1e-8 <= sine.abs() {
        (((1.0 - t) * angle).sin() / sine, (t * angle).sin() / sine)
    } else {
        (1.0 - t, t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_angle_is_halved() {
        let sums = Products::of(&[2.0, 0.0], &[0.0, 5.0]);
        assert_eq!((sums.first, sums.second, sums.both), (4.0, 25.0, 0.0));
        let (a, b) = factors(0.5, sums.cosine(|norm| norm));
        assert!((a - 0.5_f64.sqrt()).abs() < 1e-12 && (b - a).abs() < 1e-12, "{a} {b}");
        assert_eq!(factors(0.0, 0.3).0, 1.0);
        for cosine in [1.0, -1.0, 1.5, f64::NAN] {
            assert_eq!(factors(0.25, cosine), (0.75, 0.25), "{cosine}");
        }
    }
}
