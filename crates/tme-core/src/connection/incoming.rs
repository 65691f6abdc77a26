//! From a datagram to its frames: authenticity, replay, arrival, dispatch.

use super::acknowledge::Arrival;
use super::messages::PacketContents;
use super::path::PathNews;
use super::receive::Violation;
use super::{Connection, Event, PacketDrop, Provokes, Side, Timer, Workspace};
use crate::crypto::packet::OpenError;
use crate::crypto::replay::ReplayError;
use crate::datagram::{Ecn, Path};
use crate::handshake::client::RESEND_AFTER;
use crate::handshake::reason::Reason;
use crate::time::Instant;
use crate::wire::frame::{Frame, Frames};
use crate::wire::header::Header;

impl Connection {
    /// Takes a datagram that carries this connection's id. It is decrypted in place. Drops are counted here.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        path: Path,
        ecn: Ecn,
        datagram: &mut [u8],
        workspace: &mut Workspace,
    ) -> Result<(), PacketDrop> {
        let result = self.receive_packet(now, path, ecn, datagram, workspace);
        self.forget_arrival();
        if let Err(drop) = result {
            self.counters.drops.add(drop);
        }
        result
    }

    pub(super) fn receive_packet(
        &mut self,
        now: Instant,
        path: Path,
        _ecn: Ecn,
        datagram: &mut [u8],
        workspace: &mut Workspace,
    ) -> Result<(), PacketDrop> {
        if self.is_closed() {
            return Err(PacketDrop::Closed);
        }
        let header = Header::decode(datagram).ok_or(PacketDrop::Malformed)?;
        if !self.is_welcome_from(&path) {
            return Err(PacketDrop::ForeignAddress);
        }
        let reference = self.received.largest().or(self.config.start.packet.checked_sub(1));
        let number = header.number.expand(reference);
        self.received.check(number).map_err(|error| match error {
            ReplayError::Duplicate => PacketDrop::Replayed,
            ReplayError::TooOld => PacketDrop::TooOld,
        })?;
        let header_bytes = header.bytes();
        let payload_bytes = match self.protection.open_in_place(now, number, datagram, header_bytes) {
            Ok(bytes) => bytes,
            Err(OpenError::TooShort) => return Err(PacketDrop::Malformed),
            Err(OpenError::Unauthentic) => return Err(PacketDrop::Unauthentic),
            Err(OpenError::KeyErased) => return Err(PacketDrop::KeyErased),
            Err(OpenError::KeyExhausted) => {
                self.fail(Reason::KeyExhausted);
                return Err(PacketDrop::Unauthentic);
            }
        };
        let is_newest = self.received.largest().is_none_or(|largest| number > largest);
        let arrival = self.register_arrival(now, number, datagram.len());
        self.note_sign_of_life(now, number, workspace);
        let frames = datagram.get(header_bytes..header_bytes + payload_bytes).unwrap_or_default();
        let (provokes, news) = self.process_frames(now, frames, workspace);
        self.note_path(now, path, datagram.len(), is_newest, news, workspace);
        if path.is_stream() {
            self.acks.handle_streamed(now, arrival, provokes, datagram.len());
        } else {
            self.acks.handle_received(now, arrival, provokes);
        }
        self.timers.set(Timer::Ack, self.acks.deadline());
        Ok(())
    }

    /// Moves the replay window; only for packets whose tag verified.
    pub(super) fn register_arrival(&mut self, now: Instant, number: u64, bytes: usize) -> Arrival {
        let successor = self.received.largest().map_or(self.config.start.packet, |largest| largest + 1);
        let arrival = match number.cmp(&successor) {
            std::cmp::Ordering::Equal => Arrival::InOrder,
            std::cmp::Ordering::Greater => Arrival::Ahead,
            std::cmp::Ordering::Less => Arrival::Late(number),
        };
        let skipped = number.saturating_sub(successor);
        let (expected, missing) = match arrival {
            Arrival::Late(_) => (0, -1),
            _ => (skipped + 1, skipped as i64),
        };
        let accepted = self.received.accept(number);
        debug_assert!(accepted.is_ok(), "checked before opening");
        self.counters.packets_received += 1;
        self.counters.bytes_received += bytes as u64;
        self.counters.rate_received.add(now, bytes);
        self.counters.loss_received.add(now, expected, missing);
        arrival
    }

    pub(super) fn note_sign_of_life(&mut self, now: Instant, number: u64, workspace: &mut Workspace) {
        if self.is_unconfirmed() && number == self.config.start.packet {
            // So far nothing was heard since ACCEPT was sent. Whoever answers later may answer a repetition.
            let rtt = now.saturating_since(self.last_received_at);
            if rtt < RESEND_AFTER {
                self.take_first_rtt(now, rtt);
            }
        }
        self.last_received_at = now;
        if self.is_interrupted {
            self.is_interrupted = false;
            if self.is_heard_of() {
                workspace.events.push_back(Event::Resumed { peer: self.peer });
            }
        }
        if self.is_unconfirmed() {
            self.open(now, workspace);
        }
        self.restart_idle_timers(now);
    }

    /// Processes every frame; a malformed one closes the connection.
    pub(super) fn process_frames(
        &mut self,
        now: Instant,
        frames: &[u8],
        workspace: &mut Workspace,
    ) -> (Provokes, PathNews) {
        let mut provokes = Provokes::Nothing;
        let mut news = PathNews::default();
        let mut packet = PacketContents { bytes: frames, shared: None, last_sequence: [None; 32] };
        let channel_count = self.table.count();
        let modes = self.modes;
        let modes = modes.get(..channel_count).unwrap_or_default();
        let mut decoded = Frames::new(frames, modes);
        while let Some(frame) = decoded.next() {
            let outcome = match frame {
                Err(_) => Err(Violation::Protocol),
                Ok(frame) => {
                    provokes = provokes.max(Provokes::of(&frame, modes));
                    match frame {
                        Frame::Padding => {}
                        Frame::PathChallenge { data } => news.challenge = Some(data),
                        Frame::PathResponse { data } => news.response = Some(data),
                        _ => news.is_substantial = true,
                    }
                    let end = frames.len() - decoded.remaining();
                    self.handle_frame(now, &frame, end, &mut packet, workspace)
                }
            };
            if let Err(violation) = outcome {
                self.fail(match violation {
                    Violation::Credit => Reason::FlowControl,
                    Violation::Protocol => Reason::ProtocolViolation,
                });
                break;
            }
        }
        if let Some(buffer) = packet.shared {
            workspace.pool.give(buffer);
        }
        (provokes, news)
    }

    /// Processes a frame that ends at byte `end` of its packet.
    fn handle_frame(
        &mut self,
        now: Instant,
        frame: &Frame<'_>,
        end: usize,
        packet: &mut PacketContents<'_>,
        workspace: &mut Workspace,
    ) -> Result<(), Violation> {
        match *frame {
            Frame::Close { reason, code, detail } => self.handle_close(now, reason, code, detail, workspace),
            _ if self.has_ended() => {}
            Frame::Ack(ack) => return self.handle_ack(now, &ack, workspace),
            _ if self.has_said_farewell() => {}
            Frame::Message(message) => return self.handle_message(now, &message, end, packet, workspace),
            Frame::ConnectionCredit { bytes } => self.channels.handle_connection_credit(bytes),
            Frame::ChannelCredit { position, bytes, messages } => {
                self.channels.handle_channel_credit(position, bytes, messages);
            }
            Frame::Skip { position, sequence, bytes } => {
                return self.handle_skip(position, sequence, bytes, workspace);
            }
            Frame::ClockRequest { client_time } => self.handle_clock_request(now, client_time),
            Frame::ClockAnswer { client_time, received, sent } => {
                self.handle_clock_answer(now, (client_time, received, sent), workspace);
            }
            Frame::ResetToken { token } if self.side == Side::Client => self.reset_token = Some(token),
            Frame::ResetToken { .. } => return Err(Violation::Protocol),
            Frame::Padding | Frame::Ping | Frame::PathChallenge { .. } | Frame::PathResponse { .. } => {}
        }
        Ok(())
    }
}
