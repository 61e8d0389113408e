//! Sparklines: a row of numbers as one word, `▁▃▄▆█`.

use crate::plot::scale::{Scale, drawable};

/// From little to much.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Where there is no number.
const GAP: char = '·';

/// The numbers as at most `most` blocks, each the mean of the numbers it stands for, from the lowest to the highest of
/// them; on a `log` scale by their logarithms.
pub(crate) fn blocks(values: &[f64], log: bool, most: usize) -> String {
    let each = values.len().div_ceil(most.max(1)).max(1);
    let means: Vec<f64> = values.chunks(each).map(|chunk| mean(chunk, log)).collect();
    let scale = Scale::covering(means.iter().copied(), log);
    let block = |mean: f64| {
        let level = (scale.fraction(mean).clamp(0.0, 1.0) * BLOCKS.len() as f64) as usize;
        if drawable(mean, log) { BLOCKS[level.min(BLOCKS.len() - 1)] } else { GAP }
    };
    means.into_iter().map(block).collect()
}

/// The mean of what can be drawn; NaN where nothing can.
fn mean(values: &[f64], log: bool) -> f64 {
    let shown = values.iter().filter(|value| drawable(**value, log));
    let (sum, count) = shown.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_rise_with_the_numbers() {
        let ramp: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!(blocks(&ramp, false, 24), "▁▂▃▄▅▆▇█");
        assert_eq!(blocks(&ramp, false, 4), "▁▃▆█");
        assert_eq!(blocks(&[1e-4, 1e-2, 1.0], true, 24), "▁▅█");
        assert_eq!(blocks(&[0.0, 1.0, f64::NAN, f64::INFINITY], false, 24), "▁█··");
        assert_eq!(blocks(&[0.0, 0.0], false, 24), "▅▅");
        assert_eq!(blocks(&[], false, 0), "");
    }
}
