//! Settings: what a client is told.

use std::ffi::{c_char, c_void};
use std::mem::{offset_of, size_of};
use std::net::SocketAddr;
use std::path::Path;
use std::ptr::{null, null_mut};

use tme::{Client, ClientBuilder, KeyParseError, Limits, PublicKey, SecretKey, TlsTrust, Trust};

use super::common::{
    COMMON_FLAGS, Plan, RETAINED_MESSAGES_MAX, TME_CONFIG_CLOCK, TME_CONFIG_TLS,
    TME_CONGESTION_DELIVERY_RATE, common, ms, with_common,
};
use crate::added::added_bytes;
use crate::boundary::{Versioned, check_flags, init_struct, input_text, read_struct};
use crate::channel::{TmeChannelConfig, read_channels};
use crate::executor::{HostExecutor, TmeExecutor};
use crate::failure::Failure;
use crate::link::{TME_LINK_ANY, link_choice};
use crate::result::{TME_ERROR_ADDRESS, TME_ERROR_CONFIG, TmeResult};
use crate::token::read_sealed;

/// What a client is told. tme_client_config_init fills in the defaults; what is zero takes its default.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeClientConfig {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// TME_CONFIG_…. Default: inline and encrypted.
    pub flags: u32,
    /// The server, "host:port"; names are looked up without blocking. Default "localhost:7777".
    pub address: *const c_char,
    /// Name of the game; different games refuse each other. Default: no name.
    pub application: *const c_char,
    /// The server's public key, 64 hexadecimal digits; several, separated by commas, where any will do. Without it and
    /// `known_hosts` any server is believed, with a warning in the log. A wrong key is told when `connect_timeout_ms` ends:
    /// the right server may yet answer.
    pub server_key: *const c_char,
    /// File in which the key of a server is remembered when it is met first; a changed one is refused. Made if it is not
    /// there. Not together with `server_key`.
    pub known_hosts: *const c_char,
    /// The player's secret key, 64 hexadecimal digits, by which the server recognises him. Default: none.
    pub identity: *const c_char,
    /// Local address and port to send from. Default: any.
    pub bind: *const c_char,
    /// Channels, as many as `channel_count`. Default: those of the server.
    pub channels: *const TmeChannelConfig,
    /// Bytes that the server finds in TME_EVENT_CONNECTED. Encrypted.
    pub user_data: *const c_void,
    /// How many channels.
    pub channel_count: u32,
    /// How many bytes of user data, at most 512.
    pub user_data_bytes: u32,
    /// How long to try to connect, in milliseconds. Default 10,000.
    pub connect_timeout_ms: u32,
    /// Silence after which the connection counts as lost, in milliseconds, 1,000–3,600,000. Default 30,000.
    pub idle_timeout_ms: u32,
    /// Silence after which a sign of life is sent, in milliseconds; sooner where an idle time-out is short. Default 5,000.
    pub keep_alive_ms: u32,
    /// How long a network thread gathers sends before they leave, in microseconds. Default 200.
    pub gathering_us: u32,
    /// Largest datagram to send without having asked the path, in bytes of UDP payload, 1,200–65,507. Default 1,200.
    pub datagram_bytes: u32,
    /// Largest datagram to receive, 1,200–65,527. Default 1,452.
    pub receive_datagram_bytes_max: u32,
    /// Largest reliable message to receive, in bytes, 1,100–16,777,216. Default 1 MiB.
    pub message_bytes_max: u32,
    /// Bytes of reliable messages in the air on all channels. Default 4 MiB.
    pub connection_credit_bytes: u32,
    /// Bytes of reliable messages in the air on one channel. Default 2 MiB.
    pub channel_credit_bytes: u32,
    /// Reliable messages in the air on one channel, 1–262,144. Default 8,192.
    pub channel_credit_messages: u32,
    /// Messages that may be retained at a time. Default 16,384.
    pub retained_messages_max: u32,
    /// TME_CONGESTION_…. Default TME_CONGESTION_DELIVERY_RATE.
    pub congestion: u32,
    /// A connect token as text, which the game's backend gave the player. It admits once. Default: none.
    pub token: *const c_char,
    /// Bytes of UDP payload that may leave in a second; less than 1,200 counts as 1,200. Acknowledgements and signs of life
    /// count, but do not wait for it. Default: no limit but the path's.
    pub rate_cap: u64,
    /// Largest datagram that is tried on the path, 1,200–65,507; 1,200 tries nothing. Default 1,452.
    pub datagram_bytes_max: u32,
    /// By what the server may be reached: TME_LINK_…. Default TME_LINK_ANY: UDP; after a second without an answer TCP is tried
    /// at the same address, too. Over TCP, UDP is asked for every few seconds, and the session goes on there as soon as it
    /// answers; when UDP falls silent for 3 s, TCP takes over. TME_EVENT_LINK_CHANGED tells.
    pub links: u32,
    /// Who looks the server's name up, which may take half a minute: the game's own job system. Default: threads of the library,
    /// started when there is a name to look up, which end after 10 s without; with an executor there are none.
    pub executor: TmeExecutor,
    /// Handed to it.
    pub executor_user_data: *mut c_void,
    /// PEM file with authorities: TLS as with TME_CONFIG_TLS, which this needs not, but the server's certificate must be of one
    /// of them. Read once. Default: none.
    pub tls_authorities_file: *const c_char,
    /// SHA-256 of a certificate, 64 hexadecimal digits, with or without colons between the pairs: TLS as with TME_CONFIG_TLS, which
    /// this needs not, but the server's certificate must be this one, whatever it says of names and times. Not together with
    /// `tls_authorities_file`. Default: none.
    pub tls_fingerprint: *const c_char,
    /// Name or address that the certificate must be for. Needs TLS. Default: the host in `address`.
    pub tls_name: *const c_char,
    /// Hash of the schema of the game's messages (tme_schema_hash), which both sides compare: who differs is refused with
    /// TME_REASON_SCHEMA. Default 0: nothing is compared.
    pub schema_hash: u64,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<TmeClientConfig>() == 8 + 8 * 8 + 14 * 4 + 8 + 8 + 2 * 4 + 2 * 8 + 3 * 8 + 8);

