//! Putting an engine together: the link, the endpoint, the way to a server, and who drives.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tme_core::crypto::suite::Suite;
use tme_core::endpoint::Endpoint;

use super::announcer::{Announcer, DiscoverySetup, WhenUnavailable};
use super::connector::Connector;
use super::driver::{Driver, DriverParts};
use super::network_thread::run_thread;
use super::rebind::Rebinding;
use super::shared::Shared;
use super::{Drive, Engine, EngineConfig, EngineError, Handle, Runner};
use crate::clock::Clock;
use crate::link::stream::Streams;
use crate::link::udp::BindError;
use crate::link::{Link, LinkSetup, LinkTemplate};
use crate::poller::{EVENTS_DEFAULT, Poller};
use crate::random::SystemRandom;
use crate::resolve::{Resolver, TIMEOUT_DEFAULT};

impl Engine {
    /// Binds the socket and begins.
    ///
    /// # Errors
    /// [`EngineError`] names what is missing. A connection that cannot be made is no error here but an event.
    pub fn start(config: EngineConfig) -> Result<Self, EngineError> {
        let system = |error: &dyn fmt::Display| EngineError::System(error.to_string());
        let clock = Clock::start();
        let mut random = SystemRandom::new().map_err(|error| system(&error))?;
        let endpoint = Endpoint::new(config.endpoint, &mut random)
            .map_err(|error| EngineError::Config(error.to_string()))?;
        let poller = Poller::new(EVENTS_DEFAULT).map_err(|error| system(&error))?;
        let mut streams = Streams::new(config.streams);
        let (link, template, stream_address) =
            open_links(config.link, config.listen_streams, &mut streams, &poller)
                .map_err(|error| EngineError::Bind(Arc::new(error)))?;
        let announcer = match config.discovery {
            Some(setup) => announce(setup, &link, &poller, &mut random)?,
            None => None,
        };
        let discovery_port = announcer.as_ref().map(Announcer::port);
        let template = match &config.connect {
            None => Err("a server keeps its socket: its clients know no other address"),
            Some((_, handshake)) if handshake.suites.contains(Suite::Plaintext) => {
                Err("in plaintext nobody can prove to be the same at another address")
            }
            Some(_) => template,
        };
        let wake = poller.wake_handle();
        let (resolver, connector) = match config.connect {
            Some((target, handshake)) => {
                let mut resolver = Resolver::new(TIMEOUT_DEFAULT, Some(wake.clone()));
                let id = resolver
                    .resolve(&target, clock.now())
                    .map_err(|error| EngineError::Config(format!("{target}: {error}")))?;
                (Some(resolver), Some(Connector::resolving(target, id, handshake, config.choice)))
            }
            None => (None, None),
        };
        let local_address = link.local_address();
        let public_key = endpoint.public_key();
        if public_key.is_some() {
            log::info!("listening on {local_address}");
        }
        if let Some(address) = stream_address {
            log::info!("listening on {address} over TCP");
        }
        let shared = Arc::new(Shared::new(clock, wake, Rebinding::new(local_address, template)));
        let gathering = if config.drive == Drive::Threaded { config.gathering } else { Duration::ZERO };
        let driver = Driver::new(DriverParts {
            endpoint,
            link,
            streams,
            poller,
            clock,
            random,
            resolver,
            connector,
            announcer,
            shared: Arc::clone(&shared),
            gathering,
        })
        .map_err(|error| system(&error))?;
        let runner = match config.drive {
            Drive::Inline => Runner::Inline(Box::new(driver)),
            Drive::Threaded => {
                let shared = Arc::clone(&shared);
                let thread = std::thread::Builder::new().name("tme-net".to_owned());
                let thread =
                    thread.spawn(move || run_thread(driver, &shared)).map_err(|error| system(&error))?;
                Runner::Threaded(Some(thread))
            }
        };
        Ok(Self {
            runner,
            drive: config.drive,
            handle: Handle { shared },
            public_key,
            stream_address,
            discovery_port,
        })
    }
}

/// Lets a server be found.
fn announce(
    setup: DiscoverySetup,
    link: &Link,
    poller: &Poller,
    random: &mut SystemRandom,
) -> Result<Option<Announcer>, EngineError> {
    if !matches!(link, Link::Udp(_)) {
        return Err(EngineError::Config("a server in memory cannot be found on a network".to_owned()));
    }
    let when_unavailable = setup.when_unavailable;
    match (Announcer::open(setup, link, poller, random), when_unavailable) {
        (Ok(announcer), _) => {
            log::info!("answering those who look for servers, at port {}", announcer.port());
            Ok(Some(announcer))
        }
        (Err(error), WhenUnavailable::Fail) => Err(EngineError::Discovery(Arc::new(error))),
        (Err(error), WhenUnavailable::Warn) => {
            log::warn!("this server cannot be found on its networks: {error}");
            Ok(None)
        }
    }
}

/// How often another port is tried when the system's choice for datagrams is taken for streams.
const PORTS_TRIED: u32 = 16;

type Opened = (Link, Result<LinkTemplate, &'static str>, Option<SocketAddr>);

/// Opens the link, and listens for streams at the same port number unless told another.
fn open_links(
    setup: LinkSetup,
    listen_streams: Option<SocketAddr>,
    streams: &mut Streams,
    poller: &Poller,
) -> Result<Opened, BindError> {
    let Some(address) = listen_streams else {
        let (link, template) = setup.open()?;
        return Ok((link, template, None));
    };
    // Where the system chose the port, it can choose another one.
    let again = match &setup {
        LinkSetup::Udp(config) if config.address.port() == 0 && address.port() == 0 => Some(config.clone()),
        _ => None,
    };
    let (mut link, mut template) = setup.open()?;
    let mut tries = 1;
    loop {
        let port = if address.port() == 0 { link.local_address().port() } else { address.port() };
        match (streams.listen(SocketAddr::new(address.ip(), port), poller), &again) {
            (Ok(listening), _) => return Ok((link, template, Some(listening))),
            (Err(BindError::InUse { .. }), Some(config)) if tries < PORTS_TRIED => {
                tries += 1;
                (link, template) = LinkSetup::Udp(config.clone()).open()?;
            }
            (Err(error), _) => return Err(error),
        }
    }
}
