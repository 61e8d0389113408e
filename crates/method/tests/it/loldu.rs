//! LoLDU: what the page says must hold.

use crate::support::{distance, disturb, leaf, named, set, slopes, structure};
use rankine_linalg::{ldu, singular_values};
use rankine_method::{Error, Site};
use rankine_nn::{Factors, Kind, Scope, Weight};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use rankine_testkit::assert_close;

const ROWS: usize = 24;
const COLUMNS: usize = 16;
const SHAPE: [usize; 2] = [ROWS, COLUMNS];

const STARTS: [&str; 8] = ["lu", "uniform", "normal", "constant", "s_uniform", "s_normal", "ones", "zeros"];

fn original() -> Tensor {
    Tensor::new(Rng::new(5).normals(ROWS * COLUMNS, 0.3), &SHAPE).unwrap()
}

fn attached(settings: &str) -> Box<dyn Weight> {
    structure(&named("loldu", settings), &original())
}

fn core(structure: &dyn Weight) -> Vec<f32> {
    leaf(structure, "core").to_vec()
}

/// s·b·diag(z)·a.
fn branch(structure: &dyn Weight, z: &[f32], scale: f32) -> Tensor {
    let z = Tensor::new(z.to_vec(), &[1, z.len()]).unwrap();
    let b = leaf(structure, "b").mul(&z).unwrap();
    b.matmul(&leaf(structure, "a")).unwrap().scale(scale)
}

fn change(structure: &dyn Weight) -> Vec<f32> {
    structure.dense().unwrap().sub(&original()).unwrap().to_vec()
}

fn product(factors: &Factors) -> Vec<f32> {
    let a = Tensor::new(factors.a.clone(), &[factors.rank, COLUMNS]).unwrap();
    let b = Tensor::new(factors.b.clone(), &[ROWS, factors.rank]).unwrap();
    b.matmul(&a).unwrap().scale(factors.scale).to_vec()
}

fn pivots(rank: usize) -> Vec<f32> {
    ldu(&original().to_vec(), ROWS, COLUMNS, rank).unwrap().d
}

#[test]
fn no_start_changes_the_function() {
    let x = Tensor::new(Rng::new(4).normals(7 * COLUMNS, 1.0), &[7, COLUMNS]).unwrap();
    let expected = x.matmul(&original().t().unwrap()).unwrap().to_vec();
    for start in STARTS {
        for settings in ["rank = 1", "rank = 9", "rank = 9\nalpha = 2.0", "rank = 16\nalpha = 40.0"] {
            let structure = attached(&format!("{settings}\ninit = '{start}'"));
            let error = distance(&structure.apply(&x, Scope::QUIET).unwrap().to_vec(), &expected);
            assert!(error < 1e-5, "{start}, {settings}: {error:e}");
        }
    }
}

#[test]
fn the_residual_of_the_released_code_misses_the_pivots() {
    for start in STARTS {
        let settings = format!("rank = 9\nalpha = 18.0\ninit = '{start}'\nlegacy_residual = true");
        let damaged = ["s_uniform", "s_normal", "ones", "zeros"].contains(&start);
        assert_eq!(named("loldu", &settings).card().exact, !damaged, "{start}");
        let mut structure = attached(&settings);
        assert_eq!(
            damaged,
            distance(&structure.dense().unwrap().to_vec(), &original().to_vec()) > 0.1,
            "{start}"
        );
        if damaged {
            let expected = original().sub(&branch(structure.as_ref(), &pivots(9), 2.0)).unwrap().to_vec();
            assert!(distance(&leaf(structure.as_ref(), "base").to_vec(), &expected) < 1e-6, "{start}");
        }
        disturb(structure.as_mut(), &Rng::new(3));
        let update = structure.update().unwrap();
        assert_eq!(update.rank, 9);
        assert!(distance(&product(&update), &change(structure.as_ref())) < 1e-5, "{start}: relative to W");
    }
}

