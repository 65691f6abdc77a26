import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { test } from "node:test";
import { within } from "./process.js";
import { Stage } from "./stage.js";

/* global document, tme, client, next, until, rejection, noise: what page.js puts into the page */

const stage = new Stage();
test("the program of the README works as it stands", async () => {
    const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
    const [, program] = /<script type="module">\n(.*?)<\/script>/s.exec(readme);
    const { server, url } = await stage.startChat();
    const adapted = program.replace("ws://127.0.0.1:7777/", url).replace("./src/", "/src/");
    assert.ok(adapted.includes(url) && adapted.includes('"/src/'));
    await stage.page.run((text) => {
        const script = document.createElement("script");
        script.type = "module";
        script.textContent = text;
        document.head.append(script);
    }, adapted);
    await server.line(/^ada: hello from a page$/);
});

test("a page and a native client talk to each other through the chat server", async () => {
    const { server, address, key, url } = await stage.startChat();
    await stage.page.run(async (url) => {
        window.client = await tme.Client.connect(url, { application: "tme chat", userData: "ada" });
    }, url);
    await server.line(/ada \(\d+\) joined from .* over WebSocket/);
    const native = stage.start("tme", "connect", address, "--key", key, "--name", "bob");
    await server.line(/bob \(\d+\) joined/);
    const heard = stage.page.run(async () => (await next(client, "message", ({ text }) => text.startsWith("bob:"))).text);
    native.type("good evening");
    assert.equal(await heard, "bob: good evening");
    await stage.page.run(() => client.channel("chat").send("hello, büb"));
    await native.line(/ada: hello, büb/);
    const end = await stage.page.run(() => client.close());
    assert.deepEqual([end.reason, end.isLocal], [100, true]);
    await server.line(/ada \(\d+\) left: closed by the application|ada \(\d+\) left/);
});

test("every mode echoes, the server's table is adopted, and its user data come along", async () => {
    const { url } = await stage.startEcho();
    const result = await stage.page.run(async (url) => {
        const client = await tme.Client.connect(url, { application: "browsers" });
        const channels = client.channels.map(({ name, mode }) => `${name} ${mode}`);
        const answers = [];
        for (const { name, mode } of client.channels) {
            const key = mode === "reliable-latest" ? 70_000 : 0;
            const answer = next(client, "message");
            client.send(name, `by ${name}`, { key });
            const event = await answer;
            answers.push([event.channel, event.text, event.key]);
        }
        const { peerNumber } = client;
        return { channels, answers, peerNumber, welcome: new TextDecoder().decode(client.userData) };
    }, url);
    assert.deepEqual(result.channels, [
        "voice unreliable", "pose sequenced", "events reliable-unordered", "chat reliable-ordered", "state reliable-latest",
    ]);
    assert.deepEqual(result.answers, [
        ["voice", "by voice", 0], ["pose", "by pose", 0], ["events", "by events", 0], ["chat", "by chat", 0],
        ["state", "by state", 70_000],
    ]);
    assert.equal(result.welcome, "welcome");
    assert.ok(result.peerNumber >= 2);
});

test("200 KB go there and back, twenty at a time", async () => {
    const { url } = await stage.startEcho();
    const result = await stage.page.run(async (url) => {
        const client = await tme.Client.connect(url, { application: "browsers" });
        const wanted = Array.from({ length: 20 }, (_, index) => noise(200_000, index + 1));
        const received = [];
        const done = new Promise((resolve) => {
            client.addEventListener("message", ({ data }) => received.push(data) === wanted.length && resolve());
        });
        for (const data of wanted) {
            while (!client.send("chat", data)) {
                await next(client, "writable");
            }
        }
        await within(done, "the echoes");
        const isSame = (left, right) => left.length === right.length && left.every((byte, at) => byte === right[at]);
        return { same: wanted.filter((data, at) => isSame(data, received[at])).length, statistics: client.statistics };
    }, url);
    assert.equal(result.same, 20);
    assert.ok(result.statistics.bytesReceived > 4_000_000);
    assert.ok(result.statistics.rttMs !== null);
});

test("a thousand ordered messages arrive in order, and so do ten thousand", async () => {
    const { url } = await stage.startEcho();
    for (const count of [1_000, 10_000]) {
        const numbers = await stage.page.run(async (url, count) => {
            const client = await tme.Client.connect(url, { application: "browsers" });
            const numbers = [];
            const done = new Promise((resolve) => {
                client.addEventListener("message", ({ text }) => numbers.push(Number(text)) === count && resolve());
            });
            client.send("chat", `count ${count}`);
            await within(done, "the numbers");
            await client.close();
            return numbers;
        }, url, count);
        assert.deepEqual(numbers, Array.from({ length: count }, (_, index) => index));
    }
});

