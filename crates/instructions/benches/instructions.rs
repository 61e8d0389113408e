//! Instructions that each hot kernel takes on a small fixed input, held to a budget.
//!
//! `cargo xtask instructions` runs this under valgrind, which counts and does not time: the counts are the same on a
//! busy machine. Every kernel has run once before it is counted, so that buffers of the thread and what was found out about
//! the processor are there; making the inputs is not counted. One thread, at the level `avx2`, as valgrind knows no AVX-512.
//!
//! A budget is what was measured and about a tenth more. Budgets belong to the compiler named as `rust-version` in the
//! workspace's `Cargo.toml`: when that changes, measure again, set every budget anew in the same commit, and look into
//! a kernel that has become more than a few per cent dearer. The `gemm` crate cuts f32 products by the caches of the
//! machine; between two sizes of them the counts moved by 0.2 % at most.

#![expect(missing_docs, reason = "the macros define public items")]

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use rankine_kernels::adamw::AdamW;
use rankine_kernels::attention::{Attention, Heads, Saved, Span};
use rankine_kernels::cpu::{self, Level};
use rankine_kernels::cross_entropy::Head;
use rankine_kernels::dequantize::{Format, dequantize};
use rankine_kernels::gelu::Gelu;
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_kernels::layer_norm::{self, layer_norm, layer_norm_backward};
use rankine_kernels::low_rank::{Core, Gradients, LowRank};
use rankine_kernels::norm::{rms_norm, rms_norm_backward};
use rankine_kernels::rope::rotate;
use rankine_kernels::stored::{Encoding, Operand, Stored};
use rankine_kernels::swiglu::{swiglu, swiglu_backward};
use rankine_random::Rng;
use std::sync::Once;

/// A call of a kernel that owns its inputs and outputs.
type Call = Box<dyn FnMut()>;

#[library_benchmark]
#[bench::matmul_forward(args = (matmul_forward()), config = budget(1_800_000))]
#[bench::matmul_input_gradient(args = (matmul_input_gradient()), config = budget(1_600_000))]
#[bench::matmul_weight_gradient(args = (matmul_weight_gradient()), config = budget(1_600_000))]
#[bench::matvec(args = (matvec()), config = budget(23_000))]
#[bench::dots_q4_1(args = (dots(blocks(Format::Q4_1))), config = budget(61_000))]
#[bench::dots_q8_0(args = (dots(blocks(Format::Q8_0))), config = budget(41_000))]
#[bench::dots_bf16(args = (dots(Stored::bf16(&normals("w", 64 * 576), 64, 576))), config = budget(51_000))]
#[bench::dots_nf4(args = (dots(nf4())), config = budget(56_000))]
#[bench::dots_nf4_double(args = (dots(nf4_double())), config = budget(77_000))]
#[bench::widen_q4_1(args = (widen(Format::Q4_1)), config = budget(20_000))]
#[bench::widen_q4_k(args = (widen(Format::Q4K)), config = budget(57_000))]
#[bench::widen_nf4(args = (widen_nf4()), config = budget(53_000))]
#[bench::nf4_forward(args = (nf4_forward()), config = budget(970_000))]
#[bench::nf4_input_gradient(args = (nf4_input_gradient()), config = budget(1_000_000))]
#[bench::attention_forward(args = (attention_forward()), config = budget(800_000))]
#[bench::attention_backward(args = (attention_backward()), config = budget(2_200_000))]
#[bench::rms_norm_forward(args = (rms_norm_forward()), config = budget(18_000))]
#[bench::rms_norm_backward(args = (norm_backward()), config = budget(56_000))]
#[bench::layer_norm_forward(args = (layer_norm_forward()), config = budget(49_000))]
#[bench::layer_norm_backward(args = (layer_backward()), config = budget(120_000))]
#[bench::swiglu_forward(args = (swiglu_forward()), config = budget(130_000))]
#[bench::swiglu_backward(args = (gate_backward()), config = budget(190_000))]
#[bench::gelu_forward(args = (gelu(Gelu::Exact)), config = budget(163_000))]
#[bench::gelu_backward(args = (slope(Gelu::Exact)), config = budget(280_000))]
#[bench::gelu_tanh_forward(args = (gelu(Gelu::Tanh)), config = budget(127_000))]
#[bench::gelu_tanh_backward(args = (slope(Gelu::Tanh)), config = budget(168_000))]
#[bench::rope(args = (rope()), config = budget(21_000))]
#[bench::cross_entropy(args = (cross_entropy()), config = budget(2_300_000))]
#[bench::adamw(args = (adamw()), config = budget(100_000))]
#[bench::low_rank_forward(args = (low_rank_forward()), config = budget(290_000))]
#[bench::low_rank_backward(args = (low_rank_backward()), config = budget(260_000))]
fn kernel(mut call: Call) -> Call {
    call();
    call
}

