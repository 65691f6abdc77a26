/**
 * Integers and byte strings as they stand on the wire: little-endian, and LEB128 for varints
 * (docs/PROTOCOL.md, "Conventions").
 */

/** Longest encoding of a varint: ten bytes carry 64 bits. */
const VARINT_BYTES_MAX = 10;
/** What bitwise operators of the language can still hold as a positive number: 28 bits, four bytes of a varint. */
const SMALL_VARINT_BYTES = 4;
const EMPTY = new Uint8Array(0);

/** Bytes could not be decoded. */
export class DecodeError extends Error {
    name = "DecodeError";
}

/** Takes fields from the front of bytes; throws `DecodeError` where they are not there. */
export class Reader {
    #bytes;
    #view;
    #at = 0;

    /** @param {Uint8Array} bytes */
    constructor(bytes) {
        this.#bytes = bytes;
        this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }

    /** Bytes not yet taken. */
    get remaining() {
        return this.#bytes.length - this.#at;
    }

    #advance(count) {
        if (count > this.remaining) {
            throw new DecodeError("input ends inside a field");
        }
        const at = this.#at;
        this.#at += count;
        return at;
    }

    /** Takes `count` bytes: a view of the input, not a copy. */
    bytes(count) {
        const at = this.#advance(count);
        return this.#bytes.subarray(at, at + count);
    }

    u8() {
        return this.#view.getUint8(this.#advance(1));
    }

    u16() {
        return this.#view.getUint16(this.#advance(2), true);
    }

    u24() {
        const at = this.#advance(3);
        return this.#view.getUint16(at, true) + this.#view.getUint8(at + 2) * 0x1_0000;
    }

    u32() {
        return this.#view.getUint32(this.#advance(4), true);
    }

    /** Takes a 64-bit integer, as a BigInt. */
    u64() {
        return this.#view.getBigUint64(this.#advance(8), true);
    }

    /**
     * Takes a varint. One above `Number.MAX_SAFE_INTEGER` is read as that: no count or size of ours comes near it, so
     * such a value means "more than you will ever need".
     */
    varint() {
        let value = 0;
        for (let index = 0; index < SMALL_VARINT_BYTES; index++) {
            const byte = this.u8();
            value |= (byte & 0x7f) << (7 * index);
            if (byte < 0x80) {
                if (byte === 0 && index > 0) {
                    throw new DecodeError("varint is longer than its value needs");
                }
                return value;
            }
        }
        const large = this.#largeVarint(BigInt(value), SMALL_VARINT_BYTES);
        return large > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(large);
    }

    /** Takes a varint, as a BigInt. */
    varintBig() {
        return this.#largeVarint(0n, 0);
    }

    #largeVarint(value, from) {
        for (let index = from; index < VARINT_BYTES_MAX; index++) {
            const byte = this.u8();
            // The tenth byte holds bit 63 alone.
            const isTooLong = (index === VARINT_BYTES_MAX - 1 && byte > 1) || (byte === 0 && index > 0);
            if (isTooLong) {
                break;
            }
            value |= BigInt(byte & 0x7f) << BigInt(7 * index);
            if (byte < 0x80) {
                return value;
            }
        }
        throw new DecodeError("varint is longer than its value needs");
    }

    /** Takes a varint that must lie between `least` and `most`. */
    varintIn(least, most) {
        const value = this.varint();
        if (value < least || value > most) {
            throw new DecodeError(`${value} is not between ${least} and ${most}`);
        }
        return value;
    }

    /** Throws unless everything was taken. */
    finish() {
        if (this.remaining > 0) {
            throw new DecodeError("bytes are left over");
        }
    }
}

/** Appends fields to a growing buffer. */
export class Writer {
    #bytes;
    #view;
    #length = 0;

    constructor(capacity = 256) {
        this.#reserve(new Uint8Array(capacity));
    }

    #reserve(bytes) {
        bytes.set(this.#bytes === undefined ? EMPTY : this.#bytes.subarray(0, this.#length));
        this.#bytes = bytes;
        this.#view = new DataView(bytes.buffer);
    }

    #advance(count) {
        const at = this.#length;
        if (at + count > this.#bytes.length) {
            this.#reserve(new Uint8Array(Math.max(at + count, 2 * this.#bytes.length)));
        }
        this.#length += count;
        return at;
    }

    get length() {
        return this.#length;
    }

    /** Everything written: a copy, so that the writer can be used again. */
    take() {
        const bytes = this.#bytes.slice(0, this.#length);
        this.#length = 0;
        return bytes;
    }

    bytes(bytes) {
        const at = this.#advance(bytes.length);
        this.#bytes.set(bytes, at);
        return this;
    }

    u8(value) {
        const at = this.#advance(1);
        this.#view.setUint8(at, value);
        return this;
    }

    u16(value) {
        const at = this.#advance(2);
        this.#view.setUint16(at, value, true);
        return this;
    }

    /** Appends the low 24 bits of a number below 2^53. */
    u24(value) {
        const low = value % 0x100_0000;
        return this.u8(low & 0xff).u16(low >>> 8);
    }

    /** Appends the low 32 bits of a number below 2^53. */
    u32(value) {
        const at = this.#advance(4);
        this.#view.setUint32(at, value % 0x1_0000_0000, true);
        return this;
    }

    /** Appends a 64-bit integer, a BigInt. */
    u64(value) {
        const at = this.#advance(8);
        this.#view.setBigUint64(at, value, true);
        return this;
    }

    /** Appends a varint, a number below 2^53 or a BigInt, in its shortest form. */
    varint(value) {
        let rest = value;
        if (typeof rest === "bigint") {
            for (; rest >= 0x80n; rest >>= 7n) {
                this.u8(Number(rest & 0x7fn) | 0x80);
            }
            return this.u8(Number(rest));
        }
        for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
            this.u8((rest % 0x80) | 0x80);
        }
        return this.u8(rest);
    }
}

/** Bytes that a varint takes. */
export function varintBytes(value) {
    let count = 1;
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
        count++;
    }
    return count;
}

/**
 * The number with these low bits that is nearest to `reference`; of two equally near ones the higher; never below 0.
 * @param {number} low the bits that travelled
 * @param {number} bits how many
 * @param {number} reference
 */
export function expandTruncated(low, bits, reference) {
    const span = 2 ** bits;
    const candidate = reference - (reference % span) + low;
    if (candidate + span / 2 <= reference) {
        return candidate + span;
    }
    return candidate > reference + span / 2 && candidate >= span ? candidate - span : candidate;
}

/** Whether two byte strings are the same, in time that does not tell where they differ. */
export function isEqualInConstantTime(left, right) {
    if (left.length !== right.length) {
        return false;
    }
    let difference = 0;
    for (let index = 0; index < left.length; index++) {
        difference |= left[index] ^ right[index];
    }
    return difference === 0;
}
