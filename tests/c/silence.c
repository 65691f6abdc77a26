/* A peer falls silent, comes back, and falls silent for good: INTERRUPTED, RESUMED, DISCONNECTED. */
#include "world.h"

static void set_loss(World *world, double loss)
{
    TmeConditions conditions;
    CHECK_OK(tme_conditions_init(&conditions, sizeof conditions));
    conditions.loss = loss;
    CHECK_OK(tme_client_set_conditions(world->clients[0], TME_DIRECTION_INCOMING, &conditions));
    CHECK_OK(tme_client_set_conditions(world->clients[0], TME_DIRECTION_OUTGOING, &conditions));
}

int main(void)
{
    watchdog(60);
    World world;
    TmeServerConfig server = server_config();
    server.idle_timeout_ms = 6000;
    open_server(&world, &server);
    connect_client(&world, NULL);

    /* An answer is due: the message that nobody acknowledges. */
    set_loss(&world, 1.0);
    step(&world);
    CHECK_OK(tme_server_send(world.server, world.peers[0], 0, "anybody?", 8, 0));
    uint64_t since = now_ms();
    CHECK_UINT(expect_server_event(&world, TME_EVENT_INTERRUPTED).peer, world.peers[0]);
    CHECK(now_ms() - since >= 2500);

    set_loss(&world, 0.0);
    CHECK_UINT(expect_server_event(&world, TME_EVENT_RESUMED).peer, world.peers[0]);
    TmeEvent event = client_event(&world, 0);
    while (event.type == TME_EVENT_INTERRUPTED || event.type == TME_EVENT_RESUMED)
        event = client_event(&world, 0);
    CHECK_BYTES(event.data, event.length, "anybody?");

    set_loss(&world, 1.0);
    step(&world);
    CHECK_OK(tme_server_send(world.server, world.peers[0], 0, "hello?", 6, 0));
    expect_server_event(&world, TME_EVENT_INTERRUPTED);
    event = expect_server_event(&world, TME_EVENT_DISCONNECTED);
    CHECK_TEXT(tme_reason_string(event.reason), tme_reason_string(TME_REASON_TIMED_OUT));
    CHECK_UINT(event.flags, 0);
    CHECK_UINT(event.peer, world.peers[0]);
    close_world(&world);
    return 0;
}
