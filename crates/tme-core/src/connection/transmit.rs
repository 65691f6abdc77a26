//! Building packets: what goes into the next one, and when it may leave.

use super::acknowledge::LAZY_DELAY_MAX;
use super::mtu::DATAGRAM_BYTES_SAFE;
use super::path::ANNOUNCEMENT_PADDING;
use super::send::PacketRoom;
use super::sent::SentFrame;
use super::{Connection, Provokes, ReceiveChannel, State, Timer, Workspace};
use crate::datagram::{Ecn, Path, Transmit};
use crate::stream::STREAM_DATAGRAM_BYTES_MAX;
use crate::time::Instant;
use crate::wire::frame::{CLOSE_DETAIL_BYTES_MAX, Frame, PADDING};
use crate::wire::header::{Header, KeyPhase, TruncatedNumber};

/// How many datagrams one [`poll_transmit`](Connection::poll_transmit) may put into the buffer.
#[derive(Clone, Copy, Debug)]
pub struct TransmitLimits {
    /// Most datagrams, all on one path and of one size but the last. 0: none that travels by itself, for the socket takes none;
    /// only what streams carry.
    pub segments: usize,
    /// Most bytes in all.
    pub bytes: usize,
}

impl TransmitLimits {
    /// Whether something may leave along this path.
    #[must_use]
    pub const fn permit(&self, path: &Path) -> bool {
        self.segments > 0 || path.is_stream()
    }
}

/// After this many packets without an acknowledgement of anything, a pure acknowledgement carries a PING: it keeps
/// packet numbers short and gives a receiver that never sends data a round-trip time.
const UNACKED_SPAN_MAX: u64 = 1 << 14;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Permission {
    /// Acknowledgements only: congestion control or the pacer hold data back, or there is none.
    AckOnly,
    /// Whatever is due.
    Data,
    /// A probe, whatever congestion control says.
    Probe,
}

