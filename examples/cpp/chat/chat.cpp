// Chat: everybody reads what everybody types. The first line a client sends is its name.
//
//     chat server                            prints the line for the other terminals
//     chat client 127.0.0.1:7777 KEY ada     then type; an empty line or the end of the input leaves
//     chat --self-test                       a server and two clients talk to each other and part
#include <tme.hpp>

#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr tme::ChannelId chat_channel = 0;
constexpr auto wait = 20ms;

// Where lines go: the terminal, or the self-test.
using Show = std::function<void(const std::string& line)>;

class ChatServer {
public:
    ChatServer(tme::Server server, Show show) : server_(std::move(server)), show_(std::move(show)) {}

    static tme::Result<tme::Server> listen(const std::string& address) {
        tme::ServerConfig config;
        config.listen = address;
        config.application = "chat";
        config.channels = {tme::reliable_ordered("chat")};
        return tme::Server::start(config);
    }

    // Sees to the network for a moment. False once the server has ended.
    bool step() {
        if (const auto updated = server_.update(wait); !updated) {
            show_("the server has ended: " + updated.error().message());
            return false;
        }
        for (const auto& event : server_.events()) {
            std::visit(tme::overloaded{
                           [&](const tme::Message& message) { hear(message.peer, std::string(message.bytes.text())); },
                           [&](const tme::Disconnected& gone) { part(gone.peer, gone.reason); },
                           [](const auto&) {},
                       },
                       event);
        }
        return true;
    }

    tme::Server& server() { return server_; }

private:
    void hear(tme::PeerId peer, const std::string& text) {
        const auto [entry, is_new] = names_.try_emplace(peer, text);
        say(is_new ? "* " + text + " is here" : entry->second + ": " + text);
    }

    void part(tme::PeerId peer, tme::Reason reason) {
        if (const auto name = names_.extract(peer)) {
            say("* " + name.mapped() + " has left: " + to_string(reason));
        }
    }

    void say(const std::string& line) {
        show_(line);
        const auto outcome = server_.broadcast(chat_channel, line);
        if (outcome && outcome->would_block > 0) {
            show_("* " + std::to_string(outcome->would_block) + " cannot keep up and missed this");
        }
    }

    tme::Server server_;
    Show show_;
    std::unordered_map<tme::PeerId, std::string> names_;
};

class ChatClient {
public:
    ChatClient(tme::Client client, std::string name, Show show)
        : client_(std::move(client)), name_(std::move(name)), show_(std::move(show)) {}

    static tme::Result<tme::Client> connect(const std::string& address, const std::string& key) {
        tme::ClientConfig config;
        config.address = address;
        config.server_key = key;
        config.application = "chat";
        config.channels = {tme::reliable_ordered("chat")};
        return tme::Client::start(config);
    }

    // Sees to the network for a moment. False once the connection is over.
    bool step() {
        if (const auto updated = client_.update(wait); !updated) {
            show_("* " + updated.error().message());
            return false;
        }
        for (const auto& event : client_.events()) {
            std::visit(tme::overloaded{
                           [&](const tme::Connected&) { say(name_); },
                           [&](const tme::Message& message) { show_(std::string(message.bytes.text())); },
                           [&](const tme::Disconnected& end) {
                               show_(std::string("* bye: ") + to_string(end.reason));
                               is_over_ = true;
                           },
                           [](const auto&) {},
                       },
                       event);
        }
        return !is_over_;
    }

    void say(const std::string& line) {
        if (const auto sent = client_.send(chat_channel, line); !sent) {
            show_("* not sent: " + sent.error().message());
        }
    }

    // What was said still arrives.
    void leave() { client_.disconnect(); }

private:
    tme::Client client_;
    std::string name_;
    Show show_;
    bool is_over_ = false;
};

