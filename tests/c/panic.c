/* A bug inside the library stays inside: the call says so, the handle is poisoned, everything else lives on. This
 * program alone is linked with a library that panics on purpose. */
#include "every_call.h"
#include "world.h"

TME_C_API TmeResult tme_test_panic_server(TmeServer *server);
TME_C_API TmeResult tme_test_panic_client(TmeClient *client);

/* Counts the lines of the log that tell what the panic said. */
static void count_line(uint32_t level, const char *target, const char *text, void *user_data)
{
    (void)level;
    (void)target;
    *(unsigned *)user_data += strstr(text, "a panic was caught") != NULL && strstr(text, "on purpose") != NULL;
}

static void only_destroying_works(uint32_t flags)
{
    World poisoned;
    World healthy;
    open_world(&poisoned, flags);
    open_world(&healthy, flags);
    CHECK_OK(tme_client_send(poisoned.clients[0], 0, "kept", 4, 0));
    TmeMessage *message;
    CHECK_OK(tme_message_retain(expect_server_event(&poisoned, TME_EVENT_MESSAGE).message, &message));

    CHECK_ERROR(tme_test_panic_server(poisoned.server), TME_ERROR_INTERNAL, "please report");
    every_server_call_gives(poisoned.server, TME_ERROR_POISONED);
    CHECK_RESULT(tme_test_panic_server(poisoned.server), TME_ERROR_POISONED);
    CHECK_CONTAINS(last_error(), "destroy it");

    /* Its client does not know, and then suffers the same. */
    CHECK_OK(tme_client_update(poisoned.clients[0], 0));
    CHECK_INT(tme_client_is_connected(poisoned.clients[0]), 1);
    CHECK_RESULT(tme_test_panic_client(poisoned.clients[0]), TME_ERROR_INTERNAL);
    every_client_call_gives(poisoned.clients[0], TME_ERROR_POISONED);
    CHECK_INT(tme_client_is_connected(poisoned.clients[0]), 0);

    /* Others, and what was retained, are as before. */
    CHECK_OK(tme_server_send(healthy.server, healthy.peers[0], 0, "well", 4, 0));
    TmeEvent event = expect_client_event(&healthy, 0, TME_EVENT_MESSAGE);
    CHECK_BYTES(event.data, event.length, "well");
    close_world(&poisoned);
    const void *bytes;
    size_t length;
    CHECK_OK(tme_message_bytes(message, &bytes, &length));
    CHECK_BYTES(bytes, length, "kept");
    CHECK_OK(tme_message_release(message));
    close_world(&healthy);
}

int main(void)
{
    watchdog(30);
    unsigned lines = 0;
    TmeLogConfig log = {
        .struct_size = sizeof log,
        .callback_level = TME_LOG_ERROR,
        .callback = count_line,
        .user_data = &lines,
    };
    CHECK_OK(tme_log_init(&log));
    only_destroying_works(0);
    only_destroying_works(TME_CONFIG_THREADED);
    CHECK_UINT(lines, 4);
    return 0;
}
