//! Lines from standard input, read by a thread of their own so that nobody waits for a typist.

use std::io::{BufRead, ErrorKind, Read};
use std::sync::mpsc::{Receiver, sync_channel};

/// Lines read ahead; a file that is piped in is read no faster than its lines are sent.
const LINES_AHEAD: usize = 1_024;
/// Longest line taken; the rest of a longer one counts as further lines.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// What standard input gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A line, without its end.
    Line(String),
    /// Nothing more will come.
    End,
}

/// Starts reading. `wake` is called after every line.
pub(crate) fn read_lines(wake: impl Fn() + Send + 'static) -> Receiver<Input> {
    let (sender, receiver) = sync_channel(LINES_AHEAD);
    let body = move || {
        let mut stdin = std::io::stdin().lock();
        loop {
            let input = next_line(&mut stdin);
            let is_end = input == Input::End;
            if sender.send(input).is_err() || is_end {
                wake();
                return;
            }
            wake();
        }
    };
    if let Err(error) = std::thread::Builder::new().name("stdin".to_owned()).spawn(body) {
        log::warn!("standard input is not read: {error}");
    }
    receiver
}

fn next_line(from: &mut impl BufRead) -> Input {
    let mut bytes = Vec::new();
    loop {
        match from.take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes) {
            Ok(0) if bytes.is_empty() => return Input::End,
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Input::End,
        }
    }
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Input::Line(String::from_utf8_lossy(line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_their_ends_and_the_last_needs_none() {
        let mut text: &[u8] = b"one\r\n\ntwo \xff";
        let lines: Vec<_> = std::iter::from_fn(|| match next_line(&mut text) {
            Input::Line(line) => Some(line),
            Input::End => None,
        })
        .collect();
        assert_eq!(lines, ["one", "", "two \u{fffd}"]);
    }
}