impl Connection {
    /// Builds the datagrams that may leave now, back to back at the end of `buffer`. `None`: nothing to send at the
    /// moment; [`poll_timeout`](Self::poll_timeout) tells when to ask again.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        limits: TransmitLimits,
        buffer: &mut Vec<u8>,
        workspace: &mut Workspace,
    ) -> Option<Transmit> {
        let lone = self.poll_challenge(now, limits, buffer, workspace);
        let lone = lone.or_else(|| self.poll_detour(now, limits, buffer, workspace));
        if lone.is_some() || !limits.permit(&self.path) {
            return lone;
        }
        let lone = self.poll_size_probe(now, limits, buffer, workspace);
        if lone.is_some() {
            return lone;
        }
        if !self.is_passable(workspace) {
            self.timers.set(Timer::Ack, None);
            self.timers.set(Timer::Pacer, None);
            return None;
        }
        self.shrink_in_silence(now);
        let start = buffer.len();
        let mut segment_bytes: Option<usize> = None;
        let mut count = 0;
        let segments_max = if self.path.is_stream() { 1 } else { limits.segments };
        while count < segments_max && buffer.len() - start + self.packet_bytes_max() <= limits.bytes {
            let Some(permission) = self.permission(now) else { break };
            let largest = segment_bytes.unwrap_or(self.packet_bytes_max());
            // Where nothing is answered, perhaps only large datagrams vanish.
            let (largest, pad_to) = match permission {
                Permission::Probe if !self.path.is_stream() => (largest.min(DATAGRAM_BYTES_SAFE), None),
                Permission::Probe => (largest, None),
                Permission::Data | Permission::AckOnly => (largest, segment_bytes),
            };
            let Some(bytes) = self.build_packet(now, permission, largest, pad_to, buffer, workspace) else {
                break;
            };
            count += 1;
            segment_bytes = segment_bytes.or(Some(bytes));
            if segment_bytes != Some(bytes) {
                break;
            }
        }
        self.timers.set(Timer::Ack, self.acks.deadline());
        self.report_receipts(workspace);
        if count == 0 {
            return None;
        }
        self.restart_answer_timers();
        Some(Transmit {
            path: self.path,
            ecn: Ecn::NotCapable,
            bytes: buffer.len() - start,
            segment_bytes: segment_bytes.filter(|_| count > 1),
        })
    }

    /// Largest packet that may be built at the moment.
    fn packet_bytes_max(&self) -> usize {
        if self.path.is_stream() { STREAM_DATAGRAM_BYTES_MAX } else { self.mtu.current() }
    }

    /// Nothing is answered although packets go on leaving, which keeps putting the probe time-out off: perhaps only large
    /// datagrams vanish.
    fn shrink_in_silence(&mut self, now: Instant) {
        if self.mtu.current() <= DATAGRAM_BYTES_SAFE || self.path.is_stream() {
            return;
        }
        let patience = self.rtt.probe_timeout() + LAZY_DELAY_MAX;
        let oldest = self.sent.oldest_in_flight_sent_at();
        if oldest.is_some_and(|at| now.saturating_since(at) > patience) && self.mtu.fall_back(now) {
            self.timers.set(Timer::Mtu, self.mtu.poll_timeout());
        }
    }

    /// Builds a packet that asks whether its size passes, if one is due and may go.
    fn poll_size_probe(
        &mut self,
        now: Instant,
        limits: TransmitLimits,
        buffer: &mut Vec<u8>,
        workspace: &mut Workspace,
    ) -> Option<Transmit> {
        if self.path.is_stream() {
            return None;
        }
        if self.mtu.probe_due(now)? > limits.bytes {
            self.mtu.cap(now, limits.bytes);
        }
        let bytes = self.mtu.probe_due(now)?;
        let in_flight = self.sent.bytes_in_flight() + bytes as u64;
        let is_quiet = self.probes_due > 0 || self.is_probing_only();
        if !self.is_open() || is_quiet || in_flight > self.congestion.window_bytes() {
            return None;
        }
        let may_go_at = self.pacer.poll(now, self.pacing_rate(), bytes as u64);
        if may_go_at > now {
            self.timers.set(Timer::Mtu, Some(may_go_at));
            return None;
        }
        let start = buffer.len();
        workspace.frames.clear();
        let payload_start = self.write_header(buffer);
        Frame::Ping.encode(&[], buffer);
        buffer.resize(start + bytes - self.protection.tag_bytes(), PADDING);
        self.seal(now, start, payload_start, Provokes::Promptly, buffer, workspace)?;
        self.sent.mark_size_probe();
        self.mtu.handle_probe_sent();
        self.timers.set(Timer::Mtu, None);
        self.restart_answer_timers();
        Some(Transmit { path: self.path, ecn: Ecn::NotCapable, bytes, segment_bytes: None })
    }

    /// What may be sent now; sets the pacer's timer when it is the pacer that says no.
    fn permission(&mut self, now: Instant) -> Option<Permission> {
        self.timers.set(Timer::Pacer, None);
        let is_answer_due = self.acks.is_due(now) || self.paths.response_due.is_some();
        let ack_only = is_answer_due.then_some(Permission::AckOnly);
        match self.state {
            State::Closed => return None,
            State::Draining => return ack_only,
            State::Closing { is_due: true, .. } => return Some(Permission::Probe),
            State::Closing { .. } => return ack_only,
            State::Unconfirmed | State::Open | State::Flushing(_) => {}
        }
        let ack_only = ack_only.or(self.is_clock_answer_due().then_some(Permission::AckOnly));
        if self.probes_due > 0 || self.is_ping_due {
            return Some(Permission::Probe);
        }
        let has_control = self.is_credit_due || self.paths.is_token_due || self.is_clock_request_due();
        let has_data = has_control || self.channel_credit_due != 0 || self.channels.has_sendable();
        if !has_data {
            self.sent.limit_by_application();
            return ack_only;
        }
        if self.path.is_stream() && self.rate_max.is_none() {
            return Some(Permission::Data);
        }
        let window = if self.path.is_stream() { u64::MAX } else { self.congestion.window_bytes() };
        if self.is_probing_only() || self.sent.bytes_in_flight() + self.mtu.current() as u64 > window {
            return ack_only;
        }
        let may_go_at = self.pacer.poll(now, self.pacing_rate(), self.mtu.current() as u64);
        if may_go_at > now {
            // What the cap holds back says nothing about the path.
            if self.is_capped() {
                self.sent.limit_by_application();
            }
            self.timers.set(Timer::Pacer, Some(may_go_at));
            return ack_only;
        }
        Some(Permission::Data)
    }

    /// Appends one sealed packet of at most `largest` bytes. With `pad_to`, a packet that is shorter only because
    /// the next message did not fit is padded, so that a batch has one size. Gives its size.
    fn build_packet(
        &mut self,
        now: Instant,
        permission: Permission,
        largest: usize,
        pad_to: Option<usize>,
        buffer: &mut Vec<u8>,
        workspace: &mut Workspace,
    ) -> Option<usize> {
        let start = buffer.len();
        let number = self.sent.next_number();
        let payload_start = self.write_header(buffer);
        let tag_bytes = self.protection.tag_bytes();
        let end = start + largest - tag_bytes;

        self.channels.expire(now);
        workspace.frames.clear();
        let mut room = PacketRoom::new(number, buffer, end, &mut workspace.frames);
        if self.acks.has_waiting() {
            let (acks, received) = (&mut self.acks, &self.received);
            room.write_ack(|packet| acks.write(now, received, packet));
        }
        self.write_clock_answer(now, &mut room);
        if let Some(data) = self.paths.response_due.take() {
            room.write_response(data);
        }
        if permission == Permission::AckOnly {
            let largest_acked = self.largest_acked();
            if number - largest_acked.unwrap_or(0).min(number) > UNACKED_SPAN_MAX
                && self.sent.bytes_in_flight() == 0
            {
                room.write_control(&Frame::Ping, None);
            }
        } else {
            self.fill_packet(now, permission, &mut room);
        }
        let provokes = room.provokes();
        if permission == Permission::Probe && std::mem::take(&mut self.paths.is_announcing) {
            buffer.resize((buffer.len() + ANNOUNCEMENT_PADDING).min(end), PADDING);
        }
        if buffer.len() == payload_start {
            buffer.truncate(start);
            return None;
        }
        if let Some(pad_to) = pad_to {
            let padded = start + pad_to - tag_bytes;
            if buffer.len() < padded && provokes != Provokes::Nothing && self.channels.has_sendable() {
                buffer.resize(padded, PADDING);
            }
        }
        self.seal(now, start, payload_start, provokes, buffer, workspace)
    }

    /// The number that short numbers in our headers are expanded against.
    fn largest_acked(&self) -> Option<u64> {
        self.sent.largest_acked().or(self.config.start.packet.checked_sub(1))
    }

    /// Appends the header of the next packet; gives where its payload begins.
    pub(super) fn write_header(&self, buffer: &mut Vec<u8>) -> usize {
        let header = Header {
            connection_id: self.remote_id,
            number: TruncatedNumber::new(self.sent.next_number(), self.largest_acked()),
            phase: KeyPhase(false), // set by the protection when it seals
        };
        header.encode(buffer);
        buffer.len()
    }

    /// Seals the packet that begins at `start` and counts it as sent. Gives its size.
    pub(super) fn seal(
        &mut self,
        now: Instant,
        start: usize,
        payload_start: usize,
        provokes: Provokes,
        buffer: &mut Vec<u8>,
        workspace: &mut Workspace,
    ) -> Option<usize> {
        let number = self.sent.next_number();
        buffer.resize(buffer.len() + self.protection.tag_bytes(), 0);
        let datagram = buffer.get_mut(start..)?;
        self.protection.seal_in_place(now, number, datagram, payload_start - start);
        let bytes = datagram.len();
        self.register_sent(now, bytes, provokes, workspace);
        Some(bytes)
    }

    fn fill_packet(&mut self, now: Instant, permission: Permission, room: &mut PacketRoom<'_>) {
        if let State::Closing { farewell, is_due } = &mut self.state {
            let detail = farewell.detail.get(..CLOSE_DETAIL_BYTES_MAX).unwrap_or(&farewell.detail);
            let frame = Frame::Close { reason: farewell.reason.code(), code: farewell.code, detail };
            if *is_due && room.write_control(&frame, Some(SentFrame::Close)).is_some() {
                *is_due = false;
                if self.timers.get(Timer::Close).is_none() {
                    self.timers.set(Timer::Close, Some(now + self.closing_time()));
                }
            }
            return;
        }
        self.write_credit(room);
        self.write_clock_request(now, room);
        if let (true, Some(token)) = (self.paths.is_token_due, self.reset_token)
            && room.write_control(&Frame::ResetToken { token }, Some(SentFrame::ResetToken)).is_some()
        {
            self.paths.is_token_due = false;
        }
        if permission == Permission::Data || self.probes_due > 0 {
            self.channels.fill(now, room);
        }
        if permission == Permission::Probe {
            if room.provokes() != Provokes::Promptly {
                room.write_control(&Frame::Ping, None);
            }
            self.probes_due = self.probes_due.saturating_sub(1);
            self.is_ping_due = false;
        }
    }

    fn write_credit(&mut self, room: &mut PacketRoom<'_>) {
        if self.is_credit_due {
            let (bytes, _) = self.credit.grant();
            if room
                .write_control(&Frame::ConnectionCredit { bytes }, Some(SentFrame::ConnectionCredit))
                .is_some()
            {
                self.is_credit_due = false;
            }
        }
        while self.channel_credit_due != 0 {
            let position = self.channel_credit_due.trailing_zeros() as u8;
            if let Some(ReceiveChannel::Reliable(receiver)) = self.receivers.get_mut(usize::from(position)) {
                let (bytes, messages) = receiver.credit_mut().grant();
                let frame = Frame::ChannelCredit { position, bytes, messages };
                if room.write_control(&frame, Some(SentFrame::ChannelCredit { position })).is_none() {
                    return;
                }
            }
            self.channel_credit_due &= self.channel_credit_due - 1;
        }
    }

    fn register_sent(&mut self, now: Instant, bytes: usize, provokes: Provokes, workspace: &mut Workspace) {
        self.sent.handle_sent(now, bytes, provokes, &mut workspace.frames);
        if provokes != Provokes::Nothing {
            self.pacer.handle_sent(bytes as u64);
        }
        if self.sent.is_overfull() {
            self.detect_losses(now, workspace);
        }
        self.counters.packets_sent += 1;
        self.counters.bytes_sent += bytes as u64;
        self.counters.rate_sent.add(now, bytes);
        self.restart_idle_timers(now);
    }
}
