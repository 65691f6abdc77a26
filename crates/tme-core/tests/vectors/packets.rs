//! Sealed packets: `packets`.

use serde_json::json;
use tme_core::crypto::SessionSecrets;
use tme_core::crypto::packet::{KeyLimits, PacketProtection};
use tme_core::crypto::suite::Suite;
use tme_core::time::{Duration, Instant};
use tme_core::wire::header::{Header, KeyPhase, TruncatedNumber};

use super::{Checked, Entry, for_each, hex, refused, require};

const NOW: Instant = Instant::from_micros(1_000_000);
const HEADER_BYTES: usize = 7;

/// Both ends of a session of which one direction has the vector's secret.
struct Pair {
    sender: PacketProtection,
    receiver: PacketProtection,
    next_number: u64,
}

impl Pair {
    fn new(suite: Suite, secret: [u8; 32]) -> Self {
        let limits = KeyLimits { packets_max: 1, ..KeyLimits::default() };
        let back = [0xA5; 32];
        let at_sender = SessionSecrets { send: secret.into(), receive: back.into() };
        let at_receiver = SessionSecrets { send: back.into(), receive: secret.into() };
        Self {
            sender: PacketProtection::new(suite, &at_sender, limits, NOW),
            receiver: PacketProtection::new(suite, &at_receiver, limits, NOW),
            next_number: 0,
        }
    }

    /// Moves both ends to the next generation: one exchange that is acknowledged, and one with the new keys.
    fn update_keys(&mut self) {
        for is_confirmed in [true, false] {
            let number = self.next_number;
            self.next_number += 1;
            carry(&mut self.sender, &mut self.receiver, number);
            carry(&mut self.receiver, &mut self.sender, number);
            for side in [&mut self.sender, &mut self.receiver].into_iter().filter(|_| is_confirmed) {
                side.handle_acknowledged(NOW, number, Duration::ZERO);
                side.handle_timeout(NOW);
            }
        }
    }
}

/// Seals an empty packet on one side and opens it on the other.
fn carry(from: &mut PacketProtection, to: &mut PacketProtection, number: u64) {
    let mut datagram = vec![0x80; HEADER_BYTES + 1 + from.tag_bytes()];
    from.seal_in_place(NOW, number, &mut datagram, HEADER_BYTES);
    to.open_in_place(NOW, number, &mut datagram, HEADER_BYTES).expect("both sides have the same keys");
}

fn check_packet(entry: Entry<'_>) -> Checked {
    let suite = match entry.text("suite") {
        "aes-256-gcm" => Suite::Aes256Gcm,
        "chacha20-poly1305" => Suite::ChaCha20Poly1305,
        "plaintext" => Suite::Plaintext,
        other => panic!("{entry}: suite {other}"),
    };
    let secret = if suite.is_encrypted() { entry.array("secret") } else { [0; 32] };
    let mut pair = Pair::new(suite, secret);
    (0..entry.number("generation")).for_each(|_| pair.update_keys());
    assert_eq!(pair.receiver.receive_generation(), entry.number("generation"), "{entry}");

    let bytes = entry.bytes("bytes");
    let header = Header::decode(&bytes).ok_or("no header")?;
    require(u64::from(header.connection_id) == entry.number("connection_id"), "another connection")?;
    let number = header.number.expand(entry.maybe_number("largest_received"));
    let mut datagram = bytes.clone();
    let payload_bytes =
        pair.receiver.open_in_place(NOW, number, &mut datagram, header.bytes()).map_err(refused)?;
    let payload = &datagram[header.bytes()..header.bytes() + payload_bytes];
    let decoded = json!({
        "phase": u8::from(header.phase.0),
        "connection_id": header.connection_id,
        "number_bytes": header.bytes() - 5,
        "number": number,
        "payload": hex(payload),
    });
    assert_eq!(decoded, *entry.field("decoded"), "{entry}");
    assert_eq!(pair.receiver.receive_generation(), entry.number("generation"), "{entry}");

    let mut sealed = Vec::new();
    let truncated = match header.number {
        TruncatedNumber::Short(_) => TruncatedNumber::Short(number as u16),
        TruncatedNumber::Long(_) => TruncatedNumber::Long(number as u32),
    };
    Header { connection_id: header.connection_id, number: truncated, phase: KeyPhase(false) }
        .encode(&mut sealed);
    sealed.extend_from_slice(payload);
    sealed.resize(bytes.len(), 0);
    pair.sender.seal_in_place(NOW, number, &mut sealed, header.bytes());
    assert_eq!(sealed, bytes, "{entry}");
    Ok(())
}

#[test]
fn packets_open_and_seal_to_the_same_bytes() {
    for_each("packets.json", check_packet);
}
