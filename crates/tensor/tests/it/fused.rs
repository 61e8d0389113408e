use rankine_random::Rng;
use rankine_tensor::{
    Frozen, Result, Stored, Tensor, Var,
    ops::{self, Activation, Attention, Branch, Convolution, Heads, IGNORED, Rotation, Span, plain},
};
use std::sync::Arc;

type Operation<'a> = &'a dyn Fn(&[Tensor]) -> Result<Tensor>;

/// A value and its gradients with respect to every input, through Σ y∘c with a fixed random c.
fn evaluate(operation: Operation<'_>, inputs: &[(Vec<f32>, Vec<usize>)]) -> (Vec<f32>, Vec<Vec<f32>>) {
    let variables: Vec<Var> =
        inputs.iter().map(|(values, shape)| Var::new(values.clone(), shape).unwrap()).collect();
    let tensors: Vec<Tensor> = variables.iter().map(Var::tensor).collect();
    let y = operation(&tensors).unwrap();
    let direction = Rng::new(99).normals(y.elements(), 1.0);
    let loss = y.mul(&Tensor::new(direction, &y.shape()).unwrap()).unwrap().sum();
    let gradients = loss.backward().unwrap();
    let of = |variable: &Var| gradients.of(variable).map(|tensor| tensor.to_vec()).unwrap_or_default();
    (y.to_vec(), variables.iter().map(of).collect())
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut a.iter().zip(b).map(|(x, y)| f64::from(x - y)));
    difference / norm(&mut b.iter().map(|&y| f64::from(y))).max(1e-6)
}

/// The fused and the plain operation agree; the gradient agrees with central differences along a random direction.
fn agree(name: &str, fused: Operation<'_>, plain: Operation<'_>, shapes: &[&[usize]]) {
    let mut rng = Rng::new(1).fork(name);
    let inputs: Vec<(Vec<f32>, Vec<usize>)> =
        shapes.iter().map(|shape| (rng.normals(shape.iter().product(), 0.7), shape.to_vec())).collect();
    let (y, gradients) = evaluate(fused, &inputs);
    let (expected, oracle) = evaluate(plain, &inputs);
    assert!(distance(&y, &expected) < 2e-5, "{name}: forward {}", distance(&y, &expected));
    for (index, (gradient, expected)) in gradients.iter().zip(&oracle).enumerate() {
        let error = distance(gradient, expected);
        assert!(error < 5e-5, "{name}: gradient of input {index} is off by {error}");
        along_a_line(name, fused, &inputs, index, gradient);
    }
}

fn along_a_line(
    name: &str,
    operation: Operation<'_>,
    inputs: &[(Vec<f32>, Vec<usize>)],
    index: usize,
    gradient: &[f32],
) {
    let direction = Rng::new(5).fork_index(name, index).normals(gradient.len(), 1.0);
    let h = 1e-2;
    let at = |step: f32| {
        let mut moved = inputs.to_vec();
        moved[index].0.iter_mut().zip(&direction).for_each(|(x, d)| *x += step * d);
        let tensors: Vec<Tensor> =
            moved.into_iter().map(|(x, shape)| Tensor::new(x, &shape).unwrap()).collect();
        let y = operation(&tensors).unwrap().to_vec();
        let weights = Rng::new(99).normals(y.len(), 1.0);
        y.iter().zip(&weights).map(|(&y, &c)| f64::from(y) * f64::from(c)).sum::<f64>()
    };
    let slope = (at(h) - at(-h)) / (2.0 * f64::from(h));
    let predicted: f64 = gradient.iter().zip(&direction).map(|(&g, &d)| f64::from(g) * f64::from(d)).sum();
    let size = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt().max(1e-3);
    let error = (slope - predicted).abs() / size;
    assert!(error < 5e-3, "{name}: slope {slope} against {predicted} for input {index}");
}

