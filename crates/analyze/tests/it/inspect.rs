//! Whole models looked into, from files.

use indexmap::IndexMap;
use rankine_analyze::inspect::{Compute, Finding, Inspection, ModelReport, Part, Spectra, TensorReport};
use rankine_analyze::{Error, Progress};
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{Dtype, Opened, TensorInfo};
use rankine_random::Rng;
use rankine_testkit::tiny::{TinyLlama, TinyType, llama};
use rankine_testkit::{assert_close, fixtures};
use std::ops::ControlFlow;
use std::path::Path;
use tempfile::TempDir;

fn inspected(inspection: &Inspection, model: &Opened) -> ModelReport {
    inspection.run(model, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn report(path: &Path) -> ModelReport {
    inspected(&Inspection::default(), &Opened::open(path).unwrap())
}

fn tiny(model: &TinyLlama) -> TempDir {
    let folder = TempDir::new().unwrap();
    llama(folder.path(), model, 3);
    folder
}

fn tensor<'a>(report: &'a ModelReport, name: &str) -> &'a TensorReport {
    report.tensors.iter().find(|tensor| tensor.name == name).unwrap()
}

/// A file of these tensors.
fn held(tensors: &[(&str, &[usize], Vec<f32>)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let info = |shape: &[usize]| TensorInfo { shape: shape.to_vec(), dtype: Dtype::F32, bytes: 0 };
    let infos: IndexMap<_, _> =
        tensors.iter().map(|(name, shape, _)| ((*name).to_owned(), info(shape))).collect();
    let writer = TensorsWriter::create(&folder.path().join("model.safetensors"), &infos).unwrap();
    tensors.iter().for_each(|(name, _, values)| writer.write(name, values).unwrap());
    writer.finish().unwrap();
    folder
}

fn normals(name: &str, count: usize) -> Vec<f32> {
    Rng::new(9).fork(name).normals(count, 0.1)
}

#[test]
fn a_model_is_told_by_kind_and_layer_and_what_it_costs() {
    let folder = tiny(&TinyLlama { dtype: TinyType::Bf16, ..TinyLlama::default() });
    let report = report(folder.path());
    assert_eq!(report.architecture.as_deref(), Some("llama"));
    assert_eq!(report.storage.keys().collect::<Vec<_>>(), ["BF16"]);
    assert_eq!(report.bytes, 2 * report.parameters);
    let query = tensor(&report, "model.layers.1.self_attn.q_proj.weight");
    assert_eq!(
        (query.kind, query.shape.as_slice(), query.layer.as_ref().unwrap().index),
        (Part::Query, &[32, 32][..], 1)
    );
    assert_eq!(report.kinds[&Part::Query].spectra, 2);
    assert_eq!(report.layers.len(), 2);
    let numbers = query.numbers.as_ref().unwrap();
    let spectrum = query.spectrum.as_ref().unwrap();
    assert_eq!((spectrum.singular_values.len(), spectrum.bound), (32, None));
    assert_close!([10.0_f64.powf(spectrum.log_norm.unwrap())], [numbers.norm.powi(2)], relative = 1e-6);
    assert!((numbers.deviation - 0.15).abs() < 0.02 && numbers.not_finite == 0, "{numbers:?}");
    // Two layers of 32·(32 + 16 + 16 + 32 + 3·64) numbers, and the table as the head.
    let matrices = 2 * 32 * (32 + 16 + 16 + 32 + 3 * 64) + 32 * 259;
    let (operations_per_token, cache_bytes_per_token) = (2 * matrices, Some(2 * 2 * 2 * 8 * 2));
    assert_eq!(report.compute, Compute::Token { operations_per_token, cache_bytes_per_token });
    let map = report.map();
    assert_eq!(map.rows, ["0", "1"]);
    assert_eq!((map.columns.len(), map.cells.iter().flatten().count()), (7, 14));
    let at = map.columns.iter().position(|column| *column == "query").unwrap();
    assert_eq!(map.cells[7 + at].unwrap().name, query.name);
}

#[test]
fn shards_and_threads_make_no_difference() {
    let whole = report(tiny(&TinyLlama::default()).path());
    let sharded = report(tiny(&TinyLlama { shards: 3, ..TinyLlama::default() }).path());
    // In one order, whatever that of the files.
    assert_eq!(sharded, whole);
    let folder = tiny(&TinyLlama::default());
    let model = Opened::open(folder.path()).unwrap();
    let leading = Inspection { spectra: Spectra::Leading(4), ..Inspection::default() };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| [inspected(&leading, &model), inspected(&Inspection::default(), &model)])
    };
    let (one, two) = (on(1), on(2));
    assert_eq!(one, two);
    assert_eq!(one[1], whole);
    let query = tensor(&one[0], "model.layers.0.self_attn.q_proj.weight").spectrum.as_ref().unwrap();
    assert!(query.singular_values.len() == 4 && query.bound.is_some() && query.effective_rank.is_none());
}

