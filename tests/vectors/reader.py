#!/usr/bin/env python3
"""Reads version 1 of the TME protocol; written from docs/PROTOCOL.md alone, never from the Rust code.

    python3 reader.py --check DIR              check every vector file and recorded session in DIR
    python3 reader.py --session FILE [--json]  decode one recorded session and print it

README.md beside this file describes the JSON shapes. Section numbers (§) are those of docs/PROTOCOL.md.

One file on purpose, although it is long: whoever doubts a peer copies this file, and nothing else, to look at it.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import functools
import hashlib
import hmac
import ipaddress
import json
import sys
from pathlib import Path

import serial_reader

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    MISSING = None
except ImportError as error:
    MISSING = error

INSTALL_HINT = (
    "reader.py needs the Python package `cryptography`, version 3.3 or later:\n"
    "    python3 -m pip install cryptography\n"
    "or, on Debian and Ubuntu:\n"
    "    apt install python3-cryptography")

MAGIC = b"TMED"
STREAM_MAGIC = b"TME1"
STREAM_DATAGRAM_BYTES_MAX = 16_384
HELLO_BYTES = 1200
INFO_QUERY_BYTES = 600
INFORMATION_BYTES_MAX = 512
DISCOVER_BYTES = 700
DISPLAY_NAME_BYTES_MAX = 64
VERSIONS_MAX = 7
PART_BYTES_MAX = 1100
CELL_BYTES = 1100
UNRELIABLE_BYTES_MAX = 16 * CELL_BYTES
RELIABLE_BYTES_MAX = 16_777_216
REPLAY_WINDOW = 2048
MESSAGES_PER_PACKET_MAX = 2048
TOKEN_BYTES_MAX = 700
TAG_BYTES = {"aes-256-gcm": 16, "chacha20-poly1305": 16, "carried": 0, "plaintext": 4}
SUITE_NAMES = {0x01: "aes-256-gcm", 0x02: "chacha20-poly1305", 0x40: "carried", 0x80: "plaintext"}
MODE_NAMES = ("Unreliable", "Sequenced", "ReliableUnordered", "ReliableOrdered", "ReliableLatest")
UNRELIABLE, SEQUENCED, RELIABLE_UNORDERED, RELIABLE_ORDERED, RELIABLE_LATEST = range(5)
REASON_EXTENSION, REASON_PARAMETERS = 11, 12
# Name, smallest, largest (§3.3).
LIMITS = (
    ("largest_reliable_message", 1100, RELIABLE_BYTES_MAX),
    ("connection_credit", 1100, 1 << 30),
    ("channel_credit_bytes", 1100, 1 << 30),
    ("channel_credit_messages", 1, 262_144),
    ("largest_datagram", 1200, 65_527),
    ("idle_timeout_ms", 1000, 3_600_000),
)


class Malformed(Exception):
    """Input the page does not allow; `reason` is the refusal reason where the page names one."""

    def __init__(self, why, reason=None):
        super().__init__(why)
        self.reason = reason


def require(condition, why, reason=None):
    if not condition:
        raise Malformed(why, reason)


class Cursor:
    """Reads fields front to back; running off the end is malformed."""

    def __init__(self, data):
        self.data, self.at = bytes(data), 0

    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        require(count <= self.left(), f"{count} bytes wanted at offset {self.at}, {self.left()} left")
        self.at += count
        return self.data[self.at - count:self.at]

    def rest(self):
        return self.take(self.left())

    def uint(self, size):
        return int.from_bytes(self.take(size), "little")

    def varint(self):
        value = 0
        for index in range(10):
            byte = self.uint(1)
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                require(byte or index == 0, "overlong varint")
                require(value < 1 << 64, "varint above 64 bits")
                return value
        raise Malformed("varint of more than 10 bytes")

    def end(self):
        require(self.left() == 0, f"{self.left()} bytes too many")


def expand(reference, truncated, bits):
    """The number nearest to `reference` with these low bits, of two equally near ones the higher, in 64 bits."""
    window = 1 << bits
    below = reference - (reference - truncated) % window
    near = below if reference - below < window - (reference - below) else below + window
    if near < 0:
        return near + window
    return near if near < 1 << 64 else near - window


def read_varint(data):
    cursor = Cursor(data)
    value = cursor.varint()
    cursor.end()
    return value


# ---------------------------------------------------------------- primitives

def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def hmac_sha256(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def hkdf_expand(prk, info, size):
    output, block, counter = b"", b"", 1
    while len(output) < size:
        block = hmac_sha256(prk, block + info + bytes([counter]))
        output += block
        counter += 1
    return output[:size]


def public_key(private):
    key = X25519PrivateKey.from_private_bytes(private).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def x25519(private, public):
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise Malformed(f"unusable X25519 key: {error}") from error


@functools.lru_cache(maxsize=8)
def aead(suite, key):
    return AESGCM(key) if suite == "aes-256-gcm" else ChaCha20Poly1305(key)


def aead_open(suite, key, nonce, sealed, associated):
    try:
        return aead(suite, key).decrypt(nonce, sealed, associated)
    except InvalidTag as error:
        raise Malformed("tag does not verify") from error


# ---------------------------------------------------------------- handshake datagrams (§1, §2, §4)

def classify(datagram):
    """What §1 makes of a datagram: handshake, data, or foreign."""
    if datagram[:4] == MAGIC:
        return "handshake"
    return "data" if datagram and datagram[0] >= 0x80 else "foreign"


def read_offer(cursor, is_carried=False):
    offer = {"nonce": cursor.uint(8)}
    count = cursor.uint(1)
    require(1 <= count <= VERSIONS_MAX, f"{count} versions offered")
    offer["versions"] = [cursor.uint(2) for _ in range(count)]
    offer["application_id"] = cursor.uint(8)
    offer["channel_table_hash"] = cursor.uint(8)
    offer["suites"] = suites = cursor.uint(1)
    require(suites and not suites & 0x3C, f"suites 0x{suites:02x}")
    require(not suites & 0x80 or suites == 0x80, "plaintext offered beside another suite")
    offer["pattern"] = cursor.uint(1)
    require(suites == (0x40 if is_carried else suites & ~0x40), f"suites 0x{suites:02x}")
    require(offer["pattern"] == 2 if is_carried else offer["pattern"] <= 1, f"pattern {offer['pattern']}")
    offer["ephemeral"] = cursor.take(32).hex()
    return offer


def offer_bytes(datagram):
    """The raw offer of a HELLO or CONNECT, as it goes into the prologue."""
    cursor = Cursor(datagram)
    cursor.take(5)
    read_offer(cursor)
    return datagram[5:cursor.at]


def read_part(cursor):
    index, count = cursor.uint(1), cursor.uint(1)
    require(1 <= count <= 3 and index < count, f"part {index} of {count}")
    part = cursor.rest()
    require(1 <= len(part) <= PART_BYTES_MAX, f"part of {len(part)} bytes")
    require(index == count - 1 or len(part) == PART_BYTES_MAX, f"inner part of {len(part)} bytes")
    return {"part_index": index, "part_count": count, "part": part.hex()}


def read_hello(cursor):
    require(len(cursor.data) == HELLO_BYTES, f"HELLO of {len(cursor.data)} bytes")
    offer = read_offer(cursor)
    require(not any(cursor.rest()), "padding of HELLO is not zero")
    return {"datagram": "hello", **offer}


def read_cookie(cursor):
    return {"datagram": "cookie", "nonce": cursor.uint(8), "version": cursor.uint(2),
            "server_key": cursor.take(32).hex(), "cookie": cursor.take(20).hex()}


def read_connect(cursor):
    return {"datagram": "connect", **read_offer(cursor), "cookie": cursor.take(20).hex(), **read_part(cursor)}


def read_accept(cursor):
    return {"datagram": "accept", "nonce": cursor.uint(8), **read_part(cursor)}


def read_refuse(cursor):
    refuse = {"datagram": "refuse", "nonce": cursor.uint(8), "reason": cursor.uint(2)}
    count = cursor.uint(1)
    require(1 <= count <= VERSIONS_MAX, f"{count} versions in REFUSE")
    refuse["versions"] = [cursor.uint(2) for _ in range(count)]
    return refuse


def read_reset(cursor):
    return {"datagram": "reset", "token": cursor.take(16).hex()}


def read_info_query(cursor):
    require(len(cursor.data) == INFO_QUERY_BYTES, f"INFO_QUERY of {len(cursor.data)} bytes")
    nonce = cursor.uint(8)
    require(not any(cursor.rest()), "padding of INFO_QUERY is not zero")
    return {"datagram": "info_query", "nonce": nonce}


def read_info_answer(cursor):
    return {"datagram": "info_answer", "nonce": cursor.uint(8), **read_description(cursor)}


def read_discover(cursor):
    require(len(cursor.data) == DISCOVER_BYTES, f"DISCOVER of {len(cursor.data)} bytes")
    nonce, flags, application = cursor.uint(8), cursor.uint(1), cursor.uint(8)
    require(flags < 2 and not (flags and application), f"flags 0x{flags:02x} with application {application}")
    require(not any(cursor.rest()), "padding of DISCOVER is not zero")
    return {"datagram": "discover", "nonce": nonce, "application_id": None if flags else application}


def read_here(cursor):
    here = {"datagram": "here", "nonce": cursor.uint(8), "instance": cursor.uint(8), "channel_table_hash": cursor.uint(8),
            "port": cursor.uint(2)}
    require(here["port"] != 0, "port 0 in HERE")
    length = cursor.uint(1)
    require(length <= DISPLAY_NAME_BYTES_MAX, f"a name of {length} bytes")
    try:
        here["name"] = cursor.take(length).decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"name: {error}") from None
    require(not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in here["name"]), "control character in a name")
    return {**here, **read_description(cursor)}


def read_description(cursor):
    answer = {}
    count = cursor.uint(1)
    require(1 <= count <= VERSIONS_MAX, f"{count} versions in what a server says of itself")
    answer["versions"] = [cursor.uint(2) for _ in range(count)]
    answer["application_id"] = cursor.uint(8)
    answer["peers"], answer["peers_max"] = cursor.uint(4), cursor.uint(4)
    answer["flags"] = cursor.uint(1)
    require(not answer["flags"] & 0xF8, f"flags 0x{answer['flags']:02x}")
    information = cursor.rest()
    require(len(information) <= INFORMATION_BYTES_MAX, f"information of {len(information)} bytes")
    return {**answer, "information": information.hex()}


def read_opening_payload(cursor):
    payload = cursor.rest()
    require(1 <= len(payload) <= 3 * PART_BYTES_MAX, f"payload of {len(payload)} bytes")
    return payload.hex()


def read_open(cursor):
    return {"datagram": "open", **read_offer(cursor, is_carried=True), "payload": read_opening_payload(cursor)}


def read_opened(cursor):
    return {"datagram": "opened", "nonce": cursor.uint(8), "version": cursor.uint(2),
            "payload": read_opening_payload(cursor)}


HANDSHAKE_READERS = {1: read_hello, 2: read_cookie, 3: read_connect, 4: read_accept, 5: read_refuse, 6: read_reset,
                     7: read_info_query, 8: read_info_answer, 9: read_discover, 10: read_here, 11: read_open, 12: read_opened}


def read_handshake_datagram(datagram):
    cursor = Cursor(datagram)
    require(cursor.take(4) == MAGIC, "not the magic")
    kind = cursor.uint(1)
    require(kind in HANDSHAKE_READERS, f"handshake datagram type {kind}")
    decoded = HANDSHAKE_READERS[kind](cursor)
    cursor.end()
    return decoded


def address_bytes(text):
    """16 bytes of an address, IPv4 mapped into IPv6."""
    address = ipaddress.ip_address(text)
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed


def make_cookie(key, time, address, port, nonce, ephemeral):
    """§2.3."""
    stamp = time.to_bytes(4, "little")
    text = stamp + address_bytes(address) + port.to_bytes(2, "little") + nonce.to_bytes(8, "little") + ephemeral
    return stamp + hmac_sha256(key, text)[:16]


def reset_key(server_private):
    return hkdf_expand(hmac_sha256(b"TME reset", server_private), b"reset", 32)


def reset_token(key, connection_id, address):
    return hmac_sha256(key, connection_id.to_bytes(4, "little") + address_bytes(address))[:16]


# ---------------------------------------------------------------- parameters (§3.1 to §3.4) and tables (§7.1)

def read_limits(cursor):
    limits = {name: cursor.varint() for name, _, _ in LIMITS}
    for name, low, high in LIMITS:
        require(low <= limits[name] <= high, f"{name} {limits[name]} outside {low} to {high}", REASON_PARAMETERS)
    for name in ("connection_credit", "channel_credit_bytes"):
        require(limits[name] >= limits["largest_reliable_message"], f"{name} below one message", REASON_PARAMETERS)
    return limits


def read_extensions(cursor, known):
    """The extensions as [type, hex], and the schema hashes found in type 5 as [tag, hash]."""
    count = cursor.varint()
    require(count <= 16, f"{count} extensions")
    extensions, schemas, last = [], [], -1
    for _ in range(count):
        kind = cursor.varint()
        require(kind > last, "extension types do not ascend")
        content = cursor.take(cursor.varint())
        if kind == 1 and kind in known:
            require(1 <= len(content) <= TOKEN_BYTES_MAX, f"connect token of {len(content)} bytes")
        if kind == 2:
            require(len(content) <= 512, f"user data of {len(content)} bytes")
        if kind == 5 and kind in known:
            schemas = read_schemas(content)
        extensions.append([kind, content.hex()])
        last = kind
    # The extensions end the payload. What is malformed beats what is not understood, so this comes last.
    cursor.end()
    for kind, _ in extensions:
        require(kind % 2 == 0 or kind in known, f"critical extension {kind} not understood", REASON_EXTENSION)
    return extensions, schemas


def read_schemas(content):
    require(len(content) % 12 == 0 and len(content) <= 8 * 12, f"schema hashes of {len(content)} bytes")
    cursor, schemas = Cursor(content), []
    while cursor.left():
        schemas.append([cursor.uint(4), cursor.uint(8)])
    require(all(a[0] < b[0] for a, b in zip(schemas, schemas[1:])), "schema tags do not ascend")
    return schemas


def read_client_parameters(payload):
    cursor = Cursor(payload)
    try:
        decoded = {"connection_id": cursor.uint(4)}
        require(decoded["connection_id"], "connection id 0")
        decoded["limits"] = read_limits(cursor)
        decoded["extensions"], decoded["schemas"] = read_extensions(cursor, known=(1, 2, 5))
    except Malformed as error:
        # §3: a payload that opens but is malformed is refused as parameters out of range.
        raise Malformed(str(error), error.reason or REASON_PARAMETERS) from error
    return decoded


def read_channels(cursor, count):
    channels = []
    for _ in range(count):
        channel = {"id": cursor.uint(1), "mode": cursor.uint(1), "ordering_key": cursor.uint(1)}
        length = cursor.uint(1)
        require(length <= 64, f"channel name of {length} bytes")
        try:
            channel["name"] = cursor.take(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed("channel name is not UTF-8") from error
        require(channel["mode"] <= RELIABLE_LATEST, f"channel mode {channel['mode']}")
        require(channel["ordering_key"] == (channel["mode"] == RELIABLE_LATEST), "ordering key does not fit the mode")
        require(channel["id"] not in [other["id"] for other in channels], f"channel id {channel['id']} twice")
        channels.append(channel)
    return channels


def read_table(data):
    """A table in the form of ACCEPT, `count | channels`."""
    cursor = Cursor(data)
    count = cursor.uint(1)
    require(1 <= count <= 32, f"table of {count} channels")
    channels = read_channels(cursor, count)
    cursor.end()
    return channels


def table_bytes(channels):
    data = bytes([len(channels)])
    for channel in channels:
        name = channel["name"].encode()
        data += bytes([channel["id"], channel["mode"], channel["ordering_key"], len(name)]) + name
    return data


def table_hash(channels):
    digest = hashlib.sha256(b"TME channels" + table_bytes(channels)).digest()
    return int.from_bytes(digest[:8], "little") or 1


def read_server_answer(payload, offered_suites, table_declared):
    cursor = Cursor(payload)
    verdict = cursor.uint(1)
    require(verdict <= 1, f"verdict {verdict}")
    if verdict == 1:
        refusal = {"verdict": "refused", "reason": cursor.uint(2)}
        length = cursor.varint()
        require(length <= 512, f"refusal detail of {length} bytes")
        refusal["detail"] = cursor.take(length).hex()
        cursor.end()
        return refusal
    answer = {"verdict": "accepted", "connection_id": cursor.uint(4), "peer_number": cursor.uint(4)}
    require(answer["connection_id"], "connection id 0")
    require(2 <= answer["peer_number"] < 1 << 31, f"peer number {answer['peer_number']}")
    answer["suite"] = cursor.uint(1)
    require(answer["suite"] in SUITE_NAMES and answer["suite"] & offered_suites, f"suite 0x{answer['suite']:02x}")
    answer["reset_token"] = cursor.take(16).hex()
    answer["limits"] = read_limits(cursor)
    count = cursor.uint(1)
    require(count == 0 if table_declared else 1 <= count <= 32, f"{count} channels in ACCEPT")
    answer["channels"] = read_channels(cursor, count)
    answer["extensions"], answer["schemas"] = read_extensions(cursor, known=(2,))
    return answer


# ---------------------------------------------------------------- connect tokens (§3.6)

def hchacha20(key, nonce):
    """draft-irtf-cfrg-xchacha-03, section 2.2: twenty rounds, no final addition, rows one and four."""
    words = [int.from_bytes((b"expand 32-byte k" + key + nonce)[at:at + 4], "little") for at in range(0, 64, 4)]

    def quarter(a, b, c, d):
        for into, other, turned, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            words[into] = (words[into] + words[other]) & 0xFFFFFFFF
            mixed = words[turned] ^ words[into]
            words[turned] = (mixed << bits | mixed >> (32 - bits)) & 0xFFFFFFFF

    for _ in range(10):
        for column in range(4):
            quarter(column, column + 4, column + 8, column + 12)
        for column in range(4):
            quarter(column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4)
    return b"".join(word.to_bytes(4, "little") for word in words[:4] + words[12:])


def token_key_id(key):
    return int.from_bytes(hashlib.sha256(b"TME token key" + key).digest()[:4], "little")


def read_hint(cursor):
    family = cursor.uint(1)
    require(family in (4, 6), f"hint of family {family}")
    address = str(ipaddress.ip_address(cursor.take(4 if family == 4 else 16)))
    port = cursor.uint(2)
    require(port, "hint without a port")
    return [address, port]


def read_audience(cursor):
    kind = cursor.uint(1)
    require(kind <= 2, f"audience of kind {kind}")
    if kind == 1:
        length = cursor.uint(1)
        require(1 <= length <= 64, f"server name of {length} bytes")
        return {"kind": kind, "name": cursor.take(length).hex()}
    return {"kind": kind, "key": cursor.take(32).hex()} if kind == 2 else {"kind": kind}


def open_token(key, sealed):
    """Opens a sealed token; returns its key id and nonce, and what it says."""
    require(1 <= len(sealed) <= TOKEN_BYTES_MAX, f"token of {len(sealed)} bytes")
    cursor = Cursor(sealed)
    version = cursor.uint(1)
    require(version == 1, f"token version {version}")
    key_id, nonce = cursor.uint(4), cursor.take(24)
    require(key_id == token_key_id(key), "sealed with another key")
    count = cursor.uint(1)
    require(count <= 8, f"{count} hints")
    hints = [read_hint(cursor) for _ in range(count)]
    associated = b"TME token" + sealed[:cursor.at]
    contents = aead_open("chacha20-poly1305", hchacha20(key, nonce[:16]), bytes(4) + nonce[16:], cursor.rest(),
                         associated)
    cursor = Cursor(contents)
    token = {"issued": cursor.uint(8), "expires": cursor.uint(8), "audience": read_audience(cursor)}
    require(token["expires"] > token["issued"], "expires before it is issued")
    length = cursor.uint(1)
    require(1 <= length <= 64, f"user id of {length} bytes")
    token["user"] = cursor.take(length).hex()
    length = cursor.varint()
    require(length <= 256, f"user data of {length} bytes")
    token["user_data"] = cursor.take(length).hex()
    cursor.end()
    return key_id, nonce, {**token, "hints": hints}


def token_from_text(text):
    """base64url without padding, and nothing that another decoder would read differently."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("not base64url") from error
    require(base64.urlsafe_b64encode(data).decode().rstrip("=") == text, "not the one text of its bytes")
    return data


