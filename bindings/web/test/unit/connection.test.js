import assert from "node:assert/strict";
import { test } from "node:test";
import { fullField, Type } from "../../src/frames.js";
import { LIMITS_DEFAULT } from "../../src/handshake.js";
import { Reason } from "../../src/reason.js";
import { bytes, framesOf, Lonely, Pair, Position, random, text, TOKEN } from "./world.js";

const message = (position, sequence, string, more = {}) => ({
    type: Type.MESSAGE, position, sequence, data: bytes(string), ...more,
});
const types = (frames) => frames.map(({ type }) => type);
const textsOf = (events) => events.filter(({ type }) => type === "message").map(({ data }) => text(data));
const noise = (count, seed = 1) => Uint8Array.from({ length: count }, random(seed).bind(null, 256));

function closeReason(lonely) {
    lonely.pass(7_000);
    return lonely.events().find(({ type }) => type === "close")?.reason;
}

test("the first packet is a PING, so that the server knows that its answer arrived", () => {
    const lonely = new Lonely();
    assert.deepEqual(lonely.said().map(types), [[Type.PING]]);
    assert.deepEqual(lonely.said(), []);
});

test("every mode carries messages both ways, short and long", () => {
    const pair = new Pair();
    const long = noise(17_600);
    for (let position = 0; position < 5; position++) {
        pair.ends[0].send(pair.now, position, bytes(`short ${position}`), 0);
        pair.pass(200);
        pair.ends[1].send(pair.now, position, long, 0);
        pair.pass(200);
    }
    assert.deepEqual(textsOf(pair.events[1]), [0, 1, 2, 3, 4].map((position) => `short ${position}`));
    assert.deepEqual(pair.messages(0).map(({ data }) => data), new Array(5).fill(long));
});

test("a long message does not hold up another channel", () => {
    const pair = new Pair();
    pair.ends[0].send(pair.now, Position.CHAT, noise(900_000), 0);
    pair.ends[0].send(pair.now, Position.EVENTS, bytes("quick"), 0);
    pair.pass(1_000);
    assert.deepEqual(pair.messages(1).map(({ position }) => position), [Position.EVENTS, Position.CHAT]);
});

test("much more than the credit goes through, because it is given back", () => {
    const limits = { ...LIMITS_DEFAULT, messageBytes: 5_000, channelBytes: 20_000, connectionBytes: 30_000, channelMessages: 16 };
    const pair = new Pair({ localLimits: limits, remoteLimits: limits });
    const sent = [];
    const next = random(3);
    for (let turn = 0; turn < 400; turn++) {
        const data = noise(next(5_000), turn + 1);
        const position = [Position.CHAT, Position.EVENTS][turn % 2];
        while (!pair.ends[0].send(pair.now, position, data, 0)) {
            pair.pass(20);
        }
        sent.push([position, data]);
    }
    pair.pass(20_000);
    const of = (list, wanted) => list.filter(([position]) => position === wanted).map(([, data]) => data);
    const received = pair.messages(1).map(({ position, data }) => [position, data]);
    assert.deepEqual(of(received, Position.CHAT), of(sent, Position.CHAT));
    assert.deepEqual(of(received, Position.EVENTS), of(sent, Position.EVENTS));
    assert.equal(pair.ends[0].statistics.queuedBytes, 0);
});

test("a receiver that takes nothing stops its sender at the credit", () => {
    const limits = { ...LIMITS_DEFAULT, messageBytes: 5_000, channelBytes: 20_000, connectionBytes: 30_000 };
    const pair = new Pair({ localLimits: limits, remoteLimits: limits });
    pair.isTaking[1] = false;
    for (let turn = 0; turn < 10; turn++) {
        pair.ends[0].send(pair.now, Position.CHAT, noise(5_000), 0);
        pair.ends[0].send(pair.now, Position.EVENTS, noise(5_000), 0);
    }
    pair.pass(2_000);
    assert.equal(pair.messages(1).length, 6, "the connection's 30,000 bytes");
    assert.ok(pair.ends[0].isOpen && pair.ends[1].isOpen);
    pair.messages(1).forEach(({ position, data }) => pair.ends[1].consume(position, data.length));
    pair.isTaking[1] = true;
    pair.pass(2_000);
    assert.equal(pair.messages(1).length, 20);
});

