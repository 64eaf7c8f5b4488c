//! Python's `repr(float)`, as in the messages and transcripts of the course.

/// `value` as Python's `repr` prints it: the shortest digits that read back, an exponent below 1e-4 and from 1e16.
///
/// Rust prints the same digits but `30` for `30.0`, and never or always an exponent.
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
        if !text.contains('.') {
            text.push_str(".0");
        }
        return text;
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, number) = exponent.strip_prefix('-').map_or(('+', exponent), |number| ('-', number));
            format!("{digits}e{sign}{number:0>2}")
        }
        None => text,
    }
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
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(py_repr(value), expected);
        }
    }
}
