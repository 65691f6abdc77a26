//! What the network threads of one server pass on to each other, and how they wake the game, in every order of their steps.

use std::collections::VecDeque;

use loom::thread;
use tme_core::connection::PeerId;
use tme_core::datagram::{Ecn, Path};
use tme_core::time::Instant;

use super::*;
use crate::clock::Clock;
use crate::engine::model::{FOR_EVER, Sleeper, model};
use crate::engine::post::{Letter, Post, PostedDatagram};
use crate::engine::rebind::Rebinding;
use crate::wake::WakeHandle;

/// The network threads, each with its sleep.
struct Threads {
    post: Post,
    sleepers: Vec<(Arc<Sleeper>, WakeHandle)>,
}

impl Threads {
    fn new() -> Arc<Self> {
        let sleepers: Vec<_> = (0..2).map(|_| Sleeper::new()).collect();
        let post = Post::between(sleepers.iter().map(|(_, wake)| wake.clone()));
        Arc::new(Self { post, sleepers })
    }

    /// What a turn does when it has nothing to do.
    fn sleep(&self, index: usize) {
        let (sleeper, wake) = &self.sleepers[index];
        sleeper.sleep(self.post.has_letters(index), wake);
    }
}

fn datagram(byte: u8) -> PostedDatagram {
    let path = Path::to(([127, 0, 0, 1], 9).into());
    PostedDatagram { bytes: vec![byte], path, ecn: Ecn::NotCapable, arrived_at: Instant::ZERO }
}

#[test]
fn what_two_threads_pass_on_reaches_a_third_that_falls_asleep() {
    model(|| {
        let threads = Threads::new();
        let senders = [[1, 2].as_slice(), &[10]].map(|bytes| {
            let threads = Arc::clone(&threads);
            thread::spawn(move || {
                bytes.iter().for_each(|&byte| assert!(threads.post.send_datagram(1, datagram(byte))))
            })
        });
        let (mut taken, mut letters) = (Vec::new(), VecDeque::new());
        while taken.len() < 3 {
            threads.post.take(1, &mut letters);
            if letters.is_empty() {
                threads.sleep(1);
            }
            taken.extend(letters.drain(..).map(|letter| match letter {
                Letter::Datagram(datagram) => datagram.bytes[0],
                Letter::Stream(_) => panic!("no stream was sent"),
            }));
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        taken.retain(|&byte| byte != 10);
        assert_eq!(taken, [1, 2]);
    });
}

#[test]
fn threads_that_have_nobody_left_end_together() {
    model(|| {
        let threads = Threads::new();
        let wait_for_all = |threads: &Threads, index| {
            while !threads.post.handle_parted(index) {
                threads.sleep(index);
            }
        };
        let other = thread::spawn({
            let threads = Arc::clone(&threads);
            move || wait_for_all(&threads, 1)
        });
        // Would sleep for ever if nobody woke it.
        wait_for_all(&threads, 0);
        other.join().unwrap();
    });
}

#[test]
fn a_game_that_waits_hears_every_thread_and_the_end_of_all() {
    model(|| {
        let bell = Arc::<Bell>::default();
        let mut all = Shard::all(2).map(|shard| {
            let rebinding = Rebinding::new(([127, 0, 0, 1], 1).into(), Err(""));
            let shared = Shared::new(Clock::start(), Sleeper::new().1, rebinding, Arc::default());
            Arc::new(shared.for_shard(shard, Arc::clone(&bell)))
        });
        let crew = Crew::of(all.next().unwrap(), all.collect(), Some(bell));
        let networks: Vec<_> = crew
            .all()
            .iter()
            .map(|shared| {
                let shared = Arc::clone(shared);
                thread::spawn(move || {
                    shared.deliver(&mut VecDeque::from([Event::Resumed { peer: PeerId::from_u64(1) }]));
                    shared.end(None);
                })
            })
            .collect();
        let mut seen = 0;
        loop {
            let result = crew.wait_for_events(FOR_EVER);
            for shared in crew.all() {
                let mut ready = shared.take_ready();
                seen += std::iter::from_fn(|| ready.next()).count();
                shared.return_ready(ready);
            }
            if result.is_err() {
                break;
            }
        }
        assert_eq!(seen, 2, "none after the end, and none lost");
        networks.into_iter().for_each(|network| network.join().unwrap());
    });
}
