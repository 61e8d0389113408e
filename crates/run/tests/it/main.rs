//! Whole runs on a tiny model.

#[cfg(test)]
mod runs;
#[cfg(test)]
mod starts;
