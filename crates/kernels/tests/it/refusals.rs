//! Slices of a wrong length are refused by name, in release builds too.

use rankine_kernels::adamw::AdamW;
use rankine_kernels::attention::{Attention, Heads, Span};
use rankine_kernels::cross_entropy::Head;
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_kernels::low_rank::{Core, LowRank};
use rankine_kernels::skinny::Packed;
use rankine_kernels::{columns, gelu::Gelu, layer_norm, norm, rope, sturm, swiglu};

fn refused(work: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = std::panic::catch_unwind(work).unwrap_err();
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

#[test]
fn products() {
    let x = [0.0; 12];
    assert!(refused(|| assert!(Matrix::new(&[0.0; 5], 2, 3).rows > 0)).contains("[2, 3]"));
    let a = Matrix::new(&x, 3, 4);
    assert!(refused(|| matmul(&mut [0.0; 9], a, a, 1.0, false)).contains("length of the product"));
    assert!(refused(|| matmul(&mut [0.0; 12], a, a, 1.0, false)).contains("inner sizes"));
    let long = Matrix { data: &x, rows: 4, columns: 4, row_stride: 3, column_stride: 1 };
    assert!(refused(|| matmul(&mut [0.0; 16], long, long, 1.0, false)).contains("shorter than its [4, 4]"));
    assert!(refused(|| drop(Packed::new(long))).contains("shorter than its [4, 4]"));
    assert!(refused(|| drop(Packed::new(a).product(&x, 3))).contains("length of a [3, 3] factor"));
    let wrapping = Matrix { data: &x, rows: 3, columns: 3, row_stride: usize::MAX, column_stride: 1 };
    assert!(refused(|| matmul(&mut [0.0; 9], wrapping, wrapping, 1.0, false)).contains("shorter"));
    let layer = LowRank {
        weight: x.as_slice().into(),
        a: &[0.0; 4],
        core: Core::None,
        b: &[0.0; 3],
        scale: 1.0,
        inputs: 4,
        outputs: 3,
        ranks: [1; 2],
    };
    assert!(refused(|| layer.forward(&x, &x, &mut [0.0; 9], &mut [0.0; 2])).contains("projected"));
    let layer = LowRank { core: Core::Diagonal(&x[..2]), ..layer };
    assert!(refused(|| layer.forward(&x, &x, &mut [0.0; 9], &mut [0.0; 3])).contains("shape of the core"));
}

#[test]
fn rows() {
    let w = [1.0; 4];
    assert!(
        refused(|| norm::rms_norm(&[0.0; 9], &w, 1.0, &mut [0.0; 9], &mut [0.0; 2]))
            .contains("length of rows")
    );
    assert!(refused(|| swiglu::swiglu(&w, &w, &mut [0.0; 3])).contains("differ in length"));
    let normed = |b: &[f32]| layer_norm::layer_norm(&[0.0; 8], &w, b, 1.0, &mut [0.0; 8], &mut [[0.0; 2]; 2]);
    assert!(refused(|| normed(&[0.0; 3])).contains("norm's bias"));
    assert!(refused(|| Gelu::Tanh.forward(&w, &mut [0.0; 3])).contains("differ in length"));
    let table = [1.0; 4];
    assert!(
        refused(|| rope::rotate(&mut [0.0; 8], &[0, 2], 4, &table, &table, false)).contains("position 2")
    );
    assert!(refused(|| rope::rotate(&mut [0.0; 6], &[0, 1], 3, &table, &table, false)).contains("even"));
    assert!(
        refused(|| rope::rotate(&mut [0.0; 6], &[0, 1], 4, &table, &table, false)).contains("heads of 4")
    );
    let step =
        || AdamW::default().update(1, 0.1, 0.0, &mut [0.0; 2], &[0.0; 3], &mut [0.0; 2], &mut [0.0; 2]);
    assert!(refused(step).contains("AdamW"));
    let zeroth = || AdamW::default().update(0, 0.1, 0.0, &mut [], &[], &mut [], &mut []);
    assert!(refused(zeroth).contains("from 1"));
}

#[test]
fn attention_and_head() {
    let layout = |spans: &[Span], heads: Heads, rows: usize| {
        let x = vec![0.0; rows * heads.query * heads.size];
        let (mut out, mut sums) = (x.clone(), vec![0.0; rows * heads.query]);
        let attention = Attention { heads, spans, scale: 1.0, window: None, causal: true };
        let k = vec![0.0; rows * heads.key_value * heads.size];
        refused(std::panic::AssertUnwindSafe(|| attention.forward(&x, &k, &k, &mut out, &mut sums)))
    };
    let heads = Heads { query: 2, key_value: 1, size: 4 };
    let span = |queries, keys| Span { queries, keys };
    assert!(layout(&[], Heads { query: 3, key_value: 2, size: 4 }, 5).contains("do not share"));
    assert!(layout(&[span(0..6, 0..5)], heads, 5).contains("of 5 queries"));
    assert!(layout(&[span(0..4, 0..9)], heads, 5).contains("of 5 keys"));
    assert!(layout(&[span(0..4, 0..3)], heads, 5).contains("4 queries but 3 keys"));
    assert!(layout(&[span(2..4, 0..3), span(0..1, 0..1)], heads, 5).contains("out of order"));
    let head = Head { weight: [0.0; 6].as_slice().into(), vocabulary: 3, width: 2 };
    assert!(
        refused(|| head.losses(&[0.0; 2], &[3], &mut [0.0], None, None))
            .contains("beyond the vocabulary of 3")
    );
    assert!(refused(|| head.losses(&[0.0; 3], &[1], &mut [0.0], None, None)).contains("head's input"));
}

#[test]
fn columns_in_double_precision() {
    let numbers = [1.0_f64; 9];
    let added =
        |stride: usize| refused(move || columns::add(&numbers[..5], stride, &[1.0; 2], &mut [0.0; 3]));
    assert!(added(3).contains("as many columns"));
    assert!(added(2).contains("overlap"));
    assert!(refused(|| columns::products(&numbers, 4, &[1.0; 3], &mut [0.0; 3])).contains("as many columns"));
    let product = || columns::add_symmetric(&numbers, 3, &[1.0; 3], &mut [0.0; 2]);
    assert!(refused(product).contains("one length"));
    let counted = || assert_eq!(sturm::count_below(&[1.0], &[1.0], &[0.0; sturm::LANES]), [0; sturm::LANES]);
    assert!(refused(counted).contains("one square less"));
}
