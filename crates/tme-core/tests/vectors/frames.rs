//! Payloads: `frames`, `frames_malformed`, `messages`, `ack`.

use serde_json::{Value, json};
use tme_core::channel::{Channel, ChannelId, ChannelMode, ChannelTable};
use tme_core::codec::expand_truncated;
use tme_core::connection::sent::{SentFrame, SentPackets};
use tme_core::connection::{
    Connected, Connection, ConnectionConfig, Event, Negotiated, PeerId, Provokes, Side, StartNumbers,
    TransmitLimits, Workspace,
};
use tme_core::crypto::SessionSecrets;
use tme_core::crypto::packet::{KeyLimits, PacketProtection};
use tme_core::crypto::suite::Suite;
use tme_core::datagram::{Ecn, Path};
use tme_core::handshake::parameters::Limits;
use tme_core::handshake::reason::Reason;
use tme_core::payload::Payload;
use tme_core::time::Instant;
use tme_core::wire::ack::Ack;
use tme_core::wire::frame::{Frame, Frames, MessageFrame, SEQUENCE_BITS, SequenceField};
use tme_core::wire::header::{Header, KeyPhase, TruncatedNumber};

use super::{Checked, Entry, for_each, hex, refused, require};

const NOW: Instant = Instant::from_micros(1_000_000);

fn modes(entry: Entry<'_>) -> Vec<ChannelMode> {
    let modes = entry.list("modes");
    let number = |mode: Entry<'_>| mode.0.as_u64().expect("a number") as u8;
    modes.into_iter().map(|mode| ChannelMode::from_wire(number(mode)).expect("a mode")).collect()
}

fn frames<'a>(payload: &'a [u8], modes: &[ChannelMode]) -> Result<Vec<Frame<'a>>, String> {
    require(!payload.is_empty(), "a packet without payload does not open")?;
    Frames::new(payload, modes).collect::<Result<_, _>>().map_err(refused)
}

fn ack_json(ack: &Ack<'_>) -> Value {
    let ranges: Vec<_> = ack.ranges.iter().map(|range| [range.gap, range.length]).collect();
    json!({
        "frame": "ack",
        "newest": ack.newest,
        "delay": ack.delay.0,
        "field": hex(&ack.field.to_le_bytes()),
        "ranges": ranges,
    })
}

/// `previous` is the sequence of the channel's previous message in the packet.
fn message_json(message: &MessageFrame<'_>, mode: ChannelMode, previous: &mut Option<u32>) -> Value {
    let sequence = match message.sequence {
        SequenceField::Absent => None,
        SequenceField::Low(low) => Some(low),
        SequenceField::Implied => previous.map(|previous| (previous + 1) % (1 << SEQUENCE_BITS)),
    };
    if sequence.is_some() {
        *previous = sequence;
    }
    json!({
        "frame": "message",
        "channel": message.position,
        "sequence": sequence,
        "implied": message.sequence == SequenceField::Implied,
        "key": mode.is_keyed().then_some(message.key),
        "index": message.fragment.map(|fragment| fragment.index),
        "total": message.fragment.map(|fragment| fragment.total),
        "data": hex(message.data),
    })
}

