//! AdamW against torch's.

use rankine_kernels::adamw::AdamW;
use rankine_testkit::fixtures::{floats, items};
use serde_json::Value;

/// Asserts equality up to `relative`, element by element, or up to `absolute`.
fn close(name: &str, found: &[f32], expected: &Value, relative: f32, absolute: f32) {
    for (found, expected) in found.iter().zip(floats(expected)) {
        let error = (found - expected).abs();
        assert!(error <= absolute + relative * expected.abs(), "{name}: {found} against {expected}");
    }
}

#[test]
fn follows_the_trajectory_of_torch() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/adamw.json")).unwrap();
    for run in items(&fixture["runs"]) {
        let number = |value: &Value| value.as_f64().unwrap() as f32;
        let (learning_rate, weight_decay) = (number(&run["learning_rate"]), number(&run["weight_decay"]));
        let betas = floats(&run["betas"]);
        let rule = AdamW { beta1: betas[0], beta2: betas[1], epsilon: number(&run["epsilon"]) };
        let mut p = floats(&run["start"]);
        let (mut m, mut v) = (vec![0.0; p.len()], vec![0.0; p.len()]);
        for (step, expected) in (1..).zip(items(&run["steps"])) {
            rule.update(step, learning_rate, weight_decay, &mut p, &floats(&expected["g"]), &mut m, &mut v);
            close("p", &p, &expected["p"], 2e-7, 2e-8);
            // The decays are kept in f32, so 1 − β₁ and 1 − β₂ differ from torch's by up to 2.4e-7 and 1.3e-5 of
            // themselves; the corrections of the bias undo that in p.
            close("m", &m, &expected["m"], 5e-6, 1e-9);
            close("v", &v, &expected["v"], 2e-5, 0.0);
        }
    }
}

#[test]
fn nothing_to_update_is_no_error() {
    AdamW::default().update(1, 0.1, 0.1, &mut [], &[], &mut [], &mut []);
}
