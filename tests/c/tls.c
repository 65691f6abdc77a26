/* TLS around streams: whom a client believes, what becomes of a certificate that does not match, and settings that cannot be. */
#include <certificates.h>
#include <stdio.h>

#include "world.h"

static TmeServerConfig server_with(const char *certificate)
{
    TmeServerConfig config = server_config();
    config.flags = TME_CONFIG_LISTEN_TCP;
    config.tls_certificate_file = certificate;
    config.tls_key_file = CERTIFICATE_KEY_FILE;
    return config;
}

/* Of what the system trusts only the certificates in this file are left. */
static void let_system_trust(const char *file)
{
    set_environment("SSL_CERT_DIR", NULL);
    set_environment("SSL_CERT_FILE", file);
}

static void forget_clients(World *world)
{
    while (world->client_count > 0)
        CHECK_OK(tme_client_destroy(world->clients[--world->client_count]));
}

static TmeEngineStatistics client_figures(const World *world, unsigned client)
{
    TmeEngineStatistics figures;
    CHECK_OK(tme_client_engine_statistics(world->clients[client], &figures, sizeof figures));
    return figures;
}

static TmeEngineStatistics server_figures(const World *world)
{
    TmeEngineStatistics figures;
    CHECK_OK(tme_server_statistics(world->server, &figures, sizeof figures));
    return figures;
}

/* Streams that have ended for a reason of TLS. */
static uint64_t tls_failures(const TmeEngineStatistics *figures)
{
    return figures->streams_certificate_name + figures->streams_certificate_time +
           figures->streams_certificate_untrusted + figures->streams_tls_failed;
}

static void expect_conversation(World *world, const TmeClientConfig *config)
{
    TmeEngineStatistics before = server_figures(world);
    connect_client(world, config);
    uint32_t link;
    CHECK_OK(tme_client_link(world->clients[0], &link));
    CHECK_UINT(link, config->links);
    CHECK_OK(tme_client_send(world->clients[0], 0, "ping", 4, 0));
    TmeEvent event = expect_server_event(world, TME_EVENT_MESSAGE);
    CHECK_BYTES(event.data, event.length, "ping");
    CHECK_OK(tme_server_send(world->server, world->peers[0], 0, "pong", 4, 0));
    event = expect_client_event(world, 0, TME_EVENT_MESSAGE);
    CHECK_BYTES(event.data, event.length, "pong");

    TmeEngineStatistics figures = client_figures(world, 0);
    CHECK_UINT(figures.streams_opened, 1);
    CHECK_UINT(tls_failures(&figures), 0);
    /* More than the session: the server's certificate alone takes hundreds of bytes. */
    CHECK(figures.stream_bytes_received > figures.bytes_received + 500);
    CHECK(figures.stream_bytes_sent > figures.bytes_sent);
    figures = server_figures(world);
    CHECK(figures.stream_bytes_received > before.stream_bytes_received);
    CHECK(figures.stream_bytes_sent - before.stream_bytes_sent > figures.bytes_sent - before.bytes_sent + 500);
    CHECK_UINT(tls_failures(&figures), 0);

    CHECK_OK(tme_client_disconnect(world->clients[0], 0, NULL, 0));
    expect_server_event(world, TME_EVENT_DISCONNECTED);
    forget_clients(world);
}

static void who_believes_the_certificate_gets_a_session(uint32_t flags, uint32_t links)
{
    World world;
    let_system_trust(CERTIFICATE_FILE);
    TmeServerConfig server = server_with(CERTIFICATE_FILE);
    server.flags |= flags;
    open_server(&world, &server);
    TmeClientConfig client = client_config(&world);
    client.flags = flags;
    client.links = links;

    client.tls_fingerprint = CERTIFICATE_FINGERPRINT;
    expect_conversation(&world, &client);
    client.tls_fingerprint = CERTIFICATE_FINGERPRINT_COLONS;
    client.tls_name = "elsewhere.example"; /* Only the certificate itself counts. */
    expect_conversation(&world, &client);

    /* It is for the address that the client is told, too. */
    client.tls_fingerprint = client.tls_name = NULL;
    client.tls_authorities_file = CERTIFICATE_FILE;
    expect_conversation(&world, &client);
    client.tls_name = CERTIFICATE_NAME;
    expect_conversation(&world, &client);

    client.tls_authorities_file = NULL;
    client.flags |= TME_CONFIG_TLS;
    expect_conversation(&world, &client);
    close_world(&world);
}

/* The client was told why it has no connection. */
static void expect_end(World *world, unsigned client, const char *why)
{
    TmeEvent event = expect_client_event(world, client, TME_EVENT_DISCONNECTED);
    CHECK_UINT(event.reason, TME_REASON_CONNECT_TIMED_OUT);
    CHECK_UINT(event.flags + event.peer + event.token, 0);
    char detail[513] = "";
    CHECK(event.length < sizeof detail);
    memcpy(detail, event.data, event.length);
    CHECK_CONTAINS(detail, "over TCP");
    CHECK_CONTAINS(detail, why);
}

