//! Agreement with numpy and scipy: `fixtures/svd.json`, written by `fixtures/svd.py`.

use rankine_linalg::{LowRank, effective_rank, singular_values, stable_rank, svd};
use serde_json::Value;

fn fixture(part: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(include_str!("../fixtures/svd.json")).unwrap();
    document[part].as_array().unwrap().clone()
}

fn numbers(case: &Value, key: &str) -> Vec<f32> {
    case[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

fn size(case: &Value, key: &str) -> usize {
    case[key].as_u64().unwrap() as usize
}

fn apart(x: &[f32], y: &[f32]) -> f32 {
    assert_eq!(x.len(), y.len());
    x.iter().zip(y).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

#[test]
fn singular_triples_are_those_of_numpy() {
    for case in fixture("cases") {
        let (rows, columns, rank) =
            (size(&case, "rows"), size(&case, "columns"), size(&case, "numerical_rank"));
        let found = svd(&numbers(&case, "a"), rows, columns).unwrap();
        let s = numbers(&case, "s");
        assert!(apart(&found.s, &s) <= 1e-6 * s[0], "{}: {:?}", case["name"], found.s);
        assert!(apart(&found.vt[..rank * columns], &numbers(&case, "vt")) < 1e-5, "{}", case["name"]);
        let u: Vec<f32> = found.u.chunks_exact(found.rank).flat_map(|row| row[..rank].to_vec()).collect();
        assert!(apart(&u, &numbers(&case, "u")) < 1e-5, "{}", case["name"]);
    }
}

#[test]
fn ranks_of_a_spectrum_are_those_of_numpy() {
    for case in fixture("cases") {
        let s = singular_values(&numbers(&case, "a"), size(&case, "rows"), size(&case, "columns")).unwrap();
        for (found, key) in [(effective_rank(&s), "effective_rank"), (stable_rank(&s), "stable_rank")] {
            let wanted = case[key].as_f64().unwrap();
            assert!((found / wanted - 1.0).abs() < 1e-5, "{} {key}: {found}, {wanted}", case["name"]);
        }
    }
}

#[test]
fn spectra_of_low_rank_products_are_those_of_scipy() {
    for case in fixture("products") {
        let (b, a) = (numbers(&case, "b"), numbers(&case, "a"));
        let (rows, columns, rank) = (size(&case, "rows"), size(&case, "columns"), size(&case, "rank"));
        let product = LowRank { b: &b, a: &a, rows, columns, rank, scale: case["scale"].as_f64().unwrap() };
        let s = numbers(&case, "s");
        assert!(apart(&product.singular_values().unwrap(), &s) <= 1e-6 * s[0]);
    }
}
