//! What became of a client's verdicts: for how long it was watched, and which verdicts were false alarms.

use super::Peer;
use crate::logic::Nanos;
use crate::logic::monitor::detect::Tally;
use crate::logic::monitor::event::State;

impl Peer {
    /// What was foretold until the last fresh heartbeat, and what came of it.
    pub(in crate::logic::monitor) fn tally(&self) -> Tally {
        let mut tally = self.history.as_ref().map_or_else(Tally::default, |history| history.tally);
        if let Some(watch) = &self.watch {
            tally += watch.tally;
        }
        tally
    }

    /// The same until now.
    pub(in crate::logic::monitor) fn tally_until(&self, now: Nanos) -> Tally {
        let mut tally = self.tally();
        if let Some(watch) = &self.watch {
            tally.watch(self.watched_silence(now), watch.forecast());
        }
        tally
    }

    /// How much of the silence until `now` was watched: nothing after a verdict.
    fn watched_silence(&self, now: Nanos) -> Nanos {
        if !self.state.is_watched() && !self.is_verdict_untested() {
            return 0;
        }
        now.saturating_sub(self.last.mono).min(self.patience).max(0)
    }

    /// Whether it is down, and not heard since.
    fn is_verdict_untested(&self) -> bool {
        self.state == State::Down && self.last.mono < self.since.mono
    }

    /// It is no longer down: counts a false alarm if its sender had gone on.
    pub(in crate::logic::monitor) fn end_verdict(&mut self) {
        if std::mem::take(&mut self.refuted) {
            let tally = match &mut self.watch {
                Some(watch) => &mut watch.tally,
                None => &mut self.history.get_or_insert_default().tally,
            };
            tally.false_alarms += 1;
        }
    }

    /// A heartbeat came that was sent `took` and `steps` numbers after the last fresh one. A sender that had stopped goes on
    /// with the next number, and later; of one that `is_known` not to have begun anew, this tells the two apart.
    pub(super) fn end_silence(&mut self, came: Nanos, took: Nanos, steps: u64, is_known: bool) {
        let watched = self.watched_silence(came);
        let untested = self.is_verdict_untested();
        let Some(watch) = &mut self.watch else { return };
        watch.watched(watched);
        if untested {
            let planned = Nanos::try_from(steps).unwrap_or(Nanos::MAX).saturating_mul(self.interval());
            self.refuted = is_known && took <= planned.saturating_add(self.interval() / 2);
        }
    }
}
