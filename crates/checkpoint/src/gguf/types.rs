//! ggml's numbers for storage types.

use crate::Dtype;
use crate::convert::width;
use rankine_kernels::dequantize::Format;

/// The largest number of a type that is read.
const BF16: u32 = 30;

/// What a type number stands for.
pub(super) enum StoredType {
    Read(Dtype),
    /// Known by this name, not read.
    Named(&'static str),
    Unknown(u32),
}

impl StoredType {
    pub(super) fn from_number(number: u32) -> Self {
        let format = |format| Self::Read(Dtype::Quantized(format));
        match number {
            0 => Self::Read(Dtype::F32),
            1 => Self::Read(Dtype::F16),
            2 => format(Format::Q4_0),
            3 => format(Format::Q4_1),
            4 => Self::Named("Q4_2"),
            5 => Self::Named("Q4_3"),
            6 => format(Format::Q5_0),
            7 => format(Format::Q5_1),
            8 => format(Format::Q8_0),
            9 => format(Format::Q8_1),
            10 => format(Format::Q2K),
            11 => format(Format::Q3K),
            12 => format(Format::Q4K),
            13 => format(Format::Q5K),
            14 => format(Format::Q6K),
            15 => format(Format::Q8K),
            16 => Self::Named("IQ2_XXS"),
            17 => Self::Named("IQ2_XS"),
            18 => Self::Named("IQ3_XXS"),
            19 => Self::Named("IQ1_S"),
            20 => Self::Named("IQ4_NL"),
            21 => Self::Named("IQ3_S"),
            22 => Self::Named("IQ2_S"),
            23 => Self::Named("IQ4_XS"),
            24 => Self::Read(Dtype::I8),
            25 => Self::Read(Dtype::I16),
            26 => Self::Read(Dtype::I32),
            27 => Self::Read(Dtype::I64),
            28 => Self::Read(Dtype::F64),
            29 => Self::Named("IQ1_M"),
            BF16 => Self::Read(Dtype::Bf16),
            31 => Self::Named("Q4_0_4_4"),
            32 => Self::Named("Q4_0_4_8"),
            33 => Self::Named("Q4_0_8_8"),
            34 => Self::Named("TQ1_0"),
            35 => Self::Named("TQ2_0"),
            36 => Self::Named("IQ4_NL_4_4"),
            37 => Self::Named("IQ4_NL_4_8"),
            38 => Self::Named("IQ4_NL_8_8"),
            39 => Self::Named("MXFP4"),
            40 => Self::Named("NVFP4"),
            41 => Self::Named("Q1_0"),
            _ => Self::Unknown(number),
        }
    }
}

/// ggml's number for `dtype`; `None` for a type that it does not have.
pub(super) fn number(dtype: Dtype) -> Option<u32> {
    let is_it =
        |number: &u32| matches!(StoredType::from_number(*number), StoredType::Read(read) if read == dtype);
    (0..=BF16).find(is_it)
}

/// Elements and bytes of the smallest piece that is stored whole.
pub(super) fn block(dtype: Dtype) -> (usize, usize) {
    match dtype {
        Dtype::Quantized(format) => (format.block_elements(), format.block_bytes()),
        plain => (1, width(plain).unwrap_or(1)),
    }
}
