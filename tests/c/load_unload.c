/* A hundred times: load the library, play a little, unload it. No thread and no descriptor stays behind. Not linked with
 * the library, whose path is the argument. Linux only. */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <tme.h>

#include "check.h"
#include "process.h"

enum { LOADS = 100 };

/* The functions this program uses, looked up by name. */
static struct {
    uint32_t (*version)(void);
    TmeResult (*server_config_init)(TmeServerConfig *, size_t);
    TmeResult (*server_create)(const TmeServerConfig *, TmeServer **);
    TmeResult (*server_update)(TmeServer *, uint32_t);
    TmeResult (*server_destroy)(TmeServer *);
    TmeResult (*client_config_init)(TmeClientConfig *, size_t);
    TmeResult (*client_create_echo)(const TmeClientConfig *, TmeClient **);
    TmeResult (*client_update)(TmeClient *, uint32_t);
    TmeResult (*client_poll)(TmeClient *, TmeEvent *, uint32_t, uint32_t *);
    TmeResult (*client_send)(TmeClient *, uint32_t, const void *, size_t, uint32_t);
    TmeResult (*client_destroy)(TmeClient *);
    TmeResult (*message_retain)(TmeMessageId, TmeMessage **);
    TmeResult (*message_release)(TmeMessage *);
    TmeResult (*last_error)(char *, size_t, size_t *);
} tme;

static void look_up(void *library, const char *name, void *place)
{
    void *symbol = dlsym(library, name);
    if (symbol == NULL)
        check_failed(__FILE__, __LINE__, name);
    /* ISO C has no conversion between pointers to objects and functions. */
    memcpy(place, &symbol, sizeof symbol);
}

static void *load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        check_failed(__FILE__, __LINE__, dlerror());
    look_up(library, "tme_version", &tme.version);
    look_up(library, "tme_server_config_init", &tme.server_config_init);
    look_up(library, "tme_server_create", &tme.server_create);
    look_up(library, "tme_server_update", &tme.server_update);
    look_up(library, "tme_server_destroy", &tme.server_destroy);
    look_up(library, "tme_client_config_init", &tme.client_config_init);
    look_up(library, "tme_client_create_echo", &tme.client_create_echo);
    look_up(library, "tme_client_update", &tme.client_update);
    look_up(library, "tme_client_poll", &tme.client_poll);
    look_up(library, "tme_client_send", &tme.client_send);
    look_up(library, "tme_client_destroy", &tme.client_destroy);
    look_up(library, "tme_message_retain", &tme.message_retain);
    look_up(library, "tme_message_release", &tme.message_release);
    look_up(library, "tme_last_error", &tme.last_error);
    return library;
}

/* A server and a client that talks to itself, both with network threads. */
static void play(void)
{
    CHECK_UINT(tme.version(), TME_VERSION);
    TmeServerConfig server_config;
    TmeServer *server;
    CHECK_INT(tme.server_config_init(&server_config, sizeof server_config), TME_OK);
    server_config.listen = "127.0.0.1:0";
    server_config.flags = TME_CONFIG_THREADED;
    CHECK_INT(tme.server_create(&server_config, &server), TME_OK);
    CHECK_INT(tme.server_update(server, 0), TME_OK);

    TmeClientConfig client_config;
    TmeClient *client;
    CHECK_INT(tme.client_config_init(&client_config, sizeof client_config), TME_OK);
    client_config.flags = TME_CONFIG_THREADED;
    CHECK_INT(tme.client_create_echo(&client_config, &client), TME_OK);
    TmeMessage *kept = NULL;
    while (kept == NULL) {
        TmeEvent event;
        uint32_t count;
        CHECK_INT(tme.client_update(client, 100), TME_OK);
        CHECK_INT(tme.client_poll(client, &event, 1, &count), TME_OK);
        if (count == 0)
            continue;
        if (event.type == TME_EVENT_CONNECTED)
            CHECK_INT(tme.client_send(client, 0, "hello", 5, 0), TME_OK);
        else
            CHECK_INT(tme.message_retain(event.message, &kept), TME_OK);
    }
    /* A failure leaves its detail with this thread, which outlives the library. */
    CHECK_INT(tme.client_send(client, 99, "hello", 5, 0), TME_ERROR_UNKNOWN_CHANNEL);
    char detail[513];
    CHECK_INT(tme.last_error(detail, sizeof detail, NULL), TME_OK);
    CHECK_CONTAINS(detail, "channel");

    CHECK_INT(tme.client_destroy(client), TME_OK);
    CHECK_INT(tme.server_destroy(server), TME_OK);
    CHECK_INT(tme.message_release(kept), TME_OK);
}

static void run_play(void *argument)
{
    (void)argument;
    play();
}

static void play_on_a_thread(void)
{
    thread_join(thread_start(run_play, NULL));
}

static void only_the_interface_is_exported(void *library)
{
    CHECK(dlsym(library, "tme_test_panic_server") == NULL);
    CHECK(dlsym(library, "tme_test_panic_client") == NULL);
}

/* Gives after how many of the loads the library was gone from memory. */
static unsigned load_play_and_unload(const char *path, unsigned loads, void (*play_somewhere)(void))
{
    const char *file = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
    unsigned threads_before = threads();
    unsigned descriptors_before = open_descriptors();
    unsigned unmapped = 0;
    size_t warm = 0;
    for (unsigned i = 0; i < loads; i++) {
        void *library = load(path);
        CHECK(is_mapped(file));
        only_the_interface_is_exported(library);
        play_somewhere();
        CHECK_INT(dlclose(library), 0);
        CHECK_UINT(threads(), threads_before);
        CHECK_UINT(open_descriptors(), descriptors_before);
        unmapped += !is_mapped(file);
        if (i == loads / 2)
            warm = allocated_bytes();
    }
    printf("%u loads, gone after %u of them; %zu bytes after half of them, %zu at the end\n", loads, unmapped, warm,
           allocated_bytes());
    return unmapped;
}

int main(int argc, char **argv)
{
    watchdog(60);
    CHECK_INT(argc, 2);
    unsigned loads = scaled(LOADS) / 2;
    CHECK_UINT(load_play_and_unload(argv[1], loads, play_on_a_thread), loads);
    /* A thread that has started another one keeps something of Rust's standard library for as long as it lives, and
     * with it the library in memory: here it is loaded once, and then found again. */
    load_play_and_unload(argv[1], loads, play);
    return 0;
}
