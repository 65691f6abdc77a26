// Each error, and which comes first where several would do.
#include "check.hpp"

#include <string>

using namespace test;

namespace {

ClientMessages fromClients;
Messages fromServer;
const Bytes hello = {1, 2, 3};
const Bytes tooLarge((16u << 20) + 1);

void NothingWorksBeforeInit() {
    CHECK(!Engine::IsInitialized());
    CHECK(!Engine::IsServerStarted());
    CHECK(!Engine::IsClientConnected());
    CHECK_CODE(Engine::Update(), NetworkEngineNotInitialized);
    CHECK_CODE(Engine::StartServer(0), NetworkEngineNotInitialized);
    CHECK_CODE(Engine::StartClient("no such name", 1), NetworkEngineNotInitialized);
    CHECK_CODE(Engine::SendToServerReliable(tooLarge), NetworkEngineNotInitialized);
    CHECK_CODE(Engine::SendToClientReliable(tooLarge, 1), NetworkEngineNotInitialized);
    CHECK_CODE(Engine::SendToAllClientReliable(tooLarge), NetworkEngineNotInitialized);
    CHECK_CODE(Engine::ReceiveAllReliableFromClient(fromClients), NetworkEngineNotInitialized);
    CHECK_CODE(Engine::ReceiveAllReliableFromServer(fromServer), NetworkEngineNotInitialized);
    CHECK_CODE(Engine::ShutDown(), Success);
}

void AServerOrAConnectionIsMissing() {
    CHECK_CODE(Engine::Update(), Success);
    CHECK_CODE(Engine::SendToServerReliable(tooLarge), NetworkClientNotConnected);
    CHECK_CODE(Engine::SendToClientReliable(tooLarge, 1), NetworkServerNotStarted);
    CHECK_CODE(Engine::SendToAllClientReliable(tooLarge), NetworkServerNotStarted);
    CHECK_CODE(Engine::ReceiveAllReliableFromClient(fromClients), NetworkServerNotStarted);
    CHECK_CODE(Engine::ReceiveAllReliableFromServer(fromServer), NetworkClientNotConnected);
    CHECK(!Engine::IsServerStarted() && !Engine::IsClientConnected());
}

void NobodyCanBeReached() {
    CHECK_CODE(Engine::StartClient("no-such-host.invalid", 2025), AddrInfoFailed);
    CHECK(!Engine::LastErrorText().empty());
    CHECK_CODE(Engine::StartClient("", 2025), AddrInfoFailed);
    CHECK_CODE(Engine::StartClient("two words", 2025), AddrInfoFailed);
    const auto before = std::chrono::steady_clock::now();
    // The discard port, where nobody listens.
    CHECK_CODE(Engine::StartClient("127.0.0.1", 9), ConnectFailed);
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(12));
    CHECK(!Engine::IsClientConnected());
    CHECK_CODE(Engine::SendToServerReliable(hello), NetworkClientNotConnected);
}

void AServerAlone() {
    CHECK_CODE(Engine::StartServer(0), Success);
    CHECK(Engine::IsServerStarted() && Engine::ServerPort() != 0);
    CHECK_CODE(Engine::StartServer(0), AlreadyInitialized);
    CHECK_CODE(Engine::StartServer(Engine::ServerPort()), AlreadyInitialized);
    CHECK(Engine::LastErrorText().find("server runs already") != std::string::npos);
    CHECK_CODE(Engine::SendToAllClientReliable(hello), Success);
    CHECK_CODE(Engine::SendToAllClientReliable(tooLarge), SendSizeTooLarge);
    for (const uint32_t nobody : {0u, 1u, 2u, 0xffffffffu}) {
        CHECK_CODE(Engine::SendToClientReliable(hello, nobody), ClientNotFound);
    }
    CHECK_CODE(Engine::ReceiveAllReliableFromClient(fromClients), Success);
    CHECK(fromClients.empty());
}

