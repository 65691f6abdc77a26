/** What every test in a browser needs: files, a browser, a new page for each test, and programs that end with it. */

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach } from "node:test";
import { serve } from "../../example/serve.js";
import { Browser } from "./browser.js";
import { Program } from "./process.js";

/** An address of this machine with a port that the system chooses. */
export const ANY_PORT = "127.0.0.1:0";

/** Files, a browser and a page, for the tests of one file. */
export class Stage {
    #files;
    #browser;
    #programs = [];
    page;

    /**
     * Sets up before the tests of the file that calls it, and clears away behind each.
     * @param {{flags?: readonly string[], host?: string}} [options] the browser's further options, and where files are served
     */
    constructor({ flags = [], host = "127.0.0.1" } = {}) {
        before(async () => {
            this.#files = await serve(0, host);
            this.#browser = await Browser.launch(flags);
        });
        beforeEach(async () => {
            this.page = await this.open("/test/browser/page.html");
        });
        afterEach(async () => {
            const { errors } = this.page;
            await this.page.close();
            await Promise.all(this.#programs.map((program) => program.end()));
            this.#programs = [];
            assert.deepEqual(errors, [], "nothing is thrown in the page that it does not catch");
        });
        after(async () => {
            await this.#browser?.close();
            this.#files?.close();
        });
    }

    /** Where the files are: `http://host:port`. */
    get origin() {
        const { address, port } = this.#files.address();
        return `http://${address}:${port}`;
    }

    get filesPort() {
        return this.#files.address().port;
    }

    /** One more page. */
    open(path) {
        return this.#browser.open(`${this.origin}${path}`);
    }

    /** Starts a program of this repository; it ends with the test. */
    start(...words) {
        const program = new Program(...words);
        this.#programs.push(program);
        return program;
    }

    /** The echo server of the examples, and its URL. */
    async startEcho(...more) {
        const server = this.start("browsers", "server", ...(more.length > 0 ? more : [ANY_PORT]));
        const [, url] = await server.line(/^connect to (.*)$/);
        return { server, url };
    }

    /** The chat of `tme serve` over TCP; `more` are further options of it. */
    async startChat(...more) {
        return this.startChatAt(ANY_PORT, ...more);
    }

    async startChatAt(listen, ...more) {
        const server = this.start("tme", "serve", "--listen", listen, "--tcp", ...more);
        const [, address] = await server.line(/^TCP at (.*)$/);
        const [, key] = await server.line(/^public key (\S+)/);
        return { server, address, key, url: `ws://${address}/`, secureUrl: `wss://${address}/` };
    }
}
