//! Matrices: exact and randomised SVD with fixed signs, spectra.
