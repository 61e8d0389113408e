//! `preprocessor_config.json` of image processors of transformers, as a [`Preparation`]; defaults are those of
//! `ViTImageProcessor`.
//!
//! | key | meaning |
//! | --- | --- |
//! | `do_resize`, `size` | `{height, width}` or a number: to that size; `{shortest_edge}`, or a number with `do_center_crop`: the shorter side |
//! | `do_center_crop`, `crop_size` | what is cut out of the middle |
//! | `do_rescale`, `rescale_factor` | only true and 1/255 |
//! | `do_normalize`, `image_mean`, `image_std` | the standardisation |
//!
//! Departure: resizing is bilinear whatever `resample` says.

use super::{Fault, Preparation, Resize};
use crate::error::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// Height and width, in pixels, where the file names none.
const SIDE: u32 = 224;

impl Preparation {
    /// From the parsed file; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Images`] with [`Fault::Preprocessor`]: a key holds something else than it should, or what is not done here.
    pub fn from_json(json: &Value, path: &Path) -> Result<Self> {
        read(json).map_err(|fault| Error::Images { path: path.to_owned(), fault })
    }
}

fn read(json: &Value) -> Result<Preparation, Fault> {
    let (resized, cut) = (flag(json, "do_resize", true)?, flag(json, "do_center_crop", false)?);
    let factor = number(json, "rescale_factor")?.unwrap_or(1.0 / 255.0);
    if !flag(json, "do_rescale", true)? {
        return Err(wrong("do_rescale", "true"));
    }
    if (factor * 255.0 - 1.0).abs() > 1e-3 {
        return Err(wrong("rescale_factor", "1/255"));
    }
    let standardised = flag(json, "do_normalize", true)?;
    let numbers = |key, usual: f32| match standardised {
        true => list(json, key).map(|found| found.unwrap_or_else(|| vec![0.5])),
        false => Ok(vec![usual]),
    };
    Ok(Preparation {
        resize: if resized { resize(json, cut)? } else { Resize::Not },
        cut: if cut { Some(size(json, "crop_size")?) } else { None },
        mean: numbers("image_mean", 0.0)?,
        deviation: numbers("image_std", 1.0)?,
        ..Preparation::default()
    })
}

fn resize(json: &Value, cut: bool) -> Result<Resize, Fault> {
    match present(json, "size") {
        Some(Value::Object(sides)) if sides.get("shortest_edge").is_some_and(|edge| !edge.is_null()) => {
            Ok(Resize::Shorter(pixels(&json["size"]["shortest_edge"], "size")?))
        }
        Some(edge @ Value::Number(_)) if cut => Ok(Resize::Shorter(pixels(edge, "size")?)),
        _ => Ok(Resize::Exact(size(json, "size")?)),
    }
}

/// Height and width.
fn size(json: &Value, key: &'static str) -> Result<[u32; 2], Fault> {
    match present(json, key) {
        None => Ok([SIDE; 2]),
        Some(side @ Value::Number(_)) => Ok([pixels(side, key)?; 2]),
        Some(sides) => Ok([pixels(&sides["height"], key)?, pixels(&sides["width"], key)?]),
    }
}

fn pixels(value: &Value, key: &'static str) -> Result<u32, Fault> {
    let side = value.as_u64().and_then(|side| u32::try_from(side).ok()).filter(|&side| 0 < side);
    side.ok_or_else(|| wrong(key, "a number of pixels, `{height, width}` or `{shortest_edge}`"))
}

fn list(json: &Value, key: &'static str) -> Result<Option<Vec<f32>>, Fault> {
    let Some(value) = present(json, key) else { return Ok(None) };
    let numbers = value.as_array().and_then(|all| all.iter().map(|one| Some(one.as_f64()? as f32)).collect());
    numbers.map(Some).ok_or_else(|| wrong(key, "a list of numbers"))
}

fn number(json: &Value, key: &'static str) -> Result<Option<f64>, Fault> {
    present(json, key).map(|value| value.as_f64().ok_or_else(|| wrong(key, "a number"))).transpose()
}

fn flag(json: &Value, key: &'static str, usual: bool) -> Result<bool, Fault> {
    let found = present(json, key).map(|value| value.as_bool().ok_or_else(|| wrong(key, "true or false")));
    Ok(found.transpose()?.unwrap_or(usual))
}

fn present<'a>(json: &'a Value, key: &str) -> Option<&'a Value> {
    json.get(key).filter(|value| !value.is_null())
}

fn wrong(key: &'static str, expected: &'static str) -> Fault {
    Fault::Preprocessor { key, expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_those_of_transformers() {
        let vit =
            read(&json!({"size": {"height": 12, "width": 8}, "image_std": [0.5, 0.25, 1], "resample": 3}));
        let expected = Preparation {
            resize: Resize::Exact([12, 8]),
            mean: vec![0.5],
            deviation: vec![0.5, 0.25, 1.0],
            ..Preparation::default()
        };
        assert_eq!(vit.unwrap(), expected);
        let cut = json!({"size": {"shortest_edge": 256}, "do_center_crop": true, "crop_size": 224, "do_normalize": false});
        let expected =
            Preparation { resize: Resize::Shorter(256), cut: Some([224; 2]), ..Preparation::default() };
        assert_eq!(read(&cut).unwrap(), expected);
        assert_eq!(
            read(&json!({"do_resize": false, "do_normalize": false})).unwrap(),
            Preparation::default()
        );
        assert_eq!(read(&json!({"size": 32})).unwrap().resize, Resize::Exact([32; 2]));
        assert_eq!(read(&json!({"size": 32, "do_center_crop": true})).unwrap().resize, Resize::Shorter(32));
    }

    #[test]
    fn what_is_not_done_here_is_named() {
        for (json, expected) in [
            (json!({"do_rescale": false}), "do_rescale"),
            (json!({"rescale_factor": 1}), "rescale_factor"),
            (json!({"size": {"height": 0, "width": 8}}), "size"),
            (json!({"size": "large"}), "size"),
            (json!({"do_center_crop": true, "crop_size": {"shortest_edge": 3}}), "crop_size"),
            (json!({"image_mean": 0.5}), "image_mean"),
            (json!({"do_resize": 1}), "do_resize"),
        ] {
            let fault = read(&json).unwrap_err();
            assert!(matches!(fault, Fault::Preprocessor { key, .. } if key == expected), "{fault}");
            assert!(fault.hint().is_some());
        }
    }
}
