//! Acknowledgements, losses and probes: what was sent, and what must go again.

use std::time::Duration;

use super::acknowledge::LAZY_DELAY_MAX;
use super::congestion::{AckedSample, LostSample};
use super::receive::Violation;
use super::rtt::ACK_DELAY_MAX;
use super::send::Fate;
use super::sent::{NeverSent, SentFrame};
use super::{Connection, Event, State, Timer, Workspace};
use crate::time::Instant;
use crate::wire::ack::Ack;

/// Probe time-outs in a row after which only probes are sent.
const PROBES_BEFORE_SILENCE: u32 = 3;
/// Probe time-outs in a row after which datagrams are small again: perhaps only large ones vanish.
const PROBES_BEFORE_SMALL: u32 = 2;
const PROBE_BACKOFF_MAX: Duration = Duration::from_secs(1);
/// While the other side is heard, the path is not gone: what is lost in a row is lost in one direction only, and the next
/// probe may well arrive.
const PROBE_BACKOFF_HEARD_MAX: Duration = Duration::from_millis(100);
/// After so long without a packet the other side is not heard any more: one that hears nothing sends its probes up to
/// [`PROBE_BACKOFF_MAX`] apart.
const HEARD_TIME_MAX: Duration = Duration::from_millis(1_500);

impl Connection {
    pub(super) fn handle_ack(
        &mut self,
        now: Instant,
        ack: &Ack<'_>,
        workspace: &mut Workspace,
    ) -> Result<(), Violation> {
        workspace.acked.clear();
        let outcome =
            self.sent.handle_ack(now, ack, &mut workspace.acked).map_err(|NeverSent| Violation::Protocol)?;
        if outcome.packets == 0 {
            return Ok(());
        }
        self.mtu.handle_carried(outcome.bytes_max);
        if outcome.size_probe_bytes > 0 {
            self.mtu.handle_probe_acked(now, outcome.size_probe_bytes);
            self.timers.set(Timer::Mtu, self.mtu.poll_timeout());
        }
        // What was sent on a former path says nothing about this one.
        let is_of_this_path = outcome.newest_sent_at >= self.paths.begun_at;
        if let Some(sample) = outcome.rtt_sample.filter(|_| is_of_this_path) {
            self.rtt.handle_sample(sample, Duration::from(ack.delay));
        }
        if let Some(largest) = self.sent.largest_acked() {
            self.protection.handle_acknowledged(now, largest, self.rtt.probe_timeout());
            self.timers.set(Timer::Keys, self.protection.poll_timeout());
        }
        self.probe_count = 0;
        self.counters.packets_spuriously_lost += outcome.spurious;
        self.counters.loss_sent.add(now, outcome.packets, -(outcome.spurious as i64));
        if let Some(permille) = self.counters.loss_sent.known_permille() {
            self.channels.handle_loss_figure(now, permille, self.rtt.smoothed());
        }
        let sample = AckedSample {
            now,
            bytes: outcome.bytes,
            spurious_bytes: outcome.spurious_bytes,
            in_flight_bytes: self.sent.bytes_in_flight(),
            delivered_bytes: self.sent.delivered_bytes(),
            newest_sent_at: outcome.newest_sent_at,
            rtt: outcome.rtt_sample.map(|_| self.rtt.latest()),
            rate: outcome.rate,
        };
        if is_of_this_path {
            self.congestion.handle_acked(sample);
        }
        for index in 0..workspace.acked.len() {
            let Some(&frame) = workspace.acked.get(index) else { break };
            if frame == SentFrame::Close {
                // The last of all: what an ACK speaks of comes oldest first.
                self.handle_close_acked(workspace);
            } else {
                self.channels.handle_acked(frame);
            }
        }
        self.detect_losses(now, workspace);
        self.report_receipts(workspace);
        self.finish_flush();
        self.report_writable(workspace);
        Ok(())
    }

    /// Tells what has become of messages whose senders asked.
    #[inline]
    pub(super) fn report_receipts(&mut self, workspace: &mut Workspace) {
        if self.channels.has_receipts() {
            self.report_waiting_receipts(workspace);
        }
    }

    fn report_waiting_receipts(&mut self, workspace: &mut Workspace) {
        let peer = self.peer;
        workspace.events.extend(self.channels.drain_receipts().map(|(channel, receipt)| {
            let token = receipt.token;
            match receipt.fate {
                Fate::Delivered => Event::Delivered { peer, channel, token },
                Fate::Expired { reason, never_sent } => {
                    Event::Expired { peer, channel, token, reason, never_sent }
                }
            }
        }));
    }

    pub(super) fn report_writable(&mut self, workspace: &mut Workspace) {
        if self.has_ended() || !self.is_heard_of() {
            return;
        }
        while let Some(channel) = self.channels.poll_writable() {
            workspace.events.push_back(Event::Writable { peer: self.peer, channel });
        }
    }

