// The whole life of a server and a client over loopback, inline, threaded and without encryption.
#include "check.hpp"

#include <algorithm>
#include <thread>

using namespace test;

namespace {

struct Case {
    const char* name;
    bool is_threaded;
    bool is_plaintext;
    std::uint32_t network_threads = 1;
};

void live(const Case& one) {
    std::printf("%s\n", one.name);
    tme::ServerConfig server_config;
    server_config.application = "life";
    server_config.channels = {tme::reliable_ordered("chat"), tme::sequenced("state").with_priority(1),
                              tme::reliable_latest("score").with_id(9).with_keys_max(16)};
    server_config.is_threaded = one.is_threaded;
    server_config.is_plaintext = one.is_plaintext;
    server_config.network_threads = one.network_threads;
    World world(server_config);

    tme::ClientConfig client_config;
    client_config.application = "life";
    client_config.is_threaded = one.is_threaded;
    client_config.is_plaintext = one.is_plaintext;
    client_config.user_data = std::string("who\0am I", 8);
    world.join(client_config);
    auto& client = world.clients[0];
    auto& server = world.server;
    if (!one.is_threaded) {
        // A network thread may have connected it by now.
        CHECK(client->server_info().code() == tme::ErrorCode::not_connected);
        CHECK(client->send(0, "too early").code() == tme::ErrorCode::not_connected);
    }
    world.run_until_all_are_connected();

    // They know each other.
    const Seen* joined = server.find("connected");
    const tme::PeerId peer = joined->peer;
    const auto threads = server->network_threads();
#ifdef __linux__
    CHECK(threads == (one.is_threaded ? one.network_threads : 0));
#endif
    CHECK(must(server->peer_thread(peer)) < std::max(threads, 1u));
    CHECK(must(server->thread_statistics(must(server->peer_thread(peer)))).peers == 1);
    CHECK(server->thread_statistics(threads + 1).code() == tme::ErrorCode::argument);
    CHECK(server->peer_thread(tme::PeerId{1}).code() == tme::ErrorCode::unknown_peer);
    CHECK(joined->text == std::string("who\0am I", 8));
    CHECK(must(server->peers()) == std::vector<tme::PeerId>{peer});
    const auto info = must(server->peer_info(peer));
    CHECK(info.peer == peer && info.number == joined->number);
    CHECK(info.address == "127.0.0.1:" + std::to_string(client->port()));
    CHECK(must(server->peer_by_number(info.number)) == peer);
    const auto server_info = must(client->server_info());
    CHECK(server_info.number == info.number);
    CHECK(server_info.address == must(server->local_address()));
    CHECK(server_info.key == must(server->public_key()));
    CHECK(client->is_connected());
    CHECK(must(client->local_address()).find(std::to_string(client->port())) != std::string::npos);
    CHECK(must(client->channel_by_name("score")) == 9);
    CHECK(client->channel_by_name("nothing").code() == tme::ErrorCode::unknown_channel);

    // Bytes of every origin, with and without options, in both directions.
    must(client->send(0, "text"));
    must(client->send(0, std::vector<std::uint8_t>{1, 0, 3}, tme::flush_now));
    must(client->send(9, std::string_view("latest"), tme::with_key(5)));
    auto filled = must(tme::OwnedMessage::create(3));
    must(filled.writable())[1] = std::byte{'x'};
    must(client->send(0, std::move(filled)));
    CHECK(!filled);
    must(client->flush());
    world.run_until("four messages at the server", [&] { return server.count("message") == 4; });
    std::vector<std::string> chat;
    for (const auto& event : server.events) {
        if (event.kind == "message" && event.channel == 0) {
            CHECK(event.peer == peer);
            chat.push_back(event.text);
        } else if (event.kind == "message") {
            CHECK(event.channel == 9 && event.number == 5 && event.text == "latest");
        }
    }
    CHECK((chat == std::vector<std::string>{"text", std::string("\1\0\3", 3), std::string("\0x\0", 3)}));

    must(server->send(peer, 0, "one"));
    must(server->send(peer, 9, "two", tme::with_key(7)));
    must(server->send(peer, 0, must(tme::OwnedMessage::create(0)), tme::flush_now));
    must(server->flush());
    world.run_until("three messages at the client", [&] { return client.count("message") == 3; });

    // Figures.
    const auto moved = client->rebind("127.0.0.1:0");
    CHECK(static_cast<bool>(moved) != one.is_plaintext);
    if (moved) {
        must(client->rebind());
        world.run_until("the server knows the new address", [&] { return server.find("address changed") != nullptr; });
    }
    world.run_until("figures, which may be 100 ms old", [&] {
        return must(client->statistics()).messages_received == 3 &&
               must(server->peer_statistics(peer)).messages_received == 4;
    });
    const auto statistics = must(client->statistics());
    CHECK(statistics.packets_sent > 0);
    CHECK(statistics.rtt_smoothed().count() == static_cast<std::int64_t>(statistics.rtt_smoothed_us));
    CHECK(must(server->statistics()).peers == 1);
    CHECK(must(client->engine_statistics()).datagrams_sent > 0);
    world.run_until("figures of channels", [&] {
        return client->channel_statistics(0) && server->channel_statistics(peer, 9);
    });
    CHECK(must(client->channel_statistics(0)).channel == 0);
    CHECK(must(server->channel_statistics(peer, 9)).queue_time() >= 0us);
    CHECK(client->channel_statistics(77).code() == tme::ErrorCode::unknown_channel);

    // What may be sent.
    const auto budget = must(server->send_budget(peer, 9));
    CHECK(budget.channel == 9 && budget.bytes_per_second > 0 && budget.wait());
    CHECK(must(client->send_budget(0)).bytes_per_second > 0);
    CHECK(client->send_budget(77).code() == tme::ErrorCode::unknown_channel);
    tme::SendBudget unknown = {};
    unknown.wait_us = TME_WAIT_UNKNOWN;
    CHECK(!unknown.wait());
    // The server's time.
    CHECK(client->server_time().code() == tme::ErrorCode::no_figures);
    must(client->synchronise_clock());
    world.run_until("the server's time", [&] { return client.find("clock") != nullptr; });
    const auto before = must(server->time());
    const auto time = must(client->server_time());
    const auto after = must(server->time());
    CHECK(before.time() <= time.time() + time.error() && time.time() <= after.time() + time.error());
    CHECK(time.is_synchronised == 1 && time.error_likely() <= time.error() && time.input_delay() >= 0us);
    const auto tick = must(time.tick(60));
    CHECK(tick.begin() <= time.time() && time.time() < tick.begin() + tick.until_next() + 17ms);
    CHECK(must(time.input_tick(60)) > tick.tick);
    CHECK(time.tick(0).code() == tme::ErrorCode::argument);
    world.run_until("figures of the clock", [&] {
        return must(client->statistics()).clock_answers > 0 && must(server->peer_statistics(peer)).clock_answered > 0;
    });
    // A time that is shown later, as other players are.
    const auto shown = must(tme::tick_at(tick.begin() - 100ms, 60));
    CHECK(shown.tick + 6 == tick.tick || shown.tick + 7 == tick.tick);
    CHECK(must(tme::tick_at(-1us, 60)).tick == 0);
    CHECK(tme::tick_at(0us, 10'001).code() == tme::ErrorCode::argument);

    // The end, with words.
    must(client->disconnect(1234, "had to go"));
    world.run_until("both have parted", [&] { return server.find("disconnected") && client.find("disconnected"); });
    const Seen* left = server.find("disconnected");
    CHECK(left->peer == peer && left->number == 1234 && left->text == "had to go");
    CHECK(left->reason == tme::Reason::closed && left->origin == tme::Origin::remote);
    CHECK(client.find("disconnected")->origin == tme::Origin::local);
    CHECK(server->send(peer, 0, "anybody?").code() == tme::ErrorCode::unknown_peer);
    CHECK(must(server->peers()).empty());

    // Being thrown out, and being told politely.
    for (const bool is_polite : {false, true}) {
        world.clients.clear();
        server.events.clear();
        world.join(client_config);
        world.run_until_all_are_connected();
        const tme::PeerId again = server.find("connected")->peer;
        must(is_polite ? server->disconnect(again, 8, "bye") : server->kick(again, 7, "out"));
        world.run_until("the client hears why", [&] { return world.clients[0].find("disconnected"); });
        const Seen* end = world.clients[0].find("disconnected");
        CHECK(end->origin == tme::Origin::remote && end->text == (is_polite ? "bye" : "out"));
        CHECK(end->number == (is_polite ? 8 : 7));
        CHECK(end->reason == (is_polite ? tme::Reason::closed : tme::Reason::kicked));
    }

    // Shutting down: events of the last moments, then `closed`.
    world.clients.clear();
    server.events.clear();
    world.join(client_config);
    world.run_until_all_are_connected();
    must(server->send(server.find("connected")->peer, 0, "last words"));
    auto& last = world.clients[0];
    std::thread listening([&] {
        until("the client hears of the shutdown", [&] {
            last->update(1ms);
            last.visit();
            return last.find("disconnected") != nullptr;
        });
    });
    const auto report = must(server->shutdown(10s, 9, tme::Bytes("maintenance", 11)));
    CHECK(report.is_over == 1 && report.peers == 1 && report.told == 1 && report.messages_undelivered == 0);
    listening.join();
    CHECK(last.find("message")->text == "last words");
    CHECK(last.find("disconnected")->reason == tme::Reason::shutdown);
    CHECK(last.find("disconnected")->number == 9 && last.find("disconnected")->text == "maintenance");
    server.visit();
    CHECK(server.find("disconnected"));
    auto events = server->events();
    CHECK(events.begin() == events.end());
    CHECK(events.status().code() == tme::ErrorCode::closed);
    CHECK(server->update(0ms).code() == tme::ErrorCode::closed);
    must(last->close(10ms));
    must(last->close(10ms));
}

} // namespace

int main() {
    const Case cases[] = {
        {"inline", false, false},
        {"threaded", true, false},
        {"plaintext", false, true},
        {"threaded plaintext", true, true},
        {"several network threads", true, false, 3},
        {"none of several network threads", false, false, 3},
    };
    for (const auto& one : cases) {
        live(one);
    }
}
