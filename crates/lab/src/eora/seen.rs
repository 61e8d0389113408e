//! What the layers of a model see of some texts.

use crate::Result;
use rankine_data::Batches;
use rankine_method::{Calibration, Needs, Shown, Statistics, calibrate};
use rankine_nn::{LanguageModel, Pass};
use rankine_random::Rng;
use rankine_surgery::Seen;
use rankine_tensor::untaped;
use rankine_train::{NextToken, Task as _};

/// Statistics of the inputs of every layer, for those who compress and correct.
pub(super) struct Inputs(Calibration);

impl Inputs {
    /// Of all texts; nothing of the model changes.
    pub fn of(
        model: &mut (dyn LanguageModel + 'static),
        modules: &[String],
        texts: &Batches,
    ) -> Result<Self> {
        let needs = Needs {
            second_moment: true,
            magnitude: true,
            square: true,
            batches: texts.steps_per_epoch(),
            ..Needs::default()
        };
        let mut batches = texts.sequential();
        // Nothing of what is looked at is drawn.
        let found = calibrate(model, modules, &needs, &Rng::new(0), &mut |model| {
            let Some(batch) = batches.next() else { return Ok(Shown::Nothing) };
            untaped(|| NextToken.features(model, &batch, &mut Pass::quiet()))?;
            Ok::<_, crate::Error>(Shown::All)
        });
        Ok(Self(found?))
    }

    fn statistics(&self, module: &str) -> Option<&Statistics> {
        self.0.sites.get(&format!("{module}.weight")).map(AsRef::as_ref)
    }
}

impl Seen for Inputs {
    fn moment(&self, module: &str) -> Option<&[f64]> {
        self.statistics(module)?.second_moment.as_deref()
    }

    fn magnitudes(&self, module: &str) -> Option<&[f64]> {
        self.statistics(module)?.magnitude.as_deref()
    }

    fn squares(&self, module: &str) -> Option<&[f64]> {
        self.statistics(module)?.square.as_deref()
    }
}
