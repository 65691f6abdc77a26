/**
 * @file tme.h
 * TME, the Travelers Multiplayer Engine: encrypted, reliable game networking for whatever can call C.
 *
 * Generated from crates/tme-capi by `cargo xtask header`; edit that crate instead. What holds for
 * all functions is in docs/C_API.md, how to link the library in docs/BUILDING_C.md. Valid C99 and
 * C++11, and all later versions.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef TME_H
#define TME_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

/** The version of this header; tme_version() tells that of the library that was loaded. */
#define TME_VERSION_MAJOR 0
#define TME_VERSION_MINOR 1
#define TME_VERSION_PATCH 0
/** The same as one number, to compare with tme_version(). */
#define TME_VERSION (TME_VERSION_MAJOR * 1000000u + TME_VERSION_MINOR * 1000u + TME_VERSION_PATCH)

/**
 * Stands before every function. Define TME_STATIC where the static library is linked, as the CMake
 * target TME::tme_static and the pkg-config package tme-static do by themselves.
 */
#if defined(TME_STATIC)
#define TME_C_API
#elif defined(_WIN32)
#define TME_C_API __declspec(dllimport)
#elif defined(__GNUC__)
#define TME_C_API __attribute__((visibility("default")))
#else
#define TME_C_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Handles --------------------------------------------------------------------------------- */

/** A client. Made by tme_client_create or tme_client_create_echo, ended by tme_client_destroy. */
typedef struct TmeClient TmeClient;

/** Looks for servers. Made by tme_discovery_create, ended by tme_discovery_destroy. */
typedef struct TmeDiscovery TmeDiscovery;

/**
 * Something to be done once, on a thread that may take its time. Given to a TmeExecutor, which sees to it that
 * tme_job_run or tme_job_discard is called for it, once.
 */
typedef struct TmeJob TmeJob;

/** The bytes of a message: retained from an event, or made to be sent. Outlives the handle it came from. */
typedef struct TmeMessage TmeMessage;

/** Asks servers what they are. Made by tme_querier_create, ended by tme_querier_destroy. */
typedef struct TmeQuerier TmeQuerier;

/** A server. Made by tme_server_create, ended by tme_server_destroy. */
typedef struct TmeServer TmeServer;

/* ---- Results: what a call gives back --------------------------------------------------------- */

/** Done. */
#define TME_OK 0
/** Done, but some peers could not take the message; the outcome says how many. */
#define TME_PARTIAL 1
/** An address does not parse. */
#define TME_ERROR_ADDRESS (-1)
/** The channels cannot form a table: an id twice, too many, a bad setting. */
#define TME_ERROR_CHANNELS (-2)
/** A key is not 64 hexadecimal digits. */
#define TME_ERROR_KEY (-3)
/** A file cannot be read or written, or its content is not what it should be. */
#define TME_ERROR_FILE (-4)
/** A setting is out of range or contradicts another. */
#define TME_ERROR_CONFIG (-5)
/** Network conditions that cannot be. */
#define TME_ERROR_CONDITIONS (-6)
/** This process has a log sink already. */
#define TME_ERROR_ALREADY_INSTALLED (-7)
/** This cannot be a connect token: no user, too much of something, a hint without a port. */
#define TME_ERROR_TOKEN (-8)
/** A text is no sealed token, or not one of the key given. */
#define TME_ERROR_TOKEN_TEXT (-9)
/** The name of a server that is asked leads to no address that can be reached from here. */
#define TME_ERROR_UNRESOLVED (-10)
/** A server that was asked has not answered in time. Retry later. */
#define TME_ERROR_NO_ANSWER (-11)
/** 1,024 servers are being asked. Retry after an answer. */
#define TME_ERROR_TOO_MANY_QUERIES (-12)
/** No interface of this machine took the question to the servers of its network. Retry when there is a network. */
#define TME_ERROR_NO_NETWORK (-13)
/** The socket cannot be bound: address in use, or not of this machine. Retry with another port, or later. */
#define TME_ERROR_BIND (-101)
/** The system refuses what an engine needs: file handles, threads, randomness. Retry later. */
#define TME_ERROR_SYSTEM (-103)
/** Waiting for the network failed; the engine has stopped. Make a new one. */
#define TME_ERROR_WAIT (-104)
/** The socket no longer works; the engine has stopped. Make a new one. */
#define TME_ERROR_SOCKET (-105)
/** The engine was closed, and all its events were taken. Make a new one. */
#define TME_ERROR_CLOSED (-106)
/** An internal error stopped this engine earlier; only destroy works. */
#define TME_ERROR_POISONED (-107)

/**
 * The port at which a server is found cannot be bound: a foreign program keeps it for itself. Retry with another one, later, or
 * with TME_CONFIG_DISCOVERABLE_IF_POSSIBLE.
 */
#define TME_ERROR_DISCOVERY (-108)

/** The channel table has no such channel. */
#define TME_ERROR_UNKNOWN_CHANNEL (-201)
/** The message is larger than the channel, its mode or the other side takes. No retry helps: split it. */
#define TME_ERROR_TOO_LARGE (-202)
/** The send queue is full; nothing was queued. Retry after TME_EVENT_WRITABLE. */
#define TME_ERROR_WOULD_BLOCK (-203)

/**
 * As many keys of the reliable-latest channel as may have values that were not acknowledged. Retry after
 * TME_EVENT_WRITABLE, or send a newer value of one of them.
 */
#define TME_ERROR_TOO_MANY_KEYS (-204)

/** A message key was given for a channel that has none. */
#define TME_ERROR_KEY_NOT_ALLOWED (-205)

/**
 * The client is not connected, any more or yet; at a server: the peer is being disconnected. Retry after
 * TME_EVENT_CONNECTED.
 */
#define TME_ERROR_NOT_CONNECTED (-206)

/** A pointer is NULL that must not be. */
#define TME_ERROR_NULL (-301)
/** The pointer is not a handle of this kind: a client where a server belongs. */
#define TME_ERROR_HANDLE (-302)
/** struct_size is none that the struct ever had, or larger than any struct will be. */
#define TME_ERROR_STRUCT_SIZE (-303)
/** A field this library is too old to know is not zero. Retry with a newer library. */
#define TME_ERROR_STRUCT_TAIL (-304)
/** A text is not UTF-8. */
#define TME_ERROR_UTF8 (-305)
/** A flag this library does not know. */
#define TME_ERROR_FLAGS (-306)
/** A value this library does not know. */
#define TME_ERROR_ENUM (-307)
/** A length or count that no buffer can have. */
#define TME_ERROR_LENGTH (-308)
/** The result does not fit. Retry with the size that was told. */
#define TME_ERROR_BUFFER_TOO_SMALL (-309)
/** Another argument is out of its range; tme_last_error says which. */
#define TME_ERROR_ARGUMENT (-310)
/** Another thread is in update, poll or shutdown of this engine. Retry when it is out. */
#define TME_ERROR_BUSY (-401)
/** Nobody has this id, any more or yet. Ids are never used twice. */
#define TME_ERROR_UNKNOWN_PEER (-402)
/** The event's data is gone: its engine was polled again, or destroyed. */
#define TME_ERROR_UNKNOWN_MESSAGE (-403)
/** The engine's limit of retained messages is reached. Retry after a release. */
#define TME_ERROR_TOO_MANY_RETAINED (-404)
/** The message came from the network or was handed to a send. Make a new one. */
#define TME_ERROR_NOT_WRITABLE (-405)

/**
 * Nothing has been measured yet, or no network conditions are on, or nobody asks for the server's time. Retry some 100 ms
 * later.
 */
#define TME_ERROR_NO_FIGURES (-406)

/** No event of the querier's newest poll has this id. Ask before the next poll. */
#define TME_ERROR_UNKNOWN_QUERY (-407)
/** No server that is there, or that the newest poll told to be lost, has this id. */
#define TME_ERROR_UNKNOWN_SERVER (-408)
/** A bug in the library was caught in this call; the engine is poisoned. Please report it. */
#define TME_ERROR_INTERNAL (-501)
/** The message ends in the middle of a value. */
#define TME_ERROR_SERIAL_END (-601)
/** A varint is longer than necessary, or more than its integer holds. */
#define TME_ERROR_SERIAL_VARINT (-602)
/** A value outside its range: one to be written, or one that was read. */
#define TME_ERROR_SERIAL_RANGE (-603)
/** A text in a message, or for one, is not UTF-8. */
#define TME_ERROR_SERIAL_UTF8 (-604)
/** A count or the length of a block that what is left cannot hold. */
#define TME_ERROR_SERIAL_COUNT (-605)
/** More elements or bytes than the program takes. */
#define TME_ERROR_SERIAL_TOO_LONG (-606)
/** Keys of a map or a set do not ascend. */
#define TME_ERROR_SERIAL_ORDER (-607)
/** A variant that the program does not know. */
#define TME_ERROR_SERIAL_VARIANT (-608)
/** Values too deep in each other. */
#define TME_ERROR_SERIAL_DEPTH (-609)
/** Values that would take more memory than their bytes justify. */
#define TME_ERROR_SERIAL_MEMORY (-610)
/** Bytes are left that are no additions of a later version. */
#define TME_ERROR_SERIAL_LEFT_OVER (-611)
/** An unused bit is not zero. */
#define TME_ERROR_SERIAL_PADDING (-612)
/** A message that the program does not know. */
#define TME_ERROR_SERIAL_UNKNOWN_MESSAGE (-613)
/** A number that its form cannot express: not a number, infinite, a rotation of length 0. */
#define TME_ERROR_SERIAL_NUMBER (-614)
/** A message of more than 16 MiB. No retry helps: split it. */
#define TME_ERROR_SERIAL_TOO_LARGE (-615)

/** What a call gives back: negative if it did not do what was asked, TME_OK (0), or positive for done with a remark. */
typedef int32_t TmeResult;

/**
 * A constant text for a result, for logs and messages.
 *
 * Parameters: `result`, anything; numbers that are no result get a text that says so.
 * Returns: a text that is never NULL and never goes away.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API const char *tme_result_string(TmeResult result);

/**
 * Copies this thread's detail of its newest failed call, with the numbers in it.
 *
 * Parameters: `buffer` of `capacity` bytes gets the text, empty if no call has failed yet on this thread; `needed`
 * (may be NULL) gets the bytes it takes with its NUL. 513 bytes always do. The call itself changes nothing of it.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL.
 * Threads: any; each has its own.
 * Since: 0.1
 */
TME_C_API TmeResult tme_last_error(char *buffer, size_t capacity, size_t *needed);

/* ---- Messages: bytes that are kept, passed on or filled in place ----------------------------- */

/** Names the data of an event until the next poll of its handle. 0 names nothing. */
typedef uint64_t TmeMessageId;

/**
 * Makes a message of `length` zero bytes to be filled and sent without a copy.
 *
 * Parameters: `length`, at most 16 MiB; `message` gets the message.
 * Ownership: the caller's, until a send takes it; tme_message_release gives it back.
 * Returns: TME_OK; TME_ERROR_TOO_LARGE; TME_ERROR_NULL.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_message_create(size_t length, TmeMessage **message);

/**
 * Keeps the data of an event beyond the next poll.
 *
 * Nothing is copied, except messages up to 512 bytes, which would hold on to their neighbours.
 *
 * Parameters: `id`, the field `message` of an event; `message` gets the message.
 * Ownership: the caller's; tme_message_release gives it back, or a send takes it.
 * Returns: TME_OK; TME_ERROR_UNKNOWN_MESSAGE if the handle was polled again or destroyed; TME_ERROR_TOO_MANY_RETAINED;
 * TME_ERROR_NULL.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_message_retain(TmeMessageId id, TmeMessage **message);

/**
 * Makes a second owner of the same bytes, for instance to send them twice. Neither is writable afterwards.
 *
 * Parameters: `copy` gets the second message.
 * Ownership: both are the caller's.
 * Returns: TME_OK; TME_ERROR_TOO_MANY_RETAINED, if the message was retained and its handle's limit is reached;
 * TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any, one at a time per message.
 * Since: 0.1
 */
TME_C_API TmeResult tme_message_clone(const TmeMessage *message, TmeMessage **copy);

/**
 * Gives a message back.
 *
 * Parameters: `message`; NULL does nothing.
 * Returns: TME_OK; TME_ERROR_HANDLE.
 * Threads: any, one at a time per message.
 * Since: 0.1
 */
TME_C_API TmeResult tme_message_release(TmeMessage *message);

/**
 * The bytes of a message.
 *
 * Parameters: `data` gets where they are, NULL if there are none; `length` gets how many. They live as long as the message.
 * Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any, one at a time per message.
 * Since: 0.1
 */
TME_C_API TmeResult tme_message_bytes(const TmeMessage *message, const void **data, size_t *length);

/**
 * Where the bytes of a made message are to be written, until it is sent or cloned.
 *
 * Parameters: `data` gets where, NULL if there are none; `length` gets how many.
 * Returns: TME_OK; TME_ERROR_NOT_WRITABLE; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any, one at a time per message.
 * Since: 0.1
 */
TME_C_API TmeResult tme_message_writable(TmeMessage *message, void **data, size_t *length);

/* ---- Reasons: why a connection was refused or ended ------------------------------------------ */

/** No protocol version in common. */
#define TME_REASON_VERSION 1u
/** The server runs another game. */
#define TME_REASON_APPLICATION 2u
/** Too many handshakes at the moment. */
#define TME_REASON_BUSY 3u
/** No cipher in common, or only one side allows plaintext. */
#define TME_REASON_SUITES 4u
/** The server takes only clients with an identity key. */
#define TME_REASON_IDENTITY_REQUIRED 5u
/** The channel tables differ. */
#define TME_REASON_CHANNEL_TABLE 6u
/** The server is full. */
#define TME_REASON_FULL 7u
/** The player is banned. */
#define TME_REASON_BANNED 8u
/** The game refused. */
#define TME_REASON_DENIED 9u
/** The connect token is missing, invalid, expired or used. */
#define TME_REASON_TOKEN 10u
/** The server did not understand a critical extension. */
#define TME_REASON_EXTENSION 11u
/** A parameter is outside its range. */
#define TME_REASON_PARAMETERS 12u
/** A schema both sides have differs. */
#define TME_REASON_SCHEMA 13u
/** The application closed the connection. */
#define TME_REASON_CLOSED 100u
/** The server shut down. */
#define TME_REASON_SHUTDOWN 101u
/** The player was kicked. */
#define TME_REASON_KICKED 102u
/** A newer connection of the same identity took over. */
#define TME_REASON_REPLACED 103u
/** The other side broke the protocol. */
#define TME_REASON_PROTOCOL_VIOLATION 104u
/** The other side sent more than it was granted. */
#define TME_REASON_FLOW_CONTROL 105u
/** Too many forged packets for one key. */
#define TME_REASON_KEY_EXHAUSTED 106u
/** The other side lost the connection's state, for instance by a restart. */
#define TME_REASON_RESET 107u
/** Nothing was heard for the idle time-out. */
#define TME_REASON_TIMED_OUT 108u
/** An internal error. */
#define TME_REASON_INTERNAL 109u
/** No answer while connecting. */
#define TME_REASON_CONNECT_TIMED_OUT 110u
/** Given up on this side before the connection was established. */
#define TME_REASON_ABORTED 111u
/** The server's name could not be turned into an address. */
#define TME_REASON_UNRESOLVED 112u
/** Only a server answered whose key is not trusted. */
#define TME_REASON_UNTRUSTED_KEY 113u
/** The other side took nothing off its TCP stream for 30 s although something waited. */
#define TME_REASON_TOO_SLOW 114u
/** The TCP stream ended that carried the connection, which cannot go on another way. */
#define TME_REASON_LINK_LOST 115u

/**
 * A constant text for a reason; it says what the reader can do.
 *
 * Parameters: `reason`, anything; unknown numbers get a general text.
 * Returns: a text that is never NULL and never goes away.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API const char *tme_reason_string(uint32_t reason);

/* ---- Events: what polling gives -------------------------------------------------------------- */

/** A peer is connected: messages can be sent and will come. */
#define TME_EVENT_CONNECTED 1u
/** A message came. */
#define TME_EVENT_MESSAGE 2u
/** A channel that had answered TME_ERROR_WOULD_BLOCK or TME_ERROR_TOO_MANY_KEYS takes messages again. */
#define TME_EVENT_WRITABLE 3u
/** The peer has been silent for 3 s although an answer is due; RESUMED or DISCONNECTED follows. */
#define TME_EVENT_INTERRUPTED 4u
/** The peer is heard again. */
#define TME_EVENT_RESUMED 5u
/** The connection is over, or was never made. The peer's id names nobody from now on. */
#define TME_EVENT_DISCONNECTED 6u

/**
 * The other side's library has received a message that was sent with a receipt: the game there has it or will, unless it
 * closes or stops polling; sequenced and unreliable messages may still be dropped there.
 */
#define TME_EVENT_DELIVERED 7u

/**
 * A message that was sent with a receipt was given up; `reason` says why. It may have arrived all the same, unless
 * TME_EVENT_FLAG_NEVER_SENT is set.
 */
#define TME_EVENT_EXPIRED 8u

