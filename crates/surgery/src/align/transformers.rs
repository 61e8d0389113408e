//! The symmetries of transformers: the residual stream, the hidden units of every MLP, the heads of every attention.
//!
//! Norms over the stream are functions of its numbers as a set, so that it may be permuted as a whole, with the gains. Heads stay
//! whole: rotary positions turn pairs of numbers inside a head of query and key, and tell them apart. Norms of heads (qwen3) are
//! the same for all heads.

use super::build::Builder;
use super::spec::{Layout, UnitKind};
use rankine_checkpoint::Config;
use rankine_checkpoint::config::{Architecture, Vit};
use rankine_checkpoint::ends::{HEAD, SCORE};

/// Names of a block's modules.
struct Names {
    /// Query, key, value and output of the attention.
    attention: [String; 4],
    norms: [String; 2],
    mlp: [String; 2],
}

pub(super) fn texts(config: &Config, build: &mut Builder<'_>) {
    match config.architecture {
        Architecture::Gpt2 => gpt2(config, build),
        Architecture::Opt => opt(config, build),
        Architecture::Bert | Architecture::Roberta | Architecture::Distilbert => encoder(config, build),
        Architecture::Llama | Architecture::Mistral | Architecture::Qwen2 | Architecture::Qwen3 => {
            llama(config, build);
        }
    }
}

fn llama(config: &Config, build: &mut Builder<'_>) {
    let &Config { intermediate_size, heads, key_value_heads, head_dim, layers, .. } = config;
    let stream = ends(config, build);
    build.norm("model.norm", stream);
    for layer in 0..layers {
        let path = |name: &str| format!("model.layers.{layer}.{name}");
        let queries = build.heads(path("self_attn"), heads, heads / key_value_heads, head_dim);
        let keys = Layout { outer: true, ..queries };
        for (name, outputs) in [("q_proj", queries), ("k_proj", keys), ("v_proj", keys)] {
            build.linear(&path(&format!("self_attn.{name}")), Some(outputs), Some(stream));
        }
        build.linear(&path("self_attn.o_proj"), Some(stream), Some(queries));
        for name in ["q_norm", "k_norm"] {
            build.know(path(&format!("self_attn.{name}.weight")));
        }
        for name in ["input_layernorm", "post_attention_layernorm"] {
            build.norm(&path(name), stream);
        }
        let hidden = build.group(UnitKind::Hidden, path("mlp"), intermediate_size);
        for name in ["gate_proj", "up_proj"] {
            build.linear(&path(&format!("mlp.{name}")), Some(hidden), Some(stream));
        }
        build.linear(&path("mlp.down_proj"), Some(stream), Some(hidden));
    }
}

/// The embedding, and the head where that is a tensor of its own: the stream between them.
fn ends(config: &Config, build: &mut Builder<'_>) -> Layout {
    let stream = build.group(UnitKind::Residual, "residual stream", config.embedding_size);
    for name in [config.architecture.embedding(), HEAD, SCORE] {
        build.table(name, stream);
    }
    stream
}

fn gpt2(config: &Config, build: &mut Builder<'_>) {
    let &Config { intermediate_size, heads, head_dim, layers, .. } = config;
    let stream = ends(config, build);
    build.table("transformer.wpe.weight", stream);
    build.norm("transformer.ln_f", stream);
    for layer in 0..layers {
        let path = |name: &str| format!("transformer.h.{layer}.{name}");
        let attention = build.heads(path("attn"), heads, 1, head_dim);
        build.turned(&path("attn.c_attn"), Layout { sections: 3, ..attention }, stream);
        build.turned(&path("attn.c_proj"), stream, attention);
        let hidden = build.group(UnitKind::Hidden, path("mlp"), intermediate_size);
        build.turned(&path("mlp.c_fc"), hidden, stream);
        build.turned(&path("mlp.c_proj"), stream, hidden);
        for name in ["ln_1", "ln_2"] {
            build.norm(&path(name), stream);
        }
    }
}

