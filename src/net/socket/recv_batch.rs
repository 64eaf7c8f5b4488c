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

    /// Receives from `socket` without waiting; `false` if nothing has arrived.
    ///
    /// # Errors
    /// On the portable backend this call also returns ICMP errors, such as `ConnectionRefused`.
    pub fn receive(&mut self, socket: &Socket) -> io::Result<bool> {
        match self.try_receive(socket) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn try_receive(&mut self, socket: &Socket) -> io::Result<()> {
        self.received = None;
        #[cfg(target_os = "linux")]
        if let Some(batch) = &mut self.batch {
            return batch.receive(socket.as_fd());
        }
        self.received = Some(socket.inner.recv_from(&mut self.single)?);
        Ok(())
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
    use crate::net::socket::IpOptions;
    use crate::net::wait;

    #[test]
    fn an_arrival_has_the_type_of_service_if_the_socket_reports_it() {
        for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let server = Socket::serve((ip, 0).into(), Backend::Full).unwrap();
            let options = IpOptions { dscp: Some(46), ..IpOptions::default() };
            let client = Socket::toward(server.local().unwrap(), None, options, Backend::Full).unwrap();
            let (mut batch, (_waker, bell)) = (RecvBatch::new(2, Backend::Full), wait::waker().unwrap());
            for tos in [None, Some(46 << 2)] {
                client.send(b"x", server.local().unwrap(), None).unwrap();
                wait::readable(std::iter::once(server.as_fd()), &bell, Some(10 * SECOND)).unwrap();
                assert!(batch.receive(&server).unwrap());
                let at = Moment { mono: 1, wall: 2 };
                let arrivals: Vec<_> = batch.datagrams().map(|datagram| datagram.arrival(at)).collect();
                assert_eq!(arrivals, [Arrival { at, tos, ..Arrival::default() }]);
                sys::options::tests::enable_recvtos(server.as_fd(), ip.is_ipv4());
            }
        }
    }
}
