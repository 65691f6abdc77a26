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
mod host;
mod line;

pub use file::{FILE_BYTES_MIN, KEEP_FILES_MAX};
pub use host::LogLine;
pub use line::LINE_BYTES_MAX;
pub use log::{Level, LevelFilter};

use file::{LogFile, LostLines};
use host::HostFunction;

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
    host: Option<(LevelFilter, HostFunction)>,
}

/// Which sinks got installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Lines go to the console. Not so if there is none, as in a Windows program with windows only.
    pub console: bool,
    /// Lines go to a file.
    pub file: bool,
    /// Lines go to the host's function.
    pub host: bool,
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

    /// Lines up to this level go to a function of the host as well: into an engine's console, say.
    ///
    /// It is called before the call that logs the line returns, by whichever thread logs, the network thread included,
    /// and by several at once: it should return soon. A line that it logs itself goes to the other sinks only. If it
    /// panics, the panic goes no further, and the next lines come as before.
    #[must_use]
    pub fn host(
        mut self,
        level: LevelFilter,
        function: impl Fn(&LogLine<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.host = Some((level, HostFunction::new(function)));
        self
    }

    /// Makes these sinks the process's logger. Once per process.
    ///
    /// Lines hold the time (UTC, milliseconds; not those for the host), level, target and text. Control characters in the text are
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
        let host = self.host.map(|(level, function)| HostLog { function, threshold: Threshold::new(level) });
        let installed = Installed { console: console.is_some(), file: file.is_some(), host: host.is_some() };
        let _ = LOGGER.sinks.set(Sinks { console, file, host });
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
        console.threshold.set(level);
        LOGGER.publish_level();
    }
}

/// Changes which lines the file takes, from any thread. Nothing happens if there is no file sink.
pub fn set_file_level(level: LevelFilter) {
    if let Some(file) = LOGGER.sinks.get().and_then(|sinks| sinks.file.as_ref()) {
        file.lines.threshold.set(level);
        LOGGER.publish_level();
    }
}

/// Changes which lines the host's function takes, from any thread. Nothing happens if there is none.
pub fn set_host_level(level: LevelFilter) {
    if let Some(host) = LOGGER.sinks.get().and_then(|sinks| sinks.host.as_ref()) {
        host.threshold.set(level);
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
    host: Option<HostLog>,
}

struct HostLog {
    function: HostFunction,
    threshold: Threshold,
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

/// A formatting logger behind a level of its own.
struct Leveled {
    logger: Logger,
    threshold: Threshold,
}

impl Leveled {
    fn console(level: LevelFilter) -> Self {
        Self::new(Target::Stderr, level)
    }

    fn new(target: Target, level: LevelFilter) -> Self {
        let mut builder = env_logger::Builder::new();
        builder.filter_level(LevelFilter::Trace).target(target).format(line::write);
        Self { logger: builder.build(), threshold: Threshold::new(level) }
    }
}

/// Which lines a sink takes; can be changed while others log.
struct Threshold(AtomicUsize);

impl Threshold {
    fn new(level: LevelFilter) -> Self {
        Self(AtomicUsize::new(level as usize))
    }

    fn set(&self, level: LevelFilter) {
        self.0.store(level as usize, Ordering::Relaxed);
    }

    fn takes(&self, level: Level) -> bool {
        level as usize <= self.0.load(Ordering::Relaxed)
    }
}

impl Sinks {
    fn formatting(&self) -> impl Iterator<Item = &Leveled> {
        self.console.iter().chain(self.file.as_ref().map(|file| &file.lines))
    }

    fn thresholds(&self) -> impl Iterator<Item = &Threshold> {
        let host = self.host.as_ref().map(|host| &host.threshold);
        self.formatting().map(|sink| &sink.threshold).chain(host)
    }
}

impl Sinked {
    /// Lets the `log` macros skip what no sink takes.
    fn publish_level(&self) {
        let thresholds = self.sinks.get().into_iter().flat_map(Sinks::thresholds);
        let most = thresholds.map(|threshold| threshold.0.load(Ordering::Relaxed)).max().unwrap_or(0);
        let filter = LevelFilter::iter().find(|filter| *filter as usize == most);
        log::set_max_level(filter.unwrap_or(LevelFilter::Off));
    }
}

impl Log for Sinked {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let mut thresholds = self.sinks.get().into_iter().flat_map(Sinks::thresholds);
        thresholds.any(|threshold| threshold.takes(metadata.level()))
    }

    fn log(&self, record: &Record<'_>) {
        let Some(sinks) = self.sinks.get() else { return };
        for sink in sinks.formatting().filter(|sink| sink.threshold.takes(record.level())) {
            sink.logger.log(record);
        }
        if let Some(host) = sinks.host.as_ref().filter(|host| host.threshold.takes(record.level())) {
            host.function.call(record);
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
