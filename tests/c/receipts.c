/* What became of a message: receipts on every channel and from every peer, deadlines, and the end of a connection. */
#include "world.h"

enum { ORDERED = 0, LATEST = 1, SEQUENCED = 2, UNRELIABLE = 3, CHANNELS = 4 };

static const TmeChannelConfig channels[CHANNELS] = {
    {.name = "ordered", .mode = TME_CHANNEL_RELIABLE_ORDERED},
    {.name = "latest", .mode = TME_CHANNEL_RELIABLE_LATEST},
    {.name = "sequenced", .mode = TME_CHANNEL_SEQUENCED},
    {.name = "unreliable", .mode = TME_CHANNEL_UNRELIABLE},
};

static TmeSendOptions asking(uint64_t receipt)
{
    TmeSendOptions options;
    CHECK_OK(tme_send_options_init(&options, sizeof options));
    CHECK_UINT(options.deadline_us, 0);
    CHECK_UINT(options.receipt, 0);
    options.receipt = receipt;
    return options;
}

/* The next event that is not a message. */
static TmeEvent word(World *world)
{
    TmeEvent event;
    do
        event = server_event(world);
    while (event.type == TME_EVENT_MESSAGE);
    return event;
}

static void expect_delivered(World *world, TmePeer peer, uint32_t channel, uint64_t receipt)
{
    TmeEvent event = word(world);
    CHECK_TEXT(tme_event_string(event.type), "delivered");
    CHECK_UINT(event.type, TME_EVENT_DELIVERED);
    CHECK_UINT(event.peer, peer);
    CHECK_UINT(event.channel, channel);
    CHECK_UINT(event.token, receipt);
    CHECK(event.flags == 0 && event.reason == 0 && event.data == NULL && event.message == 0);
}

static void expect_expired(World *world, uint64_t receipt, uint32_t reason, uint32_t flags)
{
    TmeEvent event = word(world);
    CHECK_TEXT(tme_event_string(event.type), "expired");
    CHECK_UINT(event.type, TME_EVENT_EXPIRED);
    CHECK_UINT(event.peer, world->peers[0]);
    CHECK_UINT(event.token, receipt);
    CHECK_UINT(event.reason, reason);
    CHECK_UINT(event.flags, flags);
    CHECK(event.data == NULL && event.message == 0);
}

static void every_channel_gives_receipts(World *world)
{
    for (uint32_t channel = 0; channel < CHANNELS; channel++) {
        TmeSendOptions options = asking(UINT64_MAX - channel);
        options.flags = TME_SEND_FLUSH;
        CHECK_OK(tme_server_send_with(world->server, world->peers[0], channel, "x", 1, &options));
        expect_delivered(world, world->peers[0], channel, UINT64_MAX - channel);
        CHECK_OK(tme_client_send_with(world->clients[0], channel, "x", 1, &options));
        TmeEvent event;
        do
            event = client_event(world, 0);
        while (event.type == TME_EVENT_MESSAGE);
        CHECK_UINT(event.type, TME_EVENT_DELIVERED);
        CHECK_UINT(event.token, UINT64_MAX - channel);
    }
}

static void every_peer_gives_its_own(World *world)
{
    TmeBroadcast outcome;
    TmeSendOptions options = asking(7);
    connect_client(world, NULL);
    CHECK_OK(tme_server_broadcast_with(world->server, ORDERED, "all", 3, &options, &outcome));
    CHECK_UINT(outcome.sent, 2);
    TmeEvent first = word(world);
    TmeEvent second = word(world);
    CHECK_UINT(first.type, TME_EVENT_DELIVERED);
    CHECK_UINT(second.type, TME_EVENT_DELIVERED);
    CHECK(first.token == 7 && second.token == 7 && first.peer + second.peer == world->peers[0] + world->peers[1]);
    CHECK_OK(tme_server_multicast(world->server, &world->peers[1], 1, LATEST, "one", 3, &options, &outcome));
    expect_delivered(world, world->peers[1], LATEST, 7);
    TmeMessage *message;
    CHECK_OK(tme_message_create(3, &message));
    options.except = world->peers[1];
    CHECK_OK(tme_server_broadcast_message(world->server, ORDERED, message, &options, &outcome));
    expect_delivered(world, world->peers[0], ORDERED, 7);
}

