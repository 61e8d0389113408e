//! A date and time of day, and `strftime`. The caller tells the time: nothing here reads a clock.

/// A moment in a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The year.
    pub year: i32,
    /// The month; 1 to 12.
    pub month: u32,
    /// The day of the month; 1 to 31.
    pub day: u32,
    /// The hour; 0 to 23.
    pub hour: u32,
    /// The minute; 0 to 59.
    pub minute: u32,
    /// The second; 0 to 59.
    pub second: u32,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl Moment {
    /// The date that templates of the llama family fall back to where nobody tells the time.
    pub const FIXED: Self = Self { year: 2024, month: 7, day: 26, hour: 0, minute: 0, second: 0 };

    /// The moment so many seconds after the beginning of 1970, in universal time.
    pub fn from_unix(seconds: i64) -> Self {
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Years that begin in March, in eras of 400 years = 146097 days, put the leap day last.
        let day = days + 719_468;
        let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let march_month = (5 * of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let small = |number: i64| u32::try_from(number).unwrap_or(0);
        Self {
            year: i32::try_from(year + era * 400 + i64::from(month <= 2)).unwrap_or(i32::MAX),
            month: small(month),
            day: small(of_year - (153 * march_month + 2) / 5 + 1),
            hour: small(second / 3_600),
            minute: small(second / 60 % 60),
            second: small(second % 60),
        }
    }

    /// Days since the beginning of 1970.
    fn days(self) -> i64 {
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let month = (i64::from(self.month) + 9) % 12;
        let of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    fn weekday(self) -> &'static str {
        // The first day of 1970 was a Thursday.
        DAYS[usize::try_from((self.days() + 4).rem_euclid(7)).unwrap_or(0)]
    }

    fn month_name(self) -> &'static str {
        MONTHS[(self.month.clamp(1, 12) - 1) as usize]
    }

    fn hour_of_twelve(self) -> u32 {
        (self.hour + 11) % 12 + 1
    }

    fn day_of_year(self) -> i64 {
        self.days() - Self { month: 1, day: 1, ..self }.days() + 1
    }

    /// The moment by a pattern of `strftime`; a `-` after the `%` leaves out leading zeros.
    pub fn format(&self, pattern: &str) -> String {
        let mut text = String::new();
        let mut rest = pattern.chars();
        while let Some(character) = rest.next() {
            if character != '%' {
                text.push(character);
                continue;
            }
            match rest.next() {
                Some('-') => {
                    let field = rest.next().map_or_else(String::new, |code| self.field(code));
                    let bare = field.trim_start_matches(['0', ' ']);
                    text.push_str(if bare.is_empty() && !field.is_empty() { "0" } else { bare });
                }
                Some(code) => text.push_str(&self.field(code)),
                None => text.push('%'),
            }
        }
        text
    }

    fn field(&self, code: char) -> String {
        match code {
            'Y' => self.year.to_string(),
            'y' => format!("{:02}", self.year.rem_euclid(100)),
            'm' => format!("{:02}", self.month),
            'd' => format!("{:02}", self.day),
            'e' => format!("{:2}", self.day),
            'j' => format!("{:03}", self.day_of_year()),
            'H' => format!("{:02}", self.hour),
            'I' => format!("{:02}", self.hour_of_twelve()),
            'M' => format!("{:02}", self.minute),
            'S' => format!("{:02}", self.second),
            'p' => if self.hour < 12 { "AM" } else { "PM" }.into(),
            'B' => self.month_name().into(),
            'b' | 'h' => self.month_name()[..3].into(),
            'A' => self.weekday().into(),
            'a' => self.weekday()[..3].into(),
            'F' => self.format("%Y-%m-%d"),
            'T' => self.format("%H:%M:%S"),
            'D' => self.format("%m/%d/%y"),
            'R' => self.format("%H:%M"),
            '%' => "%".into(),
            other => format!("%{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        let format = |seconds| Moment::from_unix(seconds).format("%Y-%m-%d %H:%M:%S %a %j");
        // From `date -u -d @SECONDS`.
        assert_eq!(format(0), "1970-01-01 00:00:00 Thu 001");
        assert_eq!(format(951_782_399), "2000-02-28 23:59:59 Mon 059");
        assert_eq!(format(951_868_799), "2000-02-29 23:59:59 Tue 060");
        assert_eq!(format(1_795_392_000), "2026-11-23 00:00:00 Mon 327");
        assert_eq!(format(-1), "1969-12-31 23:59:59 Wed 365");
    }

    #[test]
    fn patterns_of_templates() {
        let moment = Moment { year: 2026, month: 7, day: 4, hour: 15, minute: 5, second: 9 };
        assert_eq!(moment.format("%d %b %Y"), "04 Jul 2026");
        assert_eq!(moment.format("%-d %B %y, %A, %-I:%M %p, %e"), "4 July 26, Saturday, 3:05 PM,  4");
        assert_eq!(moment.format("%F %T %D %R %% %q %"), "2026-07-04 15:05:09 07/04/26 15:05 % %q %");
        assert_eq!(Moment { hour: 0, minute: 0, ..moment }.format("%I %-M"), "12 0");
    }
}
