/* A queue that is full is an answer: nothing is queued, the message stays with its owner, WRITABLE says when to try
 * again, and in the end everything has arrived once and in order. */
#include "world.h"

enum { QUEUE_MESSAGES = 4, MESSAGES = 100 };

static const TmeChannelConfig channel = {
    .name = "narrow",
    .mode = TME_CHANNEL_RELIABLE_ORDERED,
    .queue_messages_max = QUEUE_MESSAGES,
};

static TmeMessage *numbered_message(uint32_t number)
{
    TmeMessage *message;
    void *place;
    size_t length;
    CHECK_OK(tme_message_create(sizeof number, &message));
    CHECK_OK(tme_message_writable(message, &place, &length));
    memcpy(place, &number, sizeof number);
    return message;
}

static void expect_number(const TmeEvent *event, uint32_t expected)
{
    uint32_t number;
    CHECK_UINT(event->type, TME_EVENT_MESSAGE);
    CHECK_UINT(event->length, sizeof number);
    memcpy(&number, event->data, sizeof number);
    CHECK_UINT(number, expected);
}

static void a_client_waits_until_its_queue_is_writable(uint32_t flags)
{
    World world;
    TmeServerConfig server = server_config();
    server.flags = flags;
    server.channels = &channel;
    server.channel_count = 1;
    open_server(&world, &server);
    TmeClientConfig config = client_config(&world);
    config.flags = flags;
    config.channels = &channel;
    config.channel_count = 1;
    connect_client(&world, &config);

    unsigned refusals = 0;
    unsigned writables = 0;
    uint32_t received = 0;
    int may_send = 1;
    TmeMessage *message = numbered_message(0);
    for (uint32_t sent = 0; received < MESSAGES; step(&world)) {
        while (may_send && sent < MESSAGES) {
            TmeResult result = tme_client_send_message(world.clients[0], 0, message, NULL);
            if (result == TME_ERROR_WOULD_BLOCK) {
                CHECK_CONTAINS(last_error(), "channel 0");
                refusals++;
                may_send = 0;
                break;
            }
            CHECK_OK(result);
            sent++;
            message = sent < MESSAGES ? numbered_message(sent) : NULL;
        }
        TmeEvent event;
        while (take_server_event(&world, &event))
            expect_number(&event, received++);
        while (take_client_event(&world, 0, &event)) {
            CHECK_UINT(event.type, TME_EVENT_WRITABLE);
            CHECK_UINT(event.channel, 0);
            CHECK(event.peer != 0);
            writables++;
            may_send = 1;
        }
    }
    CHECK(refusals > 10);
    /* One for each refusal; the last may still be on its way. */
    CHECK(writables == refusals || writables + 1 == refusals);
    steps_for(&world, 20);
    TmeEvent event;
    CHECK(!take_server_event(&world, &event));
    close_world(&world);
}

static void a_broadcast_counts_who_could_not_take_it(void)
{
    World world;
    TmeBroadcast outcome;
    open_world_with(&world, 0, &channel, 1);
    connect_client(&world, NULL);
    connect_client(&world, NULL);
    for (uint32_t i = 0; i < QUEUE_MESSAGES; i++)
        CHECK_OK(tme_server_send(world.server, world.peers[1], 0, &i, sizeof i, 0));

    uint32_t number = QUEUE_MESSAGES;
    CHECK_INT(tme_server_broadcast(world.server, 0, &number, sizeof number, 0, &outcome), TME_PARTIAL);
    CHECK_UINT(outcome.sent, 2);
    CHECK_UINT(outcome.would_block, 1);
    CHECK_UINT(outcome.gone + outcome.refused + outcome.reserved[0] + outcome.reserved[1], 0);
    CHECK_INT(tme_server_multicast(world.server, &world.peers[1], 1, 0, &number, sizeof number, NULL, &outcome),
              TME_PARTIAL);
    CHECK_UINT(outcome.would_block, 1);
    CHECK_UINT(outcome.sent, 0);
    /* Done, though nobody but the full one was left out: the message is the library's. */
    CHECK_INT(tme_server_broadcast_message(world.server, 0, numbered_message(number + 1), NULL, &outcome), TME_PARTIAL);
    CHECK_UINT(outcome.sent, 2);

    TmeEvent event = expect_server_event(&world, TME_EVENT_WRITABLE);
    CHECK_UINT(event.peer, world.peers[1]);
    for (uint32_t i = 0; i < QUEUE_MESSAGES; i++) {
        event = expect_client_event(&world, 1, TME_EVENT_MESSAGE);
        expect_number(&event, i);
    }
    event = expect_client_event(&world, 0, TME_EVENT_MESSAGE);
    expect_number(&event, number);
    event = expect_client_event(&world, 2, TME_EVENT_MESSAGE);
    expect_number(&event, number);
    close_world(&world);
}

static void peers_take_no_more_than_they_allow(void)
{
    static char large[5000];
    World world;
    TmeBroadcast outcome;
    open_world(&world, 0);
    TmeClientConfig small = client_config(&world);
    small.message_bytes_max = 2000;
    connect_client(&world, &small);
    CHECK_ERROR(tme_server_send(world.server, world.peers[1], 0, large, sizeof large, 0), TME_ERROR_TOO_LARGE,
                "5000 bytes exceeds the limit of 2000 on channel 0");
    CHECK_INT(tme_server_broadcast(world.server, 0, large, sizeof large, 0, &outcome), TME_PARTIAL);
    CHECK_UINT(outcome.sent, 1);
    CHECK_UINT(outcome.refused, 1);
    close_world(&world);
}

static void a_budget_tells_what_waits(void)
{
    static char large[1000000];
    World world;
    TmeSendBudget budget;
    open_world_with(&world, 0, &channel, 1);
    do {
        step(&world);
        CHECK_OK(tme_server_send_budget(world.server, world.peers[0], 0, &budget, sizeof budget));
    } while (budget.bytes_now == 0);
    CHECK_UINT(budget.wait_us, 0);

    /* It counts at once, although nothing has been done with it. */
    CHECK_OK(tme_server_send(world.server, world.peers[0], 0, large, sizeof large, 0));
    CHECK_OK(tme_server_send_budget(world.server, world.peers[0], 0, &budget, sizeof budget));
    CHECK_UINT(budget.bytes_now, 0);
    CHECK(budget.wait_us > 0 && budget.wait_us != TME_WAIT_UNKNOWN);

    CHECK_UINT(expect_client_event(&world, 0, TME_EVENT_MESSAGE).length, sizeof large);
    do {
        step(&world);
        CHECK_OK(tme_server_send_budget(world.server, world.peers[0], 0, &budget, sizeof budget));
    } while (budget.bytes_now == 0);
    close_world(&world);
}

int main(void)
{
    watchdog(60);
    a_budget_tells_what_waits();
    a_client_waits_until_its_queue_is_writable(0);
    a_client_waits_until_its_queue_is_writable(TME_CONFIG_THREADED);
    a_broadcast_counts_who_could_not_take_it();
    peers_take_no_more_than_they_allow();
    return 0;
}
