//! Settings: what one send is told.

use std::mem::{offset_of, size_of};
use std::time::Duration;

use tme::{PeerId, SendOptions};

use crate::boundary::{Versioned, check_flags, check_reserved, init_struct, read_struct};
use crate::event::TmePeer;
use crate::failure::Failure;
use crate::result::TmeResult;

/// Everything queued leaves at once, instead of after the gathering time. An inline handle gathers nothing: there it leaves
/// with the next update or flush.
pub const TME_SEND_FLUSH: u32 = 1;

/// What one send is told. NULL in its place is all zero.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeSendOptions {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// TME_SEND_….
    pub flags: u32,
    /// Key of a reliable-latest channel. 0 on other channels.
    pub key: u32,
    /// 0.
    pub reserved: u32,
    /// Broadcasts leave this peer out. 0: nobody.
    pub except: TmePeer,
    /// Time from the call, in microseconds, after which the message is neither sent nor sent again, on reliable channels
    /// too. 0: none.
    pub deadline_us: u64,
    /// A number of the caller's: TME_EVENT_DELIVERED or TME_EVENT_EXPIRED, one of them and once, tells what became of the
    /// message, for every peer that took it. It counts in its channel's queue until that event was polled. 0: nothing is told.
    pub receipt: u64,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<TmeSendOptions>() == 40);

// SAFETY: `repr(C)`, a `u32` first, no padding (checked above), pointers and numbers only.
unsafe impl Versioned for TmeSendOptions {
    const FIRST_BYTES: usize = offset_of!(Self, receipt) + 8;

    fn defaults() -> Self {
        Self { struct_size: 0, flags: 0, key: 0, reserved: 0, except: 0, deadline_us: 0, receipt: 0 }
    }
}

/// Fills in the defaults of a send.
///
/// Parameters: `options` of `struct_size` bytes, which must be `sizeof *options`.
/// Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_send_options_init(
    options: *mut TmeSendOptions,
    struct_size: usize,
) -> TmeResult {
    init_struct(options, struct_size)
}

/// Whom a send leaves out and how it is treated.
pub(crate) struct SendSettings {
    /// For the engine.
    pub options: SendOptions,
    /// Whom a broadcast leaves out.
    pub except: Option<PeerId>,
}

impl SendSettings {
    /// From the flags of a plain send.
    #[inline]
    pub fn from_flags(flags: u32) -> Result<Self, Failure> {
        check_flags(flags, TME_SEND_FLUSH)?;
        let flush = flags & TME_SEND_FLUSH != 0;
        Ok(Self { options: SendOptions { flush, ..SendOptions::none() }, except: None })
    }

    /// From a caller's options; NULL is none.
    pub unsafe fn read(options: *const TmeSendOptions) -> Result<Self, Failure> {
        if options.is_null() {
            return Self::from_flags(0);
        }
        let given = read_struct(options)?;
        let mut settings = Self::from_flags(given.flags)?;
        check_reserved(given.reserved)?;
        // Key 0 is what a reliable-latest channel takes without one.
        settings.options.key = (given.key != 0).then_some(given.key);
        settings.options.deadline =
            (given.deadline_us != 0).then(|| Duration::from_micros(given.deadline_us));
        settings.options.receipt = (given.receipt != 0).then_some(given.receipt);
        settings.except = (given.except != 0).then(|| PeerId::from_u64(given.except));
        Ok(settings)
    }
}