static void a_deadline_frees_what_stands_behind_it(World *world)
{
    TmeConditions dead;
    CHECK_OK(tme_conditions_init(&dead, sizeof dead));
    dead.loss = 1.0;
    CHECK_OK(tme_server_set_conditions(world->server, world->peers[0], TME_DIRECTION_OUTGOING, &dead));
    TmeSendOptions late = asking(1);
    late.deadline_us = 20000;
    TmeSendOptions behind = asking(2);
    CHECK_OK(tme_server_send_with(world->server, world->peers[0], ORDERED, "late", 4, &late));
    CHECK_OK(tme_server_send_with(world->server, world->peers[0], ORDERED, "behind", 6, &behind));
    expect_expired(world, 1, TME_EXPIRED_DEADLINE, 0);
    CHECK_OK(tme_server_set_conditions(world->server, world->peers[0], TME_DIRECTION_OUTGOING, NULL));
    expect_delivered(world, world->peers[0], ORDERED, 2);
    TmeEvent event;
    do
        event = expect_client_event(world, 0, TME_EVENT_MESSAGE);
    while (event.channel != ORDERED || event.length != 6);
    CHECK_BYTES(event.data, event.length, "behind");
    CHECK(!take_client_event(world, 0, &event));
}

/* Inline only: nothing leaves between the two sends. */
static void what_is_replaced_was_never_sent(World *world)
{
    TmeSendOptions options = asking(1);
    CHECK_OK(tme_server_send_with(world->server, world->peers[0], SEQUENCED, "old", 3, &options));
    options = asking(2);
    CHECK_OK(tme_server_send_with(world->server, world->peers[0], SEQUENCED, "new", 3, &options));
    expect_expired(world, 1, TME_EXPIRED_SUPERSEDED, TME_EVENT_FLAG_NEVER_SENT);
    expect_delivered(world, world->peers[0], SEQUENCED, 2);
}

/* A packet that is lost shows by the others; the answer may also be that the connection ended first. */
static void the_end_settles_what_is_open(World *world)
{
    TmeConditions dead;
    CHECK_OK(tme_conditions_init(&dead, sizeof dead));
    dead.loss = 1.0;
    CHECK_OK(tme_server_set_conditions(world->server, world->peers[0], TME_DIRECTION_OUTGOING, &dead));
    TmeSendOptions options = asking(1);
    CHECK_OK(tme_server_send_with(world->server, world->peers[0], UNRELIABLE, "x", 1, &options));
    steps_for(world, 5);
    CHECK_OK(tme_server_set_conditions(world->server, world->peers[0], TME_DIRECTION_OUTGOING, NULL));
    for (unsigned i = 0; i < 5; i++) {
        CHECK_OK(tme_server_send(world->server, world->peers[0], ORDERED, "later", 5, TME_SEND_FLUSH));
        steps_for(world, 5);
    }
    expect_expired(world, 1, TME_EXPIRED_LOST, 0);

    CHECK_OK(tme_server_set_conditions(world->server, world->peers[0], TME_DIRECTION_OUTGOING, &dead));
    options = asking(2);
    CHECK_OK(tme_server_send_with(world->server, world->peers[0], ORDERED, "x", 1, &options));
    steps_for(world, 5);
    CHECK_OK(tme_client_disconnect(world->clients[0], 4, NULL, 0));
    expect_expired(world, 2, TME_EXPIRED_DISCONNECTED, 0);
    CHECK_UINT(word(world).type, TME_EVENT_DISCONNECTED);
}

static void run(uint32_t flags)
{
    World world;
    open_world_with(&world, flags, channels, CHANNELS);
    every_channel_gives_receipts(&world);
    a_deadline_frees_what_stands_behind_it(&world);
    if ((flags & TME_CONFIG_THREADED) == 0)
        what_is_replaced_was_never_sent(&world);
    every_peer_gives_its_own(&world);
    the_end_settles_what_is_open(&world);
    close_world(&world);
}

int main(void)
{
    watchdog(60);
    run(0);
    run(TME_CONFIG_THREADED);
    return 0;
}
