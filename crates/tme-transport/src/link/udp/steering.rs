//! Several sockets at one port, each for a network thread of its own, and which of them a datagram reaches.
//!
//! The system picks a socket by a hash of the addresses, unless a program says otherwise. Ours reads the byte of a data packet
//! that names the endpoint (`docs/PROTOCOL.md`, section 5), so that a connection stays where it is when its client's address
//! changes. Without the program everything still works: whoever gets a datagram of another passes it on.

use std::io;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::bind::{Bound, make_ready, set_family};
use super::{UdpConfig, UdpLink};

/// Who says which of several sockets at one port a datagram reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Steering {
    /// A program in the kernel, where it takes one.
    #[default]
    ByConnection,
    /// Always a hash of the addresses. For measuring, and for tests.
    ByAddress,
}

impl UdpLink {
    /// Binds `count` further sockets at this one's address, in the order in which data packets name them: this one is the
    /// first. Works on Linux.
    ///
    /// Somebody else cannot bind the port as long as this link lives, unless it is a process of the same user that asks to
    /// share it.
    ///
    /// # Errors
    /// What the system says: it shares no ports. This link works as before then.
    pub fn bind_beside(&self, config: &UdpConfig, count: usize) -> io::Result<Vec<Self>> {
        // Only now: who binds without the option is refused where others are, and so was this one.
        SockRef::from(&self.socket).share_port()?;
        let mut links = Vec::with_capacity(count);
        for _ in 0..count {
            let socket = Socket::new(Domain::for_address(self.local), Type::DGRAM, Some(Protocol::UDP))?;
            socket.share_port()?;
            let family = set_family(&socket, self.local);
            socket.set_nonblocking(true)?;
            socket.bind(&self.local.into())?;
            let bound: Bound = make_ready(socket, family, config)?;
            links.push(Self::with(bound, config));
        }
        if config.steering == Steering::ByConnection
            && let Err(error) = program::attach(&self.socket, count + 1)
        {
            log::info!("udp {}: the system does not steer datagrams by connection: {error}", self.local);
        }
        Ok(links)
    }
}

trait SharePort {
    /// Lets several sockets have one port.
    fn share_port(&self) -> io::Result<()>;
}

impl SharePort for Socket {
    #[cfg(target_os = "linux")]
    fn share_port(&self) -> io::Result<()> {
        self.set_reuse_port(true)
    }

    #[cfg(not(target_os = "linux"))]
    fn share_port(&self) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}

#[cfg(not(target_os = "linux"))]
mod program {
    use std::io;

    pub fn attach(_socket: &mio::net::UdpSocket, _count: usize) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}

#[cfg(target_os = "linux")]
mod program {
    use std::io;

    use nix::libc::{BPF_ABS, BPF_B, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, sock_filter, sock_fprog};
    use nix::sys::socket::{setsockopt, sockopt};

    /// Set in the first byte of data packets.
    const DATA: u32 = 0x80;
    /// Where the top byte of their connection id stands (it is little-endian, from the second byte on).
    const SHARD_AT: u32 = 4;

    const fn load_byte(at: u32) -> sock_filter {
        sock_filter { code: (BPF_LD | BPF_B | BPF_ABS) as u16, jt: 0, jf: 0, k: at }
    }

    const fn jump_unless_set(bits: u32, steps: u8) -> sock_filter {
        sock_filter { code: (BPF_JMP | BPF_JSET | BPF_K) as u16, jt: 0, jf: steps, k: bits }
    }

    /// Class, and where the answer comes from: the accumulator.
    const BPF_RET_A: u16 = (BPF_RET | 0x10) as u16;

    /// For each datagram the index of a socket. An answer beyond their number leaves it to the hash, and so does a datagram's
    /// byte.
    static FILTER: [sock_filter; 5] = [
        load_byte(0),
        jump_unless_set(DATA, 2),
        load_byte(SHARD_AT),
        sock_filter { code: BPF_RET_A, jt: 0, jf: 0, k: 0 },
        sock_filter { code: (BPF_RET | BPF_K) as u16, jt: 0, jf: 0, k: u32::MAX },
    ];
    /// A constant, so that the reference to it is to zeroed memory of the program's file: on the stack its padding would be
    /// undefined, which valgrind remarks.
    const PROGRAM: &sock_fprog = &sock_fprog { len: FILTER.len() as u16, filter: FILTER.as_ptr().cast_mut() };

    /// Has the system ask the program for each datagram to the port that this socket shares.
    pub fn attach(socket: &mio::net::UdpSocket, count: usize) -> io::Result<()> {
        debug_assert!(count <= 256, "one byte names the socket");
        setsockopt(socket, sockopt::AttachReusePortCbpf, PROGRAM)?;
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::SocketAddr;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::link::udp::BindError;

    fn group(address: &str, steering: Steering) -> Vec<UdpLink> {
        let config = UdpConfig { steering, ..UdpConfig::server(address.parse().unwrap()) };
        let first = UdpLink::bind(&config).unwrap();
        let others = first.bind_beside(&config, 3).unwrap();
        std::iter::once(first).chain(others).collect()
    }

    /// Reads until so many have come: which link got which datagrams.
    fn read(links: &mut [UdpLink], count: usize) -> Vec<Vec<Vec<u8>>> {
        let mut all = vec![Vec::new(); links.len()];
        let patience = Instant::now() + Duration::from_secs(20);
        while all.iter().map(Vec::len).sum::<usize>() < count && Instant::now() < patience {
            for (link, datagrams) in links.iter_mut().zip(&mut all) {
                let _ = link.receive(64, |bytes, _, _| datagrams.push(bytes.to_vec())).unwrap();
            }
        }
        all
    }

    #[test]
    fn packets_reach_the_socket_they_name_and_all_else_any() {
        for (address, target) in
            [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("[::]:0", "127.0.0.1"), ("[::]:0", "::1")]
        {
            let mut links = group(address, Steering::ByConnection);
            let to = SocketAddr::new(target.parse().unwrap(), links[0].local_address().port());
            let any: SocketAddr = if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }.parse().unwrap();
            for shard in 0..40 {
                let socket = std::net::UdpSocket::bind(any).unwrap();
                socket.send_to(&[0x81, 1, 2, 3, shard % 4, 9, 9], to).unwrap();
                socket.send_to(&[0x80, 1, 2, 3, 4 + shard % 4, 9, 9], to).unwrap();
                socket.send_to(b"TMEx, which is no packet", to).unwrap();
            }
            let received = read(&mut links, 120);
            assert_eq!(received.iter().map(Vec::len).sum::<usize>(), 120, "{address}");
            for (index, datagrams) in received.iter().enumerate() {
                let named = datagrams.iter().filter(|bytes| bytes[0] & 0x80 != 0 && bytes[4] < 4);
                let named: Vec<u8> = named.map(|bytes| bytes[4]).collect();
                assert_eq!(named, [index as u8; 10], "{address}");
            }
            let hashed = received.iter().filter(|datagrams| datagrams.iter().any(|bytes| bytes[0] == b'T'));
            assert!(hashed.count() > 1, "{address}: forty addresses are not all alike");
        }
    }

    #[test]
    fn a_port_that_is_shared_is_taken_for_everybody_else() {
        let links = group("127.0.0.1:0", Steering::ByAddress);
        let again = UdpLink::bind(&UdpConfig::server(links[0].local_address()));
        assert!(matches!(again, Err(BindError::InUse { .. })), "{again:?}");
    }
}
