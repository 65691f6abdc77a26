/* Sessions over TCP and WebSocket, and from UDP to TCP where UDP falls silent. */
#include "world.h"

static void expect_link(World *world, uint32_t expected)
{
    uint32_t link;
    TmePeerInfo info;
    CHECK_OK(tme_client_link(world->clients[0], &link));
    CHECK_UINT(link, expected);
    CHECK_OK(tme_client_server_info(world->clients[0], &info, sizeof info));
    CHECK_UINT(info.link, expected);
    CHECK_UINT(info.reserved, 0);
    CHECK_TEXT(info.address, world->address);
    CHECK_OK(tme_server_peer_info(world->server, world->peers[0], &info, sizeof info));
    CHECK_UINT(info.link, expected);
}

/* Each side hears what the other says. */
static void talk(World *world)
{
    CHECK_OK(tme_client_send(world->clients[0], 0, "ping", 4, 0));
    TmeEvent event = expect_server_event(world, TME_EVENT_MESSAGE);
    CHECK_BYTES(event.data, event.length, "ping");
    CHECK_OK(tme_server_send(world->server, world->peers[0], 0, "pong", 4, 0));
    event = expect_client_event(world, 0, TME_EVENT_MESSAGE);
    CHECK_BYTES(event.data, event.length, "pong");
}

static void a_session_runs_over_a_stream(uint32_t flags, uint32_t kind)
{
    World world;
    TmeServerConfig server = server_config();
    server.flags = flags | TME_CONFIG_LISTEN_TCP;
    open_server(&world, &server);
    char address[64];
    size_t needed;
    CHECK_OK(tme_server_tcp_address(world.server, address, sizeof address, &needed));
    CHECK_TEXT(address, world.address); /* One port number for both. */
    CHECK_UINT(needed, strlen(address) + 1);
    CHECK_UINT(tme_server_tcp_port(world.server), tme_server_port(world.server));
    CHECK_RESULT(tme_server_tcp_address(world.server, address, needed - 1, &needed), TME_ERROR_BUFFER_TOO_SMALL);

    TmeClientConfig client = client_config(&world);
    client.flags = flags;
    client.links = kind;
    uint32_t link = 7;
    add_client(&world, &client);
    CHECK_RESULT(tme_client_link(world.clients[0], NULL), TME_ERROR_NULL);
    world.peers[0] = expect_server_event(&world, TME_EVENT_CONNECTED).peer;
    expect_client_event(&world, 0, TME_EVENT_CONNECTED);
    expect_link(&world, kind);
    talk(&world);

    TmeEngineStatistics figures;
    CHECK_OK(tme_server_statistics(world.server, &figures, sizeof figures));
    CHECK_UINT(figures.streams_accepted, 1);
    CHECK_UINT(figures.streams_open, 1);
    CHECK_UINT(figures.streams_opened, 0);
    CHECK(figures.stream_datagrams_received > 0 && figures.stream_datagrams_sent > 0);
    CHECK_UINT(figures.stream_datagrams_received, figures.datagrams_received);
    CHECK_OK(tme_client_engine_statistics(world.clients[0], &figures, sizeof figures));
    CHECK_UINT(figures.streams_accepted, 0);
    CHECK_UINT(figures.streams_opened, 1);

    CHECK_OK(tme_client_disconnect(world.clients[0], 7, "bye", 3));
    TmeEvent event = expect_server_event(&world, TME_EVENT_DISCONNECTED);
    CHECK_UINT(event.token, 7);
    CHECK_BYTES(event.data, event.length, "bye");
    expect_client_event(&world, 0, TME_EVENT_DISCONNECTED);
    CHECK_RESULT(tme_client_link(world.clients[0], &link), TME_ERROR_NOT_CONNECTED);
    CHECK_UINT(link, 0);
    /* The stream is gone and counted, by one cause. */
    uint64_t give_up_at = now_ms() + 20000;
    do {
        CHECK(now_ms() < give_up_at);
        step(&world);
        CHECK_OK(tme_server_statistics(world.server, &figures, sizeof figures));
    } while (figures.streams_open > 0);
    CHECK_UINT(figures.streams_closed + figures.streams_broken + figures.streams_released, 1);
    CHECK_UINT(figures.streams_unreachable + figures.streams_not_tme + figures.streams_bad_length +
                   figures.streams_unclaimed + figures.streams_too_slow + figures.streams_too_many, 0);
    close_world(&world);
}

static void a_server_may_listen_for_tcp_elsewhere(void)
{
    World world;
    TmeServerConfig config = server_config();
    config.listen = "0.0.0.0:0";
    config.listen_tcp = "127.0.0.1:0"; /* Without a port of its own: that of `listen`. */
    open_server(&world, &config);
    char address[64];
    CHECK_OK(tme_server_tcp_address(world.server, address, sizeof address, NULL));
    CHECK_CONTAINS(address, "127.0.0.1:");
    CHECK_UINT(tme_server_tcp_port(world.server), tme_server_port(world.server));
    CHECK_CONTAINS(world.address, "0.0.0.0:");

    /* What is taken is told, with the address. */
    TmeServer *server;
    config.listen_tcp = address;
    CHECK_ERROR(tme_server_create(&config, &server), TME_ERROR_BIND, address);
    CHECK_CONTAINS(last_error(), "in use");
    CHECK(server == NULL);
    close_world(&world);
}

