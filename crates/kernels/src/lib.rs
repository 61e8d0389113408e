//! Inner loops on slices: matrix products, attention, norms, cross-entropy, dequantisation.
