//! The problems that are sketched.

use crate::{Error, Images, Result};
use rankine_random::Rng;
use rankine_solve::Mat;
use rankine_solve::regression::Regression;
use std::path::Path;

/// A problem with a name.
pub(super) struct Instance {
    pub name: &'static str,
    pub problem: Regression,
}

pub(super) const HARD: &str = "counterexample";
pub(super) const GAUSSIAN: &str = "Gaussian";
const HEAVY: &str = "heavy-tailed";
const PIXELS: &str = "Fashion-MNIST";

/// Images of each class that are regressed on.
const IMAGES: usize = 1000;

/// Pixels that are averaged to one, on a side.
const POOL: usize = 2;

/// Share of the mean square of the columns that the ridge adds.
const RIDGE: f64 = 1e-4;

/// Count-Sketch's counterexample, a Gaussian and a heavy-tailed problem; [rows, columns].
pub(super) fn made(rows: usize, columns: usize) -> Result<Vec<Instance>> {
    let share = (columns as f64).sqrt().recip();
    // Unit vectors, and a target in as many other rows: what meets a unit vector in a bucket is an error of that coefficient.
    let units = Mat::from_fn(rows, columns, |row, column| if row == column { 1.0 } else { 0.0 });
    let beside = |row: usize| if (columns..2 * columns).contains(&row) { share } else { 0.0 };
    let mut normal = Rng::new(1).fork("sketched_regression/gaussian");
    let mut heavy = Rng::new(1).fork("sketched_regression/heavy");
    let design = Mat::from_fn(rows, columns, |_, _| normal.normal_f64());
    let target = (0..rows).map(|_| normal.normal_f64()).collect();
    let heavy_design = Mat::from_fn(rows, columns, |_, _| student(&mut heavy));
    let heavy_target = (0..rows).map(|_| student(&mut heavy)).collect();
    Ok(vec![
        Instance { name: HARD, problem: Regression::new(units, (0..rows).map(beside).collect())? },
        Instance { name: GAUSSIAN, problem: Regression::new(design, target)? },
        Instance { name: HEAVY, problem: Regression::new(heavy_design, heavy_target)? },
    ])
}

/// Student's t with two degrees of freedom: no variance.
fn student(rng: &mut Rng) -> f64 {
    let square: f64 = (0..2).map(|_| rng.normal_f64().powi(2)).sum();
    rng.normal_f64() / (square / 2.0).sqrt()
}

/// Pixels of Fashion-MNIST, pooled, against the number of the class, with a small ridge as further rows.
pub(super) fn pixels(folder: &Path) -> Result<Instance> {
    let images = Images::fashion_mnist(folder, "train")?.of_each_class(IMAGES);
    let side = images.width.isqrt();
    let (pooled, count) = (side / POOL, images.labels.len());
    let pixel = |image: usize, row: usize, column: usize| {
        f64::from(images.pixels[image * images.width + row * side + column])
    };
    let mean = |image: usize, place: usize| {
        let (top, left) = (place / pooled * POOL, place % pooled * POOL);
        let square = (0..POOL * POOL).map(|at| pixel(image, top + at / POOL, left + at % POOL));
        square.sum::<f64>() / (POOL * POOL) as f64
    };
    let varies = |place: &usize| (1..count).any(|image| mean(image, *place) != mean(0, *place));
    let places: Vec<usize> = (0..pooled * pooled).filter(varies).collect();
    if places.is_empty() {
        return Err(Error::NoImages { classes: Vec::new() });
    }
    let ridge = (RIDGE * count as f64).sqrt();
    let design =
        Mat::from_fn(count + places.len(), places.len(), |row, column| match row.checked_sub(count) {
            None => mean(row, places[column]),
            Some(own) if own == column => ridge,
            Some(_) => 0.0,
        });
    let labels = images.labels.iter().map(|&label| f64::from(label) - 4.5);
    let target = labels.chain(places.iter().map(|_| 0.0)).collect();
    Ok(Instance { name: PIXELS, problem: Regression::new(design, target)? })
}
