/**
 * One established connection as a state machine: packets and time in, packets and events out. It knows no socket and no
 * clock; times are milliseconds of any clock that never runs backwards.
 *
 * Methods come in four families: getters; `handle…` for what came from outside; verbs for what the application wants;
 * `poll…` for what must go out. Any order of calls is legal, and no input makes one throw.
 */

import { ReceivedPackets, SentPackets } from "./acknowledge.js";
import { isKeyed, isReliable } from "./channels.js";
import { ClockAnswerer, ClockAsker } from "./clock.js";
import { DecodeError, isEqualInConstantTime, Reader, Writer } from "./codec.js";
import { TmeError } from "./error.js";
import { decodeFrames, encodeControl, provokes, Type } from "./frames.js";
import { decodeHeader, encodeHeader, PACKET_BYTES_MAX } from "./packet.js";
import { Reason } from "./reason.js";
import { Receiver, Violation } from "./receive.js";
import { Sender } from "./send.js";

/** A PING leaves after this time without a packet in either direction, or after a third of the idle time-out. */
const KEEP_ALIVE_MS = 5_000;
/** How long an acknowledgement may be awaited in silence before the application is told. */
const INTERRUPTED_MS = 3_000;
/** How long queued messages may take to leave before CLOSE, and then its acknowledgement to come. */
const FAREWELL_MS = 3_000;
/** Unreliable messages kept for an application that does not look; further ones are dropped. */
const UNRELIABLE_BACKLOG_MAX = 1_024;
const NO_BYTES = new Uint8Array(0);
const KEY_MAX = 0xffff_ffff;

const State = Object.freeze({
    OPEN: "open",
    /** Queued reliable messages leave before CLOSE. */
    FLUSHING: "flushing",
    /** CLOSE is to leave, or its acknowledgement is awaited. */
    CLOSING: "closing",
    /** The other side has closed, and is to be told that we know. */
    DRAINING: "draining",
    CLOSED: "closed",
});

/**
 * @typedef {object} ConnectionSetup
 * @property {number} localId stands in every packet that comes
 * @property {number} remoteId stands in every packet that leaves
 * @property {import("./channels.js").ChannelTable} table
 * @property {import("./handshake.js").Limits} localLimits
 * @property {import("./handshake.js").Limits} remoteLimits
 * @property {Uint8Array} resetToken
 * @property {import("./send.js").QueueLimits} queueLimits
 * @property {boolean} isClockWanted
 */

