/**
 * @file TME/NetworkEngine.hpp
 * The interface of the original engine, over tme.h: games that were written for it need nothing but these headers and
 * the library.
 *
 * All of it is here, there is nothing to link but libtme. What differs from the original and how to go over to tme.hpp
 * call by call is in docs/MIGRATING.md.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef TME_NETWORK_ENGINE_HPP
#define TME_NETWORK_ENGINE_HPP

#if (defined(_MSVC_LANG) ? _MSVC_LANG : __cplusplus) < 201703L
#error "TME/NetworkEngine.hpp needs C++17: -std=c++17, or /std:c++17"
#endif

#include "ErrorCodes.hpp"
#include "Export.hpp"
#include "detail/Engine.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

/**
 * On Linux and macOS one engine serves the program and all its shared libraries, as before. On Windows each program
 * and each DLL that includes this header has one of its own.
 */
#if defined(_WIN32)
#define TME_ORIGINAL_API
#else
#define TME_ORIGINAL_API TME_API
#endif

namespace tme {

/**
 * At most one server and one client, for the whole program. Messages arrive whole, once and in order; they are at most
 * 16 MiB. A network thread works behind every server and client: nothing has to be called for the connections to live.
 *
 * Errors stand in this order: before Init and after ShutDown all network calls give NetworkEngineNotInitialized; then
 * calls of a server give NetworkServerNotStarted, and calls of a client NetworkClientNotConnected, where there is none;
 * then the rest. No call throws, running out of memory excepted.
 *
 * Threads: any, for every call.
 */
class TME_ORIGINAL_API NetworkEngine {
public:
    /**
     * Starts the engine. A second call does nothing.
     *
     * Installs the log: the console, where there is one, and the file `tme.log` in the working directory with three
     * older ones, 10 MiB each. A log that is installed already stays.
     *
     * Returns: Success.
     */
    static ErrorCodes Init() { return s_engine->Init(); }

    /** Init, if it has not run. Returns: Success. */
    static ErrorCodes EnsureInitialized() { return s_engine->Init(); }

    /** True from Init until ShutDown. */
    static bool IsInitialized() { return s_engine->IsInitialized(); }

    /**
     * Stops everything: what was sent still arrives, for which it waits 3 s at most for the client and for the server.
     * Init may follow. The exit of a program does the same, with 1 s.
     *
     * Returns: Success, also where nothing ran; CompletedWithErrors.
     */
    static ErrorCodes ShutDown() { return s_engine->ShutDown(original::kShutDownMilliseconds); }

    /**
     * Server: accepts at most 16 new clients and processes connections. Client: processes its connection.
     *
     * Returns: Success; NetworkEngineNotInitialized.
     */
    static ErrorCodes Update() { return s_engine->Update(); }

    /**
     * Listens on all interfaces, IPv4 and IPv6. The port is one of UDP; 0 lets the system choose.
     *
     * Returns: Success; NetworkEngineNotInitialized; AlreadyInitialized where a server runs; BindFailed if the port is
     * taken; ListenFailed for everything else, such as a key file that cannot be read.
     */
    static ErrorCodes StartServer(uint16_t port) { return s_engine->StartServer(port); }

    /** True from StartServer until ShutDown, unless the server fails. */
    static bool IsServerStarted() { return s_engine->IsServerStarted(); }

    /**
     * Connects, which takes 5 s if nobody answers. A connection that was lost may be made again.
     *
     * Parameters: `address`, a name or an address, IPv6 with or without brackets.
     * Returns: Success; NetworkEngineNotInitialized; AlreadyInitialized where there is a connection; AddrInfoFailed if
     * the name leads nowhere; ConnectFailed if nobody answers or the server refuses.
     */
    static ErrorCodes StartClient(const std::string& address, uint16_t port) {
        return s_engine->StartClient(address, port);
    }

    /**
     * False once the connection is lost, or was never made.
     *
     * While there are messages to receive that came before the loss it stays true, for 2 s after each call that
     * receives: loops that run as long as this holds get them.
     */
    static bool IsClientConnected() { return s_engine->IsClientConnected(); }

