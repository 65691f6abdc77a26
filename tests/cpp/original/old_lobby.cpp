// A lobby in one source, as many games had it: `old_lobby serve PORT GUESTS` and `old_lobby join PORT NAME ROUNDS`.
//
// Guests come and go: each joins, is greeted by name, says something, and leaves at once, without waiting and without
// ShutDown. What it said last must reach the server all the same, and its number must never come again.
#include "TME/NetworkEngine.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <vector>

using namespace tme;

namespace {

std::vector<uint8_t> ToBytes(const std::string& text) {
    return std::vector<uint8_t>(text.begin(), text.end());
}

std::string ToText(const std::vector<uint8_t>& bytes) {
    return std::string(bytes.begin(), bytes.end());
}

int Serve(uint16_t port, int guests) {
    if (NetworkEngine::Init() != ErrorCodes::Success || NetworkEngine::StartServer(port) != ErrorCodes::Success) {
        return 1;
    }
    std::map<uint32_t, std::string> names;
    int farewells = 0;
    for (int round = 0; farewells < guests && round < 2500; ++round) {
        NetworkEngine::Update();
        std::vector<std::pair<uint32_t, std::vector<uint8_t>>> messages;
        NetworkEngine::ReceiveAllReliableFromClient(messages);
        for (const auto& [networkId, bytes] : messages) {
            const std::string text = ToText(bytes);
            if (text.rfind("I am ", 0) == 0) {
                if (!names.emplace(networkId, text.substr(5)).second) {
                    std::fprintf(stderr, "server: number %u came twice\n", networkId);
                    return 1;
                }
                NetworkEngine::SendToClientReliable(ToBytes("welcome " + names[networkId]), networkId);
                NetworkEngine::SendToAllClientReliable(ToBytes(names[networkId] + " is here"));
            } else if (text == names[networkId] + " was here") {
                ++farewells;
            } else {
                std::fprintf(stderr, "server: '%s' from %u\n", text.c_str(), networkId);
                return 1;
            }
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    std::fprintf(stderr, "server: %d guests, %d farewells\n", static_cast<int>(names.size()), farewells);
    // Most are gone; their numbers lead nowhere.
    for (int round = 0; round < 500; ++round) {
        bool isAnybodyThere = false;
        for (const auto& [networkId, name] : names) {
            isAnybodyThere |= NetworkEngine::SendToClientReliable({1}, networkId) != ErrorCodes::ClientNotFound;
        }
        if (!isAnybodyThere) {
            NetworkEngine::ShutDown();
            return farewells == guests && static_cast<int>(names.size()) == guests ? 0 : 1;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    std::fprintf(stderr, "server: somebody does not leave\n");
    return 1;
}

int Join(uint16_t port, const std::string& name) {
    NetworkEngine::EnsureInitialized();
    for (int attempt = 0; NetworkEngine::StartClient("localhost", port) != ErrorCodes::Success; ++attempt) {
        if (attempt == 5) {
            return 1;
        }
    }
    NetworkEngine::SendToServerReliable(ToBytes("I am " + name));
    while (NetworkEngine::IsClientConnected()) {
        std::vector<std::vector<uint8_t>> messages;
        NetworkEngine::ReceiveAllReliableFromServer(messages);
        for (const auto& message : messages) {
            if (ToText(message) == "welcome " + name) {
                const bool isSent =
                    NetworkEngine::SendToServerReliable(ToBytes(name + " was here")) == ErrorCodes::Success;
                return isSent ? 0 : 1;
            }
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    const std::string role = argc > 3 ? argv[1] : "";
    if (role != "serve" && role != "join") {
        return 2;
    }
    const uint16_t port = static_cast<uint16_t>(std::atoi(argv[2]));
    if (role == "serve") {
        return Serve(port, std::atoi(argv[3]));
    }
    const int rounds = argc > 4 ? std::atoi(argv[4]) : 1;
    for (int round = 0; round < rounds; ++round) {
        if (Join(port, std::string(argv[3]) + "-" + std::to_string(round)) != 0) {
            std::fprintf(stderr, "%s: round %d failed\n", argv[3], round);
            return 1;
        }
        // The next guest of this program comes by a connection of its own; the last one leaves without ShutDown.
        if (round + 1 < rounds) {
            NetworkEngine::ShutDown();
        }
    }
    return 0;
}
