//! TCP sockets as streams want them: listening, connecting, and what is set on each.

use std::io;
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::link::udp::BindError;

/// Connections that the system keeps for us until we accept them.
const BACKLOG: i32 = 1_024;
/// Bytes that the system takes beyond what is under way. What waits longer than that waits with us, where it is put in
/// order and grows stale.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_BYTES_MAX: u32 = 32 << 10;

/// Listens at `address`. `[::]` takes IPv4, too, where the system allows it.
pub(super) fn listen(address: SocketAddr) -> Result<TcpListener, BindError> {
    let other = |cause| BindError::from_system(address, cause);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
        .map_err(|cause| BindError::FamilyUnavailable { address, cause })?;
    if address.is_ipv6() {
        let only_v6 = !address.ip().is_unspecified();
        if let Err(error) = socket.set_only_v6(only_v6) {
            log::debug!("tcp {address}: the system insists on its own choice: {error}");
        }
    }
    // A server that is restarted finds its port waiting for old connections; on Windows this would let others take it.
    #[cfg(not(windows))]
    socket.set_reuse_address(true).map_err(other)?;
    socket.set_nonblocking(true).map_err(other)?;
    socket.bind(&address.into()).map_err(other)?;
    socket.listen(BACKLOG).map_err(other)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Begins to connect.
pub(super) fn connect(remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(remote)?;
    set_up(&socket);
    Ok(socket)
}

/// Sends at once and keeps little back. A system that will not is no error: it is slower.
pub(super) fn set_up(socket: &TcpStream) {
    if let Err(error) = socket.set_nodelay(true) {
        log::debug!("tcp: the system gathers small messages: {error}");
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = SockRef::from(socket).set_tcp_notsent_lowat(UNSENT_BYTES_MAX) {
        log::debug!("tcp: the system keeps as much back as it likes: {error}");
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = SockRef::from(socket);
}

/// Whether an error of accepting concerns the one who knocked, and not the listener.
pub(super) fn concerns_one(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown, NetworkUnreachable,
        PermissionDenied,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | PermissionDenied
    )
}
