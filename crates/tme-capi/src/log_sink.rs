//! Log: where lines go. Silent until the host asks.

use std::ffi::{CString, c_char, c_void};
use std::mem::offset_of;
use std::ptr::null;

use tme::logging::{self, FileSink, LevelFilter, LogBuilder, LogError};

use crate::boundary::{Versioned, check_reserved, guard, init_struct, input_text, read_struct};
use crate::failure::Failure;
use crate::result::{
    TME_ERROR_ALREADY_INSTALLED, TME_ERROR_CONFIG, TME_ERROR_ENUM, TME_ERROR_FILE, TME_OK, TmeResult,
};

/// No lines.
pub const TME_LOG_OFF: u32 = 0;
/// What went wrong.
pub const TME_LOG_ERROR: u32 = 1;
/// What somebody should look at.
pub const TME_LOG_WARN: u32 = 2;
/// What an operator wants to know.
pub const TME_LOG_INFO: u32 = 3;
/// What helps to find a bug.
pub const TME_LOG_DEBUG: u32 = 4;
/// Everything.
pub const TME_LOG_TRACE: u32 = 5;

/// Standard error.
pub const TME_LOG_SINK_CONSOLE: u32 = 1;
/// The rotating file.
pub const TME_LOG_SINK_FILE: u32 = 2;
/// The host's function.
pub const TME_LOG_SINK_CALLBACK: u32 = 3;

/// A host's function for log lines.
///
/// It is called on whichever thread logs, by several at once, and must return soon. It must neither call the library nor
/// throw. The texts are UTF-8 without control characters, except line feeds that are followed by an indent; they live until
/// it returns.
pub type TmeLogCallback = Option<
    unsafe extern "C" fn(level: u32, target: *const c_char, text: *const c_char, user_data: *mut c_void),
>;

/// Where log lines go. All levels are off by default.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeLogConfig {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// TME_LOG_… for standard error, in colour where that is a terminal.
    pub console_level: u32,
    /// TME_LOG_… for the file.
    pub file_level: u32,
    /// TME_LOG_… for the function.
    pub callback_level: u32,
    /// The file; its folder must exist. Older ones are named with .1, .2, … after it.
    pub file_path: *const c_char,
    /// Size a file does not exceed. Default 10 MiB.
    pub file_bytes_max: u64,
    /// The function, or NULL.
    pub callback: TmeLogCallback,
    /// Handed to the function.
    pub user_data: *mut c_void,
    /// How many full files are kept, 1–99. Default 3.
    pub file_count: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, a `u32` first, pointers and numbers without padding between them; a function pointer may be any of
// the caller's or NULL.
unsafe impl Versioned for TmeLogConfig {
    const FIRST_BYTES: usize = offset_of!(Self, reserved) + 4;

    fn defaults() -> Self {
        Self {
            struct_size: 0,
            console_level: TME_LOG_OFF,
            file_level: TME_LOG_OFF,
            callback_level: TME_LOG_OFF,
            file_path: null(),
            file_bytes_max: 10 << 20,
            callback: None,
            user_data: std::ptr::null_mut(),
            file_count: 3,
            reserved: 0,
        }
    }
}

/// What a host wants to have handed back.
struct UserData(*mut c_void);

// SAFETY: it is not followed here, only handed back; the host was told that any thread may do so.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

/// Fills in the defaults of a log: nothing.
///
/// Parameters: `config` of `struct_size` bytes, which must be `sizeof *config`.
/// Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_log_config_init(config: *mut TmeLogConfig, struct_size: usize) -> TmeResult {
    init_struct(config, struct_size)
}

