/** TME for web pages: connects a browser to a TME server over a WebSocket. */

/** Text is sent as UTF-8; bytes are copied by the call. */
export type Data = string | ArrayBuffer | ArrayBufferView;

/** What a channel promises. See docs/PROTOCOL.md, section 7.1. */
export type ChannelMode =
    | "unreliable"
    | "sequenced"
    | "reliable-unordered"
    | "reliable-ordered"
    | "reliable-latest";

export interface ChannelDeclaration {
    /** At most 64 bytes of UTF-8. */
    name: string;
    mode: ChannelMode;
    /** 0 to 255; by default its place in the list. */
    id?: number;
}

export interface ConnectOptions {
    /**
     * Which game: its name, as the server's `application`, or the 64-bit id itself. By default 0, as for servers that
     * name none. Another one on the server is refused (reason 2).
     */
    application?: string | bigint;
    /** For the server's game, at most 512 bytes. */
    userData?: Data;
    /**
     * A connect token of the game's backend, as text (base64url) or bytes, at most 700. Servers take it over their own TLS
     * (`wss://`) only (else reason 10): elsewhere somebody may have read it on its way.
     */
    token?: Data;
    /** The channels the server must have, in its order (else reason 6). By default whatever the server has. */
    channels?: Iterable<ChannelDeclaration>;
    /** Hashes by tag, at most 8, that must equal the server's where it has the tag, too (else reason 13). */
    schemas?: Iterable<[tag: number, hash: bigint]>;
    /** How long the whole attempt may take. 10,000 by default. */
    connectTimeoutMs?: number;
    /** The connection ends when nothing was heard for so long; the smaller one of both sides counts. 30,000 by default. */
    idleTimeoutMs?: number;
    /** Longest reliable message to receive: 1,100 to 16,777,216; 1,048,576 by default. */
    messageBytesMax?: number;
    /** Reliable messages that may wait in each channel before `send` says `false`. 8,192 by default. */
    queueMessages?: number;
    /** The same in bytes. 4 MiB by default; a single longer message is taken. */
    queueBytes?: number;
    /** Whether to ask for the server's time, about once a second. `false` by default. */
    clock?: boolean;
    /** Ends the attempt when it aborts (reason 111). Once connected, it has no effect. */
    signal?: AbortSignal;
    /** The class to use instead of the page's own, for programs that are no page. */
    WebSocket?: typeof WebSocket;
}

export interface SendOptions {
    /** Of a reliable-latest channel: whose newest value this is. A whole number below 2^32; 0 by default. */
    key?: number;
}

export interface CloseOptions {
    /** For the server's game: a whole number below 2^32. 0 by default. */
    code?: number;
    /** For the server's game: at most 512 bytes. */
    detail?: Data;
}

/** Why a connection ended. */
export interface CloseInfo {
    /** A number of `Reason`, or one that this version does not know. */
    readonly reason: number;
    /** Its name in words, such as "kicked". */
    readonly kind: string;
    /** What happened and what to do, as a sentence for people. */
    readonly message: string;
    /** What the side that closed said beside it. */
    readonly code: number;
    readonly detail: Uint8Array;
    /** The detail as text. */
    readonly text: string;
    /** Whether this side ended it: by `close()`, or because the other side was silent or broke the protocol. */
    readonly isLocal: boolean;
}

/** All counts are since the connection began. */
export interface Statistics {
    readonly packetsSent: number;
    readonly packetsReceived: number;
    /** Without what WebSocket, TLS and TCP add. */
    readonly bytesSent: number;
    readonly bytesReceived: number;
    /** Malformed, repeated or not for us. */
    readonly packetsDropped: number;
    readonly messagesSent: number;
    readonly messagesReceived: number;
    /** Unreliable messages that grew older than 100 ms before they could leave, or gave way to newer ones. */
    readonly messagesExpired: number;
    /** Repetitions, and sequenced messages that came after newer ones. */
    readonly messagesDuplicate: number;
    /** Unreliable messages dropped because nobody listened for messages. */
    readonly messagesOverflowed: number;
    /** Smoothed round-trip time; null before the first acknowledgement. */
    readonly rttMs: number | null;
    readonly rttMinimumMs: number | null;
    /** Bytes that wait in the channels' queues. */
    readonly queuedBytes: number;
    /** Bytes that wait in the socket. */
    readonly socketBytes: number;
}

export interface ClientChannel {
    readonly id: number;
    readonly name: string;
    readonly mode: ChannelMode;
    /** As `Client.send`. */
    send(data: Data, options?: SendOptions): boolean;
}

export class TmeMessageEvent extends Event {
    /** The channel's name. */
    readonly channel: string;
    /** Yours to keep. */
    readonly data: Uint8Array;
    /** 0 in channels without keys. */
    readonly key: number;
    /** The data as UTF-8 text. */
    readonly text: string;
}

export class TmeWritableEvent extends Event {
    /** The channel's name. */
    readonly channel: string;
}

