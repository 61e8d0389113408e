//! Spherical interpolation by weights: of two models, or of their differences from a base.
//!
//!     t = c₂ / (c₁ + c₂), ½ where the sum is 0        w = a·w₁ + b·w₂, or w₀ + a·(w₁ − w₀) + b·(w₂ − w₀)
//!
//! A tensor is one vector (`nuslerp_flatten`, the default), or each of its rows is. With `nuslerp_row_wise` the vectors are those
//! along the first axis, which others call columns: so mergekit's code does, whatever its guide says.

use crate::blend::arc::{Products, factors};
use crate::blend::card::{Base, Card, Parameter, Range};
use crate::blend::recipe::Wrong;
use crate::blend::settings::Settings;
use crate::blend::sums::{combine, subtract};
use crate::blend::{Blend, Operands};

/// The least norm that is divided by.
const SHORTEST: f64 = 1e-7;

pub(super) static CARDS: &[Card] = &[Card {
    name: "nuslerp",
    base: Base::Taken,
    models: [2, 2],
    parameters: &[
        Parameter::each("weight", None, Range::Finite),
        Parameter::flag("nuslerp_flatten", true),
        Parameter::flag("nuslerp_row_wise", false),
    ],
    skips_misshapen: false,
    make,
}];

struct NuSlerp {
    t: f64,
    vectors: Vectors,
}

/// What is taken as one vector.
#[derive(Clone, Copy)]
enum Vectors {
    All,
    LastAxis,
    FirstAxis,
}

fn make(settings: &Settings) -> Result<Box<dyn Blend>, Wrong> {
    let weights = settings.each("weight");
    let total: f64 = weights.iter().sum();
    let second = weights.get(1).copied().unwrap_or(0.0);
    let t = if total.abs() < 1e-6 { 0.5 } else { second / total };
    let vectors = match (settings.flag("nuslerp_flatten"), settings.flag("nuslerp_row_wise")) {
        (true, _) => Vectors::All,
        (false, false) => Vectors::LastAxis,
        (false, true) => Vectors::FirstAxis,
    };
    Ok(Box::new(NuSlerp { t, vectors }))
}

impl Blend for NuSlerp {
    fn is_elementwise(&self) -> bool {
        false
    }

    fn blend(&self, operands: Operands<'_>, out: &mut [f32]) -> Result<(), Wrong> {
        let Operands { base, models, width, .. } = operands;
        if !base.is_empty() {
            models.iter_mut().for_each(|model| subtract(base, model));
        }
        let [x, y] = models else { return Ok(()) };
        match self.vectors {
            Vectors::All => self.row(x, y, out),
            Vectors::LastAxis => {
                let rows = x.chunks(width).zip(y.chunks(width)).zip(out.chunks_mut(width));
                rows.for_each(|((x, y), out)| self.row(x, y, out));
            }
            Vectors::FirstAxis => self.columns(x, y, width, out),
        }
        if !base.is_empty() {
            out.iter_mut().zip(base).for_each(|(out, base)| *out += base);
        }
        Ok(())
    }
}

impl NuSlerp {
    fn factors(&self, sums: Products) -> (f64, f64) {
        factors(self.t, sums.cosine(|norm| norm.max(SHORTEST)))
    }

    fn row(&self, x: &[f32], y: &[f32], out: &mut [f32]) {
        let (a, b) = self.factors(Products::of(x, y));
        combine(&[(a, x), (b, y)], out);
    }

    fn columns(&self, x: &[f32], y: &[f32], width: usize, out: &mut [f32]) {
        // A vector is one row, and the first axis of it the only one.
        if width == x.len() {
            return self.row(x, y, out);
        }
        let mut sums = vec![Products::default(); width];
        for (x, y) in x.chunks(width).zip(y.chunks(width)) {
            sums.iter_mut().zip(x.iter().zip(y)).for_each(|(sums, (&x, &y))| sums.add(x, y));
        }
        let factors: Vec<_> = sums.into_iter().map(|sums| self.factors(sums)).collect();
        for ((x, y), out) in x.chunks(width).zip(y.chunks(width)).zip(out.chunks_mut(width)) {
            for (((out, &x), &y), (a, b)) in out.iter_mut().zip(x).zip(y).zip(&factors) {
                *out = (a * f64::from(x) + b * f64::from(y)) as f32;
            }
        }
    }
}
