// Without exceptions, asking a failed result for its value ends the process; it does not go on with garbage.
#include "check.hpp"

#include <csignal>

namespace {
// abort() comes here: what was expected.
void aborted(int) { std::_Exit(0); }
} // namespace

int main() {
    const auto failed = tme::key_public("not a key");
    CHECK(!failed);
    std::signal(SIGABRT, aborted);
    std::printf("%zu\n", failed->size());
    return 1;
}
