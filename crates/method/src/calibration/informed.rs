//! A method that knows what was seen at its sites.

use super::{Calibration, Needs};
use crate::{Card, Method, Result, Site};
use rankine_nn::{Kind, Weight};
use rankine_random::Rng;
use rankine_tensor::Encoding;
use std::sync::Arc;

/// A method to which every site comes with its statistics; everything else is the method's own.
pub struct Informed<'a> {
    calibration: &'a Calibration,
    method: &'a dyn Method,
}

impl Calibration {
    /// The method with what was seen at each of its sites.
    pub fn inform<'a>(&'a self, method: &'a dyn Method) -> Informed<'a> {
        Informed { calibration: self, method }
    }
}

impl Informed<'_> {
    fn site<'s>(&'s self, site: &Site<'s>) -> Site<'s> {
        Site { statistics: self.calibration.sites.get(site.path).map(Arc::as_ref), ..*site }
    }
}

impl Method for Informed<'_> {
    fn card(&self) -> Card {
        self.method.card()
    }

    fn needs(&self) -> Needs {
        self.method.needs()
    }

    fn takes(&self, kind: Kind) -> bool {
        self.method.takes(kind)
    }

    fn base(&self) -> Option<Encoding> {
        self.method.base()
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        self.method.plan(&sites.iter().map(|site| self.site(site)).collect::<Vec<_>>())
    }

    fn trained(&self, site: &Site<'_>, rank: usize) -> Result<usize> {
        self.method.trained(&self.site(site), rank)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, rng: Rng) -> Result<Box<dyn Weight>> {
        self.method.attach(&self.site(site), rank, rng)
    }
}