    /**
     * Sends one message. Where the server takes nothing and the queue is full, waits for up to 5 s; once that was in
     * vain, not again before something could be sent.
     *
     * Returns: Success; NetworkEngineNotInitialized; NetworkClientNotConnected; SendConnectionClosed if this call is
     * the first to find the connection lost; SendSizeTooLarge; SendFailed after waiting in vain.
     */
    static ErrorCodes SendToServerReliable(const std::vector<uint8_t>& data) { return s_engine->SendToServer(data); }

    /**
     * Sends one message to one client. Waits as SendToServerReliable does, but 1 s.
     *
     * Returns: Success; NetworkEngineNotInitialized; NetworkServerNotStarted; ClientNotFound; SendSizeTooLarge;
     * SendFailed after waiting in vain.
     */
    static ErrorCodes SendToClientReliable(const std::vector<uint8_t>& data, uint32_t networkId) {
        return s_engine->SendToClient(data, networkId);
    }

    /**
     * Sends one message to all clients. Waits as SendToServerReliable does, but 1 s for all of them together.
     *
     * Returns: Success, also if nobody is connected; NetworkEngineNotInitialized; NetworkServerNotStarted;
     * SendSizeTooLarge; PartialSuccess where some could not be sent it; Failure where nobody could.
     */
    static ErrorCodes SendToAllClientReliable(const std::vector<uint8_t>& data) { return s_engine->SendToAll(data); }

    /**
     * Appends what clients have sent: at most 32 messages each, in order, with the client's network id. Those of
     * clients that have left come, too.
     *
     * Returns: Success, also if nothing waits; NetworkEngineNotInitialized; NetworkServerNotStarted.
     */
    static ErrorCodes ReceiveAllReliableFromClient(
        std::vector<std::pair<uint32_t, std::vector<uint8_t>>>& outMessages) {
        return s_engine->ReceiveFromClients(outMessages);
    }

    /**
     * Appends what the server has sent, at most 32 messages, in order.
     *
     * Returns: Success, also if nothing waits; NetworkEngineNotInitialized; NetworkClientNotConnected where there is
     * no connection and nothing left from one.
     */
    static ErrorCodes ReceiveAllReliableFromServer(std::vector<std::vector<uint8_t>>& outMessages) {
        return s_engine->ReceiveFromServer(outMessages);
    }

    // ---- What the original did not have. Environment variables do the same without a change of the game.

    /** Client: the only key the server may have, 64 hexadecimal digits. Before StartClient. TME_SERVER_KEY. */
    static void SetServerKey(const std::string& publicKey) { s_engine->Set(&original::Settings::serverKey, publicKey); }

    /**
     * Client: a file in which the key of each server is remembered when it is met first; later only that one is
     * believed. Not heeded with SetServerKey. Before StartClient. TME_KNOWN_HOSTS.
     */
    static void SetKnownHosts(const std::string& path) { s_engine->Set(&original::Settings::knownHosts, path); }

    /** Server: the file with its secret key, made by `tme keygen`. Before StartServer. TME_SERVER_KEY_FILE. */
    static void SetServerKeyFile(const std::string& path) { s_engine->Set(&original::Settings::serverKeyFile, path); }

    /** Server: clients at a time, 256 unless set. Before StartServer. TME_MAX_CLIENTS. */
    static void SetMaxClients(uint32_t count) {
        s_engine->Set(&original::Settings::maxClients, std::to_string(count));
    }

    /** The log file; empty: none. Before Init. TME_LOG_FILE. */
    static void SetLogFile(const std::string& path) { s_engine->Set(&original::Settings::logFile, path); }

    /** "off", "error", "warn", "info" (unless set), "debug" or "trace". Before Init. TME_LOG_LEVEL. */
    static void SetLogLevel(const std::string& level) { s_engine->Set(&original::Settings::logLevel, level); }

    /** The port the server listens on; 0 where there is none. */
    static uint16_t ServerPort() { return s_engine->ServerPort(); }

    /** What clients give to SetServerKey; empty where there is no server. */
    static std::string ServerPublicKey() { return s_engine->ServerPublicKey(); }

    /** Why the newest StartServer or StartClient that failed did so, in words. */
    static std::string LastErrorText() { return s_engine->LastError(); }

private:
    inline static original::GlobalEngine s_engine;
};

} // namespace tme

#undef TME_ORIGINAL_API

#endif // TME_NETWORK_ENGINE_HPP
