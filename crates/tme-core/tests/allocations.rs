//! The steady path of the protocol allocates nothing, whatever the mode and whatever the network loses.
#![allow(missing_docs)]

#[path = "../../../tests/support/allocations.rs"]
mod allocations;
mod net;

use std::sync::Arc;
use std::time::Duration;

use net::{Net, Pair, SERVER, all_modes, ms};
use tme_core::connection::{Event, SendOptions};
use tme_core::link::LinkConditions;
use tme_core::payload::{Payload, PayloadPool};

const LATEST: u8 = 4;
const SIZES: [usize; 5] = [64, 100, 256, 600, 1_024];
const KEYS: u32 = 50;

/// Both sides send on every channel, 60 times a second, a message of each size; buffers come from a pool as those of
/// the engine's outbox do.
struct Traffic {
    pool: PayloadPool,
    /// Every message has a deadline, and its sender wants to know what becomes of it.
    is_watched: bool,
    sent: u64,
    received: u64,
    receipts: u64,
}

impl Traffic {
    fn new(is_watched: bool) -> Self {
        Self { pool: PayloadPool::new(4_096, 4_096), is_watched, sent: 0, received: 0, receipts: 0 }
    }

    fn payload(&mut self, bytes: usize) -> Payload {
        let mut buffer = self.pool.take();
        Arc::get_mut(&mut buffer).unwrap().resize(bytes, 0xA5);
        let payload = Payload::from_shared(&buffer, 0..bytes).unwrap();
        self.pool.give(buffer);
        payload
    }

    fn run(&mut self, net: &mut Net, pair: Pair, time: Duration) {
        let until = net.now + time;
        let mut next_frame = net.now;
        while net.now < until {
            if net.now >= next_frame {
                next_frame += Duration::from_micros(16_667);
                self.send_frame(net, pair);
            }
            net.advance(|endpoint, _, event| match event {
                Event::Message { .. } => self.received += 1,
                Event::Delivered { peer, channel, .. } | Event::Expired { peer, channel, .. } => {
                    self.receipts += 1;
                    endpoint.consume_receipts(peer, channel, 1);
                }
                _ => {}
            });
        }
    }

    fn send_frame(&mut self, net: &mut Net, pair: Pair) {
        for (node, peer) in [(pair.node, pair.at_client), (SERVER, pair.at_server)] {
            for channel in 0..=LATEST {
                let bytes = SIZES[(self.sent % SIZES.len() as u64) as usize];
                let payload = self.payload(bytes);
                let key = (channel == LATEST).then_some(self.sent as u32 % KEYS);
                let mut options = key.map_or_else(SendOptions::default, SendOptions::with_key);
                if self.is_watched {
                    // From a fraction of the way there to several round trips.
                    options = options.receipt(self.sent).deadline(ms(5 + self.sent * 37 % 400));
                }
                net.send(node, peer, channel, payload, options).unwrap();
                self.sent += 1;
            }
        }
    }
}

#[test]
fn steady_traffic_on_all_modes_allocates_nothing() {
    let perfect = LinkConditions { delay: ms(20), ..LinkConditions::default() };
    let lossy = |loss| LinkConditions { loss, ..perfect };
    // What was never needed before has to be allocated once, so the busiest time comes first.
    for (name, steady) in [("no loss", perfect), ("5 % loss", lossy(0.05))] {
        let (mut net, pairs) = Net::connected(all_modes(), 1, lossy(0.2));
        let mut traffic = Traffic::new(false);
        traffic.run(&mut net, pairs[0], Duration::from_secs(30));
        net.set_conditions(steady);
        traffic.run(&mut net, pairs[0], Duration::from_secs(2));
        let (sent, received) = (traffic.sent, traffic.received);
        let counts = allocations::measure(|| traffic.run(&mut net, pairs[0], Duration::from_secs(60)));
        let (sent, received) = (traffic.sent - sent, traffic.received - received);
        println!("{name}: {sent} messages sent, {received} received, {counts:?}");
        assert!(received > sent * 8 / 10, "{name}: {received} of {sent} messages arrived");
        assert_eq!((counts.allocations, counts.live_bytes), (0, 0), "{name}");
    }
}

#[test]
fn deadlines_receipts_and_the_clock_allocate_nothing_either() {
    let lossy = |loss| LinkConditions { delay: ms(20), loss, ..LinkConditions::default() };
    let (mut net, pairs) = Net::connected(all_modes(), 1, lossy(0.2));
    let pair = pairs[0];
    assert!(net.change(pair.node, |endpoint, now| endpoint.synchronise_clock(now, pair.at_client)));
    let mut traffic = Traffic::new(true);
    traffic.run(&mut net, pair, Duration::from_secs(60));
    net.set_conditions(lossy(0.05));
    traffic.run(&mut net, pair, Duration::from_secs(2));
    let (sent, receipts) = (traffic.sent, traffic.receipts);
    let asked =
        net.nodes[pair.node].endpoint.peer_statistics(net.now, pair.at_client).unwrap().clock.requests;
    let counts = allocations::measure(|| traffic.run(&mut net, pair, Duration::from_secs(60)));
    let (sent, receipts) = (traffic.sent - sent, traffic.receipts - receipts);
    let clock = net.nodes[pair.node].endpoint.peer_statistics(net.now, pair.at_client).unwrap().clock;
    let asked = clock.requests - asked;
    println!("{sent} messages sent, {receipts} receipts, {asked} requests for the time, {counts:?}");
    assert!(receipts.abs_diff(sent) < 1_000 && (59..=61).contains(&asked), "{receipts} of {sent}, {asked}");
    assert_eq!((counts.allocations, counts.live_bytes), (0, 0));
}

/// Long messages have buffers of their own: how many allocations and bytes each costs, both sides together.
#[test]
fn a_long_message_costs_a_handful_of_allocations_and_its_own_size() {
    let (mut net, pairs) = Net::connected(all_modes(), 1, LinkConditions::default());
    let pair = pairs[0];
    for (channel, bytes) in [(0, 5_000), (1, 17_000), (2, 5_000), (3, 100_000), (LATEST, 300_000)] {
        let payload = Payload::from(vec![0xA5; bytes]);
        let mut run = |count: usize| {
            for _ in 0..count {
                net.send(pair.node, pair.at_client, channel, payload.clone(), SendOptions::default())
                    .unwrap();
                let mut is_here = false;
                while !is_here {
                    net.advance(|_, _, event| is_here |= matches!(event, Event::Message { .. }));
                }
            }
            net.advance_for(ms(500));
        };
        run(100);
        let counts = allocations::measure(|| run(100));
        let (each, bytes_each) = (counts.allocations as f64 / 100.0, counts.bytes as f64 / 100.0);
        println!("channel {channel}, message of {bytes} bytes: {each} allocations, {bytes_each} bytes");
        assert!(each <= 5.0 && bytes_each <= bytes as f64 + 200.0, "{counts:?}");
        // Memory may be given back meanwhile, but none is kept.
        assert!(counts.live_bytes <= 0, "{counts:?}");
    }
}
