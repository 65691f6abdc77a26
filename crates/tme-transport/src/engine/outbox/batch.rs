//! One batch of what the game's threads ask for, as the engine takes it.

use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;

use tme_core::channel::ChannelId;
use tme_core::connection::{Event, Expiry, PeerId, SendOptions};
use tme_core::handshake::datagram::{DisplayName, Information};
use tme_core::payload::Payload;
use tme_core::time::Instant;

use super::requests::{Change, Ending, Judged, RateCap};
use super::send::Asked;
use crate::engine::arena::Place;

/// Bytes of a message on their way to the engine.
#[derive(Debug)]
pub(in crate::engine) enum Body {
    /// In one of the batch's arenas.
    Copied(Place),
    /// A buffer of its own.
    Shared(Payload),
}

/// What the engine is asked to do.
#[derive(Debug)]
pub(in crate::engine) enum Command {
    /// Send to one peer.
    Send { peer: PeerId, channel: ChannelId, terms: Terms, body: Body },
    /// Send to several: a range of [`Batch::targets`].
    Multicast { targets: Range<u32>, channel: ChannelId, terms: Terms, body: Body },
}

/// How a queued message is to be treated. What few messages ask for stands elsewhere, so that the others are not larger
/// for it.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Terms {
    key: Option<u32>,
    /// One more than the index in [`Batch::wishes`].
    wish: Option<NonZeroU32>,
}

/// What few messages ask for.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct QueuedWish {
    expires_at: Option<Instant>,
    receipt: Option<u64>,
}

/// What was asked for since the engine last looked: messages in the order they were given, then what stands at most
/// once per peer and so needs no other bound.
#[derive(Debug, Default)]
pub(in crate::engine) struct Batch {
    pub commands: Vec<Command>,
    /// Obeyed after the messages.
    pub endings: Vec<Ending>,
    /// Obeyed before the messages; the newest per peer and direction.
    pub changes: Vec<Change>,
    /// Obeyed before the messages; the newest per peer.
    pub caps: Vec<RateCap>,
    /// Obeyed before the messages; the newest.
    pub information: Option<Information>,
    /// Obeyed before the messages; the newest.
    pub display_name: Option<DisplayName>,
    /// Obeyed before the messages; one per applicant.
    pub judged: Vec<Judged>,
    /// Peers whose clocks are to be asked, each once.
    pub clocks: Vec<PeerId>,
    pub targets: Vec<PeerId>,
    pub wishes: Vec<QueuedWish>,
    /// Bytes of copied messages. Each is unshared while it stands here.
    pub arenas: Vec<Arc<Vec<u8>>>,
    pub bytes: usize,
}

impl Batch {
    /// The options of a message as its connection is to get them at `now`.
    pub fn options(&self, terms: Terms, now: Instant) -> SendOptions {
        let wish = terms.wish.and_then(|wish| self.wishes.get(wish.get() as usize - 1));
        SendOptions {
            key: terms.key,
            deadline: wish.and_then(|wish| Some(wish.expires_at?.saturating_since(now))),
            receipt: wish.and_then(|wish| wish.receipt),
            flush: false,
        }
    }

    pub(super) fn terms(&mut self, asked: Asked) -> Terms {
        let Asked { options: SendOptions { key, receipt, .. }, expires_at } = asked;
        if expires_at.is_none() && receipt.is_none() {
            return Terms { key, wish: None };
        }
        self.wishes.push(QueuedWish { expires_at, receipt });
        Terms { key, wish: NonZeroU32::new(self.wishes.len() as u32) }
    }

    /// The keys of messages to a peer on a channel that the engine has not taken.
    pub(super) fn pending_keys(&self, peer: PeerId, channel: ChannelId) -> impl Iterator<Item = u32> {
        self.commands.iter().filter_map(move |command| match command {
            Command::Send { peer: to, channel: on, terms, .. } if (*to, *on) == (peer, channel) => {
                Some(terms.key.unwrap_or(0))
            }
            Command::Multicast { targets, channel: on, terms, .. } if *on == channel => {
                let targets = self.targets.get(targets.start as usize..targets.end as usize)?;
                targets.contains(&peer).then(|| terms.key.unwrap_or(0))
            }
            _ => None,
        })
    }

    /// The peer is gone: whoever waits for word of a message to it gets it now, and not again.
    pub(super) fn abandon_receipts(&mut self, gone: PeerId, events: &mut impl Extend<Event>) {
        let Self { commands, targets, wishes, .. } = self;
        if wishes.is_empty() {
            return;
        }
        for command in commands {
            let (channel, terms) = match command {
                Command::Send { peer, channel, terms, .. } if *peer == gone => (*channel, terms),
                Command::Multicast { targets: range, channel, terms, .. } => {
                    let range = range.start as usize..range.end as usize;
                    let targets = targets.get_mut(range).unwrap_or_default();
                    let Some(target) = targets.iter_mut().find(|target| **target == gone) else { continue };
                    *target = NOBODY;
                    (*channel, terms)
                }
                Command::Send { .. } => continue,
            };
            let wish = terms.wish.and_then(|wish| wishes.get(wish.get() as usize - 1));
            if let Command::Send { terms, .. } = command {
                terms.wish = None;
            }
            events.extend(wish.and_then(|wish| Some(expired_unsent(gone, channel, wish.receipt?))));
        }
    }
}

/// A peer id that nobody has.
pub(in crate::engine) const NOBODY: PeerId = PeerId::from_u64(0);

/// Word of a message that never reached its connection.
pub(in crate::engine) const fn expired_unsent(peer: PeerId, channel: ChannelId, token: u64) -> Event {
    Event::Expired { peer, channel, token, reason: Expiry::Disconnected, never_sent: true }
}
