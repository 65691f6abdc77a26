/// @file tme.hpp
/// TME, the Travelers Multiplayer Engine, for C++17: encrypted, reliable game networking.
///
/// One header over the C interface `tme.h`, whose contract is docs/C_API.md; link what that needs (TME::tme). It works
/// without exceptions and without RTTI. The names are those of C: `tme_server_peer_info(server, ...)` is
/// `server.peer_info(...)`, and what C returns through pointers comes back as a `Result`.
///
/// Macros, to be set for the whole program: `TME_ENABLE_EXCEPTIONS` lets the value of a failed `Result` throw
/// `tme::Exception` instead of ending the process with a message.
///
/// It is one file, long as it is, because that is what people copy into their tree.
///
/// SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef TME_HPP
#define TME_HPP

#if (defined(_MSVC_LANG) ? _MSVC_LANG : __cplusplus) < 201703L
#error "tme.hpp needs C++17: -std=c++17, or /std:c++17"
#endif

#include <tme.h>

// <windows.h> defines these as macros, after which libstdc++ does not compile. They are back at the end.
#pragma push_macro("min")
#pragma push_macro("max")
#undef min
#undef max

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>
#if defined(__has_include)
#if __has_include(<version>)
#include <version>
#endif
#endif
#if defined(__cpp_lib_span)
#include <span>
#endif

#if defined(TME_ENABLE_EXCEPTIONS) && !defined(__cpp_exceptions) && !defined(_CPPUNWIND)
#error "TME_ENABLE_EXCEPTIONS needs a compiler that was not told to leave exceptions out"
#endif

namespace tme {

// ---- Numbers: the constants of tme.h as types ---------------------------------------------------
// Every one of them may hold a number of a newer library, so `default:` belongs into every switch.

/// What a call came to: negative if it did not do what was asked. The causes are in docs/C_API.md, section 2.
enum class ErrorCode : TmeResult {
    ok = TME_OK,
    partial = TME_PARTIAL,
    address = TME_ERROR_ADDRESS,
    channels = TME_ERROR_CHANNELS,
    key = TME_ERROR_KEY,
    file = TME_ERROR_FILE,
    config = TME_ERROR_CONFIG,
    conditions = TME_ERROR_CONDITIONS,
    already_installed = TME_ERROR_ALREADY_INSTALLED,
    token = TME_ERROR_TOKEN,
    token_text = TME_ERROR_TOKEN_TEXT,
    unresolved = TME_ERROR_UNRESOLVED,
    no_answer = TME_ERROR_NO_ANSWER,
    too_many_queries = TME_ERROR_TOO_MANY_QUERIES,
    no_network = TME_ERROR_NO_NETWORK,
    bind = TME_ERROR_BIND,
    system = TME_ERROR_SYSTEM,
    wait = TME_ERROR_WAIT,
    socket = TME_ERROR_SOCKET,
    closed = TME_ERROR_CLOSED,
    poisoned = TME_ERROR_POISONED,
    discovery = TME_ERROR_DISCOVERY,
    unknown_channel = TME_ERROR_UNKNOWN_CHANNEL,
    too_large = TME_ERROR_TOO_LARGE,
    would_block = TME_ERROR_WOULD_BLOCK,
    too_many_keys = TME_ERROR_TOO_MANY_KEYS,
    key_not_allowed = TME_ERROR_KEY_NOT_ALLOWED,
    not_connected = TME_ERROR_NOT_CONNECTED,
    null = TME_ERROR_NULL,
    handle = TME_ERROR_HANDLE,
    struct_size = TME_ERROR_STRUCT_SIZE,
    struct_tail = TME_ERROR_STRUCT_TAIL,
    utf8 = TME_ERROR_UTF8,
    flags = TME_ERROR_FLAGS,
    unknown_value = TME_ERROR_ENUM,
    length = TME_ERROR_LENGTH,
    buffer_too_small = TME_ERROR_BUFFER_TOO_SMALL,
    argument = TME_ERROR_ARGUMENT,
    busy = TME_ERROR_BUSY,
    unknown_peer = TME_ERROR_UNKNOWN_PEER,
    unknown_message = TME_ERROR_UNKNOWN_MESSAGE,
    too_many_retained = TME_ERROR_TOO_MANY_RETAINED,
    not_writable = TME_ERROR_NOT_WRITABLE,
    no_figures = TME_ERROR_NO_FIGURES,
    unknown_query = TME_ERROR_UNKNOWN_QUERY,
    unknown_server = TME_ERROR_UNKNOWN_SERVER,
    internal = TME_ERROR_INTERNAL,
    serial_end = TME_ERROR_SERIAL_END,
    serial_varint = TME_ERROR_SERIAL_VARINT,
    serial_range = TME_ERROR_SERIAL_RANGE,
    serial_utf8 = TME_ERROR_SERIAL_UTF8,
    serial_count = TME_ERROR_SERIAL_COUNT,
    serial_too_long = TME_ERROR_SERIAL_TOO_LONG,
    serial_order = TME_ERROR_SERIAL_ORDER,
    serial_variant = TME_ERROR_SERIAL_VARIANT,
    serial_depth = TME_ERROR_SERIAL_DEPTH,
    serial_memory = TME_ERROR_SERIAL_MEMORY,
    serial_left_over = TME_ERROR_SERIAL_LEFT_OVER,
    serial_padding = TME_ERROR_SERIAL_PADDING,
    serial_unknown_message = TME_ERROR_SERIAL_UNKNOWN_MESSAGE,
    serial_number = TME_ERROR_SERIAL_NUMBER,
    serial_too_large = TME_ERROR_SERIAL_TOO_LARGE,
};

/// Why a connection was refused or ended; `to_string` says what the reader can do.
enum class Reason : std::uint32_t {
    none = 0,
    version = TME_REASON_VERSION,
    application = TME_REASON_APPLICATION,
    busy = TME_REASON_BUSY,
    suites = TME_REASON_SUITES,
    identity_required = TME_REASON_IDENTITY_REQUIRED,
    channel_table = TME_REASON_CHANNEL_TABLE,
    full = TME_REASON_FULL,
    banned = TME_REASON_BANNED,
    denied = TME_REASON_DENIED,
    token = TME_REASON_TOKEN,
    extension = TME_REASON_EXTENSION,
    parameters = TME_REASON_PARAMETERS,
    schema = TME_REASON_SCHEMA,
    closed = TME_REASON_CLOSED,
    shutdown = TME_REASON_SHUTDOWN,
    kicked = TME_REASON_KICKED,
    replaced = TME_REASON_REPLACED,
    protocol_violation = TME_REASON_PROTOCOL_VIOLATION,
    flow_control = TME_REASON_FLOW_CONTROL,
    key_exhausted = TME_REASON_KEY_EXHAUSTED,
    reset = TME_REASON_RESET,
    timed_out = TME_REASON_TIMED_OUT,
    internal = TME_REASON_INTERNAL,
    connect_timed_out = TME_REASON_CONNECT_TIMED_OUT,
    aborted = TME_REASON_ABORTED,
    unresolved = TME_REASON_UNRESOLVED,
    untrusted_key = TME_REASON_UNTRUSTED_KEY,
    too_slow = TME_REASON_TOO_SLOW,
    link_lost = TME_REASON_LINK_LOST,
};

/// Who ended a connection.
enum class Origin : std::uint32_t {
    /// This side.
    local = 0,
    /// The other side, proven.
    remote = TME_EVENT_FLAG_REMOTE,
    /// Somebody who could see our datagrams; not proven to be the server.
    unauthenticated = TME_EVENT_FLAG_UNAUTHENTICATED,
};

/// What was wrong with a connect token.
enum class TokenProblem : std::uint32_t {
    /// Nothing, or nobody said so.
    none = 0,
    /// The server requires one and there was none.
    missing = TME_TOKEN_PROBLEM_MISSING,
    /// No key of the server opens it, it is damaged, or the server takes no tokens.
    invalid = TME_TOKEN_PROBLEM_INVALID,
    /// It is for another server.
    wrong_audience = TME_TOKEN_PROBLEM_WRONG_AUDIENCE,
    /// It was issued later than the server's clock says it is now.
    not_yet_valid = TME_TOKEN_PROBLEM_NOT_YET_VALID,
    /// It has expired, or is older than what the server remembers.
    expired = TME_TOKEN_PROBLEM_EXPIRED,
    /// Somebody has connected with it.
    used = TME_TOKEN_PROBLEM_USED,
};

/// What becomes of a client that proves the same identity key, or the same user by a connect token, as a peer.
enum class Newcomers : std::uint32_t {
    /// The newest wins: the older connection ends as `replaced`, also at a full server.
    replace = TME_NEWCOMERS_REPLACE,
    /// The older one stays, unless it is interrupted; the newer is refused as `denied`.
    refuse = TME_NEWCOMERS_REFUSE,
    /// The game is asked by `Admission`; if it accepts, the newest wins.
    ask = TME_NEWCOMERS_ASK,
    /// Both stay.
    allow = TME_NEWCOMERS_ALLOW,
};

/// How a proxy says for whom it speaks.
enum class ProxyHeader : std::uint32_t {
    /// By a header of the PROXY protocol, version 1 or 2, at the start of each stream.
    proxy_protocol = 1,
    /// By `X-Forwarded-For` in the request for a WebSocket.
    x_forwarded_for = 2,
};

/// Proxies that a server believes.
struct TrustedProxy {
    /// An address, or one with the bits of its prefix: `10.0.0.0/8`, `2001:db8::/32`.
    std::string network;
    /// How they say for whom they speak.
    ProxyHeader header = ProxyHeader::proxy_protocol;
};

/// From where browsers may connect without TLS: they come in a WebSocket, without keys of their own.
enum class Browsers : std::uint32_t {
    /// From this machine, where a proxy may end TLS for others.
    loopback = TME_BROWSERS_LOOPBACK,
    /// From nowhere, over TLS neither.
    never = TME_BROWSERS_NEVER,
    /// From anywhere. What they say can be read and changed on the way.
    anywhere = TME_BROWSERS_ANYWHERE,
};

/// How the messages of a channel are treated.
enum class Mode : std::uint32_t {
    /// May be lost or reordered, never delivered twice.
    unreliable = TME_CHANNEL_UNRELIABLE,
    /// Newest wins: a message older than the last delivered one is dropped.
    sequenced = TME_CHANNEL_SEQUENCED,
    /// Every message once, in any order.
    reliable_unordered = TME_CHANNEL_RELIABLE_UNORDERED,
    /// Every message once, in the order of sending.
    reliable_ordered = TME_CHANNEL_RELIABLE_ORDERED,
    /// Per key only the newest value is guaranteed.
    reliable_latest = TME_CHANNEL_RELIABLE_LATEST,
};

/// How often small reliable messages ride again in following packets, so that a loss need not cost a round trip.
enum class Redundancy : std::uint32_t {
    /// As the loss on the way asks for.
    automatic = TME_REDUNDANCY_AUTO,
    one = 1,
    two = 2,
    three = 3,
    /// Not before it is known that they are lost.
    off = TME_REDUNDANCY_OFF,
};

/// How the rate of sending follows what the path carries.
enum class Congestion : std::uint32_t {
    /// By how fast packets are delivered; queues on the way stay short.
    delivery_rate = TME_CONGESTION_DELIVERY_RATE,
    /// By losses, as in NewReno; queues on the way are filled.
    new_reno = TME_CONGESTION_NEW_RENO,
};

/// What carries a session between a client and its server.
enum class Link : std::uint32_t {
    /// For a client's `links`: UDP, TCP where that does not get through, and a WebSocket where not even that does.
    any = TME_LINK_ANY,
    /// Datagrams by themselves. What is lost holds up nothing but itself.
    udp = TME_LINK_UDP,
    /// A TCP stream. What is lost holds up all that is behind it.
    tcp = TME_LINK_TCP,
    /// A WebSocket over TCP, for networks that let only the web through.
    websocket = TME_LINK_WEBSOCKET,
};

/// How much goes to a sink of the log.
enum class LogLevel : std::uint32_t {
    off = TME_LOG_OFF,
    error = TME_LOG_ERROR,
    warn = TME_LOG_WARN,
    info = TME_LOG_INFO,
    debug = TME_LOG_DEBUG,
    trace = TME_LOG_TRACE,
};

/// Where lines of the log go.
enum class LogSink : std::uint32_t {
    console = TME_LOG_SINK_CONSOLE,
    file = TME_LOG_SINK_FILE,
    callback = TME_LOG_SINK_CALLBACK,
};

/// Which datagrams network conditions concern.
enum class Direction : std::uint32_t {
    /// What this handle receives.
    incoming = TME_DIRECTION_INCOMING,
    /// What this handle sends.
    outgoing = TME_DIRECTION_OUTGOING,
};

/// Which way along a network: a client sends up and receives down, a server the other way round.
enum class Path : std::uint32_t {
    up = TME_PATH_UP,
    down = TME_PATH_DOWN,
};

/// How the delay of datagrams varies.
enum class Jitter : std::uint32_t {
    /// Every datagram takes the same time.
    none = TME_JITTER_NONE,
    /// Uniform in the delay +- `jitter`.
    uniform = TME_JITTER_UNIFORM,
    /// An extra delay with the median `jitter`, the 99th percentile `jitter_p99` and the maximum `jitter_max`.
    skewed = TME_JITTER_SKEWED,
};

/// Who is at the other end of a connection. Never used twice, so a stale one is an error and never somebody else.
enum class PeerId : TmePeer {
    /// Nobody.
    none = 0,
};

/// Names a channel in its table: 0-255, by default the position.
using ChannelId = std::uint32_t;

/// Names a server that was asked by a `Querier`; never used twice by one.
enum class QueryId : std::uint64_t {
    /// No query.
    none = 0,
};

/// Most channels of a table.
inline constexpr std::size_t channels_max = TME_CHANNELS_MAX;

/// Most bytes of user data in a connect token.
inline constexpr std::size_t token_user_data_bytes_max = TME_TOKEN_USER_DATA_BYTES_MAX;

/// Most bytes that the game can add to what a server says of itself.
inline constexpr std::size_t information_bytes_max = TME_INFORMATION_BYTES_MAX;
/// Most bytes in the name under which a server is found.
inline constexpr std::size_t display_name_bytes_max = TME_DISPLAY_NAME_BYTES_MAX;

/// A constant text for a result.
[[nodiscard]] inline const char* to_string(ErrorCode code) {
    return tme_result_string(static_cast<TmeResult>(code));
}

/// A constant text for a reason; it says what the reader can do.
[[nodiscard]] inline const char* to_string(Reason reason) {
    return tme_reason_string(static_cast<std::uint32_t>(reason));
}

/// A constant name for an origin.
[[nodiscard]] constexpr const char* to_string(Origin origin) {
    switch (origin) {
    case Origin::local: return "local";
    case Origin::remote: return "remote";
    case Origin::unauthenticated: return "unauthenticated";
    default: return "unknown";
    }
}

/// A constant name for a problem of a token.
[[nodiscard]] constexpr const char* to_string(TokenProblem problem) {
    switch (problem) {
    case TokenProblem::none: return "none";
    case TokenProblem::missing: return "missing";
    case TokenProblem::invalid: return "invalid";
    case TokenProblem::wrong_audience: return "wrong audience";
    case TokenProblem::not_yet_valid: return "not yet valid";
    case TokenProblem::expired: return "expired";
    case TokenProblem::used: return "used";
    default: return "unknown";
    }
}

/// A constant name for a policy.
[[nodiscard]] constexpr const char* to_string(Browsers browsers) {
    switch (browsers) {
    case Browsers::loopback: return "loopback";
    case Browsers::never: return "never";
    case Browsers::anywhere: return "anywhere";
    }
    return "unknown";
}

[[nodiscard]] constexpr const char* to_string(Newcomers newcomers) {
    switch (newcomers) {
    case Newcomers::replace: return "replace";
    case Newcomers::refuse: return "refuse";
    case Newcomers::ask: return "ask";
    case Newcomers::allow: return "allow";
    default: return "unknown";
    }
}

/// A constant name for a mode.
[[nodiscard]] constexpr const char* to_string(Mode mode) {
    switch (mode) {
    case Mode::unreliable: return "unreliable";
    case Mode::sequenced: return "sequenced";
    case Mode::reliable_unordered: return "reliable_unordered";
    case Mode::reliable_ordered: return "reliable_ordered";
    case Mode::reliable_latest: return "reliable_latest";
    default: return "unknown";
    }
}

/// A constant name for an amount of redundancy.
[[nodiscard]] constexpr const char* to_string(Redundancy redundancy) {
    switch (redundancy) {
    case Redundancy::automatic: return "automatic";
    case Redundancy::one: return "one";
    case Redundancy::two: return "two";
    case Redundancy::three: return "three";
    case Redundancy::off: return "off";
    default: return "unknown";
    }
}

/// A constant name for a kind of congestion control.
[[nodiscard]] constexpr const char* to_string(Congestion congestion) {
    switch (congestion) {
    case Congestion::delivery_rate: return "delivery rate";
    case Congestion::new_reno: return "NewReno";
    default: return "unknown";
    }
}

/// A constant name for a link.
[[nodiscard]] constexpr const char* to_string(Link link) {
    switch (link) {
    case Link::any: return "any";
    case Link::udp: return "UDP";
    case Link::tcp: return "TCP";
    case Link::websocket: return "WebSocket";
    default: return "unknown";
    }
}

/// A constant name for a level.
[[nodiscard]] constexpr const char* to_string(LogLevel level) {
    switch (level) {
    case LogLevel::off: return "off";
    case LogLevel::error: return "error";
    case LogLevel::warn: return "warn";
    case LogLevel::info: return "info";
    case LogLevel::debug: return "debug";
    case LogLevel::trace: return "trace";
    default: return "unknown";
    }
}

/// A constant name for a sink.
[[nodiscard]] constexpr const char* to_string(LogSink sink) {
    switch (sink) {
    case LogSink::console: return "console";
    case LogSink::file: return "file";
    case LogSink::callback: return "callback";
    default: return "unknown";
    }
}

/// A constant name for a direction.
[[nodiscard]] constexpr const char* to_string(Direction direction) {
    switch (direction) {
    case Direction::incoming: return "incoming";
    case Direction::outgoing: return "outgoing";
    default: return "unknown";
    }
}

/// A constant name for a way.
[[nodiscard]] constexpr const char* to_string(Path path) {
    switch (path) {
    case Path::up: return "up";
    case Path::down: return "down";
    default: return "unknown";
    }
}

/// A constant name for a kind of jitter.
[[nodiscard]] constexpr const char* to_string(Jitter jitter) {
    switch (jitter) {
    case Jitter::none: return "none";
    case Jitter::uniform: return "uniform";
    case Jitter::skewed: return "skewed";
    default: return "unknown";
    }
}

/// The peer's id as a decimal number.
[[nodiscard]] inline std::string to_string(PeerId peer) { return std::to_string(static_cast<TmePeer>(peer)); }

/// Several lambdas as one visitor: `std::visit(tme::overloaded{...}, event)`.
template <class... Visitors>
struct overloaded : Visitors... {
    using Visitors::operator()...;
};
template <class... Visitors>
overloaded(Visitors...) -> overloaded<Visitors...>;

// ---- Results: what can fail says so in its type -------------------------------------------------

/// Why a call failed: a stable code for the program, a message for people.
class Error {
public:
    /// `detail` is what is particular to this failure; it may be empty.
    explicit Error(ErrorCode code, std::string detail = {}) : code_(code), detail_(std::move(detail)) {}

    /// Stable in all languages and versions.
    [[nodiscard]] ErrorCode code() const noexcept { return code_; }

    /// What is particular to this failure, such as "message of 70000 bytes exceeds the limit of 65536 on channel 1".
    [[nodiscard]] const std::string& detail() const noexcept { return detail_; }

    /// What happened, for a log or a person: the text of the code and the detail.
    [[nodiscard]] std::string message() const {
        std::string text = to_string(code_);
        // Without a detail of its own the library repeats the text of the code.
        if (!detail_.empty() && detail_ != text) {
            text += ": ";
            text += detail_;
        }
        return text;
    }

    /// Takes the detail of this thread's newest failed call; to be asked before another call fails.
    [[nodiscard]] static Error last(TmeResult result) {
        const auto code = static_cast<ErrorCode>(result);
        if (code == ErrorCode::would_block) {
            // An everyday answer that says all there is to know; its detail would cost more than the send.
            return Error(code);
        }
        char text[513];
        text[0] = '\0';
        tme_last_error(text, sizeof text, nullptr);
        return Error(code, text);
    }

private:
    ErrorCode code_;
    std::string detail_;
};

#if defined(TME_ENABLE_EXCEPTIONS)
/// What the value of a failed `Result` throws, with TME_ENABLE_EXCEPTIONS.
class Exception : public std::exception {
public:
    explicit Exception(Error error) : error_(std::move(error)), message_(error_.message()) {}

    /// The message of the error.
    [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }

    /// Why the call failed.
    [[nodiscard]] const Error& error() const noexcept { return error_; }

private:
    Error error_;
    std::string message_;
};
#endif

namespace detail {

/// The end of asking a failed result for its value.
[[noreturn]] inline void refuse(const Error& error) {
#if defined(TME_ENABLE_EXCEPTIONS)
    throw Exception(error);
#else
    std::fprintf(stderr, "tme: a result was used that is an error: %s\n", error.message().c_str());
    std::abort();
#endif
}

/// What `error()` of a success gives.
inline const Error& no_error() {
    static const Error none(ErrorCode::ok);
    return none;
}

} // namespace detail

/// A value, or why there is none. True if there is one.
///
/// `*`, `->` and `value()` of a failed one end the process with the error's message, or throw `Exception` with
/// TME_ENABLE_EXCEPTIONS; they never go on with garbage. A temporary one gives its value away, not a reference into
/// itself: `for (auto peer : *server.peers())` is safe.
template <class T>
class Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    [[nodiscard]] explicit operator bool() const noexcept { return state_.index() == 0; }

    [[nodiscard]] T& value() & { return checked(*this); }
    [[nodiscard]] const T& value() const& { return checked(*this); }
    [[nodiscard]] T value() && { return std::move(checked(*this)); }
    [[nodiscard]] T& operator*() & { return checked(*this); }
    [[nodiscard]] const T& operator*() const& { return checked(*this); }
    [[nodiscard]] T operator*() && { return std::move(checked(*this)); }
    [[nodiscard]] T* operator->() { return &checked(*this); }
    [[nodiscard]] const T* operator->() const { return &checked(*this); }

    /// Why there is no value; code `ok` if there is one.
    [[nodiscard]] const Error& error() const noexcept {
        const Error* error = std::get_if<1>(&state_);
        return error ? *error : detail::no_error();
    }

    /// The code of the error; `ok` if there is a value.
    [[nodiscard]] ErrorCode code() const noexcept { return *this ? ErrorCode::ok : error().code(); }

private:
    template <class Self>
    static auto& checked(Self& self) {
        auto* value = std::get_if<0>(&self.state_);
        if (!value) {
            detail::refuse(*std::get_if<1>(&self.state_));
        }
        return *value;
    }

    std::variant<T, Error> state_;
};

/// Done, or why not. True if done.
template <>
class Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    [[nodiscard]] explicit operator bool() const noexcept { return !error_; }

    /// Nothing; of a failed one it ends the process, or throws, as every `value()` does.
    void value() const {
        if (error_) {
            detail::refuse(*error_);
        }
    }

    /// Why it was not done; code `ok` if it was.
    [[nodiscard]] const Error& error() const noexcept { return error_ ? *error_ : detail::no_error(); }

    /// The code of the error; `ok` if done.
    [[nodiscard]] ErrorCode code() const noexcept { return *this ? ErrorCode::ok : error().code(); }

private:
    std::optional<Error> error_;
};

// ---- Bytes: what is sent and what has come ------------------------------------------------------

