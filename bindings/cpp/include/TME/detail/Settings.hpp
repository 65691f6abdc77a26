/**
 * @file TME/detail/Settings.hpp
 * What the original interface asks of the library, where a game or its environment can ask for something else.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef TME_DETAIL_SETTINGS_HPP
#define TME_DETAIL_SETTINGS_HPP

#include <tme.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

namespace tme {
namespace original {

using Clock = std::chrono::steady_clock;

/** Reliable and ordered, in the default channel table of tme.h. */
constexpr uint32_t kChannel = 0;

/** Largest message, which is also the most that tme.h can be set to. */
constexpr std::size_t kMessageBytesMax = std::size_t{16} << 20;

/** Room in the air for one message of the largest size. This much a peer can make the library hold. */
constexpr uint32_t kCreditBytes = uint32_t{16} << 20;

/**
 * Messages in the air per peer. Fewer than the default: a game takes 32 a call, and where the backlog is full the
 * messages of all others stand behind those of a peer that sends too many.
 */
constexpr uint32_t kCreditMessages = 1024;

/** Messages that wait for the game are taken from the library up to this many bytes; then senders have to wait. */
constexpr std::size_t kBacklogBytesMax = std::size_t{64} << 20;

/** What a waiting message costs beside its bytes, so that empty ones are bounded too. */
constexpr std::size_t kMessageOverheadBytes = 128;

constexpr uint32_t kEventsPerPoll = 16;
constexpr std::size_t kAcceptsPerUpdate = 16;
constexpr std::size_t kMessagesPerReceive = 32;
constexpr uint32_t kClientsMaxDefault = 256;

constexpr uint32_t kConnectMilliseconds = 5000;
/** A look-up of a name may hang in the system for longer than any answer of a server is awaited. */
constexpr std::chrono::milliseconds kConnectPatience{kConnectMilliseconds + 5000};

/** How long a send waits where the other side takes nothing. A server has others to serve. */
constexpr std::chrono::milliseconds kClientSendPatience{5000};
constexpr std::chrono::milliseconds kServerSendPatience{1000};

/** How long the last words of a lost connection keep it alive for a game that does not read them. */
constexpr std::chrono::milliseconds kLastWordsPatience{2000};

constexpr uint32_t kShutDownMilliseconds = 3000;
/** At the exit of a program that did not call ShutDown; what was sent is to arrive, as it did over TCP. */
constexpr uint32_t kExitMilliseconds = 1000;

/** How often a call that waits looks again. */
constexpr std::chrono::milliseconds kWaitStep{1};

/** The value of an environment variable; nothing if it is not set. */
inline std::optional<std::string> Environment(const char* name) {
#if defined(_MSC_VER)
    char* value = nullptr;
    std::size_t bytes = 0;
    if (_dupenv_s(&value, &bytes, name) != 0 || value == nullptr) {
        return std::nullopt;
    }
    std::string text(value);
    std::free(value);
    return text;
#else
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
#endif
}

/** A setting that a call sets, else the environment; empty is as good as not set. */
class Setting {
public:
    constexpr explicit Setting(const char* variable) : m_variable(variable) {}

    void Set(const std::string& value) { m_value = value; }
    void Forget() { m_value.reset(); }

    std::optional<std::string> ValueOrUnset() const { return m_value ? m_value : Environment(m_variable); }
    std::string Value() const { return ValueOrUnset().value_or(std::string()); }

private:
    const char* m_variable;
    std::optional<std::string> m_value;
};

/** A text for a field of tme.h in which NULL is the default. */
inline const char* OrNull(const std::string& text) {
    return text.empty() ? nullptr : text.c_str();
}

struct Settings {
    Setting serverKey{"TME_SERVER_KEY"};
    Setting knownHosts{"TME_KNOWN_HOSTS"};
    Setting serverKeyFile{"TME_SERVER_KEY_FILE"};
    Setting maxClients{"TME_MAX_CLIENTS"};
    Setting logFile{"TME_LOG_FILE"};
    Setting logLevel{"TME_LOG_LEVEL"};

    void Forget() {
        for (Setting* setting : {&serverKey, &knownHosts, &serverKeyFile, &maxClients, &logFile, &logLevel}) {
            setting->Forget();
        }
    }

    uint32_t MaxClients() const {
        const unsigned long number = std::strtoul(maxClients.Value().c_str(), nullptr, 10);
        constexpr unsigned long most = 524287;
        return number == 0 ? kClientsMaxDefault : static_cast<uint32_t>(number < most ? number : most);
    }

    uint32_t LogLevel() const {
        const char* const names[] = {"off", "error", "warn", "info", "debug", "trace"};
        const std::string name = logLevel.Value();
        for (uint32_t level = TME_LOG_OFF; level <= TME_LOG_TRACE; ++level) {
            if (name == names[level]) {
                return level;
            }
        }
        return TME_LOG_INFO;
    }

    /** Console and file, as the original did. A log of the game's own stays, and one that fails is no reason to stop. */
    void StartLog() const {
        TmeLogConfig config;
        tme_log_config_init(&config, sizeof config);
        const std::string path = logFile.ValueOrUnset().value_or("tme.log");
        config.console_level = LogLevel();
        config.file_level = path.empty() ? TME_LOG_OFF : LogLevel();
        config.file_path = OrNull(path);
        if (config.console_level == TME_LOG_OFF) {
            return;
        }
        if (tme_log_init(&config) == TME_ERROR_FILE) {
            // A folder where the game must not write.
            config.file_level = TME_LOG_OFF;
            tme_log_init(&config);
        }
    }
};

/** What the library has to say about this thread's newest failed call. */
inline std::string NewestFailure() {
    char text[513];
    return tme_last_error(text, sizeof text, nullptr) < 0 ? std::string() : std::string(text);
}

} // namespace original
} // namespace tme

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#endif // TME_DETAIL_SETTINGS_HPP
