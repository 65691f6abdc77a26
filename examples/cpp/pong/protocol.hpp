// What server and clients say to each other, and how it looks in bytes. Whatever cannot be is no message.
#ifndef PONG_PROTOCOL_HPP
#define PONG_PROTOCOL_HPP

#include "game.hpp"

#include <tme.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace pong {

// Games with another name refuse each other; the number is that of this protocol.
inline constexpr const char* application = "tme-pong-1";

inline constexpr tme::ChannelId input_channel = 0;
inline constexpr tme::ChannelId state_channel = 1;
inline constexpr tme::ChannelId news_channel = 2;

// Of inputs and states only the newest counts; goals and the end must come, all of them and in order.
[[nodiscard]] std::vector<tme::Channel> channels();

using Encoded = std::vector<std::uint8_t>;

// Client to server, once a tick: the newest directions. Each goes again in the messages that follow, so that losing some
// of them loses nothing.
struct Inputs {
    static constexpr std::size_t count_max = 16;
    // The number of the last one. The first of a game is 1.
    std::uint32_t newest = 0;
    // Oldest first.
    std::vector<Direction> directions;
};

// Server to client, once a tick.
struct Snapshot {
    State state;
    // By player: the newest of its inputs that this state has in it.
    std::array<std::uint32_t, 2> applied = {0, 0};
};

// Server to client: the game begins.
struct Start {
    // Who you are.
    Player player = 0;
    std::uint8_t points = 0;
    std::array<std::string, 2> names;
};

// Server to client: somebody scored.
struct Goal {
    Player scorer = 0;
    std::array<std::uint8_t, 2> scores = {0, 0};
};

enum class Ending : std::uint8_t { points, time, player_left };

// Server to client: the game is over.
struct Over {
    Ending ending = Ending::points;
    std::array<std::uint8_t, 2> scores = {0, 0};
    // Nobody, if it is a draw.
    std::optional<Player> winner;
};

using News = std::variant<Start, Goal, Over>;

[[nodiscard]] Encoded encode(const Inputs& inputs);
[[nodiscard]] Encoded encode(const Snapshot& snapshot);
[[nodiscard]] Encoded encode(const News& news);

[[nodiscard]] std::optional<Inputs> decode_inputs(tme::Bytes bytes);
[[nodiscard]] std::optional<Snapshot> decode_snapshot(tme::Bytes bytes);
[[nodiscard]] std::optional<News> decode_news(tme::Bytes bytes);

// Names travel as the user data of a connection: 1 to 16 visible ASCII characters; of others something is made.
inline constexpr std::size_t name_bytes_max = 16;
[[nodiscard]] std::string clean_name(std::string_view name);

// A client that is not needed is disconnected with this code.
inline constexpr std::uint32_t code_game_is_full = 1;

} // namespace pong

#endif
