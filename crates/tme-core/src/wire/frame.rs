//! Frames inside a packet (`docs/PROTOCOL.md`, sections 6 and 7.2).
//!
//! [`Frames`] is the border: what it gives obeys the page as far as one packet can tell.

use super::ack::Ack;
use crate::channel::ChannelMode;
use crate::codec::{DecodeError, Put, Reader, varint_bytes};
use crate::crypto::reset::ResetToken;

pub(crate) const PADDING: u8 = 0x00;
pub(crate) const PING: u8 = 0x01;
pub(crate) const ACK: u8 = 0x02;
pub(crate) const ACK_GAPS: u8 = 0x03;
pub(crate) const ACK_RANGES: u8 = 0x04;
pub(crate) const CONNECTION_CREDIT: u8 = 0x05;
pub(crate) const CHANNEL_CREDIT: u8 = 0x06;
pub(crate) const SKIP: u8 = 0x07;
pub(crate) const CLOSE: u8 = 0x08;
pub(crate) const PATH_CHALLENGE: u8 = 0x09;
pub(crate) const PATH_RESPONSE: u8 = 0x0A;
pub(crate) const CLOCK_REQUEST: u8 = 0x0B;
pub(crate) const CLOCK_ANSWER: u8 = 0x0C;
pub(crate) const RESET_TOKEN: u8 = 0x0E;
const MESSAGE: u8 = 0x80;
const IMPLIED_SEQUENCE: u8 = 0x40;
const FRAGMENT: u8 = 0x20;
const POSITION: u8 = 0x1F;

/// Bytes of a message that travel in one cell; longer messages are cut into cells of this size.
pub const CELL_BYTES: usize = 1_100;
/// Most cells of an unreliable or sequenced message.
pub const UNRELIABLE_CELLS_MAX: usize = 16;
/// Largest unreliable or sequenced message in bytes, whatever the path.
pub const UNRELIABLE_BYTES_MAX: usize = UNRELIABLE_CELLS_MAX * CELL_BYTES;
/// Largest reliable message in bytes that any configuration allows.
pub const RELIABLE_BYTES_MAX: usize = 16 << 20;
/// Most bytes of detail in a CLOSE frame.
pub const CLOSE_DETAIL_BYTES_MAX: usize = 512;
/// Most MESSAGE frames in a packet. A replay window of 2,048 packets then holds at most 2²² messages, which 24 bits of
/// sequence tell apart even where datagrams of 65,527 bytes hold messages of two.
pub const MESSAGES_PER_PACKET_MAX: u32 = 2_048;
/// Bytes that a challenge of a path asks back.
pub const PATH_DATA_BYTES: usize = 8;
/// Bits of a message sequence that travel.
pub const SEQUENCE_BITS: u32 = 24;

/// A frame as it stands in a packet; data is borrowed from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// One byte of nothing.
    Padding,
    /// Provokes an acknowledgement.
    Ping,
    /// What the sender of this frame has received.
    Ack(Ack<'a>),
    /// Bytes allowed on all reliable channels together, since the start.
    ConnectionCredit {
        /// Absolute bytes.
        bytes: u64,
    },
    /// What is allowed on one reliable channel, since the start.
    ChannelCredit {
        /// Position of the channel.
        position: u8,
        /// Absolute bytes.
        bytes: u64,
        /// Absolute messages.
        messages: u64,
    },
    /// A message that will not come.
    Skip {
        /// Position of the channel.
        position: u8,
        /// Low 24 bits of its sequence.
        sequence: u32,
        /// Its total length, for the flow-control account.
        bytes: u64,
    },
    /// The connection ends.
    Close {
        /// Number from the reason register.
        reason: u16,
        /// The application's own code.
        code: u32,
        /// The application's own bytes.
        detail: &'a [u8],
    },
    /// Asks for the other side's time.
    ClockRequest {
        /// When this left, in microseconds of the sender's clock.
        client_time: u64,
    },
    /// The time that was asked for, in microseconds of the sender's clock but for the first.
    ClockAnswer {
        /// The request's own time.
        client_time: u64,
        /// When the request was received.
        received: u64,
        /// When this left.
        sent: u64,
    },
    /// Asks whoever gets it to send the same bytes back.
    PathChallenge {
        /// Random bytes.
        data: [u8; PATH_DATA_BYTES],
    },
    /// The answer to a challenge.
    PathResponse {
        /// The bytes of the challenge.
        data: [u8; PATH_DATA_BYTES],
    },
    /// How the server would tell, from now on, that it forgot the connection.
    ResetToken {
        /// The token.
        token: ResetToken,
    },
    /// A message or a piece of one.
    Message(MessageFrame<'a>),
}

/// Where a MESSAGE frame's sequence comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceField {
    /// Unreliable whole messages have none.
    Absent,
    /// The low 24 bits.
    Low(u32),
    /// One more than the previous message of the channel in this packet.
    Implied,
}

