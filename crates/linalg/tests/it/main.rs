//! The decompositions against their definitions, against numpy, and on awkward input.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod exact;
#[cfg(test)]
mod incremental;
#[cfg(test)]
mod matrices;
#[cfg(test)]
mod randomized;
#[cfg(test)]
mod refusals;
