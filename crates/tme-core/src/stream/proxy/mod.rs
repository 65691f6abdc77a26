//! What a proxy before a server says of the client it speaks for, and whom to believe (`docs/PROTOCOL.md`, section 12.7).
//!
//! The PROXY protocol is read by code of our own: a line of 107 bytes or a fixed layout, of which the libraries read more than we
//! want and bound less. A first wrong byte is told at once, a header that is too long before it is there.

mod forwarded;
mod header;
mod networks;

pub use header::{BadProxyHeader, PROXY_HEADER_BYTES_MAX, ProxiedFrom, looks_like_proxy_header};
pub use networks::{
    ProxyHeader, ProxyHeaderError, ProxyNetwork, ProxyNetworkError, TrustedProxies, TrustedProxiesError,
};

use std::net::IpAddr;

/// Whether this can be the address of a client.
const fn can_be_client(ip: IpAddr) -> bool {
    !ip.is_unspecified() && !ip.is_multicast()
}
