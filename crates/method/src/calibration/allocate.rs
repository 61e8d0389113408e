//! A budget of ranks, given to the directions that explain most:
//!
//!     r_l = how many of the R largest ξ are of weight l        ξ_{l,j} descending in j, Σ r_l = R
//!
//! Paper: [eva].

/// Shares of the variance up to here are the rounding of the inputs, which are f32.
const NOTHING: f64 = 1e-10;

/// How many of each spectrum are among the `budget` largest of all; of equal ones the earlier spectrum's come first.
///
/// Spectra descend. Directions without variance are never taken, so that the sum is smaller where too few have any.
pub fn allocate(spectra: &[&[f64]], budget: usize) -> Vec<usize> {
    let mut pool: Vec<(f64, usize)> = Vec::new();
    for (site, spectrum) in spectra.iter().enumerate() {
        pool.extend(spectrum.iter().filter(|share| NOTHING < **share).map(|&share| (share, site)));
    }
    pool.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut ranks = vec![0; spectra.len()];
    pool.iter().take(budget).for_each(|&(_, site)| ranks[site] += 1);
    ranks
}
