//! Types of numbers in NumPy's words: a sign for the order of bytes, a letter for the kind, and how many bytes there are.

/// A type of numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    F4,
    F8,
    I1,
    I2,
    I4,
    I8,
    /// Truth values as well.
    U1,
    U2,
    U4,
    U8,
    C8,
    C16,
}

impl Number {
    /// The one of NumPy's words, and whether its bytes are in the other order.
    pub fn named(descr: &str) -> Option<(Self, bool)> {
        let (order, name) = descr.split_at_checked(1)?;
        let number = match name {
            "f4" => Self::F4,
            "f8" => Self::F8,
            "i1" => Self::I1,
            "i2" => Self::I2,
            "i4" => Self::I4,
            "i8" => Self::I8,
            "b1" | "u1" => Self::U1,
            "u2" => Self::U2,
            "u4" => Self::U4,
            "u8" => Self::U8,
            "c8" => Self::C8,
            "c16" => Self::C16,
            _ => return None,
        };
        ["<", "|", ">"].contains(&order).then_some((number, order == ">"))
    }

    pub fn bytes(self) -> usize {
        match self {
            Self::I1 | Self::U1 => 1,
            Self::I2 | Self::U2 => 2,
            Self::F4 | Self::I4 | Self::U4 => 4,
            Self::F8 | Self::I8 | Self::U8 | Self::C8 => 8,
            Self::C16 => 16,
        }
    }

    /// Bytes of a real number, or of either part of a complex one.
    pub fn part_bytes(self) -> usize {
        if self.is_complex() { self.bytes() / 2 } else { self.bytes() }
    }

    pub fn is_complex(self) -> bool {
        matches!(self, Self::C8 | Self::C16)
    }

    /// Reads a real number, or either part of a complex one.
    pub fn part(self) -> fn(&[u8]) -> f64 {
        match self {
            Self::F4 | Self::C8 => |bytes| f64::from(f32::from_le_bytes(word(bytes))),
            Self::F8 | Self::C16 => |bytes| f64::from_le_bytes(word(bytes)),
            Self::I1 => |bytes| f64::from(i8::from_le_bytes(word(bytes))),
            Self::I2 => |bytes| f64::from(i16::from_le_bytes(word(bytes))),
            Self::I4 => |bytes| f64::from(i32::from_le_bytes(word(bytes))),
            Self::I8 => |bytes| i64::from_le_bytes(word(bytes)) as f64,
            Self::U1 => |bytes| f64::from(u8::from_le_bytes(word(bytes))),
            Self::U2 => |bytes| f64::from(u16::from_le_bytes(word(bytes))),
            Self::U4 => |bytes| f64::from(u32::from_le_bytes(word(bytes))),
            Self::U8 => |bytes| u64::from_le_bytes(word(bytes)) as f64,
        }
    }
}

/// The bytes of one number; as many as it has.
fn word<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut word = [0; N];
    word.copy_from_slice(bytes);
    word
}
