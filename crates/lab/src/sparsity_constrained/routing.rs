//! Tokens routed to experts of bounded capacity.
//!
//! Tokens are patches of images, less their mean; experts are centroids of them; the score of a pair is its cosine. An
//! expert takes at most `slack` times its even share. What is not routed scores nothing.

use super::clouds::solve;
use crate::{Images, Result};
use rankine_random::Rng;
use rankine_solve::Mat;
use rankine_solve::transport::points::{Metric, cost};
use rankine_solve::transport::{
    Coupling, Transport, exact::Exact, sinkhorn::Sinkhorn, sparsity_constrained::SparsityConstrained,
};

/// Side of a patch, and of an image.
const PATCH: usize = 7;
const SIDE: usize = 28;
/// Patches that hardly vary carry no direction.
const LEAST_DEVIATION: f64 = 0.1;
/// Rounds of the search for centroids.
const ROUNDS: usize = 10;
/// ε of S-BASE, and of the sparse plan; the best of each counts.
const ENTROPIES: [f64; 3] = [0.2, 0.05, 0.02];
const SQUARES: [f64; 3] = [1.0, 10.0, 100.0];

/// What is routed.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Setting {
    pub tokens: usize,
    pub experts: usize,
    /// Capacity over the even share.
    pub slack: f64,
    /// One choice of tokens and centroids each.
    pub seeds: Vec<u64>,
}

/// How tokens find experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Router {
    /// Each to its best, as long as there is room.
    Greedy,
    /// Each expert takes its heaviest tokens of an entropic plan.
    SBase,
    /// The exact plan.
    Exact,
    /// The plan with as many entries a column as an expert has room for.
    Sparse,
}