# ---------------------------------------------------------------- Noise, revision 34, NK and IK (§3)

class Symmetric:
    """SymmetricState and CipherState of the Noise specification, in the direction of reading."""

    def __init__(self, pattern, prologue, server_public):
        # Exactly 32 bytes long, so it is the first hash itself, not its digest.
        self.hash = self.chain = f"Noise_{pattern}_25519_ChaChaPoly_SHA256".encode()
        self.key, self.nonce = None, 0
        self.mix_hash(prologue)
        self.mix_hash(server_public)

    def mix_hash(self, data):
        self.hash = hashlib.sha256(self.hash + data).digest()

    def hkdf(self, material):
        secret = hmac_sha256(self.chain, material)
        first = hmac_sha256(secret, b"\x01")
        return first, hmac_sha256(secret, first + b"\x02")

    def mix_key(self, material):
        self.chain, self.key = self.hkdf(material)
        self.nonce = 0

    def decrypt_and_hash(self, sealed):
        nonce = bytes(4) + self.nonce.to_bytes(8, "little")
        plain = aead_open("chacha20-poly1305", self.key, nonce, sealed, self.hash)
        self.nonce += 1
        self.mix_hash(sealed)
        return plain

    def split(self):
        return self.hkdf(b"")


def make_prologue(offer, version):
    return b"TME handshake" + offer + version.to_bytes(2, "little")


