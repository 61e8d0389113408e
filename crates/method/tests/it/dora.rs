//! DoRA: what follows from its definition, and peft's numbers.

use crate::support::{attach_to, disturb, disturb_all, fixture, leaf, named, set, slopes, structure};
use rankine_checkpoint::Adapter;
use rankine_method::{Base, export};
use rankine_nn::{LanguageModel as _, Model as _, Pass, Scope, Tokens, Weight};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use rankine_testkit::{GradientCheck, assert_close, fixtures, gradient_check, gradient_report};

const SHAPES: [[usize; 2]; 2] = [[24, 16], [16, 24]];
const SETTINGS: [(&str, f32); 3] =
    [("rank = 4", 1.0), ("rank = 4\nalpha = 10.0", 2.5), ("rank = 4\nalpha = 6.0\nrslora = true", 3.0)];

fn weight(shape: [usize; 2]) -> Tensor {
    Tensor::new(Rng::new(11).normals(shape[0] * shape[1], 0.3), &shape).unwrap()
}

/// Lengths of the rows.
fn lengths(matrix: &Tensor) -> Vec<f64> {
    let square = |row: &[f32]| row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
    matrix.to_vec().chunks(matrix.shape()[1]).map(|row| square(row).sqrt()).collect()
}

/// base + s·b·a.
fn directions(structure: &dyn Weight, scale: f32) -> Tensor {
    let [base, a, b] = ["base", "a", "b"].map(|name| leaf(structure, name));
    base.add(&b.matmul(&a).unwrap().scale(scale)).unwrap()
}

#[test]
fn the_weight_starts_as_it_was_to_the_last_bit() {
    for (settings, _) in SETTINGS {
        for shape in SHAPES {
            let original = weight(shape);
            let structure = structure(&named("dora", settings), &original);
            assert_eq!(structure.dense().unwrap().to_vec(), original.to_vec(), "{settings}");
            let magnitude = leaf(structure.as_ref(), "magnitude").to_vec();
            assert_close!(magnitude, lengths(&original), relative = 1e-6);
        }
    }
}

#[test]
fn rows_have_the_trained_lengths_and_the_directions_of_the_branch() {
    for (settings, scale) in SETTINGS {
        for shape in SHAPES {
            let mut structure = structure(&named("dora", settings), &weight(shape));
            disturb(structure.as_mut(), &Rng::new(3));
            let (dense, directions) = (structure.dense().unwrap(), directions(structure.as_ref(), scale));
            let magnitude = leaf(structure.as_ref(), "magnitude").to_vec();
            assert_close!(lengths(&dense), magnitude, relative = 1e-5, "{settings}");
            let (dense, lengths) = (dense.to_vec(), lengths(&directions));
            let expected: Vec<f64> = directions
                .to_vec()
                .iter()
                .enumerate()
                .map(|(at, &v)| f64::from(magnitude[at / shape[1]]) * f64::from(v) / lengths[at / shape[1]])
                .collect();
            assert_close!(dense, expected, relative = 1e-5, absolute = 1e-6, "{settings}");
        }
    }
}

/// Σ (x·wᵀ)∘c with fixed x and c, where the lengths of the directions are `lengths` or their own.
fn probe([base, a, b, m]: [&[f32]; 4], shape: [usize; 2], scale: f32, lengths: Option<&[f64]>) -> f64 {
    let (x, c) = fixed(shape);
    let ([outputs, inputs], rank) = (shape, a.len() / shape[1]);
    let value = |i: usize, j: usize| {
        let product =
            (0..rank).map(|k| f64::from(b[i * rank + k]) * f64::from(a[k * inputs + j])).sum::<f64>();
        f64::from(base[i * inputs + j]) + f64::from(scale) * product
    };
    let mut sum = 0.0;
    for i in 0..outputs {
        let row: Vec<f64> = (0..inputs).map(|j| value(i, j)).collect();
        let own = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        let gain = f64::from(m[i]) / lengths.map_or(own, |lengths| lengths[i]);
        for (x, c) in x.chunks(inputs).zip(c.chunks(outputs)) {
            let dot: f64 = x.iter().zip(&row).map(|(&x, w)| f64::from(x) * w).sum();
            sum += f64::from(c[i]) * gain * dot;
        }
    }
    sum
}

