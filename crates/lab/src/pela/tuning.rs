//! The same on a real text encoder: all linear maps of its layers at half their numbers.
//!
//!     truncated → fine-tuned,   truncated → brought back by features → fine-tuned,   whole → fine-tuned
//!
//! Features are those of all layers, on the texts to learn from without their labels. Everything of a map is trained:
//! the whole matrix, or its two factors.

use crate::{
    Claim, Error, Materials, Result, Scale,
    encoder::{self, Bench, Tuning},
    findings::Finding,
    transfer::{Arm, FULL, Rates, finite, mean},
};
use rankine_data::LabelledBatch;
use rankine_nn::{Classifier, Kind, Pass};
use rankine_report::Cell;
use rankine_tensor::{Tensor, untaped};
use rankine_train::{AdamW, Classify, Distill, Schedule, Task as _};

/// c.
const RATIO: f32 = 2.0;

/// Labels.
const TRUNCATED: &str = "truncated";
const FEATURES: &str = "features";

/// Learning rate of bringing back.
const RATE: f32 = 5e-4;

/// Everything that was measured.
pub(super) struct Found {
    tuning: Tuning,
    /// Mean cosine of the states of tokens with those of the whole encoder, held-out texts: truncated, and brought back.
    likeness: [f64; 2],
    /// Steps of bringing back.
    steps: usize,
}

pub(super) fn run(
    materials: &Materials<'_>,
    scale: Scale,
    watch: &mut dyn FnMut(&str),
) -> Result<Option<Found>> {
    let Some(bench) = Bench::read(materials, scale, watch)? else { return Ok(None) };
    // As many for whole matrices as for factors; both are best at 2e-4.
    let rates = match scale {
        Scale::Quick => [vec![2e-4], vec![1e-3]],
        Scale::Full => [vec![5e-5, 2e-4, 4e-4, 8e-4], vec![5e-5, 2e-4, 1e-3, 4e-3]],
    };
    Found::measured(&bench, &rates, watch).map(Some)
}

impl Found {
    fn measured(
        bench: &Bench<'_>,
        [whole, thin]: &[Vec<f32>; 2],
        watch: &mut dyn FnMut(&str),
    ) -> Result<Self> {
        let thin = |label: &str| Arm::new(label, "pela", &format!("ratio = {RATIO:?}"), thin);
        let arms = [Arm::new(FULL, "full", "", whole)?, thin(TRUNCATED)?, thin(FEATURES)?];
        let arms = arms.map(|arm| arm.on(&bench.linear));
        watch("bringing back by features");
        let (base, likeness, steps) = brought_back(bench, &arms[1])?;
        let brought_back = bench.standing_on(base);
        let mut tuning = bench.tuning(&arms);
        for &seed in &bench.setting.seeds {
            for arm in &arms {
                // Its weights are of the rank that they are compressed to: as an arm they are what they were.
                let bench = if arm.label == FEATURES { &brought_back } else { bench };
                for &rate in &arm.rates {
                    tuning.add(bench.tuned(arm, (rate, seed), watch)?);
                }
            }
        }
        Ok(Self { tuning, likeness, steps })
    }

    pub fn findings(&self) -> Vec<Finding> {
        let sweep = &self.tuning.sweep;
        let [whole, truncated] = [FULL, TRUNCATED].map(|theirs| sweep.contest(FEATURES, theirs));
        let [before, after] = self.likeness;
        let fewer = sweep.times_fewer(FEATURES, FULL);
        let little = super::LITTLE;
        let findings = vec![
            Finding::new(
                "features bring states of tokens nearer to those of the whole encoder",
                "features help (ablation; numbers not seen)",
                format!("mean cosine {before:.3} → {after:.3}"),
                before < after,
            ),
            Finding::new(
                "brought back and fine-tuned, at least as accurate as truncated and fine-tuned",
                "features help (ablation; numbers not seen)",
                truncated.words(),
                truncated.gap.value >= 0.0,
            ),
            Finding::new(
                format!(
                    "the same, at most {:.1} points and the noise below the whole encoder",
                    100.0 * little
                ),
                "about 0.6 points at 1/3 to 2/3 fewer parameters (abstract)",
                whole.words(),
                whole.gap.not_below(little),
            ),
            Finding::new(
                format!("the layers hold at least {RATIO} times fewer numbers"),
                "by the choice of the ranks",
                format!("{fewer:.2} times fewer"),
                fewer >= f64::from(RATIO),
            ),
        ];
        self.tuning.said(findings).collect()
    }
}

/// Values by path, the likeness before and after, and the steps that were taken.
type BroughtBack = (Vec<(String, Tensor)>, [f64; 2], usize);