// SAFETY: `repr(C)`, a `u32` first, no padding (checked above), pointers and numbers only; a function pointer may be any of
// the caller's or NULL.
unsafe impl Versioned for TmeClientConfig {
    const FIRST_BYTES: usize = offset_of!(Self, congestion) + 4;

    fn defaults() -> Self {
        let limits = Limits::default();
        Self {
            struct_size: 0,
            flags: 0,
            address: c"localhost:7777".as_ptr(),
            application: null(),
            server_key: null(),
            known_hosts: null(),
            identity: null(),
            bind: null(),
            channels: null(),
            user_data: null(),
            channel_count: 0,
            user_data_bytes: 0,
            connect_timeout_ms: 10_000,
            idle_timeout_ms: 30_000,
            keep_alive_ms: 5_000,
            gathering_us: 200,
            datagram_bytes: 1_200,
            receive_datagram_bytes_max: u32::from(limits.datagram_bytes_max),
            message_bytes_max: limits.reliable_message_bytes_max,
            connection_credit_bytes: limits.connection_credit_bytes,
            channel_credit_bytes: limits.channel_credit_bytes,
            channel_credit_messages: limits.channel_credit_messages,
            retained_messages_max: RETAINED_MESSAGES_MAX,
            congestion: TME_CONGESTION_DELIVERY_RATE,
            token: null(),
            rate_cap: 0,
            datagram_bytes_max: 1_452,
            links: TME_LINK_ANY,
            executor: None,
            executor_user_data: null_mut(),
            tls_authorities_file: null(),
            tls_fingerprint: null(),
            tls_name: null(),
            schema_hash: 0,
        }
    }
}

/// Fills in the defaults of a client.
///
/// Parameters: `config` of `struct_size` bytes, which must be `sizeof *config`.
/// Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_config_init(
    config: *mut TmeClientConfig,
    struct_size: usize,
) -> TmeResult {
    init_struct(config, struct_size)
}

