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
        ("burst: 5% , 3", "burst:0.05,3"),
        ("burst:4/11,4.66", "burst:4/11,4.66"),
        ("burst:0,14/3", "burst:0,14/3"),
        ("burst:50%,1", "burst:0.5,1"),
        ("burst:75%,6/2", "burst:0.75,3"),
        ("gilbert-elliott: 1%, 25%", "gilbert-elliott:0.01,0.25"),
        ("gilbert-elliott:1/3,1,loss_bad= 50%", "gilbert-elliott:1/3,1,loss_bad=0.5"),
        ("gilbert-elliott:0.1,0,loss_bad=100%,loss_good=1e-3", "gilbert-elliott:0.1,0,loss_good=0.001"),
        ("gilbert-elliott:1,1,loss_bad=0.4,loss_good=0.4", "gilbert-elliott:1,1,loss_good=0.4,loss_bad=0.4"),
        ("gilbert-elliott-time: 10 , 0.5s", "gilbert-elliott-time:10s,500ms"),
        (
            "gilbert-elliott-time:1m,1ns,loss_bad=60%,loss_good=1%",
            "gilbert-elliott-time:60s,1ns,loss_good=0.01,loss_bad=0.6",
        ),
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
        ("gilbert:1", "gilbert-elliott:1%,25%"),
        ("burst:5%", "burst:5%,3"),
        ("gilbert-elliott-time:10s", "gilbert-elliott-time:10s,500ms"),
        ("gilbert-elliott-time:0,1s", "1 ns to 366 days"),
        ("gilbert-elliott-time:1s,367d", "1 ns to 366 days"),
        ("gilbert-elliott-time:1s,1s,loss_bad=2", "for loss_bad"),
        ("gilbert-elliott-time:1s,1s,loss_good=60%,loss_bad=50%", "a loss_good of at most loss_bad"),
        ("burst:5%,", "from 1 to 2^64"),
        ("burst:5%,3,4", "from 1 to 2^64"),
        ("burst:5%,0", "from 1 to 2^64"),
        ("burst:5%,0.99", "runs of 1 / (1 - loss)"),
        ("burst:5%,-3", "from 1 to 2^64"),
        ("burst:5%,inf", "from 1 to 2^64"),
        ("burst:5%,1e20", "from 1 to 2^64"),
        ("burst:105%,3", "for the loss a probability from 0 to 1"),
        ("burst:1,3", "a loss below 1"),
        (
            "burst:80%,3",
            "loss / (1 - loss), which is 4, or a loss of at most mean_run / (mean_run + 1), which is 0.75",
        ),
        ("burst:70%,2", "which is 7/3, or a loss of at most mean_run / (mean_run + 1), which is 2/3"),
        ("burst:1e-19,1000", "2^-64"),
        ("gilbert-elliott:", "gilbert-elliott:p,r"),
        ("gilbert-elliott:1%", "gilbert-elliott:p,r"),
        ("gilbert-elliott:1%,25%,0,1", "gilbert-elliott:p,r"),
        ("gilbert-elliott:1%,25%,loss_bad=1,loss_bad=1", "gilbert-elliott:p,r"),
        ("gilbert-elliott:1%,25%,h=1", "gilbert-elliott:p,r"),
        ("gilbert-elliott:1%,25", "for r a probability from 0 to 1 (0.3)"),
        ("gilbert-elliott:1%,25", "write \"25%\""),
        ("gilbert-elliott:1%,25%,loss_good=2/1", "for loss_good a probability"),
        ("gilbert-elliott:0,0", "p or r above 0"),
        ("gilbert-elliott:1%,25%,loss_good=50%,loss_bad=10%", "loss_good of at most loss_bad, which is 0.1"),
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
    assert!(
        backwards.contains("\"randint:10,0,4\"") && backwards.contains("low not above high"),
        "{backwards}"
    );
    assert!(refused(&format!("pattern:{}y", "x".repeat(100_000))).len() < 300);
}

#[test]
fn the_mean_is_exact_where_there_is_one() {
    let cases = [
        ("30%", Some("0.3")),
        ("burst:4/11,3", Some("4/11")),
        ("gilbert-elliott:1%,24%", Some("0.04")),
        ("gilbert-elliott:1/3,1/4,loss_good=1/5,loss_bad=1/2", Some("13/35")),
        ("gilbert-elliott:0,1%,loss_good=1%", Some("0.01")),
        ("gilbert-elliott:1%,0,loss_bad=50%", Some("0.5")),
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
    // A fraction too long for us is still a number.
    let long = read(
        "gilbert-elliott:0.0123456789012345678,1/12345678901234567891,loss_bad=1234567890123456789/9999999999999999999",
    );
    assert_eq!(long.exact_mean(), None);
    assert!((long.mean_loss().unwrap() - 0.123_456_789_012_345_7).abs() < 1e-15);
}

#[test]
fn kinds_and_the_parameters_of_channels() {
    let model = |text: &str| (read(text).kind(), read(text).parameters());
    assert_eq!(model("burst:4/11,4.66"), ("burst", vec![("loss", (4, 11)), ("mean_run", (233, 50))]));
    let chances = vec![("p", (1, 100)), ("r", (1, 4)), ("loss_good", (0, 1)), ("loss_bad", (1, 2))];
    assert_eq!(model("gilbert-elliott:1%,25%,loss_bad=50%"), ("gilbert-elliott", chances));
    assert_eq!(model("4/11"), ("bernoulli", vec![]));
    assert_eq!(model("trace:.x"), ("trace", vec![]));
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
    fn channels_that_are_shown_are_read_back(
        [a, b, c, d] in prop::array::uniform4(0..=1_000_000_u64), run in 1_u32.., whole in 1_u32..,
    ) {
        let million = |part: u64| Probability::new(part, 1_000_000).unwrap();
        prop_assume!(a + b > 0);
        let [p, r, good, bad] = [a, b, c.min(d), c.max(d)].map(million);
        let loss = read(&format!("gilbert-elliott:{p},{r},loss_good={good},loss_bad={bad}"));
        prop_assert_eq!(read(&loss.to_string()), loss.clone());
        let mean = (a * c.max(d) + b * c.min(d)) as f64 / (a + b) as f64 / 1e6;
        prop_assert!((loss.mean_loss().unwrap() - mean).abs() < 1e-15);

        // Whatever pair is possible is taken at its word, and everything else refused.
        let (share, text) = (million(a).as_f64(), format!("burst:{},{run}/{whole}", million(a)));
        let mean_run = f64::from(run) / f64::from(whole);
        match text.parse::<Loss>() {
            Ok(loss) => {
                prop_assert!(mean_run >= 1.0 && mean_run * (1.0 - share) >= share * (1.0 - 1e-12), "{}", text);
                prop_assert_eq!(read(&loss.to_string()), loss.clone());
                prop_assert_eq!(loss.exact_mean(), Some(million(a)));
            }
            Err(_) => prop_assert!(mean_run < 1.0 || mean_run * (1.0 - share) <= share * (1.0 + 1e-12), "{}", text),
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,40}", model in "(burst|gilbert-elliott|pattern|every|list|trace|randint|bernoulli):[-0-9.,x/%e]{0,60}(,loss_(good|bad)=[0-9./%]{0,40}){0,2}") {
        let _ = (text.parse::<Loss>(), model.parse::<Loss>().map(|loss| loss.mean_loss()));
    }
}
