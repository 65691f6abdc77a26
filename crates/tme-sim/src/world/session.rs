//! One connection (or attempt) as both applications see it, with its oracles.

use std::collections::BTreeSet;

use tme_core::channel::{ChannelId, ChannelMode, ChannelTable};
use tme_core::connection::{PeerId, Side};
use tme_core::time::{Duration, Instant};

use crate::config::WorldConfig;
use crate::content::Stream;
use crate::oracle::{
    Breach, ChannelOracle, EndOracle, EndState, Oracle, Parting, ReceiptOracle, ReceiveMemory,
};

/// One end of a session.
#[derive(Debug)]
pub(super) struct End {
    pub(super) oracle: EndOracle,
    /// Its name for the other end.
    pub(super) peer: Option<PeerId>,
    /// Its connection id, once announced.
    pub(super) local_id: Option<u32>,
    pub(super) parting: Option<Parting>,
    /// It closed with a flush that came to its end in time.
    pub(super) has_flushed: bool,
    /// What it sends.
    pub(super) channels: Vec<ChannelOracle>,
    /// What it is told of that, by position.
    pub(super) receipts: Vec<ReceiptOracle>,
    pub(super) memory: ReceiveMemory,
    /// Channels that answered `WouldBlock` and have not been writable since.
    pub(super) blocked: BTreeSet<ChannelId>,
    pub(super) retransmissions: u64,
    pub(super) probe_timeouts: u64,
    pub(super) overflowed: u64,
    pub(super) expired: u64,
    pub(super) superseded: u64,
}

/// From an attempt to connect to the end of what became of it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: usize,
    pub(super) started_at: Instant,
    /// The number of the client in this connection, as told by either end.
    pub(super) number: Option<u32>,
    pub(super) idle_timeout: Duration,
    /// Client, then server.
    pub(super) ends: [End; 2],
}

/// Index of a side's end.
pub(super) const fn index_of(side: Side) -> usize {
    match side {
        Side::Client => 0,
        Side::Server => 1,
    }
}

/// The other side.
pub(super) const fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}

impl Session {
    pub(super) fn new(config: &WorldConfig, serial: usize, client: usize, now: Instant) -> Self {
        let limits = [config.clients[client].limits, config.server.limits];
        let end = |index: usize| {
            let channels = config.channels.entries().iter().zip(0u8..).map(|(entry, position)| {
                let stream = Stream::new(config.seed, serial as u64, index as u64, position);
                ChannelOracle::new(entry.mode, stream)
            });
            End {
                oracle: EndOracle::default(),
                peer: None,
                local_id: None,
                parting: None,
                has_flushed: false,
                channels: channels.collect(),
                receipts: vec![ReceiptOracle::default(); config.channels.count()],
                memory: ReceiveMemory::new(limits[index], config.connection.unreliable_backlog_max),
                blocked: BTreeSet::new(),
                retransmissions: 0,
                probe_timeouts: 0,
                overflowed: 0,
                expired: 0,
                superseded: 0,
            }
        };
        Self {
            client,
            started_at: now,
            number: None,
            idle_timeout: limits[0].shared_idle_timeout(&limits[1]),
            ends: [end(0), end(1)],
        }
    }

    pub(super) fn end(&self, side: Side) -> &End {
        &self.ends[index_of(side)]
    }

    pub(super) fn end_mut(&mut self, side: Side) -> &mut End {
        &mut self.ends[index_of(side)]
    }

    /// Both ends have been announced and none is over.
    pub(super) fn is_open(&self) -> bool {
        self.ends.iter().all(|end| end.oracle.is_open())
    }

    /// Nothing more will be reported of it at either end, as far as the applications can know.
    pub(super) fn is_over(&self) -> bool {
        let is_done = |end: &End| matches!(end.oracle.state(), EndState::Ended | EndState::Vanished);
        is_done(&self.ends[0])
            && (is_done(&self.ends[1]) || self.ends[1].oracle.state() == EndState::Unannounced)
    }

    /// Whether both ends agree that there is a connection, or that there is none.
    pub(super) fn check_settled(&self) -> Result<(), Breach> {
        let [client, server] = self.ends.each_ref().map(|end| end.oracle.state());
        let is_parting = self.ends.iter().any(|end| end.parting.is_some());
        let is_settled =
            client != EndState::Unannounced && (client == EndState::Open) == (server == EndState::Open);
        if is_settled && !is_parting {
            return Ok(());
        }
        let found = format!("client {client:?}, server {server:?}");
        Err(Breach::new(Oracle::Convergence, "both ends open or both over", found))
    }

    /// Whether what each end sent has arrived, as far as it was promised.
    pub(super) fn check_complete(&self) -> Result<(), Breach> {
        self.ends.iter().flat_map(|end| &end.channels).try_for_each(ChannelOracle::check_complete)?;
        for end in &self.ends {
            end.receipts.iter().try_for_each(ReceiptOracle::check_open)?;
            end.receipts.iter().try_for_each(ReceiptOracle::check_answered)?;
            end.check_claims()?;
        }
        Ok(())
    }

    /// A close with a flush that ended in time has delivered everything.
    pub(super) fn check_flush(&self) -> Result<(), Breach> {
        let both_ended = self.ends.iter().all(|end| end.oracle.state() == EndState::Ended);
        let both_opened = self.ends.iter().all(|end| end.oracle.opened_at().is_some());
        if !both_ended || !both_opened {
            return Ok(());
        }
        for end in self.ends.iter().filter(|end| end.has_flushed) {
            for channel in &end.channels {
                channel.check_complete().map_err(|breach| Breach {
                    expected: format!("{} before a graceful close ended", breach.expected),
                    ..breach
                })?;
            }
            end.check_claims()?;
        }
        Ok(())
    }

    /// Both ends name the client by one number.
    pub(super) fn note_number(&mut self, number: u32) -> Result<(), Breach> {
        match self.number.replace(number) {
            Some(known) if known != number => Err(Breach::new(
                Oracle::Lifecycle,
                format!("number {known}, as the other end was told"),
                format!("number {number}"),
            )),
            _ => Ok(()),
        }
    }
}

impl End {
    /// Whether what it was told has arrived has, where nothing may be dropped.
    fn check_claims(&self) -> Result<(), Breach> {
        let of_reliable =
            self.channels.iter().zip(&self.receipts).filter(|(channel, _)| channel.mode().is_reliable());
        of_reliable.map(|(_, receipts)| receipts).try_for_each(ReceiptOracle::check_claims)
    }
}

/// Position and mode of a channel.
pub(super) fn channel_of(table: &ChannelTable, id: ChannelId) -> Option<(usize, ChannelMode)> {
    let position = table.position(id)?;
    Some((position, table.entries().get(position)?.mode))
}