library_benchmark_group!(name = instructions, benchmarks = kernel);
main!(config = counting(), library_benchmark_groups = instructions);

/// Counts and nothing else: no model of caches.
fn counting() -> LibraryBenchmarkConfig {
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(Callgrind::with_args(["--cache-sim=no"]).format([EventKind::Ir]));
    config
}

/// The most instructions that a call may take.
fn budget(instructions: u64) -> LibraryBenchmarkConfig {
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(Callgrind::default().hard_limits([(EventKind::Ir, instructions)]));
    config
}

/// Settles the thread and the level, once; before whatever works in tasks.
fn settle() {
    static SETTLED: Once = Once::new();
    SETTLED.call_once(|| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
        assert!(pool.is_ok(), "this process had threads before its only benchmark");
        assert!(cpu::limit(Level::Avx2).is_ok(), "the budgets are those of a processor with AVX2");
    });
}

/// Runs the kernel a first time, on the settled thread.
fn warm(mut call: impl FnMut() + 'static) -> Call {
    settle();
    call();
    Box::new(call)
}

/// `count` numbers that depend on the name only.
fn normals(name: &str, count: usize) -> Vec<f32> {
    Rng::new(0).fork(name).normals(count, 1.0)
}

/// Any bytes do as blocks: no loop over them asks what they hold.
fn bytes(count: usize) -> Vec<u8> {
    let mut stream = Rng::new(0).fork("blocks");
    (0..count).map(|_| stream.bits() as u8).collect()
}

/// y = x·Wᵀ; x: [64, 576], W: [128, 576].
fn matmul_forward() -> Call {
    let (x, w, mut y) = (normals("x", 64 * 576), normals("w", 128 * 576), vec![0.0; 64 * 128]);
    warm(move || matmul(&mut y, Matrix::new(&x, 64, 576), Matrix::new(&w, 128, 576).t(), 1.0, false))
}

/// dx = dy·W; dy: [64, 576], W: [576, 128].
fn matmul_input_gradient() -> Call {
    let (dy, w, mut dx) = (normals("dy", 64 * 576), normals("w", 576 * 128), vec![0.0; 64 * 128]);
    warm(move || matmul(&mut dx, Matrix::new(&dy, 64, 576), Matrix::new(&w, 576, 128), 1.0, false))
}

/// dW = dyᵀ·x; dy: [576, 64], x: [576, 128].
fn matmul_weight_gradient() -> Call {
    let (dy, x, mut dw) = (normals("dy", 576 * 64), normals("x", 576 * 128), vec![0.0; 64 * 128]);
    warm(move || matmul(&mut dw, Matrix::new(&dy, 576, 64).t(), Matrix::new(&x, 576, 128), 1.0, false))
}

/// y = x·Wᵀ of a lone x; W: [64, 576].
fn matvec() -> Call {
    let (x, w, mut y) = (normals("x", 576), normals("w", 64 * 576), vec![0.0; 64]);
    warm(move || matmul(&mut y, Matrix::new(&x, 1, 576), Matrix::new(&w, 64, 576).t(), 1.0, false))
}

/// A matrix [64, 576] of blocks.
fn blocks(format: Format) -> Stored {
    let bytes = bytes(64 * 576 / format.block_elements() * format.block_bytes());
    let stored = Stored::new(Encoding::Blocks(format), 64, 576, bytes);
    stored.unwrap_or_else(|_| Stored::bf16(&[], 0, 0))
}

/// y = x·Wᵀ of a lone x with a stored W: [64, 576].
fn dots(weight: Stored) -> Call {
    assert_eq!(weight.shape(), [64, 576], "shape of a stored matrix");
    let (x, mut y) = (normals("x", 576), vec![0.0; 64]);
    warm(move || weight.times_transposed(&x, &mut y))
}

/// The same numbers in NF4; [64, 576].
fn nf4() -> Stored {
    settle();
    Stored::nf4(&normals("w", 64 * 576), 64, 576)
}

/// With scales in eight bits; [64, 576].
fn nf4_double() -> Stored {
    settle();
    Stored::nf4_double(&normals("w", 64 * 576), 64, 576)
}

