//! One of several network threads: what belongs to another is passed on, and what others pass on is taken in.

use tme_core::datagram::{Ecn, Path};
use tme_core::endpoint::Shard;
use tme_core::handshake::datagram::MAGIC;
use tme_core::time::Instant;

use super::Driver;
use crate::engine::conditions::Meta;
use crate::engine::outbox::Direction;
use crate::engine::post::{Letter, Post, PostStatistics, PostedDatagram};
use crate::link::stream::{Belongs, Placed};

/// What one of several network threads needs for that.
pub(super) struct Mail<'a> {
    pub shard: Shard,
    pub post: Option<&'a Post>,
    pub statistics: &'a mut PostStatistics,
}

impl Mail<'_> {
    /// Whether a datagram is another thread's, and so is passed on or lost: whoever has not its connection would only say that
    /// there is none.
    #[inline]
    pub fn passes_on(&mut self, bytes: &[u8], path: Path, ecn: Ecn, arrived_at: Instant) -> bool {
        let Some(owner) = self.shard.owner_elsewhere(bytes) else { return false };
        let datagram = || PostedDatagram { bytes: bytes.to_vec(), path, ecn, arrived_at };
        match self.post {
            Some(post) if post.send_datagram(owner, datagram()) => self.statistics.datagrams_passed_on += 1,
            _ => self.statistics.datagrams_lost += 1,
        }
        true
    }

    /// Which thread a stream belongs to that brings this datagram; `None`: the datagram is lost.
    pub fn place(&mut self, bytes: &[u8], placed: Placed) -> Option<Belongs> {
        let Some(post) = self.post else { return Some(Belongs::Here) };
        match (self.shard.owner_elsewhere(bytes), placed) {
            (Some(owner), Placed::Now) => Some(Belongs::To(owner)),
            (Some(_), Placed::Already) => {
                self.statistics.datagrams_lost += 1;
                None
            }
            // A newcomer: to the thread with the least to do. It counts at once, for others may come in the same turn; what that
            // thread tells next is what holds.
            (None, Placed::Now) if bytes.starts_with(&MAGIC) => {
                let least = post.least_loaded();
                post.add_load(least);
                Some(if least == self.shard.index() { Belongs::Here } else { Belongs::To(least) })
            }
            (None, _) => Some(Belongs::Here),
        }
    }
}

impl Driver {
    /// Whether others have passed something on.
    pub(super) fn has_mail(&self) -> bool {
        self.post.as_ref().is_some_and(|post| post.has_letters(self.endpoint.shard().index()))
    }

    /// Takes in what others have passed on, and does what they have asked for.
    pub(super) fn take_mail(&mut self, now: Instant) {
        let Some(post) = self.post.clone() else { return };
        self.endpoint.handle_orders(now);
        let own = self.endpoint.shard().index();
        post.take(own, &mut self.letters);
        let mut arrived = 0;
        let Self { endpoint, conditions, streams, poller, random, letters, .. } = self;
        for letter in letters.drain(..) {
            match letter {
                Letter::Datagram(PostedDatagram { mut bytes, path, ecn, arrived_at }) => {
                    let is_modelled = !conditions.is_empty() && {
                        let known = endpoint.remote_of_packet(&bytes).unwrap_or(path.remote);
                        conditions.handle(now, (Direction::Incoming, known), &bytes, Meta { path, ecn })
                    };
                    if !is_modelled {
                        endpoint.handle_late_datagram(now, arrived_at, path, ecn, &mut bytes, random);
                    }
                }
                Letter::Stream(moving) => {
                    arrived += 1;
                    streams.adopt(now, poller, *moving, |bytes, path| {
                        endpoint.handle_datagram(now, path, Ecn::NotCapable, bytes, random);
                    });
                }
            }
        }
        if arrived > 0 {
            self.tell_load();
            post.handle_arrived(own, arrived);
        }
    }

    /// Tells the others how much there is to do here.
    pub(super) fn tell_load(&self) {
        if let Some(post) = &self.post {
            let load = self.endpoint.connection_count() + self.streams.newcomers();
            post.set_load(self.endpoint.shard().index(), load);
        }
    }

    /// Sends streams to the threads that they belong to, and wakes those that have something to do.
    pub(super) fn send_mail(&mut self) {
        let Some(post) = &self.post else { return };
        while let Some((to, stream)) = self.streams.poll_moving() {
            self.posted.streams_passed_on += 1;
            post.send_stream(to, stream);
        }
        while let Some(shard) = self.endpoint.poll_called() {
            post.wake(shard);
        }
    }
}
