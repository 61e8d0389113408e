//! Positions: learned, or rotary with base and scaling, from the keys of transformers 4 (`rope_theta`, `rope_scaling`) and of
//! transformers 5 (`rope_parameters`).
//!
//!     frequency_i = theta^(−2i / head_dim)        i = 0 … head_dim/2 − 1, changed by the scaling

use super::Fault;
use crate::fields::Fields;

/// How a token knows its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Positions {
    /// Queries and keys are turned by it.
    Rotary(Rope),
    /// A row of a table is added to the token's.
    Learned {
        /// The row of a text's first token; there are as many more rows than the context is long.
        offset: usize,
    },
}

impl Positions {
    pub(super) fn check(&self, head_dim: usize) -> Result<(), Fault> {
        match self {
            Self::Rotary(rope) => {
                // Rotary positions turn pairs.
                super::multiple(("head_dim", head_dim), ("2", 2))?;
                rope.check()
            }
            Self::Learned { .. } => Ok(()),
        }
    }
}

/// How positions turn into angles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// How the frequencies are stretched for contexts longer than those of pretraining.
    pub scaling: RopeScaling,
}

/// A change of the rotary frequencies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// None.
    None,
    /// Every frequency is divided by `factor`.
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, those between interpolated.
    Llama3 {
        /// The divisor of the low frequencies.
        factor: f64,
        /// Wavelengths above `original / low` are stretched.
        low: f64,
        /// Wavelengths below `original / high` are kept.
        high: f64,
        /// Context length of pretraining, in tokens.
        original: usize,
    },
}

impl Rope {
    /// From the top level of a `config.json`; `context` stands in for an absent original context.
    pub(super) fn read(config: Fields, context: usize) -> Result<Self, Fault> {
        // transformers lets a non-empty `rope_scaling` win over `rope_parameters`.
        let scaling = config.object("rope_scaling")?.filter(|scaling| !scaling.0.is_empty());
        let parameters = scaling.or(config.object("rope_parameters")?);
        if let Some(nested) = parameters.and_then(|parameters| parameters.0.values().find(|v| v.is_object()))
        {
            return Err(Fault::Rope { found: crate::fields::shorten(&nested.to_string()) });
        }
        let inner = |key| parameters.map_or(Ok(None), |parameters| parameters.number(key));
        let partial = inner("partial_rotary_factor")?.or(config.number("partial_rotary_factor")?);
        if let Some(found) = partial
            && found != 1.0
        {
            return Err(Fault::PartialRotary { found });
        }
        let theta = inner("rope_theta")?.or(config.number("rope_theta")?).unwrap_or(10_000.0);
        let scaling = match parameters {
            Some(parameters) => RopeScaling::read(parameters, config, context)?,
            None => RopeScaling::None,
        };
        Ok(Self { theta, scaling })
    }

    fn check(&self) -> Result<(), Fault> {
        positive("rope_theta", self.theta)?;
        match self.scaling {
            RopeScaling::None => Ok(()),
            RopeScaling::Linear { factor } => positive("factor", factor),
            RopeScaling::Llama3 { factor, low, high, original } => {
                positive("factor", factor)?;
                positive("low_freq_factor", low)?;
                super::size("original_max_position_embeddings", original, super::CONTEXT_LIMIT)?;
                if high <= low {
                    let expected = "above `low_freq_factor`";
                    return Err(Fault::Range { key: "high_freq_factor", found: high, expected });
                }
                positive("high_freq_factor", high)
            }
        }
    }
}

impl RopeScaling {
    fn read(parameters: Fields, config: Fields, context: usize) -> Result<Self, Fault> {
        let kind = parameters.string("rope_type")?.or(parameters.string("type")?).unwrap_or("default");
        let need = |kind, key| parameters.number(key)?.ok_or(Fault::RopeParameter { kind, key });
        match kind {
            "default" => Ok(Self::None),
            "linear" => Ok(Self::Linear { factor: need("linear", "factor")? }),
            "llama3" => {
                let key = "original_max_position_embeddings";
                Ok(Self::Llama3 {
                    factor: need("llama3", "factor")?,
                    low: need("llama3", "low_freq_factor")?,
                    high: need("llama3", "high_freq_factor")?,
                    original: config.count(key)?.or(parameters.count(key)?).unwrap_or(context),
                })
            }
            other => Err(Fault::Rope { found: crate::fields::shorten(other) }),
        }
    }

    /// As `rope_scaling`, which every version of transformers reads.
    pub(super) fn to_json(self) -> serde_json::Value {
        match self {
            Self::None => serde_json::Value::Null,
            Self::Linear { factor } => {
                serde_json::json!({ "rope_type": "linear", "type": "linear", "factor": factor })
            }
            Self::Llama3 { factor, low, high, original } => serde_json::json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low,
                "high_freq_factor": high,
                "original_max_position_embeddings": original,
            }),
        }
    }
}

pub(super) fn positive(key: &'static str, found: f64) -> Result<(), Fault> {
    if found.is_finite() && 0.0 < found {
        Ok(())
    } else {
        Err(Fault::Range { key, found, expected: "a positive number" })
    }
}