test("a full queue says so, and tells once when it has room again", () => {
    const lonely = new Lonely({ queueLimits: { messages: 4, bytes: 1_000 } });
    const send = (string) => lonely.connection.send(lonely.now, Position.CHAT, bytes(string), 0);
    assert.deepEqual(["a", "b", "c", "d", "e"].map(send), [true, true, true, true, false]);
    assert.deepEqual(lonely.events(), []);
    lonely.said();
    assert.deepEqual(lonely.events(), [{ type: "writable", position: Position.CHAT }]);
    assert.deepEqual(lonely.events(), []);
    assert.ok(send("x".repeat(2_000)), "a message longer than the queue is taken when it is alone");
    assert.ok(!send("f"));
});

test("of unreliable messages the queue keeps the newest, and none older than 100 ms", () => {
    const lonely = new Lonely();
    lonely.said();
    const send = (position, string) => lonely.connection.send(lonely.now, position, bytes(string), 0);
    send(Position.VOICE, "old");
    send(Position.CHAT, "waits");
    lonely.now += 101;
    ["1", "2", "3"].forEach((string) => send(Position.POSE, string));
    for (let index = 0; index < 1_030; index++) {
        send(Position.VOICE, `${index}`);
    }
    const sent = lonely.said().flat();
    const of = (wanted) => sent.filter(({ position }) => position === wanted).map(({ data }) => text(data));
    assert.deepEqual(of(Position.POSE), ["3"]);
    assert.deepEqual(of(Position.CHAT), ["waits"]);
    const voice = of(Position.VOICE);
    assert.deepEqual([voice.length, voice[0]], [1_024, "6"]);
    assert.equal(lonely.connection.statistics.messagesExpired, 1 + 6 + 2);
});

test("unreliable messages grow old even if the stream asks for no packet", () => {
    const lonely = new Lonely();
    lonely.connection.send(lonely.now, Position.VOICE, bytes("old"), 0);
    lonely.connection.handleTimeout(lonely.now + 101);
    assert.deepEqual([lonely.connection.statistics.messagesExpired, lonely.connection.statistics.queuedBytes], [1, 0]);
});

test("of a key only the newest value leaves, in the place of the first", () => {
    const lonely = new Lonely();
    lonely.said();
    const values = [[1, "a"], [2, "b"], [1, "c"], [3, "d"], [1, "e"]];
    values.forEach(([key, string]) => lonely.connection.send(lonely.now, Position.STATE, bytes(string), key));
    const sent = lonely.said().flat().map(({ key, data }) => [key, text(data)]);
    assert.deepEqual(sent, [[1, "e"], [2, "b"], [3, "d"]]);
});

test("the sequence is left out where the one before implies it", () => {
    const lonely = new Lonely();
    lonely.said();
    ["a", "b"].forEach((string) => lonely.connection.send(lonely.now, Position.CHAT, bytes(string), 0));
    const [[first, second]] = lonely.said();
    assert.deepEqual([first.sequence, first.isImplied, second.sequence, second.isImplied], [0, false, null, true]);
});

test("ordered messages wait for the older ones, others do not", () => {
    const lonely = new Lonely();
    lonely.hear(message(Position.CHAT, 1, "second"), message(Position.EVENTS, 1, "free"));
    assert.deepEqual(textsOf(lonely.events()), ["free"]);
    lonely.hear(message(Position.CHAT, 0, "first"), message(Position.EVENTS, 1, "free"));
    assert.deepEqual(textsOf(lonely.events()), ["first", "second"]);
    assert.equal(lonely.connection.statistics.messagesDuplicate, 1);
});

