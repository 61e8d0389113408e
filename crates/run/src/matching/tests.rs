//! Small networks matched by what they do: one that was permuted, two that learnt the same from different starts.

use super::activations::correlated;
use super::guide::{Asked, Guide, Slope, slope};
use crate::path::Examine;
use crate::{Error, Examiner, Result};
use indexmap::IndexMap;
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{Checkpoint, Dtype, Opened, TensorInfo, Tensors};
use rankine_data::images::{LabelledImage, LabelledImages, Preparation};
use rankine_data::{Batch, Batches, Batching, Example};
use rankine_nn::models::{self, Mlp, Storage};
use rankine_nn::{Kind, Model as _, weight::Dense};
use rankine_random::Rng;
use rankine_surgery::{
    Alignment, Guided, Interpolated, PermutationSpec, Permutations, Permuted, Progress, StraightThrough,
    Subject, UnitKind, UnitOrders, Watch, pair,
};
use rankine_tensor::Tensor;
use rankine_testkit::{fixtures, tiny};
use rankine_train::{AdamW, ClassifyImages, Data, NextToken, Optimizer, Plan, Schedule, Shape, Task as _};
use std::ops::ControlFlow;
use std::path::Path;
use tempfile::TempDir;

const SIDE: usize = 6;
const CLASSES: usize = 3;

fn on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Perceptrons with hidden layers of these sizes, and images.
struct Networks {
    sizes: Vec<usize>,
    task: ClassifyImages,
    batches: Batches<LabelledImage>,
}

impl Networks {
    fn new(folder: &Path, hidden: &[usize]) -> Self {
        let path = tiny::idx_images(folder, 30, SIDE, CLASSES);
        let images = LabelledImages::read(&path, &Preparation::default()).unwrap();
        let sizes = [&[SIDE * SIDE][..], hidden, &[CLASSES]].concat();
        let batches = Batches::new(images.samples(), Batching::Examples(10), 0).unwrap();
        Self { sizes, task: ClassifyImages::default(), batches }
    }

    /// The network with these numbers.
    fn load(&self, tensors: &dyn Tensors) -> Result<Mlp> {
        let mut model = Mlp::new(&self.sizes, &Rng::new(0))?;
        for parameter in model.parameters_mut() {
            let shape = tensors.infos()[parameter.path()].shape.clone();
            let mut values = vec![0.0; shape.iter().product()];
            tensors.read_into(parameter.path(), &mut values)?;
            let value = Tensor::new(values, &shape).map_err(rankine_nn::Error::from)?;
            parameter.weight = Box::new(Dense::frozen(value));
        }
        Ok(model)
    }

    /// One that learnt the images.
    fn trained(&self, seed: u64) -> Mlp {
        let mut model = Mlp::new(&self.sizes, &Rng::new(seed)).unwrap();
        let data = Data { train: &self.batches, validation: None };
        let schedule = Schedule { learning_rate: 0.01, warmup: 0, steps: 60, shape: Shape::Constant };
        let plan = Plan::plain(schedule, seed);
        let slots: (&ClassifyImages, &mut dyn Optimizer) = (&self.task, &mut AdamW::default());
        rankine_train::run::<ClassifyImages>(&mut model, data, slots, &plan, None, &mut |_, _| {
            ControlFlow::Continue(())
        })
        .unwrap();
        model
    }

    fn loss(&self, tensors: &dyn Tensors) -> f64 {
        self.examine(tensors, false, &mut |_| {}).unwrap()[0]
    }
}

impl Guide for Networks {
    fn steps_per_epoch(&self) -> usize {
        self.batches.steps_per_epoch()
    }

    fn unit_orders<'s>(
        &self,
        spec: &'s PermutationSpec,
        [first, second]: [&dyn Tensors; 2],
        watch: &mut Watch<'_>,
    ) -> Result<UnitOrders<'s>> {
        let (mut ours, mut theirs) = (self.load(first)?, self.load(second)?);
        correlated::<ClassifyImages>([&mut ours, &mut theirs], (&self.task, &self.batches), spec, watch)
    }

    fn slope(&self, model: &dyn Tensors, spec: &PermutationSpec, asked: Asked) -> Result<Slope> {
        let batch = self.batches.get(asked.step - 1);
        Ok(slope::<ClassifyImages>(&mut self.load(model)?, (&self.task, batch), spec, asked)?)
    }
}

