//! SALT: what the page says must hold.

use crate::support::{distance, disturb, leaf, named, set, slopes, structure};
use rankine_method::{Error, Site};
use rankine_nn::{Kind, Scope, Weight};
use rankine_random::Rng;
use rankine_tensor::{
    Tensor,
    ops::{self, Convolution},
};
use rankine_testkit::{GradientCheck, assert_close, gradient_check};

const SHAPES: [[usize; 2]; 3] = [[14, 9], [9, 14], [10, 10]];
const RELUS: [&str; 3] = ["full", "diag", "none"];

fn weight(shape: [usize; 2]) -> Tensor {
    Tensor::new(Rng::new(11).normals(shape[0] * shape[1], 0.4), &shape).unwrap()
}

fn attached(settings: &str, shape: [usize; 2]) -> Box<dyn Weight> {
    structure(&named("salt", settings), &weight(shape))
}

fn spectrum(matrix: &Tensor) -> Vec<f32> {
    let [rows, columns] = [matrix.shape()[0], matrix.shape()[1]];
    rankine_linalg::singular_values(&matrix.to_vec(), rows, columns).unwrap()
}

/// Largest first.
fn sorted(mut values: Vec<f32>) -> Vec<f32> {
    values.sort_by(|a, b| b.total_cmp(a));
    values
}

fn length(values: &[f32]) -> f32 {
    values.iter().map(|x| x * x).sum::<f32>().sqrt()
}

fn inputs(width: usize) -> Tensor {
    Tensor::new(Rng::new(4).normals(7 * width, 1.0), &[7, width]).unwrap()
}

fn has(structure: &dyn Weight, wanted: &str) -> bool {
    let mut found = false;
    structure.leaves(&mut |name, _| found |= name == wanted);
    found
}

fn values(structure: &dyn Weight, name: &str) -> Vec<f32> {
    if has(structure, name) { leaf(structure, name).to_vec() } else { Vec::new() }
}

/// f(m), written out; [k, k].
fn adapted(structure: &dyn Weight, relu: &str) -> Vec<f64> {
    let [sigma, alpha, beta, x, y] = ["sigma", "alpha", "beta", "x", "y"].map(|name| values(structure, name));
    let (size, top) = (sigma.len(), alpha.len());
    let rank = x.len() / (size - top).max(1);
    let entry = |i: usize, j: usize| {
        let own = if i == j { f64::from(sigma[i]) } else { 0.0 };
        let m = match (i < top, j < top) {
            (true, true) if i == j => f64::from(alpha[i]) * own + f64::from(beta[i]),
            (false, false) => {
                let term = |k| f64::from(x[(i - top) * rank + k]) * f64::from(y[k * (size - top) + j - top]);
                own + (0..rank).map(term).sum::<f64>()
            }
            _ => 0.0,
        };
        if relu == "full" || (relu == "diag" && i == j && i < top) { m.max(0.0) } else { m }
    };
    (0..size * size).map(|at| entry(at / size, at % size)).collect()
}

/// Moves every trained number, the first α so far that its value would be negative.
fn moved(structure: &mut dyn Weight) {
    disturb(structure, &Rng::new(3));
    if has(structure, "y") {
        let size = values(structure, "y").len();
        set(structure, "y", &Rng::new(6).normals(size, 0.5));
    }
    if has(structure, "alpha") {
        let mut alpha = values(structure, "alpha");
        alpha[0] = -0.5;
        set(structure, "alpha", &alpha);
    }
}

#[test]
fn the_weight_starts_as_it_was() {
    for relu in RELUS {
        for shape in SHAPES {
            let structure = attached(&format!("relu = '{relu}'"), shape);
            assert!(distance(&structure.dense().unwrap().to_vec(), &weight(shape).to_vec()) < 1e-6, "{relu}");
            let x = inputs(shape[1]);
            let expected = x.matmul(&weight(shape).t().unwrap()).unwrap().to_vec();
            assert!(distance(&structure.apply(&x, Scope::QUIET).unwrap().to_vec(), &expected) < 1e-6);
        }
    }
    let random = named("salt", "init = 'small_random'");
    assert!(named("salt", "").card().exact && !random.card().exact);
    let error =
        distance(&structure(&random, &weight([14, 9])).dense().unwrap().to_vec(), &weight([14, 9]).to_vec());
    assert!(1e-5 < error && error < 1e-2, "{error}");
}

