/* Who is let in: connect tokens, the game's own decision, players who are there already, and how much they get. */
#include <stdio.h>
#include <time.h>

#include "world.h"

static char token_key[TME_KEY_TEXT_BYTES];

static uint64_t unix_now(void)
{
    return (uint64_t)time(NULL);
}

/* What a backend does for a player who has signed in. */
static const char *make_token(const char *key, const TmeTokenConfig *config)
{
    static char text[TME_TOKEN_TEXT_BYTES];
    CHECK_OK(tme_token_make(key, config, text, sizeof text, NULL));
    return text;
}

static TmeTokenConfig token_config(const char *user)
{
    TmeTokenConfig config;
    CHECK_OK(tme_token_config_init(&config, sizeof config));
    config.user = user;
    return config;
}

static TmeServerConfig token_server(void)
{
    TmeServerConfig config = server_config();
    config.flags = TME_CONFIG_REQUIRE_TOKEN;
    config.token_keys = token_key;
    config.server_name = "eu-1";
    return config;
}

static void forget_clients(World *world)
{
    while (world->client_count > 0) {
        world->client_count--;
        CHECK_OK(tme_client_destroy(world->clients[world->client_count]));
    }
}

static void a_token_says_what_its_backend_said(void)
{
    CHECK_OK(tme_token_key_generate(token_key, sizeof token_key, NULL));
    TmeTokenConfig config = token_config("42");
    CHECK_UINT(config.lifetime_s, 300);
    config.hints = "192.0.2.1:7777, [2001:db8::1]:7778";
    config.user_data = "role=guest";
    config.user_data_bytes = 10;
    config.issued = 1000;
    const char *text = make_token(token_key, &config);

    TmeTokenInfo info;
    CHECK_OK(tme_token_open(token_key, text, &info, sizeof info));
    CHECK_TEXT(info.user, "42");
    CHECK_UINT(info.user_bytes, 2);
    CHECK_BYTES(info.user_data, info.user_data_bytes, "role=guest");
    CHECK_UINT(info.issued, 1000);
    CHECK_UINT(info.expires, 1300);
    char hints[128];
    CHECK_OK(tme_token_hints(text, hints, sizeof hints, NULL));
    CHECK_TEXT(hints, "192.0.2.1:7777,[2001:db8::1]:7778");

    char first[TME_TOKEN_TEXT_BYTES];
    snprintf(first, sizeof first, "%s", text);
    CHECK(strcmp(make_token(token_key, &config), first) != 0);
}

static void the_largest_token_fits_into_its_text(void)
{
    char user[65];
    char name[65];
    static const char data[TME_TOKEN_USER_DATA_BYTES_MAX];
    memset(user, 'u', 64);
    memset(name, 'n', 64);
    user[64] = name[64] = 0;
    TmeTokenConfig config = token_config(user);
    config.server_name = name;
    config.user_data = data;
    config.user_data_bytes = sizeof data;
    config.hints = "[::1]:1,[::1]:2,[::1]:3,[::1]:4,[::1]:5,[::1]:6,[::1]:7,[::1]:8";
    CHECK(strlen(make_token(token_key, &config)) < TME_TOKEN_TEXT_BYTES);
}

static TmeResult make(const char *key, const TmeTokenConfig *config)
{
    char text[TME_TOKEN_TEXT_BYTES];
    return tme_token_make(key, config, text, sizeof text, NULL);
}

