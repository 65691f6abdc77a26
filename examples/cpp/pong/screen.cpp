#include "screen.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>

namespace pong {

namespace {

constexpr int columns = field_width / cell;
// Each character shows two dots, one above the other, which are about square.
constexpr int dot_rows = 2 * field_height / cell;

enum class Dot : std::uint8_t { empty, net, digit, left, right, ball };

constexpr std::array<const char*, 6> foreground = {"", "\x1b[38;5;238m", "\x1b[38;5;240m",
                                                   "\x1b[38;5;45m", "\x1b[38;5;213m", "\x1b[38;5;229m"};
constexpr std::array<const char*, 6> background = {"", "\x1b[48;5;238m", "\x1b[48;5;240m",
                                                   "\x1b[48;5;45m", "\x1b[48;5;213m", "\x1b[48;5;229m"};
constexpr const char* plain = "\x1b[0m";
constexpr const char* dim = "\x1b[38;5;244m";
constexpr const char* bold = "\x1b[1m";

// Three dots wide and five high.
constexpr std::array<std::array<const char*, 5>, 10> digits = {{
    {"###", "# #", "# #", "# #", "###"}, {" # ", "## ", " # ", " # ", "###"}, {"###", "  #", "###", "#  ", "###"},
    {"###", "  #", " ##", "  #", "###"}, {"# #", "# #", "###", "  #", "  #"}, {"###", "#  ", "###", "  #", "###"},
    {"###", "#  ", "###", "# #", "###"}, {"###", "  #", "  #", " # ", " # "}, {"###", "# #", "###", "# #", "###"},
    {"###", "# #", "###", "  #", "###"},
}};

class Canvas {
public:
    void fill(int column, int row, int width, int height, Dot dot) {
        for (int y = std::max(row, 0); y < std::min(row + height, dot_rows); ++y) {
            for (int x = std::max(column, 0); x < std::min(column + width, columns); ++x) {
                dots_[static_cast<std::size_t>(y)][static_cast<std::size_t>(x)] = dot;
            }
        }
    }

    // `column` is the left end, or the right end of a number that grows to the left.
    void number(int value, int column, bool grows_left) {
        const std::string text = std::to_string(value);
        const int width = static_cast<int>(text.size()) * 8 - 2;
        int x = grows_left ? column - width : column;
        for (const char digit : text) {
            for (int row = 0; row < 5; ++row) {
                for (int dot = 0; dot < 3; ++dot) {
                    if (digits[static_cast<std::size_t>(digit - '0')][static_cast<std::size_t>(row)][dot] == '#') {
                        fill(x + 2 * dot, 3 + row, 2, 1, Dot::digit);
                    }
                }
            }
            x += 8;
        }
    }

