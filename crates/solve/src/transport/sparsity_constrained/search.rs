//! How the function is maximised: L-BFGS, or steps along gradients of some of the columns.

use crate::lbfgs::Lbfgs;
use crate::transport::smooth::Objective;
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// How the function is maximised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Method {
    /// L-BFGS with a Wolfe line search; a step is one of its.
    Lbfgs(LimitedMemory),
    /// Gradients of some columns at a time; a step is a pass over all.
    Gradient(Gradient),
    /// The same with Adam's step lengths.
    Adam(Adam),
}

/// Settings of L-BFGS.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitedMemory {
    /// Pairs that it remembers.
    pub memory: usize,
}

/// Settings of the gradient method. Its rate falls with the root of the passes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gradient {
    /// Length of a step over the gradient, in units of ε.
    pub rate: f64,
    /// Columns a step.
    pub batch: usize,
    /// Seed of their order.
    pub seed: u64,
}

/// Settings of Adam. Its rate falls with the root of the passes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    /// Length of a step in units of the largest cost.
    pub rate: f64,
    /// Columns a step.
    pub batch: usize,
    /// Seed of their order.
    pub seed: u64,
}

impl Default for Method {
    fn default() -> Self {
        Self::Lbfgs(LimitedMemory::default())
    }
}

impl Default for LimitedMemory {
    fn default() -> Self {
        Self { memory: 10 }
    }
}

impl Default for Gradient {
    fn default() -> Self {
        Self { rate: 0.5, batch: 32, seed: 0 }
    }
}

impl Default for Adam {
    fn default() -> Self {
        Self { rate: 0.01, batch: 32, seed: 0 }
    }
}

/// The maximiser at its iterate.
#[derive(Clone, Debug)]
pub(super) enum Search {
    Lbfgs(Lbfgs),
    Stochastic(Box<Stochastic>),
}

impl Search {
    /// At x, by the method of the settings.
    pub fn new(method: &Method, objective: &Objective<'_>, x: Vec<f64>) -> Self {
        match *method {
            Method::Lbfgs(LimitedMemory { memory }) => Self::by_memory(objective, x, memory),
            Method::Gradient(Gradient { rate, batch, seed }) => {
                let rate = rate * objective.regularization;
                Self::Stochastic(Box::new(Stochastic::new(objective, x, rate, batch, seed)))
            }
            Method::Adam(Adam { rate, batch, seed }) => {
                let moments = Some(Moments::of(x.len()));
                let largest = objective.problem.largest_cost();
                let rate = rate * if largest > 0.0 { largest } else { 1.0 };
                let search = Stochastic::new(objective, x, rate, batch, seed);
                Self::Stochastic(Box::new(Stochastic { moments, ..search }))
            }
        }
    }

    /// At x, by L-BFGS.
    pub fn limited(objective: &Objective<'_>, x: Vec<f64>) -> Self {
        Self::by_memory(objective, x, LimitedMemory::default().memory)
    }

    fn by_memory(objective: &Objective<'_>, x: Vec<f64>, memory: usize) -> Self {
        let mut function = |x: &[f64], gradient: &mut [f64]| objective.evaluate(x, gradient);
        Self::Lbfgs(Lbfgs::new(x, memory, objective.regularization, objective.noise(), &mut function))
    }

    /// One step; false where none helps.
    pub fn step(&mut self, objective: &Objective<'_>) -> bool {
        match self {
            Self::Lbfgs(search) => search.step(&mut |x, gradient| objective.evaluate(x, gradient)),
            Self::Stochastic(search) => search.pass(objective),
        }
    }

    /// The variables.
    pub fn x(&self) -> &[f64] {
        match self {
            Self::Lbfgs(search) => search.x(),
            Self::Stochastic(search) => &search.x,
        }
    }

    /// The function there, its sign turned.
    pub fn value(&self) -> f64 {
        match self {
            Self::Lbfgs(search) => search.value(),
            Self::Stochastic(search) => search.value,
        }
    }

    /// Its gradient.
    pub fn gradient(&self) -> &[f64] {
        match self {
            Self::Lbfgs(search) => search.gradient(),
            Self::Stochastic(search) => &search.gradient,
        }
    }

