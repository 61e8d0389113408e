//! Whole runs on a tiny model.

#[cfg(test)]
mod bitfit;
#[cfg(test)]
mod capped;
#[cfg(test)]
mod chains;
#[cfg(test)]
mod class_starts;
#[cfg(test)]
mod classify;
#[cfg(test)]
mod decoders;
#[cfg(test)]
mod distill;
#[cfg(test)]
mod early;
#[cfg(test)]
mod families;
#[cfg(test)]
mod fisher;
#[cfg(test)]
mod images;
#[cfg(test)]
mod inputs;
#[cfg(test)]
mod interaction;
#[cfg(test)]
mod matching;
#[cfg(test)]
mod path;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod search;
#[cfg(test)]
mod sequence;
#[cfg(test)]
mod starts;
#[cfg(test)]
mod support;
#[cfg(test)]
mod thin;
