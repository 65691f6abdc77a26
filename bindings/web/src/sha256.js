/**
 * SHA-256 (FIPS 180-4). Written here because `crypto.subtle` exists in secure contexts only, and answers later; what is
 * hashed are names and tables of a few bytes, none of them secret.
 */

const BLOCK_BYTES = 64;
const ROUNDS = 64;

/** The first 32 bits of the fractional parts of a root of the first primes: the constants of the standard. */
function fractionsOfRoots(count, root) {
    const words = new Uint32Array(count);
    for (let candidate = 2, found = 0; found < count; candidate++) {
        let isPrime = true;
        for (let divisor = 2; divisor * divisor <= candidate; divisor++) {
            isPrime &&= candidate % divisor !== 0;
        }
        if (isPrime) {
            const value = root(candidate);
            words[found++] = Math.floor((value - Math.floor(value)) * 2 ** 32);
        }
    }
    return words;
}

const START = fractionsOfRoots(8, Math.sqrt);
const CONSTANTS = fractionsOfRoots(ROUNDS, Math.cbrt);

function rotate(word, bits) {
    return (word >>> bits) | (word << (32 - bits));
}

/** The message with a one bit, zeroes and its length in bits behind it. */
function padded(bytes) {
    const blocks = Math.floor((bytes.length + 8) / BLOCK_BYTES) + 1;
    const message = new Uint8Array(blocks * BLOCK_BYTES);
    message.set(bytes);
    message[bytes.length] = 0x80;
    new DataView(message.buffer).setBigUint64(message.length - 8, BigInt(bytes.length) * 8n);
    return message;
}

function schedule(view, offset) {
    const words = new Uint32Array(ROUNDS);
    for (let index = 0; index < 16; index++) {
        words[index] = view.getUint32(offset + 4 * index);
    }
    for (let index = 16; index < ROUNDS; index++) {
        const [early, late] = [words[index - 15], words[index - 2]];
        const low = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3);
        const high = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10);
        words[index] = words[index - 16] + low + words[index - 7] + high;
    }
    return words;
}

function compress(state, words) {
    let [a, b, c, d, e, f, g, h] = state;
    for (let round = 0; round < ROUNDS; round++) {
        const choice = (e & f) ^ (~e & g);
        const majority = (a & b) ^ (a & c) ^ (b & c);
        const high = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        const low = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        const first = (h + high + choice + CONSTANTS[round] + words[round]) | 0;
        [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + low + majority) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, index) => (state[index] += word));
}

/**
 * The hash of some bytes.
 * @param {Uint8Array} bytes
 * @returns {Uint8Array} 32 bytes
 */
export function sha256(bytes) {
    const message = padded(bytes);
    const view = new DataView(message.buffer);
    const state = START.slice();
    for (let offset = 0; offset < message.length; offset += BLOCK_BYTES) {
        compress(state, schedule(view, offset));
    }
    const digest = new Uint8Array(32);
    const output = new DataView(digest.buffer);
    state.forEach((word, index) => output.setUint32(4 * index, word));
    return digest;
}

/** The first eight bytes of the hash as a little-endian integer: how names and tables are compared. */
export function hash64(bytes) {
    return new DataView(sha256(bytes).buffer).getBigUint64(0, true);
}
