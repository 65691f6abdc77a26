//! Settings: what a server is told.

use std::ffi::{c_char, c_void};
use std::mem::{offset_of, size_of};
use std::ptr::null;
use std::time::Duration;

use tme::discovery::DISCOVERY_PORT;
use tme::{Browsers, Limits, Newcomers, ProxyHeader, SecretKey, Server, ServerBuilder};

use super::common::{
    COMMON_FLAGS, Plan, RETAINED_MESSAGES_MAX, TME_CONFIG_ASK, TME_CONFIG_DISCOVERABLE_IF_POSSIBLE,
    TME_CONFIG_LISTEN_TCP, TME_CONFIG_NO_QUERIES, TME_CONFIG_REQUIRE_IDENTITY, TME_CONFIG_REQUIRE_TOKEN,
    TME_CONGESTION_DELIVERY_RATE, common, ms, with_common,
};
use crate::added::added_bytes;
use crate::boundary::{Versioned, check_flags, init_struct, input_text, read_struct};
use crate::channel::{TmeChannelConfig, read_channels};
use crate::failure::Failure;
use crate::result::{TME_ERROR_CONFIG, TME_ERROR_ENUM, TmeResult};
use crate::token::{read_keys, read_server_name};

/// The newest connection of a player wins: the older one ends with TME_REASON_REPLACED once the newer is confirmed, also at a
/// full server. The default.
pub const TME_NEWCOMERS_REPLACE: u32 = 1;
/// The older one stays, unless it is interrupted; the newer is refused with TME_REASON_DENIED.
pub const TME_NEWCOMERS_REFUSE: u32 = 2;
/// The game is asked by TME_EVENT_ADMISSION; if it accepts, the newest wins.
pub const TME_NEWCOMERS_ASK: u32 = 3;
/// Both stay.
pub const TME_NEWCOMERS_ALLOW: u32 = 4;

/// Browsers may connect from this machine, where a proxy may end TLS for others; from elsewhere over TLS. The default.
pub const TME_BROWSERS_LOOPBACK: u32 = 1;
/// No browser may connect, over TLS neither.
pub const TME_BROWSERS_NEVER: u32 = 2;
/// Browsers may connect from anywhere. What they say can be read and changed on the way.
pub const TME_BROWSERS_ANYWHERE: u32 = 3;