static void what_cannot_be_a_token_is_refused_at_the_backend(void)
{
    static const char data[TME_TOKEN_USER_DATA_BYTES_MAX + 1];
    char long_text[66];
    char public_key[TME_KEY_TEXT_BYTES];
    memset(long_text, 'x', 65);
    long_text[65] = 0;
    CHECK_OK(tme_key_public(token_key, public_key, sizeof public_key, NULL));

    TmeTokenConfig config = token_config(NULL);
    CHECK_ERROR(make(token_key, &config), TME_ERROR_TOKEN, "needs a user id");
    config.user = "";
    CHECK_RESULT(make(token_key, &config), TME_ERROR_TOKEN);
    config.user = long_text;
    CHECK_ERROR(make(token_key, &config), TME_ERROR_TOKEN, "65 bytes exceed the limit of 64");
    config = token_config("42");
    config.user_data = data;
    config.user_data_bytes = sizeof data;
    CHECK_ERROR(make(token_key, &config), TME_ERROR_TOKEN, "257 bytes exceeds the limit of 256");
    config = token_config("42");
    config.hints = "::1:1,nowhere";
    CHECK_ERROR(make(token_key, &config), TME_ERROR_ADDRESS, "192.0.2.1:7777");
    config.hints = "127.0.0.1:0";
    CHECK_ERROR(make(token_key, &config), TME_ERROR_TOKEN, "port");
    config.hints = "[::1]:1,[::1]:2,[::1]:3,[::1]:4,[::1]:5,[::1]:6,[::1]:7,[::1]:8,[::1]:9";
    CHECK_ERROR(make(token_key, &config), TME_ERROR_TOKEN, "9 address hints");
    config.hints = NULL;
    config.server_name = long_text;
    CHECK_RESULT(make(token_key, &config), TME_ERROR_TOKEN);
    config.server_name = "eu-1";
    config.server_key = public_key;
    CHECK_ERROR(make(token_key, &config), TME_ERROR_CONFIG, "both server_name and server_key");
    config.server_name = NULL;
    config.server_key = "abc";
    CHECK_RESULT(make(token_key, &config), TME_ERROR_KEY);
    config.server_key = NULL;
    CHECK_RESULT(make("abc", &config), TME_ERROR_KEY);
    CHECK_RESULT(make(NULL, &config), TME_ERROR_NULL);
    CHECK_RESULT(make(token_key, NULL), TME_ERROR_NULL);

    const char *text = make_token(token_key, &config);
    TmeTokenInfo info;
    char hints[64];
    CHECK_OK(tme_token_hints(text, hints, sizeof hints, NULL));
    CHECK_TEXT(hints, "");
    CHECK_ERROR(tme_token_open(public_key, text, &info, sizeof info), TME_ERROR_TOKEN_TEXT, "this key has not");
    static const char *const no_tokens[] = {"", "no token!", "c2hvcnQ"};
    for (size_t i = 0; i < COUNT_OF(no_tokens); i++) {
        CHECK_RESULT(tme_token_open(token_key, no_tokens[i], &info, sizeof info), TME_ERROR_TOKEN_TEXT);
        CHECK_RESULT(tme_token_hints(no_tokens[i], hints, sizeof hints, NULL), TME_ERROR_TOKEN_TEXT);
    }
    CHECK_RESULT(tme_token_hints(NULL, hints, sizeof hints, NULL), TME_ERROR_NULL);
    CHECK_RESULT(tme_token_open(token_key, NULL, &info, sizeof info), TME_ERROR_NULL);
}

static void settings_that_cannot_be_are_refused_at_the_start(void)
{
    TmeServer *none;
    char many[17 * TME_KEY_TEXT_BYTES];
    TmeServerConfig server = server_config();
    server.flags = TME_CONFIG_REQUIRE_TOKEN;
    CHECK_RESULT(tme_server_create(&server, &none), TME_ERROR_CONFIG);
    server.flags = TME_CONFIG_PLAINTEXT;
    server.token_keys = token_key;
    CHECK_RESULT(tme_server_create(&server, &none), TME_ERROR_CONFIG);
    server.flags = 0;
    server.token_keys = "abc";
    CHECK_RESULT(tme_server_create(&server, &none), TME_ERROR_KEY);
    many[0] = 0;
    for (int i = 0; i < 17; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "%s%s", i == 0 ? "" : ",", token_key);
    server.token_keys = many;
    CHECK_RESULT(tme_server_create(&server, &none), TME_ERROR_CONFIG);
    server.token_keys = NULL;
    server.server_name = "";
    CHECK_RESULT(tme_server_create(&server, &none), TME_ERROR_TOKEN);
    server.server_name = NULL;
    server.newcomers = 5;
    CHECK_ERROR(tme_server_create(&server, &none), TME_ERROR_ENUM, "5");
    server.newcomers = 0;
    server.information = "x";
    server.information_bytes = 513;
    CHECK_ERROR(tme_server_create(&server, &none), TME_ERROR_CONFIG, "513");

    TmeClient *nobody;
    TmeClientConfig client;
    CHECK_OK(tme_client_config_init(&client, sizeof client));
    client.token = "no token!";
    CHECK_RESULT(tme_client_create(&client, &nobody), TME_ERROR_TOKEN_TEXT);
}