#[test]
fn blocks_of_ggml_are_widened() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../checkpoint/tests/fixtures/gguf/tiny-llama.gguf");
    let model = Opened::open(&path).unwrap();
    let report = inspected(&Inspection::default(), &model);
    assert!(report.storage.keys().any(|dtype| dtype == "Q8_0") && 5 < report.storage.len());
    for found in &report.tensors {
        let mut values = vec![0.0; found.parameters as usize];
        model.tensors().read_into(&found.name, &mut values).unwrap();
        let squares: f64 = values.iter().map(|&x| f64::from(x).powi(2)).sum();
        let numbers = found.numbers.as_ref().unwrap();
        assert_close!([numbers.norm], [squares.sqrt()], relative = 1e-12, "{}", found.name);
        if let Some(spectrum) = &found.spectrum {
            let energy: f64 = spectrum.singular_values.iter().map(|&s| f64::from(s).powi(2)).sum();
            assert_close!([energy], [squares], relative = 1e-5, "{}", found.name);
        }
    }
}

#[test]
fn images_have_convolutions_and_a_head() {
    let report = report(&fixtures::path("images/resnet"));
    let head = tensor(&report, "fc.weight");
    // At the size of the image 9·4 and four times 9·16 numbers, at half of it 32·27 + 32, at a quarter 128·27 + 128.
    let (operations_per_pixel, operations_of_head) = (2.0 * (612.0 + 896.0 / 4.0 + 3584.0 / 16.0), 2 * 48);
    assert_eq!(report.compute, Compute::Pixel { operations_per_pixel, operations_of_head });
    assert_eq!((head.kind, &head.layer), (Part::Head, &None));
    let inner = tensor(&report, "layer1.0.conv1.weight");
    let [out, rest] = [inner.shape[0], inner.shape[1..].iter().product::<usize>()];
    assert_eq!((inner.kind, inner.slot.as_str()), (Part::Convolution, "conv1"));
    assert_eq!(inner.spectrum.as_ref().unwrap().singular_values.len(), out.min(rest));
    let map = report.map();
    assert!(map.rows.contains(&"layer1.0".to_owned()) && map.columns.contains(&"conv1"), "{:?}", map.rows);
}

#[test]
fn what_reads_images_of_one_size_is_told_by_them() {
    // Nine patches of 4 × 4 and one row more, two blocks of width 16 and 24, three classes.
    let vit = report(&fixtures::path("images/vit"));
    let blocks = 2 * (4 * 16 * 16 + 2 * 16 * 24);
    let attention = 2 * 4 * 10 * 10 * 16;
    let operations_per_image = 2 * (9 * 16 * 16 + 10 * blocks + 3 * 16) + attention;
    assert_eq!(vit.compute, Compute::Image { operations_per_image, image_size: Some([12, 12]) });
    // Four maps of 12 × 12 by 5 × 5 taps, pooled; six of 4 × 4 by 4·3·3; 24 numbers, eight, three classes.
    let lenet = report(&fixtures::path("images/lenet"));
    let operations_per_image = 2 * (4 * 144 * 25 + 6 * 16 * 36 + 24 * 8 + 8 * 3);
    assert_eq!(lenet.compute, Compute::Image { operations_per_image, image_size: Some([12, 12]) });
}