#[test]
fn linear() {
    for [t, inputs, outputs] in [[1, 5, 3], [7, 16, 9], [33, 40, 24]] {
        let shapes: [&[usize]; 2] = [&[t, inputs], &[outputs, inputs]];
        agree("linear", &|x| ops::linear(&x[0], &x[1]), &|x| plain::linear(&x[0], &x[1]), &shapes);
    }
}

/// The fused and the plain operation agree: for functions with corners, where differences across one say nothing.
fn equal(name: &str, fused: Operation<'_>, plain: Operation<'_>, shapes: &[&[usize]]) {
    let mut rng = Rng::new(1).fork(name);
    let inputs: Vec<(Vec<f32>, Vec<usize>)> =
        shapes.iter().map(|shape| (rng.normals(shape.iter().product(), 0.7), shape.to_vec())).collect();
    let ((y, gradients), (expected, oracle)) = (evaluate(fused, &inputs), evaluate(plain, &inputs));
    assert!(distance(&y, &expected) < 2e-5, "{name}: forward {}", distance(&y, &expected));
    for (index, (gradient, expected)) in gradients.iter().zip(&oracle).enumerate() {
        let error = distance(gradient, expected);
        assert!(error < 5e-5, "{name}: gradient of input {index} is off by {error}");
    }
}

#[test]
fn affine() {
    for [t, inputs, outputs] in [[1, 5, 3], [7, 16, 9], [70, 40, 530]] {
        let shapes: [&[usize]; 3] = [&[t, inputs], &[outputs, inputs], &[outputs]];
        let fused = |x: &[Tensor], f| ops::affine(&x[0], &x[1], &x[2], f);
        let oracle = |x: &[Tensor], f| plain::affine(&x[0], &x[1], &x[2], f);
        let (linear, relu) = (Activation::None, Activation::Relu);
        agree("affine", &|x| fused(x, linear), &|x| oracle(x, linear), &shapes);
        equal("affine, relu", &|x| fused(x, relu), &|x| oracle(x, relu), &shapes);
    }
}

#[test]
fn conv2d() {
    let base = Convolution::default();
    let cases: [(Convolution, [usize; 4], [usize; 4]); 6] = [
        (Convolution { padding: [2, 2], ..base }, [3, 1, 8, 9], [4, 1, 5, 5]),
        (Convolution { padding: [2, 2], ..base }, [2, 16, 7, 8], [32, 16, 5, 5]),
        (Convolution { padding: [1, 0], ..base }, [2, 16, 6, 9], [16, 16, 3, 3]),
        (Convolution { stride: [2, 1], padding: [1, 0], ..base }, [2, 3, 7, 8], [5, 3, 3, 2]),
        (Convolution { groups: 2, padding: [1, 1], ..base }, [2, 4, 5, 5], [6, 2, 3, 3]),
        (Convolution { groups: 4, stride: [2, 2], padding: [1, 1], ..base }, [1, 4, 6, 6], [4, 1, 3, 3]),
    ];
    for (layout, x, w) in cases {
        let shapes: [&[usize]; 3] = [&x, &w, &w[..1]];
        for (activation, pool) in [(Activation::None, 1), (Activation::Relu, 1), (Activation::Relu, 2)] {
            let layout = Convolution { activation, pool, ..layout };
            let fused = |x: &[Tensor]| ops::conv2d(&x[0], &x[1], Some(&x[2]), &layout);
            let oracle = |x: &[Tensor]| plain::conv2d(&x[0], &x[1], Some(&x[2]), &layout);
            let name = format!("{layout:?}");
            if activation == Activation::None {
                agree(&name, &fused, &oracle, &shapes);
                let fused = |x: &[Tensor]| ops::conv2d(&x[0], &x[1], None, &layout);
                equal(&name, &fused, &|x| plain::conv2d(&x[0], &x[1], None, &layout), &shapes[..2]);
            } else {
                equal(&name, &fused, &oracle, &shapes);
            }
        }
    }
}

