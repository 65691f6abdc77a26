/* Structs of programs that were built with an older or newer header: sizes that never were are refused, a newer tail is
 * accepted if it is zero, and nothing beyond the size that the caller gave is touched. */
#include <stdio.h>

#include "world.h"

enum {
    STRUCT_BYTES_MAX = 4096,
    NEWER_BYTES = 16,
    CANARY = 0xA5
};

/* What a struct was in the first version that had it: programs of that time must go on. */
enum {
    FIRST_SERVER_CONFIG = offsetof(TmeServerConfig, token_keys),
    FIRST_CLIENT_CONFIG = offsetof(TmeClientConfig, token),
    FIRST_PEER_INFO = offsetof(TmePeerInfo, link),
    FIRST_PEER_STATISTICS = offsetof(TmePeerStatistics, address_changes),
    FIRST_ENGINE_STATISTICS = offsetof(TmeEngineStatistics, clients_refused)
};

static World world;
/* A server that asks the game, and somebody about whom it does. */
static World asking;
static TmePeer applicant;
static const char token_key[] = "0101010101010101010101010101010101010101010101010101010101010101";
static char token[TME_TOKEN_TEXT_BYTES];
static TmeServer *ended;
static TmeQuerier *querier;
static uint64_t query;
static TmeDiscovery *discovery;
static uint64_t found;
/* Room for a struct of any size that is accepted, and a canary behind it. */
static union {
    uint64_t alignment;
    unsigned char bytes[STRUCT_BYTES_MAX + 64];
} place;

/* ---- What the library writes ---- */

typedef TmeResult Write(void *struct_, size_t size);

static TmeResult server_config_init(void *config, size_t size)
{
    return tme_server_config_init(config, size);
}

static TmeResult client_config_init(void *config, size_t size)
{
    return tme_client_config_init(config, size);
}

static TmeResult send_options_init(void *options, size_t size)
{
    return tme_send_options_init(options, size);
}

static TmeResult conditions_init(void *conditions, size_t size)
{
    return tme_conditions_init(conditions, size);
}

static TmeResult conditions_preset(void *conditions, size_t size)
{
    return tme_conditions_preset("lte", TME_PATH_DOWN, conditions, size);
}

static TmeResult log_config_init(void *config, size_t size)
{
    return tme_log_config_init(config, size);
}

static TmeResult token_config_init(void *config, size_t size)
{
    return tme_token_config_init(config, size);
}

static TmeResult token_open(void *info, size_t size)
{
    return tme_token_open(token_key, token, info, size);
}

static TmeResult server_peer_token(void *info, size_t size)
{
    return tme_server_peer_token(world.server, world.peers[0], info, size);
}

static TmeResult server_applicant_info(void *info, size_t size)
{
    return tme_server_applicant_info(asking.server, applicant, info, size);
}

static TmeResult query_ask(void *info, size_t size)
{
    return tme_query_ask(asking.address, 20000, info, size);
}

static TmeResult discovery_config_init(void *config, size_t size)
{
    return tme_discovery_config_init(config, size);
}

static TmeResult discovery_server(void *info, size_t size)
{
    return tme_discovery_server(discovery, found, info, size);
}

static TmeResult querier_server_info(void *info, size_t size)
{
    return tme_querier_server_info(querier, query, info, size);
}

static TmeResult server_peer_info(void *info, size_t size)
{
    return tme_server_peer_info(world.server, world.peers[0], info, size);
}

static TmeResult client_server_info(void *info, size_t size)
{
    return tme_client_server_info(world.clients[0], info, size);
}

static TmeResult server_peer_statistics(void *statistics, size_t size)
{
    return tme_server_peer_statistics(world.server, world.peers[0], statistics, size);
}

static TmeResult client_statistics(void *statistics, size_t size)
{
    return tme_client_statistics(world.clients[0], statistics, size);
}

static TmeResult server_channel_statistics(void *statistics, size_t size)
{
    return tme_server_channel_statistics(world.server, world.peers[0], 0, statistics, size);
}

static TmeResult client_channel_statistics(void *statistics, size_t size)
{
    return tme_client_channel_statistics(world.clients[0], 0, statistics, size);
}

static TmeResult server_send_budget(void *budget, size_t size)
{
    return tme_server_send_budget(world.server, world.peers[0], 0, budget, size);
}