def open_message_1(offer, version, message, server_private):
    """Opens Noise message 1 as the server does. Returns (state, payload, client's static public key or None)."""
    fields = read_offer(Cursor(offer))
    pattern = ("NK", "IK")[fields["pattern"]]
    state = Symmetric(pattern, make_prologue(offer, version), public_key(server_private))
    cursor = Cursor(message)
    ephemeral = cursor.take(32)
    require(ephemeral.hex() == fields["ephemeral"], "message 1 carries another ephemeral key than the offer")
    state.mix_hash(ephemeral)
    state.mix_key(x25519(server_private, ephemeral))
    client_static = None
    if pattern == "IK":
        client_static = state.decrypt_and_hash(cursor.take(48))
        state.mix_key(x25519(server_private, client_static))
    return state, state.decrypt_and_hash(cursor.rest()), client_static


def open_message_2(state, message, client_ephemeral_private, client_static_private):
    """Opens Noise message 2 as the client does, going on from the state after message 1. Returns the payload."""
    cursor = Cursor(message)
    ephemeral = cursor.take(32)
    state.mix_hash(ephemeral)
    state.mix_key(x25519(client_ephemeral_private, ephemeral))
    if client_static_private is not None:
        state.mix_key(x25519(client_static_private, ephemeral))
    return state.decrypt_and_hash(cursor.rest())


# ---------------------------------------------------------------- packets (§3.5, §5)

def key_generation(secret):
    """(PRK, key, iv, secret of the next generation)."""
    prk = hmac_sha256(b"TME packet", secret)
    return prk, hkdf_expand(prk, b"key", 32), hkdf_expand(prk, b"iv", 12), hkdf_expand(prk, b"next", 32)


def packet_nonce(iv, number):
    return (int.from_bytes(iv, "big") ^ number).to_bytes(12, "big")


