//! `rankine solve theory dynamics`.

use super::super::options::{Pages, at_least_zero};
use super::super::show::number;
use crate::{Context, Exit};
use anyhow::Result;
use rankine_report::{Axis, Cell, Column, Level, Lines, Page, Series, Table, format};
use rankine_solve::theory::linear_dynamics::{LinearDynamics, Time};
use serde::Serialize;

/// How the errors of a large linear network move while gradient descent trains it on noisy samples
///
/// Errors are in units of the variance of the teacher's weights, times in units of the time constant, or steps where a --rate is
/// given.
#[derive(clap::Args)]
pub struct Dynamics {
    /// Samples over inputs
    #[arg(long, value_name = "NUMBER", value_parser = at_least_zero, allow_negative_numbers = true)]
    ratio: f64,
    /// Variance of the teacher's weights over that of the noise
    #[arg(long, value_name = "NUMBER", value_parser = at_least_zero, allow_negative_numbers = true)]
    signal: f64,
    /// Variance of the weights that training starts from, over that of the teacher's
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0, value_parser = at_least_zero)]
    #[arg(allow_negative_numbers = true)]
    initial: f64,
    /// Times, or numbers of steps, to be told of
    #[arg(long, value_name = "T,T,…", value_delimiter = ',', value_parser = at_least_zero)]
    #[arg(default_values_t = [0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0])]
    times: Vec<f64>,
    /// Length of a step: training in steps, not continuously
    #[arg(long, value_name = "NUMBER", value_parser = at_least_zero)]
    rate: Option<f64>,
    #[command(flatten)]
    pages: Pages,
}

/// What the form says.
#[derive(Serialize)]
struct Answer {
    /// Of the eigenvalues of the inputs' covariance.
    edges: [f64; 2],
    /// Directions that no sample reaches.
    frozen: f64,
    /// The time of the least test error, and that error.
    best_time: f64,
    best_error: f64,
    /// The test error of the best ridge regression.
    ridge_error: f64,
    /// The test error after infinite training.
    final_error: f64,
    course: Vec<Moment>,
}

#[derive(Clone, Copy, Serialize)]
struct Moment {
    time: f64,
    test: f64,
    train: f64,
}

impl Dynamics {
    /// Says it.
    pub fn run(&self, context: &Context) -> Result<Exit> {
        let file = self.pages.apart(None, Vec::new())?;
        let dynamics = LinearDynamics::new(self.ratio, self.signal, self.initial)?;
        let moment = |&time: &f64| {
            let at = match self.rate {
                // Times are at least 0, and `as` is bounded.
                Some(rate) => Time::Steps { rate, steps: time as u32 },
                None => Time::Flow(time),
            };
            Moment { time, test: dynamics.test_error(at), train: dynamics.train_error(at) }
        };
        let (best_time, best_error) = dynamics.optimal_stop();
        // A step of gradient descent is the time of its rate.
        let best_time = best_time / self.rate.unwrap_or(1.0);
        let answer = Answer {
            edges: dynamics.law().edges(),
            frozen: dynamics.frozen(),
            best_time,
            best_error,
            ridge_error: dynamics.best_ridge()?,
            final_error: dynamics.final_error(),
            course: self.times.iter().map(moment).collect(),
        };
        super::show(context, (&file, self.pages.json), self.page(&answer), plot(&answer), &answer)
    }

    fn page(&self, answer: &Answer) -> Page {
        let &Answer { edges: [low, high], frozen, best_time, best_error, ridge_error, final_error, .. } =
            answer;
        let mut page = Page::new("Training a linear network");
        let Self { ratio, signal, initial, .. } = self;
        page.lead(format!(
            "{ratio} samples an input, signal over noise {signal}, start over teacher {initial}"
        ));
        page.facts(&[
            ("smallest eigenvalue", number(low)),
            ("largest eigenvalue", number(high)),
            ("never reached", Cell::Percent(frozen)),
            (
                if self.rate.is_some() { "best steps to stop after" } else { "best time to stop" },
                number(best_time),
            ),
            ("test error there", number(best_error)),
            ("test error of the best ridge", number(ridge_error)),
            ("test error in the end", number(final_error)),
        ]);
        if let Some(rate) = self.rate.filter(|rate| 2.0 <= rate * high) {
            let most = format::number(2.0 / high, 4);
            let text = format!("steps at a rate of {rate} diverge: they have to be below {most}");
            page.note(Level::Warning, text);
        }
        let time = if self.rate.is_some() { "steps" } else { "time" };
        let mut table = Table::new([time, "test error", "training error"].map(Column::number));
        for &Moment { time, test, train } in &answer.course {
            table.row([time, test, train].map(number));
        }
        page.table(table);
        page
    }
}

/// Both errors over time.
fn plot(answer: &Answer) -> Lines {
    let over =
        |error: fn(&Moment) -> f64| answer.course.iter().map(move |moment| (moment.time, error(moment)));
    Lines::new("Errors while training", Axis::linear("time"), Axis::linear("error"))
        .series(Series::new("test", over(|moment| moment.test)))
        .series(Series::new("training", over(|moment| moment.train)))
}
