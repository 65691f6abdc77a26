//! A server and a client made through the C functions, on loopback.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::ffi::CString;
use std::mem::zeroed;
use std::ptr::null_mut;
use std::time::{Duration, Instant};

use tme_capi::{
    TME_EVENT_CONNECTED, TME_OK, TmeChannelConfig, TmeClient, TmeClientConfig, TmeEvent, TmePeer, TmeServer,
    TmeServerConfig, tme_client_create, tme_client_destroy, tme_client_poll, tme_client_update,
    tme_server_create, tme_server_destroy, tme_server_poll, tme_server_port, tme_server_update,
};

/// Much longer than anything on loopback takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An event with nothing in it.
pub fn no_event() -> TmeEvent {
    // SAFETY: zero is a value of every field.
    unsafe { zeroed() }
}

/// A channel with defaults, at its position in the table.
pub fn channel(mode: u32) -> TmeChannelConfig {
    // SAFETY: zero is a value of every field.
    TmeChannelConfig { mode, ..unsafe { zeroed() } }
}

/// Handles that are destroyed at the end.
pub struct Pair {
    pub server: *mut TmeServer,
    pub client: *mut TmeClient,
    /// The client as the server knows it.
    pub peer: TmePeer,
}

impl Pair {
    /// A server, and a client that is about to connect to it. `adjust` may change the client's settings.
    pub fn start(
        flags: u32,
        channels: &[TmeChannelConfig],
        adjust: impl FnOnce(&mut TmeClientConfig),
    ) -> Self {
        // SAFETY: zero is a value of every field, and what the structs point to lives until the calls return.
        unsafe {
            let mut config: TmeServerConfig = zeroed();
            config.struct_size = size_of_val(&config) as u32;
            config.flags = flags;
            config.listen = c"127.0.0.1:0".as_ptr();
            (config.channels, config.channel_count) = (channels.as_ptr(), channels.len() as u32);
            let (mut server, mut client) = (null_mut(), null_mut());
            assert_eq!(tme_server_create(&raw const config, &raw mut server), TME_OK);

            let address = CString::new(format!("127.0.0.1:{}", tme_server_port(server))).unwrap();
            let mut config: TmeClientConfig = zeroed();
            config.struct_size = size_of_val(&config) as u32;
            config.flags = flags;
            config.address = address.as_ptr();
            adjust(&mut config);
            assert_eq!(tme_client_create(&raw const config, &raw mut client), TME_OK);
            Self { server, client, peer: 0 }
        }
    }

    /// As [`start`](Self::start), and waits until both sides are connected.
    pub fn connected(flags: u32, channels: &[TmeChannelConfig]) -> Self {
        let mut pair = Self::start(flags, channels, |_| {});
        let began = Instant::now();
        let mut is_client_connected = false;
        while !is_client_connected || pair.peer == 0 {
            assert!(began.elapsed() < PATIENCE, "not connected");
            pair.update(1);
            if let Some(event) = pair.poll_server() {
                assert_eq!(event.r#type, TME_EVENT_CONNECTED);
                pair.peer = event.peer;
            }
            if let Some(event) = pair.poll_client() {
                assert_eq!(event.r#type, TME_EVENT_CONNECTED);
                is_client_connected = true;
            }
        }
        pair
    }

    pub fn update(&self, timeout_ms: u32) {
        // SAFETY: both handles live as long as this.
        unsafe {
            assert_eq!(tme_client_update(self.client, timeout_ms), TME_OK);
            assert_eq!(tme_server_update(self.server, timeout_ms), TME_OK);
        }
    }

    /// The oldest event of the server.
    pub fn poll_server(&self) -> Option<TmeEvent> {
        let (mut event, mut count) = (no_event(), 0);
        // SAFETY: the handle lives as long as this.
        let result = unsafe { tme_server_poll(self.server, &raw mut event, 1, &raw mut count) };
        assert_eq!(result, TME_OK);
        (count == 1).then_some(event)
    }

    /// The oldest event of the client.
    pub fn poll_client(&self) -> Option<TmeEvent> {
        let (mut event, mut count) = (no_event(), 0);
        // SAFETY: the handle lives as long as this.
        let result = unsafe { tme_client_poll(self.client, &raw mut event, 1, &raw mut count) };
        assert_eq!(result, TME_OK);
        (count == 1).then_some(event)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // SAFETY: nobody uses them any more.
        unsafe {
            tme_client_destroy(self.client);
            tme_server_destroy(self.server);
        }
    }
}
