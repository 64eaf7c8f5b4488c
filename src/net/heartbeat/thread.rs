//! A driver: a thread that serves many senders, each when its time has come, when its socket has something, or when it
//! is called.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::duty::{Duty, Tools};
use super::mailbox::Mailbox;
use crate::logic::{Nanos, SECOND};
use crate::net::Error;
use crate::net::clock::EverClock;
use crate::net::socket::Backend;
use crate::net::wait::Bell;

/// The longest wait at a time: the system does not count into it the time that the machine sleeps.
const NAP: Nanos = 5 * SECOND;

/// The thread's own.
#[derive(Debug)]
pub(super) struct Driver {
    clock: EverClock,
    mailbox: Arc<Mailbox>,
    new: Receiver<Duty>,
    bell: Bell,
    tools: Tools,
    duties: HashMap<u64, (Nanos, Duty)>,
    /// When to serve whom, the same times as above.
    times: BTreeSet<(Nanos, u64)>,
}

impl Driver {
    /// `new` brings senders that have a lease of `mailbox`, which is woken then.
    pub(super) fn new(
        clock: EverClock,
        mailbox: Arc<Mailbox>,
        new: Receiver<Duty>,
        bell: Bell,
        backend: Backend,
    ) -> Self {
        let tools = Tools::new(backend);
        Self { clock, mailbox, new, bell, tools, duties: HashMap::new(), times: BTreeSet::new() }
    }

    /// Works until nobody is left and it may `dismiss` itself.
    pub(super) fn run(&mut self, dismiss: impl Fn(&Arc<Mailbox>) -> bool) {
        let mut ready = Vec::new();
        loop {
            self.answer_calls();
            let now = self.clock.now();
            while let Some(&(_, key)) = self.times.first().filter(|(due, _)| *due <= now) {
                self.serve(key, false);
            }
            if self.duties.is_empty() && dismiss(&self.mailbox) {
                return;
            }
            let next = self.times.first().map_or(NAP, |(due, _)| due - self.clock.now());
            ready.clear();
            if let Err(source) = self.mailbox.poller.wait(&self.bell, Some(next.min(NAP)), &mut ready) {
                self.give_up(&source);
            }
            for &key in &ready {
                self.serve(key, true);
            }
        }
    }

    fn answer_calls(&mut self) {
        let calls = self.mailbox.take_calls();
        while let Ok(duty) = self.new.try_recv() {
            self.serve_one(duty, false);
        }
        for key in calls {
            self.serve(key, false);
        }
    }

    fn serve(&mut self, key: u64, has_mail: bool) {
        if let Some((due, duty)) = self.duties.remove(&key) {
            self.times.remove(&(due, key));
            self.serve_one(duty, has_mail);
        }
    }

    /// Does what is to be done for one of them, who then is over or waits for its next time.
    fn serve_one(&mut self, mut duty: Duty, has_mail: bool) {
        let tools = &mut self.tools;
        // A defect that one has come upon ends that one, which says so as it is dropped.
        let served =
            catch_unwind(AssertUnwindSafe(move || duty.serve(tools, has_mail).map(|due| (due, duty))));
        if let Ok(Some((due, duty))) = served {
            let key = duty.key();
            self.times.insert((due, key));
            self.duties.insert(key, (due, duty));
        }
    }

    /// Nobody can wait without the system.
    fn give_up(&mut self, source: &io::Error) {
        self.times.clear();
        for (_, (_, duty)) in self.duties.drain() {
            let source = source.raw_os_error().map_or(source.kind().into(), io::Error::from_raw_os_error);
            duty.fail(Error::System { action: "wait for the next heartbeat", source });
        }
    }
}
