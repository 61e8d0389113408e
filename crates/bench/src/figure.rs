//! One measured figure, for a person or for a program.

use serde_json::json;

/// A figure: what was measured, how much of which unit.
pub struct Figure {
    pub what: String,
    pub value: f64,
    pub unit: &'static str,
    /// Share of a limit, and which.
    pub share: Option<(f64, &'static str)>,
}

impl Figure {
    pub fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { what: what.into(), value, unit, share: None }
    }

    /// Beside a limit.
    pub fn of(self, share: f64, limit: &'static str) -> Self {
        Self { share: Some((share, limit)), ..self }
    }

    pub fn print(&self, as_json: bool) {
        let Self { what, value, unit, share } = self;
        if as_json {
            println!(
                "{}",
                json!({ "what": what, "value": value, "unit": unit, "share": share.map(|s| s.0) })
            );
            return;
        }
        let digits = if *value < 10.0 { 3 } else { 1 };
        let share =
            share.map_or_else(String::new, |(share, limit)| format!("   {:.0} % of {limit}", 100.0 * share));
        println!("  {what:<44} {value:>10.digits$} {unit}{share}");
    }
}

/// The middle one; sorts.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