#[test]
fn leading_spectra_are_told_as_such() {
    let tensors = [("a.weight", 1.0), ("b.weight", 0.0)].map(|(name, scale)| {
        (name, &[40, 50][..], normals(name, 2000).into_iter().map(|x| x * scale).collect())
    });
    let folder = held(&tensors);
    let model = Opened::open(folder.path()).unwrap();
    let leading = Inspection { spectra: Spectra::Leading(5), ..Inspection::default() };
    let report = inspected(&leading, &model);
    let [Finding::Leading { tensors, bound }] = &report.findings[1..] else {
        panic!("{:?}", report.findings)
    };
    let spectrum = tensor(&report, "a.weight").spectrum.as_ref().unwrap();
    assert_eq!((tensors.len(), *bound), (2, spectrum.bound.unwrap() / spectrum.spectral_norm));
    assert!(0.1 < *bound && *bound < 2.0 && spectrum.tail.is_none());
    assert!(matches!(report.compute, Compute::Unknown { .. }));
    let report = inspected(&Inspection::default(), &model);
    assert!(!report.findings.iter().any(|finding| matches!(finding, Finding::Leading { .. })));
}

#[test]
fn what_is_damaged_or_odd_is_found() {
    let mut broken = normals("broken", 60);
    broken[7] = f32::NAN;
    let mut dead = normals("dead", 60);
    dead[10..20].fill(0.0);
    let twin = normals("twin", 60);
    let mut tensors = vec![
        ("broken.weight".to_owned(), broken),
        ("dead.weight".to_owned(), dead),
        ("zero.weight".to_owned(), vec![0.0; 60]),
        ("vast.weight".to_owned(), vec![f32::MAX; 60]),
        ("twin_a.weight".to_owned(), twin.clone()),
        ("twin_b.weight".to_owned(), twin),
    ];
    for layer in 0..12 {
        let scale = if layer == 5 { 40.0 } else { 1.0 };
        let name = format!("h.{layer}.mlp.c_fc.weight");
        let values = normals(&name, 60).into_iter().map(|x| x * scale).collect();
        tensors.push((name, values));
    }
    let tensors: Vec<(&str, &[usize], Vec<f32>)> =
        tensors.iter().map(|(name, values)| (name.as_str(), &[6, 10][..], values.clone())).collect();
    let report = report(held(&tensors).path());
    assert!(tensor(&report, "broken.weight").spectrum.is_none());
    assert!(tensor(&report, "vast.weight").spectrum.is_none());
    assert!(tensor(&report, "dead.weight").spectrum.is_some());
    let named = |name: &str| name.to_owned();
    for expected in [
        Finding::NotFinite { tensor: named("broken.weight"), count: 1 },
        Finding::Dead { tensor: named("dead.weight"), rows: 1, columns: 0 },
        Finding::Zero { tensor: named("zero.weight") },
        Finding::Vast { tensor: named("vast.weight"), largest: f64::from(f32::MAX) },
        Finding::Same { first: named("twin_a.weight"), second: named("twin_b.weight") },
    ] {
        assert!(report.findings.contains(&expected), "{expected} not in {:?}", report.findings);
    }
    let large = |finding: &&Finding| matches!(finding, Finding::LargeNorm { .. });
    let large: Vec<&Finding> = report.findings.iter().filter(large).collect();
    let [Finding::LargeNorm { tensor, deviations, .. }] = large[..] else { panic!("{large:?}") };
    assert!(tensor == "h.5.mlp.c_fc.weight" && 6.0 < *deviations);
    let warnings: Vec<bool> = report.findings.iter().map(Finding::is_warning).collect();
    assert!(warnings.is_sorted_by(|one, next| next <= one), "{warnings:?}");
    let notable = report.notable(1);
    assert_eq!((notable[0].tensor.name.as_str(), notable[0].measure), (tensor.as_str(), "spectral norm"));
}

#[test]
fn patterns_choose_and_headers_read_nothing() {
    let folder = tiny(&TinyLlama::default());
    let model = Opened::open(folder.path()).unwrap();
    let inspection =
        |pattern: &str| Inspection { patterns: vec![pattern.to_owned()], ..Inspection::default() };
    let chosen = inspected(&inspection("*.q_proj.weight"), &model);
    assert_eq!((chosen.tensors.len(), chosen.kinds.len()), (2, 1));
    let headers = Inspection::default().headers(&model).unwrap();
    let read = |tensor: &TensorReport| tensor.numbers.is_some() || tensor.spectrum.is_some();
    assert!(!headers.tensors.iter().any(read) && headers.findings.is_empty());
    assert_eq!(headers.compute, inspected(&inspection("*norm*"), &model).compute);
    let error = inspection("q_proj").headers(&model).unwrap_err();
    assert!(
        matches!(&error, Error::NoTensor { instead: Some(pattern), .. } if pattern == "*q_proj*"),
        "{error}"
    );
    let none = Inspection { spectra: Spectra::Leading(0), ..Inspection::default() };
    let error = none.run(&model, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, Error::Setting { name: "rank", .. }), "{error}");
}

