//! The problem and its solution.

use super::{Design, Space};
use crate::regression::triangle::Triangle;
use crate::{Error, Result};
use faer::MatRef;
use rankine_linalg::{always, tall_triangle};

/// A function of a point.
type Function = Box<dyn Fn(&[f64]) -> f64 + Send + Sync>;

/// A function, and the space in which it is approximated; see the module.
pub struct LeastSquaresInSpace {
    space: Box<dyn Space>,
    function: Function,
}

/// An element of the space, and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Approximation {
    /// c; [m].
    pub coefficients: Vec<f64>,
    /// The points at which the function was asked.
    pub design: Design,
    /// How often points were drawn.
    pub draws: usize,
    /// √((1/n)·Σ w·(f − Σ c φ)²), at the points.
    pub distance: f64,
}

impl LeastSquaresInSpace {
    /// A problem.
    ///
    /// # Errors
    /// When the space has no function or no coordinate.
    pub fn new(
        space: impl Space + 'static,
        function: impl Fn(&[f64]) -> f64 + Send + Sync + 'static,
    ) -> Result<Self> {
        if space.size() == 0 || space.dimensions() == 0 {
            return Err(Error::Empty { what: "the space" });
        }
        Ok(Self { space: Box::new(space), function: Box::new(function) })
    }

    /// The space.
    pub fn space(&self) -> &dyn Space {
        self.space.as_ref()
    }

    /// f at a point.
    pub fn value(&self, point: &[f64]) -> f64 {
        (self.function)(point)
    }

    /// The weighted least squares at the points of a design.
    ///
    /// # Errors
    /// When the function is not finite at one of them, or they do not determine the coefficients.
    pub fn fit(&self, design: Design, draws: usize) -> Result<Approximation> {
        let (count, size) = design.rows.shape();
        let mut target = Vec::with_capacity(count);
        for (index, (point, weight)) in design.points.iter().zip(&design.weights).enumerate() {
            let value = self.value(point);
            if !value.is_finite() {
                return Err(Error::NotFinite {
                    what: "the function at a point drawn",
                    index: vec![index],
                    value,
                });
            }
            target.push((weight / count as f64).sqrt() * value);
        }
        let column = MatRef::from_column_major_slice(&target, count, 1);
        let whole = tall_triangle(&[design.rows.as_ref(), column], &always)?;
        let triangle = Triangle::new("the basis at the points drawn", whole.as_ref(), size, count)?;
        let distance = if size < whole.nrows() { whole[(size, size)].abs() } else { 0.0 };
        Ok(Approximation { coefficients: triangle.last_column(whole.as_ref()), design, draws, distance })
    }

    /// The zero function, of no points.
    pub(super) fn nothing(&self) -> Approximation {
        let size = self.space.size();
        let (coefficients, design) = (vec![0.0; size], Design::empty(size));
        Approximation { coefficients, design, draws: 0, distance: f64::NAN }
    }
}

impl Approximation {
    /// The approximation at a point.
    pub fn value(&self, space: &dyn Space, point: &[f64]) -> f64 {
        space.features(point).iter().zip(&self.coefficients).map(|(feature, c)| feature * c).sum()
    }
}
