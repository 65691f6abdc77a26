#include "match_client.hpp"

#include <algorithm>

namespace pong {

namespace {

using namespace std::chrono_literals;
using Ticks = std::chrono::duration<double, std::ratio<1, ticks_per_second>>;

// How far behind the rest is shown: two snapshots may be lost in a row, or come late, before it stops.
constexpr double shown_ticks_behind = 4;
constexpr std::size_t snapshots_kept = 32;
// Four seconds without a word of the server; then the game is interrupted anyway.
constexpr std::size_t pending_max = 240;

double in_cells(std::int32_t units) {
    return static_cast<double>(units) / cell;
}

double between(std::int32_t from, std::int32_t to, double share) {
    return in_cells(from) + (in_cells(to) - in_cells(from)) * share;
}

} // namespace

tme::Result<MatchClient> MatchClient::start(const PlayerOptions& options) {
    tme::ClientConfig config;
    config.address = options.address;
    config.application = application;
    config.server_key = options.key;
    config.channels = channels();
    config.user_data = clean_name(options.name);
    config.idle_timeout = 10s;
    config.connect_timeout = 5s;
    auto client = tme::Client::start(config);
    if (!client) {
        return client.error();
    }
    return MatchClient(std::move(*client), options);
}

MatchClient::MatchClient(tme::Client client, const PlayerOptions& options)
    : client_(std::move(client)), conditions_(options.conditions) {
    snapshots_.push_back(Received{Snapshot{}, Clock::now()});
}

void MatchClient::update(Direction direction, std::chrono::milliseconds timeout) {
    const auto updated = client_.update(timeout);
    if (!updated && trouble_.empty()) {
        trouble_ = updated.error().message();
    }
    for (const auto& event : client_.events()) {
        std::visit(tme::overloaded{
                       [&](const tme::Connected&) {
                           is_connected_ = true;
                           look_at_the_network();
                       },
                       [&](const tme::Message& message) {
                           const auto snapshot =
                               message.channel == state_channel ? decode_snapshot(message.bytes) : std::nullopt;
                           const auto news = message.channel == news_channel ? decode_news(message.bytes) : std::nullopt;
                           if (snapshot) {
                               handle_snapshot(*snapshot);
                           } else if (news) {
                               handle_news(*news);
                           } else {
                               figures_.undecodable += 1;
                           }
                       },
                       [&](const tme::Interrupted&) { is_interrupted_ = true; },
                       [&](const tme::Resumed&) { is_interrupted_ = false; },
                       [&](const tme::Disconnected& disconnected) {
                           is_connected_ = false;
                           trouble_ = disconnected.code == code_game_is_full ? "two are playing there already"
                                                                             : tme::to_string(disconnected.reason);
                       },
                       [](const auto&) {},
                   },
                   event);
    }
    if (is_connected_ && start_ && !over_) {
        send_inputs(direction);
    }
    if (const auto statistics = client_.statistics()) {
        figures_.ping_ms = static_cast<double>(statistics->rtt_smoothed_us) / 1000;
        figures_.loss = std::max(statistics->loss_sent, statistics->loss_received);
    }
}

// The bad network that was asked for: this client sends up and receives down.
void MatchClient::look_at_the_network() {
    if (conditions_.empty()) {
        return;
    }
    const auto up = tme::conditions_preset(conditions_, tme::Path::up);
    const auto down = tme::conditions_preset(conditions_, tme::Path::down);
    if (!up || !down || !client_.set_conditions(tme::Direction::outgoing, *up) ||
        !client_.set_conditions(tme::Direction::incoming, *down)) {
        trouble_ = "these network conditions cannot be had: " + conditions_;
    }
}

void MatchClient::handle_news(const News& news) {
    std::visit(tme::overloaded{
                   [&](const Start& start) {
                       start_ = start;
                       next_input_at_ = Clock::now();
                   },
                   [&](const Goal& goal) {
                       figures_.goals[static_cast<std::size_t>(goal.scorer)] += 1;
                       last_scorer_ = goal.scorer;
                   },
                   [&](const Over& over) { over_ = over; },
               },
               news);
}

void MatchClient::handle_snapshot(const Snapshot& snapshot) {
    const auto now = Clock::now();
    figures_.snapshots += 1;
    snapshots_.push_back(Received{snapshot, now});
    if (snapshots_.size() > snapshots_kept) {
        snapshots_.pop_front();
    }
    // The quickest way there was. It is forgotten slowly, for clocks differ and ways become longer.
    const auto age = std::chrono::duration_cast<Clock::duration>(Ticks(snapshot.state.tick));
    const auto zero_at = now - age;
    tick_zero_at_ = tick_zero_at_ ? std::min(*tick_zero_at_ + 20us, zero_at) : zero_at;

    const auto me = static_cast<std::size_t>(this->me());
    const std::uint32_t applied = snapshot.applied[me];
    while (!pending_.empty() && pending_.front().number <= applied) {
        if (pending_.front().number == applied && pending_.front().paddle != snapshot.state.paddles[me]) {
            figures_.corrections += 1;
        }
        pending_.pop_front();
    }
    // What the server has not seen yet is done again on top of what it knows.
    std::int32_t paddle = snapshot.state.paddles[me];
    for (Pending& pending : pending_) {
        paddle = moved_paddle(paddle, pending.direction);
        pending.paddle = paddle;
    }
}

void MatchClient::send_inputs(Direction direction) {
    const auto now = Clock::now();
    const auto tick_time = std::chrono::duration_cast<Clock::duration>(Ticks(1));
    if (now - next_input_at_ > 250ms) {
        // This program was asleep, and so was its player.
        next_input_at_ = now;
    }
    bool is_due = false;
    for (; next_input_at_ <= now; next_input_at_ += tick_time) {
        is_due = true;
        pending_.push_back(Pending{++newest_input_, direction, moved_paddle(predicted_paddle(), direction)});
        if (pending_.size() > pending_max) {
            pending_.pop_front();
        }
        newest_directions_.push_back(direction);
        if (newest_directions_.size() > Inputs::count_max) {
            newest_directions_.pop_front();
        }
    }
    if (is_due) {
        figures_.inputs += 1;
        const Inputs inputs{newest_input_, {newest_directions_.begin(), newest_directions_.end()}};
        // The next ones hold these again.
        static_cast<void>(client_.send(input_channel, encode(inputs), tme::flush_now));
    }
}

std::int32_t MatchClient::predicted_paddle() const {
    return pending_.empty() ? newest_state().paddles[static_cast<std::size_t>(me())] : pending_.back().paddle;
}

double MatchClient::shown_tick() const {
    return tick_zero_at_ ? Ticks(Clock::now() - *tick_zero_at_).count() - shown_ticks_behind : 0;
}

View MatchClient::view() const {
    View view;
    view.stage = over_                ? View::Stage::over
                 : !trouble_.empty()  ? View::Stage::lost
                 : !is_connected_     ? View::Stage::connecting
                 : !start_            ? View::Stage::waiting
                                      : View::Stage::playing;
    view.me = me();
    if (start_) {
        view.names = start_->names;
        view.points = start_->points;
    }
    view.over = over_;
    view.trouble = trouble_;
    view.is_interrupted = is_interrupted_;
    view.ping_ms = figures_.ping_ms;
    view.loss = figures_.loss;

    // The two snapshots between which the tick that is shown lies.
    const double tick = shown_tick();
    const auto after = std::find_if(snapshots_.begin(), snapshots_.end(), [tick](const Received& received) {
        return static_cast<double>(received.snapshot.state.tick) > tick;
    });
    const State& to = (after == snapshots_.end() ? snapshots_.back() : *after).snapshot.state;
    const State& from = (after == snapshots_.begin() || after == snapshots_.end() ? to : std::prev(after)->snapshot.state);
    const double ticks = static_cast<double>(to.tick) - static_cast<double>(from.tick);
    const double share = ticks > 0 ? std::clamp((tick - static_cast<double>(from.tick)) / ticks, 0.0, 1.0) : 0;
    // Across a goal the ball does not fly, it is put back.
    const bool is_one_rally = from.rally == to.rally;
    view.ball_x = is_one_rally ? between(from.ball.x, to.ball.x, share) : in_cells(from.ball.x);
    view.ball_y = is_one_rally ? between(from.ball.y, to.ball.y, share) : in_cells(from.ball.y);
    view.is_serving = from.serve_in > 0;
    view.cheer = view.is_serving && from.rally > 0 ? last_scorer_ : std::nullopt;
    for (const std::size_t player : {std::size_t{0}, std::size_t{1}}) {
        view.paddles[player] = between(from.paddles[player], to.paddles[player], share);
        view.scores[player] = over_ ? over_->scores[player] : from.scores[player];
    }
    if (start_) {
        view.paddles[static_cast<std::size_t>(me())] = in_cells(predicted_paddle());
    }
    return view;
}

} // namespace pong
