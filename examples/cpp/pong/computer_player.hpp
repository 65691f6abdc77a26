// A computer player: good, but not perfect.
#ifndef PONG_COMPUTER_PLAYER_HPP
#define PONG_COMPUTER_PLAYER_HPP

#include "game.hpp"

#include <random>

namespace pong {

class ComputerPlayer {
public:
    // `skill` is 0 to 100: the share of balls that it means to hit.
    ComputerPlayer(std::uint32_t seed, int skill) : random_(seed), skill_(skill) {}

    // Where to move, seen that the game stands like this.
    [[nodiscard]] Direction choose(const State& state, Player me);

private:
    [[nodiscard]] std::int32_t between(std::int32_t from, std::int32_t to) {
        return std::uniform_int_distribution<std::int32_t>(from, to)(random_);
    }

    std::minstd_rand random_;
    int skill_;
    // How far beside the ball it aims, chosen anew when the ball turns.
    std::int32_t offset_ = 0;
    bool was_coming_ = false;
};

} // namespace pong

#endif
