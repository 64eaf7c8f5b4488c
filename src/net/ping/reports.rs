//! What is in the error queues: the kernel's stamps of what was sent, and refusals.

use crate::logic::Nanos;
use crate::net::clock::Clock;
use crate::net::datagram::{Report, Stamping};
use crate::net::feed::lock;
use crate::net::{Error, Result};

use super::sendings::Sendings;
use super::thread::{MOST_BATCHES, SLOTS, Wires};
use super::{Lane, Shared, key};

impl Wires {
    /// Takes the stamps of what has just been sent, of sockets for which that `is_needed`.
    pub(super) fn take_stamps_of(
        &mut self,
        shared: &Shared,
        clock: Clock,
        is_needed: fn(&Sendings) -> bool,
    ) -> Result<()> {
        for socket in 0..shared.sockets.len() {
            if is_needed(&self.sendings[socket]) {
                self.take_stamps(shared, &mut lock(&shared.lanes), socket, clock)?;
            }
        }
        Ok(())
    }

    /// Takes the stamps that are missing, and reports before them. That the queue is empty then is not found out: it
    /// takes as long as a stamp, and somebody waits for his reply.
    pub(super) fn take_stamps(
        &mut self,
        shared: &Shared,
        lanes: &mut [Lane],
        socket: usize,
        clock: Clock,
    ) -> Result<()> {
        self.read_queue(shared, lanes, socket, clock, Sendings::is_missing)
    }

    /// Takes all that is in an error queue.
    pub(super) fn take_reports(
        &mut self,
        shared: &Shared,
        lanes: &mut [Lane],
        socket: usize,
        clock: Clock,
    ) -> Result<()> {
        self.read_queue(shared, lanes, socket, clock, |_| true)
    }

    /// Hands the error queue's reports to the lanes they are about, as long as `goes_on`.
    fn read_queue(
        &mut self,
        shared: &Shared,
        lanes: &mut [Lane],
        socket: usize,
        clock: Clock,
        goes_on: fn(&Sendings) -> bool,
    ) -> Result<()> {
        let mut quoted = std::mem::take(&mut self.quoted);
        let mut result = Ok(());
        let mut left = MOST_BATCHES * SLOTS;
        while left > 0 && goes_on(&self.sendings[socket]) {
            left -= 1;
            match shared.sockets[socket].read_report(&mut quoted) {
                Ok(None) => break,
                Ok(Some(Report::Unsent)) => {}
                Ok(Some(Report::Sent { key, stamp })) => {
                    if let Some(((lane, seq), stamp)) = self.sendings[socket].stamped(key).zip(stamp) {
                        self.watch(shared, lane, &mut lanes[lane].pinger, |pinger, changed| {
                            pinger.stamped(seq, stamp, changed);
                        });
                    }
                }
                Ok(Some(Report::Refused(refusal))) => {
                    let lane = refusal.target.and_then(|target| self.lane_of.get(&key(target)).copied());
                    let Some(lane) = lane else { continue };
                    let now = clock.now();
                    self.watch(shared, lane, &mut lanes[lane].pinger, |pinger, changed| {
                        pinger.unreachable(now, Some(&quoted), refusal.by, changed);
                    });
                    self.plan(lane, now);
                }
                Err(source) => {
                    result = Err(Error::System { action: "read the error queue", source });
                    break;
                }
            }
        }
        self.quoted = quoted;
        result
    }

    /// A send failed. Nobody knows whether the kernel counted it, so both count anew; stamps that were there already are
    /// taken first, later ones are lost.
    pub(super) fn send_failed(
        &mut self,
        shared: &Shared,
        lanes: &mut [Lane],
        socket: usize,
        clock: Clock,
    ) -> Result<()> {
        self.take_reports(shared, lanes, socket, clock)?;
        if shared.sockets[socket].stamping() == Stamping::Both {
            shared.sockets[socket].recount();
            self.sendings[socket].recount();
        }
        Ok(())
    }

    /// A connected socket says no more than that its one target refused something.
    pub(super) fn refused_on(&mut self, shared: &Shared, lanes: &mut [Lane], socket: usize, now: Nanos) {
        let Some(lane) = lanes.iter().position(|lane| lane.socket == socket) else { return };
        self.watch(shared, lane, &mut lanes[lane].pinger, |pinger, changed| {
            pinger.unreachable(now, None, None, changed);
        });
        self.plan(lane, now);
    }
}
