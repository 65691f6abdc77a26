// What can be given where bytes are wanted, and what comes out.
#include "check.hpp"

#include <array>

namespace {
std::size_t size_of(tme::Bytes bytes) { return bytes.size(); }

static_assert(!std::is_convertible_v<int, tme::Bytes>);
static_assert(!std::is_convertible_v<std::vector<int>, tme::Bytes>, "elements of one byte only");
static_assert(!std::is_convertible_v<const wchar_t*, tme::Bytes>);
static_assert(!std::is_convertible_v<const int*, tme::Bytes>);
static_assert(!std::is_convertible_v<const unsigned char*, tme::Bytes>, "how many?");
static_assert(!std::is_convertible_v<tme::OwnedMessage&, tme::Bytes>, "handed over by std::move, or bytes() is copied");
} // namespace

int main() {
    const std::string text = "hello";
    const char* pointer = "hello";
    const char cut_short[3] = {'h', 'i', '!'};
    const unsigned char raw[] = {1, 0, 2, 0};
    char buffer[16] = "hello";
    const std::byte bytes[2] = {};

    CHECK(size_of("hello") == 5);
    CHECK(size_of(u8"hello") == 5);
    CHECK(size_of("") == 0);
    CHECK(size_of(pointer) == 5);
    CHECK(size_of(static_cast<const char*>(nullptr)) == 0);
    CHECK(size_of(buffer) == 5);
    CHECK(size_of({buffer, sizeof buffer}) == 16);
    CHECK(size_of(cut_short) == 3);
    CHECK(size_of(raw) == 4);
    CHECK(size_of(bytes) == 2);
    CHECK(size_of(text) == 5);
    CHECK(size_of(std::string_view(text)) == 5);
    CHECK(size_of(std::string_view("a\0b", 3)) == 3);
    CHECK(size_of(std::vector<std::uint8_t>(7)) == 7);
    CHECK(size_of(std::vector<std::int8_t>(7)) == 7);
    CHECK(size_of(std::array<std::byte, 3>{}) == 3);
    CHECK(size_of(std::array<unsigned char, 3>{}) == 3);
    CHECK(size_of({}) == 0);

    const tme::Bytes hello(text);
    CHECK(hello.text() == "hello" && hello == "hello" && hello != "hell");
    CHECK(hello.to_vector() == std::vector<std::uint8_t>({'h', 'e', 'l', 'l', 'o'}));
    CHECK(hello[4] == std::byte{'o'});
    CHECK(static_cast<const void*>(hello.data()) == text.data());
    CHECK(tme::Bytes().empty() && tme::Bytes().to_vector().empty() && tme::Bytes() == "");
    std::size_t count = 0;
    for (const std::byte one : hello) {
        count += one == std::byte{'l'} ? 1u : 0u;
    }
    CHECK(count == 2);
}
