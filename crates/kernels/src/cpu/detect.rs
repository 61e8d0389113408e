//! What an x86-64 processor and its system offer.
//!
//! The standard library finds everything but AMX, whose detection is not stable yet (Rust 1.95):
//!
//! - CPUID leaf 7, edx bits 24 and 22: the processor has tiles, and products of bf16 tiles;
//! - XCR0 bits 17 and 18: the system saves tiles when it changes threads;
//! - the system lets this process use them: Linux gives that permission once for all threads, when it is asked for. Using a
//!   tile without it ends the process.

use super::Level;
use std::arch::is_x86_feature_detected as has;

/// The best level of this processor and system. Asks the system for AMX where the processor has it.
pub(super) fn best() -> Level {
    if !(has!("avx2") && has!("fma") && has!("f16c")) {
        Level::Baseline
    } else if !(has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl")) {
        Level::Avx2
    } else if !has!("avx512bf16") {
        Level::Avx512
    } else if !has_tiles() {
        Level::Avx512Bf16
    } else {
        Level::Amx
    }
}

#[cfg(target_os = "linux")]
fn has_tiles() -> bool {
    use std::arch::x86_64::{__cpuid_count, __get_cpuid_max, _xgetbv};

    const TILES: u32 = 1 << 24;
    const BF16_PRODUCTS: u32 = 1 << 22;
    const SAVED: u64 = (1 << 17) | (1 << 18);

    #[target_feature(enable = "xsave")]
    #[expect(unsafe_code, reason = "a processor instruction")]
    fn saved_registers() -> u64 {
        // SAFETY: register 0 exists where XSAVE is enabled, which this function requires.
        unsafe { _xgetbv(0) }
    }

    if !has!("xsave") || __get_cpuid_max(0).0 < 7 {
        return false;
    }
    let features = __cpuid_count(7, 0).edx;
    if features & TILES == 0 || features & BF16_PRODUCTS == 0 {
        return false;
    }
    #[expect(unsafe_code, reason = "calling a function compiled for more than the baseline")]
    // SAFETY: XSAVE was found above (as usable: the standard library asks for OSXSAVE).
    let saved = unsafe { saved_registers() };
    saved & SAVED == SAVED && permitted()
}

/// Asks Linux for the permission to use tiles.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    let result: i64;
    #[expect(unsafe_code, reason = "a system call that the standard library does not wrap")]
    // SAFETY: arch_prctl with this request takes numbers only and touches no memory of ours; the kernel clobbers rcx
    // and r11 and nothing else. A kernel that does not know the request returns an error.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") TILE_DATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn has_tiles() -> bool {
    false
}
