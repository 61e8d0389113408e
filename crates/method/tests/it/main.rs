//! Laws for every method of the list, PiSSA against peft, and adapters written and read back.

#[cfg(test)]
mod export;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod pissa;
#[cfg(test)]
mod support;
#[cfg(test)]
mod written;
