//! Models against transformers (fixtures of `rankine-testkit`), gradients with and without checkpointing, and the
//! weight structures against their dense values.

#[cfg(test)]
mod checkpointing;
#[cfg(test)]
mod classifiers;
#[cfg(test)]
mod decoders;
#[cfg(test)]
mod encoders;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod factored;
#[cfg(test)]
mod images;
#[cfg(test)]
mod low_rank;
#[cfg(test)]
mod probes;
#[cfg(test)]
mod support;
#[cfg(test)]
mod transformers;
#[cfg(test)]
mod watched;
