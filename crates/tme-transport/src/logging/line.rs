//! One record, one line.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use env_logger::fmt::Formatter;
use log::Record;

/// Most bytes of a line, from the target on; the rest is cut off. Time and level take 33 more.
pub const LINE_BYTES_MAX: usize = 4_096;

/// What stands where something was cut off.
const CUT: &str = " …";

/// Writes time, level, target and text: `2026-01-02T03:04:05.678Z WARN  tme_core::endpoint: text`.
pub(super) fn write(to: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let (time, level) = (to.timestamp_millis(), record.level());
    let style = to.default_level_style(level);
    write!(to, "{time} {style}{level:<5}{style:#} ")?;
    let mut text = OneLine { to, room_bytes: LINE_BYTES_MAX, result: Ok(()) };
    // It fails when the line is full, or when the text's own formatting fails; both leave a usable line.
    let _ = write!(text, "{}: {}", record.target(), record.args());
    text.result?;
    to.write_all(b"\n")
}

/// Text as it would stand in a line: bounded by [`LINE_BYTES_MAX`] and without control characters.
pub(super) fn escaped(text: impl fmt::Display) -> String {
    let mut to = Vec::new();
    // It fails when the bound is reached, or when the text's own formatting fails; both leave usable text.
    let _ = write!(OneLine { to: &mut to, room_bytes: LINE_BYTES_MAX, result: Ok(()) }, "{text}");
    // Only whole pieces of UTF-8 were written.
    String::from_utf8(to).unwrap_or_default()
}

/// Keeps text on its line: bounded, without control characters, further lines indented.
struct OneLine<'a, W> {
    to: &'a mut W,
    room_bytes: usize,
    result: io::Result<()>,
}

impl<W: Write> OneLine<'_, W> {
    /// Writes a piece, or the mark that the line ends here.
    fn put(&mut self, piece: &str) -> fmt::Result {
        let fits = piece.len() + CUT.len() <= self.room_bytes;
        let written =
            if fits { self.to.write_all(piece.as_bytes()) } else { self.to.write_all(CUT.as_bytes()) };
        self.room_bytes = if fits { self.room_bytes - piece.len() } else { 0 };
        self.result = written;
        if fits && self.result.is_ok() { Ok(()) } else { Err(fmt::Error) }
    }

    /// Writes as much of a run of ordinary characters as there is room for.
    fn put_run(&mut self, run: &str) -> fmt::Result {
        let room = self.room_bytes.saturating_sub(CUT.len());
        if run.len() <= room {
            return if run.is_empty() { Ok(()) } else { self.put(run) };
        }
        let end = run.floor_char_boundary(room);
        self.put(&run[..end])?;
        self.put(&run[end..])
    }
}

impl<W: Write> fmt::Write for OneLine<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(index) = rest.find(char::is_control) {
            self.put_run(&rest[..index])?;
            let mut after = rest[index..].chars();
            match after.next() {
                Some('\n') => self.put("\n    ")?,
                Some('\t') => self.put("\t")?,
                Some(other) => {
                    let mut escaped = [0; 10];
                    self.put(escape(other, &mut escaped))?;
                }
                None => {}
            }
            rest = after.as_str();
        }
        self.put_run(rest)
    }
}

/// `\r` as `\r`, ESC as `\u{1b}`, in the room given. Control characters are below U+00A0: six bytes at most.
fn escape(c: char, room: &mut [u8; 10]) -> &str {
    let mut used = 0;
    for (place, escaped) in room.iter_mut().zip(c.escape_default()) {
        *place = escaped as u8;
        used += 1;
    }
    // Escapes are ASCII, so this always holds.
    std::str::from_utf8(&room[..used]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_one_line(text: &str, room_bytes: usize) -> String {
        let mut to = Vec::new();
        let mut line = OneLine { to: &mut to, room_bytes, result: Ok(()) };
        let _ = line.write_str(text);
        line.result.unwrap();
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn nothing_in_the_text_can_begin_a_line_or_command_the_terminal() {
        let cases = [
            ("plain text, ünïcode ✓", "plain text, ünïcode ✓"),
            ("two\nlines", "two\n    lines"),
            ("\r\n2026 ERROR forged\n", "\\r\n    2026 ERROR forged\n    "),
            ("\u{1b}[2J\0\u{9b}\tx\u{7f}", "\\u{1b}[2J\\u{0}\\u{9b}\tx\\u{7f}"),
        ];
        for (given, expected) in cases {
            assert_eq!(on_one_line(given, LINE_BYTES_MAX), expected, "{given:?}");
        }
    }

    #[test]
    fn a_long_line_is_cut_between_characters_and_says_so() {
        let cases = [
            ("abcdefgh", 8, "abcd …"),
            ("aéééééé", 9, "aéé …"),
            ("abcd\nefghij", 12, "abcd …"),
            ("abc", 8, "abc"),
        ];
        for (given, room_bytes, expected) in cases {
            let line = on_one_line(given, room_bytes);
            assert_eq!(line, expected, "{given:?}");
            assert!(line.len() <= room_bytes);
        }
        assert!(on_one_line(&"x".repeat(100_000), LINE_BYTES_MAX).len() <= LINE_BYTES_MAX);
    }
}
