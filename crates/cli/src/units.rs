//! Sizes as people type them, `5GB`, `500MB`, `2GiB`, `1000000`, and shapes, ranges and lists as they read them.

/// Bytes of `text`: a number and perhaps a unit of 1000 (`kB`, `MB`, `GB`, `TB`) or 1024 (`KiB` …).
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(format!("`{unit}` is no unit; use kB, MB, GB, KiB, MiB or GiB")),
    };
    let number: f64 = number.parse().map_err(|_| "should be a size such as `5GB`".to_owned())?;
    let bytes = number * scale as f64;
    if !(1.0..9e18).contains(&bytes) {
        return Err("should be at least one byte and below 9 EB".to_owned());
    }
    Ok(bytes as u64)
}

/// `4096 × 1024`.
pub fn shape(sides: &[usize]) -> String {
    sides.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ")
}

/// The least and the most, `4 to 16`; one of them where they are the same, 0 where there is none.
pub fn range(counts: impl Iterator<Item = usize> + Clone) -> String {
    let (least, most) = (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0));
    if least == most { most.to_string() } else { format!("{least} to {most}") }
}

/// The first names, so many at most, and how many more there are.
pub fn few(names: &[String], most: usize) -> String {
    let shown: Vec<String> = names.iter().take(most).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_1000_and_of_1024() {
        let sizes = [("5GB", 5_000_000_000), ("1.5 MiB", 1_572_864), ("700", 700), ("2k", 2000)];
        for (text, bytes) in sizes {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "GB", "5XB", "0", "1.2.3", "-1GB", "9999999999TB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
