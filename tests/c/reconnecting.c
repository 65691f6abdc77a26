/* A server that runs for long: a thousand clients come and go, in all the ways there are, and leave nothing behind.
 * Linux only. */
#include <stdio.h>

#include "process.h"
#include "world.h"

enum {
    CYCLES = 1000,
    /* Far less than a kilobyte for each cycle, far more than an allocator's whims. */
    GROWTH_BYTES_MAX = 512 << 10
};

/* A connection that has ended keeps its place for a second or two, to answer what still comes. Clients that come and go
 * faster than that find the server full for a moment, and try again. */
static void connect_patiently(World *world, const TmeClientConfig *config)
{
    for (;;) {
        add_client(world, config);
        TmeEvent event = client_event(world, 0);
        if (event.type == TME_EVENT_CONNECTED)
            break;
        CHECK_UINT(event.reason, TME_REASON_FULL);
        CHECK_OK(tme_client_destroy(world->clients[0]));
        world->client_count = 0;
        steps_for(world, 50);
    }
    world->peers[0] = expect_server_event(world, TME_EVENT_CONNECTED).peer;
}

static void one_cycle(World *world, unsigned number)
{
    TmeClientConfig config = client_config(world);
    config.flags = number % 8 == 0 ? TME_CONFIG_THREADED : 0;
    connect_patiently(world, &config);
    CHECK_OK(tme_client_send(world->clients[0], 0, "here", 4, 0));
    TmeEvent event = expect_server_event(world, TME_EVENT_MESSAGE);
    CHECK_BYTES(event.data, event.length, "here");
    switch (number % 4) {
    case 0:
        break;
    case 1:
        CHECK_OK(tme_client_close(world->clients[0], 0));
        break;
    case 2:
        CHECK_OK(tme_client_disconnect(world->clients[0], number, "bye", 3));
        break;
    case 3:
        CHECK_OK(tme_server_kick(world->server, world->peers[0], number, "out", 3));
        break;
    }
    step(world);
    CHECK_OK(tme_client_destroy(world->clients[0]));
    world->client_count = 0;
    CHECK_UINT(expect_server_event(world, TME_EVENT_DISCONNECTED).peer, world->peers[0]);
}

static void cycles_leave_nothing_behind(uint32_t flags)
{
    unsigned descriptors_before = open_descriptors();
    unsigned threads_before = threads();
    TmeServerConfig config = server_config();
    config.flags = flags;
    World world;
    open_server(&world, &config);
    unsigned cycles = scaled(CYCLES) / 2;
    size_t warm = 0;
    for (unsigned number = 0; number < cycles; number++) {
        if (number == cycles / 2)
            warm = allocated_bytes();
        one_cycle(&world, number);
    }
    size_t end = allocated_bytes();
    printf("%u cycles: %zu bytes after half of them, %zu at the end\n", cycles, warm, end);
    CHECK(end < warm + GROWTH_BYTES_MAX);

    TmeEngineStatistics statistics;
    CHECK_OK(tme_server_statistics(world.server, &statistics, sizeof statistics));
    CHECK_UINT(statistics.peers, 0);
    close_world(&world);
    CHECK_UINT(open_descriptors(), descriptors_before);
    CHECK_UINT(threads(), threads_before);
}

int main(void)
{
    watchdog(60);
    cycles_leave_nothing_behind(0);
    cycles_leave_nothing_behind(TME_CONFIG_THREADED);
    return 0;
}
