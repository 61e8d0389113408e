//! Laws for every method of the list, PiSSA against peft, and adapters written and read back.

#[cfg(test)]
mod dora;
#[cfg(test)]
mod export;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod loldu;
#[cfg(test)]
mod olora;
#[cfg(test)]
mod pissa;
#[cfg(test)]
mod salt;
#[cfg(test)]
mod sorsa;
#[cfg(test)]
mod support;
#[cfg(test)]
mod svfit;
#[cfg(test)]
mod written;
