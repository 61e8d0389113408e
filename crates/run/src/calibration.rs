//! What a method must see of a model before it takes it over: the first batches of the data.
//!
//! Every example is shown once at most. The batches are those that training makes of the same data, so that the same data
//! and seed give the same start, in a run and before one.

use crate::{Error, Result, kind::Runnable};
use rankine_data::Batches;
use rankine_method::{Calibration, Method, Shown, calibrate};
use rankine_random::Rng;
use std::ops::ControlFlow;

/// What `method` needs to have seen of the inputs of the weights of `modules`; nothing where there are no data. `watch` is
/// told how many of at most how many batches were shown; when it breaks off, that is an error.
pub(crate) fn calibrated<T: Runnable>(
    model: &mut T::Model,
    (method, modules): (&dyn Method, &[String]),
    data: Option<&Batches<T::Sample>>,
    rng: &Rng,
    watch: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Calibration> {
    let needs = method.needs();
    let Some(data) = data.filter(|_| needs.any()) else {
        return Ok(Calibration::default());
    };
    let total = needs.batches.min(data.steps_per_epoch());
    let mut done = 0;
    calibrate(model, modules, &needs, rng, &mut |model| {
        if done == total {
            return Ok(Shown::Nothing);
        }
        if watch(done, total).is_break() {
            return Err(Error::Surgery(rankine_surgery::Error::Interrupted));
        }
        done += 1;
        T::show(model, &data.get(done - 1), modules, needs.answers_only)
    })
}
