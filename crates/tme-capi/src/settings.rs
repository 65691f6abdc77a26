//! Settings: what servers, clients and sends are told.

use std::ffi::{c_char, c_void};
use std::mem::{offset_of, size_of};
use std::net::SocketAddr;
use std::ptr::null;
use std::time::Duration;

use tme::{
    Client, ClientBuilder, Congestion, KeyParseError, Limits, Newcomers, PublicKey, SecretKey, Security,
    SendOptions, Server,
};
use tme::{ServerBuilder, Trust};

use crate::boundary::{
    Versioned, check_flags, check_reserved, init_struct, input_bytes, input_text, read_struct,
};
use crate::channel::{TmeChannelConfig, read_channels};
use crate::event::TmePeer;
use crate::failure::Failure;
use crate::result::{TME_ERROR_ADDRESS, TME_ERROR_CONFIG, TME_ERROR_ENUM, TmeResult};
use crate::token::{read_keys, read_sealed, read_server_name};

/// A network thread does the input and output: connections survive a game that is busy for long.
pub const TME_CONFIG_THREADED: u32 = 1;
/// Neither encrypted nor authenticated. Both sides must ask for it. For development.
pub const TME_CONFIG_PLAINTEXT: u32 = 2;
/// Server: only clients that prove an identity key are admitted.
pub const TME_CONFIG_REQUIRE_IDENTITY: u32 = 4;
/// Client: asks for the server's time from the start, as tme_client_synchronise_clock does later.
pub const TME_CONFIG_CLOCK: u32 = 64;
/// The system notes when datagrams arrive (Linux), for the clocks of games that update once a frame; it does not merge
/// datagrams on their way in then.
pub const TME_CONFIG_NOTE_ARRIVALS: u32 = 128;

/// The rate of sending follows how fast packets are delivered; queues on the way stay short.
pub const TME_CONGESTION_DELIVERY_RATE: u32 = 1;
/// The rate of sending follows losses, as in NewReno; queues on the way are filled.
pub const TME_CONGESTION_NEW_RENO: u32 = 2;
/// Server: only clients with a connect token are admitted.
pub const TME_CONFIG_REQUIRE_TOKEN: u32 = 8;
/// Server: the game is asked about every client that is otherwise entitled, by TME_EVENT_ADMISSION.
pub const TME_CONFIG_ASK: u32 = 16;
/// Server: nobody who only asks what this server is gets an answer.
pub const TME_CONFIG_NO_QUERIES: u32 = 32;

/// The newest connection of a player wins: the older one ends with TME_REASON_REPLACED once the newer is confirmed, also at a
/// full server. The default.
pub const TME_NEWCOMERS_REPLACE: u32 = 1;
/// The older one stays, unless it is interrupted; the newer is refused with TME_REASON_DENIED.
pub const TME_NEWCOMERS_REFUSE: u32 = 2;
/// The game is asked by TME_EVENT_ADMISSION; if it accepts, the newest wins.
pub const TME_NEWCOMERS_ASK: u32 = 3;
/// Both stay.
pub const TME_NEWCOMERS_ALLOW: u32 = 4;

/// Everything queued leaves at once, instead of after the gathering time. An inline handle gathers nothing: there it leaves
/// with the next update or flush.
pub const TME_SEND_FLUSH: u32 = 1;

/// Most bytes that the game adds to a request to connect, or to what a server says of itself.
const ADDED_BYTES_MAX: usize = 512;
const COMMON_FLAGS: u32 = TME_CONFIG_THREADED | TME_CONFIG_PLAINTEXT | TME_CONFIG_NOTE_ARRIVALS;

/// Messages that may be retained per server or client unless set otherwise.
const RETAINED_MESSAGES_MAX: u32 = 16_384;

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
    /// 0.
    pub reserved: u32,
}

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
    /// 0.
    pub reserved: u32,
}

