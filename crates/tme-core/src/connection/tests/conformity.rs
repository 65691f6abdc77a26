//! What a connection makes of packets that no end of ours would send (`docs/PROTOCOL.md`, sections 6 to 9).

use super::super::sent::SentFrame;
use super::*;
use crate::wire::frame::{Fragment, Frame, Frames, MessageFrame, SequenceField};
use crate::wire::header::{Header, KeyPhase, TruncatedNumber};

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
            path: Path::to(remote),
            local_id: 7,
            remote_id: 8,
            suite: Suite::Aes256Gcm,
            secrets: SessionSecrets { send: to_client.into(), receive: to_server.into() },
            local_limits,
            remote_limits: Limits::default(),
            table: Arc::new(ChannelTable::new(channels).unwrap()),
            reset_token: None,
            rtt: None,
            info: Box::new(Connected {
                remote,
                number: 2,
                key: None,
                is_first_use: false,
                token: None,
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

    fn messages(&mut self) -> Vec<Vec<u8>> {
        let events = std::iter::from_fn(|| self.workspace.poll_event());
        let messages = events.filter_map(|event| match event {
            Event::Message { payload, .. } => Some(payload.to_vec()),
            _ => None,
        });
        messages.collect()
    }
}

fn close() -> Vec<u8> {
    let mut payload = Vec::new();
    Frame::Close { reason: 100, code: 0, detail: b"" }.encode(&[], &mut payload);
    payload
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
fn fragments_move_the_reference_of_their_channel_even_if_they_stay_alone() {
    let mut victim = Victim::new();
    let cell = |sequence: u32, index| {
        let fragment = Some(Fragment { index, total: 2_200 });
        message(0, ChannelMode::Unreliable, sequence & 0xFF_FFFF, fragment, &[0xA5; 1_100])
    };
    // Each step alone is below 2²³, two of them are not.
    for sequence in [0, 0x70_0000, 0xE0_0000] {
        victim.receive(&cell(sequence, 0));
    }
    victim.receive(&[cell(0x150_0000, 0), cell(0x150_0000, 1)].concat());
    assert_eq!(victim.messages().len(), 1);
    let ReceiveChannel::Unreliable { newest } = victim.connection.receivers[0] else { panic!() };
    assert_eq!(newest, 0x150_0000);
}

#[test]
fn nothing_is_delivered_behind_close() {
    let mut victim = Victim::new();
    victim.receive(&[whole(3, 0, b"before"), close(), whole(3, 1, b"behind")].concat());
    let mut packet = Vec::new();
    let limits = TransmitLimits { segments: 1, bytes: 1_200 };
    assert!(victim.connection.poll_transmit(NOW, limits, &mut packet, &mut victim.workspace).is_some());
    // Overtaken by CLOSE, then nonsense: no effect but an acknowledgement of what provokes one.
    for late in [whole(3, 1, b"late"), vec![0x0E]] {
        victim.receive(&late);
        assert!(matches!(victim.connection.state, State::Draining));
    }
    assert!(victim.connection.poll_timeout().is_some_and(|at| at <= NOW + ms(25)));
    assert_eq!(victim.messages(), [b"before"]);
}

#[test]
fn whoever_closes_hears_nothing_more_but_the_answer() {
    let mut victim = Victim::new();
    victim.receive(&whole(3, 0, b"before"));
    victim.connection.close(NOW, CloseMode::Now, Farewell::new(Reason::Kicked));
    victim.receive(&whole(3, 1, b"behind"));
    let mut packet = Vec::new();
    let limits = TransmitLimits { segments: 1, bytes: 1_200 };
    victim.connection.poll_transmit(NOW, limits, &mut packet, &mut victim.workspace).unwrap();
    assert_eq!(victim.reason(), Some(Reason::Kicked));
    victim.receive(&[0x02, 0, 0, 0, 0, 0, 0]);
    assert!(victim.connection.is_closed(), "the CLOSE was acknowledged");
    assert_eq!(victim.messages(), [b"before"]);
}

#[test]
fn close_is_repeated_for_three_seconds() {
    let mut victim = Victim::new();
    victim.receive(&[0x01]);
    victim.connection.close(NOW, CloseMode::Now, Farewell::new(Reason::Closed));
    let limits = TransmitLimits { segments: 8, bytes: 65_000 };
    let mut now = NOW;
    let mut count = 0;
    while !victim.connection.is_closed() {
        let mut packets = Vec::new();
        while victim.connection.poll_transmit(now, limits, &mut packets, &mut victim.workspace).is_some() {
            count += 1;
        }
        now = victim.connection.poll_timeout().unwrap().max(now);
        victim.connection.handle_timeout(now, &mut victim.workspace);
        assert!(now < NOW + Duration::from_secs(60));
    }
    // Up to 100 ms apart while the other side was heard in the last 1.5 s, then up to 1 s.
    assert_eq!((count, now), (19, NOW + Duration::from_secs(3)));
}

#[test]
fn what_exceeds_the_receivers_limits_closes_the_connection() {
    let limits = Limits { reliable_message_bytes_max: 2_000, ..Limits::default() };
    let cell = |total| {
        let fragment = Some(Fragment { index: 0, total });
        message(3, ChannelMode::ReliableOrdered, 0, fragment, &[0xA5; 1_100])
    };
    let skip = |bytes| {
        let mut payload = Vec::new();
        Frame::Skip { position: 2, sequence: 0, bytes }.encode(&ChannelMode::ALL, &mut payload);
        payload
    };
    for (what, payload, expected) in [
        ("a message of 2,000 bytes", cell(2_000), None),
        ("a message of 2,001 bytes", cell(2_001), Some(Reason::FlowControl)),
        ("a skip of 2,000 bytes", skip(2_000), None),
        ("a skip of 2,001 bytes", skip(2_001), Some(Reason::FlowControl)),
        ("a skip of more than 16 MiB", skip((16 << 20) + 1), Some(Reason::ProtocolViolation)),
    ] {
        let mut victim = Victim::with(limits);
        victim.receive(&payload);
        assert_eq!(victim.reason(), expected, "{what}");
    }
}

#[test]
fn a_sender_waits_for_the_oldest_message_however_much_credit_it_has() {
    let table = ChannelTable::new([Channel::reliable_unordered("a")]).unwrap();
    let allowance = PeerAllowance {
        message_bytes_max: 1 << 20,
        connection_bytes: 1 << 30,
        channel_bytes: 1 << 30,
        channel_messages: 4,
    };
    let mut channels = SendChannels::new(&table, 0, allowance);
    for _ in 0..10 {
        channels.push(NOW, 0, Payload::empty(), SendOptions::default()).unwrap();
    }
    let fill = |channels: &mut SendChannels| {
        let (mut packet, mut frames) = (Vec::new(), Vec::new());
        channels.fill(NOW, &mut send::PacketRoom::new(1, &mut packet, 1_200, &mut frames));
        frames
    };
    let messages = |first, count| SentFrame::Messages { position: 0, count, first };
    assert_eq!(fill(&mut channels), [messages(0, 4)]);
    channels.handle_channel_credit(0, 1 << 30, 100);
    channels.handle_acked(messages(1, 3));
    assert_eq!(fill(&mut channels), [], "number 0 is not acknowledged");
    assert!(!channels.has_sendable());
    channels.handle_acked(messages(0, 1));
    assert!(channels.has_sendable());
    assert_eq!(fill(&mut channels), [messages(4, 4)]);
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
        channels.fill(NOW, &mut send::PacketRoom::new(1, &mut packet, 65_000, &mut frames));
        assert_eq!(Frames::new(&packet, &modes).filter(Result::is_ok).count(), expected);
    }
}
