//! Parses and describes the texts of links, losses and delays for Python, and lets it draw from them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyBytes, PyDict, PyInt};

use super::args::{link_plan, parse, seed_of, seed_to_python};
use super::facts::counts;
use crate::logic::Nanos;
use crate::logic::link::{Delay, Fate, Impairments, Link, LinkPlan, Loss, Packet, Share};
use crate::logic::random::Direction;
use crate::logic::relay::{self, Relay};

/// The canonical text of a loss model.
#[pyfunction]
pub(super) fn check_loss(text: &str) -> PyResult<String> {
    parse::<Loss>(text).map(|loss| loss.to_string())
}

/// The canonical text of a probability of loss, with or without the name of its kind.
#[pyfunction]
pub(super) fn check_bernoulli(text: &str) -> PyResult<String> {
    check_loss(&format!("bernoulli:{}", text.strip_prefix("bernoulli:").unwrap_or(text)))
}

/// The canonical text of a delay.
#[pyfunction]
pub(super) fn check_delay(text: &str) -> PyResult<String> {
    parse::<Delay>(text).map(|delay| delay.to_string())
}

/// The canonical text of a direction of a link.
#[pyfunction]
pub(super) fn check_link(text: &str) -> PyResult<String> {
    parse::<Impairments>(text).map(|link| link.to_string())
}

/// A row of what was asked of an effect and what it did.
pub(super) type Achieved =
    (&'static str, &'static str, Option<f64>, u64, u64, Option<f64>, Option<f64>, Option<f64>);

/// What was asked of each effect in each direction and what it did: direction, effect, asked, hits, of, share, low, high.
pub(super) fn achieved(shares: [Vec<Share>; 2]) -> Vec<Achieved> {
    let row = |direction: Direction, share: Share| {
        let Share { effect, asked, hits, of, share, interval: (low, high) } = share;
        (direction.name(), effect, asked, hits, of, share, share.map(|_| low), share.map(|_| high))
    };
    let both = [Direction::Up, Direction::Down].into_iter().zip(shares);
    both.flat_map(|(direction, shares)| shares.into_iter().map(move |share| row(direction, share))).collect()
}

/// The share of datagrams that a loss model loses in the long run, if it has one.
#[pyfunction]
pub(super) fn mean_loss(text: &str) -> PyResult<Option<f64>> {
    parse::<Loss>(text).map(|loss| loss.mean_loss())
}

/// The share that a direction of a link loses in the long run, if it has one, and the nanoseconds of its mean delay.
#[pyfunction]
pub(super) fn link_means(text: &str) -> PyResult<(Option<f64>, Nanos)> {
    parse::<Impairments>(text).map(|link| (link.loss.mean_loss(), link.delay.mean()))
}

/// The kind of a loss model, the exact share of datagrams that it loses in the long run, and the parameters of a
/// channel. Fractions are numerator and denominator.
#[pyfunction]
#[pyo3(signature = (text) -> "tuple[str, tuple[int, int] | None, dict[str, tuple[int, int]]]")]
pub(super) fn loss_model<'py>(py: Python<'py>, text: &str) -> PyResult<LossModel<'py>> {
    let loss = parse::<Loss>(text)?;
    let mean = loss.exact_mean().map(|mean| mean.fraction());
    Ok((loss.kind(), mean, loss.parameters().into_py_dict(py)?))
}

type LossModel<'py> = (&'static str, Option<(u128, u128)>, Bound<'py, PyDict>);

/// The one client of a link of a program's own.
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// What a loss and a delay decide on one datagram after the other, as for the first client of a server with that seed.
#[pyclass(frozen, module = "udpping._core")]
pub(super) struct LinkStream {
    link: Mutex<(Link, Nanos)>,
    seed: String,
    /// How far apart the datagrams are.
    interval: Nanos,
}

#[pymethods]
impl LinkStream {
    #[new]
    fn new(loss: &str, delay: &str, seed: Option<&Bound<'_, PyInt>>, interval: Nanos) -> PyResult<Self> {
        let plan = link_plan(loss, delay, seed)?;
        let seed = plan.seed.to_string();
        Ok(Self { link: Mutex::new((Link::new(plan), 0)), seed, interval })
    }

    #[getter]
    fn seed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyInt>> {
        seed_to_python(py, &self.seed)
    }

    /// Whether the next datagram is lost.
    fn is_lost(&self) -> bool {
        self.next().0.deliveries.is_empty()
    }

