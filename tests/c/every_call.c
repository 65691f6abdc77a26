#include "every_call.h"

#include "world.h"

static TmeEvent events[4];
static TmePeer peers[4];
static TmePeer peer = 1;
static TmeBroadcast outcome;
static TmePeerInfo info;
static TmePeerStatistics peer_statistics;
static TmeServerTime server_time;
static TmeChannelStatistics channel_statistics;
static TmeSendBudget budget;
static TmeEngineStatistics engine_statistics;
static TmeConditionStatistics condition_statistics;
static TmeApplicantInfo applicant;
static TmeTokenInfo token;
static TmeServerInfo server_info;
static TmeFoundServer found_server;
static char text[128];
static size_t needed;
static TmeShutdownReport report;
static uint32_t count;
static uint32_t channel;

void every_server_call_gives(TmeServer *server, TmeResult expected)
{
    TmeMessage *message;
    CHECK_OK(tme_message_create(3, &message));

    CHECK_RESULT(tme_server_update(server, 0), expected);
    CHECK_RESULT(tme_server_poll(server, events, 4, &count), expected);
    CHECK_UINT(count, 0);
    CHECK_RESULT(tme_server_flush(server), expected);
    CHECK_RESULT(tme_server_wake(server), expected);
    CHECK_RESULT(tme_server_shutdown(server, 0), expected);
    CHECK_RESULT(tme_server_shutdown_with(server, 0, 1, "abc", 3), expected);
    CHECK_RESULT(tme_server_shutdown_begin(server, 0, 1, "abc", 3), expected);
    CHECK_RESULT(tme_server_shutdown_report(server, &report, sizeof report), expected);
    CHECK_RESULT(tme_server_send(server, peer, 0, "abc", 3, 0), expected);
    CHECK_RESULT(tme_server_send_with(server, peer, 0, "abc", 3, NULL), expected);
    CHECK_RESULT(tme_server_send_message(server, peer, 0, message, NULL), expected);
    CHECK_RESULT(tme_server_broadcast(server, 0, "abc", 3, 0, &outcome), expected);
    CHECK_RESULT(tme_server_broadcast_except(server, peer, 0, "abc", 3, 0, &outcome), expected);
    CHECK_RESULT(tme_server_broadcast_with(server, 0, "abc", 3, NULL, &outcome), expected);
    CHECK_RESULT(tme_server_broadcast_message(server, 0, message, NULL, &outcome), expected);
    CHECK_RESULT(tme_server_multicast(server, peers, 4, 0, "abc", 3, NULL, &outcome), expected);
    CHECK_RESULT(tme_server_disconnect(server, peer), expected);
    CHECK_RESULT(tme_server_disconnect_with(server, peer, 1, "abc", 3), expected);
    CHECK_RESULT(tme_server_kick(server, peer, 1, "abc", 3), expected);
    CHECK_RESULT(tme_server_accept(server, peer, "abc", 3), expected);
    CHECK_RESULT(tme_server_refuse(server, peer, TME_REASON_BANNED, "abc", 3), expected);
    CHECK_RESULT(tme_server_applicant_info(server, peer, &applicant, sizeof applicant), expected);
    CHECK_RESULT(tme_server_peer_token(server, peer, &token, sizeof token), expected);
    CHECK_RESULT(tme_server_set_rate_cap(server, peer, 0), expected);
    CHECK_RESULT(tme_server_set_information(server, "abc", 3), expected);
    CHECK_RESULT(tme_server_peers(server, peers, 4, &count), expected);
    CHECK_RESULT(tme_server_peer_info(server, peer, &info, sizeof info), expected);
    CHECK_RESULT(tme_server_peer_by_number(server, 2, &peers[0]), expected);
    CHECK_RESULT(tme_server_peer_statistics(server, peer, &peer_statistics, sizeof peer_statistics), expected);
    CHECK_RESULT(tme_server_channel_statistics(server, peer, 0, &channel_statistics, sizeof channel_statistics), expected);
    CHECK_RESULT(tme_server_send_budget(server, peer, 0, &budget, sizeof budget), expected);
    CHECK_RESULT(tme_server_statistics(server, &engine_statistics, sizeof engine_statistics), expected);
    CHECK_RESULT(tme_server_thread_statistics(server, 0, &engine_statistics, sizeof engine_statistics), expected);
    CHECK_RESULT(tme_server_peer_thread(server, peer, &count), expected);
    CHECK_UINT(tme_server_network_threads(server), 0);
    CHECK_RESULT(tme_server_time(server, &server_time, sizeof server_time), expected);
    CHECK_RESULT(tme_server_set_conditions(server, peer, TME_DIRECTION_INCOMING, NULL), expected);
    CHECK_RESULT(tme_server_condition_statistics(server, peer, TME_DIRECTION_INCOMING, &condition_statistics,
                                                 sizeof condition_statistics), expected);
    CHECK_RESULT(tme_server_local_address(server, text, sizeof text, &needed), expected);
    CHECK_RESULT(tme_server_public_key(server, text, sizeof text, &needed), expected);
    CHECK_UINT(tme_server_port(server), 0);
    CHECK_RESULT(tme_server_tcp_address(server, text, sizeof text, &needed), expected);
    CHECK_UINT(tme_server_tcp_port(server), 0);
    CHECK_UINT(tme_server_discovery_port(server), 0);
    CHECK_RESULT(tme_server_set_display_name(server, "abc"), expected);

    CHECK_OK(tme_message_release(message));
}

