//! Settings: what servers and clients have in common.

use std::time::Duration;

use tme::{Congestion, Limits, Security};

use crate::failure::Failure;
use crate::result::{TME_ERROR_CONFIG, TME_ERROR_ENUM};

/// A network thread does the input and output: connections survive a game that is busy for long.
pub const TME_CONFIG_THREADED: u32 = 1;
/// Neither encrypted nor authenticated. Both sides must ask for it. For development.
pub const TME_CONFIG_PLAINTEXT: u32 = 2;
/// Server: only clients that prove an identity key are admitted.
pub const TME_CONFIG_REQUIRE_IDENTITY: u32 = 4;
/// Server: only clients with a connect token are admitted.
pub const TME_CONFIG_REQUIRE_TOKEN: u32 = 8;
/// Server: the game is asked about every client that is otherwise entitled, by TME_EVENT_ADMISSION.
pub const TME_CONFIG_ASK: u32 = 16;
/// Server: nobody who only asks what this server is gets an answer.
pub const TME_CONFIG_NO_QUERIES: u32 = 32;
/// Client: asks for the server's time from the start, as tme_client_synchronise_clock does later.
pub const TME_CONFIG_CLOCK: u32 = 64;
/// The system notes when datagrams arrive (Linux), for the clocks of games that update once a frame; it does not merge
/// datagrams on their way in then.
pub const TME_CONFIG_NOTE_ARRIVALS: u32 = 128;
/// Server: listens for TCP, too, at the address and port of `listen`: for players whose network lets no UDP through. Their
/// clients find it by themselves.
pub const TME_CONFIG_LISTEN_TCP: u32 = 256;
/// Servers with `discoverable`: start also if the discovery port cannot be had, with a warning in the log, and are not found
/// then. Without this flag that is TME_ERROR_DISCOVERY.
pub const TME_CONFIG_DISCOVERABLE_IF_POSSIBLE: u32 = 512;
/// Client: TLS around TCP and WebSockets, for networks that let nothing else through; the server needs a certificate of an
/// authority that this system trusts. `tls_authorities_file` and `tls_fingerprint` believe others, and need no flag.
pub const TME_CONFIG_TLS: u32 = 1024;

/// The rate of sending follows how fast packets are delivered; queues on the way stay short.
pub const TME_CONGESTION_DELIVERY_RATE: u32 = 1;
/// The rate of sending follows losses, as in NewReno; queues on the way are filled.
pub const TME_CONGESTION_NEW_RENO: u32 = 2;

/// Flags that both take.
pub(super) const COMMON_FLAGS: u32 = TME_CONFIG_THREADED | TME_CONFIG_PLAINTEXT | TME_CONFIG_NOTE_ARRIVALS;

/// Messages that may be retained per server or client unless set otherwise.
pub(super) const RETAINED_MESSAGES_MAX: u32 = 16_384;

/// What both kinds of handle are told in the same words.
pub(super) struct Common {
    pub flags: u32,
    pub idle_timeout_ms: u32,
    pub keep_alive_ms: u32,
    pub gathering_us: u32,
    pub datagram_bytes: u32,
    pub datagram_bytes_max: u32,
    pub receive_datagram_bytes_max: u32,
    pub message_bytes_max: u32,
    pub connection_credit_bytes: u32,
    pub channel_credit_bytes: u32,
    pub channel_credit_messages: u32,
    pub congestion: u32,
    pub rate_cap: u64,
    pub schema_hash: u64,
}

macro_rules! common {
    ($config:expr) => {
        $crate::settings::common::Common {
            flags: $config.flags,
            idle_timeout_ms: $config.idle_timeout_ms,
            keep_alive_ms: $config.keep_alive_ms,
            gathering_us: $config.gathering_us,
            datagram_bytes: $config.datagram_bytes,
            datagram_bytes_max: $config.datagram_bytes_max,
            receive_datagram_bytes_max: $config.receive_datagram_bytes_max,
            message_bytes_max: $config.message_bytes_max,
            connection_credit_bytes: $config.connection_credit_bytes,
            channel_credit_bytes: $config.channel_credit_bytes,
            channel_credit_messages: $config.channel_credit_messages,
            congestion: $config.congestion,
            rate_cap: $config.rate_cap,
            schema_hash: $config.schema_hash,
        }
    };
}

