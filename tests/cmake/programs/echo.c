/* Connects to an echo of itself, says a word, and succeeds if it comes back. */
#include <stdio.h>
#include <string.h>

#include <tme.h>

static const char WORD[] = "hello";

/* Gives 0 to go on, 1 when the word came back, or a negative result. */
static int handle(TmeClient *client, const TmeEvent *event)
{
    if (event->type == TME_EVENT_CONNECTED)
        return tme_client_send(client, 0, WORD, sizeof WORD, 0);
    if (event->type == TME_EVENT_MESSAGE)
        return event->length == sizeof WORD && memcmp(event->data, WORD, sizeof WORD) == 0 ? 1 : -1;
    return event->type == TME_EVENT_DISCONNECTED ? -1 : 0;
}

static int converse(TmeClient *client)
{
    int outcome = 0;
    int turns;
    for (turns = 0; outcome == 0 && turns < 1000; turns++) {
        TmeEvent event;
        uint32_t count = 0;
        outcome = tme_client_update(client, 10);
        while (outcome == 0 && (outcome = tme_client_poll(client, &event, 1, &count)) == 0 && count == 1)
            outcome = handle(client, &event);
    }
    return outcome;
}

int main(void)
{
    TmeChannelConfig channel;
    TmeClientConfig config;
    TmeClient *client = NULL;
    TmeResult result;
    int outcome;

    memset(&channel, 0, sizeof channel);
    channel.name = "chat";
    channel.mode = TME_CHANNEL_RELIABLE_ORDERED;
    result = tme_client_config_init(&config, sizeof config);
    config.channels = &channel;
    config.channel_count = 1;
    if (result >= 0)
        result = tme_client_create_echo(&config, &client);
    if (result < 0) {
        fprintf(stderr, "%s\n", tme_result_string(result));
        return 1;
    }
    outcome = converse(client);
    tme_client_destroy(client);
    printf("%s\n", outcome == 1 ? WORD : "no echo");
    return outcome == 1 ? 0 : 1;
}
