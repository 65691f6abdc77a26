/* Every result that a call can give is given by one: each row makes its error happen and sees that the detail tells the
 * numbers. What only a broken system or a bug of ours brings about is in system_errors.c and panic.c. */
#include <stdio.h>

#include "world.h"

enum { CHAT, STATE, LATEST, CHANNELS };

static const TmeChannelConfig channels[CHANNELS] = {
    {.name = "chat", .mode = TME_CHANNEL_RELIABLE_ORDERED, .queue_messages_max = 1},
    {.name = "state", .mode = TME_CHANNEL_UNRELIABLE},
    {.name = "latest", .mode = TME_CHANNEL_RELIABLE_LATEST, .keys_max = 1},
};

static World world;
static TmeServer *server;
static TmeClient *client;
static TmePeer peer;

static TmeResult bad_address(void)
{
    TmeServer *none;
    TmeServerConfig config = server_config();
    config.listen = "nowhere";
    return tme_server_create(&config, &none);
}

static TmeResult same_channel_twice(void)
{
    TmeServer *none;
    const TmeChannelConfig twice[] = {
        {.name = "a", .mode = TME_CHANNEL_UNRELIABLE},
        {.name = "b", .mode = TME_CHANNEL_UNRELIABLE, .flags = TME_CHANNEL_FLAG_ID, .id = 0},
    };
    TmeServerConfig config = server_config();
    config.channels = twice;
    config.channel_count = 2;
    return tme_server_create(&config, &none);
}

static TmeResult short_key(void)
{
    char text[TME_KEY_TEXT_BYTES];
    return tme_key_public("abc", text, sizeof text, NULL);
}

static TmeResult missing_key_file(void)
{
    TmeServer *none;
    TmeServerConfig config = server_config();
    config.key_file = "no such directory/key";
    return tme_server_create(&config, &none);
}

static TmeResult short_idle_timeout(void)
{
    TmeServer *none;
    TmeServerConfig config = server_config();
    config.idle_timeout_ms = 999;
    return tme_server_create(&config, &none);
}

static TmeResult more_than_certain_loss(void)
{
    TmeConditions conditions = {.struct_size = sizeof conditions, .loss = 1.5};
    return tme_client_set_conditions(client, TME_DIRECTION_INCOMING, &conditions);
}

static void ignore_line(uint32_t level, const char *target, const char *text, void *user_data)
{
    (void)level;
    (void)target;
    (void)text;
    (void)user_data;
}

static TmeResult second_log(void)
{
    TmeLogConfig config = {.struct_size = sizeof config, .callback_level = TME_LOG_ERROR, .callback = ignore_line};
    CHECK_OK(tme_log_init(&config));
    return tme_log_init(&config);
}

static TmeResult token_for_nobody(void)
{
    char key[TME_KEY_TEXT_BYTES];
    char text[TME_TOKEN_TEXT_BYTES];
    TmeTokenConfig config = {.struct_size = sizeof config};
    CHECK_OK(tme_token_key_generate(key, sizeof key, NULL));
    return tme_token_make(key, &config, text, sizeof text, NULL);
}

static TmeResult token_with_a_blank(void)
{
    char text[64];
    return tme_token_hints("no token", text, sizeof text, NULL);
}

static TmeResult server_without_address(void)
{
    TmeServerInfo info;
    return tme_query_ask("nobody.invalid:7777", 5000, &info, sizeof info);
}

static TmeResult server_that_is_not_there(void)
{
    TmeServerInfo info;
    return tme_query_ask("127.0.0.1:9", 20, &info, sizeof info);
}

static TmeResult one_query_more(void)
{
    TmeQuerier *querier;
    CHECK_OK(tme_querier_create(0, &querier));
    TmeResult result = TME_OK;
    for (int i = 0; i < 1025; i++)
        result = tme_querier_ask(querier, "127.0.0.1:9", NULL);
    CHECK_OK(tme_querier_destroy(querier));
    return result;
}

static TmeResult server_12345(void)
{
    TmeDiscovery *discovery;
    TmeFoundServer info;
    const TmeDiscoveryConfig here = {.struct_size = sizeof here, .flags = TME_DISCOVERY_THIS_MACHINE};
    CHECK_OK(tme_discovery_create(&here, &discovery));
    TmeResult result = tme_discovery_server(discovery, 12345, &info, sizeof info);
    CHECK_OK(tme_discovery_destroy(discovery));
    return result;
}

#ifndef _WIN32
/* The port for players is nobody else's, so it will do. */
static TmeResult discovery_port_of_a_foreign_program(void)
{
    TmeServer *server;
    TmeServerConfig config = server_config();
    config.discoverable = "late";
    config.discovery_port = tme_server_port(world.server);
    config.flags = TME_CONFIG_DISCOVERABLE_IF_POSSIBLE;
    CHECK_OK(tme_server_create(&config, &server));
    CHECK_UINT(tme_server_discovery_port(server), 0);
    CHECK_OK(tme_server_destroy(server));
    config.flags = 0;
    return tme_server_create(&config, &server);
}
#endif

