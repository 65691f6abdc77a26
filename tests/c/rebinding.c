/* A client binds another socket in mid-game: the session goes on from another port, and the server is told. */
#include "world.h"

static void rebinds(uint32_t flags)
{
    World world;
    TmeServerConfig server = server_config();
    server.flags = flags;
    open_server(&world, &server);
    TmeClientConfig config = client_config(&world);
    config.flags = flags;
    connect_client(&world, &config);
    TmeClient *client = world.clients[0];

    uint16_t before = tme_client_port(client);
    CHECK_RESULT(tme_client_rebind(client, "nowhere"), TME_ERROR_ADDRESS);
    CHECK_RESULT(tme_client_rebind(client, world.address), TME_ERROR_BIND);
    CHECK_RESULT(tme_client_rebind(client, "[::1]:0"), TME_ERROR_CONFIG);
    CHECK_UINT(tme_client_port(client), before);

    for (int i = 0; i < 2; i++) {
        CHECK_OK(tme_client_rebind(client, i == 0 ? NULL : "127.0.0.1:0"));
        CHECK(tme_client_port(client) != before);
        before = tme_client_port(client);
        CHECK_OK(tme_client_send(client, 0, "still me", 8, 0));
        int heard = 0, moved = 0;
        while (!heard || !moved) {
            TmeEvent event = server_event(&world);
            CHECK_UINT(event.peer, world.peers[0]);
            heard += event.type == TME_EVENT_MESSAGE;
            moved += event.type == TME_EVENT_ADDRESS_CHANGED;
        }
        TmePeerInfo info;
        CHECK_OK(tme_server_peer_info(world.server, world.peers[0], &info, sizeof info));
        char address[64];
        CHECK_OK(tme_client_local_address(client, address, sizeof address, NULL));
        CHECK_CONTAINS(info.address, strrchr(address, ':'));
    }
    TmePeerStatistics statistics;
    do {
        step(&world);
        CHECK_OK(tme_server_peer_statistics(world.server, world.peers[0], &statistics, sizeof statistics));
    } while (statistics.address_changes < 2 || statistics.datagram_bytes < 1452);
    CHECK_UINT(statistics.address_changes_refused, 0);
    CHECK_OK(tme_server_send(world.server, world.peers[0], 0, "and I know you", 14, 0));
    TmeEvent event = expect_client_event(&world, 0, TME_EVENT_MESSAGE);
    CHECK_BYTES(event.data, event.length, "and I know you");
    CHECK_TEXT(tme_event_string(TME_EVENT_ADDRESS_CHANGED), "address changed");
    close_world(&world);
}

/* Where nobody can prove to be the same, the call says so and changes nothing. */
static void an_address_cannot_change_in_plaintext(void)
{
    World world;
    TmeServerConfig server = server_config();
    server.flags = TME_CONFIG_PLAINTEXT;
    server.datagram_bytes_max = 1200;
    open_server(&world, &server);
    TmeClientConfig config = client_config(&world);
    config.flags = TME_CONFIG_PLAINTEXT;
    config.server_key = NULL;
    add_client(&world, &config);
    CHECK_RESULT(tme_client_rebind(world.clients[0], NULL), TME_ERROR_NOT_CONNECTED);
    expect_client_event(&world, 0, TME_EVENT_CONNECTED);
    CHECK_ERROR(tme_client_rebind(world.clients[0], NULL), TME_ERROR_CONFIG, "plaintext");
    close_world(&world);
}

int main(void)
{
    watchdog(60);
    rebinds(0);
    rebinds(TME_CONFIG_THREADED);
    an_address_cannot_change_in_plaintext();
    return 0;
}