/// y = x·Wᵀ; x: [64, 576], W: [64, 576] in NF4.
fn nf4_forward() -> Call {
    let (weight, x, mut y) = (nf4(), normals("x", 64 * 576), vec![0.0; 64 * 64]);
    warm(move || weight.times_transposed(&x, &mut y))
}

/// dx = dy·W; dy: [64, 64], W: [64, 576] in NF4.
fn nf4_input_gradient() -> Call {
    let (weight, dy, mut dx) = (nf4(), normals("dy", 64 * 64), vec![0.0; 64 * 576]);
    warm(move || weight.times(&dy, &mut dx))
}

/// 36 864 numbers of blocks of 64.
fn widen_nf4() -> Call {
    let (weight, mut out) = (nf4(), vec![0.0; 64 * 576]);
    warm(move || weight.widen(0..64, &mut out))
}

/// 16 384 numbers, in one task.
fn widen(format: Format) -> Call {
    const NUMBERS: usize = 16 * 1024;
    let blocks = bytes(NUMBERS / format.block_elements() * format.block_bytes());
    let mut out = vec![0.0; NUMBERS];
    warm(move || assert!(dequantize(format, &blocks, &mut out).is_ok(), "whole blocks"))
}

/// A span of 64 rows that sees itself.
const SPAN: Span = Span { queries: 0..64, keys: 0..64 };

/// Numbers in 64 rows of 3 heads of 64.
const ROWS: usize = 64 * 3 * 64;

/// Three heads of 64.
const ATTENTION: Attention<'_> = Attention {
    heads: Heads { query: 3, key_value: 3, size: 64 },
    spans: &[SPAN],
    scale: 0.125,
    window: None,
    causal: true,
};

fn attention_forward() -> Call {
    let [q, k, v] = ["q", "k", "v"].map(|name| normals(name, ROWS));
    let (mut out, mut log_sum_exp) = (vec![0.0; ROWS], vec![0.0; 64 * 3]);
    warm(move || ATTENTION.forward(&q, &k, &v, &mut out, &mut log_sum_exp))
}

fn attention_backward() -> Call {
    let [q, k, v, dout] = ["q", "k", "v", "dout"].map(|name| normals(name, ROWS));
    let (mut out, mut log_sum_exp) = (vec![0.0; ROWS], vec![0.0; 64 * 3]);
    ATTENTION.forward(&q, &k, &v, &mut out, &mut log_sum_exp);
    let [mut dq, mut dk, mut dv] = [(); 3].map(|()| vec![0.0; ROWS]);
    warm(move || {
        let saved = Saved { q: &q, k: &k, v: &v, out: &out, log_sum_exp: &log_sum_exp };
        ATTENTION.backward(saved, &dout, &mut dq, &mut dk, &mut dv);
    })
}

/// 32 rows of 576.
fn rms_norm_forward() -> Call {
    let (x, w) = (normals("x", 32 * 576), normals("w", 576));
    let (mut y, mut inverse_rms) = (vec![0.0; 32 * 576], vec![0.0; 32]);
    warm(move || rms_norm(&x, &w, 1e-5, &mut y, &mut inverse_rms))
}

/// 32 rows of 576, with the gradient of the weight.
fn norm_backward() -> Call {
    let (x, dy, w) = (normals("x", 32 * 576), normals("dy", 32 * 576), normals("w", 576));
    let (mut dx, mut dw, mut inverse_rms) = (vec![0.0; 32 * 576], vec![0.0; 576], vec![0.0; 32]);
    rms_norm(&x, &w, 1e-5, &mut dx, &mut inverse_rms);
    warm(move || rms_norm_backward(&x, &w, &inverse_rms, &dy, &mut dx, Some(&mut dw)))
}

/// 32 rows of 576.
fn layer_norm_forward() -> Call {
    let [x, w, b] = [("x", 32 * 576), ("w", 576), ("b", 576)].map(|(name, count)| normals(name, count));
    let (mut y, mut moments) = (vec![0.0; 32 * 576], vec![[0.0; 2]; 32]);
    warm(move || layer_norm(&x, &w, &b, 1e-5, &mut y, &mut moments))
}

/// 32 rows of 576, with the gradients of the weight and the bias.
fn layer_backward() -> Call {
    let [x, dy, w, b] =
        [("x", 32 * 576), ("dy", 32 * 576), ("w", 576), ("b", 576)].map(|(name, count)| normals(name, count));
    let (mut dx, mut moments) = (vec![0.0; 32 * 576], vec![[0.0; 2]; 32]);
    layer_norm(&x, &w, &b, 1e-5, &mut dx, &mut moments);
    let [mut dw, mut db] = [(); 2].map(|()| vec![0.0; 576]);
    warm(move || {
        let saved = layer_norm::Saved { x: &x, w: &w, moments: &moments };
        let into = layer_norm::Gradients { dx: Some(&mut dx), dw: Some(&mut dw), db: Some(&mut db) };
        layer_norm_backward(saved, &dy, into);
    })
}