#[test]
fn max_pool2d() {
    for (window, stride, padding) in
        [([2, 2], [2, 2], [0, 0]), ([3, 3], [2, 2], [1, 1]), ([3, 2], [1, 2], [0, 1])]
    {
        let fused = |x: &[Tensor]| ops::max_pool2d(&x[0], window, stride, padding);
        let oracle = |x: &[Tensor]| plain::max_pool2d(&x[0], window, stride, padding);
        equal("max_pool2d", &fused, &oracle, &[&[2, 3, 7, 8]]);
    }
}

#[test]
fn low_rank_with_a_frozen_weight() {
    for [t, inputs, outputs, rank] in [[1, 5, 3, 1], [7, 16, 9, 4], [40, 48, 64, 16], [9, 64, 32, 5]] {
        let weight = Tensor::new(Rng::new(3).normals(outputs * inputs, 0.3), &[outputs, inputs]).unwrap();
        let shapes: [&[usize]; 3] = [&[t, inputs], &[rank, inputs], &[outputs, rank]];
        let fused = |x: &[Tensor]| {
            ops::low_rank(
                &x[0],
                &weight.clone().into(),
                Branch { a: &x[1], core: None, b: &x[2], scale: 0.5, input: None },
            )
        };
        let oracle = |x: &[Tensor]| {
            plain::low_rank(
                &x[0],
                &weight,
                Branch { a: &x[1], core: None, b: &x[2], scale: 0.5, input: None },
            )
        };
        agree("low_rank", &fused, &oracle, &shapes);
    }
}

#[test]
fn low_rank_with_a_core() {
    let [t, inputs, outputs, left, right] = [7, 16, 9, 3, 4];
    let weight = Tensor::new(Rng::new(3).normals(outputs * inputs, 0.3), &[outputs, inputs]).unwrap();
    for core in [vec![right], vec![left, right]] {
        let left = if core.len() == 1 { right } else { left };
        let shapes: [&[usize]; 5] = [&[t, inputs], &[right, inputs], &core, &[outputs, left], &[t, inputs]];
        for own_input in [false, true] {
            let branch = |x: &[Tensor], f: &dyn Fn(Branch<'_>) -> Result<Tensor>| {
                let input = own_input.then_some(&x[4]);
                let y = f(Branch { a: &x[1], core: Some(&x[2]), b: &x[3], scale: 1.5, input })?;
                // Every input has a gradient.
                y.add(&x[4].sum().scale(0.5).reshape(&[1, 1])?)
            };
            let fused =
                |x: &[Tensor]| branch(x, &|branch| ops::low_rank(&x[0], &weight.clone().into(), branch));
            let oracle = |x: &[Tensor]| branch(x, &|branch| plain::low_rank(&x[0], &weight, branch));
            agree("low_rank core", &fused, &oracle, &shapes);
        }
    }
}

/// Factors that are not trained, as a diagonal between frozen bases has them.
#[test]
fn constants_of_a_branch_get_no_gradient() {
    let tensor = |seed, shape: &[usize]| {
        Tensor::new(Rng::new(seed).normals(shape.iter().product(), 0.5), shape).unwrap()
    };
    let (x, w, a, b) = (tensor(1, &[5, 6]), tensor(2, &[4, 6]), tensor(3, &[2, 6]), tensor(4, &[4, 2]));
    let core = Var::from_tensor(&tensor(5, &[2]));
    let run = |f: &dyn Fn(Branch<'_>) -> Result<Tensor>| {
        let core_tensor = core.tensor();
        let branch = Branch { a: &a, core: Some(&core_tensor), b: &b, scale: 2.0, input: None };
        f(branch).unwrap().sum().backward().unwrap().of(&core).unwrap().to_vec()
    };
    let found = run(&|branch| ops::low_rank(&x, &w.clone().into(), branch));
    let expected = run(&|branch| plain::low_rank(&x, &w, branch));
    assert!(distance(&found, &expected) < 1e-5, "{found:?} {expected:?}");
}

