/**
 * @file TME/detail/Engine.hpp
 * The engine behind the static calls of the original interface: at most one server and one client.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef TME_DETAIL_ENGINE_HPP
#define TME_DETAIL_ENGINE_HPP

#include "../ErrorCodes.hpp"
#include "Client.hpp"
#include "Server.hpp"
#include "Settings.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

namespace tme {
namespace original {

/**
 * Safe for several threads: one mutex guards everything. A call that waits gives it back meanwhile, and looks again
 * afterwards whether its server or connection is still the one that it began with.
 */
class Engine {
public:
    using Messages = std::vector<std::vector<uint8_t>>;
    using ClientMessages = std::vector<std::pair<uint32_t, std::vector<uint8_t>>>;

    constexpr Engine() = default;

    ErrorCodes Init() {
        const Lock lock(m_mutex);
        if (!m_isInitialized) {
            m_settings.StartLog();
            m_isInitialized = true;
        }
        return ErrorCodes::Success;
    }

    bool IsInitialized() {
        const Lock lock(m_mutex);
        return m_isInitialized;
    }

    ErrorCodes ShutDown(uint32_t patienceMilliseconds) {
        Lock lock(m_mutex);
        return Stop(lock, patienceMilliseconds);
    }

    /** The program ends: whoever still has the mutex will not give it back. */
    void Exit() {
        Lock lock(m_mutex, std::defer_lock);
        for (const auto deadline = Clock::now() + std::chrono::seconds(1); !lock.try_lock();) {
            if (Clock::now() > deadline) {
                return;
            }
            std::this_thread::sleep_for(kWaitStep);
        }
        Stop(lock, kExitMilliseconds);
        lock.lock();
        m_settings.Forget();
        m_lastError.reset();
    }

    ErrorCodes Update() {
        const Lock lock(m_mutex);
        if (!m_isInitialized) {
            return ErrorCodes::NetworkEngineNotInitialized;
        }
        Pump();
        if (m_server) {
            m_server->Accept();
        }
        return ErrorCodes::Success;
    }

    ErrorCodes StartServer(uint16_t port) {
        const Lock lock(m_mutex);
        if (!m_isInitialized) {
            return ErrorCodes::NetworkEngineNotInitialized;
        }
        Pump();
        if (m_server) {
            m_lastError = "a server runs already; ShutDown ends it";
            return ErrorCodes::AlreadyInitialized;
        }
        const TmeResult result = Server::Start(port, m_settings, m_server);
        if (result < 0) {
            m_lastError = NewestFailure();
            return result == TME_ERROR_BIND ? ErrorCodes::BindFailed : ErrorCodes::ListenFailed;
        }
        ++m_serverRun;
        return ErrorCodes::Success;
    }

    bool IsServerStarted() {
        const Lock lock(m_mutex);
        Pump();
        return m_server != nullptr;
    }

    ErrorCodes StartClient(const std::string& address, uint16_t port) {
        Lock lock(m_mutex);
        if (!m_isInitialized) {
            return ErrorCodes::NetworkEngineNotInitialized;
        }
        Pump();
        if (m_client && m_client->CurrentStage() != Client::Stage::Over) {
            m_lastError = "there is a connection already; ShutDown ends it";
            return ErrorCodes::AlreadyInitialized;
        }
        m_client.reset();
        // Another thread may still wait for the connection that was here.
        const uint64_t run = ++m_clientRun;
        if (address.empty()) {
            // Systems resolve it to anything from an error to themselves.
            m_lastError = "the address is empty";
            return ErrorCodes::AddrInfoFailed;
        }
        const TmeResult result = Client::Start(address, port, m_settings, m_client);
        if (result < 0) {
            m_lastError = NewestFailure();
            const bool isAddress = result == TME_ERROR_ADDRESS || result == TME_ERROR_UTF8;
            return isAddress ? ErrorCodes::AddrInfoFailed : ErrorCodes::ConnectFailed;
        }
        return AwaitConnection(lock, run);
    }

    bool IsClientConnected() {
        const Lock lock(m_mutex);
        Pump();
        const bool isConnected = m_client && m_client->IsConnected();
        if (m_client && !isConnected) {
            m_client->TellLoss();
        }
        return isConnected;
    }

