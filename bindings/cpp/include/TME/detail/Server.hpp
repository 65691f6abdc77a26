/**
 * @file TME/detail/Server.hpp
 * A server of the original interface: clients are accepted in turn, known by a small number, and have an inbox each.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef TME_DETAIL_SERVER_HPP
#define TME_DETAIL_SERVER_HPP

#include "Settings.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

namespace tme {
namespace original {

/** One message that several clients get; its bytes are stored once. */
class SharedMessage {
public:
    explicit SharedMessage(const std::vector<uint8_t>& data) {
        void* bytes = nullptr;
        std::size_t length = 0;
        if (tme_message_create(data.size(), &m_message) < 0) {
            m_message = nullptr;
        } else if (tme_message_writable(m_message, &bytes, &length) >= 0) {
            std::copy(data.begin(), data.end(), static_cast<uint8_t*>(bytes));
        }
    }

    SharedMessage(const SharedMessage&) = delete;
    SharedMessage& operator=(const SharedMessage&) = delete;
    ~SharedMessage() { tme_message_release(m_message); }

    TmeResult SendTo(TmeServer* server, TmePeer peer) const {
        TmeMessage* copy = nullptr;
        TmeResult result = tme_message_clone(m_message, &copy);
        if (result >= 0) {
            result = tme_server_send_message(server, peer, kChannel, copy, nullptr);
        }
        if (result < 0) {
            tme_message_release(copy);
        }
        return result;
    }

private:
    TmeMessage* m_message = nullptr;
};

/** Not safe for several threads; whoever owns it sees to that. No call waits. */
class Server {
public:
    /** What tme.h says of the attempt; `server` is set if that is not an error. */
    static TmeResult Start(uint16_t port, const Settings& settings, std::unique_ptr<Server>& server) {
        const std::string keyFile = settings.serverKeyFile.Value();
        TmeServerConfig config;
        tme_server_config_init(&config, sizeof config);
        config.flags = TME_CONFIG_THREADED;
        config.key_file = OrNull(keyFile);
        config.max_peers = settings.MaxClients();
        config.message_bytes_max = static_cast<uint32_t>(kMessageBytesMax);
        config.connection_credit_bytes = kCreditBytes;
        config.channel_credit_bytes = kCreditBytes;
        config.channel_credit_messages = kCreditMessages;
        // All interfaces: IPv6 and IPv4, or IPv4 alone on a machine that has no other.
        TmeServer* handle = nullptr;
        TmeResult result = TME_OK;
        for (const char* interfaces : {"[::]:", "0.0.0.0:"}) {
            const std::string listen = interfaces + std::to_string(port);
            config.listen = listen.c_str();
            result = tme_server_create(&config, &handle);
            if (result >= 0) {
                server.reset(new Server(handle));
                break;
            }
        }
        return result;
    }

    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() { tme_server_destroy(m_handle); }

    /** Lets what is queued arrive and says goodbye. The one call that waits. */
    bool Close(uint32_t patienceMilliseconds) { return tme_server_shutdown(m_handle, patienceMilliseconds) >= 0; }

    /** Takes news from the library while there is room for it. False: the server has stopped for good. */
    bool Pump() {
        TmeEvent events[kEventsPerPoll];
        while (m_backlogBytes < kBacklogBytesMax) {
            uint32_t count = 0;
            const TmeResult result = tme_server_poll(m_handle, events, kEventsPerPoll, &count);
            if (result < 0) {
                return result == TME_ERROR_BUSY;
            }
            if (count == 0) {
                break;
            }
            for (uint32_t index = 0; index < count; ++index) {
                Handle(events[index]);
            }
        }
        return true;
    }

    /** Gives those who came first their numbers. */
    void Accept() {
        for (std::size_t accepted = 0; accepted < kAcceptsPerUpdate && !m_waiting.empty();) {
            const auto found = m_clients.find(m_waiting.front());
            // Whoever left without a word is passed over.
            if (found != m_clients.end()) {
                found->second.networkId = m_nextNetworkId++;
                m_accepted.emplace(found->second.networkId, found->first);
                ++accepted;
            }
            m_waiting.pop_front();
        }
    }

