//! What a network does to datagrams: it drops, delays, reorders, duplicates and damages them.
//!
//! A [`Link`] has impairments for each [`Direction`]. It is asked once for each datagram, with its direction, client,
//! length and time, and answers with a list of deliveries.

mod chance;
mod clients;
mod copula;
mod damage;
mod delay;
mod duplicate;
mod fate;
mod impair;
mod jitter;
mod loss;
mod matching;
mod packet;
mod queue;
mod rate;
mod reorder;
mod schedule;
mod scope;
mod share;
mod tally;
#[cfg(test)]
mod tests;
mod text;

use std::net::SocketAddr;

pub use damage::{Corrupt, Damage, Truncate};
pub use delay::Delay;
pub(in crate::logic) use delay::exponential;
pub use duplicate::Duplicate;
pub use fate::{Deliveries, Delivery, Reason};
pub use impair::Impairments;
pub use jitter::Jitter;
pub use loss::{Burst, GilbertElliott, GilbertElliottTime, Loss, Marks, Numbers, RandInt};
pub use matching::Match;
pub use packet::Packet;
pub use queue::DelayQueue;
pub use rate::{Queue, Rate};
pub use reorder::Reorder;
pub use schedule::Schedule;
pub use scope::Scope;
pub use share::Share;
pub use tally::Tally;

use self::clients::Clients;
use self::fate::MOST_DELIVERIES;
use self::impair::{Passes, Pipeline, Stream};
use self::packet::Transmission;
use super::random::{Direction, Seed, Uniforms};
use super::{Invalid, Nanos};

/// What a link does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkPlan {
    /// From clients to the server.
    pub up: Impairments,
    /// From the server to clients.
    pub down: Impairments,
    /// With the same seed, a run repeats.
    pub seed: Seed,
    /// Whose datagrams are counted together; `None` is [`Scope::Shared`] for `randint`, as the servers have it that
    /// draw so, and [`Scope::Client`] for everything else.
    pub scope: Option<Scope>,
}

impl LinkPlan {
    /// A link that loses requests and delays replies.
    pub fn new(loss: Loss, delay: Delay, seed: Seed) -> Self {
        let up = Impairments { loss, ..Impairments::default() };
        let down = Impairments { delay, ..Impairments::default() };
        Self { up, down, seed, scope: None }
    }

    /// A link of two directions, `loss` being of the first and `delay` of the second.
    ///
    /// # Errors
    /// A direction has another loss or delay, or a datagram can have more copies than are delivered.
    pub fn between(
        up: Impairments,
        down: Impairments,
        loss: Loss,
        delay: Delay,
        seed: Seed,
    ) -> Result<Self, Invalid> {
        let mut plan = Self { up, down, seed, scope: None };
        if loss != Loss::NONE {
            if plan.up.loss != Loss::NONE {
                return Err(Invalid::new("loss", loss, "0 beside an up that has a loss: they are the same"));
            }
            plan.up.loss = loss;
        }
        if delay != Delay::NONE {
            if plan.down.delay != Delay::NONE {
                return Err(Invalid::new(
                    "delay",
                    delay,
                    "0 beside a down that has a delay: they are the same",
                ));
            }
            plan.down.delay = delay;
        }
        let most = plan.most_replies();
        if most > MOST_DELIVERIES {
            let expected =
                "at most 8 replies to one request: 1 and the copies up, times 1 and the copies down";
            return Err(Invalid::new("duplicate", format!("for {most} replies"), expected));
        }
        Ok(plan)
    }

    /// The most replies to one request.
    pub fn most_replies(&self) -> usize {
        self.up.most_copies() * self.down.most_copies()
    }

    /// The scope in force.
    pub fn scope(&self) -> Scope {
        self.scope.unwrap_or(match (&self.up.loss, &self.down.loss) {
            (Loss::RandInt(_), _) | (_, Loss::RandInt(_)) => Scope::Shared,
            _ => Scope::Client,
        })
    }
}

