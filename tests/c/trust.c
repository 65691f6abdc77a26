/* Who believes whom: pinned keys, known hosts, identities, and every reason for which a connection is not made. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "world.h"

static void make_key(char secret[TME_KEY_TEXT_BYTES], char public_key[TME_KEY_TEXT_BYTES])
{
    CHECK_OK(tme_key_generate(secret, TME_KEY_TEXT_BYTES, NULL));
    CHECK_OK(tme_key_public(secret, public_key, TME_KEY_TEXT_BYTES, NULL));
}

static void keys_are_64_hexadecimal_digits(void)
{
    char secret[TME_KEY_TEXT_BYTES];
    char other[TME_KEY_TEXT_BYTES];
    char public_key[TME_KEY_TEXT_BYTES];
    make_key(secret, public_key);
    make_key(other, public_key);
    CHECK(strcmp(secret, other) != 0);
    for (size_t i = 0; i < 64; i++)
        CHECK(isxdigit((unsigned char)secret[i]) && isxdigit((unsigned char)public_key[i]));
    /* A vector of RFC 7748, section 6.1. */
    CHECK_OK(tme_key_public("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
                            public_key, sizeof public_key, NULL));
    CHECK_TEXT(public_key, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    static const char *const no_keys[] = {
        "", "77", "zzab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb00"};
    for (size_t i = 0; i < COUNT_OF(no_keys); i++)
        CHECK_RESULT(tme_key_public(no_keys[i], public_key, sizeof public_key, NULL), TME_ERROR_KEY);
}

/* Why the newest client's connection was not made. */
static TmeEvent refusal(World *world, const TmeClientConfig *config)
{
    unsigned client = add_client(world, config);
    TmeEvent event = expect_client_event(world, client, TME_EVENT_DISCONNECTED);
    CHECK_INT(tme_client_is_connected(world->clients[client]), 0);
    return event;
}

static void forget_client(World *world)
{
    world->client_count--;
    CHECK_OK(tme_client_destroy(world->clients[world->client_count]));
}

/* `flags` tells how far the refusal can be believed. */
static void expect_refusal(World *world, const TmeClientConfig *config, uint32_t reason, uint32_t flags)
{
    TmeEvent event = refusal(world, config);
    CHECK_TEXT(tme_reason_string(event.reason), tme_reason_string(reason));
    CHECK_UINT(event.flags, flags);
    forget_client(world);
}

static void only_the_pinned_server_is_believed(void)
{
    World world;
    char secret[TME_KEY_TEXT_BYTES];
    char other[TME_KEY_TEXT_BYTES];
    make_key(secret, other);
    TmeServerConfig server = server_config();
    server.key = secret;
    open_server(&world, &server);
    CHECK_TEXT(world.key, other);

    char keys[2 * TME_KEY_TEXT_BYTES];
    make_key(secret, other);
    snprintf(keys, sizeof keys, "%s,%s", other, world.key);
    TmeClientConfig client = client_config(&world);
    client.server_key = keys;
    connect_client(&world, &client);
    TmePeerInfo info;
    CHECK_OK(tme_client_server_info(world.clients[0], &info, sizeof info));
    CHECK_TEXT(info.key, world.key);
    forget_client(&world);
    expect_server_event(&world, TME_EVENT_DISCONNECTED);

    client.server_key = NULL;
    connect_client(&world, &client);
    forget_client(&world);
    expect_server_event(&world, TME_EVENT_DISCONNECTED);

    client.server_key = other;
    client.connect_timeout_ms = 1500;
    expect_refusal(&world, &client, TME_REASON_UNTRUSTED_KEY, 0);
    client.server_key = "abc";
    TmeClient *none;
    CHECK_RESULT(tme_client_create(&client, &none), TME_ERROR_KEY);
    close_world(&world);
}

static void a_key_file_holds_the_servers_key(void)
{
    World world;
    char path[256];
    char secret[TME_KEY_TEXT_BYTES];
    char public_key[TME_KEY_TEXT_BYTES];
    char line[TME_KEY_TEXT_BYTES + 1];
    make_key(secret, public_key);
    temporary_path(path, "key");
    snprintf(line, sizeof line, "%s\n", secret);
    write_file(path, line);
    TmeServerConfig server = server_config();
    server.key_file = path;
    open_server(&world, &server);
    CHECK_TEXT(world.key, public_key);
    close_world(&world);

    TmeServer *none;
    server.key = secret;
    CHECK_ERROR(tme_server_create(&server, &none), TME_ERROR_CONFIG, "both key and key_file");
    server.key = NULL;
    write_file(path, "not a key");
    CHECK_ERROR(tme_server_create(&server, &none), TME_ERROR_FILE, path);
    remove(path);
    CHECK_RESULT(tme_server_create(&server, &none), TME_ERROR_FILE);
}

