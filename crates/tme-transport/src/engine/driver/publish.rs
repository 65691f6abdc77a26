//! What has happened goes to the game: events to its queue, figures to the outbox.

use std::sync::Arc;
use std::time::Duration;

use tme_core::connection::{Event, PeerId};
use tme_core::time::Instant;

use super::Driver;
use crate::engine::outbox::Outbox;
use crate::engine::shared::DriverFigures;
use crate::sync::Mutex;

/// Events waiting for the game beyond which no new peers are admitted: a game that does not read gains no players.
/// Several network threads have each its part.
const EVENTS_MAX: usize = 1 << 20;
/// How old published statistics may be.
const STATISTICS_AGE_MAX: Duration = Duration::from_millis(100);

impl Driver {
    // ---- events ----

    /// Moves the endpoint's events to where the game finds them, and tells the outbox what has changed.
    pub(super) fn collect_events(&mut self, now: Instant) {
        let outbox: &Mutex<_> = &self.shared.outbox;
        while let Some(event) = self.endpoint.poll_event() {
            let event = match &mut self.connector {
                Some(connector) => connector.filter(now, event, &mut self.endpoint),
                None => Some(event),
            };
            let Some(event) = event else { continue };
            match &event {
                Event::Admission { peer, info } => outbox.lock().insert_applicant(*peer, info),
                Event::Connected { peer, info } => {
                    log::info!("{peer} connected from {} as number {}", info.remote, info.number);
                    if let Some(connection) = self.endpoint.connection(*peer) {
                        outbox.lock().insert_peer(now, connection, info);
                    }
                }
                Event::Disconnected { peer, reason } => {
                    log::info!("{peer} disconnected: {reason}");
                    if let Some(remote) = outbox.lock().remove_peer(*peer, &mut self.events) {
                        self.conditions.remove(remote);
                    }
                }
                Event::AddressChanged { peer, remote } => {
                    let former = outbox.lock().set_remote(*peer, *remote);
                    log::info!("{peer} goes on from {remote}");
                    if let Some(former) = former {
                        self.conditions.handle_moved(former, *remote);
                    }
                }
                Event::LinkChanged { peer, link, remote } => {
                    let former = outbox.lock().set_link(*peer, *link, *remote);
                    log::info!("{peer} goes on over {link}, at {remote}");
                    if let Some(former) = former {
                        self.conditions.handle_moved(former, *remote);
                    }
                }
                // The outbox knows better: its own queue comes before the connection's.
                Event::Writable { .. } => continue,
                _ => {}
            }
            self.events.push_back(event);
        }
        self.send_mail();
        self.publish(now);
        let events_max = EVENTS_MAX / self.endpoint.shard().count();
        self.endpoint.set_admitting(self.events.len() + self.shared.events_waiting() < events_max);
    }

    fn publish(&mut self, now: Instant) {
        let first = self.endpoint.poll_changed();
        // Strangers change no peer, and yet the figures of the whole.
        let discovery = self.announcer.as_ref().map(|announcer| *announcer.statistics()).unwrap_or_default();
        let figures = DriverFigures {
            link: self.links.stats(),
            streams: self.streams.statistics(),
            discovery,
            post: self.posted,
        };
        let state = (figures, self.endpoint.connection_count());
        if first.is_some() || state != self.published {
            self.shared.publish(self.endpoint.statistics(), figures);
            self.published = state;
            self.tell_load();
        }
        self.publish_conditions(now);
        let Some(mut peer) = first else { return };
        let shared = Arc::clone(&self.shared);
        let mut outbox = shared.outbox.lock();
        loop {
            self.publish_peer(now, &mut outbox, peer);
            match self.endpoint.poll_changed() {
                Some(next) => peer = next,
                None => break,
            }
        }
    }

    /// Tells the outbox how a peer's queues and figures are now.
    pub(super) fn publish_peer(&mut self, now: Instant, outbox: &mut Outbox, peer: PeerId) {
        let Some(connection) = self.endpoint.connection(peer) else { return };
        let events = &mut self.events;
        let is_too_young = outbox.update_peer(now, connection, STATISTICS_AGE_MAX, |channel| {
            events.push_back(Event::Writable { peer, channel });
        });
        if is_too_young {
            self.stale.push(peer);
            self.refresh_at.get_or_insert(now + STATISTICS_AGE_MAX);
        }
    }

    /// What modelled links count changes also when nothing reaches the connection, which is the point of some.
    fn publish_conditions(&mut self, now: Instant) {
        if !self.conditions.is_counting() {
            return;
        }
        let due_at = self.conditions_published_at.map(|at| at + STATISTICS_AGE_MAX);
        if let Some(due_at) = due_at.filter(|&due_at| due_at > now) {
            self.refresh_at.get_or_insert(due_at);
            return;
        }
        self.conditions_published_at = Some(now);
        let mut outbox = self.shared.outbox.lock();
        for (peer, figures) in self.conditions.take_figures() {
            outbox.set_condition_figures(peer, figures);
        }
    }

    /// Takes the last figures of peers that have fallen silent.
    pub(super) fn refresh_stale(&mut self, now: Instant) {
        if self.refresh_at.is_none_or(|at| at > now) {
            return;
        }
        self.refresh_at = None;
        let mut outbox = self.shared.outbox.lock();
        for peer in self.stale.drain(..) {
            if let Some(connection) = self.endpoint.connection(peer) {
                let events = &mut self.events;
                outbox.update_peer(now, connection, Duration::ZERO, |channel| {
                    events.push_back(Event::Writable { peer, channel });
                });
            }
        }
    }
}
