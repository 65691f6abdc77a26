/* An id that once named a peer or a message never names another one. */
#include "world.h"

static void expect_unknown(World *world, TmePeer peer)
{
    TmeServer *server = world->server;
    TmePeerInfo info;
    TmePeerStatistics statistics;
    TmeChannelStatistics channel;
    TmeSendBudget budget;
    TmeConditionStatistics condition;
    TmeBroadcast outcome;
    TmeMessage *message;
    CHECK_OK(tme_message_create(3, &message));

    CHECK_ERROR(tme_server_send(server, peer, 0, "abc", 3, 0), TME_ERROR_UNKNOWN_PEER, "not connected");
    CHECK_RESULT(tme_server_send_with(server, peer, 0, "abc", 3, NULL), TME_ERROR_UNKNOWN_PEER);
    CHECK_RESULT(tme_server_send_message(server, peer, 0, message, NULL), TME_ERROR_UNKNOWN_PEER);
    CHECK_RESULT(tme_server_disconnect(server, peer), TME_ERROR_UNKNOWN_PEER);
    CHECK_RESULT(tme_server_disconnect_with(server, peer, 1, "abc", 3), TME_ERROR_UNKNOWN_PEER);
    CHECK_RESULT(tme_server_kick(server, peer, 1, "abc", 3), TME_ERROR_UNKNOWN_PEER);
    CHECK_RESULT(tme_server_peer_info(server, peer, &info, sizeof info), TME_ERROR_UNKNOWN_PEER);
    CHECK_RESULT(tme_server_peer_statistics(server, peer, &statistics, sizeof statistics), TME_ERROR_UNKNOWN_PEER);
    CHECK_RESULT(tme_server_channel_statistics(server, peer, 0, &channel, sizeof channel), TME_ERROR_UNKNOWN_PEER);
    CHECK_RESULT(tme_server_send_budget(server, peer, 0, &budget, sizeof budget), TME_ERROR_UNKNOWN_PEER);
    CHECK_RESULT(tme_server_set_conditions(server, peer, TME_DIRECTION_INCOMING, NULL), TME_ERROR_UNKNOWN_PEER);
    CHECK_RESULT(tme_server_condition_statistics(server, peer, TME_DIRECTION_INCOMING, &condition, sizeof condition),
                 TME_ERROR_UNKNOWN_PEER);
    CHECK_RESULT(tme_server_multicast(server, &peer, 1, 0, "abc", 3, NULL, &outcome), TME_PARTIAL);
    CHECK_UINT(outcome.gone, 1);
    CHECK_UINT(outcome.sent, 0);

    /* It was refused, and so is still ours. */
    CHECK_OK(tme_message_release(message));
}

static void a_peers_id_dies_with_its_connection(void)
{
    /* Room for one, so that the next one gets the same slot. */
    TmeServerConfig config = server_config();
    config.max_peers = 1;
    World world;
    open_server(&world, &config);
    TmePeer earlier[3];
    for (size_t i = 0; i < COUNT_OF(earlier); i++) {
        connect_client(&world, NULL);
        earlier[i] = world.peers[0];
        TmePeerInfo info;
        CHECK_OK(tme_server_peer_info(world.server, earlier[i], &info, sizeof info));
        for (size_t before = 0; before < i; before++) {
            CHECK(earlier[before] != earlier[i]);
            expect_unknown(&world, earlier[before]);
        }

        CHECK_OK(tme_server_kick(world.server, earlier[i], 0, NULL, 0));
        CHECK_ERROR(tme_server_send(world.server, earlier[i], 0, "abc", 3, 0), TME_ERROR_NOT_CONNECTED,
                    "being disconnected");
        expect_server_event(&world, TME_EVENT_DISCONNECTED);
        expect_unknown(&world, earlier[i]);
        TmePeer found = 1;
        CHECK_ERROR(tme_server_peer_by_number(world.server, info.number, &found), TME_ERROR_UNKNOWN_PEER, "number");
        CHECK_UINT(found, 0);
        expect_client_event(&world, 0, TME_EVENT_DISCONNECTED);
        CHECK_OK(tme_client_destroy(world.clients[0]));
        world.client_count = 0;
    }
    static const TmePeer never[] = {0, 1, (uint64_t)1 << 53, UINT64_MAX};
    for (size_t i = 0; i < COUNT_OF(never); i++)
        expect_unknown(&world, never[i]);
    close_world(&world);
}

static TmeMessageId next_message(World *world)
{
    CHECK_OK(tme_client_send(world->clients[0], 0, "data", 4, 0));
    return expect_server_event(world, TME_EVENT_MESSAGE).message;
}

static void expect_gone(TmeMessageId id)
{
    TmeMessage *message = (TmeMessage *)&message;
    CHECK_ERROR(tme_message_retain(id, &message), TME_ERROR_UNKNOWN_MESSAGE, "gone");
    CHECK(message == NULL);
}

static void an_events_data_lives_until_the_next_poll_of_its_handle(void)
{
    World world;
    TmeEvent event;
    TmeMessage *message;
    uint32_t count;
    open_world(&world, 0);

    TmeMessageId id = next_message(&world);
    /* Neither an update nor a poll of another handle ends it. */
    steps_for(&world, 5);
    CHECK(!take_client_event(&world, 0, &event));
    CHECK_OK(tme_message_retain(id, &message));
    CHECK_OK(tme_message_release(message));
    /* An empty poll does, even one that has no room for events. */
    CHECK_OK(tme_server_poll(world.server, NULL, 0, &count));
    expect_gone(id);

    TmeMessageId second = next_message(&world);
    expect_gone(id);
    TmeMessageId third = next_message(&world);
    expect_gone(second);
    close_world(&world);
    expect_gone(third);

    /* Not even a new server that is the only one again. */
    open_world(&world, 0);
    TmeMessageId other = next_message(&world);
    CHECK(other != third);
    expect_gone(third);
    expect_gone(0);
    expect_gone(UINT64_MAX);
    expect_gone(other + 1);
    close_world(&world);
}

int main(void)
{
    watchdog(30);
    a_peers_id_dies_with_its_connection();
    an_events_data_lives_until_the_next_poll_of_its_handle();
    return 0;
}