static TmeResult client_send_budget(void *budget, size_t size)
{
    return tme_client_send_budget(world.clients[0], 0, budget, size);
}

static TmeResult server_statistics(void *statistics, size_t size)
{
    return tme_server_statistics(world.server, statistics, size);
}

static TmeResult client_engine_statistics(void *statistics, size_t size)
{
    return tme_client_engine_statistics(world.clients[0], statistics, size);
}

static TmeResult server_shutdown_report(void *report, size_t size)
{
    return tme_server_shutdown_report(ended, report, size);
}

static TmeResult server_time(void *time, size_t size)
{
    return tme_server_time(world.server, time, size);
}

static TmeResult tick_at(void *tick, size_t size)
{
    return tme_tick_at(12345, 60, tick, size);
}

static TmeResult server_condition_statistics(void *statistics, size_t size)
{
    return tme_server_condition_statistics(world.server, world.peers[0], TME_DIRECTION_INCOMING, statistics, size);
}

static TmeResult client_condition_statistics(void *statistics, size_t size)
{
    return tme_client_condition_statistics(world.clients[0], TME_DIRECTION_INCOMING, statistics, size);
}

static void check_all(const unsigned char *bytes, size_t count, unsigned char expected)
{
    for (size_t i = 0; i < count; i++)
        CHECK_UINT(bytes[i], expected);
}

static void check_writing(Write *write, size_t first, size_t size)
{
    /* Sizes that the struct never had; with one between two versions it would end within a field. */
    const size_t refused[] = {0, 4, first - 1, size - 8, size - 4, size - 1, STRUCT_BYTES_MAX + 1, SIZE_MAX};
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        if (refused[i] == first)
            continue; /* It has grown by as much. */
        memset(&place, CANARY, sizeof place);
        CHECK_ERROR(write(&place, refused[i]), TME_ERROR_STRUCT_SIZE, "struct_size");
        check_all(place.bytes, sizeof place, CANARY);
    }

    const size_t accepted[] = {first, size, size + NEWER_BYTES, STRUCT_BYTES_MAX};
    for (size_t i = 0; i < COUNT_OF(accepted); i++) {
        uint32_t told;
        size_t known = accepted[i] < size ? accepted[i] : size;
        memset(&place, CANARY, sizeof place);
        CHECK_OK(write(&place, accepted[i]));
        memcpy(&told, &place, sizeof told);
        CHECK_UINT(told, accepted[i]);
        check_all(place.bytes + known, accepted[i] - known, 0);
        check_all(place.bytes + accepted[i], sizeof place - accepted[i], CANARY);
    }
}

/* ---- What the library reads ---- */

typedef TmeResult Read(const void *struct_);

static TmeResult read_server_config(const void *config)
{
    TmeServer *server;
    TmeResult result = tme_server_create(config, &server);
    CHECK_OK(tme_server_destroy(server));
    return result;
}

static TmeResult read_client_config(const void *config)
{
    TmeClient *client;
    TmeResult result = tme_client_create(config, &client);
    CHECK_OK(tme_client_destroy(client));
    return result;
}

static TmeResult read_echo_config(const void *config)
{
    TmeClient *client;
    TmeResult result = tme_client_create_echo(config, &client);
    CHECK_OK(tme_client_destroy(client));
    return result;
}

static TmeResult read_token_config(const void *config)
{
    char text[TME_TOKEN_TEXT_BYTES];
    return tme_token_make(token_key, config, text, sizeof text, NULL);
}

static TmeResult read_server_options(const void *options)
{
    return tme_server_send_with(world.server, world.peers[0], 0, "abc", 3, options);
}

static TmeResult read_broadcast_options(const void *options)
{
    return tme_server_broadcast_with(world.server, 0, "abc", 3, options, NULL);
}

static TmeResult read_multicast_options(const void *options)
{
    return tme_server_multicast(world.server, world.peers, 1, 0, "abc", 3, options, NULL);
}

static TmeResult read_client_options(const void *options)
{
    return tme_client_send_with(world.clients[0], 0, "abc", 3, options);
}

static TmeResult release_if_refused(TmeResult result, TmeMessage *message)
{
    if (result < 0)
        CHECK_OK(tme_message_release(message));
    return result;
}

