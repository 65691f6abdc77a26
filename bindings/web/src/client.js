/** The client that a page uses: a connection, its WebSocket and its timers. */

import { attempt } from "./attempt.js";
import { modeName } from "./channels.js";
import { Connection } from "./connection.js";
import { TmeError } from "./error.js";
import { closeInfo, TmeCloseEvent, TmeMessageEvent, TmeWritableEvent } from "./events.js";
import { DETAIL_BYTES_MAX } from "./frames.js";
import { decodeAnswer } from "./handshake.js";
import { bytesOf, parseOptions, shortBytes } from "./options.js";
import { isPacket } from "./packet.js";
import { Reason } from "./reason.js";

/** What the socket may hold back before we do: what is late waits in our queues, where it can still be replaced. */
const SOCKET_BYTES_MAX = 64 * 1_024;
/** A browser does not tell when its socket has taken something, so we look. */
const SOCKET_LOOK_MS = 4;
/** How long a socket may take nothing although bytes wait. */
const TOO_SLOW_MS = 30_000;
const STATUS_NORMAL = 1_000;
const U32_MAX = 0xffff_ffff;

/** A channel of a connected client. */
export class ClientChannel {
    #client;

    constructor(client, { id, name, mode }) {
        this.#client = client;
        this.id = id;
        this.name = name;
        this.mode = modeName(mode);
        Object.freeze(this);
    }

    /** `client.send` for this channel. */
    send(data, options) {
        return this.#client.send(this.name, data, options);
    }
}

/** A connection to a server. See `index.d.ts` for its interface in full. */
export class Client extends EventTarget {
    #connection;
    #socket;
    #answer;
    #channels;
    #positions = new Map();
    #timer;
    #isFlushPlanned = false;
    #isListened = false;
    /** Messages that came before anybody listened. */
    #held = [];
    #bytesGiven = 0;
    #taken = { bytes: 0, at: 0 };
    #isOver = false;
    #tellClosed;

    /** Why the connection ended, once it has. */
    closed = new Promise((resolve) => (this.#tellClosed = resolve));

    /**
     * Connects to a server.
     * @param {string | URL} url
     * @param {object} [options] see `ConnectOptions`
     * @returns {Promise<Client>}
     */
    static async connect(url, options = {}) {
        const parsed = parseOptions(options);
        return new Client(await attempt(url, parsed), parsed);
    }

    constructor({ socket, answer, localId }, options) {
        super();
        this.#socket = socket;
        this.#answer = answer;
        const table = answer.table ?? options.table;
        this.#connection = new Connection(performance.now(), {
            localId,
            remoteId: answer.connectionId,
            table,
            localLimits: options.limits,
            remoteLimits: answer.limits,
            resetToken: answer.resetToken,
            queueLimits: options.queueLimits,
            isClockWanted: options.isClockWanted,
        });
        this.#channels = Object.freeze(table.map((channel) => new ClientChannel(this, channel)));
        this.#channels.forEach(({ name }, position) => this.#positions.set(name, position));
        socket.onmessage = ({ data }) => this.#handleMessage(data);
        socket.onclose = () => this.#handleLoss(Reason.LINK_LOST, false);
        this.#flush();
    }

    get channels() {
        return this.#channels;
    }

    get isOpen() {
        return this.#connection.isOpen;
    }

    get peerNumber() {
        return this.#answer.peerNumber;
    }

    get userData() {
        return this.#answer.userData;
    }

    get serverTime() {
        return this.#connection.serverTime(performance.now());
    }

    get statistics() {
        return { ...this.#connection.statistics, socketBytes: this.#socket.bufferedAmount };
    }

    channel(name) {
        return this.#channels[this.#position(name)];
    }

    #position(name) {
        const position = this.#positions.get(name);
        if (position === undefined) {
            const names = this.#channels.map((channel) => `"${channel.name}"`).join(", ");
            throw new TmeError(`there is no channel "${name}"; the server has ${names}`, { kind: "no such channel" });
        }
        return position;
    }

    send(channel, data, { key = 0 } = {}) {
        const position = this.#position(channel);
        const isTaken = this.#connection.send(performance.now(), position, bytesOf(data), key);
        this.#planFlush();
        return isTaken;
    }

