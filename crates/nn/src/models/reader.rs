//! Building layers and parameters from named tensors, all of them frozen.

use super::Storage;
use crate::{
    Error, Kind, Parameter, Result,
    layers::{LayerNorm, Linear, RmsNorm},
    weight::{Dense, Factored, Weight},
};
use rankine_checkpoint::{Config, Dtype, Tensors, ends::HEAD, thin::Product};
use rankine_tensor::{Encoding, Frozen, Stored, Tensor};

/// A checkpoint, or one with an adapter merged in, and how its matrices are to lie in memory.
pub(super) struct Reader<'a> {
    pub tensors: &'a dyn Tensors,
    pub storage: Storage,
}

impl Reader<'_> {
    /// The embedding, and the head where that is a tensor of its own and no classes take its place; [vocabulary, embedding
    /// size].
    pub fn ends(&self, config: &Config) -> Result<(Parameter, Option<Parameter>)> {
        let shape = [config.vocabulary, config.embedding_size];
        let embedding = self.parameter(config.architecture.embedding(), Kind::Embedding, &shape)?;
        let separate = self.tensors.infos().contains_key(HEAD) || !config.tied;
        let separate = separate && !config.tells_classes();
        let head = separate.then(|| self.parameter(HEAD, Kind::Head, &shape)).transpose()?;
        Ok((embedding, head))
    }

    /// A linear map with the bias that its file has.
    pub fn linear(&self, module: &str, outputs: usize, inputs: usize) -> Result<Linear> {
        let weight = self.parameter(&format!("{module}.weight"), Kind::Linear, &[outputs, inputs])?;
        Ok(Linear { weight, bias: self.bias(module, outputs)? })
    }

    /// The same where the file holds the matrix as [inputs, outputs].
    pub fn transposed(&self, module: &str, outputs: usize, inputs: usize) -> Result<Linear> {
        let name = format!("{module}.weight");
        self.check(&name, &[inputs, outputs])?;
        let weight: Box<dyn Weight> = match self.tensors.product(&name) {
            None => Box::new(Dense::frozen(self.turned(&name, inputs, outputs)?)),
            Some(&Product { ref left, ref right, rank }) => {
                let (a, b) = (self.turned(left, inputs, rank)?, self.turned(right, rank, outputs)?);
                Box::new(Factored::frozen(a, b))
            }
        };
        self.tensors.release(&name, 0..inputs);
        let weight = Parameter::new(name, Kind::Linear, weight).transposed();
        Ok(Linear { weight, bias: self.bias(module, outputs)? })
    }

    /// Read wherever the file has one: an adapter may bring biases that the base had not.
    pub fn bias(&self, module: &str, outputs: usize) -> Result<Option<Parameter>> {
        let name = format!("{module}.bias");
        let there = self.tensors.infos().contains_key(&name);
        there.then(|| self.parameter(&name, Kind::Bias, &[outputs])).transpose()
    }

    pub fn rms_norm(&self, module: &str, size: usize, epsilon: f64) -> Result<RmsNorm> {
        let weight = self.parameter(&format!("{module}.weight"), Kind::Norm, &[size])?;
        Ok(RmsNorm { weight, epsilon: epsilon as f32 })
    }

    pub fn layer_norm(&self, module: &str, size: usize, epsilon: f64) -> Result<LayerNorm> {
        let weight = self.parameter(&format!("{module}.weight"), Kind::Norm, &[size])?;
        let bias = self.parameter(&format!("{module}.bias"), Kind::Bias, &[size])?;
        Ok(LayerNorm { weight, bias, epsilon: epsilon as f32 })
    }

    pub fn parameter(&self, name: &str, kind: Kind, shape: &[usize]) -> Result<Parameter> {
        self.check(name, shape)?;
        let weight = self.weight(name, shape)?;
        self.tensors.release(name, 0..shape[0]);
        Ok(Parameter::new(name.to_owned(), kind, weight))
    }

    /// A weight that is stored as two factors stays so.
    fn weight(&self, name: &str, shape: &[usize]) -> Result<Box<dyn Weight>> {
        let Some(&Product { ref left, ref right, rank }) = self.tensors.product(name) else {
            return Ok(Box::new(Dense::frozen(self.value(name, shape)?)));
        };
        let a = self.value(right, &[rank, shape[1..].iter().product()])?;
        let b = self.value(left, &[shape[0], rank])?;
        Ok(Box::new(Factored::frozen(a, b).folded(shape)))
    }

    /// An error when the tensor is there in another shape; one that is absent is named when it is read.
    fn check(&self, name: &str, shape: &[usize]) -> Result<()> {
        match self.tensors.infos().get(name).filter(|info| info.shape != shape) {
            None => Ok(()),
            Some(info) => {
                let (expected, found) = (shape.to_vec(), info.shape.clone());
                Err(Error::TensorShape { name: name.to_owned(), expected, found })
            }
        }
    }

    fn value(&self, name: &str, shape: &[usize]) -> Result<Frozen> {
        Ok(self.packed(name, self.stored(name, shape)?))
    }

    fn turned(&self, name: &str, rows: usize, columns: usize) -> Result<Frozen> {
        Ok(self.packed(name, self.stored_turned(name, rows, columns)?))
    }

    /// A matrix in the type that is asked for; one with numbers that are not finite stays as it is, for whoever asked to find.
    fn packed(&self, name: &str, value: Frozen) -> Frozen {
        let pack: fn(&[f32], usize, usize) -> Stored = match self.tensors.packing(name) {
            Some(Encoding::Nf4) => Stored::nf4,
            Some(Encoding::Nf4Double) => Stored::nf4_double,
            _ => return value,
        };
        let Ok([rows, columns]) = value.matrix("packed") else { return value };
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        let packed = |values: &[f32]| finite(values).then(|| pack(values, rows, columns));
        value.tensor().read(packed).map_or(value, Frozen::from)
    }

    /// A matrix stays in the type of its file where that is wanted and products know the type, or is rounded; everything
    /// else is read as f32.
    fn stored(&self, name: &str, shape: &[usize]) -> Result<Frozen> {
        if self.storage == Storage::File
            && let &[rows, columns] = shape
            && let Some((dtype, bytes)) = self.tensors.encoded(name)?
            && let Some(encoding) = encoding(dtype)
            && let Ok(stored) = Stored::new(encoding, rows, columns, bytes.into_owned())
        {
            return Ok(stored.into());
        }
        let mut values = vec![0.0; shape.iter().product()];
        self.tensors.read_into(name, &mut values)?;
        match (self.storage, shape) {
            (Storage::Bf16, &[rows, columns]) => Ok(Stored::bf16(&values, rows, columns).into()),
            _ => Ok(Tensor::new(values, shape)?.into()),
        }
    }

    /// The same of the transpose of a matrix [rows, columns]; numbers of two bytes stay as they are.
    fn stored_turned(&self, name: &str, rows: usize, columns: usize) -> Result<Frozen> {
        if self.storage == Storage::File
            && let Some((dtype, bytes)) = self.tensors.encoded(name)?
            && let Some(encoding @ (Encoding::Bf16 | Encoding::F16)) = encoding(dtype)
            && let (numbers, []) = bytes.as_chunks::<2>()
            && numbers.len() == rows * columns
            && let Ok(stored) = Stored::new(encoding, columns, rows, turn(numbers, columns))
        {
            return Ok(stored.into());
        }
        let mut values = vec![0.0; rows * columns];
        self.tensors.read_into(name, &mut values)?;
        let values = Tensor::new(values, &[rows, columns])?.t()?.to_vec();
        match self.storage {
            Storage::Bf16 => Ok(Stored::bf16(&values, columns, rows).into()),
            Storage::File | Storage::F32 => Ok(Tensor::new(values, &[columns, rows])?.into()),
        }
    }
}

fn encoding(dtype: Dtype) -> Option<Encoding> {
    match dtype {
        Dtype::Bf16 => Some(Encoding::Bf16),
        Dtype::F16 => Some(Encoding::F16),
        Dtype::Quantized(format) => Some(Encoding::Blocks(format)),
        _ => None,
    }
}

/// The bytes of the transpose of a matrix of `columns` columns, above 0.
fn turn(numbers: &[[u8; 2]], columns: usize) -> Vec<u8> {
    let column = |column| numbers.iter().skip(column).step_by(columns);
    (0..columns).flat_map(column).flatten().copied().collect()
}
