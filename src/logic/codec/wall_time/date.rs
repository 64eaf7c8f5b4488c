//! Reads dates, which may lack a zone, and times of day without a date.

use super::WallTime;
use crate::logic::SECOND;
use crate::logic::text::calendar::{MONTHS, WEEKDAYS, days};

/// A date with a time of day at the beginning of a text, and what follows it: `2024-09-20 13:12:19.5`,
/// `2024-09-20T13:12:19Z`, `Fri Sep 20 13:12:19 2024`.
pub(in crate::logic::codec) fn date(text: &str) -> Option<(WallTime<'static>, &str)> {
    let read = if text.starts_with(|first: char| first.is_ascii_digit()) { iso } else { ctime };
    let mut scan = Scan(text);
    let wall_time = read(&mut scan)?;
    scan.has_ended().then_some((wall_time, scan.0))
}

/// Skips a time of day without a date, `13:12:19` or `9:5:3:45` with milliseconds; returns what follows it.
pub(in crate::logic::codec) fn clock(text: &str) -> Option<&str> {
    let mut scan = Scan(text);
    scan.digits(1..=2)?;
    scan.one_of(":")?;
    scan.digits(1..=2)?;
    let more = scan.0.trim_start_matches([':', '.', ',']);
    let is_digit = |next: char| next.is_ascii_digit();
    // `3:1700000000` is no time of a day.
    (more.len() < scan.0.len() || !more.starts_with(is_digit))
        .then(|| more.trim_start_matches(|next: char| is_digit(next) || ":.,".contains(next)))
}

fn iso(scan: &mut Scan<'_>) -> Option<WallTime<'static>> {
    let year = scan.digits(4..=4)?;
    scan.one_of("-")?;
    let month = scan.digits(2..=2)?;
    scan.one_of("-")?;
    let day = scan.digits(2..=2)?;
    scan.one_of(" Tt")?;
    let time = scan.time()?;
    let nanos = scan.fraction();
    let offset = scan.zone();
    wall_time((year, month, day), time, nanos, offset)
}

fn ctime(scan: &mut Scan<'_>) -> Option<WallTime<'static>> {
    scan.name(&WEEKDAYS)?;
    scan.spaces()?;
    let month = scan.name(&MONTHS)? + 1;
    scan.spaces()?;
    let day = scan.digits(1..=2)?;
    scan.spaces()?;
    let time = scan.time()?;
    // Java and `date` put the zone before the year.
    let offset = scan.zone();
    scan.spaces()?;
    if offset.is_none() && scan.word().is_some() {
        scan.spaces()?;
    }
    wall_time((scan.digits(4..=4)?, month, day), time, 0, offset)
}

fn wall_time(date: (i64, i64, i64), time: i64, nanos: i64, offset: Option<i64>) -> Option<WallTime<'static>> {
    let second = days(date)? * 86_400 + time - offset.unwrap_or(0);
    let wall_ns = second.checked_mul(SECOND)?.checked_add(nanos)?;
    Some(WallTime::Known { wall_ns, zone_known: offset.is_some() })
}

/// What is still to be read of a date.
struct Scan<'a>(&'a str);

impl<'a> Scan<'a> {
    /// A number of so many digits.
    fn digits(&mut self, width: std::ops::RangeInclusive<usize>) -> Option<i64> {
        let most = self.0.bytes().take(*width.end());
        let length = most.take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        width.contains(&length).then_some(digits)?.parse().ok()
    }

    fn one_of(&mut self, marks: &str) -> Option<char> {
        let mark = self.0.chars().next().filter(|first| marks.contains(*first))?;
        self.0 = &self.0[mark.len_utf8()..];
        Some(mark)
    }

    fn spaces(&mut self) -> Option<()> {
        let rest = self.0.trim_start_matches([' ', '\t']);
        (rest.len() < self.0.len()).then(|| self.0 = rest)
    }