    close({ code = 0, detail = "" } = {}) {
        if (!Number.isInteger(code) || code < 0 || code > U32_MAX) {
            throw TmeError.usage("code must be a whole number below 2^32");
        }
        const bytes = shortBytes(detail, DETAIL_BYTES_MAX, "detail");
        this.#connection.close(performance.now(), { code, detail: bytes });
        this.#planFlush();
        return this.closed;
    }

    addEventListener(type, ...rest) {
        super.addEventListener(type, ...rest);
        if (type === "message") {
            // Not before the listener's own line has ended.
            this.#isListened = true;
            this.#planFlush();
        }
    }

    #handleMessage(data) {
        if (!(data instanceof ArrayBuffer)) {
            this.#handleLoss(Reason.PROTOCOL_VIOLATION, true);
            return;
        }
        const bytes = new Uint8Array(data);
        if (isPacket(bytes)) {
            this.#connection.handlePacket(performance.now(), bytes);
        } else {
            this.#handleHandshake(bytes);
        }
        this.#flush();
    }

    /** Of all handshake datagrams only RESET says something to a connection. */
    #handleHandshake(bytes) {
        try {
            const answer = decodeAnswer(bytes, 0n, true);
            if (answer?.kind === "reset") {
                this.#connection.handleReset(answer.token);
            }
        } catch {
            // Dropped, as everything is that cannot be made out.
        }
    }

    #handleLoss(reason, isLocal) {
        this.#connection.handleLoss(reason, isLocal);
        this.#flush();
    }

    /** What is sent in one go leaves in one packet. */
    #planFlush() {
        if (!this.#isFlushPlanned) {
            this.#isFlushPlanned = true;
            queueMicrotask(() => {
                this.#isFlushPlanned = false;
                this.#flush();
            });
        }
    }

    #flush() {
        if (this.#isOver) {
            return this.#tellHeld();
        }
        const now = performance.now();
        this.#connection.handleTimeout(now);
        // Before sending: what the application takes away is credit to be given back.
        this.#tellAll();
        this.#send(now);
        this.#watchSocket(now);
        this.#tellAll();
        return this.#connection.isClosed ? this.#end() : this.#setTimer();
    }

    #tellAll() {
        this.#tellHeld();
        for (let event = this.#connection.pollEvent(); event !== null; event = this.#connection.pollEvent()) {
            this.#tell(event);
        }
    }

    #send(now) {
        while (this.#socket.bufferedAmount < SOCKET_BYTES_MAX) {
            const packet = this.#connection.pollPacket(now);
            if (packet === null) {
                return;
            }
            this.#socket.send(packet);
            this.#bytesGiven += packet.length;
        }
    }

    #watchSocket(now) {
        const bytes = this.#bytesGiven - this.#socket.bufferedAmount;
        if (bytes !== this.#taken.bytes || this.#socket.bufferedAmount === 0) {
            this.#taken = { bytes, at: now };
        } else if (now - this.#taken.at >= TOO_SLOW_MS) {
            this.#connection.handleLoss(Reason.TOO_SLOW, true);
        }
    }

    #setTimer() {
        clearTimeout(this.#timer);
        const due = this.#connection.pollTimeout();
        const isBackedUp = this.#socket.bufferedAmount >= SOCKET_BYTES_MAX;
        const delay = isBackedUp ? SOCKET_LOOK_MS : Math.max(0, Math.ceil(due - performance.now()));
        this.#timer = setTimeout(() => this.#flush(), delay);
    }

    #tellHeld() {
        while (this.#isListened && this.#held.length > 0) {
            this.#tellMessage(this.#held.shift());
        }
    }

    #tell(event) {
        switch (event.type) {
            case "message":
                return this.#isListened ? this.#tellMessage(event) : this.#held.push(event);
            case "writable":
                return this.dispatchEvent(new TmeWritableEvent(this.#channels[event.position].name));
            case "close": {
                const info = closeInfo(event);
                this.#tellClosed(info);
                return this.dispatchEvent(new TmeCloseEvent(info));
            }
            default:
                return this.dispatchEvent(new Event(event.type));
        }
    }

    #tellMessage({ position, data, key }) {
        this.dispatchEvent(new TmeMessageEvent(this.#channels[position].name, data, key));
        this.#connection.consume(position, data.length);
    }

    #end() {
        this.#isOver = true;
        clearTimeout(this.#timer);
        Object.assign(this.#socket, { onmessage: null, onclose: null });
        this.#socket.close(STATUS_NORMAL);
    }
}