static void what_cannot_be_is_refused(void)
{
    TmeServer *server;
    TmeClient *client;
    TmeServerConfig config = server_config();
    config.listen_tcp = "nowhere";
    CHECK_ERROR(tme_server_create(&config, &server), TME_ERROR_ADDRESS, "nowhere");
    config.listen_tcp = "\xff";
    CHECK_RESULT(tme_server_create(&config, &server), TME_ERROR_UTF8);

    static const uint32_t browsers[] = {0, TME_BROWSERS_LOOPBACK, TME_BROWSERS_NEVER, TME_BROWSERS_ANYWHERE};
    config.listen_tcp = NULL;
    CHECK_UINT(config.browsers, TME_BROWSERS_LOOPBACK);
    for (size_t i = 0; i < sizeof browsers / sizeof *browsers; i++) {
        config.browsers = browsers[i];
        CHECK_OK(tme_server_create(&config, &server));
        CHECK_OK(tme_server_destroy(server));
    }
    config.browsers = 4;
    CHECK_ERROR(tme_server_create(&config, &server), TME_ERROR_ENUM, "4 is no place for browsers");

    TmeClientConfig wrong;
    CHECK_OK(tme_client_config_init(&wrong, sizeof wrong));
    CHECK_UINT(wrong.links, TME_LINK_ANY);
    wrong.links = 4;
    CHECK_ERROR(tme_client_create(&wrong, &client), TME_ERROR_ENUM, "4 is no choice of links");
    wrong.links = 0;
    wrong.flags = TME_CONFIG_LISTEN_TCP;
    CHECK_RESULT(tme_client_create(&wrong, &client), TME_ERROR_FLAGS);
}

static void where_nobody_listens_for_tcp_the_client_is_told(void)
{
    World world;
    open_server(&world, NULL);
    char address[64] = "x";
    size_t needed;
    CHECK_OK(tme_server_tcp_address(world.server, address, sizeof address, &needed));
    CHECK_TEXT(address, "");
    CHECK_UINT(needed, 1);
    CHECK_UINT(tme_server_tcp_port(world.server), 0);

    TmeClientConfig client = client_config(&world);
    client.links = TME_LINK_TCP;
    add_client(&world, &client);
    TmeEvent event = expect_client_event(&world, 0, TME_EVENT_DISCONNECTED);
    CHECK_UINT(event.reason, TME_REASON_CONNECT_TIMED_OUT);
    char detail[513] = "";
    CHECK(event.length < sizeof detail);
    memcpy(detail, event.data, event.length);
    CHECK_CONTAINS(detail, "over TCP");
    TmeEngineStatistics figures;
    CHECK_OK(tme_client_engine_statistics(world.clients[0], &figures, sizeof figures));
    CHECK_UINT(figures.streams_unreachable, 1);
    close_world(&world);
}

/* Modelled conditions concern datagrams: lost as all of them are, they leave TCP. */
static void when_udp_falls_silent_tcp_takes_over(void)
{
    World world;
    TmeServerConfig server = server_config();
    server.flags = TME_CONFIG_LISTEN_TCP;
    open_server(&world, &server);
    connect_client(&world, NULL);
    expect_link(&world, TME_LINK_UDP);
    talk(&world);

    TmeConditions silence;
    CHECK_OK(tme_conditions_init(&silence, sizeof silence));
    silence.loss = 1.0;
    CHECK_OK(tme_client_set_conditions(world.clients[0], TME_DIRECTION_OUTGOING, &silence));
    CHECK_OK(tme_client_set_conditions(world.clients[0], TME_DIRECTION_INCOMING, &silence));
    /* Queued when nothing gets through, and there once and in order all the same. */
    CHECK_OK(tme_client_send(world.clients[0], 0, "one", 3, 0));
    CHECK_OK(tme_client_send(world.clients[0], 0, "two", 3, 0));
    TmeEvent event = expect_client_event(&world, 0, TME_EVENT_LINK_CHANGED);
    CHECK_UINT(event.token, TME_LINK_TCP);
    CHECK_UINT(event.flags + event.reason + event.channel + event.length, 0);

    int has_changed = 0;
    unsigned heard = 0;
    while (!has_changed || heard < 2) {
        event = server_event(&world);
        CHECK_UINT(event.peer, world.peers[0]);
        if (event.type == TME_EVENT_LINK_CHANGED) {
            CHECK_UINT(event.token, TME_LINK_TCP);
            has_changed = 1;
        } else if (event.type == TME_EVENT_MESSAGE) {
            CHECK(event.length == 3 && memcmp(event.data, heard == 0 ? "one" : "two", 3) == 0);
            heard++;
        } else {
            CHECK(event.type == TME_EVENT_INTERRUPTED || event.type == TME_EVENT_RESUMED);
        }
    }
    expect_link(&world, TME_LINK_TCP);
    talk(&world);
    close_world(&world);
}

int main(void)
{
    watchdog(90);
    a_session_runs_over_a_stream(0, TME_LINK_TCP);
    a_session_runs_over_a_stream(0, TME_LINK_WEBSOCKET);
    a_session_runs_over_a_stream(TME_CONFIG_THREADED, TME_LINK_TCP);
    a_session_runs_over_a_stream(TME_CONFIG_THREADED, TME_LINK_WEBSOCKET);
    a_server_may_listen_for_tcp_elsewhere();
    what_cannot_be_is_refused();
    where_nobody_listens_for_tcp_the_client_is_told();
    when_udp_falls_silent_tcp_takes_over();
    CHECK_CONTAINS(tme_reason_string(TME_REASON_TOO_SLOW), "too slow");
    CHECK_CONTAINS(tme_reason_string(TME_REASON_LINK_LOST), "connect again");
    return 0;
}
