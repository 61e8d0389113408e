//! The change that an adapter makes to one weight, in the orientation of its factors: [outputs, inputs].
//!
//!     LoRA            s·b·a
//!     pissa, olora    s·b·a − s·b₀·a₀          of rank 2r; b₀·a₀ found again from the base
//!     DoRA            diag(m / ‖V‖)·V − W      of any rank
//!
//! Departure: peft rounds a residual to the type of the base. That rounding is no product; the factors leave it out, and the
//! error that is reported counts it.

use super::keep::Keep;
use super::product::{Product, transposed};
use crate::merged::{Recipe, row_blocks};
use crate::{Error, Result};
use rankine_checkpoint::adapter::{Adapter, LayerKind, LowRank};
use rankine_checkpoint::{Dtype, Tensors};
use rankine_kernels::reduce;
use rankine_linalg::{Truncation, svd, truncated};

/// A change and what is known of it.
pub(crate) enum Change {
    /// A product, exactly.
    Product(Product),
    /// A product but for rounding; the whole change beside it, [outputs, inputs].
    Rounded(Product, Vec<f32>),
    /// No product; [outputs, inputs].
    Dense(Vec<f32>, [usize; 2]),
}

/// The leading part of a change, and how far it is from the whole.
pub(crate) struct Piece {
    /// The factors.
    pub product: Product,
    /// Rank of the change as it was; `None` where it was no product.
    pub before: Option<usize>,
    /// ‖Δ‖².
    pub squares: f64,
    /// ‖Δ − b·a‖².
    pub error: f64,
}

/// Where a change comes from.
pub(crate) struct Site<'a> {
    /// The module.
    pub path: &'a str,
    /// The adapter's factors; `None` where only a residual is left of a matrix that is shared.
    pub low_rank: Option<&'a LowRank>,
    /// How the weight comes about, where that depends on the base.
    pub recipe: Option<&'a Recipe<'a>>,
    /// The weight is stored as [inputs, outputs].
    pub transposed: bool,
}

impl<'a> Site<'a> {
    /// A module of `adapter`.
    pub fn new(
        adapter: &Adapter,
        path: &'a str,
        low_rank: Option<&'a LowRank>,
        recipe: Option<&'a Recipe<'a>>,
    ) -> Result<Self> {
        if let Some(low_rank) = low_rank {
            check(path, low_rank)?;
        }
        if recipe.is_some_and(|recipe| recipe.rows.is_some() && recipe.residual.is_some()) {
            return Err(Error::RowsOnResidual { module: path.to_owned() });
        }
        let embedding = low_rank.is_none_or(|low_rank| low_rank.kind == LayerKind::Embedding);
        Ok(Self { path, low_rank, recipe, transposed: embedding || adapter.config.is_transposed(path) })
    }

    /// What kind of layer it is.
    pub fn kind(&self) -> LayerKind {
        self.low_rank.map_or(LayerKind::Embedding, |low_rank| low_rank.kind)
    }

    /// factor · Δ.
    pub fn change(&self, base: Option<&dyn Tensors>, factor: f64) -> Result<Change> {
        let dora = self.low_rank.is_some_and(|low_rank| low_rank.magnitude.is_some());
        if let (true, Some(recipe), Some(base)) = (dora, self.recipe, base) {
            return self.dense(recipe, base, factor);
        }
        let own = self.low_rank.map(|low_rank| Product::of(low_rank, factor));
        let residual = self.residual().map(|residual| residual.times(-factor));
        let rounded = |recipe: &&Recipe| matches!(recipe.info.dtype, Dtype::F16 | Dtype::Bf16);
        let rounds = self.recipe.filter(rounded).filter(|_| residual.is_some()).zip(base);
        let product = match (own, residual) {
            (Some(own), Some(residual)) => own.beside(&residual),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return Err(Error::Factors { module: self.path.to_owned() }),
        };
        Ok(match rounds {
            Some((recipe, base)) => Change::Rounded(product, self.dense(recipe, base, factor)?.dense()),
            None => Change::Product(product),
        })
    }

