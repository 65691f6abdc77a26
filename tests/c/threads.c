/* Many threads on one handle: four send while one polls and others ask for figures; a second poller is told at once
 * that it is too many; a wait ends when somebody wakes it. */
#include "world.h"

enum { SENDERS = 4, MESSAGES = 2500 };

typedef struct Sender {
    World *world;
    uint32_t number;
    uint32_t messages;
} Sender;

typedef struct Numbered {
    uint32_t sender;
    uint32_t number;
} Numbered;

/* Even senders are the clients', odd ones the server's: both handles have two at a time. */
static void send_all(void *argument)
{
    const Sender *sender = argument;
    World *world = sender->world;
    for (uint32_t number = 0; number < sender->messages;) {
        Numbered body = {sender->number, number};
        uint32_t flags = number % 100 == 0 ? TME_SEND_FLUSH : 0;
        TmeResult result = sender->number % 2 == 0
                               ? tme_client_send(world->clients[0], 0, &body, sizeof body, flags)
                               : tme_server_send(world->server, world->peers[0], 0, &body, sizeof body, flags);
        if (result == TME_ERROR_WOULD_BLOCK) {
            sleep_ms(1);
        } else {
            CHECK_OK(result);
            number++;
        }
    }
}

/* Asks for everything that any thread may ask for. */
static void watch(void *argument)
{
    World *world = argument;
    for (unsigned i = 0; i < scaled(500); i++) {
        TmePeerStatistics peer;
        TmeEngineStatistics engine;
        TmePeerInfo info;
        TmePeer peers[2];
        uint32_t count;
        CHECK_OK(tme_server_peer_statistics(world->server, world->peers[0], &peer, sizeof peer));
        CHECK_OK(tme_client_statistics(world->clients[0], &peer, sizeof peer));
        CHECK_OK(tme_server_statistics(world->server, &engine, sizeof engine));
        CHECK_OK(tme_client_engine_statistics(world->clients[0], &engine, sizeof engine));
        CHECK_OK(tme_server_peer_info(world->server, world->peers[0], &info, sizeof info));
        CHECK_OK(tme_server_peers(world->server, peers, 2, &count));
        CHECK_UINT(count, 1);
        CHECK_INT(tme_client_is_connected(world->clients[0]), 1);
        CHECK_OK(tme_server_wake(world->server));
        /* Each thread has a last error of its own. */
        CHECK_INT(tme_server_send(world->server, world->peers[0], 99, "a", 1, 0), TME_ERROR_UNKNOWN_CHANNEL);
        CHECK_CONTAINS(last_error(), "channel");
        sleep_ms(1);
    }
}

static void take_numbered(const TmeEvent *event, uint32_t next[SENDERS], uint32_t *received)
{
    Numbered body;
    if (event->type == TME_EVENT_WRITABLE)
        return;
    CHECK_UINT(event->type, TME_EVENT_MESSAGE);
    CHECK_UINT(event->length, sizeof body);
    memcpy(&body, event->data, sizeof body);
    CHECK(body.sender < SENDERS);
    CHECK_UINT(body.number, next[body.sender]);
    next[body.sender]++;
    ++*received;
}

static void everything_arrives_in_the_order_of_each_thread(uint32_t flags)
{
    World world;
    open_world(&world, flags);
    uint32_t messages = scaled(MESSAGES);
    Sender senders[SENDERS];
    Thread *threads[SENDERS];
    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i] = (Sender){&world, i, messages};
        threads[i] = thread_start(send_all, &senders[i]);
    }
    Thread *watcher = thread_start(watch, &world);

    uint32_t next[SENDERS] = {0};
    for (uint32_t received = 0; received < SENDERS * messages; step(&world)) {
        TmeEvent event;
        while (take_server_event(&world, &event))
            take_numbered(&event, next, &received);
        while (take_client_event(&world, 0, &event))
            take_numbered(&event, next, &received);
    }
    for (uint32_t i = 0; i < SENDERS; i++)
        thread_join(threads[i]);
    thread_join(watcher);
    close_world(&world);
}

static void update_for_long(void *argument)
{
    CHECK_OK(tme_server_update(argument, 30000));
}

static void a_second_poller_is_told_and_a_wait_can_be_ended(uint32_t flags)
{
    TmeServerConfig config = server_config();
    config.flags = flags;
    TmeServer *server;
    CHECK_OK(tme_server_create(&config, &server));
    Thread *waiter = thread_start(update_for_long, server);

    TmeEvent event;
    uint32_t count;
    TmeResult result;
    while ((result = tme_server_poll(server, &event, 1, &count)) == TME_OK)
        sleep_ms(1);
    CHECK_ERROR(result, TME_ERROR_BUSY, "another thread");
    uint64_t since = now_ms();
    CHECK_RESULT(tme_server_update(server, 10000), TME_ERROR_BUSY);
    CHECK_RESULT(tme_server_shutdown(server, 10000), TME_ERROR_BUSY);
    CHECK(now_ms() - since < 5000);
    /* All others may come in. */
    TmeEngineStatistics statistics;
    CHECK_OK(tme_server_statistics(server, &statistics, sizeof statistics));
    CHECK_OK(tme_server_flush(server));

    since = now_ms();
    CHECK_OK(tme_server_wake(server));
    thread_join(waiter);
    CHECK(now_ms() - since < 15000);
    CHECK_OK(tme_server_poll(server, &event, 1, &count));
    CHECK_OK(tme_server_destroy(server));
}

static void a_wake_before_the_wait_is_not_lost(uint32_t flags)
{
    World world = {0};
    TmeClientConfig config;
    CHECK_OK(tme_client_config_init(&config, sizeof config));
    config.flags = flags;
    CHECK_OK(tme_client_create_echo(&config, &world.clients[0]));
    world.client_count = 1;
    expect_client_event(&world, 0, TME_EVENT_CONNECTED);
    CHECK_OK(tme_client_wake(world.clients[0]));
    uint64_t since = now_ms();
    CHECK_OK(tme_client_update(world.clients[0], 30000));
    CHECK(now_ms() - since < 15000);
    close_world(&world);
}

/* Handles are made, used and destroyed on several threads at once, and do not disturb each other. */
static void live_a_life(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < scaled(10); i++) {
        World world;
        open_world(&world, i % 2 == 0 ? 0 : TME_CONFIG_THREADED);
        CHECK_OK(tme_client_send(world.clients[0], 0, "hello", 5, 0));
        TmeMessage *message;
        CHECK_OK(tme_message_retain(expect_server_event(&world, TME_EVENT_MESSAGE).message, &message));
        close_world(&world);
        const void *bytes;
        size_t length;
        CHECK_OK(tme_message_bytes(message, &bytes, &length));
        CHECK_BYTES(bytes, length, "hello");
        CHECK_OK(tme_message_release(message));
    }
}

int main(void)
{
    watchdog(60);
    static const uint32_t drives[] = {0, TME_CONFIG_THREADED};
    for (size_t i = 0; i < COUNT_OF(drives); i++) {
        everything_arrives_in_the_order_of_each_thread(drives[i]);
        a_second_poller_is_told_and_a_wait_can_be_ended(drives[i]);
        a_wake_before_the_wait_is_not_lost(drives[i]);
    }
    Thread *lives[4];
    for (size_t i = 0; i < COUNT_OF(lives); i++)
        lives[i] = thread_start(live_a_life, NULL);
    for (size_t i = 0; i < COUNT_OF(lives); i++)
        thread_join(lives[i]);
    return 0;
}
