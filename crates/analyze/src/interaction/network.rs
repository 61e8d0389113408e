//! What is asked of a network: what its layers hold, and the derivatives by them.

use std::error::Error;

/// What one or more maps read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Name of the first map that reads it.
    pub name: String,
    /// d.
    pub width: usize,
    /// The maps that read it.
    pub maps: Vec<Map>,
}

/// A map that reads a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Its name.
    pub name: String,
    /// How many numbers it gives; `None` of a convolution, whose weights meet many positions at once.
    pub outputs: Option<usize>,
    /// It adds a vector.
    pub bias: bool,
}

/// From what gradients flow back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sources {
    /// How many there are: the outputs, or sums of them with random signs.
    pub count: usize,
    /// They are the outputs themselves.
    pub exact: bool,
}

/// One forward and one backward pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question<'a> {
    /// Which batch.
    pub batch: usize,
    /// What is derived.
    pub of: Of<'a>,
    /// By which layers, ascending.
    pub by: &'a [usize],
    /// By what the maps of these layers give, too.
    pub maps: bool,
    /// Added to what the one layer of `by` holds before the network goes on from there; [rows, d].
    pub shift: Option<&'a [f32]>,
}

/// What is derived: a sum over rows. Where a row of a layer before may reach several of them, every row has a random sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Of<'a> {
    /// The outputs of a source.
    Output(usize),
    /// What a layer holds, along a direction; [d].
    Layer(usize, &'a [f32]),
}

/// A layer in a pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Derived {
    /// What it holds, without what was added; [rows, d].
    pub activations: Vec<f32>,
    /// The derivatives by it; [rows, d].
    pub gradients: Vec<f32>,
    /// The derivatives by what each of its maps gives, empty where they were not asked for; [rows, outputs].
    pub maps: Vec<Vec<f32>>,
}

/// A network that runs on batches of data.
pub trait Network {
    /// Its layers, in the order in which they are computed.
    fn layers(&self) -> Vec<Layer>;

    /// How many batches there are.
    fn batches(&self) -> usize;

    /// From what gradients flow back.
    fn sources(&self) -> Sources;

    /// One for each of the layers that are asked for.
    ///
    /// # Errors
    /// When it cannot be run.
    fn derive(&mut self, question: &Question<'_>) -> Result<Vec<Derived>, Box<dyn Error + Send + Sync>>;
}
