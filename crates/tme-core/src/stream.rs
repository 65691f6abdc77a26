//! Datagrams in a byte stream: what a stream begins with, and where one datagram ends (`docs/PROTOCOL.md`, section 12).
//!
//! Nothing here reads a socket. Whoever does puts bytes into a [`RecordReader`] as they come, in any pieces.

pub mod proxy;

use std::fmt;

/// What a stream of records begins with, in both directions.
pub const STREAM_MAGIC: [u8; 4] = *b"TME1";
/// Largest datagram in a stream, in bytes.
pub const STREAM_DATAGRAM_BYTES_MAX: usize = 16_384;
/// What stands before each datagram: its length (3 bytes) and a zero.
pub const RECORD_PREFIX_BYTES: usize = 4;
/// Room of a reader that has seen nothing large yet. It grows to what one record needs and gives it back.
const READER_BYTES_SPARE: usize = 2_048;

/// Appends a record with this datagram, which has 1 to [`STREAM_DATAGRAM_BYTES_MAX`] bytes; `false` if it has not, and
/// nothing was appended.
#[must_use]
pub fn write_record(datagram: &[u8], stream: &mut Vec<u8>) -> bool {
    if !(1..=STREAM_DATAGRAM_BYTES_MAX).contains(&datagram.len()) {
        return false;
    }
    // A length of at most 16,384 leaves the fourth byte zero, as it has to be.
    stream.extend_from_slice(&(datagram.len() as u32).to_le_bytes());
    stream.extend_from_slice(datagram);
    true
}

/// What a stream says cannot be made out; nothing behind it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// It does not begin with [`STREAM_MAGIC`].
    NotTme,
    /// A record claims to hold no byte, or more than [`STREAM_DATAGRAM_BYTES_MAX`].
    RecordLength {
        /// What it claims.
        bytes: u32,
    },
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTme => f.write_str("the other side does not speak TME on this port"),
            Self::RecordLength { bytes } => {
                write!(f, "a record of {bytes} bytes is outside 1 to {STREAM_DATAGRAM_BYTES_MAX}")
            }
        }
    }
}

impl std::error::Error for StreamError {}

/// Finds datagrams in the bytes of a stream. Holds at most one record that is not complete.
#[derive(Debug, Default)]
pub struct RecordReader {
    /// Bytes of a record, prefix included, that is not all there.
    partial: Vec<u8>,
    has_begun: bool,
    is_broken: bool,
}

impl RecordReader {
    /// At the start of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self { partial: Vec::new(), has_begun: false, is_broken: false }
    }

    /// Takes bytes in as they come and hands each datagram that is complete to `handle`, which may change it in place.
    /// What was taken need not be kept. After an error every call gives one: the stream is of no use any more.
    ///
    /// # Errors
    /// [`StreamError`]; the datagrams before it were handed over.
    pub fn read(&mut self, bytes: &mut [u8], mut handle: impl FnMut(&mut [u8])) -> Result<(), StreamError> {
        if self.is_broken {
            return Err(StreamError::NotTme);
        }
        let result = self.read_on(bytes, &mut handle);
        if result.is_err() {
            self.is_broken = true;
            self.partial = Vec::new();
        }
        result
    }

    fn read_on(
        &mut self,
        mut bytes: &mut [u8],
        handle: &mut impl FnMut(&mut [u8]),
    ) -> Result<(), StreamError> {
        loop {
            // What is whole in front of us is handled where it lies; only what hangs over is copied.
            if self.partial.is_empty() && self.has_begun {
                match record_bytes(bytes)? {
                    Some(length) if length <= bytes.len() => {
                        let (record, rest) = bytes.split_at_mut(length);
                        handle(record.get_mut(RECORD_PREFIX_BYTES..).unwrap_or_default());
                        bytes = rest;
                        continue;
                    }
                    _ if bytes.is_empty() => return Ok(()),
                    _ => {}
                }
            }
            let wanted = self.wanted()?;
            let missing = wanted.saturating_sub(self.partial.len());
            let (taken, rest) = bytes.split_at_mut(missing.min(bytes.len()));
            self.partial.extend_from_slice(taken);
            bytes = rest;
            if self.partial.len() < wanted {
                return Ok(());
            }
            self.handle_whole(handle)?;
        }
    }

    /// Up to which length the partial record is to be filled before it can be looked at again.
    fn wanted(&self) -> Result<usize, StreamError> {
        if !self.has_begun {
            return Ok(STREAM_MAGIC.len());
        }
        Ok(record_bytes(&self.partial)?.unwrap_or(RECORD_PREFIX_BYTES))
    }

    /// The partial record has as many bytes as were wanted.
    fn handle_whole(&mut self, handle: &mut impl FnMut(&mut [u8])) -> Result<(), StreamError> {
        if !self.has_begun {
            if self.partial != STREAM_MAGIC {
                return Err(StreamError::NotTme);
            }
            self.has_begun = true;
            self.partial.clear();
        } else if self.partial.len() > RECORD_PREFIX_BYTES {
            handle(self.partial.get_mut(RECORD_PREFIX_BYTES..).unwrap_or_default());
            self.partial.clear();
            self.partial.shrink_to(READER_BYTES_SPARE);
        } else {
            // The prefix is there and says how much memory is worth having.
            let length = record_bytes(&self.partial)?.unwrap_or_default();
            self.partial.reserve_exact(length - self.partial.len().min(length));
        }
        Ok(())
    }

    /// Bytes that wait for the rest of their record.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.partial.len()
    }
}

