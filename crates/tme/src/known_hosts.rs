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
        let (Some(name), Some(key)) = (words.next(), words.next()) else { continue };
        if name.starts_with('#') || !name.eq_ignore_ascii_case(host) {
            continue;
        }
        let key = key.parse::<PublicKey>();
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
    // Whoever edited the file may have left its last line open.
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(-1)).is_ok() {
        file.read_exact(&mut last)?;
    }
    let end = if last == *b"\n" { "" } else { "\n" };
    // In one call: another client may be writing, too.
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
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_last_line_left_open_stays_a_line_of_its_own() {
        let path = std::env::temp_dir().join(format!("tme-known-hosts-open-{}", std::process::id()));
        let (first, second) = (PublicKey::from_bytes([7; 32]), PublicKey::from_bytes([8; 32]));
        fs::write(&path, format!("a:1 {first}")).unwrap();
        remember(&path, "b:1", &second).unwrap();
        assert_eq!(lookup(&path, "a:1").unwrap(), Some(first));
        assert_eq!(lookup(&path, "b:1").unwrap(), Some(second));
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("a:1 {first}\nb:1 {second}\n"));
        fs::remove_file(&path).unwrap();
    }
}