impl Router {
    pub(super) const ALL: [Self; 4] = [Self::Greedy, Self::SBase, Self::Exact, Self::Sparse];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Greedy => "greedy with capacity",
            Self::SBase => "S-BASE (entropic, top k)",
            Self::Exact => "exact",
            Self::Sparse => "sparsity-constrained",
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Routed {
    pub router: Router,
    pub seed: u64,
    /// Score over the tokens, those not routed counting 0.
    pub score: f64,
    /// Share of tokens that no expert takes.
    pub dropped: f64,
    /// Tokens of the fullest expert over the capacity.
    pub fullest: f64,
    pub seconds: f64,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Routing {
    pub setting: Setting,
    pub runs: Vec<Routed>,
}

impl Routing {
    /// Mean of a figure over the seeds.
    pub(super) fn mean(&self, router: Router, figure: fn(&Routed) -> f64) -> f64 {
        let figures: Vec<f64> = self.runs.iter().filter(|run| run.router == router).map(figure).collect();
        figures.iter().sum::<f64>() / figures.len() as f64
    }
}

/// The expert of every token that has one.
type Assignment = Vec<Option<usize>>;

pub(super) fn run(setting: &Setting, images: &Images) -> Result<Routing> {
    let capacity = (setting.slack * setting.tokens as f64 / setting.experts as f64).floor() as usize;
    let mut runs = Vec::new();
    for &seed in &setting.seeds {
        let rng = Rng::new(seed).fork("lab/sparsity-constrained/routing");
        let tokens = patches(images, setting.tokens, &rng);
        let experts = centroids(&tokens, setting.experts, &rng)?;
        let costs = cost(tokens.as_ref(), experts.as_ref(), Metric::Cosine)?;
        for router in Router::ALL {
            let began = std::time::Instant::now();
            let assignment = route(router, capacity, &costs)?;
            runs.push(judge(router, seed, &assignment, &costs, capacity, began.elapsed().as_secs_f64()));
        }
    }
    Ok(Routing { setting: setting.clone(), runs })
}

fn route(router: Router, capacity: usize, costs: &Mat<f64>) -> Result<Assignment> {
    let problem = |regularization: f64| {
        let even = |count: usize| vec![1.0 / count as f64; count];
        Transport::new(costs.clone(), even(costs.nrows()), even(costs.ncols()), regularization)
    };
    Ok(match router {
        Router::Greedy => greedy(costs, capacity),
        Router::Exact => heaviest(&solve(&Exact::default(), &problem(0.0)?, None)?.solution.plan),
        Router::SBase => best_of(ENTROPIES, costs, |regularization| {
            let plan = solve(&Sinkhorn::default(), &problem(regularization)?, None)?.solution.plan;
            Ok(fullest_of(&plan.dense(), capacity))
        })?,
        Router::Sparse => best_of(SQUARES, costs, |regularization| {
            let solver = SparsityConstrained { max_nonzeros: capacity, ..Default::default() };
            Ok(heaviest(&solve(&solver, &problem(regularization)?, None)?.solution.plan))
        })?,
    })
}

/// The assignment of the highest score among some penalties.
fn best_of(
    penalties: [f64; 3],
    costs: &Mat<f64>,
    route: impl Fn(f64) -> Result<Assignment>,
) -> Result<Assignment> {
    let mut best = (f64::NEG_INFINITY, Vec::new());
    for penalty in penalties {
        let assignment = route(penalty)?;
        let score = total(&assignment, costs);
        if score > best.0 {
            best = (score, assignment);
        }
    }
    Ok(best.1)
}

/// Tokens in their order, each to its cheapest expert if that has room.
fn greedy(costs: &Mat<f64>, capacity: usize) -> Assignment {
    let mut room = vec![capacity; costs.ncols()];
    let take = |token: usize| {
        let expert = (0..costs.ncols()).min_by(|&a, &b| costs[(token, a)].total_cmp(&costs[(token, b)]))?;
        let free = room[expert] > 0;
        room[expert] -= usize::from(free);
        free.then_some(expert)
    };
    (0..costs.nrows()).map(take).collect()
}

/// Every token to the expert that gets most of its mass.
fn heaviest(plan: &Coupling) -> Assignment {
    let mut best = vec![None::<(usize, f64)>; plan.shape().0];
    plan.each(|token, expert, mass| {
        if best[token].is_none_or(|(_, most)| mass > most) {
            best[token] = Some((expert, mass));
        }
    });
    best.into_iter().map(|best| best.map(|(expert, _)| expert)).collect()
}

/// Every expert takes its heaviest tokens; a token taken by several goes where it is heaviest.
fn fullest_of(plan: &Mat<f64>, capacity: usize) -> Assignment {
    let mut best = vec![None::<(usize, f64)>; plan.nrows()];
    for expert in 0..plan.ncols() {
        let mut tokens: Vec<usize> = (0..plan.nrows()).collect();
        tokens.sort_by(|&a, &b| plan[(b, expert)].total_cmp(&plan[(a, expert)]));
        for &token in tokens.iter().take(capacity) {
            let mass = plan[(token, expert)];
            if best[token].is_none_or(|(_, most)| mass > most) {
                best[token] = Some((expert, mass));
            }
        }
    }
    best.into_iter().map(|best| best.map(|(expert, _)| expert)).collect()
}

/// Σ of the cosines of routed tokens.
fn total(assignment: &Assignment, costs: &Mat<f64>) -> f64 {
    let pairs = assignment.iter().enumerate();
    pairs.filter_map(|(token, expert)| expert.map(|expert| 1.0 - costs[(token, expert)])).sum()
}

fn judge(
    router: Router,
    seed: u64,
    assignment: &Assignment,
    costs: &Mat<f64>,
    capacity: usize,
    seconds: f64,
) -> Routed {
    let tokens = assignment.len() as f64;
    let mut loads = vec![0usize; costs.ncols()];
    assignment.iter().flatten().for_each(|&expert| loads[expert] += 1);
    Routed {
        router,
        seed,
        score: total(assignment, costs) / tokens,
        dropped: assignment.iter().filter(|expert| expert.is_none()).count() as f64 / tokens,
        fullest: loads.into_iter().max().unwrap_or(0) as f64 / capacity as f64,
        seconds,
    }
}

/// Patches that vary, less their means, from images in a random order; [tokens, pixels].
fn patches(images: &Images, tokens: usize, rng: &Rng) -> Mat<f64> {
    let mut order: Vec<usize> = (0..images.labels.len()).collect();
    rng.fork("images").shuffle(&mut order);
    let cut = |image: usize, top: usize, left: usize| -> Vec<f64> {
        let pixels = &images.pixels[image * images.width..(image + 1) * images.width];
        let at = |pixel: usize| f64::from(pixels[(top + pixel / PATCH) * SIDE + left + pixel % PATCH]);
        let mean = (0..PATCH * PATCH).map(at).sum::<f64>() / (PATCH * PATCH) as f64;
        (0..PATCH * PATCH).map(|pixel| at(pixel) - mean).collect()
    };
    let corners = (0..SIDE / PATCH).flat_map(|row| (0..SIDE / PATCH).map(move |column| (row, column)));
    let all = order
        .into_iter()
        .flat_map(|image| corners.clone().map(move |(row, column)| (image, row * PATCH, column * PATCH)));
    let varies = |patch: &Vec<f64>| {
        let squares: f64 = patch.iter().map(|pixel| pixel * pixel).sum();
        (squares / patch.len() as f64).sqrt() > LEAST_DEVIATION
    };
    let chosen: Vec<Vec<f64>> =
        all.map(|(image, top, left)| cut(image, top, left)).filter(varies).take(tokens).collect();
    Mat::from_fn(chosen.len(), PATCH * PATCH, |token, pixel| chosen[token][pixel])
}

/// Means of the tokens nearest to each by the cosine, from tokens chosen at random; [experts, pixels].
fn centroids(tokens: &Mat<f64>, experts: usize, rng: &Rng) -> Result<Mat<f64>> {
    let mut order: Vec<usize> = (0..tokens.nrows()).collect();
    rng.fork("centroids").shuffle(&mut order);
    let mut centroids = Mat::from_fn(experts, tokens.ncols(), |expert, pixel| tokens[(order[expert], pixel)]);
    for _ in 0..ROUNDS {
        let nearest = greedy(&cost(tokens.as_ref(), centroids.as_ref(), Metric::Cosine)?, tokens.nrows());
        for expert in 0..experts {
            let own: Vec<usize> =
                (0..tokens.nrows()).filter(|&token| nearest[token] == Some(expert)).collect();
            for pixel in 0..tokens.ncols() {
                if !own.is_empty() {
                    let sum: f64 =
                        own.iter().map(|&token| tokens[(token, pixel)] / tokens.row(token).norm_l2()).sum();
                    centroids[(expert, pixel)] = sum / own.len() as f64;
                }
            }
        }
    }
    Ok(centroids)
}
