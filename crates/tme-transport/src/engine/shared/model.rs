//! The queues between the game's threads and the network thread in every order of their steps.
//!
//! The network thread is modelled by what `Driver::turn` and `run_thread` do with [`Shared`], and its poller by something that sleeps
//! until it is woken.

use crate::sync::AtomicUsize as Counter;

use loom::thread;
use tme_core::connection::SendOptions;
use tme_core::handshake::reason::Reason;
use tme_core::payload::Payload;

use super::*;
use crate::engine::message::MessageBytes;
use crate::engine::model::{FOR_EVER, Sleeper, model};
use crate::engine::outbox::{Asked, Batch, Command};

const PEER: PeerId = PeerId::from_u64(1 << 32);
const RELIABLE: ChannelId = ChannelId(0);

/// What both sides have, and the network thread's sleep.
struct Engine {
    shared: Shared,
    sleeper: Arc<Sleeper>,
}

impl Engine {
    fn new() -> Arc<Self> {
        let (sleeper, wake) = Sleeper::new();
        let rebinding = Rebinding::new(([127, 0, 0, 1], 1).into(), Err(""));
        let shared = Shared::new(Clock::start(), wake, rebinding, Arc::default());
        *shared.outbox.lock() = Outbox::modelled(PEER);
        Arc::new(Self { shared, sleeper })
    }

    /// What a turn does when it has nothing to do: sleeps unless something has come.
    fn sleep(&self) {
        self.shared.fall_asleep();
        let has_work = self.shared.commands_due_at(Duration::ZERO).is_some();
        self.sleeper.sleep(has_work, &self.shared.wake);
        self.shared.wake_up();
    }

    /// What a turn takes from the outbox, as `Driver::take_commands`: the sizes of the messages.
    fn take_commands(&self, batch: &mut Batch) -> Vec<usize> {
        if self.shared.commands_due_at(Duration::ZERO).is_none() {
            return Vec::new();
        }
        {
            let mut outbox = self.shared.outbox.lock();
            outbox.take(batch);
            self.shared.handle_taken();
        }
        let lengths = batch.commands.drain(..).map(|command| match command {
            Command::Send { body: crate::engine::outbox::Body::Shared(payload), .. } => payload.len(),
            other => panic!("nobody asked for {other:?}"),
        });
        lengths.collect()
    }

    /// What `Handle::send` does.
    fn send(&self, length: usize) {
        let message = MessageBytes::Shared(Payload::from(vec![0; length]));
        let asked = Asked { options: SendOptions::default(), expires_at: None };
        self.shared.outbox.lock().send(PEER, RELIABLE, message, asked).unwrap();
        self.shared.handle_command();
    }
}

fn message() -> Event {
    Event::Message { peer: PEER, channel: RELIABLE, key: 0, payload: Payload::from("x") }
}

