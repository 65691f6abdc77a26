/** Acknowledgements: what was received and is to be told, what was sent and is yet to be heard of (sections 6, 12.3). */

import { expandTruncated } from "./codec.js";
import { ACK_FIELD_BITS, ACK_RANGES_MAX, encodeAck, fullField } from "./frames.js";
import { Reason } from "./reason.js";
import { Violation } from "./receive.js";

/** When a packet must be acknowledged by a packet of its own. */
const ACK_DELAY_MS = 100;
const ACK_BYTES = 64 * 1_024;
const ACK_PACKETS = 1_000;
/** Runs of received numbers that are remembered: more gaps than this no sender makes on a stream. */
const RUNS_MAX = ACK_RANGES_MAX;
/** Every ACK tells again what the last ones told. */
const ACKS_REPEATED = 3;
/** Packets sent whose acknowledgements are awaited one by one. */
const AWAITED_MAX = 8_192;
const DELAY_UNIT_MS = 0.016;
const DELAY_MAX = 0xffff;

/** Which packets came, and which of them wait to be acknowledged. */
export class ReceivedPackets {
    /** Runs of received numbers, newest first: nothing overtakes on a stream, so they only grow at the front. */
    #runs = [];
    #waitingPackets = 0;
    #waitingBytes = 0;
    #deadline = null;
    #newestAt = 0;
    /** For each of the last ACKs, oldest first, the lowest number that came after it. */
    #untoldFrom = new Array(ACKS_REPEATED).fill(0);

    /** The largest number received; −1 before the first. */
    get largest() {
        return this.#runs[0]?.high ?? -1;
    }

    /** When an acknowledgement must leave by itself, or null. */
    get deadline() {
        return this.#deadline;
    }

    get isWaiting() {
        return this.#waitingPackets > 0;
    }

    /** A packet with a number above all others came. */
    handleReceived(now, number) {
        this.#newestAt = now;
        if (number === this.largest + 1 && this.#runs.length > 0) {
            this.#runs[0].high = number;
            return;
        }
        this.#runs.unshift({ low: number, high: number });
        this.#runs.length = Math.min(this.#runs.length, RUNS_MAX);
    }

    /** That packet, of so many bytes, wants to be acknowledged; in haste it is told at once. */
    handleProvoked(now, bytes, isUrgent) {
        this.#waitingPackets++;
        this.#waitingBytes += bytes;
        const isFull = this.#waitingBytes >= ACK_BYTES || this.#waitingPackets >= ACK_PACKETS;
        const due = isUrgent || isFull ? now : now + ACK_DELAY_MS;
        this.#deadline = Math.min(this.#deadline ?? due, due);
    }

    /** Appends the ACK. */
    write(now, writer) {
        const newest = this.largest;
        const delay = Math.min(Math.floor((now - this.#newestAt) / DELAY_UNIT_MS), DELAY_MAX);
        encodeAck(writer, { newest, delay, field: this.#field(newest), ranges: this.#ranges(newest) });
        this.#untoldFrom.shift();
        this.#untoldFrom.push(newest + 1);
        this.#waitingPackets = 0;
        this.#waitingBytes = 0;
        this.#deadline = null;
    }

    #field(newest) {
        const field = fullField();
        // Numbers below the first count as received.
        for (let bit = 0; bit < ACK_FIELD_BITS && newest - 1 - bit >= 0; bit++) {
            const number = newest - 1 - bit;
            if (!this.#runs.some(({ low, high }) => low <= number && number <= high)) {
                field[bit >> 3] &= ~(1 << (bit & 7));
            }
        }
        return field;
    }

    /** Ranges from below the bit field to the lowest number that came after the third-last ACK. */
    #ranges(newest) {
        const lowest = this.#untoldFrom[0];
        const ranges = [];
        let above = newest - ACK_FIELD_BITS;
        for (const { low, high } of this.#runs) {
            const [from, to] = [Math.max(low, lowest), Math.min(high, above - 1)];
            if (from <= to && ranges.length < ACK_RANGES_MAX) {
                ranges.push({ gap: above - 1 - to, length: to - from + 1 });
                above = from;
            }
        }
        return ranges;
    }
}

/** Packets sent that provoke and are not acknowledged yet. */
export class SentPackets {
    /** @type {{number: number, sentAt: number, completed: [number, number][]}[]} oldest first */
    #awaited = [];
    #head = 0;
    #next;
    #largestAcknowledged = -1;

    /** @param {number} [first] number of the first packet; tests begin elsewhere */
    constructor(first = 0) {
        this.#next = first;
    }

    /** The number of the next packet. */
    get next() {
        return this.#next;
    }

    /** −1 before the first acknowledgement. */
    get largestAcknowledged() {
        return this.#largestAcknowledged;
    }

    /** When the oldest packet left that awaits its acknowledgement, or null. */
    get awaitedSince() {
        return this.#awaited[this.#head]?.sentAt ?? null;
    }

    /** A packet left. `completed` is what its acknowledgement proves; one that provokes nothing awaits none. */
    handleSent(now, isProvoking, completed) {
        const number = this.#next++;
        if (!isProvoking) {
            return;
        }
        if (this.#awaited.length - this.#head < AWAITED_MAX) {
            this.#awaited.push({ number, sentAt: now, completed });
        } else {
            this.#fold(number, completed);
        }
    }

    /** A server that acknowledges nothing for long must not cost ever more memory: the newest packets count as one. */
    #fold(number, completed) {
        const last = this.#awaited.at(-1);
        last.number = number;
        last.completed = [...new Map([...last.completed, ...completed])];
    }

    /**
     * Takes an ACK. All up to the newest have arrived: nothing is lost or overtakes on a stream, and the server takes
     * every packet that is well formed; so its bit field and ranges are checked and say no more.
     * @returns {{rttMs: number | null, completed: [number, number][]}} `rttMs` if the newest one was news
     */
    handleAck(now, ack) {
        const newest = this.#expand(ack);
        let rttMs = null;
        const completed = [];
        while (this.#head < this.#awaited.length && this.#awaited[this.#head].number <= newest) {
            const packet = this.#awaited[this.#head];
            this.#awaited[this.#head++] = undefined;
            completed.push(...packet.completed);
            // Most ACKs wait for company, so their delay would be most of every sample.
            const held = packet.number === newest && ack.delay < DELAY_MAX;
            rttMs = held ? Math.max(0, now - packet.sentAt - ack.delay * DELAY_UNIT_MS) : null;
        }
        if (this.#head > 64 && 2 * this.#head > this.#awaited.length) {
            this.#awaited.splice(0, this.#head);
            this.#head = 0;
        }
        this.#largestAcknowledged = Math.max(this.#largestAcknowledged, newest);
        return { rttMs, completed };
    }

    #expand({ newest, ranges }) {
        const largest = this.#next - 1;
        const number = expandTruncated(newest, 32, Math.max(largest, 0));
        let below = number - ACK_FIELD_BITS;
        ranges.forEach(({ gap, length }) => (below -= gap + length));
        if (number > largest || (ranges.length > 0 && below < 0)) {
            throw new Violation(Reason.PROTOCOL_VIOLATION, "an ACK for a packet that was never sent");
        }
        return number;
    }
}
