import assert from "node:assert/strict";
import { test } from "node:test";
import { expandTruncated, Reader, varintBytes, Writer } from "../../src/codec.js";
import { numberBytes } from "../../src/packet.js";
import { sha256, hash64 } from "../../src/sha256.js";
import { fromHex, isBeyondNumbers, toHex, vectors } from "./vectors.js";

const utf8 = (text) => new TextEncoder().encode(text);

test("varints are those of the vectors, and have one form each", () => {
    for (const vector of vectors("varint")) {
        const take = (read) => {
            const reader = new Reader(fromHex(vector.bytes));
            const value = read(reader);
            reader.finish();
            return value;
        };
        if (vector.error) {
            assert.throws(() => take((reader) => reader.varint()), vector.name);
            assert.throws(() => take((reader) => reader.varintBig()), vector.name);
            continue;
        }
        const value = BigInt(vector.value);
        assert.equal(take((reader) => reader.varintBig()), value, vector.name);
        assert.equal(toHex(new Writer(1).varint(value).take()), vector.bytes, vector.name);
        const largest = BigInt(Number.MAX_SAFE_INTEGER);
        const nearest = Number(value < largest ? value : largest);
        assert.equal(take((reader) => reader.varint()), nearest, vector.name);
        if (value <= largest) {
            assert.equal(toHex(new Writer(1).varint(nearest).take()), vector.bytes, vector.name);
            assert.equal(varintBytes(nearest), vector.bytes.length / 2, vector.name);
        }
    }
});

test("truncated numbers expand to the nearest", () => {
    let count = 0;
    for (const vector of vectors("packet_numbers").filter(({ kind }) => kind === "expand")) {
        if (!isBeyondNumbers(vector.largest_received, vector.number)) {
            const reference = vector.largest_received === null ? 0 : Number(vector.largest_received) + 1;
            assert.equal(expandTruncated(vector.truncated, vector.bits, reference), Number(vector.number), vector.name);
            count++;
        }
    }
    for (const vector of vectors("messages").filter(({ kind }) => kind === "expand")) {
        if (!isBeyondNumbers(vector.reference)) {
            const sequence = expandTruncated(vector.truncated, 24, Number(vector.reference));
            assert.equal(sequence, Number(vector.sequence), vector.name);
            count++;
        }
    }
    assert.ok(count >= 30, `${count} vectors`);
});

test("a packet number travels in two bytes while that is enough", () => {
    const lengths = vectors("packet_numbers").filter(({ kind }) => kind === "length");
    for (const { name, number, largest_acknowledged: acknowledged, number_bytes: expected } of lengths) {
        if (!isBeyondNumbers(number)) {
            assert.equal(numberBytes(Number(number), Number(acknowledged ?? -1)), expected, name);
        }
    }
    assert.ok(lengths.length > 0);
});

test("what was written is read again, across the growth of the buffer", () => {
    const bytes = new Writer(1).u8(1).u16(0x1234).u24(0xabcdef).u32(0xffff_ffff).u64(2n ** 64n - 1n).bytes(utf8("é")).take();
    const reader = new Reader(bytes);
    const values = [reader.u8(), reader.u16(), reader.u24(), reader.u32(), reader.u64(), toHex(reader.bytes(2))];
    assert.deepEqual(values, [1, 0x1234, 0xabcdef, 0xffff_ffff, 2n ** 64n - 1n, "c3a9"]);
    reader.finish();
    assert.throws(() => reader.u8(), { name: "DecodeError" });
});

test("only the low bits of numbers beyond 32 bits travel", () => {
    assert.equal(toHex(new Writer().u24(2 ** 40 + 0x123456).u32(2 ** 45 + 7).take()), "563412" + "07000000");
});

test("SHA-256 is that of the standard", () => {
    // Examples of FIPS 180-2, appendix B, and lengths around the end of a block against Node's own.
    assert.match(toHex(sha256(utf8(""))), /^e3b0c44298fc1c14/);
    assert.match(toHex(sha256(utf8("abc"))), /^ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad$/);
    const long = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    assert.match(toHex(sha256(utf8(long))), /^248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1$/);
});

test("SHA-256 agrees with another implementation around the ends of blocks", async () => {
    const { createHash } = await import("node:crypto");
    for (let length = 0; length < 200; length++) {
        const bytes = Uint8Array.from({ length }, (_, index) => (index * 7) & 0xff);
        assert.equal(toHex(sha256(bytes)), createHash("sha256").update(bytes).digest("hex"), `${length} bytes`);
    }
    assert.equal(hash64(utf8("abc")), 0xeacf018fbf1678ban);
});
