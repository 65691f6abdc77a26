/* Retained messages: many, large and small, beyond the life of every handle, from thread to thread, and sent on. */
#include <stdlib.h>

#include "world.h"

/* The bytes of the message with a number: as many as `length`, none like those of its neighbours. */
static void fill(unsigned char *bytes, size_t length, unsigned number)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (unsigned char)(number * 31 + i);
}

static void expect_filled(const TmeMessage *message, size_t length, unsigned number)
{
    const void *data;
    size_t actual;
    CHECK_OK(tme_message_bytes(message, &data, &actual));
    CHECK_UINT(actual, length);
    const unsigned char *bytes = data;
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != (unsigned char)(number * 31 + i))
            CHECK_UINT(bytes[i], (unsigned char)(number * 31 + i));
}

/* On both sides of the size up to which they are copied, and larger than a datagram. */
static size_t length_of(unsigned number)
{
    static const size_t lengths[] = {1, 512, 513, 1100, 5000};
    return number % 100 == 99 ? 100000 : lengths[number % COUNT_OF(lengths)];
}

typedef struct Kept {
    TmeMessage **messages;
    unsigned from, to;
} Kept;

static void check_and_release(void *argument)
{
    const Kept *kept = argument;
    for (unsigned number = kept->from; number < kept->to; number++) {
        expect_filled(kept->messages[number], length_of(number), number);
        CHECK_OK(tme_message_release(kept->messages[number]));
    }
}

static void thousands_outlive_all_handles_and_are_released_elsewhere(void)
{
    const unsigned count = scaled(10000);
    static unsigned char bytes[100000];
    TmeMessage **messages = calloc(count, sizeof *messages);
    CHECK(messages != NULL);
    World world;
    open_world(&world, 0);
    for (unsigned sent = 0, received = 0; received < count;) {
        for (; sent < count; sent++) {
            fill(bytes, length_of(sent), sent);
            TmeResult result = tme_client_send(world.clients[0], 0, bytes, length_of(sent), 0);
            if (result == TME_ERROR_WOULD_BLOCK)
                break;
            CHECK_OK(result);
        }
        TmeEvent event;
        while (received < count && take_server_event(&world, &event)) {
            CHECK_UINT(event.type, TME_EVENT_MESSAGE);
            CHECK_OK(tme_message_retain(event.message, &messages[received]));
            received++;
        }
        step(&world);
    }
    close_world(&world);

    /* Two threads at once, and this one. */
    Kept thirds[] = {{messages, 0, count / 3}, {messages, count / 3, count / 3 * 2}, {messages, count / 3 * 2, count}};
    Thread *first = thread_start(check_and_release, &thirds[0]);
    Thread *second = thread_start(check_and_release, &thirds[1]);
    check_and_release(&thirds[2]);
    thread_join(first);
    thread_join(second);
    free(messages);
}

static void the_limit_is_the_handles_own_and_comes_back(void)
{
    TmeServerConfig server = server_config();
    server.retained_messages_max = 2;
    World world;
    open_server(&world, &server);
    connect_client(&world, NULL);
    CHECK_OK(tme_client_send(world.clients[0], 0, "data", 4, 0));
    TmeMessageId id = expect_server_event(&world, TME_EVENT_MESSAGE).message;

    TmeMessage *first;
    TmeMessage *second;
    TmeMessage *third;
    CHECK_OK(tme_message_retain(id, &first));
    CHECK_OK(tme_message_clone(first, &second));
    CHECK_ERROR(tme_message_retain(id, &third), TME_ERROR_TOO_MANY_RETAINED, "2 messages");
    CHECK(third == NULL);
    CHECK_RESULT(tme_message_clone(first, &third), TME_ERROR_TOO_MANY_RETAINED);
    CHECK(third == NULL);
    CHECK_OK(tme_message_release(second));
    CHECK_OK(tme_message_retain(id, &second));
    /* A send gives the place back too. */
    CHECK_OK(tme_server_send_message(world.server, world.peers[0], 0, second, NULL));
    CHECK_OK(tme_message_retain(id, &second));
    /* Made messages do not count, and the client has a limit of its own. */
    CHECK_OK(tme_message_create(4, &third));
    CHECK_OK(tme_message_release(third));
    CHECK_OK(tme_message_retain(expect_client_event(&world, 0, TME_EVENT_MESSAGE).message, &third));
    CHECK_OK(tme_message_release(third));
    CHECK_OK(tme_message_release(first));
    CHECK_OK(tme_message_release(second));
    close_world(&world);
}

