//! Fisher information, against differences of losses.

use crate::starts::on;
use indexmap::IndexMap;
use rankine_checkpoint::{Existing, Opened, Pair, TensorInfo, Tensors};
use rankine_run::{DataSection, Error, Examiner, Fisher, FisherReport};
use rankine_surgery::Progress;
use rankine_testkit::tiny::{self, TinyLlama};
use rankine_testkit::{assert_close, fixtures};
use serde_json::Value;
use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

fn read(tensors: &dyn Tensors, name: &str) -> Vec<f32> {
    let mut values = vec![0.0; tensors.infos()[name].elements()];
    tensors.read_into(name, &mut values).unwrap();
    values
}

/// A model of which one number is another.
struct Nudged<'a> {
    tensors: &'a dyn Tensors,
    name: &'a str,
    at: usize,
    by: f32,
}

impl Tensors for Nudged<'_> {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        self.tensors.infos()
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> rankine_checkpoint::Result<()> {
        self.tensors.read_into(name, out)?;
        if name == self.name {
            out[self.at] += self.by;
        }
        Ok(())
    }

    fn raw(&self, name: &str) -> rankine_checkpoint::Result<Cow<'_, [u8]>> {
        Ok(read(self, name).iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>().into())
    }
}

fn fisher(model: &Path, data: &Path, target: &Path) -> Result<FisherReport, Error> {
    let fisher = Fisher { samples: None, target, existing: Existing::Refuse };
    fisher.run(model, &DataSection::new(data), &mut on)
}

#[test]
fn a_plan_tells_what_it_takes_and_derives_nothing() {
    let root = tempfile::tempdir().unwrap();
    let [model, data, target] = ["model", "data.json", "f.safetensors"].map(|name| root.path().join(name));
    tiny::llama(&model, &TinyLlama::default(), 3);
    std::fs::write(&data, tiny::alpaca_json(1)).unwrap();
    let derived = Fisher { samples: None, target: &target, existing: Existing::Refuse };
    let plan = derived.plan(&model, &DataSection::new(&data)).unwrap();
    assert!(!target.exists());
    assert_eq!(plan.parameters, fisher(&model, &data, &target).unwrap().parameters);
    assert_eq!((plan.bytes, plan.memory_bytes), (4 * plan.parameters, 12 * plan.parameters));
    let again = derived.plan(&model, &DataSection::new(&data)).unwrap_err();
    assert!(again.to_string().contains("exists already"), "{again}");
}

#[test]
fn it_is_the_mean_of_squared_slopes_of_single_examples() {
    let root = tempfile::tempdir().unwrap();
    let place = |name: &str| -> PathBuf { root.path().join(name) };
    let model = place("model");
    tiny::llama(&model, &TinyLlama::default(), 3);
    let examples: Vec<Value> = serde_json::from_str(&tiny::alpaca_json(2)).unwrap();
    for (name, list) in [("both.json", &examples[..]), ("0.json", &examples[..1]), ("1.json", &examples[1..])]
    {
        std::fs::write(place(name), Value::from(list.to_vec()).to_string()).unwrap();
    }
    let found = ["both", "0", "1"].map(|name| {
        let file = place(&format!("{name}.safetensors"));
        (fisher(&model, &place(&format!("{name}.json")), &file).unwrap(), Opened::open(&file).unwrap())
    });
    let [(both, mean), (first, one), (second, other)] = &found;
    assert_eq!((both.examples, both.targets), (2, first.targets + second.targets));
    let opened = Opened::open(&model).unwrap();
    let tensors = opened.tensors();
    assert!(mean.tensors().infos().keys().eq(tensors.infos().keys()));
    let examiner = Examiner::open(&model, &DataSection::new(place("0.json")), 1).unwrap();
    let mut looked_at = 0;
    for name in tensors.infos().keys() {
        let halves = [one, other].map(|found| read(found.tensors(), name));
        let expected: Vec<f32> = halves[0].iter().zip(&halves[1]).map(|(x, y)| (x + y) / 2.0).collect();
        assert_close!(read(mean.tensors(), name), expected, relative = 1e-4, absolute = 1e-12, "{name}");
        if !["embed_tokens", "v_proj", "down_proj", "norm"].iter().any(|part| name.contains(part)) {
            continue;
        }
        // The number that matters most, moved by a tenth of what its tensor usually has.
        let values = read(tensors, name);
        let at = (0..values.len()).max_by(|&x, &y| halves[0][x].total_cmp(&halves[0][y])).unwrap();
        let usual = (values.iter().map(|x| x * x).sum::<f32>() / values.len() as f32).sqrt();
        let [back, forth] = [-0.1, 0.1].map(|share: f32| Nudged { tensors, name, at, by: share * usual });
        let points = examiner.along(Pair::of(&back, &forth).unwrap(), 2, &mut on).unwrap();
        let slope = (points[1].nll - points[0].nll) * first.targets as f64 / (0.2 * f64::from(usual));
        assert_close!([f64::from(halves[0][at]).sqrt()], [slope.abs()], relative = 0.03, "{name}");
        looked_at += 1;
    }
    assert!(8 <= looked_at, "{looked_at}");
    let nll = examiner.along(Pair::of(tensors, tensors).unwrap(), 2, &mut on).unwrap()[0].nll;
    assert_close!([first.nll], [nll], relative = 1e-5);
}

