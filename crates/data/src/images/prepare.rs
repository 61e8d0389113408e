//! From a decoded image to the numbers of a network.
//!
//!     colours → resize → cut out of the middle → pixel = (byte/255 − mean) / deviation
//!
//! Grey is Pillow's 0.299 red + 0.587 green + 0.114 blue. Resizing averages over a triangle that grows with the reduction, as
//! Pillow's bilinear does. Transparency is dropped, and an orientation that is only noted beside the pixels is not followed.

use super::Fault;
use image::{DynamicImage, GrayImage, imageops::FilterType};

/// The most pixels that an image is resized to.
const LIMIT: u64 = 1 << 26;

/// What is done to an image before a network sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Preparation {
    /// The size that images get.
    pub resize: Resize,
    /// Height and width that are cut out of the middle, in pixels; `None`: all of it.
    pub cut: Option<[u32; 2]>,
    /// Where the cut begins when what is left over is odd.
    pub half: Half,
    /// Colours that images get, 1 or 3; `None`: their own.
    pub channels: Option<usize>,
    /// Subtracted from pixels between 0 and 1; one for every colour, or one for all.
    pub mean: Vec<f32>,
    /// Divided by; one for every colour, or one for all.
    pub deviation: Vec<f32>,
}

/// The size that images get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resize {
    /// Their own.
    #[default]
    Not,
    /// Such that the shorter side has so many pixels, in their proportions.
    Shorter(u32),
    /// This height and width in pixels, whatever their proportions.
    Exact([u32; 2]),
    /// Their own from the least height and width to the most, both in pixels; else the least.
    Within {
        /// Of images that are smaller or larger.
        least: [u32; 2],
        /// Not below the least.
        most: [u32; 2],
    },
}

/// Where a cut begins that would begin at half a pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Half {
    /// At the pixel before, as in transformers.
    #[default]
    Down,
    /// At the even one of the two beside it, as in torchvision.
    Even,
}

impl Half {
    /// Half of `left_over`, in whole pixels.
    fn of(self, left_over: u32) -> u32 {
        match self {
            Self::Even if left_over % 4 == 3 => left_over / 2 + 1,
            Self::Down | Self::Even => left_over / 2,
        }
    }
}

impl Default for Preparation {
    /// The pixels as they are, between 0 and 1.
    fn default() -> Self {
        let (mean, deviation) = (vec![0.0], vec![1.0]);
        Self { resize: Resize::Not, cut: None, half: Half::Down, channels: None, mean, deviation }
    }
}

impl Preparation {
    /// torchvision's for networks of ImageNet: 224 × 224 of 256, standardised colours.
    pub fn imagenet() -> Self {
        Self {
            resize: Resize::Shorter(256),
            cut: Some([224, 224]),
            half: Half::Even,
            channels: Some(3),
            mean: vec![0.485, 0.456, 0.406],
            deviation: vec![0.229, 0.224, 0.225],
        }
    }

    /// The image as a network sees it.
    pub(super) fn apply(&self, image: DynamicImage) -> Result<Prepared, Fault> {
        let own = if image.color().has_color() { 3 } else { 1 };
        let channels = self.channels.unwrap_or(own);
        let image: DynamicImage = match channels {
            1 => grey(image).into(),
            3 => image.into_rgb8().into(),
            _ => return Err(Fault::Colours { found: channels }),
        };
        let image = self.cut_out(self.resized(image)?)?;
        let (height, width, bytes) = (image.height() as usize, image.width() as usize, image.into_bytes());
        let (mean, deviation) = self.standard(channels)?;
        let mut pixels = Vec::with_capacity(bytes.len());
        for (channel, (mean, deviation)) in mean.iter().zip(&deviation).enumerate() {
            let bytes = bytes.iter().skip(channel).step_by(channels);
            pixels.extend(bytes.map(|&byte| (f32::from(byte) / 255.0 - mean) / deviation));
        }
        Ok(Prepared { sides: [channels, height, width], pixels })
    }

    fn resized(&self, image: DynamicImage) -> Result<DynamicImage, Fault> {
        let own = [image.height(), image.width()];
        let [height, width] = match self.resize {
            Resize::Not => return Ok(image),
            Resize::Within { least, most }
                if (0..2).all(|axis| (least[axis]..=most[axis]).contains(&own[axis])) =>
            {
                return Ok(image);
            }
            Resize::Exact(sides) | Resize::Within { least: sides, .. } => sides.map(u64::from),
            Resize::Shorter(shorter) => {
                // An image without pixels has nothing to resize; it is refused by who cuts or compares.
                let shortest = u64::from(own[0].min(own[1]).max(1));
                own.map(|side| (u64::from(side) * u64::from(shorter) / shortest).max(1))
            }
        };
        if [height, width] == own.map(u64::from) {
            return Ok(image);
        }
        match (u32::try_from(height), u32::try_from(width)) {
            (Ok(height), Ok(width)) if u64::from(height) * u64::from(width) <= LIMIT => {
                Ok(image.resize_exact(width, height, FilterType::Triangle))
            }
            _ => Err(Fault::Large { height, width, limit: LIMIT }),
        }
    }

    fn cut_out(&self, image: DynamicImage) -> Result<DynamicImage, Fault> {
        let Some([height, width]) = self.cut else { return Ok(image) };
        let (Some(above), Some(left)) =
            (image.height().checked_sub(height), image.width().checked_sub(width))
        else {
            let found = [image.height() as usize, image.width() as usize];
            return Err(Fault::Small { found, wanted: [height as usize, width as usize] });
        };
        Ok(image.crop_imm(self.half.of(left), self.half.of(above), width, height))
    }

    /// Mean and deviation of every colour.
    fn standard(&self, channels: usize) -> Result<(Vec<f32>, Vec<f32>), Fault> {
        let spread = |values: &[f32]| match values {
            &[one] => Some(vec![one; channels]),
            all => Some(all.to_vec()).filter(|all| all.len() == channels),
        };
        match (spread(&self.mean), spread(&self.deviation)) {
            (Some(mean), Some(deviation))
                if mean.iter().all(|mean| mean.is_finite())
                    && deviation.iter().all(|deviation| deviation.is_finite() && 0.0 < *deviation) =>
            {
                Ok((mean, deviation))
            }
            _ => {
                let words = |values: &[f32]| format!("{values:?}");
                let (mean, deviation) = (words(&self.mean), words(&self.deviation));
                Err(Fault::Standard { channels, mean, deviation })
            }
        }
    }
}

/// Without colours: Pillow's sum of them, whose factors are in 1/65536.
fn grey(image: DynamicImage) -> GrayImage {
    if !image.color().has_color() {
        return image.into_luma8();
    }
    let image = image.into_rgb8();
    let sum = |[red, green, blue]: [u32; 3]| (19_595 * red + 38_470 * green + 7_471 * blue + (1 << 15)) >> 16;
    let values = image.pixels().map(|pixel| sum(pixel.0.map(u32::from)) as u8).collect();
    GrayImage::from_raw(image.width(), image.height(), values).unwrap_or_default()
}

/// An image that is ready.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Prepared {
    /// Colours, height, width.
    pub sides: [usize; 3],
    /// [colours, height, width].
    pub pixels: Vec<f32>,
}
