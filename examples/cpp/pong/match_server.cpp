#include "match_server.hpp"

#include <algorithm>

namespace pong {

namespace {

using namespace std::chrono_literals;

constexpr Clock::duration tick_time = std::chrono::duration_cast<Clock::duration>(1s) / ticks_per_second;
// A computer that was asleep does not play what it has missed.
constexpr int ticks_at_once = 6;
// A quarter of a second: what a player may catch up with after an outage, and how much of his may wait.
constexpr std::uint32_t inputs_owed_max = 15;
constexpr std::size_t inputs_waiting_max = 32;

std::string in_words(const Over& over, const std::array<std::string, 2>& names) {
    const std::string score = std::to_string(over.scores[0]) + " : " + std::to_string(over.scores[1]);
    const char* const why = over.ending == Ending::points ? "" : over.ending == Ending::time ? ", time is up" : ", the other one left";
    return (over.winner ? names[static_cast<std::size_t>(*over.winner)] + " wins " : "a draw ") + score + why;
}

} // namespace

tme::Result<MatchServer> MatchServer::start(MatchOptions options) {
    tme::ServerConfig config;
    config.listen = options.listen;
    config.application = application;
    config.key_file = options.key_file;
    config.channels = channels();
    config.max_peers = 8;
    // Whoever is gone for this long has lost.
    config.idle_timeout = 10s;
    auto server = tme::Server::start(config);
    if (!server) {
        return server.error();
    }
    return MatchServer(std::move(*server), std::move(options));
}

tme::Result<void> MatchServer::update() {
    const auto until_tick = game_ ? next_tick_at_ - Clock::now() : Clock::duration(20ms);
    const auto wait = std::chrono::floor<std::chrono::milliseconds>(until_tick);
    const auto updated = server_.update(std::clamp(wait, 0ms, 20ms));
    if (!updated) {
        return updated;
    }
    for (const auto& event : server_.events()) {
        std::visit(tme::overloaded{
                       [&](const tme::Connected& connected) { admit(connected); },
                       [&](const tme::Message& message) {
                           Seat* seat = find(message.peer);
                           if (seat && message.channel == input_channel) {
                               if (const auto inputs = decode_inputs(message.bytes)) {
                                   handle_inputs(*seat, *inputs);
                               }
                           }
                       },
                       [&](const tme::Disconnected& disconnected) { handle_leaving(disconnected.peer); },
                       [](const auto&) {},
                   },
                   event);
    }
    for (int count = 0; game_ && Clock::now() >= next_tick_at_; ++count) {
        if (count == ticks_at_once) {
            next_tick_at_ = Clock::now();
        }
        tick();
        next_tick_at_ += tick_time;
    }
    // Inline, what was sent leaves with the next update, or now.
    return server_.flush();
}

MatchServer::Seat* MatchServer::find(tme::PeerId peer) {
    const auto found = std::find_if(seats_.begin(), seats_.end(), [&](const Seat& seat) { return seat.peer == peer; });
    return found == seats_.end() ? nullptr : &*found;
}

void MatchServer::admit(const tme::Connected& connected) {
    if (seats_.size() == 2) {
        static_cast<void>(server_.disconnect(connected.peer, code_game_is_full, "two are playing already"));
        return;
    }
    Seat seat;
    seat.peer = connected.peer;
    seat.name = clean_name(connected.user_data.text());
    options_.report(seat.name + " is here");
    seats_.push_back(std::move(seat));
    if (seats_.size() == 2) {
        begin();
    }
}

// Those that are new, oldest first. A client chooses the numbers: they only ever grow.
void MatchServer::handle_inputs(Seat& seat, const Inputs& inputs) {
    const auto count = static_cast<std::uint32_t>(inputs.directions.size());
    const std::uint32_t known = seat.inputs.empty() ? seat.applied : seat.inputs.back().first;
    for (std::uint32_t index = 0; index < count; ++index) {
        const std::uint32_t number = inputs.newest - (count - 1 - index);
        if (number > known && seat.inputs.size() < inputs_waiting_max) {
            seat.inputs.emplace_back(number, inputs.directions[index]);
        }
    }
}

void MatchServer::handle_leaving(tme::PeerId peer) {
    Seat* seat = find(peer);
    if (!seat) {
        return;
    }
    options_.report(seat->name + " has left");
    const auto player = static_cast<Player>(seat - seats_.data());
    if (game_) {
        end(Ending::player_left, other(player));
    } else {
        seats_.erase(seats_.begin() + player);
    }
}

void MatchServer::begin() {
    game_.emplace(seed_++);
    figures_ = Figures{};
    rally_hits_ = 0;
    begun_at_ = Clock::now();
    next_tick_at_ = begun_at_;
    options_.report(seats_[0].name + " plays against " + seats_[1].name);
    for (Player player : {0, 1}) {
        const Start start{player, options_.points, {seats_[0].name, seats_[1].name}};
        static_cast<void>(server_.send(seats_[static_cast<std::size_t>(player)].peer, news_channel, encode(News(start))));
    }
}

void MatchServer::tick() {
    apply_inputs(0);
    apply_inputs(1);
    const Game::News news = game_->step();
    const State& state = game_->state();
    figures_.ticks += 1;
    rally_hits_ = news == Game::News::hit ? rally_hits_ + 1 : rally_hits_;
    figures_.longest_rally_hits = std::max(figures_.longest_rally_hits, rally_hits_);
    // A snapshot that finds no room is followed by a newer one.
    static_cast<void>(server_.broadcast(state_channel, encode(Snapshot{state, {seats_[0].applied, seats_[1].applied}})));
    if (news == Game::News::goal) {
        rally_hits_ = 0;
        figures_.goals += 1;
        const Player scorer = game_->last_scorer();
        tell(Goal{scorer, state.scores});
        if (state.scores[static_cast<std::size_t>(scorer)] >= options_.points) {
            end(Ending::points, scorer);
            return;
        }
    }
    if (options_.time_limit > 0s && Clock::now() - begun_at_ >= options_.time_limit) {
        end(Ending::time, leader());
    }
}

void MatchServer::apply_inputs(Player player) {
    Seat& seat = seats_[static_cast<std::size_t>(player)];
    std::uint32_t allowed = 1 + seat.owed;
    // Two a tick at most: a paddle that catches up shall be seen to move.
    for (int count = 0; count < 2 && allowed > 0 && !seat.inputs.empty(); ++count, --allowed) {
        game_->move(player, seat.inputs.front().second);
        seat.applied = seat.inputs.front().first;
        seat.inputs.pop_front();
    }
    seat.owed = std::min(allowed, inputs_owed_max);
}

void MatchServer::tell(const News& news) {
    // A few dozen bytes a minute never fill a queue.
    static_cast<void>(server_.broadcast(news_channel, encode(news)));
}

void MatchServer::end(Ending ending, std::optional<Player> winner) {
    result_ = Over{ending, game_->state().scores, winner};
    options_.report(in_words(*result_, {seats_[0].name, seats_[1].name}));
    tell(*result_);
    // After the news has arrived. Whoever wants to play again connects again.
    for (const Seat& seat : seats_) {
        static_cast<void>(server_.disconnect(seat.peer));
    }
    seats_.clear();
    game_.reset();
}

std::optional<Player> MatchServer::leader() const {
    const auto& scores = game_->state().scores;
    return scores[0] == scores[1] ? std::nullopt : std::optional<Player>(scores[0] > scores[1] ? 0 : 1);
}

} // namespace pong
