// Who owns what: moved-from objects, retained messages that outlive everything, messages that were refused.
#include "check.hpp"

#include <thread>

using namespace test;

static_assert(!std::is_copy_constructible_v<tme::Server> && std::is_nothrow_move_constructible_v<tme::Server>);
static_assert(!std::is_copy_constructible_v<tme::Client> && std::is_nothrow_move_assignable_v<tme::Client>);
static_assert(!std::is_copy_constructible_v<tme::OwnedMessage> &&
              std::is_nothrow_move_constructible_v<tme::OwnedMessage>);

namespace {

using tme::ErrorCode;

void a_server_that_was_moved_from_answers_with_errors() {
    World world;
    tme::Server& from = world.server.engine;
    const std::uint16_t port = from.port();
    tme::Server to = std::move(from);
    CHECK(to.port() == port && to.native_handle() != nullptr);
    CHECK(from.native_handle() == nullptr && from.port() == 0);
    const tme::PeerId peer{1};
    CHECK(from.update(0ms).code() == ErrorCode::null);
    CHECK(from.flush().code() == ErrorCode::null && from.wake().code() == ErrorCode::null);
    CHECK(from.shutdown(0ms).code() == ErrorCode::null);
    CHECK(from.send(peer, 0, "x").code() == ErrorCode::null);
    CHECK(from.send(peer, 0, "x", tme::with_key(1)).code() == ErrorCode::null);
    CHECK(from.broadcast(0, "x").code() == ErrorCode::null);
    CHECK(from.broadcast_except(peer, 0, "x").code() == ErrorCode::null);
    CHECK(from.multicast({peer}, 0, "x").code() == ErrorCode::null);
    CHECK(from.disconnect(peer).code() == ErrorCode::null && from.kick(peer).code() == ErrorCode::null);
    CHECK(from.peers().code() == ErrorCode::null && from.peer_info(peer).code() == ErrorCode::null);
    CHECK(from.peer_by_number(2).code() == ErrorCode::null);
    CHECK(from.peer_statistics(peer).code() == ErrorCode::null && from.statistics().code() == ErrorCode::null);
    CHECK(from.channel_statistics(peer, 0).code() == ErrorCode::null);
    CHECK(from.send_budget(peer, 0).code() == ErrorCode::null);
    CHECK(from.set_conditions(peer, tme::Direction::incoming, {}).code() == ErrorCode::null);
    CHECK(from.clear_conditions(peer, tme::Direction::incoming).code() == ErrorCode::null);
    CHECK(from.condition_statistics(peer, tme::Direction::incoming).code() == ErrorCode::null);
    CHECK(from.local_address().code() == ErrorCode::null && from.public_key().code() == ErrorCode::null);
    auto events = from.events();
    CHECK(events.begin() == events.end() && events.status().code() == ErrorCode::null);

    auto message = must(tme::OwnedMessage::create(1));
    CHECK(from.send(peer, 0, std::move(message)).code() == ErrorCode::null && message);
    CHECK(from.broadcast(0, std::move(message)).code() == ErrorCode::null && message);

    // Assigning gives the object a new life, and ends what it had.
    from = std::move(to);
    CHECK(from.port() == port && to.port() == 0);
    from = must(tme::Server::start([] {
        tme::ServerConfig config;
        config.listen = "127.0.0.1:0";
        return config;
    }()));
    CHECK(from.port() != 0);
    auto& self = from;
    from = std::move(self);
    CHECK(from.port() != 0);
}

void a_client_that_was_moved_from_answers_with_errors() {
    auto to = must(tme::Client::start_echo());
    tme::Client from = std::move(to);
    std::swap(from, to);
    CHECK(!from.is_connected() && from.port() == 0 && from.native_handle() == nullptr);
    CHECK(from.update(0ms).code() == ErrorCode::null && from.close(0ms).code() == ErrorCode::null);
    CHECK(from.flush().code() == ErrorCode::null && from.wake().code() == ErrorCode::null);
    CHECK(from.send(0, "x").code() == ErrorCode::null && from.send(0, "x", tme::with_key(1)).code() == ErrorCode::null);
    CHECK(from.disconnect().code() == ErrorCode::null && from.server_info().code() == ErrorCode::null);
    CHECK(from.channel_by_name("x").code() == ErrorCode::null && from.statistics().code() == ErrorCode::null);
    CHECK(from.channel_statistics(0).code() == ErrorCode::null);
    CHECK(from.send_budget(0).code() == ErrorCode::null);
    CHECK(from.engine_statistics().code() == ErrorCode::null);
    CHECK(from.set_conditions(tme::Direction::outgoing, {}).code() == ErrorCode::null);
    CHECK(from.clear_conditions(tme::Direction::outgoing).code() == ErrorCode::null);
    CHECK(from.condition_statistics(tme::Direction::outgoing).code() == ErrorCode::null);
    CHECK(from.local_address().code() == ErrorCode::null);
    auto events = from.events();
    CHECK(events.begin() == events.end() && !events.status());
}

void a_message_that_was_moved_from_is_empty() {
    auto from = must(tme::OwnedMessage::create(4));
    const tme::OwnedMessage to = std::move(from);
    CHECK(to && to.bytes().size() == 4);
    CHECK(!from && from.bytes().empty() && from.native_handle() == nullptr);
    CHECK(from.clone().code() == ErrorCode::null && from.writable().code() == ErrorCode::null);
    CHECK(!tme::OwnedMessage());
    CHECK(tme::OwnedMessage::create(std::size_t{1} << 30).code() == ErrorCode::too_large);
}

void a_created_message_is_writable_until_it_is_cloned() {
    auto message = must(tme::OwnedMessage::create(2));
    for (std::byte& byte : must(message.writable())) {
        CHECK(byte == std::byte{0});
        byte = std::byte{'!'};
    }
    const auto clone = must(message.clone());
    CHECK(clone.bytes() == "!!" && message.bytes() == "!!");
    CHECK(clone.bytes().data() == message.bytes().data());
    CHECK(message.writable().code() == ErrorCode::not_writable);
    TmeMessage* released = message.release();
    CHECK(!message);
    tme_message_release(released);
}

void retained_messages_outlive_their_client() {
    std::vector<tme::OwnedMessage> kept;
    const std::string large(5'000, 'x');
    {
        tme::ClientConfig config;
        config.retained_messages_max = 3;
        auto client = must(tme::Client::start_echo(config));
        bool was_sent = false;
        bool was_full = false;
        until("three messages and a refusal", [&] {
            client.update(1ms);
            if (client.is_connected() && !was_sent) {
                must(client.send(0, "small"));
                must(client.send(0, large));
                must(client.send(0, ""));
                must(client.send(0, "one too many"));
                was_sent = true;
            }
            for (const auto& event : client.events()) {
                if (const auto* message = std::get_if<tme::Message>(&event)) {
                    auto retained = message->retain();
                    if (retained) {
                        kept.push_back(std::move(*retained));
                    } else {
                        CHECK(retained.code() == ErrorCode::too_many_retained);
                        was_full = true;
                    }
                }
            }
            return kept.size() == 3 && was_full;
        });
    }
    CHECK(kept[0].bytes() == "small" && kept[1].bytes() == large && kept[2].bytes().empty());
    CHECK(kept[1].writable().code() == ErrorCode::not_writable);
    std::thread([last = std::move(kept[1]), &large] { CHECK(last.bytes() == large); }).join();
}

void a_relay_forwards_without_touching_the_bytes() {
    tme::ServerConfig config;
    config.channels = {tme::reliable_ordered("chat").with_message_bytes_max(8)};
    World world(config);
    world.join();
    world.join();
    world.run_until_all_are_connected();
    must(world.clients[0]->send(0, "from one"));
    tme::OwnedMessage kept;
    tme::PeerId from = tme::PeerId::none;
    until("the server has it", [&] {
        world.clients[0]->update(1ms);
        world.server->update(1ms);
        for (const auto& event : world.server->events()) {
            if (const auto* message = std::get_if<tme::Message>(&event)) {
                kept = must(message->retain());
                from = message->peer;
            }
        }
        return static_cast<bool>(kept);
    });
    // A refused message is still ours.
    CHECK(world.server->send(from, 31, std::move(kept)).code() == ErrorCode::unknown_channel);
    CHECK(kept && kept.bytes() == "from one");
    const auto outcome = must(world.server->broadcast_except(from, 0, std::move(kept)));
    CHECK(outcome.sent == 1 && !kept);
    world.run_until("the other one has it", [&] { return world.clients[1].find("message"); });
    CHECK(world.clients[1].find("message")->text == "from one" && !world.clients[0].find("message"));

    auto large = must(tme::OwnedMessage::create(9));
    CHECK(world.server->broadcast(0, std::move(large)).code() == ErrorCode::too_large && large);
    CHECK(large.writable().code() == ErrorCode::not_writable);
}

} // namespace

int main() {
    a_server_that_was_moved_from_answers_with_errors();
    a_client_that_was_moved_from_answers_with_errors();
    a_message_that_was_moved_from_is_empty();
    a_created_message_is_writable_until_it_is_cloned();
    retained_messages_outlive_their_client();
    a_relay_forwards_without_touching_the_bytes();
}