test("what is sent in order comes back in order, with room for ten at a time", async () => {
    const { url } = await stage.startEcho();
    const texts = await stage.page.run(async (url) => {
        const client = await tme.Client.connect(url, { application: "browsers", queueMessages: 10 });
        const texts = [];
        const done = new Promise((resolve) => {
            client.addEventListener("message", ({ text }) => texts.push(text) === 1_000 && resolve());
        });
        let refused = 0;
        for (let number = 0; number < 1_000; number++) {
            while (!client.send("chat", `${number}`)) {
                refused++;
                await next(client, "writable");
            }
        }
        await within(done, "the echoes");
        return [refused > 0, ...texts];
    }, url);
    assert.deepEqual(texts, [true, ...Array.from({ length: 1_000 }, (_, index) => `${index}`)]);
});

test("the client says in words why it was refused", async () => {
    const { url } = await stage.startEcho();
    const cases = [
        [{ application: "another game" }, 2, /another game/],
        [{ application: "browsers", userData: "banned" }, 8, /until Monday/],
        [{ application: "browsers", channels: [{ name: "chat", mode: "sequenced" }] }, 6, /different channels/],
        [{ application: "browsers", token: "AAAA" }, 10, /token/],
    ];
    for (const [options, reason, words] of cases) {
        const error = await stage.page.run((url, options) => rejection(tme.Client.connect(url, options)), url, options);
        assert.deepEqual([error.name, error.reason], ["TmeError", reason]);
        assert.match(error.message, words);
    }
});

test("a table that is declared as the server has it is taken", async () => {
    const { url } = await stage.startEcho();
    const text = await stage.page.run(async (url) => {
        const modes = ["unreliable", "sequenced", "reliable-unordered", "reliable-ordered", "reliable-latest"];
        const channels = ["voice", "pose", "events", "chat", "state"].map((name, at) => ({ name, mode: modes[at] }));
        const client = await tme.Client.connect(url, { application: "browsers", channels });
        client.send("chat", "declared");
        return (await next(client, "message")).text;
    }, url);
    assert.equal(text, "declared");
});

test("a server that is full or takes no browsers says so", async () => {
    const full = await stage.startChat("--max-peers", "1");
    const error = await stage.page.run(async (url) => {
        window.first = await tme.Client.connect(url, { application: "tme chat" });
        return rejection(tme.Client.connect(url, { application: "tme chat" }));
    }, full.url);
    assert.deepEqual([error.reason, error.kind], [7, "full"]);
    const closed = await stage.startChat("--browsers", "never");
    const refused = await stage.page.run((url) => rejection(tme.Client.connect(url, { application: "tme chat" })), closed.url);
    assert.deepEqual([refused.reason, refused.kind], [4, "suites"]);
});

