/* A server that shuts down tells every client why, turns newcomers away, and says what came of it. */
#include "world.h"

static void expect_goodbye(World *world, unsigned client)
{
    TmeEvent event = expect_client_event(world, client, TME_EVENT_DISCONNECTED);
    CHECK_UINT(event.reason, TME_REASON_SHUTDOWN);
    CHECK_UINT(event.flags & TME_EVENT_FLAG_REMOTE, TME_EVENT_FLAG_REMOTE);
    CHECK_UINT(event.token, 7);
    CHECK_BYTES(event.data, event.length, "until noon");
}

static void everybody_is_told(uint32_t flags)
{
    World world;
    TmeServerConfig server = server_config();
    server.flags = flags | TME_CONFIG_LISTEN_TCP;
    open_server(&world, &server);
    TmeClientConfig config = client_config(&world);
    config.flags = TME_CONFIG_THREADED;
    connect_client(&world, &config);
    config.links = TME_LINK_TCP;
    connect_client(&world, &config);
    TmeShutdownReport report;
    CHECK_RESULT(tme_server_shutdown_report(world.server, &report, sizeof report), TME_ERROR_NO_FIGURES);
    CHECK_OK(tme_server_broadcast(world.server, 0, "last words", 10, 0, NULL));
    static char much[513];
    CHECK_RESULT(tme_server_shutdown_with(world.server, 10000, 7, much, sizeof much), TME_ERROR_TOO_LARGE);
    CHECK_OK(tme_server_shutdown_with(world.server, 10000, 7, "until noon", 10));

    CHECK_OK(tme_server_shutdown_report(world.server, &report, sizeof report));
    CHECK_UINT(report.struct_size, sizeof report);
    CHECK_UINT(report.is_over, 1);
    CHECK_UINT(report.peers, 2);
    CHECK_UINT(report.told, 2);
    CHECK_UINT(report.left + report.unanswered + report.waiting + report.reserved, 0);
    CHECK_UINT(report.messages_undelivered + report.bytes_undelivered + report.refused, 0);
    for (unsigned client = 0; client < 2; client++) {
        TmeEvent event = expect_client_event(&world, client, TME_EVENT_MESSAGE);
        CHECK_BYTES(event.data, event.length, "last words");
        expect_goodbye(&world, client);
    }
    CHECK_RESULT(tme_server_shutdown_begin(world.server, 0, 0, NULL, 0), TME_ERROR_CLOSED);
    close_world(&world);
}

/* A game that goes on drawing; somebody comes meanwhile. */
static void it_can_be_polled_for(uint32_t flags)
{
    World world;
    TmeServerConfig server = server_config();
    server.flags = flags;
    server.rate_cap = 50000;
    open_server(&world, &server);
    TmeClientConfig config = client_config(&world);
    config.flags = TME_CONFIG_THREADED;
    connect_client(&world, &config);
    static char message[60000];
    CHECK_OK(tme_server_send(world.server, world.peers[0], 0, message, sizeof message, 0));
    CHECK_OK(tme_server_shutdown_begin(world.server, 20000, 7, "until noon", 10));
    CHECK_RESULT(tme_server_send(world.server, world.peers[0], 0, "late", 4, 0), TME_ERROR_NOT_CONNECTED);
    unsigned late = add_client(&world, &config);

    TmeShutdownReport report;
    CHECK_OK(tme_server_shutdown_report(world.server, &report, sizeof report));
    CHECK_UINT(report.is_over, 0);
    TmeEvent event;
    uint32_t count, ends = 0;
    uint64_t give_up_at = now_ms() + 40000;
    TmeResult result;
    do {
        CHECK(now_ms() < give_up_at);
        result = tme_server_update(world.server, 1);
        CHECK(result == TME_OK || result == TME_ERROR_CLOSED);
        if (result == TME_OK) {
            CHECK_OK(tme_server_poll(world.server, &event, 1, &count));
            CHECK(count == 0 || event.type != TME_EVENT_CONNECTED);
            ends += count > 0 && event.type == TME_EVENT_DISCONNECTED;
        }
    } while (result == TME_OK);
    CHECK_UINT(ends, 1);
    CHECK_RESULT(tme_server_poll(world.server, &event, 1, &count), TME_ERROR_CLOSED);
    CHECK_OK(tme_server_shutdown_report(world.server, &report, sizeof report));
    CHECK_UINT(report.is_over, 1);
    CHECK_UINT(report.told, 1);
    CHECK_UINT(report.refused, 1);
    TmeEngineStatistics figures;
    CHECK_OK(tme_server_statistics(world.server, &figures, sizeof figures));
    CHECK_UINT(figures.clients_refused_shutdown, 1);

    CHECK_UINT(expect_client_event(&world, 0, TME_EVENT_MESSAGE).length, sizeof message);
    expect_goodbye(&world, 0);
    event = expect_client_event(&world, late, TME_EVENT_DISCONNECTED);
    CHECK_UINT(event.reason, TME_REASON_SHUTDOWN);
    CHECK_BYTES(event.data, event.length, "until noon");
    close_world(&world);
}

static void who_does_not_answer_is_reported(uint32_t flags)
{
    World world;
    open_world(&world, 0);
    CHECK_OK(tme_server_send(world.server, world.peers[0], 0, "12345", 5, 0));
    /* The client's game hangs from here on. */
    CHECK_OK(tme_server_shutdown_with(world.server, flags == 0 ? 200 : 0, 7, "until noon", 10));
    TmeShutdownReport report;
    CHECK_OK(tme_server_shutdown_report(world.server, &report, sizeof report));
    CHECK_UINT(report.peers, 1);
    CHECK_UINT(report.unanswered, 1);
    CHECK_UINT(report.messages_undelivered, 1);
    CHECK_UINT(report.bytes_undelivered, 5);
    close_world(&world);
}

int main(void)
{
    watchdog(120);
    for (uint32_t flags = 0; flags <= TME_CONFIG_THREADED; flags++) {
        everybody_is_told(flags);
        it_can_be_polled_for(flags);
        who_does_not_answer_is_reported(flags);
    }
    return 0;
}
