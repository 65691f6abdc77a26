//! Log sinks: the host says, explicitly, where log lines go.
//!
//! The engine's crates only emit lines through the [`log`] facade; without one of the calls below they go
//! nowhere. A host with a logger of its own installs that one and none of these.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use env_logger::{Logger, Target};
use log::{Log, Metadata, Record};
use parking_lot::Mutex;

mod file;
mod line;

pub use file::{FILE_BYTES_MIN, KEEP_FILES_MAX};
pub use line::LINE_BYTES_MAX;
pub use log::LevelFilter;

use file::{LogFile, LostLines};

/// A log file and its predecessors: `name`, `name.1` (the youngest), `name.2`, …
///
/// Together they take at most `max_bytes` × (`keep_files` + 1) bytes.
#[derive(Clone, Debug)]
pub struct FileSink {
    /// The file. Its folder must exist; a file that exists is continued.
    pub path: PathBuf,
    /// Which lines it takes.
    pub level: LevelFilter,
    /// Size that a file does not exceed, at least [`FILE_BYTES_MIN`].
    pub max_bytes: u64,
    /// How many full files are kept, at most [`KEEP_FILES_MAX`]. With 0, a full file is emptied.
    pub keep_files: u16,
}

/// Which sinks to install.
///
/// ```no_run
/// use tme_transport::logging::{FileSink, LevelFilter, LogBuilder};
///
/// let installed = LogBuilder::new()
///     .console(LevelFilter::Info)
///     .file(FileSink {
///         path: "game.log".into(),
///         level: LevelFilter::Debug,
///         max_bytes: 10 << 20,
///         keep_files: 3,
///     })
///     .install()?;
/// assert!(installed.file);
/// # Ok::<(), tme_transport::logging::LogError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct LogBuilder {
    console: Option<LevelFilter>,
    file: Option<FileSink>,
}

/// Which sinks got installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Lines go to the console. Not so if there is none, as in a Windows program with windows only.
    pub console: bool,
    /// Lines go to a file.
    pub file: bool,
}

impl LogBuilder {
    /// Nothing so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lines up to this level go to standard error, in colour where that is a terminal.
    #[must_use]
    pub fn console(mut self, level: LevelFilter) -> Self {
        self.console = Some(level);
        self
    }

    /// Lines go to a file as well. Each is handed to the system before the call that logs it returns, so what
    /// was logged survives a crash of the program. Threads that log take turns.
    #[must_use]
    pub fn file(mut self, sink: FileSink) -> Self {
        self.file = Some(sink);
        self
    }

    /// Makes these sinks the process's logger. Once per process.
    ///
    /// Lines hold the time (UTC, milliseconds), level, target and text. Control characters in the text are
    /// escaped and further lines indented, so that nobody can forge a line with a clever player name; what is
    /// beyond [`LINE_BYTES_MAX`] is cut off.
    ///
    /// If writing to the file fails later, that is reported once on standard error; lines that got lost are
    /// counted by [`lost_lines`], and the next ones are tried again.
    ///
    /// # Errors
    /// [`LogError`]; nothing is installed then, and no file made if there was a logger already.
    pub fn install(self) -> Result<Installed, LogError> {
        static INSTALLING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = INSTALLING.lock();
        if LOGGER.sinks.get().is_some() {
            return Err(LogError::AlreadyInstalled);
        }
        // Our logger may hold the place with no sinks behind it, from an attempt that could not open its file.
        let ours = std::ptr::addr_eq(log::logger(), &raw const LOGGER);
        if !ours && log::set_logger(&LOGGER).is_err() {
            return Err(LogError::AlreadyInstalled);
        }
        let file = self.file.map(FileLog::open).transpose()?;
        let console = self.console.filter(|_| console_exists()).map(Leveled::console);
        let installed = Installed { console: console.is_some(), file: file.is_some() };
        let _ = LOGGER.sinks.set(Sinks { console, file });
        LOGGER.publish_level();
        Ok(installed)
    }
}

/// Installs a console sink only; see [`LogBuilder`].
///
/// # Errors
/// [`LogError`] if a logger is installed.
pub fn install_console(level: LevelFilter) -> Result<Installed, LogError> {
    LogBuilder::new().console(level).install()
}

/// Installs a file sink only; see [`LogBuilder`].
///
/// # Errors
/// [`LogError`] if a logger is installed or the file cannot be opened.
pub fn install_file(sink: FileSink) -> Result<Installed, LogError> {
    LogBuilder::new().file(sink).install()
}

/// Changes which lines the console takes, from any thread. Nothing happens if there is no console sink.
pub fn set_console_level(level: LevelFilter) {
    if let Some(console) = LOGGER.sinks.get().and_then(|sinks| sinks.console.as_ref()) {
        console.set_level(level);
        LOGGER.publish_level();
    }
}

/// Changes which lines the file takes, from any thread. Nothing happens if there is no file sink.
pub fn set_file_level(level: LevelFilter) {
    if let Some(file) = LOGGER.sinks.get().and_then(|sinks| sinks.file.as_ref()) {
        file.lines.set_level(level);
        LOGGER.publish_level();
    }
}