/**
 * Somebody asks to be let in (with TME_CONFIG_ASK or TME_NEWCOMERS_ASK); answer by tme_server_accept or tme_server_refuse.
 * CONNECTED or DISCONNECTED follows in any case.
 */
#define TME_EVENT_ADMISSION 9u

/** A server that was asked what it is has answered, or has not. */
#define TME_EVENT_SERVER_INFO 12u
/** A server on this network was found, or (TME_EVENT_FLAG_CHANGED) says something else: tme_discovery_server. */
#define TME_EVENT_SERVER_FOUND 14u
/** A server that was found has not answered for 7 s. */
#define TME_EVENT_SERVER_LOST 15u
/** The server's time is known now, or was set where it only ran until then: tme_client_server_time. */
#define TME_EVENT_CLOCK 13u
/** At a server: a client goes on from another address, in the same session. tme_server_peer_info has the address. */
#define TME_EVENT_ADDRESS_CHANGED 10u

/**
 * The session goes on by another link, or another stream; `token` is TME_LINK_UDP, TME_LINK_TCP or
 * TME_LINK_WEBSOCKET. tme_server_peer_info and
 * tme_client_server_info have the other side's address from now on.
 */
#define TME_EVENT_LINK_CHANGED 11u

/** CONNECTED, ADMISSION: the other side has a key, which the peer's info tells. */
#define TME_EVENT_FLAG_HAS_KEY 1u
/** CONNECTED at a client with known hosts: this server was not known before. */
#define TME_EVENT_FLAG_FIRST_USE 2u
/** DISCONNECTED: the other side ended it, proven. Without this flag and the next, this side did. */
#define TME_EVENT_FLAG_REMOTE 4u
/** DISCONNECTED: somebody who could see our datagrams said so; not proven to be the server. */
#define TME_EVENT_FLAG_UNAUTHENTICATED 8u
/** CONNECTED at a server, ADMISSION: the client has a connect token, which tme_server_peer_token tells. */
#define TME_EVENT_FLAG_HAS_TOKEN 16u

/**
 * CLOCK: the time shown was further off than is corrected by and by, and was set; `token` is by how many microseconds, as an
 * int64_t. Without this flag it is known for the first time.
 */
#define TME_EVENT_FLAG_STEPPED 32u

/** EXPIRED: nothing of the message was ever sent, so it certainly does not arrive. */
#define TME_EVENT_FLAG_NEVER_SENT 64u
/** SERVER_FOUND: it was found before, and says something else now, or has one more address. */
#define TME_EVENT_FLAG_CHANGED 128u
/** EXPIRED: its deadline, or the age that its channel allows in the queue, passed before it was acknowledged. */
#define TME_EXPIRED_DEADLINE 1u
/** EXPIRED: a newer value of its key, or a newer message of a sequenced channel, took its place. */
#define TME_EXPIRED_SUPERSEDED 2u
/** EXPIRED: it was sent unreliably, and a packet that carried it counts as lost. */
#define TME_EXPIRED_LOST 3u
/** EXPIRED: the connection ended first; DISCONNECTED follows. */
#define TME_EXPIRED_DISCONNECTED 4u

/** A peer's id. 0 is nobody; ids are below 2^53 and never used twice. */
typedef uint64_t TmePeer;

/**
 * One piece of news. Which fields mean something depends on `type`; the others are 0.
 *
 * `data` lives until the next poll of the same handle, or its end; tme_message_retain keeps it beyond.
 * Skip kinds you do not know: newer libraries have more.
 */
typedef struct TmeEvent {
    /** TME_EVENT_... */
    uint32_t type;
    /** TME_EVENT_FLAG_..., by kind. */
    uint32_t flags;
    /** Whom it is about; 0 if nobody. */
    TmePeer peer;
    /** TME_REASON_... (DISCONNECTED; SERVER_INFO, where it is 0 if the server has answered), TME_EXPIRED_... (EXPIRED). */
    uint32_t reason;
    /** The channel's id (MESSAGE, WRITABLE, DELIVERED, EXPIRED). */
    uint32_t channel;
    /**
     * MESSAGE: its key, in reliable-latest channels. CONNECTED: the client's number. DISCONNECTED: the game's own code, with
     * TME_REASON_TOKEN a TME_TOKEN_PROBLEM_... ADMISSION: the peer that is connected with the same identity, or 0.
     * SERVER_INFO: the query. SERVER_FOUND and SERVER_LOST: the server's id.
     * CLOCK: by how many microseconds it was set, as an int64_t. LINK_CHANGED: TME_LINK_...
     * DELIVERED and EXPIRED: the receipt of the send.
     */
    uint64_t token;
    /**
     * The message (MESSAGE), user data of the other side (CONNECTED, ADMISSION), the game's own bytes or an explanation
     * (DISCONNECTED, SERVER_INFO), the server's name (SERVER_FOUND, SERVER_LOST). NULL if there are none.
     */
    const uint8_t *data;
    /** Bytes in `data`. */
    size_t length;
    /** Names the data for tme_message_retain; 0 if there is none. */
    TmeMessageId message;
    /** 0. */
    uint64_t reserved;
} TmeEvent;

/**
 * A constant name for a kind of event, such as "connected".
 *
 * Parameters: `type`, anything; unknown kinds are "unknown".
 * Returns: a text that is never NULL and never goes away.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API const char *tme_event_string(uint32_t type);

/* ---- Connect tokens: made by a backend, carried by a client, required by a server ------------ */

/** Bytes that the text of a sealed token takes at most, its NUL included. */
#define TME_TOKEN_TEXT_BYTES 935
/** Longest user data of a token, in bytes. */
#define TME_TOKEN_USER_DATA_BYTES_MAX 256u
/** The server requires a connect token and there was none. */
#define TME_TOKEN_PROBLEM_MISSING 1u
/** No key of the server opens it, it is damaged, or the server takes no tokens. */
#define TME_TOKEN_PROBLEM_INVALID 2u
/** It is for another server. */
#define TME_TOKEN_PROBLEM_WRONG_AUDIENCE 3u
/** It was issued later than the server's clock says it is now. */
#define TME_TOKEN_PROBLEM_NOT_YET_VALID 4u
/** It has expired, or is older than what the server remembers. */
#define TME_TOKEN_PROBLEM_EXPIRED 5u
/** Somebody has connected with it. */
#define TME_TOKEN_PROBLEM_USED 6u

/** What a connect token says. All zero but for `struct_size` where there is none: a user has at least one byte. */
typedef struct TmeTokenInfo {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** Bytes in `user`, 1-64. */
    uint32_t user_bytes;
    /** Who the player is, with a NUL after it. Usually text; the backend may have put any bytes there. */
    char user[72];
    /** When it was issued, in seconds since 1970-01-01 UTC. */
    uint64_t issued;
    /** When it expires. A token that has let its player in is used up: nothing depends on it any more. */
    uint64_t expires;
    /** Bytes in `user_data`, at most 256. */
    uint32_t user_data_bytes;
    /** 0. */
    uint32_t reserved;
    /** What the backend has added for the server's game. */
    uint8_t user_data[256];
} TmeTokenInfo;

/** What a backend says of a player. tme_token_config_init fills in the defaults; what is zero takes its default. */
typedef struct TmeTokenConfig {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** 0. */
    uint32_t reserved;
    /** Who the player is: a text of 1-64 bytes, a number in decimal digits. There is no default. */
    const char *user;
    /** Name of the only server that may take it, as its config has it. Default: any server that has the token key. */
    const char *server_name;
    /** Public key of the only server that may take it, 64 hexadecimal digits. Not together with `server_name`. */
    const char *server_key;
    /**
     * Where the client could find a server: at most eight addresses with ports, separated by commas, best first. Not
     * secret. Default: none.
     */
    const char *hints;
    /** Bytes for the server's game. Encrypted. */
    const void *user_data;
    /** How many, at most 256. */
    uint32_t user_data_bytes;
    /** Seconds until it expires; it only has to last until the player has connected. Default 300. */
    uint32_t lifetime_s;
    /** When it is issued, in seconds since 1970-01-01 UTC. Default: now. */
    uint64_t issued;
} TmeTokenConfig;

/**
 * Makes a token key from the system's randomness: backend and servers share it, and nobody else has it.
 *
 * Parameters: `buffer` of `capacity` bytes gets 64 hexadecimal digits; `needed` (may be NULL) gets 65. Keep it secret:
 * whoever has it can make a token for any player.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_SYSTEM if the system has no randomness.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_token_key_generate(char *buffer, size_t capacity, size_t *needed);

/**
 * Fills in the defaults of a token.
 *
 * Parameters: `config` of `struct_size` bytes, which must be `sizeof *config`.
 * Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_token_config_init(TmeTokenConfig *config, size_t struct_size);

/**
 * Makes a connect token: a backend does so for a player who has signed in, and gives it to his client.
 *
 * Parameters: `token_key`, 64 hexadecimal digits; `config`; `buffer` of `capacity` bytes gets the token as text, which
 * TME_TOKEN_TEXT_BYTES always hold; `needed` (may be NULL) gets the bytes it takes with its NUL. No two are equal.
 * Returns: TME_OK; TME_ERROR_KEY; TME_ERROR_TOKEN without a user, or with more of something than a token takes;
 * TME_ERROR_ADDRESS for a hint that is no address; TME_ERROR_CONFIG if it is for two servers;
 * TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_SYSTEM if the system has no randomness; TME_ERROR_NULL; TME_ERROR_UTF8;
 * TME_ERROR_LENGTH; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_token_make(
    const char *token_key,
    const TmeTokenConfig *config,
    char *buffer,
    size_t capacity,
    size_t *needed);

/**
 * Opens a connect token with its key, to see what it says. It is not used up, and need not be valid any more.
 *
 * Parameters: `token_key`, 64 hexadecimal digits; `token`, its text; `info` of `struct_size` bytes, which must be
 * `sizeof *info`.
 * Returns: TME_OK; TME_ERROR_KEY; TME_ERROR_TOKEN_TEXT if it is no token, or not one of this key; TME_ERROR_NULL;
 * TME_ERROR_UTF8; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_token_open(
    const char *token_key,
    const char *token,
    TmeTokenInfo *info,
    size_t struct_size);

/**
 * Tells where a server could be found, as the backend thought when it made the token. Nobody proves that to the client.
 *
 * Parameters: `token`, its text; `buffer` of `capacity` bytes gets addresses with ports, separated by commas, best first,
 * or an empty text if there are none; `needed` (may be NULL) gets the bytes it takes with its NUL.
 * Returns: TME_OK; TME_ERROR_TOKEN_TEXT if it is no token; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_NULL; TME_ERROR_UTF8.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_token_hints(
    const char *token,
    char *buffer,
    size_t capacity,
    size_t *needed);

/* ---- Applicants: clients about whom the game is asked, to be let in or not ------------------- */

/** Who asks to be let in. */
typedef struct TmeApplicantInfo {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** 0. */
    uint32_t reserved;
    /** Its id, which will be the peer's. */
    TmePeer peer;
    /** A peer that is connected with the same identity key, or the same user by a connect token; 0 if there is none. */
    TmePeer same_identity;
    /** Its address and port as text. */
    char address[64];
    /** Its identity key as 64 hexadecimal digits. Empty if it has none. */
    char key[72];
} TmeApplicantInfo;

/**
 * Lets a client in that TME_EVENT_ADMISSION has asked about.
 *
 * TME_EVENT_CONNECTED follows, or TME_EVENT_DISCONNECTED if the client has gone or there is no room any more.
 *
 * Parameters: `user_data` of `length` bytes, at most 512, which the client finds in its TME_EVENT_CONNECTED.
 * Returns: TME_OK; TME_ERROR_UNKNOWN_PEER if nobody asks under this id, any more or yet; TME_ERROR_TOO_LARGE;
 * TME_ERROR_LENGTH; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_accept(
    TmeServer *server,
    TmePeer peer,
    const void *user_data,
    size_t length);

/**
 * Turns a client away that TME_EVENT_ADMISSION has asked about. It is told at once, by a TME_EVENT_DISCONNECTED.
 *
 * TME_EVENT_DISCONNECTED follows here, too.
 *
 * Parameters: `reason`, TME_REASON_DENIED, TME_REASON_BANNED or TME_REASON_FULL; `detail` of `length` bytes, at most 512,
 * an explanation of the game's own.
 * Returns: TME_OK; TME_ERROR_UNKNOWN_PEER if nobody asks under this id, any more or yet; TME_ERROR_ENUM for another
 * reason; TME_ERROR_TOO_LARGE; TME_ERROR_LENGTH; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_refuse(
    TmeServer *server,
    TmePeer peer,
    uint32_t reason,
    const void *detail,
    size_t length);

/**
 * Tells who asks to be let in, until that is decided.
 *
 * Parameters: `info` of `struct_size` bytes, which must be `sizeof *info`.
 * Returns: TME_OK; TME_ERROR_UNKNOWN_PEER if nobody asks under this id, any more or yet; TME_ERROR_POISONED;
 * TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_applicant_info(
    const TmeServer *server,
    TmePeer peer,
    TmeApplicantInfo *info,
    size_t struct_size);

/**
 * Tells what the game's backend says of a player: of one who asks to be let in, and of a peer.
 *
 * Parameters: `info` of `struct_size` bytes, which must be `sizeof *info`; `user_bytes` is 0 if the client came without a
 * connect token.
 * Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_peer_token(
    const TmeServer *server,
    TmePeer peer,
    TmeTokenInfo *info,
    size_t struct_size);

/* ---- Channels: how messages are treated ------------------------------------------------------ */

/** May be lost or reordered, never delivered twice. */
#define TME_CHANNEL_UNRELIABLE 1u
/** Newest wins: a message older than the last delivered one is dropped. */
#define TME_CHANNEL_SEQUENCED 2u
/** Every message once, in any order. */
#define TME_CHANNEL_RELIABLE_UNORDERED 3u
/** Every message once, in the order of sending. */
#define TME_CHANNEL_RELIABLE_ORDERED 4u
/** Per key only the newest value is guaranteed. */
#define TME_CHANNEL_RELIABLE_LATEST 5u
/** The channel's id is `id`, not its position in the table. */
#define TME_CHANNEL_FLAG_ID 1u
/** Small reliable messages ride again in following packets as the loss on the way asks for. */
#define TME_REDUNDANCY_AUTO 0u
/** No message rides again before it is known to be lost. */
#define TME_REDUNDANCY_OFF 255u
/** Most channels of a table. */
#define TME_CHANNELS_MAX 32u

/**
 * One channel of a table. Frozen: it is an element of an array. What is zero takes its default.
 *
 * Both sides must agree on ids, names and modes; the rest is this side's own.
 */
typedef struct TmeChannelConfig {
    /** Name, at most 64 bytes. NULL is an empty name. */
    const char *name;
    /** TME_CHANNEL_...; there is no default. */
    uint32_t mode;
    /** TME_CHANNEL_FLAG_... */
    uint32_t flags;
    /** 0-255, with TME_CHANNEL_FLAG_ID. Default: the position in the table. */
    uint32_t id;
    /** Strict priority, 0-255; lower goes first. Default 0. */
    uint32_t priority;
    /** Share among channels of equal priority, 1-1,000. Default 1. */
    uint32_t weight;
    /**
     * Different keys of a reliable-latest channel that may have values under way, 1-65,536; a key whose newest value was
     * acknowledged is given back by itself. Default 1,024.
     */
    uint32_t keys_max;
    /** Largest message this side will send here, in bytes. Default: what mode and peer allow. */
    uint64_t message_bytes_max;
    /** Bytes that may wait before a send gets TME_ERROR_WOULD_BLOCK. Default 4 MiB. */
    uint64_t queue_bytes_max;
    /** Messages that may wait. Default 16,384. */
    uint32_t queue_messages_max;
    /** Age at which a queued unreliable or sequenced message expires, in milliseconds. Default 100. */
    uint32_t queue_age_max_ms;
    /**
     * How often small messages of a reliable channel ride again in following packets, so that a loss need not cost a round
     * trip: 1-3, TME_REDUNDANCY_OFF, or TME_REDUNDANCY_AUTO, which is the default.
     */
    uint32_t redundancy;
    /** 0. */
    uint32_t reserved[7];
} TmeChannelConfig;

/* ---- Links: by what a client and its server reach each other --------------------------------- */

/** For a client's `links`: UDP, TCP where that does not get through, and a WebSocket where not even that does. The default. */
#define TME_LINK_ANY 0u
/** Datagrams by themselves. What is lost holds up nothing but itself. */
#define TME_LINK_UDP 1u
/** A TCP stream. What is lost holds up all that is behind it. */
#define TME_LINK_TCP 2u
/** A WebSocket over TCP, for networks that let only the web through. */
#define TME_LINK_WEBSOCKET 3u

/* ---- Settings: what servers and clients have in common --------------------------------------- */

/** A network thread does the input and output: connections survive a game that is busy for long. */
#define TME_CONFIG_THREADED 1u
/** Neither encrypted nor authenticated. Both sides must ask for it. For development. */
#define TME_CONFIG_PLAINTEXT 2u
/** Server: only clients that prove an identity key are admitted. */
#define TME_CONFIG_REQUIRE_IDENTITY 4u
/** Server: only clients with a connect token are admitted. */
#define TME_CONFIG_REQUIRE_TOKEN 8u
/** Server: the game is asked about every client that is otherwise entitled, by TME_EVENT_ADMISSION. */
#define TME_CONFIG_ASK 16u
/** Server: nobody who only asks what this server is gets an answer. */
#define TME_CONFIG_NO_QUERIES 32u
/** Client: asks for the server's time from the start, as tme_client_synchronise_clock does later. */
#define TME_CONFIG_CLOCK 64u