def expand_packet_number(largest_received, truncated, bits):
    """`largest_received` is None before the first packet."""
    return expand(0 if largest_received is None else largest_received + 1, truncated, bits)


def packet_number_bytes(number, largest_acknowledged):
    distance = number - (-1 if largest_acknowledged is None else largest_acknowledged)
    return 2 if distance < 1 << 15 else 4


def read_header(datagram):
    cursor = Cursor(datagram)
    flags = cursor.uint(1)
    require(flags & 0x80, "not a data packet")
    require(not flags & 0x7C, f"reserved bits in flags 0x{flags:02x}")
    size = 4 if flags & 1 else 2
    header = {"phase": flags >> 1 & 1, "connection_id": cursor.uint(4), "number_bytes": size,
              "truncated": cursor.uint(size)}
    return header, cursor.at


def open_packet(datagram, suite, key, iv, largest_received):
    """(header with the full `number`, payload)."""
    header, size = read_header(datagram)
    require(len(datagram) > size + TAG_BYTES[suite], f"packet of {len(datagram)} bytes has no payload")
    header["number"] = number = expand_packet_number(largest_received, header["truncated"], 8 * header["number_bytes"])
    if suite == "plaintext":
        require(header["phase"] == 0, "key phase without keys")
        body, tag = datagram[size:-4], datagram[-4:]
        crc = crc32c(number.to_bytes(8, "little") + datagram[:size] + body)
        require(tag == crc.to_bytes(4, "little"), "CRC-32C does not fit")
        return header, body
    return header, aead_open(suite, key, packet_nonce(iv, number), datagram[size:], datagram[:size])


# ---------------------------------------------------------------- frames (§6, §7.2)

def read_frames(payload, modes):
    """The frames of a payload; `modes` holds the mode of each channel by position."""
    require(payload, "empty payload")
    cursor, frames, previous, messages = Cursor(payload), [], {}, 0
    while cursor.left():
        kind = cursor.uint(1)
        if kind >= 0x80:
            messages += 1
            require(messages <= MESSAGES_PER_PACKET_MAX, "too many messages in a packet")
            frame = read_message(cursor, kind, modes, previous)
        else:
            require(kind in FRAME_READERS, f"frame type {kind:02x}")
            frame = FRAME_READERS[kind](cursor, kind, modes)
        if frame["frame"] == "padding" and frames and frames[-1]["frame"] == "padding":
            frames[-1]["length"] += 1
        else:
            frames.append(frame)
    require(sum(frame["frame"] == "ack" for frame in frames) <= 1, "two ACKs in one packet")
    return frames


def read_ack(cursor, kind, _modes):
    frame = {"frame": "ack", "newest": cursor.uint(4), "delay": cursor.uint(2)}
    field, ranges = bytearray(b"\xff" * 8), []
    mask = cursor.uint(1) if kind >= 0x03 else 0
    require(mask or kind != 0x03, "ACK with gaps, but without gaps")
    for index in range(8):
        if mask >> index & 1:
            field[index] = cursor.uint(1)
            require(field[index] != 0xFF, "full byte of the field is present")
    if kind == 0x04:
        count = cursor.uint(1)
        require(1 <= count <= 32, f"ACK with {count} ranges")
        for index in range(count):
            gap, length = cursor.varint(), cursor.varint()
            require(gap or index == 0, "gap of 0 between ACK ranges")
            require(length, "ACK range of length 0")
            require(max(gap, length) < 1 << 32, f"ACK range {gap}, {length}")
            ranges.append([gap, length])
    return {**frame, "field": field.hex(), "ranges": ranges}


def read_reliable_position(cursor, modes):
    channel = cursor.uint(1)
    require(channel < len(modes), f"channel position {channel} outside the table")
    require(modes[channel] >= RELIABLE_UNORDERED, f"credit or SKIP for {MODE_NAMES[modes[channel]]}")
    return channel


def read_connection_credit(cursor, _kind, _modes):
    return {"frame": "connection_credit", "bytes": cursor.varint()}


def read_channel_credit(cursor, _kind, modes):
    return {"frame": "channel_credit", "channel": read_reliable_position(cursor, modes),
            "bytes": cursor.varint(), "messages": cursor.varint()}


def read_skip(cursor, _kind, modes):
    frame = {"frame": "skip", "channel": read_reliable_position(cursor, modes),
             "sequence": cursor.uint(3), "length": cursor.varint()}
    require(frame["length"] <= RELIABLE_BYTES_MAX, f"SKIP of {frame['length']} bytes")
    return frame


def read_close(cursor, _kind, _modes):
    frame = {"frame": "close", "reason": cursor.uint(2), "code": cursor.uint(4)}
    length = cursor.varint()
    require(length <= 512, f"CLOSE detail of {length} bytes")
    return {**frame, "detail": cursor.take(length).hex()}


def read_clock_request(cursor, _kind, _modes):
    return {"frame": "clock_request", "client_time": cursor.uint(8)}


def read_clock_answer(cursor, _kind, _modes):
    return {"frame": "clock_answer", "client_time": cursor.uint(8), "received": cursor.uint(8), "sent": cursor.uint(8)}


def read_path(cursor, kind, _modes):
    return {"frame": "path_challenge" if kind == 0x09 else "path_response", "data": cursor.take(8).hex()}


def read_reset_token(cursor, _kind, _modes):
    return {"frame": "reset_token", "token": cursor.take(16).hex()}


FRAME_READERS = {
    0x00: lambda *_: {"frame": "padding", "length": 1},
    0x01: lambda *_: {"frame": "ping"},
    0x02: read_ack, 0x03: read_ack, 0x04: read_ack,
    0x05: read_connection_credit, 0x06: read_channel_credit, 0x07: read_skip, 0x08: read_close,
    0x0B: read_clock_request, 0x0C: read_clock_answer,
    0x09: read_path, 0x0A: read_path, 0x0E: read_reset_token,
}


def read_message(cursor, kind, modes, previous):
    """`previous` maps a channel position to the sequence of its last message in this packet."""
    implied, fragment, channel = kind >> 6 & 1, kind >> 5 & 1, kind & 0x1F
    require(channel < len(modes), f"channel position {channel} outside the table")
    mode = modes[channel]
    sequence = key = index = total = None
    if implied:
        require(not fragment and mode != UNRELIABLE, "implied sequence not allowed here")
        require(channel in previous, "implied sequence without a message before")
        sequence = (previous[channel] + 1) & 0xFFFFFF
    elif fragment or mode != UNRELIABLE:
        sequence = cursor.uint(3)
    if sequence is not None:
        previous[channel] = sequence
    if mode == RELIABLE_LATEST:
        key = cursor.varint()
        require(key < 1 << 32, f"message key {key}")
    if fragment:
        index, total = cursor.varint(), cursor.varint()
    length = cursor.varint()
    if fragment:
        check_fragment(mode, index, total, length)
    else:
        require(length <= CELL_BYTES, f"whole message of {length} bytes")
    return {"frame": "message", "channel": channel, "sequence": sequence, "implied": bool(implied), "key": key,
            "index": index, "total": total, "data": cursor.take(length).hex()}


def check_fragment(mode, index, total, length):
    largest = RELIABLE_BYTES_MAX if mode >= RELIABLE_UNORDERED else UNRELIABLE_BYTES_MAX
    require(CELL_BYTES < total <= largest, f"fragment of a message of {total} bytes")
    left = total - index * CELL_BYTES
    require(0 < length <= left, f"fragment of {length} bytes at cell {index} of {total} bytes")
    require(length == left or length % CELL_BYTES == 0, f"fragment of {length} bytes holds a part of a cell")


def provokes(frames, modes):
    """How the packet provokes an acknowledgement (§6, §8): none, lazy or prompt."""
    answer = "none"
    for frame in frames:
        is_unreliable = frame["frame"] == "message" and modes[frame["channel"]] in (UNRELIABLE, SEQUENCED)
        if is_unreliable or frame["frame"] == "clock_request":
            answer = "lazy" if answer == "none" else answer
        elif frame["frame"] not in ("padding", "ack", "clock_answer", "path_challenge", "path_response"):
            answer = "prompt"
    return answer


