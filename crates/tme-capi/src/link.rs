//! Links: by what a client and its server reach each other.

use tme::{LinkChoice, LinkKind};

use crate::failure::Failure;
use crate::result::TME_ERROR_ENUM;

/// For a client's `links`: UDP, TCP where that does not get through, and a WebSocket where not even that does. The default.
pub const TME_LINK_ANY: u32 = 0;
/// Datagrams by themselves. What is lost holds up nothing but itself.
pub const TME_LINK_UDP: u32 = 1;
/// A TCP stream. What is lost holds up all that is behind it.
pub const TME_LINK_TCP: u32 = 2;

/// A WebSocket over TCP, for networks that let only the web through.
pub const TME_LINK_WEBSOCKET: u32 = 3;

/// A link as C calls it.
pub(crate) const fn link_number(link: LinkKind) -> u32 {
    match link {
        LinkKind::Udp => TME_LINK_UDP,
        LinkKind::Tcp => TME_LINK_TCP,
        LinkKind::WebSocket => TME_LINK_WEBSOCKET,
    }
}

/// What a client may use.
pub(crate) fn link_choice(links: u32) -> Result<LinkChoice, Failure> {
    match links {
        TME_LINK_ANY => Ok(LinkChoice::Any),
        TME_LINK_UDP => Ok(LinkChoice::Udp),
        TME_LINK_TCP => Ok(LinkChoice::Tcp),
        TME_LINK_WEBSOCKET => Ok(LinkChoice::WebSocket),
        other => Err(Failure::text(
            TME_ERROR_ENUM,
            format_args!("{other} is no choice of links; expected TME_LINK_…, 0 to 3"),
        )),
    }
}
