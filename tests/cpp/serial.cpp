// Typed messages over plain structs: the bytes, the schema and the errors of the golden vectors.
#include "check.hpp"

#include <array>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

namespace {

using tme::in_range;
using tme::in_steps;

std::string vectors;

/// The line of a vector: the file has one entry a line.
std::string entry(const std::string& name) {
    const auto begin = vectors.find("{\"name\": \"" + name + "\",");
    if (begin == std::string::npos) {
        std::fprintf(stderr, "no vector is called %s\n", name.c_str());
        std::exit(1);
    }
    return vectors.substr(begin, vectors.find('\n', begin) - begin);
}

/// A field that is a string, of which only line feeds are escaped.
std::string field(const std::string& line, const std::string& name) {
    const std::string head = "\"" + name + "\": \"";
    const auto begin = line.find(head);
    CHECK(begin != std::string::npos);
    const auto end = line.find('"', begin + head.size());
    std::string text = line.substr(begin + head.size(), end - begin - head.size());
    for (auto at = text.find("\\n"); at != std::string::npos; at = text.find("\\n", at)) {
        text.replace(at, 2, "\n");
    }
    return text;
}

std::vector<std::uint8_t> bytes_of(const std::string& name) {
    const std::string hex = field(entry(name), "bytes");
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
    }
    return bytes;
}

struct Fire {
    static constexpr tme::MessageInfo message{7, "Fire"};
    std::uint8_t weapon = 0;
    std::array<double, 3> direction = {};

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& visit) {
        visit("weapon", self.weapon, in_range(0, 3));
        visit("direction", self.direction, in_steps(0.001));
    }
};

struct Chat {
    static constexpr tme::MessageInfo message{8, "Chat"};
    std::string text;
    std::vector<std::uint32_t> to;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& visit) {
        visit("text", self.text, tme::at_most(64));
        visit("to", self.to, tme::at_most(4, tme::varint));
    }
};

struct Other {
    static constexpr tme::VariantInfo variant{0, "Other", 0, true};
};
struct Sword {
    static constexpr tme::VariantInfo variant{1, "Sword"};
    std::uint16_t damage = 0;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& visit) {
        visit("damage", self.damage);
    }
};
struct Potion {
    static constexpr tme::VariantInfo variant{2, "Potion"};
};

struct Stack {
    static constexpr bool is_extensible = true;
    std::variant<Other, Sword, Potion> item;
    std::uint8_t count = 0;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& visit) {
        visit("item", self.item);
        visit("count", self.count);
    }
};

struct Bag {
    static constexpr tme::MessageInfo message{200, "Bag"};
    std::vector<Stack> items;
    std::uint64_t gold = 0;
    std::map<std::uint8_t, std::string> slots;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& visit) {
        visit("items", self.items);
        visit("gold", self.gold, tme::varint);
        visit("slots", self.slots);
    }
};

/// As it was first, and as it is now.
template <int Version>
struct MoveOf {
    static constexpr tme::MessageInfo message{1, "Move"};
    std::array<double, 3> position = {};
    std::array<double, 4> rotation = {0.0, 0.0, 0.0, 1.0};
    bool is_running = false;
    std::uint8_t stamina = 50;
    bool is_sneaking = false;
    std::optional<std::uint32_t> mount = {};

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& visit) {
        visit("position", self.position, tme::quantized(-1000.0, 1000.0, 0.01));
        visit("rotation", self.rotation, tme::rotation());
        visit("is_running", self.is_running);
        if constexpr (Version >= 4) {
            visit.since(2);
            visit("stamina", self.stamina, in_range(0, 100));
            visit("is_sneaking", self.is_sneaking);
            visit.since(4);
            visit("mount", self.mount);
        }
    }
};
using Move = MoveOf<4>;
using OldMove = MoveOf<1>;

template <class M>
M read(const std::string& name) {
    auto message = test::must(tme::read_message<M>(bytes_of(name)));
    CHECK(message.has_value());
    return *message;
}

template <class M>
void check_written(const M& message, const std::string& name) {
    CHECK(test::must(tme::encode_message(message)) == bytes_of(name));
}

