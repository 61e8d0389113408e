//! One file per way of structuring a weight.