static TmeMessage *new_message(void)
{
    TmeMessage *message;
    CHECK_OK(tme_message_create(3, &message));
    return message;
}

static TmeResult read_server_message_options(const void *options)
{
    TmeMessage *message = new_message();
    return release_if_refused(tme_server_send_message(world.server, world.peers[0], 0, message, options), message);
}

static TmeResult read_broadcast_message_options(const void *options)
{
    TmeMessage *message = new_message();
    return release_if_refused(tme_server_broadcast_message(world.server, 0, message, options, NULL), message);
}

static TmeResult read_client_message_options(const void *options)
{
    TmeMessage *message = new_message();
    return release_if_refused(tme_client_send_message(world.clients[0], 0, message, options), message);
}

static TmeResult read_server_conditions(const void *conditions)
{
    return tme_server_set_conditions(world.server, world.peers[0], TME_DIRECTION_INCOMING, conditions);
}

static TmeResult read_client_conditions(const void *conditions)
{
    return tme_client_set_conditions(world.clients[0], TME_DIRECTION_INCOMING, conditions);
}

/* Nothing is installed: all levels are off, which is looked at after the size. */
static TmeResult read_log_config(const void *config)
{
    TmeResult result = tme_log_init(config);
    return result == TME_ERROR_CONFIG ? TME_OK : result;
}

static TmeResult read_discovery_config(const void *config)
{
    TmeDiscovery *made;
    TmeResult result = tme_discovery_create(config, &made);
    CHECK_OK(tme_discovery_destroy(made));
    return result;
}

static void check_reading(Read *read, const void *good, size_t first, size_t size)
{
    const uint32_t refused[] = {0, 4, (uint32_t)first - 1, (uint32_t)size - 1, STRUCT_BYTES_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        memset(&place, 0, sizeof place);
        memcpy(&place, good, size);
        memcpy(&place, &refused[i], sizeof refused[i]);
        CHECK_ERROR(read(&place), TME_ERROR_STRUCT_SIZE, "struct_size");
    }

    const uint32_t accepted[] = {(uint32_t)first, (uint32_t)size, (uint32_t)size + NEWER_BYTES, STRUCT_BYTES_MAX};
    for (size_t i = 0; i < COUNT_OF(accepted); i++) {
        memset(&place, CANARY, sizeof place);
        memset(&place, 0, accepted[i]);
        memcpy(&place, good, accepted[i] < size ? accepted[i] : size);
        memcpy(&place, &accepted[i], sizeof accepted[i]);
        CHECK_OK(read(&place));
        if (accepted[i] <= size)
            continue;
        place.bytes[accepted[i] - 1] = 1;
        CHECK_ERROR(read(&place), TME_ERROR_STRUCT_TAIL, "unknown to this library");
    }
}

static void a_zeroed_struct_takes_all_defaults(void)
{
    TmeServer *server;
    TmeServerConfig config = {.struct_size = sizeof config, .listen = "127.0.0.1:0"};
    CHECK_OK(tme_server_create(&config, &server));
    CHECK_OK(tme_server_destroy(server));
    TmeClient *client;
    CHECK_OK(tme_client_create_echo(&(TmeClientConfig){.struct_size = sizeof(TmeClientConfig)}, &client));
    CHECK_OK(tme_client_destroy(client));
    CHECK_OK(tme_client_create_echo(NULL, &client));
    CHECK_OK(tme_client_destroy(client));
    CHECK_OK(read_client_options(&(TmeSendOptions){.struct_size = sizeof(TmeSendOptions)}));
    CHECK_OK(read_client_conditions(&(TmeConditions){.struct_size = sizeof(TmeConditions)}));
}