static TmeResult query_12345(void)
{
    TmeQuerier *querier;
    TmeServerInfo info;
    CHECK_OK(tme_querier_create(0, &querier));
    TmeResult result = tme_querier_server_info(querier, 12345, &info, sizeof info);
    CHECK_OK(tme_querier_destroy(querier));
    return result;
}

static TmeResult port_in_use(void)
{
    TmeServer *none;
    TmeServerConfig config = server_config();
    config.listen = world.address;
    return tme_server_create(&config, &none);
}

static TmeResult closed_server(void)
{
    TmeServer *closed;
    TmeServerConfig config = server_config();
    CHECK_OK(tme_server_create(&config, &closed));
    CHECK_OK(tme_server_shutdown(closed, 0));
    TmeResult result = tme_server_update(closed, 0);
    TmeEvent event;
    uint32_t count = 7;
    CHECK_RESULT(tme_server_poll(closed, &event, 1, &count), TME_ERROR_CLOSED);
    CHECK_UINT(count, 0);
    CHECK_RESULT(tme_server_flush(closed), TME_ERROR_CLOSED);
    CHECK_OK(tme_server_destroy(closed));
    TmeClient *echo;
    CHECK_OK(tme_client_create_echo(NULL, &echo));
    CHECK_OK(tme_client_close(echo, 0));
    CHECK_RESULT(tme_client_update(echo, 0), TME_ERROR_CLOSED);
    CHECK_OK(tme_client_destroy(echo));
    return result;
}

static TmeResult channel_99(void)
{
    TmeChannelStatistics statistics;
    TmeSendBudget budget;
    TmeBroadcast outcome;
    uint32_t channel;
    CHECK_ERROR(tme_server_send(server, peer, 256, "a", 1, 0), TME_ERROR_UNKNOWN_CHANNEL, "no channel 256");
    CHECK_ERROR(tme_server_send(server, peer, 98, "a", 1, 0), TME_ERROR_UNKNOWN_CHANNEL, "no channel 98");
    CHECK_ERROR(tme_server_broadcast(server, 99, "a", 1, 0, &outcome), TME_ERROR_UNKNOWN_CHANNEL, "no channel 99");
    CHECK_RESULT(tme_server_channel_statistics(server, peer, 99, &statistics, sizeof statistics),
                 TME_ERROR_UNKNOWN_CHANNEL);
    CHECK_RESULT(tme_server_send_budget(server, peer, 99, &budget, sizeof budget), TME_ERROR_UNKNOWN_CHANNEL);
    CHECK_RESULT(tme_client_send_budget(client, 99, &budget, sizeof budget), TME_ERROR_UNKNOWN_CHANNEL);
    CHECK_RESULT(tme_client_channel_statistics(client, 99, &statistics, sizeof statistics), TME_ERROR_UNKNOWN_CHANNEL);
    CHECK_ERROR(tme_client_channel_by_name(client, "song", &channel), TME_ERROR_UNKNOWN_CHANNEL, "song");
    return tme_client_send(client, 99, "a", 1, 0);
}

static TmeResult two_megabytes(void)
{
    static char bytes[2000000];
    TmeBroadcast outcome;
    CHECK_RESULT(tme_server_broadcast(server, CHAT, bytes, sizeof bytes, 0, &outcome), TME_PARTIAL);
    CHECK_UINT(outcome.refused, 1);
    return tme_client_send(client, CHAT, bytes, sizeof bytes, 0);
}

static TmeResult second_message_in_a_queue_of_one(void)
{
    CHECK_OK(tme_server_send(server, peer, CHAT, "a", 1, 0));
    return tme_server_send(server, peer, CHAT, "b", 1, 0);
}

static TmeResult second_key(void)
{
    TmeSendOptions options = {.struct_size = sizeof options, .key = 5};
    CHECK_OK(tme_server_send_with(server, peer, LATEST, "a", 1, &options));
    options.key = 6;
    return tme_server_send_with(server, peer, LATEST, "a", 1, &options);
}

static TmeResult key_on_a_channel_without(void)
{
    TmeSendOptions options = {.struct_size = sizeof options, .key = 5};
    TmeBroadcast outcome;
    CHECK_RESULT(tme_server_broadcast_with(server, STATE, "a", 1, &options, &outcome), TME_ERROR_KEY_NOT_ALLOWED);
    return tme_client_send_with(client, STATE, "a", 1, &options);
}

