//! Changed tensors that get no factors: norms, embeddings, biases, the head, convolutions.
//!
//! peft loads a module that was trained whole under `modules_to_save`, and the biases of adapted layers with `bias: lora_only`,
//! which wants all of them. It knows modules by the end of their names: one whose name ends another's cannot be told from it. A
//! tensor that is no weight or bias of a module, as the class token of a vision transformer, has no place either.

use super::Rest;
use crate::Result;
use crate::merged::Squares;
use indexmap::IndexMap;
use rankine_checkpoint::adapter::{Bias, ModuleName, Origin, Replacement, modules_of};
use rankine_checkpoint::{Pair, ends};
use std::collections::HashSet;

/// A changed tensor that got no factors.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftTensor {
    /// Its name.
    pub name: String,
    /// ‖W − W₀‖ / ‖W₀‖; `None` where W₀ is zeros.
    pub relative: Option<f64>,
    /// Whether the adapter holds it whole; it is lost otherwise.
    pub whole: bool,
}

/// What an adapter holds beside factors.
pub(super) struct Remainder {
    pub replaced: IndexMap<String, Replacement>,
    /// Modules that are stored whole.
    pub saved: Vec<String>,
    pub bias: Bias,
    pub left: Vec<LeftTensor>,
}

impl Remainder {
    /// Of the tensors that moved; `adapted` are the modules with factors, `looked_at` those whose weights are told elsewhere.
    pub fn of(
        (pair, moved): (Pair<'_>, &IndexMap<&str, Squares>),
        adapted: HashSet<&str>,
        looked_at: HashSet<&str>,
        rest: Rest,
    ) -> Result<Self> {
        let mut remainder =
            Self { replaced: IndexMap::new(), saved: Vec::new(), bias: Bias::None, left: Vec::new() };
        let modules = modules_of(pair.base());
        for (name, squares) in moved {
            let (module, parameter) = name.rsplit_once('.').unwrap_or(("", *name));
            if parameter == "weight" && looked_at.contains(module) {
                continue;
            }
            let whole = match (rest, parameter) {
                (Rest::Whole, "bias") if adapted.contains(module) => {
                    remainder.bias = Bias::LoraOnly;
                    true
                }
                (Rest::Whole, "weight" | "bias") if is_loadable(module, &modules) => {
                    remainder.save(pair, module)?;
                    true
                }
                _ => false,
            };
            let (name, relative) = ((*name).to_owned(), squares.relative());
            remainder.left.push(LeftTensor { name, relative, whole });
        }
        if remainder.bias == Bias::LoraOnly {
            let mut biases: Vec<String> = adapted.iter().map(|module| format!("{module}.bias")).collect();
            biases.sort();
            for name in biases {
                remainder.replace(pair, &name, Origin::Bias)?;
            }
        }
        Ok(remainder)
    }

    /// All of a module; where embedding and head are one tensor, both.
    fn save(&mut self, pair: Pair<'_>, module: &str) -> Result<()> {
        if self.saved.iter().any(|saved| saved == module) {
            return Ok(());
        }
        self.saved.push(module.to_owned());
        let names = ["weight", "bias"].map(|parameter| format!("{module}.{parameter}"));
        for name in &names {
            self.replace(pair, name, Origin::Module)?;
        }
        let embedding = ends::tied(pair.base().infos()).filter(|name| *name == names[0]);
        if embedding.is_some() && ends::tied(pair.tuned().infos()).is_some() {
            let (head, _) = ends::HEAD.rsplit_once('.').unwrap_or_default();
            self.saved.push(head.to_owned());
            let copy = self.replaced.get(&names[0]).cloned();
            self.replaced.extend(copy.map(|copy| (ends::HEAD.to_owned(), copy)));
        }
        Ok(())
    }

    /// Stores a tensor whole, where there is such a one.
    fn replace(&mut self, pair: Pair<'_>, name: &str, origin: Origin) -> Result<()> {
        let Some((_, info)) = pair.tensors().find(|(found, _)| *found == name) else { return Ok(()) };
        let (mut before, mut values) = (vec![0.0; info.elements()], vec![0.0; info.elements()]);
        pair.read_rows(name, 0..info.rows(), [&mut before, &mut values])?;
        self.replaced.insert(name.to_owned(), Replacement { shape: info.shape.clone(), values, origin });
        Ok(())
    }
}

/// Whether peft finds this module and no other under its name; a tied head is none of the file.
fn is_loadable(module: &str, modules: &[ModuleName]) -> bool {
    let mut ending = modules.iter().filter(|other| other.path.ends_with(module));
    ending.next().is_some_and(|found| found.path == module) && ending.next().is_none()
}
