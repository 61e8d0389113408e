//! Adapters written here, and what peft computes with them: `fixtures/written`.
//!
//! `RANKINE_WRITE=DIR cargo test -p rankine-method written` writes the folders anew; `scripts/written.py` then adds peft's
//! logits.

use crate::support::{attach_to, disturb_all, fixture, linear_modules, named};
use rankine_checkpoint::{Existing, OutputFolder, Tensors as _, safetensors::Safetensors};
use rankine_method::{Base, export, train_whole};
use rankine_nn::{LanguageModel as _, Pass, Tokens, models::Llama};
use rankine_testkit::{assert_close, fixtures};
use std::path::Path;

/// Trained models that between them use every part of the format.
fn cases() -> Vec<(&'static str, Llama)> {
    let all = |settings: &[(&str, &str)]| {
        let mut model = fixture();
        for (index, module) in linear_modules(&model).iter().enumerate() {
            let (method, settings) = settings[index % settings.len()];
            attach_to(&mut model, &named(method, settings), std::slice::from_ref(module), 0).unwrap();
        }
        disturb_all(&mut model);
        model
    };
    let mut whole = fixture();
    let modules = ["lm_head", "model.layers.0.mlp.up_proj"].map(str::to_owned);
    attach_to(&mut whole, &named("lora", "rank = 2"), &modules, 0).unwrap();
    train_whole(&mut whole, &["embed_tokens".to_owned(), "model.norm".to_owned()]).unwrap();
    disturb_all(&mut whole);
    let mixed = [
        ("lora", "rank = 2\nalpha = 3.0"),
        ("pissa", "rank = 3\nrslora = true\nalpha = 5.0"),
        ("lora", "rank = 2"),
        ("pissa", "rank = 1"),
    ];
    vec![
        ("lora", all(&[("lora", "rank = 4\nalpha = 6.0")])),
        ("lora_rslora", all(&[("lora", "rank = 3\nalpha = 5.0\nrslora = true")])),
        ("pissa", all(&[("pissa", "rank = 4")])),
        ("mixed_ranks", all(&mixed)),
        ("head_and_whole_modules", whole),
    ]
}

fn write(model: &Llama, target: &Path) {
    let output = OutputFolder::create(target, Existing::Replace).unwrap();
    export(model, Base::Original, Some("base".to_owned())).unwrap().write(&output).unwrap();
    output.finish().unwrap();
}

fn logits(model: &Llama, text: &[u32]) -> Vec<f32> {
    let hidden = model.hidden(&Tokens::single(text), &mut Pass::quiet()).unwrap();
    model.logits(&hidden).unwrap().to_vec()
}

#[test]
fn peft_computes_with_a_written_adapter_what_the_trained_model_computes() {
    let anew = std::env::var_os("RANKINE_WRITE");
    for (name, model) in cases() {
        if let Some(folder) = &anew {
            write(&model, &Path::new(folder).join(name));
            continue;
        }
        let expected = fixtures::json(&format!("written/{name}/expected.json"));
        for text in fixtures::items(&expected["sequences"]) {
            let found = logits(&model, &fixtures::tokens(&text["tokens"]));
            assert_close!(found, fixtures::floats(&text["logits"]), absolute = 1e-4, "{name}");
        }
        let folder = tempfile::tempdir().unwrap();
        let (found, committed) = (folder.path().join(name), fixtures::path(&format!("written/{name}")));
        write(&model, &found);
        let config = |folder: &Path| std::fs::read_to_string(folder.join("adapter_config.json")).unwrap();
        assert_eq!(config(&found), config(&committed), "{name}: what peft read is what is written");
        let open = |folder: &Path| Safetensors::open(&folder.join("adapter_model.safetensors")).unwrap();
        let (found, committed) = (open(&found), open(&committed));
        assert_eq!(found.infos(), committed.infos(), "{name}");
        for (tensor, info) in committed.infos() {
            let read = |tensors: &Safetensors| {
                let mut values = vec![0.0; info.elements()];
                tensors.read_into(tensor, &mut values).unwrap();
                values
            };
            assert_close!(read(&found), read(&committed), absolute = 1e-5, "{name}: {tensor}");
        }
    }
}
