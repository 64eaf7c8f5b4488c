//! The proleptic Gregorian calendar, and times in UTC as text.
//!
//! Years are counted from March, so that the leap day is the last of them; 400 years have 146,097 days (H. Hinnant,
//! "chrono-compatible low-level date algorithms").

use std::fmt;

/// The days of a week, as C's `ctime` has them.
pub(in crate::logic) const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// The months of a year.
pub(in crate::logic) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;

/// Nanoseconds since 1970 as `2023-11-14T22:13:20.250000Z`.
pub fn iso(wall_ns: i64) -> String {
    let (seconds, nanos) = (wall_ns.div_euclid(1_000_000_000), wall_ns.rem_euclid(1_000_000_000));
    let (days, (hour, minute, second)) = day_and_time(seconds);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:06}Z", nanos / 1_000)
}

/// Seconds since 1970 as C's `ctime` prints them, the day padded by a space: `Tue Nov 14 22:13:20 2023`.
pub(in crate::logic) struct Ctime(pub(in crate::logic) i64);

impl fmt::Display for Ctime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, (hour, minute, second)) = day_and_time(self.0);
        let (year, month, day) = date(days);
        // 1970 began on a Thursday.
        let (weekday, month) = (name(&WEEKDAYS, (days + 3).rem_euclid(7)), name(&MONTHS, month - 1));
        write!(f, "{weekday} {month} {day:2} {hour:02}:{minute:02}:{second:02} {year}")
    }
}

fn name(names: &[&'static str], index: i64) -> &'static str {
    names[usize::try_from(index).unwrap_or(0) % names.len()]
}

/// The day of a second, both counted from 1970, and its hour, minute and second.
fn day_and_time(seconds: i64) -> (i64, (i64, i64, i64)) {
    let second = seconds.rem_euclid(86_400);
    (seconds.div_euclid(86_400), (second / 3_600, second / 60 % 60, second % 60))
}

/// Year, month and day of a day counted from 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Days since 1970 of a year, month and day; `None` for a day that the month does not have.
pub(in crate::logic) fn days((year, month, day): (i64, i64, i64)) -> Option<i64> {
    let from_march = (month - 3).rem_euclid(12);
    let shifted = year - i64::from(month <= 2);
    let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - EPOCH;
    // A day that the month does not have becomes another date.
    (date(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    #[test]
    fn dates_are_those_of_ctime() {
        // From CPython: time.asctime(time.gmtime(n)).
        for (second, expected) in [
            (0, "Thu Jan  1 00:00:00 1970"),
            (951_782_399, "Mon Feb 28 23:59:59 2000"),
            (951_782_400, "Tue Feb 29 00:00:00 2000"),
            (951_868_800, "Wed Mar  1 00:00:00 2000"),
            (1_735_689_599, "Tue Dec 31 23:59:59 2024"),
            (4_107_542_400, "Mon Mar  1 00:00:00 2100"),
            (-1, "Wed Dec 31 23:59:59 1969"),
        ] {
            assert_eq!(Ctime(second).to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn every_day_is_the_one_after_the_last(year in 1_i64..9_999, month in 1_i64..=12, day in 1_i64..=31) {
            if let Some(days_since) = days((year, month, day)) {
                let next = [(year, month, day + 1), (year, month + 1, 1), (year + 1, 1, 1)].into_iter().find_map(days);
                prop_assert_eq!(next, Some(days_since + 1));
            }
        }
    }
}
