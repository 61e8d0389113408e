//! Networks that are written out here, with their derivatives.

use rankine_analyze::Progress;
use rankine_analyze::interaction::*;
use rankine_linalg::double::{Mat, multiply};
use rankine_random::Rng;
use std::ops::ControlFlow;

/// weight: [out, in]
#[derive(Clone)]
pub struct Affine {
    pub weight: Mat<f64>,
    pub bias: Option<Vec<f64>>,
    pub relu: bool,
}

/// Maps one after the other; inputs: [batches][rows][in].
#[derive(Clone)]
pub struct Net {
    pub maps: Vec<Affine>,
    pub inputs: Vec<Vec<Vec<f64>>>,
}

impl Net {
    /// What every map reads, the outputs last, and where each lets through; a map and what is added to what it reads.
    pub fn forward(&self, x: &[f64], shift: Option<(usize, &[f32])>) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let (mut values, mut slopes) = (vec![x.to_vec()], Vec::new());
        for (at, Affine { weight, bias, relu }) in self.maps.iter().enumerate() {
            let mut x = values[at].clone();
            if let Some((_, shift)) = shift.filter(|(wanted, _)| *wanted == at) {
                x.iter_mut().zip(shift).for_each(|(x, shift)| *x += f64::from(*shift));
            }
            let sum = |i: usize| x.iter().enumerate().map(|(j, x)| weight[(i, j)] * x).sum::<f64>();
            let y = (0..weight.nrows()).map(|i| sum(i) + bias.as_ref().map_or(0.0, |bias| bias[i]));
            let y: Vec<f64> = y.collect();
            let slope: Vec<f64> = y.iter().map(|&y| if !relu || 0.0 < y { 1.0 } else { 0.0 }).collect();
            values.push(y.iter().zip(&slope).map(|(y, slope)| y * slope).collect());
            slopes.push(slope);
        }
        (values, slopes)
    }

    fn outputs(&self) -> usize {
        self.maps[self.maps.len() - 1].weight.nrows()
    }
}

impl Network for Net {
    fn layers(&self) -> Vec<Layer> {
        let layer = |(at, map): (usize, &Affine)| Layer {
            name: format!("maps.{at}"),
            width: map.weight.ncols(),
            maps: vec![Map {
                name: format!("maps.{at}"),
                outputs: Some(map.weight.nrows()),
                bias: map.bias.is_some(),
            }],
        };
        self.maps.iter().enumerate().map(layer).collect()
    }

    fn batches(&self) -> usize {
        self.inputs.len()
    }

    fn sources(&self) -> Sources {
        Sources { count: self.outputs(), exact: true }
    }

    fn derive(
        &mut self,
        question: &Question<'_>,
    ) -> Result<Vec<Derived>, Box<dyn std::error::Error + Send + Sync>> {
        let empty = Derived { activations: vec![], gradients: vec![], maps: vec![vec![]] };
        let mut derived = vec![empty; question.by.len()];
        for (row, x) in self.inputs[question.batch].iter().enumerate() {
            let shift = question.shift.map(|shift| {
                let width = self.maps[question.by[0]].weight.ncols();
                (question.by[0], &shift[row * width..][..width])
            });
            let (values, slopes) = self.forward(x, shift);
            let (top, mut gradient): (usize, Vec<f64>) = match question.of {
                Of::Output(source) => {
                    (self.maps.len(), (0..self.outputs()).map(|i| f64::from(u8::from(i == source))).collect())
                }
                Of::Layer(layer, direction) => (layer, direction.iter().map(|&x| f64::from(x)).collect()),
            };
            for at in (0..top).rev() {
                let weight = &self.maps[at].weight;
                let given: Vec<f64> = gradient.iter().zip(&slopes[at]).map(|(g, slope)| g * slope).collect();
                let back = |j: usize| given.iter().enumerate().map(|(i, g)| weight[(i, j)] * g).sum::<f64>();
                gradient = (0..weight.ncols()).map(back).collect();
                if let Some(place) = question.by.iter().position(|&wanted| wanted == at) {
                    let narrow = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
                    derived[place].activations.extend(narrow(&values[at]));
                    derived[place].gradients.extend(narrow(&gradient));
                    if question.maps {
                        derived[place].maps[0].extend(narrow(&given));
                    }
                }
            }
        }
        Ok(derived)
    }
}

pub fn random(rows: usize, columns: usize, rng: &mut Rng) -> Mat<f64> {
    let scale = (2.0 / columns as f64).sqrt();
    Mat::from_fn(rows, columns, |_, _| scale * rng.normal_f64())
}

pub fn affine(weight: Mat<f64>, relu: bool, rng: &mut Rng) -> Affine {
    let bias = relu.then(|| (0..weight.nrows()).map(|_| 0.5 * rng.normal_f64()).collect());
    Affine { weight, bias, relu }
}

/// With relu in all hidden layers or in none, on 4 batches of 50 rows.
pub fn net(sizes: &[usize], relu: bool, rng: &mut Rng) -> Net {
    let last = sizes.len() - 2;
    let map = |(at, pair): (usize, &[usize])| {
        let weight = random(pair[1], pair[0], rng);
        affine(weight, relu && at < last, rng)
    };
    let maps = sizes.windows(2).enumerate().map(map).collect();
    let mut row = || (0..sizes[0]).map(|_| rng.normal_f64()).collect::<Vec<_>>();
    let inputs = (0..4).map(|_| (0..50).map(|_| row()).collect()).collect();
    Net { maps, inputs }
}

pub fn settings() -> Settings {
    Settings { tolerance: 1e-9, edge_batches: usize::MAX, ..Settings::default() }
}

pub fn on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

pub fn found(net: &Net) -> Vec<LayerFindings> {
    layers(&mut net.clone(), &settings(), &mut on).unwrap()
}

pub fn entries(a: &Mat<f64>) -> Vec<f64> {
    (0..a.nrows()).flat_map(|i| (0..a.ncols()).map(move |j| (i, j))).map(|place| a[place]).collect()
}

/// All rows of a layer, for one source.
pub fn rows(net: &Net, layer: usize, source: usize) -> Derived {
    let mut all = Derived { activations: vec![], gradients: vec![], maps: vec![vec![]] };
    for batch in 0..net.inputs.len() {
        let question = Question { batch, of: Of::Output(source), by: &[layer], maps: true, shift: None };
        let derived = net.clone().derive(&question).unwrap().remove(0);
        all.activations.extend(derived.activations);
        all.gradients.extend(derived.gradients);
        all.maps[0].extend(&derived.maps[0]);
    }
    all
}

pub fn gram(a: &Mat<f64>) -> Mat<f64> {
    multiply(a.transpose(), a.as_ref())
}
