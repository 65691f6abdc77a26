//! Why a call failed: a number for the caller, and detail for whoever asks this thread.

use std::cell::RefCell;
use std::fmt::{self, Write};

use tme::{Error, SendError};

use crate::result::{TmeResult, result_text};

/// Longest detail that is kept, in bytes; what is beyond is cut off.
const DETAIL_BYTES_MAX: usize = 512;

/// What an exported function's body gives.
pub type Outcome = Result<TmeResult, Failure>;

/// A failed call.
#[derive(Debug)]
pub struct Failure {
    /// What the caller gets.
    pub result: TmeResult,
    detail: Detail,
}

/// What is to be told about it. Nothing is formatted before somebody asks: a full queue is an everyday answer.
#[derive(Debug)]
enum Detail {
    None,
    Constant(&'static str),
    Send(SendError),
    Text(Box<str>),
}

impl Failure {
    /// A failure whose number says all.
    pub const fn new(result: TmeResult) -> Self {
        Self { result, detail: Detail::None }
    }

    /// A failure with a constant detail.
    pub const fn with(result: TmeResult, detail: &'static str) -> Self {
        Self { result, detail: Detail::Constant(detail) }
    }

    /// A failure with numbers in its detail. Not for what happens often.
    pub fn text(result: TmeResult, detail: fmt::Arguments<'_>) -> Self {
        Self { result, detail: Detail::Text(detail.to_string().into()) }
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        Self { result: -200 - error.kind() as TmeResult, detail: Detail::Send(error) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::text(-(error.kind() as TmeResult), format_args!("{error}"))
    }
}

impl From<tme::KeyParseError> for Failure {
    fn from(error: tme::KeyParseError) -> Self {
        Error::from(error).into()
    }
}

/// The newest failure of a thread. It has no destructor: one would keep an unloaded library in memory.
struct Remembered {
    result: TmeResult,
    send: Option<SendError>,
    constant: Option<&'static str>,
    text: [u8; DETAIL_BYTES_MAX],
    text_bytes: usize,
}

thread_local! {
    static NEWEST: RefCell<Remembered> = const {
        RefCell::new(Remembered { result: 0, send: None, constant: None, text: [0; DETAIL_BYTES_MAX], text_bytes: 0 })
    };
}

/// Keeps the failure for [`detail`] and gives its number.
#[cold]
pub fn remember(failure: Failure) -> TmeResult {
    // A thread that is being torn down has nobody left to ask.
    let _ = NEWEST.try_with(|newest| {
        let Ok(mut newest) = newest.try_borrow_mut() else { return };
        newest.result = failure.result;
        newest.send = None;
        newest.constant = None;
        newest.text_bytes = 0;
        match &failure.detail {
            Detail::None => {}
            Detail::Constant(text) => newest.constant = Some(text),
            Detail::Send(error) => newest.send = Some(*error),
            Detail::Text(text) => {
                let end = text.floor_char_boundary(DETAIL_BYTES_MAX);
                for (place, byte) in newest.text.iter_mut().zip(text.bytes().take(end)) {
                    *place = byte;
                }
                newest.text_bytes = end;
            }
        }
    });
    failure.result
}

/// What there is to say about this thread's newest failure. Empty if there was none.
pub fn detail() -> String {
    let mut detail = String::new();
    let _ = NEWEST.try_with(|newest| {
        let Ok(newest) = newest.try_borrow() else { return };
        let text = newest.text.get(..newest.text_bytes).unwrap_or_default();
        let written = match (newest.send, newest.constant) {
            (Some(error), _) => write!(detail, "{error}"),
            (None, Some(constant)) => write!(detail, "{constant}"),
            (None, None) if text.is_empty() && newest.result != 0 => {
                write!(detail, "{}", result_text(newest.result).to_string_lossy())
            }
            (None, None) => write!(detail, "{}", String::from_utf8_lossy(text)),
        };
        // Writing to a string does not fail.
        let _ = written;
    });
    detail
}
