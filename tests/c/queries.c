/* Servers that are asked what they are, without connecting: by one blocking call, and many at a time. */
#include <stdio.h>

#include "world.h"

/* Nothing of ours answers on the discard port. */
static const char nobody[] = "127.0.0.1:9";

/* The next event of a querier, waiting for it. */
static TmeEvent answer(TmeQuerier *querier)
{
    TmeEvent event;
    uint32_t count = 0;
    uint64_t give_up_at = now_ms() + 20000;
    while (count == 0) {
        CHECK(now_ms() < give_up_at);
        CHECK_OK(tme_querier_update(querier, 100));
        CHECK_OK(tme_querier_poll(querier, &event, 1, &count));
    }
    CHECK_UINT(event.type, TME_EVENT_SERVER_INFO);
    CHECK_UINT(event.peer, 0);
    CHECK_UINT(event.message, 0);
    return event;
}

static uint32_t open_count(TmeQuerier *querier)
{
    uint32_t count;
    CHECK_OK(tme_querier_open_count(querier, &count));
    return count;
}

static uint64_t queries_counted(World *world)
{
    TmeEngineStatistics statistics;
    CHECK_OK(tme_server_statistics(world->server, &statistics, sizeof statistics));
    return statistics.queries;
}

static void a_server_tells_anybody_what_it_is(void)
{
    World world;
    TmeServerInfo info;
    uint64_t golf;
    char token_key[TME_KEY_TEXT_BYTES];
    static const char large[TME_INFORMATION_BYTES_MAX + 1];
    CHECK_OK(tme_token_key_generate(token_key, sizeof token_key, NULL));
    CHECK_OK(tme_query_application_id("golf", &golf));
    TmeServerConfig server = server_config();
    server.flags = TME_CONFIG_THREADED | TME_CONFIG_REQUIRE_TOKEN;
    server.token_keys = token_key;
    server.application = "golf";
    server.max_peers = 9;
    server.information = "map=dust";
    server.information_bytes = 8;
    open_server(&world, &server);
    CHECK_OK(tme_query_ask(world.address, 20000, &info, sizeof info));
    CHECK_UINT(info.flags, TME_SERVER_REQUIRES_TOKEN | TME_SERVER_IS_COMPATIBLE);
    CHECK_UINT(info.application_id, golf);
    CHECK_UINT(info.peers, 0);
    CHECK_UINT(info.peers_max, 9);
    CHECK_TEXT(info.address, world.address);
    CHECK_BYTES(info.information, info.information_bytes, "map=dust");

    CHECK_OK(tme_server_set_information(world.server, "map=aztec", 9));
    CHECK_ERROR(tme_server_set_information(world.server, large, sizeof large), TME_ERROR_TOO_LARGE, "513");
    CHECK_RESULT(tme_server_set_information(world.server, NULL, 1), TME_ERROR_NULL);
    uint64_t give_up_at = now_ms() + 20000;
    do {
        CHECK(now_ms() < give_up_at);
        CHECK_OK(tme_query_ask(world.address, 20000, &info, sizeof info));
    } while (info.information_bytes != 9);
    CHECK_TEXT((const char *)info.information, "map=aztec");
    WHILE_RESULT(&world, (TmeResult)(queries_counted(&world) >= 2), 0);
    close_world(&world);

    uint64_t none = 7;
    CHECK_OK(tme_query_application_id(NULL, &none));
    CHECK_UINT(none, 0);
    CHECK_RESULT(tme_query_application_id("golf", NULL), TME_ERROR_NULL);
}

static void what_a_server_wants_is_told(void)
{
    static const struct {
        uint32_t config;
        uint32_t told;
    } rows[] = {
        {0, 0},
        {TME_CONFIG_REQUIRE_IDENTITY, TME_SERVER_REQUIRES_IDENTITY},
        {TME_CONFIG_PLAINTEXT, TME_SERVER_IS_PLAINTEXT},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        World world;
        TmeServerInfo info;
        TmeServerConfig server = server_config();
        server.flags = TME_CONFIG_THREADED | rows[i].config;
        open_server(&world, &server);
        CHECK_OK(tme_query_ask(world.address, 20000, &info, sizeof info));
        CHECK_UINT(info.flags, rows[i].told | TME_SERVER_IS_COMPATIBLE);
        CHECK_UINT(info.information_bytes, 0);
        close_world(&world);
    }
}

static void many_servers_are_asked_at_a_time(void)
{
    enum { SERVERS = 20 };
    TmeServer *servers[SERVERS];
    uint64_t queries[SERVERS];
    TmeQuerier *querier;
    CHECK_OK(tme_querier_create(20000, &querier));
    CHECK_OK(tme_querier_update(querier, 20000));
    for (int i = 0; i < SERVERS; i++) {
        char text[64];
        TmeServerConfig config = server_config();
        config.flags = TME_CONFIG_THREADED;
        config.max_peers = (uint32_t)i + 1;
        CHECK_OK(tme_server_create(&config, &servers[i]));
        CHECK_OK(tme_server_local_address(servers[i], text, sizeof text, NULL));
        CHECK_OK(tme_querier_ask(querier, text, &queries[i]));
        CHECK(queries[i] != 0);
    }
    CHECK_UINT(open_count(querier), SERVERS);
    unsigned seen = 0;
    uint64_t previous = 0;
    for (int i = 0; i < SERVERS; i++) {
        TmeServerInfo info;
        TmeEvent event = answer(querier);
        CHECK_UINT(event.reason, 0);
        CHECK(event.data == NULL && event.length == 0);
        CHECK_OK(tme_querier_server_info(querier, event.token, &info, sizeof info));
        CHECK_UINT(queries[info.peers_max - 1], event.token);
        seen |= 1u << (info.peers_max - 1);
        if (previous != 0)
            CHECK_RESULT(tme_querier_server_info(querier, previous, &info, sizeof info), TME_ERROR_UNKNOWN_QUERY);
        previous = event.token;
    }
    CHECK_UINT(seen, (1u << SERVERS) - 1);
    CHECK_UINT(open_count(querier), 0);
    for (int i = 0; i < SERVERS; i++)
        CHECK_OK(tme_server_destroy(servers[i]));
    CHECK_OK(tme_querier_destroy(querier));
}

