//! Whole runs on a tiny model.

#[cfg(test)]
mod bitfit;
#[cfg(test)]
mod classify;
#[cfg(test)]
mod decoders;
#[cfg(test)]
mod distill;
#[cfg(test)]
mod images;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod starts;
#[cfg(test)]
mod support;
