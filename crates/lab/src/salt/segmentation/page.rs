//! The section of masks.

use super::{
    Found,
    found::{Pretrained, spread},
};
use crate::transfer::{OLD, mean, rate_words};
use rankine_report::{Axis, Cell, Column, Lines, Page, Series, Style, Table};

impl Found {
    /// Adds what was measured to a page.
    pub fn show(&self, page: &mut Page) {
        page.section("Masks of items with few images").text(self.setting_words());
        page.table(self.bests()).table(self.sweeps());
        page.plot(self.against_images()).plot(self.against_size());
    }

    fn setting_words(&self) -> String {
        let (setting, [classes, masks]) = (&self.setting, self.setting.pretraining_steps);
        let before =
            |figure: fn(&Pretrained) -> f64| spread(&self.pretrained.iter().map(figure).collect::<Vec<_>>());
        format!(
            "Items stand on textured ground, and their masks are to be found. A vision transformer of {} blocks and width {} \
             learns the {} old classes in {classes} steps (accuracy {}), a linear decoder on its frozen states the masks of these \
             in {masks} steps (Dice {}); then the decoder is frozen, and Dice of the new classes is {}. All norms of the encoder \
             are trained at learning rate {}, and its linear maps by every method at every learning rate of its own sweep: AdamW, \
             rates along a line to 0, gradients cut at length 1, {} images a step, {} steps; seeds: {}. Every method starts from \
             the same encoder and sees the same batches. Half of the images that are not learnt from choose the rate, Dice is \
             told of the other half. Means over the seeds, in brackets the lowest and the highest of them; noise is one standard \
             error of the mean of the gaps in every seed. Trained numbers are those of the linear maps.",
            setting.layers,
            setting.width,
            OLD.len(),
            before(|pretrained| pretrained.accuracy),
            before(|pretrained| pretrained.old_dice),
            before(|pretrained| pretrained.new_dice),
            rate_words(setting.norm_rate),
            setting.batch,
            setting.steps,
            setting.seeds.len(),
        )
    }

    fn bests(&self) -> Table {
        let mut columns = vec![Column::text("Method"), Column::number("Trained numbers")];
        columns.extend(self.setting.images.iter().map(|images| Column::text(format!("{images} images"))));
        let caption = "Dice of the best of the sweep; * the rate ends the sweep, a better one may lie beyond";
        let mut table = Table::new(columns).caption(caption);
        for label in self.labels() {
            let cells =
                self.setting.images.iter().map(|&images| Cell::text(self.best(label, images).words()));
            table.row([Cell::text(label), Cell::from(self.trained(label))].into_iter().chain(cells));
        }
        table
    }

    fn sweeps(&self) -> Table {
        let mut columns = vec![Column::text("Method"), Column::number("Learning rate")];
        columns.extend(self.setting.images.iter().map(|images| Column::text(format!("{images} images"))));
        let mut table = Table::new(columns).caption("Dice of every learning rate");
        for arm in &self.arms {
            for &rate in &arm.rates {
                let of = |&images: &usize| Cell::text(spread(&self.dice(&arm.label, images, rate)));
                let cells = self.setting.images.iter().map(of);
                table.row([Cell::text(&arm.label), Cell::text(rate_words(rate))].into_iter().chain(cells));
            }
        }
        table
    }

    fn against_images(&self) -> Lines {
        let axes = (Axis::log("images to learn from"), Axis::linear("Dice"));
        let mut plot = Lines::new("Dice against number of images", axes.0, axes.1);
        for label in self.labels() {
            let points = self.setting.images.iter().map(|&images| (images as f64, self.mean(label, images)));
            plot = plot.series(Series::new(label, points).style(Style::Marked));
        }
        plot
    }

    fn against_size(&self) -> Lines {
        let axes = (Axis::log("trained numbers of the linear maps"), Axis::linear("Dice"));
        let mut plot = Lines::new("Dice against trained numbers", axes.0, axes.1);
        for &images in &self.setting.images {
            let points = self.labels().map(|label| (self.trained(label) as f64, self.mean(label, images)));
            plot = plot.series(Series::new(format!("{images} images"), points).style(Style::Points));
        }
        plot
    }

    fn labels(&self) -> impl Iterator<Item = &str> {
        self.arms.iter().map(|arm| arm.label.as_str())
    }

    /// Best Dice, in the mean over the seeds.
    fn mean(&self, arm: &str, images: usize) -> f64 {
        mean(&self.best(arm, images).dice)
    }
}
