//! Weights and their structures, layers, models.
