//! Against what peft makes of intruders, and mergekit of a fine-tune; `fixtures/PROVENANCE.md`.

use crate::common::{base, change, on, read};
use rankine_checkpoint::adapter::{Selection, Targets};
use rankine_checkpoint::{Adapter, Checkpoint, open_tensors};
use rankine_linalg::Truncation;
use rankine_surgery::{Extraction, KeptRank, Mitigation, Ranks, Rest, Subject};
use rankine_testkit::{assert_close, fixtures};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[test]
fn intruders_are_scaled_as_peft_scales_them() {
    let (base, adapter) = (base("llama_untied"), Adapter::open(&fixture("intruders")).unwrap());
    let cases: Value = serde_json::from_str(include_str!("../fixtures/intruders.json")).unwrap();
    let mut scaled = 0;
    for case in fixtures::items(&cases) {
        let number = |key: &str| case[key].as_f64().unwrap();
        let (epsilon, top, factor) = (number("epsilon"), number("top") as usize, number("factor"));
        let mitigation = Mitigation { epsilon, top, factor };
        let (conversion, found) =
            mitigation.of_adapter(base.tensors(), &adapter, KeptRank::Same, &mut on).unwrap();
        let modules = case["modules"].as_object().unwrap();
        assert_eq!(conversion.adapter.low_rank.len(), modules.len());
        for (module, expected) in modules {
            let intruders = found.iter().find(|found| found.module == *module);
            let intruders = intruders.map_or(0, |found| found.intruders.len());
            assert_eq!(Some(intruders as u64), expected["intruders"].as_u64(), "{epsilon}: {module}");
            scaled += intruders;
            let low_rank = &conversion.adapter.low_rank[module];
            let (change, norm) = (change(low_rank), expected["norm"].as_f64().unwrap());
            let found = change.iter().map(|x| x * x).sum::<f64>().sqrt();
            assert!((found / norm - 1.0).abs() < 2e-5, "{epsilon}: {module}: {found} {norm}");
            for (row, numbers) in expected["rows"].as_object().unwrap() {
                let first = row.parse::<usize>().unwrap() * low_rank.inputs;
                for (found, expected) in change[first..].iter().zip(fixtures::doubles(numbers)) {
                    assert!((found - expected).abs() <= 2e-5 * norm, "{epsilon}: {module}, row {row}");
                }
            }
        }
    }
    assert!(0 < scaled);
}

#[test]
fn factors_of_a_fine_tune_have_the_products_of_mergekit() {
    let open = |name: &str| Checkpoint::open(fixture("blend").join(name)).unwrap();
    let (base, tuned) = (open("base"), open("a"));
    let expected = open_tensors(&fixture("extracted.safetensors")).unwrap();
    let mut compared = 0;
    for rank in [1, 3, 5] {
        let targets = Targets { modules: Selection::AllLinear, ..Targets::default() };
        let (ranks, svd, rest) = (Ranks::Fixed(rank), Truncation::Exact, Rest::Lost);
        let extraction = Extraction { ranks, svd, targets, rest, base: "base".to_owned(), inputs: None };
        let report = extraction.run(Subject::Texts(&base), Subject::Texts(&tuned), &mut on).unwrap();
        for (module, low_rank) in &report.adapter.low_rank {
            let found: Vec<f32> = change(low_rank).into_iter().map(|x| x as f32).collect();
            let wanted = read(expected.as_ref(), &format!("{rank}/{module}"));
            assert_close!(found, wanted, absolute = 1e-5, "{rank}: {module}");
            compared += 1;
        }
    }
    assert_eq!(compared, expected.infos().len());
}