impl Examine for Networks {
    fn examples(&self) -> usize {
        self.batches.examples().len()
    }

    fn examine(&self, tensors: &dyn Tensors, _: bool, watch: &mut dyn FnMut(usize)) -> Result<[f64; 2]> {
        let score = self.task.score(&self.load(tensors)?, &mut self.batches.sequential(), watch)?;
        Ok([score.nll, score.confusion.accuracy()])
    }
}

fn write(path: &Path, infos: &IndexMap<String, TensorInfo>, read: &dyn Fn(&str) -> Vec<f32>) -> Opened {
    let writer = TensorsWriter::create(path, infos).unwrap();
    infos.keys().for_each(|name| writer.write(name, &read(name)).unwrap());
    writer.finish().unwrap();
    Opened::open(path).unwrap()
}

fn saved(model: &Mlp, path: &Path) -> Opened {
    let values: IndexMap<String, Tensor> = model
        .parameters()
        .iter()
        .map(|parameter| (parameter.path().to_owned(), parameter.weight.dense().unwrap().detach()))
        .collect();
    let info = |value: &Tensor| TensorInfo {
        shape: value.shape(),
        dtype: Dtype::F32,
        bytes: 4 * value.elements() as u64,
    };
    let infos = values.iter().map(|(name, value)| (name.clone(), info(value))).collect();
    write(path, &infos, &|name| values[name].to_vec())
}

#[test]
fn activations_bring_a_permuted_network_back_to_the_last_bit() {
    let root = TempDir::new().unwrap();
    let networks = Networks::new(root.path(), &[24]);
    let mut model = Mlp::new(&networks.sizes, &Rng::new(3)).unwrap();
    // So that every unit answers to some image.
    for parameter in model.parameters_mut().into_iter().filter(|parameter| parameter.kind() == Kind::Bias) {
        parameter.weight = Box::new(Dense::frozen(Tensor::new(vec![1.0; 24], &[24]).unwrap()));
    }
    let first = saved(&model, &root.path().join("a.safetensors"));
    let spec = PermutationSpec::of(Subject::from(&first), &UnitKind::ALL).unwrap();
    let drawn = Permutations::random(&spec, &Rng::new(5));
    let permuted = Permuted::new(first.tensors(), &spec, &drawn);
    let read = |name: &str| {
        let mut values = vec![0.0; permuted.infos()[name].elements()];
        permuted.read_into(name, &mut values).unwrap();
        values
    };
    let second = write(&root.path().join("b.safetensors"), permuted.infos(), &read);
    let examiner = Examiner { held: Box::new(networks), resets_norms: false };
    let models = (Subject::from(&first), Subject::from(&second));
    let aligned = examiner.match_activations(&Alignment::default(), models, &mut on).unwrap();
    assert_ne!(drawn, Permutations::identity(&spec));
    assert_eq!((aligned.permutations, aligned.after.apart, aligned.sweeps), (drawn.inverse(), 0.0, 0));
    let stopped = examiner
        .match_activations(&Alignment::default(), models, &mut |_: Progress| ControlFlow::Break(()))
        .unwrap_err();
    assert!(matches!(stopped, Error::Surgery(rankine_surgery::Error::Interrupted)), "{stopped}");
}

