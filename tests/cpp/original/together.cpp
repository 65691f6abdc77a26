// The original interface beside tme.h and tme.hpp in one program, after what other headers define; and the two speak
// to each other, so that server and client of a game can go over one after the other.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#define ERROR 1
#define TEXT(x) x
#define PI 3
#define check(x) x
#define verify(x) x
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#include "TME/NetworkEngine.hpp"
#include <tme.h>
#include <tme.hpp>
#undef min
#undef max

#include "check.hpp"

bool HasTheOtherOrder();

using namespace test;

namespace {

void ANewClientPlaysWithAnOldServer() {
    CHECK_CODE(Engine::StartServer(0), Success);
    tme::ClientConfig config;
    config.address = "127.0.0.1:" + std::to_string(Engine::ServerPort());
    config.server_key = Engine::ServerPublicKey();
    config.is_threaded = true;
    auto client = tme::Client::start(config);
    CHECK(client);
    CHECK(Eventually([&] { return client->is_connected(); }));
    CHECK(client->send(0, std::string("hello")));
    ClientMessages messages;
    CHECK(Eventually([&] {
        CHECK_CODE(Engine::Update(), Success);
        CHECK_CODE(Engine::ReceiveAllReliableFromClient(messages), Success);
        return !messages.empty();
    }));
    CHECK(messages[0].second == Bytes({'h', 'e', 'l', 'l', 'o'}));
    CHECK_CODE(Engine::SendToClientReliable({'y', 'e', 's'}, messages[0].first), Success);
    std::string answer;
    CHECK(Eventually([&] {
        for (const auto& event : client->events()) {
            if (const auto* message = std::get_if<tme::Message>(&event)) {
                answer = message->bytes.text();
            }
        }
        return !answer.empty();
    }));
    CHECK(answer == "yes");
}

void AnOldClientPlaysWithANewServer() {
    tme::ServerConfig config;
    config.listen = "127.0.0.1:0";
    config.is_threaded = true;
    auto server = tme::Server::start(config);
    CHECK(server);
    CHECK_CODE(Engine::StartClient("127.0.0.1", server->port()), Success);
    CHECK_CODE(Engine::SendToServerReliable({'h', 'i'}), Success);
    CHECK(Eventually([&] {
        for (const auto& event : server->events()) {
            if (const auto* message = std::get_if<tme::Message>(&event)) {
                CHECK(message->bytes.text() == "hi");
                CHECK(server->broadcast(0, std::string("ho")));
                return true;
            }
        }
        return false;
    }));
    Messages messages;
    CHECK(Eventually([&] {
        CHECK_CODE(Engine::ReceiveAllReliableFromServer(messages), Success);
        return !messages.empty();
    }));
    CHECK(messages[0] == Bytes({'h', 'o'}));
}

} // namespace

int main() {
    CHECK(HasTheOtherOrder());
    CHECK_CODE(Engine::Init(), Success);
    ANewClientPlaysWithAnOldServer();
    AnOldClientPlaysWithANewServer();
    CHECK_CODE(Engine::ShutDown(), Success);
    return 0;
}
