/* Echo: a server that sends back whatever it gets, and a client that says one thing and goes.
 *
 *     ./echo serve [port]                           prints the line for the other terminal
 *     ./echo send host:port [--key KEY] text
 *     ./echo --self-test                            both in one process
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tme.h>

/* Longest wait for news; inline servers and clients do their input and output while they wait. */
enum { WAIT_MS = 5 };

/* Nothing below can go on after a failure, so that one place tells what went wrong. */
static void must(TmeResult result, const char *what)
{
    char detail[513];
    if (result >= 0)
        return;
    tme_last_error(detail, sizeof detail, NULL);
    fprintf(stderr, "echo: %s: %s\n", what, detail);
    exit(EXIT_FAILURE);
}

static TmeServer *start_server(const char *listen)
{
    TmeServer *server;
    TmeServerConfig config;
    must(tme_server_config_init(&config, sizeof config), "server settings");
    config.listen = listen;
    config.application = "echo";
    must(tme_server_create(&config, &server), "starting the server");
    return server;
}

static TmeClient *start_client(const char *address, const char *key)
{
    TmeClient *client;
    TmeClientConfig config;
    must(tme_client_config_init(&config, sizeof config), "client settings");
    config.address = address;
    config.application = "echo";
    config.server_key = key;
    must(tme_client_create(&config, &client), "starting the client");
    return client;
}

/* One turn of the server: takes the news and answers it. */
static void serve(TmeServer *server)
{
    TmeEvent events[64];
    uint32_t count;
    must(tme_server_update(server, WAIT_MS), "serving");
    do {
        must(tme_server_poll(server, events, 64, &count), "serving");
        for (uint32_t i = 0; i < count; i++) {
            const TmeEvent *event = &events[i];
            TmeResult result;
            switch (event->type) {
            case TME_EVENT_CONNECTED:
                printf("player %u came\n", (unsigned)event->token);
                break;
            case TME_EVENT_MESSAGE:
                /* A peer may be gone by now, or take nothing more. */
                result = tme_server_send(server, event->peer, event->channel, event->data, event->length, 0);
                if (result < 0)
                    printf("no echo: %s\n", tme_result_string(result));
                break;
            case TME_EVENT_DISCONNECTED:
                printf("somebody left: %s\n", tme_reason_string(event->reason));
                break;
            default: /* newer libraries have more kinds */
                break;
            }
        }
    } while (count > 0);
}

/* One turn of the client; 1 once the echo is there. */
static int talk(TmeClient *client, const char *text)
{
    TmeEvent event;
    uint32_t count;
    must(tme_client_update(client, WAIT_MS), "talking");
    must(tme_client_poll(client, &event, 1, &count), "talking");
    if (count == 0)
        return 0;
    switch (event.type) {
    case TME_EVENT_CONNECTED:
        must(tme_client_send(client, 0, text, strlen(text), 0), "sending");
        return 0;
    case TME_EVENT_MESSAGE:
        printf("%.*s\n", (int)event.length, (const char *)event.data);
        return 1;
    case TME_EVENT_DISCONNECTED:
        fprintf(stderr, "echo: %s\n", tme_reason_string(event.reason));
        exit(EXIT_FAILURE);
    default:
        return 0;
    }
}

static int run_server(const char *port)
{
    char listen[64];
    char key[TME_KEY_TEXT_BYTES];
    snprintf(listen, sizeof listen, "0.0.0.0:%s", port);
    TmeServer *server = start_server(listen);
    must(tme_server_public_key(server, key, sizeof key, NULL), "key");
    printf("./echo send 127.0.0.1:%u --key %s hello\n", (unsigned)tme_server_port(server), key);
    /* Until somebody stops the program, or closes what it writes to. */
    while (fflush(stdout) == 0)
        serve(server);
    must(tme_server_destroy(server), "the end");
    return EXIT_FAILURE;
}

static int run_client(const char *address, const char *key, const char *text)
{
    TmeClient *client = start_client(address, key);
    while (!talk(client, text))
        continue;
    must(tme_client_close(client, 1000), "saying goodbye");
    must(tme_client_destroy(client), "the end");
    return EXIT_SUCCESS;
}

static int self_test(void)
{
    char address[64];
    char key[TME_KEY_TEXT_BYTES];
    TmeServer *server = start_server("127.0.0.1:0");
    must(tme_server_local_address(server, address, sizeof address, NULL), "address");
    must(tme_server_public_key(server, key, sizeof key, NULL), "key");
    TmeClient *client = start_client(address, key);
    while (!talk(client, "hello"))
        serve(server);
    must(tme_client_destroy(client), "the client's end");
    must(tme_server_destroy(server), "the server's end");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--self-test") == 0)
        return self_test();
    if ((argc == 2 || argc == 3) && strcmp(argv[1], "serve") == 0)
        return run_server(argc == 3 ? argv[2] : "7777");
    if (argc == 4 && strcmp(argv[1], "send") == 0)
        return run_client(argv[2], NULL, argv[3]);
    if (argc == 6 && strcmp(argv[1], "send") == 0 && strcmp(argv[3], "--key") == 0)
        return run_client(argv[2], argv[4], argv[5]);
    fputs("usage: echo serve [port] | echo send host:port [--key KEY] text | echo --self-test\n", stderr);
    return EXIT_FAILURE;
}
