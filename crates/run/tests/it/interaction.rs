//! Models of every kind, looked into on data.

use crate::classify::Bench;
use crate::inputs::bench;
use rankine_analyze::Progress;
use rankine_analyze::interaction::{Integration, Interaction, LayerFindings, Settings};
use rankine_run::{DataSection, Error, Modules, Shown, TargetSection, interaction};
use rankine_testkit::{fixtures, tiny};
use std::ops::ControlFlow;
use std::path::Path;

fn on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn shown(target: Option<&str>) -> Shown {
    let targets = |named: &str| TargetSection { modules: Modules::named(named), ..TargetSection::default() };
    Shown { samples: 6, batch: 3, sources: 4, targets: target.map(targets), seed: 1 }
}

fn found(model: &Path, data: &DataSection, shown: &Shown) -> Interaction {
    let settings = Settings { features: 3, edge_batches: 1, ..Settings::default() };
    let found = interaction(model, data, (shown, &settings), &mut on).unwrap();
    for LayerFindings { layer, activation_rank, basis, maps, gradients, .. } in &found.layers {
        assert!(basis.dimension() <= *activation_rank && *activation_rank <= layer.width, "{}", layer.name);
        assert!(gradients[0].is_finite() && 0.0 < gradients[0], "{}", layer.name);
        assert!(maps.iter().all(|map| map.effective() <= map.parameters), "{maps:?}");
    }
    found
}

fn names(found: &Interaction) -> Vec<&str> {
    found.layers.iter().map(|found| found.layer.name.as_str()).collect()
}

#[test]
fn a_language_model_is_looked_into() {
    let (_root, model, data) = bench();
    let whole = found(&model, &data, &shown(None));
    let first: Vec<&str> = names(&whole)[..4].to_vec();
    let expected = ["self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj"];
    assert_eq!(first, expected.map(|name| format!("model.layers.0.{name}")));
    assert_eq!(whole.layers[0].layer.maps.len(), 3, "q, k and v read the same");
    assert_eq!(whole.layers.len(), 8);
    // Between the layers, and none to the logits, of which there are sums only.
    assert_eq!(whole.edges.iter().map(|edges| edges.from).collect::<Vec<_>>(), (0..7).collect::<Vec<_>>());
    assert!(whole.edges.iter().all(|edges| 0.0 < edges.total()));
    let again = found(&model, &data, &shown(None));
    assert_eq!(whole, again, "the same seed");
    let chosen = found(&model, &data, &shown(Some(".*mlp.*")));
    assert_eq!(chosen.layers[1].layer, whole.layers[3].layer);
    assert_eq!(chosen.layers[1].variances, whole.layers[3].variances);
    let integration = Integration::GaussLegendre { intervals: 2 };
    let settings = Settings { features: 3, edge_batches: 1, integration, ..Settings::default() };
    let integrated = interaction(&model, &data, (&shown(Some(".*mlp.*")), &settings), &mut on).unwrap();
    assert_eq!(integrated.layers, chosen.layers);
    assert_ne!(integrated.edges, chosen.edges);
    assert!(integrated.edges.iter().all(|edges| 0.0 < edges.total()));
    let wrong = interaction(&model, &data, (&shown(Some("nothing")), &Settings::default()), &mut on);
    assert!(wrong.unwrap_err().to_string().contains("nothing"));
    let stop = &mut |_: Progress| ControlFlow::Break(());
    let stopped = interaction(&model, &data, (&shown(None), &Settings::default()), stop).unwrap_err();
    assert!(matches!(stopped, Error::Analyze(rankine_analyze::Error::Interrupted)), "{stopped}");
}

#[test]
fn classifiers_are_derived_class_by_class() {
    let root = tempfile::tempdir().unwrap();
    let images = DataSection::new(tiny::idx_images(root.path(), 6, 12, 3));
    let found = found(&fixtures::path("images/vit"), &images, &shown(None));
    // As many edges to the outputs as there are classes.
    let last = found.edges.last().unwrap();
    assert_eq!((last.from, last.strengths.len()), (found.layers.len() - 1, 3));
    assert!(found.layers.last().unwrap().functional() <= 3, "{:?}", names(&found));
    assert!(found.layers[0].maps.is_empty(), "a convolution");
    let modules = found.modules.unwrap();
    assert!(1 < modules.count() && (0.0..1.0).contains(&modules.modularity));
    // An encoder without a head for classes cannot be.
    let texts = Bench::new("bert_bare", ["bad", "good"]);
    let refused =
        interaction(&texts.model, &texts.recipe.data, (&shown(None), &Settings::default()), &mut on);
    assert!(matches!(refused, Err(Error::NoHead { .. })));
}