    pub(super) fn detect_losses(&mut self, now: Instant, workspace: &mut Workspace) {
        // What a stream has not delivered is still on its way.
        if self.path.is_stream() {
            return self.restart_answer_timers();
        }
        workspace.lost.clear();
        let outcome = self.sent.detect_losses(now, &self.rtt, &mut workspace.lost);
        self.timers.set(Timer::Loss, outcome.check_at);
        if outcome.packets > 0 {
            self.counters.packets_lost += outcome.packets;
            self.counters.loss_sent.add(now, outcome.packets, outcome.packets as i64);
            if outcome.newest_sent_at >= self.paths.begun_at {
                self.congestion.handle_lost(LostSample {
                    now,
                    bytes: outcome.bytes,
                    oldest_sent_at: outcome.oldest_sent_at.unwrap_or(outcome.newest_sent_at),
                    newest_sent_at: outcome.newest_sent_at,
                });
            }
        }
        if outcome.is_size_probe_lost {
            self.mtu.handle_probe_lost(now);
        }
        if outcome.vanished > 0 && self.mtu.handle_vanished(now, outcome.vanished, outcome.vanished_bytes_min)
        {
            log::debug!("{}: datagrams above 1,200 bytes vanish", self.peer);
        }
        if outcome.is_size_probe_lost || outcome.vanished > 0 {
            self.timers.set(Timer::Mtu, self.mtu.poll_timeout());
        }
        for index in 0..workspace.lost.len() {
            let Some(&frame) = workspace.lost.get(index) else { break };
            self.handle_lost_frame(frame);
        }
        self.restart_answer_timers();
    }

    /// The path that carried what is in flight is no more: all of it goes again, and nothing is learnt from that.
    pub(super) fn leave_behind(&mut self, now: Instant, workspace: &mut Workspace) {
        workspace.lost.clear();
        self.sent.leave_behind(now, &mut workspace.lost);
        for index in 0..workspace.lost.len() {
            let Some(&frame) = workspace.lost.get(index) else { break };
            self.handle_lost_frame(frame);
        }
        self.timers.set(Timer::Loss, None);
        self.restart_answer_timers();
        self.report_receipts(workspace);
    }

    fn handle_lost_frame(&mut self, frame: SentFrame) {
        if !self.send_control_again(frame) {
            self.channels.handle_lost(frame);
        }
    }

    /// `false`: the frame belongs to a channel.
    fn send_control_again(&mut self, frame: SentFrame) -> bool {
        match frame {
            SentFrame::ConnectionCredit => self.is_credit_due = true,
            SentFrame::ChannelCredit { position } => self.channel_credit_due |= 1 << position,
            SentFrame::ResetToken => self.paths.is_token_due = true,
            SentFrame::Close => self.repeat_close(),
            _ => return false,
        }
        true
    }

    /// Sets the timers that wait for an acknowledgement, `Probe` and `Interrupted`, by what is in flight.
    pub(super) fn restart_answer_timers(&mut self) {
        // A path whose round trip alone takes longer than the cap is given that time. Its variation is not: one sample
        // taken over a pause of the host would make every loss wait as long as the pause.
        let round_trip = self.rtt.smoothed() * 9 / 8 + ACK_DELAY_MAX;
        let backoff = |timeout: Duration, sent_at: Instant| {
            let is_heard = sent_at.saturating_since(self.last_received_at) < HEARD_TIME_MAX;
            let longest = if is_heard {
                timeout.clamp(PROBE_BACKOFF_HEARD_MAX, PROBE_BACKOFF_MAX)
            } else {
                PROBE_BACKOFF_MAX
            };
            let timeout = timeout * 2u32.saturating_pow(self.probe_count.min(16));
            sent_at + timeout.min(longest.max(round_trip))
        };
        let timeout = self.rtt.probe_timeout();
        let at = match (self.sent.last_prompt_sent_at(), self.sent.last_lazy_sent_at()) {
            (Some(sent_at), _) => Some(backoff(timeout, sent_at)),
            (None, Some(sent_at)) => Some(backoff(timeout + LAZY_DELAY_MAX, sent_at)),
            (None, None) => None,
        };
        self.timers.set(Timer::Probe, at.filter(|_| !self.path.is_stream()));
        let oldest = self.sent.oldest_in_flight_sent_at();
        let is_watched = matches!(self.state, State::Open | State::Flushing(_)) && !self.is_interrupted;
        let overdue = oldest.filter(|_| is_watched);
        self.timers.set(
            Timer::Interrupted,
            overdue.map(|sent_at| sent_at.max(self.last_received_at) + self.config.interrupted_after),
        );
    }

    pub(super) fn handle_probe_timeout(&mut self, now: Instant, workspace: &mut Workspace) {
        self.repeat_close();
        self.counters.probe_timeouts += 1;
        self.probe_count += 1;
        self.probes_due = 1;
        if self.probe_count == PROBES_BEFORE_SMALL && self.mtu.fall_back(now) {
            self.timers.set(Timer::Mtu, self.mtu.poll_timeout());
        }
        if self.probe_count == PROBES_BEFORE_SILENCE {
            self.congestion.handle_outage(now);
        }
        workspace.lost.clear();
        self.sent.unanswered(1, &mut workspace.lost);
        for index in 0..workspace.lost.len() {
            let Some(&frame) = workspace.lost.get(index) else { break };
            if !self.send_control_again(frame) {
                self.channels.send_again(frame);
            }
        }
    }

    /// Whether enough probes went unanswered that only probes are sent.
    pub(super) const fn is_probing_only(&self) -> bool {
        self.probe_count >= PROBES_BEFORE_SILENCE
    }
}
