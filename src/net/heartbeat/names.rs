//! A name that is looked up beside the work, again and again: a resolver may take half a minute when the network is
//! down, and heartbeats to a known address must not wait for it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use crate::logic::{Nanos, SECOND};
use crate::net::feed::lock;
use crate::net::pace::Waker;
use crate::net::resolve::{bare, resolve_all};
use crate::net::{Error, Result};

/// Between two looks while all is well.
const CALM: Nanos = 60 * SECOND;
/// Between two looks at first when there is trouble; later twice as long each time, up to [`CALM`].
const HURRY: Nanos = 2 * SECOND;

/// A host and its addresses.
#[derive(Debug)]
pub(super) struct Names {
    host: String,
    port: u16,
    waker: Arc<Waker>,
    answer: Arc<Mutex<Option<Result<Vec<SocketAddr>>>>>,
    asking: bool,
    asked: Nanos,
    /// When to look next; `None` for an address, which stays what it is.
    next: Option<Nanos>,
    hurried: bool,
    pause: Nanos,
}

impl Names {
    /// The first look is due at 0. `waker` rings when an answer has come.
    pub(super) fn new(host: &str, port: u16, waker: Arc<Waker>) -> Self {
        let fixed = bare(host).ok().and_then(|host| host.parse::<IpAddr>().ok());
        Self {
            host: host.to_owned(),
            port,
            waker,
            answer: Arc::new(Mutex::new(fixed.map(|ip| Ok(vec![SocketAddr::new(ip, port)])))),
            asking: fixed.is_some(),
            asked: 0,
            next: fixed.is_none().then_some(0),
            hurried: false,
            pause: HURRY,
        }
    }

    /// What has been found since the last call.
    pub(super) fn take(&mut self) -> Option<Result<Vec<SocketAddr>>> {
        let answer = lock(&self.answer).take();
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
        let (host, port) = (self.host.clone(), self.port);
        let (answer, waker) = (Arc::clone(&self.answer), Arc::clone(&self.waker));
        // Not joined: nobody can say how long a resolver takes.
        let spawned = std::thread::Builder::new().name("udpping name".into()).spawn(move || {
            *lock(&answer) = Some(resolve_all(&host, port));
            waker.wake();
        });
        if let Err(source) = spawned {
            *lock(&self.answer) = Some(Err(Error::System { action: "start a thread", source }));
        }
    }

    /// When [`Names::look`] has something to do.
    pub(super) fn next(&self) -> Nanos {
        self.next.filter(|_| !self.asking).unwrap_or(Nanos::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::pace;

    /// Looks at that time, and waits for what the system's resolver says.
    fn look(names: &mut Names, bell: &pace::Bell, at: Nanos) -> Result<Vec<SocketAddr>> {
        names.look(at);
        loop {
            if let Some(answer) = names.take() {
                return answer;
            }
            assert!(names.is_asking() && names.next() == Nanos::MAX);
            pace::wait(std::iter::empty(), bell, None).unwrap();
        }
    }

    #[test]
    fn a_name_is_looked_up_each_minute_and_sooner_when_there_is_trouble() {
        let (waker, bell) = pace::waker().unwrap();
        let mut names = Names::new("localhost", 9, Arc::new(waker));
        assert!(look(&mut names, &bell, 0).unwrap().iter().all(|address| address.ip().is_loopback()));
        assert_eq!(names.next(), 60 * SECOND);
        let mut at = 60 * SECOND;
        look(&mut names, &bell, at).unwrap();
        for pause in [2, 4, 8, 16, 32, 60, 60] {
            names.hurry();
            names.hurry();
            assert_eq!(names.next(), at + pause * SECOND);
            at = names.next();
            look(&mut names, &bell, at).unwrap();
        }
        // A minute without trouble, and everything is as it was.
        at = names.next();
        look(&mut names, &bell, at).unwrap();
        names.hurry();
        assert_eq!(names.next(), at + 2 * SECOND);
    }

    #[test]
    fn an_address_is_never_looked_up() {
        for host in ["127.0.0.1", "::1", "[::1]"] {
            let (waker, _bell) = pace::waker().unwrap();
            let mut names = Names::new(host, 9, Arc::new(waker));
            assert!(names.take().unwrap().unwrap()[0].ip().is_loopback());
            names.hurry();
            names.look(Nanos::MAX);
            assert!(names.take().is_none() && !names.is_asking() && names.next() == Nanos::MAX);
        }
    }
}
