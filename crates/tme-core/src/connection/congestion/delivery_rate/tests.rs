//! How the controller follows paths that carry more or less and lose by chance.

use super::*;
use crate::connection::delivery_meter::RateSample;

const RTT: Duration = Duration::from_millis(40);

/// A path that carries so much, loses some of it by chance and has no queue.
struct Path {
    now: Instant,
    rate: u64,
    /// Of 1,000.
    loss: u64,
    delivered: u64,
    random: u64,
}

impl Path {
    fn new(rate: u64, loss: u64) -> Self {
        Self { now: Instant::from_micros(1_000_000), rate, loss, delivered: 0, random: 1 }
    }

    /// A round trip of full packets at the controller's pace, with an acknowledgement for every eighth.
    fn round(&mut self, controller: &mut DeliveryRate, is_app_limited: bool) {
        let sent_at = self.now;
        let pace = controller.pacing_rate(RTT);
        let carried = pace.min(self.rate).min(rate_of(controller.window_bytes(), RTT));
        let packets = bytes_in(carried, RTT) / SEGMENT;
        let delivered_before = self.delivered;
        for group in 0..packets.div_ceil(8) {
            let now = sent_at + RTT + RTT * group as u32 / packets.div_ceil(8) as u32;
            let group_packets = (packets - group * 8).min(8);
            let lost = (0..group_packets).filter(|_| self.is_lost()).count() as u64;
            if lost > 0 {
                let bytes = lost * SEGMENT;
                controller.handle_lost(LostSample {
                    now,
                    bytes,
                    oldest_sent_at: now - RTT,
                    newest_sent_at: now - RTT,
                });
            }
            let bytes = (group_packets - lost) * SEGMENT;
            self.delivered += bytes;
            let arrived = bytes_in(carried, RTT) * (1_000 - self.loss) / 1_000;
            controller.handle_acked(AckedSample {
                now,
                bytes,
                spurious_bytes: 0,
                in_flight_bytes: bytes_in(carried, RTT),
                delivered_bytes: self.delivered,
                newest_sent_at: now - RTT,
                rtt: Some(RTT),
                rate: RateSample { bytes: arrived, interval: RTT, delivered_before, is_app_limited },
            });
        }
        self.now = sent_at + RTT;
    }

    fn is_lost(&mut self) -> bool {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) % 1_000 < self.loss
    }
}

fn controller() -> DeliveryRate {
    let mut controller = DeliveryRate::new(Instant::from_micros(1_000_000), 1_200);
    controller.handle_first_rtt(Instant::from_micros(1_000_000), RTT);
    controller
}

#[test]
fn start_up_finds_the_rate_and_probes_stay_near_it() {
    let mut path = Path::new(3_000_000, 0);
    let mut controller = controller();
    (0..30).for_each(|_| path.round(&mut controller, false));
    for round in 0..100 {
        path.round(&mut controller, false);
        let pace = controller.pacing_rate(RTT);
        assert!((2_000_000..=3_450_000).contains(&pace), "{pace} in round {round}, {:?}", controller.phase);
        assert!(controller.window_bytes() >= bytes_in(3_000_000, RTT), "{controller:?}");
    }
}

#[test]
fn losses_by_chance_do_not_slow_it_down() {
    for loss in [10, 50, 100, 200] {
        let mut path = Path::new(3_000_000, loss);
        let mut controller = controller();
        (0..300).for_each(|_| path.round(&mut controller, false));
        let mean = (0..100).map(|_| {
            path.round(&mut controller, false);
            controller.pacing_rate(RTT).min(3_000_000) / 100
        });
        let mean = mean.sum::<u64>();
        assert!(mean > 2_500_000, "{mean} bytes/s at a loss of {loss} in 1,000");
    }
}

#[test]
fn a_sender_with_little_to_say_keeps_what_it_knows() {
    let mut path = Path::new(3_000_000, 0);
    let mut controller = controller();
    (0..30).for_each(|_| path.round(&mut controller, false));
    let known = controller.estimated_rate(RTT);
    path.rate = 20_000;
    (0..500).for_each(|_| path.round(&mut controller, true));
    assert!(controller.estimated_rate(RTT) >= known, "{controller:?}");
}

#[test]
fn an_outage_begins_anew_with_little() {
    let mut path = Path::new(3_000_000, 0);
    let mut controller = controller();
    (0..30).for_each(|_| path.round(&mut controller, false));
    controller.handle_outage(path.now);
    assert_eq!(controller.window_bytes(), WINDOW_MIN);
    (0..10).for_each(|_| path.round(&mut controller, false));
    assert!(controller.pacing_rate(RTT) > 2_000_000, "{controller:?}");
}
