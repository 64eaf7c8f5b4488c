//! Pinged targets that go down and up, told by the detectors of the monitor, in virtual time.

use std::net::{Ipv4Addr, SocketAddr};

use udpping::logic::echo::{Echo, EchoPlan, Reply};
use udpping::logic::link::LinkPlan;
use udpping::logic::ping::{Action, Options, Pinger, Plan, Verdict};
use udpping::logic::record::NONE;
use udpping::logic::{Arrival, Moment, Nanos, SECOND};
use udpping::sim::ping::{EchoPeer, Peer, Run};

const FAR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 7);
const DAY: Nanos = 86_400 * SECOND;
const DETECTORS: [&str; 4] = ["fixed:3", "phi:8", "chen:2s", "calibrated:1 per hour"];
/// How long a round trip takes, and a program that was stopped.
const RTT: Nanos = SECOND / 20;
const STALL: Nanos = 40 * SECOND;

fn options(detector: &str) -> Options {
    let detector = Some(detector.parse().expect("a detector"));
    Options { count: None, interval: Some(1.0), detector, ..Options::default() }
}

fn pinger(options: Options) -> Pinger {
    let plan = Plan::new(options).expect("valid");
    Pinger::new(Plan { keep: 1_024, ..plan }, FAR, false)
}

/// A server behind a lossy path, which is stopped at times.
struct Stopping {
    peer: EchoPeer,
    stopped: Vec<(Nanos, Nanos)>,
}

impl Stopping {
    fn new(loss: &str, delay: &str, seed: u64) -> Self {
        let link = LinkPlan::new(loss.parse().expect("a loss"), delay.parse().expect("a delay"), seed.into());
        Self {
            peer: EchoPeer::new(Echo::new(&EchoPlan::new(link, Reply::Same, false)), FAR),
            stopped: Vec::new(),
        }
    }
}

impl Peer for Stopping {
    fn receive(&mut self, now: Nanos, datagram: &[u8], answer: &mut dyn FnMut(Nanos, SocketAddr, Vec<u8>)) {
        if !self.stopped.iter().any(|(from, to)| (*from..*to).contains(&now)) {
            self.peer.receive(now, datagram, answer);
        }
    }
}

fn simulate(run: &mut Run, peer: &mut Stopping, until: Nanos) {
    while run.now() < until && !run.advance(peer, 1) {}
}

fn downs(verdicts: &[Verdict]) -> Vec<Nanos> {
    verdicts.iter().filter(|verdict| !verdict.is_up).map(|verdict| verdict.at).collect()
}

#[test]
fn a_target_that_stops_is_down_once_and_up_once() {
    for detector in DETECTORS {
        let mut peer = Stopping::new("0", "exponential:5ms", 1);
        peer.stopped = vec![(2_000 * SECOND, 2_900 * SECOND)];
        let mut run = Run::new(pinger(options(detector)));
        simulate(&mut run, &mut peer, 4_000 * SECOND);
        let [first, down, up] = run.verdicts() else { panic!("{detector}: {:?}", run.verdicts()) };
        assert_eq!((first.is_up, first.seq, first.span), (true, Some(1), None), "{detector}");
        assert_eq!((down.is_up, down.seq), (false, Some(2_000)), "{detector}");
        let silence = down.at - 1_999 * SECOND;
        assert!((SECOND..=5 * SECOND).contains(&silence), "{detector}: {silence}");
        assert!((silence - down.span.unwrap()).abs() < SECOND / 10, "{detector}: {down:?}");
        // Number 2,901 is the first that is answered, and the second shows that it was no straggler.
        assert_eq!((up.is_up, up.seq), (true, Some(2_902)), "{detector}");
        assert_eq!(up.span, Some(up.at - down.at), "{detector}");
        assert_eq!(
            up.text("a:7"),
            format!("a:7 is up again after {:.1} min", up.span.unwrap() as f64 / 60e9)
        );
    }
}

#[test]
fn a_target_that_never_answers_is_down_after_what_a_detector_grants_at_first() {
    for detector in DETECTORS {
        let mut peer = Stopping::new("1", "0", 1);
        let mut run = Run::new(pinger(options(detector)));
        simulate(&mut run, &mut peer, 1_000 * SECOND);
        let [down] = run.verdicts() else { panic!("{detector}: {:?}", run.verdicts()) };
        assert_eq!((down.is_up, down.seq, down.span), (false, None, Some(down.at)));
        assert!((SECOND..=30 * SECOND).contains(&down.at), "{detector}: {down:?}");
    }
    let down = Verdict { at: SECOND, is_up: false, seq: None, span: Some(3 * SECOND) };
    assert_eq!(down.text("a:7"), "a:7 is down: no reply for 3.0 s");
    assert_eq!(Verdict { seq: Some(3), ..down }.text("a:7"), "a:7 is down: silent for 3.0 s after ping 3");
}

