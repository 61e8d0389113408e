//! The calibration pass: the inputs of weights are watched while the caller runs the model.
//!
//! What the weights are applied to is kept until a forward pass is over, as training keeps it; then the rows that count go
//! into the collectors, many weights at once. Those of a convolution are what lies under its kernel, unfolded only then; one
//! in groups is refused, since each group sees channels of its own. Weights whose inputs were equal in the first batch (q, k
//! and v; gate and up) have one collector. One whose directions have converged is not looked at again, unless it gets more
//! of the ranks.

use super::{Calibration, Collector, Needs, allocate, input::Input};
use crate::{Error, Result, attach::check_groups};
use rankine_nn::{
    Model, Parameter,
    weight::{Observe, Patches, Watched},
};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use rayon::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a forward pass has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing: the data are over.
    Nothing,
    /// A batch, all rows of which count.
    All,
    /// A batch, the marked rows of which count; [t]. Of a weight that sees another number of rows, all do.
    Marked(Vec<bool>),
}

/// Statistics of the inputs of the weights of `modules`, while `forward` runs the model on one batch after the other.
///
/// It ends when the needs are met, or `forward` says that the data are over. The weights are as before, whatever happens.
///
/// # Errors
/// What `forward` returns; [`Error::Inputs`] when an input is not finite; [`Error::Grouped`] when one of the weights is a
/// convolution in groups.
pub fn calibrate<M, E>(
    model: &mut M,
    modules: &[String],
    needs: &Needs,
    rng: &Rng,
    forward: &mut dyn FnMut(&M) -> Result<Shown, E>,
) -> Result<Calibration, E>
where
    M: Model + ?Sized,
    E: From<Error>,
{
    if !needs.any() {
        return Ok(Calibration::default());
    }
    check_groups(&model.parameters(), modules)?;
    let watchers = watch(model.parameters_mut(), modules);
    let mut pass = Pass { needs, rng, watchers, groups: Vec::new(), batches: 0 };
    let outcome = pass.run(&mut || forward(&*model));
    model.parameters_mut().into_iter().for_each(|parameter| Watched::take_off(&mut parameter.weight));
    outcome.map(|()| pass.finish())
}

/// Watches the weights of `modules`.
fn watch(parameters: Vec<&mut Parameter>, modules: &[String]) -> Vec<Watcher> {
    let mut watchers = Vec::new();
    for parameter in parameters {
        if modules.iter().any(|name| name == parameter.module()) {
            let (path, slot) = (parameter.path().to_owned(), Arc::new(Slot::default()));
            Watched::put_on(&mut parameter.weight, slot.clone());
            watchers.push(Watcher { path, slot });
        }
    }
    watchers
}

/// The other end of a watched weight.
struct Watcher {
    path: String,
    slot: Arc<Slot>,
}

/// Inputs of the forward pass that is under way.
#[derive(Default)]
struct Slot(Mutex<Vec<Input>>);

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Vec<Input>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<Input> {
        std::mem::take(&mut *self.lock())
    }
}

impl Observe for Slot {
    fn see(&self, x: &Tensor) {
        self.lock().push(Input::Rows(x.detach()));
    }

    fn see_patches(&self, patches: &Patches) -> rankine_nn::Result<()> {
        self.lock().push(Input::Patches(patches.detach()));
        Ok(())
    }
}

/// Weights with the same inputs.
struct Group {
    /// Which watchers they are; the first one's inputs are looked at.
    members: Vec<usize>,
    collector: Collector,
    /// The most directions that one of them takes, as things stand.
    rank: usize,
}

impl Group {
    fn has_converged(&self) -> bool {
        self.collector.converged(self.rank)
    }
}

struct Pass<'a> {
    needs: &'a Needs,
    rng: &'a Rng,
    watchers: Vec<Watcher>,
    groups: Vec<Group>,
    batches: usize,
}

