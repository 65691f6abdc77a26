//! What a link counted.

/// Counts of datagrams since the link was made, one per thing that can happen to them.
///
/// Every datagram is accounted for: `offered + duplicated` is always [`accounted`](Self::accounted) plus the
/// datagrams still in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStatistics {
    /// Datagrams handed to the link.
    pub offered: u64,
    /// Datagrams delivered, copies included.
    pub delivered: u64,
    /// Lost on the wire, independently of each other.
    pub lost: u64,
    /// Lost on the wire by the burst model.
    pub burst_lost: u64,
    /// Refused because the bottleneck's queue was full.
    pub queue_dropped: u64,
    /// Refused because they were larger than the MTU.
    pub mtu_dropped: u64,
    /// Refused because the link was partitioned.
    pub partition_dropped: u64,
    /// Refused, or copies not made, because the link's memory limits were reached.
    pub overflow: u64,
    /// Copies that the duplication knob decided on.
    pub duplicated: u64,
    /// Datagrams with flipped bits.
    pub corrupted: u64,
    /// Datagrams delivered after one that had entered later (RFC 4737's meaning; copies do not count).
    pub reordered: u64,
}

impl LinkStatistics {
    /// Datagrams that are no longer in the link: delivered, lost or refused.
    #[must_use]
    pub const fn accounted(&self) -> u64 {
        self.delivered + self.dropped()
    }

    /// Datagrams (copies included) that were lost or refused, whatever the reason.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.lost
            + self.burst_lost
            + self.queue_dropped
            + self.mtu_dropped
            + self.partition_dropped
            + self.overflow
    }
}