    [[nodiscard]] Dot at(int column, int row) const {
        return dots_[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)];
    }

private:
    std::array<std::array<Dot, columns>, dot_rows> dots_{};
};

Canvas paint(const View& view) {
    Canvas canvas;
    for (int row = 0; row < dot_rows; row += 4) {
        canvas.fill(columns / 2 - 1, row + 1, 2, 2, Dot::net);
    }
    const bool has_begun = view.stage == View::Stage::playing || view.stage == View::Stage::over;
    if (has_begun) {
        canvas.number(view.scores[0], columns / 2 - 6, true);
        canvas.number(view.scores[1], columns / 2 + 6, false);
    }
    for (const int player : {0, 1}) {
        const int face = paddle_face[static_cast<std::size_t>(player)] / cell;
        const double top = view.paddles[static_cast<std::size_t>(player)] - static_cast<double>(paddle_half) / cell;
        const int height = 2 * 2 * paddle_half / cell;
        canvas.fill(player == 0 ? face - 1 : face, static_cast<int>(std::lround(2 * top)), 1, height,
                    player == 0 ? Dot::left : Dot::right);
    }
    // A ball that waits for its serve shows where.
    if (view.stage == View::Stage::playing) {
        canvas.fill(static_cast<int>(std::floor(view.ball_x)), static_cast<int>(std::lround(2 * view.ball_y)) - 1, 1, 2,
                    Dot::ball);
    }
    return canvas;
}

void append_dots(std::string& out, Dot upper, Dot lower, Colors colors) {
    if (upper == Dot::empty && lower == Dot::empty) {
        out += ' ';
        return;
    }
    const bool is_full = upper != Dot::empty && lower != Dot::empty;
    const bool is_mixed = is_full && upper != lower;
    if (colors == Colors::ansi) {
        out += foreground[static_cast<std::size_t>(upper == Dot::empty ? lower : upper)];
        out += is_mixed ? background[static_cast<std::size_t>(lower)] : "";
    }
    const bool is_upper_half = upper != Dot::empty && (!is_full || (is_mixed && colors == Colors::ansi));
    out += is_upper_half ? "▀" : is_full ? "█" : "▄";
    if (colors == Colors::ansi) {
        out += plain;
    }
}

std::string name_of(const View& view, Player player) {
    const std::string& name = view.names[static_cast<std::size_t>(player)];
    return player == view.me && !name.empty() ? name + " (you)" : name;
}

// What is to be read in the middle of the field; empty if nothing is.
std::string message(const View& view) {
    switch (view.stage) {
    case View::Stage::connecting: return "looking for the server ...";
    case View::Stage::waiting: return "waiting for another player ...";
    case View::Stage::lost: return view.trouble;
    case View::Stage::over: {
        const std::string score = std::to_string(view.over->scores[0]) + " : " + std::to_string(view.over->scores[1]);
        const char* const why = view.over->ending == Ending::time          ? " - time is up"
                                : view.over->ending == Ending::player_left ? " - the other one has left"
                                                                           : "";
        const std::string who = !view.over->winner                ? "a draw, "
                                : *view.over->winner == view.me   ? "you win "
                                                                  : name_of(view, *view.over->winner) + " wins ";
        return who + score + why;
    }
    case View::Stage::playing: break;
    }
    if (view.is_interrupted) {
        return "the server is silent ...";
    }
    return view.cheer ? name_of(view, *view.cheer) + " scores" : "";
}

// `text` in the middle of `width` columns; ASCII, cut where it is too long.
std::string centered(std::string text, std::size_t width) {
    text.resize(std::min(text.size(), width));
    const std::size_t before = (width - text.size()) / 2;
    return std::string(before, ' ') + text + std::string(width - before - text.size(), ' ');
}

std::string header(const View& view, Colors colors) {
    std::string left = name_of(view, 0);
    std::string right = name_of(view, 1);
    left.resize(std::min<std::size_t>(left.size(), 28));
    right.resize(std::min<std::size_t>(right.size(), 28));
    const std::string middle =
        view.points > 0 ? "first to " + std::to_string(view.points) : std::string("TME Pong");
    const std::string between = centered(middle, screen_columns - 4 - left.size() - right.size());
    if (colors == Colors::none) {
        return "  " + left + between + right + "  ";
    }
    const auto paint_name = [](const std::string& name, Dot dot) {
        return std::string(bold) + foreground[static_cast<std::size_t>(dot)] + name + plain;
    };
    return "  " + paint_name(left, Dot::left) + dim + between + plain + paint_name(right, Dot::right) + "  ";
}

std::string status(const View& view, Colors colors) {
    char network[64];
    std::snprintf(network, sizeof network, "ping %.0f ms   loss %.1f %%", view.ping_ms, view.loss * 100);
    const std::string keys = view.stage == View::Stage::over || view.stage == View::Stage::lost
                                 ? "any key: leave"
                                 : "w/s or up/down: move   q: leave";
    std::string line = "  " + keys;
    line.append(screen_columns - 2 - line.size() - std::string_view(network).size(), ' ');
    line += std::string(network) + "  ";
    return colors == Colors::ansi ? dim + line + plain : line;
}

std::string border(const char* left, const char* right, Colors colors) {
    std::string line = left;
    for (int column = 0; column < columns; ++column) {
        line += "─";
    }
    line += right;
    return colors == Colors::ansi ? dim + line + plain : line;
}

} // namespace

std::string draw(const View& view, Colors colors) {
    const Canvas canvas = paint(view);
    const std::string text = message(view);
    constexpr int message_row = dot_rows / 2 * 2 / 3;
    const std::string side = colors == Colors::ansi ? std::string(dim) + "│" + plain : "│";
    std::string out = header(view, colors) + "\n" + border("╭", "╮", colors) + "\n";
    for (int row = 0; row < dot_rows / 2; ++row) {
        out += side;
        int column = 0;
        const bool has_text = row == message_row && !text.empty();
        const int width = std::min(static_cast<int>(text.size()) + 2, columns - 8);
        const int begin = (columns - width) / 2;
        while (column < columns) {
            if (has_text && column == begin) {
                out += colors == Colors::ansi ? bold : "";
                out += centered(text, static_cast<std::size_t>(width));
                out += colors == Colors::ansi ? plain : "";
                column += width;
            } else {
                append_dots(out, canvas.at(column, 2 * row), canvas.at(column, 2 * row + 1), colors);
                column += 1;
            }
        }
        out += side + "\n";
    }
    return out + border("╰", "╯", colors) + "\n" + status(view, colors);
}

} // namespace pong
