//! What the tests of several kinds of runs share.

use rankine_run::{Notice, Outcome, Recipe, Result, Source, fine_tune};
use std::{ops::ControlFlow, path::Path};

/// A run that is asked to stop after `stop` steps.
pub fn run(
    model: &Path,
    recipe: &Recipe,
    output: &Path,
    resume: bool,
    stop: Option<usize>,
) -> Result<Outcome> {
    let source = Source { model, resume, force: false };
    fine_tune(recipe, source, output, &mut |notice| match notice {
        Notice::Step(step, _) if Some(step.step) == stop => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
}