static void a_relay_sends_on_what_came(void)
{
    enum { LENGTH = 30000 };
    static unsigned char bytes[LENGTH];
    World world;
    open_world(&world, 0);
    connect_client(&world, NULL);
    fill(bytes, LENGTH, 1);
    CHECK_OK(tme_client_send(world.clients[0], 0, bytes, LENGTH, 0));
    TmeMessage *message;
    TmeMessage *copy;
    CHECK_OK(tme_message_retain(expect_server_event(&world, TME_EVENT_MESSAGE).message, &message));
    CHECK_OK(tme_message_clone(message, &copy));
    CHECK_OK(tme_server_send_message(world.server, world.peers[1], 0, message, NULL));
    CHECK_OK(tme_server_broadcast_message(world.server, 0, copy, NULL, NULL));
    static const unsigned receivers[] = {1, 1, 0};
    for (size_t i = 0; i < COUNT_OF(receivers); i++) {
        CHECK_OK(tme_message_retain(expect_client_event(&world, receivers[i], TME_EVENT_MESSAGE).message, &message));
        expect_filled(message, LENGTH, 1);
        CHECK_OK(tme_message_release(message));
    }
    close_world(&world);
}

static void a_message_of_another_engine_can_be_sent_on(void)
{
    World first;
    World second;
    open_world(&first, 0);
    open_world(&second, TME_CONFIG_THREADED);
    CHECK_OK(tme_client_send(first.clients[0], 0, "far", 3, 0));
    TmeMessage *message;
    CHECK_OK(tme_message_retain(expect_server_event(&first, TME_EVENT_MESSAGE).message, &message));
    close_world(&first);
    CHECK_OK(tme_client_send_message(second.clients[0], 0, message, NULL));
    TmeEvent event = expect_server_event(&second, TME_EVENT_MESSAGE);
    CHECK_BYTES(event.data, event.length, "far");
    close_world(&second);
}

static void only_a_made_message_that_is_the_callers_alone_is_writable(void)
{
    World world;
    open_world(&world, 0);
    TmeMessage *message;
    TmeMessage *copy;
    void *place;
    size_t length;
    CHECK_OK(tme_message_create(0, &message));
    CHECK_OK(tme_message_writable(message, &place, &length));
    CHECK(place == NULL && length == 0);
    CHECK_OK(tme_message_release(message));

    CHECK_OK(tme_message_create(4, &message));
    CHECK_OK(tme_message_writable(message, &place, &length));
    CHECK_BYTES(place, length, "\0\0\0\0");
    memcpy(place, "text", 4);
    CHECK_OK(tme_message_clone(message, &copy));
    TmeMessage *both[] = {message, copy};
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        const void *bytes;
        CHECK_RESULT(tme_message_writable(both[i], &place, &length), TME_ERROR_NOT_WRITABLE);
        CHECK(place == NULL && length == 0);
        CHECK_OK(tme_message_bytes(both[i], &bytes, &length));
        CHECK_BYTES(bytes, length, "text");
        CHECK_OK(tme_message_release(both[i]));
    }

    /* A refused send leaves it with the caller, but no longer writable. */
    CHECK_OK(tme_message_create(4, &message));
    CHECK_RESULT(tme_client_send_message(world.clients[0], 99, message, NULL), TME_ERROR_UNKNOWN_CHANNEL);
    CHECK_RESULT(tme_message_writable(message, &place, &length), TME_ERROR_NOT_WRITABLE);
    CHECK_OK(tme_client_send_message(world.clients[0], 0, message, NULL));
    CHECK_OK(tme_message_retain(expect_server_event(&world, TME_EVENT_MESSAGE).message, &message));
    CHECK_RESULT(tme_message_writable(message, &place, &length), TME_ERROR_NOT_WRITABLE);
    CHECK_OK(tme_message_release(message));

    CHECK_OK(tme_message_create((size_t)16 << 20, &message));
    CHECK_OK(tme_message_release(message));
    CHECK_ERROR(tme_message_create(((size_t)16 << 20) + 1, &message), TME_ERROR_TOO_LARGE, "16777217 bytes");
    close_world(&world);
}

int main(void)
{
    watchdog(60);
    thousands_outlive_all_handles_and_are_released_elsewhere();
    the_limit_is_the_handles_own_and_comes_back();
    a_relay_sends_on_what_came();
    a_message_of_another_engine_can_be_sent_on();
    only_a_made_message_that_is_the_callers_alone_is_writable();
    return 0;
}
