//! Transforms, sketches, products of tall matrices and leverage scores.

use crate::points::fixture;
use faer::{Mat, MatRef};
use rankine_linalg::{
    Error, Gaussian, RowSample, Sketch, Sparse, Srht, TensorSrht, always, leverage_scores, tall_gram,
    tall_product, tall_transposed, tall_triangle, walsh_hadamard,
};
use rankine_random::Rng;
use serde_json::Value;

fn numbers(case: &Value, key: &str) -> Vec<f64> {
    case[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// The row-major matrix of a case.
pub(crate) fn matrix(case: &Value, key: &str) -> Mat<f64> {
    let [rows, columns] = ["rows", "columns"].map(|side| case[side].as_u64().unwrap() as usize);
    let entries = numbers(case, key);
    Mat::from_fn(rows, columns, |row, column| entries[row * columns + column])
}

fn random(rows: usize, columns: usize, seed: u64) -> Mat<f64> {
    let mut rng = Rng::new(seed).fork("matrix");
    Mat::from_fn(rows, columns, |_, _| rng.normal_f64())
}

fn apart(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len());
    x.iter().zip(y).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}

/// Every kind of sketch of columns of that length.
fn sketches(columns: usize, rows: usize, rng: &Rng) -> Vec<(&'static str, Box<dyn Sketch>)> {
    let scores: Vec<f64> = (0..columns).map(|i| 1.0 + (i % 3) as f64).collect();
    vec![
        ("srht", Box::new(Srht::new(columns, rows, rng).unwrap())),
        ("gaussian", Box::new(Gaussian::new(columns, rows, rng).unwrap())),
        ("count-sketch", Box::new(Sparse::new(columns, rows, 1, rng).unwrap())),
        ("osnap", Box::new(Sparse::new(columns, rows, 3, rng).unwrap())),
        ("rows", Box::new(RowSample::new(&scores, rows, rng).unwrap())),
    ]
}

#[test]
fn transforms_are_those_of_scipy() {
    for case in fixture("transforms") {
        let mut x = numbers(&case, "x");
        let before = x.clone();
        walsh_hadamard(&mut x).unwrap();
        assert!(apart(&x, &numbers(&case, "transformed")) < 1e-12);
        walsh_hadamard(&mut x).unwrap();
        assert!(apart(&x, &before) < 1e-12);
    }
    for length in [0, 3, 12] {
        assert_eq!(walsh_hadamard(&mut vec![1.0; length]), Err(Error::PowerOfTwo { found: length }));
    }
}

#[test]
fn leverage_scores_are_those_of_numpy() {
    for case in fixture("leverages") {
        let scores = leverage_scores(matrix(&case, "a").as_ref(), &always).unwrap();
        assert!(apart(&scores, &numbers(&case, "scores")) < 1e-10, "{scores:?}");
    }
    assert_eq!(leverage_scores(Mat::<f64>::zeros(3, 2).as_ref(), &always).unwrap(), [0.0; 3]);
    let wide = leverage_scores(random(3, 5, 1).as_ref(), &always).unwrap();
    assert!(apart(&wide, &[1.0; 3]) < 1e-12);
}

#[test]
fn least_squares_are_in_the_triangle() {
    for case in fixture("squares") {
        let (a, b) = (matrix(&case, "a"), numbers(&case, "b"));
        let r =
            tall_triangle(&[a.as_ref(), MatRef::from_column_major_slice(&b, b.len(), 1)], &always).unwrap();
        let columns = a.ncols();
        let mut x: Vec<f64> = (0..columns).map(|row| r[(row, columns)]).collect();
        for row in (0..columns).rev() {
            let known: f64 = (row + 1..columns).map(|k| r[(row, k)] * x[k]).sum();
            x[row] = (x[row] - known) / r[(row, row)];
        }
        assert!(apart(&x, &numbers(&case, "x")) < 1e-12);
        let left = if r.nrows() > columns { r[(columns, columns)].abs() } else { 0.0 };
        assert!((left - case["residual"].as_f64().unwrap()).abs() < 1e-12);
    }
}

#[test]
fn products_of_tall_matrices_are_products_whatever_the_threads() {
    let (a, b) = (random(9001, 19, 3), random(9001, 2, 4));
    let x: Vec<f64> = (0..19).map(|i| f64::from(i) - 7.0).collect();
    let y: Vec<f64> = (0..9001).map(|i| f64::from(i % 11)).collect();
    let all = || {
        let (gram, cross) = tall_gram(a.as_ref(), b.as_ref(), &always).unwrap();
        let triangle = tall_triangle(&[a.as_ref(), b.as_ref()], &always).unwrap();
        (
            gram,
            cross,
            triangle,
            tall_product(a.as_ref(), &x).unwrap(),
            tall_transposed(a.as_ref(), &y).unwrap(),
        )
    };
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let found = pool(1).install(all);
    assert!(pool(3).install(all) == found);
    let (gram, cross, triangle, forth, back) = found;
    assert!(
        (&gram - a.transpose() * &a).norm_max() < 1e-9 && (&cross - a.transpose() * &b).norm_max() < 1e-9
    );
    let squared = triangle.transpose() * &triangle;
    assert!((squared.get(..19, ..19) - &gram).norm_max() < 1e-9);
    assert!((squared.get(..19, 19..) - &cross).norm_max() < 1e-9);
    let column = |x: &[f64]| MatRef::from_column_major_slice(x, x.len(), 1).to_owned();
    assert!((column(&forth) - &a * column(&x)).norm_max() < 1e-11);
    assert!((column(&back) - a.transpose() * column(&y)).norm_max() < 1e-9);
    assert!(tall_product(a.as_ref(), &y).is_err() && tall_transposed(a.as_ref(), &x).is_err());
    assert!(tall_triangle(&[a.as_ref(), random(3, 1, 1).as_ref()], &always).is_err());
}

#[test]
fn sketches_keep_lengths_on_average() {
    // 24 entries, so that the Hadamard transform is padded; E‖Sx‖² = ‖x‖², and four standard errors of 1000 draws.
    let x = random(24, 1, 5);
    let wanted = x.squared_norm_l2();
    let mut ratios: Vec<(&str, Vec<f64>)> = Vec::new();
    for draw in 0..1000 {
        for (place, (name, sketch)) in sketches(24, 8, &Rng::new(draw)).into_iter().enumerate() {
            let ratio = sketch.apply(&[x.as_ref()], &always).unwrap().squared_norm_l2() / wanted;
            if ratios.len() == place {
                ratios.push((name, Vec::new()));
            }
            ratios[place].1.push(ratio);
        }
    }
    for (name, ratios) in ratios {
        let count = ratios.len() as f64;
        let mean = ratios.iter().sum::<f64>() / count;
        let error = (ratios.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count / count).sqrt();
        assert!((mean - 1.0).abs() < 4.0 * error && error < 0.05, "{name}: {mean} ± {error}");
    }
}

#[test]
fn sketches_are_linear_maps_of_their_size_whatever_the_threads() {
    let (a, b) = (random(700, 3, 6), random(700, 2, 7));
    let both =
        Mat::from_fn(700, 5, |row, column| if column < 3 { a[(row, column)] } else { b[(row, column - 3)] });
    let turned = Mat::from_fn(5, 700, |row, column| both[(column, row)]);
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    for (name, sketch) in sketches(700, 40, &Rng::new(8)) {
        let apart = pool(1).install(|| sketch.apply(&[a.as_ref(), b.as_ref()], &always).unwrap());
        assert_eq!((apart.shape(), sketch.rows(), sketch.columns()), ((40, 5), 40, 700), "{name}");
        assert!(pool(3).install(|| sketch.apply(&[both.as_ref()], &always).unwrap()) == apart, "{name}");
        assert!(
            sketch.apply(&[turned.transpose()], &always).unwrap() == apart,
            "{name}: rows beside each other"
        );
        let sum = sketch.apply(&[(a.col(0) + a.col(1)).as_mat()], &always).unwrap();
        assert!((sum.col(0) - apart.col(0) - apart.col(1)).norm_max() < 1e-12, "{name}");
        assert!(matches!(
            sketch.apply(&[random(9, 1, 1).as_ref()], &always),
            Err(Error::Rows { found: 9, expected: 700 })
        ));
    }
}

#[test]
fn the_whole_hadamard_sketch_keeps_every_product() {
    let a = random(20, 3, 9);
    let sketched = Srht::new(20, 32, &Rng::new(1)).unwrap().apply(&[a.as_ref()], &always).unwrap();
    assert!((sketched.transpose() * &sketched - a.transpose() * &a).norm_max() < 1e-12);
    assert!(matches!(Srht::new(20, 33, &Rng::new(1)), Err(Error::Count { most: 32, .. })));
    assert!(Srht::new(0, 1, &Rng::new(1)).is_err() && Sparse::new(5, 3, 4, &Rng::new(1)).is_err());
    assert!(
        Gaussian::new(5, 0, &Rng::new(1)).is_err() && RowSample::new(&[0.0; 4], 2, &Rng::new(1)).is_err()
    );
}

#[test]
fn the_tensor_sketch_is_that_of_the_product() {
    let (first, second) = (random(5, 2, 10), random(6, 3, 11));
    let product =
        Mat::from_fn(30, 6, |row, column| first[(row / 6, column / 3)] * second[(row % 6, column % 3)]);
    let sketch = TensorSrht::new([5, 6], 17, &Rng::new(2)).unwrap();
    let sketched = sketch.apply(first.as_ref(), second.as_ref(), &always).unwrap();
    for column in 0..6 {
        let entries: Vec<f64> = product.col(column).iter().copied().collect();
        let image = sketch.apply_vector(&entries, &always).unwrap();
        assert!((0..17).all(|row| (image[row] - sketched[(row, column)]).abs() < 1e-12), "{column}");
    }
    let whole = TensorSrht::new([5, 6], 64, &Rng::new(2)).unwrap();
    let sketched = whole.apply(first.as_ref(), second.as_ref(), &always).unwrap();
    assert!((sketched.transpose() * &sketched - product.transpose() * &product).norm_max() < 1e-12);
    assert!(sketch.apply_vector(&[1.0; 29], &always).is_err());
    assert!(TensorSrht::new([5, 6], 65, &Rng::new(2)).is_err());
    assert_eq!(sketch.apply(first.as_ref(), second.as_ref(), &|| false), Err(Error::Interrupted));
    assert_eq!(sketch.apply_vector(&[1.0; 30], &|| false), Err(Error::Interrupted));
}

#[test]
fn what_is_told_to_stop_stops() {
    let (a, never) = (random(3000, 6, 1), || false);
    assert_eq!(tall_triangle(&[a.as_ref()], &never), Err(Error::Interrupted));
    assert_eq!(tall_gram(a.as_ref(), a.as_ref(), &never), Err(Error::Interrupted));
    assert_eq!(leverage_scores(a.as_ref(), &never), Err(Error::Interrupted));
    let rng = Rng::new(1);
    let sketches: [Box<dyn Sketch>; 3] = [
        Box::new(Srht::new(3000, 20, &rng).unwrap()),
        Box::new(Gaussian::new(3000, 20, &rng).unwrap()),
        Box::new(Sparse::new(3000, 20, 1, &rng).unwrap()),
    ];
    for sketch in sketches {
        assert_eq!(sketch.apply(&[a.as_ref()], &never), Err(Error::Interrupted));
    }
    // Blocks of rows, and the stack of their triangles.
    let tall = random(70_000, 3, 2);
    let (triangle, gram) = (tall_triangle(&[tall.as_ref()], &always).unwrap(), tall.transpose() * &tall);
    assert!((triangle.transpose() * &triangle - &gram).norm_max() < 1e-8);
}
