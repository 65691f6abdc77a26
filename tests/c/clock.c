/* The server's time at a client: known after a while, within its bound, never earlier than before; and ticks of it. */
#include "world.h"

static World world;

static TmeServerTime truth(void)
{
    TmeServerTime time;
    CHECK_OK(tme_server_time(world.server, &time, sizeof time));
    CHECK_UINT(time.is_synchronised, 1);
    CHECK_UINT(time.error_us + time.error_likely_us + time.input_delay_us, 0);
    return time;
}

/* What the client shows, held against what the server's clock read before and after. */
static TmeServerTime shown(void)
{
    TmeServerTime time;
    uint64_t before = truth().time_us;
    CHECK_OK(tme_client_server_time(world.clients[0], &time, sizeof time));
    uint64_t after = truth().time_us;
    CHECK_UINT(time.struct_size, sizeof time);
    CHECK(before <= time.time_us + time.error_us && time.time_us <= after + time.error_us);
    CHECK(time.error_likely_us <= time.error_us);
    CHECK(time.drift_ppm >= -1000.0 && time.drift_ppm <= 1000.0);
    return time;
}

static TmePeerStatistics asked(unsigned client)
{
    TmePeerStatistics statistics;
    CHECK_OK(tme_client_statistics(world.clients[client], &statistics, sizeof statistics));
    return statistics;
}

static TmePeerStatistics answered(void)
{
    TmePeerStatistics statistics;
    CHECK_OK(tme_server_peer_statistics(world.server, world.peers[0], &statistics, sizeof statistics));
    return statistics;
}

/* Both sides count, each what it does; figures may be 100 ms old. */
static void the_figures_count_questions_and_answers(unsigned client)
{
    TmePeerStatistics ours;
    TmePeerStatistics theirs;
    uint64_t give_up_at = now_ms() + 20000;
    do {
        CHECK(now_ms() < give_up_at);
        step(&world);
        ours = asked(client);
        theirs = answered();
    } while (ours.clock_answers < 3 || theirs.clock_answered < 3);
    CHECK(ours.clock_requests >= ours.clock_answers);
    CHECK_UINT(ours.clock_absurd + ours.clock_steps + ours.clock_answered + ours.clock_refused, 0);
    CHECK_UINT(theirs.clock_requests + theirs.clock_answers + theirs.clock_unasked + theirs.clock_absurd, 0);
    CHECK_UINT(theirs.clock_contradictions + theirs.clock_steps, 0);
}

static void the_time_is_known_after_an_event(uint32_t flags)
{
    TmeServerTime time;
    TmeServerConfig server = server_config();
    server.flags = flags & TME_CONFIG_NOTE_ARRIVALS;
    open_server(&world, &server);
    TmeClientConfig config = client_config(&world);
    config.flags = flags;
    unsigned client = add_client(&world, &config);
    CHECK_RESULT(tme_client_server_time(world.clients[client], &time, sizeof time), TME_ERROR_NOT_CONNECTED);
    CHECK_RESULT(tme_client_synchronise_clock(world.clients[client]), TME_ERROR_NOT_CONNECTED);
    expect_client_event(&world, client, TME_EVENT_CONNECTED);
    world.peers[0] = expect_server_event(&world, TME_EVENT_CONNECTED).peer;
    if (!(flags & TME_CONFIG_CLOCK)) {
        CHECK_RESULT(tme_client_server_time(world.clients[client], &time, sizeof time), TME_ERROR_NO_FIGURES);
        CHECK_UINT(asked(client).clock_requests, 0);
        CHECK_OK(tme_client_synchronise_clock(world.clients[client]));
    }
    TmeEvent event = expect_client_event(&world, client, TME_EVENT_CLOCK);
    CHECK_UINT(event.flags & TME_EVENT_FLAG_STEPPED, 0);
    CHECK_UINT(event.token + event.length + event.reason + event.channel, 0);
    CHECK(event.peer != 0);

    uint64_t last = 0;
    for (int i = 0; i < 50; i++, step(&world)) {
        time = shown();
        CHECK_UINT(time.is_synchronised, 1);
        CHECK(time.time_us >= last);
        last = time.time_us;
    }
    the_figures_count_questions_and_answers(client);
    close_world(&world);
}

static void ticks_are_counted_in_fractions(void)
{
    TmeTick tick;
    CHECK_OK(tme_tick_at(25000, 60, &tick, sizeof tick));
    CHECK_UINT(tick.tick, 1);
    CHECK_UINT(tick.begin_us, 16667);
    CHECK_UINT(tick.until_next_us, 8334);
    CHECK(tick.phase == 0.5);
    CHECK_UINT(tick.reserved, 0);
    CHECK_OK(tme_tick_at((uint64_t)86400 * 1000000, 60, &tick, sizeof tick));
    CHECK_UINT(tick.tick, 86400 * 60);
    CHECK_ERROR(tme_tick_at(0, 0, &tick, sizeof tick), TME_ERROR_ARGUMENT, "1–10000");
    CHECK_ERROR(tme_tick_at(0, 10001, &tick, sizeof tick), TME_ERROR_ARGUMENT, "10001 ticks per second");
    CHECK_RESULT(tme_tick_at(0, 60, NULL, sizeof tick), TME_ERROR_NULL);
    CHECK_UINT(strcmp(tme_event_string(TME_EVENT_CLOCK), "clock"), 0);
}

int main(void)
{
    ticks_are_counted_in_fractions();
    the_time_is_known_after_an_event(0);
    the_time_is_known_after_an_event(TME_CONFIG_CLOCK);
    the_time_is_known_after_an_event(TME_CONFIG_CLOCK | TME_CONFIG_NOTE_ARRIVALS);
    the_time_is_known_after_an_event(TME_CONFIG_CLOCK | TME_CONFIG_THREADED);
    return 0;
}