void messages_have_the_bytes_of_the_vectors() {
    const std::string line = entry("schema");
    CHECK((tme::schema<Fire, Bag, Chat, Move>() == field(line, "schema")));
    CHECK((tme::base_schema<Bag, Chat, Move, Fire>() == field(line, "base")));
    CHECK((tme::base_schema<Bag, Chat, OldMove, Fire>() == field(line, "base")));
    const std::uint64_t hash = tme::schema_hash<Fire, Bag, Chat, Move>();
    CHECK(line.find("\"hash\": " + std::to_string(hash) + "}") != std::string::npos);

    const auto fire = read<Fire>("fire");
    CHECK(fire.weapon == 2 && fire.direction[1] == -0.25);
    check_written(fire, "fire");

    const auto chat = read<Chat>("chat");
    CHECK(chat.text.substr(0, 7) == "hello, " && chat.to == (std::vector<std::uint32_t>{1, 300, 0xFFFFFFFF}));
    check_written(chat, "chat");

    const auto bag = read<Bag>("bag");
    CHECK(bag.items.size() == 2 && std::get<Sword>(bag.items[0].item).damage == 500);
    CHECK(std::holds_alternative<Potion>(bag.items[1].item) && bag.items[1].count == 3);
    CHECK(bag.gold == 123456789012 && bag.slots.at(9) == "back");
    check_written(bag, "bag");
}

void programs_of_two_versions_read_each_other() {
    const auto newest = read<Move>("move of version 4");
    CHECK(newest.is_running && newest.stamina == 77 && newest.is_sneaking && newest.mount == 0xDEADBEEFu);
    CHECK(newest.rotation[3] == 1.0 && newest.rotation[0] == 0.0);
    check_written(newest, "move of version 4");
    const auto middle = read<Move>("move of version 2, newer reader");
    CHECK(middle.stamina == 77 && !middle.mount);
    const auto oldest = read<Move>("move of version 1, newer reader");
    CHECK(oldest.is_running && oldest.stamina == 50 && !oldest.is_sneaking);
    const auto older = read<OldMove>("move of version 4, oldest reader");
    CHECK(older.is_running && older.stamina == 50);
    check_written(older, "move of version 1, newer reader");
}

/// A value in a struct of its own, which is read and written as a message is, to see the bytes behind the id.
template <class T, class Form>
struct Holder {
    static constexpr tme::MessageInfo message{1, "Holder"};
    static inline Form form = {};
    T value = {};

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& visit) {
        visit("value", self.value, form);
    }
};

/// Reads the value of a vector, writes it again, and checks the form.
template <class T, class Form>
T value_of(const std::string& name, Form form) {
    using Held = Holder<T, Form>;
    Held::form = form;
    auto bytes = bytes_of(name);
    bytes.insert(bytes.begin(), 1);
    auto held = test::must(tme::read_message<Held>(bytes));
    CHECK(held.has_value());
    CHECK(test::must(tme::encode_message(*held)) == bytes);
    CHECK(tme::schema<Held>() == "1 Holder {value:" + field(entry(name), "form") + "}\n");
    return std::move(held->value);
}

template <class T, class Form = tme::Natural>
tme::ErrorCode error_of(const std::string& name, Form form = {}) {
    using Held = Holder<T, Form>;
    Held::form = form;
    auto bytes = bytes_of(name);
    bytes.insert(bytes.begin(), 1);
    return tme::read_message<Held>(bytes).code();
}

enum class Direction : std::uint8_t { north, east, south, west };

constexpr auto direction = tme::one_of<Direction>(
    {{Direction::north, "North"}, {Direction::east, "East"}, {Direction::south, "South"}, {Direction::west, "West"}}, 3);

struct Tree {
    std::uint8_t value = 0;
    std::vector<Tree> children;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& visit) {
        visit("value", self.value);
        visit("children", self.children);
    }
};

struct Grown {
    static constexpr bool is_extensible = true;
    std::uint8_t a = 0;
    std::string b;
    bool c = false;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& visit) {
        visit("a", self.a);
        visit.since(2);
        visit("b", self.b);
        visit("c", self.c);
    }
};

struct NotGrown {
    static constexpr bool is_extensible = true;
    std::uint8_t a = 0;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& visit) {
        visit("a", self.a);
    }
};

struct Rest {
    static constexpr tme::VariantInfo variant{0, "Other", 0, true};
};
struct Pebble {
    static constexpr tme::VariantInfo variant{1, "Pebble"};
};
struct Gem {
    static constexpr tme::VariantInfo variant{2, "Gem", 2};
    std::uint16_t carat = 0;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& visit) {
        visit("carat", self.carat);
    }
};
struct Dust {
    static constexpr tme::VariantInfo variant{3, "Dust", 3};
};

} // namespace

