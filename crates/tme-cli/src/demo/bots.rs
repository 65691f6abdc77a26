//! The bots' side: many clients on one thread, each with a socket and keys of its own.
//!
//! Bots tick at moments spread over the tick's length, as players do. A bot's tick sends and flushes; receiving is done
//! for all bots in turn, in *rounds*, which are as frequent as a third of the thread's time allows. A latency the bots
//! measure includes the wait for the next round.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tme::{Client, Direction, Event, Preset, PublicKey, Reason};

use super::tally::{Connections, Phase, Stage};
use super::traffic::{COMMAND_BYTES, INPUT_BYTES, RELIABLE, Stamp, UNRELIABLE, channels};
use crate::process::{CpuOf, cpu_time};
use crate::{DemoOptions, Failure};

/// Shortest time between the beginnings of two rounds.
const ROUND_MIN: Duration = Duration::from_millis(1);
/// Longest: below what a player would notice.
const ROUND_MAX: Duration = Duration::from_millis(20);
/// Handshakes under way at a time; more would wait in the server's socket.
const CONNECTING_MAX: usize = 32;
/// How long no further bot tries after the server said that it is busy.
const BUSY_PAUSE: Duration = Duration::from_millis(500);
/// How often statistics are summed up.
const FIGURES_INTERVAL: Duration = Duration::from_millis(500);
/// How long the bots wait for their goodbyes to be acknowledged.
const LEAVE_PATIENCE: Duration = Duration::from_secs(2);

/// Which server the bots connect to, and how.
#[derive(Clone, Debug)]
pub(super) struct BotsSetup {
    pub address: SocketAddr,
    pub key: PublicKey,
    pub options: DemoOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BotState {
    Connecting,
    Connected,
    /// The server had too many others to answer; another one takes its place later.
    TurnedAway,
    Gone,
}

struct Bot {
    client: Client,
    state: BotState,
    ticks: u64,
    /// The tick in which the next reliable message is due; a refused one is tried again in the next.
    reliable_at: u64,
    reliable_sent: u64,
    reliable_expected: u64,
}

/// Runs all bots until the demo is over.
pub(super) fn run(stage: &Stage, setup: &BotsSetup) -> Result<(), Failure> {
    let mut pool = Pool::new(stage, setup);
    while stage.phase() < Phase::Leaving {
        pool.turn()?;
    }
    pool.leave();
    Ok(())
}

struct Pool<'a> {
    stage: &'a Stage,
    setup: &'a BotsSetup,
    bots: Vec<Bot>,
    /// Whose tick is next, and when the first bot of this lap ticked.
    cursor: usize,
    lap_start: Option<Instant>,
    round_at: Instant,
    figures_at: Instant,
    connect_at: Instant,
}

impl<'a> Pool<'a> {
    fn new(stage: &'a Stage, setup: &'a BotsSetup) -> Self {
        let now = Instant::now();
        let bots = Vec::with_capacity(setup.options.bots as usize);
        Self {
            stage,
            setup,
            bots,
            cursor: 0,
            lap_start: None,
            round_at: now,
            figures_at: now,
            connect_at: now,
        }
    }

    fn turn(&mut self) -> Result<(), Failure> {
        match self.stage.phase() {
            Phase::Connecting => self.connect_more()?,
            Phase::Running => self.tick_due()?,
            _ => {}
        }
        let now = Instant::now();
        if now >= self.round_at {
            self.round();
            let took = now.elapsed();
            self.round_at = now + (took * 3).clamp(ROUND_MIN, ROUND_MAX);
        }
        if now >= self.figures_at {
            self.figures_at = now + FIGURES_INTERVAL;
            self.sum_up();
        }
        let next = match self.stage.phase() {
            Phase::Running => self.round_at.min(self.next_tick_at(now)),
            _ => self.round_at,
        };
        let wait = next.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        Ok(())
    }

    fn connect_more(&mut self) -> Result<(), Failure> {
        let before = self.bots.len();
        self.bots.retain(|bot| bot.state != BotState::TurnedAway);
        if self.bots.len() < before {
            self.connect_at = Instant::now() + BUSY_PAUSE;
        }
        if Instant::now() < self.connect_at {
            return Ok(());
        }
        let connecting = self.bots.iter().filter(|bot| bot.state == BotState::Connecting).count();
        let missing = (self.setup.options.bots as usize).saturating_sub(self.bots.len());
        for _ in 0..missing.min(CONNECTING_MAX.saturating_sub(connecting)) {
            let builder = Client::builder()
                .application(super::APPLICATION)
                .channels(channels())
                .connect(self.setup.address.to_string())
                .server_key(self.setup.key)
                .links(self.setup.options.link.choice());
            let client = if self.setup.options.threads { builder.start_threaded() } else { builder.start() }?;
            // Not all bots in the same tick.
            let reliable_at = self.bots.len() as u64 % u64::from(self.setup.options.hz);
            let state = BotState::Connecting;
            self.bots.push(Bot {
                client,
                state,
                ticks: 0,
                reliable_at,
                reliable_sent: 0,
                reliable_expected: 0,
            });
        }
        Ok(())
    }

