//! Small material for the tests of experiments: noisy copies of one random pattern a class.

use super::{Data, Setting, Split};
use crate::{Claim, Images};
use rankine_random::Rng;
use serde_json::Value;
use std::sync::Arc;

fn images(seed: u64, classes: u32, width: usize) -> Images {
    let rng = Rng::new(seed);
    let mut images = Images { pixels: Vec::new(), width, labels: Vec::new() };
    let mut noise = rng.fork("noise");
    for index in 0..240 {
        let label = index % classes;
        let pattern = rng.fork_index("class", label as usize).normals(width, 1.0);
        images.pixels.extend(pattern.iter().map(|p| p + 0.5 * noise.normal()));
        images.labels.push(label);
    }
    images
}

/// Four old classes and three new ones, of 20 pixels.
pub(crate) fn data() -> Data {
    data_of(20)
}

/// The same with another number of pixels.
pub(crate) fn data_of(width: usize) -> Data {
    let images = |seed, classes| images(seed, classes, width);
    let split = |seed, classes| Split { train: images(seed, classes), test: images(seed, classes) };
    Data { old: Arc::new(split(1, 4)), new: split(2, 3) }
}

/// Layers of 20 → 16 → 12.
pub(crate) fn setting() -> Setting {
    Setting {
        hidden: vec![16, 12],
        pretraining_steps: 60,
        steps: 40,
        window: 10,
        batch: 24,
        head_rate: 5e-3,
        ..Setting::default()
    }
}

/// The claim has a page with a table and a plot, and every number behind it is one.
pub(crate) fn assert_complete(claim: &Claim) {
    let (html, words) = (claim.page.html(), claim.page.terminal(120, false));
    assert!(html.contains("<table") && html.contains("<svg"), "{html}");
    assert!(words.contains(&claim.page.title) && !words.contains("NaN"), "{words}");
    assert_eq!(claim.numbers["holds"], claim.holds);
    for part in ["findings", "transfer"] {
        assert!(claim.numbers[part] != Value::Null);
        assert_no_null(&claim.numbers[part], part);
    }
}

/// A number that is not finite is `null` in JSON.
fn assert_no_null(value: &Value, path: &str) {
    match value {
        Value::Null => panic!("{path} is null"),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| assert_no_null(item, &format!("{path}[{at}]")));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| assert_no_null(field, &format!("{path}.{name}")));
        }
        _ => {}
    }
}