/**
 * The system notes when datagrams arrive (Linux), for the clocks of games that update once a frame; it does not merge
 * datagrams on their way in then.
 */
#define TME_CONFIG_NOTE_ARRIVALS 128u

/**
 * Server: listens for TCP, too, at the address and port of `listen`: for players whose network lets no UDP through. Their
 * clients find it by themselves.
 */
#define TME_CONFIG_LISTEN_TCP 256u

/**
 * Servers with `discoverable`: start also if the discovery port cannot be had, with a warning in the log, and are not found
 * then. Without this flag that is TME_ERROR_DISCOVERY.
 */
#define TME_CONFIG_DISCOVERABLE_IF_POSSIBLE 512u

/**
 * Client: TLS around TCP and WebSockets, for networks that let nothing else through; the server needs a certificate of an
 * authority that this system trusts. `tls_authorities_file` and `tls_fingerprint` believe others, and need no flag.
 */
#define TME_CONFIG_TLS 1024u

/** The rate of sending follows how fast packets are delivered; queues on the way stay short. */
#define TME_CONGESTION_DELIVERY_RATE 1u
/** The rate of sending follows losses, as in NewReno; queues on the way are filled. */
#define TME_CONGESTION_NEW_RENO 2u

/* ---- Peers: who they are --------------------------------------------------------------------- */

/** Who a peer is. */
typedef struct TmePeerInfo {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** The number of the client in this connection: at least 2, below 2^31, never used twice in a server's run. */
    uint32_t number;
    /** Its id. */
    TmePeer peer;
    /** Its address and port as text. */
    char address[64];
    /**
     * Its public key as 64 hexadecimal digits: at a server the client's identity, at a client the server's key, which
     * nothing proves with TME_CONFIG_PLAINTEXT. Empty if it has none.
     */
    char key[72];
    /** What carries the session at the moment: TME_LINK_UDP, TME_LINK_TCP or TME_LINK_WEBSOCKET. */
    uint32_t link;
    /** 0. */
    uint32_t reserved;
} TmePeerInfo;

/* ---- Job: work that may take long, for a host that runs it in its own way -------------------- */

/**
 * A host's function that has a job done: the game's own job system, say.
 *
 * It is called on the thread that drives the client or querier (in tme_client_create, in an update, on the network thread),
 * with no lock held. It must return soon, so it hands the job to another thread, which calls tme_job_run. It must neither
 * throw nor call the library, except tme_job_run and tme_job_discard. Several threads may call it at once if several
 * handles have it. It is not called any more once the handle's destroy has returned; jobs that it was given may be run later.
 */
typedef void (*TmeExecutor)(TmeJob *job, void *user_data);

/**
 * Does a job, however long that takes: the look-up of a name takes the system up to half a minute.
 *
 * A job whose client or querier is gone does nothing.
 *
 * Parameters: `job`, which is used up.
 * Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any; not one that must not wait.
 * Since: 0.1
 */
TME_C_API TmeResult tme_job_run(TmeJob *job);

/**
 * Gives a job up that will not be run. Whoever waits for it hears of that: a client whose server's name was to be looked up ends
 * with TME_REASON_UNRESOLVED.
 *
 * Parameters: `job`, which is used up; NULL does nothing.
 * Returns: TME_OK; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_job_discard(TmeJob *job);

/* ---- Settings: what a client is told --------------------------------------------------------- */

/**
 * The hash of a base schema, the text of docs/SERIALIZATION.md, section 7: for `schema_hash` of a server's and a client's config.
 *
 * Parameters: `text` of `length` bytes; `hash` gets it, never 0 but on failure.
 * Returns: TME_OK; TME_ERROR_UTF8; TME_ERROR_LENGTH; TME_ERROR_NULL.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_schema_hash(const char *text, size_t length, uint64_t *hash);

/** What a client is told. tme_client_config_init fills in the defaults; what is zero takes its default. */
typedef struct TmeClientConfig {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** TME_CONFIG_... Default: inline and encrypted. */
    uint32_t flags;
    /** The server, "host:port"; names are looked up without blocking. Default "localhost:7777". */
    const char *address;
    /** Name of the game; different games refuse each other. Default: no name. */
    const char *application;
    /**
     * The server's public key, 64 hexadecimal digits; several, separated by commas, where any will do. Without it and
     * `known_hosts` any server is believed, with a warning in the log. A wrong key is told when `connect_timeout_ms` ends:
     * the right server may yet answer.
     */
    const char *server_key;
    /**
     * File in which the key of a server is remembered when it is met first; a changed one is refused. Made if it is not
     * there. Not together with `server_key`.
     */
    const char *known_hosts;
    /** The player's secret key, 64 hexadecimal digits, by which the server recognises him. Default: none. */
    const char *identity;
    /** Local address and port to send from. Default: any. */
    const char *bind;
    /** Channels, as many as `channel_count`. Default: those of the server. */
    const TmeChannelConfig *channels;
    /** Bytes that the server finds in TME_EVENT_CONNECTED. Encrypted. */
    const void *user_data;
    /** How many channels. */
    uint32_t channel_count;
    /** How many bytes of user data, at most 512. */
    uint32_t user_data_bytes;
    /** How long to try to connect, in milliseconds. Default 10,000. */
    uint32_t connect_timeout_ms;
    /** Silence after which the connection counts as lost, in milliseconds, 1,000-3,600,000. Default 30,000. */
    uint32_t idle_timeout_ms;
    /** Silence after which a sign of life is sent, in milliseconds; sooner where an idle time-out is short. Default 5,000. */
    uint32_t keep_alive_ms;
    /** How long a network thread gathers sends before they leave, in microseconds. Default 200. */
    uint32_t gathering_us;
    /** Largest datagram to send without having asked the path, in bytes of UDP payload, 1,200-65,507. Default 1,200. */
    uint32_t datagram_bytes;
    /** Largest datagram to receive, 1,200-65,527. Default 1,452. */
    uint32_t receive_datagram_bytes_max;
    /** Largest reliable message to receive, in bytes, 1,100-16,777,216. Default 1 MiB. */
    uint32_t message_bytes_max;
    /** Bytes of reliable messages in the air on all channels. Default 4 MiB. */
    uint32_t connection_credit_bytes;
    /** Bytes of reliable messages in the air on one channel. Default 2 MiB. */
    uint32_t channel_credit_bytes;
    /** Reliable messages in the air on one channel, 1-262,144. Default 8,192. */
    uint32_t channel_credit_messages;
    /** Messages that may be retained at a time. Default 16,384. */
    uint32_t retained_messages_max;
    /** TME_CONGESTION_... Default TME_CONGESTION_DELIVERY_RATE. */
    uint32_t congestion;
    /** A connect token as text, which the game's backend gave the player. It admits once. Default: none. */
    const char *token;
    /**
     * Bytes of UDP payload that may leave in a second; less than 1,200 counts as 1,200. Acknowledgements and signs of life
     * count, but do not wait for it. Default: no limit but the path's.
     */
    uint64_t rate_cap;
    /** Largest datagram that is tried on the path, 1,200-65,507; 1,200 tries nothing. Default 1,452. */
    uint32_t datagram_bytes_max;
    /**
     * By what the server may be reached: TME_LINK_... Default TME_LINK_ANY: UDP; after a second without an answer TCP is tried
     * at the same address, too. Over TCP, UDP is asked for every few seconds, and the session goes on there as soon as it
     * answers; when UDP falls silent for 3 s, TCP takes over. TME_EVENT_LINK_CHANGED tells.
     */
    uint32_t links;
    /**
     * Who looks the server's name up, which may take half a minute: the game's own job system. Default: threads of the library,
     * started when there is a name to look up, which end after 10 s without; with an executor there are none.
     */
    TmeExecutor executor;
    /** Handed to it. */
    void *executor_user_data;
    /**
     * PEM file with authorities: TLS as with TME_CONFIG_TLS, which this needs not, but the server's certificate must be of one
     * of them. Read once. Default: none.
     */
    const char *tls_authorities_file;
    /**
     * SHA-256 of a certificate, 64 hexadecimal digits, with or without colons between the pairs: TLS as with TME_CONFIG_TLS, which
     * this needs not, but the server's certificate must be this one, whatever it says of names and times. Not together with
     * `tls_authorities_file`. Default: none.
     */
    const char *tls_fingerprint;
    /** Name or address that the certificate must be for. Needs TLS. Default: the host in `address`. */
    const char *tls_name;
    /**
     * Hash of the schema of the game's messages (tme_schema_hash), which both sides compare: who differs is refused with
     * TME_REASON_SCHEMA. Default 0: nothing is compared.
     */
    uint64_t schema_hash;
} TmeClientConfig;

/**
 * Fills in the defaults of a client.
 *
 * Parameters: `config` of `struct_size` bytes, which must be `sizeof *config`.
 * Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_config_init(TmeClientConfig *config, size_t struct_size);

/* ---- Client: connects to one server ---------------------------------------------------------- */

/**
 * Starts a client. Whether the server answers is told by TME_EVENT_CONNECTED or TME_EVENT_DISCONNECTED.
 *
 * Parameters: `config`, NULL for all defaults; `client` gets the client.
 * Ownership: the caller's, until tme_client_destroy. What `config` points to is copied.
 * Returns: TME_OK; TME_ERROR_ADDRESS; TME_ERROR_BIND; TME_ERROR_CHANNELS; TME_ERROR_KEY; TME_ERROR_TOKEN_TEXT;
 * TME_ERROR_FILE; TME_ERROR_CONFIG; TME_ERROR_SYSTEM; TME_ERROR_NULL; TME_ERROR_UTF8; TME_ERROR_FLAGS; TME_ERROR_ENUM; TME_ERROR_ARGUMENT;
 * TME_ERROR_LENGTH; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_create(const TmeClientConfig *config, TmeClient **client);

/**
 * Starts a client that needs no server: every message it sends comes back on the same channel with the same key.
 *
 * For tests of bindings and for single-player modes: everything else is as with a real server, network conditions included.
 *
 * Parameters: as tme_client_create; `address`, `server_key`, `known_hosts` and those of TLS do not matter.
 * Ownership: the caller's, until tme_client_destroy.
 * Returns: as tme_client_create.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_create_echo(const TmeClientConfig *config, TmeClient **client);

/**
 * Ends a client. Its connection ends at once; tme_client_close before it does so politely.
 *
 * Parameters: `client`; NULL does nothing. Retained messages stay.
 * Returns: TME_OK; TME_ERROR_HANDLE.
 * Threads: any, when no other call on the client is running or will come.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_destroy(TmeClient *client);

/**
 * Waits for news, at most the time given. Inline, all input and output happens here.
 *
 * Parameters: `timeout_ms`; 0 does not wait. Returns early with events, or after tme_client_wake.
 * Returns: TME_OK; TME_ERROR_FILE if the server's key could not be remembered (the connection goes on); TME_ERROR_BUSY;
 * TME_ERROR_CLOSED; TME_ERROR_WAIT; TME_ERROR_SOCKET; TME_ERROR_POISONED; TME_ERROR_NULL;
 * TME_ERROR_HANDLE.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_update(TmeClient *client, uint32_t timeout_ms);

/**
 * Takes the oldest events.
 *
 * Parameters: `events`, an array of `capacity`; `count` gets how many were taken, at most 4,096. 0 with TME_OK: none
 * waits. The data of events taken earlier ends here.
 * Returns: TME_OK; TME_ERROR_FILE if the server's key could not be remembered (once, at a threaded client that is not
 * updated; the connection goes on, and the next call takes the events); TME_ERROR_BUSY; TME_ERROR_CLOSED after close,
 * when all were taken; TME_ERROR_WAIT; TME_ERROR_SOCKET; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
 * TME_ERROR_LENGTH if the array is not aligned.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_poll(
    TmeClient *client,
    TmeEvent *events,
    uint32_t capacity,
    uint32_t *count);

/**
 * Sends what is queued now instead of with the next update.
 *
 * Returns: TME_OK; TME_ERROR_CLOSED; TME_ERROR_SOCKET; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_flush(TmeClient *client);

/**
 * Makes a waiting tme_client_update return.
 *
 * Returns: TME_OK; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_wake(TmeClient *client);

/**
 * Ends the connection after what is queued reliably went through.
 *
 * Parameters: `patience_ms`, the longest that takes. Events of the last moments can still be polled.
 * Returns: TME_OK, also the second time; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_close(TmeClient *client, uint32_t patience_ms);

/**
 * Tells whether the server is connected. Compare with 1: what is not a client is neither.
 *
 * Returns: 1 if it is, 0 if not, also for a poisoned client; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API int32_t tme_client_is_connected(const TmeClient *client);

/**
 * Tells what carries the session at the moment.
 *
 * Parameters: `link` gets TME_LINK_UDP, TME_LINK_TCP or TME_LINK_WEBSOCKET; 0 on failure.
 * Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_link(const TmeClient *client, uint32_t *link);

/**
 * Tells who the server is: its id, address and key; the number is the client's own.
 *
 * Parameters: `info` of `struct_size` bytes, which must be `sizeof *info`.
 * Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_server_info(
    const TmeClient *client,
    TmePeerInfo *info,
    size_t struct_size);

/**
 * Finds a channel by its name, for clients that take the server's table.
 *
 * Parameters: `name`; `channel` gets the id.
 * Returns: TME_OK; TME_ERROR_UNKNOWN_CHANNEL; TME_ERROR_NOT_CONNECTED; TME_ERROR_POISONED; TME_ERROR_NULL;
 * TME_ERROR_HANDLE; TME_ERROR_UTF8.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_channel_by_name(
    const TmeClient *client,
    const char *name,
    uint32_t *channel);

/**
 * Ends the connection after queued reliable messages went through, for at most 3 s, with a code and bytes of the game's own.
 *
 * TME_EVENT_DISCONNECTED follows.
 *
 * Parameters: `code`; `detail` of `length` bytes, at most 512. The server finds them in its TME_EVENT_DISCONNECTED.
 * Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_TOO_LARGE; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_disconnect(
    TmeClient *client,
    uint32_t code,
    const void *detail,
    size_t length);

/**
 * Goes on through another socket, as after a change of the network: the session lives on, with all that is queued.
 *
 * A client whose socket has broken, or through which nothing could be sent for a second, does this by itself. Before
 * TME_EVENT_CONNECTED there is no session to keep: destroy a client that is still connecting and create another.
 *
 * Parameters: `address`, local address and port to send from; NULL for any port.
 * Returns: TME_OK; TME_ERROR_NOT_CONNECTED before TME_EVENT_CONNECTED; TME_ERROR_BIND; TME_ERROR_CONFIG where an address cannot
 * change: in plaintext, where nobody can prove to be the same, and at an echo client; TME_ERROR_ADDRESS; TME_ERROR_UTF8;
 * TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE. On failure nothing has changed.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_rebind(TmeClient *client, const char *address);

/**
 * Sets how much may leave for the server.
 *
 * Parameters: `bytes_per_second` of UDP payload; less than 1,200 counts as 1,200, and 0 leaves it to the path.
 * Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_set_rate_cap(TmeClient *client, uint64_t bytes_per_second);

/**
 * The address the client sends datagrams from, also while TCP carries the session.
 *
 * Parameters: `buffer` of `capacity` bytes gets the text; `needed` (may be NULL) gets the bytes it takes with its NUL.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_local_address(
    const TmeClient *client,
    char *buffer,
    size_t capacity,
    size_t *needed);

/**
 * The port the client sends datagrams from, also while TCP carries the session.
 *
 * Returns: the port; 0 if `client` is not a client, or poisoned.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API uint16_t tme_client_port(const TmeClient *client);

/* ---- Clock: the server's time, and ticks counted on it --------------------------------------- */

/** The server's time at one moment, and how far that can be trusted. */
typedef struct TmeServerTime {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /**
     * 1 once enough answers came, else 0. Until then `time_us` can jump; from then on it only moves forwards, and
     * TME_EVENT_CLOCK tells of the exception.
     */
    uint32_t is_synchronised;
    /** Microseconds on the server's clock, which read 0 when the server started. */
    uint64_t time_us;
    /** `time_us` is not off by more, whatever the path does: about half the fastest round trip. At the server 0. */
    uint64_t error_us;
    /** `time_us` is usually not off by more where the path takes as long in both directions. */
    uint64_t error_likely_us;
    /**
     * How long inputs are under way to the server, hardly any longer, by this clock. Inputs that leave now are for the tick
     * after the one that `time_us + input_delay_us` lies in.
     */
    uint64_t input_delay_us;
    /** By how much the server's clock is faster than ours, in parts per million; already corrected for. */
    double drift_ppm;
} TmeServerTime;

/** Where a time lies among a game's ticks. */
typedef struct TmeTick {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** 0. */
    uint32_t reserved;
    /** The tick that has begun. */
    uint64_t tick;
    /** When it began, in microseconds of the server's clock. */
    uint64_t begin_us;
    /** Time until the next one begins. */
    uint64_t until_next_us;
    /** How much of it has passed, 0.0 to just below 1.0. */
    double phase;
} TmeTick;

