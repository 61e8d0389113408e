//! [interpolate]: between a pretrained and a fine-tuned network is one that does better out of distribution than both.
//!
//! A. Two networks that lean on other features that do not last, together: `bang/colours.rs`. Shows: the less they share, the
//!    more both outputs and both weights gain together, and images that both get wrong come right.
//! B. WiSE-FT on damaged images, a pretrained network averaged with its fine-tune: `bang/line.rs`. Shows: the middle is above
//!    both ends out of distribution, and keeps what fine-tuning gave in it.
//! C. BANG, the same after fine-tuning with smoothed labels and mixed images: `bang/soft.rs`. Shows: the fine-tuned network is
//!    less sure of itself and its scores are nearer in length to those of the pretrained one; whether the middle is then better
//!    is measured, and said as it comes out.
//! A quick look is at images that are drawn here; in full it is Fashion-MNIST, for B and C with a convolutional network and a vision
//! transformer beside.
//!
//! Departures: the paper fine-tunes CLIP on ImageNet; its strengths of smoothing and mixing are not known to us: the least that
//! are usual, s = 0.1 and a = 0.2.

mod claims;
mod colours;
mod judged;
mod line;
mod page;
mod soft;

use crate::{Claim, Experiment, Materials, Result, Scale, damage::Damage, drawn, transfer::Setting};
use rankine_nn::models::{LeNet, Mlp, Vit};
use soft::Training;

/// Accuracy in and out of distribution between pretrained and fine-tuned networks.
#[derive(Clone, Copy, Debug, Default)]
pub struct BangExperiment;

impl Experiment for BangExperiment {
    fn paper(&self) -> &'static str {
        "interpolate"
    }

    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        watch("reading images");
        let images = drawn::split(scale, materials)?;
        let Plan { colours, line } = Plan::of(scale);
        let ensembles = colours.run(&images, watch)?;
        let mut tuned = vec![line.run::<Mlp>(&images, watch)?];
        if scale == Scale::Full {
            tuned.push(Plan::line("two convolutions and a map").run::<LeNet>(&images, watch)?);
            tuned.push(Plan::line("four blocks of attention").run::<Vit>(&images, watch)?);
        }
        Ok(page::claim(&ensembles, &tuned))
    }
}

/// What is tried.
struct Plan {
    colours: colours::Plan,
    line: line::Plan,
}

/// Fine-tuning as it is, and the two halves of BANG and both.
const PLAIN: Training = Training { label: "plain", smoothing: 0.0, mixup: 0.0 };
const SMOOTHED: Training = Training { label: "smoothed labels", smoothing: 0.1, mixup: 0.0 };
const MIXED: Training = Training { label: "mixed images", smoothing: 0.0, mixup: 0.2 };
const BANG: Training = Training { label: "both: BANG", smoothing: 0.1, mixup: 0.2 };

impl Plan {
    fn of(scale: Scale) -> Self {
        let setting = |width: usize, pretraining_steps: usize, steps: usize, batch: usize| {
            let hidden = vec![width; 2];
            Setting { hidden, pretraining_steps, steps, batch, ..Setting::default() }
        };
        let (mut colours, mut line, alphas, trainings) = match scale {
            Scale::Quick => (
                setting(128, 0, 300, 64),
                setting(128, 400, 200, 64),
                vec![0.25, 0.5, 0.75],
                vec![PLAIN, BANG],
            ),
            Scale::Full => (
                setting(256, 0, 400, 128),
                setting(256, 400, 400, 128),
                (1..10).map(|tenth| f64::from(tenth) / 10.0).collect(),
                vec![PLAIN, SMOOTHED, MIXED, BANG],
            ),
        };
        let mut damages = vec![Damage::Noise, Damage::Contrast, Damage::Brightness];
        if scale == Scale::Full {
            damages.push(Damage::Blur);
            for setting in [&mut colours, &mut line] {
                setting.seeds = vec![0, 1, 2];
            }
        }
        Self {
            colours: colours::Plan { setting: colours, flips: vec![0.7, 0.8, 0.9] },
            line: line::Plan { network: "two maps", setting: line, damages, alphas, trainings },
        }
    }