namespace detail {

template <class T>
inline constexpr bool is_text_unit = std::is_same_v<T, char>
#if defined(__cpp_char8_t)
    || std::is_same_v<T, char8_t>
#endif
    ;

template <class T>
inline constexpr bool is_byte_like =
    is_text_unit<T> || std::is_same_v<T, unsigned char> || std::is_same_v<T, signed char> ||
    std::is_same_v<T, std::byte>;

template <class T>
using Pointee = std::remove_cv_t<std::remove_pointer_t<T>>;

/// Whether `T` is something like std::vector<std::uint8_t>: `data()` and `size()` of elements of one byte.
template <class T, class = void>
inline constexpr bool is_byte_container = false;
template <class T>
inline constexpr bool is_byte_container<
    T, std::void_t<decltype(std::declval<const T&>().data()), decltype(std::declval<const T&>().size())>> =
    std::is_pointer_v<decltype(std::declval<const T&>().data())> &&
    is_byte_like<Pointee<decltype(std::declval<const T&>().data())>>;

template <class T>
inline constexpr bool is_byte_array = std::is_array_v<T> && is_byte_like<std::remove_cv_t<std::remove_extent_t<T>>>;

template <class T>
inline constexpr bool is_text_pointer = std::is_pointer_v<T> && is_text_unit<Pointee<T>>;

} // namespace detail

/// A view of bytes that belong to somebody else, as std::span<const std::byte> is one, and convertible to and from it.
///
/// Made of whatever holds bytes: std::string_view, std::string, std::vector<std::uint8_t>, std::array<std::byte, N>,
/// std::span, C arrays. Text is what C takes for it: of `"hello"`, any other array of `char` and a `const char*` it is
/// the part before the first NUL. Write `std::string_view(buffer, size)` or `Bytes(buffer, size)` where zeros count.
class Bytes {
public:
    constexpr Bytes() noexcept = default;

    /// `size` bytes at `data`, which may be NULL if there are none.
    Bytes(const void* data, std::size_t size) noexcept : data_(static_cast<const std::byte*>(data)), size_(size) {}

    /// What a string, container or array holds.
    template <class Source,
              std::enable_if_t<!std::is_same_v<Source, Bytes> &&
                                   (detail::is_byte_container<Source> || detail::is_byte_array<Source> ||
                                    detail::is_text_pointer<Source>),
                               int> = 0>
    Bytes(const Source& source) noexcept {
        if constexpr (detail::is_text_pointer<Source>) {
            const void* text = source;
            *this = Bytes(text, text ? std::strlen(static_cast<const char*>(text)) : 0);
        } else if constexpr (detail::is_byte_container<Source>) {
            *this = Bytes(source.data(), source.size());
        } else if constexpr (detail::is_text_unit<std::remove_cv_t<std::remove_extent_t<Source>>>) {
            const void* end = std::memchr(source, 0, sizeof source);
            const void* begin = source;
            *this = Bytes(begin, end ? static_cast<std::size_t>(static_cast<const std::byte*>(end) -
                                                                static_cast<const std::byte*>(begin))
                                     : sizeof source);
        } else {
            *this = Bytes(source, sizeof source);
        }
    }

