/** TME for web pages: connects a browser to a TME server over a WebSocket. Start with `Client.connect`. */

export { Client, ClientChannel } from "./client.js";
export { TmeError } from "./error.js";
export { TmeCloseEvent, TmeMessageEvent, TmeWritableEvent } from "./events.js";
export { Reason } from "./reason.js";
