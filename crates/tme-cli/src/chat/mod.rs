//! The chat that `tme serve` and `tme connect` make: one reliable-ordered channel, lines of text.

pub mod connect;
pub mod serve;

use tme::{Channel, ChannelId, ConnectionStatistics, LinkKind, SendBudget};

use crate::format;

/// Keeps chat clients from other games' servers.
pub(crate) const APPLICATION: &str = "tme chat";
/// The one channel.
pub(crate) const CHAT: ChannelId = ChannelId(0);
/// Longest message in bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 << 10;
/// Longest name in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 32;

/// The table that both sides declare.
pub(crate) fn channel() -> Channel {
    Channel::reliable_ordered("chat").message_bytes_max(MESSAGE_BYTES_MAX)
}

/// Text of the other side as it may be shown: control characters, with which a stranger could steer the terminal,
/// become visible.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

/// The largest part of a text that is no longer than `bytes_max` bytes.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

/// What `/stats` says about a connection, in one line.
pub(crate) fn describe(link: LinkKind, statistics: &ConnectionStatistics, budget: &SendBudget) -> String {
    // A stream cuts as it likes.
    let size = match link {
        LinkKind::Udp => format!("datagrams of {} B, ", statistics.datagram_bytes),
        LinkKind::Tcp | LinkKind::WebSocket => String::new(),
    };
    format!(
        "{link}, rtt {} (min {}, jitter {}), lost {} out, {} in, {} out {} in, packets {} out {} in, resent {}, queued {} B, \
         {size}room for {} B at {}",
        format::time(statistics.rtt_smoothed),
        format::time(statistics.rtt_minimum),
        format::time(statistics.jitter),
        format::percent(f64::from(statistics.loss_sent)),
        format::percent(f64::from(statistics.loss_received)),
        format::byte_rate(statistics.rate_sent as f64),
        format::byte_rate(statistics.rate_received as f64),
        format::count(statistics.packets_sent),
        format::count(statistics.packets_received),
        format::count(statistics.retransmitted),
        format::count(statistics.queued_bytes as u64),
        format::count(budget.bytes_now),
        format::byte_rate(budget.bytes_per_second as f64),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_cannot_steer_the_terminal() {
        assert_eq!(printable(b"a\x1b[2Jb\nc\xff"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}");
    }

    #[test]
    fn names_are_cut_between_characters() {
        assert_eq!(cut("grün", 3), "gr");
        assert_eq!(cut("ann", 32), "ann");
    }
}
