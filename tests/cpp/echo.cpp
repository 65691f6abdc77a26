// The client that needs no server: what it sends comes back, with the same channel and key.
#include "check.hpp"

#include <thread>

using namespace test;

int main() {
    for (const bool is_threaded : {false, true}) {
        tme::ClientConfig config;
        config.is_threaded = is_threaded;
        config.channels = {tme::reliable_ordered("chat"), tme::reliable_latest("score")};
        Side<tme::Client> client(must(tme::Client::start_echo(config)));
        const auto run_until = [&](const char* what, auto done) {
            until(what, [&] {
                // A threaded client needs no update, only to be polled.
                if (is_threaded) {
                    std::this_thread::sleep_for(1ms);
                } else {
                    client->update(1ms);
                }
                client.visit();
                return done();
            });
        };
        run_until("connected", [&] { return client->is_connected(); });
        must(client->send(0, "there and back"));
        must(client->send(1, "again", tme::with_key(3)));
        run_until("both are back", [&] { return client.count("message") == 2; });
        for (const auto& event : client.events) {
            if (event.kind == "message") {
                CHECK(event.text == (event.channel == 0 ? "there and back" : "again"));
                CHECK(event.number == (event.channel == 0 ? 0 : 3));
            }
        }
        must(client->wake());
        must(client->close(1s));
        client.visit();
        CHECK(client.find("disconnected"));
    }
}