static void a_token_lets_its_player_in(void)
{
    World world;
    TmeServerConfig server = token_server();
    open_server(&world, &server);
    TmeTokenConfig config = token_config("alice");
    config.server_key = world.key;
    config.user_data = "guest";
    config.user_data_bytes = 5;
    TmeClientConfig client = client_config(&world);
    client.token = make_token(token_key, &config);
    unsigned index = add_client(&world, &client);
    TmeEvent event = expect_server_event(&world, TME_EVENT_CONNECTED);
    CHECK_UINT(event.flags & TME_EVENT_FLAG_HAS_TOKEN, TME_EVENT_FLAG_HAS_TOKEN);
    TmePeer peer = event.peer;
    event = expect_client_event(&world, index, TME_EVENT_CONNECTED);
    CHECK_UINT(event.flags & TME_EVENT_FLAG_HAS_TOKEN, 0);

    TmeTokenInfo info;
    CHECK_OK(tme_server_peer_token(world.server, peer, &info, sizeof info));
    CHECK_TEXT(info.user, "alice");
    CHECK_BYTES(info.user_data, info.user_data_bytes, "guest");
    CHECK_UINT(info.expires - info.issued, 300);
    CHECK_RESULT(tme_server_peer_token(world.server, 12345, &info, sizeof info), TME_ERROR_UNKNOWN_PEER);
    close_world(&world);

    open_world(&world, 0);
    CHECK_OK(tme_server_peer_token(world.server, world.peers[0], &info, sizeof info));
    CHECK_UINT(info.user_bytes, 0);
    CHECK_TEXT(info.user, "");
    close_world(&world);
}

static uint64_t counted(World *world, uint32_t problem)
{
    TmeEngineStatistics s;
    CHECK_OK(tme_server_statistics(world->server, &s, sizeof s));
    switch (problem) {
    case TME_TOKEN_PROBLEM_MISSING:
        return s.tokens_missing;
    case TME_TOKEN_PROBLEM_INVALID:
        return s.tokens_invalid;
    case TME_TOKEN_PROBLEM_WRONG_AUDIENCE:
        return s.tokens_wrong_audience;
    case TME_TOKEN_PROBLEM_NOT_YET_VALID:
        return s.tokens_not_yet_valid;
    case TME_TOKEN_PROBLEM_EXPIRED:
        return s.tokens_expired;
    default:
        return s.tokens_used;
    }
}

static void expect_problem(World *world, const char *token, uint32_t problem, const char *detail)
{
    TmeClientConfig client = client_config(world);
    client.token = token;
    TmeEvent event = expect_client_event(world, add_client(world, &client), TME_EVENT_DISCONNECTED);
    CHECK_TEXT(tme_reason_string(event.reason), tme_reason_string(TME_REASON_TOKEN));
    CHECK_UINT(event.token, problem);
    CHECK_UINT(event.flags, TME_EVENT_FLAG_REMOTE);
    check_bytes(__FILE__, __LINE__, "the detail", event.data, event.length, detail, strlen(detail));
    WHILE_RESULT(world, (TmeResult)(counted(world, problem) == 0), 1);
    forget_clients(world);
}

