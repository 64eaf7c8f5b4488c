//! A time as files and people read it: ISO 8601, in UTC.

/// Nanoseconds since 1970 as `2023-11-14T22:13:20.250000Z`.
#[must_use]
pub fn iso(wall_ns: i64) -> String {
    let (days, rest) = (wall_ns.div_euclid(86_400_000_000_000), wall_ns.rem_euclid(86_400_000_000_000));
    let (year, month, day) = civil(days);
    let seconds = rest / 1_000_000_000;
    let micros = rest % 1_000_000_000 / 1_000;
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// The date of a day counted from 1970-01-01, in the proleptic Gregorian calendar. Years are taken to begin in March,
/// so that the leap day is the last of them; 400 years have 146,097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::iso;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // From CPython: datetime.fromtimestamp(t, timezone.utc).isoformat().
        for (wall_ns, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_700_000_000_250_000_000, "2023-11-14T22:13:20.250000Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000Z"),
            (4_107_542_399_999_999_999, "2100-02-28T23:59:59.999999Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(iso(wall_ns), text);
        }
        assert!(iso(i64::MAX).starts_with("2262-04-11") && iso(i64::MIN).starts_with("1677-09-21"));
    }
}