#[test]
fn low_rank_with_another_branch_input() {
    let weight = Tensor::new(Rng::new(3).normals(9 * 16, 0.3), &[9, 16]).unwrap();
    let shapes: [&[usize]; 4] = [&[7, 16], &[4, 16], &[9, 4], &[7, 16]];
    let branch = |x: &[Tensor], f: &dyn Fn(Branch<'_>) -> Result<Tensor>| {
        f(Branch { a: &x[1], core: None, b: &x[2], scale: 1.5, input: Some(&x[3]) })
    };
    let fused = |x: &[Tensor]| branch(x, &|branch| ops::low_rank(&x[0], &weight.clone().into(), branch));
    let oracle = |x: &[Tensor]| branch(x, &|branch| plain::low_rank(&x[0], &weight, branch));
    agree("low_rank dropout", &fused, &oracle, &shapes);
}

#[test]
fn rms_norm() {
    for [t, width] in [[1, 3], [6, 16], [11, 70]] {
        let shapes: [&[usize]; 2] = [&[t, width], &[width]];
        let fused = |x: &[Tensor]| ops::rms_norm(&x[0], &x[1], 1e-5);
        agree("rms_norm", &fused, &|x| plain::rms_norm(&x[0], &x[1], 1e-5), &shapes);
    }
}

#[test]
fn layer_norm() {
    for [t, width] in [[2, 8], [6, 16], [11, 70]] {
        let shapes: [&[usize]; 3] = [&[t, width], &[width], &[width]];
        let fused = |x: &[Tensor]| ops::layer_norm(&x[0], &x[1], &x[2], 1e-3);
        agree("layer_norm", &fused, &|x| plain::layer_norm(&x[0], &x[1], &x[2], 1e-3), &shapes);
    }
}

/// A norm that is not trained passes its input's gradient on.
#[test]
fn a_frozen_layer_norm_has_the_gradient_of_its_input() {
    let constant = |seed| Tensor::new(Rng::new(seed).normals(9, 1.0), &[9]).unwrap();
    let (w, b) = (constant(1), constant(2));
    let fused = |x: &[Tensor]| ops::layer_norm(&x[0], &w, &b, 1e-3);
    agree("frozen layer_norm", &fused, &|x| plain::layer_norm(&x[0], &w, &b, 1e-3), &[&[4, 9]]);
}

#[test]
fn batch_norm() {
    for [images, channels, height, width] in [[3, 2, 4, 5], [5, 1, 1, 1], [1, 6, 7, 3]] {
        let shapes: [&[usize]; 3] = [&[images, channels, height, width], &[channels], &[channels]];
        let fused = |x: &[Tensor]| Ok(ops::batch_norm(&x[0], &x[1], &x[2], 1e-1)?.0);
        agree("batch_norm", &fused, &|x| plain::batch_norm(&x[0], &x[1], &x[2], 1e-1), &shapes);
    }
    let maps = Tensor::zeros(&[0, 2, 3, 3]);
    assert!(ops::batch_norm(&maps, &Tensor::zeros(&[2]), &Tensor::zeros(&[2]), 1e-5).is_err());
}

#[test]
fn relu6_lets_through_what_lies_inside() {
    let x = Var::new(vec![-1.0, 0.5, 3.0, 7.0], &[4]).unwrap();
    let y = x.tensor().relu6();
    assert_eq!(y.to_vec(), [0.0, 0.5, 3.0, 6.0]);
    assert_eq!(y.sum().backward().unwrap().of(&x).unwrap().to_vec(), [0.0, 1.0, 1.0, 0.0]);
}

#[test]
fn gelu() {
    agree("gelu", &|x| ops::gelu(&x[0]), &|x| plain::gelu(&x[0]), &[&[7, 33]]);
    agree("gelu_tanh", &|x| ops::gelu_tanh(&x[0]), &|x| plain::gelu_tanh(&x[0]), &[&[7, 33]]);
}

