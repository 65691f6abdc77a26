// The rules of Pong, and nothing else: no clock, no network, no screen. Whole numbers only, so that the same calls give
// the same game on every machine.
#ifndef PONG_GAME_HPP
#define PONG_GAME_HPP

#include <array>
#include <cstdint>

namespace pong {

// Lengths are in units, `cell` of which are one character of a terminal. x goes right, y goes down; speeds are per tick.
constexpr std::int32_t cell = 256;
constexpr std::int32_t field_width = 78 * cell;
constexpr std::int32_t field_height = 20 * cell;
constexpr std::int32_t paddle_half = 2 * cell;
constexpr std::int32_t ball_half = cell / 2;
constexpr std::int32_t paddle_speed = cell * 2 / 5;

// Where the ball turns, by player: the inner faces of the paddles.
constexpr std::array<std::int32_t, 2> paddle_face = {3 * cell, field_width - 3 * cell};

constexpr int ticks_per_second = 60;
constexpr int serve_ticks = ticks_per_second * 3 / 4;

// Player 0 is on the left, player 1 on the right.
using Player = int;

[[nodiscard]] constexpr Player other(Player player) {
    return 1 - player;
}

enum class Direction : std::uint8_t { none = 0, up = 1, down = 2 };

struct Ball {
    std::int32_t x = field_width / 2;
    std::int32_t y = field_height / 2;
    std::int32_t vx = 0;
    std::int32_t vy = 0;
};

// Everything there is to know about a game between two ticks.
struct State {
    std::uint32_t tick = 0;
    Ball ball;
    // Centres of the paddles.
    std::array<std::int32_t, 2> paddles = {field_height / 2, field_height / 2};
    std::array<std::uint8_t, 2> scores = {0, 0};
    // Goals so far; the ball jumps where this changes.
    std::uint8_t rally = 0;
    // Ticks until the ball is served; 0 while it flies.
    std::uint8_t serve_in = serve_ticks;
};

// Where a paddle is after one tick in a direction. A client predicts its own paddle with it.
[[nodiscard]] std::int32_t moved_paddle(std::int32_t y, Direction direction);

// Where the ball will be when it reaches a player's paddle, walls included. For computer players.
[[nodiscard]] std::int32_t ball_y_at_paddle(const Ball& ball, Player player);

class Game {
public:
    explicit Game(std::uint32_t seed) : random_(seed) {}

    [[nodiscard]] const State& state() const { return state_; }

    // Moves a paddle by one tick.
    void move(Player player, Direction direction);

    enum class News : std::uint8_t { none, hit, goal };

    // Moves the ball by one tick. After a goal, `last_scorer` tells whose.
    News step();

    [[nodiscard]] Player last_scorer() const { return last_scorer_; }

private:
    void serve();
    [[nodiscard]] bool turn_at_paddle(std::int32_t old_x, std::int32_t old_y);
    News score(Player scorer);
    [[nodiscard]] std::int32_t random_below(std::int32_t limit);

    State state_;
    std::uint32_t random_;
    Player last_scorer_ = 0;
};

} // namespace pong

#endif
