// What became of a message: receipts from every peer, deadlines, and the end of a connection.
#include "check.hpp"

using namespace test;

int main() {
    constexpr auto in_time = tme::SendOptions{}.within(20ms).with_receipt(5);
    static_assert(in_time.deadline == 20'000us && in_time.receipt == 5 && !in_time.flush && in_time.key == 0);
    static_assert(tme::with_key(3).with_receipt(4).key == 3 && tme::flush_now.with_receipt(4).flush);
    static_assert(tme::SendOptions{}.within(-1s).deadline == 1us);
    constexpr auto all = in_time.with_key(7).with_flush();
    static_assert(all.flush && all.key == 7 && all.deadline == 20ms && all.receipt == 5);

    tme::ServerConfig config;
    config.channels = {tme::reliable_ordered("orders"), tme::sequenced("state")};
    World world(config);
    auto& server = world.server;
    world.join();
    world.join();
    world.run_until_all_are_connected();
    const auto peers = must(server->peers());

    must(server->send(peers[0], 0, "one", tme::SendOptions{}.with_receipt(1)));
    CHECK(must(server->broadcast(0, "all", tme::flush_now.with_receipt(2))).sent == 2);
    CHECK(must(server->broadcast_except(peers[0], 0, "some", tme::SendOptions{}.with_receipt(3))).sent == 1);
    world.run_until("word of all of them", [&] { return server.count("delivered") == 4; });

    // Nothing has left yet when a newer one takes its place.
    must(server->send(peers[0], 1, "old", tme::SendOptions{}.with_receipt(4)));
    must(server->send(peers[0], 1, "new"));
    world.run_until("word of the old one", [&] { return server.count("expired") == 1; });
    CHECK(server.find("expired")->expiry == tme::Expiry::superseded && server.find("expired")->never_sent);
    server.events.clear();

    tme::Conditions dead;
    dead.loss = 1.0;
    must(server->set_conditions(peers[0], tme::Direction::outgoing, dead));
    must(server->send(peers[0], 0, "late", in_time));
    world.run_until("the end of its time", [&] { return server.find("expired"); });
    const auto late = *server.find("expired");
    CHECK(late.peer == peers[0] && late.channel == 0 && late.receipt == 5);
    CHECK(late.expiry == tme::Expiry::deadline && !late.never_sent);
    server.events.clear();

    must(server->send(peers[0], 0, "unanswered", tme::SendOptions{}.with_receipt(6)));
    must(server->kick(peers[0]));
    world.run_until("the end", [&] { return server.find("disconnected"); });
    CHECK(server.count("expired") == 1 && server.find("expired")->expiry == tme::Expiry::disconnected);
    CHECK(server.events.back().kind == "disconnected");
}
