/** What a `Client` tells its listeners. */

import { reasonName, reasonText } from "./reason.js";

/** A message came: `channel` by name, `data` (bytes, yours to keep), `key` where the channel has keys. */
export class TmeMessageEvent extends Event {
    constructor(channel, data, key) {
        super("message");
        this.channel = channel;
        this.data = data;
        this.key = key;
    }

    /** The data as UTF-8 text. */
    get text() {
        return new TextDecoder().decode(this.data);
    }
}

/** A channel that said `false` to a `send` takes messages again. */
export class TmeWritableEvent extends Event {
    constructor(channel) {
        super("writable");
        this.channel = channel;
    }
}

/** The connection has ended. */
export class TmeCloseEvent extends Event {
    /** @param {import("./client.js").CloseInfo} info */
    constructor(info) {
        super("close");
        Object.assign(this, info);
    }
}

/**
 * Why a connection ended, as `closed` and `close()` give it and the `close` event holds it.
 * @returns {import("./client.js").CloseInfo}
 */
export function closeInfo({ reason, code, detail, isLocal }) {
    const text = new TextDecoder().decode(detail);
    return { reason, kind: reasonName(reason), message: reasonText(reason), code, detail, text, isLocal };
}
