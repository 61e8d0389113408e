//! OSF: the weak singular triples trained, the strong ones as they are.
//!
//!     ΔW = U·diag(s)·V − U₀·diag(s₀)·V₀        U: [out, t]  s: [t]  V: [t, in]
//!
//! U₀, s₀, V₀ are the last t triples of the base, which the file does not hold; they are found again by an SVD of the same
//! base. Exact, of rank 2t. t shows in the shapes: `effective_rank` says how many strong ones there are. Departure: peft
//! rounds the triples to the type of the base, which is left out here.

use super::faults::{Faults, both};
use super::site::{Site, scale_columns};
use super::{Card, Formula, Pending};
use crate::adapters::change::Change;
use crate::adapters::product::Product;
use crate::{Error, Result};
use rankine_checkpoint::adapter::Foreign;
use rankine_linalg::svd;

pub(super) const CARD: Card = Card {
    name: "OSF",
    tensors: &["osf_svd_params.S_low", "osf_svd_params.U_low", "osf_svd_params.V_low"],
    settings: &["effective_rank", "init_weights", "rank_pattern", "target_svd_config"],
    open: |_: &Foreign| Ok(Box::new(Osf)),
};

struct Osf;

impl Formula for Osf {
    fn read<'a>(&'a self, site: &'a Site<'a>) -> Result<Pending<'a>, Faults> {
        let &Site { outputs, inputs, .. } = site;
        let [of_s, of_u, of_v] = ["osf_svd_params.S_low", "osf_svd_params.U_low", "osf_svd_params.V_low"];
        // Any of the three tells, should another be missing.
        let sides = [(of_s, 0), (of_u, 1), (of_v, 0)];
        let weak = sides.into_iter().find_map(|(name, axis)| site.shape(name).get(axis).copied());
        let weak = weak.unwrap_or(0).min(site.limit());
        let ((s, u), v) = both(
            both(site.tensor(of_s, &[weak]), site.tensor(of_u, &[outputs, weak])),
            site.tensor(of_v, &[weak, inputs]),
        )?;
        Ok(Box::new(move || {
            if weak == 0 {
                return Ok(site.product(Vec::new(), Vec::new(), 0));
            }
            let failed = |source| Error::Decomposition { name: site.path.to_owned(), source };
            let base = svd(&site.weight()?, outputs, inputs).map_err(failed)?;
            let strong = base.rank - weak;
            let columns: Vec<f32> =
                base.u.chunks_exact(base.rank).flat_map(|row| row[strong..].to_vec()).collect();
            let (new, sides) = (scaled(u, &s, v, [outputs, inputs]), [outputs, inputs]);
            let old = scaled(columns, &base.s[strong..], base.vt[strong * inputs..].to_vec(), sides);
            Ok(Change::Product(new.beside(&old.times(-1.0))))
        }))
    }
}

/// U·diag(s)·V as a product.
fn scaled(mut u: Vec<f32>, s: &[f32], v: Vec<f32>, [outputs, inputs]: [usize; 2]) -> Product {
    scale_columns(&mut u, s);
    Product { b: u, a: v, rank: s.len(), outputs, inputs }
}
