/** The receiving side of the channels: duplicates, order, reassembly, and the credit that is given back. */

import { isKeyed, isReliable, Mode } from "./channels.js";
import { expandTruncated } from "./codec.js";
import { CELL_BYTES, cellsOf, SEQUENCE_BITS } from "./frames.js";
import { Reason } from "./reason.js";

/** Incomplete messages of unreliable channels that are kept; the oldest gives way. */
const UNRELIABLE_PARTIALS_MAX = 8;
/** How long they are. */
const UNRELIABLE_PARTIAL_MS = 3_000;
/** Credit is given back in parts of the window: fewer frames, and the sender never waits for the last of it. */
const GRANTS_PER_WINDOW = 8;
/** Keys remembered before those are looked for that can be forgotten. */
const KEYS_SWEPT_FROM = 64;

/** The other side broke a promise; `reason` is what the connection closes with. */
export class Violation extends Error {
    name = "Violation";

    constructor(reason, message) {
        super(message);
        this.reason = reason;
    }
}

function contradiction() {
    return new Violation(Reason.PROTOCOL_VIOLATION, "pieces of a message contradict each other");
}

function beyondCredit() {
    return new Violation(Reason.FLOW_CONTROL, "more than was granted");
}

/** A window of bytes or messages that moves on as they are taken away; all numbers are absolute. */
class Window {
    #size;
    #step;
    #consumed = 0;
    #granted;

    /** What is `largest` must always fit into what is left of `size`, or its sender would wait for ever. */
    constructor(size, largest) {
        this.#size = size;
        this.#granted = size;
        this.#step = Math.max(1, Math.min(Math.floor(size / GRANTS_PER_WINDOW), size - largest));
    }

    get size() {
        return this.#size;
    }

    get granted() {
        return this.#granted;
    }

    consume(count) {
        this.#consumed += count;
    }

    get isGrantDue() {
        return this.#consumed + this.#size - this.#granted >= this.#step;
    }

    grant() {
        this.#granted = this.#consumed + this.#size;
        return this.#granted;
    }
}

/** A message of which pieces are there. */
class Partial {
    #bytes;
    #present;
    #missing;

    constructor(total, key) {
        this.#bytes = new Uint8Array(total);
        this.#missing = cellsOf(total);
        this.#present = new Uint8Array(this.#missing);
        this.key = key;
    }

    get total() {
        return this.#bytes.length;
    }

    /** Copies cells in; gives whether the message is complete. */
    insert({ index, total, key, data }) {
        if (total !== this.total || key !== this.key) {
            throw contradiction();
        }
        this.#bytes.set(data, index * CELL_BYTES);
        for (let cell = index; cell < index + cellsOf(data.length); cell++) {
            this.#missing -= 1 - this.#present[cell];
            this.#present[cell] = 1;
        }
        return this.#missing === 0;
    }

    get bytes() {
        return this.#bytes;
    }
}

/** One channel of a reliable mode: every message once, in the order its mode promises. */
class ReliableChannel {
    #mode;
    /** The lowest sequence not received. */
    #base = 0;
    /** By sequence, from the base on: a message that waits for older ones, or null once it is done with. */
    #slots = new Map();
    #partials = new Map();
    /** By key: the newest sequence delivered, and the one under reassembly. */
    #delivered = new Map();
    #partialOfKey = new Map();
    #sweepAt = KEYS_SWEPT_FROM;
    #messageBytesMax;
    #receivedBytes = 0;
    #connection;

    constructor(mode, limits, connection) {
        this.#mode = mode;
        this.#messageBytesMax = limits.messageBytes;
        this.bytes = new Window(limits.channelBytes, limits.messageBytes);
        this.messages = new Window(limits.channelMessages, 1);
        this.#connection = connection;
    }

    get reference() {
        return this.#base;
    }

    handleMessage(sequence, frame, deliver) {
        if (this.#isReceived(sequence)) {
            return false;
        }
        if (frame.total !== null) {
            this.#handlePiece(sequence, frame, deliver);
            return true;
        }
        if (this.#partials.has(sequence)) {
            throw contradiction();
        }
        this.#account(frame.data.length);
        this.#complete(sequence, frame.key, frame.data.slice(), deliver);
        return true;
    }

