//! A model of one direction of a bad network path, for simulations and for games that want to feel one.
//!
//! [`Link`] takes datagrams in and gives them back later, fewer, twice, damaged or in another order, as its
//! [`LinkConditions`] say. It reads no clock and opens no socket: time and a seed are arguments. A two-way
//! path is two links with different seeds.
//!
//! A datagram goes through these stages:
//!
//! 1. **Entry.** A partition, the MTU, the drop-tail queue and the memory limits may refuse it.
//! 2. **Bottleneck.** It waits until the datagrams before it have been sent at the configured rate.
//! 3. **Wire.** It may be lost, copied, damaged, held back, and takes its delay and jitter. A datagram lost
//!    here has used its share of the rate, as on a real radio link.
//! 4. **Delivery**, in the order of arrival times.
//!
//! The same seed and the same calls give the same result on every platform: decisions use integers and
//! correctly rounded IEEE-754 arithmetic only, never the platform's `ln`, `exp` or `pow`. What happens to the
//! n-th accepted datagram on the wire is drawn from a generator of its own, keyed by the seed and n, with one
//! number per knob; so turning one knob does not reshuffle what the others do.
//!
//! `docs/NETWORK_CONDITIONS.md` explains every knob and lists the presets.
//!
//! ```
//! use tme_core::link::{Link, LinkConditions};
//! use tme_core::time::{Duration, Instant};
//!
//! let conditions = LinkConditions { delay: Duration::from_millis(25), ..LinkConditions::default() };
//! let mut link = Link::new(conditions, 7)?;
//! link.handle_datagram(Instant::ZERO, b"hello", ());
//!
//! let arrival = link.poll_timeout().expect("one datagram is on its way");
//! assert_eq!(arrival, Instant::from_micros(25_000));
//! let delivery = link.poll_delivery(arrival).expect("it has arrived");
//! assert_eq!(delivery.bytes, b"hello");
//! # Ok::<(), tme_core::link::ConditionsError>(())
//! ```

mod buffers;
mod burst;
mod conditions;
mod error;
mod fate;
mod jitter;
mod preset;
mod queue;
mod statistics;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

pub use self::buffers::LinkLimits;
pub use self::burst::BurstLoss;
pub use self::conditions::{
    Bottleneck, CORRUPT_BITS_MAX, DELAY_MAX, IPV4_UDP_HEADER_BYTES, IPV6_UDP_HEADER_BYTES, LinkConditions,
    RATE_MAX,
};
pub use self::error::ConditionsError;
pub use self::jitter::Jitter;
pub use self::preset::{ParsePresetError, PathConditions, Preset};
pub use self::statistics::LinkStatistics;

use self::buffers::Buffers;
use self::burst::BurstState;
use self::fate::{Fate, Loss, Luck, flip_bits};
use self::queue::{Queue, Queued};
use crate::time::Instant;

/// One direction of a network path with configurable faults.
///
/// `T` travels beside the bytes unchanged (addresses, an ECN mark). Any order of calls is legal, and a clock
/// that steps back is harmless. Once the busiest moment has passed, no call allocates (datagrams above 1,536
/// bytes excepted).
#[derive(Clone, Debug)]
pub struct Link<T> {
    conditions: LinkConditions,
    partitioned: bool,
    luck: Luck,
    burst_state: BurstState,
    buffers: Buffers<T>,
    queue: Queue,
    wire: BinaryHeap<Reverse<Arrival>>,
    /// Datagrams accepted so far; the number of the next one.
    accepted: u64,
    /// Arrivals scheduled so far: breaks ties between equal arrival times.
    scheduled: u64,
    /// No datagram that keeps its place arrives before this.
    last_arrival: Instant,
    /// Datagrams numbered below this have been overtaken if they have not been delivered.
    next_expected: u64,
    statistics: LinkStatistics,
}

/// A datagram at the end of the link.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivery<'a, T> {
    /// The bytes, mutable so that a receiver can decrypt in place; valid until the next call on the link.
    pub bytes: &'a mut [u8],
    /// What the sender put beside the bytes.
    pub meta: T,
    /// When it arrived: at or before the `now` of the poll.
    pub arrived_at: Instant,
}

