// The defaults written in tme.hpp are the library's, and each setting reaches its place.
#include "check.hpp"

using namespace test;

namespace {

template <class C>
bool equal(const C& left, const C& right) {
    return std::memcmp(&left, &right, sizeof left) == 0;
}

bool equal_text(const char* left, const char* right) {
    return left == right || (left && right && std::string(left) == right);
}

void a_server_has_the_librarys_defaults() {
    TmeServerConfig library = {};
    CHECK(tme_server_config_init(&library, sizeof library) == TME_OK);
    must(tme::detail::with_c(tme::ServerConfig(), [&](TmeServerConfig wrapper) {
        CHECK(equal_text(wrapper.listen, library.listen));
        wrapper.listen = library.listen;
        CHECK(equal(wrapper, library));
        return TME_OK;
    }));
}

void a_client_has_the_librarys_defaults() {
    TmeClientConfig library = {};
    CHECK(tme_client_config_init(&library, sizeof library) == TME_OK);
    must(tme::detail::with_c(tme::ClientConfig(), [&](TmeClientConfig wrapper) {
        CHECK(equal_text(wrapper.address, library.address));
        wrapper.address = library.address;
        wrapper.user_data = nullptr;
        CHECK(equal(wrapper, library));
        return TME_OK;
    }));
}

void a_token_has_the_librarys_defaults() {
    TmeTokenConfig library = {};
    CHECK(tme_token_config_init(&library, sizeof library) == TME_OK);
    must(tme::detail::with_c(tme::TokenConfig(), [&](const TmeTokenConfig& wrapper) {
        CHECK(equal(wrapper, library));
        return TME_OK;
    }));
}

void conditions_have_the_librarys_defaults() {
    TmeConditions library = {};
    CHECK(tme_conditions_init(&library, sizeof library) == TME_OK);
    must(tme::detail::with_c(tme::Conditions(), [&](const TmeConditions& wrapper) {
        CHECK(equal(wrapper, library));
        return TME_OK;
    }));
}

void a_log_has_the_librarys_defaults() {
    TmeLogConfig library = {};
    CHECK(tme_log_config_init(&library, sizeof library) == TME_OK);
    const tme::LogConfig wrapper;
    CHECK(wrapper.file_bytes_max == library.file_bytes_max && wrapper.file_count == library.file_count);
    CHECK(static_cast<std::uint32_t>(wrapper.console_level) == library.console_level);
}

void every_mode_starts_with_the_defaults_of_a_channel() {
    tme::ServerConfig config;
    config.listen = "127.0.0.1:0";
    config.channels = {tme::unreliable("a"), tme::sequenced("b"), tme::reliable_unordered("c"),
                       tme::reliable_ordered("d"), tme::reliable_latest("e")};
    must(tme::Server::start(config));
}

void each_setting_reaches_its_place() {
    tme::ServerConfig server;
    server.listen = "listen";
    server.application = "application";
    server.key = "key";
    server.key_file = "key_file";
    server.channels = {tme::sequenced("x")
                           .with_name("name")
                           .with_id(1)
                           .with_priority(2)
                           .with_weight(3)
                           .with_keys_max(4)
                           .with_message_bytes_max(5)
                           .with_queue_max(6, 7)
                           .with_queue_age_max(8ms)
                           .with_redundancy(tme::Redundancy::three)};
    server.is_threaded = server.is_plaintext = server.requires_identity = server.notes_arrivals = true;
    server.max_peers = 9;
    server.network_threads = 27;
    server.idle_timeout = 10s;
    server.keep_alive = 11s;
    server.gathering = 12ms;
    server.datagram_bytes = 13;
    server.receive_datagram_bytes_max = 14;
    server.message_bytes_max = 15;
    server.connection_credit_bytes = 16;
    server.channel_credit_bytes = 17;
    server.channel_credit_messages = 18;
    server.retained_messages_max = 19;
    server.datagram_bytes_max = 20;
    server.congestion = tme::Congestion::new_reno;
    server.token_keys = {"one", "two"};
    server.server_name = "server_name";
    server.requires_token = server.asks_before_admitting = true;
    server.answers_queries = false;
    server.token_clock_tolerance = 20s;
    server.tokens_issued_before_start = 21s;
    server.decision_time = 22s;
    server.applicants_max = 23;
    server.newcomers = tme::Newcomers::allow;
    server.information = "24";
    server.queries_per_second = 25;
    server.rate_cap = 26;
    server.listens_for_tcp = true;
    server.listen_tcp = "listen_tcp";
    server.browsers = tme::Browsers::never;
    server.tls_certificate_file = "tls_certificate_file";
    server.tls_key_file = "tls_key_file";
    server.trusted_proxies = {{"10.0.0.0/8", tme::ProxyHeader::proxy_protocol}, {"::1", tme::ProxyHeader::x_forwarded_for}};
    server.discoverable = "discoverable";
    server.discovery_port = 27;
    server.is_discoverable_if_possible = true;
    must(tme::detail::with_c(server, [&](const TmeServerConfig& c) {
        CHECK(equal_text(c.listen, "listen") && equal_text(c.application, "application"));
        CHECK(equal_text(c.key, "key") && equal_text(c.key_file, "key_file"));
        CHECK(c.flags == (TME_CONFIG_THREADED | TME_CONFIG_PLAINTEXT | TME_CONFIG_REQUIRE_IDENTITY |
                          TME_CONFIG_REQUIRE_TOKEN | TME_CONFIG_ASK | TME_CONFIG_NO_QUERIES | TME_CONFIG_NOTE_ARRIVALS |
                          TME_CONFIG_LISTEN_TCP | TME_CONFIG_DISCOVERABLE_IF_POSSIBLE));
        CHECK(equal_text(c.discoverable, "discoverable") && c.discovery_port == 27);
        CHECK(equal_text(c.token_keys, "one,two") && equal_text(c.server_name, "server_name"));
        CHECK(c.token_clock_tolerance_ms == 20'000 && c.tokens_issued_before_start_s == 21);
        CHECK(c.decision_time_ms == 22'000 && c.applicants_max == 23 && c.newcomers == TME_NEWCOMERS_ALLOW);
        CHECK(tme::Bytes(c.information, c.information_bytes) == "24" && c.queries_per_second == 25);
        CHECK(c.rate_cap == 26 && equal_text(c.listen_tcp, "listen_tcp"));
        CHECK(c.browsers == TME_BROWSERS_NEVER);
        CHECK(equal_text(c.tls_certificate_file, "tls_certificate_file") && equal_text(c.tls_key_file, "tls_key_file"));
        CHECK(equal_text(c.trusted_proxies, "10.0.0.0/8=proxy-protocol,::1=x-forwarded-for"));
        CHECK(c.max_peers == 9 && c.idle_timeout_ms == 10'000 && c.keep_alive_ms == 11'000);
        CHECK(c.gathering_us == 12'000 && c.datagram_bytes == 13 && c.receive_datagram_bytes_max == 14);
        CHECK(c.message_bytes_max == 15 && c.connection_credit_bytes == 16 && c.channel_credit_bytes == 17);
        CHECK(c.channel_credit_messages == 18 && c.retained_messages_max == 19 && c.channel_count == 1);
        CHECK(c.datagram_bytes_max == 20 && c.network_threads == 27);
        CHECK(c.congestion == TME_CONGESTION_NEW_RENO);
        const TmeChannelConfig& channel = c.channels[0];
        CHECK(equal_text(channel.name, "name") && channel.mode == TME_CHANNEL_SEQUENCED);
        CHECK(channel.flags == TME_CHANNEL_FLAG_ID && channel.id == 1 && channel.priority == 2);
        CHECK(channel.weight == 3 && channel.keys_max == 4 && channel.message_bytes_max == 5);
        CHECK(channel.queue_bytes_max == 6 && channel.queue_messages_max == 7 && channel.queue_age_max_ms == 8);
        CHECK(channel.redundancy == 3);
        return TME_OK;
    }));

    tme::TokenConfig token;
    token.user = "user";
    token.server_name = "server_name";
    token.server_key = "server_key";
    token.hints = {"one", "two"};
    token.user_data = std::string("\0", 1);
    token.lifetime = 1s;
    token.issued = std::chrono::system_clock::time_point(2s);
    must(tme::detail::with_c(token, [&](const TmeTokenConfig& c) {
        CHECK(equal_text(c.user, "user") && equal_text(c.server_name, "server_name"));
        CHECK(equal_text(c.server_key, "server_key") && equal_text(c.hints, "one,two"));
        CHECK(tme::Bytes(c.user_data, c.user_data_bytes) == tme::Bytes("\0", 1) && c.lifetime_s == 1);
        CHECK(c.issued == 2);
        return TME_OK;
    }));

    tme::ClientConfig client;
    client.address = "address";
    client.application = "application";
    client.server_key = "server_key";
    client.known_hosts = "known_hosts";
    client.identity = "identity";
    client.bind = "bind";
    client.channels = {tme::unreliable("x"), tme::unreliable("y")};
    client.user_data = "user";
    client.is_threaded = client.is_plaintext = client.synchronises_clock = true;
    client.connect_timeout = 1s;
    client.idle_timeout = 2s;
    client.keep_alive = 3s;
    client.gathering = 4us;
    client.datagram_bytes = 5;
    client.receive_datagram_bytes_max = 6;
    client.message_bytes_max = 7;
    client.connection_credit_bytes = 8;
    client.channel_credit_bytes = 9;
    client.channel_credit_messages = 10;
    client.retained_messages_max = 11;
    client.datagram_bytes_max = 12;
    client.congestion = tme::Congestion::new_reno;
    client.token = "token";
    client.rate_cap = 12;
    client.links = tme::Link::tcp;
    client.uses_tls = true;
    client.tls_authorities_file = "tls_authorities_file";
    client.tls_fingerprint = "tls_fingerprint";
    client.tls_name = "tls_name";
    tme::Executor executor = [](tme::Job) {};
    must(tme::detail::with_c(client, &executor, [&](const TmeClientConfig& c) {
        CHECK(c.executor != nullptr && c.executor_user_data == &executor);
        CHECK(c.congestion == TME_CONGESTION_NEW_RENO);
        CHECK(equal_text(c.address, "address") && equal_text(c.application, "application"));
        CHECK(equal_text(c.server_key, "server_key") && equal_text(c.known_hosts, "known_hosts"));
        CHECK(equal_text(c.token, "token") && c.rate_cap == 12 && c.links == TME_LINK_TCP);
        CHECK(equal_text(c.identity, "identity") && equal_text(c.bind, "bind"));
        CHECK(c.flags == (TME_CONFIG_THREADED | TME_CONFIG_PLAINTEXT | TME_CONFIG_CLOCK | TME_CONFIG_TLS));
        CHECK(c.channel_count == 2 && equal_text(c.tls_name, "tls_name"));
        CHECK(equal_text(c.tls_authorities_file, "tls_authorities_file") && equal_text(c.tls_fingerprint, "tls_fingerprint"));
        CHECK(tme::Bytes(c.user_data, c.user_data_bytes) == "user");
        CHECK(c.connect_timeout_ms == 1'000 && c.idle_timeout_ms == 2'000 && c.keep_alive_ms == 3'000);
        CHECK(c.gathering_us == 4 && c.datagram_bytes == 5 && c.receive_datagram_bytes_max == 6);
        CHECK(c.message_bytes_max == 7 && c.connection_credit_bytes == 8 && c.channel_credit_bytes == 9);
        CHECK(c.channel_credit_messages == 10 && c.retained_messages_max == 11 && c.datagram_bytes_max == 12);
        CHECK(c.channels[0].flags == 0 && equal_text(c.channels[1].name, "y"));
        return TME_OK;
    }));
}

void waiting_times_are_cut_to_what_fits() {
    CHECK(tme::detail::wait_ms(-5ms) == 0);
    CHECK(tme::detail::wait_ms(5ms) == 5);
    CHECK(tme::detail::wait_ms(std::chrono::hours(24 * 365)) == 4'294'967'295u);
}

} // namespace

int main() {
    a_server_has_the_librarys_defaults();
    a_client_has_the_librarys_defaults();
    a_token_has_the_librarys_defaults();
    conditions_have_the_librarys_defaults();
    a_log_has_the_librarys_defaults();
    every_mode_starts_with_the_defaults_of_a_channel();
    each_setting_reaches_its_place();
    waiting_times_are_cut_to_what_fits();
}