/**
 * Tells where a time of the server's clock lies among ticks of a rate. Tick 0 begins at 0; ticks are counted in fractions, so
 * that 60 a second are 60 in every second for ever.
 *
 * Parameters: `time_us`, such as TmeServerTime has it; `ticks_per_second`, 1 to 10,000, on which server and clients have
 * agreed; `tick` of `struct_size` bytes, which must be `sizeof *tick`.
 * Returns: TME_OK; TME_ERROR_ARGUMENT; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_tick_at(
    uint64_t time_us,
    uint32_t ticks_per_second,
    TmeTick *tick,
    size_t struct_size);

/* ---- Client: the server's time --------------------------------------------------------------- */

/**
 * The server's time, and how far that can be trusted. Of one reading after the other none is earlier, on any thread, once it is
 * synchronised and until TME_EVENT_CLOCK tells of a step.
 *
 * Parameters: `time` of `struct_size` bytes, which must be `sizeof *time`.
 * Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_NO_FIGURES before the first answer, also if nothing asked
 * (tme_client_synchronise_clock, TME_CONFIG_CLOCK); TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
 * TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_server_time(
    const TmeClient *client,
    TmeServerTime *time,
    size_t struct_size);

/**
 * Begins to ask for the server's time: ten times a second at first, then more and more seldom, once a second from 45 s on;
 * some 90 bytes both ways together each time. Called again, it begins anew. TME_EVENT_CLOCK tells when the time is known, on
 * most paths after 3 s.
 *
 * Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_synchronise_clock(TmeClient *client);

/* ---- Conditions: a bad network, made on purpose ---------------------------------------------- */

/** What this handle receives. */
#define TME_DIRECTION_INCOMING 1u
/** What this handle sends. */
#define TME_DIRECTION_OUTGOING 2u
/** From a client to its server. */
#define TME_PATH_UP 1u
/** From a server to its client. */
#define TME_PATH_DOWN 2u
/** Every datagram takes the same time. */
#define TME_JITTER_NONE 0u
/** Uniform in delay +- `jitter_us`. */
#define TME_JITTER_UNIFORM 1u
/** An extra delay with the median `jitter_us`, the 99th percentile `jitter_p99_us` and the maximum `jitter_max_us`. */
#define TME_JITTER_SKEWED 2u
/** Every datagram has its own jitter and may overtake. Without it jitter keeps the order. */
#define TME_CONDITIONS_JITTER_REORDERS 1u

/**
 * A network's behaviour in one direction. All probabilities are 0.0-1.0; what is zero takes its default, which is none
 * unless another is given.
 */
typedef struct TmeConditions {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** TME_CONDITIONS_... */
    uint32_t flags;
    /** Probability that a datagram is lost, independently of the others. */
    double loss;
    /** Probability per datagram to enter a bad spell, on top of `loss`. */
    double burst_enter;
    /** Probability per datagram to leave it. */
    double burst_leave;
    /** Probability of loss outside bad spells. */
    double burst_loss_good;
    /** Probability of loss in a bad spell. */
    double burst_loss_bad;
    /** One-way delay in microseconds, at most 60 s. */
    uint64_t delay_us;
    /** TME_JITTER_... */
    uint32_t jitter_kind;
    /** Header bytes that rate, queue and MTU count per datagram. Default 28 (IPv4 and UDP). */
    uint32_t header_bytes;
    /** Microseconds; by kind. */
    uint64_t jitter_us;
    /** Microseconds (skewed). */
    uint64_t jitter_p99_us;
    /** Microseconds (skewed). */
    uint64_t jitter_max_us;
    /** Probability that a datagram is held back, so that others overtake it. */
    double reorder;
    /** For how long, in microseconds. Default 10,000. */
    uint64_t reorder_delay_us;
    /** Probability that a datagram arrives twice. */
    double duplicate;
    /** The copy comes up to this much later, in microseconds. Default 10,000. */
    uint64_t duplicate_delay_max_us;
    /** Probability that bits of a datagram are flipped. */
    double corrupt;
    /** From 1 to this many bits are flipped, at most 64. Default 3. */
    uint32_t corrupt_bits_max;
    /** Largest packet with headers; larger ones are dropped. Default: any. */
    uint32_t mtu_bytes;
    /** Rate of the narrowest place of the path. Default: any rate. */
    uint64_t bottleneck_bytes_per_second;
    /** Bytes that may queue in front of it; more are dropped. */
    uint64_t bottleneck_queue_bytes;
} TmeConditions;

/**
 * Prepares conditions of a perfect network.
 *
 * Parameters: `conditions` of `struct_size` bytes, which must be `sizeof *conditions`.
 * Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_conditions_init(TmeConditions *conditions, size_t struct_size);

/**
 * Fills in the conditions of a kind of network: "lan", "wifi", "wifi_bad", "lte", "transatlantic" or "satellite".
 *
 * Parameters: `preset`; `path`, TME_PATH_UP or TME_PATH_DOWN: a client sends up and receives down, a server the other way
 * round; `conditions` of `struct_size` bytes.
 * Returns: TME_OK; TME_ERROR_ARGUMENT for an unknown preset; TME_ERROR_ENUM; TME_ERROR_NULL; TME_ERROR_UTF8;
 * TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_conditions_preset(
    const char *preset,
    uint32_t path,
    TmeConditions *conditions,
    size_t struct_size);

/* ---- Statistics: what engines, peers and channels tell about themselves ---------------------- */

/** Nobody knows how long a message would wait: the other side does not answer, or does not take what was sent before. */
#define TME_WAIT_UNKNOWN 18446744073709551615ull

/**
 * What modelled network conditions did to datagrams in one direction since they were switched on.
 *
 * `offered` + `duplicated` is what was delivered, lost or dropped, plus what is still on its way.
 */
typedef struct TmeConditionStatistics {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** 0. */
    uint32_t reserved;
    /** Datagrams handed to the modelled network. */
    uint64_t offered;
    /** Datagrams delivered, copies included. */
    uint64_t delivered;
    /** Lost, independently of each other. */
    uint64_t lost;
    /** Lost in bad spells. */
    uint64_t burst_lost;
    /** Dropped because the bottleneck's queue was full. */
    uint64_t queue_dropped;
    /** Dropped because they were larger than the MTU. */
    uint64_t mtu_dropped;
    /** Dropped because the model's memory limits were reached. */
    uint64_t overflow;
    /** Copies made. */
    uint64_t duplicated;
    /** Datagrams with flipped bits. */
    uint64_t corrupted;
    /** Datagrams delivered after one that had entered later. */
    uint64_t reordered;
} TmeConditionStatistics;

/** Figures of a connection since it was established. Times are microseconds, rates bytes per second. */
typedef struct TmePeerStatistics {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** Largest datagram sent, in bytes of UDP payload: what the path is known to carry. */
    uint32_t datagram_bytes;
    /** Newest round-trip time. */
    uint64_t rtt_latest_us;
    /** Smoothed round-trip time. */
    uint64_t rtt_smoothed_us;
    /** Mean deviation of the round-trip time. */
    uint64_t rtt_variation_us;
    /** Smallest round-trip time. */
    uint64_t rtt_minimum_us;
    /** Mean difference between successive round-trip times. */
    uint64_t jitter_us;
    /** Packets sent. */
    uint64_t packets_sent;
    /** Authentic packets received. */
    uint64_t packets_received;
    /** UDP payload bytes sent. */
    uint64_t bytes_sent;
    /** UDP payload bytes received in authentic packets. */
    uint64_t bytes_received;
    /** Packets we sent that count as lost. */
    uint64_t packets_lost;
    /** Packets counted as lost and acknowledged after all. */
    uint64_t packets_spuriously_lost;
    /** Packets of the other side that did not arrive. */
    uint64_t packets_missing;
    /** Share of our packets lost, 0.0-1.0: of the last full 3 s of traffic, or of the present ones before that. */
    double loss_sent;
    /** Share of the other side's packets missing, 0.0-1.0; likewise. */
    double loss_received;
    /** UDP payload bytes per second sent, over the last second. */
    uint64_t rate_sent;
    /** UDP payload bytes per second received, over the last second. */
    uint64_t rate_received;
    /** Messages handed to the game. */
    uint64_t messages_received;
    /** Messages received a second time and dropped. */
    uint64_t messages_duplicate;
    /** Unreliable messages dropped because the game did not poll. */
    uint64_t messages_overflowed;
    /** Unreliable messages of several pieces given up because a piece did not come. */
    uint64_t messages_incomplete;
    /** Frames sent again. */
    uint64_t retransmitted;
    /** Probe time-outs. */
    uint64_t probe_timeouts;
    /** Bytes that may be in flight. */
    uint64_t congestion_window_bytes;
    /** Bytes in flight. */
    uint64_t bytes_in_flight;
    /** Bytes per second the pacer allows. */
    uint64_t pacing_rate;
    /** Bytes queued on all channels. */
    uint64_t queued_bytes;
    /** Packets dropped: header cut short or reserved bits set. */
    uint64_t dropped_malformed;
    /** Packets dropped: received before. */
    uint64_t dropped_replayed;
    /** Packets dropped: older than the replay window. */
    uint64_t dropped_too_old;
    /** Packets dropped: the tag does not verify. */
    uint64_t dropped_unauthentic;
    /** Packets dropped: sealed with keys that are erased. */
    uint64_t dropped_key_erased;
    /** Packets dropped: from another address. */
    uint64_t dropped_foreign_address;
    /** Packets dropped: after the connection was closed. */
    uint64_t dropped_closed;
    /** How often the other side's address has changed, at a server. */
    uint64_t address_changes;
    /** How often another address seemed to be the other side's and did not prove it. */
    uint64_t address_changes_refused;
    /** Clock: requests for the other side's time that were sent, by a client that synchronises its clock. */
    uint64_t clock_requests;
    /** Clock: answers taken into the estimate. */
    uint64_t clock_answers;
    /** Clock: answers dropped, to requests that were not made, or answered already, or too long ago. */
    uint64_t clock_unasked;
    /** Clock: answers dropped, with times that cannot be. */
    uint64_t clock_absurd;
    /** Clock: answers that contradict all others; one of the clocks jumped, or the other side lies. */
    uint64_t clock_contradictions;
    /**
     * Clock: times that the estimate was set after it was synchronised, each a TME_EVENT_CLOCK with
     * TME_EVENT_FLAG_STEPPED.
     */
    uint64_t clock_steps;
    /** Clock: requests of the other side that were answered, at a server. */
    uint64_t clock_answered;
    /** Clock: requests of the other side that were not, beyond 20 a second or several at once. */
    uint64_t clock_refused;
} TmePeerStatistics;

/** Figures of one channel towards a peer, on the sending side. */
typedef struct TmeChannelStatistics {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** The channel's id. */
    uint32_t channel;
    /** Bytes waiting, and for reliable channels unacknowledged. */
    uint64_t queued_bytes;
    /** Messages waiting, and for reliable channels unacknowledged. */
    uint64_t queued_messages;
    /** How long messages wait before they leave, smoothed, in microseconds. */
    uint64_t queue_time_us;
    /** Messages whose first byte was sent. */
    uint64_t messages_sent;
    /** Frames sent again. */
    uint64_t retransmitted;
    /** Unreliable messages that waited too long. */
    uint64_t expired;
    /** Messages replaced by a newer one. */
    uint64_t superseded;
    /** Small messages that rode again in a packet before anything was known to be lost. */
    uint64_t copied;
} TmeChannelStatistics;

/**
 * What may be sent to a peer now, and how long a message on one channel would wait. An estimate: the path may change its
 * mind.
 */
typedef struct TmeSendBudget {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** The channel's id. */
    uint32_t channel;
    /**
     * Bytes per second, headers of packets included, that the path is believed to carry. Until something has used the path
     * to its limit nobody knows; then it is what may be tried.
     */
    uint64_t bytes_per_second;
    /** Bytes that may be queued now, on all channels together, and leave at once. */
    uint64_t bytes_now;
    /**
     * How long a message queued now on this channel would wait before its first byte leaves, in microseconds, with regard
     * to priorities and what is queued. Or TME_WAIT_UNKNOWN.
     */
    uint64_t wait_us;
} TmeSendBudget;

/** Figures of a whole server or client, its socket included. */
typedef struct TmeEngineStatistics {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** Peers connected, or accepted and about to be. */
    uint32_t peers;
    /** Datagrams received. */
    uint64_t datagrams_received;
    /** Their bytes of UDP payload. */
    uint64_t bytes_received;
    /** Datagrams sent. */
    uint64_t datagrams_sent;
    /** Their bytes of UDP payload. */
    uint64_t bytes_sent;
    /** System calls made to receive. */
    uint64_t receive_calls;
    /** System calls made to send. */
    uint64_t send_calls;
    /** Times a send stopped because the socket's queue was full. */
    uint64_t socket_full;
    /** Data packets dropped, for all reasons. */
    uint64_t packets_dropped;
    /** Handshake datagrams dropped, for all reasons. */
    uint64_t handshakes_dropped;
    /** Messages accepted by a send whose peer was gone before they reached its connection. */
    uint64_t sends_dropped;
    /** Resets sent to peers of an earlier run. */
    uint64_t resets_sent;
    /** Clients refused, for all reasons. */
    uint64_t clients_refused;
    /** Clients turned away because they had no connect token. */
    uint64_t tokens_missing;
    /** Because no key of the server opens their token, it is damaged, or the server takes none. */
    uint64_t tokens_invalid;
    /** Because it is for another server. */
    uint64_t tokens_wrong_audience;
    /** Because it was issued in the future. */
    uint64_t tokens_not_yet_valid;
    /** Because it has expired, or is older than what the server remembers. */
    uint64_t tokens_expired;
    /** Because somebody has connected with it. */
    uint64_t tokens_used;
    /** Clients refused because the game did not decide in time. */
    uint64_t undecided;
    /** Peers that a newer connection of the same identity has replaced. */
    uint64_t peers_replaced;
    /** Clients that were accepted, had not been heard of, and gave way to others at a full server. */
    uint64_t unconfirmed_evicted;
    /** Queries for what this server is, within the limit. */
    uint64_t queries;
    /** Streams (TCP connections) accepted. */
    uint64_t streams_accepted;
    /** Streams opened from here that reached the other side. */
    uint64_t streams_opened;
    /** Streams that are open, or being opened. */
    uint64_t streams_open;
    /** Datagrams received in streams; `datagrams_received` counts them, too. */
    uint64_t stream_datagrams_received;
    /** Datagrams sent in streams; `datagrams_sent` counts them, too. */
    uint64_t stream_datagrams_sent;
    /** Streams that ended because the other side has closed them. */
    uint64_t streams_closed;
    /** Because the network or the system has cut them off. */
    uint64_t streams_broken;
    /** Because they could not be opened. */
    uint64_t streams_unreachable;
    /** Because the other side does not speak TME. */
    uint64_t streams_not_tme;
    /** Because a record was empty or too long. */
    uint64_t streams_bad_length;
    /** Because they carried no connection in time. */
    uint64_t streams_unclaimed;
    /** Because they took nothing for 30 s although something waited. */
    uint64_t streams_too_slow;
    /** Because there were too many. */
    uint64_t streams_too_many;
    /** Because their connection is over, or goes on another way. */
    uint64_t streams_released;
    /** Streams that ended because their HTTP request asked for no WebSocket, or not for TME's. */
    uint64_t streams_bad_upgrade;
    /** WebSockets that ended because text came where datagrams were due. */
    uint64_t streams_text;
    /** Questions of those who look for servers that were answered. */
    uint64_t discovery_answered;
    /** Answers to them that the system did not take. */
    uint64_t discovery_unsent;
    /** Datagrams at the discovery port dropped: not a question as it must be. */
    uint64_t discovery_malformed;
    /** Because they are of another kind. */
    uint64_t discovery_unexpected;
    /** Because they come from no network that leads to the server. */
    uint64_t discovery_off_link;
    /** Because they ask for another game. */
    uint64_t discovery_other_application;
    /** Because they are copies of one that was answered. */
    uint64_t discovery_repeated;
    /** Because their source has asked too often. */
    uint64_t discovery_source_limited;
    /** Because there were too many from all sources. */
    uint64_t discovery_limited;
    /** Clients refused because the server shuts down. */
    uint64_t clients_refused_shutdown;
    /** Look-ups of names that were done, by threads of the library or by the host's executor. */
    uint64_t jobs_done;
    /** That failed by a bug; the log says so. */
    uint64_t jobs_panicked;
    /** That were not done, because nobody waited for them any more or the executor discarded them. */
    uint64_t jobs_dropped;
    /** That found no thread. */
    uint64_t jobs_refused;
    /** Datagrams that one of several network threads has passed on to another, which has their connection. */
    uint64_t datagrams_passed_on;
    /** Datagrams of another network thread that were lost, because too many waited for it. */
    uint64_t datagrams_not_passed_on;
    /** Streams that one of several network threads has passed on to another. */
    uint64_t streams_passed_on;
    /** Streams that ended because the server's certificate is for another name. */
    uint64_t streams_certificate_name;
    /** Because the server's certificate is not valid any more, or not yet. */
    uint64_t streams_certificate_time;
    /** Because the server's certificate is of nobody who is trusted, or not the one that is expected. */
    uint64_t streams_certificate_untrusted;
    /** Because no TLS session came about for another reason, or what came later was forged. */
    uint64_t streams_tls_failed;
    /** Bytes received in streams, with what is around datagrams, TLS included. */
    uint64_t stream_bytes_received;
    /** Bytes sent in streams, likewise. */
    uint64_t stream_bytes_sent;
    /** Streams that ended because of a PROXY header by somebody who is no listed proxy. */
    uint64_t streams_unlisted_proxy;
    /** Because a listed proxy began without a PROXY header, or with a malformed one. */
    uint64_t streams_proxy_header;
    /** Because a listed proxy did not say by X-Forwarded-For for whom it speaks, or not so that it can be read. */
    uint64_t streams_forwarded_for;
} TmeEngineStatistics;

