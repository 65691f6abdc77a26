/** The repository's golden vectors, read without losing 64-bit integers. */

import { readFileSync } from "node:fs";

/** The vectors of a file; integers of 16 digits and more are BigInts. */
export function vectors(name) {
    const text = readFileSync(new URL(`../../../../tests/vectors/${name}.json`, import.meta.url), "utf8");
    // Inside strings of hexadecimal digits no colon, comma, bracket or blank stands before a digit.
    const marked = text.replace(/(?<=[:,[]\s*)\d{16,}(?=\s*[,\]}])/g, '"bigint $&"');
    const revive = (_, value) =>
        typeof value === "string" && value.startsWith("bigint ") ? BigInt(value.slice(7)) : value;
    return JSON.parse(marked, revive).vectors;
}

export function fromHex(text) {
    return Uint8Array.from(Buffer.from(text, "hex"));
}

export function toHex(bytes) {
    return Buffer.from(bytes).toString("hex");
}

/** Whether numbers of this vector are beyond what a page counts to. */
export function isBeyondNumbers(...values) {
    return values.some((value) => typeof value === "bigint" && value > BigInt(Number.MAX_SAFE_INTEGER));
}
