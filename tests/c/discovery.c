/* Servers are found on the network, here that of this machine alone. */
#include <stdio.h>

#include "world.h"

/* Nobody else's servers are of this game, so that this test may share the discovery port with other programs. */
static char game[64];

static TmeServerConfig findable(const char *name)
{
    TmeServerConfig config = server_config();
    config.flags = TME_CONFIG_THREADED;
    config.application = game;
    config.discoverable = name;
    return config;
}

static TmeDiscovery *discovery_of(const char *application)
{
    TmeDiscovery *discovery;
    TmeDiscoveryConfig config;
    CHECK_OK(tme_discovery_config_init(&config, sizeof config));
    CHECK_UINT(config.port, 7776);
    config.flags = TME_DISCOVERY_THIS_MACHINE;
    config.application = application;
    CHECK_OK(tme_discovery_create(&config, &discovery));
    return discovery;
}

/* The next news, waiting for it. */
static TmeEvent news(TmeDiscovery *discovery)
{
    TmeEvent event;
    uint32_t count = 0;
    uint64_t give_up_at = now_ms() + 20000;
    while (count == 0) {
        CHECK(now_ms() < give_up_at);
        CHECK_OK(tme_discovery_update(discovery, 100));
        CHECK_OK(tme_discovery_poll(discovery, &event, 1, &count));
    }
    CHECK_UINT(event.peer, 0);
    CHECK_UINT(event.message, 0);
    return event;
}

static void a_server_is_found_with_all_that_it_says_changes_and_is_lost(void)
{
    World world;
    uint64_t application;
    TmeServerConfig config = findable("B\xc3\xa4rbels H\xc3\xb6hle");
    config.max_peers = 9;
    config.information = "map=dust";
    config.information_bytes = 8;
    open_server(&world, &config);
    CHECK_UINT(tme_server_discovery_port(world.server), 7776);
    CHECK_OK(tme_query_application_id(game, &application));

    TmeDiscovery *discovery = discovery_of(game);
    TmeFoundServer info;
    TmeEvent event = news(discovery);
    CHECK_UINT(event.type, TME_EVENT_SERVER_FOUND);
    CHECK_UINT(event.flags, 0);
    CHECK_BYTES(event.data, event.length, "B\xc3\xa4rbels H\xc3\xb6hle");
    CHECK_OK(tme_discovery_server(discovery, event.token, &info, sizeof info));
    CHECK_UINT(info.id, event.token);
    CHECK_UINT(info.flags, TME_SERVER_IS_COMPATIBLE);
    CHECK_UINT(info.application_id, application);
    CHECK(info.channel_table != 0 && info.rtt_us > 0);
    CHECK_UINT(info.peers, 0);
    CHECK_UINT(info.peers_max, 9);
    CHECK_TEXT(info.address, world.address);
    CHECK_TEXT(info.addresses, world.address);
    CHECK_TEXT(info.name, "B\xc3\xa4rbels H\xc3\xb6hle");
    CHECK_BYTES(info.information, info.information_bytes, "map=dust");

    CHECK_OK(tme_server_set_display_name(world.server, "another"));
    CHECK_ERROR(tme_server_set_display_name(world.server, "\x1b[2J"), TME_ERROR_CONFIG, "control character");
    CHECK_RESULT(tme_server_set_display_name(world.server, NULL), TME_ERROR_NULL);
    CHECK_RESULT(tme_server_set_display_name(world.server, "\xff"), TME_ERROR_UTF8);
    TmeEvent changed = news(discovery);
    CHECK_UINT(changed.type, TME_EVENT_SERVER_FOUND);
    CHECK_UINT(changed.flags, TME_EVENT_FLAG_CHANGED);
    CHECK_UINT(changed.token, info.id);
    CHECK_BYTES(changed.data, changed.length, "another");

    /* Figures are told once the answer has left. */
    TmeEngineStatistics figures = {0};
    for (uint64_t give_up_at = now_ms() + 20000; figures.discovery_answered < 2;) {
        CHECK(now_ms() < give_up_at);
        CHECK_OK(tme_server_statistics(world.server, &figures, sizeof figures));
    }
    CHECK_UINT(figures.discovery_unsent, 0);

    /* It takes 7 s until a silent server is gone; what was known of it can be asked until the next poll. */
    close_world(&world);
    TmeEvent lost = news(discovery);
    CHECK_UINT(lost.type, TME_EVENT_SERVER_LOST);
    CHECK_UINT(lost.token, info.id);
    CHECK_OK(tme_discovery_server(discovery, lost.token, &info, sizeof info));
    CHECK_TEXT(info.name, "another");
    uint32_t count;
    CHECK_OK(tme_discovery_poll(discovery, &event, 1, &count));
    CHECK_RESULT(tme_discovery_server(discovery, lost.token, &info, sizeof info), TME_ERROR_UNKNOWN_SERVER);
    CHECK_OK(tme_discovery_destroy(discovery));
    CHECK_TEXT(tme_event_string(TME_EVENT_SERVER_FOUND), "server found");
    CHECK_TEXT(tme_event_string(TME_EVENT_SERVER_LOST), "server lost");
}