/// OPT-350m has an embedding of another width than its stream.
fn opt(config: &Config, build: &mut Builder<'_>) {
    let path = |name: &str| format!("model.decoder.{name}");
    let embedded = ends(config, build);
    let stream = match config.embedding_size == config.hidden_size {
        true => embedded,
        false => {
            let stream = build.group(UnitKind::Residual, path("project_in"), config.hidden_size);
            build.linear(&path("project_in"), Some(stream), Some(embedded));
            build.linear(&path("project_out"), Some(embedded), Some(stream));
            stream
        }
    };
    build.table(&path("embed_positions.weight"), stream);
    build.norm(&path("final_layer_norm"), stream);
    for layer in 0..config.layers {
        let path = |name: &str| format!("model.decoder.layers.{layer}.{name}");
        let names = Names {
            attention: ["q_proj", "k_proj", "v_proj", "out_proj"]
                .map(|name| path(&format!("self_attn.{name}"))),
            norms: ["self_attn_layer_norm", "final_layer_norm"].map(path),
            mlp: ["fc1", "fc2"].map(path),
        };
        let sizes = [config.heads, config.head_dim, config.intermediate_size];
        block(build, stream, &format!("model.decoder.layers.{layer}"), &names, sizes);
    }
}

fn encoder(config: &Config, build: &mut Builder<'_>) {
    let architecture = config.architecture;
    let stream = build.group(UnitKind::Residual, "residual stream", config.hidden_size);
    let path = |name: &str| format!("{}.embeddings.{name}", architecture.name());
    for name in ["word_embeddings", "position_embeddings", "token_type_embeddings"] {
        build.table(&path(&format!("{name}.weight")), stream);
    }
    build.norm(&path("LayerNorm"), stream);
    let modules = architecture.layer_names();
    for layer in 0..config.layers {
        let path = |name: &str| format!("{}.{name}", architecture.layer(layer));
        let names = Names {
            attention: modules.attention.map(path),
            norms: [modules.attention_norm, modules.norm].map(path),
            mlp: modules.mlp.map(path),
        };
        let sizes = [config.heads, config.head_dim, config.intermediate_size];
        block(build, stream, &architecture.layer(layer), &names, sizes);
    }
    if let &[dense, output] = architecture.head() {
        let pooled = build.group(UnitKind::Hidden, dense, config.hidden_size);
        build.linear(dense, Some(pooled), Some(stream));
        build.head(output, pooled);
        if !build.has(&format!("{output}.weight")) {
            // The states of the tokens are the output.
            build.fix(stream);
        }
    }
}

pub(super) fn vit(sizes: &Vit, build: &mut Builder<'_>) {
    let stream = build.group(UnitKind::Residual, "residual stream", sizes.hidden_size);
    for name in ["cls_token", "position_embeddings", "mask_token"] {
        build.put(&format!("vit.embeddings.{name}"), 2, stream);
    }
    build.linear("vit.embeddings.patch_embeddings.projection", Some(stream), None);
    for layer in 0..sizes.layers {
        let layer = format!("vit.encoder.layer.{layer}");
        let path = |name: &str| format!("{layer}.{name}");
        let attention = ["attention.query", "attention.key", "attention.value", "output.dense"];
        let names = Names {
            attention: attention.map(|name| path(&format!("attention.{name}"))),
            norms: ["layernorm_before", "layernorm_after"].map(path),
            mlp: ["intermediate.dense", "output.dense"].map(path),
        };
        let heads = [sizes.heads, sizes.hidden_size / sizes.heads, sizes.intermediate_size];
        block(build, stream, &layer, &names, heads);
    }
    build.norm("vit.layernorm", stream);
    build.head("classifier", stream);
}

/// A block with a head of key and value for every head of query; sizes: heads, numbers of a head, hidden units.
fn block(build: &mut Builder<'_>, stream: Layout, path: &str, names: &Names, sizes: [usize; 3]) {
    let [heads, size, intermediate] = sizes;
    let [q, k, v, o] = &names.attention;
    let attention = build.heads(format!("{path}.attention"), heads, 1, size);
    for module in [q, k, v] {
        build.linear(module, Some(attention), Some(stream));
    }
    build.linear(o, Some(stream), Some(attention));
    for module in &names.norms {
        build.norm(module, stream);
    }
    let [up, down] = &names.mlp;
    let hidden = build.group(UnitKind::Hidden, format!("{path}.mlp"), intermediate);
    build.linear(up, Some(hidden), Some(stream));
    build.linear(down, Some(stream), Some(hidden));
}