def acknowledged(frame, largest_sent):
    """(number of `newest`, inclusive [low, high] of all reported numbers from high to low)."""
    newest = expand(largest_sent, frame["newest"], 32)
    require(newest <= largest_sent, f"ACK for {newest}, which was never sent")
    spans, field = [[newest, newest]], bytes.fromhex(frame["field"])
    for bit in range(64):
        number = newest - 1 - bit
        if number >= 0 and field[bit // 8] >> bit % 8 & 1:
            spans.append([number, number])
    at = newest - 65
    for gap, length in frame["ranges"]:
        low = at - gap - length + 1
        require(low >= 0, "ACK range below packet 0")
        spans.append([low, at - gap])
        at = low - 1
    merged = spans[:1]
    for low, high in spans[1:]:
        if high + 1 == merged[-1][0]:
            merged[-1][0] = low
        else:
            merged.append([low, high])
    return newest, merged


def expand_sequence(reference, truncated):
    return expand(reference, truncated, 24)


# ---------------------------------------------------------------- reassembly (§7.2)

class Channel:
    """All messages of one channel in one direction, as far as they were seen."""

    def __init__(self, mode, reference=0):
        self.mode, self.reference, self.messages, self.unnumbered = mode, reference, {}, []

    def take_message(self, frame):
        """Files one MESSAGE frame. Returns (sequence or None, total, seen for the first time)."""
        data = bytes.fromhex(frame["data"])
        if frame["sequence"] is None:
            self.unnumbered.append(data)
            return None, len(data), True
        sequence = expand_sequence(self.reference, frame["sequence"])
        total = len(data) if frame["total"] is None else frame["total"]
        entry, first = self.entry(sequence, total)
        start = CELL_BYTES * (frame["index"] or 0)
        require(entry["key"] in (None, frame["key"]), f"message {sequence} changed its key")
        entry["key"] = frame["key"]
        for at in range(start, start + len(data), CELL_BYTES):
            piece = data[at - start:at - start + CELL_BYTES]
            require(entry["cells"].get(at, piece) == piece, f"message {sequence} changed its data")
            entry["cells"][at] = piece
        entry["complete"] = len(entry["cells"]) * CELL_BYTES >= total
        self.move_reference(sequence)
        return sequence, total, first

    def take_skip(self, frame):
        sequence = expand_sequence(self.reference, frame["sequence"])
        entry, first = self.entry(sequence, frame["length"])
        entry["skipped"] = True
        self.move_reference(sequence)
        return sequence, frame["length"], first

    def entry(self, sequence, total):
        first = sequence not in self.messages
        entry = self.messages.setdefault(
            sequence, {"total": total, "key": None, "cells": {}, "complete": False, "skipped": False})
        require(entry["total"] == total, f"message {sequence} changed its length")
        return entry, first

    def move_reference(self, sequence):
        if self.mode >= RELIABLE_UNORDERED:
            while self.done(self.reference):
                self.reference += 1
        elif self.mode == UNRELIABLE:
            self.reference = max(self.reference, sequence)
        elif self.messages[sequence]["complete"]:
            self.reference = max(self.reference, sequence + 1)

    def done(self, sequence):
        entry = self.messages.get(sequence)
        return entry is not None and (entry["complete"] or entry["skipped"])

    def missing(self):
        """Sequences of a reliable channel that should have been here by now."""
        if self.mode < RELIABLE_UNORDERED:
            return []
        return [n for n in range(self.reference, max(self.messages, default=-1) + 1) if not self.done(n)]

    def report(self, position):
        """Every complete message: those with a sequence in its order, then the others as they came."""
        numbered = [(sequence, entry["key"], b"".join(entry["cells"][at] for at in sorted(entry["cells"])))
                    for sequence, entry in sorted(self.messages.items()) if entry["complete"]]
        return [{"channel": position, "sequence": sequence, "key": key, "length": len(data),
                 "sha256": hashlib.sha256(data).hexdigest()}
                for sequence, key, data in numbered + [(None, None, data) for data in self.unnumbered]]


# ---------------------------------------------------------------- recorded sessions

class Direction:
    """Packets of one direction of a session: keys, numbers, channels, and the credit its sender holds."""

    def __init__(self, name, suite, secret, connection_id, receiver_limits, modes):
        self.name, self.suite, self.connection_id, self.limits = name, suite, connection_id, receiver_limits
        self.generations, self.generation = [key_generation(secret)], 0
        self.generation_low, self.generation_top = 0, -1
        self.seen, self.largest, self.largest_acknowledged = {}, None, None
        self.copies = self.reordered = 0
        self.is_closed = False
        self.modes, self.channels = modes, [Channel(mode) for mode in modes]
        self.sent = {"connection": 0, **{position: [0, 0] for position in range(len(modes))}}
        self.granted = {"connection": receiver_limits["connection_credit"]}
        for position in range(len(modes)):
            self.granted[position] = [receiver_limits["channel_credit_bytes"],
                                      receiver_limits["channel_credit_messages"]]

    def keys(self, generation):
        while len(self.generations) <= generation:
            self.generations.append(key_generation(self.generations[-1][3]))
        return self.generations[generation][1:3]

    def open(self, datagram):
        """(header, frames), or (header, None) for a byte-identical copy of an earlier packet."""
        require(len(datagram) <= self.limits["largest_datagram"], f"datagram of {len(datagram)} bytes")
        header, _ = read_header(datagram)
        require(header["connection_id"] == self.connection_id, f"connection id {header['connection_id']:08x}")
        number = expand_packet_number(self.largest, header["truncated"], 8 * header["number_bytes"])
        generation = self.choose_generation(header["phase"], number)
        header, payload = open_packet(datagram, self.suite, *self.keys(generation), self.largest)
        if self.seen.get(number) == datagram:
            self.copies += 1
            return {**header, "generation": generation}, None
        require(number not in self.seen, f"packet number {number} used twice")
        require(self.largest is None or self.largest - number < REPLAY_WINDOW,
                f"packet {number} is outside the replay window, the largest is {self.largest}")
        require(header["number_bytes"] >= packet_number_bytes(number, self.largest_acknowledged),
                f"packet {number} has a 2-byte number, {self.largest_acknowledged} is acknowledged")
        frames = read_frames(payload, self.modes)
        self.seen[number] = datagram
        self.reordered += self.largest is not None and number < self.largest
        self.largest = number if self.largest is None else max(self.largest, number)
        if generation > self.generation:
            self.generation, self.generation_low, self.generation_top = generation, number, number
        elif generation == self.generation:
            self.generation_low = min(self.generation_low, number)
            self.generation_top = max(self.generation_top, number)
        return {**header, "generation": generation}, frames

    def choose_generation(self, phase, number):
        if self.suite == "plaintext" or phase == self.generation % 2:
            return self.generation
        if number > self.generation_top:
            return self.generation + 1
        require(number < self.generation_low, f"packet {number} has the old key phase among newer ones")
        return self.generation - 1

    def take(self, frame, back):
        """Follows one frame; `back` is the opposite direction, which this side acknowledges and grants credit to."""
        kind = frame["frame"]
        if kind == "ack":
            self.take_ack(frame, back)
        elif kind == "close":
            self.is_closed = True
        elif self.is_closed:
            pass  # §6: what comes behind CLOSE has no effect.
        elif kind == "connection_credit":
            back.granted["connection"] = max(back.granted["connection"], frame["bytes"])
        elif kind == "channel_credit":
            new = (frame["bytes"], frame["messages"])
            back.granted[frame["channel"]] = [max(pair) for pair in zip(back.granted[frame["channel"]], new)]
        elif kind in ("message", "skip"):
            channel = self.channels[frame["channel"]]
            lowest_missing = channel.reference
            sequence, total, first = (channel.take_message if kind == "message" else channel.take_skip)(frame)
            frame["full_sequence"] = sequence
            if channel.mode >= RELIABLE_UNORDERED:
                require(sequence - lowest_missing < self.limits["channel_credit_messages"],
                        f"channel {frame['channel']}: {sequence} is too far above {lowest_missing}, which is missing")
            if first and channel.mode >= RELIABLE_UNORDERED:
                self.use_credit(frame["channel"], total)

    def take_ack(self, frame, back):
        require(back.largest is not None, "ACK before any packet")
        newest, spans = acknowledged(frame, back.largest)
        for low, high in spans:
            for number in range(low, high + 1):
                require(number in back.seen, f"ACK for {number}, which was never sent")
        if back.largest_acknowledged is None or newest > back.largest_acknowledged:
            back.largest_acknowledged = newest

    def use_credit(self, position, total):
        require(total <= self.limits["largest_reliable_message"], f"message of {total} bytes above the limit")
        self.sent["connection"] += total
        self.sent[position][0] += total
        self.sent[position][1] += 1
        used = (self.sent["connection"], *self.sent[position])
        granted = (self.granted["connection"], *self.granted[position])
        require(all(u <= g for u, g in zip(used, granted)), f"channel {position}: used {used} of credit {granted}")

    def messages(self):
        return [entry for position, channel in enumerate(self.channels) for entry in channel.report(position)]

    def digests(self):
        return {str(position): [entry["sha256"] for entry in channel.report(position)]
                for position, channel in enumerate(self.channels) if channel.mode >= RELIABLE_UNORDERED}

    def summary(self):
        missing = {str(position): channel.missing() for position, channel in enumerate(self.channels)
                   if channel.missing()}
        return {"packets": len(self.seen), "copies": self.copies, "reordered": self.reordered,
                "largest_number": self.largest, "generation": self.generation,
                "messages": self.messages(), "missing": missing}


class Session:
    """Follows a recorded session datagram by datagram; every deviation from the page is put in `problems`."""

    def __init__(self, recording):
        self.recording, self.problems, self.lines = recording, [], []
        self.server_private = bytes.fromhex(recording["server_private_key"])
        self.ephemeral_private = bytes.fromhex(recording["client_ephemeral_private"])
        static = recording.get("client_static_private")
        self.static_private = None if static is None else bytes.fromhex(static)
        self.offer = self.offer_fields = self.version = self.message_1 = self.message_2 = None
        self.state = self.parameters = self.answer = None
        self.cookies, self.connect_parts, self.accept_parts, self.directions = set(), {}, {}, {}

    def run(self):
        last = 0
        for index, record in enumerate(self.recording["datagrams"]):
            datagram, line = bytes.fromhex(record["hex"]), {"index": index, "t_us": record["t_us"],
                                                            "direction": record["direction"],
                                                            "bytes": len(record["hex"]) // 2}
            try:
                require(record["t_us"] >= last, "time runs backwards")
                last = record["t_us"]
                line.update(self.take(record["direction"], datagram))
                if record.get("refused"):
                    self.problems.append({"datagram": index, "why": "accepted, but recorded as refused"})
            except Malformed as error:
                line["refused"] = str(error)
                if not record.get("refused"):
                    self.problems.append({"datagram": index, "why": str(error)})
            self.lines.append(line)
        self.check_end()
        return self

    def take(self, direction, datagram):
        require(direction in ("c2s", "s2c"), f"direction {direction}")
        kind = classify(datagram)
        require(kind != "foreign", "not a TME datagram")
        if kind == "data":
            return self.take_packet(direction, datagram)
        decoded = read_handshake_datagram(datagram)
        name = decoded["datagram"]
        require(direction == ("c2s" if name in ("hello", "connect") else "s2c"), f"{name} in direction {direction}")
        notes = getattr(self, f"take_{name}")(decoded, datagram) or {}
        return {"handshake": decoded, **notes}

    def take_hello(self, decoded, datagram):
        offer = offer_bytes(datagram)
        require(self.offer in (None, offer), "HELLO repeated with other bytes")
        require(decoded["ephemeral"] == public_key(self.ephemeral_private).hex(), "offer holds another ephemeral key")
        require((decoded["pattern"] == 1) == (self.static_private is not None), "pattern does not fit the key log")
        require(decoded["application_id"] == self.recording["application_id"], "application id differs")
        require(decoded["channel_table_hash"] in (0, table_hash(self.table())), "channel-table hash differs")
        self.offer, self.offer_fields = offer, decoded

    def take_cookie(self, decoded, _datagram):
        self.check_nonce(decoded)
        require(decoded["server_key"] == public_key(self.server_private).hex(), "COOKIE holds another server key")
        require(decoded["version"] in self.offer_fields["versions"], "COOKIE chooses a version not offered")
        require(self.version in (None, decoded["version"]), "COOKIE changes the version")
        self.version = decoded["version"]
        self.cookies.add(decoded["cookie"])

    def take_connect(self, decoded, datagram):
        require(self.offer == offer_bytes(datagram), "CONNECT and HELLO hold different offers")
        require(decoded["cookie"] in self.cookies, "CONNECT with a cookie never given")
        message = self.add_part(self.connect_parts, decoded)
        if message is None or self.message_1 is not None:
            return None
        self.state, payload, client_static = open_message_1(self.offer, self.version, message, self.server_private)
        if client_static is not None:
            require(client_static == public_key(self.static_private), "message 1 carries another static key")
        self.parameters = read_client_parameters(payload)
        self.message_1 = message
        return {"client_parameters": self.parameters}

    def take_accept(self, decoded, _datagram):
        self.check_nonce(decoded)
        require(self.message_1 is not None, "ACCEPT before CONNECT")
        message = self.add_part(self.accept_parts, decoded)
        if message is None or self.message_2 is not None:
            return None
        payload = open_message_2(self.state, message, self.ephemeral_private, self.static_private)
        declared = self.offer_fields["channel_table_hash"] != 0
        self.answer = read_server_answer(payload, self.offer_fields["suites"], declared)
        self.message_2 = message
        if self.answer["verdict"] == "accepted":
            self.establish()
        return {"server_answer": self.answer}

    def establish(self):
        answer = self.answer
        require(answer["channels"] in ([], self.table()), "channel table of ACCEPT differs from the recording's")
        if "client_address" in self.recording:
            token = reset_token(reset_key(self.server_private), answer["connection_id"],
                                self.recording["client_address"])
            require(token.hex() == answer["reset_token"], "reset token of ACCEPT does not fit §4.2")
        suite, modes = SUITE_NAMES[answer["suite"]], [channel["mode"] for channel in self.table()]
        to_server, to_client = self.state.split()
        self.directions = {
            "c2s": Direction("c2s", suite, to_server, answer["connection_id"], answer["limits"], modes),
            "s2c": Direction("s2c", suite, to_client, self.parameters["connection_id"], self.parameters["limits"],
                             modes)}

    def take_refuse(self, decoded, _datagram):
        self.check_nonce(decoded)

    def take_reset(self, decoded, _datagram):
        require(self.directions and decoded["token"] == self.answer["reset_token"], "RESET with another token")

    def take_packet(self, direction, datagram):
        require(self.directions, "data packet before ACCEPT")
        forth, back = self.directions[direction], self.directions["s2c" if direction == "c2s" else "c2s"]
        header, frames = forth.open(datagram)
        require(abs(forth.generation - back.generation) <= 1, "key generations are two apart")
        for frame in frames or ():
            forth.take(frame, back)
        return {"packet": header, "frames": frames}

    def check_nonce(self, decoded):
        require(self.offer_fields is not None, "answer before HELLO")
        require(decoded["nonce"] == self.offer_fields["nonce"], "client nonce differs")

    def add_part(self, parts, decoded):
        """Files a part; returns the whole Noise message once it is there."""
        require(parts.setdefault("count", decoded["part_count"]) == decoded["part_count"], "part count changed")
        part = bytes.fromhex(decoded["part"])
        require(parts.setdefault(decoded["part_index"], part) == part, "part repeated with other bytes")
        if len(parts) <= parts["count"]:
            return None
        return b"".join(parts[index] for index in range(parts["count"]))

    def table(self):
        return [{"id": channel["id"], "mode": channel["mode"],
                 "ordering_key": int(channel["mode"] == RELIABLE_LATEST), "name": channel["name"]}
                for channel in self.recording["channels"]]

    def check_end(self):
        for direction, expected in self.recording.get("expect", {}).items():
            digests = self.directions[direction].digests() if direction in self.directions else {}
            for position, wanted in expected.items():
                found = digests.get(position, [])
                if found != wanted:
                    self.problems.append({"datagram": None, "why": f"{direction} channel {position}: {len(found)} "
                                          f"messages differ from the {len(wanted)} expected"})
                    continue
                gaps = self.directions[direction].channels[int(position)].missing() if wanted else []
                if gaps:
                    self.problems.append({"datagram": None, "why": f"{direction} channel {position}: sequences {gaps} "
                                          "are missing"})

    def report(self):
        return {"description": self.recording["description"], "datagrams": self.lines,
                "directions": {name: direction.summary() for name, direction in self.directions.items()},
                "digests": {name: direction.digests() for name, direction in self.directions.items()},
                "problems": self.problems}


# ---------------------------------------------------------------- readable output

def shorten(text, limit=24):
    return text if len(text) <= limit else f"{text[:limit]}…"


def describe_frame(frame, table):
    kind = frame["frame"]
    if kind == "padding":
        return f"PADDING×{frame['length']}"
    if kind == "ack":
        ranges = f" ranges={frame['ranges']}" if frame["ranges"] else ""
        field = "" if frame["field"] == "ff" * 8 else f" field={frame['field']}"
        return f"ACK {frame['newest']} delay={frame['delay'] * 16}µs{field}{ranges}"
    if kind == "message":
        text = f"MESSAGE {frame['channel']}({table[frame['channel']]['name']})"
        text += "" if frame["sequence"] is None else f" #{frame.get('full_sequence', frame['sequence'])}"
        text += "+" if frame["implied"] else ""
        text += "" if frame["key"] is None else f" key={frame['key']}"
        text += "" if frame["index"] is None else f" cell={frame['index']} of {frame['total']}B"
        return f"{text} {len(frame['data']) // 2}B"
    fields = " ".join(f"{name}={value}" for name, value in frame.items() if name not in ("frame", "full_sequence"))
    return f"{kind.upper()} {fields}".rstrip()


def describe_line(line, table):
    head = f"{line['t_us'] / 1e6:12.6f}  {line['direction']}  {line['bytes']:5}B  "
    if "refused" in line:
        return f"{head}refused: {line['refused']}"
    if "packet" in line:
        packet = line["packet"]
        frames = ["copy"] if line["frames"] is None else [describe_frame(frame, table) for frame in line["frames"]]
        return f"{head}packet {packet['number']} gen={packet['generation']}: {' | '.join(frames)}"
    fields = {name: shorten(str(value)) for name, value in line["handshake"].items() if name != "datagram"}
    text = f"{head}{line['handshake']['datagram'].upper()} {' '.join(f'{n}={v}' for n, v in fields.items())}"
    for note in ("client_parameters", "server_answer"):
        text += f"\n{'':14}{note}: {json.dumps(line[note])}" if note in line else ""
    return text


def print_session(session):
    print(session.recording["description"])
    table = session.table()
    for line in session.lines:
        print(describe_line(line, table))
    for name, direction in session.directions.items():
        summary = direction.summary()
        print(f"{name}: {summary['packets']} packets ({summary['copies']} copies, {summary['reordered']} reordered), "
              f"{len(summary['messages'])} messages, generation {summary['generation']}, "
              f"missing {summary['missing'] or 'nothing'}")
        for message in summary["messages"]:
            sequence = "-" if message["sequence"] is None else message["sequence"]
            key = "" if message["key"] is None else f" key={message['key']}"
            print(f"    {message['channel']}({table[message['channel']]['name']}) #{sequence}{key} "
                  f"{message['length']}B {message['sha256']}")
    for problem in session.problems:
        print(f"PROBLEM at datagram {problem['datagram']}: {problem['why']}")


# ---------------------------------------------------------------- checks, one function per vector file

def expect_equal(found, wanted, what="decoded form"):
    if found != wanted:
        raise AssertionError(f"{what}: found {found!r}, expected {wanted!r}")


def unhex(entry, name):
    return bytes.fromhex(entry[name])


def check_varint(entry):
    value = read_varint(unhex(entry, "bytes"))
    return lambda: expect_equal(value, entry["value"])


def check_datagram(entry):
    if "class" in entry:
        return lambda: expect_equal(classify(unhex(entry, "bytes")), entry["class"])
    decoded = read_handshake_datagram(unhex(entry, "bytes"))
    return lambda: expect_equal(decoded, entry["decoded"])


def check_cookie(entry):
    cookie = make_cookie(unhex(entry, "key"), entry["time"], entry["address"], entry["port"], entry["nonce"],
                         unhex(entry, "ephemeral"))
    return lambda: expect_equal(cookie.hex(), entry["cookie"])


def check_parameters(entry):
    if entry["message"] == 1:
        decoded = read_client_parameters(unhex(entry, "bytes"))
    else:
        decoded = read_server_answer(unhex(entry, "bytes"), entry["offered_suites"], entry["table_declared"])
    return lambda: expect_equal(decoded, entry["decoded"])


def check_key_schedule(entry):
    def compare():
        secret = unhex(entry, "secret")
        for index, generation in enumerate(entry["generations"]):
            prk, key, iv, following = key_generation(secret)
            expect_equal({"generation": index, "secret": secret.hex(), "prk": prk.hex(), "key": key.hex(),
                          "iv": iv.hex(), "next": following.hex()}, generation)
            secret = following
    return compare


def check_packet_number(entry):
    def compare():
        if entry["kind"] == "expand":
            expect_equal(expand_packet_number(entry["largest_received"], entry["truncated"], entry["bits"]),
                         entry["number"])
        elif entry["kind"] == "length":
            expect_equal(packet_number_bytes(entry["number"], entry["largest_acknowledged"]), entry["number_bytes"])
        else:
            expect_equal(packet_nonce(unhex(entry, "iv"), entry["number"]).hex(), entry["nonce"])
    return compare


def check_packet(entry):
    secret, key, iv = entry["secret"], None, None
    if secret is not None:
        secret = bytes.fromhex(secret)
        for _ in range(entry["generation"] + 1):
            _, key, iv, secret = key_generation(secret)
    header, payload = open_packet(unhex(entry, "bytes"), entry["suite"], key, iv, entry["largest_received"])
    require(header["connection_id"] == entry["connection_id"], "another connection id")
    header.pop("truncated")
    return lambda: expect_equal({**header, "payload": payload.hex()}, entry["decoded"])


def check_frames(entry):
    frames = read_frames(unhex(entry, "bytes"), entry["modes"])

    def compare():
        expect_equal(frames, entry["decoded"])
        expect_equal(provokes(frames, entry["modes"]), entry["provokes"], "provokes")
    return compare


def check_message(entry):
    if entry["kind"] == "frames":
        return check_frames(entry)
    if entry["kind"] == "count":
        count = len(read_frames(unhex(entry, "bytes"), entry["modes"]))
        return lambda: expect_equal(count, entry["frames"])
    if entry["kind"] == "expand":
        return lambda: expect_equal(expand_sequence(entry["reference"], entry["truncated"]), entry["sequence"])
    channels = [Channel(mode, reference) for mode, reference in zip(entry["modes"], entry["references"])]
    for payload in entry["payloads"]:
        for frame in read_frames(bytes.fromhex(payload), entry["modes"]):
            channels[frame["channel"]].take_message(frame)
    complete = [message for position, channel in enumerate(channels) for message in channel.report(position)]
    return lambda: expect_equal(complete, entry["complete"])


def check_ack(entry):
    frames = read_frames(unhex(entry, "bytes"), [])
    newest, spans = acknowledged(frames[0], entry["largest_sent"])

    def compare():
        expect_equal(frames, [entry["decoded"]])
        expect_equal([newest, spans], [entry["newest_number"], entry["acknowledged"]], "numbers")
    return compare


def check_table(entry):
    channels = read_table(unhex(entry, "bytes"))

    def compare():
        expect_equal(channels, entry["channels"])
        expect_equal(table_hash(channels), entry["hash"], "hash")
    return compare


def check_reset(entry):
    def compare():
        key = reset_key(unhex(entry, "server_private_key"))
        token = reset_token(key, entry["connection_id"], entry["address"])
        expect_equal([key.hex(), token.hex()], [entry["key"], entry["token"]])
        expect_equal(read_handshake_datagram(unhex(entry, "datagram"))["token"], token.hex())
    return compare


def check_token(entry):
    sealed = token_from_text(entry["text"]) if "text" in entry else unhex(entry, "bytes")
    key_id, nonce, token = open_token(unhex(entry, "key"), sealed)

    def compare():
        expect_equal(sealed.hex(), entry["bytes"], "bytes")
        expect_equal([key_id, nonce.hex()], [entry["key_id"], entry["nonce"]])
        expect_equal(token, entry["token"], "token")
    return compare


def check_noise(entry):
    hello, cookie = unhex(entry, "hello"), read_handshake_datagram(unhex(entry, "cookie"))
    read_handshake_datagram(hello)
    offer, server_private = offer_bytes(hello), unhex(entry, "server_static_private")
    connects = [unhex({"bytes": text}, "bytes") for text in entry["connect"]]
    parts_1 = [read_handshake_datagram(datagram) for datagram in connects]
    parts_2 = [read_handshake_datagram(bytes.fromhex(text)) for text in entry["accept"]]
    require(all(offer_bytes(datagram) == offer for datagram in connects), "CONNECT holds another offer")
    message_1, message_2 = (b"".join(bytes.fromhex(part["part"]) for part in parts) for parts in (parts_1, parts_2))
    state, payload_1, client_static = open_message_1(offer, cookie["version"], message_1, server_private)
    static_private = entry["client_static_private"] and unhex(entry, "client_static_private")
    payload_2 = open_message_2(state, message_2, unhex(entry, "client_ephemeral_private"), static_private)
    parameters = read_client_parameters(payload_1)
    if "token_key" in entry:
        _, _, token = open_token(unhex(entry, "token_key"), bytes.fromhex(dict(parameters["extensions"])[1]))
        require(token["issued"] <= entry["unix_time"] < token["expires"], "the token is not valid at this time")
    fields = read_offer(Cursor(offer))
    answer = read_server_answer(payload_2, fields["suites"], fields["channel_table_hash"] != 0)
    to_server, to_client = state.split()

    def compare():
        expect_equal(parameters, entry["client_parameters"], "client parameters")
        expect_equal(answer, entry["server_answer"], "server answer")
        expect_equal(client_static and client_static.hex(), entry["client_static_public"], "client identity")
        expect_equal({"prologue": make_prologue(offer, cookie["version"]).hex(), "message_1": message_1.hex(),
                      "message_2": message_2.hex(), "handshake_hash": state.hash.hex(),
                      "secret_c2s": to_server.hex(), "secret_s2c": to_client.hex()},
                     {name: entry[name] for name in ("prologue", "message_1", "message_2", "handshake_hash",
                                                     "secret_c2s", "secret_s2c")}, "Noise")
    return compare


def read_records(stream):
    """§12.1: the datagrams that are whole, how many bytes wait for more, and what is wrong (or None)."""
    if len(stream) < len(STREAM_MAGIC):
        return [], len(stream), None
    if not stream.startswith(STREAM_MAGIC):
        return [], 0, "does not begin as a stream"
    datagrams, rest = [], stream[len(STREAM_MAGIC):]
    while len(rest) >= 4:
        length, zero = int.from_bytes(rest[:3], "little"), rest[3]
        if zero != 0 or not 1 <= length <= STREAM_DATAGRAM_BYTES_MAX:
            return datagrams, 0, f"a record of {length} bytes, fourth byte {zero}"
        if len(rest) < 4 + length:
            break
        datagrams.append(rest[4:4 + length])
        rest = rest[4 + length:]
    return datagrams, len(rest), None


def check_records(entry):
    datagrams, waiting, problem = read_records(unhex(entry, "bytes"))
    whole = [datagram.hex() for datagram in datagrams]
    if problem is not None:
        # What came before is good, and has been handed on.
        if whole != entry["datagrams"]:
            raise ValueError(f"datagrams before the error: {whole}")
        raise Malformed(problem)

    def compare():
        expect_equal(whole, entry["datagrams"], "datagrams")
        expect_equal(waiting, entry["waiting"], "bytes that wait")
    return compare


def check_serial(entry):
    try:
        return serial_reader.check(entry)
    except serial_reader.Malformed as error:
        if entry.get("error") and entry["kind"] != error.kind:
            raise ValueError(f"kind {error.kind} ({error}), expected {entry['kind']}") from None
        raise Malformed(str(error)) from None


def check_session(recording):
    problems = Session(recording).run().problems
    return lambda: expect_equal(problems, [], "problems")


def check_malformed_session(entry):
    problems = Session(entry["session"]).run().problems
    return lambda: expect_equal([problem["datagram"] for problem in problems], entry["problems"], f"{problems}")


AREAS = {
    "varint.json": check_varint,
    "handshake_datagrams.json": check_datagram,
    "cookie.json": check_cookie,
    "parameters.json": check_parameters,
    "key_schedule.json": check_key_schedule,
    "packet_numbers.json": check_packet_number,
    "packets.json": check_packet,
    "frames.json": check_frames,
    "frames_malformed.json": check_frames,
    "messages.json": check_message,
    "ack.json": check_ack,
    "channel_tables.json": check_table,
    "reset.json": check_reset,
    "connect_tokens.json": check_token,
    "handshake_noise.json": check_noise,
    "records.json": check_records,
    "serial.json": check_serial,
    "sessions_malformed.json": check_malformed_session,
}


def check_entry(check, entry):
    """None if the entry holds, else what is wrong with it."""
    try:
        compare = check(entry)
    except Malformed as error:
        if not entry.get("error"):
            return f"refused: {error}"
        if "reason" in entry and entry["reason"] != error.reason:
            return f"refused with reason {error.reason}, expected {entry['reason']}: {error}"
        return None
    except (KeyError, TypeError, ValueError) as error:
        return f"unusable vector: {error!r}"
    if entry.get("error"):
        return "accepted, but it is malformed"
    try:
        compare()
    except AssertionError as error:
        return str(error)
    return None


def check_folder(folder):
    passed, failures = 0, []
    names = {path.name for path in folder.glob("*.json")}
    for name in sorted(names | set(AREAS)):
        if name not in names:
            failures.append(f"{name}: missing")
            continue
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        if name.startswith("session-"):
            entries, check = [{"name": "session", "recording": content}], lambda e: check_session(e["recording"])
        elif name in AREAS:
            entries, check = content["vectors"], AREAS[name]
        else:
            failures.append(f"{name}: no check for this file")
            continue
        wrong = [f"{name}: {entry['name']}: {why}" for entry in entries
                 for why in [check_entry(check, entry)] if why is not None]
        passed += len(entries) - len(wrong)
        failures += wrong
    for failure in failures:
        print(failure if len(failure) < 600 else f"{failure[:600]}…")
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", metavar="DIR", type=Path, help="check all vectors and sessions in a folder")
    action.add_argument("--session", metavar="FILE", type=Path, help="decode one recorded session")
    parser.add_argument("--json", action="store_true", help="print the session as JSON")
    arguments = parser.parse_args()
    if MISSING is not None:
        print(f"{INSTALL_HINT}\n({MISSING})", file=sys.stderr)
        return 2
    if arguments.check:
        return check_folder(arguments.check)
    session = Session(json.loads(arguments.session.read_text(encoding="utf-8"))).run()
    if arguments.json:
        print(json.dumps(session.report(), indent=1))
    else:
        print_session(session)
    return 1 if session.problems else 0


if __name__ == "__main__":
    sys.exit(main())
