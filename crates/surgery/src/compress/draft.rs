//! What becomes of every matrix of a model, before anything is written.

use super::{CompressedMatrix, Compression, CompressionReport, Form, Site};
use crate::merged::Squares;
use crate::write::{Moved, Plan, computed};
use crate::{Progress, Result, Stage, Watch};
use indexmap::IndexMap;
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{TensorInfo, Tensors, ThinLayers};

/// What becomes of every matrix of a model.
pub(super) struct Draft<'a> {
    source: &'a dyn Tensors,
    dense: bool,
    /// By module.
    pub forms: IndexMap<String, (Site<'a>, Form)>,
    /// Modules that stay as they are.
    pub left: Vec<String>,
}

impl<'a> Draft<'a> {
    pub fn new(source: &'a dyn Tensors, dense: bool) -> Self {
        Self { source, dense, forms: IndexMap::new(), left: Vec::new() }
    }

    /// What a matrix becomes; `None` leaves it as it is.
    pub fn add(&mut self, site: &Site<'a>, form: Option<Form>) {
        let module = site.module().to_owned();
        match form {
            Some(form) => drop(self.forms.insert(module, (site.clone(), form))),
            None => self.left.push(module),
        }
    }

    /// The layers whose factors are written.
    pub fn layers(&self) -> Option<ThinLayers> {
        let rank = |(module, (_, form)): (&String, &(Site, Form))| match form {
            Form::Factors(rank) if !self.dense => Some((module.clone(), *rank)),
            _ => None,
        };
        let ranks: IndexMap<_, _> = self.forms.iter().filter_map(rank).collect();
        (!ranks.is_empty()).then_some(ThinLayers { ranks })
    }

    /// All tensors of the result, in the types of those that they are made of.
    pub fn infos(&self) -> IndexMap<String, TensorInfo> {
        let ranks = self.layers().unwrap_or_default().ranks;
        let mut infos = IndexMap::new();
        for (name, info) in self.source.infos() {
            let (module, word) = name.rsplit_once('.').unwrap_or(("", name.as_str()));
            match (ranks.get(module), word, info.shape.as_slice()) {
                (Some(&rank), "weight", &[rows, columns]) => {
                    let shapes = [[rank, columns], [rows, rank]];
                    for (name, shape) in ThinLayers::factors(module).into_iter().zip(shapes) {
                        infos.insert(name, TensorInfo { shape: shape.to_vec(), ..computed(info) });
                    }
                }
                (Some(_), "bias", _) => drop(infos.insert(ThinLayers::bias(module), computed(info))),
                _ if self.is_copied(name) => drop(infos.insert(name.clone(), info.clone())),
                _ => drop(infos.insert(name.clone(), computed(info))),
            }
        }
        infos
    }

    /// Whether a tensor of the result is the source's, under the same name.
    pub fn is_copied(&self, name: &str) -> bool {
        let made = |module: &str| self.forms.contains_key(module);
        self.source.infos().contains_key(name) && !name.strip_suffix(".weight").is_some_and(made)
    }

    /// Makes and writes the matrices that go into this file, and the biases of thin layers; how far each matrix moved, by module.
    /// Factors that lie in two files are made for each.
    pub fn write(
        &self,
        compression: &Compression<'_>,
        writer: &TensorsWriter,
        watch: &mut Watch,
    ) -> Result<Moved> {
        let is_here = |(module, (_, form)): &(&String, &(Site, Form))| self.is_in(writer, module, *form);
        let Some(first) = self.forms.iter().position(|matrix| is_here(&matrix)) else {
            return Ok(Moved::new());
        };
        let matrices: Vec<&(Site, Form)> = self.forms.iter().filter(is_here).map(|(_, made)| made).collect();
        let (done, total) = (first as u64, self.forms.len() as u64);
        let mut progress = Progress { stage: Stage::Compressing, done, total };
        let mut moved = Moved::with_capacity(matrices.len());
        let wanted = compression.method.wanted();
        for batch in wanted.batches(&matrices, |(site, _)| site.sizes()[1]) {
            let seen = match compression.inputs.filter(|_| wanted.any()) {
                Some(inputs) => {
                    let modules: Vec<String> =
                        batch.iter().map(|(site, _)| site.module().to_owned()).collect();
                    Some(inputs.see(&modules, wanted, watch)?)
                }
                None => None,
            };
            let one = |(site, form): &&(Site, Form)| {
                site.clone().with(seen.as_deref()).write(compression, *form, writer)
            };
            let names = batch.iter().map(|(site, _)| site.module().to_owned());
            moved.extend(names.zip(progress.in_groups(batch, one, watch)?));
        }
        Ok(moved)
    }

    /// Whether something that a matrix becomes goes into this file.
    fn is_in(&self, writer: &TensorsWriter, module: &str, form: Form) -> bool {
        match form {
            Form::Factors(_) if !self.dense => {
                let mut names = ThinLayers::factors(module).into_iter().chain([ThinLayers::bias(module)]);
                names.any(|name| writer.has(&name))
            }
            _ => writer.has(&format!("{module}.weight")),
        }
    }

    pub fn report(self, plan: Plan, moved: Option<&Moved>) -> CompressionReport {
        let infos = self.source.infos().values();
        let matrix = |(module, (site, form)): (&String, &(Site, Form))| CompressedMatrix {
            module: module.clone(),
            shape: site.sides(),
            rank: match form {
                Form::Factors(rank) => Some(*rank),
                Form::Whole => None,
            },
            relative: moved.and_then(|moved| moved.get(module)?.relative()),
        };
        let matrices = self.forms.iter().map(matrix).collect();
        let all = moved.map(|moved| moved.values().fold(Squares::default(), |all, one| all.plus(*one)));
        CompressionReport {
            plan,
            parameters: infos.clone().map(|info| info.elements() as u64).sum(),
            bytes: infos.map(|info| info.bytes).sum(),
            matrices,
            relative: all.and_then(Squares::relative),
            left: self.left,
        }
    }
}
