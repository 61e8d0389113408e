//! Pages as a browser shows them.

#[cfg(test)]
mod browser;
#[cfg(test)]
mod pages;