/// The longest silence with fewer longer ones than were promised: from when a ping that was answered left until the next
/// answer.
fn oracle(run: &Run, promised: usize) -> Nanos {
    let rows = run.pinger().rows();
    let mut silences = Vec::new();
    let mut sent = None;
    for row in (0..rows.len()).map(|row| rows.get(row)).filter(|row| row.rtt != NONE) {
        silences.extend(sent.map(|sent| row.sent + row.rtt - sent));
        sent = Some(row.sent);
    }
    silences.sort_unstable_by(|a, b| b.cmp(a));
    silences[promised]
}

#[test]
fn a_promise_holds_on_paths_with_bursts_and_a_crash_is_noticed_nearly_as_soon_as_by_the_oracle() {
    let (weeks, per_day) = (3, 4);
    let counts = [("1%", 1), ("burst:1%,5", 2), ("burst:5%,3", 3), ("gilbert-elliott:1%,20%", 4)];
    for (loss, seed) in counts {
        let end = (7 * weeks) * DAY;
        let mut peer = Stopping::new(loss, "exponential:50ms", seed);
        let interval = Some(20.0);
        let mut run = Run::new({
            let plan = Plan::new(Options { interval, ..options("calibrated:4 per day") }).expect("valid");
            Pinger::new(Plan { keep: 1_000_000, ..plan }, FAR, false)
        });
        simulate(&mut run, &mut peer, end);
        let alarms = downs(run.verdicts()).iter().filter(|at| **at > 7 * DAY).count() as f64;
        let promised = f64::from(per_day) * (7 * (weeks - 1)) as f64;
        assert!((promised / 2.0..=promised * 2.0).contains(&alarms), "{loss}: {alarms} of {promised}");
        let oracle = oracle(&run, usize::try_from(7 * weeks * Nanos::from(per_day)).unwrap());
        // It stops while it is up.
        let before = loop {
            let next = run.now() + 100 * SECOND;
            simulate(&mut run, &mut peer, next);
            if run.verdicts().last().is_some_and(|last| last.is_up) {
                break run.verdicts().len();
            }
        };
        peer.stopped = vec![(run.now(), Nanos::MAX)];
        simulate(&mut run, &mut peer, end + 7 * DAY);
        let [down] = &run.verdicts()[before..] else { panic!("{loss}: {:?}", &run.verdicts()[before..]) };
        let (rows, seq) = (run.pinger().rows(), down.seq.unwrap());
        let silence = down.at - rows.get(rows.index(seq).unwrap()).sent;
        assert!(silence as f64 <= 1.3 * oracle as f64, "{loss}: {silence} {oracle}");
    }
}

/// A target whose replies come after [`RTT`], and a program that may be stopped between any two steps.
struct Stage {
    pinger: Pinger,
    now: Nanos,
    arriving: Vec<(Nanos, Vec<u8>)>,
    verdicts: Vec<Verdict>,
    kernel: bool,
}

impl Stage {
    fn new(detector: &str) -> Self {
        let pinger = pinger(options(detector));
        Self { pinger, now: 0, arriving: Vec::new(), verdicts: Vec::new(), kernel: true }
    }

    /// Pings until a time; `send` says what becomes of each: no reply, one after so long, or an error.
    fn until(&mut self, end: Nanos, send: impl Fn(u64) -> Result<Option<Nanos>, ()>) {
        while self.now < end {
            match self.pinger.poll(self.now, &mut |_| ()) {
                Action::Send(seq) => match send(seq) {
                    Ok(rtt) => {
                        let mut text = Vec::new();
                        self.pinger.write(seq, self.now, &mut text);
                        self.pinger.sent(self.now, self.now);
                        self.arriving.extend(rtt.map(|rtt| (self.now + rtt, text)));
                    }
                    Err(()) => self.pinger.send_failed(self.now, self.now, &mut |_| ()),
                },
                Action::Wait(next) => {
                    let next = next.max(self.now + 1);
                    self.arriving.sort_unstable();
                    match self.arriving.first().map(|(at, _)| *at).filter(|at| *at <= next) {
                        Some(at) => {
                            self.now = self.now.max(at);
                            self.read();
                        }
                        None => self.now = next,
                    }
                }
                Action::Done => panic!("it has no end"),
            }
            self.verdicts.extend(self.pinger.take_verdict());
        }
    }

    /// Reads what has arrived, as late as that may be.
    fn read(&mut self) {
        let Self { pinger, now, arriving, verdicts, kernel } = self;
        arriving.retain(|(came, text)| {
            if came <= now {
                let at = Moment { mono: *now, wall: *now };
                let stamp = Some(*came).filter(|_| *kernel);
                let arrival = Arrival { at, kernel: stamp, ..Arrival::default() };
                pinger.receive(FAR, text, &arrival, &mut |_| ());
                verdicts.extend(pinger.take_verdict());
            }
            came > now
        });
    }

    /// The program does not run for a while, and then polls first.
    fn stall(&mut self, time: Nanos) {
        self.now += time;
        self.until(self.now + 1, |_| ANSWERED);
    }

    fn is_up_since_the_beginning(&self) -> bool {
        matches!(self.verdicts[..], [Verdict { is_up: true, .. }])
    }
}

