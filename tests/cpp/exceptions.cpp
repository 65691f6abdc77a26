// With TME_ENABLE_EXCEPTIONS the value of a failed result throws.
#include "check.hpp"

#include <stdexcept>

static_assert(std::is_base_of_v<std::exception, tme::Exception>);

int main() {
    int caught = 0;
    const auto failed = tme::key_public("not a key");
    try {
        static_cast<void>(failed.value());
    } catch (const tme::Exception& exception) {
        CHECK(exception.error().code() == tme::ErrorCode::key);
        CHECK(exception.what() == exception.error().message());
        caught += 1;
    }
    try {
        static_cast<void>(failed->size());
    } catch (const std::exception&) {
        caught += 1;
    }
    const tme::Result<void> not_done = tme::Error(tme::ErrorCode::busy);
    try {
        not_done.value();
    } catch (const tme::Exception&) {
        caught += 1;
    }
    CHECK(caught == 3);

    // Errors that are not asked for their value still throw nothing.
    tme::ClientConfig config;
    config.server_key = "not a key";
    CHECK(tme::Client::start(config).code() == tme::ErrorCode::key);
    CHECK(tme::key_generate().value().size() == 64);
}
