"""Encodes version 1 of the TME protocol; written from docs/PROTOCOL.md alone, for make_vectors.py.

It shares no code with reader.py, so that a slip in one of them shows as a failed check. Where the same primitive is
needed on both sides, this side takes another road: HKDF of the `cryptography` package instead of the standard library,
CRC-32C bit by bit instead of by table, Noise driven by its token lists instead of written out.
"""

import base64
import hashlib
import ipaddress
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

AES, CHACHA, CARRIED, PLAIN = 0x01, 0x02, 0x40, 0x80
SUITE_NAMES = {AES: "aes-256-gcm", CHACHA: "chacha20-poly1305", PLAIN: "plaintext"}
UNRELIABLE, SEQUENCED, UNORDERED, ORDERED, LATEST = range(5)
MODES = [UNRELIABLE, SEQUENCED, UNORDERED, ORDERED, LATEST]
ALL = "ff" * 8


def fixed(label, size=32):
    """Bytes that look random and are the same in every run."""
    stream = b"".join(hashlib.sha256(f"{label}/{n}".encode()).digest() for n in range(size // 32 + 1))
    return stream[:size]


# ---------------------------------------------------------------- encoding

def u8(n):
    return struct.pack("<B", n)


def u16(n):
    return struct.pack("<H", n)


def u24(n):
    return struct.pack("<I", n)[:3]


def u32(n):
    return struct.pack("<I", n)


def u64(n):
    return struct.pack("<Q", n)


def varint(n):
    out = []
    while n > 127:
        out.append(n % 128 + 128)
        n //= 128
    return bytes(out + [n])


def hmac(key, *parts):
    mac = HMAC(key, hashes.SHA256())
    mac.update(b"".join(parts))
    return mac.finalize()


def expand(prk, label, size):
    return HKDFExpand(hashes.SHA256(), size, label).derive(prk)


def ip16(text):
    address = ipaddress.ip_address(text)
    return address.packed if address.version == 6 else ipaddress.ip_address(f"::ffff:{text}").packed


def crc32c(data):
    """Bit by bit, the textbook way: reflected polynomial 0x1EDC6F41."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
    return crc ^ 0xFFFFFFFF


class Key:
    def __init__(self, label):
        self.private = fixed(label)
        self.pair = X25519PrivateKey.from_private_bytes(self.private)
        self.public = self.pair.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def dh(self, public):
        return self.pair.exchange(X25519PublicKey.from_public_bytes(public))


SERVER, SERVER_EPHEMERAL = Key("server static"), Key("server ephemeral")
CLIENT, CLIENT_EPHEMERAL = Key("client static"), Key("client ephemeral")


# ---------------------------------------------------------------- handshake pieces

def make_offer(nonce=0x1122334455667788, versions=(1,), application=0xA11CE5, table_hash=0, suites=AES | CHACHA,
               pattern=0, ephemeral=CLIENT_EPHEMERAL.public):
    raw = u64(nonce) + u8(len(versions)) + b"".join(map(u16, versions)) + u64(application) + u64(table_hash)
    raw += u8(suites) + u8(pattern) + ephemeral
    form = {"nonce": nonce, "versions": list(versions), "application_id": application,
            "channel_table_hash": table_hash, "suites": suites, "pattern": pattern, "ephemeral": ephemeral.hex()}
    return raw, form


def hello(raw_offer):
    return (b"TMED\x01" + raw_offer).ljust(1200, b"\0")


def cookie_datagram(nonce, version, server_key, cookie):
    return b"TMED\x02" + u64(nonce) + u16(version) + server_key + cookie


def open_datagram(raw_offer, payload):
    return b"TMED\x0b" + raw_offer + payload


def opened_datagram(nonce, version, payload):
    return b"TMED\x0c" + u64(nonce) + u16(version) + payload


def info_query(nonce):
    return (b"TMED\x07" + u64(nonce)).ljust(600, b"\0")


def description(versions=(1,), application=0xA11CE5, peers=3, peers_max=64, flags=0, information=b""):
    raw = u8(len(versions)) + b"".join(map(u16, versions)) + u64(application)
    return raw + u32(peers) + u32(peers_max) + u8(flags) + information, {
        "versions": list(versions), "application_id": application, "peers": peers,
        "peers_max": peers_max, "flags": flags, "information": information.hex()}


def info_answer(nonce=0x1122334455667788, **arguments):
    raw, shape = description(**arguments)
    return b"TMED\x08" + u64(nonce) + raw, {"nonce": nonce, **shape}


def discover(nonce=0x1122334455667788, application=None, flags=None):
    flags = (1 if application is None else 0) if flags is None else flags
    return (b"TMED\x09" + u64(nonce) + u8(flags) + u64(application or 0)).ljust(700, b"\0")


def here(nonce=0x1122334455667788, instance=7, table_hash=0x1234, port=7777, name=b"Bob's game", **arguments):
    raw, shape = description(**arguments)
    head = b"TMED\x0a" + u64(nonce) + u64(instance) + u64(table_hash) + u16(port) + u8(len(name)) + name
    return head + raw, {"nonce": nonce, "instance": instance, "channel_table_hash": table_hash, "port": port,
                        "name": name.decode(errors="replace"), **shape}


def split_parts(message):
    return [message[at:at + 1100] for at in range(0, len(message), 1100)]


def connect_datagrams(raw_offer, cookie, message):
    parts = split_parts(message)
    return [b"TMED\x03" + raw_offer + cookie + u8(i) + u8(len(parts)) + part for i, part in enumerate(parts)]


def accept_datagrams(nonce, message):
    parts = split_parts(message)
    return [b"TMED\x04" + u64(nonce) + u8(i) + u8(len(parts)) + part for i, part in enumerate(parts)]


def make_cookie(key, time, address, port, nonce, ephemeral):
    return u32(time) + hmac(key, u32(time), ip16(address), u16(port), u64(nonce), ephemeral)[:16]


def reset_token(server_private, connection_id, address):
    r = expand(hmac(b"TME reset", server_private), b"reset", 32)
    return r, hmac(r, u32(connection_id), ip16(address))[:16]


DEFAULT_LIMITS = {"largest_reliable_message": 1_048_576, "connection_credit": 4_194_304,
                  "channel_credit_bytes": 2_097_152, "channel_credit_messages": 8192, "largest_datagram": 1452,
                  "idle_timeout_ms": 30_000}


def limits(**changes):
    form = {**DEFAULT_LIMITS, **changes}
    return b"".join(varint(value) for value in form.values()), form


def extensions(*entries):
    raw = varint(len(entries)) + b"".join(varint(kind) + varint(len(data)) + data for kind, data in entries)
    return raw, [[kind, data.hex()] for kind, data in entries]


def schema_content(*pairs):
    return b"".join(u32(tag) + u64(value) for tag, value in pairs)


def client_parameters(connection_id=0xC0FFEE01, changes=None, entries=(), schemas=()):
    raw_limits, form_limits = limits(**(changes or {}))
    raw_extensions, form_extensions = extensions(*entries)
    form = {"connection_id": connection_id, "limits": form_limits, "extensions": form_extensions,
            "schemas": [list(pair) for pair in schemas]}
    return u32(connection_id) + raw_limits + raw_extensions, form


def channel(identifier, mode, name):
    return {"id": identifier, "mode": mode, "ordering_key": 1 if mode == LATEST else 0, "name": name}


def channel_bytes(table):
    return b"".join(bytes([c["id"], c["mode"], c["ordering_key"], len(c["name"].encode())]) + c["name"].encode()
                    for c in table)


def table_hash(table):
    digest = hashlib.sha256(b"TME channels" + u8(len(table)) + channel_bytes(table)).digest()
    return struct.unpack("<Q", digest[:8])[0] or 1


def server_answer(connection_id=0x07ABCDEF, peer=2, suite=CHACHA, token=fixed("token", 16), changes=None, table=(),
                  entries=()):
    raw_limits, form_limits = limits(**(changes or {}))
    raw_extensions, form_extensions = extensions(*entries)
    raw = u8(0) + u32(connection_id) + u32(peer) + u8(suite) + token + raw_limits
    raw += u8(len(table)) + channel_bytes(table) + raw_extensions
    form = {"verdict": "accepted", "connection_id": connection_id, "peer_number": peer, "suite": suite,
            "reset_token": token.hex(), "limits": form_limits, "channels": list(table),
            "extensions": form_extensions, "schemas": []}
    return raw, form


def refusal(reason, detail=b""):
    raw = u8(1) + u16(reason) + varint(len(detail)) + detail
    return raw, {"verdict": "refused", "reason": reason, "detail": detail.hex()}


TABLE = [channel(10, UNRELIABLE, "voice"), channel(11, SEQUENCED, "pose"), channel(12, UNORDERED, "events"),
         channel(13, ORDERED, "chat"), channel(14, LATEST, "state")]


# ---------------------------------------------------------------- connect tokens

def hchacha(key, nonce):
    """Out of one block of plain ChaCha20, by taking the final addition of its state back."""
    block = Cipher(algorithms.ChaCha20(key, nonce), mode=None).encryptor().update(bytes(64))
    state = struct.unpack("<16I", b"expand 32-byte k" + key + nonce)
    mixed = [(after - before) % 2**32 for after, before in zip(struct.unpack("<16I", block), state)]
    return struct.pack("<8I", *mixed[:4], *mixed[12:])


def token_key_id(key):
    return struct.unpack("<I", hashlib.sha256(b"TME token key" + key).digest()[:4])[0]


def hint_bytes(address, port):
    packed = ipaddress.ip_address(address).packed
    return u8(4 if len(packed) == 4 else 6) + packed + u16(port)


def audience_bytes(audience):
    if "name" in audience:
        name = bytes.fromhex(audience["name"])
        return u8(1) + u8(len(name)) + name
    return u8(2) + bytes.fromhex(audience["key"]) if "key" in audience else u8(0)


def token_head(key, nonce, hints=(), version=1):
    return u8(version) + u32(token_key_id(key)) + nonce + u8(len(hints)) + b"".join(hint_bytes(*hint) for hint in hints)


def seal_token(key, nonce, head, contents):
    return head + ChaCha20Poly1305(hchacha(key, nonce[:16])).encrypt(bytes(4) + nonce[16:], contents, b"TME token" + head)


def token_contents(issued=1_700_000_000, expires=1_700_000_300, audience=None, user=b"42", user_data=b""):
    audience = audience or {"kind": 0}
    raw = u64(issued) + u64(expires) + audience_bytes(audience) + u8(len(user)) + user + varint(len(user_data)) + user_data
    return raw, {"issued": issued, "expires": expires, "audience": audience, "user": user.hex(),
                 "user_data": user_data.hex()}


def connect_token(key, nonce, hints=(), **contents):
    raw, form = token_contents(**contents)
    return seal_token(key, nonce, token_head(key, nonce, hints), raw), {**form, "hints": [list(hint) for hint in hints]}


def base64url(data):
    return base64.b64encode(data, altchars=b"-_").decode("ascii").replace("=", "")


# ---------------------------------------------------------------- Noise, driven by the token lists of revision 34

NOISE_TOKENS = {"NK": (["e", "es"], ["e", "ee"]), "IK": (["e", "es", "s", "ss"], ["e", "ee", "se"])}


class Noise:
    """Both sides at once: it holds all private keys and writes both messages."""

    def __init__(self, pattern, prologue, keys):
        self.tokens, self.keys = NOISE_TOKENS[pattern], keys
        name = f"Noise_{pattern}_25519_ChaChaPoly_SHA256".encode()
        self.h = name.ljust(32, b"\0") if len(name) <= 32 else hashlib.sha256(name).digest()
        self.ck, self.k, self.n = self.h, None, 0
        for data in (prologue, keys["rs"].public):
            self.mix_hash(data)

    def mix_hash(self, data):
        self.h = hashlib.sha256(self.h + data).digest()

    def derive(self, material):
        temp = hmac(self.ck, material)
        one = hmac(temp, b"\x01")
        return one, hmac(temp, one, b"\x02")

    def encrypt_and_hash(self, plain):
        if self.k is None:
            sealed = plain
        else:
            sealed = ChaCha20Poly1305(self.k).encrypt(struct.pack("<IQ", 0, self.n), plain, self.h)
            self.n += 1
        self.mix_hash(sealed)
        return sealed

    def write(self, index, payload):
        """Message 1 is index 0, from the initiator; message 2 is index 1, from the responder."""
        sender, out = ("i", "r")[index], b""
        for token in self.tokens[index]:
            if token == "e":
                public = self.keys[sender + "e"].public
                self.mix_hash(public)
                out += public
            elif token == "s":
                out += self.encrypt_and_hash(self.keys[sender + "s"].public)
            else:
                # First letter: the initiator's key, second letter: the responder's.
                shared = self.keys["i" + token[0]].dh(self.keys["r" + token[1]].public)
                self.ck, self.k = self.derive(shared)
                self.n = 0
        return out + self.encrypt_and_hash(payload)

    def split(self):
        return self.derive(b"")


def handshake(raw_offer, pattern, version, payload_1, payload_2):
    keys = {"rs": SERVER, "re": SERVER_EPHEMERAL, "is": CLIENT, "ie": CLIENT_EPHEMERAL}
    prologue = b"TME handshake" + raw_offer + u16(version)
    noise = Noise(pattern, prologue, keys)
    message_1, message_2 = noise.write(0, payload_1), noise.write(1, payload_2)
    return prologue, message_1, message_2, noise.h, noise.split()


# ---------------------------------------------------------------- packets

def generation_keys(secret):
    prk = hmac(b"TME packet", secret)
    return prk, expand(prk, b"key", 32), expand(prk, b"iv", 12), expand(prk, b"next", 32)


def nth_keys(secret, generation):
    for _ in range(generation):
        secret = generation_keys(secret)[3]
    return generation_keys(secret)[1:3]


def make_nonce(iv, number):
    return bytes(a ^ b for a, b in zip(iv, bytes(4) + struct.pack(">Q", number)))


def seal(suite, secret, generation, connection_id, number, number_bytes, payload, flags=0):
    """`flags` are bits to turn over, for malformed packets that are authentic."""
    flags ^= 0x80 | (generation % 2 << 1) | (number_bytes == 4)
    header = u8(flags) + u32(connection_id) + u64(number)[:number_bytes]
    if suite == PLAIN:
        return header + payload + u32(crc32c(u64(number) + header + payload))
    key, iv = nth_keys(secret, generation)
    cipher = AESGCM(key) if suite == AES else ChaCha20Poly1305(key)
    return header + cipher.encrypt(make_nonce(iv, number), payload, header)


# ---------------------------------------------------------------- frames: each builder returns (bytes, decoded form)

def padding(count=1):
    return bytes(count), {"frame": "padding", "length": count}


def ping():
    return b"\x01", {"frame": "ping"}


def ack(newest, delay=0, field=ALL, ranges=()):
    form = {"frame": "ack", "newest": newest, "delay": delay, "field": field, "ranges": [list(r) for r in ranges]}
    kept = [(k, byte) for k, byte in enumerate(bytes.fromhex(field)) if byte != 0xFF]
    kind = 4 if ranges else 3 if kept else 2
    raw = u8(kind) + u32(newest) + u16(delay)
    if kind > 2:
        raw += u8(sum(1 << k for k, _ in kept)) + bytes(byte for _, byte in kept)
    if ranges:
        raw += u8(len(ranges)) + b"".join(varint(gap) + varint(length) for gap, length in ranges)
    return raw, form


def connection_credit(count):
    return b"\x05" + varint(count), {"frame": "connection_credit", "bytes": count}


def channel_credit(position, count, messages):
    raw = b"\x06" + u8(position) + varint(count) + varint(messages)
    return raw, {"frame": "channel_credit", "channel": position, "bytes": count, "messages": messages}


def skip(position, sequence, length):
    raw = b"\x07" + u8(position) + u24(sequence & 0xFFFFFF) + varint(length)
    return raw, {"frame": "skip", "channel": position, "sequence": sequence & 0xFFFFFF, "length": length}


def clock_request(client_time):
    return u8(0x0B) + u64(client_time), {"frame": "clock_request", "client_time": client_time}


def clock_answer(client_time, received, sent):
    raw = u8(0x0C) + u64(client_time) + u64(received) + u64(sent)
    return raw, {"frame": "clock_answer", "client_time": client_time, "received": received, "sent": sent}


def close(reason, code=0, detail=b""):
    raw = b"\x08" + u16(reason) + u32(code) + varint(len(detail)) + detail
    return raw, {"frame": "close", "reason": reason, "code": code, "detail": detail.hex()}


def path_challenge(data):
    return b"\x09" + data, {"frame": "path_challenge", "data": data.hex()}


def path_response(data):
    return b"\x0a" + data, {"frame": "path_response", "data": data.hex()}


def reset_token_frame(token):
    return b"\x0e" + token, {"frame": "reset_token", "token": token.hex()}


def message(position, data, sequence=None, implied=False, key=None, index=None, total=None):
    low = None if sequence is None else sequence % (1 << 24)
    raw = u8(0x80 | 0x40 * implied | 0x20 * (total is not None) | position)
    raw += b"" if implied or low is None else u24(low)
    raw += b"" if key is None else varint(key)
    raw += b"" if total is None else varint(index) + varint(total)
    raw += varint(len(data)) + data
    return raw, {"frame": "message", "channel": position, "sequence": low, "implied": implied, "key": key,
                 "index": index, "total": total, "data": data.hex()}


def fragment(position, whole, first_cell, cells, sequence, key=None):
    data = whole[1100 * first_cell:1100 * (first_cell + cells)]
    return message(position, data, sequence, key=key, index=first_cell, total=len(whole))


def join(frames):
    return b"".join(raw for raw, _ in frames)


def provokes(frames):
    """none, lazy or prompt: from the table of §6, restated."""
    kinds = {"padding": 0, "ack": 0, "ping": 2, "connection_credit": 2, "channel_credit": 2, "skip": 2, "close": 2,
             "clock_request": 1, "clock_answer": 0, "path_challenge": 0, "path_response": 0, "reset_token": 2}
    level = max((1 if form["channel"] < 2 else 2) if form["frame"] == "message" else kinds[form["frame"]]
                for _, form in frames)
    return ("none", "lazy", "prompt")[level]