/// uᵀ·w·v = f(m), so its blocks, its zeros and its cuts are those of the definition; and applying is multiplying.
#[test]
fn inside_the_basis_the_weight_is_the_cut_matrix() {
    for relu in RELUS {
        for top in [0, 1, 4, 9] {
            for shape in [[14, 9], [9, 14]] {
                let mut structure = attached(&format!("relu = '{relu}'\ntop = {top}\nrank = 3"), shape);
                moved(structure.as_mut());
                let dense = structure.dense().unwrap();
                let [u, vt] = ["u", "vt"].map(|name| leaf(structure.as_ref(), name));
                let inside =
                    u.t().unwrap().matmul(&dense).unwrap().matmul(&vt.t().unwrap()).unwrap().to_vec();
                let expected = adapted(structure.as_ref(), relu);
                assert_close!(inside, expected, absolute = 1e-5, "{relu}, {top} of {shape:?}");
                let x = inputs(shape[1]);
                let product = x.matmul(&dense.t().unwrap()).unwrap().to_vec();
                assert!(distance(&structure.apply(&x, Scope::QUIET).unwrap().to_vec(), &product) < 1e-5);
            }
        }
    }
}

#[test]
fn without_a_tail_the_spectrum_is_what_is_scaled_and_shifted() {
    for relu in RELUS {
        for shape in SHAPES {
            let mut structure = attached(&format!("relu = '{relu}'\ntop = 4"), shape);
            let (alpha, beta) = ([1.5, 0.7, 1.1, -0.2], [0.1, 0.0, -0.3, 0.05]);
            set(structure.as_mut(), "alpha", &alpha);
            set(structure.as_mut(), "beta", &beta);
            let sigma = values(structure.as_ref(), "sigma");
            let shifted: Vec<f32> = (0..4).map(|j| alpha[j] * sigma[j] + beta[j]).collect();
            assert!(shifted[3] < 0.0);
            let cut: Vec<f32> =
                shifted.iter().map(|s| if relu == "none" { *s } else { s.max(0.0) }).collect();
            let expected = sorted([cut.iter().map(|s| s.abs()).collect(), sigma[4..].to_vec()].concat());
            let dense = structure.dense().unwrap();
            assert_close!(spectrum(&dense), expected, absolute = 5e-6, "{relu}");
            let change = dense.sub(&weight(shape)).unwrap().to_vec();
            let wanted: Vec<f32> = cut.iter().zip(&sigma).map(|(cut, sigma)| cut - sigma).collect();
            assert_close!([length(&change)], [length(&wanted)], relative = 1e-5, "{relu}");
        }
    }
}

#[test]
fn what_was_learnt_is_of_rank_r_and_d_where_the_tail_is_not_cut() {
    for (settings, rank) in [
        ("relu = 'diag'\ntop = 3\nrank = 2", 5),
        ("relu = 'none'\ntop = 3\nrank = 2", 5),
        ("relu = 'none'\ntop = 0\nrank = 2", 2),
        ("relu = 'diag'\ntop = 9\nrank = 2", 9),
        ("relu = 'full'\ntop = 9\nrank = 2", 9),
    ] {
        let mut structure = attached(settings, [14, 9]);
        moved(structure.as_mut());
        let update = structure.update().unwrap();
        assert_eq!((update.rank, update.scale), (rank, 1.0), "{settings}");
        let a = Tensor::new(update.a, &[rank, 9]).unwrap();
        let b = Tensor::new(update.b, &[14, rank]).unwrap();
        let change = structure.dense().unwrap().sub(&weight([14, 9])).unwrap();
        let product = b.matmul(&a).unwrap().to_vec();
        assert_close!(product, change.to_vec(), absolute = 5e-6, "{settings}");
        assert!(spectrum(&change)[rank..].iter().all(|&s| s < 1e-5), "{settings}");
    }
    let mut cut = attached("relu = 'full'\ntop = 3\nrank = 2", [14, 9]);
    moved(cut.as_mut());
    assert!(cut.update().is_none());
    let change = cut.dense().unwrap().sub(&weight([14, 9])).unwrap();
    assert!(0.01 < spectrum(&change)[5], "off the diagonal negative entries are cut");
}

