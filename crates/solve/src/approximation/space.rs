//! Spaces of functions with an orthonormal basis.

use super::{Family, Span};
use crate::{Error, Result};
use rankine_random::Rng;

/// Functions in a space before it is held to be a mistake: their kernel would have 400 million entries.
const MOST: usize = 20_000;

/// A space of functions on points, with a basis that is orthonormal under a probability μ.
pub trait Space: Send + Sync {
    /// m.
    fn size(&self) -> usize;

    /// Coordinates of a point.
    fn dimensions(&self) -> usize;

    /// φ(x); [m].
    fn features(&self, point: &[f64]) -> Vec<f64>;

    /// A point of μ.
    fn draw(&self, rng: &mut Rng) -> Vec<f64>;

    /// A point of φ_j²·μ.
    fn draw_component(&self, index: usize, rng: &mut Rng) -> Vec<f64>;
}

/// Products of functions of one variable, one for each coordinate.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSpace {
    family: Family,
    dimensions: usize,
    /// Indices of the factors, function by function; [m][dimensions].
    indices: Vec<Vec<usize>>,
    /// Functions of one variable that occur.
    needed: usize,
}

impl TensorSpace {
    /// The first `size` functions of one variable.
    ///
    /// # Errors
    /// When there are none, more than 20,000, or more than fit into f64.
    pub fn univariate(family: Family, size: usize) -> Result<Self> {
        Self::new(family, 1, (0..size.min(MOST + 1)).map(|index| vec![index]).collect())
    }

    /// The products with Π (order + 1) ≤ `level`.
    ///
    /// # Errors
    /// As [`products`](Self::products).
    pub fn hyperbolic_cross(family: Family, dimensions: usize, level: usize) -> Result<Self> {
        Self::products(family, dimensions, level, Span::Cross)
    }

    /// The products that span a space, in lexicographic order.
    ///
    /// # Errors
    /// When a number is 0, the space has more than 20,000 functions, or a factor does not fit into f64.
    pub fn products(family: Family, dimensions: usize, level: usize, span: Span) -> Result<Self> {
        for (name, found) in [("dimensions", dimensions), ("level", level)] {
            if found == 0 {
                return Err(Error::Fit { name, found, least: 1, most: usize::MAX });
            }
        }
        let mut indices = vec![(Vec::new(), level)];
        for _ in 0..dimensions {
            let longer = |(index, left): &(Vec<usize>, usize)| {
                let (index, left) = (index.clone(), *left);
                let fitting = (0..).take_while(move |&next| family.order(next) < left).take(MOST + 1);
                fitting.map(move |next| {
                    ([index.as_slice(), &[next]].concat(), span.left(left, family.order(next)))
                })
            };
            indices = indices.iter().flat_map(longer).take(MOST + 1).collect();
        }
        Self::new(family, dimensions, indices.into_iter().map(|(index, _)| index).collect())
    }

    fn new(family: Family, dimensions: usize, indices: Vec<Vec<usize>>) -> Result<Self> {
        let (size, most) = (indices.len(), MOST);
        if size == 0 || most < size {
            return Err(Error::Fit { name: "size", found: size, least: 1, most });
        }
        let largest = indices.iter().flatten().copied().max().unwrap_or_default();
        if family.most() < largest {
            return Err(Error::Fit { name: "degree", found: largest, least: 0, most: family.most() });
        }
        Ok(Self { family, dimensions, indices, needed: largest + 1 })
    }

    /// The family of its factors.
    pub fn family(&self) -> Family {
        self.family
    }
}

impl Space for TensorSpace {
    fn size(&self) -> usize {
        self.indices.len()
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn features(&self, point: &[f64]) -> Vec<f64> {
        let factors: Vec<Vec<f64>> = point.iter().map(|&x| self.family.values(x, self.needed)).collect();
        let product = |index: &Vec<usize>| index.iter().zip(&factors).map(|(&j, factor)| factor[j]).product();
        self.indices.iter().map(product).collect()
    }

    fn draw(&self, rng: &mut Rng) -> Vec<f64> {
        (0..self.dimensions).map(|_| self.family.draw(rng)).collect()
    }

    fn draw_component(&self, index: usize, rng: &mut Rng) -> Vec<f64> {
        self.indices[index].iter().map(|&j| self.family.draw_component(j, rng)).collect()
    }
}
