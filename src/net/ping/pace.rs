//! How fast other hosts may be pinged: a flood has to be asked for.

use std::net::{SocketAddr, UdpSocket};

use super::Settings;
use crate::logic::{Invalid, Nanos, SECOND};

/// The shortest mean gap between pings to another host, unless a flood was asked for: that of ping(8).
pub const SHORTEST_GAP: Nanos = 2_000_000;

/// So many pings may leave as fast as replies come: the courses' clients send ten.
const MOST_AT_ONCE: u64 = 1_000;

/// What other hosts than this one may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// Whatever was asked for.
    Flood,
    /// Not endless pings of which each leaves when the last is settled.
    #[default]
    NoEndlessFlood,
    /// And no more than `MOST_AT_ONCE` such pings, and no shorter gaps than [`SHORTEST_GAP`].
    NoFlood,
}

impl Pace {
    /// Whether errors are for the command line.
    pub(super) fn is_command(self) -> bool {
        self != Self::NoEndlessFlood
    }
}

impl Settings {
    /// Refuses a flood of another host that was not asked for.
    pub(super) fn check_pace(&self, address: SocketAddr) -> Result<(), Invalid> {
        let is_command = self.pace.is_command();
        let (what, value, expected) = match (self.plan.interval, self.plan.count) {
            (None, Some(count)) if !is_command || count <= MOST_AT_ONCE => return Ok(()),
            (None, Some(count)) => {
                ("count", count.to_string(), format!("at most {MOST_AT_ONCE}, or -i 1s as well, or -f,"))
            }
            (None, None) if is_command => ("option", "-t".to_owned(), "-i 1s as well, or -f,".to_owned()),
            (None, None) => {
                let expected = "a number of seconds, such as interval=1, for endless pings";
                ("interval", "None".to_owned(), expected.to_owned())
            }
            (Some(interval), _) => {
                let shortest = SHORTEST_GAP.saturating_mul(self.plan.schedule.pings_at_once());
                if !is_command || interval >= shortest {
                    return Ok(());
                }
                let each = if shortest > SHORTEST_GAP { " (2ms for each ping)" } else { "" };
                let expected = format!("at least {}ms{each}, or -f,", shortest / 1_000_000);
                ("interval", (interval as f64 / SECOND as f64).to_string(), expected)
            }
        };
        if self.pace == Pace::Flood || is_this_host(address) {
            return Ok(());
        }
        Err(Invalid::new(what, value, format!("{expected} to another host, as {address} is")))
    }
}

/// Whether an address is one of this host: the system then sends from the same address. Nothing is sent to find out.
fn is_this_host(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let wildcard = SocketAddr::new(if address.is_ipv4() { [0; 4].into() } else { [0; 16].into() }, 0);
    let source = || {
        let probe = UdpSocket::bind(wildcard)?;
        probe.connect(address)?;
        probe.local_addr()
    };
    ip.is_loopback() || source().is_ok_and(|source| source.ip().to_canonical() == ip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::ping::{Options, Plan};

    #[test]
    fn this_host_is_loopback_and_the_addresses_of_its_interfaces() {
        let is_here = |text: &str| is_this_host(text.parse().expect("an address"));
        for here in ["127.0.0.1:9", "127.8.8.8:9", "[::1]:9", "[::ffff:127.0.0.1]:9"] {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in [
            "192.0.2.1:9",
            "[2001:db8::1]:9",
            "224.0.0.1:9",
            "255.255.255.255:9",
            "[ff02::1]:9",
            "[::ffff:192.0.2.1]:9",
        ] {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn another_host_is_flooded_only_when_that_was_asked_for() {
        use Pace::{Flood, NoEndlessFlood, NoFlood};
        let may = |pace, count, interval, schedule: &str, address: &str| {
            let schedule = schedule.parse().expect("a schedule");
            let options = Options { count, interval, schedule, ..Options::default() };
            let settings =
                Settings { pace, ..Settings::new(Vec::new(), Plan::new(options).expect("a plan")) };
            settings.check_pace(address.parse().expect("an address")).is_ok()
        };
        for (pace, count, interval, schedule, elsewhere) in [
            (NoEndlessFlood, Some(9), None, "isochronous", true),
            (NoEndlessFlood, None, None, "isochronous", false),
            (NoEndlessFlood, None, Some(1e-6), "isochronous", true),
            (NoFlood, Some(9), None, "isochronous", true),
            (NoFlood, None, None, "isochronous", false),
            (NoFlood, Some(1_000), None, "isochronous", true),
            (NoFlood, Some(1_001), None, "isochronous", false),
            (NoEndlessFlood, Some(1_001), None, "isochronous", true),
            (NoFlood, None, Some(0.002), "poisson", true),
            (NoFlood, Some(9), Some(0.001_999), "isochronous", false),
            (NoFlood, Some(9), Some(0.004), "pair", true),
            (NoFlood, Some(9), Some(0.003), "pair", false),
            (NoFlood, Some(9), Some(0.02), "train:10", true),
            (NoFlood, Some(9), Some(0.019), "train:10", false),
            (Flood, None, None, "isochronous", true),
            (Flood, Some(9), Some(1e-6), "train:10", true),
        ] {
            let words = format!("{pace:?} {count:?} {interval:?} {schedule}");
            assert_eq!(may(pace, count, interval, schedule, "192.0.2.1:9"), elsewhere, "{words}");
            assert!(may(pace, count, interval, schedule, "127.0.0.1:9"), "{words}");
        }
    }
}