    ErrorCodes SendToServer(const std::vector<uint8_t>& data) {
        Lock lock(m_mutex);
        if (!m_isInitialized) {
            return ErrorCodes::NetworkEngineNotInitialized;
        }
        const auto deadline = Clock::now() + kClientSendPatience;
        for (const uint64_t run = m_clientRun;;) {
            Pump();
            if (run != m_clientRun) {
                return ErrorCodes::SendConnectionClosed;
            }
            if (!m_client || m_client->CurrentStage() == Client::Stage::Connecting) {
                return ErrorCodes::NetworkClientNotConnected;
            }
            if (m_client->CurrentStage() == Client::Stage::Over) {
                const bool isNews = m_client->TellLoss() || m_client->IsConnected();
                return isNews ? ErrorCodes::SendConnectionClosed : ErrorCodes::NetworkClientNotConnected;
            }
            const TmeResult result = data.size() > kMessageBytesMax ? TME_ERROR_TOO_LARGE : m_client->Send(data);
            if (result != TME_ERROR_WOULD_BLOCK) {
                return SendError(result);
            }
            if (m_client->IsStalled() || Clock::now() > deadline) {
                m_client->SetStalled();
                return ErrorCodes::SendFailed;
            }
            Wait(lock);
        }
    }

    ErrorCodes SendToClient(const std::vector<uint8_t>& data, uint32_t networkId) {
        Lock lock(m_mutex);
        const ErrorCodes ready = PrepareServer();
        if (ready != ErrorCodes::Success) {
            return ready;
        }
        const TmePeer peer = m_server->FindConnected(networkId);
        if (peer == 0) {
            return ErrorCodes::ClientNotFound;
        }
        return SendError(Deliver(lock, {peer}, data, data).newestError);
    }

    ErrorCodes SendToAll(const std::vector<uint8_t>& data) {
        Lock lock(m_mutex);
        const ErrorCodes ready = PrepareServer();
        if (ready != ErrorCodes::Success) {
            return ready;
        }
        if (data.size() > kMessageBytesMax) {
            return ErrorCodes::SendSizeTooLarge;
        }
        std::vector<TmePeer> peers = m_server->Connected();
        if (peers.empty()) {
            return ErrorCodes::Success;
        }
        const Delivery delivery = Deliver(lock, std::move(peers), data, SharedMessage(data));
        if (delivery.failed == 0) {
            return ErrorCodes::Success;
        }
        return delivery.sent == 0 ? ErrorCodes::Failure : ErrorCodes::PartialSuccess;
    }

    ErrorCodes ReceiveFromClients(ClientMessages& messages) {
        const Lock lock(m_mutex);
        const ErrorCodes ready = PrepareServer();
        if (ready == ErrorCodes::Success) {
            m_server->Receive(messages);
        }
        return ready;
    }

    ErrorCodes ReceiveFromServer(Messages& messages) {
        const Lock lock(m_mutex);
        if (!m_isInitialized) {
            return ErrorCodes::NetworkEngineNotInitialized;
        }
        Pump();
        // The last words of a lost connection can still be read.
        const bool isReadable =
            m_client && (m_client->CurrentStage() == Client::Stage::Connected || m_client->HasMessages());
        if (!isReadable) {
            return ErrorCodes::NetworkClientNotConnected;
        }
        m_client->Receive(messages);
        return ErrorCodes::Success;
    }

    void Set(Setting Settings::* setting, const std::string& value) {
        const Lock lock(m_mutex);
        (m_settings.*setting).Set(value);
    }

    uint16_t ServerPort() {
        const Lock lock(m_mutex);
        return m_server ? m_server->Port() : uint16_t{0};
    }

    std::string ServerPublicKey() {
        const Lock lock(m_mutex);
        return m_server ? m_server->PublicKey() : std::string();
    }

    std::string LastError() {
        const Lock lock(m_mutex);
        return m_lastError.value_or(std::string());
    }

private:
    using Lock = std::unique_lock<std::mutex>;

    /** What became of one message for several. */
    struct Delivery {
        std::size_t sent = 0;
        std::size_t failed = 0;
        TmeResult newestError = TME_OK;
    };

    static ErrorCodes SendError(TmeResult result) {
        switch (result) {
        case TME_OK:
            return ErrorCodes::Success;
        case TME_ERROR_TOO_LARGE:
        case TME_ERROR_LENGTH:
            return ErrorCodes::SendSizeTooLarge;
        case TME_ERROR_UNKNOWN_PEER:
            return ErrorCodes::ClientNotFound;
        case TME_ERROR_NOT_CONNECTED:
        case TME_ERROR_CLOSED:
            return ErrorCodes::SendConnectionClosed;
        default:
            return ErrorCodes::SendFailed;
        }
    }

    /** Both sides, or a server and a client on one thread would wait for each other. */
    void Pump() {
        if (m_server && !m_server->Pump()) {
            m_lastError = NewestFailure();
            m_server.reset();
            ++m_serverRun;
        }
        if (m_client) {
            m_client->Pump();
        }
    }