/// A message or a piece of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageFrame<'a> {
    /// Position of the channel in the table.
    pub position: u8,
    /// The message's sequence.
    pub sequence: SequenceField,
    /// Key in reliable-latest channels, else 0.
    pub key: u32,
    /// Which piece, if it is one.
    pub fragment: Option<Fragment>,
    /// The bytes.
    pub data: &'a [u8],
}

/// Which cells of which whole a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// First cell.
    pub index: u32,
    /// Bytes of the whole message.
    pub total: u32,
}

/// Number of cells that a message of `bytes` bytes has.
#[must_use]
#[inline]
pub const fn cells_of(bytes: usize) -> usize {
    bytes.div_ceil(CELL_BYTES)
}

/// The frames of one packet, front to back, with the rules that hold for them together: at most one ACK and 2,048
/// MESSAGEs, and an implied sequence only behind a MESSAGE of its channel that has one.
///
/// Ends with the first malformed frame, which is given as an error.
#[derive(Clone, Debug)]
pub struct Frames<'a, 'm> {
    reader: Reader<'a>,
    modes: &'m [ChannelMode],
    has_ack: bool,
    messages: u32,
    /// Bit per position: a MESSAGE with a sequence came.
    numbered: u32,
}

impl<'a, 'm> Frames<'a, 'm> {
    /// The frames of this payload. `modes` are the modes of the channels by position.
    #[must_use]
    pub const fn new(payload: &'a [u8], modes: &'m [ChannelMode]) -> Self {
        Self { reader: Reader::new(payload), modes, has_ack: false, messages: 0, numbered: 0 }
    }

    /// Bytes behind the frame given last.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.reader.remaining()
    }

    fn check(&mut self, frame: &Frame<'_>) -> Result<(), DecodeError> {
        let is_allowed = match frame {
            Frame::Ack(_) => !std::mem::replace(&mut self.has_ack, true),
            Frame::Message(message) => {
                self.messages += 1;
                let bit = 1 << message.position;
                let has_reference = message.sequence != SequenceField::Implied || self.numbered & bit != 0;
                if message.sequence != SequenceField::Absent {
                    self.numbered |= bit;
                }
                has_reference && self.messages <= MESSAGES_PER_PACKET_MAX
            }
            _ => true,
        };
        if is_allowed { Ok(()) } else { Err(DecodeError::Misplaced) }
    }
}

impl<'a> Iterator for Frames<'a, '_> {
    type Item = Result<Frame<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let frame = decode(&mut self.reader, self.modes).and_then(|frame| self.check(&frame).map(|()| frame));
        if frame.is_err() {
            self.reader.rest();
        }
        Some(frame)
    }
}

/// Takes the next frame. `modes` are the modes of the channels by position.
#[inline]
pub fn decode<'a>(reader: &mut Reader<'a>, modes: &[ChannelMode]) -> Result<Frame<'a>, DecodeError> {
    let kind = reader.u8()?;
    if kind & MESSAGE != 0 {
        return decode_message(kind, reader, modes).map(Frame::Message);
    }
    decode_control(kind, reader, modes)
}

fn decode_control<'a>(
    kind: u8,
    reader: &mut Reader<'a>,
    modes: &[ChannelMode],
) -> Result<Frame<'a>, DecodeError> {
    match kind {
        PADDING => Ok(Frame::Padding),
        PING => Ok(Frame::Ping),
        ACK | ACK_GAPS | ACK_RANGES => Ack::decode(kind, reader).map(Frame::Ack),
        CONNECTION_CREDIT => Ok(Frame::ConnectionCredit { bytes: reader.varint()? }),
        CHANNEL_CREDIT => {
            let position = reliable_position(reader, modes)?;
            Ok(Frame::ChannelCredit { position, bytes: reader.varint()?, messages: reader.varint()? })
        }
        SKIP => {
            let position = reliable_position(reader, modes)?;
            let sequence = reader.u24()?;
            Ok(Frame::Skip { position, sequence, bytes: reader.varint_in(0..=RELIABLE_BYTES_MAX as u64)? })
        }
        CLOSE => {
            let (reason, code) = (reader.u16()?, reader.u32()?);
            let length = reader.varint_in(0..=CLOSE_DETAIL_BYTES_MAX as u64)?;
            Ok(Frame::Close { reason, code, detail: reader.bytes(length as usize)? })
        }
        CLOCK_REQUEST => Ok(Frame::ClockRequest { client_time: reader.u64()? }),
        CLOCK_ANSWER => {
            let (client_time, received, sent) = (reader.u64()?, reader.u64()?, reader.u64()?);
            Ok(Frame::ClockAnswer { client_time, received, sent })
        }
        PATH_CHALLENGE => Ok(Frame::PathChallenge { data: reader.array()? }),
        PATH_RESPONSE => Ok(Frame::PathResponse { data: reader.array()? }),
        RESET_TOKEN => Ok(Frame::ResetToken { token: ResetToken::from_bytes(reader.array()?) }),
        _ => Err(DecodeError::UnknownType),
    }
}

