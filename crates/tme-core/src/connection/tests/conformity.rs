//! What a connection makes of packets that no end of ours would send (`docs/PROTOCOL.md`, sections 6 to 9).

use super::*;
use crate::wire::frame::Fragment;
use crate::wire::frame::{Frames, MessageFrame, SequenceField};
use crate::wire::header::Header;
use crate::wire::header::{KeyPhase, TruncatedNumber};

const NOW: Instant = Instant::from_micros(1_000_000);
const SECRETS: [[u8; 32]; 2] = [[1; 32], [2; 32]];
const HEADER_BYTES: usize = 7;

/// A server's end, and the keys with which packets are written to it by hand.
struct Victim {
    connection: Connection,
    workspace: Workspace,
    sender: PacketProtection,
    next_number: u64,
}

impl Victim {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(local_limits: Limits) -> Self {
        let channels = CHANNELS.iter().zip(ChannelMode::ALL).map(|(name, mode)| Channel::new(*name, mode));
        let remote = "10.0.0.1:1000".parse().unwrap();
        let [to_server, to_client] = SECRETS;
        let negotiated = Negotiated {
            side: Side::Server,
            path: Path { remote, local: None },
            local_id: 7,
            remote_id: 8,
            suite: Suite::Aes256Gcm,
            secrets: SessionSecrets { send: to_client.into(), receive: to_server.into() },
            local_limits,
            remote_limits: Limits::default(),
            table: Arc::new(ChannelTable::new(channels).unwrap()),
            reset_token: None,
            info: Box::new(Connected {
                remote,
                number: 2,
                key: None,
                is_first_use: false,
                user_data: Payload::empty(),
            }),
        };
        let sender = SessionSecrets { send: to_server.into(), receive: to_client.into() };
        let mut workspace = Workspace::default();
        let config = ConnectionConfig::default();
        Self {
            connection: Connection::new(NOW, PeerId::new(1, 1), config, negotiated, &mut workspace),
            workspace,
            sender: PacketProtection::new(Suite::Aes256Gcm, &sender, KeyLimits::default(), NOW),
            next_number: 0,
        }
    }

    /// Seals the payload into the next packet and hands it in.
    fn receive(&mut self, payload: &[u8]) {
        self.receive_as(self.next_number, payload);
    }

    fn receive_as(&mut self, number: u64, payload: &[u8]) {
        self.next_number = self.next_number.max(number + 1);
        let mut datagram = Vec::new();
        let number_field = TruncatedNumber::Short(number as u16);
        Header { connection_id: 7, number: number_field, phase: KeyPhase(false) }.encode(&mut datagram);
        datagram.extend_from_slice(payload);
        datagram.resize(datagram.len() + self.sender.tag_bytes(), 0);
        self.sender.seal_in_place(NOW, number, &mut datagram, HEADER_BYTES);
        let path = self.connection.path();
        self.connection
            .handle_datagram(NOW, path, Ecn::NotCapable, &mut datagram, &mut self.workspace)
            .unwrap();
    }

    /// Why the connection is closing, if it is.
    fn reason(&self) -> Option<Reason> {
        match &self.connection.state {
            State::Closing { farewell, .. } => Some(farewell.reason),
            _ => None,
        }
    }

    fn messages(&mut self) -> Vec<(ChannelId, Vec<u8>)> {
        let events = std::iter::from_fn(|| self.workspace.poll_event());
        let messages = events.filter_map(|event| match event {
            Event::Message { channel, payload, .. } => Some((channel, payload.to_vec())),
            _ => None,
        });
        messages.collect()
    }
}

/// A whole message of a numbered channel without a key.
fn whole(position: u8, sequence: u32, data: &[u8]) -> Vec<u8> {
    message(position, ChannelMode::ReliableOrdered, sequence, None, data)
}

fn message(
    position: u8,
    mode: ChannelMode,
    sequence: u32,
    fragment: Option<Fragment>,
    data: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let sequence = SequenceField::Low(sequence);
    MessageFrame { position, sequence, key: 0, fragment, data }.encode(mode, &mut bytes);
    bytes
}

#[test]
fn what_no_packet_may_hold_closes_the_connection() {
    let ack = [0x02, 0, 0, 0, 0, 0, 0];
    let cases: [(&str, Vec<u8>); 4] = [
        ("an unknown frame", vec![0x0E]),
        ("an implied sequence without a reference", [&whole(3, 0, b"a")[..], &[0xC2, 0]].concat()),
        ("2,049 messages", [0x80, 0].repeat(2_049)),
        ("an acknowledgement of nothing", ack.to_vec()),
    ];
    for (what, payload) in cases {
        let mut victim = Victim::new();
        victim.receive(&payload);
        assert_eq!(victim.reason(), Some(Reason::ProtocolViolation), "{what}");
    }
    let mut fine = Victim::new();
    fine.receive(&[0x80, 0].repeat(2_048));
    assert_eq!((fine.reason(), fine.messages().len()), (None, 2_048));
}

#[test]
fn a_sender_puts_2048_messages_into_a_packet_and_not_one_more() {
    let table = ChannelTable::new([Channel::reliable_unordered("a"), Channel::unreliable("b")]).unwrap();
    let allowance = PeerAllowance {
        message_bytes_max: 1 << 20,
        connection_bytes: 1 << 30,
        channel_bytes: 1 << 30,
        channel_messages: 1 << 18,
    };
    let mut channels = SendChannels::new(&table, 0, allowance);
    for n in 0..3_000 {
        channels.push(NOW, n % 2, Payload::empty(), SendOptions::default()).unwrap();
    }
    let modes = [ChannelMode::ReliableUnordered, ChannelMode::Unreliable];
    for expected in [2_048, 3_000 - 2_048] {
        let (mut packet, mut frames) = (Vec::new(), Vec::new());
        channels.fill(NOW, &mut send::PacketRoom::new(&mut packet, 65_000, &mut frames));
        assert_eq!(Frames::new(&packet, &modes).filter(Result::is_ok).count(), expected);
    }
}
