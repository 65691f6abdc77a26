// A client as games of the original engine had it: it never calls Update.
//
// old_beacon_client PORT NUMBERS SLEEP_MS: sends that many numbers, says goodbye, and plays until the server has ended
// the game. The server's ticks must come in order, and none may be missing.
#include "TME/NetworkEngine.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

std::vector<uint8_t> ToBytes(const std::string& text) {
    return std::vector<uint8_t>(text.begin(), text.end());
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        return 2;
    }
    const uint16_t port = static_cast<uint16_t>(std::atoi(argv[1]));
    const int numbers = std::atoi(argv[2]);
    const int sleepMs = std::atoi(argv[3]);

    tme::NetworkEngine::EnsureInitialized();
    // The server may come later than we do.
    int attempts = 0;
    while (tme::NetworkEngine::StartClient("127.0.0.1", port) != tme::ErrorCodes::Success) {
        if (++attempts == 5) {
            std::fprintf(stderr, "client: no server\n");
            return 1;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    int sent = 0;
    int ticks = -1;
    bool hasEnded = false;
    while (tme::NetworkEngine::IsClientConnected()) {
        if (sent <= numbers) {
            const std::string text = sent == numbers ? "goodbye" : "number " + std::to_string(sent);
            const auto result = tme::NetworkEngine::SendToServerReliable(ToBytes(text));
            if (result != tme::ErrorCodes::Success) {
                std::fprintf(stderr, "client: sending gives %d\n", static_cast<int>(result));
                return 1;
            }
            ++sent;
        }
        std::vector<std::vector<uint8_t>> messages;
        tme::NetworkEngine::ReceiveAllReliableFromServer(messages);
        for (const auto& message : messages) {
            const std::string text(message.begin(), message.end());
            if (text == "end") {
                hasEnded = true;
                continue;
            }
            const int tick = std::atoi(text.c_str() + 5);
            if (text.compare(0, 5, "tick ") != 0 || (ticks >= 0 && tick != ticks + 1)) {
                std::fprintf(stderr, "client: '%s' after tick %d\n", text.c_str(), ticks);
                return 1;
            }
            ticks = tick;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(sleepMs));
    }
    std::fprintf(stderr, "client: %d numbers sent, last tick %d\n", sent - 1, ticks);
    return hasEnded && sent > numbers ? 0 : 1; // without ShutDown
}