/// Size of the record that begins here, prefix included; `None`: its prefix is not all there.
fn record_bytes(bytes: &[u8]) -> Result<Option<usize>, StreamError> {
    let Some(prefix) = bytes.first_chunk::<RECORD_PREFIX_BYTES>() else { return Ok(None) };
    let length = u32::from_le_bytes(*prefix);
    if !(1..=STREAM_DATAGRAM_BYTES_MAX as u32).contains(&length) {
        return Err(StreamError::RecordLength { bytes: length });
    }
    Ok(Some(RECORD_PREFIX_BYTES + length as usize))
}

/// What a client wants of a port where several kinds of stream are offered, as its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// Records, beginning with [`STREAM_MAGIC`].
    Records,
    /// An HTTP request, which should ask for a WebSocket.
    Http,
    /// TLS; what is inside tells its kind anew.
    Tls,
}

impl StreamKind {
    /// Bytes that always suffice to tell.
    pub const PROBE_BYTES: usize = 4;

    /// What begins with these bytes.
    ///
    /// # Errors
    /// [`StreamError::NotTme`] if no kind does. `Ok(None)`: more bytes are needed.
    pub fn of(bytes: &[u8]) -> Result<Option<Self>, StreamError> {
        const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];
        let begins = |magic: &[u8]| bytes.iter().zip(magic).all(|(byte, expected)| byte == expected);
        let kinds =
            [(Self::Records, &STREAM_MAGIC[..]), (Self::Http, &b"GET "[..]), (Self::Tls, &TLS_HANDSHAKE[..])];
        let Some((kind, magic)) = kinds.into_iter().find(|(_, magic)| begins(magic)) else {
            return Err(StreamError::NotTme);
        };
        Ok((bytes.len() >= magic.len()).then_some(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Random, SeededRandom};

    fn stream_of(datagrams: &[Vec<u8>]) -> Vec<u8> {
        let mut stream = STREAM_MAGIC.to_vec();
        for datagram in datagrams {
            assert!(write_record(datagram, &mut stream));
        }
        stream
    }

    fn read_all(reader: &mut RecordReader, bytes: &[u8]) -> Result<Vec<Vec<u8>>, StreamError> {
        let mut found = Vec::new();
        reader.read(&mut bytes.to_vec(), |datagram| found.push(datagram.to_vec()))?;
        Ok(found)
    }

    fn bytes_of(random: &mut SeededRandom, lengths: std::ops::Range<u64>) -> Vec<u8> {
        let length = lengths.start + random.next_u64() % (lengths.end - lengths.start);
        (0..length).map(|_| random.next_u64() as u8).collect()
    }

    #[test]
    fn datagrams_come_out_as_they_went_in_however_the_stream_is_cut() {
        for seed in 0..500 {
            let mut random = SeededRandom::new(seed);
            let datagrams: Vec<_> =
                (0..random.next_u64() % 20).map(|_| bytes_of(&mut random, 1..600)).collect();
            let stream = stream_of(&datagrams);
            let (mut reader, mut rest, mut found) = (RecordReader::default(), &stream[..], Vec::new());
            while !rest.is_empty() {
                let cut = 1 + random.next_u64() as usize % 700;
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                found.extend(read_all(&mut reader, piece).unwrap());
                rest = after;
            }
            assert_eq!(found, datagrams, "seed {seed}");
            assert_eq!(reader.waiting_bytes(), 0, "seed {seed}");
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic_or_hold_more_than_a_record() {
        for seed in 0..500 {
            let mut random = SeededRandom::new(seed);
            let mut stream = if seed % 2 == 0 { STREAM_MAGIC.to_vec() } else { Vec::new() };
            stream.extend(bytes_of(&mut random, 0..4_000));
            let mut reader = RecordReader::default();
            for piece in stream.chunks(97) {
                let _ = read_all(&mut reader, piece);
                assert!(reader.waiting_bytes() < RECORD_PREFIX_BYTES + STREAM_DATAGRAM_BYTES_MAX);
            }
        }
    }

    #[test]
    fn the_largest_datagram_passes_and_a_larger_one_does_not() {
        let largest = vec![7; STREAM_DATAGRAM_BYTES_MAX];
        let stream = stream_of(std::slice::from_ref(&largest));
        assert_eq!(read_all(&mut RecordReader::default(), &stream).unwrap(), [largest]);
        let mut none = Vec::new();
        assert!(!write_record(&[7; STREAM_DATAGRAM_BYTES_MAX + 1], &mut none));
        assert!(!write_record(&[], &mut none));
        assert!(none.is_empty());
    }

    #[test]
    fn what_cannot_be_a_record_breaks_the_stream_for_good_and_takes_no_memory() {
        let cases: [(&[u8], u32); 4] = [
            (&[0, 0, 0, 0], 0),
            (&[1, 0x40, 0, 0], 16_385),
            (&[5, 0, 0, 1], 0x0100_0005),
            (&[0xFF, 0xFF, 0xFF, 0], 0x00FF_FFFF),
        ];
        for (prefix, bytes) in cases {
            let mut reader = RecordReader::default();
            let good = stream_of(&[vec![1, 2, 3]]);
            assert_eq!(read_all(&mut reader, &good).unwrap(), [[1, 2, 3]]);
            assert_eq!(read_all(&mut reader, prefix), Err(StreamError::RecordLength { bytes }));
            assert!(read_all(&mut reader, &stream_of(&[vec![1]])).is_err(), "nothing behind it is believed");
            assert_eq!(reader.partial.capacity(), 0);
        }
        let mut reader = RecordReader::default();
        assert_eq!(read_all(&mut reader, b"HTTP/1.1 400"), Err(StreamError::NotTme));
    }

    #[test]
    fn a_reader_reserves_what_a_record_needs_and_gives_it_back() {
        let mut reader = RecordReader::default();
        let stream = stream_of(&[vec![9; 10_000]]);
        assert!(read_all(&mut reader, &stream[..20]).unwrap().is_empty());
        assert_eq!(reader.partial.capacity(), 10_004, "no doubling beyond the record");
        assert_eq!(read_all(&mut reader, &stream[20..]).unwrap().len(), 1);
        assert!(reader.partial.capacity() <= READER_BYTES_SPARE);
    }

    #[test]
    fn the_first_bytes_tell_the_kind() {
        use StreamKind::*;
        type Told = Result<Option<StreamKind>, StreamError>;
        let cases: [(&[u8], Told); 9] = [
            (b"", Ok(None)),
            (b"TME", Ok(None)),
            (b"TME1\x05", Ok(Some(Records))),
            (b"GE", Ok(None)),
            (b"GET /tme HTTP/1.1", Ok(Some(Http))),
            (b"\x16", Ok(None)),
            (b"\x16\x03", Ok(Some(Tls))),
            (b"TMED", Err(StreamError::NotTme)),
            (b"SSH-2.0", Err(StreamError::NotTme)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(StreamKind::of(bytes), expected, "{bytes:02x?}");
        }
    }
}