fn reliable_position(reader: &mut Reader<'_>, modes: &[ChannelMode]) -> Result<u8, DecodeError> {
    let position = reader.u8()?;
    match modes.get(usize::from(position)) {
        Some(mode) if mode.is_reliable() => Ok(position),
        _ => Err(DecodeError::OutOfRange),
    }
}

#[inline]
fn decode_message<'a>(
    kind: u8,
    reader: &mut Reader<'a>,
    modes: &[ChannelMode],
) -> Result<MessageFrame<'a>, DecodeError> {
    let position = kind & POSITION;
    let mode = *modes.get(usize::from(position)).ok_or(DecodeError::OutOfRange)?;
    let is_fragment = kind & FRAGMENT != 0;
    let is_implied = kind & IMPLIED_SEQUENCE != 0;
    let is_numbered = is_fragment || mode != ChannelMode::Unreliable;
    let sequence = match (is_numbered, is_implied) {
        (true, false) => SequenceField::Low(reader.u24()?),
        (true, true) if !is_fragment => SequenceField::Implied,
        (false, false) => SequenceField::Absent,
        _ => return Err(DecodeError::Reserved),
    };
    let key = if mode.is_keyed() { reader.varint_in(0..=u64::from(u32::MAX))? as u32 } else { 0 };
    if !is_fragment {
        let length = reader.varint_in(0..=CELL_BYTES as u64)? as usize;
        return Ok(MessageFrame { position, sequence, key, fragment: None, data: reader.bytes(length)? });
    }
    let total_max = if mode.is_reliable() { RELIABLE_BYTES_MAX } else { UNRELIABLE_BYTES_MAX };
    let index = reader.varint_in(0..=(RELIABLE_BYTES_MAX / CELL_BYTES) as u64)? as usize;
    let total = reader.varint_in(CELL_BYTES as u64 + 1..=total_max as u64)? as usize;
    let length = reader.varint_in(1..=total as u64)? as usize;
    let start = index * CELL_BYTES;
    let end = start + length;
    if end > total || (end != total && !length.is_multiple_of(CELL_BYTES)) {
        return Err(DecodeError::OutOfRange);
    }
    let fragment = Some(Fragment { index: index as u32, total: total as u32 });
    Ok(MessageFrame { position, sequence, key, fragment, data: reader.bytes(length)? })
}

impl MessageFrame<'_> {
    /// Bytes the frame takes on the wire for `data_bytes` of data.
    #[must_use]
    #[inline]
    pub fn bytes_for(&self, data_bytes: usize, mode: ChannelMode) -> usize {
        let sequence = if matches!(self.sequence, SequenceField::Low(_)) { 3 } else { 0 };
        let key = if mode.is_keyed() { varint_bytes(u64::from(self.key)) } else { 0 };
        let fragment = self.fragment.map_or(0, |fragment| {
            varint_bytes(u64::from(fragment.index)) + varint_bytes(u64::from(fragment.total))
        });
        1 + sequence + key + fragment + varint_bytes(data_bytes as u64) + data_bytes
    }

    /// Appends the frame.
    #[inline]
    pub fn encode(&self, mode: ChannelMode, out: &mut Vec<u8>) {
        let mut kind = MESSAGE | (self.position & POSITION);
        if self.fragment.is_some() {
            kind |= FRAGMENT;
        }
        if self.sequence == SequenceField::Implied {
            kind |= IMPLIED_SEQUENCE;
        }
        out.put_u8(kind);
        if let SequenceField::Low(low) = self.sequence {
            out.put_u24(low);
        }
        if mode.is_keyed() {
            out.put_varint(u64::from(self.key));
        }
        if let Some(fragment) = self.fragment {
            out.put_varint(u64::from(fragment.index));
            out.put_varint(u64::from(fragment.total));
        }
        out.put_varint(self.data.len() as u64);
        out.put_bytes(self.data);
    }
}

