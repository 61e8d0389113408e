//! Models some of whose weights are stored as two thin factors, and a view of them with whole weights.
//!
//!     W = B·A        W: [rows, …]   NAME.0.weight = A: [r, …]   NAME.1.weight = B: [rows, r]
//!
//! Names are those of [pela]: two layers in a row stand where one stood, and the second has its bias, `NAME.1.bias`. A and B
//! are factors of the tensor as files hold it: of a matrix stored as [in, out], A is [r, out]; of the taps of a convolution, A
//! is [r, in, height, width] and B [out, r, 1, 1]. All other tensors are those of the whole model.
//!
//! Names alone do not tell factors from layers (torchvision's MobileNetV2 has a `features.0.0.weight`), so `config.json` says
//! which weights are stored so:
//!
//! ```text
//! "model_type": "rankine_thin",
//! "rankine_thin": { "model_type": "llama", "ranks": { "model.layers.0.self_attn.q_proj": 16, … } }
//! ```
//!
//! Other programs do not know this type of model and refuse the folder; with the old one they would fill the weights that
//! they miss with random numbers. A network that has no `config.json` gets one with these two keys alone, and no old type.

mod fault;
#[cfg(test)]
mod tests;

pub use fault::Fault;

use crate::fields::{Fields, WrongValue, as_count};
use crate::safetensors::Safetensors;
use crate::{Dtype, Error, Result, TensorInfo, Tensors, edit::Editable, mapping};
use indexmap::IndexMap;
use rankine_kernels::gemm::{Matrix, matmul};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

const CONFIG: &str = "config.json";
/// The type of such a model, and the key of what it says.
const MARK: &str = "rankine_thin";
const MODEL_TYPE: &str = "model_type";

/// The modules whose weights are stored as two factors, with the rank of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThinLayers {
    /// Module → r.
    pub ranks: IndexMap<String, usize>,
}

impl ThinLayers {
    /// The stored tensors A and B of a module.
    pub fn factors(module: &str) -> [String; 2] {
        [0, 1].map(|layer| format!("{module}.{layer}.weight"))
    }

    /// Name of the bias of a module, where its weight is stored as factors.
    pub fn bias(module: &str) -> String {
        format!("{module}.1.bias")
    }

    /// The files that tell what a model is, saying of which weights the factors are stored.
    pub fn mark(&self, mut files: Vec<(&'static str, Value)>) -> Vec<(&'static str, Value)> {
        if files.iter().all(|(name, _)| *name != CONFIG) {
            files.push((CONFIG, json!({})));
        }
        for (_, config) in files.iter_mut().filter(|(name, _)| *name == CONFIG) {
            let mut mark = json!({ "ranks": self.ranks });
            if let Some(model_type) = config.get(MODEL_TYPE) {
                mark[MODEL_TYPE] = model_type.clone();
            }
            config[MODEL_TYPE] = MARK.into();
            config[MARK] = mark;
        }
        files
    }

    /// Takes the mark out of a `config.json`, which is that of the whole model from then on; null where nothing else was there.
    pub(crate) fn take(config: &mut Value) -> Result<Option<Self>, Fault> {
        let Some(fields) = config.as_object_mut() else { return Ok(None) };
        if fields.get(MODEL_TYPE).and_then(Value::as_str) != Some(MARK) {
            return Ok(None);
        }
        let mark = fields.shift_remove(MARK).unwrap_or(Value::Null);
        let mark = Fields::of(MARK, &mark)?;
        match mark.get(MODEL_TYPE) {
            Some(model_type) => fields.insert(MODEL_TYPE.to_owned(), model_type.clone()),
            None => fields.shift_remove(MODEL_TYPE),
        };
        if fields.is_empty() {
            *config = Value::Null;
        }
        let ranks = mark.object("ranks")?.ok_or(Fault::NoRanks)?;
        let rank = |(module, value): (&String, &Value)| match as_count(value) {
            Some(rank) if 0 < rank => Ok((module.clone(), rank)),
            _ => Err(Fault::from(WrongValue::new(module, "a rank above 0", value))),
        };
        Ok(Some(Self { ranks: ranks.0.iter().map(rank).collect::<Result<_, Fault>>()? }))
    }
}

/// `config.json` of `folder` as that of a whole model, and what it said of thin layers.
pub(crate) fn read_config(folder: &Path) -> Result<(Value, Option<ThinLayers>)> {
    let path = folder.join(CONFIG);
    let mut config = mapping::read_json(&path)?;
    match ThinLayers::take(&mut config) {
        Ok(layers) => Ok((config, layers)),
        Err(fault) => Err(Error::Thin { path, fault }),
    }
}

/// Whether some of these tensors are stored as factors.
pub fn is_thin(tensors: &dyn Tensors) -> bool {
    tensors.infos().keys().any(|name| tensors.product(name).is_some())
}

/// A tensor that is stored as two, W = B·A.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Name of B; [rows, r].
    pub left: String,
    /// Name of A; [r, …].
    pub right: String,
    /// r.
    pub rank: usize,
}

