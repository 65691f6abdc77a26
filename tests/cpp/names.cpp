// tme.hpp after macros that other headers are known to define, and with all of them as they were afterwards.
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

#if !defined(min) || !defined(max)
#error "min and max were taken away"
#endif

int main() {
    return tme::key_generate() ? 0 : 1;
}
