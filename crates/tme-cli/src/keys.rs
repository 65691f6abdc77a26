//! Secret keys in files, and `tme keygen`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use tme::SecretKey;

use crate::arguments::KeygenOptions;
use crate::{Failure, Output};

/// `tme keygen`: makes a key, and shows or stores it.
///
/// # Errors
/// [`Failure`] if the file exists or cannot be written.
pub fn run(options: &KeygenOptions) -> Result<(), Failure> {
    let key = tme::generate_key()?;
    let public = key.public_key();
    match &options.out {
        Some(path) => {
            create(path, &key.to_hex())?;
            Output::Stdout.line(&format!("secret key written to {}", path.display()));
        }
        None => Output::Stdout.line(&format!("secret key {}", *key.to_hex())),
    }
    Output::Stdout.line(&format!("public key {public}"));
    Ok(())
}

/// Writes a key's hexadecimal digits to a new file that only its owner can read.
///
/// # Errors
/// [`Failure`]: the file exists already, which is never overwritten, or cannot be written.
pub fn create(path: &Path, key: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::file(
            path,
            "exists already and is not overwritten; name another file, or move this one away",
        ),
        _ => Failure::file(path, error),
    })?;
    writeln!(file, "{key}").map_err(|error| Failure::file(path, error))
}

/// Reads a key; makes one if there is no such file yet. Gives whether it was made.
///
/// # Errors
/// [`Failure`] if the file cannot be read, holds no key, or cannot be made.
pub fn load_or_create(path: &Path) -> Result<(SecretKey, bool), Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let key = SecretKey::from_hex(&text).map_err(|error| Failure::file(path, error))?;
            warn_if_readable(path);
            Ok((key, false))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = tme::generate_key()?;
            create(path, &key.to_hex())?;
            Ok((key, true))
        }
        Err(error) => Err(Failure::file(path, error)),
    }
}

#[cfg(unix)]
pub(crate) fn warn_if_readable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = path.metadata().map(|metadata| metadata.permissions().mode() & 0o777);
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        log::warn!("{}: other users can read this secret key (chmod 600)", path.display());
    }
}

#[cfg(not(unix))]
pub(crate) fn warn_if_readable(_path: &Path) {}
