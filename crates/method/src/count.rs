//! What a method would take over of a model, and how much of it would be trained: nothing is attached.

use crate::{
    Method, Result, Site,
    attach::{check_groups, constants, site, taken},
};
use rankine_nn::{Model, Parameter, weight::counts};

/// A weight that a method would take over.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Counted {
    /// Its path in the model.
    pub path: String,
    /// [out, in], [out, in, height, width] of a convolution, or [d] of a bias.
    pub shape: Vec<usize>,
    /// Its rank, above 0.
    pub rank: usize,
    /// Numbers that are trained.
    pub trained: usize,
    /// Numbers that an adapter's file holds for it, and for what else its module has where that is written whole; `None` where
    /// these depend on more than shape and rank.
    pub written: Option<usize>,
}

/// The weights of `modules` that the method would take over, in the model's order. Where ranks are given by what is seen of
/// the inputs, every weight has the average instead: data move ranks from one weight to another.
///
/// # Errors
/// As [`attach`](crate::attach): what cannot be taken over, ranks that a weight cannot have, settings outside their range.
pub fn count(model: &dyn Model, method: &dyn Method, modules: &[String]) -> Result<Vec<Counted>> {
    let parameters = taken(model, method, modules)?;
    if method.needs().any() {
        check_groups(&parameters, modules)?;
    }
    let weights = constants(&parameters)?;
    let sites: Vec<Site<'_>> =
        parameters.iter().zip(&weights).map(|(parameter, weight)| site(parameter, weight)).collect();
    let ranks = match method.needs().principal {
        Some(principal) => {
            let average = |site: &Site<'_>| match principal.capped {
                true => Ok(principal.rank.min(site.limit()?)),
                false => site.check_rank(principal.rank).map(|()| principal.rank),
            };
            sites.iter().map(average).collect::<Result<Vec<usize>>>()?
        }
        None => method.plan(&sites)?,
    };
    let (export, all) = (method.card().export, model.parameters());
    let beside = |parameter: &Parameter| {
        let module = all.iter().filter(|other| export.is_module() && other.module() == parameter.module());
        let others = module.filter(|other| other.path() != parameter.path());
        others.map(|other| counts(other.weight.as_ref()).1).sum::<usize>()
    };
    let counted = |((parameter, site), &rank): ((&&Parameter, &Site<'_>), &usize)| {
        let (path, shape) = (site.path.to_owned(), site.weight.shape());
        let written = export.numbers(site.sizes()?, rank).map(|numbers| numbers + beside(parameter));
        Ok(Counted { path, shape, rank, trained: method.trained(site, rank)?, written })
    };
    parameters.iter().zip(&sites).zip(&ranks).filter(|(_, rank)| 0 < **rank).map(counted).collect()
}
