//! Web pages that watch the demo (`bindings/web/example`): who they are, and what they are shown.
//!
//! Bots send no positions, so the server makes some of how many inputs came from a bot: one that is not heard stands still.
//! A picture is, per bot, `number u16, x u16, y u16`, little-endian, with 0 to 65,535 across the field.

use std::f64::consts::TAU;

use tme::{Channel, ChannelId, PeerId, Server};

/// What a page says of itself to be shown the bots.
pub(super) const PASSWORD: &[u8] = b"watch";
/// Pages at a time.
pub(super) const WATCHERS_MAX: usize = 16;
/// Where they see it; the newest picture counts.
pub(super) const PICTURE: ChannelId = ChannelId(2);
/// Bots of a picture: as many as fit into a message.
const BOTS_MAX: usize = 2_000;
/// Inputs in which a bot crosses the field and comes back: 10 s at the usual 30 a second.
const INPUTS_PER_LAP: f64 = 300.0;

pub(super) fn channel() -> Channel {
    Channel::sequenced("picture")
}

/// The pages that watch.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    peers: Vec<PeerId>,
}

impl Watchers {
    /// Takes a page in, or sends it away if there are too many; it counts as one of them until it has gone.
    pub fn add(&mut self, server: &Server, peer: PeerId) {
        if self.peers.len() >= WATCHERS_MAX {
            server.kick(peer, 0, "enough pages watch");
        }
        self.peers.push(peer);
    }

    /// Whether it was one of them.
    pub fn remove(&mut self, peer: PeerId) -> bool {
        let count = self.peers.len();
        self.peers.retain(|watcher| *watcher != peer);
        self.peers.len() < count
    }

    /// Shows them the bots, each by its slot and by how many inputs came from it.
    pub fn show(&self, server: &Server, bots: impl Iterator<Item = (usize, u64)>) {
        if self.peers.is_empty() {
            return;
        }
        let picture = picture(bots);
        for peer in &self.peers {
            // A page that cannot take one will take another.
            if let Err(error) = server.send(*peer, PICTURE, &picture[..]) {
                log::debug!("{peer} is not shown anything: {error}");
            }
        }
    }
}

fn picture(bots: impl Iterator<Item = (usize, u64)>) -> Vec<u8> {
    bots.take(BOTS_MAX)
        .flat_map(|(slot, inputs)| {
            let number = u16::try_from(slot).unwrap_or(u16::MAX);
            let (x, y) = place(slot, inputs);
            [number, x, y].map(u16::to_le_bytes).concat()
        })
        .collect()
}

/// Every bot goes round a figure of its own.
fn place(slot: usize, inputs: u64) -> (u16, u16) {
    let angle = inputs as f64 / INPUTS_PER_LAP * TAU;
    let own = slot as f64;
    let along = |speed: f64, phase: f64| {
        let at = (angle * speed + phase).sin().mul_add(0.45, 0.5);
        (at * f64::from(u16::MAX)) as u16
    };
    (along(1.0 + own % 3.0, own * 0.7), along(1.0 + own % 2.0, own * 1.9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_six_bytes_per_bot_and_fits_into_a_message() {
        let bytes = picture([(7, 0), (300, 9)].into_iter());
        assert_eq!(bytes.len(), 12);
        assert_eq!((&bytes[..2], &bytes[6..8]), (&[7, 0][..], &[44, 1][..]));
        assert!(picture((0..10_000).map(|slot| (slot, 1))).len() <= 17_600);
    }

    #[test]
    fn a_bot_moves_with_its_inputs_and_stays_in_the_field() {
        assert_ne!(place(3, 10), place(3, 11));
        for inputs in 0..1_000 {
            let (x, y) = place(5, inputs);
            let inside = 3_000..=62_500;
            assert!(inside.contains(&x) && inside.contains(&y), "{x} {y}");
        }
    }
}