/// Reads what a client is told.
pub(crate) unsafe fn read_client(config: *const TmeClientConfig) -> Result<Plan<ClientBuilder>, Failure> {
    let config = read_struct(config)?;
    check_flags(config.flags, COMMON_FLAGS | TME_CONFIG_CLOCK | TME_CONFIG_TLS)?;
    let common = common!(config);
    let mut builder = with_common!(Client::builder(), common).links(link_choice(config.links)?);
    if let Some(address) = input_text(config.address)? {
        builder = builder.connect(address);
    }
    if let Some(application) = input_text(config.application)? {
        builder = builder.application(application);
    }
    builder = match (input_text(config.server_key)?, input_text(config.known_hosts)?) {
        (Some(_), Some(_)) => {
            let text = "both server_key and known_hosts are set; one must be NULL";
            return Err(Failure::with(TME_ERROR_CONFIG, text));
        }
        (Some(keys), None) => builder.trust(Trust::Pinned(public_keys(keys)?)),
        (None, Some(file)) => builder.known_hosts(file),
        (None, None) => builder,
    };
    builder = with_tls(builder, &config)?;
    if let Some(identity) = input_text(config.identity)? {
        builder = builder.identity(SecretKey::from_hex(identity)?);
    }
    if let Some(bind) = input_text(config.bind)? {
        builder = builder.bind(local_address(bind)?);
    }
    builder = builder.channels(read_channels(config.channels, config.channel_count)?);
    if let Some(token) = input_text(config.token)? {
        builder = builder.token(read_sealed(token)?);
    }
    builder = builder.user_data(added_bytes(
        "user data",
        config.user_data,
        config.user_data_bytes as usize,
        TME_ERROR_CONFIG,
    )?);
    if let Some(executor) = HostExecutor::new(config.executor, config.executor_user_data) {
        builder = builder.executor(executor);
    }
    if config.flags & TME_CONFIG_CLOCK != 0 {
        builder = builder.synchronise_clock();
    }
    if config.connect_timeout_ms != 0 {
        builder = builder.connect_timeout(ms(config.connect_timeout_ms));
    }
    Ok(Plan::of(builder, config.flags, config.retained_messages_max))
}

/// Whether a client speaks TLS, and with whom.
unsafe fn with_tls(mut builder: ClientBuilder, config: &TmeClientConfig) -> Result<ClientBuilder, Failure> {
    builder =
        match (input_text(config.tls_authorities_file)?, input_text(config.tls_fingerprint)?) {
            (Some(_), Some(_)) => {
                let text = "both tls_authorities_file and tls_fingerprint are set; one must be NULL";
                return Err(Failure::with(TME_ERROR_CONFIG, text));
            }
            (Some(file), None) => builder.tls(TlsTrust::Authorities(Path::new(file).into())),
            (None, Some(fingerprint)) => {
                let trust = TlsTrust::pinned(fingerprint);
                builder.tls(trust.map_err(|error| {
                    Failure::text(TME_ERROR_CONFIG, format_args!("tls_fingerprint: {error}"))
                })?)
            }
            (None, None) if config.flags & TME_CONFIG_TLS != 0 => builder.tls(TlsTrust::System),
            (None, None) => builder,
        };
    Ok(match input_text(config.tls_name)? {
        Some(name) => builder.tls_name(name),
        None => builder,
    })
}

/// A local address to send from.
pub(crate) fn local_address(text: &str) -> Result<SocketAddr, Failure> {
    text.parse().map_err(|_| {
        let text = format_args!("bind address {text:?} does not parse; expected one such as 0.0.0.0:0");
        Failure::text(TME_ERROR_ADDRESS, text)
    })
}

/// Keys separated by commas.
fn public_keys(text: &str) -> Result<Vec<PublicKey>, KeyParseError> {
    text.split(',').map(str::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_data_longer_than_may_be_sent_is_not_read() {
        let bytes = [0xA5u8; 512];
        for (length, is_fine) in [(0, true), (512, true), (513, false), (u32::MAX, false)] {
            let config = TmeClientConfig {
                struct_size: size_of::<TmeClientConfig>() as u32,
                user_data: bytes.as_ptr().cast(),
                user_data_bytes: length,
                ..TmeClientConfig::defaults()
            };
            // SAFETY: up to 512 bytes are there; more must not be looked at.
            let result =
                unsafe { read_client(&raw const config) }.map(drop).map_err(|failure| failure.result);
            assert_eq!(result, if is_fine { Ok(()) } else { Err(TME_ERROR_CONFIG) }, "{length} bytes");
        }
    }
}
