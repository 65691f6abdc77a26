//! Two ends of a connection over modelled links, on a virtual clock.

use std::net::SocketAddr;

use super::*;

pub(super) const CHANNELS: [&str; 5] = ["unreliable", "sequenced", "unordered", "ordered", "latest"];
pub(super) const UNRELIABLE: ChannelId = ChannelId(0);
pub(super) const SEQUENCED: ChannelId = ChannelId(1);
pub(super) const UNORDERED: ChannelId = ChannelId(2);
pub(super) const ORDERED: ChannelId = ChannelId(3);
pub(super) const LATEST: ChannelId = ChannelId(4);
pub(super) const CLIENT: usize = 0;
pub(super) const SERVER: usize = 1;

pub(super) struct End {
    pub(super) connection: Connection,
    pub(super) workspace: Workspace,
    pub(super) link: Link<()>,
    /// Messages by channel.
    pub(super) received: Vec<Vec<Payload>>,
    pub(super) events: Vec<Event>,
    pub(super) is_reading: bool,
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
}

pub(super) struct Pair {
    pub(super) now: Instant,
    pub(super) ends: [End; 2],
}

impl Pair {
    pub(super) fn new(conditions: LinkConditions, seed: u64) -> Self {
        Self::with(conditions, seed, ConnectionConfig::default(), Limits::default())
    }

    pub(super) fn with(
        conditions: LinkConditions,
        seed: u64,
        config: ConnectionConfig,
        limits: Limits,
    ) -> Self {
        let channels = CHANNELS.iter().zip(ChannelMode::ALL).map(|(name, mode)| Channel::new(*name, mode));
        let table = Arc::new(ChannelTable::new(channels).unwrap());
        let addresses: [SocketAddr; 2] = ["10.0.0.1:1000".parse().unwrap(), "10.0.0.2:2000".parse().unwrap()];
        let end = |index: usize| {
            let negotiated = Negotiated {
                side: if index == CLIENT { Side::Client } else { Side::Server },
                path: Path { remote: addresses[1 - index], local: None },
                local_id: index as u32 + 1,
                remote_id: 2 - index as u32,
                suite: Suite::Aes256Gcm,
                secrets: SessionSecrets {
                    send: [index as u8; 32].into(),
                    receive: [1 - index as u8; 32].into(),
                },
                local_limits: limits,
                remote_limits: limits,
                table: Arc::clone(&table),
                reset_token: None,
                rtt: None,
                info: Box::new(Connected {
                    remote: addresses[1 - index],
                    number: 2,
                    key: None,
                    is_first_use: false,
                    token: None,
                    user_data: Payload::empty(),
                }),
            };
            let mut workspace = Workspace::default();
            let peer = PeerId::new(index + 1, 1);
            End {
                connection: Connection::new(Instant::ZERO, peer, config, negotiated, &mut workspace),
                workspace,
                link: Link::new(conditions, seed * 2 + index as u64).unwrap(),
                received: vec![Vec::new(); CHANNELS.len()],
                events: Vec::new(),
                is_reading: true,
                datagrams: 0,
                bytes: 0,
            }
        };
        Self { now: Instant::ZERO, ends: [end(CLIENT), end(SERVER)] }
    }

    pub(super) fn send(&mut self, from: usize, channel: ChannelId, bytes: &[u8]) -> Result<(), SendError> {
        self.ends[from].connection.send(self.now, channel, Payload::from(bytes), SendOptions::default())
    }

    /// Lets both ends do what they can at this instant, then moves to the next one; `false` when idle until `until`.
    pub(super) fn step(&mut self, until: Instant) -> bool {
        for index in [CLIENT, SERVER] {
            let [client, server] = &mut self.ends;
            let (end, other) = if index == CLIENT { (client, server) } else { (server, client) };
            if end.connection.poll_timeout().is_some_and(|at| at <= self.now) {
                end.connection.handle_timeout(self.now, &mut end.workspace);
            }
            while let Some(delivery) = other.link.poll_delivery(self.now) {
                let path = end.connection.path();
                let _ = end.connection.handle_datagram(
                    self.now,
                    path,
                    Ecn::NotCapable,
                    delivery.bytes,
                    &mut end.workspace,
                );
            }
            end.take_events();
            let mut buffer = Vec::new();
            let limits = TransmitLimits { segments: 8, bytes: 65_000 };
            while let Some(transmit) =
                end.connection.poll_transmit(self.now, limits, &mut buffer, &mut end.workspace)
            {
                for datagram in buffer.chunks(transmit.segment_bytes.unwrap_or(transmit.bytes)) {
                    assert!(datagram.len() <= end.connection.mtu.ceiling());
                    end.datagrams += 1;
                    end.bytes += datagram.len() as u64;
                    end.link.handle_datagram(self.now, datagram, ());
                }
                buffer.clear();
            }
        }
        let wake_ups =
            self.ends.iter().flat_map(|end| [end.connection.poll_timeout(), end.link.poll_timeout()]);
        let next = wake_ups.flatten().min().unwrap_or(until);
        // A deadline that stays in the past would be a busy loop.
        self.now =
            next.clamp(self.now + Duration::from_micros(1), until.max(self.now + Duration::from_micros(1)));
        self.now < until
    }

    pub(super) fn run_for(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.step(until) {}
        self.now = until;
    }

    /// Runs until `is_done`, at most a virtual hour.
    pub(super) fn run_until(&mut self, is_done: impl Fn(&Self) -> bool) {
        let until = self.now + Duration::from_secs(3_600);
        while !is_done(self) {
            assert!(
                self.step(until) || is_done(self),
                "not done after an hour: {:?}",
                self.ends.each_ref().map(|end| &end.connection)
            );
        }
    }

    pub(super) fn statistics(&self, index: usize) -> ConnectionStatistics {
        self.ends[index].connection.statistics(self.now)
    }
}

impl End {
    pub(super) fn take_events(&mut self) {
        while self.is_reading
            && let Some(event) = self.workspace.poll_event()
        {
            let has_left = self.events.iter().any(|event| matches!(event, Event::Disconnected { .. }));
            assert!(!has_left, "nothing is heard of a peer that has left: {event:?}");
            match event {
                Event::Message { channel, payload, .. } => {
                    self.connection.consume(channel, payload.len() as u64, 1);
                    self.received[usize::from(channel.0)].push(payload);
                }
                Event::Connected { .. } => {}
                Event::Delivered { channel, .. } | Event::Expired { channel, .. } => {
                    self.connection.consume_receipts(channel, 1, &mut self.workspace);
                    self.events.push(event);
                }
                other => self.events.push(other),
            }
        }
    }

    pub(super) fn numbers(&self, channel: ChannelId) -> Vec<u32> {
        self.received[usize::from(channel.0)]
            .iter()
            .map(|payload| u32::from_le_bytes(payload[..4].try_into().unwrap()))
            .collect()
    }
}

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn terrible() -> LinkConditions {
    LinkConditions {
        loss: 0.3,
        duplicate: 0.3,
        delay: ms(120),
        jitter: Jitter::Uniform { half_width: ms(100) },
        jitter_reorders: true,
        ..LinkConditions::default()
    }
}

/// A config whose packet numbers and sequences are about to wrap in every width that travels.
pub(super) fn next_to_wrap(sequence: u64) -> ConnectionConfig {
    ConnectionConfig {
        start: StartNumbers { packet: (1 << 32) - 100, sequence },
        ..ConnectionConfig::default()
    }
}
