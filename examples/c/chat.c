/* Chat: everybody reads what everybody types. The first line a client sends is its name.
 *
 *     ./chat serve [port]                           prints the line for the other terminals
 *     ./chat join host:port KEY name
 *     ./chat --self-test                            a server and two clients in one process
 */
#if !defined(_WIN32)
#define _POSIX_C_SOURCE 200809L
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tme.h>

#ifdef _WIN32
#include <windows.h>
#else
#include <poll.h>
#include <unistd.h>
#endif

enum {
    CHAT = 0, /* the only channel */
    PEOPLE_MAX = 64,
    NAME_BYTES = 32,
    LINE_BYTES = 512,
    /* Longest wait for news, and so the longest that a typed line waits. */
    WAIT_MS = 10
};

static const TmeChannelConfig channels[] = {{.name = "chat", .mode = TME_CHANNEL_RELIABLE_ORDERED}};

/* Nothing below can go on after a failure, so that one place tells what went wrong. */
static void must(TmeResult result, const char *what)
{
    char detail[513];
    if (result >= 0)
        return;
    tme_last_error(detail, sizeof detail, NULL);
    fprintf(stderr, "chat: %s: %s\n", what, detail);
    exit(EXIT_FAILURE);
}

/* What somebody typed, without characters that would play with other people's terminals, and cut to what fits. */
static void copy_text(char *text, size_t size, const uint8_t *bytes, size_t length)
{
    size_t end = 0;
    for (size_t i = 0; i < length && end + 1 < size; i++)
        if (bytes[i] >= 0x20 && bytes[i] != 0x7F)
            text[end++] = (char)bytes[i];
    text[end] = 0;
}

/* ---- The server ---- */

typedef struct Person {
    TmePeer peer;
    char name[NAME_BYTES]; /* empty until it is told */
} Person;

typedef struct Room {
    TmeServer *server;
    Person people[PEOPLE_MAX];
} Room;

static void open_room(Room *room, const char *listen)
{
    TmeServerConfig config;
    memset(room, 0, sizeof *room);
    must(tme_server_config_init(&config, sizeof config), "server settings");
    config.listen = listen;
    config.application = "chat";
    config.channels = channels;
    config.channel_count = 1;
    config.max_peers = PEOPLE_MAX;
    must(tme_server_create(&config, &room->server), "starting the server");
}

/* The person with this id; 0 finds a free place, of which there are as many as the server takes peers. */
static Person *find_person(Room *room, TmePeer peer)
{
    for (size_t i = 0; i < PEOPLE_MAX; i++)
        if (room->people[i].peer == peer)
            return &room->people[i];
    return NULL;
}

static void tell_everybody(Room *room, const char *line)
{
    TmeBroadcast outcome;
    puts(line);
    must(tme_server_broadcast(room->server, CHAT, line, strlen(line), 0, &outcome), "telling everybody");
    if (outcome.would_block > 0)
        printf("* %u cannot keep up and missed this\n", (unsigned)outcome.would_block);
}

static void hear(Room *room, Person *person, const TmeEvent *event)
{
    char line[LINE_BYTES];
    char text[LINE_BYTES - NAME_BYTES - sizeof ": "];
    if (person->name[0] == 0) {
        copy_text(person->name, sizeof person->name, event->data, event->length);
        snprintf(line, sizeof line, "* %s is here", person->name);
    } else {
        copy_text(text, sizeof text, event->data, event->length);
        snprintf(line, sizeof line, "%s: %s", person->name, text);
    }
    tell_everybody(room, line);
}

static void see_off(Room *room, Person *person, const TmeEvent *event)
{
    char line[LINE_BYTES];
    snprintf(line, sizeof line, "* %s has left: %s", person->name, tme_reason_string(event->reason));
    int was_named = person->name[0] != 0;
    memset(person, 0, sizeof *person);
    if (was_named)
        tell_everybody(room, line);
}

