//! What other hosts report about our datagrams, by ICMP, as far as the system passes it on.
//!
//! Linux and Android do, in a queue beside the socket. Windows returns some from receive calls, which is
//! [`failure`](super::failure)'s matter; the others tell unconnected sockets nothing.

use quinn_udp::UdpSocketState;

use crate::link::Hint;

/// Asks the system to pass reports on.
#[cfg(unix)]
pub(super) fn enable(state: &UdpSocketState, socket: &mio::net::UdpSocket) {
    if let Err(error) = state.enable_transport_errors(socket.into()) {
        log::debug!("no hints from ICMP: {error}");
    }
}

/// The next report, or `None` if the queue is empty.
///
/// What has no sender in it is our own system's complaint, which the send call has returned already.
#[cfg(unix)]
pub(super) fn next(state: &UdpSocketState, socket: &mio::net::UdpSocket) -> Option<Hint> {
    use std::io;

    use quinn_udp::TransportErrorPayload;

    use super::address;
    use super::failure::{self, Failure};
    use crate::link::HintKind;

    let error = state.recv_transport_error(socket.into()).ok()??;
    let kind = match failure::classify(&io::Error::from_raw_os_error(error.raw_errno)) {
        Failure::Hint(kind) => kind,
        _ => HintKind::Other,
    };
    let mtu = match error.payload {
        TransportErrorPayload::TooBig { mtu } => Some(mtu),
        _ => None,
    };
    Some(Hint { kind, from: error.addr.map(|address| address::canonical(address).ip()), mtu })
}

#[cfg(not(unix))]
pub(super) fn enable(_state: &UdpSocketState, _socket: &mio::net::UdpSocket) {}

#[cfg(not(unix))]
pub(super) fn next(_state: &UdpSocketState, _socket: &mio::net::UdpSocket) -> Option<Hint> {
    None
}
