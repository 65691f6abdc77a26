/** An attempt to connect: from a URL to a socket over which the server has accepted us. */

import { tableHash } from "./channels.js";
import { TmeError } from "./error.js";
import { decodeAnswer, encodeOpen } from "./handshake.js";
import { Reason } from "./reason.js";

/** What both sides ask the WebSocket for. */
export const SUBPROTOCOL = "tme1";

const NO_SERVER =
    "no WebSocket there: is the server running, does it listen for TCP, and are address, port and ws:// or wss:// right?";
const NO_TME = "something answers there, but it is no TME server: check the port";
const NO_ANSWER = "the server has ended the stream without an answer: it may be another version, or too busy";

/**
 * Browsers tell pages nothing of why a WebSocket failed, so that pages cannot search networks; so this names what there is to look at.
 * @param {string} url
 */
function noServer(url) {
    const secure = /^wss:\/\/[^/]*/i.exec(url);
    return secure === null
        ? NO_SERVER
        : "no WebSocket over TLS there: is the server running, has it a certificate, and does this browser trust it? " +
              `Opened in a tab, https${secure[0].slice("wss".length)}/ shows what the browser has against it`;
}

function randomBytes(count) {
    return crypto.getRandomValues(new Uint8Array(count));
}

function randomId() {
    const [id] = crypto.getRandomValues(new Uint32Array(1));
    return id === 0 ? 1 : id;
}

/**
 * Connects. Rejects with a `TmeError`.
 * @param {string | URL} url
 * @param {ReturnType<import("./options.js").parseOptions>} options
 * @returns {Promise<{socket: WebSocket, answer: object, localId: number}>}
 */
export function attempt(url, options) {
    return new Promise((resolve, reject) => new Attempt(url, options, { resolve, reject }));
}

class Attempt {
    #options;
    #outcome;
    #socket;
    #timer;
    #nonce = new DataView(randomBytes(8).buffer).getBigUint64(0, true);
    #localId = randomId();
    #abort = () => this.#fail(TmeError.of(Reason.ABORTED));

    constructor(url, options, outcome) {
        this.#options = options;
        this.#outcome = outcome;
        if (options.signal?.aborted) {
            this.#fail(TmeError.of(Reason.ABORTED));
            return;
        }
        this.#socket = this.#open(url);
        if (this.#socket === null) {
            return;
        }
        this.#socket.binaryType = "arraybuffer";
        this.#socket.onopen = () => this.#handleOpen();
        this.#socket.onmessage = ({ data }) => this.#handleMessage(data);
        this.#socket.onclose = () => this.#fail(TmeError.of(Reason.LINK_LOST, { what: noServer(this.#socket.url) }));
        this.#timer = setTimeout(() => this.#fail(TmeError.of(Reason.CONNECT_TIMED_OUT)), options.connectTimeoutMs);
        options.signal?.addEventListener("abort", this.#abort);
    }

    #open(url) {
        if (this.#options.WebSocket === undefined) {
            this.#fail(TmeError.usage("there is no WebSocket here: give one in the options"));
            return null;
        }
        try {
            return new this.#options.WebSocket(url, SUBPROTOCOL);
        } catch (error) {
            const what = `no WebSocket can be opened to ${url}: ${error.message}`;
            this.#fail(TmeError.usage(what));
            return null;
        }
    }

    #handleOpen() {
        if (this.#socket.protocol !== SUBPROTOCOL) {
            this.#fail(TmeError.of(Reason.LINK_LOST, { what: NO_TME }));
            return;
        }
        this.#socket.onclose = () => this.#fail(TmeError.of(Reason.LINK_LOST, { what: NO_ANSWER }));
        const { application, table, limits, token, userData, schemas } = this.#options;
        this.#socket.send(encodeOpen({
            nonce: this.#nonce,
            ephemeral: randomBytes(32),
            application,
            tableHash: table === null ? 0n : tableHash(table),
            connectionId: this.#localId,
            limits,
            token,
            userData,
            schemas,
        }));
    }

    #handleMessage(data) {
        const answer = this.#decode(data);
        if (answer === undefined) {
            this.#fail(TmeError.of(Reason.PROTOCOL_VIOLATION, { what: NO_TME }));
        } else if (answer?.kind === "accepted") {
            this.#end();
            this.#outcome.resolve({ socket: this.#socket, answer, localId: this.#localId });
        } else if (answer?.kind === "refused") {
            this.#fail(TmeError.of(answer.reason, { detail: answer.detail }));
        }
    }

    /** What a datagram says, null for one that says nothing to us, undefined for one that cannot be. */
    #decode(data) {
        try {
            return decodeAnswer(new Uint8Array(data), this.#nonce, this.#options.table !== null);
        } catch {
            return undefined;
        }
    }

    #fail(error) {
        this.#end();
        if (this.#socket) {
            Object.assign(this.#socket, { onopen: null, onmessage: null, onclose: null });
            this.#socket.close();
        }
        this.#outcome.reject(error);
    }

    #end() {
        clearTimeout(this.#timer);
        this.#options.signal?.removeEventListener("abort", this.#abort);
    }
}
