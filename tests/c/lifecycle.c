/* The whole life of a server and its clients, inline and with network threads: every function of the header is called
 * here at least once and does what it says. */
#include "world.h"

enum { CHAT, STATE, SCORES, CHANNELS };

static const TmeChannelConfig channels[CHANNELS] = {
    {.name = "chat", .mode = TME_CHANNEL_RELIABLE_ORDERED},
    {.name = "state", .mode = TME_CHANNEL_SEQUENCED, .priority = 1},
    {.name = "scores", .mode = TME_CHANNEL_RELIABLE_LATEST},
};

/* Two clients: the first has an identity and says something on arrival. */
static void both_sides_learn_who_is_there(World *world, uint32_t flags)
{
    char secret[TME_KEY_TEXT_BYTES];
    char public_key[TME_KEY_TEXT_BYTES];
    CHECK_OK(tme_key_generate(secret, sizeof secret, NULL));
    CHECK_OK(tme_key_public(secret, public_key, sizeof public_key, NULL));

    TmeServerConfig server = server_config();
    server.flags = flags;
    server.channels = channels;
    server.channel_count = CHANNELS;
    open_server(world, &server);
    CHECK_CONTAINS(world->address, "127.0.0.1:");
    CHECK(tme_server_port(world->server) != 0);
    CHECK_UINT(strlen(world->key), 64);

    TmeClientConfig config = client_config(world);
    config.flags = flags;
    config.identity = secret;
    config.user_data = "ada";
    config.user_data_bytes = 3;
    add_client(world, &config);
    TmeClient *client = world->clients[0];
    CHECK_INT(tme_client_is_connected(client), 0);

    TmeEvent came = expect_server_event(world, TME_EVENT_CONNECTED);
    CHECK_UINT(came.flags, TME_EVENT_FLAG_HAS_KEY);
    CHECK_BYTES(came.data, came.length, "ada");
    CHECK(came.peer != 0 && came.peer < (uint64_t)1 << 53);
    CHECK_UINT(came.reason + came.channel + came.reserved, 0);
    TmePeerInfo info;
    CHECK_OK(tme_server_peer_info(world->server, came.peer, &info, sizeof info));
    CHECK_UINT(info.peer, came.peer);
    CHECK_UINT(info.number, came.token);
    CHECK_TEXT(info.key, public_key);
    char address[64];
    CHECK_OK(tme_client_local_address(client, address, sizeof address, NULL));
    CHECK_CONTAINS(info.address, strrchr(address, ':'));
    CHECK(tme_client_port(client) != 0);
    TmePeer found;
    CHECK_OK(tme_server_peer_by_number(world->server, info.number, &found));
    CHECK_UINT(found, came.peer);
    world->peers[0] = came.peer;

    TmeEvent connected = expect_client_event(world, 0, TME_EVENT_CONNECTED);
    CHECK_UINT(connected.token, came.token);
    CHECK_UINT(connected.flags, TME_EVENT_FLAG_HAS_KEY);
    CHECK_INT(tme_client_is_connected(client), 1);
    CHECK_OK(tme_client_server_info(client, &info, sizeof info));
    CHECK_UINT(info.peer, connected.peer);
    CHECK_TEXT(info.address, world->address);
    CHECK_TEXT(info.key, world->key);
    uint32_t channel;
    CHECK_OK(tme_client_channel_by_name(client, "scores", &channel));
    CHECK_UINT(channel, SCORES);

    config = client_config(world);
    config.flags = flags;
    connect_client(world, &config);
    TmePeer peers[4];
    uint32_t count;
    CHECK_OK(tme_server_peers(world->server, peers, 4, &count));
    CHECK_UINT(count, 2);
    CHECK(peers[0] != peers[1]);
}

static void expect_at_client(World *world, unsigned client, const char *text)
{
    TmeEvent event = expect_client_event(world, client, TME_EVENT_MESSAGE);
    CHECK(event.message != 0);
    CHECK_UINT(event.length, strlen(text));
    CHECK(memcmp(event.data, text, event.length) == 0);
}

