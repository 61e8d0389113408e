//! Which instructions the kernels use: found on the processor when first asked for, limited by the program.
//!
//! | level | instructions | where |
//! | --- | --- | --- |
//! | `baseline` | those the program was compiled for | everywhere |
//! | `avx2` | AVX2, FMA, F16C | x86-64 since about 2013 |
//! | `avx512` | AVX-512 F, BW, DQ, VL | servers since 2017 |
//! | `avx512bf16` | + products of bf16 pairs, sums in f32 | Cooper Lake, Zen 4 |
//! | `amx` | + products of bf16 tiles | Sapphire Rapids, Linux |
//!
//! A level has everything of those below it. From `avx512bf16` on, frozen bf16 matrices are multiplied as bf16
//! (`stored.rs`), which rounds the other operand. The limit holds for the kernels of this crate; the `gemm`
//! crate, which makes the f32 products of many rows, chooses by itself.

#[cfg(target_arch = "x86_64")]
mod detect;

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the processor offers; ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the module doc says what they are")]
pub enum Level {
    Baseline,
    Avx2,
    Avx512,
    Avx512Bf16,
    Amx,
}

impl Level {
    /// Every level, from the lowest on.
    pub const ALL: [Self; 5] = [Self::Baseline, Self::Avx2, Self::Avx512, Self::Avx512Bf16, Self::Amx];

    const fn word(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Bf16 => "avx512bf16",
            Self::Amx => "amx",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(word: &str) -> Result<Self, UnknownLevel> {
        let level = Self::ALL.into_iter().find(|level| level.word() == word);
        level.ok_or_else(|| UnknownLevel(word.to_owned()))
    }
}

/// A word that names no level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLevel(pub String);

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = Level::ALL.map(Level::word).join(", ");
        write!(f, "`{}` is no level of a processor; those are {words}", self.0)
    }
}

impl std::error::Error for UnknownLevel {}

/// A level that this processor or system does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingLevel {
    /// What was asked for.
    pub asked: Level,
    /// The best there is.
    pub best: Level,
}

impl fmt::Display for MissingLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this processor has no `{}`; the best it has is `{}`", self.asked, self.best)
    }
}

impl std::error::Error for MissingLevel {}

/// How many levels may be used, from the lowest on.
static LIMIT: AtomicUsize = AtomicUsize::new(Level::ALL.len());

/// The level that kernels use: the best of this processor and system, up to the [`limit`].
#[inline]
pub fn level() -> Level {
    let limit = Level::ALL[LIMIT.load(Ordering::Relaxed) - 1];
    #[cfg(test)]
    let limit = limit.min(tests::LIMIT.get());
    best().min(limit)
}

/// Lets kernels use no more than `level`, in the whole process. Meant for the start of a program: results of
/// different levels differ in their last bits, and with bf16 products in more.
///
/// # Errors
/// When the processor or the system lacks it; nothing is changed then.
pub fn limit(level: Level) -> Result<(), MissingLevel> {
    if best() < level {
        return Err(MissingLevel { asked: level, best: best() });
    }
    LIMIT.store(level as usize + 1, Ordering::Relaxed);
    Ok(())
}

/// The best level of this processor and system, without any limit.
#[inline]
pub fn best() -> Level {
    static BEST: OnceLock<Level> = OnceLock::new();
    #[cfg(target_arch = "x86_64")]
    let find = detect::best;
    #[cfg(not(target_arch = "x86_64"))]
    let find = || Level::Baseline;
    *BEST.get_or_init(find)
}

#[cfg(test)]
pub(crate) use tests::at_every_level;

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        /// The best level that tests let this thread use.
        pub(super) static LIMIT: Cell<Level> = const { Cell::new(Level::Amx) };
    }

    /// Runs a test at every level of this processor. Holds on this thread only: kernels that share work with others
    /// ask for the level before.
    pub(crate) fn at_every_level(test: impl Fn()) {
        for limit in Level::ALL.into_iter().filter(|&level| level <= best()) {
            LIMIT.set(limit);
            test();
        }
        LIMIT.set(Level::Amx);
    }

    #[test]
    fn levels_are_words_in_order() {
        for level in Level::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        assert!(Level::ALL.is_sorted());
        let error = "AMX".parse::<Level>().unwrap_err().to_string();
        assert!(
            error.contains("`AMX`") && error.ends_with("baseline, avx2, avx512, avx512bf16, amx"),
            "{error}"
        );
    }

    #[test]
    fn a_level_that_the_processor_lacks_is_refused() {
        assert_eq!(limit(best()), Ok(()));
        for asked in Level::ALL.into_iter().filter(|&level| level > best()) {
            assert_eq!(limit(asked), Err(MissingLevel { asked, best: best() }));
        }
        let error = MissingLevel { asked: Level::Amx, best: Level::Avx2 };
        assert_eq!(error.to_string(), "this processor has no `amx`; the best it has is `avx2`");
    }

    #[test]
    fn every_level_up_to_the_best_is_visited() {
        let visited = Cell::new(0);
        at_every_level(|| {
            assert_eq!(level() as usize, visited.get());
            visited.set(visited.get() + 1);
        });
        assert_eq!(visited.get(), best() as usize + 1);
        assert_eq!(level(), best());
    }
}