/// Inputs and the direction in which outputs are weighed; [3, in] and [3, out].
fn fixed([outputs, inputs]: [usize; 2]) -> (Vec<f32>, Vec<f32>) {
    (Rng::new(4).normals(3 * inputs, 1.0), Rng::new(5).normals(3 * outputs, 1.0))
}

#[test]
fn gradients_are_those_of_the_formula_with_the_lengths_held() {
    for (settings, scale) in SETTINGS {
        for shape @ [outputs, inputs] in SHAPES {
            let mut structure = structure(&named("dora", settings), &weight(shape));
            disturb(structure.as_mut(), &Rng::new(3));
            let (x, c) = fixed(shape);
            let (x, c) = (Tensor::new(x, &[3, inputs]).unwrap(), Tensor::new(c, &[3, outputs]).unwrap());
            let y = structure.apply(&x, Scope::QUIET).unwrap();
            let slopes = slopes(structure.as_ref(), &y.mul(&c).unwrap().sum());
            let names = ["base", "a", "b", "magnitude"];
            let values = names.map(|name| leaf(structure.as_ref(), name).to_vec());
            let lengths = lengths(&directions(structure.as_ref(), scale));
            assert_eq!(slopes.len(), 3);
            for (name, start, slope) in slopes {
                let at = |point: &[f32], lengths: Option<&[f64]>| {
                    let pick = |index: usize| if names[index] == name { point } else { &values[index] };
                    probe([0, 1, 2, 3].map(pick), shape, scale, lengths)
                };
                let options = GradientCheck { relative: 1e-5, absolute: 1e-4, ..GradientCheck::default() };
                gradient_check(|point| at(point, Some(&lengths)), &start, &slope, &options);
                let whole = gradient_report(|point| at(point, None), &start, &slope, &options);
                assert_eq!(whole.ratio <= 1.0, name == "magnitude", "{name}: the lengths do matter");
            }
        }
    }
}

#[test]
fn gradients_are_those_of_peft() {
    let json = fixtures::json("dora.json");
    let shape = [12, 8];
    let weight = Tensor::new(fixtures::floats(&json["weight"]), &shape).unwrap();
    let [x, direction] = [("x", 8), ("direction", 12)]
        .map(|(name, width)| Tensor::new(fixtures::floats(&json[name]), &[5, width]).unwrap());
    for case in fixtures::items(&json["cases"]) {
        let (rank, alpha, rslora) = (&case["r"], &case["lora_alpha"], &case["use_rslora"]);
        let choice = named("dora", &format!("rank = {rank}\nalpha = {alpha}.0\nrslora = {rslora}"));
        let mut structure = structure(&choice, &weight);
        for name in ["a", "b", "magnitude"] {
            set(structure.as_mut(), name, &fixtures::floats(&case[name]));
        }
        let y = structure.apply(&x, Scope::QUIET).unwrap();
        assert_close!(y.to_vec(), fixtures::floats(&case["y"]), relative = 1e-5, absolute = 2e-6);
        for (name, _, slope) in slopes(structure.as_ref(), &y.mul(&direction).unwrap().sum()) {
            let expected = fixtures::floats(&case["gradients"][&name]);
            assert_close!(slope, expected, relative = 1e-5, absolute = 1e-5, "{name}");
        }
    }
}