    #handlePiece(sequence, frame, deliver) {
        let partial = this.#partials.get(sequence);
        if (partial === undefined) {
            this.#account(frame.total);
            if (this.#isStale(sequence, frame.key)) {
                this.#settle(sequence, frame.total, deliver);
                return;
            }
            partial = new Partial(frame.total, frame.key);
            this.#giveUpOlder(sequence, frame.key, deliver);
            this.#partials.set(sequence, partial);
            if (isKeyed(this.#mode)) {
                this.#partialOfKey.set(frame.key, sequence);
            }
        }
        if (partial.insert(frame)) {
            this.#removePartial(sequence);
            this.#complete(sequence, frame.key, partial.bytes, deliver);
        }
    }

    /** The sender will not (completely) send this message. */
    handleSkip(sequence, bytes, deliver) {
        if (this.#isReceived(sequence)) {
            return;
        }
        const partial = this.#removePartial(sequence);
        if (partial === undefined) {
            this.#account(bytes);
        } else if (partial.total !== bytes) {
            throw contradiction();
        }
        this.#settle(sequence, bytes, deliver);
    }

    /** The application, or nobody, has taken messages away. */
    consume(bytes, messages) {
        this.bytes.consume(bytes);
        this.messages.consume(messages);
        this.#connection.consume(bytes);
    }

    #isReceived(sequence) {
        if (sequence < this.#base) {
            return true;
        }
        if (sequence >= this.messages.granted || sequence - this.#base >= this.messages.size) {
            throw beyondCredit();
        }
        return this.#slots.has(sequence);
    }

    #account(bytes) {
        this.#receivedBytes += bytes;
        if (bytes > this.#messageBytesMax || this.#receivedBytes > this.bytes.granted) {
            throw beyondCredit();
        }
        this.#connection.account(bytes);
    }

    #isStale(sequence, key) {
        return isKeyed(this.#mode) && (this.#delivered.get(key) ?? -1) > sequence;
    }

    #giveUpOlder(sequence, key, deliver) {
        const older = isKeyed(this.#mode) ? this.#partialOfKey.get(key) : undefined;
        if (older !== undefined && older < sequence) {
            const { total } = this.#removePartial(older);
            this.#settle(older, total, deliver);
        }
    }

    #removePartial(sequence) {
        const partial = this.#partials.get(sequence);
        this.#partials.delete(sequence);
        if (partial !== undefined && this.#partialOfKey.get(partial.key) === sequence) {
            this.#partialOfKey.delete(partial.key);
        }
        return partial;
    }

    #complete(sequence, key, data, deliver) {
        if (this.#mode === Mode.RELIABLE_ORDERED && sequence !== this.#base) {
            this.#slots.set(sequence, data);
            return;
        }
        if (this.#isStale(sequence, key)) {
            this.#settle(sequence, data.length, deliver);
            return;
        }
        if (isKeyed(this.#mode)) {
            this.#giveUpOlder(sequence, key, deliver);
            this.#delivered.set(key, sequence);
        }
        deliver(data, key);
        this.#mark(sequence, deliver);
    }

    /** Done with, without the application. */
    #settle(sequence, bytes, deliver) {
        this.consume(bytes, 1);
        this.#mark(sequence, deliver);
    }

    #mark(sequence, deliver) {
        this.#slots.set(sequence, null);
        while (this.#slots.has(this.#base)) {
            const held = this.#slots.get(this.#base);
            this.#slots.delete(this.#base);
            this.#base++;
            if (held !== null) {
                deliver(held, 0);
            }
        }
        this.#forgetKeys();
    }

    /** Below the lowest sequence missing whatever comes is a repetition, so its keys need not be known. */
    #forgetKeys() {
        if (this.#slots.size === 0) {
            this.#delivered.clear();
        } else if (this.#delivered.size >= this.#sweepAt) {
            for (const [key, sequence] of this.#delivered) {
                if (sequence < this.#base) {
                    this.#delivered.delete(key);
                }
            }
            this.#sweepAt = Math.max(KEYS_SWEPT_FROM, 2 * this.#delivered.size);
        }
    }
}

/** Credit of all reliable channels together. */
class ConnectionCredit extends Window {
    #received = 0;

    constructor(limits) {
        super(limits.connectionBytes, limits.messageBytes);
    }

    account(bytes) {
        this.#received += bytes;
        if (this.#received > this.granted) {
            throw beyondCredit();
        }
    }
}