    /// What the initialisation took out of the weight.
    fn residual(&self) -> Option<Product> {
        let (left, right, rank) = self.recipe?.residual.as_ref()?.factors()?;
        let (rows, columns) = (left.len() / rank, right.len() / rank);
        Some(match self.transposed {
            false => Product { b: left.to_vec(), a: right.to_vec(), rank, outputs: rows, inputs: columns },
            true => Product {
                b: transposed(right, rank, columns),
                a: transposed(left, rows, rank),
                rank,
                outputs: columns,
                inputs: rows,
            },
        })
    }

    /// factor · (W' − W).
    fn dense(&self, recipe: &Recipe, base: &dyn Tensors, factor: f64) -> Result<Change> {
        let (height, width) = (recipe.info.rows(), recipe.info.row_elements());
        let (plain, mut before) = (recipe.untouched(), Vec::new());
        let mut values = vec![0.0; height * width];
        for rows in row_blocks(height, width) {
            let out = &mut values[rows.start * width..rows.end * width];
            before.resize(out.len(), 0.0);
            recipe.rows(base, rows.clone(), out)?;
            plain.rows(base, rows.clone(), &mut before)?;
            recipe.release(base, rows);
            reduce::axpy(-1.0, &before, out);
        }
        reduce::scale(&mut values, factor as f32);
        Ok(Change::of_stored(values, [height, width], self.transposed))
    }
}

impl Change {
    /// No product: numbers in the order of the stored weight, [rows, columns], which may be [inputs, outputs].
    pub fn of_stored(values: Vec<f32>, [rows, columns]: [usize; 2], is_transposed: bool) -> Self {
        match is_transposed {
            false => Self::Dense(values, [rows, columns]),
            true => Self::Dense(transposed(&values, rows, columns), [columns, rows]),
        }
    }

    /// The leading part that `keep` asks for.
    pub fn compress(self, path: &str, keep: Keep) -> Result<Piece> {
        let failed = |source| Error::Decomposition { name: path.to_owned(), source };
        let (whole, product, before) = match self {
            Self::Product(product) => {
                let svd = product.svd().map_err(failed)?;
                return Ok(Piece::of(Product::leading(&svd, keep.rank(&svd.s)), &product));
            }
            Self::Rounded(product, whole) => {
                let svd = product.svd().map_err(failed)?;
                (whole, Product::leading(&svd, keep.rank(&svd.s)), Some(product.rank))
            }
            Self::Dense(whole, [outputs, inputs]) => {
                let svd = match keep {
                    Keep::Exact => return Err(Error::FullRank { module: path.to_owned() }),
                    Keep::Rank(rank) => {
                        let rank = rank.min(outputs).min(inputs);
                        truncated(&whole, outputs, inputs, rank, Truncation::Exact)
                    }
                    Keep::Energy(_) => svd(&whole, outputs, inputs),
                };
                let svd = svd.map_err(failed)?;
                let product = Product::leading(&svd, keep.rank(&svd.s));
                (whole, product, None)
            }
        };
        Ok(Piece::measured(product, before, whole))
    }

    /// All of a change of low rank but for rounding, whose singular values are up to `rounding`. Factors of at most the rank
    /// `expected` are such whatever the sides are; larger ones have to take less than the matrix.
    pub fn above(self, path: &str, rounding: f64, expected: usize) -> Result<Piece> {
        let [outputs, inputs] = self.sides();
        let whole = self.dense();
        let svd = svd(&whole, outputs, inputs)
            .map_err(|source| Error::Decomposition { name: path.to_owned(), source })?;
        let rank = svd.s.iter().filter(|&&s| rounding < f64::from(s)).count();
        if expected < rank && outputs * inputs <= rank * (outputs + inputs) {
            return Err(Error::FullRank { module: path.to_owned() });
        }
        if rank == 0 {
            // Nothing was changed: what is left of a difference of rounded numbers is not told as a change that was lost.
            let product = Product { b: vec![0.0; outputs], a: vec![0.0; inputs], rank: 1, outputs, inputs };
            return Ok(Piece { product, before: Some(0), squares: 0.0, error: 0.0 });
        }
        Ok(Piece::measured(Product::leading(&svd, rank), Some(rank), whole))
    }

