/** Why connections are refused and end (docs/PROTOCOL.md, section 4.3), in words, with what to do about it. */

/** The register; numbers are never used twice, and a number that is not here is passed on as it is. */
export const Reason = Object.freeze({
    VERSION: 1,
    APPLICATION: 2,
    BUSY: 3,
    SUITES: 4,
    IDENTITY_REQUIRED: 5,
    CHANNEL_TABLE: 6,
    FULL: 7,
    BANNED: 8,
    DENIED: 9,
    TOKEN: 10,
    EXTENSION: 11,
    PARAMETERS: 12,
    SCHEMA: 13,
    CLOSED: 100,
    SHUT_DOWN: 101,
    KICKED: 102,
    REPLACED: 103,
    PROTOCOL_VIOLATION: 104,
    FLOW_CONTROL: 105,
    KEY_EXHAUSTED: 106,
    RESET: 107,
    TIMED_OUT: 108,
    INTERNAL: 109,
    CONNECT_TIMED_OUT: 110,
    ABORTED: 111,
    TOO_SLOW: 114,
    LINK_LOST: 115,
});

/** name, what happened, what to do. */
const TEXTS = new Map([
    [1, ["version", "the server speaks another version of the protocol", "use the client that belongs to the server"]],
    [2, ["application", "the server belongs to another game", "check the address and the application's name"]],
    [3, ["busy", "the server has too much to do at the moment", "try again in a few seconds"]],
    [4, ["suites", "the server takes no clients without keys from here",
        "connect by wss:// if it has a certificate, or allow such clients in its settings"]],
    [5, ["identity required", "the server takes only clients with an identity key, which browsers have not",
        "use a native client, or have the server require connect tokens instead"]],
    [6, ["channel table", "client and server declare different channels",
        "declare the server's, or leave `channels` out to adopt them"]],
    [7, ["full", "the server is full", "try again later, or another server"]],
    [8, ["banned", "this player is banned from the server", "ask whoever runs it"]],
    [9, ["denied", "the game on the server said no", "the detail may say why"]],
    [10, ["token", "the server does not take the connect token", "fetch a new one from the game's backend, and bring it over wss://"]],
    [11, ["extension", "client and server do not understand each other's extensions", "bring both up to date"]],
    [12, ["parameters", "what the client offers is out of range", "please report it"]],
    [13, ["schema", "client and server encode their messages differently", "bring both up to date"]],
    [100, ["closed", "the connection was closed", "connect again if you want to"]],
    [101, ["shut down", "the server shuts down", "try again later"]],
    [102, ["kicked", "the server has thrown this client out", "the detail may say why"]],
    [103, ["replaced", "the same player has connected from elsewhere", "play there"]],
    [104, ["protocol violation", "the other side does not keep to the protocol", "please report it"]],
    [105, ["flow control", "more was sent than the receiver allowed", "please report it"]],
    [106, ["key exhausted", "a key was used up", "connect again"]],
    [107, ["reset", "the server has lost the connection's state: it was restarted", "connect again"]],
    [108, ["timed out", "nothing was heard of the server for too long", "check the network and connect again"]],
    [109, ["internal error", "something failed inside the other side", "please report it"]],
    [110, ["connect timed out", "the server has not answered in time", "check the address and the network"]],
    [111, ["aborted", "the attempt was ended before there was a connection", "connect again if you want to"]],
    [114, ["too slow", "the network has taken nothing for half a minute", "check it and connect again"]],
    [115, ["link lost", "the stream that carried the connection has ended", "connect again"]],
]);

/** The reason's name, such as "full"; "reason 999" for one that this version does not know. */
export function reasonName(reason) {
    return TEXTS.get(reason)?.[0] ?? `reason ${reason}`;
}

/** What happened and what to do, in one sentence without a full stop. */
export function reasonText(reason) {
    const [, what, advice] = TEXTS.get(reason) ?? ["", `it ended with reason ${reason}`, "the detail may say why"];
    return `${what}: ${advice}`;
}