test("SKIP stands for a message that will not come", () => {
    const lonely = new Lonely();
    lonely.hear(message(Position.CHAT, 2, "third"), message(Position.CHAT, 1, "second"));
    lonely.hear({ type: Type.SKIP, position: Position.CHAT, sequence: 0, bytes: 0 });
    assert.deepEqual(textsOf(lonely.events()), ["second", "third"]);
});

test("a sequenced message that comes late is dropped", () => {
    const lonely = new Lonely();
    ["5", "3", "6"].forEach((string) => lonely.hear(message(Position.POSE, Number(string), string)));
    assert.deepEqual(textsOf(lonely.events()), ["5", "6"]);
});

test("of a key no older value comes after a newer one", () => {
    const lonely = new Lonely();
    const value = (sequence, key, string) => message(Position.STATE, sequence, string, { key });
    lonely.hear(value(2, 7, "new"), value(1, 7, "old"), value(3, 8, "other"), value(0, 8, "older"));
    assert.deepEqual(textsOf(lonely.events()), ["new", "other"]);
    lonely.hear(value(4, 7, "newest"));
    assert.deepEqual(textsOf(lonely.events()), ["newest"]);
});

test("pieces of a message may come in any order, and twice", () => {
    const lonely = new Lonely();
    const whole = noise(2_500);
    const piece = (index) => ({
        type: Type.MESSAGE, position: Position.CHAT, sequence: 0, index, total: 2_500,
        data: whole.subarray(index * 1_100, Math.min((index + 1) * 1_100, 2_500)),
    });
    [2, 0, 2, 1].forEach((index) => lonely.hear(piece(index)));
    assert.deepEqual(lonely.events().map(({ data }) => data), [whole]);
});

test("what contradicts the protocol closes with 104, what goes beyond credit with 105", () => {
    const piece = (sequence, index, total, more) => ({
        type: Type.MESSAGE, position: Position.CHAT, sequence, index, total, data: noise(1_100), ...more,
    });
    const cases = [
        ["another total", Reason.PROTOCOL_VIOLATION, [piece(0, 0, 2_500), piece(0, 1, 2_600)]],
        ["whole after a piece", Reason.PROTOCOL_VIOLATION, [piece(0, 0, 2_500), message(Position.CHAT, 0, "a")]],
        ["SKIP of another length", Reason.PROTOCOL_VIOLATION,
            [piece(0, 0, 2_500), { type: Type.SKIP, position: Position.CHAT, sequence: 0, bytes: 7 }]],
        ["an ACK for what was never sent", Reason.PROTOCOL_VIOLATION, [{ type: Type.ACK, newest: 9 }]],
        ["a message too long", Reason.FLOW_CONTROL, [piece(0, 0, 1_048_577)]],
        ["a sequence beyond the messages granted", Reason.FLOW_CONTROL, [message(Position.CHAT, 8_192, "a")]],
        ["bytes beyond the channel's", Reason.FLOW_CONTROL,
            [0, 1, 2].map((sequence) => piece(sequence, 0, 1_000_000))],
    ];
    for (const [what, reason, frames] of cases) {
        const lonely = new Lonely();
        lonely.said();
        lonely.hear(...frames);
        const said = lonely.said().flat();
        assert.equal(said.find(({ type }) => type === Type.CLOSE)?.reason, reason, what);
        assert.equal(closeReason(lonely), reason, what);
    }
});

test("bytes of all channels together are limited as well", () => {
    const lonely = new Lonely();
    const piece = (position, sequence) => ({
        type: Type.MESSAGE, position, sequence, index: 0, total: 1_000_000, data: noise(1_100),
    });
    lonely.hear(...[0, 1].flatMap((sequence) => [2, 3].map((position) => piece(position, sequence))));
    assert.ok(lonely.connection.isOpen);
    lonely.hear(piece(Position.STATE, 0));
    assert.equal(closeReason(lonely), Reason.FLOW_CONTROL);
});

