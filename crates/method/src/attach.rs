//! Handing a model's weights over to a method.

use crate::{Error, Method, Result, Site};
use rankine_nn::{Kind, Model, Parameter, weight::Dense};
use rankine_random::Rng;
use rankine_tensor::Frozen;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// What a method took over.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Attached {
    /// Path of every weight that was taken over, with its rank.
    pub sites: Vec<(String, usize)>,
    /// How many numbers are trained there.
    pub trained: usize,
}

/// Weights a thread exchanges before `watch` is told.
const PIECE: usize = 8;

/// Exchanges the weights of `modules` for the method's structures; `watch` is told how many of how many are done.
///
/// Every site draws from the stream of its own path: the result depends neither on the order nor on the threads.
pub fn attach(
    model: &mut dyn Model,
    method: &dyn Method,
    modules: &[String],
    rng: &Rng,
    watch: &mut dyn FnMut(usize, usize),
) -> Result<Attached> {
    let taken = taken(model, method, modules)?;
    let ranks = plan(method, &taken)?;
    let paths: BTreeSet<String> = taken.into_iter().map(|parameter| parameter.path().to_owned()).collect();
    let mut parameters: Vec<&mut Parameter> = model.parameters_mut();
    parameters.retain(|parameter| paths.contains(parameter.path()));
    let mut attached = Attached::default();
    // Each thread gives the old weight back before it takes the next one: both of a whole model at once would double its
    // memory. The pieces are only for `watch`; there are many weights in one, because threads wait at its end.
    let (total, together) = (parameters.len(), PIECE * rayon::current_num_threads().max(1));
    let mut done = 0;
    for (parameters, ranks) in parameters.chunks_mut(together).zip(ranks.chunks(together)) {
        let trained = exchange(method, parameters, ranks, rng)?;
        for ((parameter, &rank), trained) in parameters.iter().zip(ranks).zip(trained) {
            if let Some(trained) = trained {
                attached.sites.push((parameter.path().to_owned(), rank));
                attached.trained += trained;
            }
        }
        done += parameters.len();
        watch(done, total);
    }
    Ok(attached)
}

/// The parameters of `modules` that the method takes over; an error when there is none in one of them.
pub(crate) fn taken<'m>(
    model: &'m dyn Model,
    method: &dyn Method,
    modules: &[String],
) -> Result<Vec<&'m Parameter>> {
    let mut parameters = model.parameters();
    parameters.retain(|parameter| {
        method.takes(parameter.kind()) && modules.iter().any(|name| name == parameter.module())
    });
    let missing = modules.iter().find(|name| !parameters.iter().any(|found| found.module() == *name));
    match missing {
        None => Ok(parameters),
        Some(name) if method.takes(Kind::Bias) => Err(Error::NoBias { place: format!("`{name}`") }),
        Some(name) => {
            let mut weights = model.parameters().into_iter().filter(|found| found.kind() != Kind::Bias);
            let found = weights.find(|found| found.module() == *name).map(Parameter::kind);
            Err(Error::NotAdaptable { name: name.clone(), method: method.card().name, found })
        }
    }
}

/// An error where one of these parameters is a convolution of `modules` in groups: each group sees channels of its own, and
/// nothing that is known of inputs is known of the weight's.
pub(crate) fn check_groups(parameters: &[&Parameter], modules: &[String]) -> Result<()> {
    let is_grouped = |parameter: &&&Parameter| {
        1 < parameter.groups() && modules.iter().any(|name| name == parameter.module())
    };
    match parameters.iter().find(is_grouped) {
        None => Ok(()),
        Some(found) => Err(Error::Grouped { path: found.path().to_owned(), groups: found.groups() }),
    }
}

fn plan(method: &dyn Method, parameters: &[&Parameter]) -> Result<Vec<usize>> {
    let weights = constants(parameters)?;
    let sites: Vec<Site<'_>> =
        parameters.iter().zip(&weights).map(|(parameter, weight)| site(parameter, weight)).collect();
    method.plan(&sites)
}

/// Values, in the types they are kept in.
pub(crate) fn constants(parameters: &[&Parameter]) -> Result<Vec<Frozen>> {
    let values = parameters.iter().map(|parameter| parameter.weight.constant());
    Ok(values.collect::<Result<Vec<Frozen>, _>>()?)
}

/// Puts the method's structures in the place of some weights; how many numbers each trains, `None` where the rank is 0.
fn exchange(
    method: &dyn Method,
    parameters: &mut [&mut Parameter],
    ranks: &[usize],
    rng: &Rng,
) -> Result<Vec<Option<usize>>> {
    let one = |(parameter, &rank): (&mut &mut Parameter, &usize)| {
        if rank == 0 {
            return Ok(None);
        }
        let weight = parameter.weight.constant()?;
        let site = site(parameter, &weight);
        let trained = method.trained(&site, rank)?;
        parameter.weight = method.attach(&site, rank, rng.fork(site.path))?;
        Ok(Some(trained))
    };
    parameters.par_iter_mut().with_max_len(1).zip(ranks).map(one).collect()
}

pub(crate) fn site<'a>(parameter: &'a Parameter, weight: &'a Frozen) -> Site<'a> {
    Site { path: parameter.path(), kind: parameter.kind(), weight, statistics: None }
}

/// Trains every parameter of `modules` as a whole, beside a method or instead of one; how many numbers that are.
pub fn train_whole(model: &mut dyn Model, modules: &[String]) -> Result<usize> {
    let mut trained = 0;
    for name in modules {
        let mut found = false;
        let wanted = |parameter: &Parameter| {
            parameter.module() == name || parameter.module().ends_with(&format!(".{name}"))
        };
        for parameter in model.parameters_mut().into_iter().filter(|parameter| wanted(parameter)) {
            let value = parameter.weight.dense()?;
            trained += value.elements();
            parameter.weight = Box::new(Dense::trained(&value));
            found = true;
        }
        if !found {
            let known = model.parameters().iter().map(|parameter| parameter.module().to_owned()).collect();
            return Err(Error::Module { name: name.clone(), known });
        }
    }
    Ok(trained)
}
