/** What tests find in their page: the client, and waits that end. */

import * as tme from "/src/index.js";

const PATIENCE_MS = 20_000;

function within(promise, what) {
    const limit = new Promise((_, reject) => {
        setTimeout(() => reject(new Error(`waited ${PATIENCE_MS} ms for ${what}`)), PATIENCE_MS);
    });
    return Promise.race([promise, limit]);
}

/** The first event of this type that is as wanted. */
function next(client, type, isWanted = () => true) {
    const found = new Promise((resolve) => {
        const listener = (event) => {
            if (isWanted(event)) {
                client.removeEventListener(type, listener);
                resolve(event);
            }
        };
        client.addEventListener(type, listener);
    });
    return within(found, `a ${type} event`);
}

/** Waits for what no event tells. */
async function until(isSo, what) {
    const end = performance.now() + PATIENCE_MS;
    while (!isSo()) {
        if (performance.now() > end) {
            throw new Error(`waited ${PATIENCE_MS} ms for ${what}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
    }
}

/** The error that a promise is rejected with, as JSON can carry it. */
async function rejection(promise) {
    try {
        await promise;
    } catch ({ name, reason, kind, message, text }) {
        return { name, reason, kind, message, text };
    }
    throw new Error("it did not fail");
}

/** Bytes that no compression and no chance can imitate. */
function noise(count, seed = 1) {
    let state = seed;
    return Uint8Array.from({ length: count }, () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return state >>> 24;
    });
}

Object.assign(window, { tme, within, next, until, rejection, noise });
