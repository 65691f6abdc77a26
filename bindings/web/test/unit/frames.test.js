import assert from "node:assert/strict";
import { test } from "node:test";
import { SentPackets } from "../../src/acknowledge.js";
import { decodeTable, encodeTable, tableHash } from "../../src/channels.js";
import { Reader, Writer } from "../../src/codec.js";
import { decodeFrames, encodeAck, encodeControl, encodeMessage, provokes, Type } from "../../src/frames.js";
import { decodeAnswer, decodeServerAnswer, encodeOpen, encodeParameters, LIMITS_DEFAULT } from "../../src/handshake.js";
import { fromHex, toHex, vectors } from "./vectors.js";

const TYPE_OF = {
    ping: Type.PING,
    ack: Type.ACK,
    connection_credit: Type.CONNECTION_CREDIT,
    channel_credit: Type.CHANNEL_CREDIT,
    skip: Type.SKIP,
    close: Type.CLOSE,
    path_challenge: Type.PATH_CHALLENGE,
    path_response: Type.PATH_RESPONSE,
    clock_request: Type.CLOCK_REQUEST,
    clock_answer: Type.CLOCK_ANSWER,
    reset_token: Type.RESET_TOKEN,
    message: Type.MESSAGE,
};

/** A frame as this client has it, from one as the vectors have it. */
function ours(frame, modes) {
    const type = TYPE_OF[frame.frame];
    switch (frame.frame) {
        case "ack": {
            // The vectors have the field as the bytes stand on the wire.
            const ranges = frame.ranges.map(([gap, length]) => ({ gap, length }));
            return { type, newest: frame.newest, delay: frame.delay, field: frame.field, ranges };
        }
        case "connection_credit":
            return { type, bytes: asNumber(frame.bytes) };
        case "channel_credit":
            return { type, position: frame.channel, bytes: asNumber(frame.bytes), messages: asNumber(frame.messages) };
        case "skip":
            return { type, position: frame.channel, sequence: frame.sequence, bytes: frame.length };
        case "close":
            return { type, reason: frame.reason, code: frame.code, detail: frame.detail };
        case "path_challenge":
        case "path_response":
            return { type, data: frame.data };
        case "clock_request":
            return { type, clientTime: BigInt(frame.client_time) };
        case "clock_answer":
            return { type, clientTime: BigInt(frame.client_time), received: BigInt(frame.received), sent: BigInt(frame.sent) };
        case "reset_token":
            return { type, token: frame.token };
        case "message": {
            const { channel: position, implied: isImplied, key, index, total, data } = frame;
            return { type, position, isImplied, key: key ?? 0, index: index ?? 0, total, data, mode: modes[position] };
        }
        default:
            return { type };
    }
}

function asNumber(value) {
    return Number(BigInt(value) > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : value);
}

/** With bytes as hexadecimal text, so that comparisons show them; without what vectors have in full. */
function shown(frame, modes) {
    const entries = Object.entries(frame).map(([name, value]) => [name, value instanceof Uint8Array ? toHex(value) : value]);
    const { sequence, ...rest } = Object.fromEntries(entries);
    if (frame.type === Type.MESSAGE) {
        return { ...rest, mode: modes[frame.position] };
    }
    return frame.type === Type.SKIP ? { ...rest, sequence } : rest;
}

function decode(bytes, modes) {
    return [...decodeFrames(new Reader(fromHex(bytes)), modes)];
}

function encode(frames, modes) {
    const writer = new Writer();
    for (const frame of frames) {
        if (frame.type === Type.MESSAGE) {
            encodeMessage(writer, modes[frame.position], frame);
        } else if (frame.type === Type.ACK) {
            encodeAck(writer, frame);
        } else {
            encodeControl(writer, frame);
        }
    }
    return toHex(writer.take());
}

test("valid payloads are read as the vectors say, and written again byte for byte", () => {
    const all = [...vectors("frames"), ...vectors("messages").filter(({ kind }) => kind === "frames")];
    for (const { name, modes, bytes, decoded, provokes: expected } of all) {
        const frames = decode(bytes, modes);
        const withoutPadding = frames.filter(({ type }) => type !== Type.PADDING).map((frame) => shown(frame, modes));
        const wanted = decoded.filter(({ frame }) => frame !== "padding").map((frame) => ours(frame, modes));
        assert.deepEqual(withoutPadding, wanted, name);
        assert.equal(frames.some(provokes), expected !== "none", name);
        const hasUnsafe = JSON.stringify(frames, (_, value) => (typeof value === "bigint" ? Number(value) : value))
            .includes(String(Number.MAX_SAFE_INTEGER));
        if (!hasUnsafe) {
            assert.equal(encode(frames, modes), bytes, name);
        }
    }
    assert.ok(all.length >= 50);
});

test("malformed payloads are refused", () => {
    for (const { name, modes, bytes } of vectors("frames_malformed")) {
        assert.throws(() => decode(bytes, modes), { name: "DecodeError" }, name);
    }
});

test("a packet holds 2,048 messages", () => {
    for (const { name, modes, bytes, frames } of vectors("messages").filter(({ kind }) => kind === "count")) {
        assert.equal(decode(bytes, modes).length, frames, name);
    }
});

