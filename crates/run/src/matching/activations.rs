//! Activations of two models on the same data, seen where maps read them.
//!
//! The activations of a group are what the maps read along whose inputs its units lie: hidden units before the matrix behind
//! them, heads before the output of the attention, channels of the residual stream before every map that reads it. There they
//! have passed norms and activation functions. Maps that read the same (q, k and v) count once: the first example tells.
//!
//! Correlations are [summed up](rankine_surgery::Correlations) place by place, 8·units² bytes each; where all together are too
//! large, the data are read several times.

use super::tell;
use crate::Result;
use rankine_data::{Batches, Sample as _};
use rankine_nn::{
    Kind, Model as _, Pass,
    weight::{Listen, Probe, Probed},
};
use rankine_surgery::{Correlations, PermutationSpec, Progress, ReadUnits, Stage, UnitOrders, Watch};
use rankine_tensor::untaped;
use rankine_train::{BatchOf, Task};
use std::sync::Arc;

/// Bytes of correlations that are summed up at a time.
const AT_A_TIME: usize = 1 << 29;

/// The orders of the second model's units by their correlations with those of the first. Probes stay on both.
pub(super) fn correlated<'s, T: Task>(
    [ours, theirs]: [&mut T::Model; 2],
    (task, batches): (&T, &Batches<T::Sample>),
    spec: &'s PermutationSpec,
    watch: &mut Watch<'_>,
) -> Result<UnitOrders<'s>> {
    let models = [Heard::<T>::new(ours, spec), Heard::<T>::new(theirs, spec)];
    let sites = models[0].sites(task, batches)?;
    let units = |site: usize| models[0].probes[site].0;
    let mut left = vec![0_usize; spec.groups().len()];
    sites.iter().for_each(|&site| left[units(site).group] += 1);
    let rounds = rounds(&sites, |site| 8 * units(site).units.pow(2));
    let total = (rounds.len() * batches.steps_per_epoch()) as u64;
    let mut progress = Progress { stage: Stage::Calibrating, done: 0, total };
    let mut orders = UnitOrders::new(spec);
    for round in rounds {
        let mut seen: Vec<Correlations> = round.iter().map(|&site| Correlations::new(units(site))).collect();
        models.iter().for_each(|model| model.listen(&round));
        for batch in batches.sequential() {
            tell(progress, watch)?;
            models.iter().try_for_each(|model| model.show(task, &batch))?;
            for (&site, seen) in round.iter().zip(&mut seen) {
                let [ours, theirs] = [&models[0], &models[1]].map(|model| model.probes[site].1.inputs());
                if let (Some(ours), Some(theirs)) = (ours, theirs) {
                    let pixels = ours.shape().iter().skip(2).product();
                    ours.read(|ours| theirs.read(|theirs| seen.see(ours, theirs, pixels)));
                }
            }
            progress.done += 1;
        }
        for (site, seen) in round.into_iter().zip(&seen) {
            let group = units(site).group;
            orders.add(group, seen);
            left[group] -= 1;
            if left[group] == 0 {
                orders.settle(group)?;
            }
        }
    }
    Ok(orders)
}

/// A model with probes on the maps that read units.
struct Heard<'m, T: Task> {
    model: &'m T::Model,
    /// In the order of the model, which is that of every model of its kind.
    probes: Vec<(ReadUnits, Arc<Probe>)>,
}

impl<'m, T: Task> Heard<'m, T> {
    fn new(model: &'m mut T::Model, spec: &PermutationSpec) -> Self {
        let mut probes = Vec::new();
        for parameter in model.parameters_mut() {
            let axis = usize::from(!parameter.is_transposed());
            let is_map = matches!(parameter.kind(), Kind::Linear | Kind::Head | Kind::Convolution);
            if is_map && let Some(units) = spec.units_along(parameter.path(), axis) {
                let probe = Arc::new(Probe::default());
                Probed::put_on(&mut parameter.weight, probe.clone());
                probes.push((units, probe));
            }
        }
        Self { model, probes }
    }

    /// What these maps read is kept from here on, and nothing else.
    fn listen(&self, sites: &[usize]) {
        for (at, (_, probe)) in self.probes.iter().enumerate() {
            probe.listen(Listen { inputs: sites.contains(&at), ..Listen::default() });
        }
    }

    fn show(&self, task: &T, batch: &BatchOf<T>) -> Result<()> {
        Ok(untaped(|| task.features(self.model, batch, &mut Pass::quiet()))?)
    }

    /// The maps whose inputs count, by their groups: of those that read the same, the first.
    fn sites(&self, task: &T, batches: &Batches<T::Sample>) -> Result<Vec<usize>> {
        let all: Vec<usize> = (0..self.probes.len()).collect();
        self.listen(&all);
        self.show(task, &T::Sample::batch(batches.examples().iter().take(1)))?;
        let mut sites: Vec<usize> = Vec::new();
        for (at, (units, probe)) in self.probes.iter().enumerate() {
            let Some(inputs) = probe.inputs() else { continue };
            let is_same = |&site: &usize| {
                let (other, probe) = &self.probes[site];
                other.group == units.group && probe.inputs().is_some_and(|other| other.is_equal(&inputs))
            };
            if !sites.iter().any(is_same) {
                sites.push(at);
            }
        }
        sites.sort_by_key(|&site| self.probes[site].0.group);
        Ok(sites)
    }
}

/// The sites in their order, as many at a time as there is room for.
fn rounds(sites: &[usize], bytes: impl Fn(usize) -> usize) -> Vec<Vec<usize>> {
    let (mut rounds, mut room): (Vec<Vec<usize>>, usize) = (Vec::new(), 0);
    for &site in sites {
        let bytes = bytes(site);
        match rounds.last_mut() {
            Some(round) if bytes <= room => {
                round.push(site);
                room -= bytes;
            }
            _ => {
                rounds.push(vec![site]);
                room = AT_A_TIME.saturating_sub(bytes);
            }
        }
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_round_needs_more_room_than_there_is_but_for_one_site() {
        let bytes = [AT_A_TIME / 2, AT_A_TIME / 2, 1, 2 * AT_A_TIME, 5, 6];
        assert_eq!(
            rounds(&[0, 1, 2, 3, 4, 5], |site| bytes[site]),
            [vec![0, 1], vec![2], vec![3], vec![4, 5]]
        );
        assert!(rounds(&[], |_| 1).is_empty());
    }
}
