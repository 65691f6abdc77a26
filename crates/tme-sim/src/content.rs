//! Message contents that follow from who sent them, so that a receiver can check them without anybody storing them.

use crate::mix::mix;

/// Messages at least this long carry their sequence; shorter ones are too short to name themselves.
pub const NAMED_BYTES_MIN: usize = 8;

/// Names the messages of one channel in one direction of one session; everything in them follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream(u64);

impl Stream {
    /// The stream of `channel` from end `from` (0 client, 1 server) in the world's `session`-th connection.
    #[must_use]
    pub fn new(seed: u64, session: u64, from: u64, channel: u8) -> Self {
        Self(mix(mix(mix(seed, session), from), u64::from(channel)))
    }

    /// The bytes of a message: its sequence and a tag if there is room, then noise.
    #[must_use]
    pub fn message(self, sequence: u64, bytes: usize) -> Vec<u8> {
        let mut message = Vec::with_capacity(bytes + 8);
        let key = mix(mix(self.0, sequence), bytes as u64);
        if bytes >= NAMED_BYTES_MIN {
            message.extend_from_slice(&(sequence as u32).to_le_bytes());
            message.extend_from_slice(&(key as u32).to_le_bytes());
        }
        let mut counter = 0;
        while message.len() < bytes {
            counter += 1;
            message.extend_from_slice(&mix(key, counter).to_le_bytes());
        }
        message.truncate(bytes);
        message
    }

    /// Whether these are the bytes of the message with this sequence.
    #[must_use]
    pub fn is_message(self, sequence: u64, bytes: &[u8]) -> bool {
        self.message(sequence, bytes.len()) == bytes
    }

    /// The sequence a message claims to have; `None` if it is too short to claim one. Sequences stay below 2^32.
    #[must_use]
    pub fn claimed_sequence(bytes: &[u8]) -> Option<u64> {
        if bytes.len() < NAMED_BYTES_MIN {
            return None;
        }
        bytes.first_chunk().map(|first| u64::from(u32::from_le_bytes(*first)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_its_own_message_and_names_itself_where_it_can() {
        let stream = Stream::new(1, 2, 0, 3);
        for bytes in (0..40).chain([1_100, 1_101, 70_000]) {
            let message = stream.message(77, bytes);
            assert_eq!(message.len(), bytes);
            assert!(stream.is_message(77, &message));
            assert_eq!(Stream::claimed_sequence(&message), (bytes >= 8).then_some(77));
            if bytes >= NAMED_BYTES_MIN {
                assert!(!stream.is_message(78, &message));
                assert!(!Stream::new(1, 2, 1, 3).is_message(77, &message));
            }
        }
    }
}