impl Pass<'_> {
    fn run<E: From<Error>>(&mut self, show: &mut dyn FnMut() -> Result<Shown, E>) -> Result<(), E> {
        while self.batches < self.needs.batches {
            let shown = show()?;
            let inputs: Vec<Vec<Input>> = self.watchers.iter().map(|watcher| watcher.slot.take()).collect();
            let marks = match &shown {
                Shown::Nothing => break,
                Shown::All => None,
                Shown::Marked(marks) => Some(marks.as_slice()),
            };
            self.see(&inputs, marks)?;
            self.batches += 1;
            if !self.wants_all() && self.groups.iter().all(Group::has_converged) {
                break;
            }
        }
        Ok(())
    }

    /// Means are over all batches, whether directions have converged or not.
    fn wants_all(&self) -> bool {
        self.needs.second_moment || self.needs.magnitude || self.needs.square
    }

    fn see(&mut self, inputs: &[Vec<Input>], marks: Option<&[bool]>) -> Result<()> {
        if self.groups.is_empty() {
            self.groups = self.grouped(inputs);
        }
        let (wants_all, watchers) = (self.wants_all(), &self.watchers);
        let wanted = |group: &&mut Group| wants_all || !group.has_converged();
        self.groups.par_iter_mut().with_max_len(1).filter(wanted).try_for_each(|group| {
            let first = group.members[0];
            let found = group.collector.see(&counted(&inputs[first], marks)?);
            found.map_err(|source| Error::Inputs { path: watchers[first].path.clone(), source })
        })?;
        self.share();
        Ok(())
    }

    fn grouped(&self, inputs: &[Vec<Input>]) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let rank = self.needs.principal.map_or(0, |principal| principal.components);
        for (index, seen) in inputs.iter().enumerate() {
            let Some(columns) = seen.first().and_then(Input::columns) else {
                continue;
            };
            match groups.iter_mut().find(|group| are_equal(&inputs[group.members[0]], seen)) {
                Some(group) => group.members.push(index),
                None => {
                    let rng = self.rng.fork(&self.watchers[index].path);
                    let collector = Collector::new(self.needs, columns, rng);
                    groups.push(Group { members: vec![index], collector, rank });
                }
            }
        }
        groups
    }

    /// Gives out the ranks by what is known so far, every weight counted.
    fn share(&mut self) {
        let Some(principal) = self.needs.principal else {
            return;
        };
        let spectra: Vec<Vec<f64>> = self.groups.iter().map(|group| group.collector.spectrum()).collect();
        let mut sites: Vec<(usize, usize)> = Vec::new();
        for (index, group) in self.groups.iter_mut().enumerate() {
            sites.extend(group.members.iter().map(|&member| (member, index)));
            group.rank = 0;
        }
        sites.sort_unstable();
        let own: Vec<&[f64]> = sites.iter().map(|&(_, group)| spectra[group].as_slice()).collect();
        let ranks = allocate(&own, principal.rank * sites.len());
        for (&(_, group), rank) in sites.iter().zip(ranks) {
            let group = &mut self.groups[group];
            group.rank = group.rank.max(rank);
        }
    }

    fn finish(self) -> Calibration {
        let mut calibration = Calibration { batches: self.batches, ..Calibration::default() };
        for group in &self.groups {
            let statistics = Arc::new(group.collector.statistics());
            if !group.has_converged() {
                calibration.unsettled += group.members.len();
            }
            for &member in &group.members {
                calibration.sites.insert(self.watchers[member].path.clone(), statistics.clone());
            }
        }
        calibration
    }
}

fn are_equal(a: &[Input], b: &[Input]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_equal(b))
}

/// The rows that count, one after the other.
fn counted(inputs: &[Input], marks: Option<&[bool]>) -> Result<Vec<f32>> {
    let mut rows = Vec::new();
    for input in inputs {
        let (x, columns) = (input.rows()?, input.columns().unwrap_or(1).max(1));
        x.read(|values| match marks.filter(|marks| marks.len() * columns == values.len()) {
            None => rows.extend_from_slice(values),
            Some(marks) => {
                let marked = values.chunks_exact(columns).zip(marks).filter(|(_, marked)| **marked);
                marked.for_each(|(row, _)| rows.extend_from_slice(row));
            }
        });
    }
    Ok(rows)
}