/// 16 384 numbers.
fn gelu(form: Gelu) -> Call {
    let (x, mut y) = (normals("x", 16384), vec![0.0; 16384]);
    warm(move || form.forward(&x, &mut y))
}

/// 16 384 numbers.
fn slope(form: Gelu) -> Call {
    let (x, dy, mut dx) = (normals("x", 16384), normals("dy", 16384), vec![0.0; 16384]);
    warm(move || form.backward(&x, &dy, &mut dx))
}

/// 16 384 numbers.
fn swiglu_forward() -> Call {
    let (gate, up, mut y) = (normals("gate", 16384), normals("up", 16384), vec![0.0; 16384]);
    warm(move || swiglu(&gate, &up, &mut y))
}

/// 16 384 numbers.
fn gate_backward() -> Call {
    let [gate, up, dy] = ["gate", "up", "dy"].map(|name| normals(name, 16384));
    let (mut dgate, mut dup) = (vec![0.0; 16384], vec![0.0; 16384]);
    warm(move || swiglu_backward(&gate, &up, &dy, &mut dgate, &mut dup))
}

/// 64 rows of 3 heads of 64.
fn rope() -> Call {
    let (mut x, positions) = (normals("x", ROWS), (0..64).collect::<Vec<u32>>());
    let [cos, sin] = ["cos", "sin"].map(|name| normals(name, 64 * 32));
    warm(move || rotate(&mut x, &positions, 64, &cos, &sin, false))
}

/// 32 rows, 1024 words, width 64, with the gradient of x.
fn cross_entropy() -> Call {
    let (x, w) = (normals("x", 32 * 64), normals("w", 1024 * 64));
    let targets: Vec<u32> = (0..32).map(|row| row * 31).collect();
    let (mut losses, mut dx) = (vec![0.0; 32], vec![0.0; 32 * 64]);
    warm(move || {
        let head = Head { weight: Operand::Wide(&w), vocabulary: 1024, width: 64 };
        head.losses(&x, &targets, &mut losses, Some(&mut dx), None);
    })
}

/// 32 768 parameters, in one task.
fn adamw() -> Call {
    const PARAMETERS: usize = 32 * 1024;
    let (mut p, g) = (normals("p", PARAMETERS), normals("g", PARAMETERS));
    let (mut m, mut v) = (vec![0.0; PARAMETERS], vec![0.0; PARAMETERS]);
    warm(move || AdamW::default().update(1, 1e-3, 0.01, &mut p, &g, &mut m, &mut v))
}

/// W: [128, 128] with a branch of rank 8.
fn low_rank<'a>(weight: &'a [f32], a: &'a [f32], b: &'a [f32]) -> LowRank<'a> {
    let (weight, core) = (Operand::Wide(weight), Core::None);
    LowRank { weight, a, core, b, scale: 2.0, inputs: 128, outputs: 128, ranks: [8; 2] }
}

/// 32 rows.
fn low_rank_forward() -> Call {
    let [weight, x] = [("w", 128 * 128), ("x", 32 * 128)].map(|(name, count)| normals(name, count));
    let [a, b] = ["a", "b"].map(|name| normals(name, 8 * 128));
    let (mut y, mut projected) = (vec![0.0; 32 * 128], vec![0.0; 32 * 8]);
    warm(move || low_rank(&weight, &a, &b).forward(&x, &x, &mut y, &mut projected))
}

/// 32 rows; x is its own branch input.
fn low_rank_backward() -> Call {
    let [weight, x, dy] =
        [("w", 128 * 128), ("x", 32 * 128), ("dy", 32 * 128)].map(|(name, count)| normals(name, count));
    let [a, b] = ["a", "b"].map(|name| normals(name, 8 * 128));
    let projected = normals("p", 32 * 8);
    let (mut dx, mut da, mut db) = (vec![0.0; 32 * 128], vec![0.0; 8 * 128], vec![0.0; 128 * 8]);
    warm(move || {
        let layer = low_rank(&weight, &a, &b);
        let all = Gradients { x: Some(&mut dx), a: Some(&mut da), b: Some(&mut db), ..Gradients::default() };
        layer.backward(&x, &projected, &dy, all);
    })
}
