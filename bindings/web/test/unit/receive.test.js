import assert from "node:assert/strict";
import { test } from "node:test";
import { isKeyed } from "../../src/channels.js";
import { Reader } from "../../src/codec.js";
import { decodeFrames } from "../../src/frames.js";
import { LIMITS_DEFAULT } from "../../src/handshake.js";
import { Receiver } from "../../src/receive.js";
import { sha256 } from "../../src/sha256.js";
import { fromHex, toHex, vectors } from "./vectors.js";

test("messages are put together as in the vectors", () => {
    const all = vectors("messages").filter(({ kind, references }) => kind === "reassemble" && references.every((at) => at === 0));
    for (const { name, modes, payloads, complete } of all) {
        const table = modes.map((mode, position) => ({ id: position, name: `${position}`, mode }));
        const receiver = new Receiver(table, LIMITS_DEFAULT);
        const delivered = [];
        for (const payload of payloads) {
            const lastSequences = [];
            for (const frame of decodeFrames(new Reader(fromHex(payload)), modes)) {
                receiver.handleMessage(0, frame, lastSequences, (data, key) => {
                    const channel = frame.position;
                    delivered.push({ channel, key: isKeyed(modes[channel]) ? key : null, length: data.length, sha256: toHex(sha256(data)) });
                });
            }
        }
        const wanted = complete.map(({ channel, key, length, sha256 }) => ({ channel, key, length, sha256 }));
        // The vectors list what was carried, not in the order of its delivery.
        const sorted = (list) => list.map((each) => JSON.stringify(each)).sort();
        assert.deepEqual(sorted(delivered), sorted(wanted), name);
    }
    assert.ok(all.length >= 7, `${all.length} vectors`);
});

test("of incomplete unreliable messages the newest eight are kept, for 3 s", () => {
    const table = [{ id: 0, name: "voice", mode: 0 }];
    const piece = (sequence, index) => ({
        position: 0, sequence, isImplied: false, key: 0, index, total: 2_200, data: new Uint8Array(1_100).fill(sequence),
    });
    const run = (steps) => {
        const receiver = new Receiver(table, LIMITS_DEFAULT);
        const delivered = [];
        steps.forEach(([now, frame]) => receiver.handleMessage(now, frame, [], (data) => delivered.push(data[0])));
        return delivered;
    };
    const firsts = Array.from({ length: 9 }, (_, sequence) => [0, piece(sequence, 0)]);
    const seconds = Array.from({ length: 9 }, (_, sequence) => [10, piece(sequence, 1)]);
    // The second half of the first one begins it anew, and drives out the second.
    assert.deepEqual(run([...firsts, ...seconds.slice(2)]), [2, 3, 4, 5, 6, 7, 8]);
    assert.deepEqual(run([...firsts, seconds[0], seconds[1]]), []);
    assert.deepEqual(run([[0, piece(1, 0)], [3_000, piece(1, 1)]]), [1]);
    assert.deepEqual(run([[0, piece(1, 0)], [3_001, piece(1, 1)]]), []);
});
