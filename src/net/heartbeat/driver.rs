//! A driver: a thread that serves many senders, each when it is due, when its socket is readable, or when it is called.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::mailbox::Mailbox;
use super::sender_task::{Scratch, SenderTask};
use crate::logic::{Nanos, SECOND};
use crate::net::Error;
use crate::net::clock::EverClock;
use crate::net::socket::Backend;
use crate::net::wait::Bell;

/// The longest wait: the kernel's timeout does not count the time while the machine is suspended.
const MAX_WAIT: Nanos = 5 * SECOND;

#[derive(Debug)]
pub(super) struct Driver {
    clock: EverClock,
    mailbox: Arc<Mailbox>,
    new: Receiver<SenderTask>,
    bell: Bell,
    scratch: Scratch,
    tasks: HashMap<u64, (Nanos, SenderTask)>,
    /// The due times of `tasks`, in order.
    times: BTreeSet<(Nanos, u64)>,
}

impl Driver {
    /// `new` receives senders with a lease of `mailbox`, which is woken for each.
    pub(super) fn new(
        clock: EverClock,
        mailbox: Arc<Mailbox>,
        new: Receiver<SenderTask>,
        bell: Bell,
        backend: Backend,
    ) -> Self {
        let scratch = Scratch::new(backend);
        Self { clock, mailbox, new, bell, scratch, tasks: HashMap::new(), times: BTreeSet::new() }
    }

    /// Runs until no sender is left and `retire` allows it to end.
    pub(super) fn run(&mut self, retire: impl Fn(&Arc<Mailbox>) -> bool) {
        let mut ready = Vec::new();
        loop {
            self.take_calls();
            let now = self.clock.now();
            while let Some(&(_, key)) = self.times.first().filter(|(due, _)| *due <= now) {
                self.serve(key, false);
            }
            if self.tasks.is_empty() && retire(&self.mailbox) {
                return;
            }
            let next = self.times.first().map_or(MAX_WAIT, |(due, _)| due - self.clock.now());
            ready.clear();
            if let Err(source) = self.mailbox.poller.wait(&self.bell, Some(next.min(MAX_WAIT)), &mut ready) {
                self.fail_all(&source);
            }
            for &key in &ready {
                self.serve(key, true);
            }
        }
    }

    fn take_calls(&mut self) {
        let calls = self.mailbox.take_calls();
        while let Ok(task) = self.new.try_recv() {
            self.run_task(task, false);
        }
        for key in calls {
            self.serve(key, false);
        }
    }

    fn serve(&mut self, key: u64, readable: bool) {
        if let Some((due, task)) = self.tasks.remove(&key) {
            self.times.remove(&(due, key));
            self.run_task(task, readable);
        }
    }

    /// Serves one sender, and keeps it until it is over.
    fn run_task(&mut self, mut task: SenderTask, readable: bool) {
        let scratch = &mut self.scratch;
        // A panic ends only this sender; dropping it reports the panic.
        let served =
            catch_unwind(AssertUnwindSafe(move || task.serve(scratch, readable).map(|due| (due, task))));
        if let Ok(Some((due, task))) = served {
            let key = task.key();
            self.times.insert((due, key));
            self.tasks.insert(key, (due, task));
        }
    }

    /// Ends all senders after a failed wait.
    fn fail_all(&mut self, source: &io::Error) {
        self.times.clear();
        for (_, (_, task)) in self.tasks.drain() {
            let source = source.raw_os_error().map_or(source.kind().into(), io::Error::from_raw_os_error);
            task.fail(Error::System { action: "wait for the next heartbeat", source });
        }
    }
}
