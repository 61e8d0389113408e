//! Merging against peft's numbers, on tiny models, to and from files; adapters made from adapters.

#[cfg(test)]
mod adapters;
#[cfg(test)]
mod common;
#[cfg(test)]
mod compress;
#[cfg(test)]
mod families;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod files;
#[cfg(test)]
mod formulas;
#[cfg(test)]
mod gguf;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod peft;
