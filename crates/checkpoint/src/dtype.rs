//! Types of stored numbers.

use crate::convert::width;
use rankine_kernels::dequantize::Format;

/// How the numbers of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are the formats' own")]
pub enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
    /// The finite one of OCP, torch's `float8_e4m3fn`.
    F8E4M3,
    /// torch's `float8_e5m2`.
    F8E5M2,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
    /// A ggml block format.
    Quantized(Format),
    /// A type that is listed and copied, and whose numbers are not read.
    Unread(Unread),
}

/// Types of safetensors whose numbers are not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are the format's own")]
pub enum Unread {
    U64,
    U32,
    U16,
    C64,
    F8E8M0,
    F8E4M3Fnuz,
    F8E5M2Fnuz,
    F6E3M2,
    F6E2M3,
    F4,
}

impl Dtype {
    /// Those of safetensors.
    const PLAIN: [Self; 22] = [
        Self::F64,
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::F8E4M3,
        Self::F8E5M2,
        Self::I64,
        Self::I32,
        Self::I16,
        Self::I8,
        Self::U8,
        Self::Bool,
        Self::Unread(Unread::U64),
        Self::Unread(Unread::U32),
        Self::Unread(Unread::U16),
        Self::Unread(Unread::C64),
        Self::Unread(Unread::F8E8M0),
        Self::Unread(Unread::F8E4M3Fnuz),
        Self::Unread(Unread::F8E5M2Fnuz),
        Self::Unread(Unread::F6E3M2),
        Self::Unread(Unread::F6E2M3),
        Self::Unread(Unread::F4),
    ];

    /// The format's own name: that of safetensors, or ggml's.
    pub fn name(self) -> &'static str {
        match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::F8E4M3 => "F8_E4M3",
            Self::F8E5M2 => "F8_E5M2",
            Self::I64 => "I64",
            Self::I32 => "I32",
            Self::I16 => "I16",
            Self::I8 => "I8",
            Self::U8 => "U8",
            Self::Bool => "BOOL",
            Self::Quantized(format) => format.name(),
            Self::Unread(unread) => unread.name(),
        }
    }

    /// The type that safetensors calls so.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::PLAIN.into_iter().find(|dtype| dtype.name() == name)
    }

    /// Whether its numbers are floats, one by one, that can be read.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F64 | Self::F32 | Self::F16 | Self::Bf16) || self.is_float8()
    }

    /// Whether its numbers are whole ones that can be read, such as counters and positions.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::I64 | Self::I32 | Self::I16 | Self::I8 | Self::U8 | Self::Bool)
    }

    /// The type in which numbers of this one are written, where none is asked for: floats of eight bits become bf16, which holds all
    /// of them exactly. That is one rule for what is copied and what is computed of them.
    pub fn written(self) -> Self {
        if self.is_float8() { Self::Bf16 } else { self }
    }

    /// Whether its numbers are floats of eight bits, which can be read and not written.
    pub fn is_float8(self) -> bool {
        matches!(self, Self::F8E4M3 | Self::F8E5M2)
    }

    /// Bytes of so many numbers; of a block format, whole blocks of them.
    pub fn bytes(self, elements: usize) -> usize {
        match self {
            Self::Quantized(format) => elements / format.block_elements() * format.block_bytes(),
            Self::Unread(unread) => (elements as u128 * unread.bits() as u128 / 8) as usize,
            plain => elements * width(plain).unwrap_or(0),
        }
    }

    /// Bytes of so many numbers in a safetensors file; `None` of a block format, and where they fit no memory or no whole bytes.
    pub(crate) fn plain_bytes(self, elements: usize) -> Option<u64> {
        let bits = match self {
            Self::Quantized(_) => return None,
            Self::Unread(unread) => unread.bits(),
            plain => 8 * width(plain)?,
        };
        let bits = elements as u128 * bits as u128;
        bits.is_multiple_of(8).then(|| u64::try_from(bits / 8).ok())?
    }
}

impl Unread {
    fn name(self) -> &'static str {
        match self {
            Self::U64 => "U64",
            Self::U32 => "U32",
            Self::U16 => "U16",
            Self::C64 => "C64",
            Self::F8E8M0 => "F8_E8M0",
            Self::F8E4M3Fnuz => "F8_E4M3FNUZ",
            Self::F8E5M2Fnuz => "F8_E5M2FNUZ",
            Self::F6E3M2 => "F6_E3M2",
            Self::F6E2M3 => "F6_E2M3",
            Self::F4 => "F4",
        }
    }

    /// Of one number.
    fn bits(self) -> usize {
        match self {
            Self::U64 | Self::C64 => 64,
            Self::U32 => 32,
            Self::U16 => 16,
            Self::F8E8M0 | Self::F8E4M3Fnuz | Self::F8E5M2Fnuz => 8,
            Self::F6E3M2 | Self::F6E2M3 => 6,
            Self::F4 => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list has every type of the reference implementation, under its name and as wide.
    #[test]
    fn types_are_those_of_the_reference() {
        for dtype in Dtype::PLAIN {
            let reference: ::safetensors::Dtype = serde_json::from_value(dtype.name().into()).unwrap();
            assert_eq!(dtype.plain_bytes(24), Some(3 * reference.bitsize() as u64), "{dtype:?}");
            assert_eq!(dtype.bytes(24), 3 * reference.bitsize(), "{dtype:?}");
            assert_eq!(Dtype::by_name(dtype.name()), Some(dtype));
        }
        assert_eq!(Dtype::by_name("Q8_0"), None);
        assert_eq!(Dtype::Unread(Unread::F4).plain_bytes(3), None);
        assert_eq!(Dtype::F64.plain_bytes(usize::MAX), None);
    }
}
