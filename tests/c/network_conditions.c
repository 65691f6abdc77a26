/* A bad network made on purpose does what was asked for, and its figures add up. */
#include "world.h"

enum { MESSAGES = 400 };

static World world;

/* What the server's figures say, once they know of so many datagrams and say that nothing is on its way any more. */
static TmeConditionStatistics settled_figures(uint32_t direction, unsigned offered_min)
{
    TmeConditionStatistics figures;
    for (uint64_t end = now_ms() + 20000;; step(&world)) {
        CHECK(now_ms() < end);
        TmeResult result = tme_server_condition_statistics(world.server, world.peers[0], direction, &figures, sizeof figures);
        if (result == TME_ERROR_NO_FIGURES)
            continue;
        CHECK_OK(result);
        CHECK_UINT(figures.reserved, 0);
        uint64_t left = figures.lost + figures.burst_lost + figures.queue_dropped + figures.mtu_dropped + figures.overflow;
        if (figures.offered >= offered_min && figures.offered + figures.duplicated == figures.delivered + left)
            return figures;
    }
}

/* Sends unreliable messages to the server, one datagram each, and counts those that arrive. */
static unsigned count_arrivals(unsigned messages)
{
    unsigned arrived = 0;
    TmeEvent event;
    for (unsigned i = 0; i < messages; i++) {
        CHECK_OK(tme_client_send(world.clients[0], 1, &i, sizeof i, TME_SEND_FLUSH));
        step(&world);
        while (take_server_event(&world, &event))
            arrived += event.type == TME_EVENT_MESSAGE;
    }
    for (uint64_t end = now_ms() + 100; now_ms() < end; step(&world))
        while (take_server_event(&world, &event))
            arrived += event.type == TME_EVENT_MESSAGE;
    return arrived;
}

static void half_of_everything_is_lost(void)
{
    TmeConditions conditions;
    CHECK_OK(tme_conditions_init(&conditions, sizeof conditions));
    conditions.loss = 0.5;
    CHECK_OK(tme_server_set_conditions(world.server, world.peers[0], TME_DIRECTION_INCOMING, &conditions));
    unsigned messages = MESSAGES;
    unsigned arrived = count_arrivals(messages);
    /* Twelve standard deviations around the half. */
    CHECK(arrived > messages / 5 && arrived < messages * 4 / 5);
    TmeConditionStatistics figures = settled_figures(TME_DIRECTION_INCOMING, messages);
    CHECK(figures.lost >= messages / 5);
    CHECK_UINT(figures.duplicated + figures.corrupted + figures.mtu_dropped, 0);

    CHECK_OK(tme_server_set_conditions(world.server, world.peers[0], TME_DIRECTION_INCOMING, NULL));
    step(&world);
    CHECK_UINT(count_arrivals(100), 100);
}

static void copies_and_damage_are_counted_and_not_noticed(void)
{
    TmeConditions conditions;
    CHECK_OK(tme_conditions_init(&conditions, sizeof conditions));
    conditions.duplicate = 1.0;
    conditions.duplicate_delay_max_us = 1000;
    CHECK_OK(tme_server_set_conditions(world.server, world.peers[0], TME_DIRECTION_INCOMING, &conditions));
    step(&world);
    unsigned messages = 100;
    CHECK_UINT(count_arrivals(messages), messages);
    CHECK(settled_figures(TME_DIRECTION_INCOMING, messages).duplicated >= messages);

    conditions.duplicate = 0.0;
    conditions.corrupt = 1.0;
    CHECK_OK(tme_server_set_conditions(world.server, world.peers[0], TME_DIRECTION_INCOMING, &conditions));
    step(&world);
    CHECK_UINT(count_arrivals(messages), 0);
    CHECK(settled_figures(TME_DIRECTION_INCOMING, messages).corrupted >= messages);
    CHECK_OK(tme_server_set_conditions(world.server, world.peers[0], TME_DIRECTION_INCOMING, NULL));
}