/// What a server is told. tme_server_config_init fills in the defaults; what is zero takes its default.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeServerConfig {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// TME_CONFIG_…. Default: inline and encrypted.
    pub flags: u32,
    /// Address and port to listen on; port 0 lets the system choose, "[::]:7777" takes IPv6 and IPv4. Default
    /// "0.0.0.0:7777".
    pub listen: *const c_char,
    /// Name of the game; different games refuse each other. Default: no name.
    pub application: *const c_char,
    /// The server's secret key, 64 hexadecimal digits. Default: one for this run, with a warning in the log; clients cannot
    /// pin that, and those of an earlier run learn only by TME_REASON_TIMED_OUT that they lost their server, not at once by
    /// TME_REASON_RESET.
    pub key: *const c_char,
    /// File with the secret key, as `tme keygen` writes it. Not together with `key`.
    pub key_file: *const c_char,
    /// Channels, as many as `channel_count`. Default: 0 reliable-ordered, 1 unreliable, 2 sequenced.
    pub channels: *const TmeChannelConfig,
    /// How many.
    pub channel_count: u32,
    /// Peers at a time, 1–524,287. Default 64.
    pub max_peers: u32,
    /// Silence after which a connection counts as lost, in milliseconds, 1,000–3,600,000. Default 30,000.
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
    /// Bytes of reliable messages in the air on all channels of a peer. Default 4 MiB.
    pub connection_credit_bytes: u32,
    /// Bytes of reliable messages in the air on one channel. Default 2 MiB.
    pub channel_credit_bytes: u32,
    /// Reliable messages in the air on one channel, 1–262,144. Default 8,192.
    pub channel_credit_messages: u32,
    /// Messages that may be retained at a time. Default 16,384.
    pub retained_messages_max: u32,
    /// Keys by which connect tokens are opened, each 64 hexadecimal digits, at most 16, separated by commas: two while one is
    /// being replaced. Default: none, and clients with a token are refused.
    pub token_keys: *const c_char,
    /// What this server is called in tokens that are for it alone, 1–64 bytes of text. Default: nothing.
    pub server_name: *const c_char,
    /// What the game tells those who only ask what this server is. Anybody can read it. tme_server_set_information changes
    /// it later. Default: nothing.
    pub information: *const c_void,
    /// How many bytes of it, at most 512.
    pub information_bytes: u32,
    /// How many such questions are answered in a second. Default 1,000; TME_CONFIG_NO_QUERIES answers none.
    pub queries_per_second: u32,
    /// TME_NEWCOMERS_…: what becomes of a client that proves the same identity as a peer. Default: the newest wins.
    pub newcomers: u32,
    /// How long the game may take to decide about a client, in milliseconds; then it is refused as busy. Default 5,000;
    /// clients wait for 10,000.
    pub decision_time_ms: u32,
    /// About how many clients the game is asked at a time, a quarter of them from one network other than this machine;
    /// further ones are refused as busy. Default 256.
    pub applicants_max: u32,
    /// How much later than this machine's clock a token may say that it was issued, in milliseconds. Default 5,000.
    pub token_clock_tolerance_ms: u32,
    /// Tokens are taken that were issued up to so many seconds before the server starts. Default 0: it does not remember
    /// which of them were used in an earlier run.
    pub tokens_issued_before_start_s: u32,
    /// TME_CONGESTION_…. Default TME_CONGESTION_DELIVERY_RATE.
    pub congestion: u32,
    /// Bytes of UDP payload that may leave in a second on each connection; less than 1,200 counts as 1,200.
    /// Acknowledgements and signs of life count, but do not wait for it. Default: no limit but the path's.
    pub rate_cap: u64,
    /// Largest datagram that is tried on the path, 1,200–65,507; 1,200 tries nothing. Default 1,452.
    pub datagram_bytes_max: u32,
    /// TME_BROWSERS_…: from where browsers may connect without TLS, which needs TCP: they come in a WebSocket and have no keys
    /// of their own. Elsewhere they are refused with TME_REASON_SUITES. Default: from this machine.
    pub browsers: u32,
    /// Address and port to listen on for TCP, if those are to be others than with TME_CONFIG_LISTEN_TCP, which this needs not;
    /// port 0 is the port of `listen`. Clients look for TCP at the port they are given, so those that are to come here must be
    /// told it. Default: none.
    pub listen_tcp: *const c_char,
    /// Name under which players on the same network find this server, at most 64 bytes without control characters;
    /// tme_server_set_display_name changes it. Default: NULL, and it is not found.
    pub discoverable: *const c_char,
    /// UDP port at which those ask who look for servers; they must have the same. All TME servers on a machine share it.
    /// Default 7776.
    pub discovery_port: u32,
    /// Network threads with TME_CONFIG_THREADED, 1–64: for servers whose traffic is more than one processor core can take. They
    /// share the port on Linux; elsewhere there is one, whatever this says. Without that flag it has no effect. Default 1.
    pub network_threads: u32,
    /// PEM file with the certificate chain, the server's own first, by which it speaks TLS on its TCP port, beside everything
    /// else there: for browsers from anywhere, and for networks that let nothing else through. Read once, as `tls_key_file` is.
    /// Needs TCP. Default: none.
    pub tls_certificate_file: *const c_char,
    /// PEM file with the private key of that certificate. Default: none.
    pub tls_key_file: *const c_char,
    /// Proxies to believe about whom they speak for, on the TCP port: "NETWORK=HOW", separated by commas, at most 1,024. NETWORK is an
    /// address such as "127.0.0.1", or one with the bits of its prefix such as "10.0.0.0/8" or "2001:db8::/32"; the smallest that
    /// holds an address counts. HOW is "proxy-protocol" (versions 1 and 2) or "x-forwarded-for" (in the request for a WebSocket);
    /// streams from there that do not say it so are closed. Needs TCP. Default: none.
    pub trusted_proxies: *const c_char,
    /// Hash of the schema of the game's messages (tme_schema_hash), which both sides compare: who differs is refused with
    /// TME_REASON_SCHEMA. Default 0: nothing is compared.
    pub schema_hash: u64,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(
    size_of::<TmeServerConfig>()
        == 8 + 5 * 8 + 12 * 4 + 3 * 8 + 8 * 4 + 8 + 2 * 4 + 2 * 8 + 2 * 4 + 3 * 8 + 8
);

