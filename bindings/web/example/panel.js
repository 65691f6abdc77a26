/** What both halves of the page have: a form that connects, a badge that says how it stands, and a line that says why. */

import { Client } from "../src/index.js";

const LABELS = { off: "not connected", wait: "connecting …", on: "connected", silent: "not heard" };

/** One half of the page. */
export class Panel {
    #section;
    #options;
    #join;
    /** The client of the newest attempt that led to one. */
    client = null;
    /** Counts attempts: what an older one has to say is of no interest. */
    #attempt = 0;

    /**
     * @param {string} selector of its section
     * @param {(values: {url: string, name?: string}) => object} options what to connect with
     * @param {(client: Client) => void} join gets every new client, before anything comes from it
     */
    constructor(selector, options, join) {
        this.#section = document.querySelector(selector);
        this.#options = options;
        this.#join = join;
        this.form.addEventListener("submit", (event) => {
            event.preventDefault();
            this.connect();
        });
    }

    get form() {
        return this.find(".connect");
    }

    find(selector) {
        return this.#section.querySelector(selector);
    }

    /** `state` is one of `LABELS`; `text` says more. */
    show(state, text = "") {
        const badge = this.find(".badge");
        badge.dataset.state = state === "silent" ? "wait" : state;
        badge.textContent = LABELS[state];
        this.find(".state").textContent = text;
    }

    async connect() {
        const attempt = ++this.#attempt;
        const isNews = () => attempt === this.#attempt;
        const values = Object.fromEntries(new FormData(this.form));
        this.client?.close();
        this.client = null;
        this.show("wait");
        try {
            const client = await Client.connect(values.url, this.#options(values));
            if (!isNews()) {
                client.close();
                return;
            }
            this.client = client;
            this.show("on");
            client.addEventListener("interrupted", () => isNews() && this.show("silent"));
            client.addEventListener("resumed", () => isNews() && this.show("on"));
            client.addEventListener("close", ({ message, text }) => {
                if (isNews()) {
                    this.show("off", text ? `${message} (${text})` : message);
                }
            });
            this.#join(client);
        } catch (error) {
            if (isNews()) {
                this.show("off", error.message);
            }
        }
    }
}
