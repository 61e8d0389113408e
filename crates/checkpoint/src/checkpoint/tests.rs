//! Models in folders and files of every kind.

use super::*;
use serde_json::json;
use tempfile::TempDir;

fn model(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let header = json!({ "model.norm.weight": { "dtype": "F32", "shape": [2], "data_offsets": [0, 8] } });
    let header = format!("{header:88}");
    let numbers = [1.0_f32.to_le_bytes(), 2.0_f32.to_le_bytes()];
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), numbers.as_flattened()].concat();
    std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    std::fs::write(folder.path().join("config.json"), r#"{"model_type": "llama"}"#).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn template(files: &[(&str, &str)]) -> Option<String> {
    let folder = model(files);
    match Checkpoint::open(folder.path()).unwrap().tokenizer_files().unwrap() {
        TokenizerFiles::Json { template, .. } => template,
        TokenizerFiles::Gguf(_) => panic!("a folder has no GGUF vocabulary"),
    }
}

#[test]
fn a_folder_opens_and_reads() {
    let folder = model(&[]);
    let opened = Checkpoint::open(folder.path()).unwrap();
    assert!(opened.contains("model.norm.weight") && !opened.contains("lm_head.weight"));
    assert_eq!(opened.read("model.norm.weight").unwrap(), [1.0, 2.0]);
    let error = opened.read("model.norn.weight").unwrap_err();
    assert!(error.hint().unwrap().contains("`model.norm.weight`"));
    assert!(opened.companions().is_empty());
}

#[test]
fn what_data_parallel_puts_before_all_names_is_taken_off() {
    let folder = model(&[]);
    let path = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let (length, rest) = bytes.split_at(8);
    let (header, numbers) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
    let name = "model.norm.weight";
    let header = String::from_utf8_lossy(header).replace(name, "module.model.norm.weight");
    let length = (header.len() as u64).to_le_bytes();
    std::fs::write(&path, [&length, header.as_bytes(), numbers].concat()).unwrap();
    assert_eq!(Checkpoint::open(folder.path()).unwrap().read(name).unwrap(), [1.0, 2.0]);
}

#[test]
fn a_folder_with_weights_of_torch_opens_and_reads() {
    let folder = model(&[]);
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pickle/tensors_zip.pth");
    std::fs::copy(weights, folder.path().join("pytorch_model.bin")).unwrap();
    let opened = Checkpoint::open(folder.path()).unwrap();
    assert_eq!(opened.read("parameter").unwrap(), [1.5, -2.0]);
    let error = Checkpoint::open(folder.path().join("pytorch_model.bin")).unwrap_err();
    assert!(matches!(error, Error::Undescribed { example: None, .. }), "{error}");
}

#[test]
fn the_chat_template_comes_from_its_own_file_first() {
    let tokenizer = ("tokenizer.json", "{}");
    let string = ("tokenizer_config.json", r#"{"chat_template": "string"}"#);
    let list = r#"{"chat_template": [{"name": "tool_use", "template": "a"},
                  {"name": "default", "template": "b"}]}"#;
    assert_eq!(template(&[tokenizer]), None);
    assert_eq!(template(&[tokenizer, string]).unwrap(), "string");
    assert_eq!(template(&[tokenizer, ("tokenizer_config.json", list)]).unwrap(), "b");
    assert_eq!(template(&[tokenizer, string, ("chat_template.jinja", "file")]).unwrap(), "file");
}

#[test]
fn a_missing_tokenizer_is_named_with_a_way_out() {
    for (files, hint) in [(vec![], "copy"), (vec![("tokenizer.model", "")], "save_pretrained")] {
        let folder = model(&files);
        let error = Checkpoint::open(folder.path()).unwrap().tokenizer_files().unwrap_err();
        assert!(matches!(error, Error::MissingTokenizer { .. }));
        assert!(error.hint().unwrap().contains(hint), "{:?}", error.hint());
    }
}

#[test]
fn a_tokenizer_is_known_before_it_is_read() {
    for (files, there) in [(vec![], false), (vec![("tokenizer.json", "{}")], true)] {
        let opened = Checkpoint::open(model(&files).path()).map(|one| (one.is_gguf(), one.has_tokenizer()));
        assert_eq!(opened.unwrap(), (false, there));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gguf/tiny-llama.gguf");
    let opened = Checkpoint::open(&path).unwrap();
    assert!(opened.is_gguf() && opened.has_tokenizer());
    // The same file, with its list of tokens under another name.
    let mut bytes = std::fs::read(&path).unwrap();
    let key = b"tokenizer.ggml.tokens";
    let at = bytes.windows(key.len()).position(|window| window == key).unwrap();
    bytes[at] = b'x';
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("x.gguf"), bytes).unwrap();
    let opened = Checkpoint::open(folder.path()).unwrap();
    assert!(opened.is_gguf() && !opened.has_tokenizer());
}

#[test]
fn a_path_to_no_model_is_an_error() {
    let folder = model(&[]);
    let empty = TempDir::new().unwrap();
    for path in [
        folder.path().join("nothing"),
        folder.path().join("model.safetensors"),
        folder.path().join("config.json"),
        empty.path().to_owned(),
    ] {
        let Err(error) = Checkpoint::open(&path) else { panic!("{path:?} opened") };
        assert!(error.hint().is_some(), "{error}");
    }
    for name in ["a.gguf", "b.gguf"] {
        std::fs::write(empty.path().join(name), "").unwrap();
    }
    let Err(error) = Checkpoint::open(empty.path()) else { panic!("opened") };
    assert!(error.to_string().contains("several"), "{error}");
}
