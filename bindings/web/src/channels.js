/** The channel table: what each channel promises, and the hash by which two sides compare theirs (section 7.1). */

import { DecodeError, Reader, Writer } from "./codec.js";
import { hash64 } from "./sha256.js";

/** Most channels of a table. */
export const CHANNELS_MAX = 32;
/** Most bytes of a channel's name. */
export const NAME_BYTES_MAX = 64;

/** What a channel promises; the values are those of the wire. */
export const Mode = Object.freeze({
    /** May be lost or reordered; never twice. */
    UNRELIABLE: 0,
    /** Newest wins: a message older than the last delivered is dropped. */
    SEQUENCED: 1,
    /** Each once, as it comes. */
    RELIABLE_UNORDERED: 2,
    /** Each once, in order. */
    RELIABLE_ORDERED: 3,
    /** Per key the newest value arrives; older ones may be left out. */
    RELIABLE_LATEST: 4,
});

const MODE_NAMES = ["unreliable", "sequenced", "reliable-unordered", "reliable-ordered", "reliable-latest"];

/** Whether messages of this mode arrive for certain, and use credit. */
export function isReliable(mode) {
    return mode >= Mode.RELIABLE_UNORDERED;
}

/** Whether messages of this mode have a key. */
export function isKeyed(mode) {
    return mode === Mode.RELIABLE_LATEST;
}

/** The mode's name, as `Client.connect` takes it in `channels`. */
export function modeName(mode) {
    return MODE_NAMES[mode];
}

/** The mode of a name, or undefined. */
export function modeOf(name) {
    const mode = MODE_NAMES.indexOf(name);
    return mode < 0 ? undefined : mode;
}

/**
 * @typedef {{id: number, name: string, mode: number}} Channel its position is its place in the table
 * @typedef {readonly Channel[]} ChannelTable
 */

/** Appends the table as it stands in the server's answer and under the hash. */
export function encodeTable(writer, table) {
    writer.u8(table.length);
    for (const { id, name, mode } of table) {
        const bytes = new TextEncoder().encode(name);
        writer.u8(id).u8(mode).u8(isKeyed(mode) ? 1 : 0).u8(bytes.length).bytes(bytes);
    }
}

/**
 * Takes a table of 1 to 32 channels.
 * @param {Reader} reader
 * @param {number} count taken before: a server's answer may hold 0
 * @returns {Channel[]}
 */
export function decodeTable(reader, count) {
    if (count < 1 || count > CHANNELS_MAX) {
        throw new DecodeError(`a table of ${count} channels`);
    }
    const table = [];
    for (let position = 0; position < count; position++) {
        table.push(decodeChannel(reader));
    }
    if (new Set(table.map(({ id }) => id)).size < count) {
        throw new DecodeError("two channels have the same id");
    }
    return table;
}

function decodeChannel(reader) {
    const [id, mode, orderingKey, nameBytes] = [reader.u8(), reader.u8(), reader.u8(), reader.u8()];
    if (mode > Mode.RELIABLE_LATEST || orderingKey !== (isKeyed(mode) ? 1 : 0) || nameBytes > NAME_BYTES_MAX) {
        throw new DecodeError("a channel that cannot be");
    }
    try {
        const name = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(reader.bytes(nameBytes));
        return { id, name, mode };
    } catch (error) {
        throw error instanceof DecodeError ? error : new DecodeError("a channel's name is not UTF-8");
    }
}

/** The hash of a table: never 0, which means "none declared". */
export function tableHash(table) {
    const writer = new Writer();
    writer.bytes(new TextEncoder().encode("TME channels"));
    encodeTable(writer, table);
    return hash64(writer.take()) || 1n;
}
