//! Ways of making matrices smaller that keep their shape, or look at inputs.

use crate::common::{Held, minus, names, on, read};
use crate::shown::Shown;
use rankine_checkpoint::Checkpoint;
use rankine_checkpoint::adapter::{Selection, Targets};
use rankine_linalg::{Truncation, singular_values};
use rankine_surgery::{
    Compress, Compression, CompressionReport, Error, Extent, Inputs, Levels, LowRank, Monarch, Pattern,
    Prune, Quantize, Score, Subject, SvdActivation, WriteOptions,
};
use rankine_testkit::assert_close;
use rankine_testkit::tiny::{self, TinyLlama};
use tempfile::TempDir;

struct Bench {
    root: TempDir,
    model: Checkpoint,
}

impl Bench {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        tiny::llama(&root.path().join("model"), &TinyLlama::default(), 3);
        let model = Checkpoint::open(root.path().join("model")).unwrap();
        Self { root, model }
    }

    fn run(
        &self,
        from: &Checkpoint,
        method: &dyn Compress,
        inputs: Option<&dyn Inputs>,
        name: &str,
    ) -> Result<(Checkpoint, CompressionReport), Error> {
        let targets = Targets { modules: Selection::AllLinear, ..Targets::default() };
        let (compression, target) =
            (Compression { method, targets, dense: true, inputs }, self.root.path().join(name));
        let options = WriteOptions::default();
        let report = compression.run(Subject::Texts(from), &target, &options, &mut on)?;
        Ok((Checkpoint::open(target).unwrap(), report))
    }

    fn done(&self, method: &dyn Compress, inputs: Option<&dyn Inputs>, name: &str) -> Checkpoint {
        self.run(&self.model, method, inputs, name).unwrap().0
    }

    fn matrices(&self) -> Vec<(String, [usize; 2])> {
        let infos = self.model.tensors().infos().iter();
        let linear = infos.filter(|(name, _)| name.contains("_proj."));
        linear.map(|(name, info)| (name.clone(), [info.shape[0], info.shape[1]])).collect()
    }
}

fn squares(values: impl IntoIterator<Item = f32>) -> f64 {
    values.into_iter().map(|x| f64::from(x).powi(2)).sum()
}

fn magnitude(pattern: Pattern) -> Prune {
    Prune { pattern, score: Score::Magnitude }
}

fn wanda(pattern: Pattern) -> Prune {
    Prune { pattern, score: Score::Wanda }
}

#[test]
fn two_of_every_four_stay_and_they_are_the_largest() {
    let bench = Bench::new();
    let pruned = bench.done(&magnitude(Pattern::TWO_OF_FOUR), None, "pruned");
    for (name, _) in bench.matrices() {
        let (before, after) = (read(bench.model.tensors(), &name), read(pruned.tensors(), &name));
        for (before, after) in before.chunks(4).zip(after.chunks(4)) {
            let (kept, gone): (Vec<usize>, Vec<usize>) = (0..4).partition(|&at| after[at] != 0.0);
            assert_eq!(gone.len(), 2, "{name}");
            assert!(kept.iter().all(|&at| after[at] == before[at]), "{name}");
            let least = kept.iter().map(|&at| before[at].abs()).fold(f32::INFINITY, f32::min);
            assert!(gone.iter().all(|&at| before[at].abs() <= least), "{name}");
        }
    }
    // No matrix has rows of five or seven.
    let sevens = magnitude(Pattern::Groups { keep: 3, of: 7 });
    let error = bench.run(&bench.model, &sevens, None, "none").unwrap_err();
    assert!(matches!(error, Error::NotSmaller { matrices: 14 }), "{error}");
}

#[test]
fn wanda_weighs_by_the_inputs() {
    let bench = Bench::new();
    let (even, shown) = (Shown::even(bench.model.tensors()), Shown::random(bench.model.tensors(), 40));
    for (at, pattern) in [Pattern::Rows(0.4), Pattern::TWO_OF_FOUR].into_iter().enumerate() {
        let by =
            |method: &dyn Compress, inputs, name: &str| bench.done(method, inputs, &format!("{name}{at}"));
        let plain = by(&magnitude(pattern), None, "plain");
        let alike = by(&wanda(pattern), Some(&even as &dyn Inputs), "even");
        let weighed = by(&wanda(pattern), Some(&shown as &dyn Inputs), "weighed");
        for (name, [_, inputs]) in bench.matrices() {
            let [plain, alike, weighed] =
                [&plain, &alike, &weighed].map(|model| read(model.tensors(), &name));
            assert_eq!(plain, alike, "{name}: inputs of one length");
            assert_ne!(plain, weighed, "{name}");
            let before = read(bench.model.tensors(), &name);
            let (_, x) = shown.rows(name.strip_suffix(".weight").unwrap());
            let length = |j: usize| squares(x.iter().skip(j).step_by(inputs).copied()).sqrt();
            let (group, zeros) = match pattern {
                Pattern::Rows(share) => (inputs, (share * inputs as f64).round() as usize),
                Pattern::Groups { keep, of } => (of, of - keep),
            };
            for start in (0..before.len()).step_by(group) {
                let score = |at: &usize| f64::from(before[*at].abs()) * length(at % inputs);
                let (kept, gone): (Vec<usize>, Vec<usize>) =
                    (start..start + group).partition(|&at| weighed[at] != 0.0);
                assert_eq!(gone.len(), zeros, "{name}");
                let least = kept.iter().map(score).fold(f64::INFINITY, f64::min);
                assert!(gone.iter().map(score).all(|score| score <= least * (1.0 + 1e-6)), "{name}");
            }
        }
    }
}

