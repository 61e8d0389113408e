//! One file per paper: the experiment that shows its claim.
