//! One round: handles are made, misused by some threads, and destroyed again; then nothing must be left.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tme_capi::{
    TME_CONFIG_CLOCK, TME_CONFIG_LISTEN_TCP, TME_CONFIG_THREADED, TME_ERROR_CONFIG, TME_ERROR_ENUM,
    TME_ERROR_FILE, TME_ERROR_NULL, TME_ERROR_STRUCT_SIZE, TME_EVENT_CONNECTED, TME_LINK_ANY, TME_LINK_TCP,
    TME_LINK_UDP, TME_LINK_WEBSOCKET, TME_LOG_DEBUG, TME_LOG_INFO, TME_OK, TmeClient, TmeClientConfig,
    TmeEvent, TmeLogConfig, TmeServer, TmeServerConfig,
};

use crate::calls;
use crate::chance::Chance;
use crate::misuser::{Encounters, Misuser, Tally, call};
use crate::promises::Promises;
use crate::settings::witness_channels;
use crate::watch::{self, keep_awake};
use crate::world::{Kind, Live, WITNESS_CLIENT, WITNESS_ECHO, WITNESS_SERVER, World};

/// How many threads misuse at a time, by round.
pub const THREADS: [usize; 3] = [1, 2, 4];
/// A round ends after this many calls of each thread, or after this time.
const CALLS_MAX: u32 = 60_000;
const TIME_MAX: Duration = Duration::from_secs(3);
/// How long the conversations may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct Report {
    pub tally: Tally,
    pub encounters: Encounters,
    pub slowest: (Duration, &'static str),
}

/// A certificate for `game.example` and 127.0.0.1 that vouches for itself, and its key.
const CERTIFICATE: [(&str, &str); 2] = [
    ("chain.pem", include_str!("../../../../tests/certificates/server.pem")),
    ("key.pem", include_str!("../../../../tests/certificates/key.pem")),
];

/// Files for settings to name: a key, a certificate, garbage, and room for more.
pub fn make_folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tme-misuse-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    std::fs::write(folder.join("key"), "7".repeat(64)).expect("a file can be written");
    std::fs::write(folder.join("garbage"), b"\xFF\xFE no key \n127.0.0.1:1 x\n")
        .expect("a file can be written");
    for (name, text) in CERTIFICATE {
        std::fs::write(folder.join(name), text).expect("a file can be written");
    }
    folder
}

/// Installs the log, after some attempts that must fail.
pub fn install_log(folder: &Path) {
    let path = |name: &str| CString::new(folder.join(name).to_str().expect("UTF-8")).expect("no NUL");
    let (good, nowhere) = (path("tme.log"), path("nowhere/tme.log"));
    // SAFETY: zero is a value of every field.
    let zeroed: TmeLogConfig = unsafe { std::mem::zeroed() };
    let struct_size = size_of::<TmeLogConfig>() as u32;
    let empty = TmeLogConfig { struct_size, ..zeroed };
    let wrong = [
        (TmeLogConfig { struct_size: 7, ..empty }, TME_ERROR_STRUCT_SIZE),
        (empty, TME_ERROR_CONFIG),
        (TmeLogConfig { file_level: 1, ..empty }, TME_ERROR_CONFIG),
        (TmeLogConfig { callback_level: 1, ..empty }, TME_ERROR_CONFIG),
        (TmeLogConfig { callback_level: 6, ..empty }, TME_ERROR_ENUM),
        (TmeLogConfig { file_level: 1, file_path: nowhere.as_ptr(), ..empty }, TME_ERROR_FILE),
        (
            TmeLogConfig { file_level: 1, file_path: good.as_ptr(), file_count: 100, ..empty },
            TME_ERROR_CONFIG,
        ),
        (
            TmeLogConfig { file_level: 1, file_path: good.as_ptr(), file_bytes_max: 1, ..empty },
            TME_ERROR_CONFIG,
        ),
    ];
    // SAFETY: the texts live, and the function and its data do for ever.
    unsafe {
        assert_eq!(tme_capi::tme_log_init(null()), TME_ERROR_NULL);
        for (config, expected) in wrong {
            assert_eq!(tme_capi::tme_log_init(&raw const config), expected, "{config:?}");
        }
        let config = TmeLogConfig {
            file_level: TME_LOG_INFO,
            file_path: good.as_ptr(),
            file_bytes_max: 1 << 20,
            file_count: 2,
            callback_level: TME_LOG_DEBUG,
            callback: Some(watch::log_line),
            user_data: (&raw const watch::USER_DATA).cast_mut().cast(),
            ..empty
        };
        assert_eq!(tme_capi::tme_log_init(&raw const config), TME_OK);
    }
}

