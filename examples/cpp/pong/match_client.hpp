// One player's side: sends inputs, predicts the own paddle, shows the rest as it was a moment ago.
#ifndef PONG_MATCH_CLIENT_HPP
#define PONG_MATCH_CLIENT_HPP

#include "protocol.hpp"

#include <chrono>
#include <deque>
#include <optional>
#include <string>

namespace pong {

// What a player sees: between two ticks, hence not in whole numbers. Lengths are cells.
struct View {
    enum class Stage { connecting, waiting, playing, over, lost };
    Stage stage = Stage::connecting;
    Player me = 0;
    std::array<std::string, 2> names = {"", ""};
    std::array<int, 2> scores = {0, 0};
    int points = 0;
    double ball_x = 0;
    double ball_y = 0;
    std::array<double, 2> paddles = {0, 0};
    // The ball waits to be served.
    bool is_serving = true;
    // The last goal's scorer, for as long as the serve takes.
    std::optional<Player> cheer;
    std::optional<Over> over;
    // Why the connection ended, or was never made.
    std::string trouble;
    bool is_interrupted = false;
    double ping_ms = 0;
    double loss = 0;
};

struct PlayerOptions {
    std::string address = "localhost:7777";
    // Empty: any server is believed.
    std::string key = {};
    std::string name = "somebody";
    // A bad network, for trying out. Empty: none.
    std::string conditions = {};
};

class MatchClient {
public:
    [[nodiscard]] static tme::Result<MatchClient> start(const PlayerOptions& options);

    // Takes news, and sends `direction` for every tick that is due. Waits at most `timeout`.
    void update(Direction direction, std::chrono::milliseconds timeout);

    [[nodiscard]] View view() const;

    // What a computer player goes by: the newest state.
    [[nodiscard]] const State& newest_state() const { return snapshots_.back().snapshot.state; }
    [[nodiscard]] Player me() const { return start_ ? start_->player : 0; }

    [[nodiscard]] bool is_done() const { return over_ || !trouble_.empty(); }
    void leave() { static_cast<void>(client_.close(std::chrono::milliseconds(500))); }

    struct Figures {
        std::uint32_t snapshots = 0;
        std::uint32_t inputs = 0;
        // Goals, as told one by one.
        std::array<int, 2> goals = {0, 0};
        // Snapshots that found the own paddle somewhere else than predicted.
        std::uint32_t corrections = 0;
        std::uint32_t undecodable = 0;
        double ping_ms = 0;
        double loss = 0;
    };
    [[nodiscard]] const Figures& figures() const { return figures_; }

private:
    using Clock = std::chrono::steady_clock;

    struct Received {
        Snapshot snapshot;
        Clock::time_point at;
    };

    // An input that the server has not confirmed yet, and where it should have put the paddle.
    struct Pending {
        std::uint32_t number;
        Direction direction;
        std::int32_t paddle;
    };

    MatchClient(tme::Client client, const PlayerOptions& options);

    void handle_news(const News& news);
    void handle_snapshot(const Snapshot& snapshot);
    void send_inputs(Direction direction);
    void look_at_the_network();
    // Ticks since the server's first one, as a moment ago, when what was seen then has surely come.
    [[nodiscard]] double shown_tick() const;
    [[nodiscard]] std::int32_t predicted_paddle() const;

    tme::Client client_;
    std::string conditions_;
    std::optional<Start> start_;
    std::optional<Over> over_;
    std::string trouble_;
    bool is_connected_ = false;
    bool is_interrupted_ = false;
    // The newest few, oldest first; never empty.
    std::deque<Received> snapshots_;
    // When the server's tick 0 would have been seen here, had its snapshot taken the quickest way.
    std::optional<Clock::time_point> tick_zero_at_;
    std::deque<Pending> pending_;
    std::deque<Direction> newest_directions_;
    std::uint32_t newest_input_ = 0;
    Clock::time_point next_input_at_{};
    std::optional<Player> last_scorer_;
    Figures figures_;
};

} // namespace pong

#endif
