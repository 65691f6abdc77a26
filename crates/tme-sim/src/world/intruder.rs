//! Somebody on the path who sees datagrams and slips in others: replayed, damaged, made up.

use std::net::SocketAddr;

use tme_core::random::Random;
use tme_core::time::Duration;

use super::agenda::Action;
use super::network::Meta;
use super::{Phase, SERVER, World};
use crate::oracle::DatagramKind;

impl World {
    pub(super) fn intrude(&mut self) {
        let Some(interval) = self.config.intrusion_interval else { return };
        if self.phase != Phase::Faulty {
            return;
        }
        let wait = Duration::from_micros(1 + self.random.below(2 * interval.as_micros() as u64));
        self.agenda.add(self.now + wait, Action::Intrude);
        let captured = self.network.captured();
        let choice = self.random.below(captured.len() as u64) as usize;
        let Some((meta, bytes)) = captured.get(choice).cloned() else { return };
        let (meta, from, bytes) = match self.random.below(6) {
            0 => (meta, meta.from, bytes),
            1 => (meta, stranger(self.random.below(3)), bytes),
            2 => (meta, meta.from, damage(bytes, &mut self.random)),
            3 => {
                let length = self.random.below(bytes.len() as u64) as usize;
                (meta, meta.from, bytes[..length].to_vec())
            }
            4 => {
                // A true header before nonsense.
                let mut forged = bytes;
                let header = self.random.below(16).min(forged.len() as u64) as usize;
                self.random.fill(&mut forged[header..]);
                (meta, meta.from, forged)
            }
            _ => {
                let mut nonsense = vec![0; self.random.below(1_400) as usize];
                self.random.fill(&mut nonsense);
                let kind = DatagramKind::of(&nonsense);
                (Meta { hash: 0, packet: None, kind, ..meta }, stranger(self.random.below(3)), nonsense)
            }
        };
        // What was cut or filled may by chance be what it was; then it is a replay.
        let node = if meta.pipe % 2 == 0 { SERVER } else { meta.pipe / 2 + 1 };
        self.note(node, || format!("an intruder slips in {} bytes from {from}", bytes.len()));
        self.nodes[node].injected.push_back((meta, from, bytes));
    }
}

fn damage(mut bytes: Vec<u8>, random: &mut tme_core::random::SeededRandom) -> Vec<u8> {
    let index = random.below(bytes.len() as u64) as usize;
    if let Some(byte) = bytes.get_mut(index) {
        *byte ^= 1 << random.below(8);
    }
    bytes
}

fn stranger(number: u64) -> SocketAddr {
    SocketAddr::from(([10, 9, 9, number as u8], 9_999))
}
