use std::net::{IpAddr, SocketAddr};

use super::*;
use crate::logic::SECOND;
use crate::logic::codec::stamp::Stamp;
use crate::logic::codec::{Codec, Seq};
use crate::logic::random::{Direction, Effect, Seed, Uniforms};

const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8_620);

fn from(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn estimate() -> ErrorEstimate {
    ErrorEstimate::new(1_000, true, TimeFormat::Ntp)
}

fn keys(text: &str) -> Keys {
    Keys::read(text).unwrap()
}

/// A reflector, and its reply to a packet.
struct Far(Reflector);

impl Far {
    fn new(plan: ReflectorPlan) -> Self {
        Self(Reflector::new(plan))
    }

    fn hear(&mut self, source: SocketAddr, bytes: &[u8], at: Nanos) -> Option<Vec<u8>> {
        let request = Request { bytes, source, local: LOCAL, at, received: at, ttl: Some(7), tos: Some(0) };
        let reflection = self.0.admit(&request)?;
        let mut out = Vec::new();
        self.0.write(&request, &reflection, at + 10, estimate(), &mut out);
        Some(out)
    }

    /// The number of the reply to packet `seq` of the sender at `port`.
    fn number(&mut self, port: u16, seq: u64) -> Option<u32> {
        self.hear(from(port), &ping(seq, 0), 1_000).map(|reply| OPEN.seq(&reply))
    }
}

fn sender(ssid: u16, key: Option<&str>) -> Stamp {
    Stamp::new(key.map(|key| stamp::secret(key).unwrap()), ssid, estimate())
}

fn ping(seq: u64, ssid: u16) -> Vec<u8> {
    let mut out = Vec::new();
    sender(ssid, None).write(seq, 1_000 * (1 + i64::try_from(seq).unwrap()), None, &mut out);
    out
}

fn sealed(key: &str, ssid: u16) -> Vec<u8> {
    let mut out = Vec::new();
    sender(ssid, Some(key)).write(0, 1, None, &mut out);
    out
}

#[test]
fn a_session_counts_its_replies() {
    let mut far = Far::new(ReflectorPlan::default());
    assert_eq!([5, 6, 9].map(|seq| far.number(1, seq)), [Some(0), Some(1), Some(2)]);
    assert_eq!(far.number(2, 5), Some(0), "another port");
    let other = far.hear(from(1), &ping(7, 9), 1_000).unwrap();
    assert_eq!((OPEN.seq(&other), OPEN.ssid(&other)), (0, 9), "another SSID");
    assert_eq!(far.number(1, 10), Some(3));
    assert_eq!(far.0.counters().sessions, 3);
}

#[test]
fn without_sessions_numbers_are_repeated() {
    let mut far = Far::new(ReflectorPlan { stateless: true, ..ReflectorPlan::default() });
    assert_eq!([5, 5, 9].map(|seq| far.number(1, seq)), [Some(5), Some(5), Some(9)]);
    let Counters { sessions, replayed, reflected, .. } = far.0.counters();
    assert_eq!((sessions, replayed, reflected), (0, 0, 3));
}

#[test]
fn replies_have_the_times_and_the_hops() {
    let mut far = Far::new(ReflectorPlan::default());
    let reply = far.hear(from(1), &ping(3, 0), 5_000).unwrap();
    let reading = sender(0, None).read(&reply);
    assert_eq!(reading.seq, Some(Seq::Low32(3)));
    assert_eq!((reading.server.received, reading.server.sent), (Some(5_000), Some(5_010)));
    assert_eq!(reply[40], 7);
}

#[test]
fn replays_are_counted_and_answered_unless_dropped() {
    for drop_replayed in [false, true] {
        let mut far = Far::new(ReflectorPlan { drop_replayed, ..ReflectorPlan::default() });
        let answered = [3, 4, 3, 1, 1, 200, 100, 201, 5].map(|seq| far.number(1, seq).is_some());
        // 100 and 5 are so late that they may be replays.
        let fresh = [true, true, false, true, false, true, false, true, false];
        assert_eq!(answered, if drop_replayed { fresh } else { [true; 9] });
        assert_eq!(far.0.counters().replayed, 4);
        // A sender that begins again says later times.
        let mut again = Vec::new();
        sender(0, None).write(0, SECOND, None, &mut again);
        assert!(far.hear(from(1), &again, 2_000).is_some());
        assert_eq!(far.0.counters().replayed, 4);
        assert!(far.hear(from(1), &again, 3_000).is_some() != drop_replayed);
    }
}

#[test]
fn numbers_wrap_around() {
    let mut far = Far::new(ReflectorPlan { drop_replayed: true, ..ReflectorPlan::default() });
    let top = (1 << 32) - 1;
    assert_eq!([top - 1, top, top + 1, top + 2].map(|seq| far.number(1, seq)), [0, 1, 2, 3].map(Some));
    assert_eq!(far.number(1, top), None);
}

#[test]
fn a_reply_is_no_longer_than_its_request() {
    let mut far = Far::new(ReflectorPlan::default());
    for len in 0..200 {
        let mut request = ping(0, 0);
        request.resize(len, 0x5a);
        let reply = far.hear(from(1), &request, 0).map(|reply| reply.len());
        assert_eq!(reply, (len >= 44).then_some(len));
    }
    assert_eq!(far.0.counters().short, 44);
}

#[test]
fn base_replies_are_few_for_each_address_and_in_all() {
    let mut far = Far::new(ReflectorPlan { base_reply: true, stateless: true, ..ReflectorPlan::default() });
    let mut answered = |source: SocketAddr, at| far.hear(source, &ping(0, 0)[..14], at).is_some();
    assert_eq!((0..300).filter(|_| answered(from(1), 0)).count(), 100);
    assert_eq!((0..300).filter(|_| answered(from(1), SECOND / 2)).count(), 50);
    let others = (0..200_u8).flat_map(|host| [host; 30]);
    let others = others.filter(|host| answered(SocketAddr::from(([10, 0, 0, *host], 1)), SECOND / 2));
    assert_eq!(others.count(), 1_000 - 50);
    assert!(far.hear(from(2), &ping(0, 0)[..13], 9 * SECOND).is_none(), "too short for TWAMP Light");
    assert!(far.hear(from(2), &ping(0, 0), SECOND / 2).is_some(), "no base packet is needed");
}

#[test]
fn ports_of_reflectors_get_no_reply() {
    let mut far = Far::new(ReflectorPlan::default());
    assert_eq!([862, 8_620, 8_621].map(|port| far.number(port, 0).is_some()), [false, false, true]);
    assert_eq!((far.0.counters().looped, far.0.counters().sessions), (2, 1));
}

#[test]
fn only_authentic_packets_are_answered_and_remembered() {
    let (ours, theirs) = ("0123456789abcdef", "fedcba9876543210");
    let mut far = Far::new(ReflectorPlan { keys: keys(ours), ..ReflectorPlan::default() });
    let mut changed = sealed(ours, 0);
    changed[3] ^= 1;
    for (at, wrong) in [sealed(theirs, 0), changed, ping(0, 0), vec![0; 112], vec![]].iter().enumerate() {
        assert_eq!(far.hear(from(1), wrong, 0), None, "{at}");
    }
    let Counters { sessions, unverified, short, .. } = far.0.counters();
    assert_eq!((sessions, unverified, short), (0, 3, 2));
    let reply = far.hear(from(1), &sealed(ours, 0), 0).unwrap();
    assert!(
        sender(0, Some(ours)).read(&reply).seq.is_some()
            && sender(0, Some(theirs)).read(&reply).seq.is_none()
    );
}

#[test]
fn provisioned_sessions_have_keys_and_places_of_their_own() {
    let text = "0123456789abcdef\n7 seven-seven-seven\n8 eight-eight-eight 10.0.0.1";
    let plan = |admit| ReflectorPlan { keys: keys(text), admit, ..ReflectorPlan::default() };
    for (admit, of_all) in [(Admit::Learned, true), (Admit::Provisioned, false)] {
        let mut far = Far::new(plan(admit));
        let mut answered =
            |key, ssid, ip: [u8; 4]| far.hear(SocketAddr::from((ip, 1)), &sealed(key, ssid), 0).is_some();
        assert_eq!(answered("0123456789abcdef", 9, [10, 0, 0, 1]), of_all);
        assert!(answered("seven-seven-seven", 7, [10, 0, 0, 1]));
        assert!(!answered("0123456789abcdef", 7, [10, 0, 0, 1]), "the key of the others");
        assert!(answered("eight-eight-eight", 8, [10, 0, 0, 1]));
        assert!(!answered("eight-eight-eight", 8, [10, 0, 0, 2]));
        assert_eq!(far.0.counters().unknown, 1 + u64::from(!of_all));
    }
}

#[test]
fn follow_up_tells_when_the_reply_before_left() {
    let mut far = Far::new(ReflectorPlan::default());
    let mut request = ping(0, 0);
    request.extend_from_slice(&[&[0x80, 7, 0, 16][..], &[0; 16]].concat());
    let first = far.hear(from(1), &request, 1_000).unwrap();
    assert_eq!(first[44..], [&[0, 7, 0, 16][..], &[0; 16]].concat());
    far.number(1, 1);
    let third = far.hear(from(1), &request, 9_000).unwrap();
    assert_eq!(third[48..52], 1_u32.to_be_bytes());
    assert_eq!(third[52..60], TimeFormat::Ntp.encode(1_010));
    assert_eq!(third[60..64], [2, 0, 0, 0]);
}

#[test]
fn sessions_heard_once_make_room_and_those_that_go_on_do_not() {
    let mut far = Far::new(ReflectorPlan::default());
    let host = |number: u32| SocketAddr::new(std::net::Ipv4Addr::from(0x0a00_0000 + number).into(), 5);
    let mut number = |host, seq, at| far.hear(host, &ping(seq, 0), at).map(|reply| OPEN.seq(&reply));
    assert_eq!((number(host(0), 0, 0), number(host(0), 1, 1)), (Some(0), Some(1)));
    for forged in 1..=100_000 {
        assert_eq!(number(host(forged), 0, 2), Some(0));
    }
    assert_eq!(number(host(0), 2, 3), Some(2));
    assert_eq!(number(host(1), 1, 3), Some(0), "forgotten");
    assert!(far.0.counters().sessions <= MOST_SESSIONS as u64);
}

#[test]
fn one_address_has_a_share_and_runs_that_are_over_make_room_in_it() {
    let mut far = Far::new(ReflectorPlan::default());
    for port in 10_000..10_000 + 5 * 1_024 {
        assert_eq!(far.number(port, 0), Some(0));
    }
    assert_eq!(far.0.counters().sessions, MOST_OF_SOURCE as u64);
    let mut far = Far::new(ReflectorPlan::default());
    for port in 10_000..10_000 + 1_024 {
        let _ = (far.number(port, 0), far.number(port, 1));
    }
    assert_eq!(far.number(9_000, 0), None, "all of them go on");
    assert_eq!(far.0.counters().refused, 1);
    assert_eq!(far.hear(from(9_000), &ping(0, 0), 901 * SECOND).map(|reply| reply.len()), Some(44));
    // Addresses of one network of IPv6 are one.
    let v6 = |host: u16| SocketAddr::from(([0x2001, 0xdb8, 0, 1, 0, 0, 0, host], 5));
    for host in 0..3_000 {
        assert!(far.hear(v6(host), &ping(0, 0), 901 * SECOND).is_some());
    }
    assert_eq!(far.0.counters().sessions, 2 * MOST_OF_SOURCE as u64);
}

/// How many mutated packets: with `UDPPING_MUTATED` as many as that.
fn mutated() -> u64 {
    std::env::var("UDPPING_MUTATED").ok().and_then(|count| count.parse().ok()).unwrap_or(100_000)
}

#[test]
fn mutated_packets_do_no_harm() {
    let key = "0123456789abcdef";
    let base = ReflectorPlan { base_reply: true, location: true, ..ReflectorPlan::default() };
    let mut fars = [
        Far::new(base.clone()),
        Far::new(ReflectorPlan { drop_replayed: true, format: TimeFormat::Ptp, ..base.clone() }),
        Far::new(ReflectorPlan { stateless: true, ..base.clone() }),
        Far::new(ReflectorPlan { keys: keys(&format!("{key}\n7 {key}")), ..base }),
    ];
    let tlvs: [(u8, usize); 12] = [
        (1, 9),
        (2, 44),
        (3, 4),
        (4, 4),
        (5, 12),
        (6, 4),
        (7, 16),
        (8, 16),
        (10, 4),
        (12, 4),
        (200, 1),
        (1, 0),
    ];
    let uniforms = Uniforms::new(Seed::from(8_762_u64).key());
    let packets = mutated();
    for number in 0..packets {
        let draw = |which: u32| {
            let bits = uniforms.draw(Direction::Up, which, Effect::PACE, number);
            move |below: usize| usize::try_from(bits % below as u64).unwrap()
        };
        let far = draw(0)(fars.len());
        let ssid = [0, 7, 9][draw(0)(97) % 3];
        let mut packet = Vec::new();
        sender(ssid, (far == 3).then_some(key)).write(number / 3, 1_000, None, &mut packet);
        for which in 1..=u32::try_from(draw(1)(4)).unwrap() {
            let (kind, len) = tlvs[draw(which)(tlvs.len())];
            packet.extend_from_slice(&[0x80, kind, 0, u8::try_from(len).unwrap()]);
            packet.resize(packet.len() + len, u8::try_from(number % 3).unwrap());
        }
        for which in 5..5 + u32::try_from(draw(5)(3)).unwrap() {
            let at = draw(which)(packet.len());
            packet[at] = u8::try_from(draw(which)(256)).unwrap();
        }
        if draw(7)(4) == 0 {
            packet.truncate(draw(7)(packet.len() + 1));
        }
        let source = SocketAddr::from((
            [10, 0, 0, u8::try_from(draw(6)(256)).unwrap()],
            1 + u16::try_from(draw(4)(9_999)).unwrap(),
        ));
        let at = i64::try_from(number).unwrap() * 1_000;
        if let Some(reply) = fars[far].hear(source, &packet, at) {
            let least = if far == 3 { 112 } else { 44 };
            assert_eq!(reply.len(), packet.len().max(least), "{packet:02x?}");
        }
    }
    for far in &fars {
        let Counters { received, reflected, short, unverified, unknown, refused, looped, sessions, .. } =
            far.0.counters();
        assert!(received > packets / 8 && reflected > 0 && sessions <= MOST_SESSIONS as u64);
        assert!(received - reflected >= short + unverified + unknown + refused + looped);
    }
}
