// Every name, number and type of the original interface. What is wrong here does not compile.
#include "TME/NetworkEngine.hpp"

#include <type_traits>

namespace {

using tme::ErrorCodes;
using tme::NetworkEngine;
using Bytes = std::vector<uint8_t>;

template <typename Expected, typename Found>
constexpr bool Is(Found) {
    return std::is_same_v<Expected, Found>;
}

static_assert(Is<ErrorCodes (*)()>(&NetworkEngine::Init));
static_assert(Is<ErrorCodes (*)()>(&NetworkEngine::EnsureInitialized));
static_assert(Is<bool (*)()>(&NetworkEngine::IsInitialized));
static_assert(Is<ErrorCodes (*)()>(&NetworkEngine::ShutDown));
static_assert(Is<ErrorCodes (*)()>(&NetworkEngine::Update));
static_assert(Is<ErrorCodes (*)(uint16_t)>(&NetworkEngine::StartServer));
static_assert(Is<bool (*)()>(&NetworkEngine::IsServerStarted));
static_assert(Is<ErrorCodes (*)(const std::string&, uint16_t)>(&NetworkEngine::StartClient));
static_assert(Is<bool (*)()>(&NetworkEngine::IsClientConnected));
static_assert(Is<ErrorCodes (*)(const Bytes&)>(&NetworkEngine::SendToServerReliable));
static_assert(Is<ErrorCodes (*)(const Bytes&, uint32_t)>(&NetworkEngine::SendToClientReliable));
static_assert(Is<ErrorCodes (*)(const Bytes&)>(&NetworkEngine::SendToAllClientReliable));
static_assert(Is<ErrorCodes (*)(std::vector<std::pair<uint32_t, Bytes>>&)>(
    &NetworkEngine::ReceiveAllReliableFromClient));
static_assert(Is<ErrorCodes (*)(std::vector<Bytes>&)>(&NetworkEngine::ReceiveAllReliableFromServer));

static_assert(std::is_class_v<NetworkEngine>);
static_assert(std::is_enum_v<ErrorCodes> && !std::is_convertible_v<ErrorCodes, int>, "a scoped enumeration");
static_assert(std::is_same_v<std::underlying_type_t<ErrorCodes>, int>);

constexpr ErrorCodes kInOrder[] = {
    ErrorCodes::Success,
    ErrorCodes::PartialSuccess,
    ErrorCodes::AlreadyInitialized,
    ErrorCodes::Failure,
    ErrorCodes::CompletedWithErrors,
    ErrorCodes::NetworkEngineNotInitialized,
    ErrorCodes::NetworkServerNotStarted,
    ErrorCodes::NetworkClientNotConnected,
    ErrorCodes::ClientNotInitialized,
    ErrorCodes::ClientNotFound,
    ErrorCodes::InvalidSocket,
    ErrorCodes::ShutdownFailed,
    ErrorCodes::AddrInfoFailed,
    ErrorCodes::ConnectFailed,
    ErrorCodes::BindFailed,
    ErrorCodes::AcceptFailed,
    ErrorCodes::ListenFailed,
    ErrorCodes::SendSizeTooLarge,
    ErrorCodes::SendConnectionClosed,
    ErrorCodes::SendFailed,
    ErrorCodes::ReceiveSizeTooLarge,
    ErrorCodes::ReceiveConnectionClosed,
    ErrorCodes::ReceiveWouldBlock,
    ErrorCodes::ReceiveFailed,
    ErrorCodes::SetBlockingFailed,
};

constexpr bool AreNumbersThoseOfTheOriginal() {
    int number = 0;
    for (const ErrorCodes code : kInOrder) {
        if (static_cast<int>(code) != number++) {
            return false;
        }
    }
    return number == 25;
}
static_assert(AreNumbersThoseOfTheOriginal());

// A game's own exports may use the macro.
struct TME_API Exported;

#if defined(__clang__)
// Games may call from constructors of global objects: the engine must be there before any of them runs.
[[clang::require_constant_initialization]] tme::original::GlobalEngine s_isThereBeforeConstructors;
#endif

} // namespace

int main() {
    return NetworkEngine::IsInitialized() ? 1 : 0;
}
