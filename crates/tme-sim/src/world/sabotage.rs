//! Deliberate errors between the engine and the oracles, to show that the oracles see them.

use tme_core::channel::ChannelMode;
use tme_core::connection::{CloseMode, Event, Farewell};
use tme_core::handshake::reason::Reason;
use tme_core::payload::Payload;

use super::session::channel_of;
use super::{SERVER, World};

/// An error made once (or from once on) in a world that would otherwise be in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// A message of this mode is not reported.
    SwallowMessage(ChannelMode),
    /// A message of this mode is reported twice.
    RepeatMessage(ChannelMode),
    /// A bit of a message is flipped.
    DamageMessage,
    /// A message is reported with another key.
    ChangeKey,
    /// `Connected` is reported twice.
    RepeatConnected,
    /// Messages are never consumed.
    NeverConsume,
    /// Messages count as held though they were consumed.
    ForgetConsumption,
    /// A packet is sent twice.
    RepeatPacket,
    /// A packet has 2,000 bytes more.
    GrowPacket,
    /// The server's first answer is sent 20 times.
    FloodStranger,
    /// A datagram that arrived is neither processed nor counted.
    LoseDatagram,
    /// The server closes a connection of which the script knows nothing.
    CloseUnasked,
    /// A send call answers `WouldBlock` though the queue is empty.
    RefuseToSend,
    /// A receipt is not reported.
    SwallowReceipt,
    /// A receipt is reported twice.
    RepeatReceipt,
    /// Another message is said to have been delivered than the one that was.
    ConfuseReceipt,
    /// A deadline stays in the past.
    KeepDeadline,
}

/// How many chances pass before the error is made: the world is under way by then.
const PATIENCE: u32 = 20;

impl World {
    /// Whether this error is to be made now.
    pub(super) fn is_sabotaged(&mut self, sabotage: Sabotage) -> bool {
        if self.options.sabotage != Some(sabotage) {
            return false;
        }
        self.sabotage_chances += 1;
        let is_lasting =
            matches!(sabotage, Sabotage::NeverConsume | Sabotage::ForgetConsumption | Sabotage::KeepDeadline);
        let is_first = matches!(sabotage, Sabotage::RepeatConnected | Sabotage::FloodStranger);
        match self.sabotage_chances {
            1 if is_first => true,
            PATIENCE => true,
            chances => is_lasting && chances > PATIENCE,
        }
    }

    /// The events that take the place of a true one.
    pub(super) fn sabotage_event(&mut self, event: Event) -> [Option<Event>; 2] {
        if self.options.sabotage.is_none() {
            return [Some(event), None];
        }
        match event {
            Event::Connected { .. } if self.is_sabotaged(Sabotage::RepeatConnected) => {
                [Some(event.clone()), Some(event)]
            }
            Event::Delivered { .. } if self.is_sabotaged(Sabotage::SwallowReceipt) => [None, None],
            Event::Delivered { .. } if self.is_sabotaged(Sabotage::RepeatReceipt) => {
                [Some(event.clone()), Some(event)]
            }
            Event::Delivered { peer, channel, token } if self.is_sabotaged(Sabotage::ConfuseReceipt) => {
                [Some(Event::Delivered { peer, channel, token: token + 2 }), None]
            }
            Event::Message { peer, channel, key, payload } => {
                let mode = channel_of(&self.config.channels, channel)
                    .map_or(ChannelMode::Unreliable, |entry| entry.1);
                let message = |key, payload| Event::Message { peer, channel, key, payload };
                if self.is_sabotaged(Sabotage::SwallowMessage(mode)) {
                    return [None, None];
                }
                if self.is_sabotaged(Sabotage::RepeatMessage(mode)) {
                    return [Some(message(key, payload.clone())), Some(message(key, payload))];
                }
                if self.is_sabotaged(Sabotage::DamageMessage) {
                    let mut bytes = payload.to_vec();
                    if let Some(last) = bytes.last_mut() {
                        *last ^= 0x10;
                    }
                    return [Some(message(key, Payload::from(bytes))), None];
                }
                if mode.is_keyed() && self.is_sabotaged(Sabotage::ChangeKey) {
                    return [Some(message(key + 1, payload)), None];
                }
                [Some(message(key, payload)), None]
            }
            event => [Some(event), None],
        }
    }

    /// The datagrams that take the place of a true one: how often it goes, and how many bytes it gains.
    pub(super) fn sabotage_datagram(&mut self, node: usize, datagram: &[u8]) -> (usize, usize) {
        if self.options.sabotage.is_none() {
            return (1, 0);
        }
        let is_packet = datagram.first().is_some_and(|first| first & 0x80 != 0);
        if is_packet && self.is_sabotaged(Sabotage::RepeatPacket) {
            return (2, 0);
        }
        if is_packet && self.is_sabotaged(Sabotage::GrowPacket) {
            return (1, 2_000);
        }
        if !is_packet && node == SERVER && self.is_sabotaged(Sabotage::FloodStranger) {
            return (20, 0);
        }
        (1, 0)
    }

    /// Errors that wait for no event.
    pub(super) fn sabotage_at_tick(&mut self) {
        if self.is_sabotaged(Sabotage::CloseUnasked) {
            let peers: Vec<_> = self.nodes[SERVER].endpoint.peers().collect();
            for peer in peers {
                let farewell = Farewell::new(Reason::Kicked);
                self.nodes[SERVER].endpoint.disconnect(self.now, peer, CloseMode::Now, farewell);
                self.nodes[SERVER].is_dirty = true;
            }
        }
    }
}
