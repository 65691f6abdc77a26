/* Results that do not fit: nothing is cut off silently, and the caller learns what would be enough. */
#include "world.h"

typedef TmeResult TextCall(char *buffer, size_t capacity, size_t *needed);

static World world;
static char token[TME_TOKEN_TEXT_BYTES];
static const char *secret = "0101010101010101010101010101010101010101010101010101010101010101";

static TmeResult server_local_address(char *buffer, size_t capacity, size_t *needed)
{
    return tme_server_local_address(world.server, buffer, capacity, needed);
}

static TmeResult server_public_key(char *buffer, size_t capacity, size_t *needed)
{
    return tme_server_public_key(world.server, buffer, capacity, needed);
}

static TmeResult client_local_address(char *buffer, size_t capacity, size_t *needed)
{
    return tme_client_local_address(world.clients[0], buffer, capacity, needed);
}

static TmeResult key_public(char *buffer, size_t capacity, size_t *needed)
{
    return tme_key_public(secret, buffer, capacity, needed);
}

static TmeResult token_hints(char *buffer, size_t capacity, size_t *needed)
{
    return tme_token_hints(token, buffer, capacity, needed);
}

static TmeResult token_make(char *buffer, size_t capacity, size_t *needed)
{
    TmeTokenConfig config = {.struct_size = sizeof config, .user = "42"};
    return tme_token_make(secret, &config, buffer, capacity, needed);
}

static void check_text_call(TextCall *call)
{
    char buffer[256];
    char canary[sizeof buffer];
    memset(canary, 0x5A, sizeof canary);
    size_t needed = 0;
    CHECK_RESULT(call(NULL, 0, &needed), TME_ERROR_BUFFER_TOO_SMALL);
    size_t whole = needed;
    CHECK(whole > 1 && whole < sizeof buffer);
    CHECK_RESULT(call(NULL, 0, NULL), TME_ERROR_BUFFER_TOO_SMALL);
    /* A caller who forgot the buffer itself. */
    CHECK_RESULT(call(NULL, sizeof buffer, &needed), TME_ERROR_BUFFER_TOO_SMALL);

    for (size_t capacity = 0; capacity < whole; capacity++) {
        memset(buffer, 0x5A, sizeof buffer);
        needed = 0;
        CHECK_RESULT(call(buffer, capacity, &needed), TME_ERROR_BUFFER_TOO_SMALL);
        CHECK_UINT(needed, whole);
        CHECK(capacity == 0 || buffer[0] == 0);
        size_t beyond = capacity == 0 ? 0 : 1;
        CHECK(memcmp(buffer + beyond, canary, sizeof buffer - beyond) == 0);
    }

    memset(buffer, 0x5A, sizeof buffer);
    needed = 0;
    CHECK_OK(call(buffer, whole, &needed));
    CHECK_UINT(needed, whole);
    CHECK_UINT(strlen(buffer), whole - 1);
    CHECK(memcmp(buffer + whole, canary, sizeof buffer - whole) == 0);
    CHECK_OK(call(buffer, SIZE_MAX, NULL));
}

static void a_secret_key_is_made_only_where_it_fits(void)
{
    char buffer[TME_KEY_TEXT_BYTES];
    size_t needed = 0;
    static TextCall *const calls[] = {tme_key_generate, tme_token_key_generate};
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        CHECK_RESULT(calls[i](buffer, sizeof buffer - 1, &needed), TME_ERROR_BUFFER_TOO_SMALL);
        CHECK_UINT(needed, TME_KEY_TEXT_BYTES);
        CHECK_TEXT(buffer, "");
        CHECK_OK(calls[i](buffer, sizeof buffer, NULL));
        CHECK_UINT(strlen(buffer), 64);
    }
}

static void the_last_error_stays_while_it_is_asked_for(void)
{
    char buffer[8];
    size_t needed = 0;
    CHECK_INT(tme_server_send(world.server, 0, 0, "abc", 3, 0), TME_ERROR_UNKNOWN_PEER);
    TmeResult result = tme_last_error(buffer, sizeof buffer, &needed);
    CHECK_INT(result, TME_ERROR_BUFFER_TOO_SMALL);
    CHECK_TEXT(buffer, "");
    CHECK_CONTAINS(last_error(), "not connected");
    CHECK_UINT(needed, strlen(last_error()) + 1);
    /* A call that succeeds does not change it either. */
    CHECK_OK(tme_server_wake(world.server));
    CHECK_CONTAINS(last_error(), "not connected");
    /* The longest there is fits into what the header promises. */
    char name[1000];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = 0;
    uint32_t channel;
    CHECK_INT(tme_client_channel_by_name(world.clients[0], name, &channel), TME_ERROR_UNKNOWN_CHANNEL);
    CHECK_UINT(strlen(last_error()), 512);
}

static void peers_that_do_not_fit_are_counted(void)
{
    TmePeer peers[3] = {9, 9, 9};
    uint32_t count;
    connect_client(&world, NULL);
    CHECK_RESULT(tme_server_peers(world.server, NULL, 0, &count), TME_ERROR_BUFFER_TOO_SMALL);
    CHECK_UINT(count, 2);
    CHECK_ERROR(tme_server_peers(world.server, peers, 1, &count), TME_ERROR_BUFFER_TOO_SMALL, "2 peers, room for 1");
    CHECK_UINT(count, 2);
    CHECK(peers[0] != 9 && peers[1] == 9);
    CHECK_OK(tme_server_peers(world.server, peers, 3, &count));
    CHECK_UINT(count, 2);
    CHECK(peers[1] != 9 && peers[2] == 9);
    CHECK_UINT(peers[0] + peers[1], world.peers[0] + world.peers[1]);
}

static void events_that_do_not_fit_stay(void)
{
    TmeEvent events[4];
    uint32_t count;
    CHECK_OK(tme_client_send(world.clients[0], 0, "1", 1, 0));
    CHECK_OK(tme_client_send(world.clients[0], 0, "2", 1, 0));
    CHECK_OK(tme_client_send(world.clients[0], 0, "3", 1, 0));
    /* They leave, and so arrive, in one datagram. */
    for (count = 0; count == 0; step(&world))
        CHECK_OK(tme_server_poll(world.server, events, 2, &count));
    CHECK_UINT(count, 2);
    CHECK_BYTES(events[1].data, 1, "2");
    CHECK_OK(tme_server_poll(world.server, NULL, 0, &count));
    CHECK_UINT(count, 0);
    CHECK_OK(tme_server_poll(world.server, events, 4, &count));
    CHECK_UINT(count, 1);
    CHECK_BYTES(events[0].data, 1, "3");
}

int main(void)
{
    watchdog(30);
    open_world(&world, 0);
    TmeTokenConfig config = {.struct_size = sizeof config, .user = "42", .hints = "127.0.0.1:1,127.0.0.1:2"};
    CHECK_OK(tme_token_make(secret, &config, token, sizeof token, NULL));
    static TextCall *const calls[] = {server_local_address, server_public_key, client_local_address, key_public,
                                      token_make,           token_hints};
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        check_text_call(calls[i]);
    a_secret_key_is_made_only_where_it_fits();
    the_last_error_stays_while_it_is_asked_for();
    peers_that_do_not_fit_are_counted();
    events_that_do_not_fit_stay();
    close_world(&world);
    return 0;
}
