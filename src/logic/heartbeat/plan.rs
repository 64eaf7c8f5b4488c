//! What a sender of heartbeats is to do: every value here has been checked.

use crate::logic::Invalid;
use crate::logic::codec::heartbeat::{Form, INTERVALS, Key, NAME_RULE, is_name};
use crate::logic::time::{Nanos, seconds};

/// The schedule and the format of a sender.
#[derive(Debug, Clone)]
pub struct HeartbeatPlan {
    /// Time between two heartbeats.
    pub interval: Nanos,
    /// A heartbeat is sent up to this share of the interval early, at random, so that senders do not synchronize (RFC 5880,
    /// section 6.8.7). It carries the time of the schedule.
    pub jitter: f64,
    /// Who sends.
    pub id: Box<str>,
    /// How a heartbeat is written.
    pub form: Form,
    /// What it is sealed with.
    pub key: Option<Key>,
    /// How often the sender has started in its life.
    pub boot: Option<u64>,
    /// A number drawn at random for this session.
    pub session: u64,
    /// How long after a touch heartbeats are sent; `None`: always.
    pub gate: Option<Nanos>,
    /// How many are sent, or tried, before the session ends; `None`: until it is stopped.
    pub count: Option<u64>,
    /// The number of the first.
    pub first_seq: u64,
}

/// The same as a user gives it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Seconds between two heartbeats.
    pub interval: f64,
    /// Share of the interval.
    pub jitter: f64,
    /// Who sends.
    pub id: String,
    /// How a heartbeat is written.
    pub form: Form,
    /// What it is sealed with.
    pub key: Option<Key>,
    /// How often the sender has started.
    pub boot: Option<i64>,
    /// A number drawn at random.
    pub session: u64,
    /// Seconds after a touch.
    pub touch: Option<f64>,
    /// How many to send, or to try.
    pub count: Option<i64>,
    /// The number of the first.
    pub first_seq: i64,
}

impl Default for Options {
    /// One a second, from 1, without an end.
    fn default() -> Self {
        Self {
            interval: 1.0,
            jitter: 0.0,
            id: "sender".to_owned(),
            form: Form::Full,
            key: None,
            boot: None,
            session: 0,
            touch: None,
            count: None,
            first_seq: 1,
        }
    }
}

impl HeartbeatPlan {
    /// Checks what the user asks for.
    pub fn new(options: Options) -> Result<Self, Invalid> {
        let interval = seconds("interval", options.interval, &INTERVALS)?;
        if !(0.0..=0.25).contains(&options.jitter) {
            let expected = "0 to 0.25, the share of the interval by which heartbeats may leave early";
            return Err(Invalid::new("jitter", options.jitter, expected));
        }
        if !is_name(&options.id) {
            return Err(Invalid::quoted("id", &options.id, NAME_RULE));
        }
        options.key.as_ref().map_or(Ok(()), |key| check_sender(key, &options.id))?;
        let whole = |what, value: i64, least: u64, expected: &str| {
            u64::try_from(value)
                .ok()
                .filter(|number| *number >= least)
                .ok_or_else(|| Invalid::new(what, value, expected))
        };
        let plan = Self {
            interval,
            jitter: options.jitter,
            id: options.id.into(),
            form: options.form,
            key: options.key,
            boot: options.boot.map(|boot| whole("boot", boot, 0, "0 to 2^63 - 1")).transpose()?,
            session: options.session,
            gate: options.touch.map(|touch| seconds("touch", touch, &INTERVALS)).transpose()?,
            count: options
                .count
                .map(|count| whole("count", count, 1, "at least 1, or None for no end"))
                .transpose()?,
            first_seq: whole("first_seq", options.first_seq, 0, "0 to 2^63 - 1")?,
        };
        if plan.form != Form::Full && (plan.key.is_some() || plan.boot.is_some()) {
            let expected = "full with a key or a boot number: the course's forms have no room for them";
            return Err(Invalid::new("wire", plan.form, expected));
        }
        Ok(plan)
    }

    /// Seals with another key; one that has none goes on without.
    pub fn set_key(&mut self, key: Key) -> Result<(), Invalid> {
        check_sender(&key, &self.id)?;
        self.key = self.key.is_some().then_some(key);
        Ok(())
    }

    /// A time on the schedule.
    pub(super) fn after_start(&self, slot: u64) -> Nanos {
        Nanos::try_from(slot).unwrap_or(Nanos::MAX).saturating_mul(self.interval)
    }
}

fn check_sender(key: &Key, id: &str) -> Result<(), Invalid> {
    if key.is_for(id) {
        return Ok(());
    }
    let expected = format!("{}: the key {} is for no other", key.senders().unwrap_or("*"), key.name());
    Err(Invalid::quoted("id", id, expected))
}