#[test]
fn what_no_loss_depends_on_has_none() {
    let root = tempfile::tempdir().unwrap();
    let data = tiny::idx_images(root.path(), 6, 10, 3);
    let (model, target) = (fixtures::path("images/resnet"), root.path().join("fisher.safetensors"));
    let report = fisher(&model, &data, &target).unwrap();
    assert_eq!((report.examples, report.targets), (6, 6));
    let (found, opened) = (Opened::open(&target).unwrap(), Opened::open(&model).unwrap());
    assert_eq!(
        report.parameters,
        found.tensors().infos().values().map(|info| info.elements() as u64).sum::<u64>()
    );
    let mut trace = 0.0;
    for (name, info) in opened.tensors().infos() {
        let values = read(found.tensors(), name);
        assert_eq!(found.tensors().infos()[name].shape, info.shape, "{name}");
        assert!(values.iter().all(|value| 0.0 <= *value && value.is_finite()), "{name}");
        let is_silent = name.contains("running") || name.contains("num_batches");
        assert_eq!(
            (report.silent.contains(name), values.iter().all(|x| *x == 0.0)),
            (is_silent, is_silent),
            "{name}"
        );
        trace += values.iter().map(|value| f64::from(*value)).sum::<f64>();
    }
    assert_close!([report.trace], [trace], relative = 1e-9);
}

#[test]
fn what_cannot_be_done_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let place = |name: &str| root.path().join(name);
    let (model, data) = (place("model"), place("data.json"));
    tiny::llama(&model, &TinyLlama::default(), 3);
    std::fs::write(&data, tiny::alpaca_json(2)).unwrap();
    let said = |target: &Path, existing: Existing| {
        let fisher = Fisher { samples: Some(1), target, existing };
        fisher.run(&model, &DataSection::new(&data), &mut on).unwrap_err().to_string()
    };
    assert!(said(&data, Existing::Refuse).contains("exists already"));
    assert!(said(&data, Existing::Replace).contains("data.json"), "it is read");
    let inside = model.join("model.safetensors");
    let before = std::fs::read(&inside).unwrap();
    drop(said(&inside, Existing::Replace));
    assert!(std::fs::read(&inside).unwrap() == before);
    std::fs::write(place("text"), "no tensors").unwrap();
    assert!(said(&place("text"), Existing::Replace).contains("is not replaced"));
    let target = place("fisher.safetensors");
    let stop = &mut |_: Progress| ControlFlow::Break(());
    let fisher = Fisher { samples: None, target: &target, existing: Existing::Refuse };
    let stopped = fisher.run(&model, &DataSection::new(&data), stop).unwrap_err();
    assert!(matches!(stopped, Error::Surgery(rankine_surgery::Error::Interrupted)), "{stopped}");
    assert!(!target.exists());
}
