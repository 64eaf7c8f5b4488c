//! The types of Arrow's columns in the words of the C interface.

use arrow_schema::{DataType, TimeUnit};

/// The type of a column that may be one of a run; else what it is in words.
pub(super) fn of_format(format: &str) -> Result<DataType, String> {
    let unit = |letter: &str| match letter {
        "s" => Some(TimeUnit::Second),
        "m" => Some(TimeUnit::Millisecond),
        "u" => Some(TimeUnit::Microsecond),
        "n" => Some(TimeUnit::Nanosecond),
        _ => None,
    };
    Ok(match format {
        "n" => DataType::Null,
        "b" => DataType::Boolean,
        "c" => DataType::Int8,
        "C" => DataType::UInt8,
        "s" => DataType::Int16,
        "S" => DataType::UInt16,
        "i" => DataType::Int32,
        "I" => DataType::UInt32,
        "l" => DataType::Int64,
        "L" => DataType::UInt64,
        "f" => DataType::Float32,
        "g" => DataType::Float64,
        "u" => DataType::Utf8,
        "U" => DataType::LargeUtf8,
        "vu" => DataType::Utf8View,
        "z" => DataType::Binary,
        "Z" => DataType::LargeBinary,
        "vz" => DataType::BinaryView,
        _ => {
            // The zone behind a colon is for showing: the moments are those of UTC.
            let moment = format.strip_prefix("ts").and_then(|rest| rest.split_once(':'));
            if let Some(unit) = moment.and_then(|(letter, _)| unit(letter)) {
                DataType::Timestamp(unit, None)
            } else if let Some(unit) = format.strip_prefix("tD").and_then(unit) {
                DataType::Duration(unit)
            } else {
                return Err(in_words(format));
            }
        }
    })
}

fn in_words(format: &str) -> String {
    let known = match format.as_bytes() {
        [b'+', b's', ..] => "structs",
        [b'+', b'm', ..] => "maps",
        [b'+', b'u', ..] => "unions",
        [b'+', b'r', ..] => "runs of equal values",
        [b'+', ..] => "lists",
        [b't', b'd', ..] => "dates",
        [b't', b't', ..] => "times of day",
        [b't', b'i', ..] => "calendar intervals",
        [b'd', ..] => "decimal numbers",
        [b'e'] => "numbers of 16 bits",
        [b'w', ..] => "bytes of one length",
        _ => return format!("{format:?}"),
    };
    known.to_owned()
}