static void what_is_wrong_with_a_token_is_told_to_its_client(void)
{
    char other_key[TME_KEY_TEXT_BYTES];
    char forged[TME_TOKEN_TEXT_BYTES];
    CHECK_OK(tme_token_key_generate(other_key, sizeof other_key, NULL));
    TmeTokenConfig good = token_config("mallory");
    TmeTokenConfig elsewhere = good;
    elsewhere.server_name = "us-1";
    TmeTokenConfig early = good;
    early.issued = unix_now() + 3600;
    TmeTokenConfig late = good;
    late.issued = unix_now() - 3600;
    late.lifetime_s = 60;
    /* One letter of what is sealed. */
    snprintf(forged, sizeof forged, "%s", make_token(token_key, &good));
    size_t place = strlen(forged) - 8;
    forged[place] = forged[place] == 'A' ? 'B' : 'A';

    struct {
        const char *key;
        const TmeTokenConfig *config;
        uint32_t problem;
        const char *detail;
    } rows[] = {
        {other_key, &good, TME_TOKEN_PROBLEM_INVALID, "invalid"},
        {token_key, &elsewhere, TME_TOKEN_PROBLEM_WRONG_AUDIENCE, "wrong audience"},
        {token_key, &early, TME_TOKEN_PROBLEM_NOT_YET_VALID, "not yet valid"},
        {token_key, &late, TME_TOKEN_PROBLEM_EXPIRED, "expired"},
    };
    TmeServerConfig server = token_server();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        World world;
        open_server(&world, &server);
        expect_problem(&world, make_token(rows[i].key, rows[i].config), rows[i].problem, rows[i].detail);
        close_world(&world);
    }

    World world;
    open_server(&world, &server);
    expect_problem(&world, NULL, TME_TOKEN_PROBLEM_MISSING, "missing");
    expect_problem(&world, forged, TME_TOKEN_PROBLEM_INVALID, "invalid");
    char used[TME_TOKEN_TEXT_BYTES];
    snprintf(used, sizeof used, "%s", make_token(token_key, &good));
    TmeClientConfig client = client_config(&world);
    client.token = used;
    connect_client(&world, &client);
    forget_clients(&world);
    expect_server_event(&world, TME_EVENT_DISCONNECTED);
    expect_problem(&world, used, TME_TOKEN_PROBLEM_USED, "used");
    TmeEngineStatistics statistics;
    CHECK_OK(tme_server_statistics(world.server, &statistics, sizeof statistics));
    CHECK_UINT(statistics.clients_refused, 3);
    close_world(&world);

    server = server_config();
    open_server(&world, &server);
    expect_problem(&world, make_token(token_key, &good), TME_TOKEN_PROBLEM_INVALID,
                   "invalid: this server takes no tokens");
    close_world(&world);
}

static void a_key_can_be_replaced_while_its_tokens_are_about(void)
{
    World world;
    char older[TME_KEY_TEXT_BYTES];
    char keys[2 * TME_KEY_TEXT_BYTES];
    CHECK_OK(tme_token_key_generate(older, sizeof older, NULL));
    snprintf(keys, sizeof keys, "%s,%s", token_key, older);
    TmeServerConfig server = token_server();
    server.token_keys = keys;
    server.tokens_issued_before_start_s = 60;
    open_server(&world, &server);
    TmeTokenConfig config = token_config("bob");
    config.issued = unix_now() - 30;
    TmeClientConfig client = client_config(&world);
    client.token = make_token(older, &config);
    connect_client(&world, &client);
    config.user = "carol";
    client.token = make_token(token_key, &config);
    connect_client(&world, &client);
    close_world(&world);
}

