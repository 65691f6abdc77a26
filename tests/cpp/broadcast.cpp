// Messages to many: who got them, who did not, and what the outcome says.
#include "check.hpp"

using namespace test;

namespace {

std::size_t texts(const Side<tme::Client>& client, const char* text) {
    std::size_t count = 0;
    for (const auto& event : client.events) {
        count += event.kind == "message" && event.text == text ? 1u : 0u;
    }
    return count;
}

} // namespace

int main() {
    tme::ServerConfig config;
    config.channels = {tme::reliable_ordered("chat").with_queue_max(100'000, 64), tme::reliable_latest("score")};
    World world(config);
    auto& server = world.server;

    // Nobody is there: everybody took it.
    const auto empty = must(server->broadcast(0, "echo?"));
    CHECK(empty.sent == 0 && empty.is_complete());

    for (int number = 0; number < 3; ++number) {
        world.join();
    }
    world.run_until_all_are_connected();
    const auto peers = must(server->peers());
    CHECK(peers.size() == 3);

    CHECK(must(server->broadcast(0, "all", tme::flush_now)).sent == 3);
    CHECK(must(server->broadcast(1, "score", tme::with_key(4))).sent == 3);
    CHECK(must(server->broadcast_except(peers[0], 0, "but one")).sent == 2);
    CHECK(must(server->broadcast_except(peers[0], 1, "but one", tme::with_key(5))).sent == 2);
    CHECK(must(server->multicast(peers, 0, "named")).sent == 3);
    CHECK(must(server->broadcast(0, must(tme::OwnedMessage::create(0)))).sent == 3);
    world.run_until("everything is there", [&] {
        std::size_t count = 0;
        for (const auto& client : world.clients) {
            count += client.count("message");
        }
        return count == 3 + 3 + 2 + 2 + 3 + 3;
    });
    std::size_t left_out = 0;
    for (const auto& client : world.clients) {
        CHECK(texts(client, "all") == 1 && texts(client, "named") == 1);
        left_out += texts(client, "but one") == 0 ? 1u : 0u;
    }
    CHECK(left_out == 1);

    // Ids that name nobody are counted; a full queue is, too, and tells when it has room again.
    const auto some = must(server->multicast({peers[0], tme::PeerId{424'242}}, 0, "some"));
    CHECK(some.sent == 1 && some.gone == 1 && !some.is_complete());
    world.run_until("some is there", [&] { return texts(world.clients[0], "some") + texts(world.clients[1], "some") +
                                                  texts(world.clients[2], "some") == 1; });
    std::size_t accepted = 0;
    while (server->send(peers[1], 0, "fill")) {
        accepted += 1;
        CHECK(accepted < 100);
    }
    CHECK(server->send(peers[1], 0, "fill").code() == tme::ErrorCode::would_block);
    const auto partial = must(server->broadcast(0, "partly"));
    CHECK(partial.sent == 2 && partial.would_block == 1 && !partial.is_complete());
    world.run_until("there is room again", [&] { return server.find("writable"); });
    CHECK(server.find("writable")->peer == peers[1] && server.find("writable")->channel == 0);
    must(server->send(peers[1], 0, "fits"));

    // What nobody can take is an error.
    CHECK(server->broadcast(7, "x").code() == tme::ErrorCode::unknown_channel);
    CHECK(server->broadcast(0, "x", tme::with_key(1)).code() == tme::ErrorCode::key_not_allowed);
    CHECK(server->multicast(peers, 0, std::string(20u << 20, 'x')).code() == tme::ErrorCode::too_large);
    CHECK(must(server->multicast({}, 0, "nobody")).is_complete());
}
