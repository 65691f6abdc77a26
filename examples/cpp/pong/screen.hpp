// Draws a game as text: what a player sees becomes the characters and colours of a terminal of 80 x 24.
#ifndef PONG_SCREEN_HPP
#define PONG_SCREEN_HPP

#include "match_client.hpp"

#include <string>

namespace pong {

inline constexpr int screen_columns = 80;
inline constexpr int screen_rows = 24;

enum class Colors { ansi, none };

// One frame. Lines end with "\n", the last one does not.
[[nodiscard]] std::string draw(const View& view, Colors colors);

} // namespace pong

#endif