/// Lines that the file sink could not write so far.
#[must_use]
pub fn lost_lines() -> u64 {
    LOGGER.sinks.get().and_then(|sinks| sinks.file.as_ref()).map_or(0, |file| file.lost.count())
}

static LOGGER: Sinked = Sinked { sinks: OnceLock::new() };

/// The process's logger, once installed.
struct Sinked {
    sinks: OnceLock<Sinks>,
}

struct Sinks {
    console: Option<Leveled>,
    file: Option<FileLog>,
}

struct FileLog {
    lines: Leveled,
    lost: LostLines,
}

impl FileLog {
    fn open(sink: FileSink) -> Result<Self, LogError> {
        if sink.max_bytes < FILE_BYTES_MIN {
            return Err(LogError::MaxBytes { max_bytes: sink.max_bytes });
        }
        if sink.keep_files > KEEP_FILES_MAX {
            return Err(LogError::KeepFiles { keep_files: sink.keep_files });
        }
        let file = LogFile::open(&sink.path, sink.max_bytes, sink.keep_files)
            .map_err(|cause| LogError::Open { path: sink.path, cause })?;
        let lost = file.lost_lines();
        let target = Target::Pipe(Box::new(file));
        Ok(Self { lines: Leveled::new(target, sink.level), lost })
    }
}

/// A formatting logger behind a level of its own that can be changed.
struct Leveled {
    logger: Logger,
    level: AtomicUsize,
}

impl Leveled {
    fn console(level: LevelFilter) -> Self {
        Self::new(Target::Stderr, level)
    }

    fn new(target: Target, level: LevelFilter) -> Self {
        let mut builder = env_logger::Builder::new();
        builder.filter_level(LevelFilter::Trace).target(target).format(line::write);
        Self { logger: builder.build(), level: AtomicUsize::new(level as usize) }
    }

    fn set_level(&self, level: LevelFilter) {
        self.level.store(level as usize, Ordering::Relaxed);
    }

    fn takes(&self, level: log::Level) -> bool {
        level as usize <= self.level.load(Ordering::Relaxed)
    }
}

impl Sinked {
    fn all(&self) -> impl Iterator<Item = &Leveled> {
        let sinks = self.sinks.get();
        let console = sinks.and_then(|sinks| sinks.console.as_ref());
        let file = sinks.and_then(|sinks| sinks.file.as_ref()).map(|file| &file.lines);
        console.into_iter().chain(file)
    }

    /// Lets the `log` macros skip what no sink takes.
    fn publish_level(&self) {
        let most = self.all().map(|sink| sink.level.load(Ordering::Relaxed)).max().unwrap_or(0);
        let filter = LevelFilter::iter().find(|filter| *filter as usize == most);
        log::set_max_level(filter.unwrap_or(LevelFilter::Off));
    }
}

impl Log for Sinked {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.all().any(|sink| sink.takes(metadata.level()))
    }

    fn log(&self, record: &Record<'_>) {
        for sink in self.all().filter(|sink| sink.takes(record.level())) {
            sink.logger.log(record);
        }
    }

    /// Nothing is ever held back.
    fn flush(&self) {}
}

/// Whether there is anything at the other end of standard error.
fn console_exists() -> bool {
    #[cfg(windows)]
    {
        use std::os::windows::io::AsRawHandle;
        let handle = io::stderr().as_raw_handle();
        // NULL without a console; INVALID_HANDLE_VALUE is -1.
        !handle.is_null() && handle as isize != -1
    }
    #[cfg(not(windows))]
    {
        // Elsewhere the runtime opens /dev/null if the program was started without one.
        true
    }
}

/// Why log sinks were not installed.
#[derive(Debug)]
#[non_exhaustive]
pub enum LogError {
    /// This process has a logger already, ours or the host's.
    AlreadyInstalled,
    /// The log file cannot be opened.
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The size limit is below [`FILE_BYTES_MIN`].
    MaxBytes {
        /// The limit asked for.
        max_bytes: u64,
    },
    /// More files than [`KEEP_FILES_MAX`] should be kept.
    KeepFiles {
        /// The number asked for.
        keep_files: u16,
    },
}

impl LogError {
    /// A number for this kind of error that never changes.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        match self {
            Self::AlreadyInstalled => 1,
            Self::Open { .. } => 2,
            Self::MaxBytes { .. } => 3,
            Self::KeepFiles { .. } => 4,
        }
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyInstalled => f.write_str("this process has a logger already"),
            Self::Open { path, cause } => write!(f, "cannot open log file {}: {cause}", show(path)),
            Self::MaxBytes { max_bytes } => {
                write!(f, "log files of {max_bytes} bytes are too small; the least is {FILE_BYTES_MIN}")
            }
            Self::KeepFiles { keep_files } => {
                write!(f, "{keep_files} old log files are too many; the most is {KEEP_FILES_MAX}")
            }
        }
    }
}

impl std::error::Error for LogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

fn show(path: &Path) -> impl fmt::Display {
    path.display()
}
