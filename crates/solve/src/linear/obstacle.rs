//! What stands in the way of a fluid, and what drives it: the problems of [dcdm], and further ones of the kind.

use super::poisson::{Poisson, neighbours};
use crate::Result;
use rankine_random::Rng;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Solid cells of a box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Obstacle {
    /// None.
    #[default]
    Nothing,
    /// A disk or ball in the middle.
    Ball {
        /// Its radius, as a share of the shortest side.
        radius: f64,
    },
    /// Blocks at random places, a tenth to a quarter of the box along each axis; what they enclose is solid too.
    Blocks {
        /// How many.
        count: usize,
        /// Which.
        seed: u64,
    },
}

impl Obstacle {
    /// Which cells of a box are solid; [n], row-major.
    pub fn solid(self, shape: &[usize]) -> Vec<bool> {
        let cells = shape.iter().product();
        let mut solid = vec![false; cells];
        match self {
            Self::Nothing => {}
            Self::Ball { radius } => {
                let radius = radius * shape.iter().min().map_or(0.0, |&side| side as f64);
                let apart =
                    |(place, &along): (usize, &usize)| (place as f64 + 0.5 - 0.5 * along as f64).powi(2);
                for (cell, solid) in solid.iter_mut().enumerate() {
                    let distance: f64 = coordinates(shape, cell).zip(shape).map(apart).sum();
                    *solid = distance < radius * radius;
                }
            }
            Self::Blocks { count, seed } => {
                for index in 0..count {
                    let mut rng = Rng::new(seed).fork_index("block", index);
                    let block: Vec<_> = shape.iter().map(|&along| span(along, &mut rng)).collect();
                    for (cell, solid) in solid.iter_mut().enumerate() {
                        *solid |=
                            coordinates(shape, cell).zip(&block).all(|(place, span)| span.contains(&place));
                    }
                }
                let enclosed = enclosed(shape, &solid);
                solid.iter_mut().zip(enclosed).for_each(|(solid, enclosed)| *solid |= enclosed);
            }
        }
        solid
    }

    /// The operator of a box with this in it.
    ///
    /// # Errors
    /// As [`Poisson::new`].
    pub fn poisson(self, shape: &[usize]) -> Result<Poisson> {
        Poisson::new(shape, &self.solid(shape))
    }
}

/// A right-hand side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drive {
    /// Standard normal numbers.
    White,
    /// A sum of four products of sines with at most three half waves along an axis.
    Smooth,
    /// A source of strength 1 and a sink of strength 1.
    Points,
    /// The divergence of normal velocities on the faces between cells, none into solid cells.
    Divergence,
}

impl Drive {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::White, Self::Smooth, Self::Points, Self::Divergence];

    /// Its values, zero in solid cells; [n].
    pub fn values(self, grid: &Poisson, seed: u64) -> Vec<f64> {
        let shape = grid.shape();
        let cells: usize = shape.iter().product();
        let mut rng = Rng::new(seed).fork("drive");
        let mut values = vec![0.0; cells];
        match self {
            Self::White => values.iter_mut().for_each(|value| *value = rng.normal_f64()),
            Self::Smooth => (0..4).for_each(|_| add_wave(&mut values, shape, &mut rng)),
            Self::Points => {
                let fluid: Vec<usize> = (0..cells).filter(|&cell| grid.is_fluid(cell)).collect();
                let first = rng.below(fluid.len());
                values[fluid[first]] = 1.0;
                if 1 < fluid.len() {
                    let second = (first + 1 + rng.below(fluid.len() - 1)) % fluid.len();
                    values[fluid[second]] = -1.0;
                }
            }
            Self::Divergence => add_divergence(&mut values, grid, &mut rng),
        }
        let solid = values.iter_mut().enumerate().filter(|(cell, _)| !grid.is_fluid(*cell));
        solid.for_each(|(_, value)| *value = 0.0);
        values
    }
}

fn add_wave(values: &mut [f64], shape: &[usize], rng: &mut Rng) {
    let weight = rng.normal_f64();
    let waves: Vec<f64> =
        shape.iter().map(|&along| PI * (1 + rng.below(3)) as f64 / (along + 1) as f64).collect();
    for (cell, value) in values.iter_mut().enumerate() {
        let sines =
            coordinates(shape, cell).zip(&waves).map(|(place, wave)| (wave * (place + 1) as f64).sin());
        *value += weight * sines.product::<f64>();
    }
}

fn add_divergence(values: &mut [f64], grid: &Poisson, rng: &mut Rng) {
    for cell in (0..values.len()).filter(|&cell| grid.is_fluid(cell)) {
        let mut walls = 2 * grid.shape().len();
        for neighbour in grid.neighbours(cell) {
            walls -= 1;
            if cell < neighbour && grid.is_fluid(neighbour) {
                let velocity = rng.normal_f64();
                values[cell] += velocity;
                values[neighbour] -= velocity;
            }
        }
        values[cell] += (0..walls).map(|_| rng.normal_f64()).sum::<f64>();
    }
}

/// The place along each axis.
fn coordinates(shape: &[usize], cell: usize) -> impl Iterator<Item = usize> {
    (0..shape.len()).map(move |axis| cell / shape[axis + 1..].iter().product::<usize>() % shape[axis])
}

/// A tenth to a quarter of an axis.
fn span(along: usize, rng: &mut Rng) -> std::ops::Range<usize> {
    let length = (along as f64 * (0.1 + 0.15 * rng.uniform_f64())).round() as usize;
    let begin = rng.below(along - length + 1);
    begin..begin + length
}

/// Fluid cells that no way through fluid joins to a wall of the box.
pub(super) fn enclosed(shape: &[usize], solid: &[bool]) -> Vec<bool> {
    let at_wall = |cell: usize| neighbours(shape, cell).count() < 2 * shape.len();
    let mut reached: Vec<bool> = (0..solid.len()).map(|cell| !solid[cell] && at_wall(cell)).collect();
    let mut waiting: Vec<usize> = (0..solid.len()).filter(|&cell| reached[cell]).collect();
    while let Some(cell) = waiting.pop() {
        for neighbour in neighbours(shape, cell) {
            if !solid[neighbour] && !reached[neighbour] {
                reached[neighbour] = true;
                waiting.push(neighbour);
            }
        }
    }
    solid.iter().zip(reached).map(|(&solid, reached)| !solid && !reached).collect()
}
