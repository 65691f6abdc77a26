/** Frames: what a packet is made of (docs/PROTOCOL.md, sections 6 and 7.2). */

import { isKeyed, isReliable, Mode } from "./channels.js";
import { DecodeError } from "./codec.js";

/** Bytes of a cell: longer messages travel in cells, the last one shorter. */
export const CELL_BYTES = 1_100;
/** Longest unreliable message: 16 cells. */
export const UNRELIABLE_BYTES_MAX = 16 * CELL_BYTES;
/** Longest reliable message that can ever be agreed on. */
export const RELIABLE_BYTES_MAX = 16 * 1_024 * 1_024;
/** Most bytes of an application's detail beside a reason. */
export const DETAIL_BYTES_MAX = 512;
/** Most MESSAGE frames in a packet. */
export const MESSAGES_PER_PACKET_MAX = 2_048;
/** Bits of a sequence that travel. */
export const SEQUENCE_BITS = 24;
/** Packet numbers below the newest that an ACK's bit field covers. */
export const ACK_FIELD_BITS = 64;
/** Most ranges below the bit field. */
export const ACK_RANGES_MAX = 32;

/** The first byte of a frame. */
export const Type = Object.freeze({
    PADDING: 0x00,
    PING: 0x01,
    ACK: 0x02,
    ACK_GAPS: 0x03,
    ACK_RANGES: 0x04,
    CONNECTION_CREDIT: 0x05,
    CHANNEL_CREDIT: 0x06,
    SKIP: 0x07,
    CLOSE: 0x08,
    PATH_CHALLENGE: 0x09,
    PATH_RESPONSE: 0x0a,
    CLOCK_REQUEST: 0x0b,
    CLOCK_ANSWER: 0x0c,
    RESET_TOKEN: 0x0e,
    MESSAGE: 0x80,
});

const FRAGMENT = 0x20;
const IMPLIED_SEQUENCE = 0x40;
const POSITION = 0x1f;
const U32_MAX = 0xffff_ffff;
const FULL_BYTE = 0xff;
const NEVER_PROVOKING = [
    Type.PADDING,
    Type.ACK,
    Type.PATH_CHALLENGE,
    Type.PATH_RESPONSE,
    Type.CLOCK_ANSWER,
];

/** Cells of a message of so many bytes. */
export function cellsOf(bytes) {
    return Math.ceil(bytes / CELL_BYTES);
}

/** Whether a frame wants to be acknowledged. */
export function provokes(frame) {
    return !NEVER_PROVOKING.includes(frame.type);
}

/**
 * Takes the frames of a packet's payload one after the other. Each has a `type` of `Type` and the fields of its row in
 * the protocol's table; data are views of the payload. Throws `DecodeError` at the first malformed one.
 * @param {import("./codec.js").Reader} reader
 * @param {readonly number[]} modes by position in the channel table
 */
export function* decodeFrames(reader, modes) {
    if (reader.remaining === 0) {
        throw new DecodeError("a packet without frames");
    }
    let [acks, messages] = [0, 0];
    const isNumbered = new Uint8Array(modes.length);
    while (reader.remaining > 0) {
        const frame = decodeFrame(reader, modes);
        acks += frame.type === Type.ACK;
        messages += frame.type === Type.MESSAGE;
        if (acks > 1 || messages > MESSAGES_PER_PACKET_MAX) {
            throw new DecodeError("more frames of a kind than a packet may hold");
        }
        if (frame.isImplied && !isNumbered[frame.position]) {
            throw new DecodeError("an implied sequence after nothing");
        }
        if (frame.type === Type.MESSAGE && (frame.isImplied || frame.sequence !== null)) {
            isNumbered[frame.position] = 1;
        }
        yield frame;
    }
}

function decodeFrame(reader, modes) {
    const type = reader.u8();
    if (type >= Type.MESSAGE) {
        return decodeMessage(type, reader, modes);
    }
    switch (type) {
        case Type.PADDING:
        case Type.PING:
            return { type };
        case Type.ACK:
        case Type.ACK_GAPS:
        case Type.ACK_RANGES:
            return decodeAck(type, reader);
        case Type.CONNECTION_CREDIT:
            return { type, bytes: reader.varint() };
        case Type.CHANNEL_CREDIT: {
            const position = reliablePosition(reader, modes);
            return { type, position, bytes: reader.varint(), messages: reader.varint() };
        }
        case Type.SKIP: {
            const position = reliablePosition(reader, modes);
            return { type, position, sequence: reader.u24(), bytes: reader.varintIn(0, RELIABLE_BYTES_MAX) };
        }
        case Type.CLOSE: {
            const [reason, code] = [reader.u16(), reader.u32()];
            return { type, reason, code, detail: reader.bytes(reader.varintIn(0, DETAIL_BYTES_MAX)) };
        }
        case Type.PATH_CHALLENGE:
        case Type.PATH_RESPONSE:
            return { type, data: reader.bytes(8) };
        case Type.CLOCK_REQUEST:
            return { type, clientTime: reader.u64() };
        case Type.CLOCK_ANSWER:
            return { type, clientTime: reader.u64(), received: reader.u64(), sent: reader.u64() };
        case Type.RESET_TOKEN:
            return { type, token: reader.bytes(16) };
        default:
            throw new DecodeError(`unknown type of frame ${type}`);
    }
}

function reliablePosition(reader, modes) {
    const position = reader.u8();
    if (position >= modes.length || !isReliable(modes[position])) {
        throw new DecodeError("credit or SKIP where none can be");
    }
    return position;
}

