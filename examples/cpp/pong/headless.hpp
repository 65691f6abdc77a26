// A game that plays itself, to see whether everybody agrees how it ended: a server and two computer players over real
// sockets.
#ifndef PONG_HEADLESS_HPP
#define PONG_HEADLESS_HPP

#include <cstdint>
#include <string>

namespace pong {

struct HeadlessOptions {
    std::uint8_t points = 3;
    // The game ends then, whatever the score. 0: when the points are made.
    int seconds = 0;
    std::string conditions = {};
    // Of both players, 0-100.
    int skill = 60;
    std::uint32_t seed = 1;
};

// Prints a summary. 0: both clients agree with the server. 1: they do not, or the game did not come about.
[[nodiscard]] int play_headless(const HeadlessOptions& options);

} // namespace pong

#endif
