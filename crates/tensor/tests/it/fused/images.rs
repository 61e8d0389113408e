//! Operations on images.

use super::{agree, equal};
use rankine_tensor::{
    Tensor, Var,
    ops::{self, Activation, Convolution, plain},
};

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
