//! Lines for a function of the host.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use log::{Level, Record};

use super::line;

thread_local! {
    /// The host's function is running on this thread: what it logs must not call it again, or it would never end.
    static IS_CALLING: Cell<bool> = const { Cell::new(false) };
}

/// One line, as a host's function gets it.
///
/// Target and text have at most [`LINE_BYTES_MAX`](super::LINE_BYTES_MAX) bytes each and no control characters but tabs
/// and line feeds, after which the text is indented. So they hold no NUL, and nobody can forge a line with a clever
/// player name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine<'a> {
    /// How grave it is.
    pub level: Level,
    /// Where it comes from, as a rule a module: `tme_core::endpoint`.
    pub target: &'a str,
    /// What there is to say.
    pub text: &'a str,
}

/// What the host wants to be called.
#[derive(Clone)]
pub(super) struct HostFunction(Arc<dyn Fn(&LogLine<'_>) + Send + Sync>);

impl HostFunction {
    pub(super) fn new(function: impl Fn(&LogLine<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    /// Hands a line over, unless it was logged by the function itself. No lock is held meanwhile.
    pub(super) fn call(&self, record: &Record<'_>) {
        if IS_CALLING.replace(true) {
            return;
        }
        // Logging must not bring down whoever logs. The panic was reported by its hook already.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let (target, text) = (line::escaped(record.target()), line::escaped(record.args()));
            (self.0)(&LogLine { level: record.level(), target: &target, text: &text });
        }));
        IS_CALLING.set(false);
    }
}

impl fmt::Debug for HostFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostFunction(..)")
    }
}