static void who_does_not_answer_or_is_nowhere_is_said_so(void)
{
    World world;
    TmeServerInfo info;
    TmeServerConfig server = server_config();
    server.flags = TME_CONFIG_THREADED | TME_CONFIG_NO_QUERIES;
    open_server(&world, &server);
    CHECK_ERROR(tme_query_ask(world.address, 300, &info, sizeof info), TME_ERROR_NO_ANSWER, "no answer");
    CHECK_RESULT(tme_query_ask("nonsense", 300, &info, sizeof info), TME_ERROR_ADDRESS);
    CHECK_RESULT(tme_query_ask(NULL, 300, &info, sizeof info), TME_ERROR_NULL);
    CHECK_RESULT(tme_query_ask(world.address, 300, NULL, sizeof info), TME_ERROR_NULL);
    CHECK_RESULT(tme_query_ask(world.address, 300, &info, 8), TME_ERROR_STRUCT_SIZE);

    TmeQuerier *querier;
    uint64_t silent;
    uint64_t query = 7;
    CHECK_OK(tme_querier_create(300, &querier));
    CHECK_RESULT(tme_querier_ask(querier, "nonsense", &query), TME_ERROR_ADDRESS);
    CHECK_UINT(query, 0);
    CHECK_RESULT(tme_querier_ask(querier, NULL, &query), TME_ERROR_NULL);
    CHECK_OK(tme_querier_ask(querier, world.address, &silent));
    /* A name that RFC 6761 keeps from existing. */
    CHECK_OK(tme_querier_ask(querier, "nobody.invalid:7777", NULL));
    for (int i = 0; i < 2; i++) {
        TmeEvent event = answer(querier);
        if (event.token == silent) {
            CHECK_UINT(event.reason, TME_REASON_CONNECT_TIMED_OUT);
            CHECK_RESULT(tme_querier_server_info(querier, event.token, &info, sizeof info), TME_ERROR_NO_ANSWER);
        } else {
            CHECK_UINT(event.reason, TME_REASON_UNRESOLVED);
            CHECK_RESULT(tme_querier_server_info(querier, event.token, &info, sizeof info), TME_ERROR_UNRESOLVED);
        }
        CHECK(event.length > 0);
    }
    CHECK_TEXT(tme_event_string(TME_EVENT_SERVER_INFO), "server info");
    CHECK_OK(tme_querier_destroy(querier));
    close_world(&world);
}

static void only_so_many_are_asked_at_a_time(void)
{
    TmeQuerier *querier;
    CHECK_OK(tme_querier_create(0, &querier));
    for (int i = 0; i < 1024; i++)
        CHECK_OK(tme_querier_ask(querier, nobody, NULL));
    CHECK_ERROR(tme_querier_ask(querier, nobody, NULL), TME_ERROR_TOO_MANY_QUERIES, "1024");
    CHECK_OK(tme_querier_destroy(querier));
    CHECK_OK(tme_querier_destroy(NULL));
}

static void wait_in_update(void *querier)
{
    CHECK_OK(tme_querier_update(querier, 2000));
}

static void a_querier_is_for_one_thread_at_a_time(void)
{
    TmeQuerier *querier;
    TmeServerInfo info;
    TmeEvent event;
    uint32_t count;
    CHECK_OK(tme_querier_create(2000, &querier));
    CHECK_OK(tme_querier_ask(querier, nobody, NULL));
    Thread *thread = thread_start(wait_in_update, querier);
    TmeResult result = TME_OK;
    for (uint64_t end = now_ms() + 20000; result == TME_OK && now_ms() < end; sleep_ms(1))
        result = tme_querier_open_count(querier, &count);
    CHECK_INT(result, TME_ERROR_BUSY);
    CHECK_RESULT(tme_querier_update(querier, 0), TME_ERROR_BUSY);
    CHECK_RESULT(tme_querier_poll(querier, &event, 1, &count), TME_ERROR_BUSY);
    CHECK_RESULT(tme_querier_ask(querier, nobody, NULL), TME_ERROR_BUSY);
    CHECK_RESULT(tme_querier_server_info(querier, 1, &info, sizeof info), TME_ERROR_BUSY);
    thread_join(thread);
    CHECK_UINT(answer(querier).reason, TME_REASON_CONNECT_TIMED_OUT);
    CHECK_OK(tme_querier_destroy(querier));
}

int main(void)
{
    watchdog(60);
    a_server_tells_anybody_what_it_is();
    what_a_server_wants_is_told();
    many_servers_are_asked_at_a_time();
    who_does_not_answer_or_is_nowhere_is_said_so();
    only_so_many_are_asked_at_a_time();
    a_querier_is_for_one_thread_at_a_time();
    return 0;
}
