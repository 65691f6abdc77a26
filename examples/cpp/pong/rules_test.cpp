// Tests of what needs no network: the rules, the messages, the picture.
#include "computer_player.hpp"
#include "protocol.hpp"
#include "screen.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace {

using namespace pong;

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                     \
            std::exit(1);                                                                                    \
        }                                                                                                    \
    } while (false)

bool is_same(const State& a, const State& b) {
    return a.tick == b.tick && a.ball.x == b.ball.x && a.ball.y == b.ball.y && a.ball.vx == b.ball.vx &&
           a.ball.vy == b.ball.vy && a.paddles == b.paddles && a.scores == b.scores && a.rally == b.rally &&
           a.serve_in == b.serve_in;
}

void the_same_moves_give_the_same_game() {
    Game first(7);
    Game second(7);
    ComputerPlayer left(1, 80);
    ComputerPlayer right(2, 80);
    int hits = 0;
    int goals = 0;
    for (int tick = 0; tick < 60 * ticks_per_second; ++tick) {
        const Direction moves[] = {left.choose(first.state(), 0), right.choose(first.state(), 1)};
        for (const Player player : {0, 1}) {
            first.move(player, moves[player]);
            second.move(player, moves[player]);
        }
        const Game::News news = first.step();
        CHECK(news == second.step());
        CHECK(is_same(first.state(), second.state()));
        hits += news == Game::News::hit;
        goals += news == Game::News::goal;
        const State& state = first.state();
        CHECK(state.ball.y >= 0 && state.ball.y <= field_height && state.ball.x >= 0 && state.ball.x <= field_width);
        CHECK(state.paddles[0] >= paddle_half && state.paddles[0] <= field_height - paddle_half);
        CHECK(goals == state.scores[0] + state.scores[1]);
    }
    CHECK(hits > 5 && goals > 2);
}

void a_player_who_never_misses_does_not() {
    Game game(3);
    ComputerPlayer perfect(1, 100);
    for (int tick = 0; tick < 120 * ticks_per_second && game.state().scores[0] < 5; ++tick) {
        game.move(0, perfect.choose(game.state(), 0));
        game.step();
    }
    CHECK(game.state().scores[0] == 5 && game.state().scores[1] == 0);
}

void whoever_scores_is_served_to() {
    Game game(5);
    while (game.step() != Game::News::goal) {
    }
    const Player scorer = game.last_scorer();
    CHECK(game.state().serve_in == serve_ticks && game.state().ball.vx == 0);
    while (game.state().serve_in > 0) {
        CHECK(game.step() == Game::News::none);
    }
    CHECK((game.state().ball.vx < 0) == (scorer == 0));
}

void messages_come_back_as_they_were() {
    const auto inputs = decode_inputs(encode(Inputs{70000, {Direction::up, Direction::none, Direction::down}}));
    CHECK(inputs && inputs->newest == 70000 && inputs->directions.size() == 3);
    CHECK(inputs->directions[0] == Direction::up && inputs->directions[2] == Direction::down);

    Game game(9);
    for (int tick = 0; tick < 200; ++tick) {
        game.step();
        const auto snapshot = decode_snapshot(encode(Snapshot{game.state(), {3, 0xffffffff}}));
        CHECK(snapshot && is_same(snapshot->state, game.state()) && snapshot->applied[1] == 0xffffffff);
    }

    const auto start = decode_news(encode(News(Start{1, 9, {"Ada", "Bob"}})));
    CHECK(start && std::get<Start>(*start).player == 1 && std::get<Start>(*start).names[1] == "Bob");
    const auto draw = decode_news(encode(News(Over{Ending::time, {2, 2}, std::nullopt})));
    CHECK(draw && !std::get<Over>(*draw).winner && std::get<Over>(*draw).ending == Ending::time);
    const auto goal = decode_news(encode(News(Goal{0, {4, 1}})));
    CHECK(goal && std::get<Goal>(*goal).scores[0] == 4);
}

// Cut anywhere, longer than it should be, or with anything in any byte: an answer or none, and never a wrong number.
void what_cannot_be_is_no_message() {
    const Encoded messages[] = {
        encode(Inputs{5, {Direction::up, Direction::down}}),
        encode(Snapshot{}),
        encode(News(Start{0, 5, {"Ada", "Bob"}})),
        encode(News(Goal{1, {0, 1}})),
        encode(News(Over{Ending::points, {5, 1}, 0})),
    };
    for (const Encoded& message : messages) {
        for (std::size_t length = 0; length < message.size(); ++length) {
            const tme::Bytes cut(message.data(), length);
            CHECK(!decode_snapshot(cut));
            CHECK(!decode_news(cut));
        }
        Encoded longer = message;
        longer.resize(message.size() + 40);
        CHECK(!decode_inputs(longer) && !decode_snapshot(longer) && !decode_news(longer));
        for (std::size_t index = 0; index < message.size(); ++index) {
            for (int value = 0; value < 256; ++value) {
                Encoded damaged = message;
                damaged[index] = static_cast<std::uint8_t>(value);
                if (const auto inputs = decode_inputs(damaged)) {
                    CHECK(inputs->directions.size() <= Inputs::count_max && inputs->newest >= inputs->directions.size());
                }
                if (const auto snapshot = decode_snapshot(damaged)) {
                    CHECK(std::abs(snapshot->state.ball.x) <= 2 * field_width);
                }
                static_cast<void>(decode_news(damaged));
            }
        }
    }
    CHECK(!decode_inputs(Encoded{0, 0, 0, 0}));
    CHECK(!decode_inputs(Encoded{1, 0, 0, 0, 0, 0}));
    CHECK(clean_name("\x1b[2J evil \n") == "[2Jevil" && clean_name("") == "somebody");
    CHECK(clean_name(std::string(100, 'x')).size() == name_bytes_max);
}

std::size_t width_of(const std::string& line) {
    // Characters, not bytes: those that continue one are not counted.
    return static_cast<std::size_t>(std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

void the_picture_has_the_size_of_a_terminal() {
    View view;
    for (const auto stage : {View::Stage::connecting, View::Stage::waiting, View::Stage::playing, View::Stage::lost}) {
        for (const double place : {-3.0, 0.0, 10.0, 19.9, 400.0}) {
            view.stage = stage;
            view.trouble = std::string(200, 't');
            view.names = {std::string(16, 'a'), std::string(16, 'b')};
            view.points = 99;
            view.scores = {255, 107};
            view.ball_x = place;
            view.ball_y = place;
            view.paddles = {place, place};
            view.ping_ms = 12345;
            view.loss = 1.0;
            const std::string frame = draw(view, Colors::none);
            CHECK(std::count(frame.begin(), frame.end(), '\n') == screen_rows - 1);
            for (std::size_t begin = 0; begin < frame.size();) {
                const std::size_t end = std::min(frame.find('\n', begin), frame.size());
                CHECK(width_of(frame.substr(begin, end - begin)) == screen_columns);
                begin = end + 1;
            }
            CHECK(draw(view, Colors::ansi).size() > frame.size());
        }
    }
}

} // namespace

int main() {
    the_same_moves_give_the_same_game();
    a_player_who_never_misses_does_not();
    whoever_scores_is_served_to();
    messages_come_back_as_they_were();
    what_cannot_be_is_no_message();
    the_picture_has_the_size_of_a_terminal();
    return 0;
}