static void reserved_fields_must_be_zero(void)
{
    TmeServer *server;
    TmeClient *client;
    CHECK_RESULT(tme_server_create(&(TmeServerConfig){.struct_size = sizeof(TmeServerConfig), .network_threads = 65}, &server),
                 TME_ERROR_CONFIG);
    /* What was reserved once is refused as what it has become. */
    CHECK_RESULT(tme_server_create(&(TmeServerConfig){.struct_size = sizeof(TmeServerConfig), .browsers = 4}, &server),
                 TME_ERROR_ENUM);
    CHECK_RESULT(tme_client_create(&(TmeClientConfig){.struct_size = sizeof(TmeClientConfig), .links = 4}, &client),
                 TME_ERROR_ENUM);
    CHECK_RESULT(read_client_options(&(TmeSendOptions){.struct_size = sizeof(TmeSendOptions), .reserved = 1}),
                 TME_ERROR_STRUCT_TAIL);
    TmeTokenConfig player = {.struct_size = sizeof player, .reserved = 1, .user = "42"};
    CHECK_RESULT(read_token_config(&player), TME_ERROR_STRUCT_TAIL);
    TmeDiscovery *discovery;
    CHECK_RESULT(tme_discovery_create(&(TmeDiscoveryConfig){.struct_size = sizeof(TmeDiscoveryConfig), .reserved = 1},
                                      &discovery), TME_ERROR_STRUCT_TAIL);
    TmeLogConfig log;
    CHECK_OK(tme_log_config_init(&log, sizeof log));
    log.reserved = 1;
    CHECK_RESULT(tme_log_init(&log), TME_ERROR_STRUCT_TAIL);
}