#[test]
fn starts_are_what_they_are_called() {
    let rank = 16;
    let d = pivots(rank);
    let mean = d.iter().sum::<f32>() / rank as f32;
    let start = |name: &str, seed| {
        let choice = named("loldu", &format!("init = '{name}'"));
        let weight = &original().into();
        let site = Site { path: "w.weight", kind: Kind::Linear, weight, statistics: None };
        core(choice.method().attach(&site, rank, Rng::new(seed)).unwrap().as_ref())
    };
    assert_eq!(start("lu", 2), d);
    assert_close!(start("constant", 2), vec![mean; rank]);
    assert_eq!((start("ones", 2), start("zeros", 2)), (vec![1.0; rank], vec![0.0; rank]));
    for (name, bound) in [("uniform", mean.abs() / 2.0), ("s_uniform", 1.0)] {
        let all: Vec<f32> = (0..40).flat_map(|seed| start(name, seed)).collect();
        let largest = all.iter().fold(0.0_f32, |most, z| most.max(z.abs()));
        assert!(0.98 * bound < largest && largest <= bound, "{name}: {largest} of {bound}");
    }
    let spread = (d.iter().map(|d| (d - mean).powi(2)).sum::<f32>() / (rank - 1) as f32).sqrt();
    for (name, mean, spread) in [("normal", mean, spread), ("s_normal", 0.0, 1.0)] {
        let all: Vec<f32> = (0..40).flat_map(|seed| start(name, seed)).collect();
        let found = all.iter().sum::<f32>() / all.len() as f32;
        let variance = all.iter().map(|z| (z - mean).powi(2)).sum::<f32>() / all.len() as f32;
        assert!((found - mean).abs() < 0.15 * spread, "{name}: {found} instead of {mean}");
        assert!((variance.sqrt() / spread - 1.0).abs() < 0.1, "{name}: {variance}");
        assert_ne!(start(name, 1), start(name, 2), "{name}");
    }
    let single = core(attached("rank = 1\ninit = 'normal'").as_ref());
    assert_close!(single, pivots(1), relative = 0.0, absolute = 0.0, "one pivot has no deviation");
}

/// What r steps of elimination without an exchange of rows leave of a matrix that is already permuted; [rows, columns].
fn schur(permuted: &[f32], rank: usize) -> Vec<f64> {
    let mut left: Vec<f64> = permuted.iter().map(|&x| f64::from(x)).collect();
    for k in 0..rank {
        let top = left[k * COLUMNS..][..COLUMNS].to_vec();
        for row in left.chunks_exact_mut(COLUMNS).skip(k) {
            let factor = row[k] / top[k];
            row.iter_mut().zip(&top).for_each(|(x, top)| *x -= factor * top);
        }
    }
    left
}

#[test]
fn the_residual_is_the_schur_complement() {
    for rank in [1, 5, 15] {
        let structure = attached(&format!("rank = {rank}"));
        let permutation = ldu(&original().to_vec(), ROWS, COLUMNS, rank).unwrap().permutation;
        let permuted = |rows: Vec<f32>| {
            let mut turned = vec![0.0; ROWS * COLUMNS];
            for (row, &to) in rows.chunks_exact(COLUMNS).zip(&permutation) {
                turned[to * COLUMNS..][..COLUMNS].copy_from_slice(row);
            }
            turned
        };
        let base = permuted(leaf(structure.as_ref(), "base").to_vec());
        let expected = schur(&permuted(original().to_vec()), rank);
        assert_close!(base, expected, absolute = 2e-6, "rank {rank}");
        for (i, x) in base.iter().enumerate() {
            assert!(
                x.abs() < 2e-6 || (rank <= i / COLUMNS && rank <= i % COLUMNS),
                "rank {rank}, entry {i}: {x}"
            );
        }
    }
}

#[test]
fn all_pivots_leave_no_residual() {
    let wide = original().t().unwrap();
    for weight in [original(), wide] {
        let base = leaf(structure(&named("loldu", "rank = 16"), &weight).as_ref(), "base").to_vec();
        assert!(base.iter().all(|x| x.abs() < 2e-6));
    }
}

