//! Which type each tensor gets, by llama.cpp's rules.
//!
//!     vectors, norms, routers, tables of positions    what they have
//!     the head, or an embedding that is one           Q6_K beside smaller block formats, Q8_0 where rows do not divide into blocks
//!     Q4_K_M, Q5_K_M                                  Q6_K for attn_v and ffn_down of the first and the last eighth of the layers,
//!                                                     and of every third between
//!     rows that do not divide into blocks of 256      Q4_K → Q5_0   Q5_K → Q5_1   Q6_K → Q8_0   Q2_K, Q3_K → Q4_0
//!     rows that do not divide into blocks of 32       f16
//!
//! Departures: llama.cpp puts IQ4_NL in the place of Q2_K and Q3_K, which is not written here. Its words `Q4_K` and `Q5_K` mean the
//! mixtures; here they mean the one type, as its `--pure` does but for the ends.

use super::Quantization;
use crate::write::is_weight;
use indexmap::IndexSet;
use rankine_checkpoint::Dtype;
use rankine_kernels::dequantize::Format;

/// Matrices that are never quantised, by what their names contain.
const KEPT: [&str; 7] = [
    "_norm.weight",
    "ffn_gate_inp.weight",
    "position_embd.weight",
    "token_types.weight",
    "ssm_conv1d",
    "time_mix_",
    "attn_rel_b",
];

const HEAD: &str = "output.weight";
const EMBEDDING: &str = "token_embd.weight";

/// In which types matrices are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Types {
    /// Each in its own.
    Kept,
    /// All in this one.
    One(Dtype),
    /// All in Q4_K, where it matters most Q6_K: llama.cpp's `Q4_K_M`.
    Q4Medium,
    /// The same with Q5_K.
    Q5Medium,
}

/// A tensor that is to get a type.
pub(super) struct Tensor<'a> {
    pub name: &'a str,
    pub shape: &'a [usize],
    /// The type that it has where nothing changes it.
    pub stored: Dtype,
}

impl Types {
    /// The one of most matrices.
    fn most(self) -> Option<Dtype> {
        match self {
            Self::Kept => None,
            Self::One(dtype) => Some(dtype),
            Self::Q4Medium => Some(Dtype::Quantized(Format::Q4K)),
            Self::Q5Medium => Some(Dtype::Quantized(Format::Q5K)),
        }
    }

    /// llama.cpp's number for a file of these, `general.file_type`.
    pub(super) fn file_type(self) -> Option<u32> {
        Some(match self {
            Self::Kept => return None,
            Self::Q4Medium => 15,
            Self::Q5Medium => 17,
            Self::One(Dtype::F32) => 0,
            Self::One(Dtype::F16) => 1,
            Self::One(Dtype::Bf16) => 32,
            Self::One(Dtype::Quantized(format)) => match format {
                Format::Q4_0 => 2,
                Format::Q4_1 => 3,
                Format::Q8_0 => 7,
                Format::Q5_0 => 8,
                Format::Q5_1 => 9,
                Format::Q2K => 10,
                // Of the K formats these are the mixtures nearest to one type.
                Format::Q3K => 11,
                Format::Q4K => 14,
                Format::Q5K => 16,
                Format::Q6K => 18,
                Format::Q8_1 | Format::Q8K => return None,
            },
            Self::One(_) => return None,
        })
    }
}

impl Quantization {
    /// The type that a tensor should get, and the one that it gets, its rows being what they are; `names` are those of all.
    pub(super) fn types_of(&self, tensor: &Tensor, names: &IndexSet<String>) -> [Dtype; 2] {
        let &Tensor { name, shape, stored } = tensor;
        let is_matrix = is_weight(stored) && 2 <= shape.len() && name.ends_with("weight");
        let row = shape.last().copied().unwrap_or(1);
        let wanted = match is_matrix && !KEPT.iter().any(|kept| name.contains(kept)) {
            true => self.wanted(name, row, names).unwrap_or(stored),
            false => stored,
        };
        [wanted, fitting(wanted, row)]
    }

    fn wanted(&self, name: &str, row: usize, names: &IndexSet<String>) -> Option<Dtype> {
        let tied = name == EMBEDDING && !names.contains(HEAD);
        let asked = match name {
            HEAD => self.output,
            EMBEDDING if tied => self.embedding.or(self.output),
            EMBEDDING => self.embedding,
            _ => None,
        };
        let most = self.types.most();
        asked.or_else(|| match most {
            Some(Dtype::Quantized(format)) if name == HEAD || tied => {
                Some(Dtype::Quantized(head(format, row)))
            }
            Some(_) if self.matters_most(name, names) => Some(Dtype::Quantized(Format::Q6K)),
            most => most,
        })
    }