static TmeResult nobody_answers(void)
{
    TmeClient *alone;
    TmePeerInfo info;
    TmePeerStatistics statistics;
    TmeChannelStatistics channel;
    TmeSendBudget budget;
    TmeConditionStatistics condition;
    uint32_t id;
    TmeClientConfig config = client_config(&world);
    CHECK_OK(tme_client_create(&config, &alone));
    TmeResult result = tme_client_send(alone, CHAT, "a", 1, 0);
    CHECK_RESULT(tme_client_server_info(alone, &info, sizeof info), TME_ERROR_NOT_CONNECTED);
    CHECK_RESULT(tme_client_statistics(alone, &statistics, sizeof statistics), TME_ERROR_NOT_CONNECTED);
    CHECK_RESULT(tme_client_channel_statistics(alone, 0, &channel, sizeof channel), TME_ERROR_NOT_CONNECTED);
    CHECK_RESULT(tme_client_send_budget(alone, 0, &budget, sizeof budget), TME_ERROR_NOT_CONNECTED);
    CHECK_RESULT(tme_client_channel_by_name(alone, "chat", &id), TME_ERROR_NOT_CONNECTED);
    CHECK_RESULT(tme_client_disconnect(alone, 0, NULL, 0), TME_ERROR_NOT_CONNECTED);
    CHECK_RESULT(tme_client_set_conditions(alone, TME_DIRECTION_INCOMING, NULL), TME_ERROR_NOT_CONNECTED);
    CHECK_RESULT(tme_client_condition_statistics(alone, TME_DIRECTION_INCOMING, &condition, sizeof condition),
                 TME_ERROR_NOT_CONNECTED);
    CHECK_OK(tme_client_destroy(alone));
    return result;
}

static TmeResult no_handle(void)
{
    return tme_server_wake(NULL);
}

static TmeResult client_as_server(void)
{
    return tme_server_wake((TmeServer *)client);
}

static TmeResult no_struct_size(void)
{
    TmeServer *none;
    TmeServerConfig config = server_config();
    config.struct_size = 0;
    return tme_server_create(&config, &none);
}

static TmeResult newer_options(void)
{
    struct {
        TmeSendOptions known;
        uint64_t newer;
    } options = {.known = {.struct_size = sizeof options}, .newer = 1};
    return tme_client_send_with(client, CHAT, "a", 1, &options.known);
}

static TmeResult latin_name(void)
{
    uint32_t channel;
    return tme_client_channel_by_name(client, "caf\xE9", &channel);
}

static TmeResult unknown_flag(void)
{
    return tme_client_send(client, CHAT, "a", 1, 0x40);
}

static TmeResult third_direction(void)
{
    return tme_client_set_conditions(client, 3, NULL);
}

static TmeResult endless_message(void)
{
    return tme_client_send(client, CHAT, "a", SIZE_MAX, 0);
}

static TmeResult buffer_of_ten(void)
{
    char text[10];
    return tme_server_public_key(server, text, sizeof text, NULL);
}

static TmeResult unknown_preset(void)
{
    TmeConditions conditions;
    return tme_conditions_preset("pigeon", TME_PATH_UP, &conditions, sizeof conditions);
}

static void wait_long(void *waiting)
{
    CHECK_OK(tme_server_update(waiting, 10000));
}

static TmeResult second_poller(void)
{
    TmeServer *quiet;
    TmeServerConfig config = server_config();
    CHECK_OK(tme_server_create(&config, &quiet));
    Thread *waiter = thread_start(wait_long, quiet);
    TmeEvent event;
    uint32_t count;
    TmeResult result;
    while ((result = tme_server_poll(quiet, &event, 1, &count)) == TME_OK)
        sleep_ms(1);
    CHECK_OK(tme_server_wake(quiet));
    thread_join(waiter);
    CHECK_OK(tme_server_destroy(quiet));
    return result;
}

static TmeResult peer_12345(void)
{
    TmePeer found;
    return tme_server_peer_by_number(server, 12345, &found);
}

static TmeResult message_0(void)
{
    TmeMessage *none;
    return tme_message_retain(0, &none);
}

static TmeResult second_retained(void)
{
    TmeClient *echo;
    TmeClientConfig config = client_config(&world);
    config.retained_messages_max = 1;
    CHECK_OK(tme_client_create_echo(&config, &echo));
    World alone = {.clients = {echo}, .client_count = 1};
    expect_client_event(&alone, 0, TME_EVENT_CONNECTED);
    CHECK_OK(tme_client_send(echo, 0, "a", 1, 0));
    TmeMessage *first;
    TmeMessage *second;
    CHECK_OK(tme_message_retain(expect_client_event(&alone, 0, TME_EVENT_MESSAGE).message, &first));
    TmeResult result = tme_message_clone(first, &second);
    CHECK_OK(tme_client_destroy(echo));
    CHECK_OK(tme_message_release(first));
    return result;
}