#[test]
fn swiglu() {
    let fused = |x: &[Tensor]| ops::swiglu(&x[0], &x[1]);
    agree("swiglu", &fused, &|x| plain::swiglu(&x[0], &x[1]), &[&[7, 33], &[7, 33]]);
}

#[test]
fn rotate() {
    let size = 8;
    let angles = Rng::new(4).uniforms(20 * size / 2, 3.0);
    let rotation = Rotation {
        size,
        cos: angles.iter().map(|a| a.cos()).collect(),
        sin: angles.iter().map(|a| a.sin()).collect(),
        positions: Arc::from([0, 1, 2, 0, 19]),
    };
    let fused = |x: &[Tensor]| ops::rotate(&x[0], &rotation);
    agree("rotate", &fused, &|x| plain::rotate(&x[0], &rotation), &[&[5, 3 * size]]);
}

#[test]
fn attention_inside_spans() {
    for (heads, lengths, window, causal) in [
        (Heads { query: 4, key_value: 2, size: 16 }, vec![7, 1, 64], None, true),
        (Heads { query: 3, key_value: 1, size: 8 }, vec![70, 5], Some(6), true),
        (Heads { query: 2, key_value: 2, size: 64 }, vec![33], None, true),
        (Heads { query: 4, key_value: 2, size: 16 }, vec![7, 1, 64], None, false),
    ] {
        let t: usize = lengths.iter().sum();
        let starts = lengths.iter().scan(0, |next, &length| Some(std::mem::replace(next, *next + length)));
        let spans = starts
            .zip(&lengths)
            .map(|(start, &length)| Span { queries: start..start + length, keys: start..start + length });
        let layout = Attention { heads, spans: spans.collect(), scale: 0.4, window, causal };
        let key_width = heads.key_value * heads.size;
        let shapes: [&[usize]; 3] = [&[t, heads.query * heads.size], &[t, key_width], &[t, key_width]];
        let fused = |x: &[Tensor]| ops::attention(&x[0], &x[1], &x[2], &layout);
        agree("attention", &fused, &|x| plain::attention(&x[0], &x[1], &x[2], &layout), &shapes);
    }
}

#[test]
fn attention_of_a_continued_text() {
    let heads = Heads { query: 2, key_value: 1, size: 8 };
    let spans = Arc::from([Span { queries: 0..3, keys: 0..10 }]);
    let layout = Attention { heads, spans, scale: 0.3, window: Some(5), causal: true };
    let shapes: [&[usize]; 3] = [&[3, 16], &[10, 8], &[10, 8]];
    let fused = |x: &[Tensor]| ops::attention(&x[0], &x[1], &x[2], &layout);
    agree("cached", &fused, &|x| plain::attention(&x[0], &x[1], &x[2], &layout), &shapes);
    let mut rng = Rng::new(8);
    let [q, k, v] = [48, 80, 80].map(|count| rng.normals(count, 1.0));
    let q = Tensor::new(q, &[3, 16]).unwrap();
    let cached = ops::attention_cached(&q, &k, &v, &layout).unwrap();
    let (k, v) = (Tensor::new(k, &[10, 8]).unwrap(), Tensor::new(v, &[10, 8]).unwrap());
    assert_eq!(cached.to_vec(), ops::attention(&q, &k, &v, &layout).unwrap().to_vec());
}

#[test]
fn losses_of_the_head() {
    for vocabulary in [5, 300, 2500] {
        let targets: Arc<[u32]> = Arc::from([1, IGNORED, 4, 0, vocabulary as u32 - 1]);
        let shapes: [&[usize]; 2] = [&[5, 12], &[vocabulary, 12]];
        let fused = |x: &[Tensor]| ops::losses(&x[0], &x[1], &targets);
        agree("losses", &fused, &|x| plain::losses(&x[0], &x[1], &targets), &shapes);
    }
}

