/** The handshake of a connection that a stream carries: OPEN, OPENED, REFUSE, RESET (sections 2.1, 3, 4, 12.5). */

import { decodeTable } from "./channels.js";
import { DecodeError, Reader, Writer } from "./codec.js";
import { DETAIL_BYTES_MAX } from "./frames.js";
import { hash64 } from "./sha256.js";

/** The protocol version that this client speaks. */
export const VERSION = 1;
/** Most bytes of user data. */
export const USER_DATA_BYTES_MAX = 512;
/** Most bytes of a connect token. */
export const TOKEN_BYTES_MAX = 700;
/** Most schema hashes. */
export const SCHEMAS_MAX = 8;

const MAGIC = new TextEncoder().encode("TMED");
const PREFIX_BYTES = MAGIC.length + 1;
const Kind = Object.freeze({ REFUSE: 5, RESET: 6, OPEN: 11, OPENED: 12 });
const SUITE_CARRIED = 0x40;
const PATTERN_NONE = 2;
const VERSIONS_MAX = 7;
const EXTENSIONS_MAX = 16;
const Extension = Object.freeze({ TOKEN: 1, USER_DATA: 2, SCHEMAS: 5 });
const PEER_NUMBER_MIN = 2;
const PEER_NUMBER_MAX = 2 ** 31 - 1;
const CREDIT_MAX = 2 ** 30;

/**
 * @typedef {object} Limits what the sender of this structure is willing to receive (section 3.3)
 * @property {number} messageBytes largest reliable message
 * @property {number} connectionBytes credit of all reliable channels together
 * @property {number} channelBytes credit of each reliable channel
 * @property {number} channelMessages the same in messages
 * @property {number} datagramBytes largest datagram; says nothing on a stream
 * @property {number} idleTimeoutMs
 */

/** @type {Readonly<Limits>} */
export const LIMITS_DEFAULT = Object.freeze({
    messageBytes: 1_048_576,
    connectionBytes: 4_194_304,
    channelBytes: 2_097_152,
    channelMessages: 8_192,
    datagramBytes: 1_452,
    idleTimeoutMs: 30_000,
});

/** The id of an application: the first eight bytes of the hash of its name. */
export function applicationId(name) {
    return hash64(new TextEncoder().encode(name));
}

function encodeLimits(writer, limits) {
    writer.varint(limits.messageBytes).varint(limits.connectionBytes).varint(limits.channelBytes);
    writer.varint(limits.channelMessages).varint(limits.datagramBytes).varint(limits.idleTimeoutMs);
}

function decodeLimits(reader) {
    const messageBytes = reader.varintIn(1_100, 16_777_216);
    return {
        messageBytes,
        connectionBytes: reader.varintIn(messageBytes, CREDIT_MAX),
        channelBytes: reader.varintIn(messageBytes, CREDIT_MAX),
        channelMessages: reader.varintIn(1, 262_144),
        datagramBytes: reader.varintIn(1_200, 65_527),
        idleTimeoutMs: reader.varintIn(1_000, 3_600_000),
    };
}

/** The payload of message 1 (section 3.1). */
export function encodeParameters({ connectionId, limits, token, userData, schemas }) {
    const extensions = [];
    if (token?.length > 0) {
        extensions.push([Extension.TOKEN, token]);
    }
    if (userData?.length > 0) {
        extensions.push([Extension.USER_DATA, userData]);
    }
    if (schemas?.length > 0) {
        const hashes = new Writer();
        schemas.forEach(([tag, hash]) => hashes.u32(tag).u64(hash));
        extensions.push([Extension.SCHEMAS, hashes.take()]);
    }
    const writer = new Writer();
    writer.u32(connectionId);
    encodeLimits(writer, limits);
    writer.varint(extensions.length);
    extensions.forEach(([type, content]) => writer.varint(type).varint(content.length).bytes(content));
    return writer.take();
}

/**
 * The OPEN datagram.
 * @param {{nonce: bigint, ephemeral: Uint8Array, application: bigint, tableHash: bigint, connectionId: number,
 *     limits: Limits, token?: Uint8Array, userData?: Uint8Array, schemas?: [number, bigint][]}} request
 *     `ephemeral` is 32 random bytes, `tableHash` 0 to take the server's table, schemas with their tags ascending
 */
