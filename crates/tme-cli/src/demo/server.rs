//! The server's side: one tick for all peers, a snapshot for each.

use std::time::{Duration, Instant};

use tme::{Event, PeerId, Server};

use super::tally::{Connections, Phase, Stage};
use super::traffic::{EVENT_BYTES, RELIABLE, SNAPSHOT_BYTES, Stamp, UNRELIABLE};
use super::watchers::{PASSWORD, Watchers};
use crate::Failure;
use crate::process::{CpuOf, cpu_time};

/// Longest wait, so that a change of phase is seen.
const WAIT_MAX: Duration = Duration::from_millis(5);
/// Updates between two ticks beyond which a tick goes first.
const UPDATES_PER_TICK_MAX: u32 = 64;
/// How often statistics are summed up.
const FIGURES_INTERVAL: Duration = Duration::from_millis(200);
/// How long the server waits for its goodbyes to be acknowledged.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(1);

struct Player {
    peer: PeerId,
    ticks: u64,
    /// The tick in which the next reliable message is due; a refused one is tried again in the next.
    reliable_at: u64,
    reliable_sent: u64,
    reliable_expected: u64,
    inputs: u64,
}

/// Runs the server until the demo is over.
pub(super) fn run(stage: &Stage, mut server: Server, hz: u32) -> Result<(), Failure> {
    let mut game = Game {
        stage,
        hz: u64::from(hz),
        players: Vec::new(),
        watchers: Watchers::default(),
        figures_at: Instant::now(),
    };
    let period = Duration::from_secs(1) / hz.max(1);
    let mut tick_at = None;
    while stage.phase() < Phase::Over {
        let wait = tick_at.map_or(WAIT_MAX, |at: Instant| at.saturating_duration_since(Instant::now()));
        server.update(wait.min(WAIT_MAX))?;
        // An update receives a bounded number of datagrams: a tick must not come before the rest, or a server that is
        // late falls further behind.
        let mut updates = 0;
        while game.take_events(&mut server) && updates < UPDATES_PER_TICK_MAX {
            server.update(Duration::ZERO)?;
            updates += 1;
        }
        if stage.phase() == Phase::Running {
            let now = Instant::now();
            let at = *tick_at.get_or_insert(now);
            if now >= at {
                game.tick(&server);
                tick_at = Some(game.next_tick(at, period));
            }
        } else {
            tick_at = None;
        }
        game.sum_up(&server);
    }
    server.shutdown(SHUTDOWN_PATIENCE);
    Ok(())
}

struct Game<'a> {
    stage: &'a Stage,
    hz: u64,
    /// By the peers' slots.
    players: Vec<Option<Player>>,
    watchers: Watchers,
    figures_at: Instant,
}

impl Game<'_> {
    /// Takes what has come; `false` if that is nothing.
    fn take_events(&mut self, server: &mut Server) -> bool {
        let mut events = server.events().peekable();
        if events.peek().is_none() {
            return false;
        }
        let now_micros = self.stage.stopwatch.micros();
        let mut tally = self.stage.server.lock();
        for event in events {
            let slot = event.peer().slot();
            match event {
                Event::Connected { peer, info } if info.user_data.as_ref() == PASSWORD => {
                    self.watchers.add(server, peer);
                }
                Event::Connected { peer, .. } => {
                    if self.players.len() <= slot {
                        self.players.resize_with(slot + 1, || None);
                    }
                    // Not all peers in the same tick.
                    let reliable_at = slot as u64 % self.hz;
                    let player = Player {
                        peer,
                        ticks: 0,
                        reliable_at,
                        reliable_sent: 0,
                        reliable_expected: 0,
                        inputs: 0,
                    };
                    if let Some(place) = self.players.get_mut(slot) {
                        *place = Some(player);
                    }
                    tally.connected += 1;
                }
                Event::Message { channel, payload, .. } => {
                    if let Some(player) = self.players.get_mut(slot).and_then(Option::as_mut) {
                        player.inputs += u64::from(channel == UNRELIABLE);
                        let expected = &mut player.reliable_expected;
                        tally.receive(now_micros, channel == RELIABLE, &payload, expected);
                    }
                }
                Event::Disconnected { peer, .. } if self.watchers.remove(peer) => {}
                Event::Disconnected { reason, .. } => {
                    if self.players.get_mut(slot).and_then(Option::take).is_some() {
                        tally.connected -= 1;
                    }
                    if self.stage.phase() < Phase::Leaving {
                        tally.lost_connections += 1;
                        tally.last_end = Some(reason.to_string());
                    }
                }
                _ => {}
            }
        }
        true
    }

    fn tick(&mut self, server: &Server) {
        let mut tally = self.stage.server.lock();
        for player in self.players.iter_mut().flatten() {
            let sent_at_micros = self.stage.stopwatch.micros();
            let snapshot = Stamp { sent_at_micros, sequence: player.ticks }.message::<SNAPSHOT_BYTES>();
            tally.count_send(UNRELIABLE, server.send(player.peer, UNRELIABLE, &snapshot).is_ok());
            if player.ticks >= player.reliable_at {
                let stamp = Stamp { sent_at_micros, sequence: player.reliable_sent };
                let is_taken = server.send(player.peer, RELIABLE, &stamp.message::<EVENT_BYTES>()).is_ok();
                tally.count_send(RELIABLE, is_taken);
                if is_taken {
                    player.reliable_sent += 1;
                    player.reliable_at += self.hz;
                }
            }
            player.ticks += 1;
        }
        let bots = self.players.iter().enumerate();
        self.watchers.show(server, bots.filter_map(|(slot, player)| Some((slot, player.as_ref()?.inputs))));
    }

    /// When the tick after the one at `at` is due. One that is too late by several ticks leaves those out.
    fn next_tick(&self, at: Instant, period: Duration) -> Instant {
        let behind = at.elapsed();
        if behind <= period * 3 {
            return at + period;
        }
        let skipped = u32::try_from(behind.as_micros() / period.as_micros().max(1)).unwrap_or(u32::MAX);
        let players = self.players.iter().flatten().count() as u64;
        self.stage.server.lock().ticks_skipped += u64::from(skipped) * players;
        at + period * (skipped + 1)
    }

    /// Sums up the connections' statistics, now and then.
    fn sum_up(&mut self, server: &Server) {
        let now = Instant::now();
        if now < self.figures_at {
            return;
        }
        self.figures_at = now + FIGURES_INTERVAL;
        let mut connections = Connections::default();
        for player in self.players.iter().flatten() {
            if let Some(statistics) = server.peer_statistics(player.peer) {
                connections.add(&statistics);
            }
        }
        let engine = server.statistics();
        let mut tally = self.stage.server.lock();
        // Once everybody has left there is nothing to sum up, and the last figures stand.
        if connections.count > 0 {
            tally.connections = connections;
        }
        tally.bytes_in = engine.link.bytes_in + engine.streams.bytes_in;
        tally.bytes_out = engine.link.bytes_out + engine.streams.bytes_out;
        tally.cpu = cpu_time(CpuOf::Thread);
    }
}