#[test]
fn factors_that_see_the_inputs_answer_more_alike() {
    let bench = Bench::new();
    let (even, shown) = (Shown::even(bench.model.tensors()), Shown::random(bench.model.tensors(), 100));
    let extent = Extent::Rank(5);
    let plain = bench.done(&LowRank { extent, svd: Truncation::Exact }, None, "plain");
    let alike = bench.done(&SvdActivation { extent }, Some(&even), "even");
    let weighed = bench.done(&SvdActivation { extent }, Some(&shown), "weighed");
    for (name, [rows, inputs]) in bench.matrices() {
        let [plain, alike, weighed, before] =
            [&plain, &alike, &weighed, &bench.model].map(|model| read(model.tensors(), &name));
        assert_close!(alike, plain, absolute = 1e-4, "{name}");
        let (_, x) = shown.rows(name.strip_suffix(".weight").unwrap());
        // ‖M·Xᵀ‖², from the inputs themselves.
        let answers = |matrix: &[f32]| -> Vec<f32> {
            let answer = |row: &[f32], x: &[f32]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
            matrix.chunks(inputs).flat_map(|row| x.chunks(inputs).map(move |x| answer(row, x))).collect()
        };
        let left = |after: &[f32]| squares(answers(&minus(&before, after)));
        let s = singular_values(&answers(&before), rows, x.len() / inputs).unwrap();
        let tail = squares(s[5..].iter().copied());
        assert_close!([left(&weighed)], [tail], relative = 1e-3, "{name}");
        assert!(tail < left(&plain), "{name}");
    }
}

#[test]
fn a_randomised_svd_is_nearly_as_good() {
    let bench = Bench::new();
    let run = |svd, name: &str| {
        let method = LowRank { extent: Extent::Rank(5), svd };
        bench.run(&bench.model, &method, None, name).unwrap().1.relative.unwrap()
    };
    let exact = run(Truncation::Exact, "exact");
    let near = run(Truncation::randomized(0), "randomized");
    assert!((exact..exact * 1.01).contains(&(near + 1e-7)), "{near}, {exact}");
}

#[test]
fn monarch_matrices_are_what_is_left_of_every_block() {
    let bench = Bench::new();
    for blocks in [2, 4] {
        let method = Monarch { blocks };
        let (nearest, report) = bench.run(&bench.model, &method, None, &format!("monarch{blocks}")).unwrap();
        for (matrix, (name, [rows, columns])) in report.matrices.iter().zip(bench.matrices()) {
            assert_eq!(name, format!("{}.weight", matrix.module));
            let before = read(bench.model.tensors(), &name);
            let (height, width) = (rows / blocks, columns / blocks);
            let mut lost = 0.0;
            for (k, l) in (0..blocks).flat_map(|k| (0..blocks).map(move |l| (k, l))) {
                let row = |s: usize| &before[(s * blocks + l) * columns + k * width..][..width];
                let block: Vec<f32> = (0..height).flat_map(row).copied().collect();
                let s = singular_values(&block, height, width).unwrap();
                lost += squares(s[height.min(width) / blocks..].iter().copied());
            }
            let left = squares(minus(&before, &read(nearest.tensors(), &name)));
            assert_close!([left], [lost], relative = 1e-4, "{blocks} blocks, {name}");
        }
        // One that is such a matrix already stays what it is.
        let again = bench.run(&nearest, &method, None, &format!("again{blocks}")).unwrap().1;
        assert!(again.relative.unwrap() < 1e-5, "{blocks} blocks: {:?}", again.relative);
    }
    let error = bench.run(&bench.model, &Monarch { blocks: 3 }, None, "three").unwrap_err();
    assert!(matches!(error, Error::NotSmaller { matrices: 14 }), "{error}");
    // Of 8 blocks the narrow matrices have rows for no rank.
    let report = bench.run(&bench.model, &Monarch { blocks: 8 }, None, "eight");
    assert!(matches!(report, Err(Error::NotSmaller { .. })));
}

