//! The data of the events that a handle was last polled for, found again by id from any thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tme::{Event, Payload};

use crate::boundary::must_not_be_null;
use crate::event::{self, TmeEvent};
use crate::failure::Failure;
use crate::message::TmeMessageId;
use crate::result::{
    TME_ERROR_LENGTH, TME_ERROR_SYSTEM, TME_ERROR_TOO_MANY_RETAINED, TME_ERROR_UNKNOWN_MESSAGE,
};

/// Most events that one poll gives: the index of a message id has 12 bits.
pub(crate) const EVENTS_PER_POLL_MAX: usize = 1 << INDEX_BITS;

/// How many events a poll may write there: what the caller has room for, and at most what a poll takes.
pub(crate) fn check_event_room(
    events: *mut TmeEvent,
    capacity: u32,
    count: *mut u32,
) -> Result<usize, Failure> {
    must_not_be_null(count, "there is no place for the count")?;
    let capacity = (capacity as usize).min(EVENTS_PER_POLL_MAX);
    if capacity > 0 {
        must_not_be_null(events, "there is no place for the events")?;
    }
    if !events.is_aligned() {
        return Err(Failure::with(TME_ERROR_LENGTH, "the array is not aligned for events"));
    }
    Ok(capacity)
}
const INDEX_BITS: u32 = 12;
const SERIAL_BITS: u32 = 32;
/// Most handles at a time: what is left of 64 bits.
const HANDLES_MAX: u32 = (1 << (64 - SERIAL_BITS - INDEX_BITS)) - 1;

/// All inboxes of the process by number. Empty, it owns no memory: the library may be unloaded then.
static INBOXES: Mutex<Registry> = Mutex::new(Registry { inboxes: BTreeMap::new(), newest: 0, laps: 0 });

struct Registry {
    inboxes: BTreeMap<u32, Weak<Inbox>>,
    newest: u32,
    /// How often the numbers began anew: the next owner of a number counts its polls from elsewhere.
    laps: u32,
}

/// See the module.
#[derive(Debug)]
pub struct Inbox {
    number: u32,
    batch: Mutex<Batch>,
    quota: Arc<Quota>,
}

#[derive(Debug)]
struct Batch {
    /// How many polls gave data before this one. Their ids do not match it.
    serial: u32,
    payloads: Vec<Payload>,
}

/// How many messages of a handle are retained.
#[derive(Debug)]
struct Quota {
    count: AtomicUsize,
    max: usize,
}

/// One retained message; gives its place back when it is dropped.
#[derive(Debug)]
pub struct Ticket(Arc<Quota>);

impl Ticket {
    fn take(quota: &Arc<Quota>) -> Result<Self, Failure> {
        let before = quota.count.fetch_add(1, Ordering::Relaxed);
        let ticket = Self(Arc::clone(quota));
        if before < quota.max {
            return Ok(ticket);
        }
        let max = quota.max;
        drop(ticket);
        Err(Failure::text(TME_ERROR_TOO_MANY_RETAINED, format_args!("{max} messages are retained")))
    }

