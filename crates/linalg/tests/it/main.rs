//! The decompositions against their definitions, against numpy, and on awkward input.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod alignment;
#[cfg(test)]
mod exact;
#[cfg(test)]
mod incremental;
#[cfg(test)]
mod kronecker;
#[cfg(test)]
mod matrices;
#[cfg(test)]
mod metric;
#[cfg(test)]
mod points;
#[cfg(test)]
mod randomized;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod sketches;
