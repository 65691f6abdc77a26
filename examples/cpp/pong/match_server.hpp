// The one who knows: waits for two players, plays their game, and tells them about it.
#ifndef PONG_MATCH_SERVER_HPP
#define PONG_MATCH_SERVER_HPP

#include "protocol.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace pong {

using Clock = std::chrono::steady_clock;

struct MatchOptions {
    std::string listen = "0.0.0.0:7777";
    // Empty: a key for this run.
    std::string key_file = {};
    std::uint8_t points = 5;
    // The game ends then, whatever the score. Zero: never.
    std::chrono::seconds time_limit{0};
    std::uint32_t seed = 1;
    // Gets a line of what happens.
    std::function<void(const std::string&)> report = [](const std::string&) {};
};

class MatchServer {
public:
    [[nodiscard]] static tme::Result<MatchServer> start(MatchOptions options);

    // Serves and plays for at most about a tick. An error means that the server is at its end.
    tme::Result<void> update();

    // Lets the players know, and what they were told arrive.
    void shut_down() { static_cast<void>(server_.shutdown(std::chrono::seconds(2))); }

    [[nodiscard]] std::uint16_t port() const { return server_.port(); }
    [[nodiscard]] std::string public_key() const {
        const auto key = server_.public_key();
        return key ? *key : std::string();
    }

    // The newest game that has ended.
    [[nodiscard]] const std::optional<Over>& result() const { return result_; }

    struct Figures {
        std::uint32_t ticks = 0;
        std::uint32_t goals = 0;
        std::uint32_t longest_rally_hits = 0;
    };
    [[nodiscard]] const Figures& figures() const { return figures_; }

private:
    struct Seat {
        tme::PeerId peer = tme::PeerId::none;
        std::string name;
        std::uint32_t applied = 0;
        // Inputs that wait for their tick, the next one first.
        std::deque<std::pair<std::uint32_t, Direction>> inputs;
        // Ticks for which no input had come. They may be caught up with, no more: nobody moves faster than the others.
        std::uint32_t owed = 0;
    };

    MatchServer(tme::Server server, MatchOptions options)
        : server_(std::move(server)), options_(std::move(options)), seed_(options_.seed) {}

    [[nodiscard]] Seat* find(tme::PeerId peer);
    void admit(const tme::Connected& connected);
    void handle_inputs(Seat& seat, const Inputs& inputs);
    void handle_leaving(tme::PeerId peer);
    void begin();
    void tick();
    void apply_inputs(Player player);
    void tell(const News& news);
    void end(Ending ending, std::optional<Player> winner);
    [[nodiscard]] std::optional<Player> leader() const;

    tme::Server server_;
    MatchOptions options_;
    std::uint32_t seed_;
    // At most two, who play once they are.
    std::vector<Seat> seats_;
    std::optional<Game> game_;
    Clock::time_point begun_at_{};
    Clock::time_point next_tick_at_{};
    std::optional<Over> result_;
    Figures figures_;
    std::uint32_t rally_hits_ = 0;
};

} // namespace pong

#endif
