//! Every kernel against a plain f64 version of its formula, and its gradients against central differences of that.

#[cfg(test)]
mod adamw;
#[cfg(test)]
mod attention;
#[cfg(test)]
mod batch_norm;
#[cfg(test)]
mod conv;
#[cfg(test)]
mod cross_entropy;
#[cfg(test)]
mod gemm;
#[cfg(test)]
mod levels;
#[cfg(test)]
mod low_rank;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod rowwise;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod threads;

#[cfg(test)]
mod oracle;
