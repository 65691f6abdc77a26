import assert from "node:assert/strict";
import { test } from "node:test";
import { Writer } from "../../src/codec.js";
import { Type } from "../../src/frames.js";
import { decodeAnswer } from "../../src/handshake.js";
import { bytes, Lonely, Pair, Position, random } from "./world.js";
import { fromHex, vectors } from "./vectors.js";

const ROUNDS = 3_000;
const CLOSING = [100, 104, 105];

/** Every packet and payload that the vectors know, good and bad: better seeds than noise. */
const SEEDS = ["frames", "frames_malformed"].flatMap(vectors).map((vector) => fromHex(vector.bytes))
    .concat(vectors("messages").filter(({ kind }) => kind === "frames").map((vector) => fromHex(vector.bytes)));

function mutated(seed, next) {
    const changed = Uint8Array.from(seed);
    for (let count = next(4); count > 0 && changed.length > 0; count--) {
        changed[next(changed.length)] = next(256);
    }
    return changed.subarray(0, next(4) === 0 ? next(changed.length + 1) : changed.length);
}

function packetOf(payload, number) {
    return new Writer().u8(0x80).u32(0x0bad_cafe).u16(number).bytes(payload).take();
}

function checkEnd(lonely) {
    lonely.connection.pollTimeout();
    lonely.said();
    const reasons = lonely.events().filter(({ type }) => type === "close").map(({ reason }) => reason);
    assert.ok(reasons.length <= 1, "an end is told once");
    return reasons;
}

test("whatever comes, a connection never throws, and ends with a reason if at all", () => {
    const next = random(20_260_101);
    let ended = 0;
    for (let round = 0; round < ROUNDS; round++) {
        const lonely = new Lonely({ isClockWanted: round % 2 === 0 });
        lonely.said();
        lonely.connection.send(lonely.now, Position.CHAT, bytes("a"), 0);
        for (let number = 0; number < 6; number++) {
            const payload = mutated(SEEDS[next(SEEDS.length)], next);
            const packet = next(8) === 0 ? mutated(payload, next) : packetOf(payload, number);
            lonely.connection.handlePacket(lonely.now, packet);
            lonely.now += next(200);
            lonely.connection.handleTimeout(lonely.now);
            lonely.said();
        }
        const isOpen = lonely.connection.isOpen;
        lonely.pass(7_000);
        const reasons = checkEnd(lonely);
        assert.equal(reasons.length === 0, isOpen);
        // Whoever wrote CLOSE may have written any reason.
        ended += CLOSING.includes(reasons[0]) ? 1 : 0;
    }
    assert.ok(ended > ROUNDS / 4, `${ended} of ${ROUNDS} closed for what came`);
});

test("our own code never fails on input: no connection ends with an internal error that nobody sent", () => {
    const next = random(7);
    for (let round = 0; round < ROUNDS; round++) {
        const lonely = new Lonely();
        for (let number = 0; number < 6; number++) {
            const seed = SEEDS[next(SEEDS.length)];
            lonely.connection.handlePacket(lonely.now, packetOf(mutated(seed, next), number));
        }
        const close = lonely.said().flat().find(({ type }) => type === Type.CLOSE);
        assert.notEqual(close?.reason, 109);
    }
});

test("noise in place of an answer is malformed or not for us, never accepted", () => {
    const next = random(11);
    for (let round = 0; round < ROUNDS; round++) {
        const noise = Uint8Array.from({ length: next(80) }, () => next(256));
        noise.set(bytes("TMED").subarray(0, noise.length));
        try {
            assert.notEqual(decodeAnswer(noise, 5n, false)?.kind, "accepted");
        } catch (error) {
            assert.equal(error.name, "DecodeError");
        }
    }
});

test("two ends that say anything at random understand each other", () => {
    for (let seed = 1; seed <= 20; seed++) {
        const next = random(seed);
        const pair = new Pair({}, 1 + next(100));
        const sent = [[], []];
        for (let turn = 0; turn < 300; turn++) {
            const side = next(2);
            const position = next(5);
            const data = Uint8Array.from({ length: next(4) === 0 ? next(17_000) : next(50) }, () => next(256));
            if (pair.ends[side].send(pair.now, position, data, position === Position.STATE ? next(5) : 0)) {
                sent[side].push({ position, data });
            }
            pair.pass(next(3) * next(60));
        }
        pair.pass(5_000);
        for (const side of [0, 1]) {
            assert.ok(pair.ends[side].isOpen, `seed ${seed}`);
            for (const position of [Position.EVENTS, Position.CHAT]) {
                const of = (list) => list.filter((each) => each.position === position).map(({ data }) => data);
                assert.deepEqual(of(pair.messages(1 - side)), of(sent[side]), `seed ${seed}, position ${position}`);
            }
        }
    }
});
