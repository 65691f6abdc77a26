/** The sending side of the channels: queues, credit, and which message goes into the next packet. */

import { isKeyed, isReliable, Mode } from "./channels.js";
import { varintBytes } from "./codec.js";
import { CELL_BYTES, encodeMessage, MESSAGES_PER_PACKET_MAX, UNRELIABLE_BYTES_MAX } from "./frames.js";

/** How old an unreliable message may grow while the stream is backed up. */
const UNRELIABLE_AGE_MS = 100;
/** Unreliable messages that wait in a channel; the oldest gives way. */
const UNRELIABLE_QUEUE_MAX = 1_024;
/** Data that one channel may put into a packet before the others have had their turn. */
const TURN_BYTES = 4 * CELL_BYTES;

/**
 * @typedef {object} QueueLimits of each reliable channel
 * @property {number} messages
 * @property {number} bytes one message is taken even if it alone is longer
 */

/** One channel's queue. */
class SendChannel {
    /** @type {{data: Uint8Array, key: number, queuedAt: number}[]} */
    #queue = [];
    #queueHead = 0;
    #byKey = new Map();
    /** The message that is partly sent. */
    #current = null;
    #nextSequence = 0;
    #sentBytes = 0;
    #queuedBytes = 0;
    #credit;
    #limits;
    #queueLimits;
    /** Messages below this sequence are acknowledged. */
    #acknowledgedBelow = 0;
    #wasRefused = false;

    constructor(position, mode, limits, queueLimits) {
        this.position = position;
        this.mode = mode;
        this.isReliable = isReliable(mode);
        this.#limits = limits;
        this.#queueLimits = queueLimits;
        this.#credit = { bytes: limits.channelBytes, messages: limits.channelMessages };
    }

    get messageBytesMax() {
        return this.isReliable ? this.#limits.messageBytes : UNRELIABLE_BYTES_MAX;
    }

    get queuedMessages() {
        return this.#queue.length - this.#queueHead + (this.#current === null ? 0 : 1);
    }

    get queuedBytes() {
        return this.#queuedBytes;
    }

    /** Where the next message starts that is not wholly sent: what an acknowledgement of the packets so far covers. */
    get completedBelow() {
        return this.#current?.sequence ?? this.#nextSequence;
    }

    /**
     * Takes a message; gives how many unreliable ones gave way to it, or null if it has to wait outside.
     *
     * A value that has not begun to leave gives way to a newer one where only the newest counts. Of a keyed channel it
     * keeps its place, or a value that changes all the time would never leave.
     */
    push(now, data, key) {
        const former = isKeyed(this.mode) ? this.#byKey.get(key) : undefined;
        const grows = data.length - (former?.data.length ?? 0);
        const isNew = former === undefined;
        if (this.isReliable && (isNew || grows > 0) && this.#isFull(grows, isNew)) {
            this.#wasRefused = true;
            return null;
        }
        if (!isNew) {
            this.#queuedBytes += grows;
            former.data = data;
            return 0;
        }
        const gaveWay = this.#makeWay();
        const entry = { data, key, queuedAt: now };
        this.#queue.push(entry);
        this.#queuedBytes += data.length;
        if (isKeyed(this.mode)) {
            this.#byKey.set(key, entry);
        }
        return gaveWay;
    }

