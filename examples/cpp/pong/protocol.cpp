#include "protocol.hpp"

#include <algorithm>

namespace pong {

namespace {

class Writer {
public:
    void u8(std::uint8_t value) { bytes_.push_back(value); }

    void u32(std::uint32_t value) {
        for (int shift = 0; shift < 32; shift += 8) {
            u8(static_cast<std::uint8_t>(value >> shift));
        }
    }

    void i32(std::int32_t value) { u32(static_cast<std::uint32_t>(value)); }

    void text(const std::string& text) {
        u8(static_cast<std::uint8_t>(text.size()));
        bytes_.insert(bytes_.end(), text.begin(), text.end());
    }

    [[nodiscard]] Encoded take() { return std::move(bytes_); }

private:
    Encoded bytes_;
};

// Zeros beyond the end, which `is_complete` tells.
class Reader {
public:
    explicit Reader(tme::Bytes bytes) : bytes_(bytes) {}

    [[nodiscard]] std::uint8_t u8() {
        if (next_ >= bytes_.size()) {
            is_short_ = true;
            return 0;
        }
        return static_cast<std::uint8_t>(bytes_[next_++]);
    }

    [[nodiscard]] std::uint32_t u32() {
        std::uint32_t value = 0;
        for (int shift = 0; shift < 32; shift += 8) {
            value |= std::uint32_t{u8()} << shift;
        }
        return value;
    }

    // A number that is no larger than `most`, by amount.
    [[nodiscard]] std::int32_t i32_within(std::int32_t most) {
        const auto value = static_cast<std::int32_t>(u32());
        is_wrong_ = is_wrong_ || value > most || value < -most;
        return value;
    }

    [[nodiscard]] std::uint8_t u8_below(std::uint8_t limit) {
        const std::uint8_t value = u8();
        is_wrong_ = is_wrong_ || value >= limit;
        return value;
    }

    [[nodiscard]] std::string text() {
        const std::size_t size = u8_below(name_bytes_max + 1);
        std::string text;
        for (std::size_t index = 0; index < size && !is_short_ && !is_wrong_; ++index) {
            text.push_back(static_cast<char>(u8()));
        }
        return clean_name(text);
    }

