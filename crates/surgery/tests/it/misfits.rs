//! What of an adapter of another kind does not fit is named, all of it.

use crate::common::{Held, base, read};
use crate::kinds::{BASE, K, cases, converted, folder, spoilt};
use rankine_checkpoint::Tensors;
use rankine_checkpoint::adapter::Finding;
use rankine_checkpoint::safetensors::Safetensors;
use rankine_surgery::{Error, Keep, Misfit, OtherKind};
use serde_json::json;
use std::path::Path;

const UP: &str = "base_model.model.model.layers.0.mlp.up_proj";

fn misfit(folder: &Path) -> Misfit {
    OtherKind::open(folder).unwrap().expect("another kind").check(base(BASE).tensors()).unwrap()
}

#[test]
fn what_does_not_fit_is_found_before_anything_is_computed() {
    for name in cases().keys() {
        let misfit = misfit(&folder(name));
        assert!(misfit.is_empty(), "{name}: {misfit:?}");
    }
    let spoil = |held: &mut Held| {
        for (part, length) in [("vera_lambda_b", 16), ("vera_lambda_d", 3)] {
            held.remove(&format!("{K}.{part}"));
            held.insert(&format!("{K}x.{part}"), &[length], &vec![0.5; length]);
        }
        held.insert(&format!("{UP}.vera_lambda_b"), &[7], &[0.5; 7]);
    };
    let found = misfit(spoilt(&folder("vera"), |_| {}, spoil).path()).findings;
    let kinds: Vec<_> = found.iter().map(|finding| finding.kind()).collect();
    for kind in ["missing", "no_module", "misshapen"] {
        assert!(kinds.contains(&kind), "{kind}: {found:?}");
    }
    let stranger = found.iter().find(|finding| finding.to_string().contains("k_projx")).unwrap();
    assert!(stranger.hint().unwrap().contains("`model.layers.0.self_attn.k_proj`"), "{stranger}");
    let lost = |held: &mut Held| held.remove("base_model.vera_A");
    let refused = misfit(spoilt(&folder("vera"), |_| {}, lost).path()).refused;
    assert!(matches!(refused.as_slice(), [Error::NoProjection { name: "vera_A", .. }]), "{refused:?}");
    let ill = spoilt(&folder("miss_bat"), |config| config["r"] = json!(5), |_| {});
    let misfit = misfit(ill.path());
    assert!(misfit.findings.iter().any(|finding| finding.to_string().contains("`r`")), "{misfit:?}");
}

/// Keys of one module's tensors, without its bias and copies of what all modules share.
fn own(held: &Held) -> Vec<String> {
    let others = ["base_layer.bias", "randlora_A", "randlora_B"];
    let is_own = |key: &&String| key.starts_with(K) && !others.iter().any(|name| key.ends_with(name));
    let mut keys: Vec<_> = held.infos().keys().filter(is_own).cloned().collect();
    keys.sort();
    keys
}

#[test]
fn every_tensor_of_a_module_that_does_not_fit_is_named() {
    let spoil = |held: &mut Held| {
        for key in own(held) {
            let (shape, values) = (held.infos()[&key].shape.clone(), read(held, &key));
            held.insert(&key, &[&shape[..], &[1]].concat(), &values);
        }
    };
    for name in cases().keys() {
        let folder = spoilt(&folder(name), |_| {}, spoil);
        let found = misfit(folder.path()).findings;
        let key = |finding: &Finding| match finding {
            Finding::Misshapen(misshapen) => misshapen.key.clone(),
            other => panic!("{name}: {other}"),
        };
        let mut named: Vec<_> = found.iter().map(key).collect();
        named.sort();
        let file = Safetensors::open(&folder.path().join("adapter_model.safetensors")).unwrap();
        assert_eq!(named, own(&Held::of(&file)), "{name}");
    }
}

#[test]
fn one_fault_of_a_module_does_not_hide_another() {
    let told = |found: &Misfit| found.findings.iter().map(Finding::to_string).collect::<Vec<_>>();
    let spoil = |held: &mut Held| {
        held.insert(&format!("{K}.delora_A"), &[2, 32], &[f32::NAN; 64]);
        held.remove(&format!("{K}.delora_B"));
        held.insert(&format!("{K}.delora_lambda"), &[2], &[1.0; 2]);
        held.remove(&format!("{K}.delora_w_norm"));
    };
    let found = misfit(spoilt(&folder("delora"), |_| {}, spoil).path());
    let expected = ["B` is missing", "lambda` is [2], not [1]", "w_norm` is missing"];
    assert_eq!(told(&found), expected.map(|rest| format!("`{K}.delora_{rest}")));
    let spoil = |held: &mut Held| {
        held.insert(&format!("{K}.boft_R"), &[1, 3, 4, 4], &[0.0; 48]);
        held.insert(&format!("{K}.boft_s"), &[15, 1], &[1.0; 15]);
    };
    let found = misfit(spoilt(&folder("boft"), |_| {}, spoil).path());
    let kinds: Vec<_> = found.findings.iter().map(Finding::kind).collect();
    assert_eq!(kinds, ["configuration", "misshapen"], "{found:?}");
    let spoil = |held: &mut Held| held.remove(&format!("{K}.osf_svd_params.S_low"));
    let found = misfit(spoilt(&folder("osf"), |_| {}, spoil).path());
    assert_eq!(told(&found), [format!("`{K}.osf_svd_params.S_low` is missing")]);
    let spoil = |held: &mut Held| held.remove(&format!("{K}.vblora_logits_A_topk_indices"));
    let found = misfit(spoilt(&folder("vblora_topk"), |_| {}, spoil).path());
    assert_eq!(told(&found), [format!("`{K}.vblora_logits_A_topk_indices` is missing")]);
}

/// Neither is what all modules share, where no module fits.
#[test]
fn projections_are_missed_beside_other_faults() {
    let ranks = |held: &mut Held| {
        for module in [K, UP] {
            held.insert(&format!("{module}.vera_lambda_d"), &[4], &[0.5; 4]);
        }
    };
    let spoil = |held: &mut Held| {
        ranks(held);
        held.remove("base_model.vera_A");
        held.remove("base_model.vera_B");
    };
    let found = misfit(spoilt(&folder("vera"), |_| {}, spoil).path());
    let [a, b] = found.refused.as_slice() else { panic!("{found:?}") };
    assert!(matches!(a, Error::NoProjection { name: "vera_A", .. }), "{a}");
    assert!(matches!(b, Error::NoProjection { name: "vera_B", .. }), "{b}");
    assert_eq!(found.findings.len(), 2, "{found:?}");
    let spoil = |held: &mut Held| {
        ranks(held);
        held.insert("base_model.vera_A", &[3, 7], &[0.5; 21]);
    };
    let error = converted(spoilt(&folder("vera"), |_| {}, spoil).path(), Keep::Exact).unwrap_err();
    assert!(error.to_string().contains("2 misshapen"), "{error}");
}
