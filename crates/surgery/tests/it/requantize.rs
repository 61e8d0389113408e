//! Adapters merged into GGUF models whose tensors keep their types.

use crate::common::{adapter, base, on, random_lora, read};
use crate::quantize::{many_types, relative, to, written};
use rankine_checkpoint::gguf::Gguf;
use rankine_checkpoint::{Adapter, Checkpoint, Dtype, Tensors};
use rankine_surgery::{GgufReport, Merged, Types, merge_gguf, plan_merge_gguf};
use rankine_testkit::assert_close;
use tempfile::TempDir;

/// A base in ten types, and the file that comes of an adapter.
fn requantized(adapter: &Adapter) -> (TempDir, Checkpoint, Gguf, GgufReport) {
    let root = TempDir::new().unwrap();
    let base = Checkpoint::open(many_types()).unwrap();
    let target = root.path().join("merged.gguf");
    let report = merge_gguf(&base, adapter, &to(&target), &mut on).unwrap();
    let planned = plan_merge_gguf(&base, adapter).unwrap();
    assert_eq!((planned.bytes(), planned.tensors.len()), (report.bytes(), report.tensors.len()));
    (root, base, Gguf::open(&target).unwrap(), report)
}

#[test]
fn an_adapter_that_changes_nothing_gives_the_file_back() {
    let base = Checkpoint::open(many_types()).unwrap();
    let mut nothing = random_lora(base.tensors(), &["q_proj", "k_proj", "v_proj", "up_proj", "down_proj"]);
    nothing.low_rank.values_mut().for_each(|low_rank| low_rank.b.fill(0.0));
    let (root, _, _, report) = requantized(&nothing);
    let merged = std::fs::read(root.path().join("merged.gguf")).unwrap();
    assert!(merged == std::fs::read(many_types()).unwrap());
    assert_eq!(report.tensors.iter().filter(|tensor| tensor.merged).count(), 5);
    assert_eq!(report.relative, Some(0.0));
}

#[test]
fn merged_weights_are_in_the_types_of_the_base() {
    let base = Checkpoint::open(many_types()).unwrap();
    let lora =
        random_lora(base.tensors(), &["q_proj", "k_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]);
    let (_root, base, found, report) = requantized(&lora);
    let merged = Merged::new(base.tensors(), &lora).unwrap();
    let gguf = base.gguf().unwrap();
    assert_eq!(found.metadata(), gguf.metadata());
    let tensors = gguf.stored_tensors().zip(found.stored_tensors()).zip(&report.tensors);
    for (((name, before, bytes), (same, after, now)), told) in tensors {
        assert_eq!((name, before), (same, after));
        let outside = gguf.name_of(name);
        assert_eq!(told.merged, merged.is_changed(&outside), "{name}");
        if !told.merged {
            assert!(bytes == now && told.relative.is_none(), "{name}");
            continue;
        }
        assert!(bytes != now, "{name}");
        let off = relative(&read(&merged, &outside), &read(&found, &outside));
        assert_close!([told.relative.unwrap()], [off], relative = 1e-5, "{name}");
        // Three bits, and so on: rows in another order would be off by more than one.
        assert!(off < 0.25, "{name}: {off}");
    }
}

/// llama.cpp takes no adapter for one end of a tied model; merging parts them.
#[test]
fn a_head_that_comes_apart_is_a_tensor_of_its_own() {
    let (model, adapter, root) = (base("llama_tied"), adapter("testkit/head_tied"), TempDir::new().unwrap());
    let [file, target] = ["base.gguf", "merged.gguf"].map(|name| root.path().join(name));
    written(&model, Types::One(Dtype::F32), &file);
    let base = Checkpoint::open(&file).unwrap();
    merge_gguf(&base, &adapter, &to(&target), &mut on).unwrap();
    let (found, merged) =
        (Checkpoint::open(&target).unwrap(), Merged::new(base.tensors(), &adapter).unwrap());
    assert!(base.config().tied && !found.config().tied);
    assert!(found.tensors().infos().keys().eq(merged.infos().keys()));
    for name in merged.infos().keys() {
        assert_eq!(found.read(name).unwrap(), read(&merged, name), "{name}");
    }
}
