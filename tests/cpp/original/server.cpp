// What a server promises: how clients are accepted and numbered, how much is received, who is waited for.
#include "raw.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <set>

using namespace test;

namespace {

using Clock = std::chrono::steady_clock;

// Accepts and receives until this many messages came; they are grouped by client, in order.
ClientMessages ReceiveFrom(std::size_t count) {
    ClientMessages messages;
    CHECK(Eventually([&] {
        CHECK_CODE(Engine::Update(), Success);
        CHECK_CODE(Engine::ReceiveAllReliableFromClient(messages), Success);
        return messages.size() >= count;
    }));
    CHECK(messages.size() == count);
    return messages;
}

void AtMostSixteenAreAcceptedByACall() {
    CHECK_CODE(Engine::StartServer(0), Success);
    std::vector<std::unique_ptr<RawClient>> clients;
    for (uint32_t number = 0; number < 20; ++number) {
        clients.push_back(std::make_unique<RawClient>(Engine::ServerPort()));
        clients.back()->Send(Numbered(number, 8));
    }
    Sleep(200);
    // Nobody is there before Update.
    CHECK_CODE(Engine::SendToClientReliable({1}, 1), ClientNotFound);
    ClientMessages messages;
    CHECK_CODE(Engine::ReceiveAllReliableFromClient(messages), Success);
    CHECK(messages.empty());
    CHECK_CODE(Engine::Update(), Success);
    CHECK_CODE(Engine::ReceiveAllReliableFromClient(messages), Success);
    CHECK(messages.size() == 16);
    CHECK_CODE(Engine::Update(), Success);
    CHECK_CODE(Engine::ReceiveAllReliableFromClient(messages), Success);
    CHECK(messages.size() == 20);
    for (uint32_t number = 0; number < 20; ++number) {
        CHECK(messages[number].first == number + 1 && messages[number].second == Numbered(number, 8));
    }
    // Each number leads to the client that has it.
    for (uint32_t number = 0; number < 20; ++number) {
        CHECK_CODE(Engine::SendToClientReliable(Numbered(number, 50), number + 1), Success);
    }
    for (uint32_t number = 0; number < 20; ++number) {
        CHECK(Eventually([&] {
            const Messages received = clients[number]->Receive();
            CHECK(received.empty() || received[0] == Numbered(number, 50));
            return !received.empty();
        }));
    }
    CHECK_CODE(Engine::ShutDown(), Success);
    // They were told.
    for (const auto& client : clients) {
        CHECK(Eventually([&] { return !client->IsConnected(); }));
    }
    CHECK_CODE(Engine::Init(), Success);
}

void NumbersAreNeverUsedTwice() {
    CHECK_CODE(Engine::StartServer(0), Success);
    std::set<uint32_t> numbers;
    for (int round = 0; round < 5; ++round) {
        RawClient client(Engine::ServerPort());
        client.Send({7});
        const uint32_t number = ReceiveFrom(1)[0].first;
        CHECK(numbers.insert(number).second && *numbers.begin() <= 1);
    }
    CHECK_CODE(Engine::ShutDown(), Success);
    CHECK_CODE(Engine::Init(), Success);
}

void AtMostThirtyTwoMessagesOfAClientAreReceived() {
    CHECK_CODE(Engine::StartServer(0), Success);
    RawClient busy(Engine::ServerPort());
    RawClient quiet(Engine::ServerPort());
    for (uint32_t number = 0; number < 100; ++number) {
        busy.Send(Numbered(number, 8));
    }
    quiet.Send({9});
    Sleep(300);
    CHECK_CODE(Engine::Update(), Success);
    std::map<std::size_t, int> rounds;
    uint32_t next = 0;
    for (int round = 0; round < 5; ++round) {
        ClientMessages messages;
        CHECK_CODE(Engine::ReceiveAllReliableFromClient(messages), Success);
        ++rounds[messages.size()];
        for (const auto& [networkId, message] : messages) {
            CHECK(message == Bytes{9} || message == Numbered(next++, 8));
        }
    }
    CHECK(next == 100);
    CHECK((rounds == std::map<std::size_t, int>{{33, 1}, {32, 2}, {4, 1}, {0, 1}}));
    CHECK_CODE(Engine::ShutDown(), Success);
    CHECK_CODE(Engine::Init(), Success);
}

void WhatAClientSentBeforeItLeftIsReceived() {
    CHECK_CODE(Engine::StartServer(0), Success);
    auto client = std::make_unique<RawClient>(Engine::ServerPort());
    client->Send(Numbered(0, 8));
    const uint32_t networkId = ReceiveFrom(1)[0].first;
    CHECK_CODE(Engine::SendToClientReliable({1}, networkId), Success);
    for (uint32_t number = 1; number < 80; ++number) {
        client->Send(Numbered(number, 300));
    }
    client->Close();
    client.reset();
    CHECK(Eventually([&] {
        return Engine::SendToClientReliable({1}, networkId) == tme::ErrorCodes::ClientNotFound;
    }));
    CHECK_CODE(Engine::SendToAllClientReliable({1}), Success);
    const ClientMessages messages = ReceiveFrom(79);
    for (uint32_t number = 1; number < 80; ++number) {
        CHECK(messages[number - 1].first == networkId && messages[number - 1].second == Numbered(number, 300));
    }

    // The same for one that left before it was accepted; one that said nothing is not noticed at all.
    {
        RawClient silent(Engine::ServerPort());
        RawClient shortLived(Engine::ServerPort());
        shortLived.Send({4});
        shortLived.Close();
        silent.Close();
    }
    Sleep(100);
    const ClientMessages late = ReceiveFrom(1);
    CHECK(late[0].first == networkId + 1 && late[0].second == Bytes{4});
    CHECK_CODE(Engine::SendToClientReliable({1}, networkId + 1), ClientNotFound);
    CHECK_CODE(Engine::ShutDown(), Success);
    CHECK_CODE(Engine::Init(), Success);
}

// One client takes nothing any more: it is waited for once, the others go on.
void AStalledClientDoesNotStopTheGame() {
    CHECK_CODE(Engine::StartServer(0), Success);
    RawClient stalled(Engine::ServerPort());
    stalled.Send({1});
    const uint32_t stalledId = ReceiveFrom(1)[0].first;
    const Bytes large(1u << 20, 0xa5);
    // What is in the air, and what waits on this side.
    tme::ErrorCodes found = tme::ErrorCodes::Success;
    const auto begin = Clock::now();
    for (int count = 0; count < 200 && found == tme::ErrorCodes::Success; ++count) {
        found = Engine::SendToClientReliable(large, stalledId);
    }
    CHECK(found == tme::ErrorCodes::SendFailed);
    CHECK(Clock::now() - begin > std::chrono::milliseconds(900));
    CHECK_CODE(Engine::SendToAllClientReliable(large), Failure);

    RawClient other(Engine::ServerPort());
    other.Send({2});
    CHECK(ReceiveFrom(1)[0].first == stalledId + 1);
    const auto before = Clock::now();
    CHECK_CODE(Engine::SendToAllClientReliable(large), PartialSuccess);
    CHECK_CODE(Engine::SendToClientReliable(large, stalledId), SendFailed);
    CHECK(Clock::now() - before < std::chrono::milliseconds(900));
    CHECK(Eventually([&] { return !other.Receive().empty(); }));

    // It goes on reading, and is sent to again.
    CHECK(Eventually([&] {
        stalled.Receive();
        return Engine::SendToAllClientReliable({3}) == tme::ErrorCodes::Success;
    }));

    // And while a send waits for it.
    std::atomic<bool> isSent{false};
    std::thread reader([&] {
        Sleep(300);
        while (!isSent) {
            stalled.Receive();
            other.Receive();
            Sleep(10);
        }
    });
    for (int count = 0; count < 20; ++count) {
        CHECK_CODE(Engine::SendToClientReliable(large, stalledId), Success);
    }
    isSent = true;
    reader.join();
    CHECK_CODE(Engine::ShutDown(), Success);
    CHECK_CODE(Engine::Init(), Success);
}

void AClientThatTakesLessIsNotSentMore() {
    CHECK_CODE(Engine::StartServer(0), Success);
    RawClient small(Engine::ServerPort(), 2000);
    small.Send({1});
    const uint32_t networkId = ReceiveFrom(1)[0].first;
    CHECK_CODE(Engine::SendToClientReliable(Bytes(2001), networkId), SendSizeTooLarge);
    CHECK_CODE(Engine::SendToAllClientReliable(Bytes(2001)), Failure);
    CHECK_CODE(Engine::SendToClientReliable(Bytes(2000), networkId), Success);
    RawClient large(Engine::ServerPort());
    large.Send({1});
    ReceiveFrom(1);
    CHECK_CODE(Engine::SendToAllClientReliable(Bytes(2001)), PartialSuccess);
    CHECK_CODE(Engine::ShutDown(), Success);
    CHECK_CODE(Engine::Init(), Success);
}

// A client that sends more than the game takes has to wait, and costs no more than the bound.
void AFloodWaitsAtTheClient() {
    CHECK_CODE(Engine::StartServer(0), Success);
    RawClient flood(Engine::ServerPort());
    const Bytes large(1u << 20, 0x5a);
    std::size_t sent = 0;
    const auto flow = [&](std::chrono::seconds time) {
        for (const auto end = Clock::now() + time; Clock::now() < end; Sleep(1)) {
            while (flood.TrySend(large) == TME_OK) {
                ++sent;
            }
            CHECK_CODE(Engine::Update(), Success);
        }
    };
    CHECK(Eventually([&] {
        flow(std::chrono::seconds(1));
        return sent > 80;
    }, 120));
    flow(std::chrono::seconds(1));
    // 64 MiB of backlog, 16 MiB in the air, 4 MiB in the client's queue, and what one poll may exceed the bound by.
    CHECK(sent < 110);
    ReceiveFrom(sent);
    CHECK_CODE(Engine::ShutDown(), Success);
    CHECK_CODE(Engine::Init(), Success);
}

} // namespace

int main() {
    CHECK_CODE(Engine::Init(), Success);
    AtMostSixteenAreAcceptedByACall();
    NumbersAreNeverUsedTwice();
    AtMostThirtyTwoMessagesOfAClientAreReceived();
    WhatAClientSentBeforeItLeftIsReceived();
    AStalledClientDoesNotStopTheGame();
    AClientThatTakesLessIsNotSentMore();
    AFloodWaitsAtTheClient();
    CHECK_CODE(Engine::ShutDown(), Success);
    return 0;
}
