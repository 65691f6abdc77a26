#include "terminal.hpp"
#include "screen.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <conio.h>
#include <io.h>
#include <windows.h>
#else
#include <cerrno>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#endif

namespace pong {

namespace {

using namespace std::chrono_literals;

// The other screen, no cursor, no line wrap; and back.
constexpr char enter[] = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
constexpr char leave[] = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

volatile std::sig_atomic_t stop_asked = 0;

void ask_stop(int) {
    stop_asked = 1;
}

struct Size {
    int columns;
    int rows;
};

#if defined(_WIN32)

// Not tested: nobody has run this part yet.

HANDLE output() {
    return GetStdHandle(STD_OUTPUT_HANDLE);
}

DWORD saved_output_mode = 0;
UINT saved_code_page = 0;

void write_all(const char* bytes, std::size_t count) {
    DWORD written = 0;
    WriteFile(output(), bytes, static_cast<DWORD>(count), &written, nullptr);
}

void install_handlers() {
    std::signal(SIGINT, ask_stop);
    std::signal(SIGTERM, ask_stop);
}

void set_up() {
    GetConsoleMode(output(), &saved_output_mode);
    SetConsoleMode(output(), saved_output_mode | ENABLE_PROCESSED_OUTPUT | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
    saved_code_page = GetConsoleOutputCP();
    SetConsoleOutputCP(CP_UTF8);
    write_all(enter, sizeof enter - 1);
}

void restore() {
    write_all(leave, sizeof leave - 1);
    SetConsoleMode(output(), saved_output_mode);
    SetConsoleOutputCP(saved_code_page);
}

Size size() {
    CONSOLE_SCREEN_BUFFER_INFO info;
    if (!GetConsoleScreenBufferInfo(output(), &info)) {
        return {screen_columns, screen_rows};
    }
    return {info.srWindow.Right - info.srWindow.Left + 1, info.srWindow.Bottom - info.srWindow.Top + 1};
}

// Arrows come as two codes; here they become those of other terminals.
std::string read_bytes() {
    std::string bytes;
    while (_kbhit()) {
        const int code = _getch();
        if (code == 0 || code == 0xe0) {
            const int arrow = _getch();
            bytes += arrow == 72 ? "\x1b[A" : arrow == 80 ? "\x1b[B" : "";
        } else {
            bytes += static_cast<char>(code);
        }
    }
    return bytes;
}

#else

termios saved_modes;
volatile std::sig_atomic_t is_set_up = 0;

// Callable from a signal handler, as all that it calls.
void write_all(const char* bytes, std::size_t count) {
    while (count > 0) {
        const ssize_t written = write(STDOUT_FILENO, bytes, count);
        if (written < 0 && errno != EINTR) {
            return;
        }
        const std::size_t done = written < 0 ? 0 : static_cast<std::size_t>(written);
        bytes += done;
        count -= done;
    }
}

void restore() {
    if (is_set_up) {
        is_set_up = 0;
        write_all(leave, sizeof leave - 1);
        tcsetattr(STDIN_FILENO, TCSANOW, &saved_modes);
    }
}

// A crash shall not leave a terminal behind in which nobody sees what he types.
void restore_and_crash(int signal) {
    restore();
    std::signal(signal, SIG_DFL);
    raise(signal);
}

void install_handlers() {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
        std::signal(signal, ask_stop);
    }
    for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) {
        std::signal(signal, restore_and_crash);
    }
}

void set_up() {
    tcgetattr(STDIN_FILENO, &saved_modes);
    is_set_up = 1;
    termios raw = saved_modes;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_iflag &= ~static_cast<tcflag_t>(IXON | ICRNL);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    write_all(enter, sizeof enter - 1);
}

Size size() {
    winsize window{};
    const bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
    return is_known ? Size{window.ws_col, window.ws_row} : Size{screen_columns, screen_rows};
}

std::string read_bytes() {
    char bytes[256];
    const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    return count > 0 ? std::string(bytes, static_cast<std::size_t>(count)) : std::string();
}

#endif

} // namespace

bool Terminal::exists() {
#if defined(_WIN32)
    return _isatty(0) && _isatty(1);
#else
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
#endif
}

Terminal::Terminal() {
    static_cast<void>(is_stop_asked());
    std::fflush(stdout);
    set_up();
}

Terminal::~Terminal() {
    restore();
}

Keys Terminal::read_keys() {
    const std::string bytes = read_bytes();
    Keys keys;
    keys.any = !bytes.empty();
    for (std::size_t index = 0; index < bytes.size(); ++index) {
        const bool is_sequence = bytes[index] == '\x1b' && index + 2 < bytes.size() &&
                                 (bytes[index + 1] == '[' || bytes[index + 1] == 'O');
        const char key = is_sequence ? bytes[index += 2] : bytes[index];
        if (is_sequence ? key == 'A' : key == 'w' || key == 'W' || key == 'k') {
            keys.direction = Direction::up;
        } else if (is_sequence ? key == 'B' : key == 's' || key == 'S' || key == 'j') {
            keys.direction = Direction::down;
        } else if (!is_sequence && (key == 'q' || key == 'Q' || key == '\x03' || key == '\x1b')) {
            // Ctrl-C comes as a character.
            keys.quit = true;
        }
    }
    return keys;
}

void Terminal::show(const std::string& frame) {
    const Size window = size();
    // The terminal is asked to show it all at once; those that cannot ignore that.
    std::string out = "\x1b[?2026h";
    if (window.columns < screen_columns || window.rows < screen_rows) {
        out += "\x1b[2J\x1b[H80 x 24 characters are needed";
    } else {
        const int column = (window.columns - screen_columns) / 2 + 1;
        int row = (window.rows - screen_rows) / 2 + 1;
        for (std::size_t begin = 0; begin <= frame.size(); ++row) {
            const std::size_t end = std::min(frame.find('\n', begin), frame.size());
            out += "\x1b[" + std::to_string(row) + ";" + std::to_string(column) + "H" + frame.substr(begin, end - begin);
            begin = end + 1;
        }
    }
    out += "\x1b[?2026l";
    write_all(out.data(), out.size());
}

Direction HeldKey::update(const Keys& keys) {
    const auto now = Clock::now();
    if (keys.direction != Direction::none) {
        // Repeats come every 30 to 50 ms, the first of them a little later.
        is_repeating_ = keys.direction == direction_ && now < until_ + 400ms;
        direction_ = keys.direction;
        until_ = now + (is_repeating_ ? 110ms : 180ms);
    }
    return now < until_ ? direction_ : Direction::none;
}

bool is_stop_asked() {
    static const bool is_installed = [] {
        install_handlers();
        return true;
    }();
    return is_installed && stop_asked != 0;
}

} // namespace pong
