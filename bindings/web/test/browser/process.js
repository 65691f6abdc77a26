/** Programs that tests start: their lines, and their end. */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** No wait is longer. */
export const PATIENCE_MS = 20_000;

/** The promise's value, or an error that says what was waited for. */
export async function within(promise, what, ms = PATIENCE_MS) {
    let timer;
    const limit = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
    });
    try {
        return await Promise.race([promise, limit]);
    } finally {
        clearTimeout(timer);
    }
}

/** A program of this repository, built before: `TME_PROGRAMS` is the folder. */
export function programPath(name) {
    const path = join(process.env.TME_PROGRAMS ?? new URL("../../../../target/release", import.meta.url).pathname, name);
    if (!existsSync(path)) {
        throw new Error(`${path} is not there: cargo xtask web builds it`);
    }
    return path;
}

/** A running program. */
export class Program {
    #child;
    #lines = [];
    #waiting = new Set();

    constructor(name, ...words) {
        this.#child = spawn(programPath(name), words, { stdio: ["pipe", "pipe", "inherit"] });
        this.ended = new Promise((resolve) => this.#child.once("exit", resolve));
        // A program that has ended takes no input; its end is what the test waits for.
        this.#child.stdin.on("error", () => {});
        createInterface({ input: this.#child.stdout }).on("line", (line) => {
            this.#lines.push(line);
            this.#waiting.forEach((look) => look());
        });
    }

    /** The match of the first line, from now or before, that matches; each line is given once. */
    line(pattern) {
        const found = new Promise((resolve) => {
            const look = () => {
                const index = this.#lines.findIndex((line) => pattern.test(line));
                if (index >= 0) {
                    this.#waiting.delete(look);
                    const [line] = this.#lines.splice(index, 1);
                    resolve(pattern.exec(line));
                }
            };
            this.#waiting.add(look);
            look();
        });
        return within(found, `a line like ${pattern}; there are ${JSON.stringify(this.#lines)}`);
    }

    type(line) {
        this.#child.stdin.write(`${line}\n`);
    }

    signal(name) {
        this.#child.kill(name);
    }

    /** Ends it, whatever it does. */
    async end() {
        this.#child.kill("SIGKILL");
        await within(this.ended, "the end of a program");
    }
}
