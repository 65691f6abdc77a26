//! What was measured at a dumbbell.

use tme_core::channel::ChannelId;
use tme_core::time::Duration;

use super::config::DumbbellConfig;
use super::flow::{BULK, STREAM};
use crate::report::LatencySamples;

/// Length of the bins that rates are counted in.
const BIN: Duration = Duration::from_millis(100);

/// Figures of all flows.
#[derive(Clone, Debug)]
pub struct Report {
    /// By flow, as in the configuration.
    pub flows: Vec<FlowReport>,
    /// Most bytes in the bottleneck's queue, per bin.
    queue: Vec<u64>,
    bytes_per_second: Option<u64>,
}

/// Figures of one flow.
#[derive(Clone, Debug, Default)]
pub struct FlowReport {
    /// When the server's end was connected.
    pub connected_at: Option<Duration>,
    /// Datagrams put into the bottleneck, and how many of them it dropped.
    pub offered: u64,
    /// Dropped because the queue was full.
    pub dropped: u64,
    /// Bytes of bulk messages handed to the receiver, and when the last one was.
    pub bulk_bytes: u64,
    /// When the newest bulk message was handed over.
    pub bulk_at: Duration,
    /// The newest message on another channel: when it arrived, and its age.
    pub single: Option<(Duration, Duration)>,
    passed: Vec<u64>,
    bulk: Vec<u64>,
    drops: Vec<u64>,
    offers: Vec<u64>,
    latency: Vec<(Duration, Duration)>,
}

impl Report {
    pub(super) fn new(config: &DumbbellConfig, flows: usize) -> Self {
        Self {
            flows: vec![FlowReport::default(); flows],
            queue: Vec::new(),
            bytes_per_second: config.bytes_per_second,
        }
    }

    pub(super) fn count_connected(&mut self, flow: usize, at: Duration) {
        if let Some(flow) = self.flows.get_mut(flow) {
            flow.connected_at = Some(at);
        }
    }

    pub(super) fn count_offered(&mut self, flow: usize, at: Duration, dropped: u64, queued_bytes: u64) {
        if let Some(flow) = self.flows.get_mut(flow) {
            flow.offered += 1;
            flow.dropped += dropped;
            *bin(&mut flow.offers, at) += 1;
            *bin(&mut flow.drops, at) += dropped;
        }
        let place = bin(&mut self.queue, at);
        *place = queued_bytes.max(*place);
    }

    pub(super) fn count_passed(&mut self, flow: usize, at: Duration, wire_bytes: usize) {
        if let Some(flow) = self.flows.get_mut(flow) {
            *bin(&mut flow.passed, at) += wire_bytes as u64;
        }
    }

    pub(super) fn count_message(
        &mut self,
        flow: usize,
        at: Duration,
        channel: ChannelId,
        bytes: usize,
        latency: Duration,
    ) {
        let Some(flow) = self.flows.get_mut(flow) else { return };
        match channel {
            BULK => {
                flow.bulk_bytes += bytes as u64;
                flow.bulk_at = at;
                *bin(&mut flow.bulk, at) += bytes as u64;
            }
            STREAM => flow.latency.push((at, latency)),
            _ => flow.single = Some((at, latency)),
        }
    }

    /// Share of the bottleneck's capacity that was used from one time to the other, by all flows.
    #[must_use]
    pub fn utilisation(&self, from: Duration, to: Duration) -> f64 {
        let passed: u64 = self.flows.iter().map(|flow| flow.passed_bytes(from, to)).sum();
        let Some(rate) = self.bytes_per_second else { return 0.0 };
        passed as f64 / (rate as f64 * (to - from).as_secs_f64())
    }

    /// A flow's share of all that passed the bottleneck from one time to the other.
    #[must_use]
    pub fn share(&self, flow: usize, from: Duration, to: Duration) -> f64 {
        let all: u64 = self.flows.iter().map(|flow| flow.passed_bytes(from, to)).sum();
        let own = self.flows.get(flow).map_or(0, |flow| flow.passed_bytes(from, to));
        own as f64 / all.max(1) as f64
    }

    /// Mean over the bins of the longest wait in the queue in each, and the longest of all.
    #[must_use]
    pub fn queue_time(&self, from: Duration, to: Duration) -> (Duration, Duration) {
        let Some(rate) = self.bytes_per_second else { return Default::default() };
        let time = |bytes: u64| Duration::from_micros(bytes * 1_000_000 / rate);
        let bins = self.queue.get(index_of(from)..index_of(to).min(self.queue.len())).unwrap_or_default();
        let sum: u64 = bins.iter().sum();
        (time(sum / bins.len().max(1) as u64), time(bins.iter().copied().max().unwrap_or(0)))
    }
}

impl FlowReport {
    /// Bytes that passed the bottleneck.
    #[must_use]
    pub fn passed_bytes(&self, from: Duration, to: Duration) -> u64 {
        sum(&self.passed, from, to)
    }

    /// Bytes of bulk messages per second.
    #[must_use]
    pub fn goodput(&self, from: Duration, to: Duration) -> f64 {
        sum(&self.bulk, from, to) as f64 / (to - from).as_secs_f64()
    }

    /// Share of this flow's datagrams that the full queue dropped.
    #[must_use]
    pub fn drop_share(&self, from: Duration, to: Duration) -> f64 {
        sum(&self.drops, from, to) as f64 / sum(&self.offers, from, to).max(1) as f64
    }

    /// One-way delays of the stream's messages that arrived from one time to the other.
    #[must_use]
    pub fn latency(&self, from: Duration, to: Duration) -> LatencySamples {
        let mut samples = LatencySamples::default();
        for &(at, latency) in &self.latency {
            if (from..to).contains(&at) {
                samples.add(latency);
            }
        }
        samples
    }
}

fn index_of(at: Duration) -> usize {
    (at.as_micros() / BIN.as_micros()) as usize
}

fn bin(bins: &mut Vec<u64>, at: Duration) -> &mut u64 {
    let index = index_of(at);
    if bins.len() <= index {
        bins.resize(index + 1, 0);
    }
    &mut bins[index]
}

fn sum(bins: &[u64], from: Duration, to: Duration) -> u64 {
    bins.get(index_of(from)..index_of(to).min(bins.len())).unwrap_or_default().iter().sum()
}
