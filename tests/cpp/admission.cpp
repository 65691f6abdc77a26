// Who is let in: tokens made by a backend in C++, the game's own decision, and servers that are only asked.
#include "check.hpp"

using namespace test;

namespace {

/// A token as a backend makes it for a player who has signed in.
std::string token_for(const std::string& key, const std::string& user) {
    tme::TokenConfig config;
    config.user = user;
    config.user_data = std::string("role\0guest", 10);
    config.hints = {"192.0.2.1:7777", "[2001:db8::1]:7777"};
    return must(tme::token_make(key, config));
}

void a_token_says_what_its_backend_said() {
    const auto key = must(tme::token_key_generate());
    tme::TokenConfig config;
    config.user = "42";
    config.issued = std::chrono::system_clock::time_point(1'000s);
    config.lifetime = 60s;
    const auto info = must(tme::token_open(key, must(tme::token_make(key, config))));
    CHECK(info.user == "42" && info.user_data.empty());
    CHECK(info.issued == config.issued && info.expires == config.issued + 60s);

    const auto token = token_for(key, "alice");
    CHECK(must(tme::token_open(key, token)).user_data == std::string("role\0guest", 10));
    CHECK(must(tme::token_hints(token)) == (std::vector<std::string>{"192.0.2.1:7777", "[2001:db8::1]:7777"}));
    CHECK(must(tme::token_hints(must(tme::token_make(key, config)))).empty());

    CHECK(tme::token_open(must(tme::token_key_generate()), token).code() == tme::ErrorCode::token_text);
    CHECK(tme::token_hints("no token").code() == tme::ErrorCode::token_text);
    config.user = std::string("a\0b", 3);
    CHECK(tme::token_make(key, config).code() == tme::ErrorCode::token);
    config.user = "";
    CHECK(tme::token_make(key, config).code() == tme::ErrorCode::token);
    config.user = "42";
    config.lifetime = -1s;
    CHECK(tme::token_make(key, config).code() == tme::ErrorCode::token);
    config.lifetime = 0s;
    config.hints = {"nowhere"};
    CHECK(tme::token_make(key, config).code() == tme::ErrorCode::address);
}

void a_server_lets_in_who_has_a_token() {
    const auto key = must(tme::token_key_generate());
    tme::ServerConfig config;
    config.token_keys = {must(tme::token_key_generate()), key};
    config.requires_token = true;
    World world(config);
    tme::ClientConfig player;
    player.token = token_for(key, "alice");
    world.join(player);
    world.run_until_all_are_connected();
    const auto peer = world.server.find("connected")->peer;
    const auto info = must(world.server->peer_token(peer));
    CHECK(info && info->user == "alice" && info->user_data.size() == 10);

    world.join(player);
    world.join();
    for (const auto& [client, problem] : {std::pair(1, tme::TokenProblem::used), {2, tme::TokenProblem::missing}}) {
        const auto& refused = world.clients[static_cast<std::size_t>(client)];
        world.run_until("refused", [&] { return refused.find("disconnected"); });
        CHECK(refused.find("disconnected")->reason == tme::Reason::token);
        CHECK(refused.find("disconnected")->text == to_string(problem));
        CHECK(refused.find("disconnected")->token_problem == problem);
        CHECK(refused.find("disconnected")->number == 0);
    }
    world.run_until("both are counted", [&] {
        const auto statistics = must(world.server->statistics());
        return statistics.tokens_used == 1 && statistics.tokens_missing == 1 && statistics.clients_refused == 2;
    });
}

void the_game_decides() {
    tme::ServerConfig config;
    config.asks_before_admitting = true;
    World world(config);
    tme::ClientConfig polite;
    polite.user_data = "please";
    world.join(polite);
    world.run_until("asked", [&] { return world.server.find("admission"); });
    const auto applicant = *world.server.find("admission");
    CHECK(applicant.text == "please");
    CHECK(must(world.server->applicant_info(applicant.peer)).address.find("127.0.0.1:") == 0);
    CHECK(!must(world.server->peer_token(applicant.peer)));
    CHECK(world.server->refuse(applicant.peer, tme::Reason::kicked).code() == tme::ErrorCode::unknown_value);
    must(world.server->accept(applicant.peer, "welcome"));
    CHECK(world.server->accept(applicant.peer).code() == tme::ErrorCode::unknown_peer);
    CHECK(world.server->applicant_info(applicant.peer).code() == tme::ErrorCode::unknown_peer);
    world.run_until_all_are_connected();
    CHECK(world.clients[0].find("connected")->text == "welcome");
    must(world.server->set_rate_cap(applicant.peer, 100'000));
    must(world.clients[0]->set_rate_cap(100'000));

    world.join();
    world.run_until("asked again", [&] {
        const auto asked = world.server.all("admission");
        return asked.size() == 2 && world.server->refuse(asked[1].peer, tme::Reason::banned, "until Monday");
    });
    world.run_until("refused", [&] { return world.clients[1].find("disconnected"); });
    CHECK(world.clients[1].find("disconnected")->reason == tme::Reason::banned);
    CHECK(world.clients[1].find("disconnected")->text == "until Monday");
}

void the_newest_connection_of_a_player_wins() {
    World world;
    tme::ClientConfig player;
    player.identity = must(tme::key_generate());
    world.join(player);
    world.run_until_all_are_connected();
    world.join(player);
    world.run_until("replaced", [&] { return world.clients[0].find("disconnected"); });
    CHECK(world.clients[0].find("disconnected")->reason == tme::Reason::replaced);

    tme::ServerConfig config;
    config.newcomers = tme::Newcomers::refuse;
    World strict(config);
    strict.join(player);
    strict.run_until_all_are_connected();
    strict.join(player);
    strict.run_until("refused", [&] { return strict.clients[1].find("disconnected"); });
    CHECK(strict.clients[1].find("disconnected")->reason == tme::Reason::denied);
}

void servers_say_what_they_are() {
    tme::ServerConfig config;
    config.listen = "127.0.0.1:0";
    config.is_threaded = true;
    config.application = "golf";
    config.max_peers = 9;
    config.information = "map=dust";
    config.requires_identity = true;
    auto server = must(tme::Server::start(config));
    const auto address = must(server.local_address());
    const auto info = must(tme::query_ask(address, 20s));
    CHECK(info.address == address && info.information == "map=dust" && info.peers == 0 && info.peers_max == 9);
    CHECK(info.application_id == must(tme::query_application_id("golf")));
    CHECK(must(tme::query_application_id("")) == 0);
    CHECK(info.requires_identity && !info.requires_token && !info.is_plaintext && info.is_compatible);
    CHECK(info.rtt > 0us);
    must(server.set_information("map=aztec"));
    CHECK(tme::query_ask("127.0.0.1:9", 50ms).code() == tme::ErrorCode::no_answer);

    auto querier = must(tme::Querier::start(20s));
    std::vector<tme::QueryId> asked;
    for (int count = 0; count < 40; ++count) {
        asked.push_back(must(querier.ask(address)));
    }
    CHECK(querier.ask("nowhere").code() == tme::ErrorCode::address);
    CHECK(must(querier.open_count()) == 40);
    std::vector<tme::QueryId> answered;
    until("all have answered", [&] {
        must(querier.update(10ms));
        for (const auto& answer : must(querier.answers())) {
            CHECK(answer.info && answer.info->peers_max == 9);
            answered.push_back(answer.query);
        }
        return answered.size() == asked.size();
    });
    std::sort(answered.begin(), answered.end());
    CHECK(answered == asked && must(querier.open_count()) == 0);

    config.answers_queries = false;
    auto silent = must(tme::Server::start(config));
    auto impatient = must(tme::Querier::start(50ms));
    must(impatient.ask(must(silent.local_address())));
    until("given up", [&] {
        must(impatient.update(10ms));
        const auto answers = must(impatient.answers());
        return answers.size() == 1 && answers[0].info.code() == tme::ErrorCode::no_answer;
    });
    tme::Querier moved = std::move(impatient);
    CHECK(impatient.update().code() == tme::ErrorCode::null && must(moved.open_count()) == 0);
}

void servers_are_found_on_the_network() {
    // Nobody else's servers are of this game, whoever shares the discovery port.
    const auto game = "cpp discovery " + must(tme::key_generate());
    tme::ServerConfig config;
    config.listen = "127.0.0.1:0";
    config.is_threaded = true;
    config.application = game;
    config.information = "map=dust";
    config.discoverable = "Bob's game";
    auto server = must(tme::Server::start(config));
    CHECK(server.discovery_port() == 7776);

    tme::DiscoveryConfig here;
    here.application = game;
    here.is_this_machine_only = true;
    auto discovery = must(tme::Discovery::start(here));
    std::vector<tme::DiscoveryEvent> news;
    const auto wait_for_news = [&] {
        news.clear();
        until("news", [&] {
            must(discovery.update(10ms));
            news = must(discovery.events());
            return !news.empty();
        });
    };
    wait_for_news();
    const auto& found = news[0].server;
    CHECK(news[0].kind == tme::DiscoveryEvent::Kind::found && found.name == "Bob's game");
    CHECK(found.info.address == must(server.local_address()) && found.info.information == "map=dust");
    CHECK(found.addresses.size() == 1 && found.addresses[0] == found.info.address && found.info.is_compatible);
    CHECK(found.channel_table != 0 && must(discovery.servers())[0].id == found.id);
    CHECK(discovery.server(tme::FoundId::none).code() == tme::ErrorCode::unknown_server);
    must(discovery.search(0ms));
    (void)must(discovery.problems());

    CHECK(server.set_display_name("two\nlines").code() == tme::ErrorCode::config);
    must(server.set_display_name("Alice's game"));
    wait_for_news();
    CHECK(news[0].kind == tme::DiscoveryEvent::Kind::changed && news[0].server.name == "Alice's game");
    tme::Discovery moved = std::move(discovery);
    CHECK(discovery.update().code() == tme::ErrorCode::null && must(moved.servers()).size() == 1);
}

} // namespace

int main() {
    servers_are_found_on_the_network();
    a_token_says_what_its_backend_said();
    a_server_lets_in_who_has_a_token();
    the_game_decides();
    the_newest_connection_of_a_player_wins();
    servers_say_what_they_are();
}
