//! Settings as nobody should give them: structs with some wrong fields, or with nothing but random bytes in them.
//! Pointers inside them are NULL or lead to what they promise.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::atomic::Ordering;

use tme_capi::{
    TME_CONFIG_ASK, TME_DISCOVERY_THIS_MACHINE, TME_OK, TME_TOKEN_TEXT_BYTES, TmeChannelConfig,
    TmeClientConfig, TmeConditions, TmeDiscoveryConfig, TmeExecutor, TmeJob, TmeLogConfig, TmeSendOptions,
    TmeServerConfig, TmeTokenConfig, tme_job_discard, tme_job_run,
};

use crate::misuser::{Misuser, call};
use crate::place::Place;
use crate::world::{Kind, TALK_CHANNEL};

/// A secret key, and something that is none.
pub const KEYS: [&str; 4] = [
    "7777777777777777777777777777777777777777777777777777777777777777",
    "abcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcd",
    "77",
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
];

/// The fingerprint of `chain.pem`, as `tests/certificates` has it.
const CERTIFICATE_SHA256: &str =
    "8E:FE:50:F2:C9:BD:DD:08:4F:75:11:36:26:A1:95:C7:C1:1B:34:61:92:A1:0D:02:E6:63:62:D9:A8:6F:9F:49";

unsafe extern "C" fn run_at_once(job: *mut TmeJob, _: *mut c_void) {
    // SAFETY: each job is used once.
    let result = unsafe { tme_job_run(job) };
    assert_eq!(result, TME_OK);
}

unsafe extern "C" fn discard_at_once(job: *mut TmeJob, _: *mut c_void) {
    // SAFETY: as above.
    let result = unsafe { tme_job_discard(job) };
    assert_eq!(result, TME_OK);
}

/// Holds what pointers inside a struct lead to, as long as the call needs it.
#[derive(Debug, Default)]
pub struct Kept {
    texts: Vec<CString>,
    places: Vec<Place>,
    channels: Vec<Box<[TmeChannelConfig]>>,
}

/// A struct of plain numbers and pointers with any bytes in it.
fn random<T: Copy>(misuser: &mut Misuser<'_>) -> T {
    let bytes = misuser.chance.bytes(size_of::<T>());
    assert_eq!(bytes.len(), size_of::<T>());
    // SAFETY: for numbers and raw pointers every pattern of bits is a value; the one function pointer among them is
    // overwritten by the caller before the struct is used, and an `Option` of one takes every pattern too.
    unsafe { bytes.as_ptr().cast::<T>().read_unaligned() }
}

