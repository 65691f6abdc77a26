/**
 * @file TME/detail/Client.hpp
 * A client of the original interface: one connection, and what came over it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef TME_DETAIL_CLIENT_HPP
#define TME_DETAIL_CLIENT_HPP

#include "Settings.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

namespace tme {
namespace original {

/** Not safe for several threads; whoever owns it sees to that. No call waits. */
class Client {
public:
    enum class Stage { Connecting, Connected, Over };

    /** What tme.h says of the attempt; `client` is set if that is not an error. */
    static TmeResult Start(
        const std::string& address, uint16_t port, const Settings& settings, std::unique_ptr<Client>& client) {
        const bool isBareIpv6 = address.find(':') != std::string::npos && address.front() != '[';
        const std::string host = isBareIpv6 ? "[" + address + "]" : address;
        const std::string target = host + ":" + std::to_string(port);
        const std::string serverKey = settings.serverKey.Value();
        const std::string knownHosts = serverKey.empty() ? settings.knownHosts.Value() : std::string();
        TmeClientConfig config;
        tme_client_config_init(&config, sizeof config);
        config.flags = TME_CONFIG_THREADED;
        config.address = target.c_str();
        config.server_key = OrNull(serverKey);
        config.known_hosts = OrNull(knownHosts);
        config.connect_timeout_ms = kConnectMilliseconds;
        config.message_bytes_max = static_cast<uint32_t>(kMessageBytesMax);
        config.connection_credit_bytes = kCreditBytes;
        config.channel_credit_bytes = kCreditBytes;
        config.channel_credit_messages = kCreditMessages;
        TmeClient* handle = nullptr;
        const TmeResult result = tme_client_create(&config, &handle);
        if (result >= 0) {
            client.reset(new Client(handle));
        }
        return result;
    }

    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() { tme_client_destroy(m_handle); }

    /** Lets what is queued arrive and says goodbye. The one call that waits. */
    bool Close(uint32_t patienceMilliseconds) {
        return m_stage != Stage::Connected || tme_client_close(m_handle, patienceMilliseconds) >= 0;
    }

    /** Takes news from the library while there is room for it. */
    void Pump() {
        TmeEvent events[kEventsPerPoll];
        // What a lost connection left behind is bounded, and the loss itself stands at its end.
        while (m_stage != Stage::Over && (m_backlogBytes < kBacklogBytesMax || !IsAlive())) {
            uint32_t count = 0;
            const TmeResult result = tme_client_poll(m_handle, events, kEventsPerPoll, &count);
            if (result == TME_ERROR_BUSY || (result >= 0 && count == 0)) {
                return;
            }
            if (result < 0 && result != TME_ERROR_FILE) {
                End(0, tme_result_string(result));
                return;
            }
            for (uint32_t index = 0; index < count; ++index) {
                Handle(events[index]);
            }
        }
    }

    Stage CurrentStage() const { return m_stage; }

    /** Why the connection ended or was never made: TME_REASON_…, and the same in words. */
    uint32_t EndReason() const { return m_endReason; }
    const std::string& EndText() const { return m_endText; }

    /**
     * Whether the game is to go on. A lost connection counts until its last words are read, so that a loop like
     * `while (IsClientConnected()) { Receive…; }` gets them; not for long if the game does not read.
     */
    bool IsConnected() const {
        return m_stage == Stage::Connected ||
               (m_stage == Stage::Over && !m_inbox.empty() && Clock::now() - m_lastWordsSince < kLastWordsPatience);
    }

    bool HasMessages() const { return !m_inbox.empty(); }

    /** Once: the connection is lost, and the game has not been told. */
    bool TellLoss() { return m_stage == Stage::Over && !std::exchange(m_isLossTold, true); }

    TmeResult Send(const std::vector<uint8_t>& data) {
        const TmeResult result = tme_client_send(m_handle, kChannel, data.data(), data.size(), 0);
        m_isStalled = m_isStalled && result < 0;
        return result;
    }

    /** Waiting was given up, and nothing could be sent since: it is not waited again. */
    bool IsStalled() const { return m_isStalled; }
    void SetStalled() { m_isStalled = true; }

    void Receive(std::vector<std::vector<uint8_t>>& messages) {
        for (std::size_t taken = 0; taken < kMessagesPerReceive && !m_inbox.empty(); ++taken) {
            m_backlogBytes -= m_inbox.front().size() + kMessageOverheadBytes;
            messages.push_back(std::move(m_inbox.front()));
            m_inbox.pop_front();
        }
        m_lastWordsSince = Clock::now();
    }

private:
    explicit Client(TmeClient* handle) : m_handle(handle) {}

    bool IsAlive() const { return m_stage == Stage::Connecting || tme_client_is_connected(m_handle) > 0; }

    void Handle(const TmeEvent& event) {
        if (event.type == TME_EVENT_CONNECTED) {
            m_stage = Stage::Connected;
        } else if (event.type == TME_EVENT_MESSAGE) {
            m_inbox.emplace_back(event.data, event.data + event.length);
            m_backlogBytes += event.length + kMessageOverheadBytes;
        } else if (event.type == TME_EVENT_DISCONNECTED) {
            End(event.reason, tme_reason_string(event.reason));
        }
    }

    void End(uint32_t reason, const char* text) {
        m_stage = Stage::Over;
        m_endReason = reason;
        m_endText = text;
        m_lastWordsSince = Clock::now();
    }

    TmeClient* m_handle;
    Stage m_stage = Stage::Connecting;
    std::deque<std::vector<uint8_t>> m_inbox;
    std::size_t m_backlogBytes = 0;
    bool m_isStalled = false;
    bool m_isLossTold = false;
    uint32_t m_endReason = 0;
    std::string m_endText;
    Clock::time_point m_lastWordsSince{};
};

} // namespace original
} // namespace tme

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#endif // TME_DETAIL_CLIENT_HPP