    #makeWay() {
        const waiting = this.#queue.length - this.#queueHead;
        const most = this.mode === Mode.SEQUENCED ? 1 : UNRELIABLE_QUEUE_MAX;
        if (this.isReliable || waiting < most) {
            return 0;
        }
        this.#removeHead();
        return 1;
    }

    #isFull(bytes, isNew) {
        const { messages, bytes: bytesMax } = this.#queueLimits;
        const isLong = this.queuedMessages > 0 && this.#queuedBytes + bytes > bytesMax;
        return isLong || (isNew && this.queuedMessages >= messages);
    }

    #removeHead() {
        const entry = this.#queue[this.#queueHead];
        this.#queue[this.#queueHead++] = undefined;
        this.#queuedBytes -= entry.data.length;
        if (isKeyed(this.mode)) {
            this.#byKey.delete(entry.key);
        }
        if (this.#queueHead > 32 && 2 * this.#queueHead > this.#queue.length) {
            this.#queue.splice(0, this.#queueHead);
            this.#queueHead = 0;
        }
        return entry;
    }

    /** Drops unreliable messages that have waited too long; gives how many. */
    expire(now) {
        let count = 0;
        while (!this.isReliable && this.#queue[this.#queueHead]?.queuedAt < now - UNRELIABLE_AGE_MS) {
            this.#removeHead();
            count++;
        }
        return count;
    }

    handleCredit(bytes, messages) {
        this.#credit.bytes = Math.max(this.#credit.bytes, bytes);
        this.#credit.messages = Math.max(this.#credit.messages, messages);
    }

    handleAcknowledged(below) {
        this.#acknowledgedBelow = Math.max(this.#acknowledgedBelow, below);
    }

    /** Whether a message was refused and half of the queue is free again; true once. */
    takeWritable() {
        const { messages, bytes } = this.#queueLimits;
        const isRoomy = 2 * this.queuedMessages <= messages && 2 * this.#queuedBytes <= bytes;
        const isWritable = this.#wasRefused && isRoomy;
        this.#wasRefused &&= !isWritable;
        return isWritable;
    }

    /** Whether something may leave now; `connectionRoom` is what the connection's credit leaves. */
    isReady(connectionRoom) {
        if (this.#current !== null) {
            return true;
        }
        const next = this.#queue[this.#queueHead];
        if (next === undefined || !this.isReliable) {
            return next !== undefined;
        }
        const bytes = next.data.length;
        // However much credit was added: what the receiver remembers above the lowest one missing is bounded.
        const isInSpan = this.#nextSequence - this.#acknowledgedBelow < this.#limits.channelMessages;
        const isInCredit =
            this.#nextSequence < this.#credit.messages && this.#sentBytes + bytes <= this.#credit.bytes;
        return isInSpan && isInCredit && bytes <= connectionRoom;
    }

    /**
     * Writes frames of the next message, if at least its first cell fits into `room` bytes.
     * @returns {{dataBytes: number, startedBytes: number, isFirst: boolean} | null} null if nothing fits
     */
    writeOne(writer, room, packet) {
        const message = this.#current ?? this.#peek();
        const key = isKeyed(this.mode) ? varintBytes(message.key) : 0;
        const isWhole = message.data.length <= CELL_BYTES;
        const isImplied = isWhole && message.sequence !== null && packet.last[this.position] === message.sequence - 1;
        const sequenceBytes = message.sequence === null || isImplied ? 0 : 3;
        const total = isWhole ? null : message.data.length;
        const pieceBytes = isWhole ? 0 : varintBytes(message.index) + varintBytes(total);
        // Two bytes of length are enough for a packet.
        const dataRoom = room - (1 + sequenceBytes + key + pieceBytes + 3);
        const rest = message.data.length - message.index * CELL_BYTES;
        const fitting = rest <= dataRoom ? rest : isWhole ? -1 : Math.floor(dataRoom / CELL_BYTES) * CELL_BYTES;
        if (fitting < 0 || (fitting === 0 && rest > 0)) {
            return null;
        }
        const isFirst = this.#current === null;
        if (isFirst) {
            this.#begin(message);
        }
        const start = message.index * CELL_BYTES;
        const data = message.data.subarray(start, start + fitting);
        const { sequence, index } = message;
        encodeMessage(writer, this.mode, {
            position: this.position, sequence, isImplied, key: message.key, index, total, data,
        });
        if (sequence !== null) {
            packet.last[this.position] = sequence;
        }
        message.index += Math.ceil(fitting / CELL_BYTES);
        this.#current = start + fitting < message.data.length ? message : null;
        this.#queuedBytes -= fitting;
        return { dataBytes: fitting, startedBytes: isFirst && this.isReliable ? message.data.length : 0, isFirst };
    }

    #peek() {
        const { data, key } = this.#queue[this.#queueHead];
        const isNumbered = this.mode !== Mode.UNRELIABLE || data.length > CELL_BYTES;
        return { data, key, index: 0, sequence: isNumbered ? this.#nextSequence : null };
    }

    #begin(message) {
        this.#removeHead();
        this.#queuedBytes += message.data.length;
        this.#nextSequence += message.sequence === null ? 0 : 1;
        if (this.isReliable) {
            this.#sentBytes += message.data.length;
        }
    }
}