impl Misuser<'_> {
    /// A text: a good one, or one that is none. Lives as long as `kept`.
    fn text(&mut self, kept: &mut Kept, good: &[&str]) -> *const c_char {
        let bytes = match self.chance.below(200) {
            0 => vec![b'a', 0xFF, 0xFE, b'z'],
            1 => b"\xED\xA0\x80".to_vec(),
            2 => Vec::new(),
            3 => b"\x1B[31mred\r\n\x07".to_vec(),
            4 => vec![b'x'; 1 + self.chance.below(5_000)],
            // No colon: it must not become a name that is looked up.
            5 => (0..self.chance.below(100)).map(|_| 1 + self.chance.below(57) as u8).collect(),
            _ => self.chance.pick(good).as_bytes().to_vec(),
        };
        let text = CString::new(bytes).expect("no NUL was put in");
        let pointer = text.as_ptr();
        kept.texts.push(text);
        pointer
    }

    fn text_or_null(&mut self, kept: &mut Kept, good: &[&str]) -> *const c_char {
        if self.chance.one_in(2) { null() } else { self.text(kept, good) }
    }

    /// Some text for an argument of its own, NULL included.
    pub fn any_text(&mut self, kept: &mut Kept, good: &[&str]) -> *const c_char {
        if self.chance.one_in(20) { null() } else { self.text(kept, good) }
    }

    fn path(&mut self, kept: &mut Kept, names: &[&str]) -> *const c_char {
        let name = self.chance.pick(names);
        let path = self.world.folder.join(name);
        self.text(kept, &[path.to_str().expect("the path is UTF-8")])
    }

    fn setting(&mut self, good: &[u32]) -> u32 {
        match self.chance.below(100) {
            0 => self.chance.edgy(),
            1..30 => self.chance.pick(good),
            _ => 0,
        }
    }

    /// An array of channels with room for as many as a table may have; gives how many are meant.
    fn channels(&mut self, kept: &mut Kept) -> (*const TmeChannelConfig, u32) {
        let count = match self.chance.below(12) {
            0 => return (null(), 0),
            1 => return (null(), self.chance.edgy()),
            // Refused before the array is read.
            2 => self.chance.edgy().max(33),
            3 => self.chance.below(33) as u32,
            _ => self.chance.below(8) as u32,
        };
        let channels: Vec<_> = (0..32).map(|index| self.channel_config(kept, index)).collect();
        let channels = channels.into_boxed_slice();
        let pointer = channels.as_ptr();
        kept.channels.push(channels);
        (pointer, count)
    }

    fn channel_config(&mut self, kept: &mut Kept, index: u32) -> TmeChannelConfig {
        let is_random = self.chance.one_in(300);
        let mut channel: TmeChannelConfig = if is_random {
            random(self)
        } else {
            TmeChannelConfig {
                name: null(),
                mode: 1 + self.chance.below(5) as u32,
                flags: 0,
                id: 0,
                priority: self.setting(&[1, 5, 255]),
                weight: self.setting(&[1, 10, 1_000]),
                keys_max: self.setting(&[1, 2, 65_536]),
                message_bytes_max: u64::from(self.setting(&[1, 100, 1 << 20])),
                queue_bytes_max: u64::from(self.setting(&[1, 1_000, 1 << 20, 16 << 20])),
                queue_messages_max: self.setting(&[1, 10, 100_000]),
                queue_age_max_ms: self.setting(&[1, 100, u32::MAX]),
                redundancy: self.setting(&[1, 3, 255, 4]),
                reserved: [0; 7],
            }
        };
        if self.chance.one_in(6) {
            (channel.flags, channel.id) = (1, 10 + index);
        }
        let name = format!("channel {index}");
        channel.name = self.text_or_null(kept, &[&name]);
        channel
    }

    pub fn server_config(&mut self, kept: &mut Kept) -> *const TmeServerConfig {
        if self.chance.one_in(30) {
            return null();
        }
        let (channels, channel_count) = self.channels(kept);
        let is_random = self.chance.one_in(12);
        let mut config: TmeServerConfig = if is_random {
            random(self)
        } else {
            // SAFETY: zero is a value of every field.
            let zeroed: TmeServerConfig = unsafe { std::mem::zeroed() };
            TmeServerConfig {
                flags: self.setting(&[1, 1, 1, 1, 1, 1, 2, 3, 4, 8, 16, 17, 32, 64, 256, 257, 257, 512, 513]),
                max_peers: self.setting(&[1, 2, 100, 524_287]),
                retained_messages_max: self.setting(&[1, 3]),
                datagram_bytes_max: self.setting(&[1_200, 1_452, 65_507]),
                idle_timeout_ms: self.setting(&[1_000, 3_600_000]),
                keep_alive_ms: self.setting(&[1, 100, 10_000]),
                gathering_us: self.setting(&[1, 1_000, 1_000_000]),
                network_threads: self.setting(&[1, 2, 3, 65]),
                datagram_bytes: self.setting(&[1_200, 1_452, 65_507]),
                receive_datagram_bytes_max: self.setting(&[1_200, 1_452, 65_527]),
                message_bytes_max: self.setting(&[1_100, 1 << 20, 1 << 24]),
                connection_credit_bytes: self.setting(&[1 << 20, 1 << 24]),
                channel_credit_bytes: self.setting(&[1 << 20, 1 << 24]),
                channel_credit_messages: self.setting(&[1, 262_144]),
                information_bytes: self.setting(&[1, 100, 512, 513]),
                queries_per_second: self.setting(&[1, 100_000, u32::MAX]),
                newcomers: self.setting(&[1, 2, 3, 4, 5]),
                browsers: self.setting(&[1, 2, 3, 4]),
                decision_time_ms: self.setting(&[1, 100, u32::MAX]),
                applicants_max: self.setting(&[1, 2, u32::MAX]),
                token_clock_tolerance_ms: self.setting(&[1, u32::MAX]),
                tokens_issued_before_start_s: self.setting(&[1, u32::MAX]),
                congestion: self.setting(&[1, 2, 3]),
                rate_cap: u64::from(self.setting(&[1, 100_000, u32::MAX])),
                discovery_port: self.setting(&[7_776, 7_776, 1, 65_535, 65_536]),
                ..zeroed
            }
        };
        if !is_random && self.chance.one_in(2) {
            config.flags |= TME_CONFIG_ASK;
        }
        let information = Place::new(&mut self.chance, 512);
        config.information = if self.chance.one_in(8) { null() } else { information.at::<c_void>() };
        kept.places.push(information);
        let two = format!("{},{}", KEYS[0], KEYS[1]);
        config.token_keys =
            if self.chance.one_in(4) { self.text(kept, &[KEYS[0], KEYS[0], KEYS[2], &two]) } else { null() };
        config.server_name = if self.chance.one_in(8) { self.text(kept, &["eu-1", ""]) } else { null() };
        config.channels = channels;
        config.channel_count =
            if is_random && !channels.is_null() { self.chance.edgy() } else { channel_count };
        if config.channel_count > 32 && !self.chance.one_in(8) {
            config.channel_count %= 33;
        }
        let listen =
            ["127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "192.0.2.1:0", "127.0.0.1"];
        config.listen = if self.chance.one_in(30) { null() } else { self.text(kept, &listen) };
        // Port 1 is nobody's to listen on, or nobody's at all.
        let listen_tcp = ["127.0.0.1:0", "127.0.0.1:0", "[::1]:0", "192.0.2.1:0", "127.0.0.1:1", "127.0.0.1"];
        config.listen_tcp = if self.chance.one_in(6) { self.text(kept, &listen_tcp) } else { null() };
        // Found on this machine alone: nobody else is to hear of it.
        config.discoverable = if self.chance.one_in(4) {
            config.listen = c"127.0.0.1:0".as_ptr();
            self.text(kept, &["here", "", "two\nlines"])
        } else {
            null()
        };
        config.application = self.text_or_null(kept, &["", "", "", "game"]);
        config.key = if self.chance.one_in(4) {
            self.text(kept, &[KEYS[0], KEYS[0], KEYS[0], KEYS[1], KEYS[2], KEYS[3]])
        } else {
            null()
        };
        let files = ["key", "garbage", "missing", "nowhere/key", ""];
        config.key_file = if self.chance.one_in(8) { self.path(kept, &files) } else { null() };
        (config.tls_certificate_file, config.tls_key_file) = self.certificate(kept);
        let proxies = [
            "127.0.0.1=proxy-protocol",
            "10.0.0.0/8=proxy-protocol,::1=x-forwarded-for",
            "10.0.0.0/8=proxy-protocol,10.0.0.0/8=x-forwarded-for",
            "10.0.0.0/99=proxy-protocol",
            "127.0.0.1",
            ",=",
            "",
        ];
        config.trusted_proxies = if self.chance.one_in(12) { self.text(kept, &proxies) } else { null() };
        self.keep_struct(kept, &config)
    }

    /// A certificate and its key, or what is none.
    fn certificate(&mut self, kept: &mut Kept) -> (*const c_char, *const c_char) {
        let chains =
            ["chain.pem", "chain.pem", "chain.pem", "chain.pem", "key.pem", "garbage", "missing", ""];
        let keys = ["key.pem", "key.pem", "key.pem", "key.pem", "chain.pem", "garbage", "missing", ""];
        match self.chance.below(20) {
            0 => (self.path(kept, &chains), null()),
            1 => (null(), self.path(kept, &keys)),
            2..8 => (self.path(kept, &chains), self.path(kept, &keys)),
            _ => (null(), null()),
        }
    }

    pub fn client_config(&mut self, kept: &mut Kept) -> *const TmeClientConfig {
        if self.chance.one_in(40) {
            return null();
        }
        let (mut channels, mut channel_count) = self.channels(kept);
        if self.chance.one_in(2) {
            (channels, channel_count) = (null(), 0);
        }
        let is_random = self.chance.one_in(12);
        let mut config: TmeClientConfig = if is_random {
            random(self)
        } else {
            // SAFETY: zero is a value of every field.
            let zeroed: TmeClientConfig = unsafe { std::mem::zeroed() };
            TmeClientConfig {
                flags: self.setting(&[1, 1, 1, 1, 1, 1, 2, 3, 4, 1_024, 1_025]),
                user_data_bytes: self.setting(&[1, 100, 512, 513]),
                connect_timeout_ms: self.setting(&[1, 50, 10_000]),
                retained_messages_max: self.setting(&[1, 3]),
                datagram_bytes_max: self.setting(&[1_200, 1_452, 65_507]),
                idle_timeout_ms: self.setting(&[1_000, 3_600_000]),
                keep_alive_ms: self.setting(&[1, 100, 10_000]),
                gathering_us: self.setting(&[1, 1_000, 1_000_000]),
                datagram_bytes: self.setting(&[1_200, 1_452, 65_507]),
                receive_datagram_bytes_max: self.setting(&[1_200, 1_452, 65_527]),
                message_bytes_max: self.setting(&[1_100, 1 << 20, 1 << 24]),
                connection_credit_bytes: self.setting(&[1 << 20, 1 << 24]),
                channel_credit_bytes: self.setting(&[1 << 20, 1 << 24]),
                channel_credit_messages: self.setting(&[1, 262_144]),
                congestion: self.setting(&[1, 2, 3]),
                rate_cap: u64::from(self.setting(&[1, 100_000, u32::MAX])),
                ..zeroed
            }
        };
        // Over TCP alone where a server listens for it by chance, or the witness.
        if self.chance.one_in(8) {
            config.links = self.chance.pick(&[1, 2, 2, 2, 3]);
        }
        config.channels = channels;
        config.channel_count =
            if is_random && !channels.is_null() { self.chance.edgy() } else { channel_count };
        config.token = if self.chance.one_in(4) { self.token(kept) } else { null() };
        // What is more than that must be refused without being read.
        let user_data = Place::new(&mut self.chance, 512);
        config.user_data = if self.chance.one_in(8) { null() } else { user_data.at::<c_void>() };
        kept.places.push(user_data);
        let servers = self.world.slots.iter().filter(|slot| slot.kind == Kind::Server);
        let ports: Vec<u16> = servers.map(|slot| slot.port.load(Ordering::Relaxed)).collect();
        let mut addresses: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        if self.chance.one_in(4) {
            let odd = [
                "127.0.0.1:1",
                "127.0.0.1:0",
                "localhost:1",
                "[::1]:1",
                ":1",
                "127.0.0.1",
                "127.0.0.1:65536",
            ];
            addresses.extend(odd.map(str::to_owned));
        }
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        config.address = if self.chance.one_in(30) { null() } else { self.text(kept, &addresses) };
        config.application = self.text_or_null(kept, &["", "", "", "game"]);
        let pins = format!("{},{}", KEYS[0], KEYS[1]);
        config.server_key =
            if self.chance.one_in(20) { self.text(kept, &[KEYS[0], KEYS[2], &pins]) } else { null() };
        let files = ["known", "known", "nowhere/known", "garbage", ""];
        config.known_hosts = if self.chance.one_in(12) { self.path(kept, &files) } else { null() };
        config.identity = if self.chance.one_in(4) {
            self.text(kept, &[KEYS[0], KEYS[1], KEYS[1], KEYS[1], KEYS[2]])
        } else {
            null()
        };
        let files = ["chain.pem", "chain.pem", "key.pem", "garbage", "missing", ""];
        config.tls_authorities_file = if self.chance.one_in(16) { self.path(kept, &files) } else { null() };
        config.tls_fingerprint = if self.chance.one_in(16) {
            self.text(kept, &[CERTIFICATE_SHA256, CERTIFICATE_SHA256, KEYS[1], KEYS[2], KEYS[3]])
        } else {
            null()
        };
        config.tls_name = if self.chance.one_in(24) {
            self.text(kept, &["game.example", "127.0.0.1", "a b"])
        } else {
            null()
        };
        (config.executor, config.executor_user_data) = self.executor();
        let binds = ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "192.0.2.1:0", "nobody"];
        config.bind = if self.chance.one_in(4) { self.text(kept, &binds) } else { null() };
        self.keep_struct(kept, &config)
    }

    /// An executor that does what it may at once, or none.
    pub fn executor(&mut self) -> (TmeExecutor, *mut c_void) {
        let executor: TmeExecutor = match self.chance.below(6) {
            0 => Some(run_at_once),
            1 => Some(discard_at_once),
            _ => None,
        };
        (executor, null_mut())
    }

    pub fn token_config(&mut self, kept: &mut Kept) -> *const TmeTokenConfig {
        if self.chance.one_in(30) {
            return null();
        }
        let is_random = self.chance.one_in(12);
        let mut config: TmeTokenConfig = if is_random {
            random(self)
        } else {
            // SAFETY: zero is a value of every field.
            let zeroed: TmeTokenConfig = unsafe { std::mem::zeroed() };
            TmeTokenConfig {
                user_data_bytes: self.setting(&[1, 256, 257]),
                lifetime_s: self.setting(&[1, 60, u32::MAX]),
                issued: if self.chance.one_in(8) { self.chance.edgy_wide() } else { 0 },
                ..zeroed
            }
        };
        config.user = self.any_text(kept, &["42", "alice"]);
        config.server_name = if self.chance.one_in(8) { self.text(kept, &["eu-1", ""]) } else { null() };
        config.server_key = if self.chance.one_in(8) { self.text(kept, &KEYS) } else { null() };
        let hints = ["127.0.0.1:1", "[::1]:1,127.0.0.1:2", "127.0.0.1:0", "nobody:1", "", ","];
        config.hints = if self.chance.one_in(4) { self.text(kept, &hints) } else { null() };
        let user_data = Place::new(&mut self.chance, 256);
        config.user_data = if self.chance.one_in(8) { null() } else { user_data.at::<c_void>() };
        kept.places.push(user_data);
        self.keep_struct(kept, &config)
    }

    /// An address where nobody answers.
    pub fn text_of_nobody(&mut self, kept: &mut Kept) -> *const c_char {
        let text = CString::new("127.0.0.1:1").expect("no NUL");
        let pointer = text.as_ptr();
        kept.texts.push(text);
        pointer
    }

    /// The text of a token, fresh and good for the servers that take any, or of none.
    pub fn token(&mut self, kept: &mut Kept) -> *const c_char {
        let mut buffer = [0u8; TME_TOKEN_TEXT_BYTES];
        // SAFETY: zero is a value of every field.
        let mut config: TmeTokenConfig = unsafe { std::mem::zeroed() };
        config.struct_size = size_of_val(&config) as u32;
        config.user = self.chance.pick(&[c"alice", c"bob", c"carol"]).as_ptr();
        let key = CString::new(KEYS[0]).expect("no NUL");
        let place = buffer.as_mut_ptr().cast();
        let result =
            call!(self, tme_token_make(key.as_ptr(), &raw const config, place, buffer.len(), null_mut()));
        self.must(result == TME_OK, format_args!("a good token gave {result}"));
        let text = CStr::from_bytes_until_nul(&buffer).expect("a text ends").to_str().expect("a text");
        self.any_text(kept, &[text, text, text, &text[..60], "c2hvcnQ"])
    }

    fn keep_struct<T: Copy>(&mut self, kept: &mut Kept, value: &T) -> *const T {
        let place = self.struct_in(value);
        let pointer = place.at::<T>().cast_const();
        kept.places.push(place);
        pointer
    }

    /// Options of a send; gives the flags too if the library can know them.
    pub fn options(&mut self, kept: &mut Kept) -> *const TmeSendOptions {
        if self.chance.one_in(3) {
            return null();
        }
        let options = if self.chance.one_in(16) {
            random(self)
        } else {
            TmeSendOptions {
                struct_size: 0,
                flags: self.setting(&[1, 1, 1, 2]),
                key: self.setting(&[1, 2, 3]),
                reserved: self.setting(&[0]),
                except: if self.chance.one_in(4) { self.chance.edgy_wide() } else { 0 },
                deadline_us: self.chance.pick(&[0, 0, 0, 1, 1_000, 100_000, u64::MAX]),
                receipt: self.chance.pick(&[0, 0, 1, 77, u64::MAX]),
            }
        };
        self.keep_struct(kept, &options)
    }

    /// Network conditions: any for most handles, bearable ones where a conversation has to go on.
    pub fn conditions(&mut self, kept: &mut Kept, is_witness: bool) -> *const TmeConditions {
        if self.chance.one_in(4) {
            return null();
        }
        // SAFETY: zero is a value of every field.
        let zeroed: TmeConditions = unsafe { std::mem::zeroed() };
        if is_witness {
            let loss = self.chance.pick(&[0.0, 0.01, 0.05]);
            let delay_us = self.chance.pick(&[0, 1_000, 10_000]);
            let reorder = self.chance.pick(&[0.0, 0.05]);
            let duplicate = self.chance.pick(&[0.0, 0.05]);
            let corrupt = self.chance.pick(&[0.0, 0.01]);
            let mild = TmeConditions { loss, delay_us, reorder, duplicate, corrupt, ..zeroed };
            return self.keep_struct(kept, &mild);
        }
        let conditions = match self.chance.below(4) {
            0 => random(self),
            1 => TmeConditions {
                flags: self.setting(&[1, 2]),
                loss: self.chance.edgy_double(),
                burst_enter: self.chance.edgy_double(),
                burst_leave: self.chance.edgy_double(),
                burst_loss_good: self.chance.edgy_double(),
                burst_loss_bad: self.chance.edgy_double(),
                delay_us: self.chance.edgy_wide(),
                jitter_kind: self.setting(&[1, 2, 3]),
                header_bytes: self.setting(&[28, 48]),
                jitter_us: self.chance.edgy_wide(),
                jitter_p99_us: self.chance.edgy_wide(),
                jitter_max_us: self.chance.edgy_wide(),
                reorder: self.chance.edgy_double(),
                reorder_delay_us: self.chance.edgy_wide(),
                duplicate: self.chance.edgy_double(),
                duplicate_delay_max_us: self.chance.edgy_wide(),
                corrupt: self.chance.edgy_double(),
                corrupt_bits_max: self.setting(&[1, 64, 65]),
                mtu_bytes: self.setting(&[1, 576, 1_500]),
                bottleneck_bytes_per_second: self.chance.edgy_wide(),
                bottleneck_queue_bytes: self.chance.edgy_wide(),
                ..zeroed
            },
            _ => TmeConditions {
                flags: self.setting(&[1]),
                loss: self.chance.pick(&[0.0, 0.1, 1.0]),
                delay_us: self.chance.pick(&[0, 5_000, 60_000_000]),
                jitter_kind: self.setting(&[1]),
                jitter_us: self.chance.pick(&[0, 1_000]),
                reorder: self.chance.pick(&[0.0, 0.5]),
                duplicate: self.chance.pick(&[0.0, 0.5, 1.0]),
                corrupt: self.chance.pick(&[0.0, 0.5]),
                bottleneck_bytes_per_second: self.chance.pick(&[0, 1, 10_000, 125_000_000_000]),
                bottleneck_queue_bytes: self.chance.pick(&[0, 1, 100_000, u64::MAX]),
                ..zeroed
            },
        };
        self.keep_struct(kept, &conditions)
    }

    /// Settings of a discovery, which looks on this machine alone.
    pub fn discovery_config(&mut self, kept: &mut Kept) -> *const TmeDiscoveryConfig {
        let mut config = if self.chance.one_in(12) {
            random(self)
        } else {
            TmeDiscoveryConfig {
                struct_size: 0,
                flags: self.setting(&[0, 2]),
                application: null(),
                port: self.setting(&[7_776, 7_776, 1, 65_536]),
                reserved: self.setting(&[0]),
            }
        };
        config.flags |= TME_DISCOVERY_THIS_MACHINE;
        config.application = self.text_or_null(kept, &["", "game"]);
        self.keep_struct(kept, &config)
    }

    /// Settings of a log. There is one already.
    pub fn log_config(&mut self, kept: &mut Kept) -> *const TmeLogConfig {
        if self.chance.one_in(20) {
            return null();
        }
        let mut config = if self.chance.one_in(4) {
            random(self)
        } else {
            TmeLogConfig {
                struct_size: 0,
                console_level: self.setting(&[0, 5]),
                file_level: self.setting(&[1, 5, 6]),
                callback_level: self.setting(&[1, 5, 6]),
                file_path: null(),
                file_bytes_max: self.chance.edgy_wide(),
                callback: None,
                user_data: null_mut(),
                file_count: self.setting(&[1, 99, 100]),
                reserved: 0,
            }
        };
        let names = ["other.log", "nowhere/other.log", ""];
        config.file_path = if self.chance.one_in(3) { null() } else { self.path(kept, &names) };
        config.callback = None;
        self.keep_struct(kept, &config)
    }
}

/// The channels of the conversations' server: one of each mode, and the conversations' own.
pub fn witness_channels() -> Vec<TmeChannelConfig> {
    let of = |(id, mode)| TmeChannelConfig {
        name: null(),
        mode,
        flags: 1,
        id,
        priority: 0,
        weight: 0,
        keys_max: 0,
        message_bytes_max: 0,
        queue_bytes_max: 0,
        queue_messages_max: 0,
        queue_age_max_ms: 0,
        redundancy: 0,
        reserved: [0; 7],
    };
    let ids = [(0, 4), (1, 1), (2, 2), (3, 3), (4, 5), (TALK_CHANNEL, 4)];
    let mut channels: Vec<_> = ids.map(of).into();
    // Soon full, and soon out of keys.
    channels[3].queue_messages_max = 4;
    channels[4].keys_max = 2;
    // Names have to differ.
    let names = [c"ordered", c"unreliable", c"sequenced", c"unordered", c"latest", c"talk"];
    for (channel, name) in channels.iter_mut().zip(names) {
        channel.name = name.as_ptr();
    }
    channels
}
