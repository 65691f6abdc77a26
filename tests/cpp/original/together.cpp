// The original interface beside the new ones, and after what other headers define.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#define ERROR 1
#define TEXT(x) x
#define PI 3
#define check(x) x
#define verify(x) x
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#include "TME/NetworkEngine.hpp"
#include <tme.h>
#if __has_include(<tme.hpp>)
#include <tme.hpp>
#endif

int main() {
    const bool isFine = tme::NetworkEngine::Init() == tme::ErrorCodes::Success && tme_version() != 0;
    return isFine ? 0 : 1;
}