void APortThatIsTaken() {
    TmeServerConfig config;
    tme_server_config_init(&config, sizeof config);
    for (const char* listen : {"0.0.0.0:0", "[::]:0"}) {
        config.listen = listen;
        TmeServer* other = nullptr;
        if (tme_server_create(&config, &other) < 0) {
            // A machine without IPv6.
            continue;
        }
        CHECK_CODE(Engine::StartServer(tme_server_port(other)), BindFailed);
        CHECK(!Engine::IsServerStarted());
        tme_server_destroy(other);
    }
}

void AKeyFileThatIsNotThere() {
    Engine::SetServerKeyFile("no/such/file.key");
    CHECK_CODE(Engine::StartServer(0), ListenFailed);
    CHECK(Engine::LastErrorText().find("no/such/file.key") != std::string::npos);
    Engine::SetServerKeyFile("");
}

void BothInOneProgram() {
    const uint16_t port = Engine::ServerPort();
    CHECK_CODE(Engine::StartClient("localhost", port), Success);
    CHECK(Engine::IsClientConnected());
    CHECK_CODE(Engine::StartClient("localhost", port), AlreadyInitialized);
    CHECK(Engine::LastErrorText().find("connection already") != std::string::npos);
    CHECK_CODE(Engine::SendToServerReliable(tooLarge), SendSizeTooLarge);
    CHECK_CODE(Engine::SendToClientReliable(hello, 1), ClientNotFound);
    // Accepted by Update, and by nothing else.
    CHECK_CODE(Engine::SendToServerReliable(hello), Success);
    CHECK_CODE(Engine::SendToServerReliable({}), Success);
    Sleep(50);
    CHECK_CODE(Engine::ReceiveAllReliableFromClient(fromClients), Success);
    CHECK(fromClients.empty());
    CHECK(Eventually([] {
        CHECK_CODE(Engine::Update(), Success);
        CHECK_CODE(Engine::ReceiveAllReliableFromClient(fromClients), Success);
        return fromClients.size() == 2;
    }));
    CHECK(fromClients[0].second == hello && fromClients[1].second.empty());
    const uint32_t networkId = fromClients[0].first;
    CHECK(networkId <= 1);
    CHECK_CODE(Engine::SendToClientReliable(tooLarge, networkId), SendSizeTooLarge);
    CHECK_CODE(Engine::SendToClientReliable(hello, networkId + 1), ClientNotFound);
    CHECK_CODE(Engine::SendToClientReliable(hello, networkId), Success);
    CHECK_CODE(Engine::SendToAllClientReliable(Bytes(16u << 20, 0xa5)), Success);
    CHECK(Eventually([] {
        CHECK_CODE(Engine::ReceiveAllReliableFromServer(fromServer), Success);
        return fromServer.size() == 2;
    }));
    CHECK(fromServer[0] == hello && fromServer[1] == Bytes(16u << 20, 0xa5));
    // What is received is appended.
    CHECK_CODE(Engine::ReceiveAllReliableFromServer(fromServer), Success);
    CHECK(fromServer.size() == 2);
}

} // namespace

int main() {
    NothingWorksBeforeInit();
    CHECK_CODE(Engine::Init(), Success);
    CHECK_CODE(Engine::Init(), Success);
    CHECK_CODE(Engine::EnsureInitialized(), Success);
    CHECK(Engine::IsInitialized());
    AServerOrAConnectionIsMissing();
    NobodyCanBeReached();
    APortThatIsTaken();
    AKeyFileThatIsNotThere();
    AServerAlone();
    BothInOneProgram();
    CHECK_CODE(Engine::ShutDown(), Success);
    NothingWorksBeforeInit();

    // Once more: as if nothing had been.
    fromClients.clear();
    fromServer.clear();
    CHECK_CODE(Engine::EnsureInitialized(), Success);
    AServerOrAConnectionIsMissing();
    AServerAlone();
    BothInOneProgram();
    CHECK_CODE(Engine::ShutDown(), Success);
    CHECK_CODE(Engine::ShutDown(), Success);
    return 0;
}
