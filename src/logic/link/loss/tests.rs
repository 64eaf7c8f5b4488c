//! The texts of loss, and what they mean.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Loss {
    text.parse().unwrap()
}

fn refused(text: &str) -> String {
    text.parse::<Loss>().unwrap_err().to_string()
}

#[test]
fn one_model_has_one_form() {
    let cases = [
        ("0", "0"),
        ("30%", "0.3"),
        ("4/11", "4/11"),
        ("bernoulli: 4/11", "4/11"),
        ("pattern:.xX.", "pattern:.xx."),
        ("every: 10", "every:10"),
        ("list: 7, 3,3", "list:3,7"),
        ("list:", "list:"),
        ("trace:.x..x", "trace:.x..x"),
        ("trace-repeat:.x..x", "trace-repeat:.x..x"),
        (" randint: 0, 10 ,4 ", "randint:0,10,4"),
        ("randint:-5,-5,-6", "randint:-5,-5,-6"),
    ];
    for (text, canonical) in cases {
        assert_eq!(read(text).to_string(), canonical);
        assert_eq!(read(canonical), read(text));
    }
    assert_eq!(read("0"), Loss::NONE);
}

#[test]
fn what_is_no_model_is_refused_with_what_is_one() {
    let cases = [
        ("", "pattern:.xx."),
        ("half", "randint:0,10,4"),
        ("gilbert:1", "randint:0,10,4"),
        (".xx.", "write \"pattern:.xx.\""),
        ("30", "write \"30%\""),
        ("5/4", "from 0 to 1"),
        ("nan", "from 0 to 1"),
        ("bernoulli:1.5", "from 0 to 1"),
        ("pattern:", "one mark at least"),
        ("trace:", "one mark at least"),
        ("pattern:.xy", "not 'y' at 3"),
        ("every:0", "from 1"),
        ("every:-1", "from 1"),
        ("every:1.5", "from 1"),
        ("list:0", "from 1"),
        ("list:1,,2", "from 1"),
        ("list:-3", "from 1"),
        ("randint:0,10", "randint:low,high,below"),
        ("randint:0,10,4,5", "randint:low,high,below"),
        ("randint:0,1e3,4", "randint:low,high,below"),
        ("randint:0,9223372036854775808,4", "64 bits"),
    ];
    for (text, expected) in cases {
        let message = refused(text);
        assert!(message.starts_with(&format!("loss {text:?} ")) && message.contains(expected), "{message}");
    }
    let backwards = refused("randint:10,0,4");
    assert!(backwards.contains("randint(10, 0)") && backwards.contains("low not above high"), "{backwards}");
    assert!(refused(&format!("pattern:{}y", "x".repeat(100_000))).len() < 300);
}

#[test]
fn the_mean_is_exact_where_there_is_one() {
    let cases = [
        ("30%", Some("0.3")),
        ("pattern:.xx.", Some("0.5")),
        ("trace-repeat:..x", Some("1/3")),
        ("every:10", Some("0.1")),
        ("list:3,7", None),
        ("trace:xx", None),
        ("randint:0,10,4", Some("4/11")),
        ("randint:1,10,4", Some("0.3")),
        ("randint:0,10,0", Some("0")),
        ("randint:0,10,11", Some("1")),
        ("randint:0,10,1000000000000000000000000000000", Some("1")),
        ("randint:0,10,-170141183460469231731687303715884105728", Some("0")),
        ("randint:-9223372036854775808,9223372036854775807,0", Some("0.5")),
    ];
    for (text, mean) in cases {
        assert_eq!(read(text).exact_mean().map(|mean| mean.to_string()).as_deref(), mean, "{text}");
    }
    assert_eq!(read("randint:0,10,4").mean_loss(), Some(4.0 / 11.0));
    assert_eq!(read("list:1").mean_loss(), None);
}

#[test]
fn any_bound_of_randint_will_do() {
    let share = |text: &str| {
        let (Loss::RandInt(randint), mut generator) = (read(text), Mt19937::new(&[42])) else { panic!() };
        (0..200).filter(|_| randint.loses(&mut generator)).count()
    };
    assert_eq!(share("randint:0,10,0"), 0);
    assert_eq!(share("randint:0,10,-99999999999999999999"), 0);
    assert_eq!(share("randint:0,10,11"), 200);
    assert_eq!(share("randint:0,10,99999999999999999999"), 200);
    assert_eq!(share("randint:5,5,5"), 0);
    assert_eq!(share("randint:5,5,6"), 200);
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back(
        marks in "[.x]{1,50}", numbers in prop::collection::vec(1_u64.., 0..9), n in 1_u64..,
        low: i64, high: i64, below: i128,
    ) {
        let numbers = numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let (low, high) = (low.min(high), low.max(high));
        let texts = [
            format!("pattern:{marks}"), format!("trace:{marks}"), format!("trace-repeat:{marks}"),
            format!("list:{numbers}"), format!("every:{n}"), format!("randint:{low},{high},{below}"),
        ];
        for text in texts {
            let loss = read(&text);
            prop_assert_eq!(read(&loss.to_string()), loss);
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,40}", model in "(pattern|every|list|trace|randint|bernoulli):[-0-9.,x/%]{0,40}") {
        let _ = (text.parse::<Loss>(), model.parse::<Loss>().map(|loss| loss.mean_loss()));
    }
}
