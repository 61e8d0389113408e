//! The one training loop and its slots.
//!
//! The loop knows models through [`rankine_nn::Model`] and data through [`rankine_data::Batches`]; it knows no method.
//! What varies is a slot: what a model is trained for ([`Task`]: what is asked of it, its losses, its score), how
//! variables move ([`Optimizer`]), where the batches of the steps come from ([`Feed`]), and what is done with what happens
//! ([`Event`]). The order of events is read in [`run`].

mod adamw;
mod classify;
mod distill;
mod error;
mod evaluate;
mod gradient;
mod images;
mod metrics;
mod schedule;
mod session;
mod state;
mod task;
mod turns;

pub use adamw::AdamW;
pub use classify::{ClassScore, Classified, Classify};
pub use distill::{Distill, feature_loss};
pub use error::{Error, Result};
pub use evaluate::{ExampleScore, Score, evaluate};
pub use gradient::{Gradient, gradient};
pub use images::ClassifyImages;
pub use metrics::Confusion;
pub use schedule::{Schedule, Shape};
pub use session::{Data, Ending, Event, Feed, Plan, Step, run};
pub use state::{Best, State};
pub use task::{BatchOf, Count, Measured, NextToken, Optimizer, Task};
pub use turns::{Alternating, InTurn, Turn, Turns};