    [[nodiscard]] constexpr const std::byte* data() const noexcept { return data_; }
    [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
    [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] constexpr const std::byte* begin() const noexcept { return data_; }
    [[nodiscard]] constexpr const std::byte* end() const noexcept { return data_ + size_; }

    /// The byte at `index`, which must be below `size()`.
    [[nodiscard]] constexpr std::byte operator[](std::size_t index) const noexcept { return data_[index]; }

    /// The same bytes as text; also a view.
    [[nodiscard]] std::string_view text() const noexcept {
        const void* data = data_;
        return {static_cast<const char*>(data), size_};
    }

    /// A copy of the bytes.
    [[nodiscard]] std::vector<std::uint8_t> to_vector() const {
        const void* data = data_;
        const auto* first = static_cast<const std::uint8_t*>(data);
        return size_ == 0 ? std::vector<std::uint8_t>() : std::vector<std::uint8_t>(first, first + size_);
    }

    /// Whether both views see equal bytes.
    [[nodiscard]] friend bool operator==(Bytes left, Bytes right) noexcept { return left.text() == right.text(); }
    [[nodiscard]] friend bool operator!=(Bytes left, Bytes right) noexcept { return !(left == right); }

private:
    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

/// A view of bytes to be written; convertible to std::span<std::byte>.
class MutableBytes {
public:
    constexpr MutableBytes() noexcept = default;
    MutableBytes(void* data, std::size_t size) noexcept : data_(static_cast<std::byte*>(data)), size_(size) {}

    [[nodiscard]] constexpr std::byte* data() const noexcept { return data_; }
    [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
    [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] constexpr std::byte* begin() const noexcept { return data_; }
    [[nodiscard]] constexpr std::byte* end() const noexcept { return data_ + size_; }
    [[nodiscard]] constexpr std::byte& operator[](std::size_t index) const noexcept { return data_[index]; }

private:
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

/// Some peers: a std::vector, std::array or std::span of ids, or `{a, b}`. A view.
class Peers {
public:
    Peers(const PeerId* data, std::size_t size) noexcept : data_(data), size_(size) {}
    Peers(std::initializer_list<PeerId> peers) noexcept {
        // A view for the length of a call, as every other one; gcc warns where this stands in an initializer.
        data_ = peers.begin();
        size_ = peers.size();
    }

    template <class Source, class = std::enable_if_t<std::is_convertible_v<
                                decltype(std::declval<const Source&>().data()), const PeerId*>>>
    Peers(const Source& source) noexcept : data_(source.data()), size_(source.size()) {}

    [[nodiscard]] const PeerId* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    const PeerId* data_ = nullptr;
    std::size_t size_ = 0;
};

// ---- What the implementation shares -------------------------------------------------------------

namespace detail {

/// Done, or the error of a negative result.
[[nodiscard]] inline Result<void> done(TmeResult result) {
    return result < 0 ? Result<void>(Error::last(result)) : Result<void>();
}

/// A size for a field of 32 bits; what is beyond is as wrong there as here.
[[nodiscard]] constexpr std::uint32_t count_of(std::size_t size) noexcept {
    constexpr std::uint32_t most = (std::numeric_limits<std::uint32_t>::max)();
    return size > most ? most : static_cast<std::uint32_t>(size);
}

/// A waiting time in whole milliseconds: what is negative does not wait, what is too long waits for 49 days.
[[nodiscard]] constexpr std::uint32_t wait_ms(std::chrono::milliseconds time) noexcept {
    constexpr std::uint32_t most = (std::numeric_limits<std::uint32_t>::max)();
    return time.count() <= 0 ? 0 : time.count() > most ? most : static_cast<std::uint32_t>(time.count());
}

/// Turns settings into those of C, and remembers the first that cannot be one.
class Settings {
public:
    explicit Settings(ErrorCode code) : code_(code) {}

    /// NULL for an empty text. The text must outlive what it is given to.
    [[nodiscard]] const char* text(const char* name, const std::string& text) {
        if (text.find('\0') != std::string::npos) {
            object(name, "has a NUL in it");
        }
        return text.empty() ? nullptr : text.c_str();
    }

    [[nodiscard]] std::uint32_t ms(const char* name, std::chrono::milliseconds time) {
        must_not_be_negative(name, time.count());
        return wait_ms(time);
    }

    /// As many seconds as fit.
    [[nodiscard]] std::uint32_t seconds(const char* name, std::chrono::seconds time) {
        must_not_be_negative(name, time.count());
        constexpr std::uint32_t most = (std::numeric_limits<std::uint32_t>::max)();
        return time.count() <= 0 ? 0 : time.count() > most ? most : static_cast<std::uint32_t>(time.count());
    }

    /// As many microseconds as fit.
    template <class Unsigned>
    void us(const char* name, std::chrono::microseconds time, Unsigned& out) {
        must_not_be_negative(name, time.count());
        const auto most = (std::numeric_limits<Unsigned>::max)();
        const auto count = static_cast<std::uint64_t>(time.count() < 0 ? 0 : time.count());
        out = count > most ? most : static_cast<Unsigned>(count);
    }

    [[nodiscard]] Result<void> result() const {
        return objection_.empty() ? Result<void>() : Result<void>(Error(code_, objection_));
    }

private:
    void must_not_be_negative(const char* name, std::int64_t count) {
        if (count < 0) {
            object(name, "is negative");
        }
    }

    void object(const char* name, const char* what) {
        if (objection_.empty()) {
            objection_ = std::string(name) + " " + what;
        }
    }

    ErrorCode code_;
    std::string objection_;
};

/// The text that `write` writes: asks with a buffer that nearly always does, and again if it does not.
template <class Write>
[[nodiscard]] Result<std::string> text_of(Write write) {
    std::string text(128, '\0');
    std::size_t needed = 0;
    TmeResult result = write(text.data(), text.size(), &needed);
    // What grows in between is asked for again.
    while (result == TME_ERROR_BUFFER_TOO_SMALL && needed > text.size()) {
        text.assign(needed, '\0');
        result = write(text.data(), text.size(), &needed);
    }
    if (result < 0) {
        return Error::last(result);
    }
    text.resize(std::strlen(text.c_str()));
    return text;
}

/// A time as C tells it.
[[nodiscard]] inline std::chrono::microseconds as_time(std::uint64_t us) noexcept {
    return std::chrono::microseconds(static_cast<std::chrono::microseconds::rep>(us));
}

/// A struct of C that `fill` fills in, as the `T` that derives from it.
template <class T, class C, class Fill>
[[nodiscard]] Result<T> figures_of(Fill fill) {
    T figures{};
    const TmeResult result = fill(static_cast<C*>(&figures), sizeof(C));
    return result < 0 ? Result<T>(Error::last(result)) : Result<T>(figures);
}

} // namespace detail

// ---- Messages: bytes that are kept, passed on or filled in place --------------------------------

/// Bytes of a message that are this program's own: kept from an event, or made to be filled and sent without a copy.
///
/// It outlives the server or client it came from. A moved-from one is empty, and every call on it says so.
/// Threads: any, one at a time per message.
class OwnedMessage {
public:
    /// No message.
    OwnedMessage() = default;

    /// Makes a message of `length` zero bytes, at most 16 MiB, to be filled through `writable()`.
    ///
    /// Errors: `too_large`.
    [[nodiscard]] static Result<OwnedMessage> create(std::size_t length) {
        TmeMessage* message = nullptr;
        const TmeResult result = tme_message_create(length, &message);
        return take(result, message);
    }

    /// Makes a second owner of the same bytes, without a copy of them. Neither is writable afterwards.
    ///
    /// Errors: `too_many_retained`.
    [[nodiscard]] Result<OwnedMessage> clone() const {
        TmeMessage* copy = nullptr;
        const TmeResult result = tme_message_clone(message_.get(), &copy);
        return take(result, copy);
    }

    /// The bytes; they live as long as the message. None if there is no message.
    [[nodiscard]] Bytes bytes() const {
        const void* data = nullptr;
        std::size_t length = 0;
        return tme_message_bytes(message_.get(), &data, &length) < 0 ? Bytes() : Bytes(data, length);
    }

    /// Where to write the bytes of a created message, until it is sent or cloned.
    ///
    /// Errors: `not_writable` for what came from the network, was cloned, or was given to a send.
    [[nodiscard]] Result<MutableBytes> writable() {
        void* data = nullptr;
        std::size_t length = 0;
        const TmeResult result = tme_message_writable(message_.get(), &data, &length);
        return result < 0 ? Result<MutableBytes>(Error::last(result)) : MutableBytes(data, length);
    }

    /// Whether there is a message.
    [[nodiscard]] explicit operator bool() const noexcept { return message_ != nullptr; }

    /// For calls of `tme.h`. The message stays this object's.
    [[nodiscard]] TmeMessage* native_handle() const noexcept { return message_.get(); }

    /// Gives the message to the caller, who ends it by `tme_message_release` or hands it to a send of `tme.h`.
    [[nodiscard]] TmeMessage* release() noexcept { return message_.release(); }

    /// Keeps the data of an event that `tme.h` gave.
    ///
    /// Errors: `unknown_message` if its handle was polled again or destroyed, or if the event has no data;
    /// `too_many_retained`.
    [[nodiscard]] static Result<OwnedMessage> retain(TmeMessageId id) {
        TmeMessage* message = nullptr;
        const TmeResult result = tme_message_retain(id, &message);
        return take(result, message);
    }

private:
    struct Release {
        void operator()(TmeMessage* message) const noexcept { tme_message_release(message); }
    };

    explicit OwnedMessage(TmeMessage* message) noexcept : message_(message) {}

    [[nodiscard]] static Result<OwnedMessage> take(TmeResult result, TmeMessage* message) {
        return result < 0 ? Result<OwnedMessage>(Error::last(result)) : OwnedMessage(message);
    }

    std::unique_ptr<TmeMessage, Release> message_;
};

// ---- Typed messages: a game's own structs as bytes ----------------------------------------------
// docs/SERIALIZATION.md says which bytes; they are those of Rust and C.

/// What makes a struct a message: `static constexpr tme::MessageInfo message{7, "Fire"};`.
struct MessageInfo {
    /// Not 0, and never used for another message.
    std::uint32_t id;
    /// What it is called in the schema.
    const char* name;
    /// The channel that `send_message` uses.
    std::uint32_t channel = 0;
    /// The version that brought it; 0 if it was there from the first one on.
    std::uint16_t since = 0;
};

/// What makes a struct an alternative of a std::variant: `static constexpr tme::VariantInfo variant{1, "Bow"};`.
struct VariantInfo {
    /// Its number.
    std::uint32_t tag;
    /// What it is called in the schema.
    const char* name;
    /// The version that brought it; 0 if it was there from the first one on.
    std::uint16_t since = 0;
    /// An older program takes this one for those that it does not know. Such a struct has no fields.
    bool is_other = false;
};

/// How a struct is visited field by field, in the order of the wire. The struct's own `fields` does it:
///
///     struct Fire {
///         static constexpr tme::MessageInfo message{7, "Fire"};
///         std::uint8_t weapon = 0;
///         std::array<float, 3> direction = {};
///         bool is_charged = false;
///
///         template <class Self, class Visitor>
///         static void fields(Self& self, Visitor& visit) {
///             visit("weapon", self.weapon, tme::in_range(0, 3));
///             visit("direction", self.direction, tme::in_steps(0.001));
///             visit.since(2); // fields that version 2 has added
///             visit("is_charged", self.is_charged);
///         }
///     };
///
/// Specialise it for a struct of another library. Fields that are not there keep what the struct's constructor gave them.
/// Groups may only be added to messages and to structs with `static constexpr bool is_extensible = true;`.
template <class T>
struct Fields {
    template <class Self, class Visitor, class Of = T>
    static auto visit(Self& self, Visitor& visitor) -> decltype(Of::fields(self, visitor)) {
        Of::fields(self, visitor);
    }
};

/// The form that a type has by itself: fixed integers and floats, a bit for bool, texts, lists, maps, sets, structs.
struct Natural {};
/// A varint.
struct Varint {};
/// An integer from `low` to `high`, in as few bits as that needs.
struct InRange {
    std::int64_t low;
    std::int64_t high;
};
/// An integer of so many bits.
struct InBits {
    std::uint32_t bits;
};
/// A float from `low` to `high`, exact to half of `precision`. What is outside is limited.
struct Quantized {
    double low;
    double high;
    double precision;
};
/// A float from `low` to `high` in so many bits.
struct QuantizedBits {
    double low;
    double high;
    std::uint32_t bits;
};
/// A float counted in steps.
struct InSteps {
    double precision;
};
/// A rotation: x, y, z, w in a std::array of four floats.
struct Rotation {
    std::uint32_t bits;
};
/// A list, map, set or text of at most `max` elements or bytes, and the form of its elements.
template <class Form>
struct AtMost {
    std::size_t max;
    Form form;
};
/// A value of an enumeration and its name.
template <class Enum>
struct Named {
    Enum value;
    const char* name;
};
/// An enumeration: its values are the tags. `bits` 0 is a varint.
template <class Enum, std::size_t Count>
struct OneOf {
    Named<Enum> names[Count];
    std::uint32_t bits;
};

inline constexpr Varint varint{};
[[nodiscard]] constexpr InRange in_range(std::int64_t low, std::int64_t high) { return {low, high}; }
[[nodiscard]] constexpr InBits in_bits(std::uint32_t bits) { return {bits}; }
[[nodiscard]] constexpr Quantized quantized(double low, double high, double precision) {
    return {low, high, precision};
}
[[nodiscard]] constexpr QuantizedBits quantized_bits(double low, double high, std::uint32_t bits) {
    return {low, high, bits};
}
[[nodiscard]] constexpr InSteps in_steps(double precision) { return {precision}; }
[[nodiscard]] constexpr Rotation rotation(std::uint32_t bits = 10) { return {bits}; }
template <class Form = Natural>
[[nodiscard]] constexpr AtMost<Form> at_most(std::size_t max, Form form = {}) {
    return {max, form};
}
/// `tme::one_of<Weapon>({{Weapon::bow, "Bow"}, {Weapon::wand, "Wand"}})`.
template <class Enum, std::size_t Count>
[[nodiscard]] constexpr OneOf<Enum, Count> one_of(const Named<Enum> (&names)[Count], std::uint32_t bits = 0) {
    OneOf<Enum, Count> form{{}, bits};
    for (std::size_t i = 0; i < Count; i++) {
        form.names[i] = names[i];
    }
    return form;
}

namespace detail {

template <class T, template <class...> class Template>
inline constexpr bool is_of = false;
template <template <class...> class Template, class... Arguments>
inline constexpr bool is_of<Template<Arguments...>, Template> = true;
template <class T>
inline constexpr bool is_std_array = false;
template <class T, std::size_t Count>
inline constexpr bool is_std_array<std::array<T, Count>> = true;
template <class T, class Form>
inline constexpr bool is_byte_block = false;
template <std::size_t Count>
inline constexpr bool is_byte_block<std::array<std::uint8_t, Count>, Natural> = true;
template <class Form>
inline constexpr bool is_one_of = false;
template <class Enum, std::size_t Count>
inline constexpr bool is_one_of<OneOf<Enum, Count>> = true;
template <class T>
inline constexpr bool always_false = false;

template <class T, class = void>
inline constexpr bool is_message = false;
template <class T>
inline constexpr bool is_message<T, std::void_t<decltype(T::message.id)>> = true;

template <class T, class = void>
inline constexpr bool says_extensible = false;
template <class T>
inline constexpr bool says_extensible<T, std::void_t<decltype(T::is_extensible)>> = T::is_extensible;
template <class T>
inline constexpr bool can_grow = is_message<T> || says_extensible<T>;

/// Takes everything and does nothing: finds out whether a struct has fields.
struct NoVisitor {
    template <class... Arguments>
    void operator()(Arguments&&...) {}
    void since(std::uint16_t) {}
};
template <class T, class = void>
inline constexpr bool has_fields = false;
template <class T>
inline constexpr bool
    has_fields<T, std::void_t<decltype(Fields<T>::visit(std::declval<T&>(), std::declval<NoVisitor&>()))>> = true;

inline constexpr std::size_t no_bound = (std::numeric_limits<std::size_t>::max)();
/// As deep as lists, maps, sets and boxes may lie in each other.
inline constexpr unsigned depth_max = 64;

template <class Form>
[[nodiscard]] constexpr Form leaf(Form form) {
    return form;
}
template <class Form>
[[nodiscard]] constexpr Form leaf(AtMost<Form> form) {
    return form.form;
}
template <class Form>
[[nodiscard]] constexpr std::size_t bound(Form) {
    return no_bound;
}
template <class Form>
[[nodiscard]] constexpr std::size_t bound(AtMost<Form> form) {
    return form.max;
}

/// A writer, and how deep it is.
struct Output {
    TmeWriter writer = {};
    unsigned depth = 0;

    void fail(TmeResult error) { tme_writer_fail(&writer, error); }
    [[nodiscard]] bool has_failed() const { return writer.error < 0; }

    template <class Content>
    void nested(Content content) {
        if (depth == depth_max) {
            return fail(TME_ERROR_SERIAL_DEPTH);
        }
        depth++;
        content();
        depth--;
    }
};

/// A reader, how deep it is, and the memory that what it reads may still take.
struct Input {
    TmeReader reader = {};
    unsigned depth = 0;
    std::size_t memory = 0;

    explicit Input(Bytes bytes) : memory(std::size_t{64} * 1024 + 64 * bytes.size()) {
        tme_reader_init(&reader, bytes.data(), bytes.size());
    }

    void fail(TmeResult error) { tme_reader_fail(&reader, error); }
    [[nodiscard]] bool has_failed() const { return reader.error < 0; }

    /// How many elements of `bytes` each follow; 0 if that cannot be.
    [[nodiscard]] std::size_t count(std::size_t bits_min, std::size_t max, std::size_t bytes) {
        std::size_t count = 0;
        tme_reader_count(&reader, count_of(bits_min), max, &count);
        return justify(count, bytes) ? count : 0;
    }

    [[nodiscard]] bool justify(std::size_t count, std::size_t bytes) {
        if (count > memory / bytes) {
            fail(TME_ERROR_SERIAL_MEMORY);
            return false;
        }
        memory -= count * bytes;
        return true;
    }

    template <class Content>
    void nested(Content content) {
        if (depth == depth_max) {
            return fail(TME_ERROR_SERIAL_DEPTH);
        }
        depth++;
        content();
        depth--;
    }
};

/// How a struct ends: what is added stands behind a message, in a block, or nowhere.
enum class Growth { closed, extensible, message };

template <class T>
inline constexpr Growth growth_inside = can_grow<T> ? Growth::extensible : Growth::closed;

template <class T, class Form>
void put(Output& out, const T& value, Form form, std::size_t max);
template <class T, class Form>
void get(Input& in, T& value, Form form, std::size_t max);

/// Writes the fields of a struct.
class FieldWriter {
public:
    FieldWriter(Output& out, Growth growth) : out_(out), growth_(growth) {}

    template <class T, class Form = Natural>
    void operator()(const char*, const T& value, Form form = {}) {
        put(out_, value, leaf(form), bound(form));
    }

    void since(std::uint16_t) {
        if (growth_ == Growth::closed) {
            return out_.fail(TME_ERROR_ARGUMENT);
        }
        if (growth_ == Growth::extensible && !has_additions_) {
            tme_writer_bool(&out_.writer, 1);
            tme_writer_block_begin(&out_.writer, &additions_);
            has_additions_ = true;
        }
        end_group();
        tme_writer_block_begin(&out_.writer, &group_);
        is_in_group_ = true;
    }

    void end() {
        end_group();
        if (has_additions_) {
            tme_writer_block_end(&out_.writer, &additions_);
        } else if (growth_ == Growth::extensible) {
            tme_writer_bool(&out_.writer, 0);
        }
    }

private:
    void end_group() {
        if (is_in_group_) {
            tme_writer_block_end(&out_.writer, &group_);
        }
        is_in_group_ = false;
    }

    Output& out_;
    Growth growth_;
    TmeBlock additions_ = {};
    TmeBlock group_ = {};
    bool has_additions_ = false;
    bool is_in_group_ = false;
};

/// Reads the fields of a struct. Those that are not there stay as they are.
class FieldReader {
public:
    FieldReader(Input& in, Growth growth) : in_(in), growth_(growth) {}

    template <class T, class Form = Natural>
    void operator()(const char*, T& value, Form form = {}) {
        if (is_there_ != 0) {
            get(in_, value, leaf(form), bound(form));
        }
    }

    void since(std::uint16_t) {
        if (growth_ == Growth::closed) {
            return in_.fail(TME_ERROR_ARGUMENT);
        }
        begin_additions();
        end_group();
        tme_reader_group_begin(&in_.reader, &group_, &is_there_);
        is_in_group_ = is_there_ != 0;
    }

    void end() {
        begin_additions();
        end_group();
        if (growth_ == Growth::extensible) {
            tme_reader_additions_end(&in_.reader, &additions_);
        }
    }

private:
    void begin_additions() {
        if (growth_ == Growth::extensible && !has_begun_) {
            tme_reader_additions_begin(&in_.reader, &additions_);
        }
        has_begun_ = true;
    }

    void end_group() {
        if (is_in_group_) {
            tme_reader_block_end(&in_.reader, &group_);
        }
        is_in_group_ = false;
    }

    Input& in_;
    Growth growth_;
    TmeBlock additions_ = {};
    TmeBlock group_ = {};
    std::uint32_t is_there_ = 1;
    bool has_begun_ = false;
    bool is_in_group_ = false;
};

template <class T>
void put_fields(Output& out, const T& value, Growth growth) {
    FieldWriter visitor(out, growth);
    Fields<T>::visit(value, visitor);
    visitor.end();
}

template <class T>
void get_fields(Input& in, T& value, Growth growth) {
    FieldReader visitor(in, growth);
    Fields<T>::visit(value, visitor);
    visitor.end();
}

/// The most that so many bits hold in two's complement.
[[nodiscard]] constexpr std::int64_t most_of(std::uint32_t bits) {
    return bits == 0 || bits >= 64 ? (std::numeric_limits<std::int64_t>::max)() : (std::int64_t{1} << (bits - 1)) - 1;
}

template <class T, class Form>
void put_number(Output& out, T value, Form form) {
    TmeWriter* to = &out.writer;
    (void)form;
    if constexpr (std::is_same_v<Form, Natural>) {
        if constexpr (std::is_same_v<T, bool>) {
            tme_writer_bool(to, value ? 1 : 0);
        } else if constexpr (std::is_same_v<T, float>) {
            tme_writer_f32(to, value);
        } else if constexpr (std::is_same_v<T, double>) {
            tme_writer_f64(to, value);
        } else if constexpr (std::is_signed_v<T>) {
            if constexpr (sizeof(T) == 1) {
                tme_writer_i8(to, static_cast<std::int8_t>(value));
            } else if constexpr (sizeof(T) == 2) {
                tme_writer_i16(to, static_cast<std::int16_t>(value));
            } else if constexpr (sizeof(T) == 4) {
                tme_writer_i32(to, static_cast<std::int32_t>(value));
            } else {
                tme_writer_i64(to, static_cast<std::int64_t>(value));
            }
        } else if constexpr (sizeof(T) == 1) {
            tme_writer_u8(to, static_cast<std::uint8_t>(value));
        } else if constexpr (sizeof(T) == 2) {
            tme_writer_u16(to, static_cast<std::uint16_t>(value));
        } else if constexpr (sizeof(T) == 4) {
            tme_writer_u32(to, static_cast<std::uint32_t>(value));
        } else {
            tme_writer_u64(to, static_cast<std::uint64_t>(value));
        }
    } else if constexpr (std::is_floating_point_v<T>) {
        if constexpr (std::is_same_v<Form, Quantized>) {
            tme_writer_quantized(to, static_cast<double>(value), form.low, form.high, form.precision);
        } else if constexpr (std::is_same_v<Form, QuantizedBits>) {
            tme_writer_quantized_bits(to, static_cast<double>(value), form.low, form.high, form.bits);
        } else if constexpr (std::is_same_v<Form, InSteps>) {
            tme_writer_step(to, static_cast<double>(value), form.precision);
        } else {
            static_assert(always_false<Form>, "this form is not for floats");
        }
    } else if constexpr (std::is_same_v<Form, Varint>) {
        if constexpr (std::is_signed_v<T>) {
            tme_writer_signed_varint(to, static_cast<std::int64_t>(value));
        } else {
            tme_writer_varint(to, static_cast<std::uint64_t>(value));
        }
    } else if constexpr (std::is_same_v<Form, InRange>) {
        if constexpr (!std::is_signed_v<T> && sizeof(T) == 8) {
            if (static_cast<std::uint64_t>(value) > std::uint64_t{(std::numeric_limits<std::int64_t>::max)()}) {
                return out.fail(TME_ERROR_SERIAL_RANGE);
            }
        }
        tme_writer_range(to, static_cast<std::int64_t>(value), form.low, form.high);
    } else if constexpr (std::is_same_v<Form, InBits>) {
        if constexpr (std::is_signed_v<T>) {
            if (form.bits == 0) {
                return out.fail(TME_ERROR_ARGUMENT);
            }
            const std::int64_t most = most_of(form.bits);
            tme_writer_range(to, static_cast<std::int64_t>(value), -most - 1, most);
        } else {
            tme_writer_bits(to, static_cast<std::uint64_t>(value), form.bits);
        }
    } else {
        static_assert(always_false<Form>, "this form is not for integers");
    }
}

template <class T, class Form>
void get_number(Input& in, T& value, Form form) {
    TmeReader* from = &in.reader;
    using Limits = std::numeric_limits<T>;
    (void)form;
    if constexpr (std::is_same_v<Form, Natural>) {
        if constexpr (std::is_same_v<T, bool>) {
            std::uint32_t found = 0;
            tme_reader_bool(from, &found);
            value = found != 0;
        } else if constexpr (std::is_same_v<T, float>) {
            tme_reader_f32(from, &value);
        } else if constexpr (std::is_same_v<T, double>) {
            tme_reader_f64(from, &value);
        } else if constexpr (std::is_signed_v<T>) {
            if constexpr (sizeof(T) == 1) {
                std::int8_t found = 0;
                tme_reader_i8(from, &found);
                value = static_cast<T>(found);
            } else if constexpr (sizeof(T) == 2) {
                std::int16_t found = 0;
                tme_reader_i16(from, &found);
                value = static_cast<T>(found);
            } else if constexpr (sizeof(T) == 4) {
                std::int32_t found = 0;
                tme_reader_i32(from, &found);
                value = static_cast<T>(found);
            } else {
                std::int64_t found = 0;
                tme_reader_i64(from, &found);
                value = static_cast<T>(found);
            }
        } else if constexpr (sizeof(T) == 1) {
            std::uint8_t found = 0;
            tme_reader_u8(from, &found);
            value = static_cast<T>(found);
        } else if constexpr (sizeof(T) == 2) {
            std::uint16_t found = 0;
            tme_reader_u16(from, &found);
            value = static_cast<T>(found);
        } else if constexpr (sizeof(T) == 4) {
            std::uint32_t found = 0;
            tme_reader_u32(from, &found);
            value = static_cast<T>(found);
        } else {
            std::uint64_t found = 0;
            tme_reader_u64(from, &found);
            value = static_cast<T>(found);
        }
    } else if constexpr (std::is_floating_point_v<T>) {
        double found = 0.0;
        if constexpr (std::is_same_v<Form, Quantized>) {
            tme_reader_quantized(from, form.low, form.high, form.precision, &found);
        } else if constexpr (std::is_same_v<Form, QuantizedBits>) {
            tme_reader_quantized_bits(from, form.low, form.high, form.bits, &found);
        } else if constexpr (std::is_same_v<Form, InSteps>) {
            tme_reader_step(from, form.precision, &found);
        } else {
            static_assert(always_false<Form>, "this form is not for floats");
        }
        value = static_cast<T>(found);
    } else if constexpr (std::is_same_v<Form, Varint>) {
        if constexpr (std::is_signed_v<T>) {
            std::int64_t found = 0;
            tme_reader_signed_varint(from, (Limits::min)(), (Limits::max)(), &found);
            value = static_cast<T>(found);
        } else {
            std::uint64_t found = 0;
            tme_reader_varint(from, (Limits::max)(), &found);
            value = static_cast<T>(found);
        }
    } else {
        std::int64_t low = 0;
        std::int64_t high = 0;
        if constexpr (std::is_same_v<Form, InRange>) {
            low = form.low;
            high = form.high;
        } else if constexpr (std::is_same_v<Form, InBits>) {
            if constexpr (!std::is_signed_v<T>) {
                std::uint64_t found = 0;
                tme_reader_bits(from, form.bits, &found);
                if (found > std::uint64_t{(Limits::max)()}) {
                    return in.fail(TME_ERROR_SERIAL_RANGE);
                }
                value = static_cast<T>(found);
                return;
            }
            if (form.bits == 0) {
                return in.fail(TME_ERROR_ARGUMENT);
            }
            high = most_of(form.bits);
            low = -high - 1;
        } else {
            static_assert(always_false<Form>, "this form is not for integers");
        }
        std::int64_t found = 0;
        tme_reader_range(from, low, high, &found);
        value = static_cast<T>(found);
        if (static_cast<std::int64_t>(value) != found || (found < 0) != (value < T{})) {
            in.fail(TME_ERROR_SERIAL_RANGE);
        }
    }
}

/// The alternative of a variant that has this tag, if `Index` is it.
template <std::size_t Index, class Variant>
bool get_alternative(Input& in, Variant& value, std::uint64_t tag) {
    using T = std::variant_alternative_t<Index, Variant>;
    if (tag != T::variant.tag) {
        return false;
    }
    T content{};
    TmeBlock block = {};
    if (T::variant.since != 0) {
        tme_reader_block_begin(&in.reader, &block);
    }
    if constexpr (has_fields<T>) {
        get_fields(in, content, Growth::closed);
    }
    if (T::variant.since != 0) {
        tme_reader_block_end(&in.reader, &block);
    }
    value.template emplace<Index>(std::move(content));
    return true;
}

template <class Variant, std::size_t... Indices>
void get_variant(Input& in, Variant& value, std::index_sequence<Indices...>) {
    std::uint64_t tag = 0;
    tme_reader_varint(&in.reader, (std::numeric_limits<std::uint64_t>::max)(), &tag);
    if (in.has_failed() || (get_alternative<Indices>(in, value, tag) || ...)) {
        return;
    }
    bool is_other = false;
    const auto other = [&](auto index) {
        if (std::variant_alternative_t<decltype(index)::value, Variant>::variant.is_other) {
            tme_reader_block_skip(&in.reader);
            value.template emplace<decltype(index)::value>();
            is_other = true;
        }
    };
    (other(std::integral_constant<std::size_t, Indices>{}), ...);
    if (!is_other) {
        in.fail(TME_ERROR_SERIAL_VARIANT);
    }
}

template <class T, class Form>
void put(Output& out, const T& value, Form form, std::size_t max) {
    const auto count = [&](std::size_t size) {
        if (size > max) {
            out.fail(TME_ERROR_SERIAL_TOO_LONG);
        }
        tme_writer_count(&out.writer, size);
    };
    if constexpr (std::is_arithmetic_v<T>) {
        put_number(out, value, form);
    } else if constexpr (std::is_enum_v<T>) {
        static_assert(is_one_of<Form>, "an enumeration has the form tme::one_of");
        const auto tag = static_cast<std::uint64_t>(value);
        const auto is_it = [&](const Named<T>& named) { return named.value == value; };
        if (!std::any_of(std::begin(form.names), std::end(form.names), is_it)) {
            return out.fail(TME_ERROR_SERIAL_VARIANT);
        }
        if (form.bits == 0) {
            tme_writer_varint(&out.writer, tag);
        } else {
            tme_writer_bits(&out.writer, tag, form.bits);
        }
    } else if constexpr (is_of<T, std::optional>) {
        tme_writer_bool(&out.writer, value.has_value() ? 1 : 0);
        if (value) {
            put(out, *value, form, max);
        }
    } else if constexpr (is_of<T, std::unique_ptr>) {
        if (!value) {
            return out.fail(TME_ERROR_NULL);
        }
        out.nested([&] { put(out, *value, form, max); });
    } else if constexpr (std::is_same_v<Form, Rotation> && is_std_array<T>) {
        static_assert(std::tuple_size_v<T> == 4, "a rotation has four numbers: x, y, z, w");
        const double parts[4] = {static_cast<double>(value[0]), static_cast<double>(value[1]),
                                 static_cast<double>(value[2]), static_cast<double>(value[3])};
        tme_writer_quaternion(&out.writer, parts, form.bits);
    } else if constexpr (is_byte_block<T, Form>) {
        tme_writer_raw(&out.writer, value.data(), value.size());
    } else if constexpr (is_std_array<T>) {
        for (const auto& element : value) {
            put(out, element, form, no_bound);
        }
    } else if constexpr (std::is_same_v<T, std::string>) {
        static_assert(std::is_same_v<Form, Natural>, "a text has no form but a bound");
        if (value.size() > max) {
            return out.fail(TME_ERROR_SERIAL_TOO_LONG);
        }
        tme_writer_text(&out.writer, value.data(), value.size());
    } else if constexpr (std::is_same_v<T, std::vector<std::uint8_t>> && std::is_same_v<Form, Natural>) {
        if (value.size() > max) {
            return out.fail(TME_ERROR_SERIAL_TOO_LONG);
        }
        tme_writer_bytes(&out.writer, value.data(), value.size());
    } else if constexpr (is_of<T, std::vector> || is_of<T, std::set>) {
        count(value.size());
        out.nested([&] {
            for (const auto& element : value) {
                put(out, static_cast<const typename T::value_type&>(element), form, no_bound);
            }
        });
    } else if constexpr (is_of<T, std::map>) {
        static_assert(std::is_same_v<Form, Natural>, "a map has no form but a bound");
        count(value.size());
        out.nested([&] {
            for (const auto& [key, mapped] : value) {
                put(out, key, form, no_bound);
                put(out, mapped, form, no_bound);
            }
        });
    } else if constexpr (is_of<T, std::variant>) {
        std::visit(
            [&](const auto& content) {
                using Alternative = std::decay_t<decltype(content)>;
                tme_writer_varint(&out.writer, Alternative::variant.tag);
                TmeBlock block = {};
                if (Alternative::variant.since != 0) {
                    tme_writer_block_begin(&out.writer, &block);
                }
                if constexpr (has_fields<Alternative>) {
                    put_fields(out, content, Growth::closed);
                }
                if (Alternative::variant.since != 0) {
                    tme_writer_block_end(&out.writer, &block);
                }
            },
            value);
    } else {
        static_assert(has_fields<T>, "this type cannot be in a message: give it `fields`, or specialise tme::Fields");
        put_fields(out, value, growth_inside<T>);
    }
}

template <class T, class Form>
std::size_t bits_min(Form form);

template <class T, class Form>
void get(Input& in, T& value, Form form, std::size_t max) {
    if constexpr (std::is_arithmetic_v<T>) {
        get_number(in, value, form);
    } else if constexpr (std::is_enum_v<T>) {
        std::uint64_t tag = 0;
        if (form.bits == 0) {
            tme_reader_varint(&in.reader, (std::numeric_limits<std::uint64_t>::max)(), &tag);
        } else {
            tme_reader_bits(&in.reader, form.bits, &tag);
        }
        for (const auto& named : form.names) {
            if (static_cast<std::uint64_t>(named.value) == tag) {
                value = named.value;
                return;
            }
        }
        in.fail(TME_ERROR_SERIAL_VARIANT);
    } else if constexpr (is_of<T, std::optional>) {
        std::uint32_t is_there = 0;
        tme_reader_bool(&in.reader, &is_there);
        value.reset();
        if (is_there != 0) {
            get(in, value.emplace(), form, max);
        }
    } else if constexpr (is_of<T, std::unique_ptr>) {
        using Content = typename T::element_type;
        value = in.justify(1, sizeof(Content)) ? std::make_unique<Content>() : nullptr;
        in.nested([&] {
            if (value) {
                get(in, *value, form, max);
            }
        });
    } else if constexpr (std::is_same_v<Form, Rotation> && is_std_array<T>) {
        double parts[4] = {0.0, 0.0, 0.0, 1.0};
        tme_reader_quaternion(&in.reader, form.bits, parts);
        for (std::size_t i = 0; i < 4; i++) {
            value[i] = static_cast<typename T::value_type>(parts[i]);
        }
    } else if constexpr (is_byte_block<T, Form>) {
        const std::uint8_t* bytes = nullptr;
        tme_reader_raw(&in.reader, value.size(), &bytes);
        if (bytes != nullptr) {
            std::memcpy(value.data(), bytes, value.size());
        }
    } else if constexpr (is_std_array<T>) {
        for (auto& element : value) {
            get(in, element, form, no_bound);
        }
    } else if constexpr (std::is_same_v<T, std::string>) {
        const char* text = nullptr;
        std::size_t length = 0;
        tme_reader_text(&in.reader, max, &text, &length);
        value = in.justify(length, 1) ? std::string(text == nullptr ? "" : text, length) : std::string();
    } else if constexpr (std::is_same_v<T, std::vector<std::uint8_t>> && std::is_same_v<Form, Natural>) {
        const std::uint8_t* bytes = nullptr;
        std::size_t length = 0;
        tme_reader_bytes(&in.reader, max, &bytes, &length);
        value.clear();
        if (length != 0 && in.justify(length, 1)) {
            value.assign(bytes, bytes + length);
        }
    } else if constexpr (is_of<T, std::vector>) {
        using Element = typename T::value_type;
        const std::size_t count = in.count(bits_min<Element>(form), max, sizeof(Element));
        value.clear();
        value.reserve(count);
        in.nested([&] {
            for (std::size_t i = 0; i < count && !in.has_failed(); i++) {
                Element element{};
                get(in, element, form, no_bound);
                value.push_back(std::move(element));
            }
        });
    } else if constexpr (is_of<T, std::set>) {
        using Element = typename T::value_type;
        const std::size_t count = in.count(bits_min<Element>(form), max, 2 * sizeof(Element));
        value.clear();
        in.nested([&] {
            for (std::size_t i = 0; i < count && !in.has_failed(); i++) {
                Element element{};
                get(in, element, form, no_bound);
                if (!value.empty() && !(*value.rbegin() < element)) {
                    return in.fail(TME_ERROR_SERIAL_ORDER);
                }
                value.insert(value.end(), std::move(element));
            }
        });
    } else if constexpr (is_of<T, std::map>) {
        using Key = typename T::key_type;
        using Mapped = typename T::mapped_type;
        const std::size_t bits = bits_min<Key>(form) + bits_min<Mapped>(form);
        const std::size_t count = in.count(bits, max, 2 * sizeof(typename T::value_type));
        value.clear();
        in.nested([&] {
            for (std::size_t i = 0; i < count && !in.has_failed(); i++) {
                Key key{};
                get(in, key, form, no_bound);
                if (!value.empty() && !(value.rbegin()->first < key)) {
                    return in.fail(TME_ERROR_SERIAL_ORDER);
                }
                get(in, value.emplace_hint(value.end(), std::move(key), Mapped{})->second, form, no_bound);
            }
        });
    } else if constexpr (is_of<T, std::variant>) {
        get_variant(in, value, std::make_index_sequence<std::variant_size_v<T>>());
    } else {
        static_assert(has_fields<T>, "this type cannot be in a message: give it `fields`, or specialise tme::Fields");
        get_fields(in, value, growth_inside<T>);
    }
}

/// Bits that a range of so many values needs.
[[nodiscard]] inline std::uint32_t bits_for(std::uint64_t highest) {
    std::uint32_t bits = 0;
    for (; highest != 0; highest >>= 1) {
        bits++;
    }
    return bits;
}

[[nodiscard]] inline std::uint64_t steps_of(const Quantized& form) {
    const double ratio = (form.high - form.low) / form.precision;
    if (!(ratio > 0.0 && ratio <= 4294967295.0)) {
        return 0;
    }
    auto steps = static_cast<std::uint64_t>(ratio);
    steps += static_cast<double>(steps) < ratio ? 1 : 0;
    return form.low == -form.high ? steps + steps % 2 : steps;
}

[[nodiscard]] inline std::uint64_t steps_of(const QuantizedBits& form) {
    const std::uint64_t steps = (std::uint64_t{1} << (form.bits > 32 ? 0 : form.bits)) - 1;
    return form.low == -form.high && steps > 0 ? steps - 1 : steps;
}

/// Adds up the bits that the fields of a struct take at least.
class FieldSize {
public:
    template <class T, class Form = Natural>
    void operator()(const char*, const T&, Form form = {}) {
        if (!is_added_) {
            bits += bits_min<T>(leaf(form));
        }
    }
    void since(std::uint16_t) { is_added_ = true; }

    std::size_t bits = 0;

private:
    bool is_added_ = false;
};

template <class T, class Form>
std::size_t bits_min(Form form) {
    (void)form;
    if constexpr (std::is_same_v<Form, InRange> && std::is_integral_v<T>) {
        return bits_for(static_cast<std::uint64_t>(form.high) - static_cast<std::uint64_t>(form.low));
    } else if constexpr (std::is_same_v<Form, InBits> && std::is_integral_v<T>) {
        return form.bits;
    } else if constexpr ((std::is_same_v<Form, Quantized> || std::is_same_v<Form, QuantizedBits>) &&
                         std::is_floating_point_v<T>) {
        return bits_for(steps_of(form));
    } else if constexpr (std::is_same_v<T, bool> || is_of<T, std::optional>) {
        return 1;
    } else if constexpr (std::is_arithmetic_v<T>) {
        return std::is_same_v<Form, Natural> ? 8 * sizeof(T) : 8;
    } else if constexpr (std::is_enum_v<T>) {
        return form.bits == 0 ? 8 : form.bits;
    } else if constexpr (std::is_same_v<Form, Rotation> && is_std_array<T>) {
        return 2 + 3 * form.bits;
    } else if constexpr (is_std_array<T>) {
        return std::tuple_size_v<T> * bits_min<typename T::value_type>(form);
    } else if constexpr (is_of<T, std::unique_ptr>) {
        return 0;
    } else if constexpr (has_fields<T>) {
        const T prototype{};
        FieldSize visitor;
        Fields<T>::visit(prototype, visitor);
        return visitor.bits + (can_grow<T> ? 1 : 0);
    } else {
        return 8;
    }
}

/// A schema on its way into a text.
struct SchemaText {
    std::string text = {};
    /// Without what later versions have added.
    bool is_base = false;
    /// The structs and variants that are being described, by an address that is each type's own.
    std::vector<const void*> open = {};

    void number(std::uint64_t number) { text += std::to_string(number); }
    void bits_of(double number) {
        std::uint64_t bits = 0;
        std::memcpy(&bits, &number, sizeof bits);
        char digits[17];
        std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(bits));
        text += digits;
    }
    template <class Form>
    void quantized(Form form) {
        text += "q(";
        bits_of(form.low);
        text += "..";
        bits_of(form.high);
        text += '/';
        number(steps_of(form));
        text += ')';
    }
};

template <class T>
inline constexpr char type_mark = 0;

template <class T, class Form>
void describe(SchemaText& to, Form form);

/// Describes the fields of a struct.
class FieldDescriber {
public:
    explicit FieldDescriber(SchemaText& to) : to_(to) { to_.text += '{'; }

    template <class T, class Form = Natural>
    void operator()(const char* name, const T&, Form form = {}) {
        if (is_left_out_) {
            return;
        }
        if (!is_first_) {
            to_.text += ',';
        }
        is_first_ = false;
        to_.text += name;
        to_.text += ':';
        describe<T>(to_, leaf(form));
    }

    void since(std::uint16_t version) {
        is_left_out_ = to_.is_base;
        if (!is_left_out_) {
            to_.text += '|' + std::to_string(version) + ':';
            is_first_ = true;
        }
    }

private:
    SchemaText& to_;
    bool is_first_ = true;
    bool is_left_out_ = false;
};

template <class T>
void describe_fields(SchemaText& to) {
    const T prototype{};
    FieldDescriber visitor(to);
    Fields<T>::visit(prototype, visitor);
    to.text += '}';
}

/// Describes a struct or a variant, unless it is inside itself.
template <class T, class Describe>
void describe_inside(SchemaText& to, Describe describe_it) {
    const void* mark = &type_mark<T>;
    for (std::size_t up = 0; up < to.open.size(); up++) {
        if (to.open[to.open.size() - 1 - up] == mark) {
            to.text += '^';
            to.number(up);
            return;
        }
    }
    to.open.push_back(mark);
    describe_it();
    to.open.pop_back();
}

template <class Variant, std::size_t... Indices>
void describe_variant(SchemaText& to, std::index_sequence<Indices...>) {
    std::vector<std::pair<std::uint32_t, std::string>> told;
    const auto tell = [&](auto index) {
        using T = std::variant_alternative_t<decltype(index)::value, Variant>;
        if (to.is_base && T::variant.since != 0) {
            return;
        }
        std::string before;
        before.swap(to.text);
        to.number(T::variant.tag);
        if (T::variant.since != 0) {
            to.text += '@';
            to.number(T::variant.since);
        }
        to.text += ':';
        to.text += T::variant.name;
        if constexpr (has_fields<T>) {
            describe_fields<T>(to);
        }
        before.swap(to.text);
        told.emplace_back(T::variant.tag, std::move(before));
    };
    (tell(std::integral_constant<std::size_t, Indices>{}), ...);
    std::sort(told.begin(), told.end());
    to.text += "enum(varint;";
    for (std::size_t i = 0; i < told.size(); i++) {
        to.text += i == 0 ? "" : ",";
        to.text += told[i].second;
    }
    to.text += ')';
}

template <class T, class Form>
void describe(SchemaText& to, Form form) {
    (void)form;
    if constexpr (std::is_same_v<T, bool>) {
        to.text += "bool";
    } else if constexpr (std::is_floating_point_v<T>) {
        if constexpr (std::is_same_v<Form, Natural>) {
            to.text += sizeof(T) == 4 ? "f32" : "f64";
        } else if constexpr (std::is_same_v<Form, InSteps>) {
            to.text += "step(";
            to.bits_of(form.precision);
            to.text += ')';
        } else {
            to.quantized(form);
        }
    } else if constexpr (std::is_integral_v<T>) {
        const std::string kind = (std::is_signed_v<T> ? "i" : "u") + std::to_string(8 * sizeof(T));
        if constexpr (std::is_same_v<Form, Natural>) {
            to.text += kind;
        } else if constexpr (std::is_same_v<Form, Varint>) {
            to.text += "varint(" + kind + ")";
        } else if constexpr (std::is_same_v<Form, InRange>) {
            to.text += "int(" + std::to_string(form.low) + ".." + std::to_string(form.high) + ")";
        } else if constexpr (std::is_signed_v<T>) {
            const std::int64_t most = most_of(form.bits);
            to.text += "int(" + std::to_string(-most - 1) + ".." + std::to_string(most) + ")";
        } else {
            const std::uint64_t most = form.bits >= 64 ? (std::numeric_limits<std::uint64_t>::max)()
                                                       : (std::uint64_t{1} << form.bits) - 1;
            to.text += "int(0.." + std::to_string(most) + ")";
        }
    } else if constexpr (std::is_enum_v<T>) {
        std::vector<std::pair<std::uint64_t, const char*>> told;
        for (const auto& named : form.names) {
            told.emplace_back(static_cast<std::uint64_t>(named.value), named.name);
        }
        std::sort(told.begin(), told.end());
        to.text += form.bits == 0 ? "enum(varint;" : "enum(" + std::to_string(form.bits) + ";";
        for (std::size_t i = 0; i < told.size(); i++) {
            to.text += (i == 0 ? "" : ",") + std::to_string(told[i].first) + ":" + told[i].second;
        }
        to.text += ')';
    } else if constexpr (is_of<T, std::optional>) {
        to.text += "opt(";
        describe<typename T::value_type>(to, form);
        to.text += ')';
    } else if constexpr (is_of<T, std::unique_ptr>) {
        describe<typename T::element_type>(to, form);
    } else if constexpr (std::is_same_v<Form, Rotation> && is_std_array<T>) {
        to.text += "quat(" + std::to_string(form.bits) + ")";
    } else if constexpr (is_std_array<T>) {
        to.text += '[';
        describe<typename T::value_type>(to, form);
        to.text += ";" + std::to_string(std::tuple_size_v<T>) + "]";
    } else if constexpr (std::is_same_v<T, std::string>) {
        to.text += "str";
    } else if constexpr (is_of<T, std::vector> || is_of<T, std::set>) {
        to.text += is_of<T, std::set> ? "set(" : "list(";
        describe<typename T::value_type>(to, form);
        to.text += ')';
    } else if constexpr (is_of<T, std::map>) {
        to.text += "map(";
        describe<typename T::key_type>(to, form);
        to.text += ',';
        describe<typename T::mapped_type>(to, form);
        to.text += ')';
    } else if constexpr (is_of<T, std::variant>) {
        describe_inside<T>(to, [&] {
            describe_variant<T>(to, std::make_index_sequence<std::variant_size_v<T>>());
        });
    } else {
        describe_inside<T>(to, [&] {
            describe_fields<T>(to);
            to.text += can_grow<T> ? "+" : "";
        });
    }
}

/// The lines of a schema, ids ascending.
template <class... Messages>
[[nodiscard]] std::string schema_text(bool is_base) {
    std::vector<std::pair<std::uint32_t, std::string>> lines;
    const auto tell = [&](auto* none) {
        using M = std::remove_pointer_t<decltype(none)>;
        static_assert(is_message<M>, "a message has `static constexpr tme::MessageInfo message`");
        if (is_base && M::message.since != 0) {
            return;
        }
        SchemaText to;
        to.is_base = is_base;
        to.number(M::message.id);
        to.text += ' ';
        to.text += M::message.name;
        to.text += ' ';
        to.open.push_back(&type_mark<M>);
        describe_fields<M>(to);
        lines.emplace_back(M::message.id, to.text + '\n');
    };
    (tell(static_cast<Messages*>(nullptr)), ...);
    std::sort(lines.begin(), lines.end());
    std::string text;
    for (const auto& line : lines) {
        text += line.second;
    }
    return text;
}

/// Writes a message into a buffer, and tells how long it is.
template <class M>
[[nodiscard]] TmeResult write_message(const M& message, void* buffer, std::size_t capacity, std::size_t& length) {
    static_assert(is_message<M>, "a message has `static constexpr tme::MessageInfo message`");
    Output out;
    tme_writer_init(&out.writer, buffer, capacity);
    tme_writer_message(&out.writer, M::message.id);
    put_fields(out, message, Growth::message);
    return tme_writer_finish(&out.writer, &length);
}

/// Largest message: what a reliable channel can be set to.
inline constexpr std::size_t message_bytes_max = std::size_t{16} << 20;

/// Writes a message and gives its bytes to `use`: on the stack, unless it is long.
template <class T, class M, class Use>
[[nodiscard]] Result<T> with_message(const M& message, Use use) {
    std::uint8_t place[1100];
    std::size_t length = 0;
    TmeResult result = write_message(message, place, sizeof place, length);
    if (result >= 0) {
        return use(Bytes(place, length));
    }
    std::vector<std::uint8_t> room(sizeof place);
    while (result == TME_ERROR_BUFFER_TOO_SMALL && room.size() < message_bytes_max) {
        room.resize(8 * room.size() < message_bytes_max ? 8 * room.size() : message_bytes_max);
        result = write_message(message, room.data(), room.size(), length);
    }
    return result < 0 ? Result<T>(Error::last(result)) : use(Bytes(room.data(), length));
}

} // namespace detail

/// The bytes of a message. Errors: `serial_range`, `serial_number`, `serial_too_long` and others where a value has no encoding;
/// `buffer_too_small` beyond 16 MiB.
template <class M>
[[nodiscard]] Result<std::vector<std::uint8_t>> encode_message(const M& message) {
    using Vector = std::vector<std::uint8_t>;
    return detail::with_message<Vector>(message, [](Bytes bytes) { return Result<Vector>(bytes.to_vector()); });
}

/// Which message these bytes are. Errors: those of a reader; they do not begin with an id.
[[nodiscard]] inline Result<std::uint32_t> message_id(Bytes bytes) {
    detail::Input in(bytes);
    std::uint32_t id = 0;
    const TmeResult result = tme_reader_message(&in.reader, &id);
    return result < 0 ? Result<std::uint32_t>(Error::last(result)) : Result<std::uint32_t>(id);
}

/// Reads a message of one kind; nothing if it is of another. Errors: it is of this kind and malformed, or has no id.
template <class M>
[[nodiscard]] Result<std::optional<M>> read_message(Bytes bytes) {
    static_assert(detail::is_message<M>, "a message has `static constexpr tme::MessageInfo message`");
    detail::Input in(bytes);
    std::uint32_t id = 0;
    tme_reader_message(&in.reader, &id);
    if (!in.has_failed() && id != M::message.id) {
        return std::optional<M>();
    }
    std::optional<M> message(std::in_place);
    if (!in.has_failed()) {
        detail::get_fields(in, *message, detail::Growth::message);
    }
    const TmeResult result = tme_reader_finish(&in.reader);
    if (result < 0) {
        return Error::last(result);
    }
    return message;
}

/// Reads a message of any of these kinds and calls `visitor` with it: `tme::dispatch<Fire, Chat>(e.bytes, tme::overloaded{...})`.
/// False if it is of another kind. Errors: it is malformed, or has no id.
template <class... Messages, class Visitor>
[[nodiscard]] Result<bool> dispatch(Bytes bytes, Visitor&& visitor) {
    const auto id = message_id(bytes);
    if (!id) {
        return id.error();
    }
    Result<bool> outcome(false);
    const auto offer = [&](auto* none) {
        using M = std::remove_pointer_t<decltype(none)>;
        if (*id != M::message.id) {
            return;
        }
        auto message = read_message<M>(bytes);
        if (!message) {
            outcome = message.error();
        } else if (*message) {
            visitor(**message);
            outcome = true;
        }
    };
    (offer(static_cast<Messages*>(nullptr)), ...);
    return outcome;
}

/// The schema of messages as text, with everything that was added: docs/SERIALIZATION.md, section 7.
template <class... Messages>
[[nodiscard]] std::string schema() {
    return detail::schema_text<Messages...>(false);
}

/// The schema that both sides must have: without what was added.
template <class... Messages>
[[nodiscard]] std::string base_schema() {
    return detail::schema_text<Messages...>(true);
}

/// The hash of the base schema, for `schema_hash` of a server's and a client's settings.
template <class... Messages>
[[nodiscard]] std::uint64_t schema_hash() {
    const std::string text = base_schema<Messages...>();
    std::uint64_t hash = 0;
    tme_schema_hash(text.data(), text.size(), &hash);
    return hash;
}

// ---- Events: what polling gives -----------------------------------------------------------------

namespace detail {

/// An event with data. It cannot be copied: the copy would outlive the bytes it points to.
class Borrowed {
public:
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;

    /// Keeps the data beyond the event, without a copy (up to 512 bytes are copied), on any thread.
    ///
    /// Errors: `too_many_retained`; `unknown_message` if there is no data.
    [[nodiscard]] Result<OwnedMessage> retain() const { return OwnedMessage::retain(message_); }

protected:
    Borrowed() = default;
    explicit Borrowed(TmeMessageId message) noexcept : message_(message) {}
    ~Borrowed() = default;

private:
    TmeMessageId message_ = 0;
};

} // namespace detail

/// A peer is connected: messages can be sent and will come.
struct Connected : detail::Borrowed {
    explicit Connected(const TmeEvent& raw) noexcept
        : Borrowed(raw.message), peer(static_cast<PeerId>(raw.peer)), number(static_cast<std::uint32_t>(raw.token)),
          user_data(raw.data, raw.length), has_key((raw.flags & TME_EVENT_FLAG_HAS_KEY) != 0),
          has_token((raw.flags & TME_EVENT_FLAG_HAS_TOKEN) != 0), is_first_use((raw.flags & TME_EVENT_FLAG_FIRST_USE) != 0) {}

    /// Who: at a server the new peer, at a client the server.
    PeerId peer;
    /// The client's number, below 2^31: at a server the new peer's, at a client its own.
    std::uint32_t number;
    /// What the other side sent along.
    Bytes user_data;
    /// The other side has a key; `peer_info` or `server_info` tells it.
    bool has_key;
    /// At a server: the client came with a connect token; `peer_token` tells it.
    bool has_token;
    /// At a client with known hosts: this server was not known before.
    bool is_first_use;
};

/// Somebody asks to be let in, where `asks_before_admitting` or `Newcomers::ask` is set: answer by `accept` or `refuse`,
/// in the loop or later. `Connected` or `Disconnected` follows in any case, under the same id.
struct Admission : detail::Borrowed {
    explicit Admission(const TmeEvent& raw) noexcept
        : Borrowed(raw.message), peer(static_cast<PeerId>(raw.peer)), same_identity(static_cast<PeerId>(raw.token)),
          user_data(raw.data, raw.length), has_key((raw.flags & TME_EVENT_FLAG_HAS_KEY) != 0),
          has_token((raw.flags & TME_EVENT_FLAG_HAS_TOKEN) != 0) {}

    /// Stands for the client until it is decided, and will be the peer's id.
    PeerId peer;
    /// A peer that is connected with the same identity key, or the same user by a connect token; `none` if there is none.
    PeerId same_identity;
    /// What the client sent along.
    Bytes user_data;
    /// The client has an identity key; `applicant_info` tells it.
    bool has_key;
    /// The client has a connect token; `peer_token` tells it.
    bool has_token;
};

/// A message came.
struct Message : detail::Borrowed {
    explicit Message(const TmeEvent& raw) noexcept
        : Borrowed(raw.message), peer(static_cast<PeerId>(raw.peer)), channel(raw.channel),
          key(static_cast<std::uint32_t>(raw.token)), bytes(raw.data, raw.length) {}

    /// From whom.
    PeerId peer;
    /// On which channel.
    ChannelId channel;
    /// The key, in reliable-latest channels; else 0.
    std::uint32_t key;
    /// The message, until the loop moves on; `retain()` keeps it longer.
    Bytes bytes;
};

/// A channel that had answered `would_block` or `too_many_keys` takes messages again.
struct Writable {
    explicit Writable(const TmeEvent& raw) noexcept
        : peer(static_cast<PeerId>(raw.peer)), channel(raw.channel) {}

    /// To whom.
    PeerId peer;
    /// Which.
    ChannelId channel;
};

/// Why a message with a receipt was given up.
enum class Expiry : std::uint32_t {
    /// Its deadline, or the age that its channel allows in the queue, passed before it was acknowledged.
    deadline = TME_EXPIRED_DEADLINE,
    /// A newer value of its key, or a newer message of a sequenced channel, took its place.
    superseded = TME_EXPIRED_SUPERSEDED,
    /// It was sent unreliably, and a packet that carried it counts as lost.
    lost = TME_EXPIRED_LOST,
    /// The connection ended first; `Disconnected` follows.
    disconnected = TME_EXPIRED_DISCONNECTED,
};

/// A constant name for a cause.
[[nodiscard]] constexpr const char* to_string(Expiry expiry) {
    switch (expiry) {
    case Expiry::deadline: return "deadline";
    case Expiry::superseded: return "superseded";
    case Expiry::lost: return "lost";
    case Expiry::disconnected: return "disconnected";
    default: return "unknown";
    }
}

/// The other side's library has received a message that was sent with a receipt: the game there has it or will, unless it
/// closes or stops polling; sequenced and unreliable messages may still be dropped there.
struct Delivered {
    explicit Delivered(const TmeEvent& raw) noexcept
        : peer(static_cast<PeerId>(raw.peer)), channel(raw.channel), receipt(raw.token) {}

    /// Who.
    PeerId peer;
    /// On which channel.
    ChannelId channel;
    /// The number that the send was given.
    std::uint64_t receipt;
};

/// A message that was sent with a receipt was given up. It may have arrived all the same, unless `never_sent`.
struct Expired {
    explicit Expired(const TmeEvent& raw) noexcept
        : peer(static_cast<PeerId>(raw.peer)), channel(raw.channel), receipt(raw.token),
          reason(static_cast<Expiry>(raw.reason)), never_sent((raw.flags & TME_EVENT_FLAG_NEVER_SENT) != 0) {}

    /// To whom it was sent.
    PeerId peer;
    /// On which channel.
    ChannelId channel;
    /// The number that the send was given.
    std::uint64_t receipt;
    /// Why.
    Expiry reason;
    /// Nothing of it was ever sent: it certainly does not arrive.
    bool never_sent;
};

/// The peer has been silent for 3 s although an answer is due; `Resumed` or `Disconnected` follows.
struct Interrupted {
    explicit Interrupted(const TmeEvent& raw) noexcept : peer(static_cast<PeerId>(raw.peer)) {}

    /// Who.
    PeerId peer;
};

/// The peer is heard again.
struct Resumed {
    explicit Resumed(const TmeEvent& raw) noexcept : peer(static_cast<PeerId>(raw.peer)) {}

    /// Who.
    PeerId peer;
};

/// The server's time is known now, or was set where it only ran until then: `client.server_time()`.
struct Clock {
    explicit Clock(const TmeEvent& raw) noexcept
        : peer(static_cast<PeerId>(raw.peer)), is_stepped((raw.flags & TME_EVENT_FLAG_STEPPED) != 0),
          step(static_cast<std::chrono::microseconds::rep>(raw.token)) {}

    /// The server.
    PeerId peer;
    /// Whether it was set because it was too far off; else it is known for the first time.
    bool is_stepped;
    /// By how much it was set; negative: back.
    std::chrono::microseconds step;
};

/// The connection is over, or was never made. The peer's id names nobody from now on.
struct Disconnected : detail::Borrowed {
    explicit Disconnected(const TmeEvent& raw) noexcept
        : Borrowed(raw.message), peer(static_cast<PeerId>(raw.peer)), reason(static_cast<Reason>(raw.reason)),
          origin(static_cast<Origin>(raw.flags & (TME_EVENT_FLAG_REMOTE | TME_EVENT_FLAG_UNAUTHENTICATED))),
          code(raw.reason == TME_REASON_TOKEN ? 0 : static_cast<std::uint32_t>(raw.token)),
          token_problem(raw.reason == TME_REASON_TOKEN ? static_cast<TokenProblem>(raw.token) : TokenProblem::none),
          bytes(raw.data, raw.length) {}

    /// Who.
    PeerId peer;
    /// Why.
    Reason reason;
    /// Who ended it.
    Origin origin;
    /// The game's own code, as `disconnect` and `kick` take it; else 0.
    std::uint32_t code;
    /// What was wrong with the connect token, if that is the reason and the server said so.
    TokenProblem token_problem;
    /// The game's own bytes, or an explanation.
    Bytes bytes;
};

/// At a server: a client goes on from another address, in the same session. `server.peer_info(peer)` has the address.
struct AddressChanged {
    explicit AddressChanged(const TmeEvent& raw) noexcept : peer(static_cast<PeerId>(raw.peer)) {}

    /// Who.
    PeerId peer;
};

/// The session goes on by another link, or another stream. `server.peer_info(peer)` and `client.server_info()` have the other
/// side's address from now on.
struct LinkChanged {
    explicit LinkChanged(const TmeEvent& raw) noexcept
        : peer(static_cast<PeerId>(raw.peer)), link(static_cast<Link>(raw.token)) {}

    /// With whom.
    PeerId peer;
    /// What carries it from now on.
    Link link;
};

/// News of a kind that this header does not know: the library is newer. To be skipped.
struct Unknown : detail::Borrowed {
    Unknown() = default;
    explicit Unknown(const TmeEvent& event) noexcept : Borrowed(event.message), raw(event) {}

    /// The event as C sees it.
    TmeEvent raw{};
};

/// One piece of news: `std::visit(tme::overloaded{...}, event)`, or `std::get_if<tme::Message>(&event)`.
///
/// End a visitor with `[](const auto&) {}`: newer versions of this header have more kinds.
using Event = std::variant<Unknown, Connected, Message, Writable, Interrupted, Resumed, Disconnected, Delivered, Expired,
                           Admission, AddressChanged, Clock, LinkChanged>;

/// Reads an event that `tme.h` gave into `event`. What `server.events()` does for each.
inline void read_event(const TmeEvent& raw, Event& event) noexcept {
    switch (raw.type) {
    case TME_EVENT_CONNECTED: event.emplace<Connected>(raw); break;
    case TME_EVENT_MESSAGE: event.emplace<Message>(raw); break;
    case TME_EVENT_WRITABLE: event.emplace<Writable>(raw); break;
    case TME_EVENT_DELIVERED: event.emplace<Delivered>(raw); break;
    case TME_EVENT_EXPIRED: event.emplace<Expired>(raw); break;
    case TME_EVENT_INTERRUPTED: event.emplace<Interrupted>(raw); break;
    case TME_EVENT_RESUMED: event.emplace<Resumed>(raw); break;
    case TME_EVENT_DISCONNECTED: event.emplace<Disconnected>(raw); break;
    case TME_EVENT_ADMISSION: event.emplace<Admission>(raw); break;
    case TME_EVENT_CLOCK: event.emplace<Clock>(raw); break;
    case TME_EVENT_ADDRESS_CHANGED: event.emplace<AddressChanged>(raw); break;
    case TME_EVENT_LINK_CHANGED: event.emplace<LinkChanged>(raw); break;
    default: event.emplace<Unknown>(raw); break;
    }
}

/// A constant name for the kind of an event, such as "connected".
[[nodiscard]] inline const char* to_string(const Event& event) {
    const auto type = std::visit(
        overloaded{
            [](const Unknown& e) { return e.raw.type; },
            [](const Connected&) { return TME_EVENT_CONNECTED; },
            [](const Message&) { return TME_EVENT_MESSAGE; },
            [](const Writable&) { return TME_EVENT_WRITABLE; },
            [](const Delivered&) { return TME_EVENT_DELIVERED; },
            [](const Expired&) { return TME_EVENT_EXPIRED; },
            [](const Interrupted&) { return TME_EVENT_INTERRUPTED; },
            [](const Resumed&) { return TME_EVENT_RESUMED; },
            [](const Disconnected&) { return TME_EVENT_DISCONNECTED; },
            [](const Admission&) { return TME_EVENT_ADMISSION; },
            [](const Clock&) { return TME_EVENT_CLOCK; },
            [](const AddressChanged&) { return TME_EVENT_ADDRESS_CHANGED; },
            [](const LinkChanged&) { return TME_EVENT_LINK_CHANGED; },
        },
        event);
    return tme_event_string(type);
}

namespace detail {

inline TmeResult poll(TmeServer* server, TmeEvent* events, std::uint32_t capacity, std::uint32_t* count) {
    return tme_server_poll(server, events, capacity, count);
}
inline TmeResult poll(TmeClient* client, TmeEvent* events, std::uint32_t capacity, std::uint32_t* count) {
    return tme_client_poll(client, events, capacity, count);
}
inline void destroy(TmeServer* server) noexcept { tme_server_destroy(server); }
inline void destroy(TmeClient* client) noexcept { tme_client_destroy(client); }

/// Events that were polled and not visited yet. It outlives its handle while somebody iterates, and it is not part of
/// the range, or a loop that is left early would lose events.
template <class Handle>
struct Inbox {
    /// Events per poll. A loop polls again only after a full batch.
    static constexpr std::uint32_t capacity = 64;

    /// NULL once it is destroyed.
    Handle* handle;
    /// Whether somebody iterates.
    std::atomic<bool> is_busy{false};
    std::uint32_t next = 0;
    std::uint32_t count = 0;
    TmeEvent batch[capacity];

    explicit Inbox(Handle* of) noexcept : handle(of) {}
};

/// Owns a server or client of C and its inbox.
template <class Handle>
class Engine {
public:
    explicit Engine(Handle* handle, std::shared_ptr<void> used = {})
        : inbox_(std::make_shared<Inbox<Handle>>(handle)), used_(std::move(used)) {}
    Engine(Engine&& other) noexcept = default;
    Engine& operator=(Engine&& other) noexcept {
        if (this != &other) {
            end();
            inbox_ = std::move(other.inbox_);
            used_ = std::move(other.used_);
        }
        return *this;
    }
    ~Engine() { end(); }

    /// NULL if it was moved from, which every function of C answers with an error.
    [[nodiscard]] Handle* get() const noexcept { return inbox_ ? inbox_->handle : nullptr; }
    [[nodiscard]] const std::shared_ptr<Inbox<Handle>>& inbox() const noexcept { return inbox_; }

private:
    void end() noexcept {
        if (inbox_) {
            destroy(inbox_->handle);
            inbox_->handle = nullptr;
            inbox_->next = inbox_->count = 0;
            inbox_.reset();
        }
        used_.reset();
    }

    std::shared_ptr<Inbox<Handle>> inbox_;
    /// What C calls as long as the handle lives.
    std::shared_ptr<void> used_;
};

} // namespace detail

/// The waiting events of a server or client, for one loop: `for (auto& event : server.events())`.
///
/// **An event and its bytes live until the loop moves on to the next one**, polls by `tme.h`, or destroys the server:
/// beyond that they are gone, also within the same loop. So events with bytes cannot be copied; `event.retain()` keeps
/// the bytes without a copy, `bytes.to_vector()` copies them.
///
/// In the loop everything is allowed: sending, disconnecting, shutting down, moving the server, destroying it (which
/// ends the loop at the next step), `break` (the rest is visited by the next loop). A second range of the same handle
/// while this one lives is empty, with `status()` `busy`. No event costs an allocation.
template <class Handle>
class Events {
public:
    /// Begins to iterate. What `server.events()` does.
    explicit Events(std::shared_ptr<detail::Inbox<Handle>> inbox) : inbox_(std::move(inbox)) {
        if (!inbox_) {
            status_ = Error(ErrorCode::null, "the object was moved from");
        } else if (inbox_->is_busy.exchange(true, std::memory_order_acquire)) {
            status_ = Error(ErrorCode::busy, "another loop visits the events");
            inbox_.reset();
        }
    }
    Events(const Events&) = delete;
    Events& operator=(const Events&) = delete;
    ~Events() {
        if (inbox_) {
            inbox_->is_busy.store(false, std::memory_order_release);
        }
    }

    /// Visits each event once; an input iterator.
    class Iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Event;
        using difference_type = std::ptrdiff_t;
        using pointer = const Event*;
        using reference = const Event&;

        Iterator() = default;
        [[nodiscard]] reference operator*() const noexcept { return events_->current_; }
        [[nodiscard]] pointer operator->() const noexcept { return &events_->current_; }
        Iterator& operator++() {
            if (!events_->advance()) {
                events_ = nullptr;
            }
            return *this;
        }
        void operator++(int) { ++*this; }
        [[nodiscard]] friend bool operator==(const Iterator& left, const Iterator& right) noexcept {
            return left.events_ == right.events_;
        }
        [[nodiscard]] friend bool operator!=(const Iterator& left, const Iterator& right) noexcept {
            return !(left == right);
        }

    private:
        friend class Events;
        explicit Iterator(Events* events) noexcept : events_(events) {}
        Events* events_ = nullptr;
    };

    /// The event to be visited now.
    [[nodiscard]] Iterator begin() {
        const bool is_there = has_current_ || advance();
        return is_there ? Iterator(this) : Iterator();
    }
    [[nodiscard]] Iterator end() noexcept { return Iterator(); }

    /// Why the loop ended before its time: `closed` after the last event of a server or client that was shut down,
    /// `busy`, or what broke. True if it did not.
    [[nodiscard]] const Result<void>& status() const noexcept { return status_; }

private:
    bool advance() {
        has_current_ = inbox_ && inbox_->handle && (inbox_->next < inbox_->count || refill());
        if (has_current_) {
            read_event(inbox_->batch[inbox_->next], current_);
            inbox_->next += 1;
        }
        return has_current_;
    }

    bool refill() {
        if (is_drained_) {
            return false;
        }
        std::uint32_t count = 0;
        const TmeResult result =
            detail::poll(inbox_->handle, inbox_->batch, detail::Inbox<Handle>::capacity, &count);
        if (result < 0) {
            status_ = Error::last(result);
        }
        inbox_->next = 0;
        inbox_->count = count;
        // What comes from now on waits for the next loop: a busy network thread must not keep the game in this one.
        is_drained_ = count < detail::Inbox<Handle>::capacity;
        return count > 0;
    }

    std::shared_ptr<detail::Inbox<Handle>> inbox_;
    Event current_;
    Result<void> status_;
    bool has_current_ = false;
    bool is_drained_ = false;
};

/// What `server.events()` gives.
using ServerEvents = Events<TmeServer>;
/// What `client.events()` gives.
using ClientEvents = Events<TmeClient>;

// ---- Settings: what servers, clients and sends are told -----------------------------------------
// The defaults are those of the library. What is zero or empty takes its default too.

/// One channel of a table: `tme::sequenced("state").with_priority(1)`, or by its fields.
///
/// Both sides must agree on ids, names and modes; the rest is this side's own.
struct Channel {
    /// At most 64 bytes.
    std::string name = {};
    /// There is no default; the functions below set it.
    Mode mode = {};
    /// 0-255. Default: the position in the table.
    std::optional<ChannelId> id = {};
    /// Strict priority, 0-255; lower goes first.
    std::uint32_t priority = 0;
    /// Share among channels of equal priority, 1-1,000.
    std::uint32_t weight = 1;
    /// Different keys of a reliable-latest channel that may have values under way, 1-65,536; a key whose newest value was
    /// acknowledged is given back by itself.
    std::uint32_t keys_max = 1'024;
    /// Largest message this side will send here. 0: what mode and peer allow.
    std::uint64_t message_bytes_max = 0;
    /// Bytes that may wait before a send gets `would_block`: 4 MiB.
    std::uint64_t queue_bytes_max = 4u << 20;
    /// Messages that may wait.
    std::uint32_t queue_messages_max = 16'384;
    /// Age at which a queued unreliable or sequenced message expires.
    std::chrono::milliseconds queue_age_max{100};
    /// On reliable channels.
    Redundancy redundancy = Redundancy::automatic;

    /// The same channel with `name` set to another value; so are the others.
    [[nodiscard]] Channel with_name(std::string value) const { return with(&Channel::name, std::move(value)); }
    [[nodiscard]] Channel with_id(ChannelId value) const { return with(&Channel::id, std::optional(value)); }
    [[nodiscard]] Channel with_priority(std::uint32_t value) const { return with(&Channel::priority, value); }
    [[nodiscard]] Channel with_weight(std::uint32_t value) const { return with(&Channel::weight, value); }
    [[nodiscard]] Channel with_keys_max(std::uint32_t value) const { return with(&Channel::keys_max, value); }
    [[nodiscard]] Channel with_message_bytes_max(std::uint64_t value) const {
        return with(&Channel::message_bytes_max, value);
    }
    [[nodiscard]] Channel with_queue_max(std::uint64_t bytes, std::uint32_t messages) const {
        return with(&Channel::queue_bytes_max, bytes).with(&Channel::queue_messages_max, messages);
    }
    [[nodiscard]] Channel with_queue_age_max(std::chrono::milliseconds value) const {
        return with(&Channel::queue_age_max, value);
    }
    [[nodiscard]] Channel with_redundancy(Redundancy value) const { return with(&Channel::redundancy, value); }

    /// The same channel with one field set to another value.
    template <class Field>
    [[nodiscard]] Channel with(Field Channel::*field, Field value) const {
        Channel changed = *this;
        changed.*field = std::move(value);
        return changed;
    }
};

namespace detail {
[[nodiscard]] inline Channel channel(Mode mode, std::string name) {
    Channel channel;
    channel.name = std::move(name);
    channel.mode = mode;
    return channel;
}
} // namespace detail

/// May be lost or reordered, never delivered twice.
[[nodiscard]] inline Channel unreliable(std::string name) {
    return detail::channel(Mode::unreliable, std::move(name));
}
/// Newest wins: a message older than the last delivered one is dropped.
[[nodiscard]] inline Channel sequenced(std::string name) {
    return detail::channel(Mode::sequenced, std::move(name));
}
/// Every message once, in any order.
[[nodiscard]] inline Channel reliable_unordered(std::string name) {
    return detail::channel(Mode::reliable_unordered, std::move(name));
}
/// Every message once, in the order of sending.
[[nodiscard]] inline Channel reliable_ordered(std::string name) {
    return detail::channel(Mode::reliable_ordered, std::move(name));
}
/// Per key only the newest value is guaranteed.
[[nodiscard]] inline Channel reliable_latest(std::string name) {
    return detail::channel(Mode::reliable_latest, std::move(name));
}

/// What a server is told.
struct ServerConfig {
    /// Address and port to listen on; port 0 lets the system choose, "[::]:7777" takes IPv6 and IPv4.
    std::string listen = "0.0.0.0:7777";
    /// Name of the game; different games refuse each other.
    std::string application = {};
    /// The server's secret key, 64 hexadecimal digits. Default: one for this run, with a warning in the log; clients cannot
    /// pin that, and those of an earlier run learn only as `timed_out` that they lost their server, not at once as `reset`.
    std::string key = {};
    /// File with the secret key, as `tme keygen` writes it. Not together with `key`.
    std::string key_file = {};
    /// Default: 0 reliable-ordered, 1 unreliable, 2 sequenced.
    std::vector<Channel> channels = {};
    /// A network thread does the input and output: connections survive a game that is busy for long.
    bool is_threaded = false;
    /// Network threads with `is_threaded`, 1-64: for servers whose traffic is more than one processor core can take. They share
    /// the port on Linux; elsewhere there is one, whatever this says.
    std::uint32_t network_threads = 1;
    /// Neither encrypted nor authenticated. Both sides must ask for it. For development.
    bool is_plaintext = false;
    /// The system notes when datagrams arrive (Linux), for the clocks of games that update once a frame.
    bool notes_arrivals = false;
    /// Only clients that prove an identity key are admitted.
    bool requires_identity = false;
    /// Peers at a time, 1-524,287.
    std::uint32_t max_peers = 64;
    /// Silence after which a connection counts as lost, 1 s-1 h.
    std::chrono::milliseconds idle_timeout{30'000};
    /// Silence after which a sign of life is sent; sooner where an idle time-out is short.
    std::chrono::milliseconds keep_alive{5'000};
    /// How long a network thread gathers sends before they leave.
    std::chrono::microseconds gathering{200};
    /// Largest datagram to send without having asked the path, in bytes of UDP payload, 1,200-65,507.
    std::uint32_t datagram_bytes = 1'200;
    /// Largest datagram that is tried on the path, 1,200-65,507; 1,200 tries nothing.
    std::uint32_t datagram_bytes_max = 1'452;
    /// Largest datagram to receive, 1,200-65,527.
    std::uint32_t receive_datagram_bytes_max = 1'452;
    /// Largest reliable message to receive, 1,100-16,777,216: 1 MiB.
    std::uint32_t message_bytes_max = 1u << 20;
    /// Bytes of reliable messages in the air on all channels of a peer: 4 MiB.
    std::uint32_t connection_credit_bytes = 4u << 20;
    /// Bytes of reliable messages in the air on one channel: 2 MiB.
    std::uint32_t channel_credit_bytes = 2u << 20;
    /// Reliable messages in the air on one channel, 1-262,144.
    std::uint32_t channel_credit_messages = 8'192;
    /// Messages that may be retained at a time.
    std::uint32_t retained_messages_max = 16'384;
    /// How the rate of sending follows what the path carries.
    Congestion congestion = Congestion::delivery_rate;
    /// Keys by which connect tokens are opened, each 64 hexadecimal digits, at most 16: two while one is being replaced.
    /// Without any, clients with a token are refused.
    std::vector<std::string> token_keys = {};
    /// What this server is called in tokens that are for it alone, 1-64 bytes. Default: nothing.
    std::string server_name = {};
    /// Only clients with a connect token are admitted.
    bool requires_token = false;
    /// How much later than this machine's clock a token may say that it was issued.
    std::chrono::milliseconds token_clock_tolerance{5'000};
    /// Tokens are taken that were issued up to so long before the server starts, which does not remember which of them
    /// were used in an earlier run.
    std::chrono::seconds tokens_issued_before_start{0};
    /// The game is asked about every client that is otherwise entitled, by `Admission`.
    bool asks_before_admitting = false;
    /// How long the game may take to decide about a client, which is then refused as busy. Clients wait for 10 s.
    std::chrono::milliseconds decision_time{5'000};
    /// About how many clients the game is asked at a time, a quarter of them from one network other than this machine;
    /// further ones are refused as busy.
    std::uint32_t applicants_max = 256;
    /// What becomes of a client that proves the same identity as a peer.
    Newcomers newcomers = Newcomers::replace;
    /// Any bytes, at most 512, that those are told who only ask what this server is. `set_information` changes it later.
    std::string information = {};
    /// Whether they are told anything.
    bool answers_queries = true;
    /// How many of them in a second.
    std::uint32_t queries_per_second = 1'000;
    /// Bytes of UDP payload that may leave in a second on each connection, at least 1,200. 0: what the path carries.
    std::uint64_t rate_cap = 0;
    /// Hash of the schema of the game's messages, `tme::schema_hash<Fire, Chat>()`, which both sides compare: who differs is
    /// refused with Reason::schema. 0: nothing is compared.
    std::uint64_t schema_hash = 0;
    /// Listens for TCP, too, at the address and port of `listen`: for players whose network lets no UDP through. Their clients
    /// find it by themselves.
    bool listens_for_tcp = false;
    /// Another address and port to listen on for TCP, which needs no `listens_for_tcp`; port 0 is the port of `listen`. Clients
    /// look for TCP at the port they are given, so those that are to come here must be told it. Default: none.
    std::string listen_tcp = {};
    /// PEM file with the certificate chain, the server's own first, by which it speaks TLS on its TCP port, beside everything else
    /// there: for browsers from anywhere, and for networks that let nothing else through. Read once, as `tls_key_file` is. Needs
    /// TCP. Default: none.
    std::string tls_certificate_file = {};
    /// PEM file with the private key of that certificate.
    std::string tls_key_file = {};
    /// Proxies to believe about whom they speak for, on the TCP port, which this needs. Of several networks that hold an address the
    /// smallest counts. Streams from there that do not say it are closed. At most 1,024. Default: none.
    std::vector<TrustedProxy> trusted_proxies = {};
    /// From where browsers may connect without TLS, which needs TCP. Elsewhere they are refused as `suites`.
    Browsers browsers = Browsers::loopback;
    /// Name under which players on the same network find this server, at most 64 bytes without control characters;
    /// `set_display_name` changes it. Empty: it is not found.
    std::string discoverable = {};
    /// UDP port at which those ask who look for servers; they must have the same. All TME servers on a machine share it.
    std::uint16_t discovery_port = 7776;
    /// Starts also if that port cannot be had, with a warning in the log, and is not found then.
    bool is_discoverable_if_possible = false;
};

/// Work that may take long, such as looking a name up, for whoever runs it in its own way. Destroyed without having been run, it is
/// given up, and whoever waits for it hears of that.
class Job {
public:
    /// No job.
    Job() = default;
    /// Takes a job that `tme.h` gave.
    explicit Job(TmeJob* job) noexcept : job_(job) {}

    /// Does it, however long that takes, on a thread that may. A job whose client is gone does nothing.
    void run() { static_cast<void>(tme_job_run(job_.release())); }

    /// Whether there is a job.
    [[nodiscard]] explicit operator bool() const noexcept { return job_ != nullptr; }

    /// Gives the job to the caller, who ends it by `tme_job_run` or `tme_job_discard`.
    [[nodiscard]] TmeJob* release() noexcept { return job_.release(); }

private:
    struct Discard {
        void operator()(TmeJob* job) const noexcept { tme_job_discard(job); }
    };

    std::unique_ptr<TmeJob, Discard> job_;
};

/// Has a job done: the game's own job system, say. Called on the thread that drives the client or querier, several at once if it is
/// shared. It must return soon, so it hands the job to another thread, which calls `run`; it must neither throw nor call the library,
/// the job apart. A copy of it lives as long as the client or querier.
using Executor = std::function<void(Job)>;

/// What a client is told.
struct ClientConfig {
    /// The server, "host:port"; names are looked up without blocking.
    std::string address = "localhost:7777";
    /// Name of the game; different games refuse each other.
    std::string application = {};
    /// The server's public key, 64 hexadecimal digits; several, separated by commas, where any will do. Without it and
    /// `known_hosts` any server is believed, with a warning in the log.
    std::string server_key = {};
    /// File in which the key of a server is remembered when it is met first; a changed one is refused. Made if it is
    /// not there. Not together with `server_key`.
    std::string known_hosts = {};
    /// The player's secret key, 64 hexadecimal digits, by which the server recognises him. Default: none.
    std::string identity = {};
    /// Local address and port to send from. Default: any.
    std::string bind = {};
    /// Default: those of the server.
    std::vector<Channel> channels = {};
    /// Any bytes, at most 512, that the server finds in its `Connected`. Encrypted.
    std::string user_data = {};
    /// A network thread does the input and output: connections survive a game that is busy for long.
    bool is_threaded = false;
    /// Neither encrypted nor authenticated. Both sides must ask for it. For development.
    bool is_plaintext = false;
    /// The system notes when datagrams arrive (Linux), for the clocks of games that update once a frame.
    bool notes_arrivals = false;
    /// Asks for the server's time from the start, as `Client::synchronise_clock` does later.
    bool synchronises_clock = false;
    /// How long to try to connect.
    std::chrono::milliseconds connect_timeout{10'000};
    /// Silence after which the connection counts as lost, 1 s-1 h.
    std::chrono::milliseconds idle_timeout{30'000};
    /// Silence after which a sign of life is sent; sooner where an idle time-out is short.
    std::chrono::milliseconds keep_alive{5'000};
    /// How long a network thread gathers sends before they leave.
    std::chrono::microseconds gathering{200};
    /// Largest datagram to send without having asked the path, in bytes of UDP payload, 1,200-65,507.
    std::uint32_t datagram_bytes = 1'200;
    /// Largest datagram that is tried on the path, 1,200-65,507; 1,200 tries nothing.
    std::uint32_t datagram_bytes_max = 1'452;
    /// Largest datagram to receive, 1,200-65,527.
    std::uint32_t receive_datagram_bytes_max = 1'452;
    /// Largest reliable message to receive, 1,100-16,777,216: 1 MiB.
    std::uint32_t message_bytes_max = 1u << 20;
    /// Bytes of reliable messages in the air on all channels: 4 MiB.
    std::uint32_t connection_credit_bytes = 4u << 20;
    /// Bytes of reliable messages in the air on one channel: 2 MiB.
    std::uint32_t channel_credit_bytes = 2u << 20;
    /// Reliable messages in the air on one channel, 1-262,144.
    std::uint32_t channel_credit_messages = 8'192;
    /// Messages that may be retained at a time.
    std::uint32_t retained_messages_max = 16'384;
    /// How the rate of sending follows what the path carries.
    Congestion congestion = Congestion::delivery_rate;
    /// A connect token as text, which the game's backend gave the player. It admits once.
    std::string token = {};
    /// Bytes of UDP payload that may leave in a second, at least 1,200. 0: what the path carries.
    std::uint64_t rate_cap = 0;
    /// Hash of the schema of the game's messages, `tme::schema_hash<Fire, Chat>()`, which both sides compare: who differs is
    /// refused with Reason::schema. 0: nothing is compared.
    std::uint64_t schema_hash = 0;
    /// By what the server may be reached. `any`: UDP; after a second without an answer TCP is tried at the same address, too.
    /// Over TCP, UDP is asked for every few seconds, and the session goes on there as soon as it answers; when UDP falls silent
    /// for 3 s, TCP takes over. `LinkChanged` tells.
    Link links = Link::any;
    /// TLS around TCP and WebSockets, for networks that let nothing else through; the server needs a certificate of an authority
    /// that this system trusts. The next two believe others, and need no `uses_tls`.
    bool uses_tls = false;
    /// PEM file with authorities: TLS, but the server's certificate must be of one of them. Read once. Default: none.
    std::string tls_authorities_file = {};
    /// SHA-256 of a certificate, 64 hexadecimal digits, with or without colons between the pairs: TLS, but the server's certificate
    /// must be this one, whatever it says of names and times. Not together with `tls_authorities_file`. Default: none.
    std::string tls_fingerprint = {};
    /// Name or address that the certificate must be for. Needs TLS. Default: the host in `address`.
    std::string tls_name = {};
    /// Who looks the server's name up, which may take half a minute. Default: threads of the library, started when there is a name
    /// to look up; with an executor there are none.
    Executor executor = {};
};

/// What a backend says of a player in a connect token.
struct TokenConfig {
    /// Who the player is: a text of 1-64 bytes, a number in decimal digits. There is no default.
    std::string user = {};
    /// Name of the only server that may take it. Default: any server that has the token key.
    std::string server_name = {};
    /// Public key of the only server that may take it, 64 hexadecimal digits. Not together with `server_name`.
    std::string server_key = {};
    /// Where the client could find a server: at most eight addresses with ports, best first. Not secret.
    std::vector<std::string> hints = {};
    /// Any bytes, at most 256, for the server's game. Encrypted.
    std::string user_data = {};
    /// How long it is valid; it only has to last until the player has connected.
    std::chrono::seconds lifetime{300};
    /// When it is issued. Default: now.
    std::chrono::system_clock::time_point issued = {};
};

/// What one send is told.
struct SendOptions {
    /// Everything queued leaves at once, instead of after the gathering time. An inline engine gathers nothing: there it
    /// leaves with the next update or flush.
    bool flush = false;
    /// Key of a reliable-latest channel. 0 on other channels.
    std::uint32_t key = 0;
    /// Time from the call after which the message is neither sent nor sent again, on reliable channels too. Zero: none.
    std::chrono::microseconds deadline{0};
    /// `Delivered` or `Expired` with this number, one of them and once, tells what became of the message, for every peer that
    /// took it. It counts in its channel's queue until that event was taken. 0: nothing is told.
    std::uint64_t receipt = 0;

    /// The same with another deadline. A negative one has passed: the message expires at once.
    [[nodiscard]] constexpr SendOptions within(std::chrono::microseconds time) const noexcept {
        return SendOptions{flush, key, time.count() > 0 ? time : std::chrono::microseconds{1}, receipt};
    }

    /// The same with another receipt.
    [[nodiscard]] constexpr SendOptions with_receipt(std::uint64_t number) const noexcept {
        return SendOptions{flush, key, deadline, number};
    }

    /// The same with another key.
    [[nodiscard]] constexpr SendOptions with_key(std::uint32_t value) const noexcept {
        return SendOptions{flush, value, deadline, receipt};
    }

    /// The same, and everything queued leaves at once.
    [[nodiscard]] constexpr SendOptions with_flush() const noexcept {
        return SendOptions{true, key, deadline, receipt};
    }
};

/// The option that lets everything queued leave at once.
inline constexpr SendOptions flush_now{true};

/// The option that names a key of a reliable-latest channel.
[[nodiscard]] constexpr SendOptions with_key(std::uint32_t key) noexcept { return SendOptions{false, key}; }

/// What a broadcast came to, in numbers of peers.
struct Broadcast {
    /// For them it was queued.
    std::uint32_t sent = 0;
    /// Their queue is full, or has too many keys under way; `Writable` follows for each.
    std::uint32_t would_block = 0;
    /// They are being disconnected, or their ids name nobody.
    std::uint32_t gone = 0;
    /// They will not take it later either: larger than they allow.
    std::uint32_t refused = 0;

    /// Whether everybody took it, also if there is nobody.
    [[nodiscard]] constexpr bool is_complete() const noexcept { return would_block + gone + refused == 0; }
};

/// Who a peer is.
struct PeerInfo {
    /// Its id.
    PeerId peer = PeerId::none;
    /// The number of the client in this connection: at least 2, below 2^31, never used twice in a server's run.
    std::uint32_t number = 0;
    /// Its address and port.
    std::string address = {};
    /// Its public key, 64 hexadecimal digits: at a server the client's identity, at a client the server's key. Empty if
    /// it has none.
    std::string key = {};
    /// What carries the session at the moment.
    Link link = Link::udp;
};

/// Who asks to be let in.
struct ApplicantInfo {
    /// Its id, which will be the peer's.
    PeerId peer = PeerId::none;
    /// A peer that is connected with the same identity; `none` if there is none.
    PeerId same_identity = PeerId::none;
    /// Its address and port.
    std::string address = {};
    /// Its identity key, 64 hexadecimal digits. Empty if it has none.
    std::string key = {};
};

/// What a connect token says of its player.
struct TokenInfo {
    /// Who he is: any bytes, usually text.
    std::string user = {};
    /// Any bytes that the backend has added.
    std::string user_data = {};
    /// When it was issued.
    std::chrono::system_clock::time_point issued = {};
    /// When it expires. A token that has let its player in is used up: nothing depends on it any more.
    std::chrono::system_clock::time_point expires = {};
};

/// What a server says of itself to anybody. Nothing of it is authenticated: the handshake proves who is there.
struct ServerInfo {
    /// The address that has answered, with its port.
    std::string address = {};
    /// Which game it runs: `query_application_id` of the game's name.
    std::uint64_t application_id = 0;
    /// Peers connected.
    std::uint32_t peers = 0;
    /// Most peers at a time.
    std::uint32_t peers_max = 0;
    /// The round trip of the query that was answered.
    std::chrono::microseconds rtt{0};
    /// It admits only clients that prove an identity key.
    bool requires_identity = false;
    /// It admits only clients with a connect token.
    bool requires_token = false;
    /// It neither encrypts nor authenticates, and takes only clients that do not either.
    bool is_plaintext = false;
    /// It has a protocol version in common with this library.
    bool is_compatible = false;
    /// Any bytes that the game has added, at most 512.
    std::string information = {};
};

/// Names a server that was found; never used twice by one `Discovery`.
enum class FoundId : std::uint64_t { none = 0 };

/// A server on this network, and what it says of itself. Nothing of it is authenticated: the handshake proves who is there.
struct FoundServer {
    /// Names it within its discovery.
    FoundId id = FoundId::none;
    /// Its name, without control characters.
    std::string name = {};
    /// All its addresses that have answered, at most eight; the first is `info.address`.
    std::vector<std::string> addresses = {};
    /// Hash of its channel table.
    std::uint64_t channel_table = 0;
    /// The rest, and where to connect to.
    ServerInfo info = {};
};

/// Which servers to look for, and where.
struct DiscoveryConfig {
    /// Only servers of this game. Empty: of all games.
    std::string application = {};
    /// UDP port at which servers are asked; they must have the same.
    std::uint16_t port = 7776;
    /// Looks on this machine alone: nothing leaves it.
    bool is_this_machine_only = false;
};

/// A network's behaviour in one direction: a perfect one unless told otherwise. All probabilities are 0.0-1.0.
struct Conditions {
    /// Probability that a datagram is lost, independently of the others.
    double loss = 0.0;
    /// Probability per datagram to enter a bad spell, on top of `loss`.
    double burst_enter = 0.0;
    /// Probability per datagram to leave it.
    double burst_leave = 0.0;
    /// Probability of loss outside bad spells.
    double burst_loss_good = 0.0;
    /// Probability of loss in a bad spell.
    double burst_loss_bad = 0.0;
    /// One-way delay, at most 60 s.
    std::chrono::microseconds delay{0};
    /// How the delay varies.
    Jitter jitter_kind = Jitter::none;
    /// Every datagram has its own jitter and may overtake. Without it jitter keeps the order.
    bool jitter_reorders = false;
    /// By kind.
    std::chrono::microseconds jitter{0};
    /// Skewed.
    std::chrono::microseconds jitter_p99{0};
    /// Skewed.
    std::chrono::microseconds jitter_max{0};
    /// Probability that a datagram is held back, so that others overtake it.
    double reorder = 0.0;
    /// For how long.
    std::chrono::microseconds reorder_delay{10'000};
    /// Probability that a datagram arrives twice.
    double duplicate = 0.0;
    /// The copy comes up to this much later.
    std::chrono::microseconds duplicate_delay_max{10'000};
    /// Probability that bits of a datagram are flipped.
    double corrupt = 0.0;
    /// From 1 to this many bits are flipped, at most 64.
    std::uint32_t corrupt_bits_max = 3;
    /// Header bytes that rate, queue and MTU count per datagram (IPv4 and UDP).
    std::uint32_t header_bytes = 28;
    /// Largest packet with headers; larger ones are dropped. 0: any.
    std::uint32_t mtu_bytes = 0;
    /// Rate of the narrowest place of the path. 0: any.
    std::uint64_t bottleneck_bytes_per_second = 0;
    /// Bytes that may queue in front of it; more are dropped.
    std::uint64_t bottleneck_queue_bytes = 0;
};

/// What is to get a line of the log. Called on whichever thread logs, by several at once; it must return soon, throw
/// nothing and call nothing of TME. The texts live until it returns.
using LogFunction = std::function<void(LogLevel level, std::string_view target, std::string_view text)>;

/// Where log lines go. All levels are off by default.
struct LogConfig {
    /// For standard error, in colour where that is a terminal.
    LogLevel console_level = LogLevel::off;
    /// For the file.
    LogLevel file_level = LogLevel::off;
    /// For the function.
    LogLevel callback_level = LogLevel::off;
    /// The file; its folder must exist. Older ones are named with .1, .2, ... after it.
    std::string file_path = {};
    /// Size a file does not exceed: 10 MiB.
    std::uint64_t file_bytes_max = 10u << 20;
    /// How many full files are kept, 1-99.
    std::uint32_t file_count = 3;
    /// The function. It is kept until the process ends.
    LogFunction callback = {};
};

// ---- Statistics: what engines, peers and channels tell about themselves -------------------------
// The structs are those of C, so that a figure a newer header brings is there at once; times are here as durations too.

/// Figures of a connection since it was established. The fields are those of `TmePeerStatistics`.
struct PeerStatistics : TmePeerStatistics {
    /// Newest round-trip time.
    [[nodiscard]] std::chrono::microseconds rtt_latest() const noexcept { return as_time(rtt_latest_us); }
    /// Smoothed round-trip time.
    [[nodiscard]] std::chrono::microseconds rtt_smoothed() const noexcept { return as_time(rtt_smoothed_us); }
    /// Mean deviation of the round-trip time.
    [[nodiscard]] std::chrono::microseconds rtt_variation() const noexcept { return as_time(rtt_variation_us); }
    /// Smallest round-trip time.
    [[nodiscard]] std::chrono::microseconds rtt_minimum() const noexcept { return as_time(rtt_minimum_us); }
    /// Mean difference between successive round-trip times.
    [[nodiscard]] std::chrono::microseconds jitter() const noexcept { return as_time(jitter_us); }

private:
    static std::chrono::microseconds as_time(std::uint64_t us) noexcept {
        return std::chrono::microseconds(static_cast<std::chrono::microseconds::rep>(us));
    }
};

/// Where a time lies among a game's ticks. The fields are those of `TmeTick`.
struct Tick : TmeTick {
    /// When it began, on the server's clock.
    [[nodiscard]] std::chrono::microseconds begin() const noexcept { return detail::as_time(begin_us); }
    /// Time until the next one begins.
    [[nodiscard]] std::chrono::microseconds until_next() const noexcept { return detail::as_time(until_next_us); }
};

/// Where a time of the server's clock lies among ticks of a rate: for times that are not now, such as the one at which other
/// players are shown. What is before the server's start counts as it. `ServerTime::tick` is shorter for now.
///
/// Errors: `argument` outside 1-10,000 ticks per second.
[[nodiscard]] inline Result<Tick> tick_at(std::chrono::microseconds time, std::uint32_t ticks_per_second) {
    const auto time_us = static_cast<std::uint64_t>(time.count() < 0 ? 0 : time.count());
    return detail::figures_of<Tick, TmeTick>(
        [&](TmeTick* out, std::size_t size) { return tme_tick_at(time_us, ticks_per_second, out, size); });
}

/// The server's time at one moment, and how far that can be trusted. The fields are those of `TmeServerTime`.
struct ServerTime : TmeServerTime {
    /// On the server's clock, which read 0 when the server started.
    [[nodiscard]] std::chrono::microseconds time() const noexcept { return detail::as_time(time_us); }
    /// It is not off by more, whatever the path does.
    [[nodiscard]] std::chrono::microseconds error() const noexcept { return detail::as_time(error_us); }
    /// It is usually not off by more where the path takes as long in both directions.
    [[nodiscard]] std::chrono::microseconds error_likely() const noexcept { return detail::as_time(error_likely_us); }
    /// How long inputs are under way to the server, hardly any longer.
    [[nodiscard]] std::chrono::microseconds input_delay() const noexcept { return detail::as_time(input_delay_us); }

    /// The tick that the server is in. Errors: `argument` outside 1-10,000 ticks per second.
    [[nodiscard]] Result<Tick> tick(std::uint32_t ticks_per_second) const {
        return detail::figures_of<Tick, TmeTick>([&](TmeTick* out, std::size_t size) {
            return tme_tick_at(time_us, ticks_per_second, out, size);
        });
    }

    /// The tick for which inputs should be sent now: they arrive just in time. `tick` alone is told, for it begins later
    /// than its inputs leave. Errors: as `tick`.
    [[nodiscard]] Result<std::uint64_t> input_tick(std::uint32_t ticks_per_second) const {
        auto reached = detail::figures_of<Tick, TmeTick>([&](TmeTick* out, std::size_t size) {
            return tme_tick_at(time_us + input_delay_us, ticks_per_second, out, size);
        });
        if (!reached) return reached.error();
        return reached->tick + 1;
    }
};

/// Figures of one channel towards a peer, on the sending side. The fields are those of `TmeChannelStatistics`.
struct ChannelStatistics : TmeChannelStatistics {
    /// How long messages wait before they leave, smoothed.
    [[nodiscard]] std::chrono::microseconds queue_time() const noexcept {
        return std::chrono::microseconds(static_cast<std::chrono::microseconds::rep>(queue_time_us));
    }
};

/// What may be sent now, and how long a message on one channel would wait. The fields are those of `TmeSendBudget`.
struct SendBudget : TmeSendBudget {
    /// How long a message queued now would wait before its first byte leaves. Empty: nobody knows, for the other side does
    /// not answer, or does not take what was sent before.
    [[nodiscard]] std::optional<std::chrono::microseconds> wait() const noexcept {
        if (wait_us == TME_WAIT_UNKNOWN) {
            return std::nullopt;
        }
        return std::chrono::microseconds(static_cast<std::chrono::microseconds::rep>(wait_us));
    }
};

/// Figures of a whole server or client, its socket included. The fields are those of `TmeEngineStatistics`.
struct EngineStatistics : TmeEngineStatistics {};

/// What the end of a server has come to. The fields are those of `TmeShutdownReport`.
struct ShutdownReport : TmeShutdownReport {};

/// What modelled network conditions did in one direction. The fields are those of `TmeConditionStatistics`.
struct ConditionStatistics : TmeConditionStatistics {};

// ---- How settings become those of C -------------------------------------------------------------

namespace detail {

[[nodiscard]] inline std::vector<TmeChannelConfig> c_channels(const std::vector<Channel>& channels,
                                                              Settings& settings) {
    std::vector<TmeChannelConfig> out(channels.size());
    for (std::size_t index = 0; index < channels.size(); ++index) {
        const Channel& from = channels[index];
        TmeChannelConfig& to = out[index];
        to.name = settings.text("the name of a channel", from.name);
        to.mode = static_cast<std::uint32_t>(from.mode);
        to.flags = from.id ? TME_CHANNEL_FLAG_ID : 0;
        to.id = from.id.value_or(0);
        to.priority = from.priority;
        to.weight = from.weight;
        to.keys_max = from.keys_max;
        to.message_bytes_max = from.message_bytes_max;
        to.queue_bytes_max = from.queue_bytes_max;
        to.queue_messages_max = from.queue_messages_max;
        to.queue_age_max_ms = settings.ms("queue_age_max of a channel", from.queue_age_max);
        to.redundancy = static_cast<std::uint32_t>(from.redundancy);
    }
    return out;
}

/// What the settings of servers and clients have in common.
template <class Config, class C>
void fill_common(const Config& from, C& to, const std::vector<TmeChannelConfig>& channels, Settings& settings) {
    to.flags = (from.is_threaded ? TME_CONFIG_THREADED : 0u) | (from.is_plaintext ? TME_CONFIG_PLAINTEXT : 0u) |
               (from.notes_arrivals ? TME_CONFIG_NOTE_ARRIVALS : 0u);
    to.application = settings.text("application", from.application);
    to.channels = channels.empty() ? nullptr : channels.data();
    to.channel_count = count_of(channels.size());
    to.idle_timeout_ms = settings.ms("idle_timeout", from.idle_timeout);
    to.keep_alive_ms = settings.ms("keep_alive", from.keep_alive);
    settings.us("gathering", from.gathering, to.gathering_us);
    to.datagram_bytes = from.datagram_bytes;
    to.datagram_bytes_max = from.datagram_bytes_max;
    to.receive_datagram_bytes_max = from.receive_datagram_bytes_max;
    to.message_bytes_max = from.message_bytes_max;
    to.connection_credit_bytes = from.connection_credit_bytes;
    to.channel_credit_bytes = from.channel_credit_bytes;
    to.channel_credit_messages = from.channel_credit_messages;
    to.retained_messages_max = from.retained_messages_max;
    to.congestion = static_cast<std::uint32_t>(from.congestion);
    to.rate_cap = from.rate_cap;
    to.schema_hash = from.schema_hash;
}

/// Texts as the lists of C have them.
[[nodiscard]] inline std::string joined(const std::vector<std::string>& texts) {
    std::string out;
    for (const std::string& text : texts) {
        out += out.empty() ? "" : ",";
        out += text;
    }
    return out;
}

/// Proxies as the lists of C have them.
[[nodiscard]] inline std::string joined(const std::vector<TrustedProxy>& proxies) {
    std::string out;
    for (const TrustedProxy& proxy : proxies) {
        out += out.empty() ? "" : ",";
        out += proxy.network;
        // What is no value of the enumeration is left for the library to refuse.
        out += proxy.header == ProxyHeader::proxy_protocol    ? "=proxy-protocol"
               : proxy.header == ProxyHeader::x_forwarded_for ? "=x-forwarded-for"
                                                              : "=";
    }
    return out;
}

/// Bytes for a field of C: NULL if there are none.
[[nodiscard]] inline const void* bytes_of(const std::string& bytes) noexcept {
    return bytes.empty() ? nullptr : bytes.data();
}

/// Calls `with` with the settings as C has them; they point into `from` and end with the call.
template <class With>
[[nodiscard]] Result<void> with_c(const ServerConfig& from, With with) {
    Settings settings(ErrorCode::config);
    const auto channels = c_channels(from.channels, settings);
    TmeServerConfig to = {};
    tme_server_config_init(&to, sizeof to);
    fill_common(from, to, channels, settings);
    to.flags |= from.requires_identity ? TME_CONFIG_REQUIRE_IDENTITY : 0u;
    to.listen = settings.text("listen", from.listen);
    to.key = settings.text("key", from.key);
    to.key_file = settings.text("key_file", from.key_file);
    to.max_peers = from.max_peers;
    to.network_threads = from.network_threads;
    const std::string token_keys = joined(from.token_keys);
    to.token_keys = settings.text("token_keys", token_keys);
    to.server_name = settings.text("server_name", from.server_name);
    to.flags |= from.requires_token ? TME_CONFIG_REQUIRE_TOKEN : 0u;
    to.token_clock_tolerance_ms = settings.ms("token_clock_tolerance", from.token_clock_tolerance);
    to.tokens_issued_before_start_s = settings.seconds("tokens_issued_before_start", from.tokens_issued_before_start);
    to.flags |= from.asks_before_admitting ? TME_CONFIG_ASK : 0u;
    to.decision_time_ms = settings.ms("decision_time", from.decision_time);
    to.applicants_max = from.applicants_max;
    to.newcomers = static_cast<std::uint32_t>(from.newcomers);
    to.information = bytes_of(from.information);
    to.information_bytes = count_of(from.information.size());
    to.flags |= from.answers_queries ? 0u : TME_CONFIG_NO_QUERIES;
    to.queries_per_second = from.queries_per_second;
    to.flags |= from.listens_for_tcp ? TME_CONFIG_LISTEN_TCP : 0u;
    to.listen_tcp = settings.text("listen_tcp", from.listen_tcp);
    to.tls_certificate_file = settings.text("tls_certificate_file", from.tls_certificate_file);
    to.tls_key_file = settings.text("tls_key_file", from.tls_key_file);
    const std::string trusted_proxies = joined(from.trusted_proxies);
    to.trusted_proxies = settings.text("trusted_proxies", trusted_proxies);
    to.browsers = static_cast<std::uint32_t>(from.browsers);
    to.discoverable = settings.text("discoverable", from.discoverable);
    to.discovery_port = from.discovery_port;
    to.flags |= from.is_discoverable_if_possible ? TME_CONFIG_DISCOVERABLE_IF_POSSIBLE : 0u;
    const auto checked = settings.result();
    return checked ? done(with(to)) : checked;
}

/// An exception must not reach the library; `noexcept` ends the process before.
inline void execute(TmeJob* job, void* executor) noexcept { (*static_cast<Executor*>(executor))(Job(job)); }

/// `executor` is a copy of the settings' own that lives as long as the client, or NULL.
template <class With>
[[nodiscard]] Result<void> with_c(const ClientConfig& from, Executor* executor, With with) {
    Settings settings(ErrorCode::config);
    const auto channels = c_channels(from.channels, settings);
    TmeClientConfig to = {};
    tme_client_config_init(&to, sizeof to);
    fill_common(from, to, channels, settings);
    to.flags |= from.synchronises_clock ? TME_CONFIG_CLOCK : 0u;
    to.address = settings.text("address", from.address);
    to.server_key = settings.text("server_key", from.server_key);
    to.known_hosts = settings.text("known_hosts", from.known_hosts);
    to.identity = settings.text("identity", from.identity);
    to.bind = settings.text("bind", from.bind);
    to.user_data = from.user_data.data();
    to.user_data_bytes = count_of(from.user_data.size());
    to.connect_timeout_ms = settings.ms("connect_timeout", from.connect_timeout);
    to.token = settings.text("token", from.token);
    to.links = static_cast<std::uint32_t>(from.links);
    to.flags |= from.uses_tls ? TME_CONFIG_TLS : 0u;
    to.tls_authorities_file = settings.text("tls_authorities_file", from.tls_authorities_file);
    to.tls_fingerprint = settings.text("tls_fingerprint", from.tls_fingerprint);
    to.tls_name = settings.text("tls_name", from.tls_name);
    to.executor = executor != nullptr ? execute : nullptr;
    to.executor_user_data = executor;
    const auto checked = settings.result();
    return checked ? done(with(to)) : checked;
}

template <class With>
[[nodiscard]] Result<void> with_c(const ClientConfig& from, With with) {
    return with_c(from, nullptr, with);
}

template <class With>
[[nodiscard]] Result<void> with_c(const TokenConfig& from, With with) {
    Settings settings(ErrorCode::token);
    TmeTokenConfig to = {};
    tme_token_config_init(&to, sizeof to);
    to.user = settings.text("user", from.user);
    to.server_name = settings.text("server_name", from.server_name);
    to.server_key = settings.text("server_key", from.server_key);
    const std::string hints = joined(from.hints);
    to.hints = settings.text("hints", hints);
    to.user_data = bytes_of(from.user_data);
    to.user_data_bytes = count_of(from.user_data.size());
    to.lifetime_s = settings.seconds("lifetime", from.lifetime);
    const auto since_1970 = std::chrono::duration_cast<std::chrono::seconds>(from.issued.time_since_epoch()).count();
    to.issued = since_1970 < 0 ? 0 : static_cast<std::uint64_t>(since_1970);
    const auto checked = settings.result();
    return checked ? done(with(to)) : checked;
}

template <class With>
[[nodiscard]] Result<void> with_c(const Conditions& from, With with) {
    Settings settings(ErrorCode::conditions);
    TmeConditions to = {};
    tme_conditions_init(&to, sizeof to);
    to.flags = from.jitter_reorders ? TME_CONDITIONS_JITTER_REORDERS : 0u;
    to.loss = from.loss;
    to.burst_enter = from.burst_enter;
    to.burst_leave = from.burst_leave;
    to.burst_loss_good = from.burst_loss_good;
    to.burst_loss_bad = from.burst_loss_bad;
    settings.us("delay", from.delay, to.delay_us);
    to.jitter_kind = static_cast<std::uint32_t>(from.jitter_kind);
    to.header_bytes = from.header_bytes;
    settings.us("jitter", from.jitter, to.jitter_us);
    settings.us("jitter_p99", from.jitter_p99, to.jitter_p99_us);
    settings.us("jitter_max", from.jitter_max, to.jitter_max_us);
    to.reorder = from.reorder;
    settings.us("reorder_delay", from.reorder_delay, to.reorder_delay_us);
    to.duplicate = from.duplicate;
    settings.us("duplicate_delay_max", from.duplicate_delay_max, to.duplicate_delay_max_us);
    to.corrupt = from.corrupt;
    to.corrupt_bits_max = from.corrupt_bits_max;
    to.mtu_bytes = from.mtu_bytes;
    to.bottleneck_bytes_per_second = from.bottleneck_bytes_per_second;
    to.bottleneck_queue_bytes = from.bottleneck_queue_bytes;
    const auto checked = settings.result();
    return checked ? done(with(to)) : checked;
}

[[nodiscard]] inline std::chrono::microseconds from_us(std::uint64_t us) noexcept {
    return std::chrono::microseconds(static_cast<std::chrono::microseconds::rep>(us));
}

[[nodiscard]] inline Conditions from_c(const TmeConditions& from) {
    Conditions to;
    to.loss = from.loss;
    to.burst_enter = from.burst_enter;
    to.burst_leave = from.burst_leave;
    to.burst_loss_good = from.burst_loss_good;
    to.burst_loss_bad = from.burst_loss_bad;
    to.delay = from_us(from.delay_us);
    to.jitter_kind = static_cast<Jitter>(from.jitter_kind);
    to.jitter_reorders = (from.flags & TME_CONDITIONS_JITTER_REORDERS) != 0;
    to.jitter = from_us(from.jitter_us);
    to.jitter_p99 = from_us(from.jitter_p99_us);
    to.jitter_max = from_us(from.jitter_max_us);
    to.reorder = from.reorder;
    to.reorder_delay = from_us(from.reorder_delay_us);
    to.duplicate = from.duplicate;
    to.duplicate_delay_max = from_us(from.duplicate_delay_max_us);
    to.corrupt = from.corrupt;
    to.corrupt_bits_max = from.corrupt_bits_max;
    to.header_bytes = from.header_bytes;
    to.mtu_bytes = from.mtu_bytes;
    to.bottleneck_bytes_per_second = from.bottleneck_bytes_per_second;
    to.bottleneck_queue_bytes = from.bottleneck_queue_bytes;
    return to;
}

[[nodiscard]] inline PeerInfo from_c(const TmePeerInfo& from) {
    PeerInfo to;
    to.peer = static_cast<PeerId>(from.peer);
    to.number = from.number;
    to.address = from.address;
    to.key = from.key;
    to.link = static_cast<Link>(from.link);
    return to;
}

[[nodiscard]] inline ApplicantInfo from_c(const TmeApplicantInfo& from) {
    ApplicantInfo to;
    to.peer = static_cast<PeerId>(from.peer);
    to.same_identity = static_cast<PeerId>(from.same_identity);
    to.address = from.address;
    to.key = from.key;
    return to;
}

[[nodiscard]] inline std::chrono::system_clock::time_point from_unix(std::uint64_t seconds) noexcept {
    // What a clock cannot say is as far away as it can.
    const auto most = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>((std::chrono::system_clock::duration::max)()).count());
    const std::chrono::seconds since(static_cast<std::int64_t>(seconds > most ? most : seconds));
    return std::chrono::system_clock::time_point(since);
}

[[nodiscard]] inline TokenInfo from_c(const TmeTokenInfo& from) {
    TokenInfo to;
    to.user.assign(from.user, from.user_bytes);
    const void* user_data = from.user_data;
    to.user_data.assign(static_cast<const char*>(user_data), from.user_data_bytes);
    to.issued = from_unix(from.issued);
    to.expires = from_unix(from.expires);
    return to;
}

inline void set_flags(ServerInfo& info, std::uint32_t flags) noexcept {
    info.requires_identity = (flags & TME_SERVER_REQUIRES_IDENTITY) != 0;
    info.requires_token = (flags & TME_SERVER_REQUIRES_TOKEN) != 0;
    info.is_plaintext = (flags & TME_SERVER_IS_PLAINTEXT) != 0;
    info.is_compatible = (flags & TME_SERVER_IS_COMPATIBLE) != 0;
}

[[nodiscard]] inline ServerInfo from_c(const TmeServerInfo& from) {
    ServerInfo to;
    to.address = from.address;
    to.application_id = from.application_id;
    to.peers = from.peers;
    to.peers_max = from.peers_max;
    to.rtt = from_us(from.rtt_us);
    set_flags(to, from.flags);
    const void* information = from.information;
    to.information.assign(static_cast<const char*>(information), from.information_bytes);
    return to;
}

[[nodiscard]] inline FoundServer from_c(const TmeFoundServer& from) {
    FoundServer to;
    to.id = static_cast<FoundId>(from.id);
    to.name = from.name;
    to.channel_table = from.channel_table;
    to.info.address = from.address;
    to.info.application_id = from.application_id;
    to.info.peers = from.peers;
    to.info.peers_max = from.peers_max;
    to.info.rtt = from_us(from.rtt_us);
    set_flags(to.info, from.flags);
    const void* information = from.information;
    to.info.information.assign(static_cast<const char*>(information), from.information_bytes);
    const std::string all = from.addresses;
    for (std::size_t start = 0; start < all.size();) {
        const std::size_t end = (std::min)(all.find(' ', start), all.size());
        to.addresses.push_back(all.substr(start, end - start));
        start = end + 1;
    }
    return to;
}

[[nodiscard]] constexpr std::uint32_t send_flags(const SendOptions& options) noexcept {
    return options.flush ? TME_SEND_FLUSH : 0u;
}

/// Whether flags say it all.
[[nodiscard]] constexpr bool is_plain(const SendOptions& options) noexcept {
    return options.key == 0 && options.receipt == 0 && options.deadline.count() == 0;
}

[[nodiscard]] inline TmeSendOptions c_options(const SendOptions& options, PeerId except = PeerId::none) {
    TmeSendOptions out = {};
    tme_send_options_init(&out, sizeof out);
    out.flags = send_flags(options);
    out.key = options.key;
    // What is negative is over: not the same as none.
    out.deadline_us = options.deadline.count() < 0 ? 1 : static_cast<std::uint64_t>(options.deadline.count());
    out.receipt = options.receipt;
    out.except = static_cast<TmePeer>(except);
    return out;
}

[[nodiscard]] inline Result<Broadcast> outcome(TmeResult result, const TmeBroadcast& from) {
    if (result < 0) {
        return Error::last(result);
    }
    Broadcast to;
    to.sent = from.sent;
    to.would_block = from.would_block;
    to.gone = from.gone;
    to.refused = from.refused;
    return to;
}

/// Lets go of a message that the library has taken over.
template <class T>
[[nodiscard]] T handed_over(OwnedMessage& message, T result) {
    if (result) {
        static_cast<void>(message.release());
    }
    return result;
}

} // namespace detail

// ---- Server: listens, admits peers, talks to them -----------------------------------------------

/// A server. Its destructor ends all connections at once; `shutdown` before it does so politely.
///
/// *Inline* (default): `update` does the input and output, on the thread that calls it, and must be called regularly.
/// *Threaded* (`is_threaded`): a network thread does, and a game that just visits events need not call `update`.
///
/// Threads: `update`, `events` and `shutdown` one at a time, a second one gets `busy` and has done nothing; everything
/// else from any thread at any time. Moving and destroying only when no other call is running or will come. No call
/// blocks beyond the time it is given. A moved-from one answers every call with an error.
class Server {
public:
    /// Starts a server.
    ///
    /// Errors: `address`, `bind`, `channels`, `key`, `token`, `file`, `config`, `system`, `utf8`, `unknown_value`, `argument`.
    [[nodiscard]] static Result<Server> start(const ServerConfig& config = {}) {
        TmeServer* server = nullptr;
        const auto result =
            detail::with_c(config, [&](const TmeServerConfig& c) { return tme_server_create(&c, &server); });
        return result ? Result<Server>(Server(server)) : Result<Server>(result.error());
    }

    /// Waits for news, at most `timeout`; zero does not wait. Returns early with events, or after `wake`.
    ///
    /// Errors: `busy`; `closed`, `wait`, `socket`, `poisoned` when the server has ended.
    Result<void> update(std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) {
        return detail::done(tme_server_update(engine_.get(), detail::wait_ms(timeout)));
    }

    /// The waiting events: `for (auto& event : server.events())`. Read at `Events` how long they live.
    [[nodiscard]] ServerEvents events() { return ServerEvents(engine_.inbox()); }

    /// Sends what is queued now instead of with the next update.
    Result<void> flush() { return detail::done(tme_server_flush(engine_.get())); }

    /// Makes a waiting `update` return.
    Result<void> wake() { return detail::done(tme_server_wake(engine_.get())); }

    /// Tells every client that the server shuts down, after what is queued reliably went through, and waits for that, at most
    /// `patience`. Who comes now is refused with `Reason::shutdown`. Events of the last moments can still be visited.
    ///
    /// Clients find `code` and `bytes`, at most 512, in their `Disconnected`: where to go, when to come back. Of the time a quarter,
    /// at most a second, is kept for the goodbye itself; with zero everybody is told once. Gives what came of it. Errors: `busy`,
    /// `too_large`.
    Result<ShutdownReport> shutdown(std::chrono::milliseconds patience, std::uint32_t code = 0, Bytes bytes = {}) {
        const std::uint32_t ms = detail::wait_ms(patience);
        const TmeResult result = code == 0 && bytes.empty()
                                     ? tme_server_shutdown(engine_.get(), ms)
                                     : tme_server_shutdown_with(engine_.get(), ms, code, bytes.data(), bytes.size());
        return result < 0 ? Result<ShutdownReport>(Error::last(result)) : last_report();
    }

    /// Begins the same and waits for nothing, for a game that goes on drawing: go on with `update` and `events` until `update`
    /// fails with `closed`. Sends are refused from now on. Begun again, it can only be over sooner. Errors: `busy`, `too_large`,
    /// `closed` if the server has ended.
    Result<void> begin_shutdown(std::chrono::milliseconds patience, std::uint32_t code = 0, Bytes bytes = {}) {
        return detail::done(
            tme_server_shutdown_begin(engine_.get(), detail::wait_ms(patience), code, bytes.data(), bytes.size()));
    }

    /// What the end has come to so far, at most 20 ms old. Errors: `no_figures` if no shutdown has begun.
    [[nodiscard]] Result<ShutdownReport> shutdown_report() const {
        return detail::figures_of<ShutdownReport, TmeShutdownReport>([&](TmeShutdownReport* out, std::size_t size) {
            return tme_server_shutdown_report(engine_.get(), out, size);
        });
    }

    /// Queues a message for a peer. The bytes are copied.
    ///
    /// Errors: `would_block`, after which `Writable` follows; `unknown_peer`; `not_connected` for a peer that is being
    /// disconnected; `unknown_channel`; `too_large`; `too_many_keys`; `key_not_allowed`. A refused send has
    /// queued nothing.
    Result<void> send(PeerId peer, ChannelId channel, Bytes bytes, const SendOptions& options = {}) {
        const auto id = static_cast<TmePeer>(peer);
        if (detail::is_plain(options)) {
            return detail::done(tme_server_send(engine_.get(), id, channel, bytes.data(), bytes.size(),
                                                detail::send_flags(options)));
        }
        const auto c = detail::c_options(options);
        return detail::done(tme_server_send_with(engine_.get(), id, channel, bytes.data(), bytes.size(), &c));
    }

    /// Queues a message of the game's own types for a peer, on the channel that its type names.
    ///
    /// Errors: as `send`; `serial_range`, `serial_number`, `serial_too_long` and others where a value has no encoding.
    template <class M>
    Result<void> send_message(PeerId peer, const M& message, const SendOptions& options = {}) {
        return detail::with_message<void>(
            message, [&](Bytes bytes) { return send(peer, M::message.channel, bytes, options); });
    }

    /// Queues a message of the game's own types for every peer. Errors as above.
    template <class M>
    Result<Broadcast> broadcast_message(const M& message, const SendOptions& options = {}) {
        return detail::with_message<Broadcast>(
            message, [&](Bytes bytes) { return broadcast(M::message.channel, bytes, options); });
    }

    /// Hands a message over for a peer, without a copy: `send(peer, channel, std::move(message))`.
    ///
    /// Only on success it is taken: after a failure `message` still has it, but no longer writable. Errors as above.
    Result<void> send(PeerId peer, ChannelId channel, OwnedMessage&& message, const SendOptions& options = {}) {
        const auto c = detail::c_options(options);
        return detail::handed_over(
            message, detail::done(tme_server_send_message(engine_.get(), static_cast<TmePeer>(peer), channel,
                                                          message.native_handle(), &c)));
    }

    /// Queues a message for every peer; it is stored once. Success also if somebody could not take it: the outcome
    /// counts.
    ///
    /// Errors, where nobody could: `unknown_channel`; `too_large`; `would_block`; `key_not_allowed`.
    Result<Broadcast> broadcast(ChannelId channel, Bytes bytes, const SendOptions& options = {}) {
        TmeBroadcast outcome = {};
        if (detail::is_plain(options)) {
            return detail::outcome(tme_server_broadcast(engine_.get(), channel, bytes.data(), bytes.size(),
                                                        detail::send_flags(options), &outcome),
                                   outcome);
        }
        const auto c = detail::c_options(options);
        return detail::outcome(
            tme_server_broadcast_with(engine_.get(), channel, bytes.data(), bytes.size(), &c, &outcome), outcome);
    }

    /// Hands a message over for every peer, without a copy. Taken only on success, as by `send`.
    Result<Broadcast> broadcast(ChannelId channel, OwnedMessage&& message, const SendOptions& options = {}) {
        return broadcast_except(PeerId::none, channel, std::move(message), options);
    }

    /// Queues a message for every peer but one, who may be connected or not.
    Result<Broadcast> broadcast_except(PeerId except, ChannelId channel, Bytes bytes, const SendOptions& options = {}) {
        TmeBroadcast outcome = {};
        if (detail::is_plain(options)) {
            return detail::outcome(tme_server_broadcast_except(engine_.get(), static_cast<TmePeer>(except), channel,
                                                               bytes.data(), bytes.size(),
                                                               detail::send_flags(options), &outcome),
                                   outcome);
        }
        const auto c = detail::c_options(options, except);
        return detail::outcome(
            tme_server_broadcast_with(engine_.get(), channel, bytes.data(), bytes.size(), &c, &outcome), outcome);
    }

    /// Hands a message over for every peer but one, without a copy. Taken only on success, as by `send`.
    Result<Broadcast> broadcast_except(PeerId except, ChannelId channel, OwnedMessage&& message,
                                       const SendOptions& options = {}) {
        TmeBroadcast outcome = {};
        const auto c = detail::c_options(options, except);
        return detail::handed_over(
            message, detail::outcome(tme_server_broadcast_message(engine_.get(), channel, message.native_handle(), &c,
                                                                  &outcome),
                                     outcome));
    }

    /// Queues a message for the peers named; it is stored once. Ids that name nobody are counted in the outcome; a peer that
    /// is named twice gets the message twice.
    Result<Broadcast> multicast(Peers peers, ChannelId channel, Bytes bytes, const SendOptions& options = {}) {
        static_assert(sizeof(PeerId) == sizeof(TmePeer), "an array of ids is one of C");
        TmeBroadcast outcome = {};
        const auto c = detail::c_options(options);
        return detail::outcome(
            tme_server_multicast(engine_.get(), reinterpret_cast<const TmePeer*>(peers.data()),
                                 detail::count_of(peers.size()), channel, bytes.data(), bytes.size(), &c, &outcome),
            outcome);
    }

    /// Ends the connection to a peer after its queued reliable messages went through, for at most 3 s. `Disconnected`
    /// follows.
    ///
    /// Errors: `unknown_peer`.
    Result<void> disconnect(PeerId peer) {
        return detail::done(tme_server_disconnect(engine_.get(), static_cast<TmePeer>(peer)));
    }

    /// The same with a code and at most 512 bytes of the game's own, which the client finds in its `Disconnected`.
    ///
    /// Errors: `unknown_peer`, `too_large`.
    Result<void> disconnect(PeerId peer, std::uint32_t code, Bytes bytes = {}) {
        return detail::done(tme_server_disconnect_with(engine_.get(), static_cast<TmePeer>(peer), code, bytes.data(),
                                                       bytes.size()));
    }

    /// Throws a peer out at once, with a code and at most 512 bytes of the game's own.
    ///
    /// Errors: `unknown_peer`, `too_large`.
    Result<void> kick(PeerId peer, std::uint32_t code = 0, Bytes bytes = {}) {
        return detail::done(
            tme_server_kick(engine_.get(), static_cast<TmePeer>(peer), code, bytes.data(), bytes.size()));
    }

    /// Lets a client in that `Admission` has asked about, with at most 512 bytes that it finds in its `Connected`.
    /// `Connected` follows here, or `Disconnected` if it has gone or there is no room any more.
    ///
    /// Errors: `unknown_peer` if nobody asks under this id, `too_large`.
    Result<void> accept(PeerId peer, Bytes user_data = {}) {
        return detail::done(
            tme_server_accept(engine_.get(), static_cast<TmePeer>(peer), user_data.data(), user_data.size()));
    }

    /// Turns a client away that `Admission` has asked about, as `denied`, `banned` or `full`, with at most 512 bytes of
    /// explanation. It is told at once; `Disconnected` follows here, too.
    ///
    /// Errors: `unknown_peer` if nobody asks under this id, `unknown_value` for another reason, `too_large`.
    Result<void> refuse(PeerId peer, Reason reason = Reason::denied, Bytes bytes = {}) {
        return detail::done(tme_server_refuse(engine_.get(), static_cast<TmePeer>(peer),
                                              static_cast<std::uint32_t>(reason), bytes.data(), bytes.size()));
    }

    /// Who asks to be let in, until that is decided. Errors: `unknown_peer`.
    [[nodiscard]] Result<ApplicantInfo> applicant_info(PeerId peer) const {
        TmeApplicantInfo info = {};
        const TmeResult result =
            tme_server_applicant_info(engine_.get(), static_cast<TmePeer>(peer), &info, sizeof info);
        return result < 0 ? Result<ApplicantInfo>(Error::last(result)) : detail::from_c(info);
    }

    /// What the game's backend says of a player, who asks to be let in or is a peer; nothing if he came without a connect
    /// token. Errors: `unknown_peer`.
    [[nodiscard]] Result<std::optional<TokenInfo>> peer_token(PeerId peer) const {
        TmeTokenInfo info = {};
        const TmeResult result = tme_server_peer_token(engine_.get(), static_cast<TmePeer>(peer), &info, sizeof info);
        if (result < 0) {
            return Error::last(result);
        }
        return info.user_bytes == 0 ? std::nullopt : std::optional(detail::from_c(info));
    }

    /// Sets how many bytes of UDP payload may leave for a peer in a second, at least 1,200; 0 leaves it to the path.
    ///
    /// Errors: `unknown_peer`.
    Result<void> set_rate_cap(PeerId peer, std::uint64_t bytes_per_second) {
        return detail::done(
            tme_server_set_rate_cap(engine_.get(), static_cast<TmePeer>(peer), bytes_per_second));
    }

    /// Changes what those are told who only ask what this server is, at most 512 bytes. Errors: `too_large`.
    Result<void> set_information(Bytes bytes) {
        return detail::done(tme_server_set_information(engine_.get(), bytes.data(), bytes.size()));
    }

    /// Changes the name under which players on the same network find this server, at most 64 bytes without control characters.
    /// Errors: `config`.
    Result<void> set_display_name(const std::string& name) {
        return detail::done(tme_server_set_display_name(engine_.get(), name.c_str()));
    }

    /// The peers that are connected.
    [[nodiscard]] Result<std::vector<PeerId>> peers() const {
        std::vector<TmePeer> ids;
        std::uint32_t count = 0;
        TmeResult result = tme_server_peers(engine_.get(), nullptr, 0, &count);
        // Somebody may come in between.
        while (result == TME_ERROR_BUFFER_TOO_SMALL) {
            ids.resize(count);
            result = tme_server_peers(engine_.get(), ids.data(), count, &count);
        }
        if (result < 0) {
            return Error::last(result);
        }
        std::vector<PeerId> peers(count);
        std::transform(ids.begin(), ids.begin() + count, peers.begin(),
                       [](TmePeer id) { return static_cast<PeerId>(id); });
        return peers;
    }

    /// Who a peer is. Errors: `unknown_peer`.
    [[nodiscard]] Result<PeerInfo> peer_info(PeerId peer) const {
        TmePeerInfo info = {};
        const TmeResult result =
            tme_server_peer_info(engine_.get(), static_cast<TmePeer>(peer), &info, sizeof info);
        return result < 0 ? Result<PeerInfo>(Error::last(result)) : detail::from_c(info);
    }

    /// The peer with a number, for engines whose ids have 32 bits. Errors: `unknown_peer`.
    [[nodiscard]] Result<PeerId> peer_by_number(std::uint32_t number) const {
        TmePeer peer = 0;
        const TmeResult result = tme_server_peer_by_number(engine_.get(), number, &peer);
        return result < 0 ? Result<PeerId>(Error::last(result)) : static_cast<PeerId>(peer);
    }

    /// Figures of one peer, at most 100 ms older than its last datagram. Errors: `unknown_peer`.
    [[nodiscard]] Result<PeerStatistics> peer_statistics(PeerId peer) const {
        return detail::figures_of<PeerStatistics, TmePeerStatistics>([&](TmePeerStatistics* out, std::size_t size) {
            return tme_server_peer_statistics(engine_.get(), static_cast<TmePeer>(peer), out, size);
        });
    }

    /// Figures of one channel towards a peer: queue depth, queue time, resent, expired.
    ///
    /// Errors: `unknown_peer`, `unknown_channel`, `no_figures`.
    [[nodiscard]] Result<ChannelStatistics> channel_statistics(PeerId peer, ChannelId channel) const {
        return detail::figures_of<ChannelStatistics, TmeChannelStatistics>(
            [&](TmeChannelStatistics* out, std::size_t size) {
                return tme_server_channel_statistics(engine_.get(), static_cast<TmePeer>(peer), channel, out, size);
            });
    }

    /// What may be sent to a peer now, and how long a message on a channel would wait: what was given to `send` counts,
    /// whether it has left or not. Errors: `unknown_peer`, `unknown_channel`.
    [[nodiscard]] Result<SendBudget> send_budget(PeerId peer, ChannelId channel) const {
        return detail::figures_of<SendBudget, TmeSendBudget>([&](TmeSendBudget* out, std::size_t size) {
            return tme_server_send_budget(engine_.get(), static_cast<TmePeer>(peer), channel, out, size);
        });
    }

    /// The server's own clock, which read 0 when the server started: what clients estimate by `Client::server_time`.
    [[nodiscard]] Result<ServerTime> time() const {
        return detail::figures_of<ServerTime, TmeServerTime>([&](TmeServerTime* out, std::size_t size) {
            return tme_server_time(engine_.get(), out, size);
        });
    }

    /// Figures of the whole server.
    [[nodiscard]] Result<EngineStatistics> statistics() const {
        return detail::figures_of<EngineStatistics, TmeEngineStatistics>(
            [&](TmeEngineStatistics* out, std::size_t size) {
                return tme_server_statistics(engine_.get(), out, size);
            });
    }

    /// How many network threads the server has: 0 if it is inline or was moved from, 1 where the system cannot share a port
    /// among several.
    [[nodiscard]] std::uint32_t network_threads() const { return tme_server_network_threads(engine_.get()); }

    /// Figures of one network thread, from 0; an inline server has one set of figures, too. Errors: `argument`.
    [[nodiscard]] Result<EngineStatistics> thread_statistics(std::uint32_t thread) const {
        return detail::figures_of<EngineStatistics, TmeEngineStatistics>(
            [&](TmeEngineStatistics* out, std::size_t size) {
                return tme_server_thread_statistics(engine_.get(), thread, out, size);
            });
    }

    /// Which network thread has a peer, for as long as it is connected. Errors: `unknown_peer`.
    [[nodiscard]] Result<std::uint32_t> peer_thread(PeerId peer) const {
        std::uint32_t thread = 0;
        const TmeResult result = tme_server_peer_thread(engine_.get(), static_cast<TmePeer>(peer), &thread);
        return result < 0 ? Result<std::uint32_t>(Error::last(result)) : thread;
    }

    /// Switches modelled network conditions towards a peer on, or changes them. They end with the connection.
    ///
    /// Errors: `conditions`, `unknown_peer`.
    Result<void> set_conditions(PeerId peer, Direction direction, const Conditions& conditions) {
        return detail::with_c(conditions, [&](const TmeConditions& c) {
            return tme_server_set_conditions(engine_.get(), static_cast<TmePeer>(peer),
                                             static_cast<std::uint32_t>(direction), &c);
        });
    }

    /// Switches modelled network conditions towards a peer off. Errors: `unknown_peer`.
    Result<void> clear_conditions(PeerId peer, Direction direction) {
        return detail::done(tme_server_set_conditions(engine_.get(), static_cast<TmePeer>(peer),
                                                      static_cast<std::uint32_t>(direction), nullptr));
    }

    /// What modelled network conditions towards a peer have done. Errors: `unknown_peer`; `no_figures` while none are
    /// on.
    [[nodiscard]] Result<ConditionStatistics> condition_statistics(PeerId peer, Direction direction) const {
        return detail::figures_of<ConditionStatistics, TmeConditionStatistics>(
            [&](TmeConditionStatistics* out, std::size_t size) {
                return tme_server_condition_statistics(engine_.get(), static_cast<TmePeer>(peer),
                                                       static_cast<std::uint32_t>(direction), out, size);
            });
    }

    /// The address the server listens on, with the real port if port 0 was asked for.
    [[nodiscard]] Result<std::string> local_address() const {
        return detail::text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
            return tme_server_local_address(engine_.get(), buffer, capacity, needed);
        });
    }

    /// The port the server listens on; 0 if it was moved from.
    [[nodiscard]] std::uint16_t port() const { return tme_server_port(engine_.get()); }

    /// The address the server listens on for TCP, with the real port. Empty if it does not.
    [[nodiscard]] Result<std::string> tcp_address() const {
        return detail::text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
            return tme_server_tcp_address(engine_.get(), buffer, capacity, needed);
        });
    }

    /// The port the server listens on for TCP; 0 if it does not, or was moved from.
    [[nodiscard]] std::uint16_t tcp_port() const { return tme_server_tcp_port(engine_.get()); }

    /// The UDP port at which the server answers those who look for servers; 0 if it does not, or was moved from.
    [[nodiscard]] std::uint16_t discovery_port() const { return tme_server_discovery_port(engine_.get()); }

    /// The key that clients pin, 64 hexadecimal digits.
    [[nodiscard]] Result<std::string> public_key() const {
        return detail::text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
            return tme_server_public_key(engine_.get(), buffer, capacity, needed);
        });
    }

    /// For calls of `tme.h`; NULL if moved from. It stays this object's. Whoever polls it misses what `events()` has
    /// taken already, and ends the bytes of that.
    [[nodiscard]] TmeServer* native_handle() const noexcept { return engine_.get(); }

private:
    explicit Server(TmeServer* server) : engine_(server) {}

    /// Of a server that has ended by itself nothing is reported but that.
    [[nodiscard]] Result<ShutdownReport> last_report() const {
        auto report = shutdown_report();
        if (!report && report.code() == ErrorCode::no_figures) {
            ShutdownReport none = {};
            none.struct_size = sizeof(TmeShutdownReport);
            none.is_over = 1;
            return none;
        }
        return report;
    }

    detail::Engine<TmeServer> engine_;
};

// ---- Client: connects to one server and talks to it ---------------------------------------------

/// A client. Its destructor ends the connection at once; `close` before it does so politely.
///
/// *Inline* (default): `update` does the input and output, on the thread that calls it, and must be called regularly.
/// *Threaded* (`is_threaded`): a network thread does, and a game that just visits events need not call `update`.
///
/// Threads: `update`, `events` and `close` one at a time, a second one gets `busy` and has done nothing; everything
/// else from any thread at any time. Moving and destroying only when no other call is running or will come. No call
/// blocks beyond the time it is given. A moved-from one answers every call with an error.
class Client {
public:
    /// Starts a client. Whether the server answers is told by `Connected` or `Disconnected`.
    ///
    /// Errors: `address`, `bind`, `channels`, `key`, `token_text`, `file`, `config`, `system`, `utf8`, `unknown_value`,
    /// `argument`.
    [[nodiscard]] static Result<Client> start(const ClientConfig& config = {}) {
        return create(config, tme_client_create);
    }

    /// Starts a client that needs no server: every message it sends comes back on the same channel with the same key.
    ///
    /// For tests and for single-player modes: everything else is as with a real server. `address`, `server_key` and
    /// `known_hosts` do not matter.
    [[nodiscard]] static Result<Client> start_echo(const ClientConfig& config = {}) {
        return create(config, tme_client_create_echo);
    }

    /// Waits for news, at most `timeout`; zero does not wait. Returns early with events, or after `wake`.
    ///
    /// Errors: `file` if the server's key could not be remembered (the connection goes on); `busy`; `closed`, `wait`,
    /// `socket`, `poisoned` when the client has ended.
    Result<void> update(std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) {
        return detail::done(tme_client_update(engine_.get(), detail::wait_ms(timeout)));
    }

    /// The waiting events: `for (auto& event : client.events())`. Read at `Events` how long they live.
    [[nodiscard]] ClientEvents events() { return ClientEvents(engine_.inbox()); }

    /// Sends what is queued now instead of with the next update.
    Result<void> flush() { return detail::done(tme_client_flush(engine_.get())); }

    /// Makes a waiting `update` return.
    Result<void> wake() { return detail::done(tme_client_wake(engine_.get())); }

    /// Ends the connection after what is queued reliably went through, which may take until `patience` has passed.
    /// Events of the last moments can still be visited.
    Result<void> close(std::chrono::milliseconds patience) {
        return detail::done(tme_client_close(engine_.get(), detail::wait_ms(patience)));
    }

    /// Queues a message for the server. The bytes are copied.
    ///
    /// Errors: `would_block`, after which `Writable` follows; `not_connected`; `unknown_channel`; `too_large`;
    /// `too_many_keys`; `key_not_allowed`. A refused send has queued nothing.
    Result<void> send(ChannelId channel, Bytes bytes, const SendOptions& options = {}) {
        if (detail::is_plain(options)) {
            return detail::done(tme_client_send(engine_.get(), channel, bytes.data(), bytes.size(),
                                                detail::send_flags(options)));
        }
        const auto c = detail::c_options(options);
        return detail::done(tme_client_send_with(engine_.get(), channel, bytes.data(), bytes.size(), &c));
    }

    /// Queues a message of the game's own types for the server, on the channel that its type names.
    ///
    /// Errors: as `send`; `serial_range`, `serial_number`, `serial_too_long` and others where a value has no encoding.
    template <class M>
    Result<void> send_message(const M& message, const SendOptions& options = {}) {
        return detail::with_message<void>(message,
                                          [&](Bytes bytes) { return send(M::message.channel, bytes, options); });
    }

    /// Hands a message over for the server, without a copy: `send(channel, std::move(message))`.
    ///
    /// Only on success it is taken: after a failure `message` still has it, but no longer writable. Errors as above.
    Result<void> send(ChannelId channel, OwnedMessage&& message, const SendOptions& options = {}) {
        const auto c = detail::c_options(options);
        return detail::handed_over(
            message, detail::done(tme_client_send_message(engine_.get(), channel, message.native_handle(), &c)));
    }

    /// Whether the server is connected.
    [[nodiscard]] bool is_connected() const { return tme_client_is_connected(engine_.get()) > 0; }

    /// What carries the session at the moment. Errors: `not_connected`.
    [[nodiscard]] Result<Link> link() const {
        std::uint32_t link = 0;
        const TmeResult result = tme_client_link(engine_.get(), &link);
        return result < 0 ? Result<Link>(Error::last(result)) : static_cast<Link>(link);
    }

    /// Who the server is; the number is the client's own. Errors: `not_connected`.
    [[nodiscard]] Result<PeerInfo> server_info() const {
        TmePeerInfo info = {};
        const TmeResult result = tme_client_server_info(engine_.get(), &info, sizeof info);
        return result < 0 ? Result<PeerInfo>(Error::last(result)) : detail::from_c(info);
    }

    /// The channel with a name, for clients that take the server's table. Errors: `unknown_channel`, `not_connected`.
    [[nodiscard]] Result<ChannelId> channel_by_name(const std::string& name) const {
        ChannelId channel = 0;
        const TmeResult result = tme_client_channel_by_name(engine_.get(), name.c_str(), &channel);
        return result < 0 ? Result<ChannelId>(Error::last(result)) : channel;
    }

    /// Ends the connection after queued reliable messages went through, for at most 3 s, with a code and at most 512
    /// bytes of the game's own, which the server finds in its `Disconnected`. `Disconnected` follows here too.
    ///
    /// Errors: `not_connected`, `too_large`.
    Result<void> disconnect(std::uint32_t code = 0, Bytes bytes = {}) {
        return detail::done(tme_client_disconnect(engine_.get(), code, bytes.data(), bytes.size()));
    }

    /// Sets how many bytes of UDP payload may leave in a second, at least 1,200; 0 leaves it to the path.
    ///
    /// Errors: `not_connected`.
    Result<void> set_rate_cap(std::uint64_t bytes_per_second) {
        return detail::done(tme_client_set_rate_cap(engine_.get(), bytes_per_second));
    }

    /// The server's time, and how far that can be trusted. Once it is synchronised no reading is earlier than one before, on
    /// any thread, until a `Clock` event tells of a step.
    ///
    /// Errors: `not_connected`; `no_figures` before the first answer, also if nothing asked.
    [[nodiscard]] Result<ServerTime> server_time() const {
        return detail::figures_of<ServerTime, TmeServerTime>([&](TmeServerTime* out, std::size_t size) {
            return tme_client_server_time(engine_.get(), out, size);
        });
    }

    /// Begins to ask for the server's time: ten times a second at first, then more and more seldom, once a second from 45 s
    /// on. Called again, it begins anew. A `Clock` event tells when the time is known. Errors: `not_connected`.
    Result<void> synchronise_clock() { return detail::done(tme_client_synchronise_clock(engine_.get())); }

    /// Figures of the connection, at most 100 ms older than its last datagram. Errors: `not_connected`.
    [[nodiscard]] Result<PeerStatistics> statistics() const {
        return detail::figures_of<PeerStatistics, TmePeerStatistics>([&](TmePeerStatistics* out, std::size_t size) {
            return tme_client_statistics(engine_.get(), out, size);
        });
    }

    /// Figures of one channel: queue depth, queue time, resent, expired.
    ///
    /// Errors: `not_connected`, `unknown_channel`, `no_figures`.
    [[nodiscard]] Result<ChannelStatistics> channel_statistics(ChannelId channel) const {
        return detail::figures_of<ChannelStatistics, TmeChannelStatistics>(
            [&](TmeChannelStatistics* out, std::size_t size) {
                return tme_client_channel_statistics(engine_.get(), channel, out, size);
            });
    }

    /// What may be sent now, and how long a message on a channel would wait: what was given to `send` counts, whether it
    /// has left or not. Errors: `not_connected`, `unknown_channel`.
    [[nodiscard]] Result<SendBudget> send_budget(ChannelId channel) const {
        return detail::figures_of<SendBudget, TmeSendBudget>([&](TmeSendBudget* out, std::size_t size) {
            return tme_client_send_budget(engine_.get(), channel, out, size);
        });
    }

    /// Figures of the client as a whole, its socket included.
    [[nodiscard]] Result<EngineStatistics> engine_statistics() const {
        return detail::figures_of<EngineStatistics, TmeEngineStatistics>(
            [&](TmeEngineStatistics* out, std::size_t size) {
                return tme_client_engine_statistics(engine_.get(), out, size);
            });
    }

    /// Switches modelled network conditions on, or changes them. They end with the connection.
    ///
    /// Errors: `conditions`, `not_connected`.
    Result<void> set_conditions(Direction direction, const Conditions& conditions) {
        return detail::with_c(conditions, [&](const TmeConditions& c) {
            return tme_client_set_conditions(engine_.get(), static_cast<std::uint32_t>(direction), &c);
        });
    }

    /// Switches modelled network conditions off. Errors: `not_connected`.
    Result<void> clear_conditions(Direction direction) {
        return detail::done(
            tme_client_set_conditions(engine_.get(), static_cast<std::uint32_t>(direction), nullptr));
    }

    /// What modelled network conditions have done. Errors: `not_connected`; `no_figures` while none are on.
    [[nodiscard]] Result<ConditionStatistics> condition_statistics(Direction direction) const {
        return detail::figures_of<ConditionStatistics, TmeConditionStatistics>(
            [&](TmeConditionStatistics* out, std::size_t size) {
                return tme_client_condition_statistics(engine_.get(), static_cast<std::uint32_t>(direction), out, size);
            });
    }

    /// Goes on through another socket, at any port, as after a change of the network: the session lives on, with all
    /// that is queued. Fails with `not_connected` before `Connected`, with `config` where an address cannot change
    /// (in plaintext, at an echo client), with `bind`; then nothing has changed.
    Result<void> rebind() { return detail::done(tme_client_rebind(engine_.get(), nullptr)); }

    /// As `rebind()`, with the local address and port to send from.
    Result<void> rebind(const std::string& address) {
        return detail::done(tme_client_rebind(engine_.get(), address.c_str()));
    }

    /// The address the client sends datagrams from, also while TCP carries the session.
    [[nodiscard]] Result<std::string> local_address() const {
        return detail::text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
            return tme_client_local_address(engine_.get(), buffer, capacity, needed);
        });
    }

    /// The port the client sends datagrams from, also while TCP carries the session; 0 if it was moved from.
    [[nodiscard]] std::uint16_t port() const { return tme_client_port(engine_.get()); }

    /// For calls of `tme.h`; NULL if moved from. It stays this object's. Whoever polls it misses what `events()` has
    /// taken already, and ends the bytes of that.
    [[nodiscard]] TmeClient* native_handle() const noexcept { return engine_.get(); }

private:
    Client(TmeClient* client, std::shared_ptr<void> used) : engine_(client, std::move(used)) {}

    [[nodiscard]] static Result<Client> create(const ClientConfig& config,
                                               TmeResult (*create)(const TmeClientConfig*, TmeClient**)) {
        TmeClient* client = nullptr;
        auto executor = config.executor ? std::make_shared<Executor>(config.executor) : nullptr;
        const auto result = detail::with_c(config, executor.get(),
                                           [&](const TmeClientConfig& c) { return create(&c, &client); });
        return result ? Result<Client>(Client(client, std::move(executor))) : Result<Client>(result.error());
    }

    detail::Engine<TmeClient> engine_;
};

// ---- Querier: asks servers what they are before connecting to one --------------------------------

/// What became of a question.
struct Answer {
    /// Which one.
    QueryId query = QueryId::none;
    /// What the server says of itself, or `unresolved`, or `no_answer`.
    Result<ServerInfo> info;
};

/// Asks up to 1,024 servers at a time, for server browsers: `ask` for each, then `update` and `answers` once a frame.
///
/// Threads: one at a time, a second one gets `busy` and has done nothing. Only `update` waits, as long as it is told.
class Querier {
public:
    /// Makes a querier, which has sockets of its own. Each server has `patience` to answer; zero is 3 s. Errors: `bind`,
    /// `system`.
    [[nodiscard]] static Result<Querier> start(std::chrono::milliseconds patience = std::chrono::milliseconds(3'000)) {
        TmeQuerier* querier = nullptr;
        const TmeResult result = tme_querier_create(detail::wait_ms(patience), &querier);
        return result < 0 ? Result<Querier>(Error::last(result)) : Querier(querier);
    }

    /// As `start`, with somebody else to look names up. Errors: as there.
    [[nodiscard]] static Result<Querier> start_with(Executor executor,
                                                    std::chrono::milliseconds patience = std::chrono::milliseconds(3'000)) {
        auto used = std::make_unique<Executor>(std::move(executor));
        TmeQuerier* querier = nullptr;
        const TmeResult result = tme_querier_create_with(detail::wait_ms(patience), *used ? detail::execute : nullptr,
                                                         used.get(), &querier);
        return result < 0 ? Result<Querier>(Error::last(result)) : Querier(querier, std::move(used));
    }

    /// Begins to ask a server, "host:port"; an `Answer` follows. Errors: `address`, `too_many_queries`, `busy`.
    Result<QueryId> ask(const std::string& address) {
        std::uint64_t query = 0;
        const TmeResult result = tme_querier_ask(querier_.get(), address.c_str(), &query);
        return result < 0 ? Result<QueryId>(Error::last(result)) : static_cast<QueryId>(query);
    }

    /// Sends, receives, and waits at most `timeout` for an answer; zero does not wait. Returns early with answers, or when
    /// none is awaited.
    ///
    /// Errors: `busy`; `wait` and `socket` when it no longer works.
    Result<void> update(std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) {
        return detail::done(tme_querier_update(querier_.get(), detail::wait_ms(timeout)));
    }

    /// Takes the answers that have come. Errors: `busy`.
    [[nodiscard]] Result<std::vector<Answer>> answers() {
        std::vector<Answer> answers;
        TmeEvent events[16];
        std::uint32_t count = 0;
        do {
            const TmeResult result = tme_querier_poll(querier_.get(), events, 16, &count);
            if (result < 0) {
                return Error::last(result);
            }
            for (std::uint32_t index = 0; index < count; ++index) {
                if (events[index].type == TME_EVENT_SERVER_INFO) {
                    answers.push_back(Answer{static_cast<QueryId>(events[index].token), info(events[index].token)});
                }
            }
        } while (count == 16);
        return answers;
    }

    /// How many servers are being asked; answers that wait to be taken have come. Errors: `busy`.
    [[nodiscard]] Result<std::uint32_t> open_count() const {
        std::uint32_t count = 0;
        const TmeResult result = tme_querier_open_count(querier_.get(), &count);
        return result < 0 ? Result<std::uint32_t>(Error::last(result)) : count;
    }

    /// For calls of `tme.h`; NULL if moved from. It stays this object's.
    [[nodiscard]] TmeQuerier* native_handle() const noexcept { return querier_.get(); }

private:
    struct Destroy {
        /// What C calls as long as the querier lives.
        std::unique_ptr<Executor> used = nullptr;

        void operator()(TmeQuerier* querier) const noexcept { tme_querier_destroy(querier); }
    };

    explicit Querier(TmeQuerier* querier, std::unique_ptr<Executor> used = nullptr) noexcept
        : querier_(querier, Destroy{std::move(used)}) {}

    [[nodiscard]] Result<ServerInfo> info(std::uint64_t query) {
        TmeServerInfo info = {};
        const TmeResult result = tme_querier_server_info(querier_.get(), query, &info, sizeof info);
        return result < 0 ? Result<ServerInfo>(Error::last(result)) : detail::from_c(info);
    }

    std::unique_ptr<TmeQuerier, Destroy> querier_;
};

/// Asks one server what it is, and blocks until it answers, at most for `patience`; zero is 3 s.
///
/// Errors: `address`, `unresolved`, `no_answer`, `bind`, `system`.
[[nodiscard]] inline Result<ServerInfo>
query_ask(const std::string& address, std::chrono::milliseconds patience = std::chrono::milliseconds(3'000)) {
    TmeServerInfo info = {};
    const TmeResult result = tme_query_ask(address.c_str(), detail::wait_ms(patience), &info, sizeof info);
    return result < 0 ? Result<ServerInfo>(Error::last(result)) : detail::from_c(info);
}

/// The number by which servers tell which game they run; 0 for a game without a name.
[[nodiscard]] inline Result<std::uint64_t> query_application_id(const std::string& application) {
    std::uint64_t id = 0;
    const TmeResult result = tme_query_application_id(application.empty() ? nullptr : application.c_str(), &id);
    return result < 0 ? Result<std::uint64_t>(Error::last(result)) : id;
}

// ---- Discovery: finds the servers on one's own network -------------------------------------------

/// What has become known of a server.
struct DiscoveryEvent {
    /// What has happened.
    enum class Kind : std::uint32_t {
        /// It has answered for the first time.
        found,
        /// It says something else than before, or has one more address.
        changed,
        /// It has not answered for 7 s.
        lost,
    };
    Kind kind = Kind::found;
    /// The server, as it is now or was last.
    FoundServer server = {};
};

/// Looks for servers until it ends: `search` and `servers` once, or `update` and `events` once a frame.
///
/// Threads: one at a time, a second one gets `busy` and has done nothing. Only `search` and `update` wait, as long as they are
/// told.
class Discovery {
public:
    /// Makes a discovery, which has sockets of its own. Errors: `bind`, `system`.
    [[nodiscard]] static Result<Discovery> start(const DiscoveryConfig& config = {}) {
        TmeDiscoveryConfig c = {};
        tme_discovery_config_init(&c, sizeof c);
        c.application = config.application.empty() ? nullptr : config.application.c_str();
        c.port = config.port;
        c.flags = config.is_this_machine_only ? TME_DISCOVERY_THIS_MACHINE : 0u;
        TmeDiscovery* discovery = nullptr;
        const TmeResult result = tme_discovery_create(&c, &discovery);
        return result < 0 ? Result<Discovery>(Error::last(result)) : Discovery(discovery);
    }

    /// Looks around for so long, and blocks; 2 s find nearly all that there are. Errors: `no_network`, `busy`, `wait`.
    Result<void> search(std::chrono::milliseconds time = std::chrono::milliseconds(2'000)) {
        return detail::done(tme_discovery_search(discovery_.get(), detail::wait_ms(time)));
    }

    /// Asks when it is time, receives, and waits at most `timeout` for news; zero does not wait. Errors: `busy`, `wait`.
    Result<void> update(std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) {
        return detail::done(tme_discovery_update(discovery_.get(), detail::wait_ms(timeout)));
    }

    /// Takes the news. Errors: `busy`.
    [[nodiscard]] Result<std::vector<DiscoveryEvent>> events() {
        std::vector<DiscoveryEvent> events;
        TmeEvent raw[16];
        std::uint32_t count = 0;
        do {
            const TmeResult result = tme_discovery_poll(discovery_.get(), raw, 16, &count);
            if (result < 0) {
                return Error::last(result);
            }
            for (std::uint32_t index = 0; index < count; ++index) {
                auto server = this->server(static_cast<FoundId>(raw[index].token));
                if (!server) {
                    continue;
                }
                const bool is_changed = (raw[index].flags & TME_EVENT_FLAG_CHANGED) != 0;
                switch (raw[index].type) {
                case TME_EVENT_SERVER_FOUND:
                    events.push_back({is_changed ? DiscoveryEvent::Kind::changed : DiscoveryEvent::Kind::found, *server});
                    break;
                case TME_EVENT_SERVER_LOST: events.push_back({DiscoveryEvent::Kind::lost, *server}); break;
                default: break;
                }
            }
        } while (count == 16);
        return events;
    }

    /// The servers that are there, at most 1,024. Errors: `busy`.
    [[nodiscard]] Result<std::vector<FoundServer>> servers() {
        std::vector<std::uint64_t> ids(1'024);
        std::uint32_t count = 0;
        const TmeResult result =
            tme_discovery_servers(discovery_.get(), ids.data(), static_cast<std::uint32_t>(ids.size()), &count);
        if (result < 0) {
            return Error::last(result);
        }
        std::vector<FoundServer> servers;
        for (std::uint32_t index = 0; index < count; ++index) {
            auto server = this->server(static_cast<FoundId>(ids[index]));
            if (!server) {
                return server.error();
            }
            servers.push_back(*server);
        }
        return servers;
    }

    /// What a server says of itself that is there, or that `events` has just told of. Errors: `unknown_server`, `busy`.
    [[nodiscard]] Result<FoundServer> server(FoundId id) {
        TmeFoundServer info = {};
        const TmeResult result =
            tme_discovery_server(discovery_.get(), static_cast<std::uint64_t>(id), &info, sizeof info);
        return result < 0 ? Result<FoundServer>(Error::last(result)) : detail::from_c(info);
    }

    /// By which interfaces the newest question could not leave, and why: a line for each. Empty if there are none.
    [[nodiscard]] Result<std::string> problems() {
        return detail::text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
            return tme_discovery_problems(discovery_.get(), buffer, capacity, needed);
        });
    }

    /// For calls of `tme.h`; NULL if moved from. It stays this object's.
    [[nodiscard]] TmeDiscovery* native_handle() const noexcept { return discovery_.get(); }

private:
    struct Destroy {
        void operator()(TmeDiscovery* discovery) const noexcept { tme_discovery_destroy(discovery); }
    };

    explicit Discovery(TmeDiscovery* discovery) noexcept : discovery_(discovery) {}

    std::unique_ptr<TmeDiscovery, Destroy> discovery_;
};

// ---- Tokens: a backend's word for a player -------------------------------------------------------

/// Makes a token key from the system's randomness: 64 hexadecimal digits that backend and servers share, and nobody else
/// has. Errors: `system` if the system has no randomness.
[[nodiscard]] inline Result<std::string> token_key_generate() { return detail::text_of(tme_token_key_generate); }

/// Makes a connect token for a player who has signed in, as text for his client. No two are equal.
///
/// Errors: `key`; `token` without a user, or with more of something than a token takes; `address` for a hint that is no
/// address; `config` if it is for two servers.
[[nodiscard]] inline Result<std::string> token_make(const std::string& token_key, const TokenConfig& config) {
    Result<std::string> token{std::string()};
    const auto result = detail::with_c(config, [&](const TmeTokenConfig& c) {
        token = detail::text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
            return tme_token_make(token_key.c_str(), &c, buffer, capacity, needed);
        });
        return TME_OK;
    });
    return result ? token : Result<std::string>(result.error());
}

/// What a connect token says, for who has its key. It is not used up. Errors: `key`; `token_text` if it is no token, or not
/// one of this key.
[[nodiscard]] inline Result<TokenInfo> token_open(const std::string& token_key, const std::string& token) {
    TmeTokenInfo info = {};
    const TmeResult result = tme_token_open(token_key.c_str(), token.c_str(), &info, sizeof info);
    return result < 0 ? Result<TokenInfo>(Error::last(result)) : detail::from_c(info);
}

/// Where a server could be found, best first, as the backend thought. Nobody proves that to the client. Errors:
/// `token_text`.
[[nodiscard]] inline Result<std::vector<std::string>> token_hints(const std::string& token) {
    const auto text = detail::text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
        return tme_token_hints(token.c_str(), buffer, capacity, needed);
    });
    if (!text) {
        return text.error();
    }
    std::vector<std::string> hints;
    for (std::size_t start = 0; start < text->size();) {
        const std::size_t end = (std::min)(text->find(',', start), text->size());
        hints.push_back(text->substr(start, end - start));
        start = end + 1;
    }
    return hints;
}

// ---- Keys, conditions, log, version -------------------------------------------------------------

/// Makes a secret key from the system's randomness: a server's, or a player's identity. 64 hexadecimal digits.
///
/// Errors: `system` if the system has no randomness.
[[nodiscard]] inline Result<std::string> key_generate() {
    return detail::text_of(tme_key_generate);
}

/// The public half of a secret key: what a server's clients pin. Errors: `key`.
[[nodiscard]] inline Result<std::string> key_public(const std::string& secret) {
    return detail::text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
        return tme_key_public(secret.c_str(), buffer, capacity, needed);
    });
}