// The lines of the terminal, read by a thread of their own: waiting for one must not stop the network.
class Lines {
public:
    Lines() : shared_(std::make_shared<Shared>()) {
        // Nothing wakes a thread that waits for the terminal, so it owns its share and is left to itself.
        std::thread([shared = shared_] {
            std::string line;
            while (std::getline(std::cin, line) && !line.empty()) {
                const std::lock_guard<std::mutex> lock(shared->mutex);
                shared->lines.push_back(line);
            }
            const std::lock_guard<std::mutex> lock(shared->mutex);
            shared->has_ended = true;
        }).detach();
    }

    // What was typed since the last call; `has_ended` tells whether more can come.
    std::vector<std::string> take(bool& has_ended) {
        const std::lock_guard<std::mutex> lock(shared_->mutex);
        has_ended = shared_->has_ended;
        return std::exchange(shared_->lines, {});
    }

private:
    struct Shared {
        std::mutex mutex;
        std::vector<std::string> lines;
        bool has_ended = false;
    };
    std::shared_ptr<Shared> shared_;
};

void print(const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

int fail(const tme::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.message().c_str());
    return 1;
}

int serve(const std::string& address) {
    auto server = ChatServer::listen(address);
    if (!server) {
        return fail(server.error());
    }
    print("chat client " + server->local_address().value() + " " + server->public_key().value() + " NAME");
    ChatServer chat(std::move(*server), print);
    while (chat.step()) {
    }
    return 1;
}

int join(const std::string& address, const std::string& key, const std::string& name) {
    auto client = ChatClient::connect(address, key);
    if (!client) {
        return fail(client.error());
    }
    ChatClient chat(std::move(*client), name, print);
    Lines lines;
    bool has_left = false;
    while (chat.step()) {
        bool has_ended = false;
        for (const auto& line : lines.take(has_ended)) {
            chat.say(line);
        }
        if (has_ended && !has_left) {
            chat.leave();
            has_left = true;
        }
    }
    return has_left ? 0 : 1;
}

int self_test() {
    const auto end = std::chrono::steady_clock::now() + 20s;
    std::vector<std::string> heard[3];
    const auto into = [&](std::size_t index) {
        return [&, index](const std::string& line) { heard[index].push_back(line); };
    };
    auto server = ChatServer::listen("127.0.0.1:0");
    if (!server) {
        return fail(server.error());
    }
    const std::string address = server->local_address().value();
    const std::string key = server->public_key().value();
    ChatServer chat(std::move(*server), into(0));

    ChatClient ada(ChatClient::connect(address, key).value(), "ada", into(1));
    ChatClient bob(ChatClient::connect(address, key).value(), "bob", into(2));
    const auto has = [&](std::size_t index, const char* line) {
        for (const auto& one : heard[index]) {
            if (one.find(line) == 0) {
                return true;
            }
        }
        return false;
    };
    const auto until = [&](auto done) {
        while (!done()) {
            if (std::chrono::steady_clock::now() > end || !chat.step()) {
                return false;
            }
            ada.step();
            bob.step();
        }
        return true;
    };

    if (!until([&] { return has(1, "* ada is here") && has(2, "* bob is here"); })) {
        return 2;
    }
    ada.say("hello, bob");
    if (!until([&] { return has(2, "ada: hello, bob") && has(1, "ada: hello, bob"); })) {
        return 3;
    }
    bob.say("hello, ada");
    bob.leave();
    if (!until([&] { return has(1, "bob: hello, ada") && has(1, "* bob has left") && has(2, "* bye"); })) {
        return 4;
    }
    ada.leave();
    if (!until([&] { return has(0, "* ada has left"); })) {
        return 5;
    }
    for (const auto& line : heard[0]) {
        print(line);
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const std::size_t count = arguments.size();
    if (count == 1 && arguments[0] == "--self-test") {
        return self_test();
    }
    if (count >= 1 && count <= 2 && arguments[0] == "server") {
        return serve(count == 2 ? arguments[1] : "127.0.0.1:7777");
    }
    if (count == 4 && arguments[0] == "client") {
        return join(arguments[1], arguments[2], arguments[3]);
    }
    std::fprintf(stderr, "usage: chat server [ADDRESS:PORT] | chat client ADDRESS:PORT KEY NAME | chat --self-test\n");
    return 2;
}
