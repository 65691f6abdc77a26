//! Statistics: what engines, peers and channels tell about themselves.

use std::mem::size_of;
use std::time::Duration;

use tme::{
    Broadcast, ChannelId, ChannelStatistics, ConnectionStatistics, EngineStatistics, LinkStatistics,
    PacketDrop, SendBudget, StreamFailure,
};

use tme::discovery::DiscoveryDrop;
use tme::token::TokenProblem;

use crate::boundary::Versioned;

/// Figures of a connection since it was established. Times are microseconds, rates bytes per second.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmePeerStatistics {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// Largest datagram sent, in bytes of UDP payload: what the path is known to carry.
    pub datagram_bytes: u32,
    /// Newest round-trip time.
    pub rtt_latest_us: u64,
    /// Smoothed round-trip time.
    pub rtt_smoothed_us: u64,
    /// Mean deviation of the round-trip time.
    pub rtt_variation_us: u64,
    /// Smallest round-trip time.
    pub rtt_minimum_us: u64,
    /// Mean difference between successive round-trip times.
    pub jitter_us: u64,
    /// Packets sent.
    pub packets_sent: u64,
    /// Authentic packets received.
    pub packets_received: u64,
    /// UDP payload bytes sent.
    pub bytes_sent: u64,
    /// UDP payload bytes received in authentic packets.
    pub bytes_received: u64,
    /// Packets we sent that count as lost.
    pub packets_lost: u64,
    /// Packets counted as lost and acknowledged after all.
    pub packets_spuriously_lost: u64,
    /// Packets of the other side that did not arrive.
    pub packets_missing: u64,
    /// Share of our packets lost, 0.0–1.0: of the last full 3 s of traffic, or of the present ones before that.
    pub loss_sent: f64,
    /// Share of the other side's packets missing, 0.0–1.0; likewise.
    pub loss_received: f64,
    /// UDP payload bytes per second sent, over the last second.
    pub rate_sent: u64,
    /// UDP payload bytes per second received, over the last second.
    pub rate_received: u64,
    /// Messages handed to the game.
    pub messages_received: u64,
    /// Messages received a second time and dropped.
    pub messages_duplicate: u64,
    /// Unreliable messages dropped because the game did not poll.
    pub messages_overflowed: u64,
    /// Unreliable messages of several pieces given up because a piece did not come.
    pub messages_incomplete: u64,
    /// Frames sent again.
    pub retransmitted: u64,
    /// Probe time-outs.
    pub probe_timeouts: u64,
    /// Bytes that may be in flight.
    pub congestion_window_bytes: u64,
    /// Bytes in flight.
    pub bytes_in_flight: u64,
    /// Bytes per second the pacer allows.
    pub pacing_rate: u64,
    /// Bytes queued on all channels.
    pub queued_bytes: u64,
    /// Packets dropped: header cut short or reserved bits set.
    pub dropped_malformed: u64,
    /// Packets dropped: received before.
    pub dropped_replayed: u64,
    /// Packets dropped: older than the replay window.
    pub dropped_too_old: u64,
    /// Packets dropped: the tag does not verify.
    pub dropped_unauthentic: u64,
    /// Packets dropped: sealed with keys that are erased.
    pub dropped_key_erased: u64,
    /// Packets dropped: from another address.
    pub dropped_foreign_address: u64,
    /// Packets dropped: after the connection was closed.
    pub dropped_closed: u64,
    /// How often the other side's address has changed, at a server.
    pub address_changes: u64,
    /// How often another address seemed to be the other side's and did not prove it.
    pub address_changes_refused: u64,
    /// Clock: requests for the other side's time that were sent, by a client that synchronises its clock.
    pub clock_requests: u64,
    /// Clock: answers taken into the estimate.
    pub clock_answers: u64,
    /// Clock: answers dropped, to requests that were not made, or answered already, or too long ago.
    pub clock_unasked: u64,
    /// Clock: answers dropped, with times that cannot be.
    pub clock_absurd: u64,
    /// Clock: answers that contradict all others; one of the clocks jumped, or the other side lies.
    pub clock_contradictions: u64,
    /// Clock: times that the estimate was set after it was synchronised, each a TME_EVENT_CLOCK with
    /// TME_EVENT_FLAG_STEPPED.
    pub clock_steps: u64,
    /// Clock: requests of the other side that were answered, at a server.
    pub clock_answered: u64,
    /// Clock: requests of the other side that were not, beyond 20 a second or several at once.
    pub clock_refused: u64,
}