test("an ACK acknowledges what the vectors say, and none may tell of packets that were never sent", () => {
    for (const { name, bytes, largest_sent: largestSent, newest_number: newest, error } of vectors("ack")) {
        const handle = () => {
            const [frame] = decode(bytes, []);
            const sent = packetsSent(Number(largestSent));
            sent.handleAck(1_000, frame);
            return sent.largestAcknowledged;
        };
        if (error) {
            assert.throws(handle, name);
        } else {
            assert.equal(handle(), Number(newest), name);
        }
    }
});

/** Packets up to this number, without sending each of billions. */
function packetsSent(largest) {
    return new SentPackets(largest + 1);
}

test("channel tables and their hashes are those of the vectors", () => {
    for (const { name, bytes, channels, hash, error } of vectors("channel_tables")) {
        const take = () => {
            const reader = new Reader(fromHex(bytes));
            const table = decodeTable(reader, reader.u8());
            reader.finish();
            return table;
        };
        if (error) {
            assert.throws(take, { name: "DecodeError" }, name);
            continue;
        }
        const expected = channels.map((channel) => ({ id: channel.id, name: channel.name, mode: channel.mode }));
        assert.deepEqual(take(), expected, name);
        const writer = new Writer();
        encodeTable(writer, take());
        assert.equal(toHex(writer.take()), bytes, name);
        assert.equal(tableHash(take()), BigInt(hash), name);
    }
});

function limitsOf(limits) {
    return {
        messageBytes: limits.largest_reliable_message,
        connectionBytes: limits.connection_credit,
        channelBytes: limits.channel_credit_bytes,
        channelMessages: limits.channel_credit_messages,
        datagramBytes: limits.largest_datagram,
        idleTimeoutMs: limits.idle_timeout_ms,
    };
}

test("what a client says of itself is written as in the vectors", () => {
    const known = new Set([1, 2, 5]);
    let count = 0;
    for (const { name, message, bytes, decoded } of vectors("parameters")) {
        if (message !== 1 || !decoded || decoded.extensions.some(([type]) => !known.has(type))) {
            continue;
        }
        const content = (wanted) => decoded.extensions.find(([type]) => type === wanted)?.[1];
        const hasEmpty = decoded.extensions.some(([, hex]) => hex === "");
        if (hasEmpty) {
            continue;
        }
        const schemas = decoded.schemas.map((schema) => Object.values(schema)).map(([tag, hash]) => [tag, BigInt(hash)]);
        const parameters = {
            connectionId: decoded.connection_id,
            limits: limitsOf(decoded.limits),
            token: fromHex(content(1) ?? ""),
            userData: fromHex(content(2) ?? ""),
            schemas,
        };
        assert.equal(toHex(encodeParameters(parameters)), bytes, name);
        count++;
    }
    assert.ok(count >= 4, `${count} vectors`);
});

test("a server's answer is read as the vectors say", () => {
    for (const vector of vectors("parameters").filter(({ message }) => message === 2)) {
        const take = () => {
            const reader = new Reader(fromHex(vector.bytes));
            const context = { suites: vector.offered_suites, isTableDeclared: vector.table_declared };
            const answer = decodeServerAnswer(reader, context);
            reader.finish();
            return answer;
        };
        if (vector.error) {
            assert.throws(take, { name: "DecodeError" }, vector.name);
            continue;
        }
        const { decoded } = vector;
        const answer = take();
        assert.equal(answer.kind, decoded.verdict, vector.name);
        if (answer.kind === "refused") {
            assert.deepEqual([answer.reason, toHex(answer.detail)], [decoded.reason, decoded.detail], vector.name);
        } else {
            assert.equal(answer.connectionId, decoded.connection_id, vector.name);
            assert.equal(answer.peerNumber, decoded.peer_number, vector.name);
            assert.equal(toHex(answer.resetToken), decoded.reset_token, vector.name);
            assert.deepEqual(answer.limits, limitsOf(decoded.limits), vector.name);
        }
    }
});

test("OPEN begins as in the vectors", () => {
    const opens = vectors("handshake_datagrams").filter(({ decoded }) => decoded?.datagram === "open");
    for (const { name, bytes, decoded } of opens) {
        const open = encodeOpen({
            nonce: BigInt(decoded.nonce),
            ephemeral: fromHex(decoded.ephemeral),
            application: BigInt(decoded.application_id),
            tableHash: BigInt(decoded.channel_table_hash),
            connectionId: 1,
            limits: LIMITS_DEFAULT,
        });
        const offer = bytes.slice(0, bytes.length - decoded.payload.length);
        assert.equal(toHex(open).slice(0, offer.length), offer, name);
    }
    assert.ok(opens.length > 0);
});

test("refusals and resets are told from what is malformed, and from what is for others", () => {
    for (const { name, bytes, decoded, error } of vectors("handshake_datagrams")) {
        const take = (nonce) => decodeAnswer(fromHex(bytes), nonce, false);
        if (decoded?.datagram === "refuse") {
            assert.equal(take(BigInt(decoded.nonce)).reason, decoded.reason, name);
            assert.equal(take(BigInt(decoded.nonce) ^ 1n), null, name);
        } else if (decoded?.datagram === "reset") {
            assert.equal(toHex(take(0n).token), decoded.token, name);
        } else if (error || decoded) {
            assert.throws(() => take(0n), { name: "DecodeError" }, name);
        }
    }
});