/// What happens to a request and its reply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fate {
    /// The client's index, in order of first appearance.
    pub client: u32,
    /// The request's number in its stream, from 1.
    pub number: u64,
    /// When replies arrive.
    pub deliveries: Deliveries,
    /// The direction in which it was dropped, if it was.
    pub dropped: Option<Direction>,
    /// Copies that were made of it, and of the replies.
    pub copies: u8,
    /// What happened to the bytes of the request.
    pub up: Damage,
    /// What happened to those of the reply.
    pub down: Damage,
    /// The rest of the way down, if it is decided when the request has come up: then `deliveries` are those of the request.
    pub way_down: Option<WayDown>,
    /// How many requests of this client were dropped since the last that was not.
    pub lost_before: u64,
}

/// What happens to a datagram on its way in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// The client's index, in order of first appearance.
    pub client: u32,
    /// Its number in its stream, from 1.
    pub number: u64,
    /// When its copies arrive.
    pub deliveries: Deliveries,
    /// What happened to its bytes.
    pub damage: Damage,
}

/// What [`Link::reply`] decides on a reply that was not lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WayDown {
    /// The client whose uniforms are drawn.
    drawn: u32,
    number: u64,
    rest: Rest,
}

/// What is known of the way down before the request has come up.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rest {
    /// The reply passes, and that happens to it.
    Passes(Passes),
    /// It is lost.
    Lost(Reason),
    /// It arrives at once.
    Untouched,
}

/// A network path that does what is planned.
#[derive(Debug)]
pub struct Link {
    seed: Seed,
    uniforms: Uniforms,
    scope: Scope,
    /// By direction, as all pairs here.
    plans: [Impairments; 2],
    pipelines: [Pipeline; 2],
    /// Whether requests can overtake each other on a way up to a way down for which their order matters.
    is_in_two_steps: bool,
    /// Whether every request is, also one whose reply is lost, where anything happens at all.
    is_always: bool,
    /// The most that arrive of one datagram.
    most_copies: [usize; 2],
    clients: Clients<ClientState>,
    shared: [Stream; 2],
    tallies: [Tally; 2],
    /// When the last datagram was sent.
    latest: Nanos,
    /// How often a client is still looked up before the queues forget what has left.
    until_forgetting: u32,
}

/// One client of a link, looked up.
#[derive(Debug)]
pub struct Client<'a> {
    seed: &'a Seed,
    uniforms: &'a Uniforms,
    pipelines: &'a [Pipeline; 2],
    is_in_two_steps: bool,
    is_always: bool,
    /// The client's index.
    index: u32,
    /// The client whose uniforms are drawn.
    drawn: u32,
    /// Bytes in front of a payload.
    headers: usize,
    /// Whether the effects are for the next datagram.
    fits: bool,
    latest: &'a mut Nanos,
    tallies: &'a mut [Tally; 2],
    streams: &'a mut [Stream; 2],
    lost_in_a_row: &'a mut u64,
}

/// Clients are looked up so often until the queues forget what has left: as many as are remembered, so it costs one look
/// at a client each time.
const FORGETTING: u32 = 65_536;

/// Bytes of the headers of IP and UDP.
const HEADERS_V4: usize = 20 + 8;
const HEADERS_V6: usize = 40 + 8;

/// What is kept for each client.
#[derive(Debug, Default)]
struct ClientState {
    streams: [Stream; 2],
    lost_in_a_row: u64,
}

impl Link {
    /// A link without clients.
    pub fn new(plan: LinkPlan) -> Self {
        let pipelines = [Pipeline::new(&plan.up), Pipeline::new(&plan.down)];
        Self {
            uniforms: Uniforms::new(plan.seed.key()),
            scope: plan.scope(),
            most_copies: [plan.up.most_copies(), plan.down.most_copies()],
            is_in_two_steps: pipelines[0].can_reorder() && pipelines[1].minds_order(),
            is_always: false,
            pipelines,
            clients: Clients::new(),
            shared: Default::default(),
            tallies: Default::default(),
            latest: 0,
            until_forgetting: FORGETTING,
            seed: plan.seed,
            plans: [plan.up, plan.down],
        }
    }

    /// The same, for whoever needs to know when each request has come up: the rest is always left to [`Link::reply`].
    #[must_use]
    pub fn in_two_steps(self) -> Self {
        let is_always = !self.pipelines.iter().all(Pipeline::is_none);
        Self { is_always, is_in_two_steps: self.is_in_two_steps || is_always, ..self }
    }