/// Where a datagram comes from, as far as reordering is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Copied {
    Original,
    Duplicate,
}

/// A scheduled arrival. The derived order is the order of delivery: by time, then as scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    at: Instant,
    order: u64,
    number: u64,
    slot: usize,
    copied: Copied,
}

impl<T: Clone> Link<T> {
    /// A link under `conditions` whose whole behaviour follows from `seed`, with the default [`LinkLimits`].
    ///
    /// # Errors
    /// As [`LinkConditions::validate`].
    pub fn new(conditions: LinkConditions, seed: u64) -> Result<Self, ConditionsError> {
        Self::with_limits(conditions, seed, LinkLimits::default())
    }

    /// As [`Link::new`], with limits on the memory that datagrams under way may take.
    ///
    /// # Errors
    /// As [`LinkConditions::validate`].
    pub fn with_limits(
        conditions: LinkConditions,
        seed: u64,
        limits: LinkLimits,
    ) -> Result<Self, ConditionsError> {
        conditions.validate()?;
        Ok(Self {
            conditions,
            partitioned: false,
            luck: Luck::new(seed),
            burst_state: BurstState::default(),
            buffers: Buffers::new(limits),
            queue: Queue::default(),
            wire: BinaryHeap::new(),
            accepted: 0,
            scheduled: 0,
            last_arrival: Instant::ZERO,
            next_expected: 0,
            statistics: LinkStatistics::default(),
        })
    }

    /// The conditions in force.
    #[must_use]
    pub fn conditions(&self) -> &LinkConditions {
        &self.conditions
    }

    /// What has happened to datagrams so far.
    #[must_use]
    pub fn statistics(&self) -> LinkStatistics {
        self.statistics
    }

