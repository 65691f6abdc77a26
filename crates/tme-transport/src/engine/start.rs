//! Putting an engine together: the link, the endpoint, the way to a server, and who drives.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tme_core::crypto::suite::Suite;
use tme_core::datagram::LinkKind;
use tme_core::endpoint::{Endpoint, Shard};

use super::announcer::{Announcer, DiscoverySetup, WhenUnavailable};
use super::connector::Connector;
use super::crew::{Bell, Crew};
use super::driver::{Driver, DriverParts};
use super::network_thread::run_thread;
use super::post::Post;
use super::rebind::Rebinding;
use super::shared::Shared;
use super::{Drive, Engine, EngineConfig, EngineError, Handle, Runner};
use crate::clock::Clock;
use crate::link::stream::Streams;
use crate::link::udp::{BindError, UdpConfig};
use crate::link::{Link, LinkSetup, LinkTemplate};
use crate::poller::{EVENTS_DEFAULT, Poller};
use crate::random::SystemRandom;
use crate::resolve::{ResolveError, Resolver, TIMEOUT_DEFAULT};
use crate::workers::Workers;

impl Engine {
    /// Binds the socket and begins.
    ///
    /// # Errors
    /// [`EngineError`] names what is missing. A connection that cannot be made is no error here but an event.
    pub fn start(config: EngineConfig) -> Result<Self, EngineError> {
        let system = |error: &dyn fmt::Display| EngineError::System(error.to_string());
        let clock = Clock::start();
        let mut random = SystemRandom::new().map_err(|error| system(&error))?;
        let poller = Poller::new(EVENTS_DEFAULT).map_err(|error| system(&error))?;
        let mut streams = Streams::new(config.streams);
        let udp = match &config.link {
            LinkSetup::Udp(udp) => Some(udp.clone()),
            LinkSetup::Memory(_) => None,
        };
        let (link, template, stream_address) =
            open_links(config.link, config.listen_streams, &mut streams, &poller)?;
        let mut announcer = match config.discovery {
            Some(setup) => announce(setup, &link, &poller, &mut random)?,
            None => None,
        };
        let discovery_port = announcer.as_ref().map(Announcer::port);
        let is_shared = config.drive == Drive::Threaded && config.endpoint.server.is_some();
        let threads = if is_shared { config.network_threads.clamp(1, Shard::COUNT_MAX) } else { 1 };
        let mut links = links_beside(&link, udp.as_ref(), threads);
        links.insert(0, link);
        let mut endpoints = match links.len() {
            1 => Endpoint::new(config.endpoint, &mut random).map(|endpoint| vec![endpoint]),
            count => Endpoint::siblings(config.endpoint, count as u8, &mut random),
        }
        .map_err(|error| EngineError::Config(error.to_string()))?;
        let template = match &config.connect {
            None => Err("a server keeps its socket: its clients know no other address"),
            Some((_, handshake)) if handshake.suites.contains(Suite::Plaintext) => {
                Err("in plaintext nobody can prove to be the same at another address")
            }
            Some(_) => template,
        };
        let wake = poller.wake_handle();
        let workers = Arc::new(Workers::new(config.executor));
        // What is done by workers is told once.
        let mut tally = Some(Arc::clone(workers.tally()));
        let (mut resolver, mut connector) = match config.connect {
            Some((target, handshake)) => {
                let mut resolver = Resolver::new(TIMEOUT_DEFAULT, Some(wake.clone()), workers);
                let id = resolver.resolve(&target, clock.now()).map_err(|error| match error {
                    ResolveError::Workers(_) => system(&error),
                    error => EngineError::Config(format!("{target}: {error}")),
                })?;
                (Some(resolver), Some(Connector::resolving(target, id, handshake, config.choice)))
            }
            None => (None, None),
        };
        let local_address = links.first().map_or(([0, 0, 0, 0], 0).into(), Link::local_address);
        let public_key = endpoints.first().and_then(Endpoint::public_key);
        if public_key.is_some() {
            log::info!("listening on {local_address}");
        }
        if let Some(address) = stream_address {
            log::info!("listening on {address} over TCP");
        }

        let mut pollers = vec![poller];
        let mut all_streams = Vec::new();
        for _ in 1..links.len() {
            pollers.push(Poller::new(EVENTS_DEFAULT).map_err(|error| system(&error))?);
            all_streams.push(streams.beside());
        }
        all_streams.insert(0, streams);
        let is_single = links.len() == 1;
        let post = (!is_single).then(|| Arc::new(Post::between(pollers.iter().map(Poller::wake_handle))));
        let bell = (!is_single).then(Arc::<Bell>::default);
        let gathering = if config.drive == Drive::Threaded { config.gathering } else { Duration::ZERO };
        let mut drivers = Vec::with_capacity(links.len());
        let mut all_shared = Vec::with_capacity(links.len());
        let parts = links.into_iter().zip(endpoints.drain(..)).zip(pollers).zip(all_streams);
        for (((link, endpoint), poller), streams) in parts {
            let rebinding = Rebinding::new(local_address, template.clone());
            let shared =
                Shared::new(clock, poller.wake_handle(), rebinding, tally.take().unwrap_or_default());
            let shared = match &bell {
                Some(bell) => shared.for_shard(endpoint.shard(), Arc::clone(bell)),
                None => shared,
            };
            let shared = Arc::new(shared);
            all_shared.push(Arc::clone(&shared));
            let driver = Driver::new(DriverParts {
                endpoint,
                link,
                streams,
                poller,
                clock,
                random: SystemRandom::new().map_err(|error| system(&error))?,
                resolver: resolver.take(),
                connector: connector.take(),
                announcer: announcer.take(),
                shared,
                gathering,
                post: post.clone(),
            });
            drivers.push(driver.map_err(|error| system(&error))?);
        }
        let mut all_shared = all_shared.into_iter();
        let first = all_shared.next().ok_or(EngineError::Closed)?;
        let crew = Arc::new(Crew::of(first, all_shared.collect(), bell));
        let runner = match config.drive {
            Drive::Inline => drivers.pop().map_or(Runner::Ended, |driver| Runner::Inline(Box::new(driver))),
            Drive::Threaded => Runner::Threaded(spawn_all(drivers, &crew).map_err(|error| system(&error))?),
        };
        Ok(Self {
            runner,
            drive: config.drive,
            handle: Handle { crew },
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

/// Further sockets at the port of a server's link, for its further network threads; none where that is not to be had.
fn links_beside(link: &Link, config: Option<&UdpConfig>, threads: u8) -> Vec<Link> {
    let (Link::Udp(first), Some(config), 2..) = (link, config, threads) else { return Vec::new() };
    match first.bind_beside(config, usize::from(threads) - 1) {
        Ok(links) => links.into_iter().map(Link::from).collect(),
        Err(error) => {
            log::warn!("one network thread instead of {threads}: the system shares no port: {error}");
            Vec::new()
        }
    }
}

/// Starts a thread for each driver. If one cannot be had, those before it end.
fn spawn_all(drivers: Vec<Driver>, crew: &Arc<Crew>) -> io::Result<Vec<JoinHandle<()>>> {
    let mut threads = Vec::with_capacity(drivers.len());
    let count = drivers.len();
    for (index, (driver, shared)) in drivers.into_iter().zip(crew.all()).enumerate() {
        let name = if count == 1 { "tme-net".to_owned() } else { format!("tme-net-{index}") };
        let (shared, its_crew) = (Arc::clone(shared), Arc::clone(crew));
        let thread = std::thread::Builder::new().name(name);
        match thread.spawn(move || run_thread(driver, &shared, &its_crew)) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                crew.stop_all();
                threads.into_iter().for_each(|thread| drop(thread.join()));
                return Err(error);
            }
        }
    }
    Ok(threads)
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
) -> Result<Opened, EngineError> {
    let open = |setup: LinkSetup| setup.open().map_err(|error| EngineError::bind(LinkKind::Udp, error));
    let Some(address) = listen_streams else {
        let (link, template) = open(setup)?;
        return Ok((link, template, None));
    };
    // Where the system chose the port, it can choose another one.
    let again = match &setup {
        LinkSetup::Udp(config) if config.address.port() == 0 && address.port() == 0 => Some(config.clone()),
        _ => None,
    };
    let (mut link, mut template) = open(setup)?;
    let mut tries = 1;
    loop {
        let port = if address.port() == 0 { link.local_address().port() } else { address.port() };
        match (streams.listen(SocketAddr::new(address.ip(), port), poller), &again) {
            (Ok(listening), _) => return Ok((link, template, Some(listening))),
            (Err(BindError::InUse { .. }), Some(config)) if tries < PORTS_TRIED => {
                tries += 1;
                (link, template) = open(LinkSetup::Udp(config.clone()))?;
            }
            (Err(error), _) => return Err(EngineError::bind(LinkKind::Tcp, error)),
        }
    }
}