/// A struct of another library.
struct Foreign {
    bool a;
    std::uint16_t b;
    int c;
    unsigned d;
};

template <>
struct tme::Fields<Foreign> {
    template <class Self, class Visitor>
    static void visit(Self& self, Visitor& visit) {
        visit("a", self.a);
        visit("b", self.b);
        visit("c", self.c, tme::in_range(0, 7));
        visit("d", self.d, tme::in_bits(6));
    }
};

namespace {

void values_have_the_bytes_of_the_vectors() {
    const tme::Natural natural;
    CHECK(value_of<std::uint8_t>("u8 119", natural) == 0x77);
    CHECK(value_of<std::uint16_t>("u16 30566", natural) == 0x7766);
    CHECK(value_of<std::uint32_t>("u32 4294967295", natural) == 0xFFFFFFFF);
    CHECK(value_of<std::uint64_t>("u64 1", natural) == 1);
    CHECK(value_of<std::int8_t>("i8 -128", natural) == -128);
    CHECK(value_of<std::int16_t>("i16 -32768", natural) == -32768);
    CHECK(value_of<std::int32_t>("i32 -2147483648", natural) < 0);
    CHECK(value_of<std::int64_t>("i64 -9223372036854775808", natural) < 0);
    CHECK(value_of<float>("f32 1.5", natural) > 1.0f);
    CHECK(value_of<double>("f64 -1e+30", natural) < 0.0);
    CHECK(value_of<bool>("bool True", natural));
    CHECK(value_of<std::uint16_t>("varint(u16) 65535", tme::varint) == 65535);
    CHECK(value_of<std::int64_t>("varint(i64) -65", tme::varint) == -65);
    CHECK(value_of<int>("-16 of -16..15", in_range(-16, 15)) == -16);
    CHECK(value_of<int>("-16 of -16..15", tme::in_bits(5)) == -16);
    CHECK(value_of<std::uint64_t>("18446744073709551615 of 0..18446744073709551615", tme::in_bits(64)) + 1 == 0);
    CHECK(value_of<std::int64_t>("-1 of -9223372036854775808..9223372036854775807", tme::in_bits(64)) == -1);
    CHECK(value_of<double>("30.0 in 0.0..100.0 by {'precision': 0.25}", tme::quantized(0.0, 100.0, 0.25)) > 29.9);
    CHECK(value_of<float>("0.0 in -180.0..180.0 by {'bits': 12}", tme::quantized_bits(-180.0, 180.0, 12)) < 0.1f);
    CHECK(value_of<float>("-99999.0 in steps of 0.25", in_steps(0.25)) < -99998.0f);
    CHECK((value_of<std::array<float, 4>>("rotation (0.0, -5.0, 0.0, 0.0) in 10 bits", tme::rotation())[1] > 0.9f));
    CHECK(value_of<std::string>("text of 5", natural) == "hello");
    CHECK(value_of<std::optional<std::uint16_t>>("something", natural) == 7);
    CHECK(!value_of<std::optional<std::uint16_t>>("nothing", natural));
    CHECK((value_of<std::array<std::uint16_t, 3>>("array", natural)[2] == 3));
    CHECK((test::must(tme::encode_message(Holder<std::array<std::uint8_t, 3>, tme::Natural>{{1, 2, 3}})) ==
           std::vector<std::uint8_t>{1, 1, 2, 3}));
    using Block = Holder<std::array<std::uint8_t, 3>, tme::Natural>;
    CHECK((test::must(tme::read_message<Block>(std::vector<std::uint8_t>{1, 7, 8, 9}))->value[2] == 9));
    CHECK((value_of<std::array<bool, 10>>("array of bools", natural)[9]));
    CHECK(value_of<std::vector<std::uint16_t>>("list", natural).size() == 2);
    CHECK(value_of<std::vector<std::uint8_t>>("list of bytes", natural).back() == 3);
    CHECK(value_of<std::vector<bool>>("list of bools", natural).size() == 11);
    CHECK(value_of<std::vector<std::vector<std::uint8_t>>>("list of lists", natural)[1][0] == 9);
    CHECK(value_of<std::vector<std::optional<std::uint8_t>>>("list of options", natural)[2] == 6);
    CHECK(value_of<std::set<std::int8_t>>("set of signed", natural).count(-1) == 1);
    CHECK((value_of<std::map<std::string, bool>>("map", natural).at("ab")));
    CHECK(value_of<Foreign>("bits among bytes", natural).d == 0x33);
    CHECK(value_of<Direction>("tag in bits", direction) == Direction::south);
    CHECK(value_of<Tree>("tree", natural).children[1].children[0].value == 4);
    CHECK(value_of<Grown>("extensible struct, grown", natural).b == "x");
    CHECK(value_of<NotGrown>("extensible struct", natural).a == 3);
    using Stone = std::variant<Rest, Pebble, Gem, Dust>;
    CHECK(std::get<Gem>(value_of<Stone>("variant added", natural)).carat == 300);
    CHECK(std::holds_alternative<Dust>(value_of<Stone>("variant added without content", natural)));

    // What a program of another version has written is read, but not written again.
    const auto older = [](const char* name) {
        auto bytes = bytes_of(name);
        bytes.insert(bytes.begin(), 1);
        return bytes;
    };
    using OldStone = Holder<std::variant<Rest, Pebble>, tme::Natural>;
    const auto stone = test::must(tme::read_message<OldStone>(older("variant added, older")));
    CHECK(std::holds_alternative<Rest>(stone->value));
    using OldGrown = Holder<NotGrown, tme::Natural>;
    CHECK(test::must(tme::read_message<OldGrown>(older("extensible struct, older")))->value.a == 3);
    using NewGrown = Holder<Grown, tme::Natural>;
    CHECK(test::must(tme::read_message<NewGrown>(older("extensible struct, newer")))->value.b.empty());
}

struct Chain {
    std::optional<std::unique_ptr<Chain>> next;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& visit) {
        visit("next", self.next);
    }
};

