//! What the network is moved to.

use crate::{
    Images,
    transfer::{Data, Split},
};

/// What the network is moved to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Shift {
    /// The other classes.
    NewClasses,
    /// The old classes, black and white exchanged.
    Inverted,
    /// The old classes, upside down and mirrored.
    Turned,
}

impl Shift {
    /// Its name.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::NewClasses => "new classes",
            Self::Inverted => "inverted",
            Self::Turned => "turned",
        }
    }

    /// The images to move to, so many of every class to learn from.
    pub(super) fn data(self, all: &Data, images: usize) -> Data {
        let split: &Split = if self == Self::NewClasses { &all.new } else { &all.old };
        let [train, test] = [&split.train, &split.test].map(|images| self.change(images));
        Data { old: all.old.clone(), new: Split { train: train.of_each_class(images), test } }
    }

    fn change(self, images: &Images) -> Images {
        let mut images = images.clone();
        match self {
            Self::NewClasses => {}
            Self::Inverted => {
                let (black, white) = images
                    .pixels
                    .iter()
                    .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
                images.pixels.iter_mut().for_each(|x| *x = black + white - *x);
            }
            Self::Turned => images.pixels.chunks_exact_mut(images.width).for_each(<[f32]>::reverse),
        }
        images
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_inverted_and_turned() {
        let images = Images { pixels: vec![0.0, 1.0, 3.0, 2.0, 0.5, 3.0], width: 3, labels: vec![0, 1] };
        let pixels = |shift: Shift| shift.change(&images).pixels;
        assert_eq!(pixels(Shift::Inverted), [3.0, 2.0, 0.0, 1.0, 2.5, 0.0]);
        assert_eq!(pixels(Shift::Turned), [3.0, 1.0, 0.0, 3.0, 0.5, 2.0]);
        assert_eq!(pixels(Shift::NewClasses), images.pixels);
    }
}
