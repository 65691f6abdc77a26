import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { encodeTable } from "../../src/channels.js";
import { Reader, Writer } from "../../src/codec.js";
import { Type } from "../../src/frames.js";
import { Client, Reason, TmeError } from "../../src/index.js";
import { bytes, framesOf, Lonely, Position, TABLE, TOKEN } from "./world.js";

const MAGIC = bytes("TMED");

/** A WebSocket whose other side is the test. */
class Socket {
    static newest = null;
    sent = [];
    bufferedAmount = 0;
    isClosed = false;

    constructor(url, protocol) {
        this.url = url;
        this.protocol = protocol;
        Socket.newest = this;
    }

    send(data) {
        this.sent.push(data);
    }

    close() {
        this.isClosed = true;
    }

    hear(data) {
        this.onmessage?.({ data: data instanceof Uint8Array ? data.slice().buffer : data });
    }
}

afterEach(() => {
    // Or its timers would keep the test alive.
    Socket.newest?.onclose?.();
});

function startConnecting(options = {}) {
    const connecting = Client.connect("ws://example/", { WebSocket: Socket, ...options });
    // What it is rejected with is looked at later.
    connecting.catch(() => {});
    return connecting;
}

/** The nonce and the connection id of the OPEN that was sent. */
function readOpen() {
    const reader = new Reader(Socket.newest.sent[0]);
    reader.bytes(5);
    const nonce = reader.u64();
    reader.bytes(1 + 2 + 8 + 8 + 1 + 1 + 32);
    return { nonce, connectionId: reader.u32() };
}

function opened({ nonce, change = (writer) => writer }) {
    const writer = new Writer().bytes(MAGIC).u8(12).u64(nonce).u16(1);
    writer.u8(0).u32(0xfeed_beef).u32(2).u8(0x40).bytes(TOKEN);
    [1_048_576, 4_194_304, 2_097_152, 8_192, 1_452, 30_000].forEach((limit) => writer.varint(limit));
    encodeTable(writer, TABLE);
    return change(writer.varint(0)).take();
}

/** A connected client, and a hand that writes packets to it. */
async function connect(options) {
    const connecting = startConnecting(options);
    await Promise.resolve();
    const socket = Socket.newest;
    socket.onopen();
    const { nonce, connectionId } = readOpen();
    socket.hear(opened({ nonce }));
    const client = await connecting;
    const hand = new Lonely();
    return { client, socket, hear: (...frames) => socket.hear(hand.packet(frames, { connectionId })) };
}

const message = (text) => ({ type: Type.MESSAGE, position: Position.VOICE, data: bytes(text) });

test("the first packet follows the answer at once, and sends of one go share a packet", async () => {
    const { client, socket } = await connect();
    assert.deepEqual(socket.sent.slice(1).map(framesOf).flat().map(({ type }) => type), [Type.PING]);
    client.send("chat", "one");
    client.send("events", Uint8Array.of(2));
    assert.equal(socket.sent.length, 2, "not yet");
    await Promise.resolve();
    assert.equal(framesOf(socket.sent[2]).length, 2);
});

test("the bytes of a message are those at the time of the call", async () => {
    const { client, socket } = await connect();
    const data = Uint8Array.of(1, 2, 3);
    client.send("chat", data.subarray(1));
    data.fill(9);
    await Promise.resolve();
    assert.deepEqual(framesOf(socket.sent[2])[0].data, Uint8Array.of(2, 3));
});

test("a full socket is given nothing more until it has taken some", async () => {
    const { client, socket } = await connect();
    socket.bufferedAmount = 64 * 1_024;
    client.send("chat", "waits");
    await Promise.resolve();
    assert.equal(socket.sent.length, 2);
    socket.bufferedAmount = 64 * 1_024 - 1;
    client.send("chat", "goes along");
    await Promise.resolve();
    assert.equal(framesOf(socket.sent[2]).length, 2);
});

test("messages before the first listener are kept, in their order with those after", async () => {
    const { client, hear } = await connect();
    hear(message("a"), message("b"));
    const texts = [];
    client.addEventListener("message", ({ text }) => texts.push(text));
    hear(message("c"));
    await Promise.resolve();
    assert.deepEqual(texts, ["a", "b", "c"]);
});

