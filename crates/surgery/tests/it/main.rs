//! Merging against peft's numbers, on tiny models, to and from files; adapters made from adapters.

#[cfg(test)]
mod adapters;
#[cfg(test)]
mod align;
#[cfg(test)]
mod align_refused;
#[cfg(test)]
mod beginnings;
#[cfg(test)]
mod blend;
#[cfg(test)]
mod common;
#[cfg(test)]
mod compensate;
#[cfg(test)]
mod compress;
#[cfg(test)]
mod convolutions;
#[cfg(test)]
mod doubles;
#[cfg(test)]
mod extract;
#[cfg(test)]
mod factors_apart;
#[cfg(test)]
mod families;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod files;
#[cfg(test)]
mod float8;
#[cfg(test)]
mod formulas;
#[cfg(test)]
mod gguf;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod misfits;
#[cfg(test)]
mod mitigate;
#[cfg(test)]
mod peft;
#[cfg(test)]
mod quantize;
#[cfg(test)]
mod references;
#[cfg(test)]
mod requantize;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod rewrite;
#[cfg(test)]
mod shown;
#[cfg(test)]
mod straight_through;
#[cfg(test)]
mod ways;
