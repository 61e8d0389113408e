//! Whether losses are in an order in every run: at each of some learning rates, in each seed.

use super::{Run, Sweep};

/// Whether it was so; rates, in them seeds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order(pub Vec<Vec<bool>>);

impl Order {
    /// Whether there are runs, and it was so in all of them.
    pub(crate) fn holds(&self) -> bool {
        let mut runs = self.0.iter().flatten().peekable();
        runs.peek().is_some() && runs.all(|right| *right)
    }

    /// `in 3 of 4 runs: 2 learning rates, 2 seeds`.
    pub(crate) fn words(&self) -> String {
        let runs = || self.0.iter().flatten();
        let seeds = self.0.iter().map(Vec::len).max().unwrap_or(0);
        format!(
            "in {} of {} runs: {}, {}",
            runs().filter(|right| **right).count(),
            runs().count(),
            counted(self.0.len(), "learning rate"),
            counted(seeds, "seed"),
        )
    }
}

impl<S> Sweep<String, S> {
    /// Whether the early losses of some arms ascend, each below the next.
    pub(crate) fn early_order(&self, arms: &[&str], rates: &[f32]) -> Order {
        let early = |arm: &str, rate| self.of(arm, rate).map(|run: &Run| run.early).collect::<Vec<f64>>();
        let at = |&rate: &f32| -> Vec<bool> {
            let losses: Vec<Vec<f64>> = arms.iter().map(|arm| early(arm, rate)).collect();
            let seeds = losses.iter().map(Vec::len).min().unwrap_or(0);
            (0..seeds).map(|seed| losses.is_sorted_by(|one, next| one[seed] < next[seed])).collect()
        };
        Order(rates.iter().map(at).collect())
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::{Arm, Setting};

    #[test]
    fn every_run_counts_and_is_counted() {
        let run = |(arm, rate, seed, early): (&str, f32, u64, f64)| Run {
            arm: arm.to_owned(),
            rate,
            seed,
            trained: 0,
            losses: vec![],
            early,
            late: 0.0,
            accuracy: 0.0,
        };
        let runs = [
            ("a", 1.0, 0, 0.1),
            ("a", 1.0, 1, 0.1),
            ("a", 2.0, 0, 0.1),
            ("a", 2.0, 1, f64::NAN),
            ("b", 1.0, 0, 0.2),
            ("b", 1.0, 1, 0.2),
            ("b", 2.0, 0, 0.3),
            ("b", 2.0, 1, 0.4),
        ];
        let arms = [Arm::full(&[1.0, 2.0])];
        let sweep = Sweep { runs: runs.map(run).into(), ..Sweep::new(&Setting::default(), &arms, 1) };
        let both = sweep.early_order(&["a", "b"], &[1.0, 2.0]);
        assert_eq!(both.words(), "in 3 of 4 runs: 2 learning rates, 2 seeds");
        let first = sweep.early_order(&["a", "b"], &[1.0]);
        assert_eq!(first.words(), "in 2 of 2 runs: 1 learning rate, 2 seeds");
        assert!(!both.holds() && first.holds() && !sweep.early_order(&["b", "a"], &[1.0]).holds());
        assert!(!sweep.early_order(&["a", "c"], &[1.0]).holds() && !sweep.early_order(&["a"], &[]).holds());
    }
}
