//! peft's kinds on convolutions, against their formulas: of two shapes alike only the configuration tells which is meant.

use crate::common::{Held, on, read};
use rankine_checkpoint::Tensors;
use rankine_checkpoint::writer::TensorsWriter;
use rankine_surgery::{Error, Keep, Merged, OtherKind};
use rankine_testkit::assert_close;
use serde_json::{Value, json};
use tempfile::TempDir;

fn held(tensors: &[(&str, &[usize], &[f32])]) -> Held {
    let mut held = Held::default();
    tensors.iter().for_each(|(name, shape, values)| held.insert(name, shape, values));
    held
}

/// What an adapter with this configuration and these tensors makes of the weight `name`.
fn changed(base: &Held, config: &Value, tensors: &Held, name: &str) -> Result<Vec<f32>, Error> {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("adapter_config.json"), config.to_string()).unwrap();
    let path = folder.path().join("adapter_model.safetensors");
    let writer = TensorsWriter::create(&path, tensors.infos()).unwrap();
    tensors.infos().keys().for_each(|name| writer.write(name, &read(tensors, name)).unwrap());
    writer.finish().unwrap();
    let other = OtherKind::open(folder.path())?.expect("another kind");
    let lora = other.convert(base, Keep::Energy(1.0), &mut on)?.adapter;
    Ok(read(&Merged::new(base, &lora)?, name))
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7 + 3) % 11) as f32 / 4.0 - 1.0).collect()
}

#[test]
fn ia3_scales_outputs_or_the_taps_of_channels() {
    // As many outputs as channels.
    let weight = numbers(3 * 3 * 4);
    let base = held(&[("block.conv.weight", &[3, 3, 2, 2], &weight)]);
    let factors = [0.5, -2.0, 3.0];
    let tensors = held(&[("base_model.model.block.conv.ia3_l", &[1, 3, 1, 1], &factors)]);
    let by_outputs: Vec<f32> = (0..36).map(|at| weight[at] * factors[at / 12]).collect();
    let by_channels: Vec<f32> = (0..36).map(|at| weight[at] * factors[at / 4 % 3]).collect();
    for (feedforward, expected) in [
        (json!([]), &by_outputs),
        (json!(["other"]), &by_outputs),
        (json!(["conv"]), &by_channels),
        (json!(".*conv"), &by_channels),
        (json!("conv"), &by_outputs),
    ] {
        let config = json!({
            "peft_type": "IA3", "target_modules": ["conv"], "feedforward_modules": feedforward,
        });
        let found = changed(&base, &config, &tensors, "block.conv.weight").unwrap();
        assert_close!(found, expected.clone(), absolute = 1e-5, "{feedforward}");
    }
}

#[test]
fn oft_rotates_the_channels_of_single_taps() {
    let weight = numbers(3 * 4);
    let config = json!({
        "peft_type": "OFT", "target_modules": ["conv"], "r": 0, "oft_block_size": 2, "use_cayley_neumann": false,
    });
    let q = [0.25_f32, -0.5];
    let tensors = held(&[("base_model.model.block.conv.oft_R.weight", &[2, 1], &q)]);
    let base = held(&[("block.conv.weight", &[3, 4, 1, 1], &weight)]);
    let found = changed(&base, &config, &tensors, "block.conv.weight").unwrap();
    // A turn of every pair by twice the angle whose tangent is q.
    let mut expected = [0.0; 12];
    for (row, turned) in weight.chunks_exact(4).zip(expected.chunks_exact_mut(4)) {
        for (pair, q) in q.iter().enumerate() {
            let (sine, cosine) = (2.0 * q.atan()).sin_cos();
            let (x, y) = (row[2 * pair], row[2 * pair + 1]);
            turned[2 * pair] = cosine * x - sine * y;
            turned[2 * pair + 1] = sine * x + cosine * y;
        }
    }
    assert_close!(found, expected, absolute = 1e-5);
    let base = held(&[("block.conv.weight", &[3, 1, 2, 2], &weight)]);
    let error = changed(&base, &config, &tensors, "block.conv.weight").unwrap_err();
    assert!(
        error.to_string().contains("larger than 1 × 1") && matches!(error, Error::NotLinear { .. }),
        "{error}"
    );
}