static void messages_take_every_way(World *world)
{
    TmeServer *server = world->server;
    TmeClient *client = world->clients[0];
    TmePeer peer = world->peers[0];
    TmeMessage *message;
    TmeMessage *copy;
    void *place;
    const void *bytes;
    size_t length;

    TmeSendOptions keyed;
    CHECK_OK(tme_send_options_init(&keyed, sizeof keyed));
    keyed.key = 7;
    keyed.flags = TME_SEND_FLUSH;
    CHECK_OK(tme_client_send(client, CHAT, "plain", 5, TME_SEND_FLUSH));
    TmeEvent event = expect_server_event(world, TME_EVENT_MESSAGE);
    CHECK_BYTES(event.data, event.length, "plain");
    CHECK_UINT(event.peer, peer);
    CHECK_UINT(event.channel, CHAT);
    CHECK_OK(tme_client_send_with(client, SCORES, "keyed", 5, &keyed));
    event = expect_server_event(world, TME_EVENT_MESSAGE);
    CHECK_BYTES(event.data, event.length, "keyed");
    CHECK_UINT(event.channel, SCORES);
    CHECK_UINT(event.token, 7);
    CHECK_OK(tme_message_retain(event.message, &copy));
    CHECK_OK(tme_message_create(4, &message));
    CHECK_OK(tme_message_writable(message, &place, &length));
    CHECK_UINT(length, 4);
    memcpy(place, "made", 4);
    CHECK_OK(tme_client_send_message(client, CHAT, message, NULL));
    event = expect_server_event(world, TME_EVENT_MESSAGE);
    CHECK_BYTES(event.data, event.length, "made");
    CHECK_OK(tme_message_bytes(copy, &bytes, &length));
    CHECK_BYTES(bytes, length, "keyed");

    CHECK_OK(tme_server_send(server, peer, CHAT, "plain", 5, 0));
    expect_at_client(world, 0, "plain");
    CHECK_OK(tme_server_send_with(server, peer, SCORES, "with", 4, &keyed));
    expect_at_client(world, 0, "with");
    /* The message came from the client and goes back without a copy. */
    CHECK_OK(tme_message_clone(copy, &message));
    CHECK_OK(tme_server_send_message(server, peer, CHAT, copy, NULL));
    expect_at_client(world, 0, "keyed");
    CHECK_OK(tme_message_release(message));

    TmeBroadcast outcome;
    CHECK_OK(tme_server_broadcast(server, CHAT, "all", 3, 0, &outcome));
    CHECK_UINT(outcome.sent, 2);
    expect_at_client(world, 0, "all");
    expect_at_client(world, 1, "all");
    CHECK_OK(tme_server_broadcast_except(server, peer, CHAT, "others", 6, 0, &outcome));
    CHECK_UINT(outcome.sent, 1);
    expect_at_client(world, 1, "others");
    keyed.except = world->peers[1];
    CHECK_OK(tme_server_broadcast_with(server, SCORES, "first", 5, &keyed, &outcome));
    CHECK_UINT(outcome.sent, 1);
    expect_at_client(world, 0, "first");
    CHECK_OK(tme_message_create(3, &message));
    CHECK_OK(tme_server_broadcast_message(server, CHAT, message, NULL, &outcome));
    CHECK_UINT(outcome.sent, 2);
    CHECK_UINT(expect_client_event(world, 0, TME_EVENT_MESSAGE).length, 3);
    CHECK_UINT(expect_client_event(world, 1, TME_EVENT_MESSAGE).length, 3);
    CHECK_OK(tme_server_multicast(server, &world->peers[1], 1, CHAT, "named", 5, NULL, &outcome));
    CHECK_UINT(outcome.sent, 1);
    expect_at_client(world, 1, "named");
    CHECK_OK(tme_server_flush(server));
    CHECK_OK(tme_client_flush(client));
}