    /// Whether the link refuses every datagram at its entry.
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        self.partitioned
    }

    /// Datagrams queued, on the wire, or arrived and not yet polled.
    #[must_use]
    pub fn in_flight_datagrams(&self) -> usize {
        self.buffers.datagrams()
    }

    /// Payload bytes of those datagrams.
    #[must_use]
    pub fn in_flight_bytes(&self) -> usize {
        self.buffers.bytes()
    }

    /// Bytes in the bottleneck's queue as of the last call that took the time, headers counted.
    #[must_use]
    pub fn queued_bytes(&self) -> u64 {
        self.queue.bytes()
    }

    /// Heap memory the link holds, apart from what a `T` may own. Walks all buffers: for tests and diagnosis.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.buffers.memory_bytes()
            + self.queue.memory_bytes()
            + self.wire.capacity() * size_of::<Reverse<Arrival>>()
    }

    /// Puts one datagram into the link at `now`. Whatever is dropped is counted in [`LinkStatistics`].
    pub fn handle_datagram(&mut self, now: Instant, bytes: &[u8], meta: T) {
        self.advance(now);
        self.statistics.offered += 1;
        if self.partitioned {
            self.statistics.partition_dropped += 1;
            return;
        }
        let wire_bytes = bytes.len() as u64 + u64::from(self.conditions.header_bytes);
        if self.conditions.mtu_bytes.is_some_and(|mtu| wire_bytes > u64::from(mtu)) {
            self.statistics.mtu_dropped += 1;
            return;
        }
        if !self.queue.has_room(wire_bytes, self.conditions.bottleneck) {
            self.statistics.queue_dropped += 1;
            return;
        }
        let Some(slot) = self.buffers.insert(bytes, meta) else {
            self.statistics.overflow += 1;
            return;
        };
        self.queue.push(now, Queued { slot, number: self.accepted, wire_bytes });
        self.accepted += 1;
        self.advance(now);
    }

    /// Changes the conditions from `now` on; what is under way is kept.
    ///
    /// Datagrams still in the bottleneck's queue leave it at the new rate (at once, if there is none now) and
    /// meet the new faults; datagrams on the wire keep their arrival times. A queue that is longer than the
    /// new limit is sent, not cut. Where order is kept it is kept across the change too: after a cut in delay,
    /// new datagrams wait for the old ones that are still on the wire.
    ///
    /// # Errors
    /// As [`LinkConditions::validate`]; then the old conditions stay in force.
    pub fn set_conditions(
        &mut self,
        now: Instant,
        conditions: LinkConditions,
    ) -> Result<(), ConditionsError> {
        conditions.validate()?;
        self.advance(now);
        self.conditions = conditions;
        self.advance(now);
        Ok(())
    }

    /// Cuts the link, or heals it. While it is cut, datagrams are refused at the entry; those that are already
    /// inside still arrive.
    pub fn set_partitioned(&mut self, partitioned: bool) {
        self.partitioned = partitioned;
    }

    /// The next datagram that has arrived by `now`, in the order of arrival times.
    pub fn poll_delivery(&mut self, now: Instant) -> Option<Delivery<'_, T>> {
        self.advance(now);
        let arrival = self.wire.peek().map(|next| next.0).filter(|next| next.at <= now)?;
        self.wire.pop();
        self.statistics.delivered += 1;
        if arrival.copied == Copied::Original {
            if arrival.number < self.next_expected {
                self.statistics.reordered += 1;
            }
            self.next_expected = self.next_expected.max(arrival.number + 1);
        }
        let (bytes, meta) = self.buffers.take(arrival.slot);
        Some(Delivery { bytes, meta, arrived_at: arrival.at })
    }

    /// When to poll next, or `None` if the link is empty.
    ///
    /// No datagram arrives before that. A poll at that time may still find nothing (the datagram was lost, or
    /// its jitter turned out longer than the shortest possible); then ask again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let on_wire = self.wire.peek().map(|next| next.0.at);
        let in_queue = self.queue.next_departure(self.conditions.bottleneck).map(|departure| {
            let earliest = departure + self.conditions.shortest_delay();
            if self.conditions.jitter_reorders { earliest } else { earliest.max(self.last_arrival) }
        });
        on_wire.into_iter().chain(in_queue).min()
    }

    /// Moves every datagram that the bottleneck has sent by `now` to the wire.
    fn advance(&mut self, now: Instant) {
        while let Some((sent, departure)) = self.queue.pop_sent(now, self.conditions.bottleneck) {
            self.put_on_wire(&sent, departure);
        }
    }

    /// Decides the fate of one datagram that left the bottleneck at `departure`.
    fn put_on_wire(&mut self, sent: &Queued, departure: Instant) {
        let mut random = self.luck.of(sent.number);
        let fate = Fate::draw(&self.conditions, &mut self.burst_state, &mut random);
        if let Some(loss) = fate.loss {
            match loss {
                Loss::Independent => self.statistics.lost += 1,
                Loss::Burst => self.statistics.burst_lost += 1,
            }
            self.buffers.release(sent.slot);
            return;
        }

        let mut place = departure + fate.delay;
        if !self.conditions.jitter_reorders {
            place = place.max(self.last_arrival);
        }
        self.last_arrival = self.last_arrival.max(place);
        // A datagram that is held back leaves its place to those behind it, so they can overtake it.
        let at = place + fate.held_back;
        self.schedule(at, sent.number, sent.slot, Copied::Original);

        // The copy is made before the damage: an intact one arrives even if the original does not.
        if let Some(extra) = fate.copy_after {
            match self.buffers.copy(sent.slot) {
                Some(slot) => self.schedule(at + extra, sent.number, slot, Copied::Duplicate),
                None => self.statistics.overflow += 1,
            }
            self.statistics.duplicated += 1;
        }
        if fate.flipped_bits > 0
            && flip_bits(self.buffers.bytes_mut(sent.slot), fate.flipped_bits, &mut random)
        {
            self.statistics.corrupted += 1;
        }
    }

    fn schedule(&mut self, at: Instant, number: u64, slot: usize, copied: Copied) {
        self.wire.push(Reverse(Arrival { at, order: self.scheduled, number, slot, copied }));
        self.scheduled += 1;
    }
}
