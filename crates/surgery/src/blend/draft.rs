//! What every tensor of the result is made of, before anything is written.

use super::card::Kind;
use super::layers;
use super::loaded::Loaded;
use super::piece::{Part, Piece, Way};
use super::recipe::{BlendRecipe, One, Wrong};
use super::search::{Found, Search};
use super::settings::{Settings, Value};
use super::wants::{self, Want};
use crate::merged::Squares;
use crate::write::{Moved, computed, is_weight};
use crate::{Progress, Result, Stage, Watch};
use indexmap::IndexMap;
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{TensorInfo, Tensors, nearest};
use rankine_random::Rng;
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// A block of rows as f32, as `row_blocks` cuts them.
const BLOCK_BYTES: u64 = 1 << 20;

/// All tensors of the result, and how they come about.
pub(super) struct Draft<'m> {
    recipe: &'m BlendRecipe,
    rng: Rng,
    pub pieces: IndexMap<String, Piece<'m>>,
    infos: IndexMap<String, TensorInfo>,
    /// What the user should know of it.
    pub warnings: Vec<String>,
}

impl<'m> Draft<'m> {
    /// Looks at names and shapes, and at no numbers.
    pub fn new(recipe: &'m BlendRecipe, models: &'m [Loaded<'m>], seed: u64) -> Result<Self> {
        let mut search = Search::new(recipe, models);
        let mut found = Vec::new();
        for want in wants::all(recipe, models)? {
            found.extend(search.find(want));
        }
        search.check()?;
        let mut infos: IndexMap<String, TensorInfo> =
            found.iter().map(|found| (found.want.name.clone(), found.info.clone())).collect();
        search.warn_of_rest(&infos)?;
        let subject = models.first().map(|model| model.subject);
        let units = subject.map(|subject| layers::units(subject, &infos)).unwrap_or_default();
        let mut pieces = IndexMap::with_capacity(found.len());
        for found in found {
            let name = found.want.name.clone();
            let piece = found.piece(recipe, units.get(&name).copied().unwrap_or(0))?;
            infos.insert(name.clone(), piece.info.clone());
            pieces.insert(name, piece);
        }
        let mut warnings = search.warnings;
        match pieces.values().filter(|piece| piece.is_narrowed()).count() {
            0 => {}
            count => warnings.push(format!("{count} tensors of f64 are computed, and written, in f32")),
        }
        let rng = Rng::new(seed).fork("blend");
        Ok(Self { recipe, rng, pieces, infos, warnings })
    }

    /// Whether the tensor is made all at once.
    pub fn is_whole(&self, name: &str) -> bool {
        self.pieces.get(name).is_some_and(|piece| matches!(piece.way, Way::Whole(_)))
    }

    /// Whether its bytes are those of the part that it is made of.
    pub fn is_copied(&self, name: &str) -> bool {
        self.pieces.get(name).is_some_and(|piece| matches!(piece.way, Way::Copied))
    }

    /// The most bytes of f32 that are held at once: of one group of whole tensors, or of a block a thread.
    pub fn memory(&self) -> u64 {
        let held = |(name, info): (&String, &TensorInfo)| {
            let parts = self.pieces.get(name).map_or(0, |piece| piece.parts().count());
            (self.is_whole(name), info.elements() as u64 * (parts as u64 + 2) * 4, parts as u64 + 1)
        };
        let (whole, rows): (Vec<_>, Vec<_>) = self.infos.iter().map(held).partition(|(whole, ..)| *whole);
        let threads = rayon::current_num_threads();
        let groups = whole.chunks(threads).map(|group| group.iter().map(|(_, bytes, _)| *bytes).sum::<u64>());
        let blocks =
            rows.iter().map(|(_, bytes, tensors)| (tensors * BLOCK_BYTES).min(*bytes) * threads as u64);
        groups.chain(blocks).max().unwrap_or(0)
    }

    /// Makes some rows; how far they moved.
    pub fn make(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> Result<Squares> {
        let piece = self.pieces.get(name).ok_or_else(|| self.missing(name))?;
        piece.make((name, &rows), out, self.rng.fork(name), |wrong| self.recipe.fault(wrong))
    }

    /// Makes and writes the tensors of a file that are made all at once; how far they moved.
    pub fn write_whole(&self, writer: &TensorsWriter, watch: &mut Watch) -> Result<Moved> {
        let whole: Vec<(&String, &TensorInfo)> =
            self.infos.iter().filter(|(name, _)| self.is_whole(name)).collect();
        let bytes = |(_, info): &(&String, &TensorInfo)| info.bytes;
        let here: Vec<_> = whole.iter().copied().filter(|(name, _)| writer.has(name)).collect();
        // Those of the files before this one.
        let done: u64 = whole.iter().take_while(|(name, _)| !writer.has(name)).map(bytes).sum();
        let mut progress = Progress { stage: Stage::Blending, done, total: whole.iter().map(bytes).sum() };
        let mut moved = Moved::new();
        // In groups, so that the caller hears of progress on its own thread.
        for group in here.chunks(rayon::current_num_threads()) {
            let one = |(name, info): &(&String, &TensorInfo)| -> Result<Squares> {
                let mut out = vec![0.0; info.elements()];
                let squares = self.make(name, 0..info.rows(), &mut out)?;
                writer.write(name, &out)?;
                Ok(squares)
            };
            let squares: Vec<Squares> = group.par_iter().map(one).collect::<Result<_>>()?;
            moved.extend(group.iter().map(|(name, _)| (*name).clone()).zip(squares));
            progress.done += group.iter().map(bytes).sum::<u64>();
            progress.tell(watch)?;
        }
        Ok(moved)
    }

    fn missing(&self, name: &str) -> rankine_checkpoint::Error {
        let nearest = nearest(name, self.infos.keys().map(String::as_str), 3);
        let (path, name) = (self.recipe.path.clone(), name.to_owned());
        rankine_checkpoint::Error::MissingTensor { path, name, nearest }
    }

    fn origin(&self, name: &str) -> rankine_checkpoint::Result<&Part<'m>> {
        let origin = self.pieces.get(name).and_then(Piece::origin);
        origin.ok_or_else(|| self.missing(name))
    }
}

/// The result by its names, with the bytes of what is copied; numbers that are made come from [`Draft::make`].
impl Tensors for Draft<'_> {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> rankine_checkpoint::Result<()> {
        let part = self.origin(name)?;
        part.tensors.read_into(part.name, out)
    }

    fn raw(&self, name: &str) -> rankine_checkpoint::Result<Cow<'_, [u8]>> {
        let part = self.origin(name)?;
        part.tensors.raw(part.name)
    }

    fn release(&self, name: &str, rows: Range<usize>) {
        if let Ok(part) = self.origin(name) {
            part.tensors.release(part.name, rows);
        }
    }
}