    static void Wait(Lock& lock) {
        lock.unlock();
        std::this_thread::sleep_for(kWaitStep);
        lock.lock();
    }

    /** What stands before every call to a server. */
    ErrorCodes PrepareServer() {
        if (!m_isInitialized) {
            return ErrorCodes::NetworkEngineNotInitialized;
        }
        Pump();
        return m_server ? ErrorCodes::Success : ErrorCodes::NetworkServerNotStarted;
    }

    ErrorCodes AwaitConnection(Lock& lock, uint64_t run) {
        for (const auto deadline = Clock::now() + kConnectPatience;;) {
            if (run != m_clientRun) {
                // Shut down meanwhile.
                return ErrorCodes::ConnectFailed;
            }
            m_client->Pump();
            if (m_client->CurrentStage() == Client::Stage::Connected) {
                return ErrorCodes::Success;
            }
            const bool isOver = m_client->CurrentStage() == Client::Stage::Over;
            if (isOver || Clock::now() > deadline) {
                const bool isUnresolved = m_client->EndReason() == TME_REASON_UNRESOLVED;
                m_lastError = isOver ? m_client->EndText() : tme_reason_string(TME_REASON_CONNECT_TIMED_OUT);
                m_client.reset();
                ++m_clientRun;
                return isUnresolved ? ErrorCodes::AddrInfoFailed : ErrorCodes::ConnectFailed;
            }
            Wait(lock);
        }
    }

    /**
     * Sends to everybody named, and waits for those whose queue is full, all together for so long as one may take.
     * `data` is checked for its size, `message` is what goes out.
     */
    template <typename Message>
    Delivery Deliver(
        Lock& lock, std::vector<TmePeer> peers, const std::vector<uint8_t>& data, const Message& message) {
        Delivery delivery;
        const uint64_t run = m_serverRun;
        const auto deadline = Clock::now() + kServerSendPatience;
        const auto fail = [&delivery](TmeResult error, std::size_t count) {
            delivery.failed += count;
            delivery.newestError = error;
        };
        while (true) {
            std::vector<TmePeer> blocked;
            const bool isLate = Clock::now() > deadline;
            for (const TmePeer peer : peers) {
                const TmeResult result =
                    data.size() > kMessageBytesMax ? TME_ERROR_TOO_LARGE : m_server->Send(peer, message);
                if (result >= 0) {
                    ++delivery.sent;
                } else if (result != TME_ERROR_WOULD_BLOCK) {
                    fail(result, 1);
                } else if (isLate || m_server->IsStalled(peer)) {
                    m_server->SetStalled(peer);
                    fail(result, 1);
                } else {
                    blocked.push_back(peer);
                }
            }
            if (blocked.empty()) {
                return delivery;
            }
            peers = std::move(blocked);
            Wait(lock);
            Pump();
            if (run != m_serverRun) {
                fail(TME_ERROR_NOT_CONNECTED, peers.size());
                return delivery;
            }
        }
    }

    /** Without the mutex while it waits: what is being closed is out of everybody's reach. */
    ErrorCodes Stop(Lock& lock, uint32_t patienceMilliseconds) {
        m_isInitialized = false;
        ++m_serverRun;
        ++m_clientRun;
        const std::unique_ptr<Client> client = std::move(m_client);
        const std::unique_ptr<Server> server = std::move(m_server);
        lock.unlock();
        // The client first, for its server may be this one.
        const bool isClientClosed = !client || client->Close(patienceMilliseconds);
        const bool isServerClosed = !server || server->Close(patienceMilliseconds);
        return isClientClosed && isServerClosed ? ErrorCodes::Success : ErrorCodes::CompletedWithErrors;
    }

    std::mutex m_mutex;
    bool m_isInitialized = false;
    /** Another number for each server and each connection, and for none. */
    uint64_t m_serverRun = 0;
    uint64_t m_clientRun = 0;
    std::unique_ptr<Server> m_server;
    std::unique_ptr<Client> m_client;
    Settings m_settings;
    std::optional<std::string> m_lastError;
};

/**
 * An engine that is there before the first constructor of a global object runs and after the last destructor has run:
 * either may call it. At the exit of the program it is emptied, not destroyed.
 */
class GlobalEngine {
public:
    constexpr GlobalEngine() : m_engine() {}
    GlobalEngine(const GlobalEngine&) = delete;
    GlobalEngine& operator=(const GlobalEngine&) = delete;
    ~GlobalEngine() { m_engine.Exit(); }

    Engine* operator->() { return &m_engine; }

private:
    union {
        Engine m_engine;
    };
};

} // namespace original
} // namespace tme

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#endif // TME_DETAIL_ENGINE_HPP
