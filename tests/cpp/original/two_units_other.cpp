#include "TME/NetworkEngine.hpp"

bool StartFromTheOtherFile(uint16_t& port);

bool StartFromTheOtherFile(uint16_t& port) {
    const bool isStarted = tme::NetworkEngine::StartServer(0) == tme::ErrorCodes::Success;
    port = tme::NetworkEngine::ServerPort();
    return isStarted;
}