/// Figures of one channel towards a peer, on the sending side.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeChannelStatistics {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// The channel's id.
    pub channel: u32,
    /// Bytes waiting, and for reliable channels unacknowledged.
    pub queued_bytes: u64,
    /// Messages waiting, and for reliable channels unacknowledged.
    pub queued_messages: u64,
    /// How long messages wait before they leave, smoothed, in microseconds.
    pub queue_time_us: u64,
    /// Messages whose first byte was sent.
    pub messages_sent: u64,
    /// Frames sent again.
    pub retransmitted: u64,
    /// Unreliable messages that waited too long.
    pub expired: u64,
    /// Messages replaced by a newer one.
    pub superseded: u64,
    /// Small messages that rode again in a packet before anything was known to be lost.
    pub copied: u64,
}

/// Nobody knows how long a message would wait: the other side does not answer, or does not take what was sent before.
pub const TME_WAIT_UNKNOWN: u64 = 0xFFFF_FFFF_FFFF_FFFF;

/// What may be sent to a peer now, and how long a message on one channel would wait. An estimate: the path may change its
/// mind.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeSendBudget {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// The channel's id.
    pub channel: u32,
    /// Bytes per second, headers of packets included, that the path is believed to carry. Until something has used the path
    /// to its limit nobody knows; then it is what may be tried.
    pub bytes_per_second: u64,
    /// Bytes that may be queued now, on all channels together, and leave at once.
    pub bytes_now: u64,
    /// How long a message queued now on this channel would wait before its first byte leaves, in microseconds, with regard
    /// to priorities and what is queued. Or TME_WAIT_UNKNOWN.
    pub wait_us: u64,
}

