//! What the network threads of one server pass on to each other: datagrams and streams that belong to another, and calls to wake
//! up.
//!
//! Hardly anything goes this way where the system steers datagrams: see `link/udp/steering.rs`.

use std::collections::VecDeque;
use std::ops::Add;
use std::sync::atomic::Ordering;

use tme_core::datagram::{Ecn, Path};
use tme_core::time::Instant;

use crate::link::stream::MovingStream;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, store_before_load};
use crate::wake::WakeHandle;

/// Datagrams that wait for one network thread; further ones are lost, as in a socket that nobody reads.
const DATAGRAMS_MAX: usize = 4_096;

/// What network threads have passed on to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PostStatistics {
    /// Datagrams passed on to the thread that has their connection.
    pub datagrams_passed_on: u64,
    /// Datagrams of another thread that were lost: too many waited for it, or they came in a stream of somebody else.
    pub datagrams_lost: u64,
    /// Streams passed on.
    pub streams_passed_on: u64,
}

impl Add for PostStatistics {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let Self { datagrams_passed_on, datagrams_lost, streams_passed_on } = other;
        Self {
            datagrams_passed_on: self.datagrams_passed_on + datagrams_passed_on,
            datagrams_lost: self.datagrams_lost + datagrams_lost,
            streams_passed_on: self.streams_passed_on + streams_passed_on,
        }
    }
}

/// Something for another network thread.
pub(super) enum Letter {
    Datagram(PostedDatagram),
    Stream(Box<MovingStream>),
}

/// A datagram as it was received.
pub(super) struct PostedDatagram {
    pub bytes: Vec<u8>,
    pub path: Path,
    pub ecn: Ecn,
    pub arrived_at: Instant,
}

/// What waits for one thread.
struct Letterbox {
    letters: Mutex<Waiting>,
    has_letters: AtomicBool,
    /// Peers of this thread, and streams that may become some, as it says itself.
    load: AtomicUsize,
    /// Streams on their way to it.
    arriving: AtomicUsize,
    /// On its way to its end, it has nobody left to wait for.
    has_parted: AtomicBool,
    wake: WakeHandle,
}

#[derive(Default)]
struct Waiting {
    letters: VecDeque<Letter>,
    datagrams: usize,
}

/// See the module.
pub(super) struct Post {
    boxes: Box<[Letterbox]>,
}

impl Post {
    /// Between threads that these handles wake.
    pub fn between(wakes: impl IntoIterator<Item = WakeHandle>) -> Self {
        let boxes = wakes.into_iter().map(|wake| Letterbox {
            letters: Mutex::default(),
            has_letters: AtomicBool::new(false),
            load: AtomicUsize::new(0),
            arriving: AtomicUsize::new(0),
            has_parted: AtomicBool::new(false),
            wake,
        });
        Self { boxes: boxes.collect() }
    }

    /// `false`: too many wait for that thread, or there is none with this index.
    pub fn send_datagram(&self, to: usize, datagram: PostedDatagram) -> bool {
        let Some(target) = self.boxes.get(to) else { return false };
        let mut waiting = target.letters.lock();
        if waiting.datagrams >= DATAGRAMS_MAX {
            return false;
        }
        waiting.datagrams += 1;
        waiting.letters.push_back(Letter::Datagram(datagram));
        drop(waiting);
        target.announce();
        true
    }

    /// Streams are as many as there may be.
    pub fn send_stream(&self, to: usize, stream: MovingStream) {
        let Some(target) = self.boxes.get(to) else { return };
        target.arriving.fetch_add(1, Ordering::Relaxed);
        target.letters.lock().letters.push_back(Letter::Stream(Box::new(stream)));
        target.announce();
    }

    /// Wakes a thread that has something to do.
    pub fn wake(&self, index: usize) {
        if let Some(target) = self.boxes.get(index) {
            target.wake.wake();
        }
    }

    pub fn has_letters(&self, index: usize) -> bool {
        self.boxes.get(index).is_some_and(|own| own.has_letters.load(Ordering::SeqCst))
    }

