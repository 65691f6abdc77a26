// The terminal as a game needs it: keys as they are pressed, frames that do not flicker, and everything as it was before
// when the game ends, however it does.
#ifndef PONG_TERMINAL_HPP
#define PONG_TERMINAL_HPP

#include "game.hpp"

#include <chrono>
#include <string>

namespace pong {

// What has been pressed since the last look.
struct Keys {
    // The last one of the two.
    Direction direction = Direction::none;
    bool quit = false;
    bool any = false;
};

// One at a time, and only where there is one.
class Terminal {
public:
    // Whether standard input and output are a terminal.
    [[nodiscard]] static bool exists();

    Terminal();
    ~Terminal();
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    [[nodiscard]] Keys read_keys();

    // Shows a frame in the middle of the window; says so where that is too small.
    void show(const std::string& frame);
};

// A terminal tells when a key is pressed, and again while it is held, but not when it is let go.
class HeldKey {
public:
    [[nodiscard]] Direction update(const Keys& keys);

private:
    using Clock = std::chrono::steady_clock;
    Direction direction_ = Direction::none;
    Clock::time_point until_{};
    bool is_repeating_ = false;
};

// True once the user or the system wants the program to end. The handlers are installed by the first call.
[[nodiscard]] bool is_stop_asked();

} // namespace pong

#endif
