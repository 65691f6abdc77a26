//! A log file that starts anew when it is full.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::line::LINE_BYTES_MAX;

/// Smallest limit for the size of a log file: two of the longest lines.
pub const FILE_BYTES_MIN: u64 = 2 * LINE_BYTES_MAX as u64;

/// Most full log files that can be kept. All are renamed when one more is full.
pub const KEEP_FILES_MAX: u16 = 99;

/// Takes whole lines and never fails: a game does not end because its disk is full.
pub(super) struct LogFile {
    path: PathBuf,
    max_bytes: u64,
    keep_files: u16,
    /// `None` after a rotation whose new file could not be opened; tried again with each line.
    file: Option<File>,
    written_bytes: u64,
    lost: LostLines,
    reported: bool,
}

/// How many lines could not be written.
#[derive(Clone, Debug, Default)]
pub(super) struct LostLines(Arc<AtomicU64>);

impl LostLines {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl LogFile {
    pub(super) fn open(path: &Path, max_bytes: u64, keep_files: u16) -> io::Result<Self> {
        let file = open_to_append(path)?;
        let written_bytes = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            max_bytes,
            keep_files,
            file: Some(file),
            written_bytes,
            lost: LostLines::default(),
            reported: false,
        })
    }

    pub(super) fn lost_lines(&self) -> LostLines {
        self.lost.clone()
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let line_bytes = line.len() as u64;
        if self.written_bytes > 0 && self.written_bytes + line_bytes > self.max_bytes {
            self.start_anew()?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open_to_append(&self.path)?),
        };
        let written = file.write_all(line);
        self.written_bytes = match written {
            Ok(()) => self.written_bytes + line_bytes,
            // It may have written a part. Not more is counted, or a full disk would rotate good files away.
            Err(_) => file.metadata().map_or(self.written_bytes, |metadata| metadata.len()),
        };
        written
    }

    /// Makes room: the full file gets the number 1, the others the next one, the oldest goes.
    ///
    /// If a file cannot be renamed (on Windows, while another program reads it), the current one is emptied
    /// instead: the bound on the disk's space is kept, and old lines are what it costs.
    fn start_anew(&mut self) -> io::Result<()> {
        // Windows does not rename a file that is open.
        self.file = None;
        let rotated = self.rotate();
        if rotated.is_err() || self.keep_files == 0 {
            File::create(&self.path)?;
        }
        self.file = Some(open_to_append(&self.path)?);
        self.written_bytes = 0;
        if let Err(error) = rotated {
            self.report(&error);
        }
        Ok(())
    }

    fn rotate(&self) -> io::Result<()> {
        for number in (1..=self.keep_files).rev() {
            let older = self.numbered(number);
            let newer = if number == 1 { self.path.clone() } else { self.numbered(number - 1) };
            match fs::rename(newer, older) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// `game.log.3` for `game.log`.
    fn numbered(&self, number: u16) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    /// Says once, where a human may see it, that something is wrong with the log file.
    fn report(&mut self, error: &io::Error) {
        if !self.reported {
            self.reported = true;
            // Not `eprintln`, which panics where there is no console. Not a log line, which would come here.
            let _ = writeln!(io::stderr(), "trouble with log file {}: {error}", self.path.display());
        }
    }
}

impl Write for LogFile {
    /// Takes one whole line per call, as the logger in front of it does.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.write_line(line) {
            self.lost.0.fetch_add(1, Ordering::Relaxed);
            self.report(&error);
        }
        Ok(line.len())
    }

    /// Lines are with the system already. Waiting for the disk could take a stalled one's seconds.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open_to_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests;