/// Figures of a whole server or client, its socket included.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeEngineStatistics {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// Peers connected, or accepted and about to be.
    pub peers: u32,
    /// Datagrams received.
    pub datagrams_received: u64,
    /// Their bytes of UDP payload.
    pub bytes_received: u64,
    /// Datagrams sent.
    pub datagrams_sent: u64,
    /// Their bytes of UDP payload.
    pub bytes_sent: u64,
    /// System calls made to receive.
    pub receive_calls: u64,
    /// System calls made to send.
    pub send_calls: u64,
    /// Times a send stopped because the socket's queue was full.
    pub socket_full: u64,
    /// Data packets dropped, for all reasons.
    pub packets_dropped: u64,
    /// Handshake datagrams dropped, for all reasons.
    pub handshakes_dropped: u64,
    /// Messages accepted by a send whose peer was gone before they reached its connection.
    pub sends_dropped: u64,
    /// Resets sent to peers of an earlier run.
    pub resets_sent: u64,
    /// Clients refused, for all reasons.
    pub clients_refused: u64,
    /// Clients turned away because they had no connect token.
    pub tokens_missing: u64,
    /// Because no key of the server opens their token, it is damaged, or the server takes none.
    pub tokens_invalid: u64,
    /// Because it is for another server.
    pub tokens_wrong_audience: u64,
    /// Because it was issued in the future.
    pub tokens_not_yet_valid: u64,
    /// Because it has expired, or is older than what the server remembers.
    pub tokens_expired: u64,
    /// Because somebody has connected with it.
    pub tokens_used: u64,
    /// Clients refused because the game did not decide in time.
    pub undecided: u64,
    /// Peers that a newer connection of the same identity has replaced.
    pub peers_replaced: u64,
    /// Clients that were accepted, had not been heard of, and gave way to others at a full server.
    pub unconfirmed_evicted: u64,
    /// Queries for what this server is, within the limit.
    pub queries: u64,
    /// Streams (TCP connections) accepted.
    pub streams_accepted: u64,
    /// Streams opened from here that reached the other side.
    pub streams_opened: u64,
    /// Streams that are open, or being opened.
    pub streams_open: u64,
    /// Datagrams received in streams; `datagrams_received` counts them, too.
    pub stream_datagrams_received: u64,
    /// Datagrams sent in streams; `datagrams_sent` counts them, too.
    pub stream_datagrams_sent: u64,
    /// Streams that ended because the other side has closed them.
    pub streams_closed: u64,
    /// Because the network or the system has cut them off.
    pub streams_broken: u64,
    /// Because they could not be opened.
    pub streams_unreachable: u64,
    /// Because the other side does not speak TME.
    pub streams_not_tme: u64,
    /// Because a record was empty or too long.
    pub streams_bad_length: u64,
    /// Because they carried no connection in time.
    pub streams_unclaimed: u64,
    /// Because they took nothing for 30 s although something waited.
    pub streams_too_slow: u64,
    /// Because there were too many.
    pub streams_too_many: u64,
    /// Because their connection is over, or goes on another way.
    pub streams_released: u64,
    /// Streams that ended because their HTTP request asked for no WebSocket, or not for TME's.
    pub streams_bad_upgrade: u64,
    /// WebSockets that ended because text came where datagrams were due.
    pub streams_text: u64,
    /// Questions of those who look for servers that were answered.
    pub discovery_answered: u64,
    /// Answers to them that the system did not take.
    pub discovery_unsent: u64,
    /// Datagrams at the discovery port dropped: not a question as it must be.
    pub discovery_malformed: u64,
    /// Because they are of another kind.
    pub discovery_unexpected: u64,
    /// Because they come from no network that leads to the server.
    pub discovery_off_link: u64,
    /// Because they ask for another game.
    pub discovery_other_application: u64,
    /// Because they are copies of one that was answered.
    pub discovery_repeated: u64,
    /// Because their source has asked too often.
    pub discovery_source_limited: u64,
    /// Because there were too many from all sources.
    pub discovery_limited: u64,
    /// Clients refused because the server shuts down.
    pub clients_refused_shutdown: u64,
    /// Look-ups of names that were done, by threads of the library or by the host's executor.
    pub jobs_done: u64,
    /// That failed by a bug; the log says so.
    pub jobs_panicked: u64,
    /// That were not done, because nobody waited for them any more or the executor discarded them.
    pub jobs_dropped: u64,
    /// That found no thread.
    pub jobs_refused: u64,
    /// Datagrams that one of several network threads has passed on to another, which has their connection.
    pub datagrams_passed_on: u64,
    /// Datagrams of another network thread that were lost, because too many waited for it.
    pub datagrams_not_passed_on: u64,
    /// Streams that one of several network threads has passed on to another.
    pub streams_passed_on: u64,
    /// Streams that ended because the server's certificate is for another name.
    pub streams_certificate_name: u64,
    /// Because the server's certificate is not valid any more, or not yet.
    pub streams_certificate_time: u64,
    /// Because the server's certificate is of nobody who is trusted, or not the one that is expected.
    pub streams_certificate_untrusted: u64,
    /// Because no TLS session came about for another reason, or what came later was forged.
    pub streams_tls_failed: u64,
    /// Bytes received in streams, with what is around datagrams, TLS included.
    pub stream_bytes_received: u64,
    /// Bytes sent in streams, likewise.
    pub stream_bytes_sent: u64,
    /// Streams that ended because of a PROXY header by somebody who is no listed proxy.
    pub streams_unlisted_proxy: u64,
    /// Because a listed proxy began without a PROXY header, or with a malformed one.
    pub streams_proxy_header: u64,
    /// Because a listed proxy did not say by X-Forwarded-For for whom it speaks, or not so that it can be read.
    pub streams_forwarded_for: u64,
}

