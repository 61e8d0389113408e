//! Work that breaks off and goes on: what is finished is not made again, and the end is the same.

use crate::common::{base, names, on, random_lora};
use rankine_checkpoint::adapter::{Selection, Targets};
use rankine_checkpoint::{Checkpoint, Existing, Opened};
use rankine_linalg::Truncation;
use rankine_surgery::{
    BlendRecipe, Blending, Changed, Compression, Error, Extent, Ingredient, LowRank, Progress, Resume, Stage,
    Subject, Watch, WriteOptions, merge, rewrite, unfinished_bytes,
};
use rankine_testkit::tiny::{self, TinyLlama};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Writes something, and reports.
type Work<'w> = dyn Fn(&Path, &WriteOptions, &mut Watch) -> Result<String, Error> + 'w;

fn options(again: bool) -> WriteOptions {
    let settings = [("rank".to_owned(), "4".to_owned())].into();
    WriteOptions { shard_bytes: 20_000, resume: Some(Resume { again, settings }), ..WriteOptions::default() }
}

/// Where `target` is constructed.
fn partial(target: &Path) -> PathBuf {
    target.with_file_name(format!(".{}.partial", target.file_name().unwrap().to_str().unwrap()))
}

/// Breaks off as soon as two files are finished; the error, and the bytes that were done.
fn break_off(work: &Work<'_>, target: &Path) -> (Error, u64) {
    let mut reached = 0;
    let mut watch = |progress: Progress| {
        let is_second = |name: &String| name.starts_with("model-00002") && name.ends_with(".safetensors");
        let folder = partial(target);
        if folder.is_dir() && names(&folder).iter().any(is_second) {
            reached = progress.done;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    };
    let error = work(target, &options(false), &mut watch).unwrap_err();
    (error, reached)
}

fn assert_same_files(one: &Path, other: &Path) {
    assert_eq!(names(one), names(other));
    for name in names(one) {
        assert!(
            std::fs::read(one.join(&name)).unwrap() == std::fs::read(other.join(&name)).unwrap(),
            "{name}"
        );
    }
}

/// The end is what it would have been, and what was finished is passed over.
fn assert_resumes(work: &Work<'_>) {
    let root = TempDir::new().unwrap();
    let [whole, target] = ["whole", "target"].map(|name| root.path().join(name));
    let without = WriteOptions { resume: None, ..options(false) };
    let expected = work(&whole, &without, &mut on).unwrap();
    let (error, reached) = break_off(work, &target);
    let hint = error.hint().unwrap();
    assert!(hint.contains(".target.partial") && hint.contains("--resume"), "{hint}");
    let Error::Unfinished { folder, files: 2, source } = error else { panic!("{error:?}") };
    assert!(matches!(*source, Error::Interrupted) && folder == partial(&target));
    assert_eq!(names(root.path()), [".target.partial", "whole"]);
    assert!(unfinished_bytes(&target) > reached && reached > 0);
    let mut told = Vec::new();
    let mut watch = |progress: Progress| {
        told.push(progress);
        ControlFlow::Continue(())
    };
    assert_eq!(work(&target, &options(true), &mut watch).unwrap(), expected);
    assert_same_files(&target, &whole);
    assert_eq!(names(root.path()), ["target", "whole"]);
    let resumed = told.iter().find(|progress| progress.stage == Stage::Resuming).unwrap();
    assert!(resumed.done == 2 && 3 < resumed.total, "{resumed:?}");
    let mut written = told.iter().filter(|progress| progress.stage == Stage::Writing);
    assert!(written.all(|progress| reached < progress.done), "{told:?}");
}

#[test]
fn a_merge_goes_on_where_it_broke_off() {
    let base = base("llama_untied");
    let adapter = random_lora(base.tensors(), &["q_proj", "down_proj"]);
    assert_resumes(&|target, options, watch| {
        merge(&base, &adapter, target, options, watch).map(|report| format!("{report:?}"))
    });
}

#[test]
fn a_blend_goes_on_where_it_broke_off() {
    let root = TempDir::new().unwrap();
    let text = "merge_method: ties\nbase_model: base\nmodels:\n  - {model: a, parameters: {weight: 1, density: [0.5, 1]}}\n";
    let recipe = BlendRecipe::parse(text, Path::new("merge.yaml")).unwrap();
    let open = |(seed, reference): (usize, &rankine_surgery::Reference)| {
        let place = root.path().join(&reference.model);
        tiny::llama(&place, &TinyLlama::default(), seed as u64);
        Opened::open(&place).unwrap()
    };
    let opened: Vec<Opened> = recipe.models().iter().enumerate().map(open).collect();
    let ingredients: Vec<Ingredient> =
        opened.iter().map(|opened| Ingredient { subject: Subject::from(opened), adapter: None }).collect();
    let blending = Blending::new(&recipe, &ingredients, 0, &mut on).unwrap();
    assert_resumes(&|target, options, watch| {
        blending.run(target, options, watch).map(|report| format!("{report:?}"))
    });
}

/// A model of which some matrices become factors, and how; the factors of a matrix may lie in two files.
fn assert_compression_resumes(dense: bool) {
    let root = TempDir::new().unwrap();
    tiny::llama(&root.path().join("model"), &TinyLlama { biases: true, ..TinyLlama::default() }, 3);
    let model = Checkpoint::open(root.path().join("model")).unwrap();
    let method = LowRank { extent: Extent::Rank(4), svd: Truncation::Exact };
    let targets = Targets { modules: Selection::AllLinear, ..Targets::default() };
    let compression = Compression { method: &method, targets, dense, inputs: None };
    assert_resumes(&|target, options, watch| {
        // Factors are few.
        let options = WriteOptions { shard_bytes: if dense { 20_000 } else { 2000 }, ..options.clone() };
        compression.run(Subject::Texts(&model), target, &options, watch).map(|report| format!("{report:?}"))
    });
}

#[test]
fn a_compression_goes_on_where_it_broke_off() {
    assert_compression_resumes(true);
    assert_compression_resumes(false);
}

/// A model to rewrite, beside which the outputs lie.
struct Rewriting {
    root: TempDir,
    model: Checkpoint,
}

impl Rewriting {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        tiny::llama(&root.path().join("model"), &TinyLlama::default(), 3);
        let model = Checkpoint::open(root.path().join("model")).unwrap();
        Self { root, model }
    }

    fn work(&self) -> impl Fn(&Path, &WriteOptions, &mut Watch) -> Result<String, Error> + '_ {
        move |target: &Path, options: &WriteOptions, watch: &mut Watch| {
            rewrite(Subject::Texts(&self.model), target, options, watch).map(|plan| format!("{plan:?}"))
        }
    }

    /// Broken off, at this path.
    fn broken_off(&self) -> PathBuf {
        let target = self.root.path().join("target");
        break_off(&self.work(), &target);
        target
    }

    fn again(&self, options: &WriteOptions) -> Result<String, Error> {
        self.work()(&self.root.path().join("target"), options, &mut on)
    }

    /// What keeps it from going on.
    fn refused(&self, options: &WriteOptions) -> Vec<Changed> {
        let before = names(&partial(&self.root.path().join("target")));
        let error = self.again(options).unwrap_err();
        assert!(error.hint().unwrap().contains("without `--resume`"), "{error}");
        let Error::BegunOtherwise { folder, changes } = error else { panic!("{error:?}") };
        assert_eq!(names(&folder), before);
        changes
    }
}

