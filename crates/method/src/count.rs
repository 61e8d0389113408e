//! What a method would take over of a model, and how much of it would be trained: nothing is attached.

use crate::{
    Method, Result, Site,
    attach::{check_groups, constants, site, taken},
};
use rankine_nn::Model;

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
    /// Numbers that an adapter's file holds for it; `None` where these depend on more than shape and rank.
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
            sites.iter().try_for_each(|site| site.check_rank(principal.rank))?;
            vec![principal.rank; sites.len()]
        }
        None => method.plan(&sites)?,
    };
    let export = method.card().export;
    let counted = |(site, &rank): (&Site<'_>, &usize)| {
        let (path, shape) = (site.path.to_owned(), site.weight.shape());
        let written = export.numbers(site.sizes()?, rank);
        Ok(Counted { path, shape, rank, trained: method.trained(site, rank)?, written })
    };
    sites.iter().zip(&ranks).filter(|(_, rank)| 0 < **rank).map(counted).collect()
}
