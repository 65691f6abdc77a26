// A bad network, made on purpose: presets, the way of each field to C and back, and what the figures count.
#include "check.hpp"

using namespace test;

namespace {

void every_preset_survives_the_way_through_c() {
    for (const char* preset : {"lan", "wifi", "satellite"}) {
        for (const tme::Path path : {tme::Path::up, tme::Path::down}) {
            TmeConditions before = {};
            CHECK(tme_conditions_preset(preset, static_cast<std::uint32_t>(path), &before, sizeof before) == TME_OK);
            const auto conditions = must(tme::conditions_preset(preset, path));
            must(tme::detail::with_c(conditions, [&](const TmeConditions& after) {
                CHECK(std::memcmp(&before, &after, sizeof before) == 0);
                return TME_OK;
            }));
        }
    }
    CHECK(tme::conditions_preset("carrier pigeon", tme::Path::up).code() == tme::ErrorCode::argument);
}

void each_field_has_its_place() {
    tme::Conditions conditions;
    conditions.loss = 0.01;
    conditions.burst_enter = 0.02;
    conditions.burst_leave = 0.03;
    conditions.burst_loss_good = 0.04;
    conditions.burst_loss_bad = 0.05;
    conditions.delay = 1ms;
    conditions.jitter_kind = tme::Jitter::skewed;
    conditions.jitter_reorders = true;
    conditions.jitter = 2us;
    conditions.jitter_p99 = 3us;
    conditions.jitter_max = 4us;
    conditions.reorder = 0.06;
    conditions.reorder_delay = 5us;
    conditions.duplicate = 0.07;
    conditions.duplicate_delay_max = 6us;
    conditions.corrupt = 0.08;
    conditions.corrupt_bits_max = 7;
    conditions.header_bytes = 8;
    conditions.mtu_bytes = 9;
    conditions.bottleneck_bytes_per_second = 10;
    conditions.bottleneck_queue_bytes = 11;
    TmeConditions c = {};
    must(tme::detail::with_c(conditions, [&](const TmeConditions& made) {
        c = made;
        return TME_OK;
    }));
    CHECK(c.loss == 0.01 && c.burst_enter == 0.02 && c.burst_leave == 0.03);
    CHECK(c.burst_loss_good == 0.04 && c.burst_loss_bad == 0.05);
    CHECK(c.delay_us == 1'000 && c.jitter_kind == TME_JITTER_SKEWED && c.flags == TME_CONDITIONS_JITTER_REORDERS);
    CHECK(c.jitter_us == 2 && c.jitter_p99_us == 3 && c.jitter_max_us == 4);
    CHECK(c.reorder == 0.06 && c.reorder_delay_us == 5 && c.duplicate == 0.07 && c.duplicate_delay_max_us == 6);
    CHECK(c.corrupt == 0.08 && c.corrupt_bits_max == 7 && c.header_bytes == 8 && c.mtu_bytes == 9);
    CHECK(c.bottleneck_bytes_per_second == 10 && c.bottleneck_queue_bytes == 11);
}

void what_they_do_is_counted() {
    World world;
    world.join();
    auto& client = world.clients[0];
    auto& server = world.server;
    CHECK(client->set_conditions(tme::Direction::outgoing, {}).code() == tme::ErrorCode::not_connected);
    world.run_until_all_are_connected();
    const auto peer = server.find("connected")->peer;

    CHECK(server->condition_statistics(peer, tme::Direction::outgoing).code() == tme::ErrorCode::no_figures);
    tme::Conditions bad;
    bad.loss = 0.5;
    bad.duplicate = 0.5;
    must(server->set_conditions(peer, tme::Direction::outgoing, bad));
    must(client->set_conditions(tme::Direction::incoming, must(tme::conditions_preset("wifi", tme::Path::down))));
    for (int number = 0; number < 50; ++number) {
        must(server->send(peer, 0, std::string(1'000, 'x'), tme::flush_now));
    }
    world.run_until("all came through in the end", [&] { return client.count("message") == 50; });
    world.run_until("figures", [&] {
        const auto figures = server->condition_statistics(peer, tme::Direction::outgoing);
        return figures && figures->offered > 0 && figures->lost > 0 && figures->duplicated > 0 &&
               client->condition_statistics(tme::Direction::incoming);
    });
    must(server->clear_conditions(peer, tme::Direction::outgoing));
    must(client->clear_conditions(tme::Direction::incoming));
    world.run_until("they are off", [&] {
        return client->condition_statistics(tme::Direction::incoming).code() == tme::ErrorCode::no_figures;
    });

    bad.loss = 2.0;
    CHECK(server->set_conditions(peer, tme::Direction::outgoing, bad).code() == tme::ErrorCode::conditions);
    bad.loss = 0.0;
    bad.delay = -1us;
    const auto negative = client->set_conditions(tme::Direction::outgoing, bad);
    CHECK(negative.code() == tme::ErrorCode::conditions && negative.error().detail() == "delay is negative");
    CHECK(server->set_conditions(tme::PeerId{99}, tme::Direction::outgoing, {}).code() ==
          tme::ErrorCode::unknown_peer);
    CHECK(client->set_conditions(static_cast<tme::Direction>(9), {}).code() == tme::ErrorCode::unknown_value);
}

} // namespace

int main() {
    every_preset_survives_the_way_through_c();
    each_field_has_its_place();
    what_they_do_is_counted();
}
