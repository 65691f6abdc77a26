/** The options of `Client.connect`, parsed into what cannot be wrong. */

import { CHANNELS_MAX, modeOf, NAME_BYTES_MAX } from "./channels.js";
import { TmeError } from "./error.js";
import {
    applicationId,
    LIMITS_DEFAULT,
    SCHEMAS_MAX,
    TOKEN_BYTES_MAX,
    USER_DATA_BYTES_MAX,
} from "./handshake.js";
import { RELIABLE_BYTES_MAX } from "./frames.js";

const CONNECT_TIMEOUT_MS = 10_000;
const QUEUE_MESSAGES = 8_192;
const QUEUE_BYTES = 4 * 1_024 * 1_024;
const U64_MAX = 2n ** 64n - 1n;

/** Text as UTF-8, anything else that holds bytes as it is. A copy: the caller may go on writing to its own. */
export function bytesOf(value, what = "data") {
    if (typeof value === "string") {
        return new TextEncoder().encode(value);
    }
    if (value instanceof ArrayBuffer) {
        return new Uint8Array(value.slice(0));
    }
    if (ArrayBuffer.isView(value)) {
        return new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice();
    }
    throw TmeError.usage(`${what} must be a string, an ArrayBuffer or a view of one`);
}

/** Bytes of at most so many. */
export function shortBytes(value, bytesMax, what) {
    const bytes = bytesOf(value, what);
    if (bytes.length > bytesMax) {
        throw TmeError.usage(`${what} of ${bytes.length} bytes is longer than ${bytesMax}`);
    }
    return bytes;
}

function wholeNumber(value, least, most, what) {
    if (!Number.isInteger(value) || value < least || value > most) {
        throw TmeError.usage(`${what} is ${value}, and not a whole number from ${least} to ${most}`);
    }
    return value;
}

/** @param {import("./client.js").ConnectOptions} options */
export function parseOptions(options) {
    const { connectTimeoutMs = CONNECT_TIMEOUT_MS, clock = false, signal } = options;
    const { queueMessages = QUEUE_MESSAGES, queueBytes = QUEUE_BYTES } = options;
    return {
        application: parseApplication(options.application),
        table: options.channels === undefined ? null : parseTable(options.channels),
        userData: shortBytes(options.userData ?? "", USER_DATA_BYTES_MAX, "userData"),
        token: parseToken(options.token),
        schemas: parseSchemas(options.schemas ?? []),
        limits: parseLimits(options),
        connectTimeoutMs: wholeNumber(connectTimeoutMs, 1, 2 ** 31 - 1, "connectTimeoutMs"),
        queueLimits: {
            messages: wholeNumber(queueMessages, 1, 2 ** 31 - 1, "queueMessages"),
            bytes: wholeNumber(queueBytes, 1, 2 ** 31 - 1, "queueBytes"),
        },
        isClockWanted: Boolean(clock),
        signal,
        WebSocket: options.WebSocket ?? globalThis.WebSocket,
    };
}

function parseApplication(application) {
    if (application === undefined) {
        return 0n;
    }
    if (typeof application === "bigint" && application >= 0n && application <= U64_MAX) {
        return application;
    }
    if (typeof application === "string") {
        return applicationId(application);
    }
    throw TmeError.usage("application must be a name, or a BigInt below 2^64");
}

/** A token comes as the bytes or as the text that `tme token make` prints: base64url (RFC 4648, section 5). */
function parseToken(token) {
    if (typeof token !== "string") {
        return shortBytes(token ?? "", TOKEN_BYTES_MAX, "token");
    }
    try {
        const binary = atob(token.trim().replaceAll("-", "+").replaceAll("_", "/"));
        return shortBytes(Uint8Array.from(binary, (character) => character.charCodeAt(0)), TOKEN_BYTES_MAX, "token");
    } catch (error) {
        throw error instanceof TmeError ? error : TmeError.usage("token is text, but not base64url");
    }
}

function parseTable(channels) {
    const entries = [...channels];
    if (entries.length < 1 || entries.length > CHANNELS_MAX) {
        throw TmeError.usage(`channels has ${entries.length} entries, and not 1 to ${CHANNELS_MAX}`);
    }
    const table = entries.map(({ name, mode, id }, position) => {
        const number = modeOf(mode);
        if (number === undefined) {
            throw TmeError.usage(`channel "${name}" has the mode "${mode}", which does not exist`);
        }
        shortBytes(name, NAME_BYTES_MAX, `the name of channel ${position}`);
        return { id: wholeNumber(id ?? position, 0, 255, "the id of a channel"), name, mode: number };
    });
    if (new Set(table.map(({ id }) => id)).size < table.length) {
        throw TmeError.usage("two channels have the same id");
    }
    return table;
}

function parseSchemas(schemas) {
    const pairs = [...schemas].map(([tag, hash]) => [wholeNumber(tag, 0, 2 ** 32 - 1, "a schema's tag"), BigInt(hash)]);
    if (pairs.length > SCHEMAS_MAX) {
        throw TmeError.usage(`${pairs.length} schemas are more than ${SCHEMAS_MAX}`);
    }
    return pairs.sort(([left], [right]) => left - right);
}

function parseLimits({ messageBytesMax, idleTimeoutMs }) {
    const messageBytes = messageBytesMax ?? LIMITS_DEFAULT.messageBytes;
    wholeNumber(messageBytes, 1_100, RELIABLE_BYTES_MAX, "messageBytesMax");
    return {
        ...LIMITS_DEFAULT,
        messageBytes,
        // Twice and four times the largest message, as by default: so that one can arrive while another is read.
        channelBytes: Math.max(LIMITS_DEFAULT.channelBytes, 2 * messageBytes),
        connectionBytes: Math.max(LIMITS_DEFAULT.connectionBytes, 4 * messageBytes),
        idleTimeoutMs: wholeNumber(idleTimeoutMs ?? LIMITS_DEFAULT.idleTimeoutMs, 1_000, 3_600_000, "idleTimeoutMs"),
    };
}