/** What a broadcast came to. Frozen. */
typedef struct TmeBroadcast {
    /** Peers for which it was queued. */
    uint32_t sent;
    /** Peers whose queue is full, or who have too many keys under way; TME_EVENT_WRITABLE follows for each. */
    uint32_t would_block;
    /** Peers that are being disconnected, and ids that name nobody. */
    uint32_t gone;
    /** Peers that will not take it later either: larger than they allow. */
    uint32_t refused;
    /** 0. */
    uint64_t reserved[2];
} TmeBroadcast;

/* ---- Client: modelled network conditions ----------------------------------------------------- */

/**
 * Switches modelled network conditions on, changes them, or off. They end with the connection.
 *
 * Parameters: `direction`, TME_DIRECTION_...; `conditions`, NULL to switch off.
 * Returns: TME_OK; TME_ERROR_CONDITIONS; TME_ERROR_NOT_CONNECTED; TME_ERROR_ENUM; TME_ERROR_FLAGS; TME_ERROR_POISONED;
 * TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_set_conditions(
    TmeClient *client,
    uint32_t direction,
    const TmeConditions *conditions);

/**
 * What modelled network conditions have done.
 *
 * Parameters: `direction`, TME_DIRECTION_...; `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
 * Returns: TME_OK; TME_ERROR_NO_FIGURES while none are switched on; TME_ERROR_NOT_CONNECTED; TME_ERROR_ENUM;
 * TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_condition_statistics(
    const TmeClient *client,
    uint32_t direction,
    TmeConditionStatistics *statistics,
    size_t struct_size);

/* ---- Client: figures ------------------------------------------------------------------------- */

/**
 * Figures of the connection, at most 100 ms older than its last datagram.
 *
 * Parameters: `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
 * Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_statistics(
    const TmeClient *client,
    TmePeerStatistics *statistics,
    size_t struct_size);

/**
 * Figures of one channel: queue depth, queue time, resent, expired.
 *
 * Parameters: `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
 * Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_UNKNOWN_CHANNEL; TME_ERROR_NO_FIGURES; TME_ERROR_POISONED;
 * TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_channel_statistics(
    const TmeClient *client,
    uint32_t channel,
    TmeChannelStatistics *statistics,
    size_t struct_size);

/**
 * What may be sent now, and how long a message on one channel would wait: what was given to the send functions counts,
 * whether it has left or not.
 *
 * Parameters: `budget` of `struct_size` bytes, which must be `sizeof *budget`.
 * Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_UNKNOWN_CHANNEL; TME_ERROR_POISONED; TME_ERROR_NULL;
 * TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_send_budget(
    const TmeClient *client,
    uint32_t channel,
    TmeSendBudget *budget,
    size_t struct_size);

/**
 * Figures of the client as a whole, its socket included.
 *
 * Parameters: `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
 * Returns: TME_OK; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_engine_statistics(
    const TmeClient *client,
    TmeEngineStatistics *statistics,
    size_t struct_size);

/* ---- Settings: what one send is told --------------------------------------------------------- */

/**
 * Everything queued leaves at once, instead of after the gathering time. An inline handle gathers nothing: there it leaves
 * with the next update or flush.
 */
#define TME_SEND_FLUSH 1u

/** What one send is told. NULL in its place is all zero. */
typedef struct TmeSendOptions {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** TME_SEND_... */
    uint32_t flags;
    /** Key of a reliable-latest channel. 0 on other channels. */
    uint32_t key;
    /** 0. */
    uint32_t reserved;
    /** Broadcasts leave this peer out. 0: nobody. */
    TmePeer except;
    /**
     * Time from the call, in microseconds, after which the message is neither sent nor sent again, on reliable channels
     * too. 0: none.
     */
    uint64_t deadline_us;
    /**
     * A number of the caller's: TME_EVENT_DELIVERED or TME_EVENT_EXPIRED, one of them and once, tells what became of the
     * message, for every peer that took it. It counts in its channel's queue until that event was polled. 0: nothing is told.
     */
    uint64_t receipt;
} TmeSendOptions;

/**
 * Fills in the defaults of a send.
 *
 * Parameters: `options` of `struct_size` bytes, which must be `sizeof *options`.
 * Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_send_options_init(TmeSendOptions *options, size_t struct_size);

/* ---- Client: sending ------------------------------------------------------------------------- */

/**
 * Queues a message for the server. The bytes are copied.
 *
 * Parameters: `channel`, an id; `data` of `length` bytes; `flags`, 0 or TME_SEND_FLUSH.
 * Returns: TME_OK; TME_ERROR_WOULD_BLOCK, then TME_EVENT_WRITABLE follows; TME_ERROR_NOT_CONNECTED;
 * TME_ERROR_UNKNOWN_CHANNEL; TME_ERROR_TOO_LARGE; TME_ERROR_TOO_MANY_KEYS on a reliable-latest channel, where this is key
 * 0; TME_ERROR_FLAGS; TME_ERROR_LENGTH; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_send(
    TmeClient *client,
    uint32_t channel,
    const void *data,
    size_t length,
    uint32_t flags);

/**
 * Queues a message for the server, with options. The bytes are copied.
 *
 * Parameters: as tme_client_send; `options`, NULL for none.
 * Returns: as tme_client_send; TME_ERROR_KEY_NOT_ALLOWED; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_send_with(
    TmeClient *client,
    uint32_t channel,
    const void *data,
    size_t length,
    const TmeSendOptions *options);

/**
 * Hands a message over for the server, without a copy.
 *
 * Parameters: `message`; the others as tme_client_send_with.
 * Ownership: on success the message is the library's; on failure it is still the caller's, but no longer writable.
 * Returns: as tme_client_send_with.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_client_send_message(
    TmeClient *client,
    uint32_t channel,
    TmeMessage *message,
    const TmeSendOptions *options);

/* ---- Discoveries: find the servers on one's own network -------------------------------------- */

/** Look for servers on this machine alone: nothing leaves it. */
#define TME_DISCOVERY_THIS_MACHINE 1u
/** Most bytes in the name of a server, without its NUL. */
#define TME_DISPLAY_NAME_BYTES_MAX 64u

/** What to look for, and where. tme_discovery_config_init fills in the defaults; what is zero takes its default. */
typedef struct TmeDiscoveryConfig {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** TME_DISCOVERY_... Default: on all networks of this machine, itself included. */
    uint32_t flags;
    /** Name of the game whose servers are looked for, as their configs have it. Default: NULL, servers of all games. */
    const char *application;
    /** UDP port at which servers are asked; they must have the same. Default 7776. */
    uint32_t port;
    /** 0. */
    uint32_t reserved;
} TmeDiscoveryConfig;

/**
 * Gives the number by which servers tell which game they run.
 *
 * Parameters: `application`, the name as configs have it, NULL for none; `id` gets the number, 0 for no name.
 * Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_UTF8.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_query_application_id(const char *application, uint64_t *id);

/**
 * A server that was found, and what it says of itself. Nothing of it is authenticated: anybody on the network may have said it
 * instead. The handshake proves who is there.
 */
typedef struct TmeFoundServer {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** TME_SERVER_... */
    uint32_t flags;
    /** Names it within this discovery; the token of its events. */
    uint64_t id;
    /** Which game it runs: tme_query_application_id of the game's name. */
    uint64_t application_id;
    /** Hash of its channel table. */
    uint64_t channel_table;
    /** The round trip of the question that was answered. */
    uint64_t rtt_us;
    /** Peers connected. */
    uint32_t peers;
    /** Most peers at a time. */
    uint32_t peers_max;
    /** Where to connect to: address and port. */
    char address[64];
    /** All its addresses that have answered, at most eight, with a space between two; the first is `address`. */
    char addresses[512];
    /** Its name, without control characters. */
    char name[72];
    /** Bytes in `information`, at most 512. */
    uint32_t information_bytes;
    /** 0. */
    uint32_t reserved;
    /** What the game has added, with a NUL after it where that is text. */
    uint8_t information[520];
} TmeFoundServer;

/**
 * Fills in the defaults of a discovery.
 *
 * Parameters: `config` of `struct_size` bytes, which must be `sizeof *config`.
 * Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_discovery_config_init(TmeDiscoveryConfig *config, size_t struct_size);

/**
 * Makes a discovery, which has sockets of its own. It asks for servers whenever it is updated.
 *
 * Parameters: `config`, NULL for the defaults. `discovery` gets the discovery.
 * Ownership: the caller's, until tme_discovery_destroy.
 * Returns: TME_OK; TME_ERROR_CONFIG if the port is none; TME_ERROR_BIND; TME_ERROR_SYSTEM; TME_ERROR_NULL;
 * TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL; TME_ERROR_UTF8; TME_ERROR_FLAGS.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_discovery_create(
    const TmeDiscoveryConfig *config,
    TmeDiscovery **discovery);

/**
 * Ends a discovery.
 *
 * Parameters: `discovery`; NULL does nothing.
 * Returns: TME_OK; TME_ERROR_HANDLE.
 * Threads: any, when no other call on the discovery is running or will come.
 * Since: 0.1
 */
TME_C_API TmeResult tme_discovery_destroy(TmeDiscovery *discovery);

/**
 * Looks for servers for as long as it is told. tme_discovery_servers lists them then.
 *
 * Parameters: `time_ms`; 2,000 find nearly all that there are.
 * Returns: TME_OK, also if none was found; TME_ERROR_NO_NETWORK if none was found and no interface took the question;
 * TME_ERROR_BUSY; TME_ERROR_WAIT; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: one at a time; it blocks this one.
 * Since: 0.1
 */
TME_C_API TmeResult tme_discovery_search(TmeDiscovery *discovery, uint32_t time_ms);

/**
 * Asks when it is time, receives, and waits at most the time given for news.
 *
 * Parameters: `timeout_ms`; 0 does not wait. Returns early with news.
 * Returns: TME_OK; TME_ERROR_BUSY; TME_ERROR_WAIT; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_discovery_update(TmeDiscovery *discovery, uint32_t timeout_ms);

/**
 * Takes news: TME_EVENT_SERVER_FOUND and TME_EVENT_SERVER_LOST.
 *
 * Parameters: `events`, an array of `capacity`; `count` gets how many were taken, at most 4,096. 0 with TME_OK: there are
 * none. The data of events taken earlier ends here.
 * Returns: TME_OK; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_LENGTH if the array is
 * not aligned.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_discovery_poll(
    TmeDiscovery *discovery,
    TmeEvent *events,
    uint32_t capacity,
    uint32_t *count);

/**
 * Lists the servers that are there.
 *
 * Parameters: `servers`, an array of `capacity`, gets as many ids as fit; `count` gets how many servers there are, at most
 * 1,024, also if they do not fit. NULL with capacity 0 asks for the count.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL if there are more; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL;
 * TME_ERROR_HANDLE; TME_ERROR_LENGTH.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_discovery_servers(
    TmeDiscovery *discovery,
    uint64_t *servers,
    uint32_t capacity,
    uint32_t *count);

/**
 * Tells what a server says of itself that is there, or that an event of the newest poll is about.
 *
 * Parameters: `server`, an id of tme_discovery_servers or an event's token; `info` of `struct_size` bytes, which must be
 * `sizeof *info`.
 * Returns: TME_OK; TME_ERROR_UNKNOWN_SERVER; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
 * TME_ERROR_STRUCT_SIZE.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_discovery_server(
    TmeDiscovery *discovery,
    uint64_t server,
    TmeFoundServer *info,
    size_t struct_size);

/**
 * Tells by which interfaces the newest question could not leave, and why: a line for each. While others took it there may be
 * nothing wrong, for a tunnel leads to no network.
 *
 * Parameters: `buffer` of `capacity` bytes gets the text, empty if there are none; `needed` (may be NULL) gets the bytes it
 * takes with its NUL.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_discovery_problems(
    TmeDiscovery *discovery,
    char *buffer,
    size_t capacity,
    size_t *needed);

/* ---- Keys: made, and turned into what others may know ---------------------------------------- */

/** Bytes that the text of a key takes: 64 hexadecimal digits and a NUL. */
#define TME_KEY_TEXT_BYTES 65

/**
 * Makes a secret key from the system's randomness: a server's, or a player's identity.
 *
 * Parameters: `buffer` of `capacity` bytes gets 64 hexadecimal digits; `needed` (may be NULL) gets 65. Keep it secret.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_SYSTEM if the system has no randomness.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_key_generate(char *buffer, size_t capacity, size_t *needed);

/**
 * The public half of a secret key: what a server's clients pin.
 *
 * Parameters: `secret`, 64 hexadecimal digits; `buffer` of `capacity` bytes gets as many; `needed` (may be NULL) gets 65.
 * Returns: TME_OK; TME_ERROR_KEY; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_NULL; TME_ERROR_UTF8.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_key_public(
    const char *secret,
    char *buffer,
    size_t capacity,
    size_t *needed);

/* ---- Log: where lines go. Silent until the host asks ----------------------------------------- */

/** No lines. */
#define TME_LOG_OFF 0u
/** What went wrong. */
#define TME_LOG_ERROR 1u
/** What somebody should look at. */
#define TME_LOG_WARN 2u
/** What an operator wants to know. */
#define TME_LOG_INFO 3u
/** What helps to find a bug. */
#define TME_LOG_DEBUG 4u
/** Everything. */
#define TME_LOG_TRACE 5u
/** Standard error. */
#define TME_LOG_SINK_CONSOLE 1u
/** The rotating file. */
#define TME_LOG_SINK_FILE 2u
/** The host's function. */
#define TME_LOG_SINK_CALLBACK 3u

/**
 * A host's function for log lines.
 *
 * It is called on whichever thread logs, by several at once, and must return soon. It must neither call the library nor
 * throw. The texts are UTF-8 without control characters, except line feeds that are followed by an indent; they live until
 * it returns.
 */
typedef void (*TmeLogCallback)(uint32_t level, const char *target, const char *text, void *user_data);

/** Where log lines go. All levels are off by default. */
typedef struct TmeLogConfig {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** TME_LOG_... for standard error, in colour where that is a terminal. */
    uint32_t console_level;
    /** TME_LOG_... for the file. */
    uint32_t file_level;
    /** TME_LOG_... for the function. */
    uint32_t callback_level;
    /** The file; its folder must exist. Older ones are named with .1, .2, ... after it. */
    const char *file_path;
    /** Size a file does not exceed. Default 10 MiB. */
    uint64_t file_bytes_max;
    /** The function, or NULL. */
    TmeLogCallback callback;
    /** Handed to the function. */
    void *user_data;
    /** How many full files are kept, 1-99. Default 3. */
    uint32_t file_count;
    /** 0. */
    uint32_t reserved;
} TmeLogConfig;

/**
 * Fills in the defaults of a log: nothing.
 *
 * Parameters: `config` of `struct_size` bytes, which must be `sizeof *config`.
 * Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_log_config_init(TmeLogConfig *config, size_t struct_size);

/**
 * Lets log lines go to the sinks whose level is not off. Once per process.
 *
 * Parameters: `config`. The function and its `user_data` must stay usable until the process ends or the library is unloaded.
 * Returns: TME_OK; TME_ERROR_ALREADY_INSTALLED; TME_ERROR_FILE if the file cannot be opened; TME_ERROR_CONFIG if all levels
 * are off, a path or function is missing, or a file limit is out of range; TME_ERROR_ENUM for an unknown level;
 * TME_ERROR_NULL; TME_ERROR_UTF8; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_log_init(const TmeLogConfig *config);

/**
 * Changes which lines a sink takes. Nothing happens if it was not installed.
 *
 * Parameters: `sink`, TME_LOG_SINK_...; `level`, TME_LOG_...
 * Returns: TME_OK; TME_ERROR_ENUM.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_log_set_level(uint32_t sink, uint32_t level);

/**
 * How many lines could not be written to the file so far.
 *
 * Returns: the count; 0 without a file.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API uint64_t tme_log_lost_lines(void);

/* ---- Queriers: ask servers what they are before connecting to one, many at a time ------------ */

/** The server admits only clients that prove an identity key. */
#define TME_SERVER_REQUIRES_IDENTITY 1u
/** The server admits only clients with a connect token. */
#define TME_SERVER_REQUIRES_TOKEN 2u
/** The server neither encrypts nor authenticates, and takes only clients that do not either. */
#define TME_SERVER_IS_PLAINTEXT 4u
/** Server and library have a protocol version in common. */
#define TME_SERVER_IS_COMPATIBLE 8u
/** Most bytes of information that the game can add to what a server says of itself. */
#define TME_INFORMATION_BYTES_MAX 512u