int main(void)
{
    watchdog(30);
    open_world(&world, 0);
    TmeConditions perfect;
    CHECK_OK(tme_conditions_init(&perfect, sizeof perfect));
    CHECK_OK(tme_server_set_conditions(world.server, world.peers[0], TME_DIRECTION_INCOMING, &perfect));
    CHECK_OK(tme_client_set_conditions(world.clients[0], TME_DIRECTION_INCOMING, &perfect));
    WHILE_RESULT(&world, server_condition_statistics(&place, sizeof(TmeConditionStatistics)), TME_ERROR_NO_FIGURES);
    WHILE_RESULT(&world, client_condition_statistics(&place, sizeof(TmeConditionStatistics)), TME_ERROR_NO_FIGURES);
    WHILE_RESULT(&world, server_channel_statistics(&place, sizeof(TmeChannelStatistics)), TME_ERROR_NO_FIGURES);
    WHILE_RESULT(&world, client_channel_statistics(&place, sizeof(TmeChannelStatistics)), TME_ERROR_NO_FIGURES);

    TmeTokenConfig player;
    CHECK_OK(tme_token_config_init(&player, sizeof player));
    player.user = "42";
    CHECK_OK(tme_token_make(token_key, &player, token, sizeof token, NULL));
    TmeServerConfig asker = server_config();
    asker.flags = TME_CONFIG_THREADED | TME_CONFIG_ASK;
    asker.decision_time_ms = 3600000;
    open_server(&asking, &asker);
    add_client(&asking, NULL);
    applicant = expect_server_event(&asking, TME_EVENT_ADMISSION).peer;
    TmeServerConfig plain = server_config();
    CHECK_OK(tme_server_create(&plain, &ended));
    CHECK_OK(tme_server_shutdown(ended, 0));
    CHECK_OK(tme_querier_create(20000, &querier));
    CHECK_OK(tme_querier_ask(querier, asking.address, &query));
    TmeEvent answer;
    uint32_t count;
    CHECK_OK(tme_querier_update(querier, 20000));
    CHECK_OK(tme_querier_poll(querier, &answer, 1, &count));
    CHECK_UINT(count, 1);

    /* Its own server, for a discovery that finds only servers of this process. */
    char game[64];
    snprintf(game, sizeof game, "struct sizes %llu", (unsigned long long)now_ms());
    TmeServerConfig findable = server_config();
    findable.flags = TME_CONFIG_THREADED;
    findable.application = game;
    findable.discoverable = "here";
    TmeServer *found_server;
    CHECK_OK(tme_server_create(&findable, &found_server));
    const TmeDiscoveryConfig here = {.struct_size = sizeof here, .flags = TME_DISCOVERY_THIS_MACHINE, .application = game};
    CHECK_OK(tme_discovery_create(&here, &discovery));
    for (uint64_t give_up_at = now_ms() + 20000; found == 0;) {
        CHECK(now_ms() < give_up_at);
        CHECK_OK(tme_discovery_search(discovery, 50));
        (void)tme_discovery_servers(discovery, &found, 1, &count);
    }

    static const struct {
        Write *write;
        size_t size;
        size_t first; /* 0: the same */
    } written[] = {
        {server_config_init, sizeof(TmeServerConfig), FIRST_SERVER_CONFIG},
        {client_config_init, sizeof(TmeClientConfig), FIRST_CLIENT_CONFIG},
        {token_config_init, sizeof(TmeTokenConfig), 0},
        {token_open, sizeof(TmeTokenInfo), 0},
        {server_peer_token, sizeof(TmeTokenInfo), 0},
        {server_applicant_info, sizeof(TmeApplicantInfo), 0},
        {query_ask, sizeof(TmeServerInfo), 0},
        {querier_server_info, sizeof(TmeServerInfo), 0},
        {send_options_init, sizeof(TmeSendOptions), 0},
        {conditions_init, sizeof(TmeConditions), 0},
        {conditions_preset, sizeof(TmeConditions), 0},
        {log_config_init, sizeof(TmeLogConfig), 0},
        {discovery_config_init, sizeof(TmeDiscoveryConfig), 0},
        {discovery_server, sizeof(TmeFoundServer), 0},
        {server_peer_info, sizeof(TmePeerInfo), FIRST_PEER_INFO},
        {client_server_info, sizeof(TmePeerInfo), FIRST_PEER_INFO},
        {server_peer_statistics, sizeof(TmePeerStatistics), FIRST_PEER_STATISTICS},
        {client_statistics, sizeof(TmePeerStatistics), FIRST_PEER_STATISTICS},
        {server_channel_statistics, sizeof(TmeChannelStatistics), 0},
        {client_channel_statistics, sizeof(TmeChannelStatistics), 0},
        {server_send_budget, sizeof(TmeSendBudget), 0},
        {client_send_budget, sizeof(TmeSendBudget), 0},
        {server_statistics, sizeof(TmeEngineStatistics), FIRST_ENGINE_STATISTICS},
        {server_time, sizeof(TmeServerTime), 0},
        {server_shutdown_report, sizeof(TmeShutdownReport), 0},
        {tick_at, sizeof(TmeTick), 0},
        {client_engine_statistics, sizeof(TmeEngineStatistics), FIRST_ENGINE_STATISTICS},
        {server_condition_statistics, sizeof(TmeConditionStatistics), 0},
        {client_condition_statistics, sizeof(TmeConditionStatistics), 0},
    };
    for (size_t i = 0; i < COUNT_OF(written); i++)
        check_writing(written[i].write, written[i].first ? written[i].first : written[i].size, written[i].size);

    TmeServerConfig server = server_config();
    TmeClientConfig client = client_config(&world);
    TmeSendOptions options;
    CHECK_OK(tme_send_options_init(&options, sizeof options));
    TmeLogConfig log;
    CHECK_OK(tme_log_config_init(&log, sizeof log));
    const struct {
        Read *read;
        const void *good;
        size_t size;
        size_t first; /* 0: the same */
    } read[] = {
        {read_server_config, &server, sizeof server, FIRST_SERVER_CONFIG},
        {read_client_config, &client, sizeof client, FIRST_CLIENT_CONFIG},
        {read_echo_config, &client, sizeof client, FIRST_CLIENT_CONFIG},
        {read_token_config, &player, sizeof player, 0},
        {read_server_options, &options, sizeof options, 0},
        {read_broadcast_options, &options, sizeof options, 0},
        {read_multicast_options, &options, sizeof options, 0},
        {read_client_options, &options, sizeof options, 0},
        {read_server_message_options, &options, sizeof options, 0},
        {read_broadcast_message_options, &options, sizeof options, 0},
        {read_client_message_options, &options, sizeof options, 0},
        {read_server_conditions, &perfect, sizeof perfect, 0},
        {read_client_conditions, &perfect, sizeof perfect, 0},
        {read_log_config, &log, sizeof log, 0},
        {read_discovery_config, &here, sizeof here, 0},
    };
    for (size_t i = 0; i < COUNT_OF(read); i++)
        check_reading(read[i].read, read[i].good, read[i].first ? read[i].first : read[i].size, read[i].size);

    a_zeroed_struct_takes_all_defaults();
    reserved_fields_must_be_zero();
    CHECK_OK(tme_querier_destroy(querier));
    CHECK_OK(tme_server_destroy(ended));
    CHECK_OK(tme_discovery_destroy(discovery));
    CHECK_OK(tme_server_destroy(found_server));
    close_world(&asking);
    close_world(&world);
    return 0;
}
