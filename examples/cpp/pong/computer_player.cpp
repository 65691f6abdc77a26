#include "computer_player.hpp"

#include <cstdlib>

namespace pong {

Direction ComputerPlayer::choose(const State& state, Player me) {
    const bool is_coming = me == 0 ? state.ball.vx < 0 : state.ball.vx > 0;
    if (is_coming && !was_coming_) {
        const bool means_to_hit = between(0, 99) < skill_;
        const std::int32_t beside = means_to_hit ? between(0, paddle_half * 3 / 4) : between(paddle_half + cell, 3 * paddle_half);
        offset_ = between(0, 1) == 0 ? beside : -beside;
    }
    was_coming_ = is_coming;
    const std::int32_t target = is_coming ? ball_y_at_paddle(state.ball, me) + offset_ : field_height / 2;
    const std::int32_t distance = target - state.paddles[static_cast<std::size_t>(me)];
    // It does not tremble.
    if (std::abs(distance) < paddle_speed) {
        return Direction::none;
    }
    return distance < 0 ? Direction::up : Direction::down;
}

} // namespace pong
