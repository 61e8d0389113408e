//! Fine-tuning of a real text encoder, for any method: the part that all papers share whose claims are about such models.
//!
//! The encoder becomes a classifier of labelled texts with a new head. Every arm starts from it with the same head and sees
//! the same batches; its query and value maps, or the modules that the arm names, are trained by a method, at every
//! learning rate of the arm's own sweep. The head has a learning rate of its own; all rates fall along a line to 0.
//!
//! Texts that stand beside each other in a file are often alike, as mails of one thread are: whole blocks of them are held
//! out. A run whose loss is no number ends there: it is a result of that learning rate, and the sweep goes on. Where no
//! encoder is given, a page says how to give one.

mod bench;
mod kept;
mod page;
#[cfg(test)]
pub(crate) mod testing;
mod training;

pub(crate) use bench::Bench;
pub(crate) use page::{heat, show};
pub(crate) use training::{Apart, follow};

use crate::{
    Materials, Result, Scale,
    findings::Finding,
    transfer::{Arm, Course, Run, Sweep},
};

/// How an encoder is fine-tuned.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Setting {
    /// Steps of every run.
    pub steps: usize,
    /// Steps at either end over which losses are averaged.
    pub window: usize,
    /// Texts a step.
    pub batch: usize,
    /// Tokens of the longest text; others are cut.
    pub max_length: usize,
    /// Texts held out, at most.
    pub held_out: usize,
    /// Learning rate of the head.
    pub head_rate: f32,
    /// One head, one start of the method and one order of the texts each.
    pub seeds: Vec<u64>,
}

impl Setting {
    /// A run takes about twenty seconds on two cores at full scale.
    fn of(scale: Scale) -> Self {
        let (steps, window, held_out, seeds) = match scale {
            Scale::Quick => (16, 4, 128, vec![0]),
            Scale::Full => (48, 12, 480, vec![0, 1]),
        };
        Self { steps, window, batch: 16, max_length: 64, held_out, head_rate: HEAD_RATE, seeds }
    }
}

/// Of a new head on frozen states.
const HEAD_RATE: f32 = 4e-3;

impl Course for Setting {
    const SAMPLES: &'static str = "held-out texts";

    fn window(&self) -> usize {
        self.window
    }
}

/// Learning rates for factors: few steps want high ones.
pub(crate) fn factor_rates(scale: Scale) -> Vec<f32> {
    match scale {
        Scale::Quick => vec![8e-3],
        Scale::Full => vec![2e-3, 8e-3, 3e-2],
    }
}

/// The same with a lower one, for pages on which a method is best at the lowest of these: what is compared is not to be the
/// end of a sweep.
pub(crate) fn lower_factor_rates(scale: Scale) -> Vec<f32> {
    let mut rates = factor_rates(scale);
    if scale == Scale::Full {
        rates.insert(0, 5e-4);
    }
    rates
}

/// What every method is compared with: the new head alone, and LoRA at these learning rates.
pub(crate) fn baselines(rates: &[f32]) -> Result<Vec<Arm>> {
    /// Of the head alone: nothing is trained at it.
    const RATE: f32 = 2e-3;
    let nowhere = Arm::of_rank("LoRA", RANK, &[RATE])?.on(&[]);
    Ok(vec![Arm { label: "head alone".to_owned(), ..nowhere }, Arm::of_rank("LoRA", RANK, rates)?])
}

/// r of LoRA on query and value maps.
pub(crate) const RANK: usize = 8;

/// All singular values of these maps.
pub(crate) fn singular_values(bench: &Bench<'_>, scale: Scale) -> Result<Arm> {
    // One number moves a whole direction: they want higher rates.
    let rates: &[f32] = match scale {
        Scale::Quick => &[3e-1],
        Scale::Full => &[8e-2, 3e-1, 1.2],
    };
    Arm::new(SINGULAR_VALUES, "svfit", &format!("rank = {}", bench.width), rates)
}

/// Its label.
pub(crate) const SINGULAR_VALUES: &str = "SVFit";

/// One run, and what it leaves beside the course of its loss.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Tuned {
    pub run: Run,
    /// Matthews' correlation on the held-out texts.
    pub matthews: f64,
    /// Path of every weight that the method took over, with its rank.
    pub ranks: Vec<(String, usize)>,
}

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Tuning {
    pub model: String,
    pub data: String,
    pub classes: Vec<String>,
    /// Texts to learn from.
    pub texts: usize,
    pub sweep: Sweep<String, Setting>,
    /// Matthews' correlation of every run; [runs].
    pub matthews: Vec<f64>,
    /// Ranks of every arm, in its first run.
    pub ranks: Vec<(String, Vec<(String, usize)>)>,
}

impl Tuning {
    pub(crate) fn add(&mut self, Tuned { run, matthews, ranks }: Tuned) {
        if !self.ranks.iter().any(|(arm, _)| *arm == run.arm) {
            self.ranks.push((run.arm.clone(), ranks));
        }
        self.matthews.push(matthews);
        self.sweep.runs.push(run);
    }