    /// Gain, over the scale of the function, below which a window of steps counts for nothing.
    fn least_gain(&self) -> f64 {
        match self {
            Self::Lbfgs(_) => 1e-10,
            Self::Stochastic(_) => 1e-6,
        }
    }
}

/// Whether the value or the residual still changes.
#[derive(Clone, Debug)]
pub(super) struct Progressing {
    /// The last value that counted as a gain, the last residual that did, and steps since.
    value: f64,
    residual: f64,
    idle: usize,
}

impl Default for Progressing {
    fn default() -> Self {
        Self { value: f64::INFINITY, residual: f64::INFINITY, idle: 0 }
    }
}

impl Progressing {
    /// Steps without a gain after which nothing more is expected.
    const WINDOW: usize = 40;

    /// Whether the last steps neither gained anything nor halved the residual.
    pub fn settled(&mut self, search: &Search, objective: &Objective<'_>) -> bool {
        let (value, residual) = (search.value(), objective.residual(search.gradient()));
        self.idle += 1;
        if value < self.value - search.least_gain() * objective.scale() {
            (self.value, self.idle) = (value, 0);
        }
        if residual < self.residual / 2.0 {
            (self.residual, self.idle) = (residual, 0);
        }
        self.idle >= Self::WINDOW
    }
}

/// Steps along gradients of some columns.
#[derive(Clone, Debug)]
pub(super) struct Stochastic {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    moments: Option<Moments>,
    rate: f64,
    batch: usize,
    rng: Rng,
    passes: usize,
}

/// Adam's averages of the gradient and of its square.
#[derive(Clone, Debug)]
struct Moments {
    first: Vec<f64>,
    second: Vec<f64>,
    steps: i32,
}

/// Adam's weights of the past, and what keeps it from dividing by zero (Kingma and Ba 2015).
const FIRST: f64 = 0.9;
const SECOND: f64 = 0.999;
const FLOOR: f64 = 1e-8;

impl Stochastic {
    fn new(objective: &Objective<'_>, x: Vec<f64>, rate: f64, batch: usize, seed: u64) -> Self {
        let mut gradient = vec![0.0; x.len()];
        let value = objective.evaluate(&x, &mut gradient);
        let rng = Rng::new(seed).fork("transport/sparsity-constrained");
        Self { x, value, gradient, moments: None, rate, batch, rng, passes: 0 }
    }

    /// A pass over all columns; false where the variables would become infinite.
    fn pass(&mut self, objective: &Objective<'_>) -> bool {
        let mut columns: Vec<usize> = (0..objective.problem.target().len()).collect();
        self.rng.fork_index("pass", self.passes).shuffle(&mut columns);
        self.passes += 1;
        let rate = self.rate / (self.passes as f64).sqrt();
        let (mut x, mut gradient) = (self.x.clone(), vec![0.0; self.x.len()]);
        for columns in columns.chunks(self.batch) {
            objective.sample(&x, columns, &mut gradient);
            if let Some(moments) = &mut self.moments {
                moments.direct(&mut gradient);
            }
            x.iter_mut().zip(&gradient).for_each(|(x, slope)| *x -= rate * slope);
        }
        let value = objective.evaluate(&x, &mut gradient);
        let finite = value.is_finite();
        if finite {
            (self.x, self.value, self.gradient) = (x, value, gradient);
        }
        finite
    }
}

impl Moments {
    fn of(count: usize) -> Self {
        Self { first: vec![0.0; count], second: vec![0.0; count], steps: 0 }
    }

    /// The direction of the next step in the place of the gradient.
    fn direct(&mut self, gradient: &mut [f64]) {
        self.steps = self.steps.saturating_add(1);
        let unbias = [FIRST, SECOND].map(|weight| 1.0 - weight.powi(self.steps));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for (slope, (first, second)) in gradient.iter_mut().zip(moments) {
            *first = FIRST * *first + (1.0 - FIRST) * *slope;
            *second = SECOND * *second + (1.0 - SECOND) * *slope * *slope;
            *slope = *first / unbias[0] / ((*second / unbias[1]).sqrt() + FLOOR);
        }
    }
}
