//! Laws for every method of the list, methods against peft and released code, and adapters written and read back.

#[cfg(test)]
mod bitfit;
#[cfg(test)]
mod calibration;
#[cfg(test)]
mod capped;
#[cfg(test)]
mod convolutions;
#[cfg(test)]
mod diffora;
#[cfg(test)]
mod dora;
#[cfg(test)]
mod eva;
#[cfg(test)]
mod export;
#[cfg(test)]
mod flora;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod loldu;
#[cfg(test)]
mod olora;
#[cfg(test)]
mod pela;
#[cfg(test)]
mod pissa;
#[cfg(test)]
mod quantized;
#[cfg(test)]
mod released;
#[cfg(test)]
mod salt;
#[cfg(test)]
mod seen_convolutions;
#[cfg(test)]
mod sorsa;
#[cfg(test)]
mod support;
#[cfg(test)]
mod svfit;
#[cfg(test)]
mod written;