/**
 * What a server says of itself to anybody. Nothing of it is authenticated: somebody on the way may have said it instead. The
 * handshake proves who is there.
 */
typedef struct TmeServerInfo {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** TME_SERVER_... */
    uint32_t flags;
    /** Which game it runs: tme_query_application_id of the game's name. */
    uint64_t application_id;
    /** The round trip of the query that was answered. */
    uint64_t rtt_us;
    /** Peers connected. */
    uint32_t peers;
    /** Most peers at a time. */
    uint32_t peers_max;
    /** The address that has answered, with its port. */
    char address[64];
    /** Bytes in `information`, at most 512. */
    uint32_t information_bytes;
    /** 0. */
    uint32_t reserved;
    /** What the game has added, with a NUL after it where that is text. */
    uint8_t information[520];
} TmeServerInfo;

/**
 * Makes a querier, which has sockets of its own.
 *
 * Parameters: `patience_ms`, how long each server has to answer; 0 is 3,000. `querier` gets the querier.
 * Ownership: the caller's, until tme_querier_destroy.
 * Returns: TME_OK; TME_ERROR_BIND; TME_ERROR_SYSTEM; TME_ERROR_NULL.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_querier_create(uint32_t patience_ms, TmeQuerier **querier);

/**
 * Makes a querier like tme_querier_create, for which the host looks names up.
 *
 * Parameters: `patience_ms` as there; `executor`, NULL for threads of the library's own; `user_data` is handed to it. `querier` gets
 * the querier.
 * Ownership: the caller's, until tme_querier_destroy.
 * Returns: TME_OK; TME_ERROR_BIND; TME_ERROR_SYSTEM; TME_ERROR_NULL.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_querier_create_with(
    uint32_t patience_ms,
    TmeExecutor executor,
    void *user_data,
    TmeQuerier **querier);

/**
 * Ends a querier. Answers that have not come do not come.
 *
 * Parameters: `querier`; NULL does nothing.
 * Returns: TME_OK; TME_ERROR_HANDLE.
 * Threads: any, when no other call on the querier is running or will come.
 * Since: 0.1
 */
TME_C_API TmeResult tme_querier_destroy(TmeQuerier *querier);

/**
 * Begins to ask a server. A TME_EVENT_SERVER_INFO follows, whether it answers or not.
 *
 * Parameters: `address`, "host:port"; names are looked up without blocking. `query` (may be NULL) gets the id that the
 * event has as its token, or 0.
 * Returns: TME_OK; TME_ERROR_ADDRESS; TME_ERROR_TOO_MANY_QUERIES while 1,024 servers are being asked; TME_ERROR_BUSY;
 * TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_UTF8.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_querier_ask(TmeQuerier *querier, const char *address, uint64_t *query);

/**
 * Sends, receives, and waits at most the time given for an answer to come.
 *
 * Parameters: `timeout_ms`; 0 does not wait. Returns early with answers, or when none is awaited.
 * Returns: TME_OK; TME_ERROR_BUSY; TME_ERROR_WAIT; TME_ERROR_SOCKET; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_querier_update(TmeQuerier *querier, uint32_t timeout_ms);

/**
 * Takes the oldest answers, each a TME_EVENT_SERVER_INFO.
 *
 * Parameters: `events`, an array of `capacity`; `count` gets how many were taken, at most 4,096. 0 with TME_OK: none has
 * come. The data of events taken earlier, and what tme_querier_server_info tells of them, ends here.
 * Returns: TME_OK; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_LENGTH if the array is
 * not aligned.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_querier_poll(
    TmeQuerier *querier,
    TmeEvent *events,
    uint32_t capacity,
    uint32_t *count);

/**
 * Tells what a server has answered that an event of the newest poll is about.
 *
 * Parameters: `query`, the event's token; `info` of `struct_size` bytes, which must be `sizeof *info`.
 * Returns: TME_OK; TME_ERROR_UNKNOWN_QUERY if no event of the newest poll has this token; TME_ERROR_UNRESOLVED and
 * TME_ERROR_NO_ANSWER if the event says so; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
 * TME_ERROR_STRUCT_SIZE.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_querier_server_info(
    TmeQuerier *querier,
    uint64_t query,
    TmeServerInfo *info,
    size_t struct_size);

/**
 * Tells how many servers are being asked.
 *
 * Parameters: `count` gets how many answers are still to come; those that wait to be polled have come.
 * Returns: TME_OK; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_querier_open_count(TmeQuerier *querier, uint32_t *count);

/**
 * Asks one server what it is, and waits for its answer.
 *
 * Parameters: `address`, "host:port"; `patience_ms`, the longest that takes, 0 is 3,000; `info` of `struct_size` bytes,
 * which must be `sizeof *info`.
 * Returns: TME_OK; TME_ERROR_ADDRESS; TME_ERROR_UNRESOLVED; TME_ERROR_NO_ANSWER; TME_ERROR_BIND; TME_ERROR_SYSTEM;
 * TME_ERROR_WAIT; TME_ERROR_SOCKET; TME_ERROR_NULL; TME_ERROR_UTF8; TME_ERROR_STRUCT_SIZE.
 * Threads: any; it blocks this one.
 * Since: 0.1
 */
TME_C_API TmeResult tme_query_ask(
    const char *address,
    uint32_t patience_ms,
    TmeServerInfo *info,
    size_t struct_size);

/* ---- Writer: a game's values into a buffer of the caller's (`docs/SERIALIZATION.md`) --------- */

/** A block under way, of a writer or a reader. Its fields are the library's. */
typedef struct TmeBlock {
    /** Where it begins, or where what it stands in ends. */
    size_t position;
    /** The open byte around it. */
    size_t open_index;
    /** Its bits. */
    uint32_t open_bits;
    /** How many. */
    uint32_t open_count;
    /** 0. */
    uint64_t reserved;
} TmeBlock;

/**
 * Writes values one behind the other into a buffer of the caller's. tme_writer_init fills it in; its fields are the library's,
 * `length` (bytes so far) may be read.
 */
typedef struct TmeWriter {
    /** The buffer. */
    uint8_t *data;
    /** Its size in bytes. */
    size_t capacity;
    /** Bytes so far. */
    size_t length;
    /** The byte that the next bits go into. */
    size_t open_index;
    /** How many of its bits are free. */
    uint32_t open_free;
    /** TME_OK, or the first error. */
    TmeResult error;
    /** 0. */
    uint64_t reserved[3];
} TmeWriter;

/**
 * Begins to write into a buffer.
 *
 * Parameters: `writer` is filled in; `buffer` of `capacity` bytes, of which at most 16 MiB are used. It must stay where it is.
 * Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_LENGTH.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_init(TmeWriter *writer, void *buffer, size_t capacity);

/**
 * Begins a message: writes its id. The fields of its body follow, then groups that later versions have added.
 *
 * Parameters: `id`, not 0.
 * Returns: TME_OK; TME_ERROR_ARGUMENT; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_message(TmeWriter *writer, uint32_t id);

/**
 * Writes a fixed integer, little-endian: the form `u8`.
 *
 * Parameters: `value`.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_u8(TmeWriter *writer, uint8_t value);

/**
 * Writes a fixed integer, little-endian: the form `u16`.
 *
 * Parameters: `value`.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_u16(TmeWriter *writer, uint16_t value);

/**
 * Writes a fixed integer, little-endian: the form `u32`.
 *
 * Parameters: `value`.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_u32(TmeWriter *writer, uint32_t value);

/**
 * Writes a fixed integer, little-endian: the form `u64`.
 *
 * Parameters: `value`.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_u64(TmeWriter *writer, uint64_t value);

/**
 * Writes a fixed integer, little-endian: the form `i8`.
 *
 * Parameters: `value`.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_i8(TmeWriter *writer, int8_t value);

/**
 * Writes a fixed integer, little-endian: the form `i16`.
 *
 * Parameters: `value`.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_i16(TmeWriter *writer, int16_t value);

/**
 * Writes a fixed integer, little-endian: the form `i32`.
 *
 * Parameters: `value`.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_i32(TmeWriter *writer, int32_t value);

/**
 * Writes a fixed integer, little-endian: the form `i64`.
 *
 * Parameters: `value`.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_i64(TmeWriter *writer, int64_t value);

/**
 * Writes an IEEE 754 number: the form `f32`.
 *
 * Parameters: `value`.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_f32(TmeWriter *writer, float value);

/**
 * Writes an IEEE 754 number: the form `f64`.
 *
 * Parameters: `value`.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_f64(TmeWriter *writer, double value);

/**
 * Writes an unsigned varint, in its shortest form: also characters, tags and whatever counts.
 *
 * Parameters: `value`.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_varint(TmeWriter *writer, uint64_t value);

/**
 * Writes a signed varint (zigzag).
 *
 * Parameters: `value`.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_signed_varint(TmeWriter *writer, int64_t value);

/**
 * Writes a bool, one bit.
 *
 * Parameters: `value`: 0 is false, everything else true.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_bool(TmeWriter *writer, uint32_t value);

/**
 * Writes bits, the lowest first: `int(0..2^count - 1)`, or the tag of an enum.
 *
 * Parameters: `value`, which must fit; `count`, at most 64.
 * Returns: TME_OK; TME_ERROR_SERIAL_RANGE if it does not fit; TME_ERROR_ARGUMENT; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error;
 * TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_bits(TmeWriter *writer, uint64_t value, uint32_t count);

/**
 * Writes a ranged integer: `int(low..high)`, in as few bits as the range needs.
 *
 * Parameters: `value`; `low` and `high`, both allowed.
 * Returns: TME_OK; TME_ERROR_SERIAL_RANGE; TME_ERROR_ARGUMENT if `low` is above `high`; TME_ERROR_BUFFER_TOO_SMALL; the writer's first
 * error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_range(TmeWriter *writer, int64_t value, int64_t low, int64_t high);

/**
 * Writes a quantised float: `q(low..high/steps)`, as many steps as `precision` asks for. A value outside is limited to the range.
 *
 * Parameters: `value`; `low` below `high`; `precision`, the size of a step at most.
 * Returns: TME_OK; TME_ERROR_SERIAL_NUMBER if `value` is not a number; TME_ERROR_ARGUMENT for a range or precision that cannot be;
 * TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_quantized(
    TmeWriter *writer,
    double value,
    double low,
    double high,
    double precision);

/**
 * Writes a quantised float in so many bits.
 *
 * Parameters: as tme_writer_quantized; `bits`, 1-32.
 * Returns: as tme_writer_quantized.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_quantized_bits(
    TmeWriter *writer,
    double value,
    double low,
    double high,
    uint32_t bits);

/**
 * Writes a float counted in steps of `precision`, without a range: `step(precision)`, a varint.
 *
 * Parameters: `value`; `precision`, above 0.
 * Returns: TME_OK; TME_ERROR_SERIAL_NUMBER if `value` is not a number, infinite, or more than 2^53 steps; TME_ERROR_ARGUMENT;
 * TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_step(TmeWriter *writer, double value, double precision);

/**
 * Writes a rotation: `quat(bits)`, of 2 + 3 x bits bits. It need not have length 1.
 *
 * Parameters: `xyzw`, four numbers; `bits`, 2-21: 10 is 0.1 degrees.
 * Returns: TME_OK; TME_ERROR_SERIAL_NUMBER if its length is 0 or not finite; TME_ERROR_ARGUMENT; TME_ERROR_BUFFER_TOO_SMALL; the
 * writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_quaternion(TmeWriter *writer, const double *xyzw, uint32_t bits);

/**
 * Writes a text: its length in bytes, and its bytes.
 *
 * Parameters: `text` of `length` bytes, without a NUL.
 * Returns: TME_OK; TME_ERROR_SERIAL_UTF8; TME_ERROR_LENGTH; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_text(TmeWriter *writer, const char *text, size_t length);

/**
 * Writes a count and so many bytes: `list(u8)`.
 *
 * Parameters: `data` of `length` bytes.
 * Returns: TME_OK; TME_ERROR_LENGTH; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_bytes(TmeWriter *writer, const void *data, size_t length);

/**
 * Writes bytes without a count: `[u8;length]`.
 *
 * Parameters: `data` of `length` bytes.
 * Returns: as tme_writer_bytes.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_raw(TmeWriter *writer, const void *data, size_t length);

/**
 * Writes how many elements follow, of a list, a set or a map.
 *
 * Parameters: `count`.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_count(TmeWriter *writer, size_t count);

/**
 * Begins a block: a group of fields that a later version has added, or the content of a variant that one has. It has a length in
 * front and bits of its own. Blocks may lie in each other.
 *
 * Parameters: `block` is filled in; tme_writer_block_end wants it.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_block_begin(TmeWriter *writer, TmeBlock *block);

/**
 * Ends the block that was begun last.
 *
 * Parameters: `block`, which tme_writer_block_begin has filled in.
 * Returns: TME_OK; TME_ERROR_ARGUMENT if it is none of this writer's; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error;
 * TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_block_end(TmeWriter *writer, const TmeBlock *block);

/**
 * Gives the writer an error of the program's own, if it has none yet.
 *
 * Parameters: `error`, below 0.
 * Returns: the writer's first error; TME_ERROR_ARGUMENT if `error` is none; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_fail(TmeWriter *writer, TmeResult error);

/**
 * Tells whether everything could be written, and how many bytes it takes.
 *
 * Parameters: `length` (may be NULL) gets how many, 0 on failure.
 * Returns: TME_OK; the writer's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per writer.
 * Since: 0.1
 */
TME_C_API TmeResult tme_writer_finish(const TmeWriter *writer, size_t *length);

/* ---- Reader: a game's values out of the bytes of a message (`docs/SERIALIZATION.md`) --------- */

/**
 * Reads values one behind the other. tme_reader_init fills it in; its fields are the library's, `position` (bytes so far) may be
 * read.
 */
typedef struct TmeReader {
    /** The bytes. */
    const uint8_t *data;
    /** How many. */
    size_t length;
    /** Bytes so far. */
    size_t position;
    /** Where the innermost block ends. */
    size_t end;
    /** Bits of the open byte that were not read yet. */
    uint32_t open_bits;
    /** How many. */
    uint32_t open_count;
    /** TME_OK, or the first error. */
    TmeResult error;
    /** 1 if it is a message, behind whose body there may be additions. */
    uint32_t is_message;
    /** 0. */
    uint64_t reserved[2];
} TmeReader;