static void each_mismatch_is_told_with_its_reason(void)
{
    static const char for_another_name[] = "the server's certificate is for another name";
    static const char not_trusted[] = "the server's certificate is not trusted";
    World world;
    TmeServerConfig server = server_with(CERTIFICATE_FILE);
    open_server(&world, &server);
    TmeClientConfig good = client_config(&world);
    good.links = TME_LINK_TCP;

    TmeClientConfig client = good;
    client.tls_authorities_file = CERTIFICATE_FILE;
    client.tls_name = "elsewhere.example";
    add_client(&world, &client);
    client = good;
    client.tls_fingerprint = EXPIRED_FINGERPRINT;
    add_client(&world, &client);
    client = good;
    client.tls_authorities_file = STRANGER_FILE;
    add_client(&world, &client);
    client = good;
    client.flags = TME_CONFIG_TLS;
    let_system_trust(STRANGER_FILE);
    add_client(&world, &client);
    for (unsigned i = 0; i < 4; i++) {
        expect_end(&world, i, i == 0 ? for_another_name : not_trusted);
        TmeEngineStatistics figures = client_figures(&world, i);
        CHECK_UINT(figures.streams_certificate_name, i == 0 ? 1 : 0);
        CHECK_UINT(figures.streams_certificate_untrusted, i == 0 ? 0 : 1);
        CHECK_UINT(tls_failures(&figures), 1);
    }
    forget_clients(&world);

    /* The server knows only that they went. */
    uint64_t give_up_at = now_ms() + 20000;
    TmeEngineStatistics figures;
    do {
        CHECK(now_ms() < give_up_at);
        step(&world);
        figures = server_figures(&world);
    } while (figures.streams_open > 0 || figures.streams_accepted < 4);
    CHECK_UINT(figures.streams_tls_failed + figures.streams_closed + figures.streams_broken, 4);
    CHECK_UINT(figures.clients_refused, 0);

    /* It is as well as before, for those without TLS, too. */
    client = good;
    client.tls_fingerprint = CERTIFICATE_FINGERPRINT;
    connect_client(&world, &client);
    connect_client(&world, &good);
    close_world(&world);
}

static void a_certificate_has_its_time(void)
{
    World world;
    TmeServerConfig server = server_with(EXPIRED_FILE);
    open_server(&world, &server);
    TmeClientConfig client = client_config(&world);
    client.links = TME_LINK_TCP;
    client.tls_authorities_file = EXPIRED_FILE;
    add_client(&world, &client);
    expect_end(&world, 0, "the server's certificate is not valid now");
    TmeEngineStatistics figures = client_figures(&world, 0);
    CHECK_UINT(figures.streams_certificate_time, 1);
    CHECK_UINT(tls_failures(&figures), 1);
    forget_clients(&world);

    /* Which does not matter to those who know the certificate itself. */
    client.tls_authorities_file = NULL;
    client.tls_fingerprint = EXPIRED_FINGERPRINT;
    connect_client(&world, &client);
    close_world(&world);
}

static void who_wants_tls_does_not_do_without(void)
{
    World world;
    TmeServerConfig server = server_config();
    server.flags = TME_CONFIG_LISTEN_TCP;
    open_server(&world, &server);
    TmeClientConfig client = client_config(&world);
    client.links = TME_LINK_TCP;
    client.tls_fingerprint = CERTIFICATE_FINGERPRINT;
    add_client(&world, &client);
    expect_end(&world, 0, "");
    CHECK_UINT(server_figures(&world).streams_not_tme, 1);
    close_world(&world);
}

static void a_server_names_the_file_that_is_wrong(void)
{
    TmeServer *server;
    char missing[256];
    char garbage[256];
    temporary_path(missing, "missing.pem");
    temporary_path(garbage, "garbage.pem");
    write_file(garbage, "-----BEGIN CERTIFICATE-----\n?\n");

    TmeServerConfig config = server_with(missing);
    CHECK_ERROR(tme_server_create(&config, &server), TME_ERROR_FILE, missing);
    CHECK(server == NULL);
    config.tls_certificate_file = garbage;
    CHECK_ERROR(tme_server_create(&config, &server), TME_ERROR_FILE, garbage);
    config.tls_certificate_file = CERTIFICATE_KEY_FILE; /* No certificate in it. */
    CHECK_ERROR(tme_server_create(&config, &server), TME_ERROR_FILE, CERTIFICATE_KEY_FILE);

    config = server_with(CERTIFICATE_FILE);
    config.tls_key_file = missing;
    CHECK_ERROR(tme_server_create(&config, &server), TME_ERROR_FILE, missing);
    config.tls_key_file = TME_TEST_CERTIFICATES; /* A directory. */
    CHECK_ERROR(tme_server_create(&config, &server), TME_ERROR_FILE, TME_TEST_CERTIFICATES);
    config.tls_key_file = CERTIFICATE_FILE; /* No key in it. */
    CHECK_ERROR(tme_server_create(&config, &server), TME_ERROR_FILE, CERTIFICATE_FILE);
    config = server_with(STRANGER_FILE); /* Another key's. */
    CHECK_ERROR(tme_server_create(&config, &server), TME_ERROR_FILE, CERTIFICATE_KEY_FILE ": with " STRANGER_FILE);
    CHECK(server == NULL);
    remove(garbage);
}

