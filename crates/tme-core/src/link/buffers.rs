//! Memory for the datagrams inside a link: recycled, and bounded.

/// Limits on what a link may hold at one moment. A datagram beyond either is dropped and counted as
/// [`overflow`](super::LinkStatistics::overflow).
///
/// The default is 16,384 datagrams and 16 MiB of payload: a link of 100 Mbit/s that holds a second of traffic
/// (queue and delay together) carries 12.5 MB, which is 10,400 datagrams of 1,200 bytes. Buffers are made when
/// first needed and recycled; memory never exceeds about `datagrams × 1.7 KiB + bytes`, 43 MiB for the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkLimits {
    /// Datagrams in flight.
    pub datagrams: usize,
    /// Payload bytes in flight.
    pub bytes: usize,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self { datagrams: 16_384, bytes: 16 * 1024 * 1024 }
    }
}

/// Room in every recycled buffer: an Ethernet frame's 1,500 bytes, rounded up to a multiple of 512. All buffers
/// have this size from the start, so that recycling never grows one. Larger datagrams get a buffer of their own
/// that is freed afterwards: if it were kept, a few jumbo datagrams at a time could inflate all buffers.
pub(super) const BUFFER_BYTES: usize = 1_536;

/// Datagrams in slots; slots are recycled with their memory.
#[derive(Clone, Debug)]
pub(super) struct Buffers<T> {
    slots: Vec<Slot<T>>,
    free: Vec<usize>,
    limits: LinkLimits,
    bytes: usize,
    /// The datagram most recently taken, which the receiver may still be reading.
    taken: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Slot<T> {
    bytes: Vec<u8>,
    /// Empty exactly while the slot is free.
    meta: Option<T>,
}

impl<T: Clone> Buffers<T> {
    pub(super) fn new(limits: LinkLimits) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), limits, bytes: 0, taken: Vec::new() }
    }

    /// Datagrams stored.
    pub(super) fn datagrams(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Bytes stored.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.slots.iter().map(|slot| slot.bytes.capacity()).sum::<usize>()
            + self.taken.capacity()
            + self.slots.capacity() * size_of::<Slot<T>>()
            + self.free.capacity() * size_of::<usize>()
    }

    /// Stores a datagram and says in which slot; `None` if a limit stands against it.
    pub(super) fn insert(&mut self, bytes: &[u8], meta: T) -> Option<usize> {
        let room = self.limits.bytes - self.bytes;
        if self.datagrams() >= self.limits.datagrams || bytes.len() > room {
            return None;
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { bytes: Vec::new(), meta: None });
            self.slots.len() - 1
        });
        let slot = &mut self.slots[index];
        slot.bytes.clear();
        slot.bytes.reserve_exact(bytes.len().max(BUFFER_BYTES));
        slot.bytes.extend_from_slice(bytes);
        slot.meta = Some(meta);
        self.bytes += bytes.len();
        Some(index)
    }

    /// Stores a second copy of what is in `index`; `None` if a limit stands against it.
    pub(super) fn copy(&mut self, index: usize) -> Option<usize> {
        let meta = self.slots[index].meta.clone()?;
        let bytes = std::mem::take(&mut self.slots[index].bytes);
        let copied = self.insert(&bytes, meta);
        self.slots[index].bytes = bytes;
        copied
    }

    /// The bytes in a slot, to be changed in place.
    pub(super) fn bytes_mut(&mut self, index: usize) -> &mut [u8] {
        &mut self.slots[index].bytes
    }

    /// Takes a datagram out; the slot is free again, the bytes stay valid as long as the borrow.
    ///
    /// # Panics
    /// If the slot is free, which would be a defect of [`Link`](super::Link): it schedules each slot once.
    pub(super) fn take(&mut self, index: usize) -> (&mut [u8], T) {
        let slot = &mut self.slots[index];
        let meta = slot.meta.take().expect("a scheduled slot holds a datagram");
        // The receiver's last buffer goes back into the slot, this one is lent out instead.
        std::mem::swap(&mut self.taken, &mut slot.bytes);
        self.bytes -= self.taken.len();
        Self::shrink(slot);
        self.free.push(index);
        (&mut self.taken, meta)
    }

    /// Forgets a datagram.
    pub(super) fn release(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.meta = None;
        self.bytes -= slot.bytes.len();
        Self::shrink(slot);
        self.free.push(index);
    }

    /// Gives the memory of a jumbo datagram back.
    fn shrink(slot: &mut Slot<T>) {
        if slot.bytes.capacity() > BUFFER_BYTES {
            slot.bytes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_limit_refuses_a_datagram() {
        let mut buffers = Buffers::new(LinkLimits { datagrams: 3, bytes: 1_000 });
        assert!(buffers.insert(&[0xA5; 900], ()).is_some());
        assert_eq!(buffers.insert(&[0xA5; 101], ()), None);
        assert!(buffers.insert(&[0xA5; 100], ()).is_some());
        assert!(buffers.insert(&[], ()).is_some());
        assert_eq!(buffers.insert(&[], ()), None);
        assert_eq!((buffers.datagrams(), buffers.bytes()), (3, 1_000));
    }

    #[test]
    fn a_slot_is_used_again_with_its_memory() {
        let mut buffers = Buffers::new(LinkLimits::default());
        for round in 0..100 {
            let first = buffers.insert(&[1; 1_200], round).expect("within the limits");
            let second = buffers.copy(first).expect("within the limits");
            buffers.release(second);
            let (bytes, meta) = buffers.take(first);
            assert_eq!((bytes, meta), (&mut [1; 1_200][..], round));
        }
        assert_eq!((buffers.slots.len(), buffers.datagrams(), buffers.bytes()), (2, 0, 0));
        assert!(buffers.memory_bytes() < 3 * BUFFER_BYTES + 1_024);
    }

    #[test]
    fn jumbo_datagrams_do_not_leave_jumbo_buffers_behind() {
        let limits = LinkLimits { datagrams: 64, bytes: 1_000_000 };
        let mut buffers = Buffers::new(limits);
        for _ in 0..8 {
            // Small datagrams free their slots after the jumbo ones, so the next round takes other slots.
            let jumbo: Vec<usize> = (0..15).filter_map(|_| buffers.insert(&[0xA5; 65_507], ())).collect();
            let small: Vec<usize> = (0..49).filter_map(|_| buffers.insert(&[0xA5; 10], ())).collect();
            jumbo.into_iter().chain(small).for_each(|slot| buffers.release(slot));
        }
        assert!(buffers.memory_bytes() <= limits.datagrams * (BUFFER_BYTES + 200));
    }
}