/// What modelled network conditions did to datagrams in one direction since they were switched on.
///
/// `offered` + `duplicated` is what was delivered, lost or dropped, plus what is still on its way.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeConditionStatistics {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Datagrams handed to the modelled network.
    pub offered: u64,
    /// Datagrams delivered, copies included.
    pub delivered: u64,
    /// Lost, independently of each other.
    pub lost: u64,
    /// Lost in bad spells.
    pub burst_lost: u64,
    /// Dropped because the bottleneck's queue was full.
    pub queue_dropped: u64,
    /// Dropped because they were larger than the MTU.
    pub mtu_dropped: u64,
    /// Dropped because the model's memory limits were reached.
    pub overflow: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Datagrams with flipped bits.
    pub corrupted: u64,
    /// Datagrams delivered after one that had entered later.
    pub reordered: u64,
}

/// What a broadcast came to. Frozen.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct TmeBroadcast {
    /// Peers for which it was queued.
    pub sent: u32,
    /// Peers whose queue is full, or who have too many keys under way; TME_EVENT_WRITABLE follows for each.
    pub would_block: u32,
    /// Peers that are being disconnected, and ids that name nobody.
    pub gone: u32,
    /// Peers that will not take it later either: larger than they allow.
    pub refused: u32,
    /// 0.
    pub reserved: [u64; 2],
}

const _: () = {
    assert!(size_of::<TmePeerStatistics>() == 352);
    assert!(size_of::<TmeChannelStatistics>() == 72);
    assert!(size_of::<TmeSendBudget>() == 32);
    assert!(size_of::<TmeEngineStatistics>() == 520);
    assert!(size_of::<TmeConditionStatistics>() == 88);
    assert!(size_of::<TmeBroadcast>() == 32);
};

// SAFETY: `repr(C)`, a `u32` first, numbers only; the sizes above leave no room for padding.
unsafe impl Versioned for TmePeerStatistics {
    const FIRST_BYTES: usize = 272;

    fn defaults() -> Self {
        (&ConnectionStatistics::default()).into()
    }
}

// SAFETY: as above.
unsafe impl Versioned for TmeChannelStatistics {
    const FIRST_BYTES: usize = 72;

    fn defaults() -> Self {
        Self {
            struct_size: 0,
            channel: 0,
            queued_bytes: 0,
            queued_messages: 0,
            queue_time_us: 0,
            messages_sent: 0,
            retransmitted: 0,
            expired: 0,
            superseded: 0,
            copied: 0,
        }
    }
}

// SAFETY: as above.
unsafe impl Versioned for TmeSendBudget {
    const FIRST_BYTES: usize = 32;

    fn defaults() -> Self {
        Self { struct_size: 0, channel: 0, bytes_per_second: 0, bytes_now: 0, wait_us: 0 }
    }
}

// SAFETY: as above.
unsafe impl Versioned for TmeEngineStatistics {
    const FIRST_BYTES: usize = 96;

    fn defaults() -> Self {
        (&EngineStatistics::default()).into()
    }
}

// SAFETY: as above.
unsafe impl Versioned for TmeConditionStatistics {
    const FIRST_BYTES: usize = 88;