static void a_server_with_half_of_it_does_not_start(void)
{
    TmeServer *server;
    TmeServerConfig config = server_with(NULL);
    CHECK_ERROR(tme_server_create(&config, &server), TME_ERROR_CONFIG, "tls_key_file");
    config = server_with(CERTIFICATE_FILE);
    config.tls_key_file = NULL;
    CHECK_ERROR(tme_server_create(&config, &server), TME_ERROR_CONFIG, "tls_certificate_file");
    config = server_with(CERTIFICATE_FILE);
    config.flags = 0;
    CHECK_ERROR(tme_server_create(&config, &server), TME_ERROR_CONFIG, "a certificate is for TCP");
    config.listen_tcp = "127.0.0.1:0"; /* Which needs no flag. */
    CHECK_OK(tme_server_create(&config, &server));
    CHECK_OK(tme_server_destroy(server));

    config = server_with("\xff");
    CHECK_RESULT(tme_server_create(&config, &server), TME_ERROR_UTF8);
    config = server_with(CERTIFICATE_FILE);
    config.tls_key_file = "\xff";
    CHECK_RESULT(tme_server_create(&config, &server), TME_ERROR_UTF8);
    config = server_with(CERTIFICATE_FILE);
    config.flags |= TME_CONFIG_TLS; /* A client's. */
    CHECK_RESULT(tme_server_create(&config, &server), TME_ERROR_FLAGS);
}

static void a_client_that_cannot_know_whom_to_believe_does_not_start(void)
{
    TmeClient *client;
    TmeClientConfig good;
    CHECK_OK(tme_client_config_init(&good, sizeof good));
    good.address = "127.0.0.1:1";
    char missing[256];
    temporary_path(missing, "missing.pem");

    TmeClientConfig config = good;
    config.tls_authorities_file = missing;
    CHECK_ERROR(tme_client_create(&config, &client), TME_ERROR_FILE, missing);
    CHECK(client == NULL);
    config.tls_authorities_file = CERTIFICATE_KEY_FILE;
    CHECK_ERROR(tme_client_create(&config, &client), TME_ERROR_FILE, CERTIFICATE_KEY_FILE ": no certificate in it");
    config.tls_authorities_file = "\xff";
    CHECK_RESULT(tme_client_create(&config, &client), TME_ERROR_UTF8);
    config.tls_authorities_file = CERTIFICATE_FILE;
    config.tls_fingerprint = CERTIFICATE_FINGERPRINT;
    CHECK_ERROR(tme_client_create(&config, &client), TME_ERROR_CONFIG, "one must be NULL");

    static const char *const no_fingerprints[] = {
        "", "77", "8efe50f2c9bddd084f75113626a195c7c11b346192a10d02e66362d9a86f9f4g", CERTIFICATE_FINGERPRINT "00",
        CERTIFICATE_FINGERPRINT_COLONS ":"};
    config = good;
    for (size_t i = 0; i < COUNT_OF(no_fingerprints); i++) {
        config.tls_fingerprint = no_fingerprints[i];
        CHECK_ERROR(tme_client_create(&config, &client), TME_ERROR_CONFIG, "tls_fingerprint: a fingerprint is 64 hex");
    }
    config.tls_fingerprint = "\xff";
    CHECK_RESULT(tme_client_create(&config, &client), TME_ERROR_UTF8);

    config = good;
    config.tls_name = CERTIFICATE_NAME;
    CHECK_ERROR(tme_client_create(&config, &client), TME_ERROR_CONFIG, "needs TLS");
    config.tls_fingerprint = CERTIFICATE_FINGERPRINT;
    config.tls_name = "a b";
    CHECK_ERROR(tme_client_create(&config, &client), TME_ERROR_CONFIG, "\"a b\" is no name of a host");
    config.tls_name = "\xff";
    CHECK_RESULT(tme_client_create(&config, &client), TME_ERROR_UTF8);

    config = good;
    config.flags = TME_CONFIG_TLS;
    let_system_trust(missing);
    CHECK_ERROR(tme_client_create(&config, &client), TME_ERROR_CONFIG, "this system has no certificate authorities");
    CHECK(client == NULL);

    /* Which an echo has no use for. */
    config.tls_name = "a b";
    CHECK_OK(tme_client_create_echo(&config, &client));
    CHECK_OK(tme_client_destroy(client));
}

int main(void)
{
    watchdog(90);
    who_believes_the_certificate_gets_a_session(0, TME_LINK_TCP);
    who_believes_the_certificate_gets_a_session(TME_CONFIG_THREADED, TME_LINK_WEBSOCKET);
    each_mismatch_is_told_with_its_reason();
    a_certificate_has_its_time();
    who_wants_tls_does_not_do_without();
    a_server_names_the_file_that_is_wrong();
    a_server_with_half_of_it_does_not_start();
    a_client_that_cannot_know_whom_to_believe_does_not_start();
    return 0;
}
