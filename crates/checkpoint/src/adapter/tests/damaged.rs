//! Whatever is in a file, it is read or refused.

use super::*;
use proptest::prelude::*;
use tempfile::TempDir;

proptest! {
    #[test]
    fn any_expression_compiles_or_is_refused(pattern in r"[ab.*+?(){}\[\]|^$\\019<>=!:,iPk-]{0,24}") {
        let targets = Targets { modules: Selection::Pattern(pattern.clone()), ..Default::default() };
        let _ = targets.select(&[ModuleName { path: "a.b.0.ab".to_owned(), kind: Kind::Linear }]);
        let config = AdapterConfig { rank_pattern: IndexMap::from([(pattern, 3)]), ..Default::default() };
        if let Ok(rank) = config.rank_of("a.b.0.ab") {
            prop_assert!(rank == 3 || rank == 8);
        }
    }

    #[test]
    fn a_damaged_configuration_is_read_or_refused(
        which in 0_usize..ALL.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let path = fixtures().join("adapters").join(ALL[which]).join("adapter_config.json");
        let mut text = std::fs::read(&path).unwrap();
        for (at, byte) in edits {
            let at = at.index(text.len());
            text[at] = byte;
        }
        if let Ok(json) = serde_json::from_slice::<Value>(&text)
            && let Ok(config) = AdapterConfig::parse(&path, &json)
        {
            // What was accepted is written in a form that is accepted.
            let again = AdapterConfig::parse(&path, &config.to_json()).unwrap();
            prop_assert_eq!(again.rank, config.rank);
            prop_assert_eq!(again.alpha, config.alpha);
        }
    }

    #[test]
    fn damaged_tensors_are_read_or_refused(
        which in 0_usize..ALL.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let source = fixtures().join("adapters").join(ALL[which]);
        let folder = TempDir::new().unwrap();
        std::fs::copy(source.join("adapter_config.json"), folder.path().join("adapter_config.json")).unwrap();
        let mut bytes = std::fs::read(source.join("adapter_model.safetensors")).unwrap();
        for (at, byte) in edits {
            // The header, where damage does most.
            let at = at.index(bytes.len().min(400));
            bytes[at] = byte;
        }
        std::fs::write(folder.path().join("adapter_model.safetensors"), bytes).unwrap();
        if let Ok(adapter) = Adapter::open(folder.path()) {
            let expected = json_of(&source.join("expected.json"));
            let _ = adapter.check(&Shapes::new(&expected["base"]));
        }
    }
}
