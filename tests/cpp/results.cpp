// Results: values, errors, their messages, and what can be ignored.
#include "check.hpp"

using namespace test;

namespace {

void a_value_is_there_or_a_reason() {
    const auto secret = tme::key_generate();
    CHECK(secret && secret.code() == tme::ErrorCode::ok);
    CHECK(secret->size() == 64 && *secret == secret.value());
    CHECK(secret.error().code() == tme::ErrorCode::ok && secret.error().message() == "done");

    const auto wrong = tme::key_public("not a key");
    CHECK(!wrong && wrong.code() == tme::ErrorCode::key);
    CHECK(wrong.error().code() == tme::ErrorCode::key);
    CHECK(wrong.error().message().find(to_string(tme::ErrorCode::key)) == 0);

    const tme::Result<void> nothing;
    CHECK(nothing && nothing.code() == tme::ErrorCode::ok);
    nothing.value();
    const tme::Result<void> failed = tme::Error(tme::ErrorCode::busy, "at lunch");
    CHECK(!failed && failed.error().detail() == "at lunch");
}

void a_value_can_be_moved_out() {
    auto text = tme::key_generate();
    const std::string taken = std::move(text).value();
    CHECK(taken.size() == 64);
    auto other = tme::key_generate();
    other.value() = "written";
    CHECK(*std::move(other) == "written");
}

void a_value_outlives_the_temporary_it_came_from() {
    const tme::Result<std::vector<std::string>> kept = std::vector<std::string>{"one", "two"};
    const auto copy = [&] { return kept; };
    std::string said;
    for (const auto& word : *copy()) {
        said += word;
    }
    for (const auto& word : copy().value()) {
        said += word;
    }
    CHECK(said == "onetwoonetwo");
    static_assert(!std::is_reference_v<decltype(*copy())>);
    static_assert(!std::is_reference_v<decltype(copy().value())>);
}

void messages_tell_the_numbers_of_their_failure() {
    tme::ServerConfig config;
    config.listen = "127.0.0.1:0";
    config.channels = {tme::reliable_ordered("chat").with_message_bytes_max(100)};
    World world(config);
    world.join();
    world.run_until_all_are_connected();
    const auto peer = world.server.find("connected")->peer;
    const std::string large(70'000, 'x');

    const auto refused = world.server->send(peer, 0, large);
    CHECK(refused.code() == tme::ErrorCode::too_large);
    const std::string message = refused.error().message();
    CHECK(message.find("70000") != std::string::npos && message.find("100") != std::string::npos);

    // A later failure leaves the earlier error as it was.
    CHECK(world.server->send(peer, 31, "x").code() == tme::ErrorCode::unknown_channel);
    CHECK(refused.error().message() == message);

    // The text of the code is not said twice where there is no detail.
    const auto nobody = world.server->kick(tme::PeerId{12345});
    CHECK(nobody.code() == tme::ErrorCode::unknown_peer);
    const std::string said = nobody.error().message();
    const std::string text = to_string(tme::ErrorCode::unknown_peer);
    CHECK(said.find(text) == 0 && said.find(text, 1) == std::string::npos);
}

void settings_that_cannot_be_are_errors() {
    struct Case {
        const char* name;
        tme::ErrorCode expected;
        tme::ServerConfig config;
    };
    const auto with = [](auto change) {
        tme::ServerConfig config;
        config.listen = "127.0.0.1:0";
        change(config);
        return config;
    };
    using Config = tme::ServerConfig;
    using tme::ErrorCode;
    const Case cases[] = {
        {"address", ErrorCode::address, with([](Config& c) { c.listen = "nowhere"; })},
        {"key", ErrorCode::key, with([](Config& c) { c.key = "abc"; })},
        {"file", ErrorCode::file, with([](Config& c) { c.key_file = "/no/such/file"; })},
        {"peers", ErrorCode::config, with([](Config& c) { c.max_peers = 1'000'000'000; })},
        {"utf8", ErrorCode::utf8, with([](Config& c) { c.application = "\xff\xfe"; })},
        {"no mode", ErrorCode::unknown_value, with([](Config& c) { c.channels = {tme::Channel{}}; })},
        {"id", ErrorCode::argument, with([](Config& c) { c.channels = {tme::unreliable("x").with_id(256)}; })},
        {"twice", ErrorCode::channels,
         with([](Config& c) { c.channels = {tme::unreliable("x").with_id(1), tme::unreliable("y").with_id(1)}; })},
        {"many", ErrorCode::channels,
         with([](Config& c) { c.channels.assign(tme::channels_max + 1, tme::unreliable("x")); })},
        {"negative", ErrorCode::config, with([](Config& c) { c.keep_alive = -1ms; })},
        {"long", ErrorCode::config, with([](Config& c) { c.idle_timeout = std::chrono::hours(10'000); })},
        {"a NUL", ErrorCode::config, with([](Config& c) { c.application = std::string("a\0b", 3); })},
        {"negative age", ErrorCode::config,
         with([](Config& c) { c.channels = {tme::unreliable("x").with_queue_age_max(-1ms)}; })},
    };
    for (const auto& one : cases) {
        const auto server = tme::Server::start(one.config);
        if (server.code() != one.expected) {
            std::fprintf(stderr, "%s: %s\n", one.name, server.error().message().c_str());
        }
        CHECK(!server && server.code() == one.expected);
    }
    tme::ClientConfig client;
    client.connect_timeout = -1ms;
    CHECK(tme::Client::start(client).error().detail() == "connect_timeout is negative");
}

void the_port_of_somebody_else_is_told() {
    World world;
    tme::ServerConfig config;
    config.listen = must(world.server->local_address());
    CHECK(tme::Server::start(config).code() == tme::ErrorCode::bind);
}

void constants_have_texts() {
    CHECK(std::string(to_string(tme::ErrorCode::ok)) == "done");
    CHECK(std::string(to_string(tme::Reason::full)) == tme_reason_string(TME_REASON_FULL));
    CHECK(std::string(to_string(tme::Mode::reliable_latest)) == "reliable_latest");
    CHECK(std::string(to_string(tme::LogLevel::warn)) == "warn");
    CHECK(std::string(to_string(tme::LogSink::file)) == "file");
    CHECK(std::string(to_string(tme::Direction::incoming)) == "incoming");
    CHECK(std::string(to_string(tme::Path::up)) == "up");
    CHECK(std::string(to_string(tme::Jitter::skewed)) == "skewed");
    CHECK(std::string(to_string(tme::Origin::unauthenticated)) == "unauthenticated");
    CHECK(std::string(to_string(tme::Redundancy::automatic)) == "automatic");
    CHECK(std::string(to_string(tme::Congestion::new_reno)) == "NewReno");
    CHECK(std::string(to_string(tme::Expiry::superseded)) == "superseded");
    CHECK(std::string(to_string(static_cast<tme::Expiry>(99))) == "unknown");
    CHECK(to_string(tme::PeerId{7}) == "7");
    // Numbers of newer libraries have a text too.
    CHECK(to_string(static_cast<tme::ErrorCode>(-9'999)) != nullptr);
    CHECK(to_string(static_cast<tme::Reason>(9'999)) != nullptr);
    CHECK(std::string(to_string(static_cast<tme::Mode>(99))) == "unknown");
    CHECK(tme::version() == tme::header_version && std::string(tme::version_string()).find('.') == 1);
}

} // namespace

int main() {
    a_value_is_there_or_a_reason();
    a_value_can_be_moved_out();
    a_value_outlives_the_temporary_it_came_from();
    messages_tell_the_numbers_of_their_failure();
    settings_that_cannot_be_are_errors();
    the_port_of_somebody_else_is_told();
    constants_have_texts();
}
