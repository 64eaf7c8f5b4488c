//! Python's `repr(float)`, as in the messages and transcripts of the course.

/// `value` as Python's `repr` prints it: the shortest digits that read back, an exponent below 1e-4 and from 1e16.
///
/// Rust prints `30` for `30.0`, never or always an exponent, and of two equally near digits the greater;
/// Python prints the even one.
pub fn py_repr(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.into();
    }
    let magnitude = value.abs();
    if value == 0.0 || (1e-4..1e16).contains(&magnitude) {
        let mut text = value.to_string();
        match text.split_once('.') {
            Some((_, decimals)) => {
                let places = decimals.len();
                text = nearest(value, text, format!("{value:.places$}"));
            }
            None => text.push_str(".0"),
        }
        return text;
    }
    let text = format!("{value:e}");
    let places = text
        .split_once('e')
        .map_or(0, |(digits, _)| digits.split_once('.').map_or(0, |(_, after)| after.len()));
    let text = nearest(value, text, format!("{value:.places$e}"));
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, number) = exponent.strip_prefix('-').map_or(('+', exponent), |number| ('-', number));
            format!("{digits}e{sign}{number:0>2}")
        }
        None => text,
    }
}

/// `rounded`, which has ties to even, where it reads back as `value`; else `shortest`.
fn nearest(value: f64, shortest: String, rounded: String) -> String {
    if rounded.parse() == Ok(value) { rounded } else { shortest }
}

#[cfg(test)]
mod tests {
    use super::py_repr;

    #[test]
    fn as_cpython_prints_them() {
        // From CPython 3.11: `for x in (...): print(repr(x))`.
        for (value, expected) in [
            (30.0, "30.0"),
            (1_700_000_000.0, "1700000000.0"),
            (1_726_406_736.241_297_5, "1726406736.2412975"),
            (0.000_1, "0.0001"),
            (9.5e-5, "9.5e-05"),
            (1e-7, "1e-07"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (-0.0, "-0.0"),
            (0.0, "0.0"),
            (-2.568_024_873_733_520_5, "-2.5680248737335205"),
            (57.142_857_142_857_14, "57.14285714285714"),
            (100.001_007_080_078_12, "100.00100708007812"),
            (0.007_812_5 + 1_024.0, "1024.0078125"),
            (5e-324, "5e-324"),
            (2f64.powi(-44), "5.684341886080802e-14"),
            (18_014_398_509_481_984.0, "1.8014398509481984e+16"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(py_repr(value), expected);
        }
    }
}