    fn defaults() -> Self {
        (&LinkStatistics::default()).into()
    }
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl TmeSendBudget {
    /// What a budget says of a channel, if the table has it.
    pub(crate) fn of(budget: &SendBudget, channel: ChannelId) -> Option<Self> {
        let wait = budget.wait(channel)?;
        Some(Self {
            struct_size: 0,
            channel: u32::from(channel.0),
            bytes_per_second: budget.bytes_per_second,
            bytes_now: budget.bytes_now,
            wait_us: if wait == Duration::MAX {
                TME_WAIT_UNKNOWN
            } else {
                us(wait).min(TME_WAIT_UNKNOWN - 1)
            },
        })
    }
}

impl From<&ConnectionStatistics> for TmePeerStatistics {
    fn from(of: &ConnectionStatistics) -> Self {
        Self {
            struct_size: 0,
            datagram_bytes: u32::try_from(of.datagram_bytes).unwrap_or(u32::MAX),
            rtt_latest_us: us(of.rtt_latest),
            rtt_smoothed_us: us(of.rtt_smoothed),
            rtt_variation_us: us(of.rtt_variation),
            rtt_minimum_us: us(of.rtt_minimum),
            jitter_us: us(of.jitter),
            packets_sent: of.packets_sent,
            packets_received: of.packets_received,
            bytes_sent: of.bytes_sent,
            bytes_received: of.bytes_received,
            packets_lost: of.packets_lost,
            packets_spuriously_lost: of.packets_spuriously_lost,
            packets_missing: of.packets_missing,
            loss_sent: f64::from(of.loss_sent),
            loss_received: f64::from(of.loss_received),
            rate_sent: of.rate_sent,
            rate_received: of.rate_received,
            messages_received: of.messages_received,
            messages_duplicate: of.messages_duplicate,
            messages_overflowed: of.messages_overflowed,
            messages_incomplete: of.messages_incomplete,
            retransmitted: of.retransmitted,
            probe_timeouts: of.probe_timeouts,
            congestion_window_bytes: of.congestion_window,
            bytes_in_flight: of.bytes_in_flight,
            pacing_rate: of.pacing_rate,
            queued_bytes: of.queued_bytes as u64,
            dropped_malformed: of.drops.of(PacketDrop::Malformed),
            dropped_replayed: of.drops.of(PacketDrop::Replayed),
            dropped_too_old: of.drops.of(PacketDrop::TooOld),
            dropped_unauthentic: of.drops.of(PacketDrop::Unauthentic),
            dropped_key_erased: of.drops.of(PacketDrop::KeyErased),
            dropped_foreign_address: of.drops.of(PacketDrop::ForeignAddress),
            dropped_closed: of.drops.of(PacketDrop::Closed),
            address_changes: of.address_changes,
            address_changes_refused: of.address_changes_refused,
            clock_requests: of.clock.requests,
            clock_answers: of.clock.answers,
            clock_unasked: of.clock.unasked,
            clock_absurd: of.clock.absurd,
            clock_contradictions: of.clock.contradictions,
            clock_steps: of.clock.steps,
            clock_answered: of.clock.answered,
            clock_refused: of.clock.refused,
        }
    }
}

impl From<&ChannelStatistics> for TmeChannelStatistics {
    fn from(of: &ChannelStatistics) -> Self {
        Self {
            struct_size: 0,
            channel: u32::from(of.channel.0),
            queued_bytes: of.queued_bytes as u64,
            queued_messages: of.queued_messages as u64,
            queue_time_us: us(of.queue_time),
            messages_sent: of.messages_sent,
            retransmitted: of.retransmitted,
            expired: of.expired,
            superseded: of.superseded,
            copied: of.copied,
        }
    }
}

impl From<&EngineStatistics> for TmeEngineStatistics {
    fn from(of: &EngineStatistics) -> Self {
        let (handshake, ended) = (&of.endpoint.handshake, &of.streams.ended);
        Self {
            struct_size: 0,
            peers: u32::try_from(of.endpoint.peers).unwrap_or(u32::MAX),
            datagrams_received: of.endpoint.datagrams_received,
            bytes_received: of.endpoint.bytes_received,
            datagrams_sent: of.endpoint.datagrams_sent,
            bytes_sent: of.endpoint.bytes_sent,
            receive_calls: of.link.syscalls_in,
            send_calls: of.link.syscalls_out,
            socket_full: of.link.would_block,
            packets_dropped: of.endpoint.drops.total(),
            handshakes_dropped: of.endpoint.handshake.drops.total() + of.endpoint.attempt_drops.total(),
            sends_dropped: of.sends_dropped,
            resets_sent: of.endpoint.resets_sent,
            clients_refused: handshake.refused_total(),
            tokens_missing: handshake.token_problems(TokenProblem::Missing),
            tokens_invalid: handshake.token_problems(TokenProblem::Invalid),
            tokens_wrong_audience: handshake.token_problems(TokenProblem::WrongAudience),
            tokens_not_yet_valid: handshake.token_problems(TokenProblem::NotYetValid),
            tokens_expired: handshake.token_problems(TokenProblem::Expired),
            tokens_used: handshake.token_problems(TokenProblem::Used),
            undecided: of.endpoint.undecided,
            peers_replaced: of.endpoint.peers_replaced,
            unconfirmed_evicted: of.endpoint.unconfirmed_evicted,
            queries: of.endpoint.info_queries,
            streams_accepted: of.streams.accepted,
            streams_opened: of.streams.opened,
            streams_open: of.streams.open as u64,
            stream_datagrams_received: of.streams.datagrams_in,
            stream_datagrams_sent: of.streams.datagrams_out,
            streams_closed: ended.of(StreamFailure::Closed),
            streams_broken: ended.of(StreamFailure::Broken),
            streams_unreachable: ended.of(StreamFailure::Unreachable),
            streams_not_tme: ended.of(StreamFailure::NotTme),
            streams_bad_length: ended.of(StreamFailure::RecordLength),
            streams_unclaimed: ended.of(StreamFailure::Unclaimed),
            streams_too_slow: ended.of(StreamFailure::TooSlow),
            streams_too_many: ended.of(StreamFailure::TooMany),
            streams_released: ended.of(StreamFailure::Released),
            streams_bad_upgrade: ended.of(StreamFailure::BadUpgrade),
            streams_text: ended.of(StreamFailure::TextMessage),
            discovery_answered: of.discovery.answered,
            discovery_unsent: of.discovery.unsent,
            discovery_malformed: of.discovery.drops.of(DiscoveryDrop::Malformed),
            discovery_unexpected: of.discovery.drops.of(DiscoveryDrop::Unexpected),
            discovery_off_link: of.discovery.drops.of(DiscoveryDrop::OffLink),
            discovery_other_application: of.discovery.drops.of(DiscoveryDrop::OtherApplication),
            discovery_repeated: of.discovery.drops.of(DiscoveryDrop::Repeated),
            discovery_source_limited: of.discovery.drops.of(DiscoveryDrop::SourceLimited),
            discovery_limited: of.discovery.drops.of(DiscoveryDrop::Limited),
            clients_refused_shutdown: of.endpoint.refused_parting,
            jobs_done: of.jobs.done,
            jobs_panicked: of.jobs.panicked,
            jobs_dropped: of.jobs.dropped,
            jobs_refused: of.jobs.refused,
            datagrams_passed_on: of.post.datagrams_passed_on,
            datagrams_not_passed_on: of.post.datagrams_lost,
            streams_passed_on: of.post.streams_passed_on,
            streams_certificate_name: ended.of(StreamFailure::CertificateName),
            streams_certificate_time: ended.of(StreamFailure::CertificateTime),
            streams_certificate_untrusted: ended.of(StreamFailure::CertificateUntrusted),
            streams_tls_failed: ended.of(StreamFailure::TlsFailed),
            stream_bytes_received: of.streams.bytes_in,
            stream_bytes_sent: of.streams.bytes_out,
            streams_unlisted_proxy: ended.of(StreamFailure::UnlistedProxy),
            streams_proxy_header: ended.of(StreamFailure::ProxyHeader),
            streams_forwarded_for: ended.of(StreamFailure::ForwardedFor),
        }
    }
}

impl From<&LinkStatistics> for TmeConditionStatistics {
    fn from(of: &LinkStatistics) -> Self {
        Self {
            struct_size: 0,
            reserved: 0,
            offered: of.offered,
            delivered: of.delivered,
            lost: of.lost,
            burst_lost: of.burst_lost,
            queue_dropped: of.queue_dropped,
            mtu_dropped: of.mtu_dropped,
            overflow: of.overflow,
            duplicated: of.duplicated,
            corrupted: of.corrupted,
            reordered: of.reordered,
        }
    }
}

impl From<Broadcast> for TmeBroadcast {
    fn from(of: Broadcast) -> Self {
        let count = |peers: usize| u32::try_from(peers).unwrap_or(u32::MAX);
        Self {
            sent: count(of.sent),
            would_block: count(of.would_block),
            gone: count(of.gone),
            refused: count(of.refused),
            reserved: [0; 2],
        }
    }
}
