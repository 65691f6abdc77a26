//! How a link is made, and made again at another address.

use std::net::SocketAddr;

use super::Link;
use super::memory::MemoryLink;
use super::udp::{BindError, UdpConfig, UdpLink};

/// What carries the datagrams.
#[derive(Debug)]
pub enum LinkSetup {
    /// A UDP socket, bound when the engine starts.
    Udp(UdpConfig),
    /// A link inside this process.
    Memory(Box<MemoryLink>),
}

impl LinkSetup {
    /// The link, and how another of its kind can be made in its place, or why none can.
    pub(crate) fn open(self) -> Result<(Link, Result<LinkTemplate, &'static str>), BindError> {
        match self {
            Self::Udp(config) => Ok((UdpLink::bind(&config)?.into(), Ok(LinkTemplate::Udp(config)))),
            Self::Memory(link) => {
                Ok((Link::from(*link), Err("a link in memory has no socket to be replaced")))
            }
        }
    }
}

/// What is needed to make a link like one that there is.
#[derive(Clone, Debug)]
pub(crate) enum LinkTemplate {
    Udp(UdpConfig),
}

impl LinkTemplate {
    /// Makes a link at this address, or at any port of the former one's.
    pub fn bind(&self, address: Option<SocketAddr>) -> Result<Link, BindError> {
        match self {
            Self::Udp(config) => {
                let address = address.unwrap_or_else(|| SocketAddr::new(config.address.ip(), 0));
                UdpLink::bind(&UdpConfig { address, ..config.clone() }).map(Link::from)
            }
        }
    }
}
