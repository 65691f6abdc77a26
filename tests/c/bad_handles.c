/* Every function refuses NULL, a handle of another kind and a pointer that was never a handle. */
#include "every_call.h"
#include "world.h"

typedef void Calls(void *handle, TmeResult expected);

static void server_calls(void *handle, TmeResult expected)
{
    every_server_call_gives(handle, expected);
}

static void client_calls(void *handle, TmeResult expected)
{
    every_client_call_gives(handle, expected);
    CHECK_INT(tme_client_is_connected(handle), expected);
}

static void querier_calls(void *handle, TmeResult expected)
{
    every_querier_call_gives(handle, expected);
}

static void discovery_calls(void *handle, TmeResult expected)
{
    every_discovery_call_gives(handle, expected);
}

static void message_calls(void *handle, TmeResult expected)
{
    every_message_call_gives(handle, expected);
}

static TmeResult end_server(void *handle)
{
    return tme_server_destroy(handle);
}

static TmeResult end_client(void *handle)
{
    return tme_client_destroy(handle);
}

static TmeResult end_querier(void *handle)
{
    return tme_querier_destroy(handle);
}

static TmeResult end_discovery(void *handle)
{
    return tme_discovery_destroy(handle);
}

static TmeResult end_message(void *handle)
{
    return tme_message_release(handle);
}

int main(void)
{
    watchdog(30);
    World world;
    open_world(&world, 0);
    TmeMessage *message;
    CHECK_OK(tme_message_create(3, &message));
    TmeQuerier *querier;
    CHECK_OK(tme_querier_create(0, &querier));
    TmeDiscovery *discovery;
    TmeDiscoveryConfig here = {.struct_size = sizeof here, .flags = TME_DISCOVERY_THIS_MACHINE};
    CHECK_OK(tme_discovery_create(&here, &discovery));
    /* Large enough for any handle, aligned, and not one. */
    uint64_t zeros[64] = {0};
    uint64_t noise[64];
    memset(noise, 0xA5, sizeof noise);

    struct {
        Calls *calls;
        TmeResult (*end)(void *handle);
        void *handle;
    } kinds[] = {
        {server_calls, end_server, world.server},
        {client_calls, end_client, world.clients[0]},
        {message_calls, end_message, message},
        {querier_calls, end_querier, querier},
        {discovery_calls, end_discovery, discovery},
    };
    for (size_t of = 0; of < COUNT_OF(kinds); of++) {
        kinds[of].calls(NULL, TME_ERROR_NULL);
        CHECK_OK(kinds[of].end(NULL));

        void *wrong[] = {zeros, noise, (char *)noise + 1, NULL, NULL, NULL, NULL};
        size_t count = 3;
        for (size_t other = 0; other < COUNT_OF(kinds); other++)
            if (other != of)
                wrong[count++] = kinds[other].handle;
        for (size_t i = 0; i < count; i++) {
            kinds[of].calls(wrong[i], TME_ERROR_HANDLE);
            CHECK_RESULT(kinds[of].end(wrong[i]), TME_ERROR_HANDLE);
        }
        CHECK_ERROR(kinds[of].end(zeros), TME_ERROR_HANDLE, "not a Tme");
    }

    /* None of it did the real ones any harm. */
    CHECK_OK(tme_client_send_message(world.clients[0], 0, message, NULL));
    CHECK_BYTES(expect_server_event(&world, TME_EVENT_MESSAGE).data, 3, "\0\0\0");
    CHECK_OK(tme_querier_update(querier, 0));
    CHECK_OK(tme_querier_destroy(querier));
    CHECK_OK(tme_discovery_update(discovery, 0));
    CHECK_OK(tme_discovery_destroy(discovery));
    close_world(&world);
    return 0;
}
