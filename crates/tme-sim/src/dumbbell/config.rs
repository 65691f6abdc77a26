//! What a dumbbell is made of.

use tme_core::connection::ConnectionConfig;
use tme_core::time::Duration;

/// A bottleneck and the flows through it.
#[derive(Clone, Debug)]
pub struct DumbbellConfig {
    /// Everything random follows from it.
    pub seed: u64,
    /// Rate of the bottleneck in bytes of IP and UDP; `None`: none.
    pub bytes_per_second: Option<u64>,
    /// What its queue holds.
    pub queue_bytes: u64,
    /// Settings of both ends of every connection.
    pub connection: ConnectionConfig,
    /// Who sends.
    pub flows: Vec<FlowPlan>,
}

/// One flow.
#[derive(Clone, Debug)]
pub struct FlowPlan {
    /// When it begins (to connect).
    pub starts_at: Duration,
    /// Round-trip time without any queue.
    pub rtt: Duration,
    /// Share of the datagrams lost behind the bottleneck, independently of each other.
    pub loss: f64,
    /// By how much the delay downward varies; packets overtake each other.
    pub jitter: Duration,
    /// What it sends.
    pub traffic: Traffic,
}

/// What a flow sends.
#[derive(Clone, Copy, Debug)]
pub enum Traffic {
    /// A connection of the engine.
    Engine {
        /// As much as fits.
        bulk: Option<Bulk>,
        /// A steady stream beside it.
        stream: Option<Stream>,
    },
    /// A TCP connection with CUBIC that always has something to send.
    Tcp,
}

/// Messages on the bulk channel as fast as it takes them.
#[derive(Clone, Copy, Debug)]
pub struct Bulk {
    /// Size of a message.
    pub message_bytes: usize,
    /// How many in all; `None`: without end.
    pub messages: Option<u64>,
    /// When the first one is queued, after the flow has started.
    pub after: Duration,
}

impl Bulk {
    /// 16 KiB messages without end.
    pub const ENDLESS: Self = Self { message_bytes: 16 << 10, messages: None, after: Duration::ZERO };
}

/// A message on the stream channel in a fixed rhythm.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// Time between two.
    pub interval: Duration,
    /// Size of each, at least 8.
    pub message_bytes: usize,
}

impl Stream {
    /// 100 bytes at 60 Hz.
    pub const GAME: Self = Self { interval: Duration::from_micros(16_667), message_bytes: 100 };
}

impl FlowPlan {
    /// A connection that sends bulk from the beginning on.
    #[must_use]
    pub const fn bulk(rtt: Duration) -> Self {
        Self::engine(rtt, Some(Bulk::ENDLESS), None)
    }

    /// A connection that sends this from the beginning on.
    #[must_use]
    pub const fn engine(rtt: Duration, bulk: Option<Bulk>, stream: Option<Stream>) -> Self {
        Self {
            starts_at: Duration::ZERO,
            rtt,
            loss: 0.0,
            jitter: Duration::ZERO,
            traffic: Traffic::Engine { bulk, stream },
        }
    }

    /// A TCP connection.
    #[must_use]
    pub const fn tcp(rtt: Duration) -> Self {
        Self { starts_at: Duration::ZERO, rtt, loss: 0.0, jitter: Duration::ZERO, traffic: Traffic::Tcp }
    }

    /// The same, beginning later.
    #[must_use]
    pub const fn starting_at(mut self, at: Duration) -> Self {
        self.starts_at = at;
        self
    }

    /// The same with a delay downward that varies by so much either way, each packet for itself.
    #[must_use]
    pub const fn with_jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// The same with losses.
    #[must_use]
    pub const fn with_loss(mut self, loss: f64) -> Self {
        self.loss = loss;
        self
    }
}
