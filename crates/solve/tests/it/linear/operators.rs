//! Operators: grids and entries.

use super::{ball, normals, product};
use proptest::prelude::*;
use rankine_solve::linear::{Drive, Obstacle, Operator, Poisson, SparseSymmetric};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn grids_are_symmetric_and_positive_and_agree_with_their_entries(
        shape in prop::collection::vec(1usize..9, 1..4), count in 0usize..4, seed in 0u64..1000
    ) {
        let Ok(grid) = (Obstacle::Blocks { count, seed }).poisson(&shape) else { return Ok(()) };
        let size = grid.size();
        let (u, v) = (normals(size, seed), normals(size, seed + 1));
        let inner = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (au, av) = (product(&grid, &u), product(&grid, &v));
        prop_assert!((inner(&au, &v) - inner(&u, &av)).abs() < 1e-10 * size as f64);
        prop_assert!(inner(&au, &u) > 0.0);
        let matrix = grid.matrix().unwrap();
        let entries = product(&*matrix, &u);
        prop_assert!(au.iter().zip(&entries).all(|(a, b)| (a - b).abs() < 1e-12));
        prop_assert_eq!(matrix.diagonal(), grid.diagonal());
        for cell in 0..size {
            prop_assert_eq!(matrix.row(cell).count() > 0, grid.is_fluid(cell));
        }
    }
}

#[test]
fn a_grid_is_the_five_point_stencil() {
    let grid = Poisson::new(&[2, 3], &[false, false, false, false, false, true]).unwrap();
    let unit = |cell: usize| (0..6).map(|at| f64::from(u8::from(at == cell))).collect::<Vec<_>>();
    assert_eq!(product(&grid, &unit(1)), [-1.0, 4.0, -1.0, 0.0, -1.0, 0.0]);
    assert_eq!(product(&grid, &unit(4)), [0.0, -1.0, 0.0, -1.0, 3.0, 0.0]);
    assert_eq!(product(&grid, &unit(5)), [0.0; 6]);
}

#[test]
fn products_of_large_grids_agree_with_their_entries() {
    let grid = ball(&[40, 50, 30]);
    let u = normals(grid.size(), 1);
    let (ours, theirs) = (product(&grid, &u), product(&*grid.matrix().unwrap(), &u));
    assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-12));
}

#[test]
fn drives_are_fixed_by_their_seed_and_spare_solid_cells() {
    let grid = ball(&[14, 11]);
    for drive in Drive::ALL {
        let values = drive.values(&grid, 3);
        assert_eq!(values, drive.values(&grid, 3));
        assert_ne!(values, drive.values(&grid, 4), "{drive:?}");
        assert!((0..values.len()).all(|cell| grid.is_fluid(cell) || values[cell] == 0.0), "{drive:?}");
        assert!(values.iter().any(|&value| value != 0.0), "{drive:?}");
    }
    let points = Drive::Points.values(&grid, 3);
    assert_eq!((points.iter().sum::<f64>(), points.iter().filter(|&&value| value != 0.0).count()), (0.0, 2));
    let single = Poisson::cube(1, 2).unwrap();
    assert_eq!(Drive::Points.values(&single, 0), [1.0]);
}

#[test]
fn entries_come_in_any_order_and_as_one_triangle() {
    let both = vec![(0, 0, 2.0), (1, 0, -1.0), (1, 1, 1.5), (0, 1, -1.0), (1, 1, 0.5)];
    let triangle = vec![(1, 1, 2.0), (1, 0, -1.0), (0, 0, 2.0)];
    let (both, triangle) =
        (SparseSymmetric::new(2, both).unwrap(), SparseSymmetric::from_triangle(2, triangle).unwrap());
    assert_eq!(both, triangle);
    assert_eq!((0..2).map(|row| both.row(row).count()).sum::<usize>(), 4);
    let rounded = vec![(0, 0, 2.0), (1, 0, -1.0), (1, 1, 2.0), (0, 1, -1.0 + 1e-15)];
    let matrix = SparseSymmetric::new(2, rounded).unwrap();
    let mirrored: Vec<f64> = (0..2)
        .flat_map(|row| matrix.row(row).filter(move |entry| entry.0 != row))
        .map(|entry| entry.1)
        .collect();
    assert_eq!(mirrored[0], mirrored[1]);
}
