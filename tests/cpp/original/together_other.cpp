#include <tme.hpp>

#include "TME/NetworkEngine.hpp"

bool HasTheOtherOrder();

bool HasTheOtherOrder() {
    return tme::version() != 0 && !tme::NetworkEngine::IsInitialized();
}
