//! Analyses of models that are made for the purpose.

#[cfg(test)]
mod diff;
#[cfg(test)]
mod inspect;
#[cfg(test)]
mod interaction;