#[test]
fn floats_of_eight_bits_are_measured_and_other_types_listed() {
    let report = report(&fixtures::path("float8/model.safetensors"));
    // Of E4M3 two codes are NaN; of E5M2 six are, and two are infinite.
    for (name, dtype, not_finite, largest) in
        [("e4m3.weight", "F8_E4M3", 2, 448.0), ("e5m2.weight", "F8_E5M2", 8, 57344.0)]
    {
        let found = tensor(&report, name);
        let numbers = found.numbers.as_ref().unwrap();
        assert_eq!((found.dtype.as_str(), found.bytes, found.parameters), (dtype, 256, 256));
        assert_eq!((numbers.not_finite, numbers.largest), (not_finite, largest));
    }
    let counts = tensor(&report, "counts");
    assert_eq!((counts.shape.as_slice(), counts.bytes, &counts.numbers), (&[3][..], 6, &None));
    assert!(tensor(&report, "mask").numbers.as_ref().is_some_and(|numbers| numbers.zeros == 12));
    let left = |dtype: &str, name: &str| Finding::NotAnalysed {
        dtype: dtype.to_owned(),
        tensors: vec![name.to_owned()],
    };
    let scales = Finding::Scales { tensors: vec!["e4m3.weight_scale_inv".to_owned()] };
    for expected in [left("U16", "counts"), left("I8", "codes.weight"), left("BOOL", "mask"), scales] {
        assert!(report.findings.contains(&expected), "{expected} not in {:?}", report.findings);
    }
    assert_eq!(left("U16", "counts").to_string(), "not analysed: dtype U16, of `counts`");
}

#[test]
fn a_spectrum_is_that_of_the_numbers_whatever_their_type() {
    let codes: Vec<u8> = (0..20).map(|at| 0x28 + at * 7 % 32 + 128 * (at % 3 % 2)).collect();
    let folder = TempDir::new().unwrap();
    let info = |dtype| TensorInfo { shape: vec![4, 5], dtype, bytes: 0 };
    let written = |name: &str, infos: &IndexMap<String, TensorInfo>, write: &dyn Fn(&TensorsWriter)| {
        let path = folder.path().join(name);
        let writer = TensorsWriter::create(&path, infos).unwrap();
        write(&writer);
        writer.finish().unwrap();
        Opened::open(&path).unwrap()
    };
    let of = |dtype| IndexMap::from([("x.weight".to_owned(), info(dtype))]);
    let narrow = written("narrow.safetensors", &of(Dtype::F8E4M3), &|writer: &TensorsWriter| {
        writer.write_raw("x.weight", &codes).unwrap()
    });
    let mut values = vec![0.0; 20];
    narrow.tensors().read_into("x.weight", &mut values).unwrap();
    let wide = written("wide.safetensors", &of(Dtype::F32), &|writer: &TensorsWriter| {
        writer.write("x.weight", &values).unwrap()
    });
    let spectrum =
        |model: &Opened| inspected(&Inspection::default(), model).tensors[0].spectrum.clone().unwrap();
    assert_eq!(spectrum(&narrow), spectrum(&wide));
    assert!(1.0 < spectrum(&wide).spectral_norm);
}

#[test]
fn an_inspection_can_be_broken_off() {
    let folder = tiny(&TinyLlama::default());
    let model = Opened::open(folder.path()).unwrap();
    let mut heard = Vec::new();
    let found = Inspection::default().run(&model, &mut |progress: Progress| {
        heard.push(progress);
        ControlFlow::Break(())
    });
    assert!(matches!(found, Err(Error::Interrupted)));
    assert!(heard.len() == 1 && 0 < heard[0].done, "{heard:?}");
}