/// Trained numbers far from every kink: |x·y| is at least 0.2, its diagonal positive, and the first value is cut.
fn away_from_kinks(structure: &mut dyn Weight) {
    moved(structure);
    let (rest, rank) = (leaf(structure, "x").shape()[0], leaf(structure, "x").shape()[1]);
    let mut rng = Rng::new(9);
    let signs: Vec<f32> = (0..rest).map(|i| if i % 3 == 0 { -1.0 } else { 1.0 }).collect();
    let mut entry = |k: usize, i: usize| {
        let draw = rng.uniform();
        if k == 0 { signs[i] * (0.5 + 0.5 * draw) } else { 0.1 * (draw - 0.5) }
    };
    let x: Vec<f32> = (0..rest * rank).map(|at| entry(at % rank, at / rank)).collect();
    let y: Vec<f32> = (0..rest * rank).map(|at| entry(at / rest, at % rest)).collect();
    set(structure, "x", &x);
    set(structure, "y", &y);
}

/// Σ apply(x)∘c with fixed x and c.
fn probe(structure: &dyn Weight, width: usize) -> Tensor {
    let y = structure.apply(&inputs(width), Scope::QUIET).unwrap();
    let c = Tensor::new(Rng::new(5).normals(y.elements(), 1.0), &y.shape()).unwrap();
    y.mul(&c).unwrap().sum()
}

fn agrees_with_differences(structure: &mut dyn Weight, of: impl Fn(&dyn Weight) -> Tensor, context: &str) {
    let whole = of(structure);
    for (name, start, slope) in slopes(structure, &whole) {
        let mut at = |point: &[f32]| {
            set(structure, &name, point);
            f64::from(of(structure).item())
        };
        let options =
            GradientCheck { step: 1e-2, relative: 1e-3, absolute: 1e-3, ..GradientCheck::default() };
        assert!(slope.iter().any(|x| 0.01 < x.abs()), "{context}: {name}");
        gradient_check(&mut at, &start, &slope, &options);
        at(&start);
    }
}

#[test]
fn gradients_are_those_of_finite_differences_and_of_what_is_cut_zero() {
    for relu in RELUS {
        for shape in SHAPES {
            let mut structure = attached(&format!("relu = '{relu}'\ntop = 3\nrank = 2"), shape);
            away_from_kinks(structure.as_mut());
            agrees_with_differences(structure.as_mut(), |structure| probe(structure, shape[1]), relu);
            let found = slopes(structure.as_ref(), &probe(structure.as_ref(), shape[1]));
            for (name, _, slope) in
                found.iter().filter(|(name, ..)| ["alpha", "beta"].contains(&name.as_str()))
            {
                assert_eq!(slope[0] == 0.0, relu != "none", "{relu}: {name} of a value that is cut");
                assert!(slope[1..].iter().all(|&slope| slope != 0.0), "{relu}: {name}");
            }
        }
    }
}

/// A convolution of a matrix [14, 9], started as that is.
fn convolution(settings: &str, taps: [usize; 4]) -> Box<dyn Weight> {
    let (choice, weight) = (named("salt", settings), weight([14, 9]).reshape(&taps).unwrap().into());
    let site = Site { path: "w.weight", kind: Kind::Convolution, weight: &weight, statistics: None };
    let rank = choice.method().plan(&[site]).unwrap()[0];
    choice.method().attach(&site, rank, Rng::new(2)).unwrap()
}

/// Σ (x ⋆ w)∘c with fixed x and c.
fn convolved(structure: &dyn Weight) -> Tensor {
    let x = Tensor::new(Rng::new(4).normals(3 * 4 * 2, 1.0), &[1, 3, 4, 2]).unwrap();
    let y = ops::conv2d(&x, &structure.dense().unwrap(), None, &Convolution::default()).unwrap();
    let c = Tensor::new(Rng::new(5).normals(y.elements(), 1.0), &y.shape()).unwrap();
    y.mul(&c).unwrap().sum()
}