    /// Of a network that is dearer than maps.
    fn line(network: &'static str) -> line::Plan {
        let (pretraining_steps, steps, batch) = (400, 300, 64);
        let setting = Setting { hidden: Vec::new(), pretraining_steps, steps, batch, ..Setting::default() };
        let damages = vec![Damage::Noise, Damage::Contrast, Damage::Brightness];
        line::Plan { network, setting, damages, alphas: vec![0.25, 0.5, 0.75], trainings: vec![PLAIN, BANG] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::{Split, testing};
    use rankine_random::Rng;

    fn images() -> Split {
        let [train, test] = ["train", "test"].map(|part| drawn::images(6, &Rng::new(1).fork(part)));
        Split { train, test }
    }

    #[test]
    fn it_gives_a_page_with_finite_numbers() {
        let (images, Plan { colours, line }) = (images(), Plan::of(Scale::Quick));
        let colours = colours::Plan { setting: testing::setting(), ..colours };
        let line = line::Plan { setting: testing::setting(), ..line };
        let ensembles = colours.run(&images, &mut |_| {}).unwrap();
        assert_eq!(ensembles.len(), 3 * 3);
        let tuned = line.run::<Mlp>(&images, &mut |_| {}).unwrap();
        let [plain, bang] = tuned.lines.as_slice() else { panic!("{} lines", tuned.lines.len()) };
        assert_eq!((plain.points.len(), plain.at(0.0)), (5, bang.at(0.0)));
        assert!(
            [plain, bang].iter().all(|line| (0.1..=1.0).contains(&line.confidence) && 0.0 < line.balance)
        );
        // The middle is that of the cells.
        let shares = plain.cells.shares.iter().flatten().map(|share| share[1]).sum::<f64>();
        assert!((shares - plain.at(0.5).outside).abs() < 1e-9);
        let claim = page::claim(&ensembles, &[tuned]);
        let words = claim.page.terminal(120, false);
        let html = claim.page.html();
        assert!(html.contains("<svg") && html.contains("fine-tuned: two maps"));
        assert!(!words.contains("NaN"), "{words}");
        assert_eq!(claim.numbers["holds"], claim.holds);
        assert_eq!(claim.numbers["findings"].as_array().unwrap().len(), 6);
    }

    #[test]
    fn networks_of_other_kinds_are_tuned_alike() {
        let (plan, images) = (Plan::line("four blocks of attention"), images());
        let setting = Setting { pretraining_steps: 8, steps: 6, batch: 20, ..plan.setting };
        let plan = line::Plan { setting, alphas: vec![0.5], ..plan };
        let tuned = plan.run::<Vit>(&images, &mut |_| {}).unwrap();
        let [plain, bang] = tuned.lines.as_slice() else { panic!("{} lines", tuned.lines.len()) };
        assert_eq!((plain.points.len(), plain.at(0.0)), (3, bang.at(0.0)));
        assert!([plain, bang].iter().all(|line| 0.0 < line.confidence && line.balance.is_finite()));
        // Both came from one start and went their own ways.
        assert!(plain.confidence != bang.confidence && plain.balance != bang.balance);
        let found = claims::findings(&[], &[tuned]);
        assert!(found[2..].iter().all(|finding| finding.claim.starts_with("four blocks of attention: ")));
    }

    #[test]
    fn the_scales_are_as_declared() {
        let [quick, full] = [Scale::Quick, Scale::Full].map(Plan::of);
        assert_eq!((quick.line.trainings.len(), full.line.trainings.len()), (2, 4));
        assert_eq!((quick.line.setting.seeds.len(), full.colours.setting.seeds.len()), (1, 3));
        assert!([quick, full].iter().all(|plan| plan.line.alphas.contains(&0.5)));
    }
}