test("packets are acknowledged after 100 ms, after 64 KiB, or with the next", () => {
    const lonely = new Lonely();
    lonely.said();
    lonely.hear(message(Position.CHAT, 0, "a"));
    assert.equal(lonely.connection.pollTimeout(), lonely.now + 100);
    assert.deepEqual(types(lonely.pass(99)), []);
    assert.deepEqual(types(lonely.pass(1)), [Type.ACK]);
    for (let sequence = 1; sequence <= 60; sequence++) {
        lonely.hear({ ...message(Position.CHAT, sequence, ""), data: noise(1_100) });
    }
    const [ack] = lonely.said().flat();
    assert.equal(ack.type, Type.ACK);
    lonely.hear(message(Position.CHAT, 61, "b"));
    lonely.connection.send(lonely.now, Position.CHAT, bytes("c"), 0);
    assert.deepEqual(lonely.said().map(types), [[Type.ACK, Type.MESSAGE]]);
});

test("a PING is answered at once: the timers of a page in the background may be late", () => {
    const lonely = new Lonely();
    lonely.said();
    lonely.hear({ type: Type.PING });
    assert.deepEqual(lonely.said().map(types), [[Type.ACK]]);
});

test("what wants no acknowledgement gets none", () => {
    const lonely = new Lonely();
    lonely.said();
    lonely.hear({ type: Type.ACK, newest: 0 }, { type: Type.PADDING });
    assert.deepEqual(lonely.pass(1_000), []);
});

test("packet numbers that were left out are told as gaps", () => {
    const lonely = new Lonely();
    lonely.said();
    const ping = [{ type: Type.PING }];
    for (const number of [0, 1, 4, 100, 101]) {
        lonely.connection.handlePacket(lonely.now, lonely.packet(ping, { number }));
    }
    const [ack] = lonely.said().flat();
    assert.equal(ack.newest, 101);
    assert.equal(ack.field[0], 0x01, "only 100 below 101");
    // Below the field, which ends at 37: 32 missing down to 5, then 4; 3 and 2 missing, then 1 and 0.
    assert.deepEqual(ack.ranges, [{ gap: 32, length: 1 }, { gap: 2, length: 2 }]);
    lonely.hear(...ping);
    const [next] = lonely.said().flat();
    assert.deepEqual(next.field.subarray(0, 1), Uint8Array.of(0x03));
});

test("repeated packets, and those for others, are dropped", () => {
    const lonely = new Lonely();
    const once = lonely.packet([message(Position.CHAT, 0, "a")]);
    lonely.connection.handlePacket(lonely.now, once);
    lonely.connection.handlePacket(lonely.now, once);
    lonely.connection.handlePacket(lonely.now, lonely.packet([{ type: Type.PING }], { connectionId: 1 }));
    lonely.connection.handlePacket(lonely.now, Uint8Array.of(0x82, 1, 2, 3, 4, 5, 6, 7));
    assert.equal(lonely.events().length, 1);
    assert.equal(lonely.connection.statistics.packetsDropped, 3);
});

test("no message starts too far above the oldest that is not acknowledged", () => {
    const limits = { ...LIMITS_DEFAULT, channelMessages: 8 };
    const lonely = new Lonely({ remoteLimits: limits });
    lonely.hear({ type: Type.CHANNEL_CREDIT, position: Position.CHAT, bytes: 2 ** 30, messages: 1_000 });
    for (let index = 0; index < 20; index++) {
        lonely.connection.send(lonely.now, Position.CHAT, bytes("a"), 0);
    }
    const count = (frames) => frames.filter(({ type }) => type === Type.MESSAGE).length;
    assert.equal(count(lonely.said().flat()), 8);
    lonely.hear({ type: Type.ACK, newest: 0 });
    assert.equal(count(lonely.said().flat()), 8);
});

