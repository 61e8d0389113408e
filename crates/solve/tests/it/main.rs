//! Laws of the solvers, invariants of the papers' pages, and agreement with independent programs.

#[cfg(test)]
mod approximation;
#[cfg(test)]
mod completion;
#[cfg(test)]
mod entropic;
#[cfg(test)]
mod interruption;
#[cfg(test)]
mod kronecker;
#[cfg(test)]
mod linear;
#[cfg(test)]
mod regression;
#[cfg(test)]
mod sensing;
#[cfg(test)]
mod theory;
#[cfg(test)]
mod transport;
#[cfg(test)]
mod transport_exact;
#[cfg(test)]
mod transport_fixtures;
#[cfg(test)]
mod transport_line;
#[cfg(test)]
mod transport_sparse;
