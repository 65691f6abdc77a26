//! The file in which a client remembers the keys of the servers it has met: one line `host:port key` each.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use tme_core::crypto::keys::PublicKey;

use crate::Error;

/// The key remembered for a host; `None` if there is none (or no file yet). The last line for a host counts.
pub(crate) fn lookup(path: &Path, host: &str) -> Result<Option<PublicKey>, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file(path, error)),
    };
    let mut found = None;
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let is_about_host = words.next().is_some_and(|name| name.eq_ignore_ascii_case(host));
        if !is_about_host {
            continue;
        }
        // A line that was cut short is an error as well: without it the host would be met for the first time again.
        let key = words.next().unwrap_or_default().parse::<PublicKey>();
        found = Some(key.map_err(|error| Error::file(path, format_args!("line {}: {error}", number + 1)))?);
    }
    Ok(found)
}

/// Adds a host.
pub(crate) fn remember(path: &Path, host: &str, key: &PublicKey) -> Result<(), Error> {
    append(path, host, key).map_err(|error| Error::file(path, error))
}

fn append(path: &Path, host: &str, key: &PublicKey) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    // A last line without an end, as an editor or a full disk leaves it, must not swallow ours.
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let end = if last == *b"\n" { "" } else { "\n" };
    // One write, so that the lines of two clients that do this at a time stay apart.
    file.write_all(format!("{end}{} {key}\n", host.to_ascii_lowercase()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_remembered_and_damaged_lines_named() {
        let path = std::env::temp_dir().join(format!("tme-known-hosts-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        let key = PublicKey::from_bytes([7; 32]);
        assert_eq!(lookup(&path, "a:1").unwrap(), None);
        remember(&path, "A:1", &key).unwrap();
        assert_eq!(lookup(&path, "a:1").unwrap(), Some(key));
        assert_eq!(lookup(&path, "b:1").unwrap(), None);
        fs::write(&path, "# comment\na:1 nonsense\n").unwrap();
        let error = lookup(&path, "a:1").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        fs::write(&path, "a:1").unwrap();
        let error = lookup(&path, "a:1").unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_last_line_without_an_end_stays_a_line_of_its_own() {
        let path = std::env::temp_dir().join(format!("tme-known-hosts-end-{}", std::process::id()));
        let (one, other) = (PublicKey::from_bytes([7; 32]), PublicKey::from_bytes([9; 32]));
        fs::write(&path, format!("a:1 {one}")).unwrap();
        remember(&path, "b:1", &other).unwrap();
        assert_eq!(lookup(&path, "a:1").unwrap(), Some(one));
        assert_eq!(lookup(&path, "b:1").unwrap(), Some(other));
        fs::remove_file(&path).unwrap();
    }
}
