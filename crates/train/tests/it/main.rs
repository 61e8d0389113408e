//! The loop against torch and peft (`training.json`), and its laws: resuming, stopping, failing, evaluating; for language
//! models and for classifiers.

#[cfg(test)]
mod classify;
#[cfg(test)]
mod distill;
#[cfg(test)]
mod lora_plus;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod session;
#[cfg(test)]
mod support;
#[cfg(test)]
mod torch;
#[cfg(test)]
mod turns;