static void several_servers_share_the_port_and_are_listed(void)
{
    enum { SERVERS = 3 };
    World worlds[SERVERS];
    TmeServerConfig config = findable("one of them");
    for (int i = 0; i < SERVERS; i++)
        open_server(&worlds[i], &config);
    TmeDiscovery *discovery = discovery_of(game);
    uint64_t ids[SERVERS];
    uint32_t count = 0;
    CHECK_OK(tme_discovery_servers(discovery, NULL, 0, &count));
    CHECK_UINT(count, 0);
    for (uint64_t give_up_at = now_ms() + 20000; count < SERVERS;) {
        CHECK(now_ms() < give_up_at);
        CHECK_OK(tme_discovery_search(discovery, 100));
        (void)tme_discovery_servers(discovery, ids, SERVERS, &count);
    }
    CHECK_RESULT(tme_discovery_servers(discovery, ids, SERVERS - 1, &count), TME_ERROR_BUFFER_TOO_SMALL);
    CHECK_UINT(count, SERVERS);
    CHECK_OK(tme_discovery_servers(discovery, ids, SERVERS, &count));
    unsigned seen = 0;
    for (uint32_t i = 0; i < count; i++) {
        TmeFoundServer info;
        CHECK_OK(tme_discovery_server(discovery, ids[i], &info, sizeof info));
        for (unsigned server = 0; server < SERVERS; server++)
            if (strcmp(info.address, worlds[server].address) == 0)
                seen |= 1u << server;
    }
    CHECK_UINT(seen, (1u << SERVERS) - 1);
    char problems[512];
    size_t needed;
    CHECK_OK(tme_discovery_problems(discovery, problems, sizeof problems, &needed));
    CHECK_UINT(needed, strlen(problems) + 1);
    CHECK_OK(tme_discovery_destroy(discovery));
    for (int i = 0; i < SERVERS; i++)
        close_world(&worlds[i]);
}

static void a_server_that_does_not_want_to_be_found_is_not(void)
{
    World world;
    TmeServerConfig config = findable(NULL);
    open_server(&world, &config);
    CHECK_UINT(tme_server_discovery_port(world.server), 0);
    CHECK_OK(tme_server_set_display_name(world.server, "hidden"));
    TmeDiscovery *discovery = discovery_of("a game that nobody has");
    uint32_t count = 7;
    CHECK_OK(tme_discovery_search(discovery, 50));
    CHECK_OK(tme_discovery_servers(discovery, NULL, 0, &count));
    CHECK_UINT(count, 0);
    CHECK_OK(tme_discovery_destroy(discovery));
    close_world(&world);
}

static void what_cannot_be_is_refused(void)
{
    TmeDiscovery *discovery;
    TmeDiscoveryConfig config;
    TmeServer *server;
    CHECK_OK(tme_discovery_config_init(&config, sizeof config));
    config.flags = 2;
    CHECK_RESULT(tme_discovery_create(&config, &discovery), TME_ERROR_FLAGS);
    CHECK(discovery == NULL);
    config.flags = TME_DISCOVERY_THIS_MACHINE;
    config.port = 65536;
    CHECK_ERROR(tme_discovery_create(&config, &discovery), TME_ERROR_CONFIG, "65536");
    config.port = 0;
    config.application = "\xff";
    CHECK_RESULT(tme_discovery_create(&config, &discovery), TME_ERROR_UTF8);
    CHECK_RESULT(tme_discovery_create(NULL, NULL), TME_ERROR_NULL);
    CHECK_OK(tme_discovery_destroy(NULL));

    TmeServerConfig nowhere = findable("nowhere");
    nowhere.discovery_port = 65536;
    CHECK_ERROR(tme_server_create(&nowhere, &server), TME_ERROR_CONFIG, "65536");
    TmeServerConfig two_lines = findable("two\nlines");
    CHECK_ERROR(tme_server_create(&two_lines, &server), TME_ERROR_CONFIG, "control character");
    char longest[TME_DISPLAY_NAME_BYTES_MAX + 2];
    memset(longest, 'n', sizeof longest);
    longest[TME_DISPLAY_NAME_BYTES_MAX + 1] = 0;
    TmeServerConfig too_long = findable(longest);
    CHECK_ERROR(tme_server_create(&too_long, &server), TME_ERROR_CONFIG, "65 bytes");
    longest[TME_DISPLAY_NAME_BYTES_MAX] = 0;
    CHECK_OK(tme_server_create(&too_long, &server));
    CHECK_OK(tme_server_destroy(server));
}

static void wait_in_update(void *discovery)
{
    CHECK_OK(tme_discovery_search(discovery, 2000));
}

static void a_discovery_is_for_one_thread_at_a_time(void)
{
    TmeDiscovery *discovery = discovery_of("a game that nobody has");
    TmeFoundServer info;
    TmeEvent event;
    uint32_t count;
    char text[8];
    Thread *thread = thread_start(wait_in_update, discovery);
    TmeResult result = TME_OK;
    for (uint64_t end = now_ms() + 20000; result == TME_OK && now_ms() < end; sleep_ms(1))
        result = tme_discovery_servers(discovery, NULL, 0, &count);
    CHECK_INT(result, TME_ERROR_BUSY);
    CHECK_RESULT(tme_discovery_search(discovery, 0), TME_ERROR_BUSY);
    CHECK_RESULT(tme_discovery_update(discovery, 0), TME_ERROR_BUSY);
    CHECK_RESULT(tme_discovery_poll(discovery, &event, 1, &count), TME_ERROR_BUSY);
    CHECK_RESULT(tme_discovery_server(discovery, 1, &info, sizeof info), TME_ERROR_BUSY);
    CHECK_RESULT(tme_discovery_problems(discovery, text, sizeof text, NULL), TME_ERROR_BUSY);
    thread_join(thread);
    CHECK_OK(tme_discovery_destroy(discovery));
}

int main(void)
{
    watchdog(120);
    snprintf(game, sizeof game, "c discovery %llu %p", (unsigned long long)now_ms(), (void *)game);
    a_server_is_found_with_all_that_it_says_changes_and_is_lost();
    several_servers_share_the_port_and_are_listed();
    a_server_that_does_not_want_to_be_found_is_not();
    what_cannot_be_is_refused();
    a_discovery_is_for_one_thread_at_a_time();
    return 0;
}
