//! What a fused operation is held against.

mod images;
mod layers;
mod products;
mod shapes;
mod tokens;

use rankine_random::Rng;
use rankine_tensor::{Result, Tensor, Var};

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