static void the_game_decides_with_words_of_its_own(void)
{
    static const char large[513];
    World world;
    char secret[TME_KEY_TEXT_BYTES];
    char public_key[TME_KEY_TEXT_BYTES];
    CHECK_OK(tme_key_generate(secret, sizeof secret, NULL));
    CHECK_OK(tme_key_public(secret, public_key, sizeof public_key, NULL));
    TmeServerConfig server = token_server();
    server.flags = TME_CONFIG_ASK;
    open_server(&world, &server);
    TmeTokenConfig config = token_config("dave");
    TmeClientConfig client = client_config(&world);
    client.identity = secret;
    client.token = make_token(token_key, &config);
    client.user_data = "please";
    client.user_data_bytes = 6;
    unsigned first = add_client(&world, &client);
    TmeEvent event = expect_server_event(&world, TME_EVENT_ADMISSION);
    CHECK_BYTES(event.data, event.length, "please");
    CHECK_UINT(event.flags, TME_EVENT_FLAG_HAS_KEY | TME_EVENT_FLAG_HAS_TOKEN);
    CHECK_UINT(event.token, 0);
    CHECK_TEXT(tme_event_string(event.type), "admission");
    TmePeer peer = event.peer;

    TmeApplicantInfo applicant;
    TmeTokenInfo token;
    TmePeerInfo info;
    CHECK_OK(tme_server_applicant_info(world.server, peer, &applicant, sizeof applicant));
    CHECK_UINT(applicant.peer, peer);
    CHECK_UINT(applicant.same_identity, 0);
    CHECK_TEXT(applicant.key, public_key);
    CHECK_CONTAINS(applicant.address, "127.0.0.1:");
    CHECK_OK(tme_server_peer_token(world.server, peer, &token, sizeof token));
    CHECK_TEXT(token.user, "dave");
    CHECK_RESULT(tme_server_peer_info(world.server, peer, &info, sizeof info), TME_ERROR_UNKNOWN_PEER);
    CHECK_RESULT(tme_server_send(world.server, peer, 0, "a", 1, 0), TME_ERROR_UNKNOWN_PEER);

    CHECK_ERROR(tme_server_accept(world.server, peer, large, sizeof large), TME_ERROR_TOO_LARGE, "513");
    CHECK_RESULT(tme_server_refuse(world.server, peer, TME_REASON_BANNED, large, sizeof large), TME_ERROR_TOO_LARGE);
    CHECK_RESULT(tme_server_refuse(world.server, peer, TME_REASON_TOKEN, NULL, 0), TME_ERROR_ENUM);
    CHECK_RESULT(tme_server_accept(world.server, peer, NULL, 1), TME_ERROR_NULL);
    CHECK_OK(tme_server_accept(world.server, peer, "welcome", 7));
    CHECK_RESULT(tme_server_accept(world.server, peer, NULL, 0), TME_ERROR_UNKNOWN_PEER);
    CHECK_RESULT(tme_server_refuse(world.server, peer, TME_REASON_FULL, NULL, 0), TME_ERROR_UNKNOWN_PEER);
    CHECK_RESULT(tme_server_applicant_info(world.server, peer, &applicant, sizeof applicant), TME_ERROR_UNKNOWN_PEER);
    event = expect_client_event(&world, first, TME_EVENT_CONNECTED);
    CHECK_BYTES(event.data, event.length, "welcome");
    event = expect_server_event(&world, TME_EVENT_CONNECTED);
    CHECK_UINT(event.peer, peer);
    CHECK_OK(tme_server_peer_token(world.server, peer, &token, sizeof token));
    CHECK_TEXT(token.user, "dave");

    static const uint32_t reasons[] = {TME_REASON_DENIED, TME_REASON_BANNED, TME_REASON_FULL};
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        unsigned index = add_client(&world, NULL);
        event = expect_server_event(&world, TME_EVENT_ADMISSION);
        CHECK_UINT(event.flags, 0);
        CHECK(event.data == NULL);
        CHECK_OK(tme_server_peer_token(world.server, event.peer, &token, sizeof token));
        CHECK_UINT(token.user_bytes, 0);
        CHECK_OK(tme_server_refuse(world.server, event.peer, reasons[i], "until Monday", 12));
        event = expect_server_event(&world, TME_EVENT_DISCONNECTED);
        CHECK_UINT(event.reason, reasons[i]);
        event = expect_client_event(&world, index, TME_EVENT_DISCONNECTED);
        CHECK_UINT(event.reason, reasons[i]);
        CHECK_UINT(event.flags, TME_EVENT_FLAG_REMOTE);
        CHECK_BYTES(event.data, event.length, "until Monday");
        CHECK_OK(tme_client_destroy(world.clients[index]));
        world.client_count = index;
    }
    close_world(&world);
}

