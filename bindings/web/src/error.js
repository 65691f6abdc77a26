/** The one class of errors that this client throws and rejects with. */

import { reasonName, reasonText } from "./reason.js";

const NO_BYTES = new Uint8Array(0);

/**
 * Something that was asked for could not be done. `message` says what happened and what to do.
 *
 * `reason` is a number of `Reason`, or 0 for a mistake in the call (an unknown channel, a message too long); `kind` is
 * its name in words. `code` and `detail` are what the server's game said beside it; `text` is the detail as text.
 */
export class TmeError extends Error {
    name = "TmeError";

    /** @param {string} message @param {{reason?: number, kind?: string, code?: number, detail?: Uint8Array}} [more] */
    constructor(message, { reason = 0, kind, code = 0, detail = NO_BYTES } = {}) {
        super(message);
        this.reason = reason;
        this.kind = kind ?? (reason === 0 ? "usage" : reasonName(reason));
        this.code = code;
        this.detail = detail;
    }

    get text() {
        return new TextDecoder().decode(this.detail);
    }

    /** The error for a reason, with the words of the register; `what` takes their place. */
    static of(reason, { what = reasonText(reason), code = 0, detail = NO_BYTES } = {}) {
        const said = detail.length > 0 ? ` (the server says: ${printable(detail)})` : "";
        return new TmeError(`${what}${said}`, { reason, code, detail });
    }

    /** A mistake in a call. */
    static usage(message) {
        return new TmeError(message);
    }
}

/** Bytes of the other side as they may be shown in a console: without control characters. */
function printable(bytes) {
    return new TextDecoder().decode(bytes).replace(/\p{Cc}/gu, "\ufffd");
}
