/* The C half of `cargo run --release -p tme-benches --bin flood`: the same two programs as in Rust, over tme.h.
 *
 *   flood serve                           prints "port key", counts until its client leaves, prints "messages microseconds"
 *   flood send PORT KEY SECONDS CHANNEL   floods 64-byte messages, prints how many were taken
 */
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tme.h>

enum { BATCH = 64, EVENTS = 1024, MESSAGE_BYTES = 64 };

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void must(TmeResult result, const char *what) {
    if (result >= 0) return;
    char detail[513];
    tme_last_error(detail, sizeof detail, NULL);
    fprintf(stderr, "%s: %s (%s)\n", what, tme_result_string(result), detail);
    exit(1);
}

static TmeEvent events[EVENTS];

static void serve(void) {
    TmeServerConfig config;
    TmeServer *server;
    char key[TME_KEY_TEXT_BYTES];
    uint64_t messages = 0, first_us = 0, last_us = 0;

    tme_server_config_init(&config, sizeof config);
    config.listen = "127.0.0.1:0";
    must(tme_server_create(&config, &server), "server");
    must(tme_server_public_key(server, key, sizeof key, NULL), "key");
    printf("%u %s\n", (unsigned)tme_server_port(server), key);
    fflush(stdout);
    for (;;) {
        uint32_t count;
        must(tme_server_update(server, 50), "update");
        do {
            uint64_t before = messages;
            must(tme_server_poll(server, events, EVENTS, &count), "poll");
            for (uint32_t i = 0; i < count; i++) {
                if (events[i].type == TME_EVENT_MESSAGE) {
                    messages++;
                } else if (events[i].type == TME_EVENT_DISCONNECTED) {
                    printf("%llu %llu\n", (unsigned long long)messages, (unsigned long long)(last_us - first_us));
                    must(tme_server_destroy(server), "destroy");
                    return;
                }
            }
            if (messages > before) {
                last_us = now_us();
                if (before == 0) first_us = last_us;
            }
        } while (count > 0);
    }
}

/* Lets the engine work and takes what has come. */
static void turn(TmeClient *client, uint32_t timeout_ms) {
    uint32_t count;
    must(tme_client_update(client, timeout_ms), "update");
    do {
        must(tme_client_poll(client, events, EVENTS, &count), "poll");
        for (uint32_t i = 0; i < count; i++)
            if (events[i].type == TME_EVENT_DISCONNECTED) {
                fprintf(stderr, "disconnected: %s\n", tme_reason_string(events[i].reason));
                exit(1);
            }
    } while (count > 0);
}

static void flood(const char *port, const char *key, double seconds, uint32_t channel) {
    TmeClientConfig config;
    TmeClient *client;
    char address[32], message[MESSAGE_BYTES];
    unsigned long long sent = 0;

    snprintf(address, sizeof address, "127.0.0.1:%s", port);
    memset(message, 0xA5, sizeof message);
    tme_client_config_init(&config, sizeof config);
    config.address = address;
    config.server_key = key;
    must(tme_client_create(&config, &client), "client");
    while (tme_client_is_connected(client) == 0) turn(client, 5);
    for (uint64_t end_us = now_us() + (uint64_t)(seconds * 1e6); now_us() < end_us;) {
        int is_full = 0;
        for (int i = 0; i < BATCH && !is_full; i++) {
            TmeResult result = tme_client_send(client, channel, message, sizeof message, 0);
            if (result == TME_ERROR_WOULD_BLOCK) {
                is_full = 1;
            } else {
                must(result, "send");
                sent++;
            }
        }
        turn(client, is_full ? 5 : 0);
    }
    must(tme_client_close(client, 2000), "close");
    must(tme_client_destroy(client), "destroy");
    printf("%llu\n", sent);
}

int main(int count, char **arguments) {
    if (count == 2 && strcmp(arguments[1], "serve") == 0) {
        serve();
    } else if (count == 6 && strcmp(arguments[1], "send") == 0) {
        flood(arguments[2], arguments[3], atof(arguments[4]), (uint32_t)atoi(arguments[5]));
    } else {
        fprintf(stderr, "usage: flood serve | flood send PORT KEY SECONDS CHANNEL\n");
        return 2;
    }
    return 0;
}