static void a_game_that_does_not_decide_refuses(void)
{
    World world;
    TmeServerConfig server = server_config();
    server.flags = TME_CONFIG_ASK;
    server.decision_time_ms = 50;
    open_server(&world, &server);
    unsigned index = add_client(&world, NULL);
    TmePeer peer = expect_server_event(&world, TME_EVENT_ADMISSION).peer;
    TmeEvent event = expect_client_event(&world, index, TME_EVENT_DISCONNECTED);
    CHECK_UINT(event.reason, TME_REASON_BUSY);
    CHECK_BYTES(event.data, event.length, "the game did not decide in time");
    event = expect_server_event(&world, TME_EVENT_DISCONNECTED);
    CHECK_UINT(event.peer, peer);
    CHECK_RESULT(tme_server_accept(world.server, peer, NULL, 0), TME_ERROR_UNKNOWN_PEER);
    TmeEngineStatistics statistics;
    WHILE_RESULT(&world, (tme_server_statistics(world.server, &statistics, sizeof statistics),
                          (TmeResult)(statistics.undecided == 0)), 1);
    CHECK_UINT(statistics.undecided, 1);
    close_world(&world);
}

static void too_many_applicants_are_told_to_come_again(void)
{
    World world;
    TmeServerConfig server = server_config();
    server.flags = TME_CONFIG_ASK;
    server.applicants_max = 1;
    open_server(&world, &server);
    add_client(&world, NULL);
    expect_server_event(&world, TME_EVENT_ADMISSION);
    TmeEvent event = expect_client_event(&world, add_client(&world, NULL), TME_EVENT_DISCONNECTED);
    CHECK_UINT(event.reason, TME_REASON_BUSY);
    close_world(&world);
}

/* A server with this policy, and a player who is there and comes again. */
static void open_twice(World *world, uint32_t newcomers)
{
    static char secret[TME_KEY_TEXT_BYTES];
    CHECK_OK(tme_key_generate(secret, sizeof secret, NULL));
    TmeServerConfig server = server_config();
    server.newcomers = newcomers;
    open_server(world, &server);
    TmeClientConfig client = client_config(world);
    client.identity = secret;
    connect_client(world, &client);
    add_client(world, &client);
}

static void the_newest_connection_of_a_player_wins(void)
{
    static const uint32_t policies[] = {0, TME_NEWCOMERS_REPLACE};
    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        World world;
        open_twice(&world, policies[i]);
        TmeEvent event = expect_server_event(&world, TME_EVENT_DISCONNECTED);
        CHECK_UINT(event.peer, world.peers[0]);
        CHECK_UINT(event.reason, TME_REASON_REPLACED);
        expect_server_event(&world, TME_EVENT_CONNECTED);
        CHECK_UINT(expect_client_event(&world, 0, TME_EVENT_DISCONNECTED).reason, TME_REASON_REPLACED);
        expect_client_event(&world, 1, TME_EVENT_CONNECTED);
        TmeEngineStatistics statistics;
        WHILE_RESULT(&world, (tme_server_statistics(world.server, &statistics, sizeof statistics),
                              (TmeResult)(statistics.peers_replaced == 0)), 1);
        close_world(&world);
    }
}

