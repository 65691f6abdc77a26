//! A buffer of several datagrams, as one call to send gets it.

use tme_core::datagram::Transmit;

use super::{DATAGRAM_BYTES_MAX, SendError};

/// The sizes inside one transmit, checked against each other and the buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segments<'a> {
    pub(crate) bytes: &'a [u8],
    /// Size of each datagram but the last.
    pub(crate) segment_bytes: usize,
}

impl<'a> Segments<'a> {
    pub(crate) fn of(transmit: &Transmit, buffer: &'a [u8]) -> Result<Self, SendError> {
        let Some(bytes) = buffer.get(..transmit.bytes) else {
            return Err(SendError::BufferTooShort {
                claimed_bytes: transmit.bytes,
                buffer_bytes: buffer.len(),
            });
        };
        let segment_bytes = transmit.segment_bytes.unwrap_or(bytes.len()).min(bytes.len());
        if !(1..=DATAGRAM_BYTES_MAX).contains(&segment_bytes) {
            return Err(SendError::DatagramSize { bytes: segment_bytes });
        }
        Ok(Self { bytes, segment_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::net::SocketAddr;

    use tme_core::datagram::{Ecn, Path};

    #[test]
    fn contradictory_transmits_are_refused_with_their_numbers() {
        let remote = SocketAddr::from(([127, 0, 0, 1], 9));
        let buffer = vec![0xA5; DATAGRAM_BYTES_MAX + 1];
        let cases = [
            (10, None, 9, Some("transmit of 10 bytes from a buffer of 9")),
            (10, Some(0), 10, Some("datagram of 0 bytes is outside 1 to 65507")),
            (0, None, 10, Some("datagram of 0 bytes is outside 1 to 65507")),
            (65_508, None, 65_508, Some("datagram of 65508 bytes is outside 1 to 65507")),
            (65_508, Some(65_507), 65_508, None),
            (10, Some(usize::MAX), 10, None),
        ];
        for (bytes, segment_bytes, buffer_bytes, message) in cases {
            let path = Path::to(remote);
            let transmit = Transmit { path, ecn: Ecn::NotCapable, bytes, segment_bytes };
            let error = Segments::of(&transmit, &buffer[..buffer_bytes]).err();
            assert_eq!(error.map(|error| error.to_string()).as_deref(), message, "{transmit:?}");
        }
    }
}