void malformed_bytes_have_an_error_each() {
    using tme::ErrorCode;
    CHECK(error_of<std::uint16_t>("u16 cut") == ErrorCode::serial_end);
    CHECK(error_of<std::uint32_t>("varint overlong", tme::varint) == ErrorCode::serial_varint);
    CHECK(error_of<std::uint16_t>("varint beyond u16", tme::varint) == ErrorCode::serial_varint);
    CHECK(error_of<std::int16_t>("varint beyond i16", tme::varint) == ErrorCode::serial_varint);
    CHECK(error_of<int>("int above its range", in_range(0, 4)) == ErrorCode::serial_range);
    CHECK(error_of<std::string>("text that is no UTF-8") == ErrorCode::serial_utf8);
    CHECK(error_of<std::string>("text whose length lies") == ErrorCode::serial_count);
    CHECK(error_of<std::vector<std::uint16_t>>("list whose count lies") == ErrorCode::serial_count);
    CHECK(error_of<std::vector<bool>>("list of bools whose count lies") == ErrorCode::serial_count);
    CHECK(error_of<std::vector<std::uint8_t>>("count of everything there could be") == ErrorCode::serial_count);
    CHECK(error_of<std::vector<std::uint8_t>>("list of bytes", tme::at_most(2)) == ErrorCode::serial_too_long);
    CHECK(error_of<std::set<std::uint16_t>>("set in disorder") == ErrorCode::serial_order);
    CHECK(error_of<std::set<std::uint16_t>>("set with one twice") == ErrorCode::serial_order);
    CHECK((error_of<std::map<std::uint8_t, std::uint8_t>>("map in disorder") == ErrorCode::serial_order));
    CHECK(error_of<Direction>("tag in bits that nobody knows", direction) == ErrorCode::serial_variant);
    CHECK((error_of<std::variant<Sword>>("variant that nobody knows") == ErrorCode::serial_variant));
    CHECK(error_of<bool>("bool with unused bits") == ErrorCode::serial_padding);
    CHECK(error_of<NotGrown>("additions that are none") == ErrorCode::serial_count);
    CHECK(tme::message_id(bytes_of("message 0")).code() == ErrorCode::serial_unknown_message);
    CHECK(tme::read_message<Fire>(bytes_of("bytes behind a message")).code() == ErrorCode::serial_left_over);
    CHECK(tme::read_message<Fire>(bytes_of("message cut")).code() == ErrorCode::serial_end);

    // Deeper than anybody may go, and more than so few bytes justify.
    std::vector<std::uint8_t> deep(100, 0xFF);
    deep[0] = 1;
    CHECK((tme::read_message<Holder<Chain, tme::Natural>>(deep).code() == ErrorCode::serial_depth));
    using Many = std::vector<std::optional<std::array<std::uint64_t, 64>>>;
    std::vector<std::uint8_t> wide(1003, 0);
    wide[0] = 1;
    wide[1] = 0xC0;
    wide[2] = 0x3E; // 8,000 elements of a bit each, half a kilobyte in memory
    CHECK((tme::read_message<Holder<Many, tme::Natural>>(wide).code() == ErrorCode::serial_memory));
}

