//! A name that is looked up beside the work, again and again: a resolver may take half a minute when the network is
//! down, and heartbeats to a known address must not wait for it.

use std::net::{IpAddr, SocketAddr};

use super::hosts::{Answer, Hosts, Name, Reader};
use crate::logic::{Nanos, SECOND};
use crate::net::resolve::bare;

/// Between two looks while all is well.
const CALM: Nanos = 60 * SECOND;
/// Between two looks at first when there is trouble; later twice as long each time, up to [`CALM`].
const HURRY: Nanos = 2 * SECOND;

/// A host and its addresses.
#[derive(Debug)]
pub(super) struct Names {
    name: Name,
    hosts: &'static Hosts,
    reader: Reader,
    asking: bool,
    asked: Nanos,
    /// When to look next; `None` for an address, which stays what it is.
    next: Option<Nanos>,
    hurried: bool,
    pause: Nanos,
}

/// What an address needs no look-up for.
pub(super) fn fixed(host: &str, port: u16) -> Option<SocketAddr> {
    bare(host).ok().and_then(|host| host.parse::<IpAddr>().ok()).map(|ip| SocketAddr::new(ip, port))
}

impl Names {
    /// The first look is due at 0. `reader` is told when an answer has come.
    pub(super) fn new(host: &str, port: u16, hosts: &'static Hosts, reader: Reader) -> Self {
        Self {
            name: (host.into(), port),
            hosts,
            reader,
            asking: false,
            asked: 0,
            next: fixed(host, port).is_none().then_some(0),
            hurried: false,
            pause: HURRY,
        }
    }

    /// What has been found since the last call.
    pub(super) fn take(&mut self) -> Option<Answer> {
        let answer = self.reader.take();
        self.asking &= answer.is_none();
        answer
    }

    /// Whether an answer is still to come.
    pub(super) fn is_asking(&self) -> bool {
        self.asking
    }

    /// There is trouble: the name may have moved.
    pub(super) fn hurry(&mut self) {
        self.hurried = true;
        self.next = self.next.map(|next| next.min(self.asked + self.pause));
    }

    /// Looks again, if it is time.
    pub(super) fn look(&mut self, now: Nanos) {
        if self.asking || self.next.is_none_or(|next| now < next) {
            return;
        }
        self.pause = if self.hurried { (self.pause * 2).min(CALM) } else { HURRY };
        (self.hurried, self.asking, self.asked, self.next) = (false, true, now, Some(now + CALM));
        self.hosts.look_up(&self.name, self.reader.clone());
    }

    /// When [`Names::look`] has something to do.
    pub(super) fn next(&self) -> Nanos {
        self.next.filter(|_| !self.asking).unwrap_or(Nanos::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::net::clock::EverClock;
    use crate::net::heartbeat::mailbox::Mailbox;
    use crate::net::socket::Backend;
    use crate::net::wait::Bell;

    fn names(host: &str) -> (Names, Arc<Mailbox>, Bell) {
        let (mailbox, bell) = Mailbox::open(Backend::best()).unwrap();
        let hosts = Box::leak(Box::new(Hosts::new(EverClock::start())));
        (Names::new(host, 9, hosts, Reader::new(&mailbox, 1)), mailbox, bell)
    }

    /// Looks at that time, and waits for what the system's resolver says.
    fn look(names: &mut Names, (mailbox, bell): (&Mailbox, &Bell), at: Nanos) -> Answer {
        names.look(at);
        loop {
            if let Some(answer) = names.take() {
                return answer;
            }
            assert!(names.is_asking() && names.next() == Nanos::MAX);
            mailbox.poller.wait(bell, None, &mut Vec::new()).unwrap();
        }
    }

    #[test]
    fn a_name_is_looked_up_each_minute_and_sooner_when_there_is_trouble() {
        let (mut names, mailbox, bell) = names("localhost");
        let mailbox = (&*mailbox, &bell);
        assert!(look(&mut names, mailbox, 0).unwrap().iter().all(|address| address.ip().is_loopback()));
        assert_eq!(names.next(), 60 * SECOND);
        let mut at = 60 * SECOND;
        look(&mut names, mailbox, at).unwrap();
        for pause in [2, 4, 8, 16, 32, 60, 60] {
            names.hurry();
            names.hurry();
            assert_eq!(names.next(), at + pause * SECOND);
            at = names.next();
            look(&mut names, mailbox, at).unwrap();
        }
        // A minute without trouble, and everything is as it was.
        at = names.next();
        look(&mut names, mailbox, at).unwrap();
        names.hurry();
        assert_eq!(names.next(), at + 2 * SECOND);
    }

    #[test]
    fn an_address_is_never_looked_up() {
        for host in ["127.0.0.1", "::1", "[::1]"] {
            assert!(fixed(host, 9).unwrap().ip().is_loopback());
            let (mut names, ..) = names(host);
            names.hurry();
            names.look(Nanos::MAX);
            assert!(names.take().is_none() && !names.is_asking() && names.next() == Nanos::MAX);
        }
    }
}
