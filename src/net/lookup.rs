//! Looks up the names of a call all at once, each in another thread, so that whoever waits can give up at any time.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::event_queue::lock;
use super::resolve::{bare, fixed};
use super::resolver::{Answer, Doorbell, Resolver, Subscriber};
use super::{Error, Result};
use crate::logic::Invalid;

/// Longer than any resolver takes.
const LONG: Duration = Duration::from_secs(3_600);

/// A host as the user named it, and as it is looked up: an international name in ASCII (IDNA).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// As the user named it.
    pub name: String,
    /// As it is looked up, if that differs.
    pub ascii: Option<String>,
}

impl Host {
    /// The name for the resolver.
    #[must_use]
    pub fn asked(&self) -> &str {
        self.ascii.as_deref().unwrap_or(&self.name)
    }

    /// The error of a look-up, with the name that the user knows.
    pub(super) fn error(&self, error: &Error) -> Error {
        match error {
            Error::UnknownHost { reason, .. } => {
                Error::UnknownHost { host: self.name.clone(), reason: reason.clone() }
            }
            Error::Invalid(invalid) => invalid.clone().into(),
            _ => Error::UnknownHost { host: self.name.clone(), reason: error.to_string() },
        }
    }
}

impl<T: Into<String>> From<T> for Host {
    fn from(name: T) -> Self {
        Self { name: name.into(), ascii: None }
    }
}

/// Look-ups under way.
#[derive(Debug)]
pub struct Lookup {
    hosts: Vec<Host>,
    answers: Mutex<Vec<Slot>>,
    bell: Arc<Doorbell>,
}

#[derive(Debug)]
enum Slot {
    Done(Answer),
    Pending(Subscriber),
}

impl Lookup {
    /// Begins to look up the addresses of hosts and ports.
    ///
    /// # Errors
    /// A host that is no name, such as an empty one.
    pub fn start<'a>(hosts: impl IntoIterator<Item = (&'a Host, u16)>) -> Result<Self> {
        let bell = Arc::new(Doorbell::default());
        let (mut names, mut answers) = (Vec::new(), Vec::new());
        for (host, port) in hosts {
            bare(&host.name)?;
            answers.push(if let Some(address) = fixed(host.asked(), port) {
                Slot::Done(Ok(vec![address]))
            } else {
                let subscriber = Subscriber::new(bell.clone(), 0);
                Resolver::own().look_up_now(&(host.asked().into(), port), subscriber.clone());
                Slot::Pending(subscriber)
            });
            names.push(host.clone());
        }
        Ok(Self { hosts: names, answers: Mutex::new(answers), bell })
    }

    /// Waits at most `limit` for all answers; returns whether they are there.
    pub fn wait(&self, limit: Duration) -> bool {
        let began = Instant::now();
        loop {
            let mut missing = false;
            for slot in lock(&self.answers).iter_mut() {
                if let Slot::Pending(subscriber) = slot {
                    match subscriber.take() {
                        Some(answer) => *slot = Slot::Done(answer),
                        None => missing = true,
                    }
                }
            }
            let left = limit.saturating_sub(began.elapsed());
            if !missing || left.is_zero() {
                return !missing;
            }
            self.bell.wait(left);
        }
    }

    /// The addresses of each host, after waiting for those that are missing.
    pub(super) fn answers(&self) -> Vec<Result<Vec<SocketAddr>>> {
        while !self.wait(LONG) {}
        let slots = lock(&self.answers);
        let each = self.hosts.iter().zip(slots.iter()).map(|(host, slot)| match slot {
            Slot::Done(Ok(addresses)) => Ok(addresses.clone()),
            Slot::Done(Err(error)) => Err(host.error(error)),
            // The wait is over only when there is none.
            Slot::Pending(_) => Err(Invalid::new("host", &host.name, "an answer").into()),
        });
        each.collect()
    }

    /// The first address of the first host.
    ///
    /// # Errors
    /// It has none.
    pub fn first(&self) -> Result<SocketAddr> {
        let none = || Error::UnknownHost { host: String::new(), reason: "it has no address".to_owned() };
        self.answers().into_iter().next().unwrap_or_else(|| Err(none()))?.first().copied().ok_or_else(none)
    }
}