void what_cannot_be_written_says_why() {
    Fire fire;
    fire.weapon = 4;
    const auto refused = tme::encode_message(fire);
    CHECK(refused.code() == tme::ErrorCode::serial_range);
    CHECK(refused.error().message().find("4 is outside 0..=3") != std::string::npos);
    Chat chat;
    chat.to.resize(5);
    CHECK(tme::encode_message(chat).code() == tme::ErrorCode::serial_too_long);
    chat.to.clear();
    chat.text = "\xFF";
    CHECK(tme::encode_message(chat).code() == tme::ErrorCode::serial_utf8);
    Holder<std::array<double, 4>, tme::Rotation>::form = tme::rotation();
    CHECK((tme::encode_message(Holder<std::array<double, 4>, tme::Rotation>()).code() == tme::ErrorCode::serial_number));
    // Long ones do not fit on the stack.
    Bag bag;
    bag.slots[1] = std::string(100'000, 'x');
    CHECK(test::must(tme::encode_message(bag)).size() > 100'000);
    bag.slots[1] = std::string(std::size_t{17} << 20, 'x');
    CHECK(tme::encode_message(bag).code() == tme::ErrorCode::buffer_too_small);
}

void messages_travel_between_a_server_and_a_client() {
    using namespace std::chrono_literals;
    tme::ServerConfig server_config;
    server_config.listen = "127.0.0.1:0";
    server_config.schema_hash = tme::schema_hash<Fire, Chat>();
    auto server = test::must(tme::Server::start(server_config));
    tme::ClientConfig client_config;
    client_config.address = test::must(server.local_address());
    client_config.server_key = test::must(server.public_key());
    client_config.schema_hash = tme::schema_hash<Chat, Fire>();
    auto client = test::must(tme::Client::start(client_config));
    int fires = 0;
    int chats = 0;
    bool has_fired = false;
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (chats < 2 && std::chrono::steady_clock::now() < end) {
        server.update(2ms);
        client.update(0ms);
        if (client.is_connected() && !has_fired) {
            Fire fire;
            fire.weapon = 3;
            has_fired = static_cast<bool>(client.send_message(fire));
        }
        for (auto& event : server.events()) {
            if (const auto* message = std::get_if<tme::Message>(&event)) {
                const auto known = tme::dispatch<Chat, Fire>(
                    message->bytes, tme::overloaded{[&](const Fire& fire) {
                                                        fires += fire.weapon == 3 ? 1 : 0;
                                                        Chat chat;
                                                        chat.text = "hit";
                                                        CHECK(server.send_message(message->peer, chat));
                                                        CHECK(test::must(server.broadcast_message(chat)).sent == 1);
                                                    },
                                                    [](const Chat&) { CHECK(false); }});
                CHECK(test::must(known));
                CHECK(!test::must(tme::dispatch<Chat>(message->bytes, [](const Chat&) {})));
            }
        }
        for (auto& event : client.events()) {
            if (const auto* message = std::get_if<tme::Message>(&event)) {
                CHECK(test::must(tme::read_message<Chat>(message->bytes))->text == "hit");
                chats++;
            }
        }
    }
    CHECK(fires == 1 && chats == 2);
}

} // namespace

int main() {
    std::ifstream file(TME_SERIAL_VECTORS, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    vectors = content.str();
    messages_have_the_bytes_of_the_vectors();
    programs_of_two_versions_read_each_other();
    values_have_the_bytes_of_the_vectors();
    malformed_bytes_have_an_error_each();
    what_cannot_be_written_says_why();
    messages_travel_between_a_server_and_a_client();
    return 0;
}