void every_client_call_gives(TmeClient *client, TmeResult expected)
{
    TmeMessage *message;
    CHECK_OK(tme_message_create(3, &message));

    CHECK_RESULT(tme_client_update(client, 0), expected);
    CHECK_RESULT(tme_client_poll(client, events, 4, &count), expected);
    CHECK_UINT(count, 0);
    CHECK_RESULT(tme_client_flush(client), expected);
    CHECK_RESULT(tme_client_wake(client), expected);
    CHECK_RESULT(tme_client_close(client, 0), expected);
    CHECK_RESULT(tme_client_send(client, 0, "abc", 3, 0), expected);
    CHECK_RESULT(tme_client_send_with(client, 0, "abc", 3, NULL), expected);
    CHECK_RESULT(tme_client_send_message(client, 0, message, NULL), expected);
    CHECK_RESULT(tme_client_link(client, &channel), expected);
    CHECK_UINT(channel, 0);
    CHECK_RESULT(tme_client_server_info(client, &info, sizeof info), expected);
    CHECK_RESULT(tme_client_channel_by_name(client, "name", &channel), expected);
    CHECK_RESULT(tme_client_disconnect(client, 1, "abc", 3), expected);
    CHECK_RESULT(tme_client_rebind(client, NULL), expected);
    CHECK_RESULT(tme_client_set_rate_cap(client, 0), expected);
    CHECK_RESULT(tme_client_statistics(client, &peer_statistics, sizeof peer_statistics), expected);
    CHECK_RESULT(tme_client_channel_statistics(client, 0, &channel_statistics, sizeof channel_statistics), expected);
    CHECK_RESULT(tme_client_send_budget(client, 0, &budget, sizeof budget), expected);
    CHECK_RESULT(tme_client_engine_statistics(client, &engine_statistics, sizeof engine_statistics), expected);
    CHECK_RESULT(tme_client_server_time(client, &server_time, sizeof server_time), expected);
    CHECK_RESULT(tme_client_synchronise_clock(client), expected);
    CHECK_RESULT(tme_client_set_conditions(client, TME_DIRECTION_INCOMING, NULL), expected);
    CHECK_RESULT(tme_client_condition_statistics(client, TME_DIRECTION_INCOMING, &condition_statistics,
                                                 sizeof condition_statistics), expected);
    CHECK_RESULT(tme_client_local_address(client, text, sizeof text, &needed), expected);
    CHECK_UINT(tme_client_port(client), 0);

    CHECK_OK(tme_message_release(message));
}

void every_querier_call_gives(TmeQuerier *querier, TmeResult expected)
{
    uint64_t query = 7;
    count = 7;
    CHECK_RESULT(tme_querier_ask(querier, "127.0.0.1:9", &query), expected);
    CHECK_UINT(query, 0);
    CHECK_RESULT(tme_querier_update(querier, 0), expected);
    CHECK_RESULT(tme_querier_poll(querier, events, 4, &count), expected);
    CHECK_UINT(count, 0);
    CHECK_RESULT(tme_querier_server_info(querier, 1, &server_info, sizeof server_info), expected);
    CHECK_RESULT(tme_querier_open_count(querier, &count), expected);
}

void every_discovery_call_gives(TmeDiscovery *discovery, TmeResult expected)
{
    uint64_t servers[4];
    count = 7;
    CHECK_RESULT(tme_discovery_search(discovery, 0), expected);
    CHECK_RESULT(tme_discovery_update(discovery, 0), expected);
    CHECK_RESULT(tme_discovery_poll(discovery, events, 4, &count), expected);
    CHECK_UINT(count, 0);
    count = 7;
    CHECK_RESULT(tme_discovery_servers(discovery, servers, 4, &count), expected);
    CHECK_UINT(count, 0);
    CHECK_RESULT(tme_discovery_server(discovery, 1, &found_server, sizeof found_server), expected);
    needed = 7;
    CHECK_RESULT(tme_discovery_problems(discovery, text, sizeof text, &needed), expected);
    CHECK_UINT(needed, 0);
}

void every_message_call_gives(TmeMessage *message, TmeResult expected)
{
    static World world;
    open_world(&world, 0);
    TmeServer *server = world.server;
    TmeClient *client = world.clients[0];
    TmeMessage *copy;
    const void *bytes;
    void *place;
    size_t length;

    CHECK_RESULT(tme_message_clone(message, &copy), expected);
    CHECK(copy == NULL);
    CHECK_RESULT(tme_message_bytes(message, &bytes, &length), expected);
    CHECK(bytes == NULL && length == 0);
    CHECK_RESULT(tme_message_writable(message, &place, &length), expected);
    CHECK(place == NULL && length == 0);
    CHECK_RESULT(tme_server_send_message(server, world.peers[0], 0, message, NULL), expected);
    CHECK_RESULT(tme_server_broadcast_message(server, 0, message, NULL, &outcome), expected);
    CHECK_RESULT(tme_client_send_message(client, 0, message, NULL), expected);

    close_world(&world);
}
