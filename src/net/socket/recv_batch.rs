//! Receives from a socket: many datagrams at once where the system supports it, else one.

use std::io;
use std::net::SocketAddr;

#[cfg(target_os = "linux")]
use rustix::fd::AsFd as _;

use super::{Backend, Socket};
use crate::logic::codec::MAX_PAYLOAD;
use crate::net::datagram::Datagram;
#[cfg(target_os = "linux")]
use crate::net::sys;

/// Buffers for received datagrams.
#[derive(Debug)]
pub struct RecvBatch {
    #[cfg(target_os = "linux")]
    batch: Option<sys::RecvBatch>,
    single: Vec<u8>,
    received: Option<(usize, SocketAddr)>,
}

impl RecvBatch {
    /// Buffers for `slots` datagrams of any size (one on the portable backend).
    pub fn new(slots: usize, backend: Backend) -> Self {
        let slot = MAX_PAYLOAD + 20;
        Self {
            #[cfg(target_os = "linux")]
            batch: (backend == Backend::Full).then(|| sys::RecvBatch::new(slots, slot)),
            single: if cfg!(target_os = "linux") && backend == Backend::Full {
                Vec::new()
            } else {
                vec![0; slot]
            },
            received: None,
        }
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

    #[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "one at a time"))]
    fn try_receive(&mut self, socket: &Socket, most: usize) -> io::Result<()> {
        self.received = None;
        #[cfg(target_os = "linux")]
        if let Some(batch) = &mut self.batch {
            return batch.receive(socket.as_fd(), most);
        }
        self.received = Some(socket.inner.recv_from(&mut self.single)?);
        Ok(())
    }

    /// Whether the last receive got as many datagrams as there was room for.
    pub fn is_full(&self) -> bool {
        #[cfg(target_os = "linux")]
        if let Some(batch) = &self.batch {
            return batch.is_full();
        }
        self.received.is_some()
    }

    /// The datagrams of the last [`RecvBatch::receive`].
    pub fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        let single = self.received.map(|(length, source)| Datagram {
            source,
            bytes: &self.single[..length],
            ttl: None,
            tos: None,
            pktinfo: None,
            timestamp: None,
        });
        #[cfg(target_os = "linux")]
        let batch = self.batch.iter().flat_map(sys::RecvBatch::datagrams);
        #[cfg(not(target_os = "linux"))]
        let batch = std::iter::empty();
        batch.chain(single)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::logic::{Arrival, Moment, SECOND};
    use crate::net::datagram::Reports;
    use crate::net::socket::IpOptions;
    use crate::net::wait;

    /// An IPv6 socket on every address receives IPv4 too.
    #[test]
    fn an_arrival_has_what_the_socket_is_asked_to_report() {
        let (v4, v6) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
        for (own, ip) in [(v4, v4), (v6, v6), (Ipv6Addr::UNSPECIFIED.into(), v4)] {
            let server = Socket::serve((own, 0).into(), Backend::Full).unwrap();
            let to = SocketAddr::new(ip, server.local().unwrap().port());
            let options = IpOptions { ttl: Some(77), dscp: Some(46), ..IpOptions::default() };
            let client = Socket::toward(to, None, options, Backend::Full).unwrap();
            let (mut batch, (_waker, bell)) = (RecvBatch::new(2, Backend::Full), wait::waker().unwrap());
            let mut arrival = || {
                client.send(b"x", to, None).unwrap();
                wait::readable(std::iter::once(server.as_fd()), &bell, Some(10 * SECOND)).unwrap();
                assert!(batch.receive(&server, 2).unwrap());
                assert!(!batch.is_full());
                batch.datagrams().next().unwrap().arrival(Moment::default())
            };
            assert_eq!(arrival(), Arrival::default());
            server.enable_reports(Reports { tos: true, ..Reports::default() }).unwrap();
            assert_eq!(arrival(), Arrival { tos: Some(46 << 2), ..Arrival::default() });
            server.enable_reports(Reports { ttl: true, ..Reports::default() }).unwrap();
            assert_eq!(arrival(), Arrival { ttl: Some(77), tos: Some(46 << 2), ..Arrival::default() });
        }
    }
}
