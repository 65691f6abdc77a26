/* Proxies before a server's TCP port: which are believed, and what becomes of those who do not say for whom they speak. */
#include "world.h"

static TmeServerConfig server_behind(const char *proxies)
{
    TmeServerConfig config = server_config();
    config.flags = TME_CONFIG_LISTEN_TCP;
    config.trusted_proxies = proxies;
    return config;
}

static TmeEngineStatistics server_figures(const World *world)
{
    TmeEngineStatistics figures;
    CHECK_OK(tme_server_statistics(world->server, &figures, sizeof figures));
    return figures;
}

/* A client that comes past the proxy says nothing of that kind. */
static TmeEngineStatistics figures_after_one_past_the_proxy(const char *proxies, uint32_t links)
{
    World world;
    TmeServerConfig server = server_behind(proxies);
    open_server(&world, &server);
    TmeClientConfig client = client_config(&world);
    client.links = links;
    client.connect_timeout_ms = 1000;
    add_client(&world, &client);
    TmeEvent event = expect_client_event(&world, 0, TME_EVENT_DISCONNECTED);
    CHECK_UINT(event.reason, TME_REASON_ABORTED); /* Its stream was closed. */
    TmeEngineStatistics figures = server_figures(&world);
    CHECK_UINT(figures.peers, 0);
    CHECK_UINT(figures.streams_unlisted_proxy + figures.streams_not_tme + figures.streams_bad_upgrade, 0);
    close_world(&world);
    return figures;
}

static void who_comes_past_the_proxy_is_not_let_in(void)
{
    TmeEngineStatistics figures = figures_after_one_past_the_proxy("127.0.0.1=proxy-protocol", TME_LINK_TCP);
    CHECK(figures.streams_proxy_header > 0);
    CHECK_UINT(figures.streams_forwarded_for, 0);
    figures = figures_after_one_past_the_proxy("10.0.0.0/8=proxy-protocol,127.0.0.0/8=x-forwarded-for", TME_LINK_WEBSOCKET);
    CHECK(figures.streams_forwarded_for > 0);
    CHECK_UINT(figures.streams_proxy_header, 0);
    /* The smallest network counts. */
    figures = figures_after_one_past_the_proxy("0.0.0.0/0=proxy-protocol,127.0.0.1=x-forwarded-for", TME_LINK_TCP);
    CHECK(figures.streams_forwarded_for > 0);
}

static void who_is_no_proxy_has_an_address_of_its_own(void)
{
    World world;
    TmeServerConfig server = server_behind("198.51.100.0/24=proxy-protocol,2001:db8::/32=x-forwarded-for");
    open_server(&world, &server);
    TmeClientConfig client = client_config(&world);
    client.links = TME_LINK_WEBSOCKET;
    connect_client(&world, &client);
    TmePeerInfo info;
    CHECK_OK(tme_server_peer_info(world.server, world.peers[0], &info, sizeof info));
    CHECK_CONTAINS(info.address, "127.0.0.1:");
    TmeEngineStatistics figures = server_figures(&world);
    CHECK_UINT(figures.streams_proxy_header + figures.streams_forwarded_for + figures.streams_unlisted_proxy, 0);
    close_world(&world);
}

static void what_cannot_be_is_refused(void)
{
    static const struct {
        const char *proxies;
        TmeResult result;
        const char *detail;
    } cases[] = {
        {"", TME_ERROR_CONFIG, "expected proxy-protocol or x-forwarded-for"},
        {"10.0.0.0/8", TME_ERROR_CONFIG, "expected proxy-protocol or x-forwarded-for"},
        {"10.0.0.0/8=socks", TME_ERROR_CONFIG, "expected proxy-protocol or x-forwarded-for"},
        {"10.0.0.0/8=proxy-protocol,", TME_ERROR_CONFIG, "expected proxy-protocol or x-forwarded-for"},
        {"proxy.example=proxy-protocol", TME_ERROR_ADDRESS, "proxy.example"},
        {"10.0.0.0/33=proxy-protocol", TME_ERROR_ADDRESS, "at most 32 bits"},
        {"10.0.0.1/8=proxy-protocol", TME_ERROR_ADDRESS, "is 10.0.0.0/8 meant"},
        {"::1=proxy-protocol,::1=x-forwarded-for", TME_ERROR_CONFIG, "two ways"},
        {"\xff", TME_ERROR_UTF8, "UTF-8"},
    };
    TmeServer *server;
    TmeServerConfig config;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        config = server_behind(cases[i].proxies);
        CHECK_ERROR(tme_server_create(&config, &server), cases[i].result, cases[i].detail);
        CHECK(server == NULL);
    }
    config = server_behind("10.0.0.0/8=proxy-protocol");
    config.flags = 0;
    CHECK_ERROR(tme_server_create(&config, &server), TME_ERROR_CONFIG, "for TCP");
    config = server_behind("::ffff:10.0.0.0/104=proxy-protocol,10.0.0.0/8=proxy-protocol");
    CHECK_OK(tme_server_create(&config, &server));
    CHECK_OK(tme_server_destroy(server));
}

int main(void)
{
    watchdog(60);
    who_comes_past_the_proxy_is_not_let_in();
    who_is_no_proxy_has_an_address_of_its_own();
    what_cannot_be_is_refused();
    return 0;
}