/// The conditions of a kind of network; docs/NETWORK_CONDITIONS.md lists them. Errors: `argument` for an unknown one.
[[nodiscard]] inline Result<Conditions> conditions_preset(const std::string& preset, Path path) {
    TmeConditions conditions = {};
    const TmeResult result =
        tme_conditions_preset(preset.c_str(), static_cast<std::uint32_t>(path), &conditions, sizeof conditions);
    return result < 0 ? Result<Conditions>(Error::last(result)) : detail::from_c(conditions);
}

namespace detail {

/// The function that lines of the log go to. Never freed: network threads may log until the process ends.
inline LogFunction*& log_function() noexcept {
    static LogFunction* function = nullptr;
    return function;
}

/// An exception must not reach the library; `noexcept` ends the process before.
inline void log_line(std::uint32_t level, const char* target, const char* text, void* function) noexcept {
    (*static_cast<LogFunction*>(function))(static_cast<LogLevel>(level), target, text);
}

} // namespace detail

/// Lets log lines go to the sinks whose level is not off. Once per process; silent before.
///
/// Errors: `already_installed`; `file` if the file cannot be opened; `config` if all levels are off, a path or function
/// is missing, or a file limit is out of range.
inline Result<void> log_init(const LogConfig& config) {
    detail::Settings settings(ErrorCode::config);
    TmeLogConfig c = {};
    tme_log_config_init(&c, sizeof c);
    c.console_level = static_cast<std::uint32_t>(config.console_level);
    c.file_level = static_cast<std::uint32_t>(config.file_level);
    c.callback_level = static_cast<std::uint32_t>(config.callback_level);
    c.file_path = settings.text("file_path", config.file_path);
    c.file_bytes_max = config.file_bytes_max;
    c.file_count = config.file_count;
    std::unique_ptr<LogFunction> function;
    if (config.callback) {
        function = std::make_unique<LogFunction>(config.callback);
        c.callback = detail::log_line;
        c.user_data = function.get();
    }
    if (const auto checked = settings.result(); !checked) {
        return checked;
    }
    const auto result = detail::done(tme_log_init(&c));
    if (result) {
        detail::log_function() = function.release();
    }
    return result;
}