test("no server, no TME, no answer: each is told apart as far as a page can", async () => {
    const silent = createServer(() => {});
    await new Promise((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const cases = [
        ["ws://127.0.0.1:1/", 115, /no WebSocket there/],
        [`ws://127.0.0.1:${stage.filesPort}/`, 115, /no WebSocket there/],
        [`ws://127.0.0.1:${silent.address().port}/`, 110, /not answered in time/],
        ["ftp://127.0.0.1/", 0, /no WebSocket can be opened/],
    ];
    try {
        for (const [url, reason, words] of cases) {
            const options = { connectTimeoutMs: 1_500 };
            const error = await stage.page.run((url, options) => rejection(tme.Client.connect(url, options)), url, options);
            assert.equal(error.reason, reason, url);
            assert.match(error.message, words, url);
        }
    } finally {
        silent.close();
    }
    const aborted = await stage.page.run(() => rejection(tme.Client.connect("ws://127.0.0.1:1/", { signal: AbortSignal.abort() })));
    assert.equal(aborted.reason, 111);
});

test("mistakes in a call are errors of that call, and the connection goes on", async () => {
    const { url } = await stage.startEcho();
    const result = await stage.page.run(async (url) => {
        const client = await tme.Client.connect(url, { application: "browsers" });
        const kinds = [
            () => client.send("chatt", "a"),
            () => client.send("voice", noise(17_601)),
            () => client.send("chat", noise(1_048_577)),
            () => client.send("chat", 5),
            () => client.channel("nowhere"),
        ].map((call) => {
            try {
                return call();
            } catch (error) {
                return `${error.kind}: ${error.message}`;
            }
        });
        client.send("chat", "still here");
        return { kinds, text: (await next(client, "message")).text };
    }, url);
    const words = [/no such channel: .*"chat"/, /message too long: .*17600/, /message too long/, /usage/, /no such channel/];
    words.forEach((each, at) => assert.match(result.kinds[at], each));
    assert.equal(result.text, "still here");
});

test("who is kicked learns why", async () => {
    const { url } = await stage.startEcho();
    const end = await stage.page.run(async (url) => {
        const client = await tme.Client.connect(url, { application: "browsers" });
        client.send("chat", "kick too loud");
        const { reason, kind, code, text, isLocal } = await within(client.closed, "the end");
        return { reason, kind, code, text, isLocal };
    }, url);
    assert.deepEqual(end, { reason: 102, kind: "kicked", code: 7, text: "too loud", isLocal: false });
});

test("a server that shuts down says so, one that vanishes is missed", async () => {
    const polite = await stage.startEcho();
    const ends = await stage.page.run(async (url) => {
        const client = await tme.Client.connect(url, { application: "browsers" });
        client.send("chat", "quit");
        const { reason, isLocal } = await next(client, "close");
        return [reason, isLocal];
    }, polite.url);
    assert.deepEqual(ends, [101, false]);
    await within(polite.server.ended, "the server's end");

    const rude = await stage.startEcho();
    await stage.page.run(async (url) => {
        window.client = await tme.Client.connect(url, { application: "browsers" });
        client.send("chat", "there?");
        await next(client, "message");
    }, rude.url);
    rude.server.signal("SIGKILL");
    const end = await stage.page.run(async () => {
        const { reason, kind, isLocal } = await within(client.closed, "the end");
        return { reason, kind, isLocal, isOpen: client.isOpen };
    });
    assert.deepEqual(end, { reason: 115, kind: "link lost", isLocal: false, isOpen: false });
});

test("a server that stands still is reported, and heard again", async () => {
    const { server, url } = await stage.startEcho();
    await stage.page.run(async (url) => {
        window.client = await tme.Client.connect(url, { application: "browsers" });
        client.send("chat", "there?");
        await next(client, "message");
        window.interrupted = next(client, "interrupted");
        window.resumed = next(client, "resumed");
    }, url);
    server.signal("SIGSTOP");
    await stage.page.run(async () => {
        client.send("chat", "and now?");
        await interrupted;
    });
    server.signal("SIGCONT");
    await stage.page.run(() => resumed.then(() => true));
});

test("while the network takes nothing, old unreliable messages make way and reliable ones wait", async () => {
    const { server, url } = await stage.startEcho();
    await stage.page.run(async (url) => {
        window.client = await tme.Client.connect(url, { application: "browsers", queueBytes: 500_000 });
        client.send("chat", "there?");
        await next(client, "message");
    }, url);
    server.signal("SIGSTOP");
    const state = await stage.page.run(async () => {
        // What the system's buffers take is more than the socket's; beyond that everything waits here.
        let taken = 0;
        const [long, short] = [noise(100_000), noise(10_000)];
        for (let turn = 0; turn < 2_000 && client.statistics.messagesExpired === 0; turn++) {
            taken += client.send("chat", long) ? 1 : 0;
            client.send("voice", short);
            await new Promise((resolve) => setTimeout(resolve, 5));
        }
        window.taken = taken;
        return { expired: client.statistics.messagesExpired, isOpen: client.isOpen };
    });
    assert.ok(state.expired > 0 && state.isOpen);
    server.signal("SIGCONT");
    const echoes = await stage.page.run(async () => {
        let echoes = 0;
        const done = new Promise((resolve) => {
            client.addEventListener("message", ({ channel }) => channel === "chat" && ++echoes === taken && resolve());
        });
        await within(done, "the echoes");
        return echoes === taken;
    });
    assert.ok(echoes);
});

test("messages that come before anybody listens are kept", async () => {
    const { url } = await stage.startEcho();
    const texts = await stage.page.run(async (url) => {
        const client = await tme.Client.connect(url, { application: "browsers" });
        client.send("chat", "count 3");
        await until(() => client.statistics.messagesReceived === 3, "three messages");
        const texts = [];
        const done = new Promise((resolve) => {
            client.addEventListener("message", ({ text }) => texts.push(text) === 3 && resolve());
        });
        await within(done, "their events");
        return texts;
    }, url);
    assert.deepEqual(texts, ["0", "1", "2"]);
});

test("the server's time is known to a page that asks, and runs", async () => {
    const { url } = await stage.startEcho();
    const [first, second] = await stage.page.run(async (url) => {
        const client = await tme.Client.connect(url, { application: "browsers", clock: true });
        await until(() => client.serverTime !== null, "the server's time");
        const first = client.serverTime;
        await until(() => client.serverTime > first, "a later time");
        return [first, client.serverTime];
    }, url);
    assert.ok(second > first && first > 0, `${first}, ${second}`);
});
