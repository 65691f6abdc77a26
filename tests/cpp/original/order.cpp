// 10,000 messages of mixed sizes each way: every one whole, once and in order. The server and the client of one program
// on one thread, so that a send that waits has to drive the other side too.
#include "check.hpp"

using namespace test;

namespace {

constexpr uint32_t kMessages = 10000;

} // namespace

int main() {
    CHECK_CODE(Engine::Init(), Success);
    CHECK_CODE(Engine::StartServer(0), Success);
    CHECK_CODE(Engine::StartClient("127.0.0.1", Engine::ServerPort()), Success);
    uint32_t toServer = 0;
    uint32_t toClient = 0;
    uint32_t atServer = 0;
    uint32_t atClient = 0;
    CHECK(Eventually([] {
        CHECK_CODE(Engine::Update(), Success);
        return Engine::SendToClientReliable(Numbered(0, MixedLength(0)), 1) == tme::ErrorCodes::Success;
    }));
    toClient = 1;
    while (atServer < kMessages || atClient < kMessages) {
        // Sends run ahead of what is received, 32 messages at a time.
        for (int count = 0; count < 200 && toServer < kMessages; ++count, ++toServer) {
            CHECK_CODE(Engine::SendToServerReliable(Numbered(toServer, MixedLength(toServer))), Success);
        }
        for (int count = 0; count < 200 && toClient < kMessages; ++count, ++toClient) {
            const Bytes message = Numbered(toClient, MixedLength(toClient));
            if (toClient % 2 == 0) {
                CHECK_CODE(Engine::SendToAllClientReliable(message), Success);
            } else {
                CHECK_CODE(Engine::SendToClientReliable(message, 1), Success);
            }
        }
        ClientMessages fromClients;
        CHECK_CODE(Engine::ReceiveAllReliableFromClient(fromClients), Success);
        CHECK(fromClients.size() <= 32);
        for (const auto& [networkId, message] : fromClients) {
            CHECK(networkId == 1 && message == Numbered(atServer, MixedLength(atServer)));
            ++atServer;
        }
        Messages fromServer;
        CHECK_CODE(Engine::ReceiveAllReliableFromServer(fromServer), Success);
        CHECK(fromServer.size() <= 32);
        for (const Bytes& message : fromServer) {
            CHECK(message == Numbered(atClient, MixedLength(atClient)));
            ++atClient;
        }
        if (fromClients.empty() && fromServer.empty()) {
            Sleep(1);
        }
    }
    Sleep(100);
    ClientMessages more;
    Messages further;
    CHECK_CODE(Engine::ReceiveAllReliableFromClient(more), Success);
    CHECK_CODE(Engine::ReceiveAllReliableFromServer(further), Success);
    CHECK(more.empty() && further.empty());
    return 0; // without ShutDown, as many games
}
