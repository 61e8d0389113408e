//! Minima and zeros of functions of one number.

/// Where golden sections of [low, high] end, when the interval is below `width`.
pub(super) fn golden_section(mut low: f64, mut high: f64, width: f64, f: impl Fn(f64) -> f64) -> f64 {
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_left, mut at_right) = (f(left), f(right));
    while width < high - low {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - ratio * (high - low);
            at_left = f(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + ratio * (high - low);
            at_right = f(right);
        }
    }
    (low + high) / 2.0
}

/// The minimum over the places `low`, `low` + step, …, `high`, refined between the neighbours of the best: a function with one
/// valley of more than a step is searched whole.
pub(super) fn minimum(low: f64, high: f64, places: usize, f: impl Fn(f64) -> f64) -> f64 {
    let step = (high - low) / places as f64;
    let place = |index: usize| low + step * index as f64;
    let best = (0..=places).map(|index| (index, f(place(index)))).min_by(|x, y| x.1.total_cmp(&y.1));
    let center = best.map_or(low, |(index, _)| place(index));
    golden_section((center - step).max(low), (center + step).min(high), 1e-6, f)
}

/// The zero of a falling function between low and high, by Newton steps that stay between the signs found; `f` gives value and
/// slope, and may be infinite.
pub(super) fn falling_zero(mut low: f64, mut high: f64, f: impl Fn(f64) -> (f64, f64)) -> f64 {
    /// Halving alone would be through an interval of a thousand by then.
    const STEPS: usize = 80;
    let mut x = (low + high) / 2.0;
    for _ in 0..STEPS {
        let (value, slope) = f(x);
        if value == 0.0 {
            break;
        }
        if 0.0 < value {
            low = x
        } else {
            high = x
        }
        let newton = x - value / slope;
        let next = if low < newton && newton < high { newton } else { (low + high) / 2.0 };
        let moved = (next - x).abs();
        x = next;
        if moved <= f64::EPSILON * x.abs().max(1.0) {
            break;
        }
    }
    x
}
