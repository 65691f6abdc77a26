#include "game.hpp"

#include <algorithm>
#include <cstdlib>

namespace pong {

namespace {

constexpr std::int32_t serve_speed = cell * 11 / 20;
// Beyond it nobody could follow on a terminal.
constexpr std::int32_t speed_max = cell * 8 / 5;
// At the very edge of a paddle; the ball flies no steeper.
constexpr std::int32_t steepest = cell * 2 / 5;

constexpr std::int32_t top = ball_half;
constexpr std::int32_t bottom = field_height - ball_half;

// A height that the ball would have without walls, folded back into the field.
std::int32_t between_walls(std::int32_t y) {
    constexpr std::int32_t height = bottom - top;
    std::int32_t folded = (y - top) % (2 * height);
    if (folded < 0) {
        folded += 2 * height;
    }
    return top + (folded > height ? 2 * height - folded : folded);
}

} // namespace

std::int32_t moved_paddle(std::int32_t y, Direction direction) {
    const std::int32_t step = direction == Direction::up     ? -paddle_speed
                              : direction == Direction::down ? paddle_speed
                                                             : 0;
    return std::clamp(y + step, paddle_half, field_height - paddle_half);
}

std::int32_t ball_y_at_paddle(const Ball& ball, Player player) {
    const std::int32_t distance = paddle_face[static_cast<std::size_t>(player)] - ball.x;
    const bool is_coming = ball.vx != 0 && (distance > 0) == (ball.vx > 0);
    return is_coming ? between_walls(ball.y + ball.vy * (distance / ball.vx)) : field_height / 2;
}

void Game::move(Player player, Direction direction) {
    std::int32_t& y = state_.paddles[static_cast<std::size_t>(player)];
    y = moved_paddle(y, direction);
}

Game::News Game::step() {
    state_.tick += 1;
    if (state_.serve_in > 0) {
        state_.serve_in -= 1;
        if (state_.serve_in == 0) {
            serve();
        }
        return News::none;
    }
    Ball& ball = state_.ball;
    const Ball old = ball;
    ball.x += ball.vx;
    ball.y += ball.vy;
    const bool has_hit = turn_at_paddle(old.x, old.y);
    if (ball.y < top || ball.y > bottom) {
        ball.y = between_walls(ball.y);
        ball.vy = -ball.vy;
    }
    if (ball.x < 0) {
        return score(1);
    }
    if (ball.x > field_width) {
        return score(0);
    }
    return has_hit ? News::hit : News::none;
}

// To whoever has just scored, the first one to anybody.
void Game::serve() {
    const Player receiver = state_.rally > 0 ? last_scorer_ : random_below(2);
    state_.ball.vx = receiver == 0 ? -serve_speed : serve_speed;
    state_.ball.vy = random_below(2 * steepest + 1) - steepest;
}

// A ball that passes the face of a paddle within this tick turns where it meets it.
bool Game::turn_at_paddle(std::int32_t old_x, std::int32_t old_y) {
    Ball& ball = state_.ball;
    const Player player = ball.vx < 0 ? 0 : 1;
    const std::int32_t face = paddle_face[static_cast<std::size_t>(player)];
    const bool passes = player == 0 ? old_x > face && ball.x <= face : old_x < face && ball.x >= face;
    if (!passes) {
        return false;
    }
    const std::int32_t meets_at = old_y + ball.vy * (face - old_x) / ball.vx;
    const std::int32_t offset = meets_at - state_.paddles[static_cast<std::size_t>(player)];
    if (std::abs(offset) > paddle_half + ball_half) {
        return false;
    }
    const std::int32_t speed = std::min(std::abs(ball.vx) * 21 / 20, speed_max);
    ball.x = 2 * face - ball.x;
    ball.vx = player == 0 ? speed : -speed;
    ball.vy = std::clamp(offset * steepest / paddle_half, -steepest, steepest);
    return true;
}

Game::News Game::score(Player scorer) {
    state_.scores[static_cast<std::size_t>(scorer)] += 1;
    state_.rally += 1;
    state_.serve_in = serve_ticks;
    state_.ball = Ball{};
    last_scorer_ = scorer;
    return News::goal;
}

// The generator of Park and Miller: the same numbers everywhere, which those of the standard library do not promise.
std::int32_t Game::random_below(std::int32_t limit) {
    random_ = static_cast<std::uint32_t>(std::uint64_t{random_ % 2147483646u + 1} * 48271 % 2147483647u);
    return static_cast<std::int32_t>(random_ % static_cast<std::uint32_t>(limit));
}

} // namespace pong