// SAFETY: `repr(C)`, a `u32` first, no padding (checked above), pointers and numbers only.
unsafe impl Versioned for TmeServerConfig {
    const FIRST_BYTES: usize = offset_of!(Self, retained_messages_max) + 4;

    fn defaults() -> Self {
        let limits = Limits::default();
        Self {
            struct_size: 0,
            flags: 0,
            listen: c"0.0.0.0:7777".as_ptr(),
            application: null(),
            key: null(),
            key_file: null(),
            channels: null(),
            channel_count: 0,
            max_peers: 64,
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
            token_keys: null(),
            server_name: null(),
            information: null(),
            information_bytes: 0,
            queries_per_second: 1_000,
            newcomers: TME_NEWCOMERS_REPLACE,
            decision_time_ms: 5_000,
            applicants_max: 256,
            token_clock_tolerance_ms: 5_000,
            tokens_issued_before_start_s: 0,
            congestion: TME_CONGESTION_DELIVERY_RATE,
            rate_cap: 0,
            datagram_bytes_max: 1_452,
            browsers: TME_BROWSERS_LOOPBACK,
            listen_tcp: null(),
            discoverable: null(),
            discovery_port: u32::from(DISCOVERY_PORT),
            network_threads: 1,
            tls_certificate_file: null(),
            tls_key_file: null(),
            trusted_proxies: null(),
            schema_hash: 0,
        }
    }
}

/// Fills in the defaults of a server.
///
/// Parameters: `config` of `struct_size` bytes, which must be `sizeof *config`.
/// Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_config_init(
    config: *mut TmeServerConfig,
    struct_size: usize,
) -> TmeResult {
    init_struct(config, struct_size)
}

const SERVER_FLAGS: u32 = COMMON_FLAGS
    | TME_CONFIG_REQUIRE_IDENTITY
    | TME_CONFIG_REQUIRE_TOKEN
    | TME_CONFIG_ASK
    | TME_CONFIG_NO_QUERIES
    | TME_CONFIG_LISTEN_TCP
    | TME_CONFIG_DISCOVERABLE_IF_POSSIBLE;

/// Reads what a server is told.
pub(crate) unsafe fn read_server(config: *const TmeServerConfig) -> Result<Plan<ServerBuilder>, Failure> {
    let config = read_struct(config)?;
    check_flags(config.flags, SERVER_FLAGS)?;
    let common = common!(config);
    let mut builder = with_common!(Server::builder(), common);
    if let Some(listen) = input_text(config.listen)? {
        builder = builder.listen(listen);
    }
    if let Some(listen) = input_text(config.listen_tcp)? {
        builder = builder.listen_tcp_on(listen);
    } else if config.flags & TME_CONFIG_LISTEN_TCP != 0 {
        builder = builder.listen_tcp();
    }
    builder = match (input_text(config.tls_certificate_file)?, input_text(config.tls_key_file)?) {
        (Some(chain), Some(key)) => builder.tls(chain, key),
        (None, None) => builder,
        _ => {
            let text = "one of tls_certificate_file and tls_key_file is set; both must be, or none";
            return Err(Failure::with(TME_ERROR_CONFIG, text));
        }
    };
    if let Some(proxies) = input_text(config.trusted_proxies)? {
        builder = with_proxies(builder, proxies)?;
    }
    if let Some(application) = input_text(config.application)? {
        builder = builder.application(application);
    }
    builder = match (input_text(config.key)?, input_text(config.key_file)?) {
        (Some(_), Some(_)) => {
            return Err(Failure::with(TME_ERROR_CONFIG, "both key and key_file are set; one must be NULL"));
        }
        (Some(key), None) => builder.key(SecretKey::from_hex(key)?),
        (None, Some(file)) => builder.key_file(file),
        (None, None) => builder,
    };
    builder = builder.channels(read_channels(config.channels, config.channel_count)?);
    if config.network_threads != 0 {
        builder = builder.network_threads(config.network_threads as usize);
    }
    if config.max_peers != 0 {
        builder = builder.max_peers(config.max_peers as usize);
    }
    if config.flags & TME_CONFIG_REQUIRE_IDENTITY != 0 {
        builder = builder.require_identity();
    }
    builder = with_admission(builder, &config)?;
    builder = with_discovery(builder, &config)?;
    Ok(Plan::of(builder, config.flags, config.retained_messages_max))
}

