// Pong for two over TME: `pong` alone plays against the computer, `pong --help` tells the rest.

#include "computer_player.hpp"
#include "headless.hpp"
#include "match_client.hpp"
#include "match_server.hpp"
#include "screen.hpp"
#include "terminal.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <thread>

namespace {

using namespace pong;
using namespace std::chrono_literals;

constexpr const char* usage = R"(Pong for two.

  pong                        against the computer
  pong serve                  a server for two players; prints what they have to type
  pong join HOST:PORT         one of these players
  pong --headless             two computer players, no screen; fails if they disagree

  --name NAME       yours, up to 16 characters
  --points N        who has them first wins (1-99; 5, headless 3)
  --port N          of the server (7777; 0 lets the system choose)
  --key HEX         of the server that you join; without it any server is believed
  --key-file FILE   with the server's secret key, made by `tme keygen`; without it there is a new one each time
  --skill N         of the computer, 0-100 (85, headless 60)
  --net PRESET      joining and headless: as if over lan, wifi, wifi_bad, lte, transatlantic or satellite
  --seconds N       headless and serving: a game ends then
  --seed N          headless: another game

Keys: w and s, or up and down, move; q leaves.
)";

enum class Role { local, serve, join, headless };

struct Arguments {
    Role role = Role::local;
    std::string address;
    std::string name = "you";
    std::string key;
    std::string key_file;
    std::string conditions;
    int points = 0;
    int port = 7777;
    int skill = -1;
    int seconds = 0;
    int seed = 1;
};

[[noreturn]] void complain(const std::string& what) {
    std::fprintf(stderr, "error: %s; `pong --help` tells more\n", what.c_str());
    std::exit(2);
}