export class Connection {
    #state = State.OPEN;
    #setup;
    #modes;
    #receiver;
    #sender;
    #received = new ReceivedPackets();
    #sent = new SentPackets();
    #asker;
    #answerer = new ClockAnswerer();
    #writer = new Writer(PACKET_BYTES_MAX);
    #events = [];
    #unreliableBacklog = 0;
    #resetToken;
    #idleTimeoutMs;
    #lastReceivedAt;
    #lastSentAt;
    #isInterrupted = false;
    /** The first packet tells the server that its answer arrived. */
    #isPingDue = true;
    #challenge = null;
    /** What CLOSE says, when the waiting for it ends, and the number of its packet. */
    #farewell = null;
    #farewellDeadline = null;
    #farewellNumber = null;
    #rtt = { smoothed: null, minimum: null };
    #counts = { packetsSent: 0, packetsReceived: 0, bytesSent: 0, bytesReceived: 0, messagesReceived: 0,
        packetsDropped: 0, messagesOverflowed: 0 };

    /** @param {number} now @param {ConnectionSetup} setup */
    constructor(now, setup) {
        this.#setup = setup;
        this.#modes = setup.table.map(({ mode }) => mode);
        this.#receiver = new Receiver(setup.table, setup.localLimits);
        this.#sender = new Sender(setup.table, setup.remoteLimits, setup.queueLimits);
        this.#asker = new ClockAsker(now, setup.isClockWanted);
        this.#resetToken = setup.resetToken;
        this.#idleTimeoutMs = Math.min(setup.localLimits.idleTimeoutMs, setup.remoteLimits.idleTimeoutMs);
        this.#lastReceivedAt = now;
        this.#lastSentAt = now;
    }

    // Getters.

    /** Whether messages can be sent. */
    get isOpen() {
        return this.#state === State.OPEN;
    }

    /** Whether nothing is left to do: the stream can be closed. */
    get isClosed() {
        return this.#state === State.CLOSED;
    }

    /** Whether something waits that the stream has to take. */
    get isSending() {
        return this.#sender.isReady;
    }

    messageBytesMax(position) {
        return this.#sender.messageBytesMax(position);
    }

    /** The other side's time; null unless it was asked for and answered. */
    serverTime(now) {
        return this.#asker.time(now);
    }

    get statistics() {
        return {
            ...this.#counts,
            rttMs: this.#rtt.smoothed,
            rttMinimumMs: this.#rtt.minimum,
            messagesSent: this.#sender.messagesSent,
            messagesExpired: this.#sender.expired,
            messagesDuplicate: this.#receiver.duplicates,
            queuedBytes: this.#sender.queuedBytes,
        };
    }

    // What came from outside.

    /** Takes a packet. */
    handlePacket(now, bytes) {
        const header = this.#openPacket(bytes);
        if (header === null || this.isClosed) {
            this.#counts.packetsDropped++;
            return;
        }
        this.#counts.packetsReceived++;
        this.#counts.bytesReceived += bytes.length;
        this.#received.handleReceived(now, header.number);
        this.#noteSignOfLife(now);
        const seen = { provoking: 0, others: 0 };
        try {
            this.#handleFrames(now, header.reader, seen);
        } catch (error) {
            this.#fail(now, error);
        }
        if (seen.provoking > 0) {
            // A page in the background may have its timers held back for a minute: a PING, which asks whether we live,
            // does not wait for one, nor does the other side's goodbye.
            const isUrgent = seen.others === 0 || this.#state === State.DRAINING;
            this.#received.handleProvoked(now, bytes.length, isUrgent);
        }
    }

    /** The header of a packet that is for us; null for one that is to be dropped. */
    #openPacket(bytes) {
        if (bytes.length > PACKET_BYTES_MAX) {
            return null;
        }
        try {
            const reader = new Reader(bytes);
            const { connectionId, number } = decodeHeader(reader, this.#received.largest);
            // Nothing overtakes on a stream: a number that is not above all others is a repetition.
            const isOurs = connectionId === this.#setup.localId && number > this.#received.largest;
            return isOurs ? { reader, number } : null;
        } catch {
            return null;
        }
    }

    #noteSignOfLife(now) {
        this.#lastReceivedAt = now;
        if (this.#isInterrupted) {
            this.#isInterrupted = false;
            this.#events.push({ type: "resumed" });
        }
    }

    #handleFrames(now, reader, seen) {
        const lastSequences = [];
        for (const frame of decodeFrames(reader, this.#modes)) {
            const isProvoking = provokes(frame);
            seen.provoking += isProvoking ? 1 : 0;
            seen.others += isProvoking && frame.type !== Type.PING ? 1 : 0;
            this.#handleFrame(now, frame, lastSequences);
        }
    }

    #handleFrame(now, frame, lastSequences) {
        const hasEnded = this.#state === State.DRAINING || this.isClosed;
        if (frame.type === Type.CLOSE) {
            this.#handleClose(frame);
        } else if (frame.type === Type.ACK && !hasEnded) {
            this.#handleAck(now, frame);
        } else if (this.isOpen || this.#state === State.FLUSHING) {
            this.#handleOrdinaryFrame(now, frame, lastSequences);
        }
    }

    #handleOrdinaryFrame(now, frame, lastSequences) {
        switch (frame.type) {
            case Type.CONNECTION_CREDIT:
                return this.#sender.handleConnectionCredit(frame.bytes);
            case Type.CHANNEL_CREDIT:
                return this.#sender.handleChannelCredit(frame.position, frame.bytes, frame.messages);
            case Type.SKIP:
                return this.#receiver.handleSkip(frame, this.#deliverTo(frame.position));
            case Type.PATH_CHALLENGE:
                this.#challenge = frame.data.slice();
                return undefined;
            case Type.CLOCK_REQUEST:
                return this.#answerer.handleRequest(now, frame.clientTime);
            case Type.CLOCK_ANSWER:
                return this.#asker.handleAnswer(now, frame);
            case Type.RESET_TOKEN:
                this.#resetToken = frame.token.slice();
                return undefined;
            case Type.MESSAGE:
                return this.#receiver.handleMessage(now, frame, lastSequences, this.#deliverTo(frame.position));
            default:
                return undefined;
        }
    }

    #deliverTo(position) {
        return (data, key) => {
            if (!isReliable(this.#modes[position])) {
                if (this.#unreliableBacklog >= UNRELIABLE_BACKLOG_MAX) {
                    this.#counts.messagesOverflowed++;
                    return;
                }
                this.#unreliableBacklog++;
            }
            this.#counts.messagesReceived++;
            this.#events.push({ type: "message", position, data, key });
        };
    }

    #handleAck(now, frame) {
        const { rttMs, completed } = this.#sent.handleAck(now, frame);
        this.#sender.handleAcknowledged(completed);
        if (rttMs !== null) {
            const { smoothed, minimum } = this.#rtt;
            this.#rtt.smoothed = smoothed === null ? rttMs : smoothed + (rttMs - smoothed) / 8;
            this.#rtt.minimum = Math.min(minimum ?? rttMs, rttMs);
        }
        if (this.#farewellNumber !== null && this.#sent.largestAcknowledged >= this.#farewellNumber) {
            this.#end(State.CLOSED, this.#farewell);
        }
    }

    #handleClose({ reason, code, detail }) {
        const isOurs = this.#state === State.CLOSING;
        this.#end(State.DRAINING, isOurs ? this.#farewell : { reason, code, detail: detail.slice(), isLocal: false });
    }

    #fail(now, error) {
        // A mistake of ours is no reason to take the page down.
        const isTheirs = error instanceof Violation || error instanceof DecodeError;
        const reason = isTheirs ? error.reason ?? Reason.PROTOCOL_VIOLATION : Reason.INTERNAL;
        if (this.isOpen || this.#state === State.FLUSHING) {
            this.#startClosing(now, { reason, code: 0, detail: NO_BYTES, isLocal: true });
        }
    }

    /** The stream took nothing for too long, or ended, or the server has forgotten the connection. */
    handleLoss(reason, isLocal) {
        const isDone = this.#state === State.CLOSING && this.#farewellNumber !== null;
        this.#end(State.CLOSED, isDone ? this.#farewell : { reason, code: 0, detail: NO_BYTES, isLocal });
    }

    /** The server says that it does not know the connection; it is believed if it knows the token. */
    handleReset(token) {
        if (isEqualInConstantTime(token, this.#resetToken)) {
            this.handleLoss(Reason.RESET, false);
        } else {
            this.#counts.packetsDropped++;
        }
    }

    /** Does what time has brought about. */
    handleTimeout(now) {
        if (this.isClosed) {
            return;
        }
        if (now - this.#lastReceivedAt >= this.#idleTimeoutMs) {
            this.handleLoss(Reason.TIMED_OUT, true);
            return;
        }
        // Not only when a packet is written: a stream that takes nothing asks for none.
        this.#sender.expire(now);
        if (this.#farewellDeadline !== null && now >= this.#farewellDeadline) {
            this.#giveUpWaiting(now);
        }
        const keepAliveAt = this.#keepAliveAt;
        this.#isPingDue ||= keepAliveAt !== null && now >= keepAliveAt;
        const interruptedAt = this.#interruptedAt;
        if (interruptedAt !== null && now >= interruptedAt) {
            this.#isInterrupted = true;
            this.#events.push({ type: "interrupted" });
        }
    }

    #giveUpWaiting(now) {
        if (this.#state === State.FLUSHING) {
            this.#startClosing(now, this.#farewell);
        } else {
            this.#end(State.CLOSED, this.#farewell);
        }
    }

    get #keepAliveAt() {
        if (!this.isOpen && this.#state !== State.FLUSHING) {
            return null;
        }
        const last = Math.max(this.#lastReceivedAt, this.#lastSentAt);
        return last + Math.min(KEEP_ALIVE_MS, this.#idleTimeoutMs / 3);
    }

    get #interruptedAt() {
        const since = this.isOpen && !this.#isInterrupted ? this.#sent.awaitedSince : null;
        return since === null ? null : Math.max(since, this.#lastReceivedAt) + INTERRUPTED_MS;
    }

    // What the application wants.

    /**
     * Queues a message; `false` if the channel's queue is full: a `writable` event tells when to try again. The bytes
     * must not change afterwards. Throws `TmeError` for what can never be sent.
     */
    send(now, position, data, key) {
        const most = this.messageBytesMax(position);
        if (data.length > most) {
            throw new TmeError(`a message of ${data.length} bytes is longer than the ${most} of its channel: cut it up`, {
                kind: "message too long",
            });
        }
        if (!Number.isInteger(key) || key < 0 || key > KEY_MAX || (key !== 0 && !isKeyed(this.#modes[position]))) {
            throw TmeError.usage("a key is a whole number below 2^32, and only reliable-latest channels have keys");
        }
        if (!this.isOpen) {
            throw new TmeError("the connection is closed: connect again", { kind: "closed" });
        }
        return this.#sender.push(now, position, data, key);
    }

    /** The application has taken a message away: its credit goes back to the sender. */
    consume(position, bytes) {
        if (!isReliable(this.#modes[position])) {
            this.#unreliableBacklog--;
        }
        this.#receiver.consume(position, bytes);
    }

    /** Ends the connection once the reliable messages that wait have left. */
    close(now, { code, detail }) {
        if (this.isOpen) {
            this.#state = State.FLUSHING;
            this.#farewell = { reason: Reason.CLOSED, code, detail, isLocal: true };
            this.#farewellDeadline = now + FAREWELL_MS;
        }
    }

    // What must go out.

    /** When `handleTimeout` and `pollPacket` have something to do, at the latest; null if never. */
    pollTimeout() {
        if (this.isClosed) {
            return null;
        }
        const times = [this.#lastReceivedAt + this.#idleTimeoutMs, this.#keepAliveAt, this.#received.deadline,
            this.#interruptedAt, this.#farewellDeadline, this.isOpen ? this.#asker.deadline : null];
        return Math.min(...times.filter((time) => time !== null));
    }

    /** What the application should know, oldest first; null if nothing. */
    pollEvent() {
        if (this.#events.length === 0) {
            const position = this.isOpen ? this.#sender.takeWritable() : null;
            return position === null ? null : { type: "writable", position };
        }
        return this.#events.shift();
    }

    /** The next packet to send, or null. Packets are to be sent in this order. */
    pollPacket(now) {
        if (this.#challenge !== null && this.isOpen) {
            return this.#writePathResponse(now);
        }
        switch (this.#state) {
            case State.CLOSED:
                return null;
            case State.DRAINING:
                return this.#writeLast(now);
            case State.CLOSING:
                return this.#writeClose(now);
            default:
                return this.#writeOrdinary(now);
        }
    }

    /** Alone, for the answer must not be longer than the question. */
    #writePathResponse(now) {
        this.#begin();
        encodeControl(this.#writer, { type: Type.PATH_RESPONSE, data: this.#challenge });
        this.#challenge = null;
        return this.#finish(now, false, []);
    }

    #writeOrdinary(now) {
        this.#sender.expire(now);
        const isAskDue = this.isOpen && this.#asker.deadline !== null && now >= this.#asker.deadline;
        const isAckDue = this.#received.deadline !== null && now >= this.#received.deadline;
        const isControlDue = this.#isPingDue || isAskDue || this.#receiver.isGrantDue;
        if (!isControlDue && !isAckDue && !this.#answerer.isWaiting && !this.#sender.isReady) {
            return this.#closeOnceFlushed(now);
        }
        this.#begin();
        this.#writeAck(now);
        this.#writeControl(now, isAskDue);
        const messages = this.#sender.write(this.#writer, PACKET_BYTES_MAX);
        return this.#finish(now, isControlDue || messages !== null, messages?.completed ?? []);
    }

    #writeAck(now) {
        if (this.#received.isWaiting) {
            this.#received.write(now, this.#writer);
        }
    }

    #writeControl(now, isAskDue) {
        const put = (frame) => encodeControl(this.#writer, frame);
        if (this.#isPingDue) {
            this.#isPingDue = false;
            put({ type: Type.PING });
        }
        if (isAskDue) {
            put({ type: Type.CLOCK_REQUEST, clientTime: this.#asker.ask(now) });
        }
        if (this.#answerer.isWaiting) {
            put({ type: Type.CLOCK_ANSWER, ...this.#answerer.take(now) });
        }
        this.#receiver.grant({
            connection: (bytes) => put({ type: Type.CONNECTION_CREDIT, bytes }),
            channel: (position, bytes, messages) => put({ type: Type.CHANNEL_CREDIT, position, bytes, messages }),
        });
    }

    #closeOnceFlushed(now) {
        if (this.#state !== State.FLUSHING || this.#sender.hasReliable) {
            return null;
        }
        this.#startClosing(now, this.#farewell);
        return this.#writeClose(now);
    }

    #writeClose(now) {
        const isAckDue = this.#received.deadline !== null && now >= this.#received.deadline;
        if (this.#farewellNumber !== null && !isAckDue) {
            return null;
        }
        this.#begin();
        this.#writeAck(now);
        if (this.#farewellNumber !== null) {
            return this.#finish(now, false, []);
        }
        this.#farewellNumber = this.#sent.next;
        encodeControl(this.#writer, { type: Type.CLOSE, ...this.#farewell });
        return this.#finish(now, true, []);
    }

    /** The acknowledgement of the other side's CLOSE. */
    #writeLast(now) {
        this.#state = State.CLOSED;
        this.#begin();
        this.#received.write(now, this.#writer);
        return this.#finish(now, false, []);
    }

    #begin() {
        const { next: number, largestAcknowledged } = this.#sent;
        encodeHeader(this.#writer, { connectionId: this.#setup.remoteId, number, largestAcknowledged });
    }

    #finish(now, isProvoking, completed) {
        this.#sent.handleSent(now, isProvoking, completed);
        this.#lastSentAt = now;
        const bytes = this.#writer.take();
        this.#counts.packetsSent++;
        this.#counts.bytesSent += bytes.length;
        return bytes;
    }

    #startClosing(now, farewell) {
        this.#state = State.CLOSING;
        this.#farewell = farewell;
        this.#farewellDeadline = now + FAREWELL_MS;
    }

    #end(state, why) {
        const isNews = !this.isClosed && this.#state !== State.DRAINING;
        this.#state = this.isClosed ? State.CLOSED : state;
        this.#farewellDeadline = null;
        if (isNews) {
            this.#events.push({ type: "close", ...why });
        }
    }
}