export function encodeOpen(request) {
    const writer = new Writer(1_024);
    writer.bytes(MAGIC).u8(Kind.OPEN);
    writer.u64(request.nonce).u8(1).u16(VERSION).u64(request.application).u64(request.tableHash);
    writer.u8(SUITE_CARRIED).u8(PATTERN_NONE).bytes(request.ephemeral);
    writer.bytes(encodeParameters(request));
    return writer.take();
}

/**
 * What a datagram of the handshake says, as one of these:
 * `{kind: "accepted", connectionId, peerNumber, resetToken, limits, table, userData}`, where `table` is null if the
 * client declared one; `{kind: "refused", reason, detail}`; `{kind: "reset", token}`; or null if it is not for whoever
 * sent `nonce`. Throws `DecodeError` if it is malformed.
 * @param {Uint8Array} bytes
 * @param {bigint} nonce what OPEN held
 * @param {boolean} isTableDeclared
 */
export function decodeAnswer(bytes, nonce, isTableDeclared) {
    const reader = new Reader(bytes);
    const kind = decodePrefix(reader);
    if (kind === Kind.RESET) {
        const token = reader.bytes(16);
        reader.finish();
        return { kind: "reset", token: token.slice() };
    }
    if (kind !== Kind.REFUSE && kind !== Kind.OPENED) {
        throw new DecodeError(`a handshake datagram of type ${kind}, which servers do not send here`);
    }
    const isOurs = reader.u64() === nonce;
    const answer = kind === Kind.REFUSE ? decodeRefuse(reader) : decodeOpened(reader, isTableDeclared);
    reader.finish();
    return isOurs ? answer : null;
}

function decodePrefix(reader) {
    const prefix = reader.bytes(PREFIX_BYTES);
    if (!MAGIC.every((byte, index) => prefix[index] === byte)) {
        throw new DecodeError("no datagram of this protocol");
    }
    return prefix[MAGIC.length];
}

function decodeRefuse(reader) {
    const reason = reader.u16();
    const count = reader.u8();
    if (count < 1 || count > VERSIONS_MAX) {
        throw new DecodeError("number of versions");
    }
    reader.bytes(2 * count);
    return { kind: "refused", reason, detail: new Uint8Array(0) };
}

function decodeOpened(reader, isTableDeclared) {
    if (reader.u16() !== VERSION) {
        throw new DecodeError("a version that was not offered");
    }
    return decodeServerAnswer(reader, { suites: SUITE_CARRIED, isTableDeclared });
}

/** Takes the payload of message 2 (section 3.2). `suites` are the bits offered. */
export function decodeServerAnswer(reader, { suites, isTableDeclared }) {
    const verdict = reader.u8();
    if (verdict === 1) {
        const reason = reader.u16();
        return { kind: "refused", reason, detail: reader.bytes(reader.varintIn(0, DETAIL_BYTES_MAX)).slice() };
    }
    const connectionId = reader.u32();
    const peerNumber = reader.u32();
    const suite = reader.u8();
    const isOffered = (suite & suites) !== 0 && (suite & (suite - 1)) === 0;
    const isPeer = peerNumber >= PEER_NUMBER_MIN && peerNumber <= PEER_NUMBER_MAX;
    if (verdict !== 0 || connectionId === 0 || !isOffered || !isPeer) {
        throw new DecodeError("an answer that cannot be");
    }
    const resetToken = reader.bytes(16).slice();
    const limits = decodeLimits(reader);
    const count = reader.u8();
    if (isTableDeclared && count !== 0) {
        throw new DecodeError("a table that nobody asked for");
    }
    const table = isTableDeclared ? null : decodeTable(reader, count);
    const userData = decodeExtensions(reader);
    return { kind: "accepted", connectionId, peerNumber, resetToken, limits, table, userData };
}

/** The user data among the server's extensions. Odd types are critical, and we know of none in this direction. */
function decodeExtensions(reader) {
    const count = reader.varintIn(0, EXTENSIONS_MAX);
    let userData = new Uint8Array(0);
    for (let index = 0, last = -1; index < count; index++) {
        const type = reader.varint();
        const content = reader.bytes(reader.varint());
        if (type <= last || type % 2 === 1) {
            throw new DecodeError(`extension ${type}, which is unknown or out of order`);
        }
        last = type;
        if (type === Extension.USER_DATA) {
            if (content.length > USER_DATA_BYTES_MAX) {
                throw new DecodeError("user data that are too long");
            }
            userData = content.slice();
        }
    }
    return userData;
}