    /// One more message of the same handle.
    pub fn another(&self) -> Result<Self, Failure> {
        Self::take(&self.0)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Inbox {
    /// An inbox that can be found by its number until it is dropped.
    pub fn register(retained_max: usize) -> Result<Arc<Self>, Failure> {
        let mut registry = INBOXES.lock();
        if registry.inboxes.len() >= HANDLES_MAX as usize {
            return Err(Failure::with(TME_ERROR_SYSTEM, "there are 1,048,575 servers and clients already"));
        }
        // The number after the newest is the one whose last owner left longest ago.
        let mut number = registry.newest;
        loop {
            number += 1;
            if number > HANDLES_MAX {
                number = 1;
                registry.laps = registry.laps.wrapping_add(1);
            }
            if !registry.inboxes.contains_key(&number) {
                break;
            }
        }
        registry.newest = number;
        let quota = Arc::new(Quota { count: AtomicUsize::new(0), max: retained_max });
        // A handle rarely lives for sixteen million polls; the ids of the number's last owner are far from these.
        let serial = registry.laps << 24;
        let batch = Mutex::new(Batch { serial, payloads: Vec::new() });
        let inbox = Arc::new(Self { number, batch, quota });
        registry.inboxes.insert(number, Arc::downgrade(&inbox));
        Ok(inbox)
    }

    /// Moves events into the caller's array, whose earlier ones end here. Gives how many.
    pub fn fill(
        &self,
        events: impl Iterator<Item = Event>,
        out: &mut [std::mem::MaybeUninit<TmeEvent>],
    ) -> usize {
        let mut batch = self.batch.lock();
        if !batch.payloads.is_empty() {
            // Else nobody has an id of it, and a busy loop of empty polls would be back at an old one within minutes.
            batch.payloads.clear();
            batch.serial = batch.serial.wrapping_add(1);
        }
        let base =
            u64::from(self.number) << (SERIAL_BITS + INDEX_BITS) | u64::from(batch.serial) << INDEX_BITS;
        let mut count = 0;
        // The shorter side first: zip takes from its left before it notices that the right has ended.
        for (place, (mut news, data)) in
            out.iter_mut().take(EVENTS_PER_POLL_MAX).zip(events.filter_map(event::translate))
        {
            if let Some(payload) = data {
                let bytes = payload.as_slice();
                if !bytes.is_empty() {
                    news.data = bytes.as_ptr();
                    news.length = bytes.len();
                }
                if !bytes.is_empty() || news.r#type == event::TME_EVENT_MESSAGE {
                    news.message = base | batch.payloads.len() as u64;
                    batch.payloads.push(payload);
                }
            }
            place.write(news);
            count += 1;
        }
        count
    }

    /// The data that an id names, and a place among the retained messages of its handle.
    pub fn find(id: TmeMessageId) -> Result<(Payload, Ticket), Failure> {
        let gone = || Failure::new(TME_ERROR_UNKNOWN_MESSAGE);
        let number = (id >> (SERIAL_BITS + INDEX_BITS)) as u32;
        let serial = (id >> INDEX_BITS) as u32;
        let index = id as usize & (EVENTS_PER_POLL_MAX - 1);
        let inbox = INBOXES.lock().inboxes.get(&number).and_then(Weak::upgrade).ok_or_else(gone)?;
        let batch = inbox.batch.lock();
        let payload = batch.payloads.get(index).filter(|_| batch.serial == serial).ok_or_else(gone)?;
        Ok((payload.clone(), Ticket::take(&inbox.quota)?))
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut registry = INBOXES.lock();
        registry.inboxes.remove(&self.number);
        if registry.inboxes.is_empty() {
            // An emptied map keeps a node.
            registry.inboxes = BTreeMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use tme::{ChannelId, PeerId};

    use super::*;

    fn message(text: &str) -> Event {
        let (peer, channel) = (PeerId::from_u64(5), ChannelId(1));
        Event::Message { peer, channel, key: 0, payload: Payload::from(text) }
    }

    fn poll(inbox: &Inbox, events: Vec<Event>) -> Vec<TmeEvent> {
        let mut out = [const { std::mem::MaybeUninit::uninit() }; 4];
        let count = inbox.fill(events.into_iter(), &mut out);
        // SAFETY: that many were written.
        out[..count].iter().map(|event| unsafe { event.assume_init() }).collect()
    }

    #[test]
    fn an_id_names_its_data_until_the_next_poll() {
        let inbox = Inbox::register(8).unwrap();
        let events =
            poll(&inbox, vec![message("one"), message(""), Event::Resumed { peer: PeerId::from_u64(5) }]);
        assert_eq!(Inbox::find(events[0].message).unwrap().0.as_slice(), b"one");
        assert!(events[1].message != 0 && events[1].data.is_null(), "an empty message can be retained too");
        assert_eq!(events[2].message, 0);
        let stale = events[0].message;
        let newer = poll(&inbox, vec![message("two")]);
        assert_eq!(Inbox::find(stale).unwrap_err().result, TME_ERROR_UNKNOWN_MESSAGE);
        drop(inbox);
        for gone in [newer[0].message, 0, u64::MAX] {
            assert_eq!(Inbox::find(gone).unwrap_err().result, TME_ERROR_UNKNOWN_MESSAGE);
        }
    }

    #[test]
    fn empty_polls_end_the_data_and_use_up_no_ids() {
        let inbox = Inbox::register(8).unwrap();
        let first = poll(&inbox, vec![message("one")])[0].message;
        for _ in 0..100 {
            poll(&inbox, vec![]);
            assert_eq!(Inbox::find(first).unwrap_err().result, TME_ERROR_UNKNOWN_MESSAGE);
        }
        let second = poll(&inbox, vec![message("two")])[0].message;
        assert_eq!(second, first + (1 << INDEX_BITS));
    }

    #[test]
    fn retained_messages_are_counted_and_come_back() {
        let inbox = Inbox::register(2).unwrap();
        let id = poll(&inbox, vec![message("x")])[0].message;
        let (_payload, first) = Inbox::find(id).unwrap();
        let second = first.another().unwrap();
        assert_eq!(Inbox::find(id).unwrap_err().result, TME_ERROR_TOO_MANY_RETAINED);
        drop(second);
        assert!(Inbox::find(id).is_ok());
    }

    #[test]
    fn no_event_is_taken_that_does_not_fit() {
        let inbox = Inbox::register(8).unwrap();
        let mut events = vec![message("a"), message("b"), message("c")].into_iter();
        let mut out = [const { std::mem::MaybeUninit::uninit() }; 2];
        assert_eq!(inbox.fill(events.by_ref(), &mut out), 2);
        assert_eq!(events.len(), 1);
    }
}