impl Frame<'_> {
    /// Appends the frame. `modes` as in [`decode`]; a MESSAGE outside the table is not written.
    pub fn encode(&self, modes: &[ChannelMode], out: &mut Vec<u8>) {
        match self {
            Self::Padding => out.put_u8(PADDING),
            Self::Ping => out.put_u8(PING),
            Self::Ack(ack) => ack.encode(out),
            Self::ConnectionCredit { bytes } => {
                out.put_u8(CONNECTION_CREDIT);
                out.put_varint(*bytes);
            }
            Self::ChannelCredit { position, bytes, messages } => {
                out.put_u8(CHANNEL_CREDIT);
                out.put_u8(*position);
                out.put_varint(*bytes);
                out.put_varint(*messages);
            }
            Self::Skip { position, sequence, bytes } => {
                out.put_u8(SKIP);
                out.put_u8(*position);
                out.put_u24(*sequence);
                out.put_varint(*bytes);
            }
            Self::Close { reason, code, detail } => {
                out.put_u8(CLOSE);
                out.put_u16(*reason);
                out.put_u32(*code);
                out.put_varint(detail.len() as u64);
                out.put_bytes(detail);
            }
            Self::ClockRequest { client_time } => {
                out.put_u8(CLOCK_REQUEST);
                out.put_u64(*client_time);
            }
            Self::ClockAnswer { client_time, received, sent } => {
                out.put_u8(CLOCK_ANSWER);
                [client_time, received, sent].into_iter().for_each(|&time| out.put_u64(time));
            }
            Self::PathChallenge { data } => {
                out.put_u8(PATH_CHALLENGE);
                out.put_bytes(data);
            }
            Self::PathResponse { data } => {
                out.put_u8(PATH_RESPONSE);
                out.put_bytes(data);
            }
            Self::ResetToken { token } => {
                out.put_u8(RESET_TOKEN);
                out.put_bytes(token.as_bytes());
            }
            Self::Message(message) => {
                if let Some(&mode) = modes.get(usize::from(message.position)) {
                    message.encode(mode, out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODES: [ChannelMode; 5] = ChannelMode::ALL;

    fn frames() -> Vec<Frame<'static>> {
        static DATA: [u8; 3_000] = [0xA5; 3_000];
        let message = |position, sequence, key, fragment, data| {
            Frame::Message(MessageFrame { position, sequence, key, fragment, data })
        };
        let piece = |index, total| Some(Fragment { index, total });
        vec![
            Frame::Padding,
            Frame::Ping,
            Frame::ConnectionCredit { bytes: 1 << 40 },
            Frame::ChannelCredit { position: 3, bytes: 300, messages: 7 },
            Frame::Skip { position: 4, sequence: 0xFF_FFFF, bytes: 77 },
            Frame::Close { reason: 100, code: 7, detail: b"bye" },
            Frame::ClockRequest { client_time: u64::MAX },
            Frame::ClockAnswer { client_time: 1, received: 2, sent: 1 << 63 },
            Frame::PathChallenge { data: [9; PATH_DATA_BYTES] },
            Frame::PathResponse { data: [10; PATH_DATA_BYTES] },
            Frame::ResetToken { token: ResetToken::from_bytes([14; 16]) },
            message(0, SequenceField::Absent, 0, None, &DATA[..0]),
            message(0, SequenceField::Low(9), 0, piece(1, 2_300), &DATA[..1_200]),
            message(1, SequenceField::Low(0xFF_FFFF), 0, None, &DATA[..127]),
            message(2, SequenceField::Implied, 0, None, &DATA[..128]),
            message(3, SequenceField::Low(1), 0, piece(0, 2_500), &DATA[..2_200]),
            message(4, SequenceField::Low(1), u32::MAX, None, &DATA[..1_100]),
        ]
    }

    #[test]
    fn frames_round_trip_and_every_truncation_is_refused() {
        for frame in frames() {
            let mut bytes = Vec::new();
            frame.encode(&MODES, &mut bytes);
            let mut reader = Reader::new(&bytes);
            assert_eq!(decode(&mut reader, &MODES).as_ref(), Ok(&frame));
            assert!(reader.is_empty());
            if let Frame::Message(message) = &frame {
                let mode = MODES[usize::from(message.position)];
                assert_eq!(message.bytes_for(message.data.len(), mode), bytes.len());
            }
            for length in 0..bytes.len() {
                assert!(
                    decode(&mut Reader::new(&bytes[..length]), &MODES).is_err(),
                    "{frame:?} cut at {length}"
                );
            }
        }
    }

    #[test]
    fn malformed_frames_are_refused() {
        let cases: [(&str, &[u8]); 11] = [
            ("unknown type", &[0x7F]),
            ("reserved type", &[0x0D, 0, 0, 0, 0, 0, 0, 0, 0]),
            ("channel outside the table", &[0x80 | 31, 0, 0, 0, 0]),
            ("implied sequence in an unreliable channel", &[0xC0, 0]),
            ("implied sequence of a fragment", &[0xE3, 0, 0x8A, 0x11, 1, 0]),
            ("fragment of a message that fits", &[0xA3, 0, 0, 0, 0, 0x05, 0x05, 0, 0, 0, 0, 0]),
            ("credit for an unreliable channel", &[CHANNEL_CREDIT, 0, 1, 1]),
            ("skip outside the table", &[SKIP, 9, 0, 0, 0, 1]),
            ("whole message longer than a cell", &[0x80, 0xCD, 0x08]),
            ("close detail too long", &[CLOSE, 0, 0, 0, 0, 0, 0, 0x81, 0x04]),
            ("fragment past the end", &[0xA3, 0, 0, 0, 2, 0xCD, 0x08, 1, 0]),
        ];
        for (what, bytes) in cases {
            assert!(decode(&mut Reader::new(bytes), &MODES).is_err(), "{what}");
        }
    }

    #[test]
    fn a_packet_holds_one_ack_and_no_implied_sequence_without_a_reference() {
        let ack = [ACK, 5, 0, 0, 0, 0, 0];
        let numbered = [0x83, 7, 0, 0, 0];
        let implied = [0xC3, 0];
        let fragment = [&[0xA3, 9, 0, 0, 1, 0xCD, 0x08, 1], &[0xA5][..]].concat();
        let other_channel = [0x82, 7, 0, 0, 0];
        let cases: [(&str, &[&[u8]], bool); 7] = [
            ("one ACK", &[&ack, &numbered], true),
            ("two ACKs", &[&ack, &numbered, &ack], false),
            ("after a whole message", &[&numbered, &implied, &implied], true),
            ("after a fragment", &[&fragment, &implied], true),
            ("with others between", &[&numbered, &other_channel, &[PING], &implied], true),
            ("after nothing", &[&implied], false),
            ("after another channel", &[&other_channel, &implied], false),
        ];
        for (what, frames, is_fine) in cases {
            let payload = frames.concat();
            let decoded: Result<Vec<_>, _> = Frames::new(&payload, &MODES).collect();
            assert_eq!(decoded.is_ok(), is_fine, "{what}");
        }
    }

    #[test]
    fn a_packet_holds_2048_messages_and_not_one_more() {
        let count =
            |messages: usize| Frames::new(&[0x80, 0].repeat(messages), &MODES).filter(Result::is_ok).count();
        assert_eq!(count(2_048), 2_048);
        assert_eq!(count(2_049), 2_048);
        assert!(
            Frames::new(&[0x80, 0].repeat(2_049), &MODES).any(|frame| frame == Err(DecodeError::Misplaced))
        );
    }

    #[test]
    fn nothing_comes_after_a_malformed_frame() {
        let mut frames = Frames::new(&[PING, 0x7F, PING], &MODES);
        assert_eq!(frames.next(), Some(Ok(Frame::Ping)));
        assert_eq!(frames.next(), Some(Err(DecodeError::UnknownType)));
        assert_eq!(frames.next(), None);
    }

    #[test]
    fn a_piece_must_end_at_a_cell_or_at_the_message() {
        let data = [0u8; 1_200];
        for (length, fine) in [(1_100, true), (1_099, false), (1_101, false), (1_200, true)] {
            let frame = Frame::Message(MessageFrame {
                position: 3,
                sequence: SequenceField::Low(0),
                key: 0,
                fragment: Some(Fragment { index: 1, total: 2_300 }),
                data: &data[..length],
            });
            let mut bytes = Vec::new();
            frame.encode(&MODES, &mut bytes);
            assert_eq!(decode(&mut Reader::new(&bytes), &MODES).is_ok(), fine, "{length}");
        }
    }
}
