// Connect tokens: a backend says who may play, a server believes it and asks nobody else.
//
//     tokens new-key                              the key that backend and servers share; nobody else has it
//     tokens serve TOKEN_KEY 0.0.0.0:7777         a server that lets nobody in without a token
//     tokens issue TOKEN_KEY ada 127.0.0.1:7777   what a backend does when ada has signed in: a token for her client
//     tokens join TOKEN                           ada's client
//     tokens --self-test                          all of it in one process
#include <tme.hpp>

#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr auto wait = 20ms;

// The name of this server in its tokens: one that was meant for another server is no good here.
constexpr const char* server_name = "eu-1";

// What a backend does for a player who has signed in. It needs no server, only the key.
tme::Result<std::string> issue(const std::string& token_key, const std::string& user, const std::string& address) {
    tme::TokenConfig token;
    token.user = user;
    token.user_data = "role=guest";
    token.server_name = server_name;
    token.hints = {address};
    token.lifetime = 60s;
    return tme::token_make(token_key, token);
}

tme::Result<tme::Server> serve(const std::string& token_key, const std::string& listen) {
    tme::ServerConfig config;
    config.listen = listen;
    config.application = "tokens";
    config.server_name = server_name;
    config.token_keys = {token_key};
    config.requires_token = true;
    return tme::Server::start(config);
}

// The token tells where to go. A game would pin the server's key too, which its backend can send along with the token.
tme::Result<tme::Client> join(const std::string& token) {
    const auto hints = tme::token_hints(token);
    if (!hints) {
        return hints.error();
    }
    tme::ClientConfig config;
    config.application = "tokens";
    config.token = token;
    if (!hints->empty()) {
        config.address = hints->front();
    }
    return tme::Client::start(config);
}

// Lets the server work for a moment, and says who comes and goes. Who was turned away is not among them: he has been told,
// and is counted.
tme::Result<void> step(tme::Server& server, const std::function<void(const std::string&)>& show) {
    if (const auto updated = server.update(wait); !updated) {
        return updated;
    }
    for (const auto& event : server.events()) {
        if (const auto* connected = std::get_if<tme::Connected>(&event)) {
            if (const auto token = server.peer_token(connected->peer); token && *token) {
                show((*token)->user + " came, " + (*token)->user_data);
            }
        } else if (const auto* gone = std::get_if<tme::Disconnected>(&event)) {
            show("somebody left: " + std::string(to_string(gone->reason)));
        }
    }
    return {};
}

// Lets the client work for a moment: what it has to say, once there is something.
std::string step(tme::Client& client) {
    std::string news;
    if (const auto updated = client.update(wait); !updated) {
        return updated.error().message();
    }
    for (const auto& event : client.events()) {
        if (std::holds_alternative<tme::Connected>(event)) {
            news = "connected";
        } else if (const auto* end = std::get_if<tme::Disconnected>(&event)) {
            news = to_string(end->reason);
            if (end->token_problem != tme::TokenProblem::none) {
                news += std::string(" (") + to_string(end->token_problem) + ")";
            }
        }
    }
    return news;
}

int failed(const tme::Error& error) {
    std::fprintf(stderr, "tokens: %s\n", error.message().c_str());
    return 1;
}

int print(const tme::Result<std::string>& text) {
    if (!text) {
        return failed(text.error());
    }
    std::printf("%s\n", text->c_str());
    return 0;
}

int run_server(const std::string& token_key, const std::string& listen) {
    auto server = serve(token_key, listen);
    if (!server) {
        return failed(server.error());
    }
    std::printf("listening on port %u\n", static_cast<unsigned>(server->port()));
    // Until somebody stops the program, or closes what it writes to.
    while (std::fflush(stdout) == 0) {
        const auto stepped = step(*server, [](const std::string& line) { std::printf("%s\n", line.c_str()); });
        if (!stepped) {
            return failed(stepped.error());
        }
    }
    return 1;
}

int run_client(const std::string& token) {
    auto client = join(token);
    if (!client) {
        return failed(client.error());
    }
    std::string news;
    while (news.empty()) {
        news = step(*client);
    }
    std::printf("%s\n", news.c_str());
    const bool is_connected = client->is_connected();
    client->close(1s);
    return is_connected ? 0 : 1;
}

int self_test() {
    const auto token_key = tme::token_key_generate();
    auto server = serve(*token_key, "127.0.0.1:0");
    const std::string address = *server->local_address();
    const std::string token = *issue(*token_key, "ada", address);
    const std::string forged = *issue(*tme::token_key_generate(), "ada", address);
    std::vector<std::string> seen;
    const auto show = [&](const std::string& line) { seen.push_back(line); };

    // The third one comes with a copy of the first one's token.
    for (const auto& [whose, expected] : {std::pair(token, "connected"), {forged, "(invalid)"}, {token, "(used)"}}) {
        auto client = join(whose);
        std::string news;
        for (const auto end = std::chrono::steady_clock::now() + 20s;
             (news.empty() || seen.empty()) && std::chrono::steady_clock::now() < end;) {
            step(*server, show).value();
            const std::string more = step(*client);
            news = more.empty() ? news : more;
        }
        if (news.find(expected) == std::string::npos) {
            std::fprintf(stderr, "tokens: %s, not %s\n", news.c_str(), expected);
            return 1;
        }
    }
    return !seen.empty() && seen[0] == "ada came, role=guest" ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const auto is = [&](const char* command, std::size_t count) { return words.size() == count && words[0] == command; };
    if (is("--self-test", 1)) {
        return self_test();
    }
    if (is("new-key", 1)) {
        return print(tme::token_key_generate());
    }
    if (is("serve", 3)) {
        return run_server(words[1], words[2]);
    }
    if (is("issue", 4)) {
        return print(issue(words[1], words[2], words[3]));
    }
    if (is("join", 2)) {
        return run_client(words[1]);
    }
    std::fprintf(stderr, "usage: tokens new-key | serve TOKEN_KEY ADDRESS:PORT | issue TOKEN_KEY USER ADDRESS:PORT | "
                         "join TOKEN | --self-test\n");
    return 1;
}
