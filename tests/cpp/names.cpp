// tme.hpp after macros that other headers are known to define.
// The standard library does not survive min and max either: it comes first.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>
#if __has_include(<span>)
#include <span>
#endif

#define check(condition) static_assert(false, "the macro check was used")
#define verify(condition) static_assert(false, "the macro verify was used")
#define ensure(condition) static_assert(false, "the macro ensure was used")
#define ERROR 0
#define TEXT(text) L##text
#define PI 3.14159
#define None 0L
#define Success 0
#define Status int
#define Bool int
#define True 1
#define False 0
#define emit
#define slots
#define signals public
#define interface struct
#define near
#define far
#define small char
#define IN
#define OUT
#define DELETE 0x10000L
#define GetMessage GetMessageW
#define SendMessage SendMessageW
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))

#include <tme.hpp>

int main() {
    return tme::key_generate() ? 0 : 1;
}
