/**
 * What holds for pages that are not on the server's machine, shown in a network namespace of its own: there this machine has an
 * address that is not loopback, and no packet leaves it.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { TLS, TRUST } from "./certificates.js";
import { Stage } from "./stage.js";

/* global tme, rejection: what page.js puts into the page */

/** Of a network that exists in documents only (RFC 5737). */
const ELSEWHERE = "192.0.2.1";
const UP = `ip link set lo up && ip address add ${ELSEWHERE}/32 dev lo`;
const INSIDE = "TME_IN_NAMESPACE";

if (process.env[INSIDE] === undefined) {
    const isPossible = spawnSync("unshare", ["--map-root-user", "--net", "sh", "-c", UP]).status === 0;
    test("from elsewhere", { skip: !isPossible && "this system lets nobody make a network namespace" }, () => {
        const node = [process.execPath, "--test-reporter=tap", new URL(import.meta.url).pathname];
        const words = ["--map-root-user", "--net", "sh", "-c", `${UP} && exec "$@"`, "sh", ...node];
        // Or this node would think of it as a part of itself.
        const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
        const { status, stdout, stderr } = spawnSync("unshare", words, {
            env: { ...environment, [INSIDE]: "1" }, encoding: "utf8", timeout: 120_000,
        });
        assert.equal(status, 0, `${stdout}\n${stderr}`);
        assert.match(stdout, /^# pass 2$/m);
    });
} else {
    const stage = new Stage({ flags: [TRUST], host: ELSEWHERE });

    const connect = (url) => stage.page.run(async (url) => {
        const client = await tme.Client.connect(url, { application: "tme chat", userData: "ada" });
        return client.peerNumber;
    }, url);

    test("ws:// from elsewhere is refused unless the server allows it, and the error says what to do", async () => {
        for (const more of [[], TLS]) {
            const { url } = await stage.startChatAt(`${ELSEWHERE}:0`, ...more);
            const error = await stage.page.run((url) => {
                return rejection(tme.Client.connect(url, { application: "tme chat" }));
            }, url);
            assert.deepEqual([error.name, error.reason, error.kind], ["TmeError", 4, "suites"]);
            assert.match(error.message, /connect by wss:\/\//);
        }
        const { url } = await stage.startChatAt(`${ELSEWHERE}:0`, "--browsers", "anywhere");
        assert.ok(await connect(url) >= 2);
    });

    test("wss:// from elsewhere is taken, unless the server takes no browsers at all", async () => {
        const { secureUrl, server } = await stage.startChatAt(`${ELSEWHERE}:0`, ...TLS);
        assert.ok(await connect(secureUrl) >= 2);
        await server.line(/^\* ada \(\d+\) joined from 192\.0\.2\.1:\d+ over WebSocket/);
        const closed = await stage.startChatAt(`${ELSEWHERE}:0`, ...TLS, "--browsers", "never");
        const error = await stage.page.run((url) => {
            return rejection(tme.Client.connect(url, { application: "tme chat" }));
        }, closed.secureUrl);
        assert.equal(error.reason, 4);
    });
}
