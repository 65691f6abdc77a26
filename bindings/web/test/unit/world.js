/** Two ends of a connection in memory with a clock of their own, and packets written by hand. */

import { Reader, Writer } from "../../src/codec.js";
import { Connection } from "../../src/connection.js";
import { decodeFrames, encodeAck, encodeControl, encodeMessage, fullField, Type } from "../../src/frames.js";
import { LIMITS_DEFAULT } from "../../src/handshake.js";
import { decodeHeader, encodeHeader } from "../../src/packet.js";

export const TOKEN = new Uint8Array(16).fill(7);
const OUR_ID = 0x0bad_cafe;
const THEIR_ID = 0xfeed_beef;

/** A channel of every mode; its position is the number of its mode. */
export const TABLE = ["voice", "pose", "events", "chat", "state"].map((name, mode) => ({ id: mode, name, mode }));
export const MODES = TABLE.map(({ mode }) => mode);
export const Position = Object.freeze({ VOICE: 0, POSE: 1, EVENTS: 2, CHAT: 3, STATE: 4 });

export const text = (bytes) => new TextDecoder().decode(bytes);
export const bytes = (string) => new TextEncoder().encode(string);

export function setup(change = {}) {
    return {
        localId: OUR_ID,
        remoteId: THEIR_ID,
        table: TABLE,
        localLimits: LIMITS_DEFAULT,
        remoteLimits: LIMITS_DEFAULT,
        resetToken: TOKEN,
        queueLimits: { messages: 64, bytes: 1_000_000 },
        isClockWanted: false,
        ...change,
    };
}

/** The other end of a setup. */
export function otherEnd(ours) {
    const { localId: remoteId, remoteId: localId, localLimits: remoteLimits, remoteLimits: localLimits } = ours;
    return { ...ours, localId, remoteId, localLimits, remoteLimits };
}

/** A connection whose other side is a test that writes packets by hand. */
export class Lonely {
    now = 1_000;
    #nextNumber = 0;

    constructor(change) {
        this.connection = new Connection(this.now, setup(change));
    }

    /** Writes a packet with these frames; MESSAGEs may leave fields out. */
    packet(frames, { number = this.#nextNumber, connectionId = OUR_ID } = {}) {
        this.#nextNumber = Math.max(this.#nextNumber, number + 1);
        const writer = new Writer();
        encodeHeader(writer, { connectionId, number, largestAcknowledged: number - 1 });
        for (const frame of frames) {
            if (frame.type === Type.MESSAGE) {
                const whole = { sequence: null, isImplied: false, key: 0, index: 0, total: null, ...frame };
                encodeMessage(writer, MODES[frame.position], whole);
            } else if (frame.type === Type.ACK) {
                encodeAck(writer, { delay: 0, field: fullField(), ranges: [], ...frame });
            } else {
                encodeControl(writer, frame);
            }
        }
        return writer.take();
    }

    hear(...frames) {
        this.connection.handlePacket(this.now, this.packet(frames));
    }

    /** What leaves now: the frames of each packet. */
    said() {
        const packets = [];
        for (let packet = this.connection.pollPacket(this.now); packet; packet = this.connection.pollPacket(this.now)) {
            packets.push(framesOf(packet));
        }
        return packets;
    }

    /** Lets time go by until then, with every timer in its turn; gives the frames of all that leaves. */
    pass(ms) {
        const until = this.now + ms;
        const frames = this.said().flat();
        for (let due = this.connection.pollTimeout(); due !== null && due <= until; due = this.connection.pollTimeout()) {
            // At least a microsecond, or a timer that does not move on would hang the test.
            this.now = Math.max(due, this.now + 0.001);
            this.connection.handleTimeout(this.now);
            frames.push(...this.said().flat());
        }
        this.now = until;
        return frames;
    }

    events() {
        return events(this.connection);
    }
}

export function events(connection) {
    const list = [];
    for (let event = connection.pollEvent(); event !== null; event = connection.pollEvent()) {
        list.push(event);
    }
    return list;
}

export function framesOf(packet) {
    const reader = new Reader(packet);
    decodeHeader(reader, -1);
    return [...decodeFrames(reader, MODES)].map((frame) => ({ ...frame, data: frame.data?.slice() }));
}

/** Two connections and a stream between them that takes as long as it takes. */
export class Pair {
    now = 1_000;

    constructor(change = {}, delayMs = 10) {
        const ours = setup(change);
        this.ends = [new Connection(this.now, ours), new Connection(this.now, otherEnd(ours))];
        this.delayMs = delayMs;
        this.underWay = [[], []];
        this.events = [[], []];
        /** What an end does with its messages: by default it takes them at once. */
        this.isTaking = [true, true];
    }

    /** Runs until then. */
    pass(ms) {
        const until = this.now + ms;
        for (;;) {
            this.#exchange();
            const next = this.#next();
            if (next > until) {
                break;
            }
            this.now = Math.max(next, this.now + 0.001);
            this.ends.forEach((end) => end.handleTimeout(this.now));
        }
        this.now = until;
    }

    #next() {
        const timers = this.ends.map((end) => end.pollTimeout() ?? Infinity);
        return Math.min(...timers, ...this.underWay.map((packets) => packets[0]?.at ?? Infinity));
    }

    #exchange() {
        this.ends.forEach((end, side) => {
            for (let packet = end.pollPacket(this.now); packet; packet = end.pollPacket(this.now)) {
                this.underWay[1 - side].push({ at: this.now + this.delayMs, packet });
            }
        });
        this.ends.forEach((end, side) => {
            while (this.underWay[side][0]?.at <= this.now) {
                end.handlePacket(this.now, this.underWay[side].shift().packet);
            }
            for (const event of events(end)) {
                this.events[side].push(event);
                if (event.type === "message" && this.isTaking[side]) {
                    end.consume(event.position, event.data.length);
                }
            }
        });
    }

    messages(side) {
        return this.events[side].filter(({ type }) => type === "message");
    }
}

/** A generator of numbers that is the same in every run. */
export function random(seed) {
    let state = seed >>> 0;
    return (below) => {
        // xorshift32
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        return (state >>> 0) % below;
    };
}
