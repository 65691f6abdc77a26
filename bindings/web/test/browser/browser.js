/**
 * Chromium without a window, steered by the DevTools protocol over a pipe: no port, no library, and when this process ends
 * so does the browser.
 */

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PATIENCE_MS, within } from "./process.js";

const FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
    "--window-size=1200,800",
];

/** A browser. */
export class Browser {
    #child;
    #profile;
    #nextId = 1;
    #answers = new Map();
    #pages = new Map();
    #rest = "";

    /** @param {readonly string[]} [flags] further options of the program */
    static async launch(flags = []) {
        const profile = await mkdtemp(join(tmpdir(), "tme-web-"));
        const browser = new Browser(profile, flags);
        await browser.command("Browser.getVersion");
        return browser;
    }

    constructor(profile, flags) {
        this.#profile = profile;
        const program = process.env.CHROMIUM ?? "chromium";
        const words = [...FLAGS, ...flags, `--user-data-dir=${profile}`, "about:blank"];
        this.#child = spawn(program, words, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
        this.ended = new Promise((resolve) => this.#child.once("exit", resolve));
        this.#child.stdio[3].on("error", () => {});
        this.#child.stdio[4].setEncoding("utf8").on("data", (text) => this.#handleText(text));
    }

    #handleText(text) {
        const messages = (this.#rest + text).split("\0");
        this.#rest = messages.pop();
        messages.map((each) => JSON.parse(each)).forEach((message) => this.#handleMessage(message));
    }

    #handleMessage({ id, result, error, method, params, sessionId }) {
        if (id === undefined) {
            this.#pages.get(sessionId)?.handleEvent(method, params);
            return;
        }
        const { resolve, reject } = this.#answers.get(id);
        this.#answers.delete(id);
        if (error === undefined) {
            resolve(result);
        } else {
            reject(new Error(error.message));
        }
    }

    command(method, params = {}, sessionId = undefined) {
        const id = this.#nextId++;
        const answer = new Promise((resolve, reject) => this.#answers.set(id, { resolve, reject }));
        this.#child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
        return within(answer, `the browser's answer to ${method}`, 2 * PATIENCE_MS);
    }

    async open(url) {
        const { targetId } = await this.command("Target.createTarget", { url: "about:blank" });
        const { sessionId } = await this.command("Target.attachToTarget", { targetId, flatten: true });
        const page = new Page(this, sessionId, targetId);
        this.#pages.set(sessionId, page);
        await page.load(url);
        return page;
    }

    async close() {
        this.#child.kill("SIGKILL");
        await within(this.ended, "the end of the browser");
        await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
    }
}

/** A page of a browser. */
export class Page {
    #browser;
    #sessionId;
    #targetId;
    #loaded;
    /** What went wrong in the page and was not caught there. */
    errors = [];

    constructor(browser, sessionId, targetId) {
        this.#browser = browser;
        this.#sessionId = sessionId;
        this.#targetId = targetId;
    }

    #command(method, params) {
        return this.#browser.command(method, params, this.#sessionId);
    }

    handleEvent(method, params) {
        if (method === "Page.loadEventFired") {
            this.#loaded?.();
        } else if (method === "Runtime.exceptionThrown") {
            const { text, exception } = params.exceptionDetails;
            this.errors.push(exception?.description ?? text);
        }
    }

    async load(url) {
        await this.#command("Page.enable");
        await this.#command("Runtime.enable");
        const loaded = new Promise((resolve) => (this.#loaded = resolve));
        await this.#command("Page.navigate", { url });
        await within(loaded, `the page ${url}`);
    }

    /** Runs an async function in the page; arguments and result go as JSON. */
    async run(body, ...values) {
        const expression = `(${body})(...${JSON.stringify(values)})`;
        const options = { expression, awaitPromise: true, returnByValue: true, userGesture: true };
        const { result, exceptionDetails } = await this.#command("Runtime.evaluate", options);
        if (exceptionDetails !== undefined) {
            throw new Error(`in the page: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
        }
        return result.value;
    }

    /** A picture of the page as PNG. */
    async screenshot() {
        const { data } = await this.#command("Page.captureScreenshot", { format: "png" });
        return Buffer.from(data, "base64");
    }

    close() {
        return this.#browser.command("Target.closeTarget", { targetId: this.#targetId });
    }
}
