//! The Karcher mean: the point of the sphere from which the ways to all models add to zero, scaled by the mean norm.
//!
//!     uᵢ = wᵢ / ‖wᵢ‖        d = Σ aᵢ·θᵢ/sin θᵢ · (uᵢ − cos θᵢ·u),  cos θᵢ = ⟨u, uᵢ⟩
//!     u ← cos ‖d‖·u + sin ‖d‖·d/‖d‖, until ‖d‖ < `tol` or `max_iter` times        w = mean ‖wᵢ‖ · u
//!
//! u begins as the mean of the uᵢ made a unit. All models weigh alike; tensors of zeros count in the norm alone.

use crate::blend::card::{Base, Card, Parameter, Range};
use crate::blend::recipe::Wrong;
use crate::blend::settings::Settings;
use crate::blend::sums::{combine, scale};
use crate::blend::{Blend, Operands};
use rankine_kernels::reduce;

pub(super) static CARDS: &[Card] = &[Card {
    name: "karcher",
    base: Base::Passed,
    models: [1, usize::MAX],
    parameters: &[
        Parameter::all("max_iter", Some(10.0), Range::Count),
        Parameter::all("tol", Some(1e-5), Range::Positive),
    ],
    skips_misshapen: false,
    make,
}];

struct Karcher {
    iterations: usize,
    tolerance: f64,
}

fn make(settings: &Settings) -> Result<Box<dyn Blend>, Wrong> {
    Ok(Box::new(Karcher { iterations: settings.one("max_iter") as usize, tolerance: settings.one("tol") }))
}

impl Blend for Karcher {
    fn is_elementwise(&self) -> bool {
        false
    }

    fn blend(&self, operands: Operands<'_>, out: &mut [f32]) -> Result<(), Wrong> {
        let models = &*operands.models;
        if let [model] = models {
            out.copy_from_slice(model);
            return Ok(());
        }
        let norms: Vec<f64> = models.iter().map(|model| reduce::sum_of_squares(model).sqrt()).collect();
        let mean = norms.iter().sum::<f64>() / norms.len().max(1) as f64;
        let directed: Vec<(&[f32], f64)> = models.iter().map(Vec::as_slice).zip(norms).collect();
        let directed: Vec<_> = directed.into_iter().filter(|(_, norm)| self.tolerance < *norm).collect();
        if directed.is_empty() {
            out.fill(0.0);
            return Ok(());
        }
        self.climb(&directed, out);
        scale(out, mean);
        Ok(())
    }
}

impl Karcher {
    /// The mean direction of vectors that come with their norms; `u` gets its unit.
    fn climb(&self, directed: &[(&[f32], f64)], u: &mut [f32]) {
        let share = 1.0 / directed.len() as f64;
        let units = directed.iter().map(|&(x, norm)| (share / norm, x));
        combine(&units.collect::<Vec<_>>(), u);
        match (reduce::sum_of_squares(u).sqrt(), directed.first()) {
            (length, Some(&(x, norm))) if length < self.tolerance => combine(&[(1.0 / norm, x)], u),
            (length, _) => scale(u, 1.0 / length),
        }
        let mut step = vec![0.0; u.len()];
        for _ in 0..self.iterations {
            self.step(directed, u, &mut step);
            let length = reduce::sum_of_squares(&step).sqrt();
            if length < self.tolerance {
                return;
            }
            let (along, across) = (length.cos(), length.sin() / length);
            for (u, step) in u.iter_mut().zip(&step) {
                *u = (along * f64::from(*u) + across * f64::from(*step)) as f32;
            }
            scale(u, 1.0 / reduce::sum_of_squares(u).sqrt());
        }
    }

    /// d at u.
    fn step(&self, directed: &[(&[f32], f64)], u: &[f32], step: &mut [f32]) {
        let share = 1.0 / directed.len() as f64;
        let (mut terms, mut back) = (Vec::with_capacity(directed.len() + 1), 0.0);
        for &(x, norm) in directed {
            let cosine = (reduce::dot(u, x) / norm).clamp(-1.0, 1.0);
            let angle = cosine.acos();
            // Straight below there is no way to go, and opposite there are all.
            if self.tolerance <= angle && 1e-12 < angle.sin() {
                let factor = share * angle / angle.sin();
                terms.push((factor / norm, x));
                back -= factor * cosine;
            }
        }
        terms.push((back, u));
        combine(&terms, step);
    }
}
