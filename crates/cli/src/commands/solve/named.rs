//! Factors of one file of ratings as a start of another, by the names of users and items.

use super::files;
use anyhow::Result;
use rankine_random::Rng;
use rankine_solve::Mat;
use rankine_solve::recovery::Factors;
use std::collections::HashMap;
use std::path::Path;

/// How large rows are that have nothing to start from, beside those that have: solutions are left where they are, and the factors
/// keep their rank.
const SMALL: f64 = 0.1;

/// Factors whose rows are those of an archive with the same names, and how many users and items have one; `None` where the archive
/// has no names.
pub fn factors(
    path: &Path,
    [users, items]: [&[String]; 2],
    rank: usize,
    rng: &Rng,
) -> Result<Option<(Factors, [usize; 2])>> {
    let mut archive = files::solution(path)?;
    let stored = archive.names();
    if !["users", "items"].iter().all(|array| stored.iter().any(|name| name == array)) {
        return Ok(None);
    }
    let mut side = |(factor, array): (&str, &str), names: &[String]| -> Result<(Mat<f64>, usize)> {
        let (known, found) = (archive.text(array)?, archive.array(factor)?);
        files::check_start(path, factor, &found, &[known.len(), rank], |value| value.is_nan())?;
        Ok(placed(&files::to_matrix(&found), &known, names, rng.fork(factor)))
    };
    let (left, user_count) = side(("left", "users"), users)?;
    let (right, item_count) = side(("right", "items"), items)?;
    Ok(Some((Factors { left, right }, [user_count, item_count])))
}

/// The rows of a factor, which have the names `known`, in the order of `names`, and how many of these have one.
fn placed(factor: &Mat<f64>, known: &[String], names: &[String], mut rng: Rng) -> (Mat<f64>, usize) {
    let rows: HashMap<&str, usize> = known.iter().map(String::as_str).zip(0..).collect();
    let places: Vec<Option<usize>> = names.iter().map(|name| rows.get(name.as_str()).copied()).collect();
    let typical = factor.norm_l2() / ((factor.nrows() * factor.ncols()).max(1) as f64).sqrt();
    let entry = |row: usize, column: usize| match places[row] {
        Some(place) => factor[(place, column)],
        None => SMALL * typical * rng.normal_f64(),
    };
    (Mat::from_fn(names.len(), factor.ncols(), entry), places.iter().flatten().count())
}