    /// Looks a client up, for several of its datagrams in a row; allocates only for a new one.
    pub fn client(&mut self, client: SocketAddr) -> Client<'_> {
        self.until_forgetting -= 1;
        if self.until_forgetting == 0 {
            self.forget();
        }
        let (index, ClientState { streams, lost_in_a_row }) = self.clients.entry(client);
        let (streams, drawn) = match self.scope {
            Scope::Client => (streams, index),
            Scope::Same => (streams, 0),
            Scope::Shared => (&mut self.shared, 0),
        };
        let Self { seed, uniforms, pipelines, is_in_two_steps, is_always, latest, tallies, .. } = self;
        let (is_in_two_steps, is_always) = (*is_in_two_steps, *is_always);
        let headers = headers(client);
        Client {
            seed,
            uniforms,
            pipelines,
            is_in_two_steps,
            is_always,
            index,
            drawn,
            headers,
            fits: true,
            latest,
            tallies,
            streams,
            lost_in_a_row,
        }
    }

    /// Frees the memory of queues that nobody uses any more: a client may never come again.
    fn forget(&mut self) {
        self.until_forgetting = FORGETTING;
        if self.pipelines.iter().any(Pipeline::counts_packets) {
            let streams = self.clients.each().flat_map(|state| &mut state.streams);
            streams.for_each(|stream| stream.forget(self.latest));
        }
    }

    /// Has a direction do something else from now on, and counts anew what it does. The numbers of packets go on.
    pub fn set(&mut self, direction: Direction, impairments: &Impairments) {
        let way = direction as usize;
        self.pipelines[way] = Pipeline::new(impairments);
        self.most_copies[way] = impairments.most_copies();
        self.tallies[way] = Tally::default();
        let streams = self.clients.each().map(|state| &mut state.streams[way]);
        streams.chain([&mut self.shared[way]]).for_each(|stream| stream.was_lost = false);
        self.plans[way] = impairments.clone();
        self.is_in_two_steps =
            self.is_always || self.pipelines[0].can_reorder() && self.pipelines[1].minds_order();
    }

    /// Sends a client's next datagram in one direction.
    pub fn transmit(&mut self, direction: Direction, client: SocketAddr, packet: Packet) -> Deliveries {
        self.client(client).transmit(direction, packet)
    }

    /// Sends a client's next request up and its reply down; see [`Client::round_trip`].
    pub fn round_trip(&mut self, client: SocketAddr, request: Packet) -> Fate {
        self.client(client).round_trip(request)
    }

    /// The most that arrive of one datagram.
    pub fn most_copies(&self, direction: Direction) -> usize {
        self.most_copies[direction as usize]
    }

    /// What was asked of each effect in each direction, up first, and what it has done.
    pub fn shares(&self) -> [Vec<Share>; 2] {
        [0, 1].map(|way| self.tallies[way].shares(&self.plans[way]))
    }

    /// Whether a datagram can take any time.
    pub fn can_delay(&self) -> bool {
        self.pipelines.iter().any(Pipeline::can_delay)
    }

    /// Sends a client's reply down whose request, or the copy of it with this number from 0, has come up at the time of the
    /// packet; the bytes are those that are left of it. To be called in the order of these times.
    pub fn reply(&mut self, client: SocketAddr, way: WayDown, copy: u8, reply: Packet) -> Deliveries {
        let WayDown { drawn, number, rest } = way;
        let passes = match rest {
            Rest::Passes(passes) => passes,
            Rest::Lost(reason) => return Deliveries::dropped(reason),
            Rest::Untouched => return Deliveries::one(reply.at),
        };
        let mut forgotten = Stream::default();
        let stream = match self.scope {
            Scope::Shared => &mut self.shared[Direction::Down as usize],
            _ => self
                .clients
                .known(client)
                .map_or(&mut forgotten, |state| &mut state.streams[Direction::Down as usize]),
        };
        let sent = Transmission {
            seed: &self.seed,
            uniforms: &self.uniforms,
            direction: Direction::Down,
            client: drawn,
            number,
            headers: headers(client),
            packet: reply,
        };
        let passes = passes.undamaged();
        self.pipelines[Direction::Down as usize].arrivals(
            sent,
            passes,
            &Deliveries::one(reply.at),
            copy,
            stream,
            &mut self.tallies[1],
        )
    }

    /// A request that came up has no reply after all.
    pub fn lost(&mut self, client: SocketAddr) {
        if let Some(state) = self.clients.known(client) {
            state.lost_in_a_row += 1;
        }
    }

    /// Clients seen so far; one that returned after it was removed counts again.
    pub fn clients(&self) -> u64 {
        self.clients.seen()
    }
}

