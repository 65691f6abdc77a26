// Prints a port that was free a moment ago.
#include "TME/NetworkEngine.hpp"

#include <cstdio>

int main() {
    tme::NetworkEngine::Init();
    if (tme::NetworkEngine::StartServer(0) != tme::ErrorCodes::Success) {
        return 1;
    }
    std::printf("%u", static_cast<unsigned>(tme::NetworkEngine::ServerPort()));
    return 0;
}