static TmeResult cloned_message(void)
{
    TmeMessage *message;
    TmeMessage *copy;
    void *place;
    size_t length;
    CHECK_OK(tme_message_create(1, &message));
    CHECK_OK(tme_message_clone(message, &copy));
    CHECK_OK(tme_message_release(copy));
    TmeResult result = tme_message_writable(message, &place, &length);
    CHECK_OK(tme_message_release(message));
    return result;
}

static TmeResult figures_of_no_conditions(void)
{
    TmeConditionStatistics statistics;
    return tme_client_condition_statistics(client, TME_DIRECTION_INCOMING, &statistics, sizeof statistics);
}

int main(void)
{
    watchdog(30);
    TmeServerConfig config = server_config();
    config.channels = channels;
    config.channel_count = CHANNELS;
    open_server(&world, &config);
    connect_client(&world, NULL);
    server = world.server;
    client = world.clients[0];
    peer = world.peers[0];

    static const struct {
        TmeResult expected;
        TmeResult (*call)(void);
        const char *detail; /* what it must contain */
    } rows[] = {
        {TME_ERROR_ADDRESS, bad_address, "\"nowhere\" does not parse; expected"},
        {TME_ERROR_CHANNELS, same_channel_twice, "0"},
        {TME_ERROR_KEY, short_key, "64"},
        {TME_ERROR_FILE, missing_key_file, "no such directory/key: "},
        {TME_ERROR_CONFIG, short_idle_timeout, "999"},
        {TME_ERROR_CONDITIONS, more_than_certain_loss, "1.5"},
        {TME_ERROR_ALREADY_INSTALLED, second_log, "log"},
        {TME_ERROR_TOKEN, token_for_nobody, "user id"},
        {TME_ERROR_TOKEN_TEXT, token_with_a_blank, "base64url"},
        {TME_ERROR_UNRESOLVED, server_without_address, "nobody.invalid"},
        {TME_ERROR_NO_ANSWER, server_that_is_not_there, "no answer"},
        {TME_ERROR_TOO_MANY_QUERIES, one_query_more, "1024"},
        {TME_ERROR_BIND, port_in_use, "127.0.0.1:"},
        {TME_ERROR_CLOSED, closed_server, "closed"},
        {TME_ERROR_UNKNOWN_CHANNEL, channel_99, "channel"},
        {TME_ERROR_TOO_LARGE, two_megabytes, "message of 2000000 bytes exceeds the limit of 1048576 on channel 0"},
        {TME_ERROR_WOULD_BLOCK, second_message_in_a_queue_of_one, "channel 0"},
        {TME_ERROR_TOO_MANY_KEYS, second_key, "1"},
        {TME_ERROR_KEY_NOT_ALLOWED, key_on_a_channel_without, "channel 1"},
        {TME_ERROR_NOT_CONNECTED, nobody_answers, "not connected: wait for TME_EVENT_CONNECTED"},
        {TME_ERROR_NULL, no_handle, "NULL"},
        {TME_ERROR_HANDLE, client_as_server, "TmeServer"},
        {TME_ERROR_STRUCT_SIZE, no_struct_size, "struct_size 0"},
        {TME_ERROR_STRUCT_TAIL, newer_options, "not zero"},
        {TME_ERROR_UTF8, latin_name, "after 3 bytes"},
        {TME_ERROR_FLAGS, unknown_flag, "0x40"},
        {TME_ERROR_ENUM, third_direction, "3"},
        {TME_ERROR_LENGTH, endless_message, "long"},
        {TME_ERROR_BUFFER_TOO_SMALL, buffer_of_ten, "takes 65 bytes, the buffer has 10"},
        {TME_ERROR_ARGUMENT, unknown_preset, "\"pigeon\""},
        {TME_ERROR_BUSY, second_poller, "another thread"},
        {TME_ERROR_UNKNOWN_PEER, peer_12345, "12345"},
        {TME_ERROR_UNKNOWN_MESSAGE, message_0, "gone"},
        {TME_ERROR_TOO_MANY_RETAINED, second_retained, "1"},
        {TME_ERROR_NOT_WRITABLE, cloned_message, "new one"},
        {TME_ERROR_UNKNOWN_QUERY, query_12345, "newest poll"},
        {TME_ERROR_UNKNOWN_SERVER, server_12345, "has this id"},
#ifndef _WIN32
        /* There a port can be shared with who does not want to. */
        {TME_ERROR_DISCOVERY, discovery_port_of_a_foreign_program, "discovery port: "},
#endif
        {TME_ERROR_NO_FIGURES, figures_of_no_conditions, "network conditions"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char what[64];
        snprintf(what, sizeof what, "the row of %d", (int)rows[i].expected);
        check_result(__FILE__, __LINE__, what, rows[i].call(), rows[i].expected);
        check_contains(__FILE__, __LINE__, what, last_error(), rows[i].detail);
    }
    close_world(&world);
    return 0;
}