#[test]
fn rounding_moves_by_half_a_step_at_most_and_once() {
    let bench = Bench::new();
    let pruned = bench.done(&magnitude(Pattern::TWO_OF_FOUR), None, "pruned");
    for (at, (bits, group, levels)) in [
        (2, Some(8), Levels::Symmetric),
        (3, None, Levels::Symmetric),
        (4, Some(12), Levels::Asymmetric),
        (8, None, Levels::Asymmetric),
    ]
    .into_iter()
    .enumerate()
    {
        let method = Quantize { bits, group, levels };
        let rounded = bench.done(&method, None, &format!("rounded{at}"));
        let (again, report) = bench.run(&rounded, &method, None, &format!("again{at}")).unwrap();
        assert!(report.relative.unwrap() < 1e-6, "{method:?}: {:?}", report.relative);
        let zeros = bench.run(&pruned, &method, None, &format!("zeros{at}")).unwrap().0;
        for (name, [_, inputs]) in bench.matrices() {
            let [before, after, again, pruned, zeros] =
                [&bench.model, &rounded, &again, &pruned, &zeros].map(|model| read(model.tensors(), &name));
            assert_close!(again, after, absolute = 1e-5, "{method:?}: {name}");
            assert!(pruned.iter().zip(&zeros).all(|(w, rounded)| *w != 0.0 || *rounded == 0.0), "{name}");
            for (row, after) in before.chunks(inputs).zip(after.chunks(inputs)) {
                let group = group.unwrap_or(inputs);
                for (before, after) in row.chunks(group).zip(after.chunks(group)) {
                    let (low, high) =
                        before.iter().fold((0.0f32, 0.0f32), |(low, high), w| (low.min(*w), high.max(*w)));
                    let (step, most) = match levels {
                        Levels::Symmetric => {
                            let half = (1 << (bits - 1)) - 1;
                            (high.max(-low) / half as f32, 2 * half + 1)
                        }
                        Levels::Asymmetric => {
                            let last = (1 << bits) - 1;
                            ((high - low) / last as f32, last + 1)
                        }
                    };
                    let apart = minus(before, after).iter().fold(0.0f32, |most, x| most.max(x.abs()));
                    assert!(apart <= 0.5001 * step, "{method:?}: {name}: {apart} of {step}");
                    let mut values: Vec<u32> = after.iter().map(|x| (x + 0.0).to_bits()).collect();
                    values.sort_unstable();
                    values.dedup();
                    assert!(values.len() <= most, "{method:?}: {name}: {}", values.len());
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_done_says_why_and_leaves_nothing() {
    let bench = Bench::new();
    let failed = |method: &dyn Compress| bench.run(&bench.model, method, None, "x").err().unwrap();
    let extent = Extent::Rank(2);
    for method in [&SvdActivation { extent } as &dyn Compress, &wanda(Pattern::TWO_OF_FOUR)] {
        let error = failed(method);
        assert!(matches!(error, Error::NoCalibration) && error.hint().is_some(), "{error}");
    }
    let setting = |method: &dyn Compress, expected: &str| {
        let error = failed(method);
        assert!(matches!(error, Error::Setting { name, .. } if name == expected), "{error}");
        assert!(error.hint().is_some(), "{error}");
    };
    setting(&Monarch { blocks: 1 }, "blocks");
    setting(&magnitude(Pattern::Rows(0.0)), "sparsity");
    setting(&magnitude(Pattern::Groups { keep: 4, of: 4 }), "pattern");
    setting(&magnitude(Pattern::Groups { keep: 0, of: 4 }), "pattern");
    for bits in [1, 9] {
        setting(&Quantize { bits, group: None, levels: Levels::Symmetric }, "bits");
    }
    setting(&Quantize { bits: 4, group: Some(0), levels: Levels::Symmetric }, "group size");
    setting(&SvdActivation { extent: Extent::Rank(0) }, "rank");
    let mut some = Held::of(bench.model.tensors());
    some.remove("model.layers.0.self_attn.q_proj.weight");
    let unseen = Shown::random(&some, 3);
    let error = bench.run(&bench.model, &wanda(Pattern::TWO_OF_FOUR), Some(&unseen), "x").err().unwrap();
    assert!(matches!(error, Error::Unseen { .. }) && error.hint().is_some(), "{error}");
    assert_eq!(names(bench.root.path()), ["model"]);
}