int number(const std::string& option, const std::string& text, int least, int most) {
    char* end = nullptr;
    const long value = std::strtol(text.c_str(), &end, 10);
    if (text.empty() || *end != '\0' || value < least || value > most) {
        complain(option + " takes a number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return static_cast<int>(value);
}

Arguments parse(int count, char** values) {
    Arguments arguments;
    for (int index = 1; index < count; ++index) {
        const std::string option = values[index];
        const auto value = [&]() -> std::string {
            if (index + 1 >= count) {
                complain(option + " takes a value");
            }
            return values[++index];
        };
        if (option == "--help" || option == "-h") {
            std::fputs(usage, stdout);
            std::exit(0);
        } else if (option == "serve") {
            arguments.role = Role::serve;
        } else if (option == "join") {
            arguments.role = Role::join;
            arguments.address = value();
        } else if (option == "--headless") {
            arguments.role = Role::headless;
        } else if (option == "--name") {
            arguments.name = value();
        } else if (option == "--key") {
            arguments.key = value();
        } else if (option == "--key-file") {
            arguments.key_file = value();
        } else if (option == "--net") {
            arguments.conditions = value();
        } else if (option == "--points") {
            arguments.points = number(option, value(), 1, 99);
        } else if (option == "--port") {
            arguments.port = number(option, value(), 0, 65535);
        } else if (option == "--skill") {
            arguments.skill = number(option, value(), 0, 100);
        } else if (option == "--seconds") {
            arguments.seconds = number(option, value(), 1, 86400);
        } else if (option == "--seed") {
            arguments.seed = number(option, value(), 0, std::numeric_limits<int>::max());
        } else {
            complain("'" + option + "' is not known");
        }
    }
    if (!arguments.conditions.empty()) {
        if (const auto preset = tme::conditions_preset(arguments.conditions, tme::Path::up); !preset) {
            complain(preset.error().message());
        }
    }
    return arguments;
}

MatchOptions match_options(const Arguments& arguments) {
    MatchOptions options;
    options.points = static_cast<std::uint8_t>(arguments.points == 0 ? 5 : arguments.points);
    options.time_limit = std::chrono::seconds(arguments.seconds);
    options.seed = static_cast<std::uint32_t>(Clock::now().time_since_epoch().count());
    return options;
}

int fail(const tme::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.message().c_str());
    return 1;
}

// A person plays until the game is over, or he leaves.
int play(const PlayerOptions& options) {
    auto client = MatchClient::start(options);
    if (!client) {
        return fail(client.error());
    }
    const Colors colors = std::getenv("NO_COLOR") ? Colors::none : Colors::ansi;
    std::string trouble;
    {
        Terminal terminal;
        HeldKey held;
        auto next_frame_at = Clock::now();
        while (!is_stop_asked()) {
            const Keys keys = terminal.read_keys();
            if (keys.quit || (keys.any && client->is_done())) {
                break;
            }
            client->update(held.update(keys), 4ms);
            if (Clock::now() >= next_frame_at) {
                terminal.show(draw(client->view(), colors));
                next_frame_at = Clock::now() + 16ms;
            }
            if (client->is_done()) {
                // Nothing more comes; there is only a key to wait for.
                std::this_thread::sleep_for(16ms);
            }
        }
        const View view = client->view();
        trouble = view.stage == View::Stage::lost ? view.trouble : "";
        client->leave();
    }
    if (!trouble.empty()) {
        std::fprintf(stderr, "error: %s: %s\n", options.address.c_str(), trouble.c_str());
        return 1;
    }
    return 0;
}

int serve(const Arguments& arguments) {
    tme::LogConfig log;
    log.console_level = tme::LogLevel::warn;
    static_cast<void>(tme::log_init(log));
    MatchOptions options = match_options(arguments);
    options.listen = "[::]:" + std::to_string(arguments.port);
    options.key_file = arguments.key_file;
    options.report = [](const std::string& line) {
        std::printf("%s\n", line.c_str());
        std::fflush(stdout);
    };
    auto server = MatchServer::start(options);
    if (!server) {
        // A machine without IPv6.
        options.listen = "0.0.0.0:" + std::to_string(arguments.port);
        server = MatchServer::start(options);
    }
    if (!server) {
        return fail(server.error());
    }
    std::printf("Pong, first to %d. Two players join with\n  pong join HOST:%u --key %s\n", options.points,
                static_cast<unsigned>(server->port()), server->public_key().c_str());
    std::fflush(stdout);
    while (!is_stop_asked()) {
        if (const auto updated = server->update(); !updated) {
            return fail(updated.error());
        }
    }
    server->shut_down();
    return 0;
}

// A server and a computer player on a thread of their own.
int play_against_computer(const Arguments& arguments) {
    MatchOptions options = match_options(arguments);
    options.listen = "127.0.0.1:0";
    auto server = MatchServer::start(options);
    if (!server) {
        return fail(server.error());
    }
    PlayerOptions player;
    player.address = "127.0.0.1:" + std::to_string(server->port());
    player.key = server->public_key();
    player.name = "computer";
    auto opponent = MatchClient::start(player);
    if (!opponent) {
        return fail(opponent.error());
    }
    std::atomic<bool> is_over{false};
    std::thread thread([&] {
        ComputerPlayer computer(options.seed, arguments.skill < 0 ? 85 : arguments.skill);
        while (!is_over && server->update()) {
            opponent->update(computer.choose(opponent->newest_state(), opponent->me()), 0ms);
        }
    });
    player.name = arguments.name;
    const int code = play(player);
    is_over = true;
    thread.join();
    return code;
}

} // namespace

int main(int count, char** values) {
    const Arguments arguments = parse(count, values);
    if (arguments.role == Role::headless) {
        HeadlessOptions options;
        options.points = static_cast<std::uint8_t>(arguments.points == 0 ? 3 : arguments.points);
        options.seconds = arguments.seconds;
        options.conditions = arguments.conditions;
        options.skill = arguments.skill < 0 ? options.skill : arguments.skill;
        options.seed = static_cast<std::uint32_t>(arguments.seed);
        return play_headless(options);
    }
    if (arguments.role == Role::serve) {
        return serve(arguments);
    }
    if (!Terminal::exists()) {
        complain("there is no terminal to play on");
    }
    if (arguments.role == Role::local) {
        return play_against_computer(arguments);
    }
    PlayerOptions player;
    player.address = arguments.address;
    player.key = arguments.key;
    player.name = arguments.name;
    player.conditions = arguments.conditions;
    return play(player);
}