/// Changes which lines a sink takes. Nothing happens if it was not installed.
inline Result<void> log_set_level(LogSink sink, LogLevel level) {
    return detail::done(tme_log_set_level(static_cast<std::uint32_t>(sink), static_cast<std::uint32_t>(level)));
}

/// How many lines could not be written to the file so far.
[[nodiscard]] inline std::uint64_t log_lost_lines() { return tme_log_lost_lines(); }

/// The version of this header, to compare with `version()`: major x 1,000,000 + minor x 1,000 + patch.
inline constexpr std::uint32_t header_version = TME_VERSION;

/// The loaded library's version, which may be newer than that of the header a program was built with.
[[nodiscard]] inline std::uint32_t version() { return tme_version(); }

/// The loaded library's version as text, such as "0.1.0".
[[nodiscard]] inline const char* version_string() { return tme_version_string(); }

} // namespace tme

#if defined(__cpp_lib_span)
// Views do not own what they see, so that a temporary one may become a std::span.
template <>
inline constexpr bool std::ranges::enable_borrowed_range<tme::Bytes> = true;
template <>
inline constexpr bool std::ranges::enable_borrowed_range<tme::MutableBytes> = true;
#endif

#pragma pop_macro("max")
#pragma pop_macro("min")

#endif // TME_HPP