    // Everything was there, nothing was left, and every number could be.
    [[nodiscard]] bool is_complete() const { return !is_short_ && !is_wrong_ && next_ == bytes_.size(); }

private:
    tme::Bytes bytes_;
    std::size_t next_ = 0;
    bool is_short_ = false;
    bool is_wrong_ = false;
};

enum class Kind : std::uint8_t { start = 1, goal = 2, over = 3 };

constexpr std::uint8_t nobody = 2;

template <class T>
std::optional<T> checked(const Reader& reader, T value) {
    return reader.is_complete() ? std::optional<T>(std::move(value)) : std::nullopt;
}

std::array<std::uint8_t, 2> read_scores(Reader& reader) {
    const std::uint8_t left = reader.u8();
    return {left, reader.u8()};
}

} // namespace

std::vector<tme::Channel> channels() {
    return {
        tme::sequenced("input"),
        tme::sequenced("state").with_priority(1),
        tme::reliable_ordered("news"),
    };
}

Encoded encode(const Inputs& inputs) {
    Writer writer;
    writer.u32(inputs.newest);
    for (const Direction direction : inputs.directions) {
        writer.u8(static_cast<std::uint8_t>(direction));
    }
    return writer.take();
}

std::optional<Inputs> decode_inputs(tme::Bytes bytes) {
    constexpr std::size_t head_bytes = 4;
    if (bytes.size() <= head_bytes || bytes.size() > head_bytes + Inputs::count_max) {
        return std::nullopt;
    }
    Reader reader(bytes);
    Inputs inputs;
    inputs.newest = reader.u32();
    for (std::size_t index = head_bytes; index < bytes.size(); ++index) {
        inputs.directions.push_back(static_cast<Direction>(reader.u8_below(3)));
    }
    // Numbers begin at 1.
    return inputs.newest < inputs.directions.size() ? std::nullopt : checked(reader, inputs);
}

Encoded encode(const Snapshot& snapshot) {
    const State& state = snapshot.state;
    Writer writer;
    writer.u32(state.tick);
    for (const std::int32_t value : {state.ball.x, state.ball.y, state.ball.vx, state.ball.vy, state.paddles[0],
                                     state.paddles[1]}) {
        writer.i32(value);
    }
    for (const std::uint8_t value : {state.scores[0], state.scores[1], state.rally, state.serve_in}) {
        writer.u8(value);
    }
    writer.u32(snapshot.applied[0]);
    writer.u32(snapshot.applied[1]);
    return writer.take();
}

std::optional<Snapshot> decode_snapshot(tme::Bytes bytes) {
    Reader reader(bytes);
    Snapshot snapshot;
    State& state = snapshot.state;
    state.tick = reader.u32();
    // A ball that has passed a goal is a little outside for a tick.
    state.ball.x = reader.i32_within(2 * field_width);
    state.ball.y = reader.i32_within(2 * field_height);
    state.ball.vx = reader.i32_within(field_width);
    state.ball.vy = reader.i32_within(field_height);
    state.paddles[0] = reader.i32_within(field_height);
    state.paddles[1] = reader.i32_within(field_height);
    state.scores = read_scores(reader);
    state.rally = reader.u8();
    state.serve_in = reader.u8();
    snapshot.applied[0] = reader.u32();
    snapshot.applied[1] = reader.u32();
    return checked(reader, snapshot);
}

Encoded encode(const News& news) {
    Writer writer;
    const auto scores = [&writer](const std::array<std::uint8_t, 2>& scores_) {
        writer.u8(scores_[0]);
        writer.u8(scores_[1]);
    };
    std::visit(tme::overloaded{
                   [&](const Start& start) {
                       writer.u8(static_cast<std::uint8_t>(Kind::start));
                       writer.u8(static_cast<std::uint8_t>(start.player));
                       writer.u8(start.points);
                       writer.text(clean_name(start.names[0]));
                       writer.text(clean_name(start.names[1]));
                   },
                   [&](const Goal& goal) {
                       writer.u8(static_cast<std::uint8_t>(Kind::goal));
                       writer.u8(static_cast<std::uint8_t>(goal.scorer));
                       scores(goal.scores);
                   },
                   [&](const Over& over) {
                       writer.u8(static_cast<std::uint8_t>(Kind::over));
                       writer.u8(static_cast<std::uint8_t>(over.ending));
                       scores(over.scores);
                       writer.u8(over.winner ? static_cast<std::uint8_t>(*over.winner) : nobody);
                   },
               },
               news);
    return writer.take();
}

std::optional<News> decode_news(tme::Bytes bytes) {
    Reader reader(bytes);
    switch (static_cast<Kind>(reader.u8())) {
    case Kind::start: {
        Start start;
        start.player = reader.u8_below(2);
        start.points = reader.u8();
        start.names[0] = reader.text();
        start.names[1] = reader.text();
        return checked<News>(reader, start);
    }
    case Kind::goal: {
        Goal goal;
        goal.scorer = reader.u8_below(2);
        goal.scores = read_scores(reader);
        return checked<News>(reader, goal);
    }
    case Kind::over: {
        Over over;
        over.ending = static_cast<Ending>(reader.u8_below(3));
        over.scores = read_scores(reader);
        const std::uint8_t winner = reader.u8_below(nobody + 1);
        over.winner = winner == nobody ? std::nullopt : std::optional<Player>(winner);
        return checked<News>(reader, over);
    }
    }
    return std::nullopt;
}

std::string clean_name(std::string_view name) {
    std::string clean;
    // What a player calls himself must not draw on the other one's terminal.
    std::copy_if(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(std::min(name.size(), name_bytes_max)),
                 std::back_inserter(clean), [](char c) { return c > ' ' && c <= '~'; });
    return clean.empty() ? "somebody" : clean;
}

} // namespace pong