static void a_delay_is_felt_in_both_directions(void)
{
    TmeConditions conditions;
    CHECK_OK(tme_conditions_init(&conditions, sizeof conditions));
    conditions.delay_us = 40000;
    CHECK_OK(tme_client_set_conditions(world.clients[0], TME_DIRECTION_OUTGOING, &conditions));
    CHECK_OK(tme_client_set_conditions(world.clients[0], TME_DIRECTION_INCOMING, &conditions));
    uint64_t since = now_ms();
    CHECK_OK(tme_client_send(world.clients[0], 0, "ping", 4, 0));
    expect_server_event(&world, TME_EVENT_MESSAGE);
    CHECK(now_ms() - since >= 39);
    CHECK_OK(tme_server_send(world.server, world.peers[0], 0, "pong", 4, 0));
    expect_client_event(&world, 0, TME_EVENT_MESSAGE);
    CHECK(now_ms() - since >= 79);
    TmePeerStatistics statistics = {0};
    for (uint64_t end = now_ms() + 20000; statistics.rtt_latest_us < 80000; step(&world)) {
        CHECK(now_ms() < end);
        CHECK_OK(tme_client_statistics(world.clients[0], &statistics, sizeof statistics));
    }
    CHECK_OK(tme_client_set_conditions(world.clients[0], TME_DIRECTION_OUTGOING, NULL));
    CHECK_OK(tme_client_set_conditions(world.clients[0], TME_DIRECTION_INCOMING, NULL));
}

static void every_preset_is_one(void)
{
    static const char *const presets[] = {"lan", "wifi", "wifi_bad", "lte", "transatlantic", "satellite"};
    for (size_t i = 0; i < COUNT_OF(presets); i++) {
        TmeConditions up;
        TmeConditions down;
        CHECK_OK(tme_conditions_preset(presets[i], TME_PATH_UP, &up, sizeof up));
        CHECK_OK(tme_conditions_preset(presets[i], TME_PATH_DOWN, &down, sizeof down));
        CHECK(up.delay_us > 0 && down.delay_us > 0);
        CHECK_OK(tme_client_set_conditions(world.clients[0], TME_DIRECTION_OUTGOING, &up));
        CHECK_OK(tme_client_set_conditions(world.clients[0], TME_DIRECTION_INCOMING, &down));
    }
    CHECK_OK(tme_client_set_conditions(world.clients[0], TME_DIRECTION_OUTGOING, NULL));
    CHECK_OK(tme_client_set_conditions(world.clients[0], TME_DIRECTION_INCOMING, NULL));
}

static void conditions_that_cannot_be_are_refused(void)
{
    static const TmeConditions impossible[] = {
        {.struct_size = sizeof(TmeConditions), .loss = -0.1},
        {.struct_size = sizeof(TmeConditions), .loss = 1.1},
        {.struct_size = sizeof(TmeConditions), .duplicate = 2.0},
        {.struct_size = sizeof(TmeConditions), .delay_us = 60000001},
        {.struct_size = sizeof(TmeConditions), .delay_us = UINT64_MAX},
        {.struct_size = sizeof(TmeConditions), .burst_enter = 7.0},
        {.struct_size = sizeof(TmeConditions), .corrupt = 0.1, .corrupt_bits_max = 65},
        {.struct_size = sizeof(TmeConditions), .jitter_kind = TME_JITTER_SKEWED, .jitter_us = 2, .jitter_p99_us = 1},
    };
    for (size_t i = 0; i < COUNT_OF(impossible); i++) {
        CHECK_RESULT(tme_server_set_conditions(world.server, world.peers[0], TME_DIRECTION_INCOMING, &impossible[i]),
                     TME_ERROR_CONDITIONS);
        CHECK_RESULT(tme_client_set_conditions(world.clients[0], TME_DIRECTION_OUTGOING, &impossible[i]),
                     TME_ERROR_CONDITIONS);
    }
    TmeConditions not_a_number = {.struct_size = sizeof not_a_number};
    uint64_t bits = UINT64_C(0x7FF8000000000000);
    memcpy(&not_a_number.loss, &bits, sizeof bits);
    CHECK_RESULT(tme_client_set_conditions(world.clients[0], TME_DIRECTION_OUTGOING, &not_a_number),
                 TME_ERROR_CONDITIONS);
}

int main(void)
{
    watchdog(60);
    open_world(&world, 0);
    conditions_that_cannot_be_are_refused();
    half_of_everything_is_lost();
    copies_and_damage_are_counted_and_not_noticed();
    a_delay_is_felt_in_both_directions();
    every_preset_is_one();
    close_world(&world);
    return 0;
}
