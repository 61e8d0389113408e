//! Memory of this process, where the system tells.

/// Resident memory in bytes.
pub fn resident() -> Option<u64> {
    status("VmRSS:")
}

/// What a piece of work takes beside what was there before.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    before: u64,
}

impl Peak {
    /// Begins to measure: gives back what is not in use and forgets the peak so far. `None` where the system does not let us.
    pub fn begin() -> Option<Self> {
        rankine_kernels::memory::give_back();
        // proc(5): this resets the peak of resident memory.
        fs_err::write("/proc/self/clear_refs", "5").ok()?;
        Some(Self { before: resident()? })
    }

    /// Bytes at the peak since then.
    pub fn end(self) -> Option<u64> {
        Some(status("VmHWM:")?.saturating_sub(self.before))
    }
}

fn status(key: &str) -> Option<u64> {
    let text = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_seen_after_its_memory_is_gone() {
        // Elsewhere than on Linux there is nothing to measure.
        if let Some(peak) = Peak::begin() {
            drop(std::hint::black_box(vec![1_u8; 64 << 20]));
            assert!((32 << 20) < peak.end().unwrap());
        }
    }
}