/// The frames as the vectors write them: runs of PADDING are one.
fn frames_json(frames: &[Frame<'_>], modes: &[ChannelMode]) -> Value {
    let mut previous = [None; 32];
    let mut all = Vec::new();
    for run in frames.chunk_by(|a, b| (a, b) == (&Frame::Padding, &Frame::Padding)) {
        all.push(match &run[0] {
            Frame::Padding => json!({"frame": "padding", "length": run.len()}),
            Frame::Ping => json!({"frame": "ping"}),
            Frame::Ack(ack) => ack_json(ack),
            Frame::ConnectionCredit { bytes } => json!({"frame": "connection_credit", "bytes": bytes}),
            Frame::ChannelCredit { position, bytes, messages } => {
                json!({"frame": "channel_credit", "channel": position, "bytes": bytes, "messages": messages})
            }
            Frame::Skip { position, sequence, bytes } => {
                json!({"frame": "skip", "channel": position, "sequence": sequence, "length": bytes})
            }
            Frame::Close { reason, code, detail } => {
                json!({"frame": "close", "reason": reason, "code": code, "detail": hex(detail)})
            }
            Frame::ClockRequest { client_time } => {
                json!({"frame": "clock_request", "client_time": client_time})
            }
            Frame::ClockAnswer { client_time, received, sent } => json!({
                "frame": "clock_answer",
                "client_time": client_time,
                "received": received,
                "sent": sent,
            }),
            Frame::PathChallenge { data } => json!({"frame": "path_challenge", "data": hex(data)}),
            Frame::PathResponse { data } => json!({"frame": "path_response", "data": hex(data)}),
            Frame::ResetToken { token } => json!({"frame": "reset_token", "token": hex(token.as_bytes())}),
            Frame::Message(message) => {
                let position = usize::from(message.position);
                message_json(message, modes[position], &mut previous[position])
            }
        });
    }
    Value::Array(all)
}

fn check_frames(entry: Entry<'_>) -> Checked {
    let (payload, modes) = (entry.bytes("bytes"), modes(entry));
    let frames = frames(&payload, &modes)?;
    assert_eq!(frames_json(&frames, &modes), *entry.field("decoded"), "{entry}");
    let provokes = frames.iter().map(|frame| Provokes::of(frame, &modes)).max();
    let expected = match entry.text("provokes") {
        "none" => Provokes::Nothing,
        "lazy" => Provokes::Lazily,
        "prompt" => Provokes::Promptly,
        other => panic!("{entry}: {other}"),
    };
    assert_eq!(provokes, Some(expected), "{entry}");
    let mut encoded = Vec::new();
    frames.iter().for_each(|frame| frame.encode(&modes, &mut encoded));
    assert_eq!(encoded, payload, "{entry}");
    Ok(())
}

#[test]
fn frames_decode_and_encode() {
    for_each("frames.json", check_frames);
}

#[test]
fn malformed_payloads_are_refused_and_close_a_connection() {
    for_each("frames_malformed.json", |entry| {
        let (payload, modes) = (entry.bytes("bytes"), modes(entry));
        if !payload.is_empty() && !modes.is_empty() {
            let mut end = End::new(&modes, 0);
            end.receive(&payload);
            assert_eq!(end.closing_reason(), Some(Reason::ProtocolViolation), "{entry}");
        }
        frames(&payload, &modes).map(drop)
    });
}

/// A server's end of a connection, with the keys by which packets are written to it.
struct End {
    connection: Connection,
    workspace: Workspace,
    sender: PacketProtection,
    next_number: u64,
}

impl End {
    fn new(modes: &[ChannelMode], first_sequence: u64) -> Self {
        let channels = modes.iter().enumerate().map(|(n, &mode)| Channel::new(n.to_string(), mode));
        let remote = "192.0.2.17:40001".parse().expect("an address");
        let secrets =
            |send: u8, receive: u8| SessionSecrets { send: [send; 32].into(), receive: [receive; 32].into() };
        let negotiated = Negotiated {
            side: Side::Server,
            path: Path::to(remote),
            local_id: 1,
            remote_id: 2,
            suite: Suite::Aes256Gcm,
            secrets: secrets(1, 2),
            local_limits: Limits::default(),
            remote_limits: Limits::default(),
            table: ChannelTable::new(channels).expect("a good table").into(),
            reset_token: None,
            rtt: None,
            info: Box::new(Connected {
                remote,
                number: 2,
                key: None,
                is_first_use: false,
                user_data: Payload::empty(),
                token: None,
            }),
        };
        let start = StartNumbers { sequence: first_sequence, ..StartNumbers::default() };
        let config = ConnectionConfig { start, ..ConnectionConfig::default() };
        let mut workspace = Workspace::default();
        Self {
            connection: Connection::new(NOW, PeerId::from_u64(1), config, negotiated, &mut workspace),
            workspace,
            sender: PacketProtection::new(Suite::Aes256Gcm, &secrets(2, 1), KeyLimits::default(), NOW),
            next_number: 0,
        }
    }

    /// Hands in a packet with this payload, whatever largest datagram was announced.
    fn receive(&mut self, payload: &[u8]) {
        let number = self.next_number;
        self.next_number += 1;
        let mut datagram = Vec::new();
        let header = Header {
            connection_id: 1,
            number: TruncatedNumber::Short(number as u16),
            phase: KeyPhase(false),
        };
        header.encode(&mut datagram);
        datagram.extend_from_slice(payload);
        datagram.resize(datagram.len() + self.sender.tag_bytes(), 0);
        self.sender.seal_in_place(NOW, number, &mut datagram, header.bytes());
        let path = self.connection.path();
        let taken =
            self.connection.handle_datagram(NOW, path, Ecn::NotCapable, &mut datagram, &mut self.workspace);
        assert_eq!(taken, Ok(()));
    }

    /// Why the connection closes, if it does: what its next packet says.
    fn closing_reason(&mut self) -> Option<Reason> {
        if !self.connection.is_closing() {
            return None;
        }
        let mut packet = Vec::new();
        let limits = TransmitLimits { segments: 1, bytes: 1_200 };
        self.connection.poll_transmit(NOW, limits, &mut packet, &mut self.workspace).expect("CLOSE goes out");
        let header_bytes = Header::decode(&packet).expect("a packet").bytes();
        let payload_bytes = self.sender.open_in_place(NOW, 0, &mut packet, header_bytes).expect("it opens");
        let frames = Frames::new(&packet[header_bytes..header_bytes + payload_bytes], &[]);
        frames.flatten().find_map(|frame| match frame {
            Frame::Close { reason, .. } => Some(Reason::from_code(reason)),
            _ => None,
        })
    }

    /// Channel, key and bytes of all messages delivered so far, sorted.
    fn messages(&mut self) -> Vec<(ChannelId, u32, Vec<u8>)> {
        let events = std::iter::from_fn(|| self.workspace.poll_event());
        let mut messages: Vec<_> = events
            .filter_map(|event| match event {
                Event::Message { channel, key, payload, .. } => Some((channel, key, payload.to_vec())),
                _ => None,
            })
            .collect();
        messages.sort();
        messages
    }
}

/// A receiving connection gives the messages that the vector calls complete; which sequences they had it does not tell.
fn check_reassembly(entry: Entry<'_>) -> Checked {
    let references: Vec<u64> =
        entry.list("references").iter().map(|reference| reference.0.as_u64().expect("a number")).collect();
    let first = references[0];
    assert!(references.iter().all(|&reference| reference == first), "{entry}: one start for all channels");
    let mut end = End::new(&modes(entry), first);
    entry.byte_strings("payloads").iter().for_each(|payload| end.receive(payload));
    assert_eq!(end.closing_reason(), None, "{entry}");
    let mut found: Vec<_> = end
        .messages()
        .into_iter()
        .map(|(channel, key, data)| (u64::from(channel.0), u64::from(key), data.len() as u64, sha256(&data)))
        .collect();
    let mut expected: Vec<_> = entry
        .list("complete")
        .iter()
        .map(|message| {
            let key = message.maybe_number("key").unwrap_or(0);
            (message.number("channel"), key, message.number("length"), message.text("sha256").to_owned())
        })
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{entry}");
    Ok(())
}

fn sha256(data: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, data).as_ref())
}

