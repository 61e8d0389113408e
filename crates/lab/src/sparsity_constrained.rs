//! [sparsity_constrained]: transport plans with at most k entries a column.
//!
//! A. Clouds: 100 points of a Gaussian in the plane onto themselves, POT's own test, and onto 60 others, for several k and
//!    ε. Shows: never more than k entries a column; k = 1 is exact transport, k = n the quadratic penalty; values fall in k.
//! B. Steps: L-BFGS from zero. Shows: the larger k, the fewer steps.
//! C. The line: a Gaussian onto a mixture, without penalty, with entropy, squared, with k = 2 and 4: the plans as maps.
//! D. Routing: patches of Fashion-MNIST are tokens, centroids are experts of bounded capacity. Shows: sparse plans drop no
//!    token and score at least what S-BASE and greedy routing do.
//!
//! Departure: the paper routes in vision transformers and reports accuracies after training; here the routed score itself
//! is compared.

mod clouds;
mod line;
mod page;
mod routing;

use crate::{Claim, Experiment, Images, Materials, Result, Scale};

/// Sparse plans between clouds, on the line and from tokens to experts.
#[derive(Clone, Copy, Debug, Default)]
pub struct SparsityConstrainedExperiment;

impl Experiment for SparsityConstrainedExperiment {
    fn paper(&self) -> &'static str {
        "sparsity_constrained"
    }

    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        let images = Images::fashion_mnist(&materials.fashion_mnist, "train")?;
        measure(&Plan::of(scale), &images, watch)
    }
}

/// What is tried.
struct Plan {
    /// Points of the first cloud, and of the second.
    points: [usize; 2],
    /// k.
    nonzeros: Vec<usize>,
    /// ε.
    regularizations: Vec<f64>,
    /// Cells of the line.
    cells: usize,
    routing: routing::Setting,
}

impl Plan {
    fn of(scale: Scale) -> Self {
        let (cells, tokens, seeds) = match scale {
            Scale::Quick => (32, 512, vec![0]),
            Scale::Full => (100, 2048, vec![0, 1, 2]),
        };
        Self {
            points: [100, 60],
            nonzeros: vec![1, 2, 5, 20, 100],
            regularizations: vec![1.0, 0.1],
            cells,
            routing: routing::Setting { tokens, experts: 16, slack: 1.25, seeds },
        }
    }
}

fn measure(plan: &Plan, images: &Images, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
    watch("plans between clouds");
    let clouds = clouds::run(plan)?;
    watch("plans on the line");
    let maps = line::run(plan.cells)?;
    watch("routing of patches");
    let routing = routing::run(&plan.routing, images)?;
    Ok(page::claim(plan, &clouds, maps, &routing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_random::Rng;

    #[test]
    fn it_gives_a_page_with_finite_numbers() {
        let mut rng = Rng::new(1);
        let images = Images {
            pixels: rng.normals(12 * 784, 1.0),
            width: 784,
            labels: (0..12).map(|image| image % 3).collect(),
        };
        let routing = routing::Setting { tokens: 64, experts: 4, slack: 1.25, seeds: vec![0, 1] };
        let (nonzeros, regularizations) = (vec![1, 3, 12], vec![1.0]);
        let plan = Plan { points: [12, 9], nonzeros, regularizations, cells: 10, routing };
        let claim = measure(&plan, &images, &mut |_| {}).unwrap();
        let (html, words) = (claim.page.html(), claim.page.terminal(120, false));
        assert!(html.contains("<table") && html.contains("<svg") && !words.contains("NaN"), "{words}");
        assert_eq!(claim.numbers["holds"], claim.holds);
        assert_eq!(claim.numbers["clouds"]["cases"].as_array().unwrap().len(), 5);
        assert_eq!(claim.numbers["routing"]["runs"].as_array().unwrap().len(), 8);
    }
}