static void figures_tell_what_happened(World *world)
{
    TmeServer *server = world->server;
    TmeClient *client = world->clients[0];
    TmePeerStatistics peer;
    TmeChannelStatistics channel;
    TmeEngineStatistics engine;

    /* Figures are up to 100 ms old. */
    steps_for(world, 150);
    CHECK_OK(tme_server_peer_statistics(server, world->peers[0], &peer, sizeof peer));
    CHECK(peer.packets_sent > 0 && peer.packets_received > 0 && peer.messages_received == 3);
    CHECK_OK(tme_client_statistics(client, &peer, sizeof peer));
    CHECK(peer.rtt_minimum_us > 0 && peer.bytes_sent > 0 && peer.messages_received == 6);
    CHECK_UINT(peer.datagram_bytes, 1200);
    WHILE_RESULT(world, tme_server_channel_statistics(server, world->peers[0], CHAT, &channel, sizeof channel),
                 TME_ERROR_NO_FIGURES);
    CHECK_UINT(channel.channel, CHAT);
    CHECK_UINT(channel.messages_sent, 4);
    CHECK_OK(tme_client_channel_statistics(client, SCORES, &channel, sizeof channel));
    CHECK_UINT(channel.channel, SCORES);
    CHECK_UINT(channel.messages_sent, 1);
    TmeSendBudget budget;
    CHECK_OK(tme_server_send_budget(server, world->peers[0], CHAT, &budget, sizeof budget));
    CHECK_UINT(budget.channel, CHAT);
    CHECK(budget.bytes_per_second > 0 && budget.wait_us != TME_WAIT_UNKNOWN);
    CHECK_OK(tme_client_send_budget(client, SCORES, &budget, sizeof budget));
    CHECK_UINT(budget.channel, SCORES);
    CHECK(budget.bytes_per_second > 0 && budget.wait_us != TME_WAIT_UNKNOWN);
    CHECK_OK(tme_server_statistics(server, &engine, sizeof engine));
    CHECK_UINT(engine.peers, 2);
    CHECK(engine.datagrams_received > 0 && engine.datagrams_sent > 0);
    CHECK_OK(tme_client_engine_statistics(client, &engine, sizeof engine));
    CHECK_UINT(engine.peers, 1);
}

static void networks_can_be_made_worse_and_better(World *world)
{
    TmeConditions conditions;
    TmeConditionStatistics statistics;
    CHECK_OK(tme_conditions_init(&conditions, sizeof conditions));
    CHECK_OK(tme_conditions_preset("lan", TME_PATH_UP, &conditions, sizeof conditions));
    CHECK_OK(tme_client_set_conditions(world->clients[0], TME_DIRECTION_OUTGOING, &conditions));
    CHECK_OK(tme_server_set_conditions(world->server, world->peers[0], TME_DIRECTION_OUTGOING, &conditions));
    CHECK_OK(tme_client_send(world->clients[0], CHAT, "through", 7, 0));
    expect_server_event(world, TME_EVENT_MESSAGE);
    WHILE_RESULT(world, tme_client_condition_statistics(world->clients[0], TME_DIRECTION_OUTGOING, &statistics,
                                                        sizeof statistics), TME_ERROR_NO_FIGURES);
    CHECK_OK(tme_server_condition_statistics(world->server, world->peers[0], TME_DIRECTION_OUTGOING, &statistics,
                                             sizeof statistics));
    CHECK_OK(tme_client_set_conditions(world->clients[0], TME_DIRECTION_OUTGOING, NULL));
    CHECK_OK(tme_server_set_conditions(world->server, world->peers[0], TME_DIRECTION_OUTGOING, NULL));
}

static void expect_end(TmeEvent event, uint32_t reason, uint32_t flags, uint32_t code)
{
    CHECK_TEXT(tme_reason_string(event.reason), tme_reason_string(reason));
    CHECK_UINT(event.flags, flags);
    CHECK_UINT(event.token, code);
}

