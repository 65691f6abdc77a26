//! Once warm, sending, updating and polling through the C functions allocate nothing, on any thread; and a refused send
//! is as cheap as one that is taken.
#![allow(missing_docs)]

#[path = "../../../tests/support/allocations.rs"]
mod allocations;
mod common;

use std::ffi::c_void;
use std::mem::zeroed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::{Pair, channel, no_event};
use tme_capi::{
    TME_CHANNEL_RELIABLE_LATEST, TME_CHANNEL_RELIABLE_ORDERED, TME_CHANNEL_RELIABLE_UNORDERED,
    TME_CHANNEL_SEQUENCED, TME_CHANNEL_UNRELIABLE, TME_CONFIG_THREADED, TME_ERROR_UNKNOWN_PEER,
    TME_ERROR_WOULD_BLOCK, TME_EVENT_MESSAGE, TME_OK, TmeEvent, TmeResult, TmeSendOptions, tme_client_poll,
    tme_client_send_with, tme_server_poll, tme_server_send, tme_server_send_with,
};

const SIZES: [usize; 5] = [64, 100, 256, 600, 1_024];
const MODES: [u32; 5] = [
    TME_CHANNEL_UNRELIABLE,
    TME_CHANNEL_SEQUENCED,
    TME_CHANNEL_RELIABLE_UNORDERED,
    TME_CHANNEL_RELIABLE_ORDERED,
    TME_CHANNEL_RELIABLE_LATEST,
];
const LATEST: u32 = 4;
const KEYS: u64 = 50;

/// All threads are counted, so that one test must not run beside another.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A client that sends and a server that sends everything back.
struct Echo {
    pair: Pair,
    events: Vec<TmeEvent>,
    bytes: Vec<u8>,
    sent: u64,
    received: u64,
}

impl Echo {
    fn new(flags: u32) -> Self {
        // Names would have to differ if there were any.
        let names = [c"0", c"1", c"2", c"3", c"4"];
        let mut channels = MODES.map(channel);
        for (channel, name) in channels.iter_mut().zip(names) {
            channel.name = name.as_ptr();
        }
        let pair = Pair::connected(flags, &channels);
        Self { pair, events: vec![no_event(); 256], bytes: vec![0xA5; SIZES[4]], sent: 0, received: 0 }
    }

    /// One message, the next size on the next channel.
    fn send(&mut self) -> TmeResult {
        let channel = (self.sent % 5) as u32;
        let size = SIZES[(self.sent / 5 % 5) as usize];
        let options = options((channel == LATEST).then_some((self.sent % KEYS) as u32));
        let data: *const c_void = self.bytes.as_ptr().cast();
        // SAFETY: the handle, the bytes and the options live.
        let result =
            unsafe { tme_client_send_with(self.pair.client, channel, data, size, &raw const options) };
        self.sent += u64::from(result == TME_OK);
        result
    }

    fn update(&mut self, wait_ms: u32) {
        self.pair.update(wait_ms);
        let (events, capacity) = (self.events.as_mut_ptr(), self.events.len() as u32);
        let mut count = 0;
        // SAFETY: the handles live, and the array has that many elements.
        unsafe {
            assert_eq!(tme_client_poll(self.pair.client, events, capacity, &raw mut count), TME_OK);
            let messages = self.events[..count as usize].iter();
            self.received += messages.filter(|event| event.r#type == TME_EVENT_MESSAGE).count() as u64;

            assert_eq!(tme_server_poll(self.pair.server, events, capacity, &raw mut count), TME_OK);
            for event in &self.events[..count as usize] {
                if event.r#type != TME_EVENT_MESSAGE {
                    continue;
                }
                let options = options((event.channel == LATEST).then_some(event.token as u32));
                let (peer, channel, length) = (event.peer, event.channel, event.length);
                let result = tme_server_send_with(
                    self.pair.server,
                    peer,
                    channel,
                    event.data.cast(),
                    length,
                    &raw const options,
                );
                assert!(matches!(result, TME_OK | TME_ERROR_WOULD_BLOCK), "{result}");
            }
        }
    }

    /// As many messages as the queues take.
    fn flood(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            for _ in 0..100 {
                if self.send() != TME_OK {
                    break;
                }
            }
            self.update(1);
        }
    }
}

fn options(key: Option<u32>) -> TmeSendOptions {
    // SAFETY: zero is a value of every field.
    let zeroed: TmeSendOptions = unsafe { zeroed() };
    TmeSendOptions { struct_size: size_of::<TmeSendOptions>() as u32, key: key.unwrap_or(0), ..zeroed }
}

/// Does the work again and again until it allocates nothing once: what a busier moment than any before needs has to be
/// allocated, but such moments become rare, while an allocation per call would be there every time.
fn settles(name: &str, echo: &mut Echo, work: impl Fn(&mut Echo)) {
    for _ in 0..10 {
        let (sent, received) = (echo.sent, echo.received);
        let counts = allocations::measure_all_threads(|| work(echo));
        let (sent, received) = (echo.sent - sent, echo.received - received);
        println!("{name}: {sent} messages sent, {received} came back, {counts:?}");
        assert!(received > sent / 2, "{name}: of {sent} messages only {received} came back");
        if counts.allocations == 0 {
            return;
        }
        assert!(counts.allocations < sent / 100, "{name}: {counts:?} for {sent} messages");
    }
    panic!("{name}: allocated every time");
}

#[test]
fn inline_sending_and_polling_allocate_nothing() {
    let _alone = alone();
    let mut echo = Echo::new(0);
    let rounds = |echo: &mut Echo| {
        for _ in 0..3_000 {
            for _ in 0..10 {
                assert_eq!(echo.send(), TME_OK);
            }
            echo.update(0);
        }
    };
    rounds(&mut echo);
    settles("inline", &mut echo, rounds);
}

#[test]
fn threaded_sending_and_polling_allocate_nothing() {
    let _alone = alone();
    let mut echo = Echo::new(TME_CONFIG_THREADED);
    echo.flood(Duration::from_secs(2));
    settles("threaded", &mut echo, |echo| echo.flood(Duration::from_secs(1)));
}

#[test]
fn a_full_queue_and_a_wrong_handle_are_told_without_allocating() {
    let _alone = alone();
    let channels =
        [tme_capi::TmeChannelConfig { queue_messages_max: 1, ..channel(TME_CHANNEL_RELIABLE_ORDERED) }];
    let pair = Pair::connected(0, &channels);
    let (data, length) = (b"x".as_ptr().cast(), 1);
    // SAFETY: the handles live; one of them is of the wrong kind, which has to be noticed.
    unsafe {
        assert_eq!(tme_server_send(pair.server, pair.peer, 0, data, length, 0), TME_OK);
        let counts = allocations::measure(|| {
            for _ in 0..100 {
                let result = tme_server_send(pair.server, pair.peer, 0, data, length, 0);
                assert_eq!(result, TME_ERROR_WOULD_BLOCK);
                assert!(tme_server_send(pair.client.cast(), pair.peer, 0, data, length, 0) < 0);
            }
        });
        assert_eq!(counts.allocations, 0);
        assert_eq!(tme_server_send(pair.server, pair.peer + 1, 0, data, length, 0), TME_ERROR_UNKNOWN_PEER);
    }
}
