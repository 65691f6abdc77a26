// What the tests of the original interface share.
#ifndef TME_TESTS_ORIGINAL_CHECK_HPP
#define TME_TESTS_ORIGINAL_CHECK_HPP

#include "TME/NetworkEngine.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

// Ends the test where a promise is broken. To standard error, which is not buffered.
#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                     \
            std::_Exit(1);                                                                                   \
        }                                                                                                    \
    } while (false)

// As CHECK for a call that gives an ErrorCodes.
#define CHECK_CODE(call, expected)                                                                           \
    do {                                                                                                     \
        const tme::ErrorCodes checkedCode = (call);                                                          \
        if (checkedCode != tme::ErrorCodes::expected) {                                                      \
            std::fprintf(stderr, "%s:%d: %s gives %d, not " #expected "\n", __FILE__, __LINE__, #call,       \
                         static_cast<int>(checkedCode));                                                     \
            std::_Exit(1);                                                                                   \
        }                                                                                                    \
    } while (false)

namespace test {

using Engine = tme::NetworkEngine;
using Bytes = std::vector<uint8_t>;
using Messages = std::vector<Bytes>;
using ClientMessages = std::vector<std::pair<uint32_t, Bytes>>;

inline void Sleep(int milliseconds) {
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

// Whether it comes true within some time, which is long even under valgrind.
template <typename Condition>
bool Eventually(Condition condition, int seconds = 20) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        Sleep(2);
    }
    return true;
}

// A message that knows its number and its length, and whose every byte can be checked.
inline Bytes Numbered(uint32_t number, std::size_t length) {
    Bytes bytes(length < 8 ? 8 : length);
    for (std::size_t index = 0; index < bytes.size(); ++index) {
        bytes[index] = static_cast<uint8_t>(number * 31 + index * 7 + (index >> 8));
    }
    const uint32_t head[] = {number, static_cast<uint32_t>(bytes.size())};
    for (std::size_t index = 0; index < 8; ++index) {
        bytes[index] = static_cast<uint8_t>(head[index / 4] >> (8 * (index % 4)));
    }
    return bytes;
}

// Sizes from 8 bytes to some 100 kB: within a datagram, at its edge, and in many fragments.
inline std::size_t MixedLength(uint32_t number) {
    const uint32_t random = number * 2654435761u >> 8;
    switch (number % 16) {
    case 0: return 8 + random % 4096;
    case 1: return 1100 + random % 300;
    case 2: return number % 512 == 2 ? 20000 + random % 80000 : 64;
    default: return 8 + random % 200;
    }
}

} // namespace test

#endif
