// TLS around streams: whom a client believes, and what is wrong with a certificate or a file.
#include <certificates.h>

#include "check.hpp"

using namespace test;

namespace {

tme::ServerConfig with_certificate() {
    tme::ServerConfig config;
    config.listens_for_tcp = true;
    config.tls_certificate_file = CERTIFICATE_FILE;
    config.tls_key_file = CERTIFICATE_KEY_FILE;
    return config;
}

tme::ClientConfig over_tcp() {
    tme::ClientConfig config;
    config.links = tme::Link::tcp;
    return config;
}

void the_right_certificate_is_believed() {
    World world(with_certificate());
    auto pinned = over_tcp();
    pinned.tls_fingerprint = CERTIFICATE_FINGERPRINT;
    world.join(pinned);
    auto named = over_tcp();
    named.links = tme::Link::websocket;
    named.tls_authorities_file = CERTIFICATE_FILE;
    named.tls_name = CERTIFICATE_NAME;
    world.join(named);
    world.run_until_all_are_connected();
    CHECK(must(world.clients[0]->link()) == tme::Link::tcp);
    CHECK(must(world.clients[1]->link()) == tme::Link::websocket);
    for (auto& client : world.clients) {
        must(client->send(0, "hello"));
        const auto figures = must(client->engine_statistics());
        CHECK(figures.stream_bytes_received > figures.bytes_received + 500 && figures.stream_bytes_sent > figures.bytes_sent);
    }
    world.run_until("both were heard", [&] { return world.server.count("message") == 2; });
}

void each_mismatch_is_told_with_its_reason() {
    World world(with_certificate());
    auto wrong_name = over_tcp();
    wrong_name.tls_authorities_file = CERTIFICATE_FILE;
    wrong_name.tls_name = "elsewhere.example";
    world.join(wrong_name);
    auto wrong_fingerprint = over_tcp();
    wrong_fingerprint.tls_fingerprint = EXPIRED_FINGERPRINT;
    world.join(wrong_fingerprint);
    auto stranger = over_tcp();
    stranger.tls_authorities_file = STRANGER_FILE;
    world.join(stranger);
    world.run_until("all have failed", [&] {
        std::size_t count = 0;
        for (const auto& client : world.clients) {
            count += client.count("disconnected");
        }
        return count == world.clients.size();
    });
    for (std::size_t i = 0; i < world.clients.size(); i++) {
        const auto end = world.clients[i].all("disconnected").front();
        CHECK(end.reason == tme::Reason::connect_timed_out);
        const auto why = i == 0 ? "certificate is for another name" : "certificate is not trusted";
        CHECK(end.text.find(why) != std::string::npos);
        const auto figures = must(world.clients[i]->engine_statistics());
        CHECK(figures.streams_certificate_name == (i == 0 ? 1u : 0u));
        CHECK(figures.streams_certificate_untrusted == (i == 0 ? 0u : 1u));
    }
    CHECK(world.server.count("connected") == 0);
}

void what_cannot_be_is_refused() {
    auto server = with_certificate();
    server.tls_key_file = TME_TEST_CERTIFICATES "/missing.pem";
    const auto no_file = tme::Server::start(server);
    CHECK(no_file.code() == tme::ErrorCode::file);
    CHECK(no_file.error().message().find(server.tls_key_file) != std::string::npos);
    server.tls_key_file.clear();
    CHECK(tme::Server::start(server).code() == tme::ErrorCode::config);

    tme::ClientConfig client;
    client.tls_fingerprint = "77";
    CHECK(tme::Client::start(client).code() == tme::ErrorCode::config);
    client.tls_fingerprint.clear();
    client.tls_name = CERTIFICATE_NAME;
    const auto no_tls = tme::Client::start(client);
    CHECK(no_tls.code() == tme::ErrorCode::config);
    CHECK(no_tls.error().message().find("needs TLS") != std::string::npos);
    client.uses_tls = true;
    client.tls_name = "a b";
    const auto no_name = tme::Client::start(client);
    // Where the system has no authorities, that is said instead.
    CHECK(no_name.code() == tme::ErrorCode::config && no_name.error().message().find("needs TLS") == std::string::npos);
}

} // namespace

int main() {
    the_right_certificate_is_believed();
    each_mismatch_is_told_with_its_reason();
    what_cannot_be_is_refused();
}
