//! Every fused operation equals the plain composition of backend operations, forward and backward, and its gradients
//! agree with finite differences.

#[cfg(test)]
mod fused;
#[cfg(test)]
mod tape;
