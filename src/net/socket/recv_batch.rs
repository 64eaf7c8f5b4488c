//! Receives from a socket: many datagrams at once where the system supports it, else one.

use std::io;

use rustix::fd::AsFd as _;

use super::{Backend, Socket};
use crate::logic::codec::MAX_PAYLOAD;
use crate::net::datagram::Datagram;
use crate::net::sys::{self, single};

/// Buffers for received datagrams.
#[derive(Debug)]
pub struct RecvBatch {
    batch: Option<sys::RecvBatch>,
    buffer: Vec<u8>,
    single: Option<single::Single>,
}

impl RecvBatch {
    /// Buffers for `slots` datagrams of any size (one on the portable backend).
    pub fn new(slots: usize, backend: Backend) -> Self {
        let slot = MAX_PAYLOAD + 20;
        let batch = if backend == Backend::Full { sys::RecvBatch::make(slots, slot) } else { None };
        let buffer = if batch.is_some() { Vec::new() } else { vec![0; slot] };
        Self { batch, buffer, single: None }
    }

    /// Receives up to `most` datagrams from `socket` without waiting; `false` if nothing has arrived.
    ///
    /// # Errors
    /// On the portable backend this call also returns ICMP errors, such as `ConnectionRefused`.
    pub fn receive(&mut self, socket: &Socket, most: usize) -> io::Result<bool> {
        match self.try_receive(socket, most) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn try_receive(&mut self, socket: &Socket, most: usize) -> io::Result<()> {
        self.single = None;
        if let Some(batch) = &mut self.batch {
            return batch.receive(socket.as_fd(), most);
        }
        self.single = Some(single::receive(&socket.inner, &mut self.buffer)?);
        Ok(())
    }

    /// Whether the last receive got as many datagrams as there was room for.
    pub fn is_full(&self) -> bool {
        self.batch.as_ref().map_or(self.single.is_some(), sys::RecvBatch::is_full)
    }

    /// The datagrams of the last [`RecvBatch::receive`].
    pub fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        let single = self.single.map(|single| Datagram {
            source: single.source,
            bytes: &self.buffer[..single.len],
            ttl: single.ttl,
            tos: single.tos,
            pktinfo: None,
            timestamp: single.timestamp,
        });
        self.batch.iter().flat_map(sys::RecvBatch::datagrams).chain(single)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

    use super::*;
    use crate::logic::{Arrival, Moment, SECOND};
    use crate::net::clock::wall_ns;
    use crate::net::datagram::Reports;
    use crate::net::socket::IpOptions;
    use crate::net::wait;

    /// An IPv6 socket on every address receives IPv4 too.
    #[test]
    fn an_arrival_has_what_the_socket_is_asked_to_report() {
        let (v4, v6) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
        let places = [(v4, v4), (v6, v6), (Ipv6Addr::UNSPECIFIED.into(), v4)];
        let each = |backend| places.map(|(own, ip)| (backend, own, ip));
        for (backend, own, ip) in each(Backend::Full).into_iter().chain(each(Backend::Portable)) {
            let server = Socket::serve((own, 0).into(), backend).unwrap();
            let to = SocketAddr::new(ip, server.local().unwrap().port());
            let options = IpOptions { ttl: Some(77), dscp: Some(46), ..IpOptions::default() };
            let client = Socket::toward(to, None, options, backend).unwrap();
            let (mut batch, (_waker, bell)) = (RecvBatch::new(2, backend), wait::waker().unwrap());
            let mut arrival = || {
                client.send(b"x", to, None).unwrap();
                wait::readable(std::iter::once(server.as_fd()), &bell, Some(10 * SECOND)).unwrap();
                assert!(batch.receive(&server, 2).unwrap());
                assert_eq!(batch.is_full(), backend == Backend::Portable);
                batch.datagrams().next().unwrap().arrival(Moment::default())
            };
            assert_eq!(arrival(), Arrival::default());
            server.enable_reports(Reports { tos: true, ..Reports::default() }).unwrap();
            assert_eq!(arrival(), Arrival { tos: Some(46 << 2), ..Arrival::default() });
            server.enable_reports(Reports { ttl: true, ..Reports::default() }).unwrap();
            assert_eq!(arrival(), Arrival { ttl: Some(77), tos: Some(46 << 2), ..Arrival::default() });
            let before = wall_ns();
            server.enable_reports(Reports { timestamp: true, ..Reports::default() }).unwrap();
            // It may be in whole microseconds, and the kernel takes a moment to begin.
            assert!(arrival().kernel.is_none_or(|at| (before - 1_000..=wall_ns()).contains(&at)));
        }
    }
}