/// Bytes in front of a payload to or from an address.
fn headers(client: SocketAddr) -> usize {
    if client.ip().to_canonical().is_ipv4() { HEADERS_V4 } else { HEADERS_V6 }
}

impl<'a> Client<'a> {
    /// Says what the bytes of the next datagram are, for links with a `match`: only what fits meets their effects.
    pub fn with_bytes(&mut self, direction: Direction, payload: &[u8]) -> &mut Self {
        self.fits = self.pipelines[direction as usize].matching().is_none_or(|it| it.fits(payload));
        self
    }

    /// Sends the client's next datagram in one direction.
    pub fn transmit(&mut self, direction: Direction, packet: Packet) -> Deliveries {
        self.carry(direction, packet).deliveries
    }

    /// The same, with its number and what happens to its bytes.
    pub fn carry(&mut self, direction: Direction, packet: Packet) -> Passage {
        *self.latest = packet.at;
        let number = self.next(direction);
        let (deliveries, damage, _) = self.pass_if_fits(direction, number, packet);
        Passage { client: self.index, number, deliveries, damage }
    }

    /// Sends the client's next request up, and a reply of the length of what arrives down for each copy of it.
    pub fn round_trip(&mut self, request: Packet) -> Fate {
        self.round_trip_with(request, |damage, _| damage.length(request.len))
    }

    /// Sends the client's next request up, and a reply down for each copy that arrives. A reply has the number of its
    /// request, and the loss of the way down is decided for lost requests too, so what the way up does moves no draw of
    /// later replies. `reply_len` gives its length from what happened to the request and how many before it were lost; it
    /// is asked only if that decides anything. Where requests can overtake each other on the way up and their order matters on the
    /// way down, the rest of that is left to [`Link::reply`].
    pub fn round_trip_with(&mut self, request: Packet, reply_len: impl FnOnce(Damage, u64) -> usize) -> Fate {
        self.round_trip_by(request, |damage, lost, _| (reply_len(damage, lost), true))
    }

    /// The same, where `reply` also says whether the reply fits the match of the way down, if it has one. Only what fits is
    /// counted there, and a request without a reply is not.
    pub fn round_trip_by(
        &mut self,
        request: Packet,
        reply: impl FnOnce(Damage, u64, Option<&Match>) -> (usize, bool),
    ) -> Fate {
        *self.latest = request.at;
        let number = self.next(Direction::Up);
        let (mut deliveries, up, mut copies) = self.pass_if_fits(Direction::Up, number, request);
        let (lost_before, mut down, mut way_down) = (*self.lost_in_a_row, Damage::NONE, None);
        let mut dropped = deliveries.is_empty().then_some(Direction::Up);
        let mut sent = self.transmission(Direction::Down, number, request);
        let (pipeline, stream, tally) = (
            &self.pipelines[Direction::Down as usize],
            &mut self.streams[Direction::Down as usize],
            &mut self.tallies[Direction::Down as usize],
        );
        if deliveries.is_empty() {
            if pipeline.matching().is_none() {
                pipeline.pass_over(&sent, stream);
            }
        } else if !pipeline.is_none() {
            sent.packet.at = deliveries[0].at;
            let mut fits = true;
            if pipeline.asks_for_length() || pipeline.matching().is_some() {
                (sent.packet.len, fits) = reply(up, lost_before, pipeline.matching());
            }
            if fits {
                sent.number = pipeline.count(number, stream);
                match pipeline.admit(&sent, stream, tally) {
                    Err(reason) if self.is_always => {
                        way_down = Some(WayDown {
                            drawn: self.drawn,
                            number: sent.number,
                            rest: Rest::Lost(reason),
                        });
                    }
                    Err(reason) => deliveries = Deliveries::dropped(reason),
                    Ok(passes) => {
                        down = passes.damage;
                        copies += passes.copies * deliveries.count();
                        if self.is_in_two_steps {
                            let rest = Rest::Passes(passes);
                            way_down = Some(WayDown { drawn: self.drawn, number: sent.number, rest });
                        } else {
                            deliveries = pipeline.arrivals(sent, passes, &deliveries, 0, stream, tally);
                        }
                    }
                }
            }
        }
        if self.is_always && !deliveries.is_empty() && way_down.is_none() {
            way_down = Some(WayDown { drawn: self.drawn, number: sent.number, rest: Rest::Untouched });
        }
        if deliveries.is_empty() {
            dropped = dropped.or(Some(Direction::Down));
        }
        *self.lost_in_a_row = if deliveries.is_empty() { lost_before + 1 } else { 0 };
        Fate { client: self.index, number, deliveries, dropped, copies, up, down, way_down, lost_before }
    }