/** All three forms give one frame: what they say differs only in length. */
function decodeAck(form, reader) {
    const ack = { type: Type.ACK, newest: reader.u32(), delay: reader.u16(), field: fullField(), ranges: [] };
    if (form === Type.ACK) {
        return ack;
    }
    const mask = reader.u8();
    for (let index = 0; index < 8; index++) {
        if (mask & (1 << index)) {
            ack.field[index] = reader.u8();
            if (ack.field[index] === FULL_BYTE) {
                throw new DecodeError("a byte of an ACK that should have been left out");
            }
        }
    }
    if (form === Type.ACK_GAPS) {
        if (mask === 0) {
            throw new DecodeError("an ACK with gaps that has none");
        }
        return ack;
    }
    const count = reader.u8();
    if (count < 1 || count > ACK_RANGES_MAX) {
        throw new DecodeError("number of an ACK's ranges");
    }
    for (let index = 0; index < count; index++) {
        ack.ranges.push({ gap: reader.varintIn(index === 0 ? 0 : 1, U32_MAX), length: reader.varintIn(1, U32_MAX) });
    }
    return ack;
}

/** The bit field of an ACK without gaps. */
export function fullField() {
    return new Uint8Array(ACK_FIELD_BITS / 8).fill(FULL_BYTE);
}

/** Appends an ACK in its shortest form. */
export function encodeAck(writer, { newest, delay, field, ranges }) {
    const isFull = field.every((byte) => byte === FULL_BYTE);
    const form = ranges.length > 0 ? Type.ACK_RANGES : isFull ? Type.ACK : Type.ACK_GAPS;
    writer.u8(form).u32(newest).u16(delay);
    if (form === Type.ACK) {
        return;
    }
    writer.u8(field.reduce((mask, byte, index) => (byte === FULL_BYTE ? mask : mask | (1 << index)), 0));
    writer.bytes(field.filter((byte) => byte !== FULL_BYTE));
    if (form === Type.ACK_RANGES) {
        writer.u8(ranges.length);
        ranges.forEach(({ gap, length }) => writer.varint(gap).varint(length));
    }
}

function decodeMessage(head, reader, modes) {
    const position = head & POSITION;
    const isFragment = (head & FRAGMENT) !== 0;
    const isImplied = (head & IMPLIED_SEQUENCE) !== 0;
    if (position >= modes.length) {
        throw new DecodeError("a message outside the channel table");
    }
    const mode = modes[position];
    const isNumbered = isFragment || mode !== Mode.UNRELIABLE;
    if (isImplied && (isFragment || !isNumbered)) {
        throw new DecodeError("an implied sequence where none can be");
    }
    const sequence = isNumbered && !isImplied ? reader.u24() : null;
    const key = isKeyed(mode) ? reader.varintIn(0, U32_MAX) : 0;
    const frame = { type: Type.MESSAGE, position, sequence, isImplied, key, index: 0, total: null };
    if (!isFragment) {
        return { ...frame, data: reader.bytes(reader.varintIn(0, CELL_BYTES)) };
    }
    const index = reader.varintIn(0, RELIABLE_BYTES_MAX / CELL_BYTES);
    const total = reader.varintIn(CELL_BYTES + 1, isReliable(mode) ? RELIABLE_BYTES_MAX : UNRELIABLE_BYTES_MAX);
    const length = reader.varintIn(1, total);
    const end = index * CELL_BYTES + length;
    if (end > total || (end !== total && length % CELL_BYTES !== 0)) {
        throw new DecodeError("a piece that is not made of whole cells");
    }
    return { ...frame, index, total, data: reader.bytes(length) };
}

/**
 * Appends a MESSAGE.
 * @param {import("./codec.js").Writer} writer
 * @param {number} mode of its channel
 * @param {{position: number, sequence: number | null, isImplied: boolean, key: number, index: number,
 *     total: number | null, data: Uint8Array}} message `total` is null for a whole message
 */
export function encodeMessage(writer, mode, { position, sequence, isImplied, key, index, total, data }) {
    const flags = (total === null ? 0 : FRAGMENT) | (isImplied ? IMPLIED_SEQUENCE : 0);
    writer.u8(Type.MESSAGE | flags | position);
    if (sequence !== null && !isImplied) {
        writer.u24(sequence);
    }
    if (isKeyed(mode)) {
        writer.varint(key);
    }
    if (total !== null) {
        writer.varint(index).varint(total);
    }
    writer.varint(data.length).bytes(data);
}

/** Appends any frame but ACK and MESSAGE. */
export function encodeControl(writer, frame) {
    writer.u8(frame.type);
    switch (frame.type) {
        case Type.CONNECTION_CREDIT:
            return writer.varint(frame.bytes);
        case Type.CHANNEL_CREDIT:
            return writer.u8(frame.position).varint(frame.bytes).varint(frame.messages);
        case Type.SKIP:
            return writer.u8(frame.position).u24(frame.sequence).varint(frame.bytes);
        case Type.CLOSE:
            return writer.u16(frame.reason).u32(frame.code).varint(frame.detail.length).bytes(frame.detail);
        case Type.PATH_CHALLENGE:
        case Type.PATH_RESPONSE:
            return writer.bytes(frame.data);
        case Type.CLOCK_REQUEST:
            return writer.u64(frame.clientTime);
        case Type.CLOCK_ANSWER:
            return writer.u64(frame.clientTime).u64(frame.received).u64(frame.sent);
        case Type.RESET_TOKEN:
            return writer.bytes(frame.token);
        default:
            return writer;
    }
}
