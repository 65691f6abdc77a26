//! Numbers, tables and the small proofs: `varint`, `packet_numbers`, `channel_tables`, `cookie`, `reset`.

use serde_json::{Value, json};
use tme_core::channel::{ChannelEntry, ChannelTable};
use tme_core::codec::{Put, Reader};
use tme_core::crypto::cookie::{CookieKey, CookieSubject, CookieVerdict};
use tme_core::crypto::keys::{PublicKey, SecretKey};
use tme_core::crypto::reset::{ResetKey, ResetToken};
use tme_core::crypto::suite::Suite;
use tme_core::handshake::datagram::{HandshakeDatagram, Reset};
use tme_core::handshake::parameters::{Acceptance, ConnectionId, Limits, PeerNumber, ServerAnswer, UserData};
use tme_core::time::Instant;
use tme_core::wire::header::TruncatedNumber;

use super::{Checked, Entry, for_each, refused};

#[test]
fn varints_have_one_encoding() {
    for_each("varint.json", |entry| {
        let bytes = entry.bytes("bytes");
        let mut reader = Reader::new(&bytes);
        let value = reader.varint().map_err(refused)?;
        reader.finish().map_err(refused)?;
        assert_eq!(value, entry.number("value"), "{entry}");
        let mut encoded = Vec::new();
        encoded.put_varint(value);
        assert_eq!(encoded, bytes, "{entry}");
        Ok(())
    });
}

#[test]
fn packet_numbers_are_cut_and_expanded() {
    for_each("packet_numbers.json", |entry| {
        match entry.text("kind") {
            "expand" => {
                let truncated = match (entry.number("bits"), entry.number("truncated")) {
                    (16, low) => TruncatedNumber::Short(low as u16),
                    (32, low) => TruncatedNumber::Long(low as u32),
                    (bits, _) => panic!("{entry}: {bits} bits"),
                };
                let number = truncated.expand(entry.maybe_number("largest_received"));
                assert_eq!(number, entry.number("number"), "{entry}");
            }
            "length" => {
                let number = entry.number("number");
                let bytes = match TruncatedNumber::new(number, entry.maybe_number("largest_acknowledged")) {
                    TruncatedNumber::Short(low) => {
                        assert_eq!(low, number as u16);
                        2
                    }
                    TruncatedNumber::Long(low) => {
                        assert_eq!(low, number as u32);
                        4
                    }
                };
                assert_eq!(bytes, entry.number("number_bytes"), "{entry}");
            }
            // Private: a unit test of the packet protection checks these.
            "nonce" => {}
            kind => panic!("{entry}: kind {kind}"),
        }
        Ok(())
    });
}

/// The server's answer that carries a table whose `count | channels` these bytes are.
fn answer_with_table(table: &[u8]) -> Vec<u8> {
    let acceptance = Acceptance {
        connection_id: ConnectionId::new(1).expect("not 0"),
        peer_number: PeerNumber::new(2).expect("in range"),
        suite: Suite::Aes256Gcm,
        reset_token: ResetToken::from_bytes([0xA5; 16]),
        limits: Limits::default(),
        channels: None,
        user_data: UserData::default(),
    };
    let mut payload = Vec::new();
    ServerAnswer::Accepted(Box::new(acceptance)).encode(&mut payload);
    // No channels and no extensions: a zero each.
    assert_eq!(payload.split_off(payload.len() - 2), [0, 0]);
    [&payload[..], table, &[0]].concat()
}

/// A table as the vectors write it.
pub fn table_json(table: &ChannelTable) -> Value {
    let channel = |entry: &ChannelEntry| {
        json!({
            "id": entry.id.0,
            "mode": entry.mode as u8,
            "ordering_key": entry.mode.ordering_key(),
            "name": entry.name,
        })
    };
    table.entries().iter().map(channel).collect()
}

fn check_table(entry: Entry<'_>) -> Checked {
    let payload = answer_with_table(&entry.bytes("bytes"));
    let answer = ServerAnswer::decode(&payload).map_err(refused)?;
    let mut encoded = Vec::new();
    answer.encode(&mut encoded);
    assert_eq!(encoded, payload, "{entry}");
    let ServerAnswer::Accepted(acceptance) = answer else { panic!("{entry}: not accepted") };
    let table = acceptance.channels.ok_or("a table without channels")?;
    assert_eq!(table_json(&table), *entry.field("channels"), "{entry}");
    assert_eq!(table.hash(), entry.number("hash"), "{entry}");
    Ok(())
}

#[test]
fn channel_tables_have_their_hash() {
    for_each("channel_tables.json", check_table);
}

#[test]
fn cookies_are_those_of_the_page() {
    for_each("cookie.json", |entry| {
        let key = CookieKey::from_bytes(&entry.array("key"));
        let now = Instant::from_micros(entry.number("time") * 1_000_000);
        let subject = CookieSubject {
            client: (
                entry.text("address").parse::<std::net::IpAddr>().expect("an address"),
                entry.number("port") as u16,
            )
                .into(),
            client_nonce: entry.number("nonce"),
            client_ephemeral: PublicKey::from_bytes(entry.array("ephemeral")),
        };
        let cookie = key.issue(now, &subject);
        assert_eq!(cookie.0.to_vec(), entry.bytes("cookie"), "{entry}");
        assert_eq!(key.verify(now, &subject, &cookie), CookieVerdict::Valid);
        Ok(())
    });
}

#[test]
fn reset_tokens_follow_from_the_servers_key() {
    for_each("reset.json", |entry| {
        let key = ResetKey::new(&SecretKey::from_bytes(entry.array("server_private_key")));
        let address = entry.text("address").parse().expect("an address");
        let token = key.token(entry.number("connection_id") as u32, address);
        assert_eq!(token.as_bytes().to_vec(), entry.bytes("token"), "{entry}");
        let mut datagram = Vec::new();
        HandshakeDatagram::Reset(Reset { token }).encode(&mut datagram);
        assert_eq!(datagram, entry.bytes("datagram"), "{entry}");
        Ok(())
    });
}
