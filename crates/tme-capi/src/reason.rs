//! Reasons: why a connection was refused or ended.

use std::ffi::c_char;

use tme::Reason;

/// No protocol version in common.
pub const TME_REASON_VERSION: u32 = 1;
/// The server runs another game.
pub const TME_REASON_APPLICATION: u32 = 2;
/// Too many handshakes at the moment.
pub const TME_REASON_BUSY: u32 = 3;
/// No cipher in common, or only one side allows plaintext.
pub const TME_REASON_SUITES: u32 = 4;
/// The server takes only clients with an identity key.
pub const TME_REASON_IDENTITY_REQUIRED: u32 = 5;
/// The channel tables differ.
pub const TME_REASON_CHANNEL_TABLE: u32 = 6;
/// The server is full.
pub const TME_REASON_FULL: u32 = 7;
/// The player is banned.
pub const TME_REASON_BANNED: u32 = 8;
/// The game refused.
pub const TME_REASON_DENIED: u32 = 9;
/// The connect token is missing, invalid, expired or used.
pub const TME_REASON_TOKEN: u32 = 10;
/// The server did not understand a critical extension.
pub const TME_REASON_EXTENSION: u32 = 11;
/// A parameter is outside its range.
pub const TME_REASON_PARAMETERS: u32 = 12;
/// A schema both sides have differs.
pub const TME_REASON_SCHEMA: u32 = 13;
/// The application closed the connection.
pub const TME_REASON_CLOSED: u32 = 100;
/// The server shut down.
pub const TME_REASON_SHUTDOWN: u32 = 101;
/// The player was kicked.
pub const TME_REASON_KICKED: u32 = 102;
/// A newer connection of the same identity took over.
pub const TME_REASON_REPLACED: u32 = 103;
/// The other side broke the protocol.
pub const TME_REASON_PROTOCOL_VIOLATION: u32 = 104;
/// The other side sent more than it was granted.
pub const TME_REASON_FLOW_CONTROL: u32 = 105;
/// Too many forged packets for one key.
pub const TME_REASON_KEY_EXHAUSTED: u32 = 106;
/// The other side lost the connection's state, for instance by a restart.
pub const TME_REASON_RESET: u32 = 107;
/// Nothing was heard for the idle time-out.
pub const TME_REASON_TIMED_OUT: u32 = 108;
/// An internal error.
pub const TME_REASON_INTERNAL: u32 = 109;
/// No answer while connecting.
pub const TME_REASON_CONNECT_TIMED_OUT: u32 = 110;
/// Given up on this side before the connection was established.
pub const TME_REASON_ABORTED: u32 = 111;
/// The server's name could not be turned into an address.
pub const TME_REASON_UNRESOLVED: u32 = 112;
/// Only a server answered whose key is not trusted.
pub const TME_REASON_UNTRUSTED_KEY: u32 = 113;
/// The other side took nothing off its TCP stream for 30 s although something waited.
pub const TME_REASON_TOO_SLOW: u32 = 114;
/// The TCP stream ended that carried the connection, which cannot go on another way.
pub const TME_REASON_LINK_LOST: u32 = 115;

/// A constant text for a reason; it says what the reader can do.
///
/// Parameters: `reason`, anything; unknown numbers get a general text.
/// Returns: a text that is never NULL and never goes away.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn tme_reason_string(reason: u32) -> *const c_char {
    // No reason has a number this large.
    let code = u16::try_from(reason).unwrap_or(u16::MAX);
    Reason::from_code(code).text().as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_the_protocols_numbers() {
        let table = [
            (TME_REASON_VERSION, Reason::Version),
            (TME_REASON_APPLICATION, Reason::Application),
            (TME_REASON_BUSY, Reason::Busy),
            (TME_REASON_SUITES, Reason::Suites),
            (TME_REASON_IDENTITY_REQUIRED, Reason::IdentityRequired),
            (TME_REASON_CHANNEL_TABLE, Reason::ChannelTable),
            (TME_REASON_FULL, Reason::Full),
            (TME_REASON_BANNED, Reason::Banned),
            (TME_REASON_DENIED, Reason::Denied),
            (TME_REASON_TOKEN, Reason::Token),
            (TME_REASON_EXTENSION, Reason::Extension),
            (TME_REASON_PARAMETERS, Reason::Parameters),
            (TME_REASON_SCHEMA, Reason::Schema),
            (TME_REASON_CLOSED, Reason::Closed),
            (TME_REASON_SHUTDOWN, Reason::Shutdown),
            (TME_REASON_KICKED, Reason::Kicked),
            (TME_REASON_REPLACED, Reason::Replaced),
            (TME_REASON_PROTOCOL_VIOLATION, Reason::ProtocolViolation),
            (TME_REASON_FLOW_CONTROL, Reason::FlowControl),
            (TME_REASON_KEY_EXHAUSTED, Reason::KeyExhausted),
            (TME_REASON_RESET, Reason::Reset),
            (TME_REASON_TIMED_OUT, Reason::TimedOut),
            (TME_REASON_INTERNAL, Reason::Internal),
            (TME_REASON_CONNECT_TIMED_OUT, Reason::ConnectTimedOut),
            (TME_REASON_ABORTED, Reason::Aborted),
            (TME_REASON_UNRESOLVED, Reason::Unresolved),
            (TME_REASON_UNTRUSTED_KEY, Reason::UntrustedKey),
            (TME_REASON_TOO_SLOW, Reason::TooSlow),
            (TME_REASON_LINK_LOST, Reason::LinkLost),
        ];
        for (number, reason) in table {
            assert_eq!(number, u32::from(reason.code()), "{reason:?}");
        }
        // One number the protocol knows and this table does not would be one too few.
        let known = (0..=u16::MAX).filter(|&code| !matches!(Reason::from_code(code), Reason::Other(_)));
        assert_eq!(known.count(), table.len());
    }
}
