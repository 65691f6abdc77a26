/* A server, its clients, and the steps that let them talk to each other over this machine's loopback. */
#ifndef WORLD_H
#define WORLD_H

#include <string.h>
#include <tme.h>

#include "check.h"

/* The call gives this result. A failed one must also have left a detail for tme_last_error. */
#define CHECK_RESULT(call, expected) check_result(__FILE__, __LINE__, #call, (call), (expected))
#define CHECK_OK(call) CHECK_RESULT(call, TME_OK)
/* The call fails like this, and the detail contains the text. */
#define CHECK_ERROR(call, expected, part) \
    (CHECK_RESULT(call, expected), check_contains(__FILE__, __LINE__, #call, last_error(), part))

void check_result(const char *file, int line, const char *call, TmeResult actual, TmeResult expected);

/* The detail of this thread's newest failure. Good until the thread asks again. */
const char *last_error(void);

enum { CLIENTS_MAX = 4 };

/* What belongs together. Whoever waits for one handle's events drives all of them. */
typedef struct World {
    TmeServer *server;
    TmeClient *clients[CLIENTS_MAX];
    TmePeer peers[CLIENTS_MAX]; /* the server's ids of the clients */
    unsigned client_count;
    char address[64]; /* the server's */
    char key[TME_KEY_TEXT_BYTES];
} World;

/* Defaults, but on a free port of 127.0.0.1. */
TmeServerConfig server_config(void);
/* Defaults, but for the world's server, whose key is pinned. The world must stay where it is. */
TmeClientConfig client_config(const World *world);

/* Starts a server; NULL is server_config(). */
void open_server(World *world, const TmeServerConfig *config);
/* Starts one more client and gives its index; NULL is client_config(). It is not connected yet. */
unsigned add_client(World *world, const TmeClientConfig *config);
/* add_client, and waits until both sides have their event, which it takes. */
unsigned connect_client(World *world, const TmeClientConfig *config);
/* A server and one connected client: both with these flags, and the default channels. */
void open_world(World *world, uint32_t flags);
/* A server with these channels, and one connected client that takes them over. */
void open_world_with(World *world, uint32_t flags, const TmeChannelConfig *channels, uint32_t count);
/* Destroys everything. */
void close_world(World *world);

/* Lets every handle do its input and output once, waiting up to a millisecond. */
void step(World *world);
void steps_for(World *world, unsigned milliseconds);

/* The next event of a handle, waiting for it. Its data lives until the next one of the same handle is asked for. */
TmeEvent server_event(World *world);
TmeEvent client_event(World *world, unsigned client);
/* Whether there was one, without waiting. */
int take_server_event(World *world, TmeEvent *event);
int take_client_event(World *world, unsigned client, TmeEvent *event);
/* The next event, which must be of this kind; INTERRUPTED and RESUMED are passed over if they are not. */
TmeEvent expect_server_event(World *world, uint32_t type);
TmeEvent expect_client_event(World *world, unsigned client, uint32_t type);

/* Repeats a call, with steps in between, until the result is no longer this one. */
#define WHILE_RESULT(world, call, result)                                           \
    do {                                                                            \
        uint64_t give_up_at = now_ms() + 20000;                                     \
        while ((call) == (result)) {                                                \
            CHECK(now_ms() < give_up_at);                                           \
            step(world);                                                            \
        }                                                                           \
    } while (0)

#endif