/// What one send is told. NULL in its place is all zero.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeSendOptions {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// TME_SEND_….
    pub flags: u32,
    /// Key of a reliable-latest channel. 0 on other channels.
    pub key: u32,
    /// 0.
    pub reserved: u32,
    /// Broadcasts leave this peer out. 0: nobody.
    pub except: TmePeer,
    /// Time from the call, in microseconds, after which the message is neither sent nor sent again, on reliable channels
    /// too. 0: none.
    pub deadline_us: u64,
    /// A number of the caller's: TME_EVENT_DELIVERED or TME_EVENT_EXPIRED, one of them and once, tells what became of the
    /// message, for every peer that took it. It counts in its channel's queue until that event was polled. 0: nothing is told.
    pub receipt: u64,
}

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<TmeServerConfig>() == 8 + 5 * 8 + 12 * 4 + 3 * 8 + 8 * 4 + 8 + 2 * 4);
    assert!(size_of::<TmeClientConfig>() == 8 + 8 * 8 + 14 * 4 + 8 + 8 + 2 * 4);
    assert!(size_of::<TmeSendOptions>() == 40);
};

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
            reserved: 0,
        }
    }
}

// SAFETY: as above.
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
            reserved: 0,
        }
    }
}

// SAFETY: as above.
unsafe impl Versioned for TmeSendOptions {
    const FIRST_BYTES: usize = offset_of!(Self, receipt) + 8;

    fn defaults() -> Self {
        Self { struct_size: 0, flags: 0, key: 0, reserved: 0, except: 0, deadline_us: 0, receipt: 0 }
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

/// Fills in the defaults of a send.
///
/// Parameters: `options` of `struct_size` bytes, which must be `sizeof *options`.
/// Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_send_options_init(
    options: *mut TmeSendOptions,
    struct_size: usize,
) -> TmeResult {
    init_struct(options, struct_size)
}

/// Whom a send leaves out and how it is treated.
pub(crate) struct SendSettings {
    /// For the engine.
    pub options: SendOptions,
    /// Whom a broadcast leaves out.
    pub except: Option<tme::PeerId>,
}

impl SendSettings {
    /// From the flags of a plain send.
    #[inline]
    pub fn from_flags(flags: u32) -> Result<Self, Failure> {
        check_flags(flags, TME_SEND_FLUSH)?;
        let flush = flags & TME_SEND_FLUSH != 0;
        Ok(Self { options: SendOptions { flush, ..SendOptions::none() }, except: None })
    }