    /// Lets every bot tick whose time has come.
    fn tick_due(&mut self) -> Result<(), Failure> {
        let period = self.period();
        let now = Instant::now();
        let lap_start = *self.lap_start.get_or_insert(now);
        let behind = now.saturating_duration_since(lap_start);
        if behind > period * 3 {
            // One lap stays due, so that a pool that is always late still ticks.
            let laps = u32::try_from(behind.as_micros() / period.as_micros().max(1)).unwrap_or(u32::MAX) - 1;
            self.lap_start = Some(lap_start + period * laps);
            self.stage.bots.lock().ticks_skipped += u64::from(laps) * self.bots.len() as u64;
        }
        while self.next_tick_at(now) <= now {
            let hz = u64::from(self.setup.options.hz);
            if let Some(bot) = self.bots.get_mut(self.cursor) {
                bot.tick(self.stage, hz)?;
            }
            self.cursor += 1;
            if self.cursor >= self.bots.len() {
                self.cursor = 0;
                self.lap_start = self.lap_start.map(|start| start + period);
            }
        }
        Ok(())
    }

    fn next_tick_at(&self, now: Instant) -> Instant {
        let count = u32::try_from(self.bots.len().max(1)).unwrap_or(u32::MAX);
        let offset = self.period() * u32::try_from(self.cursor).unwrap_or(0) / count;
        self.lap_start.map_or(now, |start| start + offset)
    }

    fn period(&self) -> Duration {
        Duration::from_secs(1) / self.setup.options.hz.max(1)
    }

    /// Lets every bot receive.
    fn round(&mut self) {
        for bot in &mut self.bots {
            bot.receive(self.stage, self.setup.options.net);
        }
    }

    /// Sums up the connections' statistics.
    fn sum_up(&mut self) {
        let mut connections = Connections::default();
        let (mut bytes_in, mut bytes_out) = (0, 0);
        for bot in &self.bots {
            if let Some(statistics) = bot.client.statistics() {
                connections.add(&statistics);
            }
            let engine = bot.client.engine_statistics();
            bytes_in += engine.link.bytes_in + engine.streams.bytes_in;
            bytes_out += engine.link.bytes_out + engine.streams.bytes_out;
        }
        let mut tally = self.stage.bots.lock();
        tally.connections = connections;
        (tally.bytes_in, tally.bytes_out) = (bytes_in, bytes_out);
        tally.cpu = cpu_time(CpuOf::Thread);
    }

    /// Says goodbye for all bots.
    fn leave(&mut self) {
        self.sum_up();
        for bot in &self.bots {
            bot.client.disconnect(0, "");
        }
        let deadline = Instant::now() + LEAVE_PATIENCE;
        while self.bots.iter().any(|bot| bot.state == BotState::Connected) && Instant::now() < deadline {
            self.round();
            std::thread::sleep(ROUND_MIN);
        }
    }
}

impl Bot {
    fn tick(&mut self, stage: &Stage, hz: u64) -> Result<(), Failure> {
        if self.state != BotState::Connected {
            return Ok(());
        }
        let sent_at_micros = stage.stopwatch.micros();
        let input = Stamp { sent_at_micros, sequence: self.ticks }.message::<INPUT_BYTES>();
        let is_input_taken = self.client.send(UNRELIABLE, &input).is_ok();
        let is_command_taken = (self.ticks >= self.reliable_at).then(|| {
            let command = Stamp { sent_at_micros, sequence: self.reliable_sent }.message::<COMMAND_BYTES>();
            self.client.send(RELIABLE, &command).is_ok()
        });
        self.ticks += 1;
        let mut tally = stage.bots.lock();
        tally.count_send(UNRELIABLE, is_input_taken);
        if let Some(is_taken) = is_command_taken {
            tally.count_send(RELIABLE, is_taken);
            if is_taken {
                self.reliable_sent += 1;
                self.reliable_at += hz;
            }
        }
        drop(tally);
        Ok(self.client.flush()?)
    }

    fn receive(&mut self, stage: &Stage, net: Option<Preset>) {
        if matches!(self.state, BotState::Gone | BotState::TurnedAway) {
            return;
        }
        // A client that has ended says so by an event as well.
        let has_ended = self.client.update(Duration::ZERO).is_err();
        let mut is_newly_connected = false;
        let mut events = self.client.events().peekable();
        if events.peek().is_none() {
            if has_ended {
                self.state = BotState::Gone;
            }
            return;
        }
        let now_micros = stage.stopwatch.micros();
        let mut tally = stage.bots.lock();
        for event in events {
            match event {
                Event::Connected { .. } => {
                    self.state = BotState::Connected;
                    tally.connected += 1;
                    is_newly_connected = true;
                }
                Event::Message { channel, payload, .. } => {
                    tally.receive(now_micros, channel == RELIABLE, &payload, &mut self.reliable_expected);
                }
                Event::Disconnected { reason, .. }
                    if self.state == BotState::Connecting && reason.reason == Reason::Busy =>
                {
                    self.state = BotState::TurnedAway;
                }
                Event::Disconnected { reason, .. } => {
                    let was_connected = self.state == BotState::Connected;
                    self.state = BotState::Gone;
                    tally.connected -= u64::from(was_connected);
                    if stage.phase() < Phase::Leaving {
                        tally.lost_connections += 1;
                        tally.last_end = Some(reason.to_string());
                    }
                }
                _ => {}
            }
        }
        drop(tally);
        if is_newly_connected {
            self.set_conditions(net, stage);
        }
    }

    fn set_conditions(&self, net: Option<Preset>, stage: &Stage) {
        let Some(conditions) = net.map(Preset::conditions) else { return };
        let ways = [(Direction::Outgoing, conditions.up), (Direction::Incoming, conditions.down)];
        for (direction, conditions) in ways {
            if let Err(error) = self.client.set_conditions(direction, Some(conditions)) {
                stage.bots.lock().last_end = Some(error.to_string());
            }
        }
    }
}