static void connections_end_in_every_way(World *world, uint32_t flags)
{
    TmeServer *server = world->server;
    TmeClientConfig config = client_config(world);
    config.flags = flags;

    /* The client goes, with a code and bytes of the game's own. */
    CHECK_OK(tme_client_disconnect(world->clients[0], 5, "tired", 5));
    TmeEvent event = expect_server_event(world, TME_EVENT_DISCONNECTED);
    expect_end(event, TME_REASON_CLOSED, TME_EVENT_FLAG_REMOTE, 5);
    CHECK_BYTES(event.data, event.length, "tired");
    expect_end(expect_client_event(world, 0, TME_EVENT_DISCONNECTED), TME_REASON_CLOSED, 0, 5);
    CHECK_INT(tme_client_is_connected(world->clients[0]), 0);

    /* The server lets it go: thrown out, and with and without words. */
    CHECK_OK(tme_server_kick(server, world->peers[1], 6, "cheat", 5));
    event = expect_client_event(world, 1, TME_EVENT_DISCONNECTED);
    expect_end(event, TME_REASON_KICKED, TME_EVENT_FLAG_REMOTE, 6);
    CHECK_BYTES(event.data, event.length, "cheat");
    expect_end(expect_server_event(world, TME_EVENT_DISCONNECTED), TME_REASON_KICKED, 0, 6);
    unsigned third = connect_client(world, &config);
    CHECK_OK(tme_server_disconnect_with(server, world->peers[third], 7, "done", 4));
    event = expect_client_event(world, third, TME_EVENT_DISCONNECTED);
    expect_end(event, TME_REASON_CLOSED, TME_EVENT_FLAG_REMOTE, 7);
    CHECK_BYTES(event.data, event.length, "done");
    expect_server_event(world, TME_EVENT_DISCONNECTED);
    CHECK_OK(tme_client_destroy(world->clients[third]));
    world->client_count--;
    connect_client(world, &config);
    CHECK_OK(tme_server_disconnect(server, world->peers[third]));
    expect_end(expect_client_event(world, third, TME_EVENT_DISCONNECTED), TME_REASON_CLOSED, TME_EVENT_FLAG_REMOTE, 0);
    expect_server_event(world, TME_EVENT_DISCONNECTED);

    /* The client closes, and then the server does. */
    unsigned fourth = connect_client(world, &config);
    CHECK_OK(tme_client_close(world->clients[fourth], 0));
    CHECK_OK(tme_client_close(world->clients[fourth], 0));
    expect_end(expect_server_event(world, TME_EVENT_DISCONNECTED), TME_REASON_CLOSED, TME_EVENT_FLAG_REMOTE, 0);
    CHECK_OK(tme_client_destroy(world->clients[fourth]));
    world->client_count--;
    connect_client(world, &config);
    CHECK_OK(tme_server_wake(server));
    CHECK_OK(tme_client_wake(world->clients[fourth]));
    CHECK_OK(tme_server_shutdown(server, 0));
    CHECK_OK(tme_server_shutdown(server, 0));
    expect_end(expect_client_event(world, fourth, TME_EVENT_DISCONNECTED), TME_REASON_SHUTDOWN, TME_EVENT_FLAG_REMOTE, 0);
    CHECK_RESULT(tme_server_update(server, 0), TME_ERROR_CLOSED);
}

static void an_echo_needs_no_server(uint32_t flags)
{
    World world = {0};
    TmeClientConfig config;
    CHECK_OK(tme_client_config_init(&config, sizeof config));
    config.flags = flags;
    CHECK_OK(tme_client_create_echo(&config, &world.clients[0]));
    world.client_count = 1;
    expect_client_event(&world, 0, TME_EVENT_CONNECTED);
    CHECK_OK(tme_client_send(world.clients[0], 0, "hello", 5, 0));
    expect_at_client(&world, 0, "hello");
    close_world(&world);
}

