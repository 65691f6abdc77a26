/* A server over several network threads is one server, on systems that have them; elsewhere it has one thread. */
#include "world.h"

enum { THREADS = 3 };

static TmeServerConfig with_threads(void)
{
    TmeServerConfig config = server_config();
    config.flags = TME_CONFIG_THREADED;
    config.network_threads = THREADS;
    return config;
}

static void every_client_is_heard_and_reached(void)
{
    World world;
    TmeServerConfig config = with_threads();
    open_server(&world, &config);
    uint32_t threads = tme_server_network_threads(world.server);
#ifdef __linux__
    CHECK_UINT(threads, THREADS);
#else
    CHECK_UINT(threads, 1);
#endif
    TmePeer peers[CLIENTS_MAX];
    uint32_t count;
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        connect_client(&world, NULL);
    CHECK_OK(tme_server_peers(world.server, peers, CLIENTS_MAX, &count));
    CHECK_UINT(count, CLIENTS_MAX);
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        CHECK_OK(tme_client_send(world.clients[i], 0, "ping", 4, 0));
        TmeEvent event = expect_server_event(&world, TME_EVENT_MESSAGE);
        CHECK_BYTES(event.data, event.length, "ping");
        CHECK_UINT(event.peer, world.peers[i]);
        CHECK_OK(tme_server_send(world.server, event.peer, 0, "pong", 4, 0));
        event = expect_client_event(&world, i, TME_EVENT_MESSAGE);
        CHECK_BYTES(event.data, event.length, "pong");
    }
    TmeBroadcast outcome;
    CHECK_OK(tme_server_broadcast(world.server, 0, "all", 3, 0, &outcome));
    CHECK_UINT(outcome.sent, CLIENTS_MAX);
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        TmeEvent event = expect_client_event(&world, i, TME_EVENT_MESSAGE);
        CHECK_BYTES(event.data, event.length, "all");
    }

    /* Figures of the whole are those of all threads. */
    uint32_t of_thread[THREADS] = {0};
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        uint32_t thread;
        CHECK_OK(tme_server_peer_thread(world.server, world.peers[i], &thread));
        CHECK(thread < threads);
        of_thread[thread]++;
    }
    TmeEngineStatistics whole, one;
    CHECK_OK(tme_server_statistics(world.server, &whole, sizeof whole));
    CHECK_UINT(whole.peers, CLIENTS_MAX);
    CHECK_UINT(whole.datagrams_not_passed_on, 0);
    for (uint32_t thread = 0; thread < threads; thread++) {
        CHECK_OK(tme_server_thread_statistics(world.server, thread, &one, sizeof one));
        CHECK_UINT(one.peers, of_thread[thread]);
    }
    CHECK_ERROR(tme_server_thread_statistics(world.server, threads, &one, sizeof one), TME_ERROR_ARGUMENT,
                "no network thread");

    uint32_t thread = 7;
    CHECK_OK(tme_client_disconnect(world.clients[0], 0, NULL, 0));
    CHECK_UINT(expect_server_event(&world, TME_EVENT_DISCONNECTED).peer, world.peers[0]);
    CHECK_RESULT(tme_server_peer_thread(world.server, world.peers[0], &thread), TME_ERROR_UNKNOWN_PEER);
    CHECK_UINT(thread, 7);
    CHECK_OK(tme_server_shutdown(world.server, 0));
    close_world(&world);
}

static void the_port_is_taken_for_others(void)
{
    World world;
    TmeServerConfig config = with_threads();
    open_server(&world, &config);
    TmeServer *server;
    config.listen = world.address;
    CHECK_ERROR(tme_server_create(&config, &server), TME_ERROR_BIND, "in use");
    close_world(&world);
}

static void without_a_network_thread_there_are_not_several(void)
{
    World world;
    TmeServerConfig config = with_threads();
    config.flags = 0;
    open_server(&world, &config);
    connect_client(&world, NULL);
    CHECK_UINT(tme_server_network_threads(world.server), 0);
    uint32_t thread = 7;
    CHECK_OK(tme_server_peer_thread(world.server, world.peers[0], &thread));
    CHECK_UINT(thread, 0);
    TmeEngineStatistics whole, one;
    CHECK_OK(tme_server_statistics(world.server, &whole, sizeof whole));
    CHECK_OK(tme_server_thread_statistics(world.server, 0, &one, sizeof one));
    CHECK_UINT(one.peers, whole.peers);
    close_world(&world);

    TmeServer *server;
    config = with_threads();
    config.network_threads = 65;
    CHECK_ERROR(tme_server_create(&config, &server), TME_ERROR_CONFIG, "network threads");
    CHECK_OK(tme_server_config_init(&config, sizeof config));
    CHECK_UINT(config.network_threads, 1);
}

int main(void)
{
    every_client_is_heard_and_reached();
    the_port_is_taken_for_others();
    without_a_network_thread_there_are_not_several();
    return 0;
}
