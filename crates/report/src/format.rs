//! Numbers written for people: `1.23e-5`, `12,345`, `98.3 MB`, `1 h 02 min`, `12.3 %`.
//!
//! Rounding comes before the choice of unit, so that 59.97 s reads `1 min 00 s` and never `60.0 s`.

/// Units of bytes, each 1000 times the one before, as disks and the model hubs count.
const BYTE_UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];

/// Exponents of ten written out in full; numbers outside are written as `1.23e-5`.
const PLAIN_EXPONENTS: std::ops::Range<i32> = -4..7;

/// A number to `digits` significant digits, trailing zeros dropped, digits before the point never rounded away:
/// `0.0123`, `12,345`, `1.23e-5`, `NaN`, `-∞`.
pub fn number(value: f64, digits: usize) -> String {
    if let Some(word) = special(value) {
        return word;
    }
    let digits = digits.clamp(1, 17);
    let written = scientific(value, digits);
    let exponent: i32 = written.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    if !PLAIN_EXPONENTS.contains(&exponent) {
        return written;
    }
    let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0);
    trim_zeros(&fixed(value, decimals)).to_owned()
}

/// A finite number as mantissa and power of ten, trailing zeros dropped: `1.5e-4`; zero is `0`.
pub(crate) fn scientific(value: f64, digits: usize) -> String {
    let written = format!("{value:.*e}", digits.clamp(1, 17) - 1);
    match written.split_once('e') {
        Some((mantissa, exponent)) if value != 0.0 => format!("{}e{exponent}", trim_zeros(mantissa)),
        _ => "0".to_owned(),
    }
}

/// A number with exactly `decimals` digits after the point, for columns that line up: `1,234.50`.
pub fn fixed(value: f64, decimals: usize) -> String {
    if let Some(word) = special(value) {
        return word;
    }
    let written = format!("{value:.decimals$}");
    let (sign, digits) = match written.strip_prefix('-') {
        // What rounds to nothing has no sign.
        Some(digits) if digits.bytes().all(|byte| matches!(byte, b'0' | b'.')) => ("", digits),
        Some(digits) => ("-", digits),
        None => ("", written.as_str()),
    };
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    format!("{sign}{}{fraction}", group(whole))
}

/// A count with its thousands apart: `12,345`.
pub fn count(value: u64) -> String {
    group(&value.to_string())
}

/// A size in bytes to three digits: `512 B`, `98.3 MB`, `1.20 GB` (1 kB is 1000 bytes).
pub fn bytes(value: u64) -> String {
    if value < 1000 {
        return format!("{value} B");
    }
    let mut scaled = value as f64 / 1000.0;
    let mut unit = 0;
    // 999.5 would be written as 1000: take the next unit.
    while scaled >= 999.5 && unit + 1 < BYTE_UNITS.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    format!("{scaled:.*} {}", decimals_for_three_digits(scaled), BYTE_UNITS[unit])
}

/// A span of time: `850 µs`, `12.3 ms`, `4.56 s`, `3 min 05 s`, `1 h 02 min`, `2 d 03 h`.
pub fn duration(seconds: f64) -> String {
    if let Some(word) = special(seconds) {
        return word;
    }
    if seconds < 0.0 {
        return format!("-{}", duration(-seconds));
    }
    if seconds < 59.95 {
        return short_duration(seconds);
    }
    // Minutes are rounded for what is shown as hours and minutes, hours for days and hours.
    let whole = if seconds < 3599.5 {
        seconds.round()
    } else if seconds < 86_370.0 {
        (seconds / 60.0).round() * 60.0
    } else {
        (seconds / 3600.0).round() * 3600.0
    } as u64;
    match whole {
        0..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} d {:02} h", count(whole / 86_400), whole / 3600 % 24),
    }
}

/// A share of one as a percentage: 0.123 is `12.3 %`; small ones keep two digits.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    let size = value.abs();
    if size == 0.0 || size >= 0.995 {
        format!("{} %", fixed(value, 1))
    } else if size >= 0.005 {
        format!("{} %", fixed(value, 2))
    } else {
        format!("{} %", number(value, 2))
    }
}