#[test]
fn scores_are_losses_and_most_probable_tokens() {
    let mut rng = Rng::new(6);
    let (x, w) = (rng.normals(4 * 6, 1.0), rng.normals(50 * 6, 1.0));
    let (x, w) = (Tensor::new(x, &[4, 6]).unwrap(), Tensor::new(w, &[50, 6]).unwrap());
    let targets = [3, IGNORED, 7, 49];
    let scored = ops::score(&x, &w, &targets).unwrap();
    assert_eq!(scored.losses, ops::losses(&x, &w, &Arc::from(targets)).unwrap().to_vec());
    let logits = x.matmul(&w.t().unwrap()).unwrap().to_vec();
    for (row, &token) in scored.greedy.iter().enumerate().filter(|&(row, _)| targets[row] != IGNORED) {
        let best = logits[row * 50..][..50].iter().copied().fold(f32::MIN, f32::max);
        assert!((logits[row * 50 + token as usize] - best).abs() < 1e-5);
    }
}

#[test]
fn embedding_adds_rows_of_repeated_ids() {
    let ids: Arc<[u32]> = Arc::from([2, 0, 2]);
    let oracle = |x: &[Tensor]| {
        let mut chosen = vec![0.0; 3 * 4];
        ids.iter().enumerate().for_each(|(row, &id)| chosen[row * 4 + id as usize] = 1.0);
        Tensor::new(chosen, &[3, 4])?.matmul(&x[0])
    };
    agree("embedding", &|x| ops::embedding(&x[0], &ids), &oracle, &[&[4, 5]]);
}

#[test]
fn wrong_shapes_are_errors() {
    let x = Tensor::zeros(&[2, 3]);
    assert!(ops::linear(&x, &Tensor::zeros(&[4, 5])).is_err());
    assert!(ops::affine(&x, &Tensor::zeros(&[4, 3]), &Tensor::zeros(&[3]), Activation::None).is_err());
    let maps = Tensor::zeros(&[1, 2, 4, 4]);
    let layout = Convolution::default();
    assert!(ops::conv2d(&maps, &Tensor::zeros(&[3, 1, 3, 3]), None, &layout).is_err());
    assert!(ops::conv2d(&maps, &Tensor::zeros(&[3, 2, 5, 3]), None, &layout).is_err());
    assert!(ops::conv2d(&maps, &Tensor::zeros(&[3, 2, 3, 3]), Some(&x), &layout).is_err());
    assert!(ops::max_pool2d(&x, [2, 2], [2, 2], [0, 0]).is_err());
    assert!(ops::max_pool2d(&maps, [2, 2], [2, 2], [2, 0]).is_err());
    assert!(ops::rms_norm(&x, &Tensor::zeros(&[2]), 1e-5).is_err());
    let [long, short] = [3, 2].map(|width| Tensor::zeros(&[width]));
    assert!(ops::layer_norm(&x, &long, &short, 1e-5).is_err());
    assert!(ops::swiglu(&x, &Tensor::zeros(&[3, 2])).is_err());
    assert!(ops::embedding(&x, &Arc::from([2])).is_err());
    assert!(ops::losses(&x, &Tensor::zeros(&[4, 3]), &Arc::from([0, 4])).is_err());
    assert!(x.add(&Tensor::zeros(&[3, 2])).is_err());
    assert!(x.narrow(1, 2, 2).is_err());
    assert!(x.reshape(&[7]).is_err());
    assert!(Tensor::new(vec![0.0; 3], &[2]).is_err());
}

