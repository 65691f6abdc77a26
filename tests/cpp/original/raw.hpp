// The other side of a connection, through tme.h: several clients in one program, and peers that behave badly.
#ifndef TME_TESTS_ORIGINAL_RAW_HPP
#define TME_TESTS_ORIGINAL_RAW_HPP

#include "check.hpp"

#include <string>
#include <tme.h>

namespace test {

// A client of its own network thread that connects at once.
class RawClient {
public:
    explicit RawClient(uint16_t port, uint32_t messageBytesMax = 0) {
        const std::string address = "127.0.0.1:" + std::to_string(port);
        TmeClientConfig config;
        tme_client_config_init(&config, sizeof config);
        config.flags = TME_CONFIG_THREADED;
        config.address = address.c_str();
        config.message_bytes_max = messageBytesMax;
        CHECK(tme_client_create(&config, &m_client) == TME_OK);
        CHECK(Eventually([this] { return tme_client_is_connected(m_client) == 1; }));
    }

    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;
    ~RawClient() { tme_client_destroy(m_client); }

    void Send(const Bytes& bytes) { CHECK(TrySend(bytes) == TME_OK); }

    TmeResult TrySend(const Bytes& bytes) {
        return tme_client_send(m_client, 0, bytes.data(), bytes.size(), TME_SEND_FLUSH);
    }

    void Close() { CHECK(tme_client_close(m_client, 5000) == TME_OK); }

    bool IsConnected() const { return tme_client_is_connected(m_client) == 1; }

    Messages Receive() {
        Messages messages;
        TmeEvent events[64];
        uint32_t count = 0;
        while (tme_client_poll(m_client, events, 64, &count) == TME_OK && count > 0) {
            for (uint32_t index = 0; index < count; ++index) {
                if (events[index].type == TME_EVENT_MESSAGE) {
                    messages.emplace_back(events[index].data, events[index].data + events[index].length);
                }
            }
        }
        return messages;
    }

    TmeClient* Handle() { return m_client; }

private:
    TmeClient* m_client = nullptr;
};

// A server of its own network thread, for one client.
class RawServer {
public:
    explicit RawServer(uint32_t messageBytesMax = 0, const char* application = nullptr) {
        TmeServerConfig config;
        tme_server_config_init(&config, sizeof config);
        config.flags = TME_CONFIG_THREADED;
        config.listen = "127.0.0.1:0";
        config.application = application;
        config.message_bytes_max = messageBytesMax;
        CHECK(tme_server_create(&config, &m_server) == TME_OK);
    }

    RawServer(const RawServer&) = delete;
    RawServer& operator=(const RawServer&) = delete;
    ~RawServer() { tme_server_destroy(m_server); }

    uint16_t Port() const { return tme_server_port(m_server); }

    void Send(const Bytes& bytes) {
        CHECK(tme_server_broadcast(m_server, 0, bytes.data(), bytes.size(), TME_SEND_FLUSH, nullptr) == TME_OK);
    }

    void ShutDown() { CHECK(tme_server_shutdown(m_server, 5000) == TME_OK); }

    uint32_t PeerCount() const {
        uint32_t count = 0;
        const TmeResult result = tme_server_peers(m_server, nullptr, 0, &count);
        CHECK(result == TME_OK || result == TME_ERROR_BUFFER_TOO_SMALL);
        return count;
    }

    TmePeer Peer() const {
        TmePeer peer = 0;
        uint32_t count = 0;
        CHECK(tme_server_peers(m_server, &peer, 1, &count) == TME_OK && count == 1);
        return peer;
    }

    TmeServer* Handle() { return m_server; }

private:
    TmeServer* m_server = nullptr;
};

} // namespace test

#endif