fn short_duration(seconds: f64) -> String {
    let (scaled, unit) = if seconds == 0.0 || seconds >= 0.9995 {
        (seconds, "s")
    } else if seconds >= 999.5e-6 {
        (seconds * 1e3, "ms")
    } else {
        (seconds * 1e6, "µs")
    };
    let decimals = decimals_for_three_digits(scaled);
    format!("{} {unit}", trim_zeros(&format!("{scaled:.decimals$}")))
}

fn decimals_for_three_digits(value: f64) -> usize {
    if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    }
}

fn special(value: f64) -> Option<String> {
    if value.is_nan() {
        Some("NaN".to_owned())
    } else if value.is_infinite() {
        Some(if value > 0.0 { "∞" } else { "-∞" }.to_owned())
    } else {
        None
    }
}

fn trim_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// Puts a comma before every three digits, counted from the end.
fn group(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_significant_digits() {
        let cases = [
            (0.0, 3, "0"),
            (-0.0, 3, "0"),
            (1.23e-5, 3, "1.23e-5"),
            (1.0e-5, 3, "1e-5"),
            (0.000_123_4, 3, "0.000123"),
            (0.5, 3, "0.5"),
            (2.935_61, 4, "2.936"),
            (9.9996, 4, "10"),
            (-12_345.4, 3, "-12,345"),
            (1_234_567.0, 3, "1,234,567"),
            (9_999_999.9, 3, "1e7"),
            (1.5e300, 3, "1.5e300"),
            (5e-324, 3, "4.94e-324"),
            (f64::NAN, 3, "NaN"),
            (f64::INFINITY, 3, "∞"),
            (f64::NEG_INFINITY, 3, "-∞"),
            (1.0, 0, "1"),
        ];
        for (value, digits, expected) in cases {
            assert_eq!(number(value, digits), expected, "{value} to {digits}");
        }
    }

    #[test]
    fn fixed_numbers_line_up() {
        assert_eq!(fixed(1234.5, 2), "1,234.50");
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(fixed(-1_000_000.0, 0), "-1,000,000");
        assert_eq!(fixed(999.999, 2), "1,000.00");
        assert_eq!(fixed(f64::NAN, 2), "NaN");
    }

    #[test]
    fn counts_are_grouped() {
        let cases =
            [(0, "0"), (999, "999"), (1000, "1,000"), (12_345, "12,345"), (134_515_008, "134,515,008")];
        for (value, expected) in cases {
            assert_eq!(count(value), expected);
        }
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn bytes_never_show_a_thousand() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (98_304_000, "98.3 MB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (99_960, "100 kB"),
            (1_200_000_000, "1.20 GB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (value, expected) in cases {
            assert_eq!(bytes(value), expected);
        }
    }

    #[test]
    fn durations_roll_over_when_rounded() {
        let cases = [
            (0.0, "0 s"),
            (3.2e-9, "0 µs"),
            (0.000_85, "850 µs"),
            (0.9994, "999 ms"),
            (0.9996, "1 s"),
            (4.56, "4.56 s"),
            (59.94, "59.9 s"),
            (59.97, "1 min 00 s"),
            (185.2, "3 min 05 s"),
            (3599.4, "59 min 59 s"),
            (3599.6, "1 h 00 min"),
            (3725.0, "1 h 02 min"),
            (86_369.0, "23 h 59 min"),
            (86_371.0, "1 d 00 h"),
            (183_600.0, "2 d 03 h"),
            (-12.0, "-12 s"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "∞"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(duration(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn percentages_keep_small_shares_visible() {
        let cases = [
            (0.0, "0.0 %"),
            (1.0, "100.0 %"),
            (0.123_45, "12.3 %"),
            (-0.5, "-50.0 %"),
            (0.005_2, "0.52 %"),
            (0.009_97, "1.0 %"),
            (0.000_002, "0.0002 %"),
            (f64::NAN, "NaN %"),
        ];
        for (share, expected) in cases {
            assert_eq!(percent(share), expected, "{share}");
        }
    }
}
