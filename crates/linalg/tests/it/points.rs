//! Point processes against enumeration: `fixtures/sketches.json`, written by `fixtures/sketches.py`.

use crate::sketches::matrix;
use faer::Mat;
use rankine_linalg::{Error, ProjectionDpp, always, dpp_by_rejection, greedy_rows};
use rankine_random::Rng;
use serde_json::Value;

pub(crate) fn fixture(part: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(include_str!("../fixtures/sketches.json")).unwrap();
    document[part].as_array().unwrap().clone()
}

/// Σ (found − wanted)² / wanted of the sets of a case.
fn chi_square(case: &Value, draws: usize, mut draw: impl FnMut(usize) -> Vec<usize>) -> f64 {
    let sets = case["sets"].as_array().unwrap();
    let wanted = |set: &Value| draws as f64 * set["probability"].as_f64().unwrap();
    let mut found = vec![0.0; sets.len()];
    for index in 0..draws {
        let mut rows = draw(index);
        rows.sort_unstable();
        let place = sets.iter().position(|set| set["set"] == serde_json::json!(rows)).unwrap();
        found[place] += 1.0;
    }
    sets.iter().zip(found).map(|(set, found)| (found - wanted(set)).powi(2) / wanted(set)).sum()
}

#[test]
fn sets_are_as_likely_as_their_volume() {
    for case in fixture("processes") {
        let v = matrix(&case, "v");
        let size = v.ncols();
        let process = ProjectionDpp::new(v.as_ref()).unwrap();
        let mut rng = Rng::new(1).fork_index("finite", size);
        // The mean is the number of sets less one, 9 and 19; this is some five standard deviations above.
        let limit = if size == 2 { 32.0 } else { 52.0 };
        let finite = chi_square(&case, 20_000, |_| process.sample(&mut rng).unwrap());
        assert!(finite < limit, "{finite}");
    }
}

#[test]
fn the_process_is_that_of_the_space_whatever_its_basis() {
    for case in fixture("processes") {
        let v = matrix(&case, "v");
        let (sine, cosine) = 0.7f64.sin_cos();
        let turned = Mat::from_fn(v.nrows(), v.ncols(), |row, column| match column {
            0 => cosine * v[(row, 0)] - sine * v[(row, 1)],
            1 => sine * v[(row, 0)] + cosine * v[(row, 1)],
            _ => v[(row, column)],
        });
        let process = ProjectionDpp::new(turned.as_ref()).unwrap();
        let mut rng = Rng::new(2).fork_index("turned", v.nrows());
        let chi = chi_square(&case, 20_000, |_| process.sample(&mut rng).unwrap());
        assert!(chi < if v.ncols() == 2 { 32.0 } else { 52.0 }, "{chi}");
    }
}

#[test]
fn volume_samples_have_the_law_of_the_definition() {
    for case in fixture("volumes") {
        let (process, count) = (
            ProjectionDpp::new(matrix(&case, "v").as_ref()).unwrap(),
            case["count"].as_u64().unwrap() as usize,
        );
        let law: Vec<f64> = case["law"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        let (mut rng, mut found) = (Rng::new(3).fork("volume"), vec![0.0; law.len()]);
        let draws = 100_000;
        for _ in 0..draws {
            let rows = process.volume_sample(count, &mut rng).unwrap();
            found[rows.iter().fold(0, |place, row| place * 4 + row)] += 1.0 / f64::from(draws);
        }
        let variation = law.iter().zip(&found).map(|(law, found)| (law - found).abs()).sum::<f64>() / 2.0;
        assert!(variation < 0.01, "{variation}");
        assert!(matches!(process.volume_sample(1, &mut rng), Err(Error::Count { least: 2, .. })));
    }
}

#[test]
fn no_row_is_drawn_twice_and_the_greedy_set_has_a_large_volume() {
    let mut rng = Rng::new(4).fork("polynomials");
    let grid =
        Mat::from_fn(400, 12, |row, column| ((row as f64 + 0.5) / 400.0 * 3.0 * (column as f64 + 1.0)).cos());
    let basis = grid.qr().compute_thin_Q();
    let process = ProjectionDpp::new(basis.as_ref()).unwrap();
    let volume = |rows: &[usize]| {
        let part = Mat::from_fn(12, 12, |row, column| basis[(rows[row], column)]);
        part.determinant().abs().ln()
    };
    let greedy = volume(&greedy_rows(basis.as_ref(), 12, &always).unwrap());
    for _ in 0..50 {
        let mut rows = process.sample(&mut rng).unwrap();
        assert!(volume(&rows) <= greedy);
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), 12);
    }
}

#[test]
fn greedy_rows_end_where_the_rank_does() {
    let low =
        Mat::from_fn(9, 5, |row, column| (row * row + 1) as f64 * if column < 2 { 1.0 } else { row as f64 });
    let rows = greedy_rows(low.as_ref(), 9, &always).unwrap();
    assert!(rows.len() == 2 && rows[0] == 8, "{rows:?}");
    assert_eq!(greedy_rows(Mat::<f64>::zeros(3, 2).as_ref(), 2, &always), Ok(Vec::new()));
    let identity = Mat::<f64>::identity(3, 3);
    assert_eq!(greedy_rows(identity.as_ref(), 2, &always), Ok(vec![0, 1]));
    assert_eq!(greedy_rows(identity.as_ref(), 2, &|| false), Err(Error::Interrupted));
}

#[test]
fn what_is_no_basis_is_refused() {
    assert!(matches!(ProjectionDpp::new(Mat::full(4, 2, 0.5).as_ref()), Err(Error::NotOrthonormal { .. })));
    assert!(matches!(
        ProjectionDpp::new(Mat::full(4, 2, f64::NAN).as_ref()),
        Err(Error::NotOrthonormal { .. })
    ));
    assert!(matches!(ProjectionDpp::new(Mat::zeros(0, 2).as_ref()), Err(Error::Empty { .. })));
    let mut rng = Rng::new(5);
    let stuck = dpp_by_rejection(2, &mut rng, &always, |_| ((), vec![1.0, 0.0]));
    assert_eq!(stuck, Err(Error::NoProposal { found: 1, wanted: 2 }));
    let wild = dpp_by_rejection(2, &mut rng, &always, |_| ((), vec![1.0, f64::INFINITY]));
    assert!(matches!(wild, Err(Error::Feature { .. })));
    let stopped = dpp_by_rejection(1, &mut rng, &|| false, |_| ((), vec![1.0]));
    assert_eq!(stopped, Err(Error::Interrupted));
}