static void a_server_is_known_after_the_first_time(void)
{
    World world;
    char path[256];
    temporary_path(path, "hosts");
    open_server(&world, NULL);
    TmeClientConfig client = client_config(&world);
    client.server_key = NULL;
    client.known_hosts = path;
    client.connect_timeout_ms = 1500;

    for (int visit = 0; visit < 2; visit++) {
        add_client(&world, &client);
        TmeEvent event = expect_client_event(&world, 0, TME_EVENT_CONNECTED);
        CHECK_UINT(event.flags & TME_EVENT_FLAG_FIRST_USE, visit == 0 ? TME_EVENT_FLAG_FIRST_USE : 0);
        forget_client(&world);
    }
    char *text = file_text(path);
    CHECK_CONTAINS(text, world.address);
    CHECK_CONTAINS(text, world.key);
    free(text);

    /* The server has become another one. */
    char secret[TME_KEY_TEXT_BYTES];
    char other[TME_KEY_TEXT_BYTES];
    char line[256];
    make_key(secret, other);
    snprintf(line, sizeof line, "%s %s\n", world.address, other);
    write_file(path, line);
    expect_refusal(&world, &client, TME_REASON_UNTRUSTED_KEY, 0);

    client.server_key = world.key;
    TmeClient *none;
    CHECK_ERROR(tme_client_create(&client, &none), TME_ERROR_CONFIG, "both server_key and known_hosts");
    client.server_key = NULL;
    snprintf(line, sizeof line, "%s nonsense\n", world.address);
    write_file(path, line);
    CHECK_ERROR(tme_client_create(&client, &none), TME_ERROR_FILE, "line 1");

    /* Connected all the same, though the key could not be written down. */
    CHECK_INT(remove(path), 0);
    client.known_hosts = "no such directory/hosts";
    add_client(&world, &client);
    TmeResult result = TME_OK;
    for (uint64_t end = now_ms() + 20000; result == TME_OK && now_ms() < end; tme_server_update(world.server, 1))
        result = tme_client_update(world.clients[0], 1);
    CHECK_ERROR(result, TME_ERROR_FILE, "no such directory/hosts");
    expect_client_event(&world, 0, TME_EVENT_CONNECTED);
    CHECK_OK(tme_client_update(world.clients[0], 0));
    CHECK_INT(tme_client_is_connected(world.clients[0]), 1);
    close_world(&world);
}

static void players_without_an_identity_may_be_refused(void)
{
    World world;
    TmeServerConfig server = server_config();
    server.flags = TME_CONFIG_REQUIRE_IDENTITY;
    open_server(&world, &server);
    expect_refusal(&world, NULL, TME_REASON_IDENTITY_REQUIRED, TME_EVENT_FLAG_UNAUTHENTICATED);
    char secret[TME_KEY_TEXT_BYTES];
    char public_key[TME_KEY_TEXT_BYTES];
    make_key(secret, public_key);
    TmeClientConfig client = client_config(&world);
    client.identity = secret;
    connect_client(&world, &client);
    TmePeerInfo info;
    CHECK_OK(tme_server_peer_info(world.server, world.peers[0], &info, sizeof info));
    CHECK_TEXT(info.key, public_key);
    close_world(&world);
}

static void games_must_be_the_same(void)
{
    World world;
    static const TmeChannelConfig channel = {.name = "chat", .mode = TME_CHANNEL_RELIABLE_ORDERED};
    static const TmeChannelConfig others[] = {
        {.name = "chat", .mode = TME_CHANNEL_UNRELIABLE},
        {.name = "talk", .mode = TME_CHANNEL_RELIABLE_ORDERED},
        {.name = "chat", .mode = TME_CHANNEL_RELIABLE_ORDERED, .flags = TME_CHANNEL_FLAG_ID, .id = 7},
    };
    TmeServerConfig server = server_config();
    server.application = "golf";
    server.channels = &channel;
    server.channel_count = 1;
    open_server(&world, &server);

    TmeClientConfig client = client_config(&world);
    expect_refusal(&world, &client, TME_REASON_APPLICATION, TME_EVENT_FLAG_UNAUTHENTICATED);
    client.application = "chess";
    expect_refusal(&world, &client, TME_REASON_APPLICATION, TME_EVENT_FLAG_UNAUTHENTICATED);
    client.application = "golf";
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        client.channels = &others[i];
        client.channel_count = 1;
        expect_refusal(&world, &client, TME_REASON_CHANNEL_TABLE, TME_EVENT_FLAG_REMOTE);
    }
    client.channels = &channel;
    connect_client(&world, &client);
    close_world(&world);
}