/**
 * Begins to read bytes, such as the data of a TME_EVENT_MESSAGE.
 *
 * Parameters: `reader` is filled in; `data` of `length` bytes, which must stay where they are.
 * Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_LENGTH.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_init(TmeReader *reader, const void *data, size_t length);

/**
 * Begins a message: reads its id.
 *
 * Parameters: `id` gets which message it is, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_UNKNOWN_MESSAGE for id 0; TME_ERROR_SERIAL_RANGE; TME_ERROR_SERIAL_VARINT; TME_ERROR_SERIAL_END; the
 * reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_message(TmeReader *reader, uint32_t *id);

/**
 * Reads a fixed integer, little-endian: the form `u8`.
 *
 * Parameters: `value` gets it, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_u8(TmeReader *reader, uint8_t *value);

/**
 * Reads a fixed integer, little-endian: the form `u16`.
 *
 * Parameters: `value` gets it, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_u16(TmeReader *reader, uint16_t *value);

/**
 * Reads a fixed integer, little-endian: the form `u32`.
 *
 * Parameters: `value` gets it, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_u32(TmeReader *reader, uint32_t *value);

/**
 * Reads a fixed integer, little-endian: the form `u64`.
 *
 * Parameters: `value` gets it, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_u64(TmeReader *reader, uint64_t *value);

/**
 * Reads a fixed integer, little-endian: the form `i8`.
 *
 * Parameters: `value` gets it, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_i8(TmeReader *reader, int8_t *value);

/**
 * Reads a fixed integer, little-endian: the form `i16`.
 *
 * Parameters: `value` gets it, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_i16(TmeReader *reader, int16_t *value);

/**
 * Reads a fixed integer, little-endian: the form `i32`.
 *
 * Parameters: `value` gets it, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_i32(TmeReader *reader, int32_t *value);

/**
 * Reads a fixed integer, little-endian: the form `i64`.
 *
 * Parameters: `value` gets it, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_i64(TmeReader *reader, int64_t *value);

/**
 * Reads an IEEE 754 number: the form `f32`.
 *
 * Parameters: `value` gets it, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_f32(TmeReader *reader, float *value);

/**
 * Reads an IEEE 754 number: the form `f64`.
 *
 * Parameters: `value` gets it, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_f64(TmeReader *reader, double *value);

/**
 * Reads an unsigned varint.
 *
 * Parameters: `max`, the most that it may be, such as UINT16_MAX of a `varint(u16)`; `value` gets it, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_VARINT, also if it is more than `max`; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_varint(TmeReader *reader, uint64_t max, uint64_t *value);

/**
 * Reads a signed varint (zigzag).
 *
 * Parameters: `low` and `high`, the least and the most that it may be; `value` gets it, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_VARINT, also if it is outside; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_signed_varint(
    TmeReader *reader,
    int64_t low,
    int64_t high,
    int64_t *value);

/**
 * Reads a bool.
 *
 * Parameters: `value` gets 1 or 0.
 * Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_bool(TmeReader *reader, uint32_t *value);

/**
 * Reads bits.
 *
 * Parameters: `count`, at most 64; `value` gets them, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_END; TME_ERROR_ARGUMENT; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_bits(TmeReader *reader, uint32_t count, uint64_t *value);

/**
 * Reads a ranged integer: `int(low..high)`.
 *
 * Parameters: `low` and `high` as when it was written; `value` gets it, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_RANGE; TME_ERROR_SERIAL_END; TME_ERROR_ARGUMENT; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_range(TmeReader *reader, int64_t low, int64_t high, int64_t *value);

/**
 * Reads a quantised float.
 *
 * Parameters: range and precision as when it was written; `value` gets it, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_RANGE; TME_ERROR_SERIAL_END; TME_ERROR_ARGUMENT; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_quantized(
    TmeReader *reader,
    double low,
    double high,
    double precision,
    double *value);

/**
 * Reads a quantised float of so many bits.
 *
 * Parameters: range and bits as when it was written; `value` gets it, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_RANGE; TME_ERROR_SERIAL_END; TME_ERROR_ARGUMENT; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_quantized_bits(
    TmeReader *reader,
    double low,
    double high,
    uint32_t bits,
    double *value);

/**
 * Reads a float counted in steps.
 *
 * Parameters: `precision` as when it was written; `value` gets it, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_RANGE; TME_ERROR_SERIAL_VARINT; TME_ERROR_SERIAL_END; TME_ERROR_ARGUMENT; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_step(TmeReader *reader, double precision, double *value);

/**
 * Reads a rotation.
 *
 * Parameters: `bits` as when it was written; `xyzw` gets four numbers, no rotation (0, 0, 0, 1) on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_RANGE; TME_ERROR_SERIAL_END; TME_ERROR_ARGUMENT; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_quaternion(TmeReader *reader, uint32_t bits, double *xyzw);

/**
 * Reads a text, which stays where it is.
 *
 * Parameters: `max`, the most bytes that the program takes; `text` gets where it is, NULL on failure; `length` gets its bytes. It has
 * no NUL.
 * Returns: TME_OK; TME_ERROR_SERIAL_UTF8; TME_ERROR_SERIAL_COUNT; TME_ERROR_SERIAL_TOO_LONG; TME_ERROR_SERIAL_VARINT; TME_ERROR_SERIAL_END; the
 * reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_text(
    TmeReader *reader,
    size_t max,
    const char **text,
    size_t *length);

/**
 * Reads a count and so many bytes, which stay where they are: `list(u8)`.
 *
 * Parameters: `max`, the most bytes that the program takes; `data` gets where they are, NULL on failure; `length` gets how many.
 * Returns: TME_OK; TME_ERROR_SERIAL_COUNT; TME_ERROR_SERIAL_TOO_LONG; TME_ERROR_SERIAL_VARINT; TME_ERROR_SERIAL_END; the reader's first error;
 * TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_bytes(
    TmeReader *reader,
    size_t max,
    const uint8_t **data,
    size_t *length);

/**
 * Reads bytes without a count, which stay where they are: `[u8;length]`.
 *
 * Parameters: `length`; `data` gets where they are, NULL on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_raw(TmeReader *reader, size_t length, const uint8_t **data);

/**
 * Reads how many elements follow, and checks that what is left can hold them.
 *
 * Parameters: `bits_min`, the bits that each takes at least, 0 if it may take none; `max`, the most that the program takes; `count` gets
 * how many, 0 on failure.
 * Returns: TME_OK; TME_ERROR_SERIAL_COUNT; TME_ERROR_SERIAL_TOO_LONG; TME_ERROR_SERIAL_VARINT; TME_ERROR_SERIAL_END; the reader's first error;
 * TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_count(
    TmeReader *reader,
    uint32_t bits_min,
    size_t max,
    size_t *count);

/**
 * Begins a block: nothing beyond its end can be read until it has ended. Blocks may lie in each other.
 *
 * Parameters: `block` is filled in; tme_reader_block_end wants it.
 * Returns: TME_OK; TME_ERROR_SERIAL_COUNT if it is longer than what is left; TME_ERROR_SERIAL_VARINT; TME_ERROR_SERIAL_END; the reader's first
 * error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_block_begin(TmeReader *reader, TmeBlock *block);

/**
 * Ends the block or group that was begun last, all of which must have been read.
 *
 * Parameters: `block`, which its beginning has filled in.
 * Returns: TME_OK; TME_ERROR_SERIAL_LEFT_OVER; TME_ERROR_SERIAL_PADDING; TME_ERROR_ARGUMENT if it is none of this reader's; the reader's first
 * error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_block_end(TmeReader *reader, const TmeBlock *block);

/**
 * Skips a block: the content of a variant that a later version has added.
 *
 * Parameters: none but the reader.
 * Returns: as tme_reader_block_begin.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_block_skip(TmeReader *reader);

/**
 * Begins what stands behind the fields of an extensible struct. Groups follow, then tme_reader_additions_end.
 *
 * Parameters: `block` is filled in, also if there is nothing.
 * Returns: TME_OK; TME_ERROR_SERIAL_COUNT; TME_ERROR_SERIAL_VARINT; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_additions_begin(TmeReader *reader, TmeBlock *block);

/**
 * Ends what stands behind the fields of an extensible struct; groups that nobody has read are those of a later version.
 *
 * Parameters: `block`, which tme_reader_additions_begin has filled in.
 * Returns: TME_OK; TME_ERROR_SERIAL_LEFT_OVER; TME_ERROR_ARGUMENT if it is none of this reader's; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_additions_end(TmeReader *reader, const TmeBlock *block);

/**
 * Begins the next group of fields that a later version has added, if it is there: behind the body of a message, or within the
 * additions of an extensible struct. tme_reader_block_end ends it; without one the fields take their defaults.
 *
 * Parameters: `block` is filled in; `is_there` gets 1 or 0.
 * Returns: TME_OK; TME_ERROR_SERIAL_LEFT_OVER if what is left is no group; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_group_begin(TmeReader *reader, TmeBlock *block, uint32_t *is_there);

/**
 * Gives the reader an error of the program's own, if it has none yet: TME_ERROR_SERIAL_VARIANT for a tag that it does not know,
 * TME_ERROR_SERIAL_ORDER for keys that do not ascend.
 *
 * Parameters: `error`, below 0.
 * Returns: the reader's first error; TME_ERROR_ARGUMENT if `error` is none; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_fail(TmeReader *reader, TmeResult error);

/**
 * Tells whether everything could be read and nothing is left, but groups of a later version behind a message.
 *
 * Parameters: none but the reader.
 * Returns: TME_OK; TME_ERROR_SERIAL_LEFT_OVER; TME_ERROR_SERIAL_PADDING; the reader's first error; TME_ERROR_NULL.
 * Threads: any, one at a time per reader.
 * Since: 0.1
 */
TME_C_API TmeResult tme_reader_finish(TmeReader *reader);

/* ---- Settings: what a server is told --------------------------------------------------------- */

/**
 * The newest connection of a player wins: the older one ends with TME_REASON_REPLACED once the newer is confirmed, also at a
 * full server. The default.
 */
#define TME_NEWCOMERS_REPLACE 1u

/** The older one stays, unless it is interrupted; the newer is refused with TME_REASON_DENIED. */
#define TME_NEWCOMERS_REFUSE 2u
/** The game is asked by TME_EVENT_ADMISSION; if it accepts, the newest wins. */
#define TME_NEWCOMERS_ASK 3u
/** Both stay. */
#define TME_NEWCOMERS_ALLOW 4u
/** Browsers may connect from this machine, where a proxy may end TLS for others; from elsewhere over TLS. The default. */
#define TME_BROWSERS_LOOPBACK 1u
/** No browser may connect, over TLS neither. */
#define TME_BROWSERS_NEVER 2u
/** Browsers may connect from anywhere. What they say can be read and changed on the way. */
#define TME_BROWSERS_ANYWHERE 3u

/**
 * Changes the name under which players on the same network find this server. Nothing happens if it is not found at all.
 *
 * Parameters: `name`, at most 64 bytes without control characters.
 * Returns: TME_OK; TME_ERROR_CONFIG if it cannot be a name; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
 * TME_ERROR_UTF8.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_set_display_name(TmeServer *server, const char *name);

/**
 * Changes what the game tells those who only ask what this server is.
 *
 * Parameters: `information` of `length` bytes, at most 512. Anybody can read it.
 * Returns: TME_OK; TME_ERROR_TOO_LARGE; TME_ERROR_LENGTH; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_set_information(
    TmeServer *server,
    const void *information,
    size_t length);

/** What a server is told. tme_server_config_init fills in the defaults; what is zero takes its default. */
typedef struct TmeServerConfig {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** TME_CONFIG_... Default: inline and encrypted. */
    uint32_t flags;
    /**
     * Address and port to listen on; port 0 lets the system choose, "[::]:7777" takes IPv6 and IPv4. Default
     * "0.0.0.0:7777".
     */
    const char *listen;
    /** Name of the game; different games refuse each other. Default: no name. */
    const char *application;
    /**
     * The server's secret key, 64 hexadecimal digits. Default: one for this run, with a warning in the log; clients cannot
     * pin that, and those of an earlier run learn only by TME_REASON_TIMED_OUT that they lost their server, not at once by
     * TME_REASON_RESET.
     */
    const char *key;
    /** File with the secret key, as `tme keygen` writes it. Not together with `key`. */
    const char *key_file;
    /** Channels, as many as `channel_count`. Default: 0 reliable-ordered, 1 unreliable, 2 sequenced. */
    const TmeChannelConfig *channels;
    /** How many. */
    uint32_t channel_count;
    /** Peers at a time, 1-524,287. Default 64. */
    uint32_t max_peers;
    /** Silence after which a connection counts as lost, in milliseconds, 1,000-3,600,000. Default 30,000. */
    uint32_t idle_timeout_ms;
    /** Silence after which a sign of life is sent, in milliseconds; sooner where an idle time-out is short. Default 5,000. */
    uint32_t keep_alive_ms;
    /** How long a network thread gathers sends before they leave, in microseconds. Default 200. */
    uint32_t gathering_us;
    /** Largest datagram to send without having asked the path, in bytes of UDP payload, 1,200-65,507. Default 1,200. */
    uint32_t datagram_bytes;
    /** Largest datagram to receive, 1,200-65,527. Default 1,452. */
    uint32_t receive_datagram_bytes_max;
    /** Largest reliable message to receive, in bytes, 1,100-16,777,216. Default 1 MiB. */
    uint32_t message_bytes_max;
    /** Bytes of reliable messages in the air on all channels of a peer. Default 4 MiB. */
    uint32_t connection_credit_bytes;
    /** Bytes of reliable messages in the air on one channel. Default 2 MiB. */
    uint32_t channel_credit_bytes;
    /** Reliable messages in the air on one channel, 1-262,144. Default 8,192. */
    uint32_t channel_credit_messages;
    /** Messages that may be retained at a time. Default 16,384. */
    uint32_t retained_messages_max;
    /**
     * Keys by which connect tokens are opened, each 64 hexadecimal digits, at most 16, separated by commas: two while one is
     * being replaced. Default: none, and clients with a token are refused.
     */
    const char *token_keys;
    /** What this server is called in tokens that are for it alone, 1-64 bytes of text. Default: nothing. */
    const char *server_name;
    /**
     * What the game tells those who only ask what this server is. Anybody can read it. tme_server_set_information changes
     * it later. Default: nothing.
     */
    const void *information;
    /** How many bytes of it, at most 512. */
    uint32_t information_bytes;
    /** How many such questions are answered in a second. Default 1,000; TME_CONFIG_NO_QUERIES answers none. */
    uint32_t queries_per_second;
    /** TME_NEWCOMERS_...: what becomes of a client that proves the same identity as a peer. Default: the newest wins. */
    uint32_t newcomers;
    /**
     * How long the game may take to decide about a client, in milliseconds; then it is refused as busy. Default 5,000;
     * clients wait for 10,000.
     */
    uint32_t decision_time_ms;
    /**
     * About how many clients the game is asked at a time, a quarter of them from one network other than this machine;
     * further ones are refused as busy. Default 256.
     */
    uint32_t applicants_max;
    /** How much later than this machine's clock a token may say that it was issued, in milliseconds. Default 5,000. */
    uint32_t token_clock_tolerance_ms;
    /**
     * Tokens are taken that were issued up to so many seconds before the server starts. Default 0: it does not remember
     * which of them were used in an earlier run.
     */
    uint32_t tokens_issued_before_start_s;
    /** TME_CONGESTION_... Default TME_CONGESTION_DELIVERY_RATE. */
    uint32_t congestion;
    /**
     * Bytes of UDP payload that may leave in a second on each connection; less than 1,200 counts as 1,200.
     * Acknowledgements and signs of life count, but do not wait for it. Default: no limit but the path's.
     */
    uint64_t rate_cap;
    /** Largest datagram that is tried on the path, 1,200-65,507; 1,200 tries nothing. Default 1,452. */
    uint32_t datagram_bytes_max;
    /**
     * TME_BROWSERS_...: from where browsers may connect without TLS, which needs TCP: they come in a WebSocket and have no keys
     * of their own. Elsewhere they are refused with TME_REASON_SUITES. Default: from this machine.
     */
    uint32_t browsers;
    /**
     * Address and port to listen on for TCP, if those are to be others than with TME_CONFIG_LISTEN_TCP, which this needs not;
     * port 0 is the port of `listen`. Clients look for TCP at the port they are given, so those that are to come here must be
     * told it. Default: none.
     */
    const char *listen_tcp;
    /**
     * Name under which players on the same network find this server, at most 64 bytes without control characters;
     * tme_server_set_display_name changes it. Default: NULL, and it is not found.
     */
    const char *discoverable;
    /**
     * UDP port at which those ask who look for servers; they must have the same. All TME servers on a machine share it.
     * Default 7776.
     */
    uint32_t discovery_port;
    /**
     * Network threads with TME_CONFIG_THREADED, 1-64: for servers whose traffic is more than one processor core can take. They
     * share the port on Linux; elsewhere there is one, whatever this says. Without that flag it has no effect. Default 1.
     */
    uint32_t network_threads;
    /**
     * PEM file with the certificate chain, the server's own first, by which it speaks TLS on its TCP port, beside everything
     * else there: for browsers from anywhere, and for networks that let nothing else through. Read once, as `tls_key_file` is.
     * Needs TCP. Default: none.
     */
    const char *tls_certificate_file;
    /** PEM file with the private key of that certificate. Default: none. */
    const char *tls_key_file;
    /**
     * Proxies to believe about whom they speak for, on the TCP port: "NETWORK=HOW", separated by commas, at most 1,024. NETWORK is an
     * address such as "127.0.0.1", or one with the bits of its prefix such as "10.0.0.0/8" or "2001:db8::/32"; the smallest that
     * holds an address counts. HOW is "proxy-protocol" (versions 1 and 2) or "x-forwarded-for" (in the request for a WebSocket);
     * streams from there that do not say it so are closed. Needs TCP. Default: none.
     */
    const char *trusted_proxies;
    /**
     * Hash of the schema of the game's messages (tme_schema_hash), which both sides compare: who differs is refused with
     * TME_REASON_SCHEMA. Default 0: nothing is compared.
     */
    uint64_t schema_hash;
} TmeServerConfig;

/**
 * Fills in the defaults of a server.
 *
 * Parameters: `config` of `struct_size` bytes, which must be `sizeof *config`.
 * Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_config_init(TmeServerConfig *config, size_t struct_size);

/* ---- Server: listens and admits peers -------------------------------------------------------- */