    /// Takes all that waits for a thread. `letters` is to be empty; its buffer is used again.
    pub fn take(&self, index: usize, letters: &mut VecDeque<Letter>) {
        if let Some(own) = self.boxes.get(index)
            && own.has_letters.swap(false, Ordering::SeqCst)
        {
            let mut waiting = own.letters.lock();
            std::mem::swap(&mut waiting.letters, letters);
            waiting.datagrams = 0;
        }
    }

    /// A thread has nobody left to wait for at its end. Returns whether that holds for all, which the last one tells the others:
    /// until then each goes on, for newcomers and streams of the others may come its way, and they are to be answered.
    pub fn handle_parted(&self, index: usize) -> bool {
        let Some(own) = self.boxes.get(index) else { return true };
        let is_news = !own.has_parted.swap(true, Ordering::SeqCst);
        store_before_load();
        let have_all = self.boxes.iter().all(|one| one.has_parted.load(Ordering::SeqCst));
        if is_news && have_all {
            self.boxes.iter().for_each(|one| one.wake.wake());
        }
        have_all
    }

    /// A thread is about to have one more stream, which it will count itself.
    pub fn add_load(&self, index: usize) {
        if let Some(own) = self.boxes.get(index) {
            own.load.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// So many streams have arrived at a thread; the load that it told last counts them.
    pub fn handle_arrived(&self, index: usize, streams: usize) {
        if let Some(own) = self.boxes.get(index) {
            own.arriving.fetch_sub(streams, Ordering::Relaxed);
        }
    }

    /// How much a thread has to do, for whoever hands out streams: its peers, and streams that may become some.
    pub fn set_load(&self, index: usize, load: usize) {
        if let Some(own) = self.boxes.get(index) {
            own.load.store(load, Ordering::Relaxed);
        }
    }

    /// The thread with the least to do.
    pub fn least_loaded(&self) -> usize {
        let load = |target: &Letterbox| {
            target.load.load(Ordering::Relaxed) + target.arriving.load(Ordering::Relaxed)
        };
        let loads = self.boxes.iter().map(load);
        loads.enumerate().min_by_key(|&(_, load)| load).map_or(0, |(index, _)| index)
    }
}

impl Letterbox {
    fn announce(&self) {
        // A swap: whoever takes the letters comes after all that have announced some, not the last of them only.
        self.has_letters.swap(true, Ordering::SeqCst);
        self.wake.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn datagram(byte: u8) -> PostedDatagram {
        PostedDatagram {
            bytes: vec![byte],
            path: Path::to(([127, 0, 0, 1], 9).into()),
            ecn: Ecn::NotCapable,
            arrived_at: Instant::ZERO,
        }
    }

    #[test]
    fn datagrams_wait_in_order_up_to_a_bound_and_wake_their_thread_once() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let wake = WakeHandle::from_fn(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let post = Post::between([WakeHandle::from_fn(|| {}), wake]);
        let sent = (0..DATAGRAMS_MAX + 5).filter(|&n| post.send_datagram(1, datagram(n as u8))).count();
        assert_eq!((sent, wakes.load(Ordering::SeqCst)), (DATAGRAMS_MAX, 1));
        assert!(post.has_letters(1) && !post.has_letters(0));
        let mut letters = VecDeque::new();
        post.take(1, &mut letters);
        let bytes = letters.iter().map(|letter| match letter {
            Letter::Datagram(datagram) => datagram.bytes[0],
            Letter::Stream(_) => panic!("no stream was sent"),
        });
        assert!(bytes.eq((0..DATAGRAMS_MAX).map(|n| n as u8)));
        assert!(!post.has_letters(1) && post.send_datagram(1, datagram(0)), "there is room again");
        assert!(!post.send_datagram(2, datagram(0)), "nobody is there");
    }

    #[test]
    fn whoever_has_least_gets_the_next_stream() {
        let post = Post::between((0..3).map(|_| WakeHandle::from_fn(|| {})));
        [5, 2, 9].into_iter().enumerate().for_each(|(index, load)| post.set_load(index, load));
        assert_eq!(post.least_loaded(), 1);
        (0..3).for_each(|_| post.add_load(1));
        assert_eq!(post.least_loaded(), 0, "five is the same, and comes first");
        post.set_load(1, 4);
        assert_eq!(post.least_loaded(), 1);
    }
}
