// A server as games of the original engine had it: some work, some sleep, and one Update in between.
//
// old_beacon_server PORT CLIENTS SLEEP_MS: serves until that many clients have come and said goodbye. Each client's
// numbers must come in order, and none may be missing.
#include "TME/NetworkEngine.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <vector>

int main(int argc, char** argv) {
    if (argc != 4) {
        return 2;
    }
    const uint16_t port = static_cast<uint16_t>(std::atoi(argv[1]));
    const int clients = std::atoi(argv[2]);
    const int sleepMs = std::atoi(argv[3]);

    tme::NetworkEngine::Init();
    if (tme::NetworkEngine::StartServer(port) != tme::ErrorCodes::Success) {
        std::fprintf(stderr, "server: cannot start\n");
        return 1;
    }
    std::map<uint32_t, int> nextNumbers;
    int goodbyes = 0;
    int ticks = 0;
    const auto begin = std::chrono::steady_clock::now();
    while (tme::NetworkEngine::IsServerStarted()) {
        tme::NetworkEngine::Update();

        const std::string tick = "tick " + std::to_string(ticks++);
        tme::NetworkEngine::SendToAllClientReliable(std::vector<uint8_t>(tick.begin(), tick.end()));

        std::vector<std::pair<uint32_t, std::vector<uint8_t>>> messages;
        tme::NetworkEngine::ReceiveAllReliableFromClient(messages);
        for (auto& message : messages) {
            const std::string text(message.second.begin(), message.second.end());
            if (text == "goodbye") {
                ++goodbyes;
                std::fprintf(stderr, "server: client %u said goodbye after %d\n", message.first, nextNumbers[message.first]);
            } else if (text != "number " + std::to_string(nextNumbers[message.first]++)) {
                std::fprintf(stderr, "server: client %u sent '%s'\n", message.first, text.c_str());
                return 1;
            }
        }
        if (goodbyes == clients) {
            const std::string end = "end";
            tme::NetworkEngine::SendToAllClientReliable(std::vector<uint8_t>(end.begin(), end.end()));
            break;
        }
        if (std::chrono::steady_clock::now() - begin > std::chrono::seconds(50)) {
            std::fprintf(stderr, "server: only %d of %d clients were done in time\n", goodbyes, clients);
            return 1;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(sleepMs));
    }
    tme::NetworkEngine::ShutDown();
    return static_cast<int>(nextNumbers.size()) == clients ? 0 : 1;
}
