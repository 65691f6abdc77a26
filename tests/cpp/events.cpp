// Events: each kind as its type, unknown ones included, and how long they live.
#include "check.hpp"

#include <thread>

using namespace test;

// What points to bytes that go away cannot be copied by accident.
static_assert(!std::is_copy_constructible_v<tme::Message> && !std::is_move_constructible_v<tme::Message>);
static_assert(!std::is_copy_constructible_v<tme::Event>);
static_assert(std::is_copy_constructible_v<tme::Writable>);
static_assert(std::is_same_v<decltype(*std::declval<tme::ServerEvents&>().begin()), const tme::Event&>);

namespace {

TmeEvent raw(std::uint32_t type) {
    static const std::uint8_t data[] = {'a', 'b', 'c'};
    TmeEvent event = {};
    event.type = type;
    event.flags = TME_EVENT_FLAG_HAS_KEY | TME_EVENT_FLAG_FIRST_USE | TME_EVENT_FLAG_REMOTE;
    event.peer = 11;
    event.reason = TME_REASON_KICKED;
    event.channel = 2;
    event.token = 33;
    event.data = data;
    event.length = sizeof data;
    return event;
}

void each_kind_has_its_type() {
    const tme::PeerId peer{11};
    tme::Event event;
    CHECK(std::holds_alternative<tme::Unknown>(event));

    read_event(raw(TME_EVENT_CONNECTED), event);
    const auto& connected = std::get<tme::Connected>(event);
    CHECK(connected.peer == peer && connected.number == 33 && connected.user_data == "abc");
    CHECK(connected.has_key && connected.is_first_use && !connected.has_token);
    CHECK(to_string(event) == std::string("connected"));

    read_event(raw(TME_EVENT_MESSAGE), event);
    const auto& message = std::get<tme::Message>(event);
    CHECK(message.peer == peer && message.channel == 2 && message.key == 33 && message.bytes == "abc");
    // There is nothing behind this one.
    CHECK(message.retain().code() == tme::ErrorCode::unknown_message);

    read_event(raw(TME_EVENT_WRITABLE), event);
    CHECK(std::get<tme::Writable>(event).peer == peer && std::get<tme::Writable>(event).channel == 2);
    read_event(raw(TME_EVENT_DELIVERED), event);
    const auto& delivered = std::get<tme::Delivered>(event);
    CHECK(delivered.peer == peer && delivered.channel == 2 && delivered.receipt == 33);
    CHECK(to_string(event) == std::string("delivered"));
    TmeEvent given_up = raw(TME_EVENT_EXPIRED);
    given_up.reason = TME_EXPIRED_LOST;
    read_event(given_up, event);
    const auto& lost = std::get<tme::Expired>(event);
    CHECK(lost.peer == peer && lost.channel == 2 && lost.receipt == 33 && !lost.never_sent);
    CHECK(lost.reason == tme::Expiry::lost);
    given_up.flags = TME_EVENT_FLAG_NEVER_SENT;
    read_event(given_up, event);
    CHECK(std::get<tme::Expired>(event).never_sent);
    read_event(raw(TME_EVENT_INTERRUPTED), event);
    CHECK(std::get<tme::Interrupted>(event).peer == peer);
    read_event(raw(TME_EVENT_RESUMED), event);
    CHECK(std::get<tme::Resumed>(event).peer == peer);

    read_event(raw(TME_EVENT_CLOCK), event);
    CHECK(std::get<tme::Clock>(event).peer == peer && !std::get<tme::Clock>(event).is_stepped);
    TmeEvent stepped = raw(TME_EVENT_CLOCK);
    stepped.flags |= TME_EVENT_FLAG_STEPPED;
    stepped.token = static_cast<std::uint64_t>(-250'000);
    read_event(stepped, event);
    CHECK(std::get<tme::Clock>(event).is_stepped && std::get<tme::Clock>(event).step == std::chrono::milliseconds(-250));
    CHECK(to_string(event) == std::string("clock"));
    read_event(raw(TME_EVENT_ADDRESS_CHANGED), event);
    CHECK(std::get<tme::AddressChanged>(event).peer == peer);
    TmeEvent other = raw(TME_EVENT_LINK_CHANGED);
    other.token = TME_LINK_TCP;
    read_event(other, event);
    CHECK(std::get<tme::LinkChanged>(event).peer == peer && std::get<tme::LinkChanged>(event).link == tme::Link::tcp);
    CHECK(to_string(event) == std::string("link changed"));

    read_event(raw(TME_EVENT_DISCONNECTED), event);
    const auto& disconnected = std::get<tme::Disconnected>(event);
    CHECK(disconnected.peer == peer && disconnected.code == 33 && disconnected.bytes == "abc");
    CHECK(disconnected.reason == tme::Reason::kicked && disconnected.origin == tme::Origin::remote);
    CHECK(disconnected.token_problem == tme::TokenProblem::none);
    auto expired = raw(TME_EVENT_DISCONNECTED);
    expired.reason = TME_REASON_TOKEN;
    expired.token = TME_TOKEN_PROBLEM_EXPIRED;
    read_event(expired, event);
    CHECK(std::get<tme::Disconnected>(event).code == 0);
    CHECK(std::get<tme::Disconnected>(event).token_problem == tme::TokenProblem::expired);

    auto asking = raw(TME_EVENT_ADMISSION);
    asking.flags = TME_EVENT_FLAG_HAS_TOKEN;
    read_event(asking, event);
    const auto& admission = std::get<tme::Admission>(event);
    CHECK(admission.peer == peer && admission.same_identity == tme::PeerId{33} && admission.user_data == "abc");
    CHECK(admission.has_token && !admission.has_key);
    CHECK(to_string(event) == std::string("admission"));
}

void news_of_a_newer_library_is_unknown() {
    tme::Event event;
    for (const std::uint32_t type : {0u, 90u, 99u, 4'000'000'000u}) {
        read_event(raw(type), event);
        int skipped = 0;
        std::visit(tme::overloaded{
                       [](const tme::Message&) { std::abort(); },
                       [&](const auto&) { skipped += 1; },
                   },
                   event);
        CHECK(skipped == 1);
        const auto& unknown = std::get<tme::Unknown>(event);
        CHECK(unknown.raw.type == type && unknown.raw.token == 33);
        CHECK(to_string(event) == std::string("unknown"));
    }
}

/// A client with `count` messages on their way back to it.
tme::Client echo_with(std::size_t count) {
    tme::ClientConfig config;
    config.channels = {tme::reliable_ordered("chat")};
    auto client = must(tme::Client::start_echo(config));
    until("connected", [&] {
        client.update(1ms);
        return client.is_connected();
    });
    for (std::size_t number = 0; number < count; ++number) {
        must(client.send(0, std::to_string(number)));
    }
    return client;
}

/// Waits until all that was sent is there to be visited.
void wait_for(tme::Client& client, std::uint64_t count) {
    until("all is back", [&] {
        client.update(1ms);
        return must(client.statistics()).messages_received >= count;
    });
    // The figures come up to 100 ms late, never early.
}

void a_loop_visits_more_than_a_batch() {
    auto client = echo_with(1'000);
    wait_for(client, 1'000);
    std::size_t next = 0;
    for (const auto& event : client.events()) {
        if (const auto* message = std::get_if<tme::Message>(&event)) {
            CHECK(message->bytes == std::to_string(next));
            next += 1;
        }
    }
    CHECK(next == 1'000);
}

void a_loop_left_early_loses_nothing() {
    auto client = echo_with(500);
    std::size_t next = 0;
    until("every message once", [&] {
        client.update(1ms);
        for (const auto& event : client.events()) {
            if (const auto* message = std::get_if<tme::Message>(&event)) {
                CHECK(message->bytes == std::to_string(next));
                next += 1;
                if (next % 3 == 0) {
                    break;
                }
            }
        }
        return next == 500;
    });
}

void a_second_loop_is_empty_while_one_runs() {
    auto client = echo_with(3);
    wait_for(client, 3);
    std::size_t visited = 0;
    for (const auto& event : client.events()) {
        visited += std::holds_alternative<tme::Message>(event) ? 1u : 0u;
        auto inner = client.events();
        CHECK(inner.begin() == inner.end());
        CHECK(inner.status().code() == tme::ErrorCode::busy);
        std::thread([&] {
            auto elsewhere = client.events();
            CHECK(elsewhere.begin() == elsewhere.end() && !elsewhere.status());
        }).join();
    }
    CHECK(visited == 3);
    auto after = client.events();
    CHECK(after.begin() == after.end());
    CHECK(after.status());
}

void begin_visits_the_same_event_until_the_loop_moves_on() {
    auto client = echo_with(2);
    wait_for(client, 2);
    auto events = client.events();
    CHECK(events.begin() != events.end());
    CHECK(events.begin() == events.begin());
    std::size_t messages = 0;
    for (const auto& event : events) {
        messages += std::holds_alternative<tme::Message>(event) ? 1u : 0u;
    }
    CHECK(messages == 2);
    CHECK(events.begin() == events.end());
}

void the_client_may_be_moved_or_destroyed_in_its_loop() {
    auto client = echo_with(100);
    wait_for(client, 100);
    std::size_t visited = 0;
    std::optional<tme::Client> second;
    for (const auto& event : client.events()) {
        if (!std::holds_alternative<tme::Message>(event)) {
            continue;
        }
        visited += 1;
        if (visited == 10) {
            second.emplace(std::move(client));
        } else if (visited == 80) {
            second.reset();
        }
    }
    CHECK(visited == 80);
}

void sending_is_allowed_in_the_loop() {
    auto client = echo_with(1);
    std::size_t rounds = 0;
    until("a hundred rounds", [&] {
        client.update(1ms);
        for (const auto& event : client.events()) {
            if (const auto* message = std::get_if<tme::Message>(&event)) {
                must(client.send(message->channel, message->bytes));
                rounds += 1;
            }
        }
        return rounds >= 100;
    });
}

} // namespace

int main() {
    each_kind_has_its_type();
    news_of_a_newer_library_is_unknown();
    a_loop_visits_more_than_a_batch();
    a_loop_left_early_loses_nothing();
    a_second_loop_is_empty_while_one_runs();
    begin_visits_the_same_event_until_the_loop_moves_on();
    the_client_may_be_moved_or_destroyed_in_its_loop();
    sending_is_allowed_in_the_loop();
}
