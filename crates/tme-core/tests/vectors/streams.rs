//! Streams: `records`.

use tme_core::stream::{RecordReader, STREAM_MAGIC, write_record};

use super::{Checked, Entry, for_each, refused};

/// Reads the stream in pieces of this many bytes.
fn read(stream: &[u8], piece_bytes: usize) -> (Vec<Vec<u8>>, usize, Checked) {
    let (mut reader, mut datagrams) = (RecordReader::new(), Vec::new());
    let mut result = Ok(());
    for piece in stream.chunks(piece_bytes) {
        result = reader.read(&mut piece.to_vec(), |datagram| datagrams.push(datagram.to_vec()));
        if result.is_err() {
            break;
        }
    }
    (datagrams, reader.waiting_bytes(), result.map_err(refused))
}

fn check_records(entry: Entry<'_>) -> Checked {
    let stream = entry.bytes("bytes");
    let expected = entry.byte_strings("datagrams");
    let mut outcome = Ok(());
    for piece_bytes in [1, 3, 4, 1_000, usize::MAX] {
        let (datagrams, waiting, result) = read(&stream, piece_bytes);
        assert_eq!(datagrams, expected, "{entry}, in pieces of {piece_bytes}");
        if result.is_ok() {
            assert_eq!(waiting as u64, entry.number("waiting"), "{entry}, in pieces of {piece_bytes}");
        }
        outcome = result;
    }
    outcome?;
    if stream.len() >= STREAM_MAGIC.len() {
        let mut written = STREAM_MAGIC.to_vec();
        expected.iter().for_each(|datagram| assert!(write_record(datagram, &mut written), "{entry}"));
        assert_eq!(stream.get(..written.len()), Some(&*written), "{entry}");
    }
    Ok(())
}

#[test]
fn records_are_found_however_a_stream_is_cut() {
    for_each("records.json", check_records);
}