#[test]
fn every_send_reaches_an_engine_that_falls_asleep_in_the_order_of_its_thread() {
    model(|| {
        let engine = Engine::new();
        let senders = [
            thread::spawn({
                let engine = Arc::clone(&engine);
                move || {
                    engine.send(1);
                    engine.send(2);
                }
            }),
            thread::spawn({
                let engine = Arc::clone(&engine);
                move || engine.send(10)
            }),
        ];
        let (mut taken, mut batch) = (Vec::new(), Batch::default());
        while taken.len() < 3 {
            let came = engine.take_commands(&mut batch);
            if came.is_empty() {
                engine.sleep();
            }
            taken.extend(came);
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        taken.retain(|&length| length != 10);
        assert_eq!(taken, [1, 2]);
    });
}

#[test]
fn events_reach_a_waiting_game_in_order_and_then_the_end() {
    model(|| {
        let engine = Engine::new();
        let network = thread::spawn({
            let engine = Arc::clone(&engine);
            move || {
                for count in [1, 2] {
                    let mut events: VecDeque<_> = (0..count).map(|_| message()).collect();
                    engine.shared.deliver(&mut events);
                }
                engine.shared.end(None);
            }
        });
        let mut taken = 0;
        loop {
            let result = engine.shared.wait_for_events(FOR_EVER);
            let mut ready = engine.shared.take_ready();
            taken += std::iter::from_fn(|| ready.next()).count();
            engine.shared.return_ready(ready);
            if result.is_err() {
                break;
            }
        }
        assert_eq!(taken, 3, "none after the end, and none lost");
        network.join().unwrap();
    });
}

#[test]
fn an_interruption_ends_the_wait_of_the_game() {
    model(|| {
        let engine = Engine::new();
        let other = thread::spawn({
            let engine = Arc::clone(&engine);
            move || engine.shared.interrupt()
        });
        // Would wait for ever: there are no events.
        engine.shared.wait_for_events(FOR_EVER).unwrap();
        other.join().unwrap();
    });
}

#[test]
fn what_the_game_takes_returns_as_credit_once_and_wakes_the_engine() {
    model(|| {
        let engine = Engine::new();
        let mut events = VecDeque::from(vec![message(), message()]);
        engine.shared.make_ready(&mut events);
        let game = thread::spawn({
            let engine = Arc::clone(&engine);
            move || {
                // One by one, so that the second comes back as a part of the rest.
                for _ in 0..2 {
                    let mut taken = engine.shared.take_ready();
                    assert!(taken.next().is_some());
                    engine.shared.return_ready(taken);
                }
            }
        });
        let (mut messages, mut consumed) = (0, Vec::new());
        while messages < 2 {
            engine.shared.take_consumed(&mut consumed);
            if consumed.is_empty() {
                engine.sleep();
            }
            messages += consumed.drain(..).map(|consumed| consumed.messages).sum::<u64>();
        }
        assert_eq!(messages, 2);
        game.join().unwrap();
    });
}

#[test]
fn events_that_come_while_the_game_reads_stay_behind_what_it_has_left() {
    model(|| {
        let engine = Engine::new();
        let event = |number| Event::Resumed { peer: PeerId::from_u64(number) };
        engine.shared.make_ready(&mut VecDeque::from(vec![event(1), event(2)]));
        let network = thread::spawn({
            let engine = Arc::clone(&engine);
            move || {
                engine.shared.deliver(&mut VecDeque::from(vec![event(3)]));
            }
        });
        let mut seen = Vec::new();
        while seen.len() < 3 {
            // As an update does.
            let timeout = if engine.shared.has_ready() { Duration::ZERO } else { FOR_EVER };
            engine.shared.wait_for_events(timeout).unwrap();
            let mut taken = engine.shared.take_ready();
            if let Some(Event::Resumed { peer }) = taken.next() {
                seen.push(peer.as_u64());
            }
            engine.shared.return_ready(taken);
        }
        assert_eq!(seen, [1, 2, 3]);
        network.join().unwrap();
    });
}

#[test]
fn the_end_that_two_threads_ask_for_reaches_an_engine_that_falls_asleep() {
    model(|| {
        let engine = Engine::new();
        let request = |mode, seconds: u64| StopRequest {
            mode,
            farewell: Farewell::new(Reason::Closed),
            deadline: Instant::from_micros(seconds * 1_000_000),
        };
        let askers = [(CloseMode::Flush, 9), (CloseMode::Now, 5)].map(|(mode, seconds)| {
            let engine = Arc::clone(&engine);
            thread::spawn(move || engine.shared.request_stop(request(mode, seconds)))
        });
        let mut is_hurried = false;
        while !is_hurried {
            match engine.shared.take_stop_request() {
                Some(request) => is_hurried = request.mode == CloseMode::Now,
                None => engine.sleep(),
            }
        }
        askers.into_iter().for_each(|asker| asker.join().unwrap());
        assert!(engine.shared.closing_report().is_some());
    });
}

#[test]
fn wakes_that_coalesce_lose_nothing() {
    model(|| {
        let engine = Engine::new();
        let written = Arc::new(Counter::new(0));
        let wakers = [1, 2].map(|_| {
            let (engine, written) = (Arc::clone(&engine), Arc::clone(&written));
            thread::spawn(move || {
                written.fetch_add(1, Ordering::Relaxed);
                engine.shared.wake.wake();
            })
        });
        while written.load(Ordering::Relaxed) < 2 {
            engine.sleeper.sleep(false, &engine.shared.wake);
        }
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
    });
}
