//! What a link counts.

use std::ops::Add;

use super::HintKind;

/// What a link has done since it was made. Plain numbers: copy them, subtract two copies for a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkStats {
    /// Datagrams received and handed on.
    pub datagrams_in: u64,
    /// Their payload bytes.
    pub bytes_in: u64,
    /// Datagrams the system took.
    pub datagrams_out: u64,
    /// Their payload bytes.
    pub bytes_out: u64,
    /// System calls made to receive.
    pub syscalls_in: u64,
    /// System calls made to send.
    pub syscalls_out: u64,
    /// Times the system handed over several datagrams as one (GRO).
    pub gro_batches: u64,
    /// Times we handed over several datagrams as one (GSO).
    pub gso_batches: u64,
    /// Times a send stopped because the queue was full.
    pub would_block: u64,
    /// Datagrams thrown away because they did not fit the receive buffer.
    pub truncated: u64,
    /// Datagrams thrown away because they came from port 0, which nobody can answer.
    pub bad_source: u64,
    /// Memory links: datagrams thrown away because the receiver's queue was full.
    pub queue_full: u64,
    /// Datagrams sent from a source address the system chose, because the wanted one is gone.
    pub source_replaced: u64,
    /// Hints thrown away because nobody fetched the earlier ones.
    pub hints_lost: u64,
    /// Hints, by kind.
    pub hints: HintCounts,
}

impl Add for LinkStats {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let Self {
            datagrams_in,
            bytes_in,
            datagrams_out,
            bytes_out,
            syscalls_in,
            syscalls_out,
            gro_batches,
            gso_batches,
            would_block,
            truncated,
            bad_source,
            queue_full,
            source_replaced,
            hints_lost,
            hints,
        } = other;
        Self {
            datagrams_in: self.datagrams_in + datagrams_in,
            bytes_in: self.bytes_in + bytes_in,
            datagrams_out: self.datagrams_out + datagrams_out,
            bytes_out: self.bytes_out + bytes_out,
            syscalls_in: self.syscalls_in + syscalls_in,
            syscalls_out: self.syscalls_out + syscalls_out,
            gro_batches: self.gro_batches + gro_batches,
            gso_batches: self.gso_batches + gso_batches,
            would_block: self.would_block + would_block,
            truncated: self.truncated + truncated,
            bad_source: self.bad_source + bad_source,
            queue_full: self.queue_full + queue_full,
            source_replaced: self.source_replaced + source_replaced,
            hints_lost: self.hints_lost + hints_lost,
            hints: HintCounts(std::array::from_fn(|kind| self.hints.0[kind] + hints.0[kind])),
        }
    }
}

/// How often each kind of hint came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HintCounts([u64; HintKind::ALL.len()]);

impl HintCounts {
    /// How often hints of this kind came.
    #[must_use]
    pub const fn of(&self, kind: HintKind) -> u64 {
        self.0[kind as usize]
    }

    /// How many hints of all kinds came.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(crate) fn count(&mut self, kind: HintKind) {
        self.0[kind as usize] += 1;
    }
}
