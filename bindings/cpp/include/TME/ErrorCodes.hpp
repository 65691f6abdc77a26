/**
 * @file TME/ErrorCodes.hpp
 * What the calls of the original interface give back.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef TME_ERROR_CODES_HPP
#define TME_ERROR_CODES_HPP

namespace tme {

/** The order, and so every number, is that of the original engine. Some are never given any more. */
enum class ErrorCodes {
    /** Done. */
    Success,
    /** Some clients took the message, others did not. */
    PartialSuccess,
    /** There is one already: a server, or a connection. */
    AlreadyInitialized,
    /** No client took the message. */
    Failure,
    /** Stopped, but not everything went as it should. */
    CompletedWithErrors,
    /** Before Init, or after ShutDown. */
    NetworkEngineNotInitialized,
    /** No server runs. */
    NetworkServerNotStarted,
    /** There is no connection, any more or yet. */
    NetworkClientNotConnected,
    /** Not given any more. */
    ClientNotInitialized,
    /** No connected client has this network id. */
    ClientNotFound,
    /** Not given any more. */
    InvalidSocket,
    /** Not given any more. */
    ShutdownFailed,
    /** The name or address leads nowhere. */
    AddrInfoFailed,
    /** Nobody answers, or the server refuses. */
    ConnectFailed,
    /** The port is taken. */
    BindFailed,
    /** Not given any more. */
    AcceptFailed,
    /** The server cannot be started for another reason than its port. */
    ListenFailed,
    /** Larger than 16 MiB, or than the other side takes. */
    SendSizeTooLarge,
    /** This call found the connection lost. */
    SendConnectionClosed,
    /** The other side has not taken anything for so long that waiting was given up. */
    SendFailed,
    /** Not given any more. */
    ReceiveSizeTooLarge,
    /** Not given any more. */
    ReceiveConnectionClosed,
    /** Not given any more. */
    ReceiveWouldBlock,
    /** Not given any more. */
    ReceiveFailed,
    /** Not given any more. */
    SetBlockingFailed
};

} // namespace tme

#endif // TME_ERROR_CODES_HPP