#[test]
fn only_the_diagonal_is_trained_and_it_is_all_that_changes() {
    for settings in ["rank = 7", "rank = 7\nalpha = 3.0", "rank = 7\ninit = 's_normal'"] {
        let mut structure = attached(settings);
        let mut trained = Vec::new();
        structure.leaves(&mut |name, leaf| {
            if leaf.trained().is_some() {
                trained.push((name.to_owned(), leaf.elements()));
            }
        });
        assert_eq!(trained, [("core".to_owned(), 7)]);
        let start = core(structure.as_ref());
        disturb(structure.as_mut(), &Rng::new(3));
        let moved: Vec<f32> =
            core(structure.as_ref()).iter().zip(&start).map(|(z, start)| z - start).collect();
        let scale = if settings.contains("alpha") { 3.0 / 7.0 } else { 1.0 };
        let expected = branch(structure.as_ref(), &moved, scale).to_vec();
        let change = change(structure.as_ref());
        assert!(distance(&change, &expected) < 1e-5, "{settings}");
        let update = structure.update().unwrap();
        assert_eq!(update.rank, 7);
        assert!(distance(&product(&update), &change) < 1e-5, "{settings}");
        let spectrum = singular_values(&change, ROWS, COLUMNS).unwrap();
        assert!(spectrum[7] < 1e-5 * spectrum[0] && 1e-4 * spectrum[0] < spectrum[6], "{spectrum:?}");
    }
}

#[test]
fn the_gradient_is_that_of_the_formula() {
    let x = Tensor::new(Rng::new(4).normals(7 * COLUMNS, 1.0), &[7, COLUMNS]).unwrap();
    let g = Tensor::new(Rng::new(6).normals(7 * ROWS, 1.0), &[7, ROWS]).unwrap();
    for train_scale in [false, true] {
        let structure = attached(&format!("rank = 5\nalpha = 2.0\ntrain_scale = {train_scale}"));
        let loss = structure.apply(&x, Scope::QUIET).unwrap().mul(&g).unwrap().sum();
        let found = slopes(structure.as_ref(), &loss);
        // dz_j = s · Σ_n p_nj·q_nj and ds = Σ_j z_j · Σ_n p_nj·q_nj with p = x·aᵀ and q = g·b.
        let p = x.matmul(&leaf(structure.as_ref(), "a").t().unwrap()).unwrap();
        let q = g.matmul(&leaf(structure.as_ref(), "b")).unwrap();
        let products = p.mul(&q).unwrap().to_vec();
        let sums: Vec<f32> = (0..5).map(|j| products.iter().skip(j).step_by(5).sum()).collect();
        let expected: Vec<f32> = sums.iter().map(|sum| 0.4 * sum).collect();
        assert_eq!(found.len(), 1 + usize::from(train_scale));
        assert!(distance(&found[0].2, &expected) < 1e-5);
        if let Some((name, _, slope)) = found.get(1) {
            let expected: f32 = core(structure.as_ref()).iter().zip(&sums).map(|(z, sum)| z * sum).sum();
            assert_eq!(name, "scale");
            assert_close!(slope[..], [expected], relative = 1e-4, absolute = 1e-4);
        }
    }
}

#[test]
fn a_trained_scale_is_one_more_number_and_part_of_the_update() {
    for start in STARTS {
        let settings = format!("rank = 7\nalpha = 3.0\ninit = '{start}'");
        let fixed = attached(&settings);
        let mut structure = attached(&format!("{settings}\ntrain_scale = true"));
        assert_eq!(leaf(structure.as_ref(), "scale").to_vec(), [3.0 / 7.0]);
        let base = leaf(structure.as_ref(), "base").to_vec();
        assert!(distance(&base, &leaf(fixed.as_ref(), "base").to_vec()) < 1e-6, "{start}");
        let started = branch(structure.as_ref(), &core(structure.as_ref()), 3.0 / 7.0);
        disturb(structure.as_mut(), &Rng::new(3));
        set(structure.as_mut(), "scale", &[0.9]);
        let now = branch(structure.as_ref(), &core(structure.as_ref()), 0.9);
        let change = change(structure.as_ref());
        assert!(distance(&change, &now.sub(&started).unwrap().to_vec()) < 1e-5, "{start}");
        let update = structure.update().unwrap();
        assert_eq!(update.rank, 7);
        assert!(distance(&product(&update), &change) < 1e-5, "{start}");
    }
}

