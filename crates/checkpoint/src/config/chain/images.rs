//! The images that a chain reads, where file and tensors tell: their numbers, or those of the last maps, fill the first matrix.
//!
//!     side behind a convolution = ⌊(⌊(side + 2·padding − kernel)/stride⌋ + 1)/pool⌋

use super::{ChainConvolution, Fault, Fields, Sides, size};
use crate::chain::ChainLayer;
use crate::fields::WrongValue;

/// The largest side that is thought of where the file names none.
const THOUGHT_OF: usize = 1024;

/// Colours of a pixel; size of an image.
pub(super) fn of(
    fields: Fields<'_>,
    layers: &[ChainLayer<'_>],
    convolutions: &[ChainConvolution],
) -> Result<(Option<usize>, Option<Sides>), Fault> {
    let (folded, matrices) = layers.split_at(convolutions.len());
    let inputs = matrices.first().map_or(0, |layer| layer.shape[1]);
    let fills = |channels: usize, sides: [usize; 2]| {
        let outputs = folded.last().map_or(channels, |layer| layer.shape[0]);
        numbers(outputs, sides, folded, convolutions) == Some(inputs)
    };
    let possible = channels(fields, folded)?;
    if let Some(sides) = sides(fields)? {
        let fitting = possible.into_iter().find(|&channels| fills(channels, sides));
        let channels = fitting.ok_or(Fault::ImageSize { found: sides, inputs })?;
        return Ok((Some(channels), Some(Sides { least: sides, most: sides })));
    }
    let square = |&channels: &usize| {
        let mut filling = (1..=THOUGHT_OF).filter(|&side| fills(channels, [side; 2]));
        let least = filling.next()?;
        let most = filling.next_back().unwrap_or(least);
        Some((channels, Sides { least: [least; 2], most: [most; 2] }))
    };
    Ok(match possible.iter().find_map(square) {
        Some((channels, sides)) => (Some(channels), Some(sides)),
        None => (possible.first().copied().filter(|_| possible.len() == 1), None),
    })
}

/// The colours that a pixel may have.
fn channels(fields: Fields<'_>, folded: &[ChainLayer<'_>]) -> Result<Vec<usize>, Fault> {
    let own = fields.count("num_channels")?;
    match (folded.first().map(|layer| layer.shape[1]), own) {
        (Some(read), Some(own)) if own != read => {
            let expected = "as many as the first convolution reads";
            Err(Fault::Range { key: "num_channels", found: own as f64, expected })
        }
        (Some(read), _) => Ok(vec![read]),
        (None, Some(own)) => size("num_channels", own, 1 << 10).map(|()| vec![own]),
        (None, None) => Ok(vec![1, 3]),
    }
}

fn sides(fields: Fields<'_>) -> Result<Option<[usize; 2]>, Fault> {
    let key = "image_size";
    let (Some(found), Some(value)) = (fields.counts(key)?, fields.get(key)) else { return Ok(None) };
    let sides = match *found.as_slice() {
        [side] => [side; 2],
        [height, width] => [height, width],
        _ => return Err(WrongValue::new(key, "height and width, or one number for both", value).into()),
    };
    sides.into_iter().try_for_each(|side| size(key, side, 1 << 14))?;
    Ok(Some(sides))
}

/// How many numbers reach the first matrix: those of `outputs` maps of images of this size, `None` where a kernel or a window does
/// not fit.
fn numbers(
    outputs: usize,
    sides: [usize; 2],
    folded: &[ChainLayer<'_>],
    convolutions: &[ChainConvolution],
) -> Option<usize> {
    let mut numbers = outputs;
    for (axis, mut side) in sides.into_iter().enumerate() {
        for (layer, convolution) in folded.iter().zip(convolutions) {
            side = convolution.outputs(side, layer.shape[2 + axis])? / convolution.pool;
        }
        numbers = numbers.checked_mul(side)?;
    }
    Some(numbers).filter(|&numbers| 0 < numbers)
}