/// Plays a round with the number of threads that is its turn.
pub fn play(promises: &Promises, folder: &Path, seed: u64, number: usize, time: Duration) -> Report {
    let world = World::new(folder.to_owned());
    let count = THREADS[number % THREADS.len()];
    let mut chance = Chance::new(seed);
    let mut first = Misuser::new(&world, promises, chance.next(), 0, true);
    begin_conversations(&mut first);
    let until = Instant::now() + time.clamp(Duration::from_millis(200), TIME_MAX);
    let mut misusers = vec![first];
    for desk in 1..count {
        misusers.push(Misuser::new(&world, promises, chance.next(), desk, false));
    }
    std::thread::scope(|scope| {
        scope.spawn(|| keep_awake(&world));
        let world = &world;
        let misuse = |mut misuser: Misuser<'_>| {
            misuser.is_alone = count == 1;
            let calls = calls::lots();
            for _ in 0..CALLS_MAX {
                if Instant::now() >= until || !watch::PANICS.lock().is_empty() {
                    break;
                }
                let call = misuser.chance.pick(&calls);
                call(&mut misuser);
            }
            world.messages.lock().append(&mut misuser.messages);
            Report { tally: misuser.tally, encounters: misuser.encounters, slowest: misuser.slowest }
        };
        let threads: Vec<_> =
            misusers.drain(..).map(|misuser| scope.spawn(move || misuse(misuser))).collect();
        let reports: Vec<_> = threads.into_iter().map(|thread| thread.join().ok()).collect();
        let mut report = Report::default();
        if reports.iter().any(Option::is_none) {
            world.is_over.store(true, Ordering::Relaxed);
            panic!("round {number} with seed {seed} and {count} threads has failed");
        }
        reports.into_iter().flatten().for_each(|part| report.add(part));
        let mut last = Misuser::new(world, promises, chance.next(), 0, true);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            calls::talk::finish(&mut last);
            destroy_all(&mut last);
        }));
        world.is_over.store(true, Ordering::Relaxed);
        if outcome.is_err() {
            panic!("round {number} with seed {seed} and {count} threads ended badly");
        }
        report.add(Report { tally: last.tally, encounters: last.encounters, slowest: last.slowest });
        report
    })
}

