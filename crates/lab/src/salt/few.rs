//! The transfer with few images to learn from.

use crate::{
    Result, Scale,
    transfer::{self, Arm, Data, Setting, Split, Sweep, percent},
};
use rankine_report::{Axis, Cell, Column, Lines, Page, Series, Style, Table};

/// What is tried.
pub(super) struct Plan {
    pub setting: Setting,
    /// Images to learn from, the same number of every class; the same for all seeds.
    pub images: Vec<usize>,
    /// r of a LoRA with about as many numbers as SALT.
    pub small_rank: usize,
    /// r of a LoRA with many more.
    pub large_rank: usize,
    /// All singular values of a weight: r of SVFit.
    pub values: usize,
    /// d.
    pub salt_rank: usize,
    pub rates: Vec<f32>,
    pub svfit_rates: Vec<f32>,
}

impl Default for Plan {
    fn default() -> Self {
        // Two rates each: the methods are compared by their best of few images, not again by their sweeps.
        let (rates, svfit_rates) =
            (transfer::factor_rates(Scale::Quick), transfer::value_rates(Scale::Quick));
        Self {
            setting: Setting::of(Scale::Full, 3),
            images: vec![20, 100, 1000],
            small_rank: 4,
            large_rank: 32,
            values: 256,
            salt_rank: 8,
            rates,
            svfit_rates,
        }
    }
}

/// The sweep with one number of images.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Few {
    pub images: usize,
    pub sweep: Sweep,
}

pub(super) fn measure(plan: &Plan, data: &Data, watch: &mut dyn FnMut(&str)) -> Result<Vec<Few>> {
    let arms = [
        Arm::full(&plan.rates),
        Arm::of_rank("LoRA", plan.small_rank, &plan.rates)?,
        Arm::of_rank("LoRA", plan.large_rank, &plan.rates)?,
        Arm::of_rank("SVFit", plan.values, &plan.svfit_rates)?,
        super::salt("full", plan.salt_rank, &plan.rates)?,
    ];
    let mut found = Vec::new();
    for &images in &plan.images {
        let train = data.new.train.of_each_class(images / transfer::classes(&data.new.train).max(1));
        let new = Split { train, test: data.new.test.clone() };
        let data = Data { old: data.old.clone(), new };
        let mut watch = |line: &str| watch(&format!("{images} images, {line}"));
        let sweep = transfer::run(&plan.setting, &arms, &data, &mut |_| Ok(()), &mut watch)?;
        found.push(Few { images, sweep });
    }
    Ok(found)
}

pub(super) fn show(few: &[Few], page: &mut Page) {
    let labels: Vec<&str> =
        few.iter().take(1).flat_map(|few| few.sweep.arms.iter().map(|arm| arm.label.as_str())).collect();
    let mut columns = vec![Column::text("Method")];
    columns.extend(few.iter().map(|few| Column::number(format!("{} images", few.images))));
    let caption = "Best accuracy of the sweep for each number of images to learn from, means over the seeds";
    let mut table = Table::new(columns).caption(caption);
    let mut plot = Lines::new(
        "Few images",
        Axis::log("images to learn from"),
        Axis::linear("accuracy on test images in %"),
    );
    for label in labels {
        let best = |few: &Few| few.sweep.best_accuracy(label).value;
        let points = few.iter().map(|few| (few.images as f64, 100.0 * best(few)));
        plot = plot.series(Series::new(label, points).style(Style::Marked));
        table
            .row([Cell::text(label)].into_iter().chain(few.iter().map(|few| Cell::text(percent(best(few))))));
    }
    page.section("Few images").table(table).plot(plot);
}
