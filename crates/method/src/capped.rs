//! A method whose rank is cut at every weight to what that weight can have.
//!
//!     r_l = min(r, out, in)        of a convolution min(r, out, in·height·width)
//!
//! A weight of a cut rank is what the method makes of it at that rank: without α its scale is that of the others, with α it is
//! α/r_l, as peft reads one alpha beside a pattern of ranks. Where data move ranks ([eva]) they move them among the weights of
//! one r_l, which keep it as their average, and the scale is the method's own, α/r everywhere.

use crate::{
    Card, Choice, Fields, Method, Needs, Result, Site,
    attach::{constants, site, taken},
};
use rankine_nn::{Kind, Model, Weight};
use rankine_random::Rng;
use rankine_tensor::Encoding;
use std::collections::BTreeMap;

/// A method whose rank is no more than a weight can have; everything else is the method's own.
pub struct Capped<'a> {
    choice: &'a Choice,
    rank: usize,
}

/// Weights that get less than the rank that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Cut {
    /// How many there are.
    pub weights: usize,
    /// Of how many.
    pub of: usize,
    /// The rank that was asked for.
    pub rank: usize,
    /// The smallest and the largest that they get instead.
    pub given: [usize; 2],
}

impl Cut {
    /// In words.
    pub fn words(&self) -> String {
        let Self { weights, of, rank, given: [low, high] } = self;
        let given = if low == high { low.to_string() } else { format!("{low} to {high}") };
        format!("{weights} of {of} weights cannot have rank {rank}: they get the most they can, {given}")
    }
}

impl<'a> Capped<'a> {
    /// The method with its rank cut where that is needed; `None` where it is asked for no rank.
    pub fn of(choice: &'a Choice) -> Option<Self> {
        choice.rank().map(|rank| Self { choice, rank })
    }

    /// What is cut among the weights of `modules`; `None` where all can have the rank.
    ///
    /// # Errors
    /// When a module cannot be taken over.
    pub fn cut(&self, model: &dyn Model, modules: &[String]) -> Result<Option<Cut>> {
        let parameters = taken(model, self, modules)?;
        let weights = constants(&parameters)?;
        let ranks =
            parameters.iter().zip(&weights).map(|(parameter, weight)| self.at(&site(parameter, weight)));
        let mut given = ranks.collect::<Result<Vec<usize>>>()?;
        let (of, rank) = (given.len(), self.rank);
        given.retain(|&given| given < rank);
        let range = given.iter().min().zip(given.iter().max());
        Ok(range.map(|(&low, &high)| Cut { weights: given.len(), of, rank, given: [low, high] }))
    }

    /// r_l.
    fn at(&self, site: &Site<'_>) -> Result<usize> {
        Ok(self.rank.min(site.limit()?))
    }

    /// The method with another rank.
    fn with(&self, rank: usize) -> Result<Choice> {
        let rank = toml::Value::try_from(rank)?;
        self.choice.clone().with(&Fields::from_iter([("rank".to_owned(), rank)]))
    }
}

impl Method for Capped<'_> {
    fn card(&self) -> Card {
        self.choice.card()
    }

    fn needs(&self) -> Needs {
        let mut needs = self.choice.method().needs();
        if let Some(principal) = &mut needs.principal {
            principal.capped = true;
        }
        needs
    }

    fn takes(&self, kind: Kind) -> bool {
        self.choice.method().takes(kind)
    }

    fn base(&self) -> Option<Encoding> {
        self.choice.method().base()
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        // Settings are told where there are no sites, too.
        self.choice.method().plan(&[])?;
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, site) in sites.iter().enumerate() {
            members.entry(self.at(site)?).or_default().push(index);
        }
        let mut ranks = vec![0; sites.len()];
        for (rank, members) in members {
            let alike: Vec<Site<'_>> = members.iter().map(|&index| sites[index]).collect();
            let planned = self.with(rank)?.method().plan(&alike)?;
            members.into_iter().zip(planned).for_each(|(index, rank)| ranks[index] = rank);
        }
        Ok(ranks)
    }

    fn trained(&self, site: &Site<'_>, rank: usize) -> Result<usize> {
        self.choice.method().trained(site, rank)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, rng: Rng) -> Result<Box<dyn Weight>> {
        self.choice.method().attach(site, rank, rng)
    }
}