    /// The factors as they are, where there are such.
    pub fn whole(self, path: &str) -> Result<Piece> {
        match self {
            Self::Product(product) => {
                let (squares, before) = (product.squares(), Some(product.rank));
                Ok(Piece { product, before, squares, error: 0.0 })
            }
            Self::Rounded(product, whole) => {
                let before = Some(product.rank);
                Ok(Piece::measured(product, before, whole))
            }
            Self::Dense(..) => Err(Error::FullRank { module: path.to_owned() }),
        }
    }

    /// The sum of two changes of one weight.
    pub fn plus(self, other: Self) -> Self {
        use Change::{Dense, Product, Rounded};
        match (self, other) {
            (Product(left), Product(right)) => Product(left.beside(&right)),
            (Dense(mut sum, sides), other) | (other, Dense(mut sum, sides)) => {
                other.add_to(&mut sum);
                Dense(sum, sides)
            }
            (Rounded(left, mut sum), Product(right)) | (Product(right), Rounded(left, mut sum)) => {
                right.add_to(&mut sum, 1.0);
                Rounded(left.beside(&right), sum)
            }
            (Rounded(left, mut sum), Rounded(right, whole)) => {
                reduce::axpy(1.0, &whole, &mut sum);
                Rounded(left.beside(&right), sum)
            }
        }
    }

    fn add_to(&self, sum: &mut [f32]) {
        match self {
            Self::Product(product) => product.add_to(sum, 1.0),
            Self::Rounded(_, whole) | Self::Dense(whole, _) => reduce::axpy(1.0, whole, sum),
        }
    }

    /// All numbers; [outputs, inputs].
    pub fn dense(self) -> Vec<f32> {
        match self {
            Self::Product(product) => product.dense(),
            Self::Rounded(_, whole) | Self::Dense(whole, _) => whole,
        }
    }

    /// Rows and columns.
    pub fn sides(&self) -> [usize; 2] {
        match self {
            Self::Product(product) | Self::Rounded(product, _) => [product.outputs, product.inputs],
            Self::Dense(_, sides) => *sides,
        }
    }
}

impl Piece {
    /// `product` in the place of another product.
    fn of(product: Product, whole: &Product) -> Self {
        let (squares, before) = (whole.squares(), Some(whole.rank));
        let error = product.clone().times(-1.0).beside(whole).squares();
        Self { product, before, squares, error }
    }

    /// `product` in the place of a dense change.
    fn measured(product: Product, before: Option<usize>, whole: Vec<f32>) -> Self {
        let (squares, mut rest) = (reduce::sum_of_squares(&whole), whole);
        product.add_to(&mut rest, -1.0);
        Self { product, before, squares, error: reduce::sum_of_squares(&rest) }
    }
}

/// An error unless the numbers are those that the shape declares.
pub(crate) fn check(path: &str, low_rank: &LowRank) -> Result<()> {
    let &LowRank { ref a, ref b, rank, inputs, outputs, ref magnitude, ref output_bias, .. } = low_rank;
    let whole = !a.is_empty() && !b.is_empty() && a.len() == rank * inputs && b.len() == outputs * rank;
    let mut vectors = [magnitude, output_bias].into_iter().flatten();
    match whole && vectors.all(|vector| vector.len() == outputs) {
        true => Ok(()),
        false => Err(Error::Factors { module: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_as_large_as_the_matrix_are_taken_where_they_are_expected() {
        const SIDE: usize = 8;
        // Of rank 5, for which factors have 80 numbers and the matrix 64.
        let values: Vec<f32> = (0..SIDE * SIDE)
            .map(|at| if at % (SIDE + 1) == 0 && at / SIDE < 5 { (at + 1) as f32 } else { 0.0 })
            .collect();
        let change = || Change::Dense(values.clone(), [SIDE; 2]);
        let piece = change().above("w", 1e-6, 6).unwrap();
        assert_eq!((piece.before, piece.product.rank), (Some(5), 5));
        assert!(piece.error < 1e-9 * piece.squares);
        assert!(matches!(change().above("w", 1e-6, 0), Err(Error::FullRank { .. })));
        // With what is below as rounding three are left.
        assert_eq!(change().above("w", 18.5, 0).unwrap().before, Some(3));
    }
}