/// Lets log lines go to the sinks whose level is not off. Once per process.
///
/// Parameters: `config`. The function and its `user_data` must stay usable until the process ends or the library is unloaded.
/// Returns: TME_OK; TME_ERROR_ALREADY_INSTALLED; TME_ERROR_FILE if the file cannot be opened; TME_ERROR_CONFIG if all levels
/// are off, a path or function is missing, or a file limit is out of range; TME_ERROR_ENUM for an unknown level;
/// TME_ERROR_NULL; TME_ERROR_UTF8; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_log_init(config: *const TmeLogConfig) -> TmeResult {
    guard(|| {
        let config = read_struct(config)?;
        check_reserved(config.reserved)?;
        let mut builder = LogBuilder::new();
        let levels = [config.console_level, config.file_level, config.callback_level];
        let [console, file, callback] = levels.map(level);
        let (console, file, callback) = (console?, file?, callback?);
        if [console, file, callback].iter().all(|&level| level == LevelFilter::Off) {
            return Err(Failure::with(TME_ERROR_CONFIG, "all log levels are off"));
        }
        if console != LevelFilter::Off {
            builder = builder.console(console);
        }
        if file != LevelFilter::Off {
            let missing = || Failure::with(TME_ERROR_CONFIG, "file_level is set, file_path is NULL");
            let path = input_text(config.file_path)?.ok_or_else(missing)?.into();
            let max_bytes = if config.file_bytes_max == 0 { 10 << 20 } else { config.file_bytes_max };
            let keep_files = if config.file_count == 0 { 3 } else { config.file_count };
            let keep_files = u16::try_from(keep_files).unwrap_or(u16::MAX);
            builder = builder.file(FileSink { path, level: file, max_bytes, keep_files });
        }
        if callback != LevelFilter::Off {
            let missing = || Failure::with(TME_ERROR_CONFIG, "callback_level is set, callback is NULL");
            let function = config.callback.ok_or_else(missing)?;
            let user_data = UserData(config.user_data);
            builder = builder.host(callback, move |line| {
                let user_data = &user_data;
                let (Ok(target), Ok(text)) = (CString::new(line.target), CString::new(line.text)) else {
                    return;
                };
                // SAFETY: the host promised that it may be called like this.
                unsafe { function(line.level as u32, target.as_ptr(), text.as_ptr(), user_data.0) };
            });
        }
        builder.install().map_err(failure)?;
        Ok(TME_OK)
    })
}

/// Changes which lines a sink takes. Nothing happens if it was not installed.
///
/// Parameters: `sink`, TME_LOG_SINK_…; `level`, TME_LOG_….
/// Returns: TME_OK; TME_ERROR_ENUM.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn tme_log_set_level(sink: u32, level: u32) -> TmeResult {
    guard(|| {
        let level = self::level(level)?;
        match sink {
            TME_LOG_SINK_CONSOLE => logging::set_console_level(level),
            TME_LOG_SINK_FILE => logging::set_file_level(level),
            TME_LOG_SINK_CALLBACK => logging::set_host_level(level),
            sink => {
                return Err(Failure::text(
                    TME_ERROR_ENUM,
                    format_args!("{sink} is no log sink; expected TME_LOG_SINK_…, 1 to 3"),
                ));
            }
        }
        Ok(TME_OK)
    })
}

/// How many lines could not be written to the file so far.
///
/// Returns: the count; 0 without a file.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn tme_log_lost_lines() -> u64 {
    logging::lost_lines()
}

fn level(number: u32) -> Result<LevelFilter, Failure> {
    LevelFilter::iter().find(|&level| level as u32 == number).ok_or_else(|| {
        Failure::text(TME_ERROR_ENUM, format_args!("{number} is no log level; expected TME_LOG_…, 0 to 5"))
    })
}

fn failure(error: LogError) -> Failure {
    let result = match &error {
        LogError::AlreadyInstalled => TME_ERROR_ALREADY_INSTALLED,
        LogError::Open { .. } => TME_ERROR_FILE,
        _ => TME_ERROR_CONFIG,
    };
    Failure::text(result, format_args!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::TME_ERROR_STRUCT_TAIL;

    #[test]
    fn a_reserved_field_that_is_set_is_refused() {
        let size = size_of::<TmeLogConfig>() as u32;
        let config = TmeLogConfig { struct_size: size, reserved: 1, ..TmeLogConfig::defaults() };
        // SAFETY: the struct has the size it tells.
        assert_eq!(unsafe { tme_log_init(&raw const config) }, TME_ERROR_STRUCT_TAIL);
    }
}
