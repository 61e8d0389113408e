//! Pulls from a hub that lives in the test, on the loopback interface.

#[cfg(test)]
mod pulls;
#[cfg(test)]
mod server;
