//! Shapes that do not fit together.

use rankine_tensor::{
    Tensor,
    ops::{self, Activation, Convolution},
};
use std::sync::Arc;

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