    /** 0: nobody who is connected has this number. */
    TmePeer FindConnected(uint32_t networkId) const {
        const auto found = m_accepted.find(networkId);
        const bool isConnected = found != m_accepted.end() && m_clients.at(found->second).isConnected;
        return isConnected ? found->second : 0;
    }

    std::vector<TmePeer> Connected() const {
        std::vector<TmePeer> peers;
        for (const auto& [networkId, peer] : m_accepted) {
            if (m_clients.at(peer).isConnected) {
                peers.push_back(peer);
            }
        }
        return peers;
    }

    TmeResult Send(TmePeer peer, const std::vector<uint8_t>& data) {
        return Note(peer, tme_server_send(m_handle, peer, kChannel, data.data(), data.size(), 0));
    }

    TmeResult Send(TmePeer peer, const SharedMessage& message) { return Note(peer, message.SendTo(m_handle, peer)); }

    /** Waiting for it was given up, and nothing could be sent since: it is not waited for again. */
    bool IsStalled(TmePeer peer) const {
        const auto found = m_clients.find(peer);
        return found != m_clients.end() && found->second.isStalled;
    }

    void SetStalled(TmePeer peer) {
        const auto found = m_clients.find(peer);
        if (found != m_clients.end()) {
            found->second.isStalled = true;
        }
    }

    void Receive(std::vector<std::pair<uint32_t, std::vector<uint8_t>>>& messages) {
        for (auto next = m_accepted.begin(); next != m_accepted.end();) {
            const auto here = next++;
            const auto client = m_clients.find(here->second);
            std::deque<std::vector<uint8_t>>& inbox = client->second.inbox;
            for (std::size_t taken = 0; taken < kMessagesPerReceive && !inbox.empty(); ++taken) {
                m_backlogBytes -= inbox.front().size() + kMessageOverheadBytes;
                messages.emplace_back(here->first, std::move(inbox.front()));
                inbox.pop_front();
            }
            if (inbox.empty() && !client->second.isConnected) {
                m_clients.erase(client);
                m_accepted.erase(here);
            }
        }
    }

    uint16_t Port() const { return tme_server_port(m_handle); }

    std::string PublicKey() const {
        char key[TME_KEY_TEXT_BYTES];
        return tme_server_public_key(m_handle, key, sizeof key, nullptr) < 0 ? std::string() : std::string(key);
    }

private:
    struct Client {
        /** 0 until it is accepted. */
        uint32_t networkId = 0;
        bool isConnected = true;
        bool isStalled = false;
        std::deque<std::vector<uint8_t>> inbox;
    };

    explicit Server(TmeServer* handle) : m_handle(handle) {}

    void Handle(const TmeEvent& event) {
        if (event.type == TME_EVENT_CONNECTED) {
            m_clients.try_emplace(event.peer);
            m_waiting.push_back(event.peer);
            return;
        }
        const auto client = m_clients.find(event.peer);
        if (client == m_clients.end()) {
            return;
        }
        if (event.type == TME_EVENT_MESSAGE) {
            client->second.inbox.emplace_back(event.data, event.data + event.length);
            m_backlogBytes += event.length + kMessageOverheadBytes;
        } else if (event.type == TME_EVENT_DISCONNECTED) {
            client->second.isConnected = false;
            // What it sent before it left is still received.
            if (client->second.inbox.empty()) {
                m_accepted.erase(client->second.networkId);
                m_clients.erase(client);
            }
        }
    }

    TmeResult Note(TmePeer peer, TmeResult result) {
        const auto found = m_clients.find(peer);
        if (found != m_clients.end() && result >= 0) {
            found->second.isStalled = false;
        }
        return result;
    }

    TmeServer* m_handle;
    std::map<TmePeer, Client> m_clients;
    /** Connected and not accepted yet, in the order in which they came. Some may be gone. */
    std::deque<TmePeer> m_waiting;
    /** By network id. */
    std::map<uint32_t, TmePeer> m_accepted;
    uint32_t m_nextNetworkId = 1;
    std::size_t m_backlogBytes = 0;
};

} // namespace original
} // namespace tme

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#endif // TME_DETAIL_SERVER_HPP
