// What a client promises: how a lost connection shows, what still arrives, and what an outage does.
#include "raw.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <thread>

using namespace test;

namespace {

using Clock = std::chrono::steady_clock;

void Connect(RawServer& server) {
    CHECK_CODE(Engine::StartClient("127.0.0.1", server.Port()), Success);
    CHECK(Engine::IsClientConnected());
    // A client is connected a moment before its server knows.
    CHECK(Eventually([&] { return server.PeerCount() == 1; }));
}

void SendingAloneFindsTheLoss() {
    auto server = std::make_unique<RawServer>();
    Connect(*server);
    server->ShutDown();
    server.reset();
    Sleep(200);
    CHECK_CODE(Engine::SendToServerReliable({1}), SendConnectionClosed);
    CHECK_CODE(Engine::SendToServerReliable({1}), NetworkClientNotConnected);
    CHECK(!Engine::IsClientConnected());
    CHECK_CODE(Engine::Update(), Success);
    Messages messages;
    CHECK_CODE(Engine::ReceiveAllReliableFromServer(messages), NetworkClientNotConnected);

    // And another server is found.
    RawServer next;
    Connect(next);
    CHECK_CODE(Engine::SendToServerReliable({1}), Success);
    CHECK_CODE(Engine::ShutDown(), Success);
    CHECK_CODE(Engine::Init(), Success);
}

// The loop of nearly every game: it ends, but not before everything is read.
void TheLastWordsAreReadByAnOrdinaryLoop() {
    RawServer server;
    Connect(server);
    for (uint32_t number = 0; number < 100; ++number) {
        server.Send(Numbered(number, 40));
    }
    server.ShutDown();
    Messages messages;
    while (Engine::IsClientConnected()) {
        CHECK_CODE(Engine::ReceiveAllReliableFromServer(messages), Success);
        Sleep(20);
    }
    CHECK(messages.size() == 100);
    for (uint32_t number = 0; number < 100; ++number) {
        CHECK(messages[number] == Numbered(number, 40));
    }
    CHECK_CODE(Engine::SendToServerReliable({1}), NetworkClientNotConnected);
}

void UnreadWordsDoNotKeepAConnection() {
    RawServer server;
    Connect(server);
    server.Send({1});
    server.ShutDown();
    Sleep(200);
    CHECK(Engine::IsClientConnected());
    CHECK_CODE(Engine::SendToServerReliable({1}), SendConnectionClosed);
    const auto before = Clock::now();
    CHECK(Eventually([] { return !Engine::IsClientConnected(); }));
    CHECK(Clock::now() - before < std::chrono::seconds(5));
    CHECK_CODE(Engine::SendToServerReliable({1}), NetworkClientNotConnected);
    // They are not thrown away either.
    Messages messages;
    CHECK_CODE(Engine::ReceiveAllReliableFromServer(messages), Success);
    CHECK(messages.size() == 1);
    CHECK_CODE(Engine::ReceiveAllReliableFromServer(messages), NetworkClientNotConnected);
}

void AtMostThirtyTwoMessagesAreReceived() {
    RawServer server;
    Connect(server);
    for (uint32_t number = 0; number < 70; ++number) {
        server.Send(Numbered(number, 8));
    }
    Sleep(300);
    for (const std::size_t expected : {32u, 32u, 6u, 0u}) {
        Messages messages;
        CHECK_CODE(Engine::ReceiveAllReliableFromServer(messages), Success);
        CHECK(messages.size() == expected);
    }
    CHECK_CODE(Engine::ShutDown(), Success);
    CHECK_CODE(Engine::Init(), Success);
}

// Nothing arrives for four seconds; the session goes on, and every message with it.
void AShortOutageKeepsTheSession() {
    RawServer server;
    Connect(server);
    TmeConditions dead;
    tme_conditions_init(&dead, sizeof dead);
    dead.loss = 1.0;
    for (const uint32_t direction : {TME_DIRECTION_INCOMING, TME_DIRECTION_OUTGOING}) {
        CHECK(tme_server_set_conditions(server.Handle(), server.Peer(), direction, &dead) == TME_OK);
    }
    const auto until = Clock::now() + std::chrono::seconds(4);
    uint32_t sent = 0;
    for (; Clock::now() < until; Sleep(50)) {
        CHECK(Engine::IsClientConnected());
        CHECK_CODE(Engine::SendToServerReliable(Numbered(sent++, 20)), Success);
    }
    for (const uint32_t direction : {TME_DIRECTION_INCOMING, TME_DIRECTION_OUTGOING}) {
        CHECK(tme_server_set_conditions(server.Handle(), server.Peer(), direction, nullptr) == TME_OK);
    }
    uint32_t received = 0;
    CHECK(Eventually([&] {
        TmeEvent events[32];
        uint32_t count = 0;
        CHECK(tme_server_poll(server.Handle(), events, 32, &count) == TME_OK);
        for (uint32_t index = 0; index < count; ++index) {
            if (events[index].type == TME_EVENT_MESSAGE) {
                const Bytes bytes(events[index].data, events[index].data + events[index].length);
                CHECK(bytes == Numbered(received++, 20));
            }
        }
        return received == sent;
    }));
    CHECK(Engine::IsClientConnected());
    CHECK_CODE(Engine::ShutDown(), Success);
    CHECK_CODE(Engine::Init(), Success);
}

// A server that reads nothing: the send waits, gives up, and does not wait again.
void AServerThatTakesNothingIsWaitedForOnce() {
    RawServer server;
    Connect(server);
    const Bytes large(1u << 20);
    tme::ErrorCodes found = tme::ErrorCodes::Success;
    const auto begin = Clock::now();
    for (int count = 0; count < 100 && found == tme::ErrorCodes::Success; ++count) {
        found = Engine::SendToServerReliable(large);
    }
    CHECK(found == tme::ErrorCodes::SendFailed);
    CHECK(Clock::now() - begin > std::chrono::milliseconds(4500));
    const auto before = Clock::now();
    CHECK_CODE(Engine::SendToServerReliable(large), SendFailed);
    CHECK(Clock::now() - before < std::chrono::seconds(2));
    CHECK_CODE(Engine::SendToServerReliable(Bytes((1u << 20) + 1)), SendSizeTooLarge);
    CHECK(Engine::IsClientConnected());
    // Stopped from another thread while a send waits.
    CHECK(Eventually([&] {
        TmeEvent events[8];
        uint32_t count = 0;
        tme_server_poll(server.Handle(), events, 8, &count);
        return Engine::SendToServerReliable({1}) == tme::ErrorCodes::Success;
    }));
    std::thread stopper([] {
        Sleep(500);
        Engine::ShutDown();
    });
    do {
        found = Engine::SendToServerReliable(large);
    } while (found == tme::ErrorCodes::Success);
    CHECK(found == tme::ErrorCodes::SendConnectionClosed || found == tme::ErrorCodes::NetworkEngineNotInitialized);
    stopper.join();
    CHECK_CODE(Engine::Init(), Success);
}

void KeysAreChecked() {
    RawServer server;
    char key[TME_KEY_TEXT_BYTES];
    CHECK(tme_server_public_key(server.Handle(), key, sizeof key, nullptr) == TME_OK);
    Engine::SetServerKey(std::string(64, '1'));
    CHECK_CODE(Engine::StartClient("127.0.0.1", server.Port()), ConnectFailed);
    Engine::SetServerKey("not a key");
    CHECK_CODE(Engine::StartClient("127.0.0.1", server.Port()), ConnectFailed);
    CHECK(!Engine::LastErrorText().empty());
    Engine::SetServerKey(key);
    CHECK_CODE(Engine::StartClient("127.0.0.1", server.Port()), Success);
    CHECK_CODE(Engine::ShutDown(), Success);
    Engine::SetServerKey("");
    CHECK_CODE(Engine::Init(), Success);
}

// Another thread finds the attempt over before the one that waits for it does, and fails with its own.
void AnAttemptMayFailUnderAnother() {
    RawServer server(0, "another game");
    for (int attempt = 0; attempt < 20; ++attempt) {
        std::atomic<bool> isOver{false};
        std::thread other([&isOver] {
            while (!isOver) {
                Engine::StartClient("", 1);
                std::this_thread::yield();
            }
        });
        CHECK_CODE(Engine::StartClient("127.0.0.1", server.Port()), ConnectFailed);
        isOver = true;
        other.join();
        CHECK(!Engine::IsClientConnected());
    }
}

} // namespace

int main() {
    CHECK_CODE(Engine::Init(), Success);
    SendingAloneFindsTheLoss();
    TheLastWordsAreReadByAnOrdinaryLoop();
    UnreadWordsDoNotKeepAConnection();
    AtMostThirtyTwoMessagesAreReceived();
    AShortOutageKeepsTheSession();
    AServerThatTakesNothingIsWaitedForOnce();
    KeysAreChecked();
    AnAttemptMayFailUnderAnother();
    return 0;
}
