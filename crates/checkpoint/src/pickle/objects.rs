//! What a pickle of torch builds: lists, dictionaries, and tensors as views into storages.
//!
//! Objects lie in tables and refer to each other by number, so that a pickle that nests or ties them in any way
//! neither recurses nor copies.

use super::Fault;
use crate::Dtype;
use crate::fields::shorten;
use indexmap::IndexMap;

/// More axes than any tensor has.
const AXES: usize = 32;

/// Where training scripts keep the weights inside of what they save.
const STATES: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// The names that a pickle may call for; nothing else is known, and nothing is looked up anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    /// `torch.Size`: a tuple.
    Size,
    /// A tensor from storage, offset, sizes and strides.
    Tensor,
    /// A tensor that is trained.
    Parameter,
    Storage(Dtype),
}

impl Global {
    pub(super) fn named(module: &str, name: &str) -> Result<Self, Fault> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch", "Size") => Self::Size,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::Tensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Self::Parameter,
            ("torch", name) if name.ends_with("Storage") => {
                let unknown = || Fault::Dtype { found: format!("torch.{}", printable(name)) };
                Self::Storage(stored_as(name).ok_or_else(unknown)?)
            }
            _ => return Err(Fault::Global { name: format!("{}.{}", printable(module), printable(name)) }),
        })
    }
}

fn stored_as(storage: &str) -> Option<Dtype> {
    Some(match storage {
        "DoubleStorage" => Dtype::F64,
        "FloatStorage" => Dtype::F32,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::Bf16,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" => Dtype::U8,
        "BoolStorage" => Dtype::Bool,
        _ => return None,
    })
}

/// A name from the file, fit for a message.
fn printable(name: &str) -> String {
    shorten(name).escape_debug().to_string()
}

/// Something on the stack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// A whole number of more than eight bytes, as written.
    Long(&'a [u8]),
    Text(&'a str),
    /// A number with a point, or bytes: part of no tensor.
    Other,
    Global(Global),
    Tuple(usize),
    List(usize),
    Dict(usize),
    Storage(usize),
    Tensor(usize),
}

/// Numbers in a row, as the pickle describes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    pub dtype: Dtype,
    pub elements: usize,
}

/// A tensor as the pickle describes it; nothing about it is checked.
#[derive(Debug)]
pub(super) struct Strided {
    /// Number of its storage.
    pub storage: usize,
    /// Its first number.
    pub offset: usize,
    pub shape: Vec<usize>,
    /// Numbers from one entry of an axis to the next; as many as axes.
    pub strides: Vec<usize>,
}

/// The tables.
#[derive(Debug, Default)]
pub(super) struct Objects<'a> {
    /// Tuples and lists.
    pub sequences: Vec<Vec<Value<'a>>>,
    pub dicts: Vec<Vec<(Value<'a>, Value<'a>)>>,
    /// Key → what it is.
    pub storages: IndexMap<&'a str, Storage>,
    pub tensors: Vec<Strided>,
}

impl<'a> Objects<'a> {
    /// Number of a new tuple or list.
    pub(super) fn sequence(&mut self, items: Vec<Value<'a>>) -> usize {
        self.sequences.push(items);
        self.sequences.len() - 1
    }

    pub(super) fn dict(&mut self) -> Value<'a> {
        self.dicts.push(Vec::new());
        Value::Dict(self.dicts.len() - 1)
    }

    /// What a call gives; `None` for arguments that torch does not write.
    pub(super) fn called(&mut self, global: Global, arguments: usize) -> Option<Value<'a>> {
        match (global, self.sequences[arguments].as_slice()) {
            (Global::OrderedDict, []) => Some(self.dict()),
            (Global::Size, &[sizes @ Value::Tuple(_)]) => Some(sizes),
            (Global::Parameter, &[tensor @ Value::Tensor(_), ..]) => Some(tensor),
            (
                Global::Tensor,
                &[
                    Value::Storage(storage),
                    Value::Int(offset),
                    Value::Tuple(shape),
                    Value::Tuple(strides),
                    ..,
                ],
            ) => {
                let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
                let offset = usize::try_from(offset).ok().filter(|_| shape.len() == strides.len())?;
                self.tensors.push(Strided { storage, offset, shape, strides });
                Some(Value::Tensor(self.tensors.len() - 1))
            }
            _ => None,
        }
    }

    fn sizes(&self, tuple: usize) -> Option<Vec<usize>> {
        let size = |value: &Value| match value {
            Value::Int(size) => usize::try_from(*size).ok(),
            _ => None,
        };
        let sizes = Some(&self.sequences[tuple]).filter(|sizes| sizes.len() <= AXES)?;
        sizes.iter().map(size).collect()
    }

    /// The storage that a persistent identifier names: `("storage", type, key, device, elements)`, in the old format
    /// followed by what it is a part of.
    pub(super) fn stored(&mut self, identifier: usize) -> Result<Option<Value<'a>>, Fault> {
        let (dtype, key, elements) = match *self.sequences[identifier].as_slice() {
            [
                Value::Text("storage"),
                Value::Global(Global::Storage(dtype)),
                Value::Text(key),
                _,
                Value::Int(elements),
                ref view @ ..,
            ] => match view {
                [] | [Value::None] => (dtype, key, elements),
                _ => return Err(Fault::StorageView { key: printable(key) }),
            },
            _ => return Ok(None),
        };
        let Ok(elements) = usize::try_from(elements) else { return Ok(None) };
        let described = Storage { dtype, elements };
        let (index, before) = self.storages.insert_full(key, described);
        match before {
            Some(before) if before != described => Err(Fault::StorageTwice { key: printable(key) }),
            _ => Ok(Some(Value::Storage(index))),
        }
    }

    /// The tensors by name: those of a dictionary that the outermost one keeps under a customary name, else its own. Beside its
    /// weights a training may keep other tensors, such as the best accuracy.
    pub(super) fn named(&self, root: Value<'a>) -> Result<IndexMap<&'a str, &Strided>, Fault> {
        let Value::Dict(root) = root else { return Err(Fault::NoTensors) };
        let state = |name: &str| {
            // The last of equal keys counts.
            let mut entries = self.dicts[root].iter().rev();
            entries.find_map(|&(key, value)| match value {
                Value::Dict(state) if key == Value::Text(name) => Some(state),
                _ => None,
            })
        };
        let dicts = STATES.into_iter().filter_map(state).chain([root]);
        let tensors = dicts.map(|dict| self.tensors_of(dict)).find(|tensors| !tensors.is_empty());
        tensors.ok_or(Fault::NoTensors)
    }

    fn tensors_of(&self, dict: usize) -> IndexMap<&'a str, &Strided> {
        let tensor = |&(key, value): &(Value<'a>, Value<'a>)| match (key, value) {
            (Value::Text(name), Value::Tensor(tensor)) => Some((name, &self.tensors[tensor])),
            _ => None,
        };
        self.dicts[dict].iter().filter_map(tensor).collect()
    }
}
