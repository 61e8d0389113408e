//! How much the scale s of the branch matters: the same transfer at one learning rate, s by s.

use super::KERNEL_RANK;
use crate::{
    Result,
    findings::Finding,
    transfer::{self, Arm, Data, Setting, Sweep, rate_words},
};
use rankine_nn::models::LeNet;
use rankine_report::{Axis, Lines, Page, Series, Style};

/// What is tried.
pub(super) struct Scales {
    /// Ranks of LoRA and of FLoRA.
    pub pair: [usize; 2],
    /// s, ascending.
    pub scales: Vec<f32>,
    pub rate: f32,
}

/// Names of both methods.
const METHODS: [&str; 2] = ["LoRA", "FLoRA"];

fn label(method: &str, scale: f32) -> String {
    format!("{method} s={scale}")
}

impl Scales {
    pub fn measure(&self, setting: &Setting, data: &Data, watch: &mut dyn FnMut(&str)) -> Result<Sweep> {
        let ([lora, flora], rates) = (self.pair, [self.rate]);
        let mut arms = Vec::new();
        for &scale in &self.scales {
            let alpha = scale * lora as f32;
            let fields = format!("rank = {lora}\nalpha = {alpha:?}");
            arms.push(Arm::new(label("LoRA", scale), "lora", &fields, &rates)?);
            let fields = format!("rank = {flora}\nkernel_rank = {KERNEL_RANK}\nscale = {scale:?}");
            arms.push(Arm::new(label("FLoRA", scale), "flora", &fields, &rates)?);
        }
        transfer::run_network::<_, LeNet>(setting, &arms, data, &mut |_| Ok(()), watch)
    }

    /// Accuracies of a method, s by s.
    fn accuracies(&self, method: &str, sweep: &Sweep) -> Vec<f64> {
        let of = |&scale: &f32| sweep.mean(&label(method, scale), self.rate, |run| run.accuracy);
        self.scales.iter().map(of).collect()
    }

    pub fn finding(&self, sweep: &Sweep) -> Finding {
        let [lora, flora] = METHODS.map(|method| {
            let mut accuracies = self.accuracies(method, sweep);
            accuracies.sort_by(f64::total_cmp);
            let ends = accuracies.first().zip(accuracies.last());
            ends.map_or(f64::NAN, |(worst, best)| 100.0 * (best - worst))
        });
        Finding::new(
            format!(
                "accuracy depends less on s with FLoRA than with LoRA (learning rate {})",
                rate_words(self.rate)
            ),
            "less sensitive to its scale (figure)",
            format!("{flora:.2} points between best and worst s against {lora:.2}"),
            flora < lora,
        )
    }

    pub fn show(&self, sweep: &Sweep, page: &mut Page) {
        let axis = Axis::linear("accuracy on test images in %");
        let mut plot = Lines::new("Accuracy against the scale of the branch", Axis::log("s"), axis);
        for method in METHODS {
            let accuracies = self.accuracies(method, sweep);
            let points = self.scales.iter().zip(accuracies).map(|(&s, share)| (f64::from(s), 100.0 * share));
            plot = plot.series(Series::new(method, points).style(Style::Marked));
        }
        page.section("Scale of the branch").plot(plot);
    }
}