#[test]
fn a_stored_matrix_counts_as_the_numbers_it_holds() {
    let (columns, rows) = (24, 70);
    let values = Rng::new(4).normals(rows * columns, 1.0);
    let stored = Frozen::from(Stored::bf16(&values, rows, columns));
    let wide = stored.tensor();
    let targets: Arc<[u32]> = Arc::from([1, IGNORED, 4, 69, 0, 7, 7, 2, 3]);
    let x: &[usize] = &[9, columns];
    agree("frozen linear", &|x| ops::frozen_linear(&x[0], &stored), &|x| plain::linear(&x[0], &wide), &[x]);
    let losses = |x: &[Tensor]| ops::frozen_losses(&x[0], &stored, &targets);
    agree("frozen losses", &losses, &|x| plain::losses(&x[0], &wide, &targets), &[x]);
    let branch = |x: &[Tensor], then: &dyn Fn(Branch<'_>) -> Result<Tensor>| {
        then(Branch { a: &x[1], core: None, b: &x[2], scale: 0.5, input: None })
    };
    let fused = |x: &[Tensor]| branch(x, &|branch| ops::low_rank(&x[0], &stored, branch));
    let oracle = |x: &[Tensor]| branch(x, &|branch| plain::low_rank(&x[0], &wide, branch));
    agree("frozen low rank", &fused, &oracle, &[x, &[3, columns], &[rows, 3]]);
    let x = Tensor::new(Rng::new(5).normals(9 * columns, 1.0), &[9, columns]).unwrap();
    let (found, expected) = (ops::frozen_score(&x, &stored, &targets), ops::score(&x, &wide, &targets));
    assert_eq!(found.unwrap().greedy, expected.unwrap().greedy);
    let ids: Arc<[u32]> = Arc::from([2, 69, 2]);
    let picked = ops::frozen_rows(&stored, &ids).unwrap();
    assert_eq!(picked.to_vec(), ops::embedding(&wide, &ids).unwrap().to_vec());
    assert!(ops::frozen_rows(&stored, &Arc::from([70])).is_err());
    assert!(ops::frozen_linear(&x, &Frozen::from(Stored::bf16(&values, columns, rows))).is_err());
}

#[test]
fn a_product_taken_away_in_one_pass() {
    let tensor = |shape: &[usize], seed| {
        Tensor::new(Rng::new(seed).normals(shape.iter().product(), 1.0), shape).unwrap()
    };
    let (w, b, a) = (tensor(&[40, 24], 1), tensor(&[40, 3], 2), tensor(&[3, 24], 3));
    let expected = w.sub(&b.matmul(&a).unwrap().scale(0.75)).unwrap();
    let found = w.minus_product(&b, &a, 0.75).unwrap();
    assert!(distance(&found.to_vec(), &expected.to_vec()) < 1e-6);
    assert!(w.minus_product(&a, &b, 1.0).is_err());
}

/// What a backward pass makes again, rather than keeps, is what was there: normed rows and gated units that others read.
#[test]
fn operations_read_the_same_numbers_in_the_backward_pass() {
    let chain = |normed: &dyn Fn(&Tensor, &Tensor) -> Result<Tensor>,
                 gated: &dyn Fn(&Tensor, &Tensor) -> Result<Tensor>,
                 inputs: &[Tensor]| {
        let [x, w, gate, up, a, b] = inputs else { panic!("six inputs") };
        let normed = normed(x, w)?;
        let inner = gated(&ops::linear(&normed, gate)?, &ops::linear(&normed, up)?)?;
        let branch = Branch { a, core: None, b, scale: 0.5, input: None };
        ops::low_rank(&inner, &Frozen::from(Tensor::new(vec![0.25; 3 * 7], &[3, 7])?), branch)
    };
    agree(
        "chain",
        &|inputs| chain(&|x, w| ops::rms_norm(x, w, 1e-5), &ops::swiglu, inputs),
        &|inputs| chain(&|x, w| plain::rms_norm(x, w, 1e-5), &plain::swiglu, inputs),
        &[&[9, 5], &[5], &[7, 5], &[7, 5], &[2, 7], &[3, 2]],
    );
}
