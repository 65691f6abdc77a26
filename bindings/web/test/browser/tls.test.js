/** The client over `wss://`, against servers with a certificate that the browser trusts. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Browser } from "./browser.js";
import { CHAIN, KEY, TLS, TRUST } from "./certificates.js";
import { ANY_PORT, Stage } from "./stage.js";

/* global tme, client, next, noise, rejection: what page.js puts into the page */

const stage = new Stage({ flags: [TRUST] });
let folder;

before(async () => {
    folder = await mkdtemp(join(tmpdir(), "tme-web-tls-"));
});

after(() => rm(folder, { recursive: true, force: true }));

/** The output of `tme` with these words, run to its end. */
async function tell(...words) {
    const program = stage.start("tme", ...words);
    const [line] = await program.line(/^.+$/);
    await program.ended;
    return line;
}

/** A key for tokens, and the options of a server that takes no one without one. */
async function tokenServer() {
    const file = join(folder, "token.key");
    await tell("token", "new-key", "--out", file);
    const token = (...words) => tell("token", "make", "--key-file", file, ...words);
    return { token, options: ["--token-key", file, "--require-token"] };
}

const enter = (url, options) => stage.page.run(async (url, options) => {
    window.client = await tme.Client.connect(url, { application: "tme chat", userData: "ada", ...options });
    return client.peerNumber;
}, url, options);

const refusal = (url, options) => stage.page.run(
    (url, options) => rejection(tme.Client.connect(url, { application: "tme chat", ...options })), url, options,
);

test("every mode echoes over TLS, and long messages in both directions", async () => {
    const { url } = await stage.startEcho(ANY_PORT, CHAIN, KEY);
    assert.match(url, /^wss:/);
    const result = await stage.page.run(async (url) => {
        const client = await tme.Client.connect(url, { application: "browsers" });
        const texts = [];
        for (const { name } of client.channels) {
            const answer = next(client, "message");
            client.send(name, `by ${name}`);
            texts.push((await answer).text);
        }
        const long = noise(900_000);
        const answer = next(client, "message");
        client.send("chat", long);
        const { data } = await answer;
        const isSame = data.length === long.length && long.every((byte, at) => byte === data[at]);
        return { texts, isSame, end: (await client.close()).reason };
    }, url);
    assert.deepEqual(result.texts, ["by voice", "by pose", "by events", "by chat", "by state"]);
    assert.deepEqual([result.isSame, result.end], [true, 100]);
});

test("a connect token says who the player is, once, and only over TLS", async () => {
    const { token, options } = await tokenServer();
    const { server, url, secureUrl } = await stage.startChat(...TLS, ...options);
    const mine = await token("--user", "4711");
    assert.ok(await enter(secureUrl, { token: mine }) >= 2);
    await server.line(/^\* ada \(\d+\) joined from .* over WebSocket as user 4711/);

    // `ws://` at the same port of the same server: somebody may have read it.
    const cases = [
        [url, await token("--user", "5"), /tokens are not taken in plaintext/],
        [secureUrl, mine, /^used$/],
        [secureUrl, undefined, /^missing$/],
        [secureUrl, "AAAA", /^invalid$/],
    ];
    for (const [where, token, words] of cases) {
        const error = await refusal(where, { token });
        assert.deepEqual([error.name, error.reason, error.kind], ["TmeError", 10, "token"]);
        assert.match(error.text, words);
        assert.ok(error.message.endsWith(`(the server says: ${error.text})`), error.message);
    }
});

test("a browser that does not trust the certificate does not connect, and the client says what to look at", async () => {
    const { url } = await stage.startEcho(ANY_PORT, CHAIN, KEY);
    const connect = async (url) => {
        try {
            await (await tme.Client.connect(url, { application: "browsers" })).close();
            return null;
        } catch ({ name, reason, kind, message }) {
            return { name, reason, kind, message };
        }
    };
    assert.equal(await stage.page.run(connect, url), null, "the one that trusts it");
    const stranger = await Browser.launch();
    try {
        const page = await stranger.open(`${stage.origin}/test/browser/page.html`);
        const error = await page.run(connect, url);
        assert.deepEqual([error.name, error.reason, error.kind], ["TmeError", 115, "link lost"]);
        assert.match(error.message, /does this browser trust it/);
        assert.ok(error.message.includes(url.replace("wss:", "https:")), error.message);
        assert.deepEqual(page.errors, []);
    } finally {
        await stranger.close();
    }
    assert.equal(await stage.page.run(connect, url), null, "the server has not minded");
});

test("ws:// to a port with TLS and wss:// to one without are told apart as far as a page can", async () => {
    const secure = await stage.startEcho(ANY_PORT, CHAIN, KEY);
    // Both kinds share the port, and from this machine either is taken.
    const peers = await stage.page.run(async (url) => {
        const client = await tme.Client.connect(url, { application: "browsers" });
        return client.peerNumber;
    }, secure.url.replace("wss:", "ws:"));
    assert.ok(peers >= 2);
    const plain = await stage.startEcho();
    const error = await refusal(plain.url.replace("ws:", "wss:"), {});
    assert.equal(error.reason, 115);
    assert.match(error.message, /has it a certificate/);
});
