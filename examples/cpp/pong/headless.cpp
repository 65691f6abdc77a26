#include "headless.hpp"
#include "computer_player.hpp"
#include "match_client.hpp"
#include "match_server.hpp"

#include <array>
#include <atomic>
#include <cstdio>
#include <thread>

namespace pong {

namespace {

using namespace std::chrono_literals;

// A computer player with its client, on a thread of its own as on a machine of its own.
class Bot {
public:
    Bot(const char* name, MatchClient client, ComputerPlayer player)
        : name_(name), client_(std::move(client)), player_(player) {}

    void start(Clock::time_point give_up_at) {
        thread_ = std::thread([this, give_up_at] {
            while (!client_.is_done() && Clock::now() < give_up_at) {
                client_.update(player_.choose(client_.newest_state(), client_.me()), 4ms);
            }
            client_.leave();
            is_finished_ = true;
        });
    }

    [[nodiscard]] bool is_finished() const { return is_finished_; }

    // The client may be looked at afterwards.
    void join() {
        if (thread_.joinable()) {
            thread_.join();
        }
    }

    [[nodiscard]] const char* name() const { return name_; }
    [[nodiscard]] const MatchClient& client() const { return client_; }

private:
    const char* name_;
    MatchClient client_;
    ComputerPlayer player_;
    std::thread thread_;
    std::atomic<bool> is_finished_{false};
};

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

int fail(const char* what, const std::string& why) {
    std::printf("FAILED: %s: %s\n", what, why.c_str());
    return 1;
}

// The end of the game must be what the goals came to, for everybody.
bool agrees(const MatchClient& client, const Over& expected) {
    const View view = client.view();
    const std::array<int, 2> scores = {expected.scores[0], expected.scores[1]};
    return view.over && view.over->scores == expected.scores && view.over->winner == expected.winner &&
           view.scores == scores && client.figures().goals == scores;
}

} // namespace

int play_headless(const HeadlessOptions& options) {
    MatchOptions match;
    match.listen = "127.0.0.1:0";
    match.points = options.points;
    match.time_limit = std::chrono::seconds(options.seconds);
    match.seed = options.seed;
    auto server = MatchServer::start(match);
    if (!server) {
        return fail("the server does not start", server.error().message());
    }
    const auto join = [&](const char* name) {
        PlayerOptions player;
        player.address = "127.0.0.1:" + std::to_string(server->port());
        player.key = server->public_key();
        player.name = name;
        player.conditions = options.conditions;
        return MatchClient::start(player);
    };
    auto left = join("left");
    auto right = join("right");
    if (!left || !right) {
        return fail("a client does not start", (left ? right.error() : left.error()).message());
    }
    Bot left_bot("left", std::move(*left), ComputerPlayer(options.seed, options.skill));
    Bot right_bot("right", std::move(*right), ComputerPlayer(options.seed + 1, options.skill));
    const std::array<Bot*, 2> bots = {&left_bot, &right_bot};

    // More than any game takes.
    const auto begin = Clock::now();
    const auto give_up_at = begin + (options.seconds > 0 ? std::chrono::seconds(options.seconds + 30) : 600s);
    for (Bot* bot : bots) {
        bot->start(give_up_at);
    }
    tme::Result<void> updated;
    while (updated && !(left_bot.is_finished() && right_bot.is_finished())) {
        updated = server->update();
    }
    for (Bot* bot : bots) {
        bot->join();
    }
    if (!updated) {
        return fail("the server stopped", updated.error().message());
    }
    const double seconds = seconds_since(begin);
    const MatchServer::Figures& figures = server->figures();
    const std::optional<Over>& result = server->result();
    if (!result) {
        return fail("the game was not played to its end",
                    left_bot.client().view().trouble + " / " + right_bot.client().view().trouble);
    }

    std::printf("Pong, first to %d%s%s: ended after %.1f s, %u ticks, %u goals, longest rally %u hits\n\n", options.points,
                options.conditions.empty() ? "" : ", network ", options.conditions.c_str(), seconds, figures.ticks,
                figures.goals, figures.longest_rally_hits);
    std::printf("           score   snapshots   inputs    ping     loss   corrected\n");
    std::printf(" server   %3d :%2d   %6u sent\n", result->scores[0], result->scores[1], figures.ticks);
    bool is_agreed = figures.ticks > 0 && figures.goals == std::uint32_t{result->scores[0]} + result->scores[1];
    for (const Bot* bot : bots) {
        const MatchClient::Figures& seen = bot->client().figures();
        const View view = bot->client().view();
        std::printf(" %-6s   %3d :%2d   %9u   %6u   %5.1f ms   %4.1f %%   %u\n", bot->name(), view.scores[0], view.scores[1],
                    seen.snapshots, seen.inputs, seen.ping_ms, seen.loss * 100, seen.corrections);
        is_agreed = is_agreed && agrees(bot->client(), *result) && seen.undecodable == 0;
    }
    std::printf("\n%s\n", is_agreed ? "agreed" : "FAILED: they do not agree");
    server->shut_down();
    return is_agreed ? 0 : 1;
}

} // namespace pong
