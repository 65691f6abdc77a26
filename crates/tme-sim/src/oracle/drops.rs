//! Every datagram is taken or counted as dropped, and the reason fits what the network did to it.

use tme_core::connection::PacketDrop;
use tme_core::crypto::replay::REPLAY_WINDOW;
use tme_core::endpoint::EndpointStatistics;

use super::{Breach, Oracle};

/// What a datagram was when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramKind {
    /// A data packet.
    Data,
    /// A handshake datagram.
    Handshake,
    /// Neither.
    Foreign,
}

impl DatagramKind {
    /// What the first byte says.
    #[must_use]
    pub fn of(datagram: &[u8]) -> Self {
        match datagram {
            [0x80..=0xFF, ..] => Self::Data,
            [b'T', b'M', b'E', b'D', ..] => Self::Handshake,
            _ => Self::Foreign,
        }
    }
}

/// What is known of one datagram that an endpoint took in.
#[derive(Clone, Copy, Debug)]
pub struct DropFacts {
    /// What it was when it was sent.
    pub kind: DatagramKind,
    /// It arrived as it was sent, at the address it was sent to, from the address it was sent from.
    pub is_intact: bool,
    /// Somebody sent it on, as it was, from an address of his own: it may be taken.
    pub is_forwarded: bool,
    /// No copy of it arrived here before.
    pub is_first: bool,
    /// The connection it is for was open here when it arrived.
    pub is_open: bool,
    /// How far its number lies below the largest that arrived here before; 0 if it is the largest.
    pub behind: u64,
    /// How often the keys were renewed between this packet and the newest that arrived here before.
    pub generations_behind: u64,
    /// The newest keys were first seen so recently that those before them must still be there.
    pub is_key_fresh: bool,
}

impl DropFacts {
    const fn may_have_outlived_its_keys(&self) -> bool {
        match self.generations_behind {
            0 => false,
            1 => !self.is_key_fresh,
            _ => true,
        }
    }
}

/// An endpoint's drop counters before or after a datagram.
#[derive(Clone, Copy, Debug)]
pub struct DropTally {
    received: u64,
    packets: [u64; PacketDrop::ALL.len()],
    handshake: u64,
}

impl DropTally {
    /// The counters of an endpoint.
    #[must_use]
    pub fn of(statistics: &EndpointStatistics) -> Self {
        Self {
            received: statistics.datagrams_received,
            packets: PacketDrop::ALL.map(|reason| statistics.drops.of(reason)),
            handshake: statistics.handshake.drops.total(),
        }
    }

    /// Data packets dropped for this reason.
    #[must_use]
    pub const fn of_reason(&self, reason: PacketDrop) -> u64 {
        self.packets[reason as usize]
    }

    /// Everything dropped.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.packets.iter().sum::<u64>() + self.handshake
    }
}

/// Judges what became of one datagram by the counters before and after it.
pub fn judge_drop(facts: &DropFacts, before: &DropTally, after: &DropTally) -> Result<(), Breach> {
    let breach = |expected: &str, found: String| {
        Err(Breach::new(Oracle::Drops, expected, format!("{found}; {facts:?}")))
    };
    if after.received != before.received + 1 {
        return breach("one datagram counted", format!("{}", after.received.wrapping_sub(before.received)));
    }
    let mut reasons = PacketDrop::ALL
        .iter()
        .zip(before.packets.iter().zip(after.packets))
        .filter(|(_, (before, after))| *before != after)
        .map(|(&reason, _)| reason);
    let (reason, other) = (reasons.next(), reasons.next());
    let handshake_drops = after.handshake - before.handshake;
    let counted: u64 =
        after.packets.iter().sum::<u64>() - before.packets.iter().sum::<u64>() + handshake_drops;
    if counted > 1 || other.is_some() {
        return breach("a datagram counted as dropped at most once", format!("counted {counted} times"));
    }
    if facts.kind != DatagramKind::Data || !facts.is_intact {
        // Damage can turn a data packet into anything, so only an untouched one must be what it was.
        let is_lost_for_sure = facts.kind == DatagramKind::Foreign
            || (facts.kind == DatagramKind::Data && !facts.is_intact && !facts.is_forwarded);
        if is_lost_for_sure && counted == 0 {
            return breach("a damaged or foreign datagram to be dropped", "it was taken".into());
        }
        return Ok(());
    }
    match reason {
        None if handshake_drops > 0 => breach("a data packet", "dropped as a handshake datagram".into()),
        None if !facts.is_first => breach("a repeated packet to be dropped", "it was taken".into()),
        None => Ok(()),
        Some(_) if !facts.is_first => Ok(()),
        Some(PacketDrop::UnknownConnection | PacketDrop::Closed | PacketDrop::ForeignAddress)
            if !facts.is_open =>
        {
            Ok(())
        }
        Some(PacketDrop::TooOld) if facts.behind >= REPLAY_WINDOW => Ok(()),
        // Two generations have one phase bit: a packet so late that its own keys are gone may be tried with others.
        Some(PacketDrop::KeyErased | PacketDrop::Unauthentic) if facts.may_have_outlived_its_keys() => Ok(()),
        Some(reason) => breach("an intact new packet to be taken", format!("dropped as {reason}")),
    }
}