    /// Findings, said of this model.
    pub(crate) fn said(&self, findings: Vec<Finding>) -> impl Iterator<Item = Finding> {
        let said =
            move |found: Finding| Finding { claim: format!("{}: {}", self.model, found.claim), ..found };
        findings.into_iter().map(said)
    }
}

/// The sweep of the arms that `arms` names for an encoder, where one is given.
pub(crate) fn run(
    materials: &Materials<'_>,
    scale: Scale,
    arms: impl FnOnce(&Bench<'_>) -> Result<Vec<Arm>>,
    watch: &mut dyn FnMut(&str),
) -> Result<Option<Tuning>> {
    let Some(bench) = Bench::read(materials, scale, watch)? else { return Ok(None) };
    bench.sweep(&arms(&bench)?, watch).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, transfer::FULL};

    #[test]
    fn every_arm_starts_at_the_same_loss_and_learns() {
        let bed = testing::Bed::new();
        let bench = bed.bench(testing::setting());
        assert_eq!((bench.query_value.len(), bench.attention.len(), bench.linear.len()), (2, 4, 6));
        let mut arms = Arm::baselines(2, &[1e-2]).unwrap();
        arms.push(Arm::of_rank("SVFit", 32, &[5e-2]).unwrap());
        arms.push(Arm::new("EVA", "eva", "rank = 2", &[1e-2]).unwrap().on(&bench.linear));
        arms.push(Arm::of_rank("LoRA", 1, &[1e-2]).unwrap().on(&[]));
        let tuning = bench.sweep(&arms, &mut |_| {}).unwrap();
        let runs = &tuning.sweep.runs;
        let trained = |arm: &str| runs.iter().find(|run| run.arm == arm).unwrap().trained;
        assert_eq!([FULL, "LoRA r=2", "PiSSA r=2"].map(trained), [2 * (32 * 32 + 32), 256, 256]);
        assert_eq!(["SVFit r=32", "LoRA r=1"].map(trained), [2 * 32, 0]);
        let (_, ranks) = tuning.ranks.iter().find(|(arm, _)| arm == "EVA").unwrap();
        assert_eq!(ranks.iter().map(|(_, rank)| rank).sum::<usize>(), 2 * 6);
        for run in runs {
            let [first, expected] = [run, &runs[0]].map(|run| run.losses[0]);
            assert!((first - expected).abs() < 1e-5 * expected, "{}: {first}", run.arm);
            assert_eq!(run.losses.len(), 60);
        }
        for (run, matthews) in runs.iter().zip(&tuning.matthews).filter(|(run, _)| 64 < run.trained) {
            assert!(run.late < 0.7 * run.early && 0.75 < run.accuracy && 0.4 < *matthews, "{run:?}");
        }
    }

    #[test]
    fn sweeps_that_go_lower_share_the_other_rates() {
        let [full, lower] = [factor_rates, lower_factor_rates].map(|rates| rates(Scale::Full));
        assert!(lower[0] < lower[1] && lower[1..] == full);
        assert_eq!(lower_factor_rates(Scale::Quick), factor_rates(Scale::Quick));
        let arms = baselines(&lower).unwrap();
        assert_eq!(arms.iter().map(|arm| arm.rates.len()).collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn a_run_that_leaves_the_numbers_ends() {
        let bed = testing::Bed::new();
        let wild = bed.bench(Setting { head_rate: f32::MAX, ..testing::setting() });
        let arm = Arm::of_rank("LoRA", 2, &[1e-2]).unwrap();
        let Tuned { run, .. } = wild.tuned(&arm, (1e-2, 0), &mut |_| {}).unwrap();
        assert!(run.losses.len() < 60 && run.losses[0].is_finite() && !run.late.is_finite(), "{run:?}");
    }

    #[test]
    fn a_kept_run_is_not_made_again_and_another_one_is() {
        let mut bed = testing::Bed::new();
        let path = bed.folder.path().join("runs.json");
        bed.encoder.runs = Some(path.clone());
        let bench = bed.bench(Setting { steps: 2, window: 1, ..testing::setting() });
        let arm = Arm::of_rank("LoRA", 2, &[1e-2]).unwrap();
        let tuned = |rate| bench.tuned(&arm, (rate, 0), &mut |_| {});
        assert_eq!(tuned(1e-2).unwrap().run.rate, 1e-2);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut kept: serde_json::Value = serde_json::from_str(&text).unwrap();
        kept[0]["tuned"]["matthews"] = 7.0.into();
        std::fs::write(&path, kept.to_string()).unwrap();
        assert_eq!([tuned(1e-2), tuned(2e-2)].map(|run| run.unwrap().matthews > 1.0), [true, false]);
        std::fs::write(&path, "[").unwrap();
        assert!(matches!(tuned(1e-2), Err(Error::Kept { .. })));
    }
}