#[test]
fn a_rewriting_goes_on_where_it_broke_off() {
    assert_resumes(&Rewriting::new().work());
}

#[test]
fn finished_files_are_taken_as_they_are_and_others_made_again() {
    let rewriting = Rewriting::new();
    let target = rewriting.broken_off();
    let finished: Vec<PathBuf> = names(&partial(&target))
        .iter()
        .filter(|name| name.ends_with(".safetensors"))
        .map(|name| partial(&target).join(name))
        .collect();
    let lengths = finished.iter().map(|file| std::fs::metadata(file).unwrap().len());
    let lengths: Vec<u64> = lengths.collect();
    assert_eq!(finished.len(), 2);
    // The first is whole, and would be seen to be another's; the second was cut.
    std::fs::write(&finished[0], vec![7_u8; lengths[0] as usize]).unwrap();
    std::fs::File::options().write(true).open(&finished[1]).unwrap().set_len(lengths[1] - 1).unwrap();
    rewriting.again(&options(true)).unwrap();
    let file = |at: usize| target.join(finished[at].file_name().unwrap());
    assert!(std::fs::read(file(0)).unwrap().iter().all(|byte| *byte == 7));
    assert_eq!(std::fs::metadata(file(1)).unwrap().len(), lengths[1]);
    let whole = rewriting.root.path().join("whole");
    rewriting.work()(&whole, &options(false), &mut on).unwrap();
    assert_eq!(names(&target), names(&whole));
    for name in names(&whole).iter().filter(|name| target.join(name) != file(0)) {
        assert!(
            std::fs::read(whole.join(name)).unwrap() == std::fs::read(target.join(name)).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn a_line_that_is_cut_is_none() {
    let rewriting = Rewriting::new();
    let target = rewriting.broken_off();
    let journal = partial(&target).join("rankine-journal.jsonl");
    let bytes = std::fs::metadata(&journal).unwrap().len();
    std::fs::File::options().write(true).open(&journal).unwrap().set_len(bytes - 3).unwrap();
    let whole = rewriting.root.path().join("whole");
    rewriting.work()(&whole, &options(false), &mut on).unwrap();
    rewriting.again(&options(true)).unwrap();
    assert_same_files(&target, &whole);
}

#[test]
fn other_settings_are_refused() {
    let rewriting = Rewriting::new();
    let target = rewriting.broken_off();
    let mut other = options(true);
    other.resume.as_mut().unwrap().settings.insert("rank".to_owned(), "8".to_owned());
    let (name, before, now) = ("rank".to_owned(), "4".to_owned(), "8".to_owned());
    assert_eq!(rewriting.refused(&other), [Changed::Setting { name, before, now }]);
    let other = WriteOptions { shard_bytes: 30_000, ..options(true) };
    assert_eq!(rewriting.refused(&other), [Changed::Files]);
    rewriting.again(&options(true)).unwrap();
    assert!(target.is_dir());
}

#[test]
fn another_input_is_refused_and_another_version_too() {
    let rewriting = Rewriting::new();
    let target = rewriting.broken_off();
    let read = rewriting.model.path().join("tokenizer.json");
    let text = std::fs::read(&read).unwrap();
    std::fs::write(&read, [&text[..], b"\n"].concat()).unwrap();
    let path = read.canonicalize().unwrap().display().to_string();
    assert_eq!(rewriting.refused(&options(true)), [Changed::Input { path }]);
    let journal = partial(&target).join("rankine-journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let version = format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&version), "{text}");
    std::fs::write(&journal, text.replace(&version, "\"version\":\"0.0.0\"")).unwrap();
    let before = "0.0.0".to_owned();
    assert_eq!(rewriting.refused(&options(true)), [Changed::Version { before }]);
}

#[test]
fn without_resume_it_starts_anew_and_with_nothing_it_starts() {
    let rewriting = Rewriting::new();
    let target = rewriting.broken_off();
    let stray = partial(&target).join("stray");
    std::fs::write(&stray, "").unwrap();
    let mut stages = Vec::new();
    let mut run = |options: &WriteOptions| {
        stages.clear();
        let mut watch = |progress: Progress| {
            stages.push((progress.stage, progress.done));
            ControlFlow::Continue(())
        };
        rewriting.work()(&target, options, &mut watch).unwrap();
        stages.clone()
    };
    assert_eq!(run(&options(false))[0], (Stage::Discarding, 2));
    assert!(!names(&target).contains(&"stray".to_owned()));
    let over = WriteOptions { existing: Existing::Replace, ..options(true) };
    assert_eq!(run(&over)[0], (Stage::Resuming, 0));
    assert_eq!(names(rewriting.root.path()), ["model", "target"]);
}

#[test]
fn what_breaks_off_before_the_first_file_leaves_nothing() {
    let rewriting = Rewriting::new();
    let target = rewriting.root.path().join("deep/target");
    let mut stop = |_: Progress| ControlFlow::Break(());
    let options = WriteOptions { shard_bytes: u64::MAX, ..options(false) };
    let error = rewriting.work()(&target, &options, &mut stop).unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error}");
    assert_eq!(names(rewriting.root.path()), ["model"]);
}

#[test]
fn two_do_not_write_to_one_output() {
    let rewriting = Rewriting::new();
    let target = rewriting.broken_off();
    let journal = std::fs::File::open(partial(&target).join("rankine-journal.jsonl")).unwrap();
    journal.lock().unwrap();
    for again in [false, true] {
        let error = rewriting.again(&options(again)).unwrap_err();
        assert!(matches!(error, Error::Busy { .. }) && error.hint().is_some(), "{error}");
    }
    drop(journal);
    rewriting.again(&options(true)).unwrap();
    // What is not ours is not touched.
    std::fs::create_dir(partial(&target)).unwrap();
    std::fs::write(partial(&target).join("mine"), "mine").unwrap();
    let over = WriteOptions { existing: Existing::Replace, ..options(false) };
    let error = rewriting.again(&over).unwrap_err();
    assert!(matches!(error, Error::PartialIsForeign { .. }) && error.hint().is_some(), "{error}");
    assert_eq!(names(&partial(&target)), ["mine"]);
    std::fs::remove_dir_all(partial(&target)).unwrap();
    std::fs::write(partial(&target), "mine").unwrap();
    let error = rewriting.again(&over).unwrap_err();
    assert!(matches!(error, Error::PartialIsForeign { .. }), "{error}");
    assert_eq!(std::fs::read(partial(&target)).unwrap(), b"mine");
}
