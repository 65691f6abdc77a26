/* What a caller can get wrong beside the handle: NULL for each pointer, texts that are no UTF-8, unknown flags and
 * values, and sizes that cannot be. Nothing of it is taken, and nothing breaks. */
#include "world.h"

#define NOT_UTF8 "\xC3("

static World world;
static TmeServer *server;
static TmeClient *client;
static TmePeer peer;

static TmeEvent events[4];
static TmeChannelStatistics channel_statistics;
static TmeConditionStatistics condition_statistics;
static TmeBroadcast outcome;
static TmeMessage *message;
static const void *bytes;
static void *place;
static size_t length;
static uint32_t count;
static char text[128];

static void null_pointers_are_refused(void)
{
    TmeMessage *made;
    CHECK_OK(tme_message_create(1, &made));
    struct {
        TmeResult result;
        const char *call;
    } rows[] = {
#define ROW(call) {call, #call}
        ROW(tme_server_create(NULL, NULL)),
        ROW(tme_client_create(NULL, NULL)),
        ROW(tme_client_create_echo(NULL, NULL)),
        ROW(tme_server_config_init(NULL, sizeof(TmeServerConfig))),
        ROW(tme_client_config_init(NULL, sizeof(TmeClientConfig))),
        ROW(tme_send_options_init(NULL, sizeof(TmeSendOptions))),
        ROW(tme_conditions_init(NULL, sizeof(TmeConditions))),
        ROW(tme_conditions_preset("lan", TME_PATH_UP, NULL, sizeof(TmeConditions))),
        ROW(tme_conditions_preset(NULL, TME_PATH_UP, &(TmeConditions){0}, sizeof(TmeConditions))),
        ROW(tme_log_config_init(NULL, sizeof(TmeLogConfig))),
        ROW(tme_log_init(NULL)),
        ROW(tme_key_public(NULL, text, sizeof text, NULL)),
        ROW(tme_message_create(1, NULL)),
        ROW(tme_message_retain(1, NULL)),
        ROW(tme_message_clone(made, NULL)),
        ROW(tme_message_bytes(made, NULL, &length)),
        ROW(tme_message_bytes(made, &bytes, NULL)),
        ROW(tme_message_writable(made, NULL, &length)),
        ROW(tme_message_writable(made, &place, NULL)),
        ROW(tme_server_poll(server, NULL, 4, &count)),
        ROW(tme_server_poll(server, events, 4, NULL)),
        ROW(tme_server_poll(server, NULL, 0, NULL)),
        ROW(tme_server_send(server, peer, 0, NULL, 3, 0)),
        ROW(tme_server_send_with(server, peer, 0, NULL, 3, NULL)),
        ROW(tme_server_send_message(server, peer, 0, NULL, NULL)),
        ROW(tme_server_broadcast(server, 0, NULL, 3, 0, &outcome)),
        ROW(tme_server_broadcast_except(server, peer, 0, NULL, 3, 0, &outcome)),
        ROW(tme_server_broadcast_with(server, 0, NULL, 3, NULL, &outcome)),
        ROW(tme_server_broadcast_message(server, 0, NULL, NULL, &outcome)),
        ROW(tme_server_multicast(server, NULL, 1, 0, "abc", 3, NULL, &outcome)),
        ROW(tme_server_multicast(server, &peer, 1, 0, NULL, 3, NULL, &outcome)),
        ROW(tme_server_disconnect_with(server, peer, 1, NULL, 3)),
        ROW(tme_server_kick(server, peer, 1, NULL, 3)),
        ROW(tme_server_peers(server, NULL, 4, &count)),
        ROW(tme_server_peers(server, &peer, 1, NULL)),
        ROW(tme_server_peer_info(server, peer, NULL, sizeof(TmePeerInfo))),
        ROW(tme_server_peer_by_number(server, 2, NULL)),
        ROW(tme_server_peer_statistics(server, peer, NULL, sizeof(TmePeerStatistics))),
        ROW(tme_server_channel_statistics(server, peer, 0, NULL, sizeof channel_statistics)),
        ROW(tme_server_send_budget(server, peer, 0, NULL, sizeof(TmeSendBudget))),
        ROW(tme_server_statistics(server, NULL, sizeof(TmeEngineStatistics))),
        ROW(tme_server_thread_statistics(server, 0, NULL, sizeof(TmeEngineStatistics))),
        ROW(tme_server_peer_thread(server, peer, NULL)),
        ROW(tme_server_time(server, NULL, sizeof(TmeServerTime))),
        ROW(tme_tick_at(0, 60, NULL, sizeof(TmeTick))),
        ROW(tme_server_condition_statistics(server, peer, TME_DIRECTION_INCOMING, NULL, sizeof condition_statistics)),
        ROW(tme_client_poll(client, NULL, 4, &count)),
        ROW(tme_client_poll(client, events, 4, NULL)),
        ROW(tme_client_send(client, 0, NULL, 3, 0)),
        ROW(tme_client_send_with(client, 0, NULL, 3, NULL)),
        ROW(tme_client_send_message(client, 0, NULL, NULL)),
        ROW(tme_client_server_info(client, NULL, sizeof(TmePeerInfo))),
        ROW(tme_client_channel_by_name(client, NULL, &count)),
        ROW(tme_client_channel_by_name(client, "name", NULL)),
        ROW(tme_client_disconnect(client, 1, NULL, 3)),
        ROW(tme_client_statistics(client, NULL, sizeof(TmePeerStatistics))),
        ROW(tme_client_channel_statistics(client, 0, NULL, sizeof channel_statistics)),
        ROW(tme_client_send_budget(client, 0, NULL, sizeof(TmeSendBudget))),
        ROW(tme_client_engine_statistics(client, NULL, sizeof(TmeEngineStatistics))),
        ROW(tme_client_condition_statistics(client, TME_DIRECTION_INCOMING, NULL, sizeof condition_statistics)),
#undef ROW
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_result(__FILE__, __LINE__, rows[i].call, rows[i].result, TME_ERROR_NULL);
    CHECK_OK(tme_message_release(made));
}

/* Where there are no figures yet, that is what a caller is told, whatever else is wrong. */
static void wait_for_figures(void)
{
    TmeConditions perfect;
    CHECK_OK(tme_conditions_init(&perfect, sizeof perfect));
    CHECK_OK(tme_server_set_conditions(server, peer, TME_DIRECTION_INCOMING, &perfect));
    CHECK_OK(tme_client_set_conditions(client, TME_DIRECTION_INCOMING, &perfect));
    WHILE_RESULT(&world, tme_server_condition_statistics(server, peer, TME_DIRECTION_INCOMING, &condition_statistics,
                                                         sizeof condition_statistics), TME_ERROR_NO_FIGURES);
    WHILE_RESULT(&world, tme_client_condition_statistics(client, TME_DIRECTION_INCOMING, &condition_statistics,
                                                         sizeof condition_statistics), TME_ERROR_NO_FIGURES);
    WHILE_RESULT(&world, tme_server_channel_statistics(server, peer, 0, &channel_statistics,
                                                       sizeof channel_statistics), TME_ERROR_NO_FIGURES);
    WHILE_RESULT(&world, tme_client_channel_statistics(client, 0, &channel_statistics, sizeof channel_statistics),
                 TME_ERROR_NO_FIGURES);
}

static void null_is_fine_where_it_means_something(void)
{
    CHECK_OK(tme_server_send(server, peer, 0, NULL, 0, 0));
    TmeEvent event = expect_client_event(&world, 0, TME_EVENT_MESSAGE);
    CHECK(event.data == NULL && event.length == 0 && event.message != 0);
    CHECK_OK(tme_server_broadcast(server, 0, "abc", 3, 0, NULL));
    expect_client_event(&world, 0, TME_EVENT_MESSAGE);
    CHECK_OK(tme_server_multicast(server, NULL, 0, 0, "abc", 3, NULL, NULL));
    CHECK_OK(tme_client_poll(client, NULL, 0, &count));
    CHECK_OK(tme_client_set_conditions(client, TME_DIRECTION_INCOMING, NULL));
    CHECK_OK(tme_server_local_address(server, text, sizeof text, NULL));
    TmeResult result = tme_last_error(NULL, 0, NULL);
    CHECK_INT(result, TME_ERROR_BUFFER_TOO_SMALL);
}

static void texts_must_be_utf8(void)
{
    TmeServer *no_server;
    TmeClient *no_client;
    const TmeChannelConfig channel = {.name = NOT_UTF8, .mode = TME_CHANNEL_UNRELIABLE};

    TmeServerConfig for_server;
    const char **server_texts[] = {&for_server.listen, &for_server.application, &for_server.key, &for_server.key_file};
    for (size_t i = 0; i < COUNT_OF(server_texts); i++) {
        for_server = server_config();
        *server_texts[i] = NOT_UTF8;
        CHECK_ERROR(tme_server_create(&for_server, &no_server), TME_ERROR_UTF8, "after 0 bytes");
        CHECK(no_server == NULL);
    }
    for_server = server_config();
    for_server.channels = &channel;
    for_server.channel_count = 1;
    CHECK_RESULT(tme_server_create(&for_server, &no_server), TME_ERROR_UTF8);

    TmeClientConfig for_client;
    const char **client_texts[] = {&for_client.address,     &for_client.application, &for_client.server_key,
                                   &for_client.known_hosts, &for_client.identity,    &for_client.bind};
    for (size_t i = 0; i < COUNT_OF(client_texts); i++) {
        for_client = client_config(&world);
        /* The two do not go together. */
        for_client.server_key = NULL;
        *client_texts[i] = "abc" NOT_UTF8;
        CHECK_ERROR(tme_client_create(&for_client, &no_client), TME_ERROR_UTF8, "after 3 bytes");
        CHECK_RESULT(tme_client_create_echo(&for_client, &no_client), TME_ERROR_UTF8);
        CHECK(no_client == NULL);
    }

    TmeConditions conditions;
    CHECK_RESULT(tme_conditions_preset(NOT_UTF8, TME_PATH_UP, &conditions, sizeof conditions), TME_ERROR_UTF8);
    CHECK_RESULT(tme_key_public(NOT_UTF8, text, sizeof text, NULL), TME_ERROR_UTF8);
    CHECK_RESULT(tme_client_channel_by_name(client, NOT_UTF8, &count), TME_ERROR_UTF8);
    TmeLogConfig log;
    CHECK_OK(tme_log_config_init(&log, sizeof log));
    log.file_level = TME_LOG_INFO;
    log.file_path = NOT_UTF8;
    CHECK_RESULT(tme_log_init(&log), TME_ERROR_UTF8);
}

static TmeResult create_server(uint32_t flags, const TmeChannelConfig *channel)
{
    TmeServerConfig config = server_config();
    config.flags = flags;
    config.channels = channel;
    config.channel_count = channel == NULL ? 0 : 1;
    TmeServer *none;
    TmeResult result = tme_server_create(&config, &none);
    CHECK(none == NULL);
    return result;
}

static TmeResult create_client(uint32_t flags)
{
    TmeClientConfig config = client_config(&world);
    config.flags = flags;
    TmeClient *none;
    TmeResult result = tme_client_create(&config, &none);
    CHECK(none == NULL);
    return result;
}

static void unknown_flags_are_refused(void)
{
    CHECK_ERROR(create_server(0x80000000u, NULL), TME_ERROR_FLAGS, "0x80000000");
    CHECK_ERROR(create_client(32), TME_ERROR_FLAGS, "0x20");
    CHECK_RESULT(create_server(TME_CONFIG_CLOCK, NULL), TME_ERROR_FLAGS);
    CHECK_RESULT(create_client(TME_CONFIG_REQUIRE_IDENTITY), TME_ERROR_FLAGS);
    const TmeChannelConfig channel = {.name = "name", .mode = TME_CHANNEL_UNRELIABLE, .flags = 2};
    CHECK_RESULT(create_server(0, &channel), TME_ERROR_FLAGS);

    CHECK_RESULT(tme_server_send(server, peer, 0, "abc", 3, 2), TME_ERROR_FLAGS);
    CHECK_RESULT(tme_client_send(client, 0, "abc", 3, 2), TME_ERROR_FLAGS);
    CHECK_RESULT(tme_server_broadcast(server, 0, "abc", 3, 2, &outcome), TME_ERROR_FLAGS);
    CHECK_RESULT(tme_server_broadcast_except(server, peer, 0, "abc", 3, 2, &outcome), TME_ERROR_FLAGS);
    TmeSendOptions options;
    CHECK_OK(tme_send_options_init(&options, sizeof options));
    options.flags = 6;
    CHECK_ERROR(tme_server_send_with(server, peer, 0, "abc", 3, &options), TME_ERROR_FLAGS, "0x6");
    CHECK_RESULT(tme_client_send_with(client, 0, "abc", 3, &options), TME_ERROR_FLAGS);
    CHECK_RESULT(tme_server_broadcast_with(server, 0, "abc", 3, &options, &outcome), TME_ERROR_FLAGS);
    CHECK_RESULT(tme_server_multicast(server, &peer, 1, 0, "abc", 3, &options, &outcome), TME_ERROR_FLAGS);
    CHECK_OK(tme_message_create(1, &message));
    CHECK_RESULT(tme_server_send_message(server, peer, 0, message, &options), TME_ERROR_FLAGS);
    CHECK_RESULT(tme_client_send_message(client, 0, message, &options), TME_ERROR_FLAGS);
    CHECK_RESULT(tme_server_broadcast_message(server, 0, message, &options, &outcome), TME_ERROR_FLAGS);
    CHECK_OK(tme_message_release(message));

    TmeConditions conditions;
    CHECK_OK(tme_conditions_init(&conditions, sizeof conditions));
    conditions.flags = 2;
    CHECK_RESULT(tme_server_set_conditions(server, peer, TME_DIRECTION_INCOMING, &conditions), TME_ERROR_FLAGS);
    CHECK_RESULT(tme_client_set_conditions(client, TME_DIRECTION_INCOMING, &conditions), TME_ERROR_FLAGS);
}

static void unknown_values_are_refused(void)
{
    TmeConditions conditions;
    CHECK_OK(tme_conditions_init(&conditions, sizeof conditions));
    static const uint32_t no_directions[] = {0, 3, UINT32_MAX};
    for (size_t i = 0; i < COUNT_OF(no_directions); i++) {
        uint32_t direction = no_directions[i];
        CHECK_RESULT(tme_server_set_conditions(server, peer, direction, NULL), TME_ERROR_ENUM);
        CHECK_RESULT(tme_client_set_conditions(client, direction, NULL), TME_ERROR_ENUM);
        CHECK_RESULT(tme_server_condition_statistics(server, peer, direction, &condition_statistics,
                                                     sizeof condition_statistics), TME_ERROR_ENUM);
        CHECK_RESULT(tme_client_condition_statistics(client, direction, &condition_statistics,
                                                     sizeof condition_statistics), TME_ERROR_ENUM);
        CHECK_RESULT(tme_conditions_preset("lan", direction, &conditions, sizeof conditions), TME_ERROR_ENUM);
    }
    conditions.jitter_kind = 3;
    CHECK_ERROR(tme_client_set_conditions(client, TME_DIRECTION_INCOMING, &conditions), TME_ERROR_ENUM, "3");
    CHECK_RESULT(tme_server_set_conditions(server, peer, TME_DIRECTION_INCOMING, &conditions), TME_ERROR_ENUM);

    static const uint32_t no_modes[] = {0, 6, UINT32_MAX};
    for (size_t i = 0; i < COUNT_OF(no_modes); i++) {
        const TmeChannelConfig channel = {.name = "name", .mode = no_modes[i]};
        CHECK_RESULT(create_server(0, &channel), TME_ERROR_ENUM);
    }

    TmeServer *no_server;
    TmeServerConfig server_settings = server_config();
    server_settings.congestion = TME_CONGESTION_NEW_RENO + 1;
    CHECK_ERROR(tme_server_create(&server_settings, &no_server), TME_ERROR_ENUM, "3");
    TmeClient *no_client;
    TmeClientConfig client_settings = client_config(&world);
    client_settings.congestion = TME_CONGESTION_NEW_RENO + 1;
    CHECK_ERROR(tme_client_create(&client_settings, &no_client), TME_ERROR_ENUM, "3");

    CHECK_RESULT(tme_log_set_level(0, TME_LOG_INFO), TME_ERROR_ENUM);
    CHECK_RESULT(tme_log_set_level(4, TME_LOG_INFO), TME_ERROR_ENUM);
    CHECK_ERROR(tme_log_set_level(TME_LOG_SINK_FILE, 6), TME_ERROR_ENUM, "6");
    TmeLogConfig log;
    CHECK_OK(tme_log_config_init(&log, sizeof log));
    log.console_level = 6;
    CHECK_RESULT(tme_log_init(&log), TME_ERROR_ENUM);
}

static void settings_out_of_range_are_refused(void)
{
    const struct {
        TmeResult expected;
        TmeChannelConfig channel;
    } rows[] = {
        {TME_ERROR_ARGUMENT, {.mode = TME_CHANNEL_UNRELIABLE, .priority = 256}},
        {TME_ERROR_ARGUMENT, {.mode = TME_CHANNEL_UNRELIABLE, .flags = TME_CHANNEL_FLAG_ID, .id = 256}},
        {TME_ERROR_ARGUMENT, {.mode = TME_CHANNEL_UNRELIABLE, .id = 1}},
        {TME_ERROR_ARGUMENT, {.mode = TME_CHANNEL_UNRELIABLE, .reserved = {0, 0, 0, 0, 0, 0, 1}}},
        {TME_ERROR_ARGUMENT, {.mode = TME_CHANNEL_RELIABLE_ORDERED, .redundancy = 4}},
        {TME_ERROR_CHANNELS, {.mode = TME_CHANNEL_UNRELIABLE, .weight = 1001}},
        {TME_ERROR_CHANNELS, {.mode = TME_CHANNEL_RELIABLE_LATEST, .keys_max = 65537}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK_RESULT(create_server(0, &rows[i].channel), rows[i].expected);

    TmeServer *no_server;
    TmeClient *no_client;
    static const struct {
        size_t server_field;
        size_t client_field;
        uint32_t value;
    } numbers[] = {
#define ROW(field, value) {offsetof(TmeServerConfig, field), offsetof(TmeClientConfig, field), value}
        ROW(idle_timeout_ms, 999),
        ROW(idle_timeout_ms, 3600001),
        ROW(datagram_bytes, 1199),
        ROW(datagram_bytes, 65508),
        ROW(receive_datagram_bytes_max, 1199),
        ROW(receive_datagram_bytes_max, 65528),
        ROW(message_bytes_max, 1099),
        ROW(message_bytes_max, 16777217),
        ROW(channel_credit_messages, 262145),
#undef ROW
    };
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        TmeServerConfig server_settings = server_config();
        memcpy((char *)&server_settings + numbers[i].server_field, &numbers[i].value, 4);
        CHECK_RESULT(tme_server_create(&server_settings, &no_server), TME_ERROR_CONFIG);
        TmeClientConfig client_settings = client_config(&world);
        memcpy((char *)&client_settings + numbers[i].client_field, &numbers[i].value, 4);
        CHECK_RESULT(tme_client_create(&client_settings, &no_client), TME_ERROR_CONFIG);
        CHECK_RESULT(tme_client_create_echo(&client_settings, &no_client), TME_ERROR_CONFIG);
    }
    TmeServerConfig crowded = server_config();
    crowded.max_peers = 524288;
    CHECK_RESULT(tme_server_create(&crowded, &no_server), TME_ERROR_CONFIG);
    crowded = server_config();
    crowded.channel_count = TME_CHANNELS_MAX + 1;
    CHECK_ERROR(tme_server_create(&crowded, &no_server), TME_ERROR_CHANNELS, "33 channels");
    crowded.channel_count = 1;
    CHECK_RESULT(tme_server_create(&crowded, &no_server), TME_ERROR_NULL);
    static const char long_text[513];
    TmeClientConfig talkative = client_config(&world);
    talkative.user_data = long_text;
    talkative.user_data_bytes = sizeof long_text;
    CHECK_ERROR(tme_client_create(&talkative, &no_client), TME_ERROR_CONFIG, "513 bytes exceeds the limit of 512");
    talkative.user_data = NULL;
    talkative.user_data_bytes = 512;
    CHECK_RESULT(tme_client_create(&talkative, &no_client), TME_ERROR_NULL);
}

static void lengths_that_cannot_be_are_refused(void)
{
    static const size_t absurd[] = {SIZE_MAX, SIZE_MAX / 2 + 1};
    for (size_t i = 0; i < COUNT_OF(absurd); i++) {
        size_t huge = absurd[i];
        CHECK_RESULT(tme_server_send(server, peer, 0, "abc", huge, 0), TME_ERROR_LENGTH);
        CHECK_RESULT(tme_server_send_with(server, peer, 0, "abc", huge, NULL), TME_ERROR_LENGTH);
        CHECK_RESULT(tme_client_send(client, 0, "abc", huge, 0), TME_ERROR_LENGTH);
        CHECK_RESULT(tme_client_send_with(client, 0, "abc", huge, NULL), TME_ERROR_LENGTH);
        CHECK_RESULT(tme_server_broadcast(server, 0, "abc", huge, 0, &outcome), TME_ERROR_LENGTH);
        CHECK_RESULT(tme_server_broadcast_except(server, peer, 0, "abc", huge, 0, &outcome), TME_ERROR_LENGTH);
        CHECK_RESULT(tme_server_broadcast_with(server, 0, "abc", huge, NULL, &outcome), TME_ERROR_LENGTH);
        CHECK_RESULT(tme_server_multicast(server, &peer, 1, 0, "abc", huge, NULL, &outcome), TME_ERROR_LENGTH);
        CHECK_RESULT(tme_server_disconnect_with(server, peer, 1, "abc", huge), TME_ERROR_TOO_LARGE);
        CHECK_RESULT(tme_server_kick(server, peer, 1, "abc", huge), TME_ERROR_TOO_LARGE);
        CHECK_RESULT(tme_client_disconnect(client, 1, "abc", huge), TME_ERROR_TOO_LARGE);
        CHECK_RESULT(tme_message_create(huge, &message), TME_ERROR_TOO_LARGE);
        CHECK(message == NULL);
    }
    CHECK_ERROR(tme_server_kick(server, peer, 1, "abc", 513), TME_ERROR_TOO_LARGE, "513 bytes exceeds the limit of 512");

    /* Arrays that lie askew, by a pointer the compiler cannot judge. */
    uintptr_t askew = (uintptr_t)events + 1;
    CHECK_RESULT(tme_server_poll(server, (TmeEvent *)askew, 1, &count), TME_ERROR_LENGTH);
    CHECK_RESULT(tme_client_poll(client, (TmeEvent *)askew, 1, &count), TME_ERROR_LENGTH);
    CHECK_RESULT(tme_server_peers(server, (TmePeer *)askew, 1, &count), TME_ERROR_LENGTH);
    CHECK_RESULT(tme_server_multicast(server, (TmePeer *)askew, 1, 0, "abc", 3, NULL, NULL), TME_ERROR_LENGTH);

    /* A poll takes 4,096 events at most and so does not mind what a caller claims to have room for. */
    CHECK_OK(tme_server_poll(server, events, 0, &count));
}

int main(void)
{
    watchdog(30);
    open_world(&world, 0);
    server = world.server;
    client = world.clients[0];
    peer = world.peers[0];

    wait_for_figures();
    null_pointers_are_refused();
    null_is_fine_where_it_means_something();
    texts_must_be_utf8();
    unknown_flags_are_refused();
    unknown_values_are_refused();
    settings_out_of_range_are_refused();
    lengths_that_cannot_be_are_refused();

    /* The connection has noticed nothing of all this. */
    CHECK_OK(tme_client_send(client, 0, "still here", 10, 0));
    CHECK_BYTES(expect_server_event(&world, TME_EVENT_MESSAGE).data, 10, "still here");
    close_world(&world);
    return 0;
}
