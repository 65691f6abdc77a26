/* Every function that takes a handle, called with one and otherwise sensible arguments: for handles that all of them
 * must refuse in the same way. The functions that end a handle are left to the caller. */
#ifndef EVERY_CALL_H
#define EVERY_CALL_H

#include <tme.h>

void every_server_call_gives(TmeServer *server, TmeResult expected);
/* tme_client_is_connected excepted, which says 0 of a poisoned client. */
void every_client_call_gives(TmeClient *client, TmeResult expected);
void every_querier_call_gives(TmeQuerier *querier, TmeResult expected);
void every_discovery_call_gives(TmeDiscovery *discovery, TmeResult expected);
void every_message_call_gives(TmeMessage *message, TmeResult expected);

#endif
