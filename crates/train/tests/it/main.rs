//! The loop against torch and peft (`training.json`), and its laws: resuming, stopping, failing, evaluating.

#[cfg(test)]
mod resume;
#[cfg(test)]
mod session;
#[cfg(test)]
mod support;
#[cfg(test)]
mod torch;