/// Whom a server believes about others, as `NETWORK=HOW`, separated by commas.
fn with_proxies(mut builder: ServerBuilder, proxies: &str) -> Result<ServerBuilder, Failure> {
    for proxy in proxies.split(',') {
        let (network, how) = proxy.split_once('=').unwrap_or((proxy, ""));
        let header: ProxyHeader = how.parse().map_err(|error| {
            Failure::text(
                TME_ERROR_CONFIG,
                format_args!("trusted proxy {proxy:?}: {error} behind a network and ="),
            )
        })?;
        builder = builder.trusted_proxy(network, header);
    }
    Ok(builder)
}

/// Who finds a server.
unsafe fn with_discovery(
    mut builder: ServerBuilder,
    config: &TmeServerConfig,
) -> Result<ServerBuilder, Failure> {
    if config.discovery_port != 0 {
        builder = builder.discovery_port(port(config.discovery_port)?);
    }
    if config.flags & TME_CONFIG_DISCOVERABLE_IF_POSSIBLE != 0 {
        builder = builder.discoverable_if_possible();
    }
    Ok(match input_text(config.discoverable)? {
        Some(name) => builder.discoverable(name),
        None => builder,
    })
}

/// A port that is not 0.
pub(crate) fn port(number: u32) -> Result<u16, Failure> {
    u16::try_from(number).map_err(|_| Failure::text(TME_ERROR_CONFIG, format_args!("{number} is no port")))
}

/// Whom a server lets in, and what it tells the others.
unsafe fn with_admission(
    mut builder: ServerBuilder,
    config: &TmeServerConfig,
) -> Result<ServerBuilder, Failure> {
    if let Some(keys) = input_text(config.token_keys)? {
        builder = builder.token_keys(read_keys(keys)?);
    }
    if let Some(name) = input_text(config.server_name)? {
        builder = builder.server_name(read_server_name(name)?);
    }
    if config.flags & TME_CONFIG_REQUIRE_TOKEN != 0 {
        builder = builder.require_token();
    }
    if config.token_clock_tolerance_ms != 0 {
        builder = builder.token_clock_tolerance(ms(config.token_clock_tolerance_ms));
    }
    let before_start = Duration::from_secs(u64::from(config.tokens_issued_before_start_s));
    builder = builder.tokens_issued_before_start(before_start);
    if config.flags & TME_CONFIG_ASK != 0 {
        builder = builder.ask_before_admitting();
    }
    if config.decision_time_ms != 0 {
        builder = builder.decision_time(ms(config.decision_time_ms));
    }
    if config.applicants_max != 0 {
        builder = builder.max_applicants(config.applicants_max as usize);
    }
    builder = builder.newcomers(match config.newcomers {
        0 | TME_NEWCOMERS_REPLACE => Newcomers::Replace,
        TME_NEWCOMERS_REFUSE => Newcomers::Refuse,
        TME_NEWCOMERS_ASK => Newcomers::Ask,
        TME_NEWCOMERS_ALLOW => Newcomers::Allow,
        newcomers => {
            return Err(Failure::text(
                TME_ERROR_ENUM,
                format_args!("{newcomers} is no policy for newcomers; expected TME_NEWCOMERS_…, 0 to 4"),
            ));
        }
    });
    builder = builder.browsers(match config.browsers {
        0 | TME_BROWSERS_LOOPBACK => Browsers::Loopback,
        TME_BROWSERS_NEVER => Browsers::Never,
        TME_BROWSERS_ANYWHERE => Browsers::Anywhere,
        browsers => {
            return Err(Failure::text(
                TME_ERROR_ENUM,
                format_args!("{browsers} is no place for browsers; expected TME_BROWSERS_…, 0 to 3"),
            ));
        }
    });
    let information =
        added_bytes("information", config.information, config.information_bytes as usize, TME_ERROR_CONFIG)?;
    builder = builder.information(information);
    if config.flags & TME_CONFIG_NO_QUERIES != 0 {
        builder = builder.queries_per_second(0);
    } else if config.queries_per_second != 0 {
        builder = builder.queries_per_second(config.queries_per_second);
    }
    Ok(builder)
}
