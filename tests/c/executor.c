/* Names are looked up by the host's own threads, if it wants that. */
#include <stdio.h>

#include "world.h"

enum { JOBS_MAX = 8 };

/* A host's job system that keeps what it is given until the test takes it. One client at a time calls it. */
typedef struct Shelf {
    TmeJob *jobs[JOBS_MAX];
    unsigned count;
} Shelf;

static void keep(TmeJob *job, void *user_data)
{
    Shelf *shelf = user_data;
    CHECK(job != NULL && shelf->count < JOBS_MAX);
    shelf->jobs[shelf->count++] = job;
}

static void run_at_once(TmeJob *job, void *user_data)
{
    CHECK(user_data == NULL);
    CHECK_OK(tme_job_run(job));
}

static void discard_at_once(TmeJob *job, void *user_data)
{
    CHECK(user_data == NULL);
    CHECK_OK(tme_job_discard(job));
}

static TmeJob *take(Shelf *shelf)
{
    CHECK_UINT(shelf->count, 1);
    return shelf->jobs[--shelf->count];
}

static TmeClientConfig by_name(const World *world, char *address, size_t capacity, uint32_t flags)
{
    TmeClientConfig config = client_config(world);
    snprintf(address, capacity, "localhost%s", strrchr(world->address, ':'));
    config.address = address;
    config.flags = flags;
    return config;
}

static void a_job_connects_its_client_once_it_was_run(uint32_t flags)
{
    World world;
    open_server(&world, NULL);
    Shelf shelf = {{0}, 0};
    char address[64];
    TmeClientConfig config = by_name(&world, address, sizeof address, flags);
    config.executor = keep;
    config.executor_user_data = &shelf;
    add_client(&world, &config);

    /* The host takes its time, and nobody waits for it. */
    steps_for(&world, 50);
    CHECK_UINT(tme_client_is_connected(world.clients[0]), 0);
    TmeEngineStatistics figures;
    CHECK_OK(tme_client_engine_statistics(world.clients[0], &figures, sizeof figures));
    CHECK_UINT(figures.jobs_done, 0);

    CHECK_OK(tme_job_run(take(&shelf)));
    expect_client_event(&world, 0, TME_EVENT_CONNECTED);
    CHECK_OK(tme_client_engine_statistics(world.clients[0], &figures, sizeof figures));
    CHECK_UINT(figures.jobs_done, 1);
    CHECK_UINT(figures.jobs_panicked + figures.jobs_dropped + figures.jobs_refused, 0);
    close_world(&world);
}

static void a_job_that_is_discarded_is_a_name_not_found(uint32_t flags)
{
    World world;
    open_server(&world, NULL);
    char address[64];
    TmeClientConfig config = by_name(&world, address, sizeof address, flags);
    config.executor = discard_at_once;
    add_client(&world, &config);
    TmeEvent event = expect_client_event(&world, 0, TME_EVENT_DISCONNECTED);
    CHECK_UINT(event.reason, TME_REASON_UNRESOLVED);
    TmeEngineStatistics figures;
    CHECK_OK(tme_client_engine_statistics(world.clients[0], &figures, sizeof figures));
    CHECK_UINT(figures.jobs_dropped, 1);
    close_world(&world);
}

static void a_job_may_outlive_its_client(void)
{
    World world;
    open_server(&world, NULL);
    Shelf shelf = {{0}, 0};
    char address[64];
    TmeClientConfig config = by_name(&world, address, sizeof address, 0);
    config.executor = keep;
    config.executor_user_data = &shelf;
    TmeClient *client;
    for (int i = 0; i < 2; i++) {
        CHECK_OK(tme_client_create(&config, &client));
        CHECK_OK(tme_client_destroy(client));
        CHECK_OK(i == 0 ? tme_job_run(take(&shelf)) : tme_job_discard(take(&shelf)));
    }
    close_world(&world);
}

static void a_querier_asks_the_host_too(void)
{
    World world;
    open_server(&world, NULL);
    char address[64];
    by_name(&world, address, sizeof address, 0);
    for (int i = 0; i < 3; i++) {
        TmeExecutor executor = i == 0 ? run_at_once : i == 1 ? discard_at_once : NULL;
        TmeQuerier *querier;
        CHECK_RESULT(tme_querier_create_with(0, executor, NULL, NULL), TME_ERROR_NULL);
        CHECK_OK(tme_querier_create_with(10000, executor, NULL, &querier));
        CHECK_OK(tme_querier_ask(querier, address, NULL));
        TmeEvent event;
        uint32_t count = 0;
        uint64_t give_up_at = now_ms() + 20000;
        while (count == 0) {
            CHECK(now_ms() < give_up_at);
            step(&world);
            CHECK_OK(tme_querier_update(querier, 1));
            CHECK_OK(tme_querier_poll(querier, &event, 1, &count));
        }
        CHECK_UINT(event.reason, i == 1 ? TME_REASON_UNRESOLVED : 0);
        CHECK_OK(tme_querier_destroy(querier));
    }
    close_world(&world);
}

static void what_is_no_job_is_refused(void)
{
    World world;
    open_server(&world, NULL);
    CHECK_RESULT(tme_job_run(NULL), TME_ERROR_NULL);
    CHECK_OK(tme_job_discard(NULL));
    void *server = world.server;
    CHECK_RESULT(tme_job_run(server), TME_ERROR_HANDLE);
    CHECK_RESULT(tme_job_discard(server), TME_ERROR_HANDLE);
    close_world(&world);
}

int main(void)
{
    watchdog(60);
    for (uint32_t flags = 0; flags <= TME_CONFIG_THREADED; flags++) {
        a_job_connects_its_client_once_it_was_run(flags);
        a_job_that_is_discarded_is_a_name_not_found(flags);
    }
    a_job_may_outlive_its_client();
    a_querier_asks_the_host_too();
    what_is_no_job_is_refused();
    return 0;
}