impl<'m> Found<'m> {
    /// The tensor with its method and settings.
    fn piece(self, recipe: &BlendRecipe, unit: usize) -> Result<Piece<'m>> {
        let Self { want, parts, info } = self;
        if !is_weight(info.dtype) {
            let (settings, models) = (Settings::default(), parts.into_iter().map(|(_, part)| part).collect());
            return Ok(Piece { info, settings, base: None, models, way: Way::Copied });
        }
        let is_base = |place: &usize| Some(*place) == want.slice.base;
        let (base, models): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(place, _)| is_base(place));
        let places: Vec<usize> = models.iter().map(|(place, _)| *place).collect();
        let settings = settings(recipe, &want, &places, unit)?;
        let base = base.into_iter().map(|(_, part)| part).next();
        let models: Vec<Part> = models.into_iter().map(|(_, part)| part).collect();
        let method = (recipe.card.make)(&settings).map_err(|wrong| recipe.fault(wrong))?;
        let uncut = models.first().is_some_and(|part| part.info.shape == info.shape);
        if uncut && method.is_copy() {
            return Ok(Piece { info, settings, base, models, way: Way::Copied });
        }
        let way = if method.is_elementwise() { Way::Rows(method) } else { Way::Whole(method) };
        Ok(Piece { info: computed(&info), settings, base, models, way })
    }
}

/// All parameters for one tensor; `places` are the models in their slice.
fn settings(recipe: &BlendRecipe, want: &Want<'_>, places: &[usize], unit: usize) -> Result<Settings> {
    let Want { name, slice, sources, depth } = want;
    let mut settings = Settings { unit, ..Settings::default() };
    for parameter in recipe.card.parameters {
        let number = |place: Option<usize>| {
            let source = place.and_then(|place| slice.sources.get(place));
            let name = place.and_then(|place| sources.get(place)).unwrap_or(name);
            match (recipe.value(parameter, (*slice, source), (name.as_str(), *depth)), &parameter.kind) {
                (Some(One::Number(number)), _) => Ok(number),
                (_, Kind::Number { default: Some(number), .. }) => Ok(*number),
                _ => {
                    let model = source.and_then(|source| recipe.models.get(source.model));
                    let model = model.map_or_else(|| "the blend".to_owned(), ToString::to_string);
                    let (parameter, tensor) = (parameter.name, name.clone());
                    Err(recipe.fault(Wrong::Unset { parameter, model, tensor }))
                }
            }
        };
        let value = match &parameter.kind {
            Kind::Flag(default) => match recipe.value(parameter, (*slice, None), (name.as_str(), *depth)) {
                Some(One::Flag(flag)) => Value::Flag(flag),
                _ => Value::Flag(*default),
            },
            Kind::Number { .. } if parameter.of_each => {
                Value::Each(places.iter().map(|place| number(Some(*place))).collect::<Result<_>>()?)
            }
            Kind::Number { .. } => Value::One(number(None)?),
        };
        settings.values.insert(parameter.name, value);
    }
    Ok(settings)
}