#[test]
fn messages_are_numbered_and_made_whole() {
    for_each("messages.json", |entry| match entry.text("kind") {
        "frames" => check_frames(entry),
        "count" => {
            let payload = entry.bytes("bytes");
            assert_eq!(frames(&payload, &modes(entry))?.len() as u64, entry.number("frames"), "{entry}");
            Ok(())
        }
        "expand" => {
            let sequence =
                expand_truncated(entry.number("truncated"), SEQUENCE_BITS, entry.number("reference"));
            assert_eq!(sequence, entry.number("sequence"), "{entry}");
            Ok(())
        }
        "reassemble" => check_reassembly(entry),
        kind => panic!("{entry}: kind {kind}"),
    });
}

/// Numbers that are remembered as sent below the newest of an ACK: more than any ACK can report.
const REMEMBERED: u64 = 10_000;

fn check_ack(entry: Entry<'_>) -> Checked {
    let bytes = entry.bytes("bytes");
    let frames = frames(&bytes, &[])?;
    let [Frame::Ack(ack)] = &frames[..] else { panic!("{entry}: not one ACK") };
    // The history begins at 0, or far below everything the ACK tells of.
    let largest_sent = entry.number("largest_sent");
    let first =
        entry.0.get("newest_number").map_or(largest_sent, |newest| newest.as_u64().expect("a number"));
    let first = if largest_sent < 2 * REMEMBERED { 0 } else { first - REMEMBERED };
    let mut packets = SentPackets::new(first);
    for number in first..=largest_sent {
        let mut sent = vec![SentFrame::Messages { position: 0, count: 1, first: number }];
        packets.handle_sent(NOW, 100, Provokes::Promptly, &mut sent);
    }
    let mut acked = Vec::new();
    packets.handle_ack(NOW, ack, &mut acked).map_err(refused)?;
    assert_eq!(ack_json(ack), *entry.field("decoded"), "{entry}");
    assert_eq!(packets.largest_acked(), Some(entry.number("newest_number")), "{entry}");
    let acked: Vec<u64> = acked
        .iter()
        .map(|frame| match frame {
            SentFrame::Messages { first, .. } => *first,
            other => panic!("{entry}: {other:?}"),
        })
        .collect();
    let mut spans: Vec<[u64; 2]> =
        acked.chunk_by(|a, b| a + 1 == *b).map(|run| [run[0], run[run.len() - 1]]).collect();
    spans.reverse();
    assert_eq!(json!(spans), *entry.field("acknowledged"), "{entry}");
    let mut encoded = Vec::new();
    ack.encode(&mut encoded);
    assert_eq!(encoded, bytes, "{entry}");
    Ok(())
}

#[test]
fn acknowledgements_name_the_packets_they_name() {
    for_each("ack.json", check_ack);
}
