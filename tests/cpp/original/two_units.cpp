// One program of two files that both include the header: they must speak of the same engine.
#include "check.hpp"

bool StartFromTheOtherFile(uint16_t& port);

namespace {

// A global object that uses the engine before main and after it.
struct Game {
    Game() { CHECK_CODE(tme::NetworkEngine::EnsureInitialized(), Success); }
    ~Game() { CHECK_CODE(tme::NetworkEngine::ShutDown(), Success); }
} game;

} // namespace

int main() {
    using namespace test;
    uint16_t port = 0;
    CHECK(Engine::IsInitialized() && !Engine::IsServerStarted());
    CHECK(StartFromTheOtherFile(port));
    CHECK(Engine::IsServerStarted() && Engine::ServerPort() == port);
    // Two threads, one of which waits for its connection while the other one goes on.
    std::thread client([port] {
        CHECK_CODE(Engine::StartClient("localhost", port), Success);
        for (uint32_t number = 0; number < 500; ++number) {
            CHECK_CODE(Engine::SendToServerReliable(Numbered(number, 30)), Success);
        }
    });
    uint32_t next = 0;
    CHECK(Eventually([&] {
        CHECK_CODE(Engine::Update(), Success);
        ClientMessages messages;
        CHECK_CODE(Engine::ReceiveAllReliableFromClient(messages), Success);
        for (const auto& [networkId, message] : messages) {
            CHECK(message == Numbered(next++, 30));
        }
        return next == 500;
    }));
    client.join();
    return 0;
}