test("what is no packet is dropped, a RESET with the token ends the connection", async () => {
    const { client, socket } = await connect();
    const reset = (token) => new Writer().bytes(MAGIC).u8(6).bytes(token).take();
    [new Uint8Array(0), bytes("noise"), MAGIC, reset(new Uint8Array(16)), Uint8Array.of(0xff)].forEach((each) => socket.hear(each));
    assert.ok(client.isOpen);
    socket.hear(reset(TOKEN));
    const { reason, isLocal } = await client.closed;
    assert.deepEqual([reason, isLocal, socket.isClosed], [Reason.RESET, false, true]);
});

test("text where only bytes can be ends the connection", async () => {
    const { client, socket } = await connect();
    socket.hear("hello");
    const { reason, isLocal } = await client.closed;
    assert.deepEqual([reason, isLocal, socket.isClosed], [Reason.PROTOCOL_VIOLATION, true, true]);
});

test("a closed client says so, and closes no second time", async () => {
    const { client, socket, hear } = await connect();
    const events = [];
    client.addEventListener("close", (event) => events.push([event.kind, event.code, event.text, event.isLocal]));
    hear({ type: Type.CLOSE, reason: Reason.KICKED, code: 7, detail: bytes("too loud") });
    assert.deepEqual(events, [["kicked", 7, "too loud", false]]);
    assert.deepEqual(framesOf(socket.sent.at(-1)).map(({ type }) => type), [Type.ACK]);
    assert.throws(() => client.send("chat", "a"), { kind: "closed" });
    assert.equal((await client.close()).kind, "kicked");
    assert.equal(events.length, 1);
});

test("an answer that cannot be, is for another, or refuses, connects nobody", async () => {
    const cases = [
        [(nonce) => opened({ nonce, change: (writer) => writer.u8(0) }), Reason.PROTOCOL_VIOLATION],
        [() => bytes("HTTP/1.1 400"), Reason.PROTOCOL_VIOLATION],
        [() => "text", Reason.PROTOCOL_VIOLATION],
        [(nonce) => new Writer().bytes(MAGIC).u8(5).u64(nonce).u16(2).u8(1).u16(1).take(), Reason.APPLICATION],
        [(nonce) => new Writer().bytes(MAGIC).u8(5).u64(nonce).u16(9_999).u8(1).u16(1).take(), 9_999],
    ];
    for (const [answer, reason] of cases) {
        const connecting = startConnecting();
        await Promise.resolve();
        Socket.newest.onopen();
        const { nonce } = readOpen();
        Socket.newest.hear(opened({ nonce: nonce ^ 1n }));
        Socket.newest.hear(answer(nonce));
        await assert.rejects(connecting, (error) => error instanceof TmeError && error.reason === reason);
        assert.ok(Socket.newest.isClosed);
    }
});

test("a socket without the subprotocol is no TME server", async () => {
    const connecting = startConnecting();
    await Promise.resolve();
    Socket.newest.protocol = "";
    Socket.newest.onopen();
    await assert.rejects(connecting, { reason: Reason.LINK_LOST, message: /no TME server/ });
    assert.deepEqual(Socket.newest.sent, []);
});

test("options that cannot be are errors before anything is sent", async () => {
    const cases = [
        { application: 5 }, { userData: "x".repeat(513) }, { token: new Uint8Array(701) }, { token: "no base64!" },
        { channels: [] }, { channels: [{ name: "a", mode: "ordered" }] }, { connectTimeoutMs: 0 }, { idleTimeoutMs: 999 },
        { channels: [{ name: "a", mode: "sequenced", id: 1 }, { name: "b", mode: "sequenced", id: 1 }] },
        { messageBytesMax: 16_777_217 }, { queueMessages: 0.5 }, { userData: 5 },
        { channels: Array.from({ length: 33 }, (_, at) => ({ name: `${at}`, mode: "unreliable" })) },
    ];
    for (const options of cases) {
        Socket.newest = null;
        await assert.rejects(startConnecting(options), { name: "TmeError", reason: 0 }, JSON.stringify(options));
        assert.equal(Socket.newest, null);
    }
});
