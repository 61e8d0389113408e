//! The program as a user runs it: what needs no model word for word, the rest on a tiny random model.

#[cfg(test)]
mod adapters;
#[cfg(test)]
mod align;
#[cfg(test)]
mod bad_adapters;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod blend;
#[cfg(test)]
mod capped;
#[cfg(test)]
mod common;
#[cfg(test)]
mod compensate;
#[cfg(test)]
mod compress;
#[cfg(test)]
mod diff;
#[cfg(test)]
mod documentation;
#[cfg(test)]
mod dry_run;
#[cfg(test)]
mod fisher;
#[cfg(test)]
mod help;
#[cfg(test)]
mod images;
#[cfg(test)]
mod inspect;
#[cfg(test)]
mod interaction;
#[cfg(test)]
mod methods;
#[cfg(test)]
mod networks;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod quantize;
#[cfg(test)]
mod reproduce;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod solve;
#[cfg(test)]
mod tiny_model;
#[cfg(test)]
mod told;