#[test]
fn training_finds_no_worse_a_middle_than_weights_or_nothing() {
    let root = TempDir::new().unwrap();
    let networks = Networks::new(root.path(), &[24, 16]);
    let [first, second] = [("a.safetensors", 1), ("b.safetensors", 2)]
        .map(|(name, seed)| saved(&networks.trained(seed), &root.path().join(name)));
    let models = (Subject::from(&first), Subject::from(&second));
    let alone = [&first, &second].map(|model| networks.loss(model.tensors()));
    assert!(alone.iter().all(|loss| *loss < 0.5), "{alone:?}");
    let measured = Networks::new(root.path(), &[24, 16]);
    let examiner = Examiner { held: Box::new(networks), resets_norms: false };
    let search = StraightThrough { steps: 20, learning_rate: 0.3, ..StraightThrough::default() };
    let find = || examiner.straight_through(&search, &Alignment::default(), models, &mut on).unwrap();
    let Guided { aligned, losses } = find();
    assert!(losses.best <= losses.start && losses.best <= losses.naive, "{losses:?}");
    let middle = |second: &dyn Tensors| {
        let pair = pair([first.tensors(), second], [Path::new("a"), Path::new("b")]).unwrap();
        measured.loss(&Interpolated::new(pair, 0.5))
    };
    let weights = Alignment::default().find(models.0, models.1, &mut on).unwrap();
    let [nearest, best] = [&weights, &aligned].map(|found| found.applied(models.1));
    let seconds: [&dyn Tensors; 3] = [second.tensors(), &nearest, &best];
    assert_eq!(seconds.map(middle), [losses.naive, losses.start, losses.best]);
    assert_eq!(find(), Guided { aligned, losses });
    let stop = &mut |_: Progress| ControlFlow::Break(());
    let stopped = examiner.straight_through(&search, &Alignment::default(), models, stop).unwrap_err();
    assert!(matches!(stopped, Error::Surgery(rankine_surgery::Error::Interrupted)), "{stopped}");
    for (search, setting) in [
        (StraightThrough { steps: 0, ..search }, "`steps`"),
        (StraightThrough { learning_rate: f32::NAN, ..search }, "`learning rate`"),
        (StraightThrough { momentum: 1.0, ..search }, "`momentum`"),
    ] {
        let refused = examiner.straight_through(&search, &Alignment::default(), models, &mut on);
        assert!(refused.unwrap_err().to_string().starts_with(setting));
    }
}

#[test]
fn a_loss_that_is_no_number_names_its_step() {
    let root = TempDir::new().unwrap();
    let networks = Networks::new(root.path(), &[4]);
    let mut model = Mlp::new(&networks.sizes, &Rng::new(1)).unwrap();
    let first = saved(&model, &root.path().join("a.safetensors"));
    let spec = PermutationSpec::of(Subject::from(&first), &UnitKind::ALL).unwrap();
    let head = Tensor::new(vec![f32::NAN; 4 * CLASSES], &[CLASSES, 4]).unwrap();
    model.parameters_mut()[2].weight = Box::new(Dense::frozen(head));
    let asked = Asked { step: 7, learning_rate: 0.1, resets_norms: false };
    let batch = networks.batches.get(6);
    let error = slope::<ClassifyImages>(&mut model, (&networks.task, batch), &spec, asked).unwrap_err();
    assert!(matches!(error, rankine_train::Error::NotFinite { what: "loss", step: 7, .. }), "{error}");
}

#[test]
fn a_slope_lies_as_its_tensor_does() {
    let checkpoint = Checkpoint::open(fixtures::path("decoders/gpt2")).unwrap();
    let spec = PermutationSpec::of(Subject::Texts(&checkpoint), &UnitKind::ALL).unwrap();
    let mut model = models::load(checkpoint.config(), checkpoint.tensors(), Storage::F32).unwrap();
    let example = Example { tokens: vec![1, 5, 3, 7, 2], answers: vec![true; 5], source: 1 };
    let asked = Asked { step: 1, learning_rate: 0.1, resets_norms: false };
    let found = slope::<NextToken>(&mut *model, (&NextToken, Batch::of(&[example])), &spec, asked).unwrap();
    let infos = checkpoint.tensors().infos();
    for (name, slope) in &found {
        assert_eq!(slope.shape(), infos[name].shape, "{name}");
        assert!(spec.is_permuted(name), "{name}");
    }
    let wide = found.iter().find(|(name, _)| name.ends_with("mlp.c_fc.weight")).unwrap();
    let shape = wide.1.shape();
    assert!(shape[0] < shape[1], "[in, out]: {shape:?}");
    assert_eq!(
        found.iter().filter(|(name, _)| name.ends_with("c_attn.bias")).count(),
        checkpoint.config().layers
    );
}
