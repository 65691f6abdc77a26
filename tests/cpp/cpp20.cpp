// What C++20 adds: settings by name, and std::span.
#include "check.hpp"

#include <array>
#include <iterator>
#include <span>

using namespace test;

static_assert(std::is_convertible_v<tme::Bytes, std::span<const std::byte>>);
static_assert(std::is_convertible_v<tme::MutableBytes, std::span<std::byte>>);
static_assert(std::is_convertible_v<std::span<const std::byte>, tme::Bytes>);
static_assert(std::is_convertible_v<std::span<std::uint8_t>, tme::Bytes>);
static_assert(std::is_convertible_v<std::span<const tme::PeerId>, tme::Peers>);
static_assert(std::input_iterator<tme::ServerEvents::Iterator>);

std::uint32_t version_of_the_second_unit();

int main() {
    World world({
        .application = "twenty",
        .channels = {{.name = "chat", .mode = tme::Mode::reliable_ordered, .priority = 1, .queue_age_max = 50ms},
                     tme::reliable_latest("score")},
        .max_peers = 2,
        .idle_timeout = 10s,
    });
    world.join({.application = "twenty", .user_data = "me", .connect_timeout = 5s});
    world.run_until_all_are_connected();
    const auto peer = world.server.find("connected")->peer;

    const std::array<std::byte, 2> two{std::byte{'h'}, std::byte{'i'}};
    must(world.clients[0]->send(0, std::span(two)));
    must(world.clients[0]->send(1, "seven", {.key = 7}));
    must(world.server->set_conditions(peer, tme::Direction::outgoing, {.loss = 0.1, .delay = 1ms}));
    world.run_until("both came", [&] { return world.server.count("message") == 2; });

    const std::string text = "span";
    const std::span<const std::byte> span = tme::Bytes(text);
    CHECK(span.size() == 4 && static_cast<const void*>(span.data()) == text.data());
    CHECK(version_of_the_second_unit() == tme::version());
}