    /// The nanoseconds by which the next datagram is delayed; 0 if it is lost.
    fn delay_ns(&self) -> Nanos {
        let (fate, at) = self.next();
        fate.deliveries.first().map_or(0, |delivery| delivery.at - at)
    }
}

impl LinkStream {
    /// What becomes of the next datagram, and when it is sent.
    fn next(&self) -> (Fate, Nanos) {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let (link, now) = &mut *link;
        let at = *now;
        *now = at.saturating_add(self.interval);
        (link.round_trip(CLIENT, Packet { at, len: 0 }), at)
    }
}

/// What a link does to the datagrams that a program sends and receives by itself: a relay whose clients are its peers.
#[pyclass(frozen, module = "udpping._core")]
pub(super) struct EndpointLink {
    state: Mutex<EndpointState>,
    seed: String,
}

struct EndpointState {
    relay: Relay<()>,
    ways: [Impairments; 2],
    counters: [relay::Counters; 2],
}

#[pymethods]
impl EndpointLink {
    #[new]
    fn new(up: &str, down: &str, seed: Option<&Bound<'_, PyInt>>) -> PyResult<Self> {
        let seed = seed_of(seed)?;
        let plan = LinkPlan::between(parse(up)?, parse(down)?, Loss::NONE, Delay::NONE, seed)?;
        let (ways, seed) = ([plan.up.clone(), plan.down.clone()], plan.seed.to_string());
        let relay = Relay::new(plan, relay::IDLE, relay::MOST_CLIENTS);
        Ok(Self { state: Mutex::new(EndpointState { relay, ways, counters: Default::default() }), seed })
    }

    #[getter]
    fn seed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyInt>> {
        seed_to_python(py, &self.seed)
    }

    /// The text of a direction.
    fn way(&self, down: bool) -> String {
        self.state().ways[usize::from(down)].to_string()
    }

    /// Has a direction do something else.
    fn set(&self, down: bool, text: &str) -> PyResult<()> {
        let (impairments, mut state) = (parse::<Impairments>(text)?, self.state());
        state.relay.set(direction(down), &impairments);
        state.ways[usize::from(down)] = impairments;
        Ok(())
    }

    /// Lets nothing pass until a time in nanoseconds.
    fn block_until(&self, until: Nanos) {
        self.state().relay.block_until(until);
    }

    /// When the copies of a datagram leave that is sent up or down at `at` nanoseconds, and as what bytes. All peers whose
    /// `host` is no address of IP are one.
    #[pyo3(signature = (down, host, port, at, datagram) -> "tuple[list[int], bytes]")]
    fn carry<'py>(
        &self,
        py: Python<'py>,
        down: bool,
        host: &str,
        port: u16,
        at: Nanos,
        datagram: &[u8],
    ) -> (Vec<Nanos>, Bound<'py, PyBytes>) {
        let peer = SocketAddr::new(host.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port);
        let mut bytes = datagram.to_vec();
        let mut state = self.state();
        let EndpointState { relay, counters, .. } = &mut *state;
        let counters = &mut counters[usize::from(down)];
        relay.expire(at, |_| ());
        let known = relay.up(peer, None, at, || ()).map(|lane| lane.key);
        let lane = known.and_then(|key| if down { relay.down(key) } else { relay.up(peer, None, at, || ()) });
        let Some(mut lane) = lane else {
            counters.refused();
            return (Vec::new(), PyBytes::new(py, &bytes));
        };
        let relayed = lane.with_bytes(datagram).pass(Packet { at, len: datagram.len() });
        counters.relayed(&relayed, at);
        relayed.passage.damage.apply(&mut bytes, 0);
        let times = relayed.passage.deliveries.iter().map(|delivery| delivery.at).collect();
        (times, PyBytes::new(py, &bytes))
    }

    /// Counts a datagram that left.
    fn sent(&self, down: bool) {
        self.state().counters[usize::from(down)].sent();
    }

    /// Counts datagrams that will not leave.
    fn failed(&self, down: bool, count: usize) {
        (0..count).for_each(|_| self.state().counters[usize::from(down)].failed());
    }

    /// The counters of both directions.
    #[pyo3(signature = () -> "tuple[dict[str, int | None], dict[str, int | None]]")]
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyDict>)> {
        let [up, down] = self.state().counters;
        Ok((counts(py, up.named())?, counts(py, down.named())?))
    }
}

impl EndpointLink {
    fn state(&self) -> MutexGuard<'_, EndpointState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn direction(down: bool) -> Direction {
    if down { Direction::Down } else { Direction::Up }
}
