//! The tensors of a model, with the wish that some of its matrices be kept in another type than that of the file.
//!
//! A method that rounds its base (QLoRA) asks for this, so that a weight is rounded as soon as it is read: a model never lies
//! in memory as its file has it. What a reader keeps is what the method would make of the weight, to the last bit.

use indexmap::IndexMap;
use rankine_checkpoint::{Dtype, Result, TensorInfo, Tensors, thin::Product};
use rankine_tensor::Encoding;
use std::{borrow::Cow, collections::HashSet, ops::Range};

/// A model whose weights of these modules are wanted in this type.
pub(crate) struct Packed<'a> {
    tensors: &'a dyn Tensors,
    modules: HashSet<&'a str>,
    encoding: Encoding,
}

impl<'a> Packed<'a> {
    pub fn new(tensors: &'a dyn Tensors, modules: &'a [String], encoding: Encoding) -> Self {
        Self { tensors, modules: modules.iter().map(String::as_str).collect(), encoding }
    }
}

impl Tensors for Packed<'_> {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        self.tensors.infos()
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> Result<()> {
        self.tensors.read_into(name, out)
    }

    fn raw(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        self.tensors.raw(name)
    }

    fn encoded(&self, name: &str) -> Result<Option<(Dtype, Cow<'_, [u8]>)>> {
        self.tensors.encoded(name)
    }

    fn product(&self, name: &str) -> Option<&Product> {
        self.tensors.product(name)
    }

    fn packing(&self, name: &str) -> Option<Encoding> {
        let module = name.strip_suffix(".weight")?;
        self.modules.contains(module).then_some(self.encoding)
    }

    fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        self.tensors.read_rows(name, rows, out)
    }

    fn release(&self, name: &str, rows: Range<usize>) {
        self.tensors.release(name, rows);
    }
}

#[cfg(test)]
mod tests {
    use crate::{TargetSection, kind::Runnable, targeted::load_targeted};
    use rankine_checkpoint::Checkpoint;
    use rankine_method::{Choice, Fields};
    use rankine_nn::{Parameter, models::Storage};
    use rankine_tensor::{Encoding, Frozen, Stored};
    use rankine_testkit::fixtures;
    use rankine_train::NextToken;

    /// GPT-2 keeps its matrices as [in, out]: they are rounded as the model has them.
    #[test]
    fn targeted_weights_are_rounded_when_they_are_read() {
        let settings: Fields = "rank = 2".parse().unwrap();
        let method = Choice::named("qlora").unwrap().with(&settings).unwrap();
        for (name, weights) in [
            ("models/llama_untied", Storage::File),
            ("models/llama_untied", Storage::Bf16),
            ("decoders/gpt2", Storage::F32),
        ] {
            let files = Checkpoint::open(fixtures::path(name)).unwrap();
            let plain = NextToken::load(&files, files.tensors(), weights).unwrap();
            let targets = TargetSection::default();
            let (model, modules) =
                load_targeted::<NextToken>(&files, (method.method(), &targets), weights).unwrap();
            let targeted = |parameter: &Parameter| {
                parameter.path().ends_with(".weight") && modules.iter().any(|name| name == parameter.module())
            };
            let mut rounded = 0;
            for (parameter, plain) in model.parameters().into_iter().zip(plain.parameters()) {
                let (found, plain) = (parameter.weight.constant().unwrap(), plain.weight.constant().unwrap());
                if !targeted(parameter) {
                    assert_eq!(found.tensor().to_vec(), plain.tensor().to_vec(), "{}", parameter.path());
                    continue;
                }
                let [rows, columns] = plain.matrix("test").unwrap();
                let expected = Stored::nf4_double(&plain.tensor().to_vec(), rows, columns);
                let Frozen::Stored(found) = found else { panic!("{}", parameter.path()) };
                assert_eq!(found.encoding(), Encoding::Nf4Double);
                assert!(*found == expected, "{name}: {}", parameter.path());
                rounded += 1;
            }
            assert_eq!(rounded, modules.len(), "{name}");
        }
    }
}
