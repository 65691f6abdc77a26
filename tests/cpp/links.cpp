// Links: sessions over TCP, from UDP to TCP and back, and what cannot be.
#include "check.hpp"

using namespace test;

namespace {

tme::ServerConfig with_tcp() {
    tme::ServerConfig config;
    config.listens_for_tcp = true;
    config.channels = {tme::reliable_ordered("chat")};
    return config;
}

void a_client_that_wants_a_stream_gets_it(tme::Link link, bool is_threaded) {
    auto config = with_tcp();
    config.is_threaded = is_threaded;
    World world(config);
    CHECK(must(world.server->tcp_address()) == must(world.server->local_address()));
    CHECK(world.server->tcp_port() == world.server->port());
    tme::ClientConfig client;
    client.links = link;
    client.is_threaded = is_threaded;
    world.join(client);
    world.run_until_all_are_connected();
    auto& alice = world.clients[0];
    const auto peer = world.server.find("connected")->peer;
    CHECK(must(alice->link()) == link);
    CHECK(must(alice->server_info()).link == link);
    CHECK(must(world.server->peer_info(peer)).link == link);

    must(alice->send(0, "ping"));
    must(world.server->send(peer, 0, "pong"));
    world.run_until("both have heard", [&] { return world.server.find("message") && alice.find("message"); });
    CHECK(world.server.find("message")->text == "ping" && alice.find("message")->text == "pong");
    const auto figures = must(world.server->statistics());
    CHECK(figures.streams_accepted == 1 && figures.streams_open == 1);
    CHECK(figures.stream_datagrams_received == figures.datagrams_received);
    CHECK(must(alice->engine_statistics()).streams_opened == 1);

    must(alice->disconnect());
    world.run_until("the end", [&] { return alice.find("disconnected") && world.server.find("disconnected"); });
    CHECK(alice->link().code() == tme::ErrorCode::not_connected);
}

void what_cannot_be_is_refused() {
    tme::ServerConfig server;
    server.listen = "127.0.0.1:0";
    server.listen_tcp = "nowhere";
    const auto nowhere = tme::Server::start(server);
    CHECK(nowhere.code() == tme::ErrorCode::address);
    CHECK(nowhere.error().message().find("nowhere") != std::string::npos);

    server.listen_tcp = {};
    server.trusted_proxies = {{"127.0.0.1", tme::ProxyHeader::proxy_protocol}};
    CHECK(tme::Server::start(server).code() == tme::ErrorCode::config);
    server.listen_tcp = "127.0.0.1:0";
    CHECK(tme::Server::start(server));
    server.trusted_proxies = {{"127.0.0.1", static_cast<tme::ProxyHeader>(3)}};
    CHECK(tme::Server::start(server).code() == tme::ErrorCode::config);
    server.trusted_proxies = {{"10.0.0.1/8", tme::ProxyHeader::proxy_protocol}};
    const auto no_network = tme::Server::start(server);
    CHECK(no_network.code() == tme::ErrorCode::address);
    CHECK(no_network.error().message().find("is 10.0.0.0/8 meant") != std::string::npos);
    server.trusted_proxies = {};

    World world(with_tcp());
    server.listen_tcp = must(world.server->tcp_address());
    const auto taken = tme::Server::start(server);
    CHECK(taken.code() == tme::ErrorCode::bind);
    CHECK(taken.error().message().find(server.listen_tcp + " is in use") != std::string::npos);

    tme::ClientConfig client;
    client.links = static_cast<tme::Link>(4);
    const auto wrong = tme::Client::start(client);
    CHECK(wrong.code() == tme::ErrorCode::unknown_value);
    CHECK(wrong.error().message().find("4 is no choice of links") != std::string::npos);

    const World without;
    CHECK(must(without.server.engine.tcp_address()).empty() && without.server.engine.tcp_port() == 0);
    const auto peer = without.server.engine.peer_info(tme::PeerId{5});
    CHECK(peer.code() == tme::ErrorCode::unknown_peer);
    CHECK(to_string(tme::Link::any) == std::string("any") && to_string(tme::Link::udp) == std::string("UDP"));
    CHECK(to_string(tme::Link::websocket) == std::string("WebSocket"));
    CHECK(to_string(tme::Link::tcp) == std::string("TCP") && to_string(tme::Link{9}) == std::string("unknown"));
}

/// What each side was told, in its order.
struct Told {
    std::vector<tme::Link> server = {};
    std::vector<tme::Link> client = {};
};

/// UDP is blocked, and opened again: modelled conditions concern datagrams and leave TCP.
void a_session_goes_to_tcp_and_back() {
    auto config = with_tcp();
    config.listen = "127.0.0.1:0";
    auto server = must(tme::Server::start(config));
    tme::ClientConfig there;
    there.address = must(server.local_address());
    there.server_key = must(server.public_key());
    auto client = must(tme::Client::start(there));

    Told told;
    tme::PeerId peer = tme::PeerId::none;
    std::uint32_t sent = 0;
    std::uint32_t arrived = 0;
    const auto step = [&] {
        server.update(1ms);
        client.update(1ms);
        if (client.is_connected() && client.send(0, tme::Bytes(&sent, sizeof sent))) {
            sent += 1;
        }
        for (const auto& event : server.events()) {
            std::visit(tme::overloaded{
                           [&](const tme::Connected& e) { peer = e.peer; },
                           [&](const tme::LinkChanged& e) {
                               CHECK(e.peer == peer);
                               told.server.push_back(e.link);
                           },
                           [&](const tme::Message& e) {
                               // Nothing is lost, and nothing comes twice.
                               CHECK(e.bytes == tme::Bytes(&arrived, sizeof arrived));
                               arrived += 1;
                           },
                           [](const tme::Disconnected&) { const bool goes_on = false; CHECK(goes_on); },
                           [](const auto&) {},
                       },
                       event);
        }
        for (const auto& event : client.events()) {
            if (const auto* changed = std::get_if<tme::LinkChanged>(&event)) {
                told.client.push_back(changed->link);
            }
            CHECK(!std::holds_alternative<tme::Disconnected>(event));
        }
    };
    until("the first message", [&] {
        step();
        return arrived > 0;
    });
    CHECK(must(client.link()) == tme::Link::udp);

    tme::Conditions silence;
    silence.loss = 1.0;
    for (const auto direction : {tme::Direction::incoming, tme::Direction::outgoing}) {
        must(client.set_conditions(direction, silence));
    }
    until("TCP takes over", [&] {
        step();
        return told.server.size() == 1 && told.client.size() == 1;
    });
    CHECK(must(client.link()) == tme::Link::tcp && must(server.peer_info(peer)).link == tme::Link::tcp);

    for (const auto direction : {tme::Direction::incoming, tme::Direction::outgoing}) {
        must(client.clear_conditions(direction));
    }
    until("UDP is found again", [&] {
        step();
        return told.server.size() == 2 && told.client.size() == 2;
    });
    CHECK(must(client.link()) == tme::Link::udp && must(client.server_info()).link == tme::Link::udp);
    const auto until_now = sent;
    until("all has arrived", [&] {
        step();
        return arrived >= until_now;
    });
    const std::vector<tme::Link> expected = {tme::Link::tcp, tme::Link::udp};
    CHECK(told.server == expected && told.client == expected);
}

} // namespace

int main() {
    a_client_that_wants_a_stream_gets_it(tme::Link::tcp, false);
    a_client_that_wants_a_stream_gets_it(tme::Link::websocket, false);
    a_client_that_wants_a_stream_gets_it(tme::Link::tcp, true);
    a_client_that_wants_a_stream_gets_it(tme::Link::websocket, true);
    what_cannot_be_is_refused();
    a_session_goes_to_tcp_and_back();
}
