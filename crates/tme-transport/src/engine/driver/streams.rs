//! Streams between their sockets and the endpoint: who is carried by which, and what its end means.

use tme_core::connection::StreamEnd;
use tme_core::datagram::{Ecn, StreamId, Transmit};
use tme_core::time::Instant;

use super::Driver;
use super::mail::Mail;
use crate::link::stream::{Belongs, Queued, StreamEvent, StreamFailure};

impl Driver {
    /// Takes what has come in streams, and those who knock.
    pub(super) fn receive_streams(&mut self, now: Instant) {
        let Self { streams, endpoint, random, poller, post, posted, .. } = self;
        let mut mail = Mail { shard: endpoint.shard(), post: post.as_deref(), statistics: posted };
        streams.receive(now, poller, |bytes, path, placed| {
            let belongs = mail.place(bytes, placed);
            if belongs == Some(Belongs::Here) {
                endpoint.handle_datagram(now, path, Ecn::NotCapable, bytes, random);
            }
            belongs.unwrap_or(Belongs::Here)
        });
        self.handle_stream_news(now);
    }

    /// Hands the transmit buffer to the stream of its path.
    pub(super) fn send_in_stream(&mut self, stream: StreamId, transmit: &Transmit) {
        let bytes = self.transmit_buffer.get(..transmit.bytes).unwrap_or_default();
        if self.streams.send(stream, bytes) == Queued::Full {
            self.endpoint.set_stream_blocked(stream, true);
        }
    }

    /// Lets streams write what they were given. `true`: one of them has room again for what its connection kept.
    pub(super) fn flush_streams(&mut self, now: Instant) -> bool {
        self.handle_claims(now);
        self.streams.flush(now);
        self.handle_stream_news(now)
    }

    /// Tells the streams which of them are needed.
    pub(super) fn handle_claims(&mut self, now: Instant) {
        while let Some(stream) = self.endpoint.poll_claimed_stream() {
            self.streams.claim(stream);
        }
        while let Some(stream) = self.endpoint.poll_released_stream() {
            self.streams.release(now, stream);
        }
    }

    /// Tells the endpoint and the connector what has become of streams. `true`: one has room again.
    pub(super) fn handle_stream_news(&mut self, now: Instant) -> bool {
        let mut has_room = false;
        while let Some(event) = self.streams.poll_event() {
            match event {
                StreamEvent::Room(stream) => {
                    self.endpoint.set_stream_blocked(stream, false);
                    has_room = true;
                }
                StreamEvent::Opened(stream) => {
                    let Self { connector, endpoint, random, .. } = self;
                    let is_used = connector.as_mut().is_some_and(|connector| {
                        connector.handle_stream_opened(now, stream, endpoint, random)
                    });
                    if !is_used {
                        self.streams.release(now, stream);
                    }
                }
                StreamEvent::Ended(stream, failure) => {
                    let end = match failure {
                        StreamFailure::TooSlow => StreamEnd::TooSlow,
                        _ => StreamEnd::Closed,
                    };
                    self.endpoint.handle_stream_end(now, stream, end);
                    if let Some(connector) = &mut self.connector {
                        let event = connector.handle_stream_ended(now, stream, failure, &mut self.endpoint);
                        self.events.extend(event);
                    }
                }
            }
        }
        has_room
    }
}
