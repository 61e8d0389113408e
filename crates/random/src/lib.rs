//! The one source of random numbers: ChaCha8 streams forked by a path.
//!
//! A stream is a seed and a path such as `train/step-12/dropout/layers.3.q`. Forking hashes the path into the
//! key, so a draw depends on *what it is for* and never on which thread came first or on what was drawn before.

#![forbid(unsafe_code)]

use rand::{Rng as _, RngExt as _, SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

/// A stream of random numbers with a path of its own.
#[derive(Clone, Debug)]
pub struct Rng {
    key: [u8; 32],
    stream: ChaCha8Rng,
}

impl Rng {
    /// The root stream of a seed.
    pub fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self::with_key(key)
    }

    /// The stream of `path` below this one; what was drawn from `self` before makes no difference.
    pub fn fork(&self, path: &str) -> Self {
        let mut key = self.key;
        for (lane, bytes) in key.chunks_exact_mut(8).enumerate() {
            let mut hash = Fnv(0xcbf2_9ce4_8422_2325 ^ (lane as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            hash.write(bytes);
            hash.write(path.as_bytes());
            bytes.copy_from_slice(&hash.finish().to_le_bytes());
        }
        Self::with_key(key)
    }

    /// The stream of the numbered thing `name-index` below this one.
    pub fn fork_index(&self, name: &str, index: usize) -> Self {
        self.fork(&format!("{name}-{index}"))
    }

    fn with_key(key: [u8; 32]) -> Self {
        Self { key, stream: ChaCha8Rng::from_seed(key) }
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f32 {
        self.stream.random()
    }

    /// Uniform in [0, 1), with 53 random bits.
    pub fn uniform_f64(&mut self) -> f64 {
        self.stream.random()
    }

    /// Uniform in 0..bound; 0 when `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { self.stream.random_range(0..bound) }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.stream.next_u64()
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f32 {
        StandardNormal.sample(&mut self.stream)
    }

    /// Standard normal in double precision.
    pub fn normal_f64(&mut self) -> f64 {
        StandardNormal.sample(&mut self.stream)
    }

    /// `count` numbers from N(0, `deviation`²).
    pub fn normals(&mut self, count: usize, deviation: f32) -> Vec<f32> {
        (0..count).map(|_| self.normal() * deviation).collect()
    }

    /// `count` numbers uniform in [-`bound`, `bound`).
    pub fn uniforms(&mut self, count: usize, bound: f32) -> Vec<f32> {
        (0..count).map(|_| (self.uniform() * 2.0 - 1.0) * bound).collect()
    }

    /// `count` numbers that are 1 or −1, each as likely.
    pub fn signs(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| if self.bits() & 1 == 0 { 1.0 } else { -1.0 }).collect()
    }

    /// Permutes `items` uniformly.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        items.shuffle(&mut self.stream);
    }
}

/// FNV-1a over 64 bits with a final avalanche: keys only have to differ, not to resist an attacker.
struct Fnv(u64);

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(self) -> u64 {
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_depends_on_its_path_only() {
        let root = Rng::new(7);
        let mut used = root.clone();
        used.normals(100, 1.0);
        assert_eq!(root.fork("a").bits(), used.fork("a").bits());
        assert_ne!(root.fork("a").bits(), root.fork("b").bits());
        assert_ne!(root.fork("a").fork("b").bits(), root.fork("ab").bits());
        assert_ne!(Rng::new(8).fork("a").bits(), root.fork("a").bits());
    }

    #[test]
    fn normals_have_the_moments_of_a_normal() {
        let draws = Rng::new(1).normals(100_000, 2.0);
        let mean = draws.iter().map(|&x| f64::from(x)).sum::<f64>() / 1e5;
        let variance = draws.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.03, "{mean}");
        assert!((variance - 4.0).abs() < 0.1, "{variance}");
    }

    #[test]
    fn signs_are_as_often_up_as_down() {
        let signs = Rng::new(1).signs(10_000);
        assert!(signs.iter().all(|sign| sign.abs() == 1.0));
        let sum: f32 = signs.iter().sum();
        assert!(sum.abs() < 400.0 && sum != 0.0, "{sum}");
        assert_eq!(Rng::new(1).signs(7), signs[..7]);
    }

    #[test]
    fn a_seed_gives_the_same_stream_for_ever() {
        assert_eq!(Rng::new(42).fork("x").below(1_000_000), Rng::new(42).fork("x").below(1_000_000));
        let mut order: Vec<usize> = (0..20).collect();
        Rng::new(3).shuffle(&mut order);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..20).collect::<Vec<_>>());
        assert_ne!(order, sorted);
    }
}