    /// Whether a mixture gives more bits to a tensor.
    fn matters_most(&self, name: &str, names: &IndexSet<String>) -> bool {
        let chosen = name.ends_with(".attn_v.weight") || name.ends_with(".ffn_down.weight");
        let mixed = chosen && matches!(self.types, Types::Q4Medium | Types::Q5Medium);
        let Some(layer) = layer(name).filter(|_| mixed) else { return false };
        let layers = names.iter().filter_map(|name| self::layer(name)).max().map_or(0, |last| last + 1);
        layer < layers / 8 || 7 * layers / 8 <= layer || (layer - layers / 8) % 3 == 2
    }
}

/// The layer of `blk.N.PART`.
fn layer(name: &str) -> Option<usize> {
    name.strip_prefix("blk.")?.split_once('.')?.0.parse().ok()
}

/// That of a head beside matrices of `format`.
fn head(format: Format, row: usize) -> Format {
    match format == Format::Q8_0 || !row.is_multiple_of(format.block_elements()) {
        true => Format::Q8_0,
        false => Format::Q6K,
    }
}

/// `wanted`, or what stands in for it where rows of `row` numbers do not divide into its blocks.
fn fitting(wanted: Dtype, row: usize) -> Dtype {
    let fits = |format: Format| row.is_multiple_of(format.block_elements());
    let smaller = match wanted {
        Dtype::Quantized(format) if !fits(format) => match format {
            Format::Q2K | Format::Q3K => Format::Q4_0,
            Format::Q4K => Format::Q5_0,
            Format::Q5K => Format::Q5_1,
            _ => Format::Q8_0,
        },
        _ => return wanted,
    };
    if fits(smaller) { Dtype::Quantized(smaller) } else { Dtype::F16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const Q4K: Dtype = Dtype::Quantized(Format::Q4K);
    const Q6K: Dtype = Dtype::Quantized(Format::Q6K);
    const Q8_0: Dtype = Dtype::Quantized(Format::Q8_0);

    fn given(quantization: &Quantization, name: &str, shape: &[usize], head: bool) -> [Dtype; 2] {
        let layers = (0..16).map(|layer| format!("blk.{layer}.attn_v.weight"));
        let names = layers.chain(head.then(|| HEAD.to_owned())).collect();
        quantization.types_of(&Tensor { name, shape, stored: Dtype::F32 }, &names)
    }

    #[test]
    fn types_are_those_of_llama_cpp() {
        let plain = |types| Quantization { types, output: None, embedding: None };
        let q4_k = plain(Types::One(Q4K));
        let cases: [(&str, &[usize], bool, [Dtype; 2]); 10] = [
            ("blk.0.attn_q.weight", &[8, 256], false, [Q4K, Q4K]),
            ("blk.0.attn_q.weight", &[8, 96], false, [Q4K, Dtype::Quantized(Format::Q5_0)]),
            ("blk.0.attn_q.weight", &[8, 40], false, [Q4K, Dtype::F16]),
            ("blk.0.attn_q.bias", &[256], false, [Dtype::F32; 2]),
            ("blk.0.attn_norm.weight", &[256], false, [Dtype::F32; 2]),
            ("blk.0.ffn_gate_inp.weight", &[8, 256], false, [Dtype::F32; 2]),
            (HEAD, &[8, 256], true, [Q6K, Q6K]),
            (HEAD, &[8, 96], true, [Q8_0, Q8_0]),
            (EMBEDDING, &[8, 256], true, [Q4K, Q4K]),
            (EMBEDDING, &[8, 256], false, [Q6K, Q6K]),
        ];
        for (name, shape, head, expected) in cases {
            assert_eq!(given(&q4_k, name, shape, head), expected, "{name} {shape:?}");
        }
        assert_eq!(given(&plain(Types::One(Q8_0)), HEAD, &[8, 256], true), [Q8_0; 2]);
        assert_eq!(given(&plain(Types::One(Dtype::F16)), HEAD, &[8, 256], true), [Dtype::F16; 2]);
        assert_eq!(given(&plain(Types::Kept), HEAD, &[8, 256], true), [Dtype::F32; 2]);
        let asked = Quantization { output: Some(Dtype::F16), embedding: Some(Q8_0), ..q4_k };
        assert_eq!(given(&asked, HEAD, &[8, 256], true), [Dtype::F16; 2]);
        assert_eq!(given(&asked, EMBEDDING, &[8, 256], false), [Q8_0; 2]);
    }

    /// `use_more_bits` of llama.cpp, for 16 layers: 0, 1, then every third from 4 on, 14, 15.
    #[test]
    fn mixtures_give_more_bits_to_some_layers() {
        let mixed = Quantization { types: Types::Q4Medium, output: None, embedding: None };
        let more = |part: &str| -> Vec<usize> {
            let name = |layer: &usize| format!("blk.{layer}.{part}.weight");
            (0..16).filter(|layer| given(&mixed, &name(layer), &[8, 256], true) == [Q6K; 2]).collect()
        };
        assert_eq!(more("attn_v"), [0, 1, 4, 7, 10, 13, 14, 15]);
        assert_eq!(more("ffn_down"), more("attn_v"));
        assert_eq!(more("ffn_up"), [0; 0]);
    }
}