static void a_server_has_so_many_places(void)
{
    World world;
    TmeServerConfig server = server_config();
    server.max_peers = 1;
    open_server(&world, &server);
    connect_client(&world, NULL);
    TmeEvent event = refusal(&world, NULL);
    CHECK_UINT(event.reason, TME_REASON_FULL);
    CHECK_BYTES(event.data, event.length, "1 of 1 players");
    forget_client(&world);
    forget_client(&world);
    expect_server_event(&world, TME_EVENT_DISCONNECTED);
    connect_client(&world, NULL);
    close_world(&world);
}

static void both_sides_must_want_plaintext(void)
{
    static const uint32_t sides[] = {0, TME_CONFIG_PLAINTEXT};
    for (size_t i = 0; i < COUNT_OF(sides); i++)
        for (size_t j = 0; j < COUNT_OF(sides); j++) {
            World world;
            TmeServerConfig server = server_config();
            server.flags = sides[i];
            open_server(&world, &server);
            TmeClientConfig client = client_config(&world);
            client.flags = sides[j];
            if (i == j)
                connect_client(&world, &client);
            else
                expect_refusal(&world, &client, TME_REASON_SUITES, TME_EVENT_FLAG_UNAUTHENTICATED);
            close_world(&world);
        }
}

static void nobody_there_is_told_too(void)
{
    World world = {0};
    TmeClientConfig client;
    CHECK_OK(tme_client_config_init(&client, sizeof client));
    /* The discard port: nothing of ours answers there. */
    client.address = "127.0.0.1:9";
    client.connect_timeout_ms = 300;
    TmeEvent event = refusal(&world, &client);
    CHECK_TEXT(tme_reason_string(event.reason), tme_reason_string(TME_REASON_CONNECT_TIMED_OUT));
    CHECK_UINT(event.flags, 0);
    forget_client(&world);
    /* A name that RFC 6761 keeps from existing. */
    client.address = "nobody.invalid:7777";
    client.connect_timeout_ms = 5000;
    event = refusal(&world, &client);
    CHECK(event.reason == TME_REASON_UNRESOLVED || event.reason == TME_REASON_CONNECT_TIMED_OUT);
    forget_client(&world);
    /* Whoever gives up before the answer. */
    client.address = "127.0.0.1:9";
    add_client(&world, &client);
    step(&world);
    CHECK_OK(tme_client_close(world.clients[0], 0));
    CHECK_RESULT(tme_client_update(world.clients[0], 0), TME_ERROR_CLOSED);
    close_world(&world);

    TmeClient *none;
    static const char *const no_addresses[] = {"", "nowhere", "host:port", "127.0.0.1:65536"};
    for (size_t i = 0; i < COUNT_OF(no_addresses); i++) {
        client.address = no_addresses[i];
        TmeResult result = tme_client_create(&client, &none);
        CHECK(none == NULL);
        CHECK_INT(result, TME_ERROR_ADDRESS);
    }
    client.address = "127.0.0.1:9";
    client.bind = "nowhere";
    CHECK_ERROR(tme_client_create(&client, &none), TME_ERROR_ADDRESS, "\"nowhere\"");
    client.bind = "192.0.2.1:0";
    CHECK_ERROR(tme_client_create(&client, &none), TME_ERROR_BIND, "192.0.2.1");
}

int main(void)
{
    watchdog(60);
    keys_are_64_hexadecimal_digits();
    only_the_pinned_server_is_believed();
    a_key_file_holds_the_servers_key();
    a_server_is_known_after_the_first_time();
    players_without_an_identity_may_be_refused();
    games_must_be_the_same();
    a_server_has_so_many_places();
    both_sides_must_want_plaintext();
    nobody_there_is_told_too();
    return 0;
}