/** What goes out on all channels of a connection. */
export class Sender {
    #channels;
    #connectionCredit;
    #connectionSent = 0;
    #expired = 0;
    #messages = 0;
    /** Whose turn is next. */
    #turn = 0;

    /**
     * @param {import("./channels.js").ChannelTable} table
     * @param {import("./handshake.js").Limits} limits the other side's
     * @param {QueueLimits} queueLimits
     */
    constructor(table, limits, queueLimits) {
        this.#connectionCredit = limits.connectionBytes;
        this.#channels = table.map(({ mode }, position) => new SendChannel(position, mode, limits, queueLimits));
    }

    /** Messages that grew too old, or were replaced by newer ones, before they could leave. */
    get expired() {
        return this.#expired;
    }

    get messagesSent() {
        return this.#messages;
    }

    get queuedBytes() {
        return this.#channels.reduce((sum, { queuedBytes }) => sum + queuedBytes, 0);
    }

    messageBytesMax(position) {
        return this.#channels[position].messageBytesMax;
    }

    /** Whether reliable messages have yet to leave. */
    get hasReliable() {
        return this.#channels.some(({ isReliable, queuedMessages }) => isReliable && queuedMessages > 0);
    }

    /** Takes a message; `false` if its channel's queue is full. The bytes must not change afterwards. */
    push(now, position, data, key) {
        const gaveWay = this.#channels[position].push(now, data, key);
        this.#expired += gaveWay ?? 0;
        return gaveWay !== null;
    }

    /** Drops what has grown too old. */
    expire(now) {
        this.#expired += this.#channels.reduce((sum, channel) => sum + channel.expire(now), 0);
    }

    get isReady() {
        return this.#channels.some((channel) => channel.isReady(this.#connectionRoom));
    }

    get #connectionRoom() {
        return this.#connectionCredit - this.#connectionSent;
    }

    handleConnectionCredit(bytes) {
        this.#connectionCredit = Math.max(this.#connectionCredit, bytes);
    }

    handleChannelCredit(position, bytes, messages) {
        this.#channels[position].handleCredit(bytes, messages);
    }

    /** A packet arrived after which these messages, by position, were wholly sent. */
    handleAcknowledged(completed) {
        completed.forEach(([position, below]) => this.#channels[position].handleAcknowledged(below));
    }

    /** The position of a channel whose queue has room again after a refusal, each told once; null if there is none. */
    takeWritable() {
        return this.#channels.find((channel) => channel.takeWritable())?.position ?? null;
    }

    /**
     * Fills a packet with messages, every channel in turn.
     * @param {number} bytesMax length the packet must not exceed
     * @returns {{completed: [number, number][]} | null} what was written, if anything
     */
    write(writer, bytesMax) {
        const packet = { last: this.#channels.map(() => null), messages: 0 };
        const written = new Set();
        let isIdle = false;
        while (!isIdle) {
            isIdle = true;
            for (let step = 0; step < this.#channels.length; step++) {
                const channel = this.#channels[(this.#turn + step) % this.#channels.length];
                if (this.#writeTurn(channel, writer, bytesMax, packet)) {
                    written.add(channel);
                    isIdle = false;
                }
            }
        }
        this.#turn = (this.#turn + 1) % this.#channels.length;
        if (written.size === 0) {
            return null;
        }
        const reliable = [...written].filter((channel) => channel.isReliable);
        return { completed: reliable.map(({ position, completedBelow }) => [position, completedBelow]) };
    }

    #writeTurn(channel, writer, bytesMax, packet) {
        let bytes = 0;
        let count = 0;
        while (bytes < TURN_BYTES && packet.messages < MESSAGES_PER_PACKET_MAX && channel.isReady(this.#connectionRoom)) {
            const written = channel.writeOne(writer, bytesMax - writer.length, packet);
            if (written === null) {
                break;
            }
            bytes += written.dataBytes;
            this.#connectionSent += written.startedBytes;
            packet.messages++;
            count++;
            this.#messages += written.isFirst ? 1 : 0;
        }
        return count > 0;
    }
}