impl Common {
    pub fn limits(&self) -> Result<Limits, Failure> {
        let defaults = Limits::default();
        let or = |given: u32, default: u32| if given == 0 { default } else { given };
        let datagram = or(self.receive_datagram_bytes_max, u32::from(defaults.datagram_bytes_max));
        Ok(Limits {
            reliable_message_bytes_max: or(self.message_bytes_max, defaults.reliable_message_bytes_max),
            connection_credit_bytes: or(self.connection_credit_bytes, defaults.connection_credit_bytes),
            channel_credit_bytes: or(self.channel_credit_bytes, defaults.channel_credit_bytes),
            channel_credit_messages: or(self.channel_credit_messages, defaults.channel_credit_messages),
            datagram_bytes_max: u16::try_from(datagram).map_err(|_| {
                let text = format_args!("receive_datagram_bytes_max of {datagram} is outside 1200–65527");
                Failure::text(TME_ERROR_CONFIG, text)
            })?,
            idle_timeout: match self.idle_timeout_ms {
                0 => defaults.idle_timeout,
                given => ms(given),
            },
        })
    }

    pub fn congestion(&self) -> Result<Congestion, Failure> {
        match self.congestion {
            0 | TME_CONGESTION_DELIVERY_RATE => Ok(Congestion::DeliveryRate),
            TME_CONGESTION_NEW_RENO => Ok(Congestion::NewReno),
            other => Err(Failure::text(
                TME_ERROR_ENUM,
                format_args!("{other} is no way of congestion control; expected TME_CONGESTION_…, 0 to 2"),
            )),
        }
    }

    pub const fn security(&self) -> Security {
        if self.flags & TME_CONFIG_PLAINTEXT != 0 { Security::Plaintext } else { Security::Encrypted }
    }
}

/// Applies what both builders take.
macro_rules! with_common {
    ($builder:expr, $common:expr) => {{
        let mut builder =
            $builder.limits($common.limits()?).security($common.security()).congestion($common.congestion()?);
        if $common.keep_alive_ms != 0 {
            builder = builder.keep_alive($crate::settings::common::ms($common.keep_alive_ms));
        }
        if $common.gathering_us != 0 {
            builder = builder.gathering(::std::time::Duration::from_micros(u64::from($common.gathering_us)));
        }
        if $common.datagram_bytes != 0 {
            builder = builder.datagram_bytes($common.datagram_bytes as usize);
        }
        if $common.datagram_bytes_max != 0 {
            builder = builder.datagram_bytes_max($common.datagram_bytes_max as usize);
        }
        if $common.rate_cap != 0 {
            builder = builder.rate_cap($common.rate_cap);
        }
        if $common.schema_hash != 0 {
            builder = builder.schema_hash($common.schema_hash);
        }
        if $common.flags & $crate::settings::TME_CONFIG_NOTE_ARRIVALS != 0 {
            builder = builder.note_arrivals();
        }
        builder
    }};
}

pub(super) use {common, with_common};

/// A time in milliseconds.
pub(super) fn ms(time: u32) -> Duration {
    Duration::from_millis(u64::from(time))
}

/// A caller's settings, understood.
pub(crate) struct Plan<B> {
    /// Ready to start.
    pub builder: B,
    /// With a network thread.
    pub is_threaded: bool,
    /// Messages that may be retained.
    pub retained_max: usize,
}

impl<B> Plan<B> {
    /// As a configuration's flags and limits say.
    pub(super) fn of(builder: B, flags: u32, retained_messages_max: u32) -> Self {
        let retained_max =
            if retained_messages_max == 0 { RETAINED_MESSAGES_MAX } else { retained_messages_max };
        Self { builder, is_threaded: flags & TME_CONFIG_THREADED != 0, retained_max: retained_max as usize }
    }

    /// Everything at its default.
    pub const fn new(builder: B) -> Self {
        Self { builder, is_threaded: false, retained_max: RETAINED_MESSAGES_MAX as usize }
    }
}
