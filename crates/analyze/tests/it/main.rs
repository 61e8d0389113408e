//! Analyses of models that are made for the purpose.

#[cfg(test)]
mod diff;
#[cfg(test)]
mod hidden_blocks;
#[cfg(test)]
mod inspect;
#[cfg(test)]
mod integrated_edges;
#[cfg(test)]
mod interaction;
#[cfg(test)]
mod local_basis;
#[cfg(test)]
mod modules;
#[cfg(test)]
mod power_law;
#[cfg(test)]
mod written_out;