#[test]
fn weights_that_lack_rank_stay_as_they_are() {
    let made = |entry: &dyn Fn(usize, usize) -> f32| {
        let values = (0..ROWS * COLUMNS).map(|i| entry(i / COLUMNS, i % COLUMNS)).collect();
        Tensor::new(values, &SHAPE).unwrap()
    };
    let random = original().to_vec();
    for (name, weight) in [
        ("zero", made(&|_, _| 0.0)),
        ("permutation", made(&|row, column| if (row * 5) % ROWS == column { 1.0 } else { 0.0 })),
        ("outer", made(&|row, column| random[row] * random[100 + column])),
        (
            "a dark column",
            made(&|row, column| if column == 2 { 0.0 } else { random[row * COLUMNS + column] }),
        ),
        ("the first column dark", made(&|row, column| if column == 0 { 0.0 } else { random[row + column] })),
    ] {
        for start in STARTS {
            let mut structure = structure(&named("loldu", &format!("rank = 12\ninit = '{start}'")), &weight);
            let mut finite = true;
            structure.leaves(&mut |_, leaf| finite &= leaf.tensor().to_vec().iter().all(|x| x.is_finite()));
            assert!(finite, "{name}, {start}");
            let dense = structure.dense().unwrap().to_vec();
            assert_close!(dense, weight.to_vec(), relative = 0.0, absolute = 1e-4, "{name}, {start}");
            disturb(structure.as_mut(), &Rng::new(3));
            let moved = structure.dense().unwrap().to_vec();
            assert!(moved.iter().all(|x| x.is_finite()), "{name}, {start}");
            assert_eq!(
                name == "zero",
                moved == dense,
                "{name}, {start}: numbers without a pivot have no effect"
            );
        }
    }
}

#[test]
fn pivots_that_are_too_small_stay_in_the_base() {
    let d = pivots(16);
    let largest = d.iter().fold(0.0_f32, |most, d| most.max(d.abs()));
    let structure = attached("rank = 16\nmin_pivot = 0.5");
    let a = leaf(structure.as_ref(), "a").to_vec();
    let kept: Vec<bool> = a.chunks_exact(COLUMNS).map(|row| row.iter().any(|&x| x != 0.0)).collect();
    assert_eq!(kept, d.iter().map(|d| 0.5 * largest < d.abs()).collect::<Vec<_>>());
    assert!(kept.contains(&false) && kept.contains(&true));
    assert!(distance(&structure.dense().unwrap().to_vec(), &original().to_vec()) < 1e-6);
}

#[test]
fn what_cannot_be_attached_is_named() {
    let weight = &original().into();
    let site = Site { path: "w.weight", kind: Kind::Linear, weight, statistics: None };
    for setting in ["min_pivot = -1e-3", "min_pivot = 1.0", "min_pivot = nan"] {
        let error = named("loldu", setting).method().plan(&[site]).unwrap_err();
        assert!(matches!(&error, Error::Setting { name: "min_pivot", .. }), "{error}");
    }
    let broken = &Tensor::new(vec![f32::NAN; ROWS * COLUMNS], &SHAPE).unwrap().into();
    let site = Site { weight: broken, ..site };
    let error = named("loldu", "").method().attach(&site, 2, Rng::new(0)).err().unwrap();
    assert!(error.to_string().contains("w.weight") && error.hint().is_some(), "{error}");
}
