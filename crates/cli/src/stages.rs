//! Progress of work on files: one bar for each stage, and Ctrl-C to break off.

use crate::Context;
use crate::bar::{self, Bar};
use crate::interrupt::Interrupt;
use rankine_surgery::{Progress, Stage};
use std::ops::ControlFlow;

/// Shows how far the work is; the bar goes when this is dropped.
pub struct Stages<'a> {
    context: &'a Context,
    interrupt: Interrupt,
    shown: Option<(Stage, Bar)>,
}

impl<'a> Stages<'a> {
    /// Takes over Ctrl-C.
    pub fn new(context: &'a Context) -> Self {
        Self { context, interrupt: Interrupt::listen(), shown: None }
    }

    /// Shows a step; the answer is whether to go on.
    pub fn see(&mut self, Progress { stage, done, total }: Progress) -> ControlFlow<()> {
        if self.shown.as_ref().is_none_or(|(shown, _)| *shown != stage) {
            self.shown = None;
            let bar = match stage {
                Stage::Calibrating => bar::counting(self.context, "calibrating", total),
                Stage::Comparing => bar::counting(self.context, "comparing", total),
                Stage::Matching => bar::counting(self.context, "matching", total),
                Stage::Evaluating => bar::counting(self.context, "evaluating", total),
                Stage::Decomposing => bar::counting(self.context, "decomposing", total),
                Stage::Compressing => bar::counting(self.context, "compressing", total),
                Stage::Compensating => bar::counting(self.context, "compensating", total),
                Stage::Recompressing => bar::counting(self.context, "recompressing", total),
                Stage::Blending => bar::bytes(self.context, "blending", total),
                Stage::Writing => bar::bytes(self.context, "writing", total),
                Stage::Resuming if done == 0 => {
                    return self.note("nothing of an earlier run is finished; starting from the beginning");
                }
                Stage::Resuming => {
                    return self.note(&format!("{done} of {total} files were finished before; going on"));
                }
                Stage::Discarding => {
                    return self.note(&format!(
                        "{done} finished files of an earlier run were thrown away; `--resume` goes on with them"
                    ));
                }
            };
            bar.start_at(done);
            self.shown = Some((stage, bar));
        }
        if let Some((_, bar)) = &self.shown {
            bar.set_of(done, total);
        }
        self.interrupt.flow()
    }

    /// A line that stays.
    fn note(&self, line: &str) -> ControlFlow<()> {
        self.context.say(format!("note: {line}"));
        self.interrupt.flow()
    }
}
