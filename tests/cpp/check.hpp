// What the C++ tests have in common: a check that works without exceptions, and a small world on loopback.
#ifndef TME_TESTS_CPP_CHECK_HPP
#define TME_TESTS_CPP_CHECK_HPP

#include <tme.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#define CHECK(condition) test::check(static_cast<bool>(condition), #condition, __FILE__, __LINE__)

namespace test {

using namespace std::chrono_literals;

inline void check(bool is_true, const char* condition, const char* file, int line) {
    if (!is_true) {
        std::fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
        std::exit(1);
    }
}

/// The value of a result, or the end of the test with its message.
template <class T>
T must(tme::Result<T> result) {
    if (!result) {
        std::fprintf(stderr, "unexpected error: %s\n", result.error().message().c_str());
        std::exit(1);
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(result).value();
    }
}

/// An event that is over, as a test wants to look at it.
struct Seen {
    std::string kind;
    tme::PeerId peer = tme::PeerId::none;
    tme::ChannelId channel = 0;
    std::uint32_t number = 0;
    std::string text = {};
    tme::Reason reason = tme::Reason::none;
    tme::Origin origin = tme::Origin::local;
    tme::TokenProblem token_problem = tme::TokenProblem::none;
    std::uint64_t receipt = 0;
    tme::Expiry expiry = {};
    bool never_sent = false;
};

inline Seen seen(const tme::Event& event) {
    Seen out;
    out.kind = to_string(event);
    std::visit(tme::overloaded{
                   [&](const tme::Connected& e) {
                       out.peer = e.peer;
                       out.number = e.number;
                       out.text = e.user_data.text();
                   },
                   [&](const tme::Admission& e) {
                       out.peer = e.peer;
                       out.text = e.user_data.text();
                   },
                   [&](const tme::Message& e) {
                       out.peer = e.peer;
                       out.channel = e.channel;
                       out.number = e.key;
                       out.text = e.bytes.text();
                   },
                   [&](const tme::Writable& e) {
                       out.peer = e.peer;
                       out.channel = e.channel;
                   },
                   [&](const tme::Delivered& e) {
                       out.peer = e.peer;
                       out.channel = e.channel;
                       out.receipt = e.receipt;
                   },
                   [&](const tme::Expired& e) {
                       out.peer = e.peer;
                       out.channel = e.channel;
                       out.receipt = e.receipt;
                       out.expiry = e.reason;
                       out.never_sent = e.never_sent;
                   },
                   [&](const tme::Disconnected& e) {
                       out.peer = e.peer;
                       out.number = e.code;
                       out.text = e.bytes.text();
                       out.reason = e.reason;
                       out.origin = e.origin;
                       out.token_problem = e.token_problem;
                   },
                   [](const auto&) {}},
               event);
    return out;
}

/// A server or client with all the events it has had.
template <class Engine>
struct Side {
    Engine engine;
    std::vector<Seen> events = {};

    explicit Side(Engine of) : engine(std::move(of)) {}

    Engine* operator->() { return &engine; }

    void visit() {
        for (const auto& event : engine.events()) {
            events.push_back(seen(event));
        }
    }

    const Seen* find(const char* kind) const {
        for (const auto& event : events) {
            if (event.kind == kind) {
                return &event;
            }
        }
        return nullptr;
    }

    std::vector<Seen> all(const char* kind) const {
        std::vector<Seen> found;
        for (const auto& event : events) {
            if (event.kind == kind) {
                found.push_back(event);
            }
        }
        return found;
    }

    std::size_t count(const char* kind) const { return all(kind).size(); }
};

/// Calls `step` until it gives true, or fails after 20 s.
template <class Step>
void until(const char* what, Step step) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!step()) {
        if (std::chrono::steady_clock::now() > end) {
            std::fprintf(stderr, "not within 20 s: %s\n", what);
            std::exit(1);
        }
    }
}

/// A server and clients of it.
struct World {
    Side<tme::Server> server;
    std::vector<Side<tme::Client>> clients = {};

    explicit World(tme::ServerConfig config = {}) : server(start(std::move(config))) {}

    void join(tme::ClientConfig config = {}) {
        config.address = "127.0.0.1:" + std::to_string(server->port());
        if (config.server_key.empty() && !config.is_plaintext) {
            config.server_key = must(server->public_key());
        }
        clients.emplace_back(must(tme::Client::start(config)));
    }

    void step() {
        server->update(1ms);
        server.visit();
        for (auto& client : clients) {
            client->update(0ms);
            client.visit();
        }
    }

    template <class Done>
    void run_until(const char* what, Done done) {
        until(what, [&] {
            step();
            return done();
        });
    }

    void run_until_all_are_connected() {
        run_until("everybody is connected", [&] {
            for (auto& client : clients) {
                if (!client->is_connected()) {
                    return false;
                }
            }
            return server.count("connected") == clients.size();
        });
    }

private:
    static tme::Server start(tme::ServerConfig config) {
        config.listen = "127.0.0.1:0";
        return must(tme::Server::start(config));
    }
};

} // namespace test

#endif