/// The folders that peft wrote, in the place of trained numbers; and exported again, the same numbers.
#[test]
fn a_model_with_the_numbers_of_peft_computes_what_peft_computes() {
    for (name, settings) in
        [("dora", "rank = 4\nalpha = 6.0"), ("dora_rslora", "rank = 4\nalpha = 6.0\nrslora = true")]
    {
        let adapter = Adapter::open(&fixtures::path(&format!("adapters/{name}"))).unwrap();
        let modules: Vec<String> = adapter.low_rank.keys().cloned().collect();
        let mut model = fixture();
        attach_to(&mut model, &named("dora", settings), &modules, 0).unwrap();
        for parameter in model.parameters_mut() {
            let low_rank = adapter.low_rank.get(parameter.module());
            let Some(low_rank) = low_rank.filter(|_| parameter.path().ends_with(".weight")) else { continue };
            let structure = parameter.weight.as_mut();
            set(structure, "a", &low_rank.a);
            set(structure, "b", &low_rank.b);
            set(structure, "magnitude", low_rank.magnitude.as_ref().unwrap());
        }
        let expected = fixtures::json(&format!("adapters/{name}/expected.json"));
        let texts = fixtures::items(&expected["input_ids"]).iter().zip(fixtures::items(&expected["logits"]));
        for (text, logits) in texts {
            let hidden = model.hidden(&Tokens::single(&fixtures::tokens(text)), &mut Pass::quiet()).unwrap();
            let found = model.logits(&hidden).unwrap().to_vec();
            assert_close!(found, fixtures::floats(logits), absolute = 1e-4, "{name}");
        }
        let exported = export(&model, Base::Original, None).unwrap();
        assert!(exported.config.dora);
        for (module, low_rank) in &adapter.low_rank {
            let again = &exported.low_rank[module];
            assert_eq!((&again.a, &again.b), (&low_rank.a, &low_rank.b));
            assert_eq!((&again.magnitude, again.scaling), (&low_rank.magnitude, low_rank.scaling));
        }
    }
}

#[test]
fn an_adapter_names_dora_only_where_there_is_one() {
    for (method, dora) in [("dora", true), ("lora", false)] {
        let mut model = fixture();
        let modules = ["model.layers.0.mlp.up_proj".to_owned()];
        attach_to(&mut model, &named(method, "rank = 2"), &modules, 0).unwrap();
        disturb_all(&mut model);
        let adapter = export(&model, Base::Original, None).unwrap();
        assert_eq!((adapter.config.dora, adapter.low_rank[0].magnitude.is_some()), (dora, dora));
    }
}

#[test]
fn a_row_of_zeros_stays_one_and_breaks_nothing() {
    let [outputs, inputs] = SHAPES[0];
    let mut values = weight(SHAPES[0]).to_vec();
    values[2 * inputs..3 * inputs].fill(0.0);
    let original = Tensor::new(values, &[outputs, inputs]).unwrap();
    let structure = structure(&named("dora", "rank = 2"), &original);
    assert_eq!(structure.dense().unwrap().to_vec(), original.to_vec());
    let x = Tensor::new(fixed(SHAPES[0]).0, &[3, inputs]).unwrap();
    let y = structure.apply(&x, Scope::QUIET).unwrap();
    for (name, _, slope) in slopes(structure.as_ref(), &y.mul(&y).unwrap().sum()) {
        assert!(slope.iter().all(|x| x.is_finite()), "{name}");
    }
}

#[test]
fn dropout_acts_on_the_branch_and_is_right_on_average() {
    let mut structure = structure(&named("dora", "rank = 4\ndropout = 0.4"), &weight(SHAPES[0]));
    disturb(structure.as_mut(), &Rng::new(3));
    let x = Tensor::new(fixed(SHAPES[0]).0, &[3, 16]).unwrap();
    let quiet = structure.apply(&x, Scope::QUIET).unwrap().to_vec();
    let mut mean = vec![0.0_f64; quiet.len()];
    let draws = 4000;
    for draw in 0..draws {
        let rng = Rng::new(draw);
        let y = structure.apply(&x, Scope { rng: Some(&rng), path: "w" }).unwrap().to_vec();
        assert_ne!(y, quiet);
        mean.iter_mut().zip(&y).for_each(|(mean, &y)| *mean += f64::from(y) / draws as f64);
    }
    assert_close!(mean, quiet, absolute = 0.03, "kept entries are divided by the probability of keeping");
}
