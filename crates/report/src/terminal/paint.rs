//! Colours of a terminal, or none. Only the sixteen that the reader's theme defines, except in heat maps.

use crate::plot::shade::{Rgb, wants_black};

/// Whether escape sequences are written at all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    pub color: bool,
}

/// What a piece of text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
}

/// The colours of series, in their order.
pub(super) const SERIES: [Tone; 6] =
    [Tone::Cyan, Tone::Yellow, Tone::Green, Tone::Magenta, Tone::Blue, Tone::Red];

impl Tone {
    fn code(self) -> u8 {
        match self {
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Blue => 34,
            Self::Magenta => 35,
            Self::Cyan => 36,
        }
    }
}

impl Paint {
    /// `text` in `tone`.
    pub fn tone(self, tone: Tone, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
        } else {
            text.to_owned()
        }
    }

    /// `text` on a background.
    pub fn on(self, colour: Rgb, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let letters = if wants_black(colour) { 16 } else { 231 };
        format!("\u{1b}[38;5;{letters};48;5;{}m{text}\u{1b}[0m", in_cube(colour))
    }
}

/// The nearest colour of the 6×6×6 cube of 256-colour terminals.
fn in_cube(colour: Rgb) -> u8 {
    let level = |channel: u8| match channel {
        0..48 => 0,
        48..115 => 1,
        _ => (channel - 35) / 40,
    };
    16 + 36 * level(colour[0]) + 6 * level(colour[1]) + level(colour[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_fall_into_the_cube() {
        assert_eq!([in_cube([0, 0, 0]), in_cube([255, 255, 255]), in_cube([255, 0, 0])], [16, 231, 196]);
        assert_eq!(in_cube([0x5f, 0x87, 0xaf]), 16 + 36 + 12 + 3);
    }
}