#[test]
fn a_convolution_is_the_matrix_of_its_taps() {
    const TAPS: [usize; 4] = [14, 3, 3, 1];
    for relu in RELUS {
        let settings = format!("relu = '{relu}'\ntop = 3\nrank = 2");
        let (mut taps, mut matrix) = (convolution(&settings, TAPS), attached(&settings, [14, 9]));
        away_from_kinks(taps.as_mut());
        away_from_kinks(matrix.as_mut());
        let dense = taps.dense().unwrap();
        assert_eq!(dense.shape(), TAPS);
        assert_eq!(dense.to_vec(), matrix.dense().unwrap().to_vec(), "{relu}");
        assert_eq!(taps.update(), matrix.update(), "{relu}");
        agrees_with_differences(taps.as_mut(), convolved, relu);
    }
}

/// With Y = 0 every entry of x·y lies on the kink: a slope of 0 there would leave only the diagonal of it to learn.
#[test]
fn the_first_step_is_the_same_whatever_is_cut() {
    let first = |relu: &str| {
        let structure = attached(&format!("relu = '{relu}'\ntop = 3\nrank = 2"), [14, 9]);
        slopes(structure.as_ref(), &probe(structure.as_ref(), 9))
    };
    let free = first("none");
    for relu in ["full", "diag"] {
        for ((name, _, slope), (_, _, expected)) in first(relu).iter().zip(&free) {
            assert_close!(slope[..], expected[..], relative = 1e-5, absolute = 1e-5, "{relu}: {name}");
            assert_eq!(slope.iter().all(|&x| x == 0.0), name == "x", "{relu}: {name}");
        }
    }
}

#[test]
fn the_penalty_is_the_formula_and_starts_at_nothing_with_a_finite_slope() {
    assert!(attached("", [14, 9]).penalty().unwrap().is_none());
    let settings = "regularization = 0.7\ntop = 3\nrank = 2";
    let mut structure = attached(settings, [14, 9]);
    let start = structure.penalty().unwrap().unwrap();
    assert_eq!(start.item(), 0.0);
    for (name, _, slope) in slopes(structure.as_ref(), &start) {
        assert!(slope.iter().all(|&x| x == 0.0), "{name}");
    }
    moved(structure.as_mut());
    let [sigma, alpha, beta] = ["sigma", "alpha", "beta"].map(|name| values(structure.as_ref(), name));
    let [x, y] = ["x", "y"].map(|name| leaf(structure.as_ref(), name));
    let top: Vec<f32> = (0..3).map(|j| alpha[j] * sigma[j] + beta[j] - sigma[j]).collect();
    let expected = 0.7 * (length(&top) + length(&x.matmul(&y).unwrap().to_vec()));
    let found = structure.penalty().unwrap().unwrap();
    assert_eq!(found.shape(), [1]);
    assert_close!([found.item()], [expected], relative = 1e-5);
    agrees_with_differences(structure.as_mut(), |structure| structure.penalty().unwrap().unwrap(), "penalty");
}

#[test]
fn the_top_is_a_number_or_a_share() {
    for (settings, top) in [
        ("", 1),
        ("top_ratio = 0.5", 4),
        ("top_ratio = 1.0", 9),
        ("top_ratio = 0.01", 1),
        ("top = 6", 6),
        ("top = 9", 9),
        ("top = 0", 0),
    ] {
        let structure = attached(settings, [14, 9]);
        let sizes = ["alpha", "beta", "x", "y"].map(|name| values(structure.as_ref(), name).len());
        assert_eq!(sizes, [top, top, 4 * (9 - top), 4 * (9 - top)], "{settings}");
    }
}

#[test]
fn settings_outside_their_range_are_errors() {
    let weight = &weight([14, 9]).into();
    let site = Site { path: "w.weight", kind: Kind::Linear, weight, statistics: None };
    for settings in [
        "top = 10",
        "top_ratio = 0.0",
        "top_ratio = 1.5",
        "top_ratio = nan",
        "regularization = -1.0",
        "regularization = nan",
        "regularization = inf",
    ] {
        let error = named("salt", settings).method().plan(&[site]);
        assert!(matches!(error, Err(Error::Setting { .. })), "{settings}");
    }
    let broken = &Tensor::new(vec![f32::NAN; 12], &[4, 3]).unwrap().into();
    let site = Site { path: "w.weight", kind: Kind::Linear, weight: broken, statistics: None };
    let error = named("salt", "").method().attach(&site, 2, Rng::new(0)).err().unwrap();
    assert!(error.to_string().contains("w.weight"), "{error}");
}