    /// Refuses the client's next request, as too many wait, unless it is lost on its way up.
    pub fn refuse(&mut self, request: Packet) -> Fate {
        let number = self.next(Direction::Up);
        let [mut up, down] =
            [Direction::Up, Direction::Down].map(|way| self.transmission(way, number, request));
        let admitted = if self.fits {
            up.number = self.pipelines[0].count(number, &mut self.streams[0]);
            self.pipelines[0].admit(&up, &mut self.streams[0], &mut self.tallies[0]).map(|_| ())
        } else {
            Ok(())
        };
        if self.pipelines[1].matching().is_none() {
            self.pipelines[1].pass_over(&down, &mut self.streams[1]);
        }
        let deliveries = Deliveries::dropped(admitted.err().unwrap_or(Reason::Full));
        let lost_before = *self.lost_in_a_row;
        *self.lost_in_a_row += u64::from(admitted.is_err());
        let dropped = admitted.is_err().then_some(Direction::Up);
        let (up, down) = (Damage::NONE, Damage::NONE);
        let client = self.index;
        Fate { client, number, deliveries, dropped, copies: 0, up, down, way_down: None, lost_before }
    }

    /// The number of the next packet.
    fn next(&mut self, direction: Direction) -> u64 {
        let stream = &mut self.streams[direction as usize];
        stream.sent += 1;
        stream.sent
    }

    fn transmission(&self, direction: Direction, number: u64, packet: Packet) -> Transmission<'a> {
        let Self { seed, uniforms, drawn: client, headers, .. } = *self;
        Transmission { seed, uniforms, direction, client, number, headers, packet }
    }

    /// Sends a packet, which passes untouched if it does not fit the match.
    fn pass_if_fits(
        &mut self,
        direction: Direction,
        number: u64,
        packet: Packet,
    ) -> (Deliveries, Damage, u8) {
        if !self.fits {
            return (Deliveries::one(packet.at), Damage::NONE, 0);
        }
        let (pipeline, stream) = (&self.pipelines[direction as usize], &mut self.streams[direction as usize]);
        let number = pipeline.count(number, stream);
        self.pass(self.transmission(direction, number, packet))
    }

    /// Sends a packet; returns what arrives when, what happened to its bytes, and how many copies were made.
    fn pass(&mut self, sent: Transmission<'_>) -> (Deliveries, Damage, u8) {
        let direction = sent.direction as usize;
        let (pipeline, stream) = (&self.pipelines[direction], &mut self.streams[direction]);
        let (tally, times) = (&mut self.tallies[direction], Deliveries::one(sent.packet.at));
        match pipeline.admit(&sent, stream, tally) {
            Ok(passes) => {
                let deliveries = pipeline.arrivals(sent, passes, &times, 0, stream, tally);
                (deliveries, passes.damage, passes.copies)
            }
            Err(reason) => (Deliveries::dropped(reason), Damage::NONE, 0),
        }
    }
}
