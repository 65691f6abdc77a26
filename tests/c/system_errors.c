/* What a system does that refuses or breaks: no descriptors are to be had, or the library's own are taken from under
 * it. Linux only. */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "process.h"
#include "world.h"

/* Lets the process open `count` more descriptors. */
static void allow_descriptors(rlim_t count)
{
    int next = open("/dev/null", O_RDONLY);
    CHECK(next >= 0);
    close(next);
    struct rlimit limit;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)next + count;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* The more descriptors there are, the further it gets; none of those it had is left behind. */
static void an_engine_without_descriptors_does_not_start(uint32_t flags)
{
    struct rlimit usual;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &usual), 0);
    unsigned before = open_descriptors();
    TmeServerConfig config = server_config();
    config.flags = flags;
    TmeServer *server = NULL;
    unsigned bind_errors = 0;
    unsigned system_errors = 0;
    for (rlim_t count = 0; server == NULL && count < 20; count++) {
        allow_descriptors(count);
        TmeResult result = tme_server_create(&config, &server);
        CHECK_INT(setrlimit(RLIMIT_NOFILE, &usual), 0);
        if (result == TME_OK)
            break;
        CHECK(server == NULL);
        CHECK_UINT(open_descriptors(), before);
        if (result == TME_ERROR_BIND) {
            CHECK_ERROR(result, TME_ERROR_BIND, "127.0.0.1:0");
            bind_errors++;
        } else {
            CHECK_ERROR(result, TME_ERROR_SYSTEM, "open files");
            system_errors++;
        }
    }
    CHECK(server != NULL);
    CHECK(bind_errors > 0);
    CHECK(system_errors > 0);
    CHECK_OK(tme_server_destroy(server));
    CHECK_UINT(open_descriptors(), before);
}

/* Puts something unsuitable in the place of a descriptor. */
static void spoil(const char *kind)
{
    int unsuitable = open("/dev/null", O_RDWR);
    CHECK(unsuitable >= 0);
    int descriptor = find_descriptor(3, kind);
    CHECK(descriptor >= 0);
    for (; descriptor >= 0; descriptor = find_descriptor(descriptor + 1, kind))
        CHECK_INT(dup2(unsuitable, descriptor), descriptor);
    close(unsuitable);
}

/* The engine stops with this error, says so to whoever updates or polls, and can be destroyed. */
static void an_engine_that_loses_a_descriptor_stops(uint32_t flags, const char *kind, TmeResult expected)
{
    unsigned before = open_descriptors();
    TmeServerConfig config = server_config();
    config.flags = flags;
    TmeServer *server;
    CHECK_OK(tme_server_create(&config, &server));
    spoil(kind);
    CHECK_OK(tme_server_wake(server));

    TmeResult result = TME_OK;
    for (uint64_t end = now_ms() + 5000; result == TME_OK && now_ms() < end;)
        result = tme_server_update(server, 100);
    CHECK_RESULT(result, expected);
    TmeEvent event;
    uint32_t count = 7;
    /* A network thread's end is told again and again, an inline one's is over once it was told. */
    CHECK_RESULT(tme_server_poll(server, &event, 1, &count), flags == 0 ? TME_ERROR_CLOSED : expected);
    CHECK_UINT(count, 0);
    CHECK_OK(tme_server_shutdown(server, 0));
    CHECK_OK(tme_server_destroy(server));
    CHECK_UINT(open_descriptors(), before);
}

/* A client that is connected goes on through another socket. */
static void a_client_that_loses_its_socket_binds_another(uint32_t flags)
{
    World world = {0};
    TmeServerConfig config = server_config();
    open_server(&world, &config);
    /* The server's socket is older, and keeps the lower number. */
    int servers = find_descriptor(3, "socket:");
    TmeClientConfig settings = client_config(&world);
    settings.flags = flags;
    connect_client(&world, &settings);
    int unsuitable = open("/dev/null", O_RDWR);
    for (int socket = servers; (socket = find_descriptor(socket + 1, "socket:")) >= 0;)
        CHECK_INT(dup2(unsuitable, socket), socket);
    close(unsuitable);

    CHECK_OK(tme_client_send(world.clients[0], 0, "abc", 3, 0));
    TmeEvent event;
    do
        event = server_event(&world);
    while (event.type != TME_EVENT_MESSAGE);
    CHECK_BYTES(event.data, event.length, "abc");
    CHECK_INT(tme_client_is_connected(world.clients[0]), 1);
    close_world(&world);
}

int main(void)
{
    watchdog(60);
    static const uint32_t drives[] = {0, TME_CONFIG_THREADED};
    for (size_t i = 0; i < COUNT_OF(drives); i++) {
        an_engine_without_descriptors_does_not_start(drives[i]);
        an_engine_that_loses_a_descriptor_stops(drives[i], "anon_inode:[eventpoll]", TME_ERROR_WAIT);
        a_client_that_loses_its_socket_binds_another(drives[i]);
    }
    an_engine_that_loses_a_descriptor_stops(0, "socket:", TME_ERROR_SOCKET);
    return 0;
}