export interface TmeCloseEvent extends CloseInfo {}
export class TmeCloseEvent extends Event {}

export interface ClientEventMap {
    /** A message came. Those that come before anybody listens are kept for the first who does. */
    message: TmeMessageEvent;
    /** A channel whose `send` said `false` has half of its queue free again. */
    writable: TmeWritableEvent;
    /** Nothing was heard of the server for 3 s although something should have been. */
    interrupted: Event;
    /** It is heard again. */
    resumed: Event;
    /** The connection has ended; nothing comes after it. */
    close: TmeCloseEvent;
}

/** A connection to a server. */
export class Client extends EventTarget {
    private constructor();

    /**
     * Connects to a server at a `ws://` or `wss://` URL.
     *
     * Rejects with a `TmeError` whose `reason` and `message` say why and what to do: no WebSocket there or no TME server
     * (115, 104), no answer in time (110), refused (1 to 13, 101).
     */
    static connect(url: string | URL, options?: ConnectOptions): Promise<Client>;

    /** The channels, as the server has them or as declared. */
    readonly channels: readonly ClientChannel[];
    /** Whether messages can be sent. */
    readonly isOpen: boolean;
    /** This client's number on the server: at least 2, never used twice in a server's run. */
    readonly peerNumber: number;
    /** What the server's game said when it accepted. */
    readonly userData: Uint8Array;
    /**
     * The server's time in milliseconds of its own clock, which begins anywhere; it never runs backwards. null before
     * the first answer, and without `clock: true`.
     */
    readonly serverTime: number | null;
    readonly statistics: Statistics;
    /** Fulfilled when the connection has ended; never rejected. */
    readonly closed: Promise<CloseInfo>;

    /** The channel of this name; throws a `TmeError` if there is none. */
    channel(name: string): ClientChannel;

    /**
     * Queues a message; what is sent in one go leaves in one packet. `false`: the channel's queue is full, the message
     * was not taken, and a `writable` event will tell when to try again. Only reliable channels say so: of the others
     * the oldest message gives way.
     *
     * Throws a `TmeError` if there is no such channel, the message is too long (17,600 bytes in unreliable and sequenced
     * channels, the server's limit in the others) or the connection is closed.
     */
    send(channel: string, data: Data, options?: SendOptions): boolean;

    /**
     * Ends the connection once the reliable messages that wait have left, for at most 3 s, and the server has confirmed,
     * for at most 3 s more. A closed client is left as it is.
     */
    close(options?: CloseOptions): Promise<CloseInfo>;

    addEventListener<K extends keyof ClientEventMap>(
        type: K,
        listener: (this: Client, event: ClientEventMap[K]) => unknown,
        options?: boolean | AddEventListenerOptions,
    ): void;
    addEventListener(
        type: string,
        listener: EventListenerOrEventListenerObject | null,
        options?: boolean | AddEventListenerOptions,
    ): void;
    removeEventListener<K extends keyof ClientEventMap>(
        type: K,
        listener: (this: Client, event: ClientEventMap[K]) => unknown,
        options?: boolean | EventListenerOptions,
    ): void;
    removeEventListener(
        type: string,
        listener: EventListenerOrEventListenerObject | null,
        options?: boolean | EventListenerOptions,
    ): void;
}

/** Something that was asked for could not be done. `message` says what happened and what to do. */
export class TmeError extends Error {
    constructor(message: string, more?: { reason?: number; kind?: string; code?: number; detail?: Uint8Array });
    readonly name: "TmeError";
    /** A number of `Reason`; 0 for a mistake in the call. */
    readonly reason: number;
    /** Its name in words; for mistakes "usage", "no such channel", "message too long" or "closed". */
    readonly kind: string;
    /** What the server's game said beside it. */
    readonly code: number;
    readonly detail: Uint8Array;
    /** The detail as text. */
    readonly text: string;
}

/** Why connections are refused and end: docs/PROTOCOL.md, section 4.3. */
export const Reason: {
    readonly VERSION: 1;
    readonly APPLICATION: 2;
    readonly BUSY: 3;
    readonly SUITES: 4;
    readonly IDENTITY_REQUIRED: 5;
    readonly CHANNEL_TABLE: 6;
    readonly FULL: 7;
    readonly BANNED: 8;
    readonly DENIED: 9;
    readonly TOKEN: 10;
    readonly EXTENSION: 11;
    readonly PARAMETERS: 12;
    readonly SCHEMA: 13;
    readonly CLOSED: 100;
    readonly SHUT_DOWN: 101;
    readonly KICKED: 102;
    readonly REPLACED: 103;
    readonly PROTOCOL_VIOLATION: 104;
    readonly FLOW_CONTROL: 105;
    readonly KEY_EXHAUSTED: 106;
    readonly RESET: 107;
    readonly TIMED_OUT: 108;
    readonly INTERNAL: 109;
    readonly CONNECT_TIMED_OUT: 110;
    readonly ABORTED: 111;
    readonly TOO_SLOW: 114;
    readonly LINK_LOST: 115;
};