    fn word(&mut self) -> Option<&'a str> {
        let length = self.0.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (word, rest) = self.0.split_at(length);
        self.0 = rest;
        (length > 0).then_some(word)
    }

    /// One of these words, in capitals or not, as its number.
    fn name(&mut self, names: &[&str]) -> Option<i64> {
        let word = self.word()?;
        names.iter().zip(0..).find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, number)| number)
    }

    /// Seconds of a day: `13:12:19`, `13:12`; a leap second is the first of the next minute.
    fn time(&mut self) -> Option<i64> {
        let hour = self.digits(2..=2)?;
        self.one_of(":")?;
        let minute = self.digits(2..=2)?;
        let second = if self.one_of(":").is_some() { self.digits(2..=2)? } else { 0 };
        (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3_600 + minute * 60 + second)
    }

    /// Nanoseconds of a second: `.5`, `,123456789`, or nothing; further digits are ignored.
    fn fraction(&mut self) -> i64 {
        let rest = self.0.strip_prefix(['.', ',']).unwrap_or("");
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return 0;
        }
        let (digits, rest) = rest.split_at(length);
        self.0 = rest;
        let digit = |place| digits.as_bytes().get(place).map_or(0, |digit| i64::from(digit - b'0'));
        (0..9).fold(0, |nanos, place| 10 * nanos + digit(place))
    }

    /// Seconds east of UTC: `Z`, `UTC`, `GMT`, `+01:00`, `-0330`, `+01`, perhaps after a space. Any other text
    /// is left.
    fn zone(&mut self) -> Option<i64> {
        let mut ahead = Scan(self.0.strip_prefix(' ').unwrap_or(self.0));
        let offset = match ahead.one_of("+-") {
            None => ahead.name(&["Z", "UTC", "GMT"]).map(|_| 0)?,
            Some(sign) => {
                let hours = ahead.digits(2..=2)?;
                let minutes = if ahead.one_of(":").is_some() {
                    ahead.digits(2..=2)?
                } else {
                    ahead.digits(2..=2).unwrap_or(0)
                };
                let seconds = (hours < 24 && minutes < 60).then_some(hours * 3_600 + minutes * 60)?;
                if sign == '-' { -seconds } else { seconds }
            }
        };
        ahead.has_ended().then(|| self.0 = ahead.0)?;
        Some(offset)
    }

    /// Whether no letter or digit follows, which would make it another word.
    fn has_ended(&self) -> bool {
        !self.0.starts_with(|next: char| next.is_alphanumeric())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds since 1970 of a date.
    #[track_caller]
    fn read(text: &str) -> (i64, bool) {
        let wall_time = WallTime::read(text).unwrap_or_else(|| panic!("{text:?} is a date"));
        let wall_ns = wall_time.wall_ns().unwrap();
        assert_eq!(wall_ns % SECOND, 0, "{text:?}");
        (wall_ns / SECOND, wall_time.zone_known())
    }

    #[test]
    fn dates() {
        // From CPython: calendar.timegm.
        for (text, second, zone_known) in [
            ("Fri Sep 20 13:12:19 2024", 1_726_837_939, false),
            ("fri sep 20 13:12:19 2024", 1_726_837_939, false),
            ("Sun Sep  1 03:02:01 2024", 1_725_159_721, false),
            ("Sun Sep 1 03:02:01 2024", 1_725_159_721, false),
            ("Fri Sep 20 13:12:19 CEST 2024", 1_726_837_939, false),
            ("Fri Sep 20 13:12:19 GMT 2024", 1_726_837_939, true),
            ("Fri Sep 20 13:12:19 +0200 2024", 1_726_830_739, true),
            ("2024-09-20 13:12:19", 1_726_837_939, false),
            ("2024-09-20T13:12:19", 1_726_837_939, false),
            ("2024-09-20T13:12:19Z", 1_726_837_939, true),
            ("2024-09-20t13:12:19z", 1_726_837_939, true),
            ("2024-09-20 13:12:19 UTC", 1_726_837_939, true),
            ("2024-09-20 13:12:19+02:00", 1_726_830_739, true),
            ("2024-09-20 13:12:19 +0200", 1_726_830_739, true),
            ("2024-09-20 13:12:19-03:30", 1_726_850_539, true),
            ("2024-09-20 13:12:19+02", 1_726_830_739, true),
            ("2024-09-20T13:12", 1_726_837_920, false),
            ("2000-02-29 23:59:59", 951_868_799, false),
            ("1969-12-31 23:59:59", -1, false),
            ("2100-03-01 00:00:00", 4_107_542_400, false),
            ("2016-12-31 23:59:60", 1_483_228_800, false),
        ] {
            assert_eq!(read(text), (second, zone_known), "{text}");
        }
        for (text, nanos) in [
            ("2024-09-20 13:12:19.5", 500_000_000),
            ("2024-09-20 13:12:19,123456", 123_456_000),
            ("2024-09-20T13:12:19.123456789Z", 123_456_789),
            ("2024-09-20T13:12:19.1234567899+00:00", 123_456_789),
        ] {
            let wall_time = WallTime::read(text).unwrap();
            assert_eq!(wall_time.wall_ns(), Some(1_726_837_939 * SECOND + nanos), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "2024-09-20",
            "2024-09-20 ",
            "2024-09-20 13",
            "2024-9-20 13:12:19",
            "2024-13-01 00:00:00",
            "2024-00-01 00:00:00",
            "2023-02-29 00:00:00",
            "2024-09-31 00:00:00",
            "2024-09-20 24:00:00",
            "2024-09-20 13:60:00",
            "2024-09-20 13:12:61",
            "2024-09-20 13:12:19x",
            "2024-09-20 13:12:19.",
            "2024-09-20 13:12:19+24:00",
            "0000-01-01 00:00:00",
            "9999-12-31 23:59:59",
            "Fri Sep 20 2024",
            "Fri Sep 31 13:12:19 2024",
            "Fry Sep 20 13:12:19 2024",
            "FriSep 20 13:12:19 2024",
            "Fri Sep 20 13:12:19 2024x",
            "Fri Sep 20 13:12:19",
            "Fri Sep 20 13:12 PM",
            "Fri",
            "",
            "13:12:19",
            "é",
            "2024-09-20é13:12:19",
        ] {
            assert_eq!(WallTime::read(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_date_ends_where_its_text_ends() {
        let rest = |text| date(text).map(|(_, rest)| rest);
        assert_eq!(rest("2024-09-20 13:12:19 id=web1"), Some(" id=web1"));
        assert_eq!(rest("2024-09-20 13:12:19 utcx"), Some(" utcx"));
        assert_eq!(rest("2024-09-20 13:12:19,ok"), Some(",ok"));
        assert_eq!(rest("Fri Sep 20 13:12:19 2024|ok"), Some("|ok"));
        assert_eq!(clock("13:12:19 x"), Some(" x"));
        assert_eq!(clock("9:5:3:45"), Some(""));
        assert_eq!(clock("13:12:19.5PM"), Some("PM"));
        assert_eq!(
            (clock("3:"), clock("3:1700000000"), clock("123:45"), clock("")),
            (None, None, None, None)
        );
    }
}
