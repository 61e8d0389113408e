//! From recompressed changes to an adapter with its configuration.

use super::change::Piece;
use super::convert::{Conversion, Recompressed};
use super::keep::Keep;
use rankine_checkpoint::adapter::{
    Adapter, AdapterConfig, Initialisation, LayerKind, LowRank, Selection, Targets,
};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A module of the adapter that is made.
pub(crate) struct Part {
    /// The module.
    pub path: String,
    /// What kind of layer it is.
    pub kind: LayerKind,
    /// Its change.
    pub piece: Piece,
    /// What is added to its bias; [outputs].
    pub output_bias: Option<Vec<f32>>,
}

/// The parts as a plain LoRA; what else there is, and what the configuration says besides, is `source`'s.
pub(crate) fn assemble(source: &Adapter, mut parts: Vec<Part>, keep: Keep) -> Conversion {
    if let Keep::Rank(_) = keep {
        even_out(&mut parts);
    }
    let rank = most_common(&parts);
    let mut config = AdapterConfig {
        rank,
        alpha: rank as f64,
        rslora: false,
        dora: false,
        initialisation: Initialisation::Kaiming,
        rank_pattern: Default::default(),
        alpha_pattern: Default::default(),
        unknown_keys: Vec::new(),
        ..source.config.clone()
    };
    let (mut squares, mut error) = (0.0, 0.0);
    let (mut modules, mut low_rank) = (Vec::new(), indexmap::IndexMap::new());
    for Part { path, kind, piece, output_bias } in parts {
        if piece.product.rank != rank {
            config.rank_pattern.insert(format!("^{}", path.replace('.', r"\.")), piece.product.rank);
        }
        squares += piece.squares;
        error += piece.error;
        modules.push(Recompressed::of(&path, &piece));
        low_rank.insert(path, factors(piece, kind, output_bias, rank));
    }
    let targets = Selection::of_paths(low_rank.keys());
    config.targets = Targets { modules: targets, saved: config.targets.saved, ..Targets::default() };
    let adapter = Adapter {
        path: PathBuf::new(),
        config,
        low_rank,
        replaced: source.replaced.clone(),
        new_rows: source.new_rows.clone(),
        mismatch: Default::default(),
    };
    Conversion { adapter, modules, relative: share(error, squares) }
}

/// The largest rank for all, as far as a matrix can have it.
fn even_out(parts: &mut [Part]) {
    let rank = parts.iter().map(|part| part.piece.product.rank).max().unwrap_or(1);
    for part in parts {
        let (outputs, inputs) = (part.piece.product.outputs, part.piece.product.inputs);
        let product = &mut part.piece.product;
        *product = product.clone().padded(rank.min(outputs).min(inputs));
    }
}

/// The rank of most modules, the larger of two; peft's default for none.
fn most_common(parts: &[Part]) -> usize {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for part in parts {
        *counts.entry(part.piece.product.rank).or_default() += 1;
    }
    counts.into_iter().max_by_key(|&(rank, count)| (count, rank)).map_or(8, |(rank, _)| rank)
}

/// Factors whose scale is alpha over their own rank, where alpha is the rank of the configuration.
fn factors(piece: Piece, kind: LayerKind, output_bias: Option<Vec<f32>>, alpha: usize) -> LowRank {
    let scaling = (alpha as f64 / piece.product.rank as f64) as f32;
    let product = piece.product.balanced(f64::from(scaling).recip());
    let output_bias = output_bias.map(|bias| bias.into_iter().map(|x| x / scaling).collect());
    LowRank {
        a: product.a,
        b: product.b,
        rank: product.rank,
        inputs: product.inputs,
        outputs: product.outputs,
        scaling,
        magnitude: None,
        output_bias,
        kind,
    }
}

impl Recompressed {
    fn of(path: &str, piece: &Piece) -> Self {
        Self {
            module: path.to_owned(),
            before: piece.before,
            rank: piece.product.rank,
            norm: piece.squares.sqrt(),
            relative: share(piece.error, piece.squares),
        }
    }
}

/// √(part / whole); 0 of nothing.
pub(super) fn share(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { (part / whole).sqrt() }
}
