//! What a system call's error means for a datagram socket.

use std::io::{Error, ErrorKind};

use crate::link::HintKind;

/// The consequence to draw from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Wait for the socket.
    WouldBlock,
    /// Something about one datagram, maybe an earlier one.
    Hint(HintKind),
    /// The system takes exception to what it was asked: segmentation, source or destination address.
    Arguments,
    /// The socket is of no use any more.
    Fatal,
}

/// Errors std has no kind for, by number.
mod code {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    mod numbers {
        /// A network card that cannot do segmentation.
        pub const IO: i32 = 5;
        pub const BAD_SOCKET: [i32; 2] = [9, 88];
        pub const NO_BUFFERS: i32 = 105;
        pub const HOST_DOWN: [i32; 2] = [112, 64];
    }
    #[cfg(windows)]
    mod numbers {
        /// No such error here; 0 is none.
        pub const IO: i32 = 0;
        /// `WSAENOTSOCK` and `WSANOTINITIALISED`.
        pub const BAD_SOCKET: [i32; 2] = [10038, 10093];
        pub const NO_BUFFERS: i32 = 10055;
        /// `WSAEHOSTDOWN`, and `WSAENETRESET`: the time to live ran out on the way.
        pub const HOST_DOWN: [i32; 2] = [10064, 10052];
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", windows)))]
    mod numbers {
        // macOS and the BSDs.
        pub const IO: i32 = 5;
        pub const BAD_SOCKET: [i32; 2] = [9, 38];
        pub const NO_BUFFERS: i32 = 55;
        pub const HOST_DOWN: [i32; 2] = [64, 64];
    }
    pub use numbers::{BAD_SOCKET, HOST_DOWN, IO, NO_BUFFERS};
}

/// Only errors that nobody on the network can cause are fatal; whatever we do not know is a hint.
pub(super) fn classify(error: &Error) -> Failure {
    if quinn_udp::is_msg_size_err(error) {
        return Failure::Hint(HintKind::TooLarge);
    }
    match error.kind() {
        ErrorKind::WouldBlock => Failure::WouldBlock,
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Failure::Hint(HintKind::Refused),
        ErrorKind::HostUnreachable => Failure::Hint(HintKind::HostUnreachable),
        ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => Failure::Hint(HintKind::NetworkUnreachable),
        ErrorKind::PermissionDenied => Failure::Hint(HintKind::Filtered),
        ErrorKind::OutOfMemory => Failure::Hint(HintKind::NoBuffers),
        ErrorKind::InvalidInput | ErrorKind::AddrNotAvailable => Failure::Arguments,
        ErrorKind::NotConnected | ErrorKind::BrokenPipe => Failure::Fatal,
        _ => match error.raw_os_error() {
            Some(code::IO) => Failure::Arguments,
            Some(code::NO_BUFFERS) => Failure::Hint(HintKind::NoBuffers),
            Some(number) if code::HOST_DOWN.contains(&number) => Failure::Hint(HintKind::HostUnreachable),
            Some(number) if code::BAD_SOCKET.contains(&number) => Failure::Fatal,
            _ => Failure::Hint(HintKind::Other),
        },
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_icmp_can_cause_is_fatal() {
        // The errors of Linux's icmp_err_convert and icmpv6_err_convert tables, and those of a failing send.
        let cases = [
            (111, Failure::Hint(HintKind::Refused)),
            (113, Failure::Hint(HintKind::HostUnreachable)),
            (112, Failure::Hint(HintKind::HostUnreachable)),
            (64, Failure::Hint(HintKind::HostUnreachable)),
            (101, Failure::Hint(HintKind::NetworkUnreachable)),
            (100, Failure::Hint(HintKind::NetworkUnreachable)),
            (90, Failure::Hint(HintKind::TooLarge)),
            (13, Failure::Hint(HintKind::Filtered)),
            (1, Failure::Hint(HintKind::Filtered)),
            (92, Failure::Hint(HintKind::Other)),
            (95, Failure::Hint(HintKind::Other)),
            (71, Failure::Hint(HintKind::Other)),
            (105, Failure::Hint(HintKind::NoBuffers)),
            (12, Failure::Hint(HintKind::NoBuffers)),
            (11, Failure::WouldBlock),
            (22, Failure::Arguments),
            (5, Failure::Arguments),
            (99, Failure::Arguments),
            (9, Failure::Fatal),
            (88, Failure::Fatal),
            (32, Failure::Fatal),
        ];
        for (number, expected) in cases {
            let error = Error::from_raw_os_error(number);
            assert_eq!(classify(&error), expected, "{error}");
        }
    }
}
