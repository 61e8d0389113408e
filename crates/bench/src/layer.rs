//! The layers of a llama whose weights are made of their shapes.

/// Sides of the matrices of a layer.
#[derive(Clone, Copy)]
pub struct Sides {
    pub hidden: usize,
    pub inner: usize,
    /// Outputs of the keys, and of the values.
    pub keys: usize,
}

/// Name and shape of each tensor of the layer at this place: matrices, then norms.
pub fn tensors(at: usize, Sides { hidden, inner, keys }: Sides) -> [(String, Vec<usize>); 9] {
    [
        ("self_attn.q_proj", vec![hidden, hidden]),
        ("self_attn.k_proj", vec![keys, hidden]),
        ("self_attn.v_proj", vec![keys, hidden]),
        ("self_attn.o_proj", vec![hidden, hidden]),
        ("mlp.gate_proj", vec![inner, hidden]),
        ("mlp.up_proj", vec![inner, hidden]),
        ("mlp.down_proj", vec![hidden, inner]),
        ("input_layernorm", vec![hidden]),
        ("post_attention_layernorm", vec![hidden]),
    ]
    .map(|(part, shape)| (format!("model.layers.{at}.{part}.weight"), shape))
}