test("messages of packets beyond those that are awaited one by one are acknowledged all the same", () => {
    const lonely = new Lonely({ remoteLimits: { ...LIMITS_DEFAULT, channelMessages: 9_000 } });
    lonely.hear({ type: Type.CHANNEL_CREDIT, position: Position.CHAT, bytes: 2 ** 30, messages: 100_000 });
    const sendOne = () => {
        lonely.connection.send(lonely.now, Position.CHAT, bytes("a"), 0);
        return lonely.said().flat().some(({ type }) => type === Type.MESSAGE);
    };
    while (sendOne()) {
        assert.ok(lonely.connection.statistics.messagesSent <= 9_000);
    }
    assert.equal(lonely.connection.statistics.messagesSent, 9_000);
    lonely.hear({ type: Type.ACK, newest: 8_999 });
    assert.ok(sendOne());
});

test("a message whose last piece has yet to leave is not acknowledged with the others", () => {
    const limits = { ...LIMITS_DEFAULT, channelMessages: 2 };
    const lonely = new Lonely({ remoteLimits: limits });
    lonely.hear({ type: Type.CHANNEL_CREDIT, position: Position.CHAT, bytes: 2 ** 30, messages: 1_000 });
    [bytes("a"), noise(30_000), bytes("c")].forEach((data) => lonely.connection.send(lonely.now, Position.CHAT, data, 0));
    const packets = lonely.said();
    assert.equal(packets.length, 2, "the long one is cut");
    lonely.hear({ type: Type.ACK, newest: 0 });
    const third = lonely.said().flat().filter(({ type }) => type === Type.MESSAGE);
    assert.deepEqual(third.map(({ data }) => text(data)), ["c"]);
});

test("the round-trip time leaves out how long the ACK waited", () => {
    const lonely = new Lonely();
    lonely.said();
    lonely.now += 150;
    lonely.hear({ type: Type.ACK, newest: 0, delay: 100 / 0.016 });
    assert.equal(Math.round(lonely.connection.statistics.rttMs), 50);
});

test("silence is broken by PING, reported after 3 s, and ends the connection after the idle time-out", () => {
    const lonely = new Lonely();
    lonely.said();
    lonely.hear({ type: Type.ACK, newest: 0 });
    assert.deepEqual(types(lonely.pass(4_999)), []);
    assert.deepEqual(types(lonely.pass(1)), [Type.PING]);
    lonely.pass(2_999);
    assert.deepEqual(lonely.events(), []);
    lonely.pass(1);
    assert.deepEqual(types(lonely.events()), ["interrupted"]);
    lonely.hear({ type: Type.ACK, newest: 1 });
    assert.deepEqual(types(lonely.events()), ["resumed"]);
    lonely.pass(30_000);
    const [, end] = lonely.events();
    assert.deepEqual([end.type, end.reason, end.isLocal], ["close", Reason.TIMED_OUT, true]);
    assert.equal(lonely.connection.pollTimeout(), null);
});

test("the shorter idle time-out of both sides counts", () => {
    const lonely = new Lonely({ remoteLimits: { ...LIMITS_DEFAULT, idleTimeoutMs: 6_000 } });
    lonely.said();
    lonely.hear({ type: Type.ACK, newest: 0 });
    assert.deepEqual(types(lonely.pass(2_000)), [Type.PING], "a third of it");
    lonely.pass(4_000);
    assert.equal(lonely.events().at(-1).reason, Reason.TIMED_OUT);
});

test("a PATH_CHALLENGE is answered at once, alone", () => {
    const lonely = new Lonely();
    lonely.said();
    const data = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    lonely.hear({ type: Type.PATH_CHALLENGE, data });
    const packet = lonely.connection.pollPacket(lonely.now);
    assert.deepEqual(framesOf(packet).map((frame) => [frame.type, frame.data]), [[Type.PATH_RESPONSE, data]]);
    assert.equal(packet.length, 7 + 9);
});

