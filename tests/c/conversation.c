/* A game as its author would write it: three players come, talk, move and go; each side reacts to its events in one
 * loop, and nothing else is called. */
#include "world.h"

enum { PLAYERS = 3, CHAT = 0, MOVES = 2, MOVES_EACH = 50 };

typedef struct Player {
    TmeClient *client;
    unsigned greetings;
    unsigned moves_sent;
    unsigned moves_seen;
    int has_left;
} Player;

typedef struct Game {
    TmeServer *server;
    unsigned joined;
    unsigned left;
    unsigned moves[PLAYERS];
    TmePeer peers[PLAYERS];
} Game;

static unsigned seat_of(const Game *game, TmePeer peer)
{
    for (unsigned seat = 0; seat < PLAYERS; seat++)
        if (game->peers[seat] == peer)
            return seat;
    check_failed(__FILE__, __LINE__, "a message comes from somebody who has joined");
    return 0;
}

/* The server tells everybody who joined, passes moves on to the others, and sees people leave. */
static void run_server(Game *game)
{
    TmeEvent events[64];
    uint32_t count;
    CHECK_OK(tme_server_update(game->server, 1));
    while (tme_server_poll(game->server, events, 64, &count) == TME_OK && count > 0)
        for (uint32_t i = 0; i < count; i++)
            switch (events[i].type) {
            case TME_EVENT_CONNECTED:
                CHECK(game->joined < PLAYERS);
                CHECK_BYTES(events[i].data, events[i].length, "player");
                game->peers[game->joined++] = events[i].peer;
                CHECK_OK(tme_server_broadcast(game->server, CHAT, "welcome", 7, 0, NULL));
                break;
            case TME_EVENT_MESSAGE:
                CHECK_UINT(events[i].channel, MOVES);
                game->moves[seat_of(game, events[i].peer)]++;
                CHECK(tme_server_broadcast_except(game->server, events[i].peer, MOVES, events[i].data,
                                                  events[i].length, 0, NULL) >= 0);
                break;
            case TME_EVENT_DISCONNECTED:
                CHECK_UINT(events[i].reason, TME_REASON_CLOSED);
                CHECK_UINT(events[i].token, 4);
                game->left++;
                break;
            default:
                break;
            }
}

/* A player moves once it is greeted, and leaves when it has seen enough. */
static void run_player(Player *player, int everybody_is_there)
{
    TmeEvent events[64];
    uint32_t count;
    CHECK_OK(tme_client_update(player->client, 0));
    while (tme_client_poll(player->client, events, 64, &count) == TME_OK && count > 0)
        for (uint32_t i = 0; i < count; i++)
            switch (events[i].type) {
            case TME_EVENT_MESSAGE:
                if (events[i].channel == CHAT) {
                    CHECK_BYTES(events[i].data, events[i].length, "welcome");
                    player->greetings++;
                } else {
                    player->moves_seen++;
                }
                break;
            case TME_EVENT_DISCONNECTED:
                CHECK_UINT(events[i].flags, 0);
                player->has_left = 1;
                break;
            default:
                break;
            }
    if (!everybody_is_there || player->moves_sent > MOVES_EACH)
        return;
    if (player->moves_sent == MOVES_EACH)
        CHECK_OK(tme_client_disconnect(player->client, 4, "home", 4));
    else
        CHECK_OK(tme_client_send(player->client, MOVES, &player->moves_sent, sizeof player->moves_sent, 0));
    player->moves_sent++;
}

int main(void)
{
    watchdog(60);
    World world;
    open_server(&world, NULL);
    Game game = {.server = world.server};
    Player players[PLAYERS] = {{0}};
    TmeClientConfig config = client_config(&world);
    config.user_data = "player";
    config.user_data_bytes = 6;
    for (unsigned i = 0; i < PLAYERS; i++)
        CHECK_OK(tme_client_create(&config, &players[i].client));

    while (game.left < PLAYERS) {
        run_server(&game);
        for (unsigned i = 0; i < PLAYERS; i++)
            run_player(&players[i], game.joined == PLAYERS);
    }

    /* Everybody was greeted at least by its own arrival, and at most by all three. */
    for (unsigned i = 0; i < PLAYERS; i++) {
        CHECK(players[i].greetings >= 1 && players[i].greetings <= PLAYERS);
        CHECK(game.moves[i] > 0 && game.moves[i] <= MOVES_EACH);
        CHECK(players[i].moves_seen > 0 && players[i].moves_seen <= (PLAYERS - 1) * MOVES_EACH);
        while (!players[i].has_left)
            run_player(&players[i], 0);
        CHECK_OK(tme_client_destroy(players[i].client));
    }
    close_world(&world);
    return 0;
}
