#include "world.h"

#include <stdio.h>
#include <stdlib.h>

/* Longest wait for an event; far more than a busy machine needs. */
enum { PATIENCE_MS = 20000 };

const char *last_error(void)
{
    static
#if defined(_MSC_VER)
        __declspec(thread)
#else
        __thread
#endif
        char text[513];
    size_t needed = 0;
    if (tme_last_error(text, sizeof text, &needed) != TME_OK || needed != strlen(text) + 1)
        return "(tme_last_error failed)";
    return text;
}

void check_result(const char *file, int line, const char *call, TmeResult actual, TmeResult expected)
{
    if (actual != expected) {
        fprintf(stderr, "%s:%d: %s\n  actual   %d: %s (%s)\n  expected %d: %s\n", file, line, call, (int)actual,
                tme_result_string(actual), actual < 0 ? last_error() : "", (int)expected, tme_result_string(expected));
        fflush(NULL);
        _Exit(1);
    }
    if (actual < 0 && *last_error() == 0)
        check_failed(file, line, "a failed call leaves a detail");
}

TmeServerConfig server_config(void)
{
    TmeServerConfig config;
    CHECK_OK(tme_server_config_init(&config, sizeof config));
    config.listen = "127.0.0.1:0";
    return config;
}

TmeClientConfig client_config(const World *world)
{
    TmeClientConfig config;
    CHECK_OK(tme_client_config_init(&config, sizeof config));
    config.address = world->address;
    config.server_key = world->key;
    return config;
}

void open_server(World *world, const TmeServerConfig *config)
{
    memset(world, 0, sizeof *world);
    TmeServerConfig defaults = server_config();
    CHECK_OK(tme_server_create(config == NULL ? &defaults : config, &world->server));
    CHECK_OK(tme_server_local_address(world->server, world->address, sizeof world->address, NULL));
    CHECK_OK(tme_server_public_key(world->server, world->key, sizeof world->key, NULL));
}

unsigned add_client(World *world, const TmeClientConfig *config)
{
    TmeClientConfig defaults = client_config(world);
    unsigned client = world->client_count;
    CHECK(client < CLIENTS_MAX);
    CHECK_OK(tme_client_create(config == NULL ? &defaults : config, &world->clients[client]));
    world->client_count++;
    return client;
}

unsigned connect_client(World *world, const TmeClientConfig *config)
{
    unsigned client = add_client(world, config);
    world->peers[client] = expect_server_event(world, TME_EVENT_CONNECTED).peer;
    expect_client_event(world, client, TME_EVENT_CONNECTED);
    return client;
}

void open_world_with(World *world, uint32_t flags, const TmeChannelConfig *channels, uint32_t count)
{
    TmeServerConfig server = server_config();
    server.flags = flags;
    server.channels = channels;
    server.channel_count = count;
    open_server(world, &server);
    TmeClientConfig client = client_config(world);
    client.flags = flags;
    connect_client(world, &client);
}

void open_world(World *world, uint32_t flags)
{
    open_world_with(world, flags, NULL, 0);
}

void close_world(World *world)
{
    for (unsigned client = 0; client < world->client_count; client++)
        CHECK_OK(tme_client_destroy(world->clients[client]));
    CHECK_OK(tme_server_destroy(world->server));
    memset(world, 0, sizeof *world);
}

void step(World *world)
{
    /* Results are for those who poll: handles that have ended may be part of a world. */
    for (unsigned client = 0; client < world->client_count; client++)
        if (world->clients[client] != NULL)
            (void)tme_client_update(world->clients[client], 0);
    if (world->server != NULL)
        (void)tme_server_update(world->server, 1);
    else
        sleep_ms(1);
}

void steps_for(World *world, unsigned milliseconds)
{
    for (uint64_t end = now_ms() + milliseconds; now_ms() < end;)
        step(world);
}

int take_server_event(World *world, TmeEvent *event)
{
    uint32_t count;
    CHECK_OK(tme_server_poll(world->server, event, 1, &count));
    return count == 1;
}

int take_client_event(World *world, unsigned client, TmeEvent *event)
{
    uint32_t count;
    CHECK_OK(tme_client_poll(world->clients[client], event, 1, &count));
    return count == 1;
}

TmeEvent server_event(World *world)
{
    TmeEvent event;
    for (uint64_t end = now_ms() + PATIENCE_MS; !take_server_event(world, &event); step(world))
        CHECK(now_ms() < end);
    return event;
}

TmeEvent client_event(World *world, unsigned client)
{
    TmeEvent event;
    for (uint64_t end = now_ms() + PATIENCE_MS; !take_client_event(world, client, &event); step(world))
        CHECK(now_ms() < end);
    return event;
}

/* On a machine that is busy for seconds, peers fall silent. That matters only to those who wait for it. */
static int is_hiccup(const TmeEvent *event, uint32_t expected)
{
    return event->type != expected && (event->type == TME_EVENT_INTERRUPTED || event->type == TME_EVENT_RESUMED);
}

TmeEvent expect_server_event(World *world, uint32_t type)
{
    TmeEvent event;
    do
        event = server_event(world);
    while (is_hiccup(&event, type));
    CHECK_TEXT(tme_event_string(event.type), tme_event_string(type));
    return event;
}

TmeEvent expect_client_event(World *world, unsigned client, uint32_t type)
{
    TmeEvent event;
    do
        event = client_event(world, client);
    while (is_hiccup(&event, type));
    CHECK_TEXT(tme_event_string(event.type), tme_event_string(type));
    return event;
}