test("only a RESET with the newest token is believed", () => {
    const lonely = new Lonely();
    const token = new Uint8Array(16).fill(9);
    lonely.hear({ type: Type.RESET_TOKEN, token });
    lonely.connection.handleReset(TOKEN);
    assert.ok(lonely.connection.isOpen);
    lonely.connection.handleReset(token);
    assert.equal(lonely.events().at(-1).reason, Reason.RESET);
});

test("close() lets reliable messages leave first, and ends once CLOSE is acknowledged", () => {
    const lonely = new Lonely();
    lonely.said();
    lonely.connection.send(lonely.now, Position.CHAT, bytes("last words"), 0);
    lonely.connection.close(lonely.now, { code: 7, detail: bytes("bye") });
    assert.throws(() => lonely.connection.send(lonely.now, Position.CHAT, bytes("late"), 0), { kind: "closed" });
    const said = lonely.said();
    assert.deepEqual(said.map(types), [[Type.MESSAGE], [Type.CLOSE]]);
    const [close] = said[1];
    assert.deepEqual([close.reason, close.code, text(close.detail)], [Reason.CLOSED, 7, "bye"]);
    assert.deepEqual(lonely.events(), []);
    lonely.hear({ type: Type.ACK, newest: 2 });
    const [end] = lonely.events();
    assert.deepEqual([end.type, end.reason, end.code, end.isLocal], ["close", Reason.CLOSED, 7, true]);
    assert.ok(lonely.connection.isClosed);
});

test("close() waits 3 s for credit and 3 s for the acknowledgement, then ends all the same", () => {
    const lonely = new Lonely({ remoteLimits: { ...LIMITS_DEFAULT, channelMessages: 1 } });
    ["a", "b"].forEach((string) => lonely.connection.send(lonely.now, Position.CHAT, bytes(string), 0));
    lonely.connection.close(lonely.now, { code: 0, detail: bytes("") });
    assert.ok(!types(lonely.pass(2_999)).includes(Type.CLOSE));
    assert.deepEqual(types(lonely.pass(1)), [Type.CLOSE]);
    lonely.pass(2_999);
    assert.ok(!lonely.connection.isClosed);
    lonely.pass(1);
    assert.deepEqual([lonely.connection.isClosed, lonely.events().at(-1).reason], [true, Reason.CLOSED]);
});

test("the other side's CLOSE is reported, acknowledged at once, and final", () => {
    const lonely = new Lonely();
    lonely.said();
    lonely.hear(message(Position.CHAT, 0, "a"), { type: Type.CLOSE, reason: 102, code: 5, detail: bytes("no") },
        message(Position.CHAT, 1, "late"));
    const [first, end, ...rest] = lonely.events();
    assert.deepEqual([first.type, end.type, end.reason, end.code, end.isLocal], ["message", "close", 102, 5, false]);
    assert.deepEqual(rest, []);
    assert.deepEqual(lonely.said().map(types), [[Type.ACK]]);
    assert.ok(lonely.connection.isClosed);
    lonely.hear({ type: Type.PING });
    assert.deepEqual([lonely.said(), lonely.events()], [[], []]);
});

test("two ends that close at once both end", () => {
    const pair = new Pair();
    pair.pass(100);
    pair.ends.forEach((end) => end.close(pair.now, { code: 0, detail: bytes("") }));
    pair.pass(100);
    assert.deepEqual(pair.ends.map((end) => end.isClosed), [true, true]);
    assert.deepEqual(pair.events.map((list) => list.at(-1).type), ["close", "close"]);
});