impl Report {
    pub fn add(&mut self, other: Self) {
        for (key, count) in other.tally {
            *self.tally.entry(key).or_default() += count;
        }
        for (key, count) in other.encounters {
            *self.encounters.entry(key).or_default() += count;
        }
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// A server with a client, and a client that talks to itself.
fn begin_conversations(m: &mut Misuser<'_>) {
    let channels = witness_channels();
    // SAFETY: zero is a value of every field.
    let (mut server_config, mut config): (TmeServerConfig, TmeClientConfig) = unsafe { std::mem::zeroed() };
    server_config.struct_size = size_of_val(&server_config) as u32;
    server_config.flags = TME_CONFIG_LISTEN_TCP | if m.chance.one_in(2) { TME_CONFIG_THREADED } else { 0 };
    server_config.listen = c"127.0.0.1:0".as_ptr();
    (server_config.channels, server_config.channel_count) = (channels.as_ptr(), channels.len() as u32);
    server_config.idle_timeout_ms = 3_600_000;
    let mut server: *mut TmeServer = null_mut();
    let result = call!(m, tme_server_create(&raw const server_config, &raw mut server));
    m.must(result == TME_OK, format_args!("no server: {result}"));
    put(m, WITNESS_SERVER, server.cast());
    let port = m.world.slots[WITNESS_SERVER].port.load(Ordering::Relaxed);

    let address = CString::new(format!("127.0.0.1:{port}")).expect("no NUL");
    config.struct_size = size_of_val(&config) as u32;
    config.address = address.as_ptr();
    config.idle_timeout_ms = 3_600_000;
    config.connect_timeout_ms = 60_000;
    config.links = m.chance.pick(&[TME_LINK_ANY, TME_LINK_UDP, TME_LINK_TCP, TME_LINK_WEBSOCKET]);
    for index in [WITNESS_CLIENT, WITNESS_ECHO] {
        config.flags = if m.chance.one_in(2) { TME_CONFIG_THREADED | TME_CONFIG_CLOCK } else { 0 };
        let mut client: *mut TmeClient = null_mut();
        let result = if index == WITNESS_ECHO {
            (config.channels, config.channel_count) = (channels.as_ptr(), channels.len() as u32);
            call!(m, tme_client_create_echo(&raw const config, &raw mut client))
        } else {
            call!(m, tme_client_create(&raw const config, &raw mut client))
        };
        m.must(result == TME_OK, format_args!("no client: {result}"));
        put(m, index, client.cast());
    }
    connect(m, server);
}

fn put(m: &mut Misuser<'_>, index: usize, pointer: *mut std::ffi::c_void) {
    let slot = &m.world.slots[index];
    if slot.kind == Kind::Server {
        let port = crate::misuser::ask!(m, tme_server_port(pointer.cast()));
        slot.port.store(port, Ordering::Relaxed);
    }
    *slot.handle.write() = Some(Live::new(pointer));
}

/// Waits until everybody who is to talk is connected.
fn connect(m: &mut Misuser<'_>, server: *mut TmeServer) {
    let began = Instant::now();
    let mut is_connected = [false; 3];
    while is_connected != [true; 3] {
        m.must(began.elapsed() < PATIENCE, format_args!("no conversation began: {is_connected:?}"));
        for (index, is_connected) in
            [WITNESS_SERVER, WITNESS_CLIENT, WITNESS_ECHO].into_iter().zip(&mut is_connected)
        {
            let pointer = m.given(index).pointer;
            // SAFETY: a pattern of zeros is an event.
            let mut event: TmeEvent = unsafe { std::mem::zeroed() };
            let mut count = 0;
            if index == WITNESS_SERVER {
                call!(m, tme_server_update(server, 1));
                call!(m, tme_server_poll(server, &raw mut event, 1, &raw mut count));
            } else {
                call!(m, tme_client_update(pointer.cast(), 1));
                call!(m, tme_client_poll(pointer.cast(), &raw mut event, 1, &raw mut count));
            }
            if count == 0 {
                continue;
            }
            m.must(event.r#type == TME_EVENT_CONNECTED, format_args!("{event:?}"));
            *is_connected = true;
            let given = m.given(index);
            let live = given.live().expect("it is one");
            live.peers.lock().ever.insert(event.peer);
            live.peers.lock().live.push(event.peer);
            if index == WITNESS_SERVER {
                m.world.witness_peer.store(event.peer, Ordering::Relaxed);
            }
        }
    }
}

/// Destroys every handle; messages outlive them.
fn destroy_all(m: &mut Misuser<'_>) {
    let mut slots: Vec<_> = m.world.slots.iter().collect();
    while !slots.is_empty() {
        let slot = slots.swap_remove(m.chance.below(slots.len()));
        let Some(live) = slot.handle.write().take() else { continue };
        let result = match slot.kind {
            Kind::Server => call!(m, tme_server_destroy(live.pointer.cast())),
            Kind::Client | Kind::Echo => call!(m, tme_client_destroy(live.pointer.cast())),
        };
        m.must(result == TME_OK, format_args!("destroying {:?} gave {result}", slot.kind));
    }
    let messages = std::mem::take(&mut *m.world.messages.lock());
    for held in messages {
        m.release(held);
    }
    for held in std::mem::take(&mut m.messages) {
        m.release(held);
    }
}
