//! Senders and the monitor in virtual time: each fault of a sender is reported as what it is.

use udpping::logic::SECOND;
use udpping::logic::heartbeat::{HeartbeatPlan, Options};
use udpping::logic::link::LinkPlan;
use udpping::logic::monitor::{Event, Kind, MonitorPlan, PeerRow, State};
use udpping::sim::EPOCH;
use udpping::sim::monitor::{Faults, Plan, Run};

struct World<'a> {
    faults: &'a [&'a str],
    loss: &'a str,
    delay: &'a str,
    detector: &'a str,
    seconds: i64,
}

const CALM: World<'_> =
    World { faults: &[""], loss: "0", delay: "exponential:5ms", detector: "calibrated", seconds: 600 };

impl World<'_> {
    fn run(&self) -> Run {
        let mut monitor = MonitorPlan::new(self.detector.parse().expect("a detector"));
        monitor.losses = true;
        let sender = HeartbeatPlan::new(Options { session: 7, ..Options::default() }).expect("a sender");
        let (loss, delay) = (self.loss.parse().expect("a loss"), self.delay.parse().expect("a delay"));
        let link = LinkPlan::new(loss, delay, 1_u64.into());
        let faults = self.faults.iter().map(|text| text.parse().expect("faults")).collect();
        let plan = Plan { monitor, sender, faults, link, drift_ppm: 0.0, length: self.seconds * SECOND };
        let mut run = Run::new(plan).expect("a plan");
        while !run.advance(10_000) {}
        run
    }
}

/// The notable events, which are all but single late heartbeats.
fn notable(run: &Run) -> Vec<String> {
    run.events().iter().filter(|event| event.is_notable()).map(line).collect()
}

fn line(event: &Event) -> String {
    let seconds = event.at.mono as f64 / SECOND as f64;
    format!("{seconds:.1} {} {}", event.client.as_deref().unwrap_or("-"), event.kind.as_str())
}

#[test]
fn an_hour_without_faults_has_two_kinds_of_events() {
    let run = World { faults: &["", "", ""], seconds: 3_600, ..CALM }.run();
    let kinds: Vec<_> =
        notable(&run).iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["new", "new", "new", "up", "up", "up"]);
    for row in run.peers() {
        assert!((3_599..=3_600).contains(&row.counts.received) && row.counts.lost == 0, "{row:?}");
        assert_eq!((row.state, row.overdue, row.sessions), (State::Up, 0, 1));
        // By definition one heartbeat in a hundred is late.
        let late = run.events().iter().filter(|event| event.kind == Kind::Is(State::Late));
        assert!((20..=200).contains(&late.count()));
        assert!(row.reading.drift_ppm.unwrap().abs() < 0.1, "{:?}", row.reading);
    }
}

#[test]
fn a_client_that_crashed_is_down_in_the_time_foretold() {
    let run = World { faults: &["", "crash@100.2"], ..CALM }.run();
    assert_eq!(notable(&run)[4..], ["110.5 sender1 down"]);
    let [alive, dead] = <[PeerRow; 2]>::try_from(run.peers()).unwrap();
    assert_eq!((alive.state, dead.state), (State::Up, State::Down));
    let down = run.events().iter().find(|event| event.kind == Kind::Is(State::Down)).unwrap();
    let foretold = dead.forecast.unwrap().silence;
    assert!((down.span.unwrap() - foretold).abs() < SECOND / 10, "{down:?}");
    assert_eq!(down.seq, Some(100));
    // It stopped between its last heartbeat and the next that did not come.
    let crash = EPOCH + 100_200_000_000;
    let (from, to) = dead.stopped.unwrap();
    assert!(from <= crash && crash <= to && to - from == SECOND, "{from} {to}");
}

#[test]
fn each_fault_of_a_sender_is_reported_as_what_it_is() {
    let cases = [
        ("crash@100 restart@103.5", &["103.5 sender0 restarted"][..]),
        ("pause:2.5@100", &["102.5 sender0 paused"]),
        ("pause:30@100", &["110.0 sender0 down", "130.0 sender0 paused", "131.0 sender0 up"]),
        ("step:-3.06@100", &["100.0 sender0 client_clock_stepped"]),
        ("step:3600@100", &["100.0 sender0 client_clock_stepped"]),
        ("rebind@100", &["100.0 sender0 address_changed"]),
        ("bye@100", &["100.0 sender0 bye", "160.0 - idle"]),
        ("bye:3@100 restart@120", &["100.0 sender0 bye", "120.0 sender0 restarted", "121.0 sender0 up"]),
    ];
    for (faults, expected) in cases {
        let run = World { faults: &[faults], delay: "20ms", ..CALM }.run();
        assert_eq!(notable(&run)[2..], *expected, "{faults}");
        let [row] = <[PeerRow; 1]>::try_from(run.peers()).unwrap();
        assert_eq!(
            row.counts.lost + row.counts.pending + row.counts.duplicates,
            0,
            "{faults}: nothing was lost"
        );
    }
}