test("a stream that ends ends the connection", () => {
    const lonely = new Lonely();
    lonely.connection.handleLoss(Reason.LINK_LOST, false);
    lonely.connection.handleLoss(Reason.LINK_LOST, false);
    const closes = lonely.events();
    assert.deepEqual(closes.map(({ reason, isLocal }) => [reason, isLocal]), [[Reason.LINK_LOST, false]]);
});

test("an application that does not look loses unreliable messages beyond a bound, and no others", () => {
    const lonely = new Lonely();
    for (let index = 0; index < 1_030; index++) {
        lonely.hear(message(Position.VOICE, null, `${index}`), message(Position.CHAT, index, `${index}`));
    }
    assert.equal(lonely.connection.statistics.messagesOverflowed, 6);
    assert.equal(lonely.events().length, 1_024 + 1_030);
});

test("the server's clock is known to half the round-trip time, and never runs backwards", () => {
    const lonely = new Lonely({ isClockWanted: true });
    const [request] = lonely.said().flat().filter(({ type }) => type === Type.CLOCK_REQUEST);
    assert.equal(lonely.connection.serverTime(lonely.now), null);
    lonely.now += 40;
    const received = 77_000_000n;
    lonely.hear({ type: Type.CLOCK_ANSWER, clientTime: request.clientTime, received, sent: received + 20_000n });
    // 40 ms there and back, 20 of them at the server: 10 ms ago it sent its time.
    assert.equal(Math.round(lonely.connection.serverTime(lonely.now)), 77_030);
    const before = lonely.connection.serverTime(lonely.now + 5);
    assert.equal(lonely.connection.serverTime(lonely.now), before);
});

test("answers about clocks that cannot be are ignored", () => {
    const lonely = new Lonely({ isClockWanted: true });
    const { clientTime } = lonely.said().flat().find(({ type }) => type === Type.CLOCK_REQUEST);
    lonely.now += 40;
    const answer = (received, sent, time = clientTime) =>
        lonely.hear({ type: Type.CLOCK_ANSWER, clientTime: time, received, sent });
    answer(5n, 6n, clientTime + 1n);
    answer(5n, 4n);
    answer(5n, 6n);
    assert.equal(lonely.connection.serverTime(lonely.now), null, "the second one has used the request up");
    assert.ok(lonely.connection.isOpen);
});

test("questions about our clock are answered, at most 8 in a burst", () => {
    const lonely = new Lonely();
    lonely.said();
    const answers = [];
    for (let time = 0n; time < 20n; time++) {
        lonely.hear({ type: Type.CLOCK_REQUEST, clientTime: time });
        answers.push(...lonely.said().flat().filter(({ type }) => type === Type.CLOCK_ANSWER));
    }
    assert.deepEqual(answers.map(({ clientTime }) => clientTime), [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n]);
});

test("what can never be sent is an error of the call", () => {
    const { connection, now } = new Lonely();
    assert.throws(() => connection.send(now, Position.VOICE, noise(17_601), 0), { kind: "message too long" });
    assert.throws(() => connection.send(now, Position.CHAT, noise(1_048_577), 0), { kind: "message too long" });
    assert.throws(() => connection.send(now, Position.CHAT, bytes("a"), 5), { kind: "usage" });
    assert.throws(() => connection.send(now, Position.STATE, bytes("a"), 2 ** 32), { kind: "usage" });
});

test("after 2^15 packets without an acknowledgement numbers take four bytes", () => {
    const lonely = new Lonely();
    let packet = null;
    for (let index = 0; index <= 2 ** 15; index++) {
        lonely.connection.send(lonely.now, Position.VOICE, bytes("a"), 0);
        packet = lonely.connection.pollPacket(lonely.now);
    }
    assert.equal(packet[0], 0x81);
    lonely.hear({ type: Type.ACK, newest: 2 ** 15, field: fullField() });
    lonely.connection.send(lonely.now, Position.VOICE, bytes("a"), 0);
    assert.equal(lonely.connection.pollPacket(lonely.now)[0], 0x80);
});