const ANSWERED: Result<Option<Nanos>, ()> = Ok(Some(RTT));

#[test]
fn a_program_that_was_stopped_does_not_hold_that_against_the_target() {
    for detector in DETECTORS {
        for kernel in [true, false] {
            let mut stage = Stage { kernel, ..Stage::new(detector) };
            // At any moment between two pings, for any time.
            for step in 0..400 {
                let start = stage.now / SECOND * SECOND + 12 * SECOND;
                stage.until(start + step * SECOND / 400, |_| ANSWERED);
                stage.stall(if step % 3 == 0 { STALL } else { step * SECOND / 100 });
            }
            stage.until(stage.now + 100 * SECOND, |_| ANSWERED);
            assert!(stage.is_up_since_the_beginning(), "{detector} {kernel}: {:?}", stage.verdicts);
            let stopped = stage.now;
            stage.until(stage.now + 60 * SECOND, |_| Ok(None));
            let down = stage.verdicts.last().unwrap();
            assert!(!down.is_up && down.at < stopped + 30 * SECOND, "{detector}: {down:?} {stopped}");
        }
    }
}

#[test]
fn a_target_that_died_while_the_program_was_stopped_is_down_after_as_much_watched_time() {
    let mut stage = Stage::new("fixed:3");
    stage.until(100 * SECOND + SECOND / 2, |_| ANSWERED);
    stage.now += STALL;
    stage.until(200 * SECOND, |_| Ok(None));
    let down = stage.verdicts.last().unwrap();
    // Numbers 102 to 140 left at once, after the stall.
    assert!(!down.is_up && down.seq == Some(101), "{down:?}");
    assert!((140 * SECOND..145 * SECOND).contains(&down.at), "{down:?}");
}

#[test]
fn pings_that_could_not_be_sent_say_nothing_about_the_target() {
    for detector in DETECTORS {
        let mut stage = Stage::new(detector);
        stage.until(2_000 * SECOND, |_| ANSWERED);
        stage.until(9_000 * SECOND, |_| Err(()));
        stage.until(9_500 * SECOND, |seq| if seq % 2 == 0 { Err(()) } else { ANSWERED });
        assert!(stage.is_up_since_the_beginning(), "{detector}: {:?}", stage.verdicts);
        stage.until(9_600 * SECOND, |_| ANSWERED);
        stage.until(9_700 * SECOND, |_| Ok(None));
        let down = stage.verdicts.last().unwrap();
        let silence = down.at - 9_600 * SECOND;
        assert!(!down.is_up && silence < 6 * SECOND, "{detector}: {silence}");
    }
}

#[test]
fn a_refusal_is_no_reply() {
    let mut stage = Stage::new("fixed:3");
    stage.until(10 * SECOND, |_| ANSWERED);
    for _ in 0..4 {
        stage.until(stage.now + SECOND, |_| Ok(None));
        stage.pinger.unreachable(stage.now, None, None, &mut |_| ());
    }
    let [_, down] = stage.verdicts[..] else { panic!("{:?}", stage.verdicts) };
    assert_eq!((down.is_up, down.seq), (false, Some(10)));
    assert!((down.at - 12 * SECOND - RTT).abs() < SECOND / 100, "{down:?}");
}

#[test]
fn replies_after_the_timeout_show_that_a_target_is_up_and_stragglers_do_not() {
    for detector in DETECTORS {
        let mut stage = Stage::new(detector);
        stage.until(300 * SECOND, |_| Ok(Some(5 * SECOND / 2)));
        assert!(stage.pinger.summary().late > 290);
        assert!(stage.is_up_since_the_beginning(), "{detector}: {:?}", stage.verdicts);
        // The last reply comes a minute after all others, when the target is down.
        stage.until(301 * SECOND - 1, |_| Ok(Some(60 * SECOND)));
        stage.until(400 * SECOND, |_| Ok(None));
        let [_, down] = stage.verdicts[..] else { panic!("{detector}: {:?}", stage.verdicts) };
        assert!(!down.is_up, "{detector}");
    }
}

#[test]
fn what_no_silence_can_be_counted_from_is_refused() {
    let refused = |change: fn(&mut Options)| {
        let mut options = options("calibrated:1 per day");
        change(&mut options);
        Plan::new(options).expect_err("refused").to_string()
    };
    for (change, expected) in [
        ((|options| options.interval = None) as fn(&mut Options), "interval=1 (-i 1s) as well"),
        (|options| options.schedule = "poisson".parse().unwrap(), "schedule=\"isochronous\""),
        (|options| options.schedule = "train:10".parse().unwrap(), "schedule=\"isochronous\""),
        (|options| options.interval = Some(0.000_9), "interval=1ms (-i 1ms) at least"),
        (|options| options.interval = Some(86_400.0), "at most one false alarm in ten intervals"),
    ] {
        let error = refused(change);
        assert!(error.contains(expected) && error.contains("calibrated:1 per day"), "{error}");
    }
}
