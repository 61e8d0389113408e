use crate::support::fixture;
use indexmap::IndexMap;
use rankine_checkpoint::{Checkpoint, Result as CheckpointResult, TensorInfo, Tensors};
use rankine_nn::{
    Error, LanguageModel, Pass, Tokens,
    generate::{Request, Sampling, generate},
    models::{Llama, Storage},
};
use std::borrow::Cow;

/// A checkpoint with changed tensor infos.
struct Changed<'a> {
    tensors: &'a dyn Tensors,
    infos: IndexMap<String, TensorInfo>,
}

impl Tensors for Changed<'_> {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> CheckpointResult<()> {
        let there = self.infos.contains_key(name);
        self.tensors.read_into(if there { name } else { "no such tensor" }, out)
    }

    fn raw(&self, name: &str) -> CheckpointResult<Cow<'_, [u8]>> {
        self.tensors.raw(name)
    }
}

fn load(change: impl FnOnce(&mut IndexMap<String, TensorInfo>)) -> Result<Llama, Error> {
    let opened = Checkpoint::open(rankine_testkit::fixtures::path("models/llama_untied")).unwrap();
    let mut infos = opened.tensors().infos().clone();
    change(&mut infos);
    Llama::load(opened.config(), &Changed { tensors: opened.tensors(), infos }, Storage::File)
}

#[test]
fn a_missing_tensor_is_named() {
    for name in [
        "lm_head.weight",
        "model.norm.weight",
        "model.layers.1.mlp.down_proj.weight",
        "model.embed_tokens.weight",
    ] {
        let error = load(|infos| drop(infos.shift_remove(name))).err().unwrap();
        assert!(matches!(error, Error::Checkpoint(_)), "{error}");
    }
    assert!(load(|_| ()).is_ok());
}

#[test]
fn a_wrong_shape_is_named_with_both_shapes() {
    for (name, shape) in [
        ("model.layers.0.self_attn.k_proj.weight", vec![32, 16]),
        ("model.layers.0.self_attn.k_proj.bias", vec![32]),
        ("model.norm.weight", vec![1, 32]),
        ("lm_head.weight", vec![95, 32]),
    ] {
        let error = load(|infos| infos[name].shape.clone_from(&shape)).err().unwrap();
        assert!(matches!(&error, Error::TensorShape { found, .. } if *found == shape), "{error}");
        assert!(error.to_string().contains(name) && error.hint().is_some(), "{error}");
    }
}

#[test]
fn a_token_outside_the_vocabulary_is_an_error() {
    let model = fixture("llama_untied");
    let found = model.hidden(&Tokens::single(&[5, 96]), &mut Pass::quiet()).err().unwrap();
    assert!(matches!(found, Error::Token { token: 96, vocabulary: 96 }));
    let mut cache = model.cache();
    assert!(matches!(model.extend(&[u32::MAX], &mut cache), Err(Error::Token { .. })));
    assert_eq!(cache.tokens(), 0);
}

#[test]
fn a_text_beyond_the_context_is_an_error() {
    let model = fixture("llama_untied");
    let mut cache = model.cache();
    let long = vec![1; model.context() + 1];
    assert!(matches!(model.extend(&long, &mut cache), Err(Error::Context { .. })));
    let hidden = model.hidden(&Tokens::single(&long), &mut Pass::quiet());
    assert!(matches!(hidden, Err(Error::Context { .. })));
    model.extend(&long[1..], &mut cache).unwrap();
    assert_eq!(cache.tokens(), model.context());
    assert!(matches!(model.extend(&[1], &mut cache), Err(Error::Context { .. })));
}

#[test]
fn generation_stops_at_the_context() {
    let model = fixture("llama_untied");
    let sampling = Sampling::default();
    let prompt = vec![1; model.context() - 2];
    let request = Request { prompt: &prompt, limit: 10, stops: &[], sampling: &sampling };
    let mut said = 0;
    generate(&model, &request, &mut |_| {
        said += 1;
        true
    })
    .unwrap();
    assert_eq!(said, 3, "two more to read, one more to say");
}

#[test]
fn nothing_to_continue_is_an_error() {
    let model = fixture("llama_untied");
    assert!(model.extend(&[], &mut model.cache()).is_err());
    let request = Request { prompt: &[], limit: 1, stops: &[], sampling: &Sampling::default() };
    assert!(generate(&model, &request, &mut |_| true).is_err());
}

#[test]
fn lengths_that_do_not_fit_their_tokens_are_errors() {
    let model = fixture("llama_untied");
    for lengths in [&[2, 2][..], &[2], &[4]] {
        assert!(
            model.hidden(&Tokens::packed(&[1, 2, 3], lengths), &mut Pass::quiet()).is_err(),
            "{lengths:?}"
        );
    }
    assert!(model.hidden(&Tokens::packed(&[1, 2, 3], &[1, 2]), &mut Pass::quiet()).is_ok());
}
