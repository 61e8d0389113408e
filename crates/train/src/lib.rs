//! The one training loop and its slots.
//!
//! The loop knows models through [`rankine_nn::LanguageModel`] and data through [`rankine_data::Batches`]; it knows no
//! method. What varies is a slot: how losses are made ([`Objective`]), how variables move ([`Optimizer`]), and what is
//! done with what happens ([`Event`]). The order of events is read in [`run`].

mod adamw;
mod error;
mod evaluate;
mod gradient;
mod objective;
mod schedule;
mod session;
mod state;

pub use adamw::AdamW;
pub use error::{Error, Result};
pub use evaluate::{ExampleScore, Score, evaluate};
pub use gradient::{Gradient, gradient};
pub use objective::{NextToken, Objective, Optimizer};
pub use schedule::{Schedule, Shape};
pub use session::{Data, Ending, Event, Plan, Step, run};
pub use state::{Best, State};