/* On a way long enough that no acknowledgement comes first. */
static void small_messages_ride_again(void)
{
    enum { ALWAYS, NEVER, AS_NEEDED };
    static const TmeChannelConfig table[] = {
        {.name = "always", .mode = TME_CHANNEL_RELIABLE_ORDERED, .redundancy = 3},
        {.name = "never", .mode = TME_CHANNEL_RELIABLE_ORDERED, .redundancy = TME_REDUNDANCY_OFF},
        {.name = "as needed", .mode = TME_CHANNEL_RELIABLE_ORDERED, .redundancy = TME_REDUNDANCY_AUTO},
    };
    World world;
    open_world_with(&world, 0, table, COUNT_OF(table));
    TmeConditions slow;
    CHECK_OK(tme_conditions_init(&slow, sizeof slow));
    slow.delay_us = 50000;
    CHECK_OK(tme_server_set_conditions(world.server, world.peers[0], TME_DIRECTION_OUTGOING, &slow));
    TmeChannelStatistics figures = {0};
    uint64_t give_up_at = now_ms() + 20000;
    while (figures.copied == 0) {
        CHECK(now_ms() < give_up_at);
        for (uint32_t channel = ALWAYS; channel <= AS_NEEDED; channel++)
            CHECK_OK(tme_server_send(world.server, world.peers[0], channel, "again", 5, 0));
        steps_for(&world, 5);
        WHILE_RESULT(&world, tme_server_channel_statistics(world.server, world.peers[0], ALWAYS, &figures,
                                                           sizeof figures), TME_ERROR_NO_FIGURES);
    }
    CHECK_OK(tme_server_channel_statistics(world.server, world.peers[0], NEVER, &figures, sizeof figures));
    CHECK_UINT(figures.copied, 0);
    CHECK(figures.messages_sent > 0);
    close_world(&world);
}

static void either_way_of_congestion_control_carries_messages(void)
{
    static const uint32_t ways[] = {TME_CONGESTION_DELIVERY_RATE, TME_CONGESTION_NEW_RENO};
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        World world;
        TmeServerConfig server = server_config();
        CHECK_UINT(server.congestion, TME_CONGESTION_DELIVERY_RATE);
        server.congestion = ways[i];
        open_server(&world, &server);
        TmeClientConfig client = client_config(&world);
        CHECK_UINT(client.congestion, TME_CONGESTION_DELIVERY_RATE);
        client.congestion = ways[i];
        connect_client(&world, &client);
        CHECK_OK(tme_server_send(world.server, world.peers[0], 0, "carried", 7, 0));
        expect_at_client(&world, 0, "carried");
        close_world(&world);
    }
}

/* Nothing is installed here: log.c does that. */
static void the_log_is_silent_until_asked(void)
{
    TmeLogConfig log;
    CHECK_OK(tme_log_config_init(&log, sizeof log));
    CHECK_ERROR(tme_log_init(&log), TME_ERROR_CONFIG, "all log levels are off");
    CHECK_OK(tme_log_set_level(TME_LOG_SINK_CONSOLE, TME_LOG_TRACE));
    CHECK_UINT(tme_log_lost_lines(), 0);
}

int main(void)
{
    watchdog(60);
    CHECK_TEXT(last_error(), "");
    the_log_is_silent_until_asked();
    static const uint32_t drives[] = {0, TME_CONFIG_THREADED};
    for (size_t i = 0; i < COUNT_OF(drives); i++) {
        World world;
        both_sides_learn_who_is_there(&world, drives[i]);
        messages_take_every_way(&world);
        figures_tell_what_happened(&world);
        networks_can_be_made_worse_and_better(&world);
        connections_end_in_every_way(&world, drives[i]);
        close_world(&world);
        an_echo_needs_no_server(drives[i]);
    }
    small_messages_ride_again();
    either_way_of_congestion_control_carries_messages();
    return 0;
}