/** What comes in on all channels of a connection. */
export class Receiver {
    #table;
    #channels;
    #credit;
    /** By position: what sequences of unreliable channels are expanded against. */
    #references;
    /** Incomplete messages of unreliable channels, oldest first. */
    #unreliable = [];
    #duplicates = 0;

    /** @param {import("./channels.js").ChannelTable} table @param {import("./handshake.js").Limits} limits ours */
    constructor(table, limits) {
        this.#table = table;
        this.#credit = new ConnectionCredit(limits);
        this.#references = table.map(() => 0);
        this.#channels = table.map(({ mode }) =>
            isReliable(mode) ? new ReliableChannel(mode, limits, this.#credit) : null,
        );
    }

    get duplicates() {
        return this.#duplicates;
    }

    /**
     * Takes a MESSAGE; `deliver(data, key)` gets whatever can be handed to the application now. Throws `Violation`.
     * @param {number[]} lastSequences of the packet, by position: what implied sequences follow
     */
    handleMessage(now, frame, lastSequences, deliver) {
        const { position } = frame;
        const { mode } = this.#table[position];
        const sequence = this.#expand(frame, lastSequences);
        const channel = this.#channels[position];
        if (channel !== null) {
            this.#duplicates += channel.handleMessage(sequence, frame, deliver) ? 0 : 1;
        } else if (mode === Mode.SEQUENCED && sequence < this.#references[position]) {
            this.#duplicates++;
        } else {
            this.#handleUnreliable(now, sequence, frame, deliver);
        }
    }

    handleSkip({ position, sequence, bytes }, deliver) {
        const channel = this.#channels[position];
        channel.handleSkip(expandTruncated(sequence, SEQUENCE_BITS, channel.reference), bytes, deliver);
    }

    /** The application has taken a message away. */
    consume(position, bytes) {
        this.#channels[position]?.consume(bytes, 1);
    }

    /** Whether a grant of credit is worth a packet. */
    get isGrantDue() {
        return this.#credit.isGrantDue || this.#channels.some((channel) => this.#isChannelDue(channel));
    }

    #isChannelDue(channel) {
        return channel !== null && (channel.bytes.isGrantDue || channel.messages.isGrantDue);
    }

    /** Grants what is due: `connection(bytes)` and `channel(position, bytes, messages)` write the frames. */
    grant({ connection, channel }) {
        if (this.#credit.isGrantDue) {
            connection(this.#credit.grant());
        }
        this.#channels.forEach((each, position) => {
            if (this.#isChannelDue(each)) {
                channel(position, each.bytes.grant(), each.messages.grant());
            }
        });
    }

    #expand({ position, sequence, isImplied }, lastSequences) {
        if (sequence === null && !isImplied) {
            return 0;
        }
        const reference = this.#channels[position]?.reference ?? this.#references[position];
        const full = isImplied ? lastSequences[position] + 1 : expandTruncated(sequence, SEQUENCE_BITS, reference);
        lastSequences[position] = full;
        return full;
    }

    #handleUnreliable(now, sequence, frame, deliver) {
        const isSequenced = this.#table[frame.position].mode === Mode.SEQUENCED;
        if (!isSequenced && frame.total !== null) {
            // Moves on even if this message is never complete.
            this.#references[frame.position] = Math.max(this.#references[frame.position], sequence);
        }
        const data = frame.total === null ? frame.data.slice() : this.#reassemble(now, sequence, frame);
        if (data === null) {
            return;
        }
        if (isSequenced) {
            this.#references[frame.position] = sequence + 1;
            this.#forgetUnreliable((partial) => partial.position === frame.position && partial.sequence <= sequence);
        }
        deliver(data, 0);
    }

    #reassemble(now, sequence, frame) {
        const { position } = frame;
        this.#forgetUnreliable(({ began }) => now - began > UNRELIABLE_PARTIAL_MS);
        let entry = this.#unreliable.find((each) => each.position === position && each.sequence === sequence);
        if (entry === undefined) {
            entry = { position, sequence, began: now, partial: new Partial(frame.total, frame.key) };
            this.#unreliable.push(entry);
            if (this.#unreliable.length > UNRELIABLE_PARTIALS_MAX) {
                this.#unreliable.shift();
            }
        }
        if (!entry.partial.insert(frame)) {
            return null;
        }
        this.#forgetUnreliable((each) => each === entry);
        return entry.partial.bytes;
    }

    #forgetUnreliable(isForgotten) {
        this.#unreliable = this.#unreliable.filter((each) => !isForgotten(each));
    }
}
