//! The packet being filled: what still fits, and a record of what it carries.

use crate::channel::ChannelMode;
use crate::connection::Provokes;
use crate::connection::sent::SentFrame;
use crate::wire::frame::{
    CELL_BYTES, Frame, MESSAGES_PER_PACKET_MAX, MessageFrame, PATH_DATA_BYTES, SEQUENCE_BITS, SequenceField,
};

/// The packet being built: where frames are appended and what is remembered about them.
#[derive(Debug)]
pub struct PacketRoom<'a> {
    packet: &'a mut Vec<u8>,
    /// The packet's number.
    number: u64,
    /// Length that the packet may grow to, without the tag.
    end: usize,
    frames: &'a mut Vec<SentFrame>,
    provokes: Provokes,
    messages: u32,
    /// Channel and sequence of the message written last.
    last: Option<(u8, u64)>,
}

impl<'a> PacketRoom<'a> {
    /// Room in packet `number`, `packet`, up to a length of `end`; what is written is recorded in `frames`.
    pub fn new(number: u64, packet: &'a mut Vec<u8>, end: usize, frames: &'a mut Vec<SentFrame>) -> Self {
        Self { packet, number, end, frames, provokes: Provokes::Nothing, messages: 0, last: None }
    }

    /// The number of the packet.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Bytes left.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.end.saturating_sub(self.packet.len())
    }

    /// What the frames so far provoke.
    #[must_use]
    pub const fn provokes(&self) -> Provokes {
        self.provokes
    }

    /// Remembers that the packet carries this.
    pub fn record(&mut self, frame: SentFrame) {
        self.provokes = Provokes::Promptly;
        if let SentFrame::Messages { position, first, .. } = frame
            && let Some(SentFrame::Messages { position: same, count, first: run }) = self.frames.last_mut()
            && *same == position
            && *run + u64::from(*count) == first
            && *count < u16::MAX
        {
            *count += 1;
            return;
        }
        self.frames.push(frame);
    }

    /// Remembers that the packet carries this, too, which by itself makes the other side do nothing.
    pub fn record_quietly(&mut self, frame: SentFrame) {
        self.frames.push(frame);
    }

    /// Appends a control frame if it fits.
    pub fn write_control(&mut self, frame: &Frame<'_>, sent: Option<SentFrame>) -> Option<usize> {
        let before = self.packet.len();
        frame.encode(&[], self.packet);
        if self.packet.len() > self.end {
            self.packet.truncate(before);
            return None;
        }
        match sent {
            Some(sent) => self.record(sent),
            None => self.provokes = Provokes::Promptly,
        }
        Some(self.packet.len() - before)
    }

    /// Appends a frame that is not sent again, if it fits; gives whether it did.
    pub fn write_unrecorded(&mut self, frame: &Frame<'_>, provokes: Provokes) -> bool {
        let before = self.packet.len();
        frame.encode(&[], self.packet);
        if self.packet.len() > self.end {
            self.packet.truncate(before);
            return false;
        }
        self.provokes = self.provokes.max(provokes);
        true
    }

    /// Appends an ACK with `write`; it is never recorded and provokes nothing.
    pub fn write_ack(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.packet);
    }

    /// Appends the answer to a challenge; it is never recorded and provokes nothing.
    pub fn write_response(&mut self, data: [u8; PATH_DATA_BYTES]) {
        Frame::PathResponse { data }.encode(&[], self.packet);
    }

    /// Appends a SKIP if it fits.
    pub(super) fn write_skip(&mut self, position: u8, sequence: u64, bytes: u64) -> Option<usize> {
        let frame = Frame::Skip { position, sequence: low_bits(sequence), bytes };
        self.write_control(&frame, Some(SentFrame::Skip { position, sequence }))
    }

    /// Appends a whole message if it fits. Not recorded: for messages that are never sent again.
    pub(super) fn write_message(&mut self, frame: &MessageFrame<'_>, mode: ChannelMode) -> Option<usize> {
        let bytes = frame.bytes_for(frame.data.len(), mode);
        if bytes > self.bytes() || self.messages >= MESSAGES_PER_PACKET_MAX {
            return None;
        }
        frame.encode(mode, self.packet);
        self.messages += 1;
        self.provokes = self.provokes.max(Provokes::Lazily);
        self.last = None;
        Some(bytes)
    }

    /// Appends a whole reliable message if it fits, with an implied sequence where possible, and records it.
    pub(super) fn write_numbered(
        &mut self,
        position: u8,
        mode: ChannelMode,
        sequence: u64,
        key: u32,
        data: &[u8],
    ) -> Option<usize> {
        let is_successor = self.last.is_some_and(|(last, number)| last == position && number + 1 == sequence);
        let field = if is_successor { SequenceField::Implied } else { SequenceField::low(sequence) };
        let frame = MessageFrame { position, sequence: field, key, fragment: None, data };
        let written = self.write_message(&frame, mode)?;
        self.last = Some((position, sequence));
        self.record(SentFrame::Messages { position, count: 1, first: sequence });
        Some(written)
    }

    /// Appends as many cells of `whole` as fit, from the frame's index on, at most `cells_max`. Gives the number
    /// of cells and of bytes. Not recorded.
    pub(super) fn write_cells(
        &mut self,
        frame: &MessageFrame<'_>,
        mode: ChannelMode,
        whole: &[u8],
        cells_max: usize,
    ) -> Option<(usize, usize)> {
        let start = frame.fragment?.index as usize * CELL_BYTES;
        let left = whole.get(start..)?;
        // Exact to the byte: in a batch every packet has the size of the first, so the second cell must fit where the
        // first one just did.
        let room = self.bytes();
        let fits = |bytes: usize| frame.bytes_for(bytes, mode) <= room;
        let data = if fits(left.len()) && left.len() <= cells_max.saturating_mul(CELL_BYTES) {
            left
        } else {
            let cells_max = cells_max.min(room / CELL_BYTES);
            let cells = (1..=cells_max).rev().find(|cells| fits(cells * CELL_BYTES))?;
            left.get(..cells * CELL_BYTES)?
        };
        if data.is_empty() {
            return None;
        }
        let written = self.write_message(&MessageFrame { data, ..*frame }, mode)?;
        Some((data.len().div_ceil(CELL_BYTES), written))
    }
}

impl SequenceField {
    /// The field that carries the low bits of this sequence.
    #[must_use]
    #[inline]
    pub const fn low(sequence: u64) -> Self {
        Self::Low(low_bits(sequence))
    }
}

/// The bits of a sequence that travel.
const fn low_bits(sequence: u64) -> u32 {
    (sequence & ((1 << SEQUENCE_BITS) - 1)) as u32
}
