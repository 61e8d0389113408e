//! The order of units that training finds, where it is known which is best.

use crate::align::mlp;
use crate::common::{minus, on, read};
use rankine_checkpoint::{Opened, Tensors};
use rankine_random::Rng;
use rankine_surgery::{
    Alignment, Error, Guided, Interpolated, Loss, Origin, PermutationSpec, Permutations, Permuted, Progress,
    Result, StraightThrough, Subject, UnitKind, Watch, pair,
};
use std::ops::ControlFlow;
use std::path::Path;
use tempfile::TempDir;

/// ½·|θ − θ*|², the slope of which is θ − θ*.
struct Nearness<'a>(&'a dyn Tensors);

impl Loss for Nearness<'_> {
    type Error = Error;

    fn steps_per_epoch(&self) -> usize {
        1
    }

    fn of(&self, model: &dyn Tensors, _: &mut Watch<'_>) -> Result<f64> {
        let square = |name: &String| -> f64 {
            minus(&read(model, name), &read(self.0, name)).into_iter().map(|x| f64::from(x).powi(2)).sum()
        };
        Ok(self.0.infos().keys().map(square).sum::<f64>() / 2.0)
    }

    fn slope(
        &self,
        model: &dyn Tensors,
        spec: &PermutationSpec,
        _: usize,
        each: &mut dyn FnMut(&str, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let mut names = self.0.infos().keys().filter(|name| spec.is_permuted(name));
        names.try_for_each(|name| each(name, &minus(&read(model, name), &read(self.0, name))))
    }
}

/// Work on the model half-way between the two, whose second has its units in this order.
fn half_way<R>(
    models: [&Opened; 2],
    spec: &PermutationSpec,
    order: &Permutations,
    work: impl FnOnce(&dyn Tensors) -> R,
) -> R {
    let permuted = Permuted::new(models[1].tensors(), spec, order);
    let pair = pair([models[0].tensors(), &permuted], [Path::new("a"), Path::new("b")]).unwrap();
    work(&Interpolated::new(pair, 0.5))
}

#[test]
fn the_best_order_is_found_from_weight_matching_on_and_from_nothing() {
    let root = TempDir::new().unwrap();
    let [first, second] = [("a.safetensors", 1), ("b.safetensors", 2)]
        .map(|(name, seed)| mlp(&root.path().join(name), &[6, 8, 3], seed));
    let subjects = (Subject::from(&first), Subject::from(&second));
    let spec = PermutationSpec::of(subjects.0, &UnitKind::ALL).unwrap();
    let best = Permutations::random(&spec, &Rng::new(3));
    half_way([&first, &second], &spec, &best, |target| {
        let loss = Nearness(target);
        let alignment = Alignment::default();
        let of = |order: &Permutations| {
            half_way([&first, &second], &spec, order, |model| loss.of(model, &mut on).unwrap())
        };
        let (naive, weights) = (
            of(&Permutations::identity(&spec)),
            of(&alignment.find(subjects.0, subjects.1, &mut on).unwrap().permutations),
        );
        assert!(0.0 < naive && 0.0 < weights && naive != weights, "{naive} {weights}");
        let search = |origin, learning_rate| {
            let search = StraightThrough { steps: 20, learning_rate, momentum: 0.0, origin };
            search.find(&alignment, subjects, &loss, &mut on).unwrap()
        };
        for (origin, start) in [(Origin::Weights, weights), (Origin::Nothing, naive)] {
            let Guided { aligned, losses } = search(origin, 4.0);
            assert_eq!((&aligned.permutations, losses.best), (&best, 0.0), "{origin:?}");
            assert_eq!((losses.naive, losses.start), (naive, start), "{origin:?}");
            assert!(0 < losses.step && 0 < aligned.sweeps, "{origin:?}: {losses:?}");
        }
        assert_eq!(search(Origin::Nothing, 4.0), search(Origin::Nothing, 8.0));
        let stop = &mut |_: Progress| ControlFlow::Break(());
        for origin in [Origin::Weights, Origin::Nothing] {
            let search = StraightThrough { origin, ..StraightThrough::default() };
            let stopped = search.find(&alignment, subjects, &loss, stop).unwrap_err();
            assert!(matches!(stopped, Error::Interrupted), "{stopped}");
        }
    });
}
