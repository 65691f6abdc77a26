// The header twice in one program, in which everything is inline; and before the original engine's, whose names are in
// the same namespace.
#include <tme.hpp>

#include <TME/NetworkEngine.hpp>
#include <tme.hpp>

std::uint32_t version_of_the_second_unit();
std::uint32_t version_of_the_second_unit() {
    return tme::NetworkEngine::IsInitialized() ? 0 : tme::version();
}