/// A compressed encoder brought back.
fn brought_back(bench: &Bench<'_>, thin: &Arm) -> Result<BroughtBack> {
    let (seed, steps) = (0, 2 * bench.setting.steps);
    let rng = bench.rng(seed);
    let ((teacher, _), (mut student, _)) = (bench.model(&rng)?, bench.model(&rng)?);
    let batches = bench.batches(bench.train.clone(), seed)?;
    bench.attached(student.as_mut(), &thin.treatment, &batches, &rng)?;
    let before = likeness(bench, student.as_ref(), teacher.as_ref())?;
    let task =
        Distill { task: Classify, teacher: teacher.as_ref(), features: 1.0, own: 0.0, blocks: Vec::new() };
    let schedule = Schedule { steps, ..bench.schedule(RATE) };
    let losses = encoder::follow::<Distill<'_, Classify>>(
        student.as_mut(),
        (&task, &batches),
        &mut AdamW::default(),
        schedule,
        seed,
    )?;
    finite(&losses, Rates { hidden: RATE, head: RATE })?;
    let after = likeness(bench, student.as_ref(), teacher.as_ref())?;
    let mut values = Vec::new();
    for parameter in student.parameters() {
        if parameter.kind() == Kind::Linear && bench.linear.iter().any(|name| name == parameter.module()) {
            values.push((parameter.path().to_owned(), untaped(|| parameter.weight.dense())?));
        }
    }
    Ok((values, [before, after], steps))
}

/// Mean cosine of the last states of some held-out texts.
fn likeness(
    bench: &Bench<'_>,
    student: &(dyn Classifier + 'static),
    teacher: &(dyn Classifier + 'static),
) -> Result<f64> {
    /// Batches: some thousand tokens.
    const SHOWN: usize = 4;
    let mut cosines = Vec::new();
    for batch in bench.held_out.sequential().take(SHOWN) {
        let (found, goal) = (states(student, &batch)?, states(teacher, &batch)?);
        let rows = found.chunks_exact(bench.width).zip(goal.chunks_exact(bench.width));
        cosines.extend(rows.map(|(x, y)| dot(x, y) / (dot(x, x) * dot(y, y)).sqrt()));
    }
    Ok(mean(&cosines))
}

/// After the last layer; row-major.
fn states(model: &(dyn Classifier + 'static), batch: &LabelledBatch) -> Result<Vec<f32>> {
    let mut pass = Pass::quiet();
    pass.keep_features();
    untaped(|| Classify.features(model, batch, &mut pass))?;
    let last = pass.take_features().pop();
    last.map(|states| states.to_vec()).ok_or(Error::Train(rankine_train::Error::NoFeatures))
}

fn dot(x: &[f32], y: &[f32]) -> f64 {
    x.iter().zip(y).map(|(x, y)| f64::from(x * y)).sum()
}

/// Adds what was measured to a claim.
pub(super) fn show(found: Option<&Found>, claim: &mut Claim) {
    encoder::show(found.map(|found| &found.tuning), claim);
    let Some(Found { likeness: [before, after], steps, .. }) = found else { return };
    let facts = [
        ("Ratio of all linear maps", Cell::number(RATIO, 2)),
        ("Steps of bringing back, without labels", Cell::from(*steps)),
        ("Mean cosine of states with those of the whole encoder, truncated", Cell::fixed(*before, 3)),
        ("The same, brought back", Cell::fixed(*after, 3)),
    ];
    claim.page.facts(&facts);
    claim.numbers["encoder_likeness"] = serde_json::json!([before, after]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::{Setting, testing};

    #[test]
    fn features_bring_a_truncated_encoder_back() {
        let bed = testing::Bed::new();
        let bench = bed.bench(Setting { steps: 30, ..testing::setting() });
        let found = Found::measured(&bench, &[vec![1e-3], vec![3e-3]], &mut |_| {}).unwrap();
        let [before, after] = found.likeness;
        assert!(before < after && after < 1.0 + 1e-6, "{before} {after}");
        let trained: Vec<usize> = found.tuning.sweep.runs.iter().map(|run| run.trained).collect();
        let whole = 4 * 32 * 32 + 2 * 32 * 48;
        // Ranks 8 and 9.
        assert_eq!(trained, [whole, 4 * 8 * 64 + 2 * 9 * 80, 4 * 8 * 64 + 2 * 9 * 80]);
        let [_, truncated, features] = found.tuning.sweep.runs.as_slice() else { panic!("{trained:?}") };
        assert_ne!(truncated.losses[0], features.losses[0], "another base");
        let findings = found.findings();
        assert!(findings[0].holds && findings[3].holds, "{findings:?}");
    }
}