/**
 * Starts a server.
 *
 * Parameters: `config`, NULL for all defaults; `server` gets the server.
 * Ownership: the caller's, until tme_server_destroy. What `config` points to is copied.
 * Returns: TME_OK; TME_ERROR_ADDRESS; TME_ERROR_BIND; TME_ERROR_CHANNELS; TME_ERROR_KEY; TME_ERROR_TOKEN;
 * TME_ERROR_FILE; TME_ERROR_CONFIG; TME_ERROR_SYSTEM; TME_ERROR_NULL; TME_ERROR_UTF8; TME_ERROR_FLAGS; TME_ERROR_ENUM; TME_ERROR_ARGUMENT;
 * TME_ERROR_LENGTH; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_create(const TmeServerConfig *config, TmeServer **server);

/**
 * Ends a server. Its connections end at once, with TME_REASON_CLOSED; tme_server_shutdown before it does so politely, with
 * TME_REASON_SHUTDOWN.
 *
 * Parameters: `server`; NULL does nothing. Retained messages stay.
 * Returns: TME_OK; TME_ERROR_HANDLE.
 * Threads: any, when no other call on the server is running or will come.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_destroy(TmeServer *server);

/**
 * Waits for news, at most the time given. Inline, all input and output happens here.
 *
 * Parameters: `timeout_ms`; 0 does not wait. Returns early with events, or after tme_server_wake.
 * Returns: TME_OK; TME_ERROR_BUSY; TME_ERROR_CLOSED; TME_ERROR_WAIT; TME_ERROR_SOCKET; TME_ERROR_POISONED; TME_ERROR_NULL;
 * TME_ERROR_HANDLE.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_update(TmeServer *server, uint32_t timeout_ms);

/**
 * Takes the oldest events.
 *
 * Parameters: `events`, an array of `capacity`; `count` gets how many were taken, at most 4,096. 0 with TME_OK: none
 * waits. The data of events taken earlier ends here.
 * Returns: TME_OK; TME_ERROR_BUSY; TME_ERROR_CLOSED after shutdown, when all were taken; TME_ERROR_WAIT; TME_ERROR_SOCKET;
 * TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_LENGTH if the array is not aligned.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_poll(
    TmeServer *server,
    TmeEvent *events,
    uint32_t capacity,
    uint32_t *count);

/**
 * Sends what is queued now instead of with the next update.
 *
 * Returns: TME_OK; TME_ERROR_CLOSED; TME_ERROR_SOCKET; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_flush(TmeServer *server);

/**
 * Makes a waiting tme_server_update return.
 *
 * Returns: TME_OK; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_wake(TmeServer *server);

/**
 * The address the server listens on, with the real port if port 0 was asked for.
 *
 * Parameters: `buffer` of `capacity` bytes gets the text; `needed` (may be NULL) gets the bytes it takes with its NUL.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_local_address(
    const TmeServer *server,
    char *buffer,
    size_t capacity,
    size_t *needed);

/**
 * The port the server listens on.
 *
 * Returns: the port; 0 if `server` is not a server, or poisoned.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API uint16_t tme_server_port(const TmeServer *server);

/**
 * The address the server listens on for TCP, with the real port. Empty if it does not.
 *
 * Parameters: `buffer` of `capacity` bytes gets the text; `needed` (may be NULL) gets the bytes it takes with its NUL.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_tcp_address(
    const TmeServer *server,
    char *buffer,
    size_t capacity,
    size_t *needed);

/**
 * The port the server listens on for TCP.
 *
 * Returns: the port; 0 if it does not, or if `server` is not a server, or poisoned.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API uint16_t tme_server_tcp_port(const TmeServer *server);

/**
 * The UDP port at which the server answers those who look for servers.
 *
 * Returns: the port; 0 if it does not, or if `server` is not a server, or poisoned.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API uint16_t tme_server_discovery_port(const TmeServer *server);

/**
 * The key that clients pin, 64 hexadecimal digits.
 *
 * Parameters: `buffer` of `capacity` bytes gets the text; `needed` (may be NULL) gets 65.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_public_key(
    const TmeServer *server,
    char *buffer,
    size_t capacity,
    size_t *needed);

/**
 * The server's own clock, which read 0 when the server started: what clients estimate by tme_client_server_time. Its errors
 * are 0.
 *
 * Parameters: `time` of `struct_size` bytes, which must be `sizeof *time`.
 * Returns: TME_OK; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_time(
    const TmeServer *server,
    TmeServerTime *time,
    size_t struct_size);

/* ---- Server: modelled network conditions ----------------------------------------------------- */

/**
 * Switches modelled network conditions towards a peer on, changes them, or off. They end with the connection.
 *
 * Parameters: `direction`, TME_DIRECTION_...; `conditions`, NULL to switch off.
 * Returns: TME_OK; TME_ERROR_CONDITIONS; TME_ERROR_UNKNOWN_PEER; TME_ERROR_ENUM; TME_ERROR_FLAGS; TME_ERROR_POISONED;
 * TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_set_conditions(
    TmeServer *server,
    TmePeer peer,
    uint32_t direction,
    const TmeConditions *conditions);

/**
 * What modelled network conditions towards a peer have done.
 *
 * Parameters: `direction`, TME_DIRECTION_...; `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
 * Returns: TME_OK; TME_ERROR_NO_FIGURES while none are switched on; TME_ERROR_UNKNOWN_PEER; TME_ERROR_ENUM;
 * TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_condition_statistics(
    const TmeServer *server,
    TmePeer peer,
    uint32_t direction,
    TmeConditionStatistics *statistics,
    size_t struct_size);

/* ---- Server: figures ------------------------------------------------------------------------- */

/**
 * Figures of the whole server.
 *
 * Parameters: `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
 * Returns: TME_OK; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_statistics(
    const TmeServer *server,
    TmeEngineStatistics *statistics,
    size_t struct_size);

/**
 * How many network threads the server has: 0 if it is inline, else as many as its config asked for, or 1 where the system
 * cannot share a port among several.
 *
 * Returns: the number; 0 also if `server` is not a server, or poisoned.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API uint32_t tme_server_network_threads(const TmeServer *server);

/**
 * Figures of one of the server's network threads; an inline server has one set of figures, too. Those of all together are what
 * tme_server_statistics gives, and `tokens_used` and its like are counted where a client asked to be let in.
 *
 * Parameters: `thread` counts from 0; `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
 * Returns: TME_OK; TME_ERROR_ARGUMENT if there is no such thread; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
 * TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_thread_statistics(
    const TmeServer *server,
    uint32_t thread,
    TmeEngineStatistics *statistics,
    size_t struct_size);

/**
 * Which network thread has a peer, for as long as it is connected.
 *
 * Parameters: `thread` gets its number from 0, as for tme_server_thread_statistics.
 * Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_peer_thread(const TmeServer *server, TmePeer peer, uint32_t *thread);

/**
 * Figures of one peer, at most 100 ms older than its last datagram.
 *
 * Parameters: `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
 * Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_peer_statistics(
    const TmeServer *server,
    TmePeer peer,
    TmePeerStatistics *statistics,
    size_t struct_size);

/**
 * Figures of one channel towards a peer: queue depth, queue time, resent, expired.
 *
 * Parameters: `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
 * Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_UNKNOWN_CHANNEL; TME_ERROR_NO_FIGURES; TME_ERROR_POISONED;
 * TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_channel_statistics(
    const TmeServer *server,
    TmePeer peer,
    uint32_t channel,
    TmeChannelStatistics *statistics,
    size_t struct_size);

/**
 * What may be sent to a peer now, and how long a message on one channel would wait: what was given to the send functions
 * counts, whether it has left or not.
 *
 * Parameters: `budget` of `struct_size` bytes, which must be `sizeof *budget`.
 * Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_UNKNOWN_CHANNEL; TME_ERROR_POISONED; TME_ERROR_NULL;
 * TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_send_budget(
    const TmeServer *server,
    TmePeer peer,
    uint32_t channel,
    TmeSendBudget *budget,
    size_t struct_size);

/* ---- Server: who is connected, and ending that ----------------------------------------------- */

/**
 * Lists the peers that are connected.
 *
 * Parameters: `peers`, an array of `capacity`, gets as many ids as fit; `count` gets how many peers there are, also if
 * they do not fit. NULL with capacity 0 asks for the count.
 * Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL if there are more; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
 * TME_ERROR_LENGTH.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_peers(
    const TmeServer *server,
    TmePeer *peers,
    uint32_t capacity,
    uint32_t *count);

/**
 * Tells who a peer is.
 *
 * Parameters: `info` of `struct_size` bytes, which must be `sizeof *info`.
 * Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_peer_info(
    const TmeServer *server,
    TmePeer peer,
    TmePeerInfo *info,
    size_t struct_size);

/**
 * Finds the peer with a number, for engines whose ids have 32 bits.
 *
 * Parameters: `number`; `peer` gets its id, or 0.
 * Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_peer_by_number(
    const TmeServer *server,
    uint32_t number,
    TmePeer *peer);

/**
 * Sets how much may leave for a peer.
 *
 * Parameters: `bytes_per_second` of UDP payload; less than 1,200 counts as 1,200, and 0 leaves it to the path.
 * Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_set_rate_cap(
    TmeServer *server,
    TmePeer peer,
    uint64_t bytes_per_second);

/**
 * Ends the connection to a peer after its queued reliable messages went through, for at most 3 s.
 *
 * TME_EVENT_DISCONNECTED follows.
 *
 * Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_disconnect(TmeServer *server, TmePeer peer);

/**
 * Ends the connection to a peer like tme_server_disconnect, with a code and bytes of the game's own.
 *
 * Parameters: `code`; `detail` of `length` bytes, at most 512. The client finds them in its TME_EVENT_DISCONNECTED.
 * Returns: as tme_server_disconnect; TME_ERROR_TOO_LARGE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_disconnect_with(
    TmeServer *server,
    TmePeer peer,
    uint32_t code,
    const void *detail,
    size_t length);

/**
 * Throws a peer out at once, with a code and bytes of the game's own. Nothing it sends is taken any more.
 *
 * TME_EVENT_DISCONNECTED follows when the client has acknowledged, or some 5 s later; until then the peer is listed and
 * sends to it get TME_ERROR_NOT_CONNECTED.
 *
 * Parameters: as tme_server_disconnect_with.
 * Returns: as tme_server_disconnect_with.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_kick(
    TmeServer *server,
    TmePeer peer,
    uint32_t code,
    const void *detail,
    size_t length);

/* ---- Server: sending to one peer, to several, to all ----------------------------------------- */

/**
 * Queues a message for a peer. The bytes are copied.
 *
 * Parameters: `peer`; `channel`, an id; `data` of `length` bytes; `flags`, 0 or TME_SEND_FLUSH.
 * Returns: TME_OK; TME_ERROR_WOULD_BLOCK, then TME_EVENT_WRITABLE follows; TME_ERROR_UNKNOWN_PEER; TME_ERROR_NOT_CONNECTED
 * for a peer that is being disconnected; TME_ERROR_UNKNOWN_CHANNEL; TME_ERROR_TOO_LARGE; TME_ERROR_TOO_MANY_KEYS on a
 * reliable-latest channel, where this is key 0; TME_ERROR_FLAGS; TME_ERROR_LENGTH; TME_ERROR_POISONED; TME_ERROR_NULL;
 * TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_send(
    TmeServer *server,
    TmePeer peer,
    uint32_t channel,
    const void *data,
    size_t length,
    uint32_t flags);

/**
 * Queues a message for a peer, with options. The bytes are copied.
 *
 * Parameters: as tme_server_send; `options`, NULL for none.
 * Returns: as tme_server_send; TME_ERROR_KEY_NOT_ALLOWED; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_send_with(
    TmeServer *server,
    TmePeer peer,
    uint32_t channel,
    const void *data,
    size_t length,
    const TmeSendOptions *options);

/**
 * Hands a message over for a peer, without a copy.
 *
 * Parameters: `message`; the others as tme_server_send_with.
 * Ownership: on success the message is the library's; on failure it is still the caller's, but no longer writable.
 * Returns: as tme_server_send_with.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_send_message(
    TmeServer *server,
    TmePeer peer,
    uint32_t channel,
    TmeMessage *message,
    const TmeSendOptions *options);

/**
 * Queues a message for every peer; it is stored once.
 *
 * Parameters: `channel`, an id; `data` of `length` bytes; `flags`, 0 or TME_SEND_FLUSH; `outcome` (may be NULL) gets counts.
 * Returns: TME_OK if every peer took it, also if there is none; TME_PARTIAL if somebody did not; TME_ERROR_UNKNOWN_CHANNEL;
 * TME_ERROR_TOO_LARGE; TME_ERROR_FLAGS; TME_ERROR_LENGTH; TME_ERROR_POISONED; TME_ERROR_NULL;
 * TME_ERROR_HANDLE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_broadcast(
    TmeServer *server,
    uint32_t channel,
    const void *data,
    size_t length,
    uint32_t flags,
    TmeBroadcast *outcome);

/**
 * Queues a message for every peer but one.
 *
 * Parameters: `except`, a peer, connected or not; the others as tme_server_broadcast.
 * Returns: as tme_server_broadcast.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_broadcast_except(
    TmeServer *server,
    TmePeer except,
    uint32_t channel,
    const void *data,
    size_t length,
    uint32_t flags,
    TmeBroadcast *outcome);

/**
 * Queues a message for every peer, with options: a key, and whom to leave out.
 *
 * Parameters: `options`, NULL for none; the others as tme_server_broadcast.
 * Returns: as tme_server_broadcast; TME_ERROR_KEY_NOT_ALLOWED; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_broadcast_with(
    TmeServer *server,
    uint32_t channel,
    const void *data,
    size_t length,
    const TmeSendOptions *options,
    TmeBroadcast *outcome);

/**
 * Hands a message over for every peer, without a copy.
 *
 * Parameters: `message`; the others as tme_server_broadcast_with.
 * Ownership: on success, TME_PARTIAL included, the message is the library's; on failure it is still the caller's, but no
 * longer writable.
 * Returns: as tme_server_broadcast_with.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_broadcast_message(
    TmeServer *server,
    uint32_t channel,
    TmeMessage *message,
    const TmeSendOptions *options,
    TmeBroadcast *outcome);

/**
 * Queues a message for the peers named; it is stored once.
 *
 * Parameters: `peers`, an array of `peer_count`; `options`, NULL for none; the others as tme_server_broadcast. An id that
 * names nobody is counted in `outcome`; a peer that is named twice gets the message twice.
 * Returns: as tme_server_broadcast_with.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_multicast(
    TmeServer *server,
    const TmePeer *peers,
    uint32_t peer_count,
    uint32_t channel,
    const void *data,
    size_t length,
    const TmeSendOptions *options,
    TmeBroadcast *outcome);

/* ---- Server: its end ------------------------------------------------------------------------- */

/** What the end of a server has come to. */
typedef struct TmeShutdownReport {
    /** Size of the struct as the caller knows it. */
    uint32_t struct_size;
    /** 1 once it is over, else 0. */
    uint32_t is_over;
    /** Peers that were connected when it began: the sum of the next four. */
    uint32_t peers;
    /** That have acknowledged the goodbye: they know why. */
    uint32_t told;
    /** That left of their own meanwhile. */
    uint32_t left;
    /** That have not answered until time was up, or were lost before. The goodbye was sent to them, and they may have read it. */
    uint32_t unanswered;
    /** That are still waited for; 0 when it is over. */
    uint32_t waiting;
    /** 0. */
    uint32_t reserved;
    /**
     * Reliable messages that were not acknowledged, of whomever; they may have arrived. While it is going on those are among
     * them that still may be.
     */
    uint64_t messages_undelivered;
    /** Their bytes. */
    uint64_t bytes_undelivered;
    /** Clients that came meanwhile and were refused. */
    uint64_t refused;
} TmeShutdownReport;

/**
 * Tells every client that the server shuts down, after what is queued reliably went through, and waits for that.
 *
 * Nobody is let in any more: who comes now is refused with TME_REASON_SHUTDOWN. Events of the last moments can still be polled.
 *
 * Parameters: `patience_ms`, the longest that takes; a quarter of it, at most a second, is kept for the goodbye itself, which may
 * have to be repeated. With 0 everybody is told once and nothing is waited for.
 * Returns: TME_OK, also the second time; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_shutdown(TmeServer *server, uint32_t patience_ms);

/**
 * Shuts a server down like tme_server_shutdown, with a code and bytes of the game's own: where to go, when to come back.
 *
 * Parameters: `patience_ms` as there; `code`; `detail` of `length` bytes, at most 512. Clients find them in their
 * TME_EVENT_DISCONNECTED; those that are refused meanwhile find the bytes alone. tme_server_shutdown_report tells what came of it.
 * Returns: as tme_server_shutdown; TME_ERROR_TOO_LARGE; TME_ERROR_LENGTH.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_shutdown_with(
    TmeServer *server,
    uint32_t patience_ms,
    uint32_t code,
    const void *detail,
    size_t length);

/**
 * Begins what tme_server_shutdown_with does and waits for nothing, for a game that goes on drawing.
 *
 * Go on updating (or, threaded, just polling) until that gives TME_ERROR_CLOSED. Sends are refused from now on; messages still
 * come. Begun again, it can only be over sooner: the first words count, and the shorter time.
 *
 * Parameters: as tme_server_shutdown_with.
 * Returns: TME_OK; TME_ERROR_TOO_LARGE; TME_ERROR_LENGTH; TME_ERROR_BUSY; TME_ERROR_CLOSED if the server has ended;
 * TME_ERROR_SOCKET; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
 * Threads: one at a time.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_shutdown_begin(
    TmeServer *server,
    uint32_t patience_ms,
    uint32_t code,
    const void *detail,
    size_t length);

/**
 * What the end of a server has come to so far, at most 20 ms old.
 *
 * Parameters: `report` of `struct_size` bytes, which must be `sizeof *report`.
 * Returns: TME_OK; TME_ERROR_NO_FIGURES if no shutdown has begun; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
 * TME_ERROR_STRUCT_SIZE.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API TmeResult tme_server_shutdown_report(
    const TmeServer *server,
    TmeShutdownReport *report,
    size_t struct_size);

/* ---- Version: which library was loaded ------------------------------------------------------- */

/**
 * The loaded library's version, which may be newer than that of the header a program was built with.
 *
 * Returns: major x 1,000,000 + minor x 1,000 + patch.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API uint32_t tme_version(void);

/**
 * The loaded library's version as text, such as "0.1.0".
 *
 * Returns: a text that never goes away.
 * Threads: any.
 * Since: 0.1
 */
TME_C_API const char *tme_version_string(void);

#ifdef __cplusplus
}
#endif

#endif /* TME_H */