/* One turn of the server: takes the news and passes it on. */
static void keep_room(Room *room)
{
    TmeEvent events[64];
    uint32_t count;
    must(tme_server_update(room->server, WAIT_MS), "serving");
    do {
        must(tme_server_poll(room->server, events, 64, &count), "serving");
        for (uint32_t i = 0; i < count; i++) {
            Person *person = find_person(room, events[i].type == TME_EVENT_CONNECTED ? 0 : events[i].peer);
            if (person == NULL)
                continue;
            switch (events[i].type) {
            case TME_EVENT_CONNECTED:
                person->peer = events[i].peer;
                break;
            case TME_EVENT_MESSAGE:
                hear(room, person, &events[i]);
                break;
            case TME_EVENT_DISCONNECTED:
                see_off(room, person, &events[i]);
                break;
            default: /* newer libraries have more kinds */
                break;
            }
        }
    } while (count > 0);
}

static int run_server(const char *port)
{
    static Room room;
    char listen[64];
    char key[TME_KEY_TEXT_BYTES];
    snprintf(listen, sizeof listen, "0.0.0.0:%s", port);
    open_room(&room, listen);
    must(tme_server_public_key(room.server, key, sizeof key, NULL), "key");
    printf("./chat join 127.0.0.1:%u %s NAME\n", (unsigned)tme_server_port(room.server), key);
    /* Until somebody stops the program, or closes what it writes to. */
    while (fflush(stdout) == 0)
        keep_room(&room);
    must(tme_server_destroy(room.server), "the end");
    return EXIT_FAILURE;
}

/* ---- What is typed ---- */

/* typed_line takes a line, if there is one: 1; nothing typed yet: 0; the end of the input: -1. It never waits. */

#ifdef _WIN32

/* There a console cannot be asked whether a line is waiting: a thread waits for it. */
static struct {
    char line[LINE_BYTES];
    HANDLE is_taken; /* set when the thread may write */
    HANDLE is_there; /* set when the line may be read */
    int has_ended;
} typed;

static DWORD WINAPI read_lines(void *unused)
{
    (void)unused;
    do {
        WaitForSingleObject(typed.is_taken, INFINITE);
        typed.has_ended = fgets(typed.line, LINE_BYTES, stdin) == NULL;
        SetEvent(typed.is_there);
    } while (!typed.has_ended);
    return 0;
}

static int typed_line(char line[LINE_BYTES])
{
    if (typed.is_taken == NULL) {
        typed.is_taken = CreateEventA(NULL, FALSE, TRUE, NULL);
        typed.is_there = CreateEventA(NULL, FALSE, FALSE, NULL);
        CloseHandle(CreateThread(NULL, 0, read_lines, NULL, 0, NULL));
    }
    if (WaitForSingleObject(typed.is_there, 0) != WAIT_OBJECT_0)
        return 0;
    if (typed.has_ended)
        return -1;
    memcpy(line, typed.line, LINE_BYTES);
    line[strcspn(line, "\r\n")] = 0;
    SetEvent(typed.is_taken);
    return 1;
}

#else

static int typed_line(char line[LINE_BYTES])
{
    static char typed[LINE_BYTES];
    static size_t length;
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    while (poll(&input, 1, 0) > 0) {
        int has_ended = read(STDIN_FILENO, &typed[length], 1) != 1;
        if (has_ended && length == 0)
            return -1;
        int is_whole = has_ended || typed[length] == '\n';
        length += !is_whole;
        /* A line that is too long goes out in pieces. */
        if (is_whole || length + 1 == LINE_BYTES) {
            memcpy(line, typed, length);
            line[length] = 0;
            length = 0;
            return 1;
        }
    }
    return 0;
}

#endif

/* ---- The client ---- */

static TmeClient *join(const char *address, const char *key)
{
    TmeClient *client;
    TmeClientConfig config;
    must(tme_client_config_init(&config, sizeof config), "client settings");
    config.address = address;
    config.application = "chat";
    config.server_key = key;
    config.channels = channels;
    config.channel_count = 1;
    must(tme_client_create(&config, &client), "starting the client");
    return client;
}

