// Connects to an echo of itself, says a word, and succeeds if it comes back.
#include <iostream>
#include <memory>
#include <string>

#include <tme.h>

namespace {

struct Destroy {
    void operator()(TmeClient* client) const { tme_client_destroy(client); }
};
using Client = std::unique_ptr<TmeClient, Destroy>;

const std::string word = "hello";

Client start()
{
    TmeChannelConfig channel{};
    channel.name = "chat";
    channel.mode = TME_CHANNEL_RELIABLE_ORDERED;
    TmeClientConfig config;
    tme_client_config_init(&config, sizeof config);
    config.channels = &channel;
    config.channel_count = 1;
    TmeClient* client = nullptr;
    const TmeResult result = tme_client_create_echo(&config, &client);
    if (result < 0)
        std::cerr << tme_result_string(result) << '\n';
    return Client(client);
}

std::string conversation(TmeClient* client)
{
    for (int turns = 0; turns < 1000; ++turns) {
        TmeEvent event;
        std::uint32_t count = 0;
        tme_client_update(client, 10);
        while (tme_client_poll(client, &event, 1, &count) == TME_OK && count == 1) {
            if (event.type == TME_EVENT_CONNECTED)
                tme_client_send(client, 0, word.data(), word.size(), 0);
            if (event.type == TME_EVENT_MESSAGE)
                return std::string(reinterpret_cast<const char*>(event.data), event.length);
        }
    }
    return "no echo";
}

}  // namespace

int main()
{
    const Client client = start();
    if (!client)
        return 1;
    const std::string heard = conversation(client.get());
    std::cout << heard << '\n';
    return heard == word ? 0 : 1;
}
