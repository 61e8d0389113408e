//! One line of progress on a terminal, nothing elsewhere.

use crate::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// Time between two moves of a line that waits.
const TICK: Duration = Duration::from_millis(200);

/// A bar that counts to `total`; drawn on a terminal only, and gone when dropped.
pub fn counting(context: &Context, what: &'static str, total: u64) -> Bar {
    bar(context, what, total, "{msg}  {wide_bar}  {human_pos}/{human_len}  {eta}")
}

/// The same in bytes.
pub fn bytes(context: &Context, what: impl Into<String>, total: u64) -> Bar {
    bar(
        context,
        what,
        total,
        "{msg}  {wide_bar}  {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta}",
    )
}

/// A line for work whose end is not known, kept moving while the work says nothing.
pub fn line(context: &Context, what: impl Into<String>) -> Bar {
    let line = bar(context, what, 0, "{spinner} {msg}  {elapsed}");
    line.0.enable_steady_tick(TICK);
    line
}

fn bar(context: &Context, what: impl Into<String>, total: u64, template: &str) -> Bar {
    let drawn = context.interactive && !context.quiet;
    let target = if drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    Bar(ProgressBar::with_draw_target(Some(total), target).with_style(style).with_message(what.into()))
}

/// A bar that is wiped off when its work ends, well or not.
pub struct Bar(ProgressBar);

impl Bar {
    /// So much is done.
    pub fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// So much was done before; the time that is left is told by what comes after it.
    pub fn start_at(&self, done: u64) {
        self.0.set_position(done);
        self.0.reset_eta();
    }

    /// Says something else.
    pub fn say(&self, what: String) {
        self.0.set_message(what);
    }

    /// So much is done of a total that has changed.
    pub fn set_of(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
