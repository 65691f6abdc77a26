// Keys: made, pinned, and by which each side knows the other.
#include "check.hpp"

#include <cstdio>

using namespace test;

int main() {
    const auto secret = must(tme::key_generate());
    const auto shared = must(tme::key_public(secret));
    CHECK(secret.size() == 64 && shared.size() == 64 && secret != shared);
    CHECK(must(tme::key_generate()) != secret);
    const auto identity = must(tme::key_generate());

    tme::ServerConfig config;
    config.key = secret;
    config.requires_identity = true;
    World world(config);
    CHECK(must(world.server->public_key()) == shared);

    tme::ClientConfig known;
    known.identity = identity;
    world.join(known);
    world.run_until_all_are_connected();
    const auto info = must(world.server->peer_info(world.server.find("connected")->peer));
    CHECK(info.key == must(tme::key_public(identity)));

    // Without an identity nobody comes in there; with a key we do not trust, nobody is believed.
    world.join();
    world.run_until("refused", [&] { return world.clients[1].find("disconnected"); });
    CHECK(world.clients[1].find("disconnected")->reason == tme::Reason::identity_required);

    World open;
    tme::ClientConfig wrong;
    wrong.server_key = shared;
    wrong.connect_timeout = 1s;
    open.join(wrong);
    open.run_until("given up", [&] { return open.clients[0].find("disconnected"); });
    CHECK(open.clients[0].find("disconnected")->reason == tme::Reason::untrusted_key);
}