    /// From a caller's options; NULL is none.
    pub unsafe fn read(options: *const TmeSendOptions) -> Result<Self, Failure> {
        if options.is_null() {
            return Self::from_flags(0);
        }
        let given = read_struct(options)?;
        let mut settings = Self::from_flags(given.flags)?;
        check_reserved(given.reserved)?;
        // Key 0 is what a reliable-latest channel takes without one.
        settings.options.key = (given.key != 0).then_some(given.key);
        settings.options.deadline =
            (given.deadline_us != 0).then(|| Duration::from_micros(given.deadline_us));
        settings.options.receipt = (given.receipt != 0).then_some(given.receipt);
        settings.except = (given.except != 0).then(|| tme::PeerId::from_u64(given.except));
        Ok(settings)
    }
}

/// What both kinds of handle are told in the same words.
struct Common {
    flags: u32,
    idle_timeout_ms: u32,
    keep_alive_ms: u32,
    gathering_us: u32,
    datagram_bytes: u32,
    datagram_bytes_max: u32,
    receive_datagram_bytes_max: u32,
    message_bytes_max: u32,
    connection_credit_bytes: u32,
    channel_credit_bytes: u32,
    channel_credit_messages: u32,
    congestion: u32,
    rate_cap: u64,
}

macro_rules! common {
    ($config:expr) => {
        Common {
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
        }
    };
}

impl Common {
    fn limits(&self) -> Result<Limits, Failure> {
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

    fn congestion(&self) -> Result<Congestion, Failure> {
        match self.congestion {
            0 | TME_CONGESTION_DELIVERY_RATE => Ok(Congestion::DeliveryRate),
            TME_CONGESTION_NEW_RENO => Ok(Congestion::NewReno),
            other => {
                Err(Failure::text(TME_ERROR_ENUM, format_args!("{other} is no way of congestion control")))
            }
        }
    }

    const fn security(&self) -> Security {
        if self.flags & TME_CONFIG_PLAINTEXT != 0 { Security::Plaintext } else { Security::Encrypted }
    }
}

/// Applies what both builders take.
macro_rules! with_common {
    ($builder:expr, $common:expr) => {{
        let mut builder =
            $builder.limits($common.limits()?).security($common.security()).congestion($common.congestion()?);
        if $common.keep_alive_ms != 0 {
            builder = builder.keep_alive(ms($common.keep_alive_ms));
        }
        if $common.gathering_us != 0 {
            builder = builder.gathering(Duration::from_micros(u64::from($common.gathering_us)));
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
        builder
    }};
}

fn ms(time: u32) -> Duration {
    Duration::from_millis(u64::from(time))
}

fn retained(given: u32) -> usize {
    if given == 0 { RETAINED_MESSAGES_MAX as usize } else { given as usize }
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
    /// Everything at its default.
    pub const fn new(builder: B) -> Self {
        Self { builder, is_threaded: false, retained_max: RETAINED_MESSAGES_MAX as usize }
    }
}

/// Reads what a server is told.
pub(crate) unsafe fn read_server(config: *const TmeServerConfig) -> Result<Plan<ServerBuilder>, Failure> {
    let config = read_struct(config)?;
    check_flags(config.flags, SERVER_FLAGS)?;
    check_reserved(config.reserved)?;
    let common = common!(config);
    let mut builder = with_common!(Server::builder(), common);
    if let Some(listen) = input_text(config.listen)? {
        builder = builder.listen(listen);
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
    if config.max_peers != 0 {
        builder = builder.max_peers(config.max_peers as usize);
    }
    if config.flags & TME_CONFIG_NOTE_ARRIVALS != 0 {
        builder = builder.note_arrivals();
    }
    if config.flags & TME_CONFIG_REQUIRE_IDENTITY != 0 {
        builder = builder.require_identity();
    }
    builder = with_admission(builder, &config)?;
    let is_threaded = config.flags & TME_CONFIG_THREADED != 0;
    Ok(Plan { builder, is_threaded, retained_max: retained(config.retained_messages_max) })
}

/// A local address to send from.
pub(crate) fn local_address(text: &str) -> Result<SocketAddr, Failure> {
    text.parse().map_err(|_| {
        let text = format_args!("bind address {text:?} does not parse; expected one such as 0.0.0.0:0");
        Failure::text(TME_ERROR_ADDRESS, text)
    })
}

const SERVER_FLAGS: u32 = COMMON_FLAGS
    | TME_CONFIG_REQUIRE_IDENTITY
    | TME_CONFIG_REQUIRE_TOKEN
    | TME_CONFIG_ASK
    | TME_CONFIG_NO_QUERIES;

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
                format_args!("{newcomers} is no policy for newcomers"),
            ));
        }
    });
    let information = added_bytes("information", config.information, config.information_bytes)?;
    builder = builder.information(information);
    if config.flags & TME_CONFIG_NO_QUERIES != 0 {
        builder = builder.queries_per_second(0);
    } else if config.queries_per_second != 0 {
        builder = builder.queries_per_second(config.queries_per_second);
    }
    Ok(builder)
}

/// Reads what a client is told.
pub(crate) unsafe fn read_client(config: *const TmeClientConfig) -> Result<Plan<ClientBuilder>, Failure> {
    let config = read_struct(config)?;
    check_flags(config.flags, COMMON_FLAGS | TME_CONFIG_CLOCK)?;
    check_reserved(config.reserved)?;
    let common = common!(config);
    let mut builder = with_common!(Client::builder(), common);
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
    builder = builder.user_data(added_bytes("user data", config.user_data, config.user_data_bytes)?);
    if config.flags & TME_CONFIG_NOTE_ARRIVALS != 0 {
        builder = builder.note_arrivals();
    }
    if config.flags & TME_CONFIG_CLOCK != 0 {
        builder = builder.synchronise_clock();
    }
    if config.connect_timeout_ms != 0 {
        builder = builder.connect_timeout(ms(config.connect_timeout_ms));
    }
    let is_threaded = config.flags & TME_CONFIG_THREADED != 0;
    Ok(Plan { builder, is_threaded, retained_max: retained(config.retained_messages_max) })
}

/// What the game adds. More than may be sent is refused before it is read: the length may be garbage.
unsafe fn added_bytes<'a>(what: &str, bytes: *const c_void, length: u32) -> Result<&'a [u8], Failure> {
    let length = length as usize;
    if length > ADDED_BYTES_MAX {
        let text = format_args!("{what} of {length} bytes exceeds the limit of {ADDED_BYTES_MAX}");
        return Err(Failure::text(TME_ERROR_CONFIG, text));
    }
    input_bytes(bytes, length)
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
