//! What is claimed, and what was found of it or was not run.

use super::{language::Tuning, rounding::Rounding, transfer::Transfer};
use crate::{
    findings::{Finding, NotRun, Story},
    gap::Gap,
    transfer::rate_words,
};

pub(super) const STORY: Story<'_> = Story {
    title: "PiSSA: the loss falls faster than LoRA's",
    statement: "at the same learning rate PiSSA's loss falls faster than LoRA's, and in four bits QPiSSA loses less of the \
                weights than LoftQ",
    about: "PiSSA is LoRA whose branch starts as the principal singular part of each weight, which is taken out of the base; \
            QPiSSA keeps that base in four bits.",
};

/// Of what was measured.
pub(super) fn findings(transfer: &Transfer, tuning: Option<&Tuning>, rounded: &[Rounding]) -> Vec<Finding> {
    let mut findings = vec![convergence(transfer)];
    findings.extend(tuning.into_iter().flat_map(language));
    findings.extend(rounded.iter().flat_map(Rounding::findings));
    findings
}

/// Of what was not.
pub(super) fn not_run(tuning: Option<&Tuning>, rounded: &[Rounding]) -> Vec<NotRun> {
    let mut missing = Vec::new();
    if tuning.is_none() {
        missing.push(NotRun {
            claim: "a language model: PiSSA's early loss, and its loss on held-out answers, below LoRA's",
            published: LANGUAGE,
            remedy: "no language model with data was given: `--model smollm2-135m --data alpaca.json` does",
        });
    }
    // Random matrices are always there.
    if rounded.len() < 2 {
        missing.push(NotRun {
            claim: "linear layers of a language model: QPiSSA makes up for more of the rounding in four bits than LoftQ",
            published: "19.4 % against 14.6 % after 5 turns, 10.7 % against 6.6 % after 1 (LLaMA-2-7B, rank 128)",
            remedy: "no language model was given: `--model smollm2-135m` does",
        });
    }
    missing
}

/// What is reported of language models.
const LANGUAGE: &str = "loss curves; GSM8K 53.22 % against 42.85 %, MATH 7.47 % against 5.50 % (LLaMA-2-7B)";

fn convergence(transfer: &Transfer) -> Finding {
    let order = transfer.order();
    Finding::new(
        format!(
            "early loss PiSSA < LoRA at every rate up to {}",
            rate_words(transfer.settings.claimed_up_to)
        ),
        "1.780 against 6.037 after the same steps (toy; full training 2.014)",
        order.words(),
        order.holds(),
    )
}

/// Of one run by either method.
fn language(tuning: &Tuning) -> [Finding; 2] {
    let below = |what: &str, [pissa, lora]: [f64; 2]| {
        let gap = Gap::of_pairs(&[pissa], &[lora]);
        Finding::new(
            format!(
                "{}: {what} below LoRA's, at learning rate {}",
                tuning.model,
                rate_words(tuning.settings.learning_rate)
            ),
            LANGUAGE,
            format!("{pissa:.3} against {lora:.3} nats: {}", gap.plain()),
            gap.value < 0.0,
        )
    };
    [
        below("PiSSA's loss over the first third of the steps", tuning.both(|run| Some(run.early))),
        below("PiSSA's loss on held-out answers at the end", tuning.both(|run| run.held_out)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Scale,
        findings::page_of_part,
        pissa::{Arm, language, rounding, transfer},
    };

    #[test]
    fn what_was_not_run_is_said_and_is_no_failure() {
        let settings = transfer::Settings::of(Scale::Quick);
        let transfer = Transfer { settings, pretrained_accuracy: vec![], runs: vec![], spectra: None };
        let rounded = rounding::run(None, Scale::Quick, &mut |_| {}).unwrap();
        let missing = not_run(None, &rounded);
        assert_eq!(missing.len(), 2);
        let found = findings(&transfer, None, &rounded);
        assert_eq!((found.len(), found[0].holds), (1 + 3, false), "nothing holds of no run");
        let text = page_of_part(&STORY, &found[1..2], &missing).markdown("page").text;
        assert_eq!(text.matches("| not run |").count(), 2, "{text}");
        assert!(text.contains("holds here") && text.contains("Not all of the claim was run."), "{text}");
    }

    #[test]
    fn both_losses_of_a_language_model_are_claimed() {
        let tuning = |held_out| {
            let run = |arm, early, held_out| language::Run {
                arm,
                trained: 0,
                losses: vec![],
                early,
                late: 0.0,
                held_out,
            };
            let runs = vec![run(Arm::Pissa, 1.25, held_out), run(Arm::Lora, 1.5, Some(2.0))];
            let (model, settings) = ("little".to_owned(), language::Settings::of(Scale::Quick));
            Tuning { model, data: String::new(), settings, runs, spectra: None }
        };
        let holds = |held_out| super::language(&tuning(held_out)).map(|finding| finding.holds);
        assert_eq!([Some(1.75), Some(2.25), None].map(holds), [[true, true], [true, false], [true, false]]);
        let [early, _] = super::language(&tuning(None));
        assert!(
            early.claim.starts_with("little: ") && early.here.ends_with(": -0.250, of one seed"),
            "{early:?}"
        );
        assert!(not_run(Some(&tuning(None)), &[]).len() == 1);
    }
}