static void other_policies_for_newcomers(void)
{
    World world;
    open_twice(&world, TME_NEWCOMERS_REFUSE);
    TmeEvent event = expect_client_event(&world, 1, TME_EVENT_DISCONNECTED);
    CHECK_UINT(event.reason, TME_REASON_DENIED);
    CHECK_BYTES(event.data, event.length, "already connected");
    close_world(&world);

    open_twice(&world, TME_NEWCOMERS_ALLOW);
    expect_server_event(&world, TME_EVENT_CONNECTED);
    expect_client_event(&world, 1, TME_EVENT_CONNECTED);
    CHECK_INT(tme_client_is_connected(world.clients[0]), 1);
    close_world(&world);

    open_twice(&world, TME_NEWCOMERS_ASK);
    event = expect_server_event(&world, TME_EVENT_ADMISSION);
    CHECK_UINT(event.token, world.peers[0]);
    TmeApplicantInfo applicant;
    CHECK_OK(tme_server_applicant_info(world.server, event.peer, &applicant, sizeof applicant));
    CHECK_UINT(applicant.same_identity, world.peers[0]);
    CHECK_OK(tme_server_accept(world.server, event.peer, NULL, 0));
    CHECK_UINT(expect_client_event(&world, 0, TME_EVENT_DISCONNECTED).reason, TME_REASON_REPLACED);
    expect_client_event(&world, 1, TME_EVENT_CONNECTED);
    close_world(&world);
}

static uint64_t server_pace(World *world)
{
    TmePeerStatistics statistics;
    CHECK_OK(tme_server_peer_statistics(world->server, world->peers[0], &statistics, sizeof statistics));
    return statistics.pacing_rate;
}

static uint64_t client_pace(World *world)
{
    TmePeerStatistics statistics;
    CHECK_OK(tme_client_statistics(world->clients[0], &statistics, sizeof statistics));
    return statistics.pacing_rate;
}

static void a_connection_gets_as_much_as_is_set(void)
{
    World world;
    TmeServerConfig server = server_config();
    server.rate_cap = 30000;
    open_server(&world, &server);
    TmeClientConfig client = client_config(&world);
    client.rate_cap = 20000;
    connect_client(&world, &client);
    WHILE_RESULT(&world, (TmeResult)(server_pace(&world) == 30000 && client_pace(&world) == 20000), 0);
    CHECK_OK(tme_server_set_rate_cap(world.server, world.peers[0], 5000));
    CHECK_OK(tme_client_set_rate_cap(world.clients[0], 4000));
    WHILE_RESULT(&world, (TmeResult)(server_pace(&world) == 5000 && client_pace(&world) == 4000), 0);
    CHECK_OK(tme_server_set_rate_cap(world.server, world.peers[0], 0));
    CHECK_OK(tme_client_set_rate_cap(world.clients[0], 0));
    WHILE_RESULT(&world, (TmeResult)(server_pace(&world) > 30000 && client_pace(&world) > 20000), 0);
    CHECK_RESULT(tme_server_set_rate_cap(world.server, 12345, 0), TME_ERROR_UNKNOWN_PEER);
    CHECK_OK(tme_server_kick(world.server, world.peers[0], 0, NULL, 0));
    expect_client_event(&world, 0, TME_EVENT_DISCONNECTED);
    CHECK_RESULT(tme_client_set_rate_cap(world.clients[0], 0), TME_ERROR_NOT_CONNECTED);
    close_world(&world);
}

int main(void)
{
    watchdog(60);
    a_token_says_what_its_backend_said();
    the_largest_token_fits_into_its_text();
    what_cannot_be_a_token_is_refused_at_the_backend();
    settings_that_cannot_be_are_refused_at_the_start();
    a_token_lets_its_player_in();
    what_is_wrong_with_a_token_is_told_to_its_client();
    a_key_can_be_replaced_while_its_tokens_are_about();
    the_game_decides_with_words_of_its_own();
    a_game_that_does_not_decide_refuses();
    too_many_applicants_are_told_to_come_again();
    the_newest_connection_of_a_player_wins();
    other_policies_for_newcomers();
    a_connection_gets_as_much_as_is_set();
    return 0;
}
