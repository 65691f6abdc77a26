// The program of the tour, word for word where it is marked, with somebody who talks to it.
#include "check.hpp"

#include <unordered_map>

// The tour begins.
#include <tme.hpp>
using namespace std::chrono_literals;
// The tour stops.

namespace {
struct Player {};
} // namespace

int main() {
    std::unordered_map<tme::PeerId, Player> players;
    bool running = true;

    // The tour goes on.
    tme::ServerConfig config;
    config.listen = "0.0.0.0:7777";
    config.channels = {tme::reliable_ordered("chat")};
    // The tour stops: a test takes any free port.
    config.listen = "127.0.0.1:0";
    // The tour goes on.
    auto server = tme::Server::start(config);
    if (!server) { std::puts(server.error().message().c_str()); return 1; }
    // The tour stops.

    tme::ClientConfig client_config;
    client_config.address = test::must(server->local_address());
    client_config.server_key = test::must(server->public_key());
    auto client = test::must(tme::Client::start(client_config));
    bool has_said_hello = false;
    bool was_answered = false;
    const auto talk = [&] {
        client.update();
        if (client.is_connected() && !has_said_hello) {
            has_said_hello = static_cast<bool>(client.send(0, "hello"));
        }
        for (auto& event : client.events()) {
            if (const auto* message = std::get_if<tme::Message>(&event)) {
                was_answered = message->bytes == "hello";
                CHECK(players.size() == 1);
                client.disconnect();
            }
        }
        running = !was_answered || !players.empty();
    };
    const auto end = std::chrono::steady_clock::now() + 20s;

    // The tour goes on.
    while (running) {
        server->update(5ms);
        for (auto& event : server->events())
            std::visit(tme::overloaded{
                [&](const tme::Connected& e)    { players.emplace(e.peer, Player{}); },
                [&](const tme::Message& e)      { server->broadcast(e.channel, e.bytes); },
                [&](const tme::Disconnected& e) { players.erase(e.peer); },
                [](const auto&) {}}, event);
        // The tour stops.
        talk();
        CHECK(std::chrono::steady_clock::now() < end);
    }
    CHECK(was_answered);
}
