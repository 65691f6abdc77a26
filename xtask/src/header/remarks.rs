//! Collects what cbindgen complains of: it goes on without what it does not understand, and we must not.

use std::mem;
use std::sync::{Mutex, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

static REMARKS: Remarks = Remarks(Mutex::new(Vec::new()));

struct Remarks(Mutex<Vec<String>>);

impl Log for Remarks {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        let text = record.args().to_string();
        if self.enabled(record.metadata()) && !is_expected(&text) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        }
    }

    fn flush(&self) {}
}

/// Starts collecting.
pub fn collect() {
    // The second time it fails, and the first one still holds.
    let _ = log::set_logger(&REMARKS);
    log::set_max_level(LevelFilter::Warn);
}

/// Everything collected so far.
pub fn take() -> Vec<String> {
    mem::take(&mut REMARKS.0.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Integers whose limits (`u64::MAX`) cbindgen writes rightly, after saying that it cannot find the type.
const INTEGERS: [&str; 10] = ["u8", "u16", "u32", "u64", "usize", "i8", "i16", "i32", "i64", "isize"];

/// Whether it is about something that is private to Rust, and should be left out.
fn is_expected(text: &str) -> bool {
    let unknown = text.strip_prefix("Can't find ").and_then(|rest| rest.split('.').next());
    if unknown.is_some_and(|name| INTEGERS.contains(&name)) {
        return true;
    }
    let names_ours = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| ["tme_", "Tme", "TME_"].iter().any(|prefix| word.starts_with(prefix)));
    let is_skipped = text.starts_with("Skip");
    let is_private = text.contains("(not `pub`)") || text.contains("(not `no_mangle`");
    is_skipped && (is_private || !names_ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_private_may_be_skipped() {
        let table = [
            ("Skip lib::TME_HIDDEN - (not `pub`).", true),
            ("Skipping lib::helper - (not `no_mangle`, and has no `export_name` attribute)", true),
            ("Skip lib::TABLE - (Unsupported expression. X)", true),
            ("Skip lib::TME_TABLE - (Unsupported expression. X)", false),
            ("Skipping lib::tme_f - (not `extern \"C\"`)", false),
            ("Can't find u64. This usually means that this type was incompatible or not found.", true),
            ("Can't find Duration. This usually means that this type was incompatible or not found.", false),
            ("Missing `[defines]` entry for `unix` in cbindgen config.", false),
        ];
        for (text, expected) in table {
            assert_eq!(is_expected(text), expected, "{text}");
        }
    }
}