#[test]
fn spans_and_statuses_are_exact() {
    let of = |faults: &str, kind: Kind| {
        let run = World { faults: &[faults], delay: "20ms", ..CALM }.run();
        run.events().iter().find(|event| event.kind == kind).unwrap().clone()
    };
    assert_eq!(of("step:-3.06@100.5", Kind::ClientClockStepped).span, Some(-3_060_000_000));
    assert_eq!(of("bye:3@100.5", Kind::Is(State::Bye)).count, Some(3));
    // Heartbeats were due at 101, 102, ..., and one left at 130.5 with the time of 130.
    assert_eq!(of("pause:30@100.5", Kind::Paused).span, Some(30 * SECOND));
    let moved = of("rebind@100.5", Kind::AddressChanged);
    assert_eq!(moved.previous.map(|address| address.port()), Some(50_000));
    assert_eq!(moved.address.map(|address| address.port()), Some(50_001));
}

#[test]
fn lost_heartbeats_are_counted_and_no_others() {
    let run = World { loss: "pattern:.........x..xx.", seconds: 3_200, ..CALM }.run();
    let [row] = <[PeerRow; 1]>::try_from(run.peers()).unwrap();
    // 15 numbers a round: one lost alone and two in a row.
    assert_eq!((row.counts.received, row.counts.lost + row.counts.pending), (2_561, 639));
    assert_eq!((row.counts.runs, row.counts.longest_run), (426, 2));
    let notable: i64 =
        run.events().iter().filter(|event| event.kind == Kind::Lost).filter_map(|event| event.count).sum();
    assert_eq!(notable.unsigned_abs(), row.counts.lost);
}

/// The whole monitor keeps the promised rate, as the detector alone does.
#[test]
fn false_alarms_are_as_rare_as_promised() {
    let run = World { loss: "10%", detector: "calibrated:10 per day", seconds: 10 * 86_400, ..CALM }.run();
    let down = run.events().iter().filter(|event| event.kind == Kind::Is(State::Down)).count();
    assert!((60..=150).contains(&down), "{down} in ten days");
    assert_eq!(run.peers()[0].state, State::Up);
}

#[test]
fn when_most_fall_silent_for_a_moment_one_event_reports_it_and_no_client_is_down() {
    let pause = ["pause:20@100"; 5];
    let run = World { faults: &pause, ..CALM }.run();
    let notable = notable(&run);
    let of = |word: &str| notable.iter().filter(|line| line.ends_with(word)).count();
    assert_eq!((of("outage"), of("outage_over"), of("down")), (1, 1, 0), "{notable:?}");
    assert_eq!(of("paused"), 5);
}

/// A client is down at the latest after three detection times and 5 s, whoever else is silent.
#[test]
fn however_many_crash_each_is_down_once_and_in_time() {
    for (all, dead) in [(1, 1), (3, 2), (3, 3), (50, 25), (50, 47), (50, 50)] {
        let faults: Vec<&str> = (0..all).map(|host| if host < dead { "crash@100" } else { "" }).collect();
        let run = World { faults: &faults, ..CALM }.run();
        let down: Vec<_> = run.events().iter().filter(|event| event.kind == Kind::Is(State::Down)).collect();
        assert_eq!(down.len(), dead, "{dead} of {all}");
        for row in run.peers().iter().filter(|row| row.state == State::Down) {
            let of: Vec<_> = down.iter().filter(|event| event.client.as_ref() == Some(&row.client)).collect();
            let foretold = row.forecast.expect("calibrated").silence;
            assert!(
                of.len() == 1 && of[0].span <= Some(3 * foretold + 5 * SECOND),
                "{dead} of {all}: {of:?}"
            );
        }
        let outages = run.events().iter().filter(|event| event.kind == Kind::Outage);
        let counts: Vec<_> = outages.map(|event| event.count).collect();
        let expected: Vec<_> = (dead >= 3).then_some(i64::try_from(dead).ok()).into_iter().collect();
        assert_eq!(counts, expected, "{dead} of {all}");
    }
}

#[test]
fn a_client_that_crashed_among_many_is_down_at_once() {
    let faults: Vec<&str> = (0..50).map(|host| if host == 7 { "crash@100" } else { "" }).collect();
    let run = World { faults: &faults, loss: "5%", ..CALM }.run();
    let down: Vec<_> = notable(&run).into_iter().filter(|line| line.ends_with("down")).collect();
    assert!(down.len() == 1 && down[0].contains("sender7 "), "{down:?}");
}

/// A delayed heartbeat counts from the time of its sending: heartbeats in flight do not keep a crashed sender up.
#[test]
fn stale_heartbeats_bring_no_client_up() {
    for detector in ["calibrated:1 per day", "chen:2s"] {
        let faults = ["crash@100"];
        let run = World { faults: &faults, detector, delay: "uniform:0ms,15s", seconds: 300, ..CALM }.run();
        let [row] = <[PeerRow; 1]>::try_from(run.peers()).unwrap();
        assert_eq!(row.state, State::Down, "{detector}");
        let last = run.events().iter().rfind(|event| event.kind == Kind::Is(State::Up)).unwrap();
        assert!(last.at.mono < 116 * SECOND, "{detector}: {last:?}");
    }
}

#[test]
fn faults_are_read_from_a_text() {
    let refused = |text: &str| text.parse::<Faults>().unwrap_err().to_string();
    for bad in
        ["crash", "crash@", "crash@-1", "crash:1@5", "nap@5", "pause@5", "step:x@5", "bye:1.5@5", "crash@1y"]
    {
        assert!(refused(bad).contains(&format!("{bad:?}")), "{bad}");
    }
    assert_eq!("crash@1min bye:-9@2h".parse::<Faults>(), "  bye:-9@7200s   crash@60 ".parse());
}