static void say(TmeClient *client, const char *text)
{
    TmeResult result = tme_client_send(client, CHAT, text, strlen(text), 0);
    if (result < 0)
        fprintf(stderr, "not sent: %s\n", tme_result_string(result));
}

/* One turn of a client: says who it is once it may, and takes at most one piece of news. Gives its kind, or 0; what is
 * to be read is in `line`. */
static uint32_t listen_once(TmeClient *client, const char *name, char line[LINE_BYTES])
{
    TmeEvent event;
    uint32_t count;
    must(tme_client_update(client, WAIT_MS), "listening");
    must(tme_client_poll(client, &event, 1, &count), "listening");
    if (count == 0)
        return 0;
    if (event.type == TME_EVENT_CONNECTED)
        say(client, name);
    else if (event.type == TME_EVENT_MESSAGE)
        copy_text(line, LINE_BYTES, event.data, event.length);
    else if (event.type == TME_EVENT_DISCONNECTED)
        snprintf(line, LINE_BYTES, "* %s", tme_reason_string(event.reason));
    return event.type;
}

static int run_client(const char *address, const char *key, const char *name)
{
    char line[LINE_BYTES];
    int is_input_open = 1;
    TmeClient *client = join(address, key);
    for (;;) {
        uint32_t type = listen_once(client, name, line);
        if (type == TME_EVENT_MESSAGE || type == TME_EVENT_DISCONNECTED) {
            puts(line);
            fflush(stdout);
        }
        if (type == TME_EVENT_DISCONNECTED)
            break;
        if (!is_input_open || !tme_client_is_connected(client))
            continue;
        switch (typed_line(line)) {
        case 1:
            say(client, line);
            break;
        case -1:
            /* What was said still goes through; DISCONNECTED follows. */
            is_input_open = 0;
            must(tme_client_disconnect(client, 0, NULL, 0), "leaving");
            break;
        }
    }
    must(tme_client_destroy(client), "the end");
    return EXIT_SUCCESS;
}

/* ---- Both in one process ---- */

typedef struct Guest {
    TmeClient *client;
    const char *name;
} Guest;

/* Everybody takes turns until the reader reads a line that begins like this. */
static void until_reads(const Guest *reader, Room *room, const Guest *other, const char *expected)
{
    char line[LINE_BYTES] = "";
    char ignored[LINE_BYTES];
    while (strncmp(line, expected, strlen(expected)) != 0) {
        keep_room(room);
        if (other != NULL)
            listen_once(other->client, other->name, ignored);
        listen_once(reader->client, reader->name, line);
    }
}

static int self_test(void)
{
    static Room room;
    char address[64];
    char key[TME_KEY_TEXT_BYTES];
    open_room(&room, "127.0.0.1:0");
    must(tme_server_local_address(room.server, address, sizeof address, NULL), "address");
    must(tme_server_public_key(room.server, key, sizeof key, NULL), "key");

    const Guest ada = {join(address, key), "ada"};
    until_reads(&ada, &room, NULL, "* ada is here");
    const Guest bob = {join(address, key), "bob"};
    until_reads(&bob, &room, &ada, "* bob is here");
    say(ada.client, "good\x1b[2J evening");
    until_reads(&bob, &room, &ada, "ada: good[2J evening");
    must(tme_client_destroy(ada.client), "ada's end");
    until_reads(&bob, &room, NULL, "* ada has left");

    must(tme_client_destroy(bob.client), "bob's end");
    must(tme_server_destroy(room.server), "the server's end");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--self-test") == 0)
        return self_test();
    if ((argc == 2 || argc == 3) && strcmp(argv[1], "serve") == 0)
        return run_server(argc == 3 ? argv[2] : "7777");
    if (argc == 5 && strcmp(argv[1], "join") == 0)
        return run_client(argv[2], argv[3], argv[4]);
    fputs("usage: chat serve [port] | chat join host:port KEY name | chat --self-test\n", stderr);
    return EXIT_FAILURE;
}