/// The tensors of a file with thin layers as those of the whole model. The factors can be read under their own names.
#[derive(Debug)]
pub(crate) struct Thin {
    stored: Safetensors,
    infos: IndexMap<String, TensorInfo>,
    products: IndexMap<String, Product>,
}

impl Thin {
    /// An error unless both factors of every layer are there, and fit each other.
    pub fn new(mut stored: Safetensors, layers: &ThinLayers) -> Result<Self> {
        stored.rename(|name| {
            let module = name.strip_suffix(".1.bias").filter(|module| layers.ranks.contains_key(*module));
            Some(module.map_or_else(|| name.to_owned(), |module| format!("{module}.bias")))
        });
        let (mut infos, mut products) = (stored.infos().clone(), IndexMap::new());
        for (module, &rank) in &layers.ranks {
            let name = format!("{module}.weight");
            let [right, left] = ThinLayers::factors(module);
            let product = Product { left, right, rank };
            let info = product.info(&name, stored.infos());
            let info = info.map_err(|fault| Error::Thin { path: stored.path().to_owned(), fault })?;
            // In the place of A; B goes.
            if let Some(index) = infos.get_index_of(&product.right) {
                infos.shift_insert(index, name.clone(), info);
            }
            infos.shift_remove(&product.right);
            infos.shift_remove(&product.left);
            products.insert(name, product);
        }
        Ok(Self { stored, infos, products })
    }
}

impl Product {
    /// The tensor `name` that is this product, in the type of its factors.
    fn info(&self, name: &str, stored: &IndexMap<String, TensorInfo>) -> Result<TensorInfo, Fault> {
        let Self { left, right, rank } = self;
        if stored.contains_key(name) {
            return Err(Fault::Whole { name: name.to_owned() });
        }
        let factor = |factor: &str| {
            let (name, factor) = (name.to_owned(), factor.to_owned());
            stored.get(&factor).ok_or(Fault::NoFactor { name, factor })
        };
        let (a, b) = (factor(right)?, factor(left)?);
        match (b.shape.as_slice(), a.shape.as_slice()) {
            ([rows, inner, ones @ ..], [outer, rest @ ..])
                if [inner, outer] == [rank; 2]
                    && ones.iter().all(|&side| side == 1)
                    && !rest.is_empty()
                    && a.dtype.is_float()
                    && b.dtype.is_float() =>
            {
                let shape: Vec<usize> = std::iter::once(rows).chain(rest).copied().collect();
                let overflow = || Fault::Size { name: name.to_owned(), shape: shape.clone() };
                let elements = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
                elements.ok_or_else(overflow)?;
                Ok(TensorInfo { shape, dtype: a.dtype, bytes: a.bytes + b.bytes })
            }
            _ => Err(Fault::Shapes {
                name: name.to_owned(),
                rank: *rank,
                found: Box::new([b.shape.clone(), a.shape.clone()]),
            }),
        }
    }
}

impl Tensors for Thin {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> Result<()> {
        let (Some(_), Some(info)) = (self.products.get(name), self.infos.get(name)) else {
            return self.stored.read_into(name, out);
        };
        let (name, expected, found) = (name.to_owned(), info.elements(), out.len());
        match expected == found {
            true => self.read_rows(&name, 0..info.rows(), out),
            false => Err(Error::Length { name, expected, found }),
        }
    }

    /// None of a product, which is made and not stored.
    fn raw(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        match self.products.contains_key(name) {
            true => Err(Error::NotPlain { path: self.stored.path().to_owned(), name: name.to_owned() }),
            false => self.stored.raw(name),
        }
    }

    fn encoded(&self, name: &str) -> Result<Option<(Dtype, Cow<'_, [u8]>)>> {
        if self.products.contains_key(name) { Ok(None) } else { self.stored.encoded(name) }
    }

    fn product(&self, name: &str) -> Option<&Product> {
        self.products.get(name)
    }

    fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let (Some(Product { left, right, rank }), Some(info)) =
            (self.products.get(name), self.infos.get(name))
        else {
            return self.stored.read_rows(name, rows, out);
        };
        info.check_rows(name, &rows, out.len())?;
        let (height, width) = (rows.len(), info.row_elements());
        let (mut b, mut a) = (vec![0.0; height * rank], vec![0.0; rank * width]);
        self.stored.read_rows(left, rows, &mut b)?;
        self.stored.read_into(right, &mut a)?;
        matmul(out, Matrix::new(&b, height, *rank), Matrix::new(&a, *rank, width), 1.0, false);
        Ok(())
    }

    fn release(&self, name: &str, rows: Range<usize>) {
        let Some(Product { left, right, rank }) = self.products.get(name) else {
            return self.stored.release(name, rows);
        };
        // Of A all is needed for every row.
        if self.infos.get(name).is_some_and(|info| rows.end == info.rows()) {
            self.stored.release(right, 0..*rank);
        }
        self.stored.release(left, rows);
    }
}
