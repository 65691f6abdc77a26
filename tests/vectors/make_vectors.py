#!/usr/bin/env python3
"""Writes the golden vectors beside it, with encoder.py and never with reader.py.

    python3 make_vectors.py           write every file
    python3 make_vectors.py --check   write nothing, exit 1 if a file would change

Every value is fixed: running it again gives the same bytes. README.md describes the shapes. The file is long because
nearly all of it is tables of vectors.
"""

import hashlib
import itertools
import json
import sys
from pathlib import Path

import encoder
from encoder import (
    AES, ALL, CARRIED, CHACHA, CLIENT, CLIENT_EPHEMERAL, LATEST, MODES, ORDERED, PLAIN, SEQUENCED, SERVER,
    SERVER_EPHEMERAL, SUITE_NAMES, TABLE, UNORDERED, UNRELIABLE,
    accept_datagrams, ack, base64url, channel, channel_bytes, channel_credit, client_parameters, clock_answer, clock_request,
    close, connect_datagrams, connect_token,
    connection_credit, cookie_datagram, discover, fixed, fragment, generation_keys, handshake, hello, here, info_answer, info_query,
    join, limits, make_cookie, make_nonce, make_offer, message, nth_keys, open_datagram, opened_datagram, padding, path_challenge, path_response, ping,
    provokes, refusal, reset_token, reset_token_frame, schema_content, seal, seal_token, server_answer, skip, table_hash, token_contents, token_head,
    token_key_id, u16, u24, u32, u64, u8, varint)
from serial_encoder import serial_vectors

FOLDER = Path(__file__).resolve().parent


# ---------------------------------------------------------------- the vector files

def bad(name, data, **fields):
    return {"name": name, **fields, "bytes": data.hex(), "error": True}


def varint_vectors():
    values = [0, 1, 127, 128, 255, 300, 16_383, 16_384, 2**21 - 1, 2**21, 2**28, 2**31, 2**32 - 1, 2**32, 2**35,
              2**42, 2**49, 2**56 - 1, 2**56, 2**63 - 1, 2**63, 2**64 - 1]
    yield from ({"name": f"value {value}", "bytes": varint(value).hex(), "value": value} for value in values)
    for name, text in (("empty", ""), ("cut after one byte", "80"), ("cut after nine bytes", "ff" * 9),
                       ("overlong zero", "8000"), ("overlong one", "8100"), ("overlong by two bytes", "ff8000"),
                       ("overlong with ten bytes", "80" * 9 + "00"), ("two to the 64", "80" * 9 + "02"),
                       ("ten bytes all ones", "ff" * 9 + "7f"), ("eleven bytes", "80" * 10 + "01")):
        yield bad(name, bytes.fromhex(text))


def datagram_vectors():
    nonce = 0x1122334455667788
    raw, form = make_offer()
    many, many_form = make_offer(nonce=2**64 - 1, versions=(0x0203, 2, 1), application=2**63,
                                 table_hash=table_hash(TABLE), suites=CHACHA, pattern=1)
    seven, seven_form = make_offer(versions=tuple(range(7, 0, -1)), suites=AES)
    plain, plain_form = make_offer(suites=PLAIN)
    cookie, part = fixed("cookie", 20), fixed("part", 71)
    long_part = fixed("long part", 1100)

    def good(name, data, kind, /, **fields):
        return {"name": name, "bytes": data.hex(), "decoded": {"datagram": kind, **fields}}

    yield good("HELLO with one version", hello(raw), "hello", **form)
    yield good("HELLO with three versions, IK, one suite and a table", hello(many), "hello", **many_form)
    yield good("HELLO with seven versions", hello(seven), "hello", **seven_form)
    yield good("HELLO with plaintext", hello(plain), "hello", **plain_form)
    odd, odd_form = make_offer(versions=(0, 1, 1))
    yield good("HELLO with version 0 and one version twice", hello(odd), "hello", **odd_form)
    yield good("COOKIE", cookie_datagram(nonce, 1, SERVER.public, cookie), "cookie", nonce=nonce, version=1,
               server_key=SERVER.public.hex(), cookie=cookie.hex())
    for name, used, shape, index, count, data in (
            ("CONNECT in one part", raw, form, 0, 1, part), ("CONNECT, first of two parts", raw, form, 0, 2, long_part),
            ("CONNECT, last of three parts, one byte", many, many_form, 2, 3, b"\xa5"),
            ("CONNECT of 1,200 bytes, seven versions", seven, seven_form, 0, 2, long_part)):
        yield good(name, b"TMED\x03" + used + cookie + u8(index) + u8(count) + data, "connect", **shape,
                   cookie=cookie.hex(), part_index=index, part_count=count, part=data.hex())
    for name, index, count, data in (("ACCEPT in one part", 0, 1, part), ("ACCEPT, second of three", 1, 3, long_part),
                                     ("ACCEPT, last of three", 2, 3, b"\0")):
        yield good(name, b"TMED\x04" + u64(nonce) + u8(index) + u8(count) + data, "accept", nonce=nonce,
                   part_index=index, part_count=count, part=data.hex())
    for reason, versions in ((1, (2, 3)), (2, (1,)), (3, (1,)), (4, tuple(range(1, 8))), (5, (1,)), (65_535, (1,))):
        data = b"TMED\x05" + u64(nonce) + u16(reason) + u8(len(versions)) + b"".join(map(u16, versions))
        yield good(f"REFUSE with reason {reason}", data, "refuse", nonce=nonce, reason=reason, versions=list(versions))
    yield good("RESET", b"TMED\x06" + fixed("token", 16), "reset", token=fixed("token", 16).hex())
    yield good("INFO_QUERY", info_query(nonce), "info_query", nonce=nonce)
    for name, arguments in (
            ("INFO_ANSWER without information", {}),
            ("INFO_ANSWER of 557 bytes", {"versions": tuple(range(7, 0, -1)), "peers": 2**32 - 1, "peers_max": 2**32 - 1,
                                          "flags": 7, "information": fixed("information", 512)}),
            ("INFO_ANSWER that requires a token", {"flags": 2, "information": b"map=dust2"})):
        data, shape = info_answer(**arguments)
        yield good(name, data, "info_answer", **shape)
    carried, carried_form = make_offer(suites=CARRIED, pattern=2)
    for name, payload in (("with a short payload", part), ("with a payload of 3,300 bytes", 3 * long_part)):
        yield good(f"OPEN {name}", open_datagram(carried, payload), "open", **carried_form, payload=payload.hex())
        yield good(f"OPENED {name}", opened_datagram(nonce, 1, payload), "opened", nonce=nonce, version=1,
                   payload=payload.hex())
    yield good("DISCOVER of one application", discover(application=0xA11CE5), "discover", nonce=nonce, application_id=0xA11CE5)
    yield good("DISCOVER of the application without a name", discover(application=0), "discover", nonce=nonce, application_id=0)
    yield good("DISCOVER of any application", discover(), "discover", nonce=nonce, application_id=None)
    for name, arguments in (
            ("HERE", {}),
            ("HERE without a name", {"name": b"", "port": 1}),
            ("HERE of 640 bytes", {"versions": tuple(range(7, 0, -1)), "flags": 7, "port": 65_535, "instance": 2**64 - 1,
                                   "name": "ü".encode() * 32, "information": fixed("information", 512)})):
        data, shape = here(**arguments)
        yield good(name, data, "here", **shape)
    yield from malformed_datagrams(raw, cookie, part, long_part)
    yield from malformed_openings(carried, part, 3 * long_part)
    for name, data, kind in (("STUN binding request", bytes.fromhex("000100002112a442") + bytes(12), "foreign"),
                             ("first byte 03", b"\x03", "foreign"), ("the magic alone", b"TMED", "handshake"),
                             ("magic and an unknown type", b"TMED\xff", "handshake"),
                             ("T without the rest of the magic", b"TMEX\x01", "foreign"),
                             ("cut magic", b"TME", "foreign"), ("first byte 7f", b"\x7f" + bytes(30), "foreign"),
                             ("first byte 04", b"\x04" + bytes(30), "foreign"),
                             ("first byte 80", b"\x80" + bytes(30), "data"), ("first byte ff", b"\xff", "data"),
                             ("empty", b"", "foreign")):
        yield {"name": f"class: {name}", "bytes": data.hex(), "class": kind}


def malformed_openings(carried, payload, longest):
    nonce = 0x1122334455667788
    for name, changes in (("a cipher", {"suites": AES}), ("plaintext", {"suites": PLAIN}), ("two suites", {"suites": CARRIED | AES}),
                          ("pattern NK", {"pattern": 0}), ("pattern IK", {"pattern": 1}), ("pattern 3", {"pattern": 3})):
        yield bad(f"OPEN with {name}", open_datagram(make_offer(**{"suites": CARRIED, "pattern": 2, **changes})[0], payload))
    for name, data in (("without a payload", b""), ("with a payload of 3,301 bytes", longest + b"\0")):
        yield bad(f"OPEN {name}", open_datagram(carried, data))
        yield bad(f"OPENED {name}", opened_datagram(nonce, 1, data))
    yield bad("CONNECT with pattern 2", b"TMED\x03" + carried + fixed("cookie", 20) + u8(0) + u8(1) + payload)
    yield bad("OPEN cut inside the offer", open_datagram(carried, b"")[:-1])
    yield bad("OPENED cut inside the version", opened_datagram(nonce, 1, b"")[:-1])


def malformed_datagrams(raw, cookie, part, long_part):
    nonce = u64(0x1122334455667788)
    answer = cookie_datagram(0x1122334455667788, 1, SERVER.public, cookie)
    connect = b"TMED\x03" + raw + cookie
    refuse = b"TMED\x05" + nonce + u16(1)
    yield bad("HELLO of 1,199 bytes", hello(raw)[:-1])
    yield bad("HELLO of 1,201 bytes", hello(raw) + b"\0")
    yield bad("HELLO with a non-zero padding byte", hello(raw)[:-1] + b"\x01")
    yield bad("HELLO with the first padding byte not zero", hello(raw + b"\x01"))
    yield bad("HELLO without versions", hello(make_offer(versions=())[0]))
    yield bad("HELLO with eight versions", hello(make_offer(versions=tuple(range(1, 9)))[0]))
    for suites in (0, 0x04, 0x40, 0x41, 0x81, 0x83, 0xc0):
        yield bad(f"HELLO with suites {suites:02x}", hello(make_offer(suites=suites)[0]))
    yield bad("HELLO with pattern 2", hello(make_offer(pattern=2)[0]))
    yield bad("COOKIE of 66 bytes", answer[:-1])
    yield bad("COOKIE of 68 bytes", answer + b"\0")
    yield bad("CONNECT without a part", connect + u8(0) + u8(1))
    yield bad("CONNECT with part count 0", connect + u8(0) + u8(0) + part)
    yield bad("CONNECT with part count 4", connect + u8(0) + u8(4) + long_part)
    yield bad("CONNECT with part index equal to the count", connect + u8(1) + u8(1) + long_part)
    yield bad("CONNECT with part index 3", connect + u8(3) + u8(3) + long_part)
    yield bad("CONNECT with a short inner part", connect + u8(0) + u8(2) + long_part[:-1])
    yield bad("CONNECT with a part of 1,101 bytes", connect + u8(0) + u8(1) + long_part + b"\0")
    yield bad("CONNECT cut inside the cookie", connect[:-1])
    yield bad("COOKIE cut inside the key", answer[:40])
    yield bad("CONNECT with reserved suites", connect[:32] + u8(0x10) + connect[33:] + u8(0) + u8(1) + part)
    yield bad("ACCEPT without a part", b"TMED\x04" + nonce + u8(0) + u8(1))
    yield bad("ACCEPT with part index equal to the count", b"TMED\x04" + nonce + u8(2) + u8(2) + long_part)
    yield bad("ACCEPT with part count 4", b"TMED\x04" + nonce + u8(0) + u8(4) + long_part)
    yield bad("ACCEPT with a short inner part", b"TMED\x04" + nonce + u8(1) + u8(3) + part)
    yield bad("ACCEPT with a part of 1,101 bytes", b"TMED\x04" + nonce + u8(0) + u8(1) + long_part + b"\0")
    yield bad("REFUSE without versions", refuse + u8(0))
    yield bad("REFUSE with eight versions", refuse + u8(8) + u16(1) * 8)
    yield bad("REFUSE with a byte too many", refuse + u8(1) + u16(1) + b"\0")
    yield bad("REFUSE cut inside a version", refuse + u8(2) + u16(1) + b"\0")
    yield bad("RESET of 20 bytes", b"TMED\x06" + bytes(15))
    yield bad("RESET of 22 bytes", b"TMED\x06" + bytes(17))
    query, answer_info = info_query(1), info_answer()[0]
    yield bad("INFO_QUERY of 599 bytes", query[:-1])
    yield bad("INFO_QUERY of 601 bytes", query + b"\0")
    yield bad("INFO_QUERY with a non-zero padding byte", query[:-1] + b"\x01")
    yield bad("INFO_ANSWER cut inside the flags", answer_info[:-1])
    yield bad("INFO_ANSWER with a reserved flag", info_answer(flags=8)[0])
    yield bad("INFO_ANSWER without versions", info_answer(versions=())[0])
    yield bad("INFO_ANSWER with eight versions", info_answer(versions=tuple(range(8)))[0])
    yield bad("INFO_ANSWER with 513 bytes of information", info_answer(information=bytes(513))[0])
    yield bad("DISCOVER of 699 bytes", discover()[:-1])
    yield bad("DISCOVER of 701 bytes", discover() + b"\0")
    yield bad("DISCOVER with a non-zero padding byte", discover()[:-1] + b"\x01")
    yield bad("DISCOVER with a reserved flag", discover(flags=2))
    yield bad("DISCOVER of any application and of one", discover(application=1, flags=1))
    yield bad("HERE cut inside the flags", here()[0][:-1])
    yield bad("HERE with port 0", here(port=0)[0])
    yield bad("HERE with a name of 65 bytes", here(name=b"n" * 65)[0])
    yield bad("HERE with a name that is not UTF-8", here(name=b"\xff")[0])
    yield bad("HERE with an escape character in its name", here(name=b"\x1b[2J")[0])
    yield bad("HERE with a C1 control character in its name", here(name="\x9b".encode())[0])
    yield bad("HERE with 513 bytes of information", here(information=bytes(513))[0])
    for kind in (0, 13, 255):
        yield bad(f"handshake datagram of type {kind}", b"TMED" + u8(kind) + bytes(62))
    yield bad("the magic alone", b"TMED")
    yield bad("another magic", b"TMEE" + answer[4:])


def cookie_vectors():
    for name, key, time, address, port, nonce, ephemeral in (
            ("IPv4", fixed("cookie key"), 1_000, "192.0.2.17", 40_001, 0x1122334455667788, CLIENT_EPHEMERAL.public),
            ("IPv6", fixed("cookie key"), 2**32 - 1, "2001:db8::1:2", 65_535, 1, CLIENT_EPHEMERAL.public),
            ("time 0, port 1", fixed("other cookie key"), 0, "127.0.0.1", 1, 2**64 - 1, CLIENT.public)):
        yield {"name": name, "key": key.hex(), "time": time, "address": address, "port": port, "nonce": nonce,
               "ephemeral": ephemeral.hex(), "cookie": make_cookie(key, time, address, port, nonce, ephemeral).hex()}


LIMIT_EDGES = {
    "smallest": {"largest_reliable_message": 1100, "connection_credit": 1100, "channel_credit_bytes": 1100,
                 "channel_credit_messages": 1, "largest_datagram": 1200, "idle_timeout_ms": 1000},
    "largest": {"largest_reliable_message": 2**24, "connection_credit": 2**30, "channel_credit_bytes": 2**30,
                "channel_credit_messages": 2**18, "largest_datagram": 65_527, "idle_timeout_ms": 3_600_000}}
LIMITS_OUTSIDE = [
    ("largest reliable message 1,099", {"largest_reliable_message": 1099}),
    ("largest reliable message above 16 MiB", {"largest_reliable_message": 2**24 + 1, "connection_credit": 2**30,
                                               "channel_credit_bytes": 2**30}),
    ("connection credit below one message", {"connection_credit": 1_048_575}),
    ("connection credit above 2^30", {"connection_credit": 2**30 + 1}),
    ("channel credit below one message", {"channel_credit_bytes": 1_048_575}),
    ("channel credit above 2^30", {"channel_credit_bytes": 2**30 + 1}),
    ("no messages", {"channel_credit_messages": 0}),
    ("too many messages", {"channel_credit_messages": 2**18 + 1}),
    ("largest datagram 1,199", {"largest_datagram": 1199}),
    ("largest datagram 65,528", {"largest_datagram": 65_528}),
    ("idle time-out 999 ms", {"idle_timeout_ms": 999}),
    ("idle time-out above an hour", {"idle_timeout_ms": 3_600_001}),
    ("a value of 64 bits", {"connection_credit": 2**64 - 1})]


def parameter_vectors():
    schemas = ((7, 0xFEDCBA9876543210), (8, 1), (0xFFFFFFFF, 0))
    eight = tuple((tag, tag * 3) for tag in range(8))

    def client(name, **arguments):
        raw, form = client_parameters(**arguments)
        return {"name": f"client: {name}", "message": 1, "bytes": raw.hex(), "decoded": form}

    def bad_client(name, data, reason=12):
        return bad(f"client: {name}", data, message=1, reason=reason)

    yield client("defaults")
    yield client("smallest limits, connection id 1", connection_id=1, changes=LIMIT_EDGES["smallest"])
    yield client("largest limits, largest connection id", connection_id=2**32 - 1, changes=LIMIT_EDGES["largest"])
    yield client("user data", entries=((2, b"hello"),))
    yield client("empty user data", entries=((2, b""),))
    yield client("512 bytes of user data", entries=((2, fixed("user", 512)),))
    yield client("a connect token of one byte", entries=((1, b"t"),))
    yield client("a connect token of 700 bytes and user data", entries=((1, fixed("token", 700)), (2, b"hello")))
    yield client("schema hashes", entries=((5, schema_content(*schemas)),), schemas=schemas)
    yield client("an empty list of schema hashes", entries=((5, b""),))
    yield client("eight schema hashes", entries=((5, schema_content(*eight)),), schemas=eight)
    yield client("unknown even extensions around known ones", schemas=schemas, entries=(
        (0, b"x"), (2, b"u"), (4, fixed("four", 700)), (5, schema_content(*schemas)), (2**63, b"")))
    yield client("sixteen extensions", entries=tuple((2 * n + 6, b"") for n in range(16)))

    base, default = client_parameters()[0], limits()[0]
    yield bad_client("connection id 0", client_parameters(connection_id=0)[0])
    yield bad_client("a byte after the extensions", base + b"\0")
    yield bad_client("no extension count", base[:-1])
    yield bad_client("cut inside the limits", base[:9])
    yield bad_client("overlong varint in the limits", u32(1) + default[:-3] + b"\xb0\xea\x81\x00" + b"\0")
    for name, changes in LIMITS_OUTSIDE:
        yield bad_client(name, client_parameters(changes=changes)[0])
    for name, reason, entries in (
            ("user data of 513 bytes", 12, ((2, bytes(513)),)),
            ("types descend", 12, ((4, b""), (2, b""))), ("a type twice", 12, ((2, b"a"), (2, b"b"))),
            ("seventeen extensions", 12, tuple((2 * n + 6, b"") for n in range(17))),
            ("unknown critical extension 7", 11, ((7, b""),)), ("an empty connect token", 12, ((1, b""),)),
            ("a connect token of 701 bytes", 12, ((1, bytes(701)),)),
            ("unknown critical extension of 64 bits", 11, ((2, b"u"), (2**64 - 1, b"")),),
            ("resume, reserved", 11, ((3, bytes(40)),)),
            ("malformed behind an unknown critical extension", 12, ((3, b""), (5, bytes(13)))),
            ("nine schema hashes", 12, ((5, schema_content(*((n, 0) for n in range(9)))),)),
            ("schema tags descend", 12, ((5, schema_content((2, 0), (1, 0))),)),
            ("a schema tag twice", 12, ((5, schema_content((2, 0), (2, 0))),)),
            ("schema hashes cut", 12, ((5, schema_content((2, 0))[:-1]),))):
        yield bad_client(name, client_parameters(entries=entries)[0], reason)
    yield bad_client("a byte behind an unknown critical extension", client_parameters(entries=((7, b""),))[0] + b"\0")
    yield bad_client("empty", b"")
    yield bad_client("extension longer than the payload", base[:-1] + varint(1) + varint(2) + varint(3) + b"ab")
    yield from answer_vectors(default)


def answer_vectors(default):
    full = [channel(n, n % 5, "n" * 64) for n in range(32)]
    context = {"message": 2, "offered_suites": AES | CHACHA, "table_declared": True}

    def answer(name, pair, **changes):
        raw, form = pair
        return {"name": f"server: {name}", **context, **changes, "bytes": raw.hex(), "decoded": form}

    def bad_answer(name, data, **changes):
        return bad(f"server: {name}", data, **{**context, **changes})

    yield answer("defaults", server_answer())
    yield answer("AES, smallest limits", server_answer(suite=AES, connection_id=1, changes=LIMIT_EDGES["smallest"]))
    yield answer("plaintext, largest limits and peer", server_answer(
        suite=PLAIN, connection_id=2**32 - 1, peer=2**31 - 1, changes=LIMIT_EDGES["largest"]), offered_suites=PLAIN)
    yield answer("a table of five channels", server_answer(table=TABLE), table_declared=False)
    yield answer("a table of one channel", server_answer(table=TABLE[:1]), table_declared=False)
    yield answer("a table of 32 channels with names of 64 bytes", server_answer(table=full), table_declared=False)
    yield answer("user data and an unknown even extension", server_answer(entries=((2, b"welcome"), (6, b"?"))))
    yield answer("refused: full", refusal(7))
    yield answer("refused: denied, with a detail", refusal(9, b"name taken"))
    yield answer("refused: banned, detail of 512 bytes", refusal(8, fixed("detail", 512)))
    yield answer("refused: a reason nobody knows", refusal(60_000, b"\xff\xfe"))

    base = server_answer()[0]
    table = server_answer(table=TABLE)[0]
    yield bad_answer("empty", b"")
    yield bad_answer("verdict 2", u8(2) + base[1:])
    yield bad_answer("connection id 0", server_answer(connection_id=0)[0])
    yield bad_answer("peer number 0", server_answer(peer=0)[0])
    yield bad_answer("peer number 1", server_answer(peer=1)[0])
    yield bad_answer("peer number 2^31", server_answer(peer=2**31)[0])
    yield bad_answer("suite not offered", server_answer(suite=AES)[0], offered_suites=CHACHA)
    yield bad_answer("two suites", server_answer(suite=AES | CHACHA)[0])
    yield bad_answer("suite 0", server_answer(suite=0)[0])
    yield bad_answer("plaintext where a cipher was offered", server_answer(suite=PLAIN)[0])
    yield bad_answer("reserved suite", server_answer(suite=0x04)[0])
    yield bad_answer("a table although one was declared", table)
    yield bad_answer("no table although none was declared", base, table_declared=False)
    yield bad_answer("33 channels", server_answer(table=[channel(n, 0, "") for n in range(33)])[0],
                     table_declared=False)
    yield bad_answer("a byte after the extensions", base + b"\0")
    yield bad_answer("cut inside the token", base[:20])
    yield bad_answer("limits out of range", server_answer(changes={"largest_datagram": 1199})[0], reason=12)
    yield bad_answer("a connect token, unknown in this direction", server_answer(entries=((1, b"t"),))[0], reason=11)
    yield bad_answer("unknown critical extension", server_answer(entries=((9, b""),))[0], reason=11)
    for name, content in (("schema hashes", schema_content((7, 1))), ("an empty list of schema hashes", b"")):
        yield bad_answer(f"{name}, unknown in this direction", server_answer(entries=((5, content),))[0], reason=11)
    yield bad_answer("refusal detail of 513 bytes", refusal(9, bytes(513))[0])
    yield bad_answer("refusal detail cut", refusal(9, b"abc")[0][:-1])
    yield bad_answer("a byte after the refusal", refusal(9, b"abc")[0] + b"\0")


def key_schedule_vectors():
    for name, secret in (("zero secret", bytes(32)), ("secret 00 to 1f", bytes(range(32))),
                         ("pseudo-random secret", fixed("secret"))):
        generations, start = [], secret
        for generation in range(4):
            prk, key, iv, following = generation_keys(secret)
            generations.append({"generation": generation, "secret": secret.hex(), "prk": prk.hex(), "key": key.hex(),
                                "iv": iv.hex(), "next": following.hex()})
            secret = following
        yield {"name": name, "secret": start.hex(), "generations": generations}


def packet_number_vectors():
    for name, largest, number, bits in (
            ("first packet", None, 0, 16), ("first packet, long", None, 0, 32), ("first seen is 5", None, 5, 16),
            ("first seen is the largest of 16 bits", None, 0xFFFF, 16), ("next", 0, 1, 16),
            ("just before the wrap", 0xFFFE, 0xFFFF, 16), ("across the wrap", 0xFFFF, 0x10000, 16),
            ("an old one before the wrap", 0x10005, 0xFFF0, 16), ("RFC 9000", 0xA82F30EA, 0xA82F9B32, 16),
            ("half a window ahead", 0x1FFFF, 0x28000, 16), ("just below half a window behind", 0x1FFFF, 0x18001, 16),
            ("as far ahead as behind, taken as ahead", 0x27FFF, 0x30000, 16),
            ("half a window less one behind", 0x27FFF, 0x20001, 16),
            ("a third of a window behind", 0x27FFF, 0x22AAA, 16),
            ("32 bits across the wrap", 0xFFFFFFFF, 0x100000000, 32), ("32 bits, old", 0x100000010, 0xFFFFFFF0, 32),
            ("32 bits, half a window ahead", 0x1FFFFFFFF, 0x280000000, 32),
            ("16 bits beyond 2^32", 0x123456789A, 0x123456789B, 16),
            ("16 bits beyond 2^48", 2**48 + 0xFFFF, 2**48 + 2**16, 16),
            ("32 bits, as far ahead as behind, taken as ahead", 0x27FFFFFFF, 0x300000000, 32),
            ("never below 0, 32 bits", 10, 0xFFFFFFFF, 32), ("the last number", 2**64 - 20, 2**64 - 1, 16),
            ("never above 64 bits", 2**64 - 5, 2**64 - 2**16 + 3, 16),
            ("never above 64 bits, long", 2**64 - 5, 2**64 - 2**32 + 3, 32)):
        yield {"name": f"expand: {name}", "kind": "expand", "largest_received": largest,
               "truncated": number % (1 << bits), "bits": bits, "number": number}
    for number, acknowledged, size in ((0, None, 2), (32_766, None, 2), (32_767, None, 4), (32_767, 0, 2),
                                       (32_768, 0, 4), (32_768, 1, 2), (100_000, 99_999, 2), (2**40, 2**40 - 32_768, 4),
                                       (2**40, 2**40 - 32_767, 2)):
        yield {"name": f"length: {number} with {acknowledged} acknowledged", "kind": "length", "number": number,
               "largest_acknowledged": acknowledged, "number_bytes": size}
    for number in (0, 1, 0xFFFF, 0x0102030405060708, 2**64 - 1):
        iv = fixed("iv", 12)
        yield {"name": f"nonce: {number}", "kind": "nonce", "iv": iv.hex(), "number": number,
               "nonce": make_nonce(iv, number).hex()}


def packet_vectors():
    secret, connection_id = fixed("packet secret"), 0x07ABCDEF
    payload = join([ping(), message(3, b"hello", 0)])

    def fields(suite, generation, largest):
        key, iv = (None, None) if suite == PLAIN else nth_keys(secret, generation)
        return {"suite": SUITE_NAMES[suite], "secret": None if suite == PLAIN else secret.hex(),
                "generation": generation, "key": key and key.hex(), "iv": iv and iv.hex(),
                "connection_id": connection_id, "largest_received": largest}

    for suite in (AES, CHACHA, PLAIN):
        for generation in (0,) if suite == PLAIN else (0, 1, 2, 3):
            for number, size, largest in ((0, 2, None), (0, 4, None), (0x1FFFE, 2, 0x1FFF0), (0x1FFFE, 4, None),
                                          (0x100000001, 4, 0xFFFFFFF0), (0x100000001, 2, 0x100000000)):
                data = seal(suite, secret, generation, connection_id, number, size, payload)
                yield {"name": f"{SUITE_NAMES[suite]}, generation {generation}, number {number} in {size} bytes",
                       **fields(suite, generation, largest), "bytes": data.hex(),
                       "decoded": {"phase": generation % 2, "connection_id": connection_id, "number_bytes": size,
                                   "number": number, "payload": payload.hex()}}
        for size, body in ((1, b"\x01"), (1429, bytes([0x80, 0x92, 0x0B]) + fixed("long", 1426))):
            data = seal(suite, secret, 0, connection_id, 7, 2, body)
            yield {"name": f"{SUITE_NAMES[suite]}, payload of {size} bytes", **fields(suite, 0, 6), "bytes": data.hex(),
                   "decoded": {"phase": 0, "connection_id": connection_id, "number_bytes": 2, "number": 7,
                               "payload": body.hex()}}

    for suite in (AES, CHACHA, PLAIN):
        name, context = SUITE_NAMES[suite], fields(suite, 0, 6)
        data = seal(suite, secret, 0, connection_id, 7, 2, payload)
        flip = {"tag": len(data) - 1, "payload": 8, "packet number": 5, "connection id": 1}
        for what, at in flip.items():
            yield bad(f"{name}: a bit of the {what} flipped", data[:at] + u8(data[at] ^ 1) + data[at + 1:], **context)
        yield bad(f"{name}: cut by a byte", data[:-1], **context)
        yield bad(f"{name}: a byte too many", data + b"\0", **context)
        yield bad(f"{name}: header alone", data[:7], **context)
        yield bad(f"{name}: bit 7 clear", u8(data[0] & 0x7F) + data[1:], **context)
        for bit in range(2, 7):
            yield bad(f"{name}: reserved bit {bit}, authenticated",
                      seal(suite, secret, 0, connection_id, 7, 2, payload, flags=1 << bit), **context)
        yield bad(f"{name}: bit 7 clear, authenticated",
                  seal(suite, secret, 0, connection_id, 7, 2, payload, flags=0x80), **context)
        yield bad(f"{name}: empty payload, authenticated", seal(suite, secret, 0, connection_id, 7, 2, b""), **context)
        yield bad(f"{name}: sealed for another number", seal(suite, secret, 0, connection_id, 7, 2, payload),
                  **{**context, "largest_received": 0x1FFF0})
        yield bad(f"{name}: another connection id, authentic", seal(suite, secret, 0, connection_id + 1, 7, 2, payload),
                  **context)
        if suite == PLAIN:
            yield bad(f"{name}: key phase 1",
                      seal(suite, secret, 0, connection_id, 7, 2, payload, flags=0x02), **context)
        else:
            yield bad(f"{name}: sealed with generation 2, opened with 0", seal(suite, secret, 2, connection_id, 7, 2,
                                                                               payload), **context)


def frame_vector(name, frames, modes=None):
    return {"name": name, "modes": MODES if modes is None else modes, "bytes": join(frames).hex(),
            "decoded": [form for _, form in frames], "provokes": provokes(frames)}


def frame_vectors():
    ranges = tuple((n, n * 3 + 1) for n in range(1, 33))
    yield frame_vector("padding", [padding()])
    yield frame_vector("padding of 40 bytes", [padding(40)])
    yield frame_vector("ping", [ping()])
    yield frame_vector("padding around ping", [padding(2), ping(), padding(3)])
    yield frame_vector("ACK", [ack(0)])
    yield frame_vector("ACK with the largest numbers", [ack(2**32 - 1, 65_535)])
    yield frame_vector("ACK with gaps, first byte", [ack(100, 3, "fe" + "ff" * 7)])
    yield frame_vector("ACK with gaps, bytes 1 and 6", [ack(1000, 3, "ff00ffffffff7fff")])
    yield frame_vector("ACK with gaps, nothing below the newest", [ack(40_000, 0, "00" * 8)])
    yield frame_vector("ACK with ranges and a full field", [ack(5000, 1, ALL, ((1, 1),))])
    yield frame_vector("ACK with ranges, first gap 0", [ack(5000, 1, "ff" * 7 + "7f", ((0, 200), (3, 1)))])
    yield frame_vector("ACK with 32 ranges", [ack(1_000_000, 1, "0102030405060708", ranges)])
    yield frame_vector("ACK with long ranges", [ack(2**31, 9, "aa" * 8, ((128, 16_384), (1, 2**21)))])
    yield frame_vector("ACK does not provoke, ping does", [ack(3), ping()])
    yield frame_vector("connection credit", [connection_credit(8_388_608)])
    yield frame_vector("connection credit 0 and largest", [connection_credit(0), connection_credit(2**64 - 1)])
    yield frame_vector("channel credit", [channel_credit(2, 4_194_304, 16_384), channel_credit(4, 2**40, 2**33)])
    yield frame_vector("skip", [skip(4, 5, 100)])
    yield frame_vector("skip with the largest sequence and no bytes", [skip(4, 0xFFFFFF, 0)])
    yield frame_vector("skip in every reliable mode", [skip(2, 1, 1), skip(3, 2, 2**24), skip(4, 3, 3)])
    yield frame_vector("close", [close(100)])
    yield frame_vector("close with code and detail", [close(102, 0xDEADBEEF, "auf Wiedersehen ☂".encode())])
    yield frame_vector("close with a reason nobody knows and a detail that is not UTF-8", [close(65_535, 0, b"\xff")])
    yield frame_vector("close with a detail of 512 bytes", [close(101, 1, fixed("close", 512))])
    yield frame_vector("clock request", [clock_request(0x0123456789ABCDEF)])
    yield frame_vector("clock request of the earliest and the latest time", [clock_request(0), clock_request(2**64 - 1)])
    yield frame_vector("clock answer does not provoke", [clock_answer(5_000_000, 77_025_000, 77_025_031), ack(8)])
    yield frame_vector("clock answer with times that cannot be is well-formed", [clock_answer(1, 2**64 - 1, 0)])
    yield frame_vector("clock request beside its own answer and a message", [
        ack(9), clock_answer(1, 2, 3), clock_request(4), message(3, b"y", 0)])
    yield frame_vector("path challenge", [path_challenge(fixed("challenge", 8))])
    yield frame_vector("path response beside an ACK", [path_response(fixed("challenge", 8)), ack(5)])
    yield frame_vector("reset token", [reset_token_frame(fixed("token", 16))])
    yield frame_vector("one message of each mode", [
        message(0, b"unreliable"), message(1, b"sequenced", 0), message(2, b"unordered", 1), message(3, b"ordered", 2),
        message(4, b"latest", 3, key=4)])
    yield frame_vector("unreliable messages are lazy", [message(0, b"a"), message(1, b"b", 9), ack(1)])
    yield frame_vector("one reliable message makes it prompt", [message(0, b"a"), message(3, b"b", 9)])
    yield frame_vector("everything in one packet", [
        ack(70, 12, "fd" + "ff" * 7), connection_credit(5_000_000), channel_credit(3, 3_000_000, 9000), skip(4, 1, 20),
        message(4, b"v", 2, key=1), message(0, b"x"), message(3, b"y", 0), message(3, b"z", 1, implied=True), ping(),
        padding(5)])


def raw_frames(position, kind_bits, *parts):
    return u8(0x80 | kind_bits | position) + b"".join(parts)


def raw_fragment(position, index, total, length):
    return raw_frames(position, 0x20, u24(0), varint(index), varint(total), varint(length), bytes(length))


def malformed_frame_vectors():
    whole = fixed("whole", 3000)
    n = 3
    cases = [("empty payload", b"")]
    cases += [(f"frame type {kind:02x}", u8(kind) + bytes(24))
              for kind in (0x0D, 0x0F, 0x10, 0x40, 0x7F)]
    cases += [(f"{name} cut at byte {at}", frame[0][:at]) for name, frame, cuts in (
        ("ACK", ack(5), (1, 4, 6)), ("ACK with gaps", ack(5, 0, "00" * 8), (7, 8, 15)),
        ("ACK with ranges", ack(5000, 0, ALL, ((1, 300),)), (8, 9, 10, 11)),
        ("connection credit", connection_credit(300), (1, 2)),
        ("channel credit", channel_credit(2, 300, 300), (1, 3, 5)),
        ("clock request", clock_request(7), (1, 4, 8)), ("clock answer", clock_answer(7, 8, 9), (1, 8, 9, 17, 24)),
        ("path challenge", path_challenge(bytes(8)), (1, 8)), ("path response", path_response(bytes(8)), (1, 8)),
        ("reset token", reset_token_frame(bytes(16)), (1, 16)), ("skip", skip(4, 1, 300), (1, 4, 6)),
        ("close", close(100, 1, b"ab"), (2, 6, 7, 9)),
        ("message", message(3, b"abc", 1), (1, 3, 4, 7)),
        ("message with key", message(4, b"abc", 1, key=300), (4, 5, 6)),
        ("fragment", fragment(3, whole, 2, 1, 1), (4, 5, 6, 8, 200))) for at in cuts]
    cases += [
        ("two ACKs", join([ack(5), ack(5)])),
        ("two ACKs of different kinds", join([ack(500), ping(), ack(500, 0, ALL, ((1, 1),))])),
        ("ACK with 0 ranges", b"\x04" + u32(500) + u16(0) + u8(0) + u8(0)),
        ("ACK with 33 ranges", b"\x04" + u32(5000) + u16(0) + u8(0) + u8(33) + b"\x01\x01" * 33),
        ("ACK range of length 0", b"\x04" + u32(500) + u16(0) + u8(0) + u8(1) + b"\x01\x00"),
        ("ACK with gap 0 in the second range", b"\x04" + u32(500) + u16(0) + u8(0) + u8(2) + b"\x01\x01\x00\x01"),
        ("ACK with gaps and mask 0", b"\x03" + u32(500) + u16(0) + u8(0)),
        ("ACK with gaps, full byte present", b"\x03" + u32(500) + u16(0) + u8(1) + b"\xff"),
        ("ACK with gaps, full byte present beside another", b"\x03" + u32(500) + u16(0) + u8(0x81) + b"\xfe\xff"),
        ("ACK with ranges, full byte present", b"\x04" + u32(500) + u16(0) + u8(8) + b"\xff" + u8(1) + b"\x01\x01"),
        ("ACK with a gap of 2^32", ack(5000, 0, ALL, ((2**32, 1),))[0]),
        ("ACK with a range of 2^32", ack(5000, 0, ALL, ((1, 2**32),))[0]),
        ("ACK with an overlong gap", b"\x04" + u32(500) + u16(0) + u8(0) + u8(1) + b"\x81\x00\x01"),
        ("overlong connection credit", b"\x05\x80\x00"),
        ("connection credit above 64 bits", b"\x05" + b"\xff" * 9 + b"\x02"),
        ("channel credit outside the table", channel_credit(5, 1, 1)[0]),
        ("channel credit for position 255", channel_credit(255, 1, 1)[0]),
        ("channel credit for Unreliable", channel_credit(0, 1, 1)[0]),
        ("channel credit for Sequenced", channel_credit(1, 1, 1)[0]),
        ("skip outside the table", skip(5, 1, 1)[0]),
        ("skip in Unreliable", skip(0, 1, 1)[0]),
        ("skip in Sequenced", skip(1, 1, 1)[0]),
        ("skip of more than 16 MiB", skip(4, 1, 2**24 + 1)[0]),
        ("skip with an overlong length", b"\x07\x04" + u24(1) + b"\x85\x00"),
        ("close with a detail of 513 bytes", close(100, 0, bytes(513))[0]),
        ("message outside the table", raw_frames(5, 0, u24(0), varint(1), b"a")),
        ("message at position 31 of 5", raw_frames(31, 0, u24(0), varint(1), b"a")),
        ("whole message of 1,101 bytes", message(n, bytes(1101), 0)[0]),
        ("whole unreliable message of 1,101 bytes", message(0, bytes(1101))[0]),
        ("message with an overlong length", raw_frames(n, 0, u24(0), b"\x81\x00", b"a")),
        ("implied sequence without a message before", message(n, b"a", 1, implied=True)[0]),
        ("implied sequence after another channel", join([message(2, b"a", 0), message(n, b"b", 1, implied=True)])),
        ("implied sequence in Unreliable", message(0, b"a")[0] + raw_frames(0, 0x40, varint(1), b"b")),
        ("implied sequence in Unreliable after a fragment",
         fragment(0, whole, 2, 1, 5)[0] + raw_frames(0, 0x40, varint(1), b"b")),
        ("implied sequence after a skip", join([skip(n, 0, 1), message(n, b"a", 1, implied=True)])),
        ("2,049 messages", message(0, b"")[0] * 2_049),
        ("implied sequence with a fragment", join([message(n, b"a", 0)]) + raw_frames(
            n, 0x60, varint(0), varint(1101), varint(1100), bytes(1100))),
        ("key of 2^32", message(4, b"a", 1, key=2**32)[0]),
        ("overlong key", raw_frames(4, 0, u24(0), b"\x81\x00", varint(1), b"a")),
        ("fragment of a message of 1,100 bytes", raw_fragment(n, 0, 1100, 1100)),
        ("fragment of a message of 0 bytes", raw_fragment(n, 0, 0, 0)),
        ("fragment without data", raw_fragment(n, 0, 3000, 0)),
        ("fragment with a part of a cell", raw_fragment(n, 0, 3000, 1099)),
        ("fragment with a cell and a part", raw_fragment(n, 0, 3000, 1101)),
        ("last fragment too short", raw_fragment(n, 2, 3000, 799)),
        ("last fragment too long", raw_fragment(n, 2, 3000, 801)),
        ("last fragment as a full cell", raw_fragment(n, 2, 3000, 1100)),
        ("fragment index behind the last cell", raw_fragment(n, 3, 3000, 1100)),
        ("fragment index just behind a full last cell", raw_fragment(n, 2, 2200, 0)),
        ("fragment index of 64 bits", raw_fragment(n, 2**64 - 1, 3000, 1100)),
        ("fragment total of 64 bits in Unreliable", raw_fragment(0, 0, 2**64 - 1, 1100)),
        ("unreliable message of 17,601 bytes", raw_fragment(0, 0, 17_601, 1100)),
        ("sequenced message of 17,601 bytes", raw_fragment(1, 0, 17_601, 1100)),
        ("a good frame, then a bad one", join([ping(), message(n, b"a", 0)]) + b"\x0f"),
    ]
    for name, data in cases:
        yield bad(name, data, modes=MODES)
    yield bad("message where there is no channel 0", message(0, b"a")[0], modes=[])


def message_vectors():
    big, edge = fixed("big", 5_000), fixed("edge", 1_101)
    exact, longest = fixed("exact", 3_300), fixed("longest", 17_600)

    def frames(name, entries, modes=None):
        return {**frame_vector(name, entries, modes), "kind": "frames"}

    yield frames("empty messages in every mode", [message(0, b""), message(1, b"", 0), message(2, b"", 0),
                                                  message(3, b"", 0), message(4, b"", 0, key=0)])
    yield frames("whole message of 1,100 bytes", [message(3, fixed("whole", 1100), 0)])
    yield frames("a length of two bytes", [message(0, bytes(128))])
    yield frames("implied sequences", [message(3, b"a", 41), message(3, b"b", 42, implied=True),
                                       message(3, b"c", 43, implied=True), message(3, b"d", 50),
                                       message(3, b"e", 51, implied=True)])
    yield frames("implied sequences of interleaved channels", [
        message(2, b"a", 7), message(3, b"b", 1000), message(2, b"c", 8, implied=True), message(0, b"-"),
        message(1, b"d", 5), message(3, b"e", 1001, implied=True), ping(), message(1, b"f", 6, implied=True)])
    yield frames("implied sequence across the wrap of 24 bits", [
        message(3, b"a", 0xFFFFFE), message(3, b"b", 0xFFFFFF, implied=True), message(3, b"c", 0x1000000, implied=True),
        message(3, b"d", 0x1000001, implied=True)])
    yield frames("implied sequence after a fragment", [
        fragment(3, big, 4, 1, 6), message(3, b"x", 7, implied=True), fragment(3, edge, 1, 1, 2),
        fragment(2, big, 4, 1, 9), message(3, b"y", 3, implied=True), message(2, b"z", 10, implied=True)])
    for count in (2, 2_048):
        payload = message(1, b"", 0xFFFFF0)[0] + message(1, b"", 0, implied=True)[0] * (count - 1)
        yield {"name": f"{count:,} messages in a packet", "kind": "count", "modes": MODES, "bytes": payload.hex(),
               "frames": count}
    yield frames("keys", [message(4, b"a", 0, key=0), message(4, b"b", 1, implied=True, key=127),
                          message(4, b"c", 2, implied=True, key=128), message(4, b"d", 9, key=2**32 - 1)])
    yield frames("first cell of five", [fragment(3, big, 0, 1, 6)])
    yield frames("three cells in one frame", [fragment(3, big, 1, 3, 6)])
    yield frames("the last, shorter cell", [fragment(3, big, 4, 1, 6)])
    yield frames("the last two cells", [fragment(3, big, 3, 2, 6)])
    yield frames("all cells in one frame", [fragment(3, big, 0, 5, 6)])
    yield frames("last cell of one byte", [fragment(2, edge, 1, 1, 0)])
    yield frames("last cell full", [fragment(2, exact, 2, 1, 0)])
    yield frames("fragment with a key", [fragment(4, big, 4, 1, 0xABCDEF, key=300)])
    yield frames("fragment of ReliableUnordered beyond the bound of unreliable messages", [
        message(2, big[:1100], 0, index=3, total=17_601)])
    yield frames("fragment of Unreliable has a sequence", [fragment(0, longest, 15, 1, 0xFFFFFF)])
    yield frames("fragment of Sequenced", [fragment(1, longest, 0, 2, 77)])
    yield frames("fragments of two messages and a whole one", [
        fragment(3, big, 4, 1, 6), fragment(2, edge, 1, 1, 6), message(3, b"x", 7)])
    yield frames("last cell of a message of 16 MiB", [
        message(3, fixed("tail", 2**24 % 1100), 0, index=15_252, total=2**24)])
    yield frames("32 channels, position 31", [message(31, b"top", 3)], [ORDERED] * 32)
    yield from reassembly_vectors(big, longest)
    for name, reference, truncated, sequence in (
            ("start", 0, 0, 0), ("ahead of the start", 0, 100, 100), ("never below 0", 0, 0xFFFFFF, 0xFFFFFF),
            ("before the wrap", 0xFFFFF0, 0xFFFFFF, 0xFFFFFF), ("across the wrap", 0xFFFFF0, 5, 0x1000005),
            ("behind, before the wrap", 0x1000003, 0xFFFFFE, 0xFFFFFE), ("second wrap", 0x1FFFFFF, 0, 0x2000000),
            ("2^22 ahead", 0xF00000, (0xF00000 + 2**22) % 2**24, 0xF00000 + 2**22),
            ("just below 2^23 ahead", 0x1000000, 0x7FFFFF, 0x17FFFFF),
            ("just below 2^23 behind", 0x1000000, 0x800001, 0x800001),
            ("2^23 ahead as well as behind, taken as ahead", 0x1000000, 0x800000, 0x1800000),
            ("2^23 ahead", 0, 0x800000, 0x800000), ("never below 0, near", 5, 0xFFFFFE, 0xFFFFFE),
            ("never above 64 bits", 2**64 - 3, 7, 2**64 - 2**24 + 7),
            ("beyond 2^40", 2**40 + 5, 4, 2**40 + 4), ("beyond 2^40, behind", 2**40, 0xFFFFFF, 2**40 - 1)):
        yield {"name": f"expand: {name}", "kind": "expand", "reference": reference, "truncated": truncated,
               "sequence": sequence}


def reassembly_vectors(big, longest):
    def complete(position, sequence, data, key=None):
        return {"channel": position, "sequence": sequence, "key": key, "length": len(data),
                "sha256": hashlib.sha256(data).hexdigest()}

    def entry(name, payloads, messages, references=(0, 0, 0, 0, 0)):
        return {"name": f"reassemble: {name}", "kind": "reassemble", "modes": MODES, "references": list(references),
                "payloads": [join(frames).hex() for frames in payloads], "complete": messages}

    yield entry("in order", [[fragment(3, big, n, 1, 0)] for n in range(5)], [complete(3, 0, big)])
    yield entry("backwards, with repetitions", [[fragment(3, big, n, 1, 0)] for n in (4, 3, 4, 2, 1, 1, 0, 0)],
                [complete(3, 0, big)])
    yield entry("retransmitted in other cuts", [[fragment(3, big, 0, 2, 0)], [fragment(3, big, 1, 3, 0)],
                                                [fragment(3, big, 3, 2, 0)]], [complete(3, 0, big)])
    yield entry("incomplete", [[fragment(3, big, n, 1, 0)] for n in (0, 1, 3, 4)], [])
    yield entry("the longest unreliable message", [[fragment(0, longest, n, 1, 0)] for n in range(16)],
                [complete(0, 0, longest)])
    yield entry("two unreliable messages interleaved, a whole one between", [
        [fragment(0, big, 0, 5, 0), message(0, b"x")], [fragment(0, longest, 0, 8, 1)],
        [fragment(0, longest, 8, 8, 1)]],
        [complete(0, 0, big), complete(0, 1, longest), complete(0, None, b"x")])
    yield entry("latest with a key", [[fragment(4, big, 0, 4, 0, key=9)], [fragment(4, big, 4, 1, 0, key=9)],
                                      [message(4, b"", 1, key=9)]], [complete(4, 0, big, 9), complete(4, 1, b"", 9)])
    wrap = 1 << 24
    yield entry("across the wrap of 24 bits", [
        [message(mode, b"before", wrap - 2, key=key), message(mode, b"at", wrap - 1, implied=True, key=key),
         message(mode, b"behind", wrap, implied=True, key=key)]
        for mode, key in ((1, None), (2, None), (3, None), (4, 6))]
        + [[message(3, b"", wrap + 2), message(3, b"late", wrap + 1), message(2, b"at", wrap - 1)]],
        [complete(mode, wrap + n, data, 6 if mode == 4 else None) for mode in (1, 2, 3, 4)
         for n, data in ((-2, b"before"), (-1, b"at"), (0, b"behind"), (1, b"late"), (2, b"")) if n < 1 or mode == 3],
        [wrap - 2] * 5)
    strides = (0, 0x700000, 0xE00000, 0x1500000)
    yield entry("the reference moves with every delivered sequenced message", [[message(1, b"s", n)] for n in strides],
                [complete(1, n, b"s") for n in strides])
    yield entry("the reference is one above the last delivered sequenced message", [
        [message(1, b"s", wrap)], [message(1, b"t", 0x1800001)]],
        [complete(1, wrap, b"s"), complete(1, 0x1800001, b"t")], [wrap] * 5)
    yield entry("the reference of unreliable fragments is the newest seen, even if incomplete", [
        [fragment(0, big, 0, 5 if n == strides[-1] else 1, n)] for n in strides], [complete(0, strides[-1], big)])


def ack_vectors():
    def numbers(low, high):
        return list(range(high, low - 1, -1))

    def spans(values):
        out = []
        for value in sorted(values, reverse=True):
            if out and out[-1][0] == value + 1:
                out[-1][0] = value
            else:
                out.append([value, value])
        return out

    def entry(name, largest_sent, newest, received, delay=7, mentioned=None):
        """`received` among all numbers from `mentioned` (the lowest one an ACK tells of) to `newest`."""
        have = set(received) | {newest}
        field = bytearray(8)
        for bit in range(64):
            number = newest - 1 - bit
            if number < 0 or number in have:
                field[bit // 8] |= 1 << bit % 8
        ranges, at, floor = [], newest - 65, newest - 64 if mentioned is None else mentioned
        while at >= floor:
            gap = sum(1 for _ in itertools.takewhile(lambda v: v >= floor and v not in have, range(at, -1, -1)))
            length = sum(1 for _ in itertools.takewhile(lambda v: v >= floor and v in have, range(at - gap, -1, -1)))
            if not length:
                break
            ranges.append((gap, length))
            at -= gap + length
        raw, form = ack(newest % 2**32, delay, field.hex(), ranges)
        lowest = min(floor, newest)
        return {"name": name, "largest_sent": largest_sent, "bytes": raw.hex(), "decoded": form,
                "newest_number": newest, "acknowledged": spans(number for number in have if number >= max(lowest, 0))}

    yield entry("the first packet", 0, 0, [])
    yield entry("the second packet, the first missing", 1, 1, [])
    yield entry("the first 64, all received", 63, 63, numbers(0, 62))
    yield entry("65 packets, all received", 64, 64, numbers(0, 63))
    yield entry("66 packets, the first is not mentioned", 65, 65, numbers(0, 64))
    yield entry("one gap", 200, 150, numbers(100, 146) + [148, 149], delay=0)
    yield entry("every second one", 1000, 998, range(900, 998, 2), delay=65_535)
    yield entry("nothing else in the field", 5000, 4000, [])
    yield entry("bit 0 and bit 63", 5000, 4000, [3999, 3936])
    yield entry("all but bit 0 and bit 63", 5000, 4000, numbers(3937, 3998))
    yield entry("a range right below the field", 5000, 4000, numbers(3000, 3999), mentioned=3000)
    yield entry("ranges with gaps", 5000, 4000,
                numbers(3990, 3999) + numbers(3900, 3930) + [3890] + numbers(3000, 3500), mentioned=3000)
    yield entry("a range down to packet 0", 300, 300, numbers(0, 99) + numbers(200, 299), mentioned=0)
    yield entry("two ranges down to packet 0", 300, 300, numbers(0, 9) + numbers(230, 299), mentioned=0)
    yield entry("32 ranges", 9000, 9000, [n for k in range(32) for n in (8800 - 10 * k, 8799 - 10 * k)], mentioned=8400)
    yield entry("newest across 2^32", 2**32 + 10, 2**32 + 3, numbers(2**32 - 20, 2**32 + 2))
    yield entry("newest before 2^32, the largest sent behind it", 2**32 + 10, 2**32 - 2, numbers(2**32 - 70, 2**32 - 3))
    yield entry("newest of 40 bits", 2**40 + 70_000, 2**40 + 5, numbers(2**40 - 60, 2**40 + 1))
    yield bad("newest above the largest sent", ack(11)[0], largest_sent=10)
    yield bad("newest above the largest sent, with ranges", ack(71, 0, ALL, ((1, 1),))[0], largest_sent=70)
    yield bad("newest above the largest sent, behind 2^32", ack(11)[0], largest_sent=2**32 + 10)
    yield bad("newest below the first packet", ack(2**32 - 1)[0], largest_sent=70)
    yield bad("newest above the largest sent, across 2^32", ack(0)[0], largest_sent=2**32 - 1)
    yield bad("newest 2^31 below the largest sent, taken as above", ack(5)[0], largest_sent=2**31 + 5)
    yield bad("a range below packet 0", ack(300, 0, ALL, ((0, 237),))[0], largest_sent=300)
    yield bad("a second range below packet 0", ack(300, 0, ALL, ((0, 200), (30, 7)))[0], largest_sent=300)
    yield bad("a gap below packet 0", ack(300, 0, ALL, ((400, 1),))[0], largest_sent=300)
    yield bad("a range where the field reaches below packet 0", ack(64, 0, ALL, ((0, 1),))[0], largest_sent=64)
    yield bad("a range below packet 0, behind 2^32", ack(70, 0, ALL, ((0, 2**32 - 1), (1, 2**31)))[0],
              largest_sent=2**32 + 70)


def table_vectors():
    def entry(name, table):
        return {"name": name, "channels": table, "bytes": (u8(len(table)) + channel_bytes(table)).hex(),
                "hash": table_hash(table)}

    yield entry("one channel", [channel(0, ORDERED, "main")])
    yield entry("every mode", TABLE)
    yield entry("the same, other order", TABLE[::-1])
    yield entry("empty name", [channel(255, UNRELIABLE, "")])
    yield entry("names beyond ASCII", [channel(1, LATEST, "Zustand ☂"), channel(2, SEQUENCED, "位置")])
    yield entry("names of 64 bytes", [channel(3, UNORDERED, "é" * 32), channel(4, UNORDERED, "x" * 64)])
    yield entry("32 channels", [channel(200 + n, n % 5, f"channel {n}") for n in range(32)])

    one = bytes([7, 3, 0, 1]) + b"a"
    for name, data in (
            ("no bytes", b""), ("no channels", u8(0)),
            ("33 channels", u8(33) + b"".join(bytes([n, 0, 0, 0]) for n in range(33))),
            ("mode 5", u8(1) + bytes([7, 5, 0, 1]) + b"a"), ("an id twice", u8(2) + one + bytes([7, 2, 0, 0])),
            ("ordering key 1 in ReliableOrdered", u8(1) + bytes([7, 3, 1, 0])),
            ("ordering key 0 in ReliableLatest", u8(1) + bytes([7, 4, 0, 0])),
            ("ordering key 2", u8(1) + bytes([7, 4, 2, 0])),
            ("name of 65 bytes", u8(1) + bytes([7, 3, 0, 65]) + b"x" * 65),
            ("name that is not UTF-8", u8(1) + bytes([7, 3, 0, 2]) + b"\xc3\x28"),
            ("name with an encoded surrogate", u8(1) + bytes([7, 3, 0, 3]) + b"\xed\xa0\x80"),
            ("name cut", u8(1) + bytes([7, 3, 0, 2]) + b"a"), ("channel missing", u8(2) + one),
            ("a byte too many", u8(1) + one + b"\0")):
        yield bad(name, data)


def reset_vectors():
    for name, key, connection_id, address in (
            ("IPv4", SERVER, 0x07ABCDEF, "192.0.2.17"), ("IPv6", SERVER, 0x07ABCDEF, "2001:db8::17"),
            ("another connection id", SERVER, 1, "192.0.2.17"), ("another key", CLIENT, 0xFFFFFFFF, "127.0.0.1")):
        r, token = reset_token(key.private, connection_id, address)
        yield {"name": name, "server_private_key": key.private.hex(), "connection_id": connection_id,
               "address": address, "key": r.hex(), "token": token.hex(), "datagram": (b"TMED\x06" + token).hex()}


def token_vectors():
    key, nonce = fixed("token key"), fixed("token nonce", 24)

    def good(name, key=key, nonce=nonce, **arguments):
        sealed, form = connect_token(key, nonce, **arguments)
        return {"name": name, "key": key.hex(), "key_id": token_key_id(key), "nonce": nonce.hex(),
                "bytes": sealed.hex(), "text": base64url(sealed), "token": form}

    def bad_token(name, sealed):
        return bad(name, sealed, key=key.hex())

    def contents(raw, head=token_head(key, nonce)):
        return seal_token(key, nonce, head, raw)

    v4, v6 = ("192.0.2.1", 7777), ("2001:db8::1", 65_535)
    yield good("a user and nothing else")
    yield good("another key and nonce", key=fixed("other token key"), nonce=fixed("other nonce", 24))
    yield good("a number as user, and data", user=b"76561198000000000", user_data=b"\x00\xff role=guest")
    yield good("for a server by name", audience={"kind": 1, "name": b"eu-1".hex()})
    yield good("for a server by key", audience={"kind": 2, "key": SERVER.public.hex()})
    yield good("an IPv4 and an IPv6 hint", hints=(v4, v6))
    yield good("as much of everything as there can be", hints=(v6,) * 8, user=fixed("user", 64),
               user_data=fixed("data", 256), issued=2**64 - 2, expires=2**64 - 1,
               audience={"kind": 1, "name": fixed("name", 64).hex()})

    sealed = connect_token(key, nonce)[0]
    yield bad_token("sealed with another key", connect_token(fixed("other token key"), nonce)[0])
    yield bad_token("the right key id, but another key", seal_token(
        fixed("other token key"), nonce, token_head(key, nonce), token_contents()[0]))
    yield bad_token("token version 2", contents(token_contents()[0], token_head(key, nonce, version=2)))
    for name, at in (("key id", 1), ("nonce", 5), ("last byte of the nonce", 28), ("contents", 30), ("tag", -1)):
        spoiled = bytearray(sealed)
        spoiled[at] ^= 1
        yield bad_token(f"{name} changed", bytes(spoiled))
    hinted = bytearray(connect_token(key, nonce, hints=(v4,))[0])
    hinted[31] ^= 1
    yield bad_token("a hint changed", bytes(hinted))
    yield bad_token("cut inside the tag", sealed[:-1])
    yield bad_token("cut inside the nonce", sealed[:20])
    yield bad_token("a byte too many", sealed + b"\0")
    yield bad_token("empty", b"")
    yield bad_token("nine hints", contents(token_contents()[0], token_head(key, nonce, hints=(v4,) * 9)))
    yield bad_token("a hint of family 5", contents(
        token_contents()[0], token_head(key, nonce)[:-1] + u8(1) + u8(5) + bytes(4) + u16(1)))
    yield bad_token("a hint without a port", contents(token_contents()[0], token_head(key, nonce, hints=(("192.0.2.1", 0),))))
    for name, changes in (
            ("no user", {"user": b""}), ("a user of 65 bytes", {"user": bytes(65)}),
            ("257 bytes of user data", {"user_data": bytes(257)}),
            ("expires when it is issued", {"issued": 5, "expires": 5}),
            ("expires before it is issued", {"issued": 5, "expires": 4}),
            ("a server name of no bytes", {"audience": {"kind": 1, "name": ""}}),
            ("a server name of 65 bytes", {"audience": {"kind": 1, "name": "6e" * 65}})):
        yield bad_token(name, contents(token_contents(**changes)[0]))
    raw = token_contents()[0]
    yield bad_token("audience of kind 3", contents(raw[:16] + u8(3) + raw[17:]))
    yield bad_token("an overlong varint", contents(raw[:-1] + b"\x80\x00"))
    yield bad_token("a byte behind the contents", contents(raw + b"\0"))
    yield bad_token("empty contents", contents(b""))


def noise_vector(name, offer, pattern, version, parameters, answer):
    raw_offer, form = offer
    cookie_key, cookie_time, address, port = fixed("cookie key"), 1_000, "192.0.2.17", 40_001
    cookie = make_cookie(cookie_key, cookie_time, address, port, form["nonce"], CLIENT_EPHEMERAL.public)
    prologue, message_1, message_2, digest, secrets = handshake(raw_offer, pattern, version, parameters[0], answer[0])
    return {"name": name, "pattern": pattern, "version": version,
            "server_static_private": SERVER.private.hex(), "server_static_public": SERVER.public.hex(),
            "server_ephemeral_private": SERVER_EPHEMERAL.private.hex(),
            "client_ephemeral_private": CLIENT_EPHEMERAL.private.hex(),
            "client_static_private": CLIENT.private.hex() if pattern == "IK" else None,
            "client_static_public": CLIENT.public.hex() if pattern == "IK" else None,
            "client_address": address, "client_port": port, "cookie_key": cookie_key.hex(), "cookie_time": cookie_time,
            "hello": hello(raw_offer).hex(),
            "cookie": cookie_datagram(form["nonce"], version, SERVER.public, cookie).hex(),
            "connect": [data.hex() for data in connect_datagrams(raw_offer, cookie, message_1)],
            "accept": [data.hex() for data in accept_datagrams(form["nonce"], message_2)],
            "prologue": prologue.hex(), "payload_1": parameters[0].hex(), "payload_2": answer[0].hex(),
            "client_parameters": parameters[1], "server_answer": answer[1],
            "message_1": message_1.hex(), "message_2": message_2.hex(), "handshake_hash": digest.hex(),
            "secret_c2s": secrets[0].hex(), "secret_s2c": secrets[1].hex()}


def noise_vectors():
    declared = table_hash(TABLE)
    full = [channel(n, n % 5, "n" * 64) for n in range(32)]

    def server_answer(connection_id=0x07ABCDEF, **arguments):
        """With the token of §4.2, so that a whole server can write it."""
        token = reset_token(SERVER.private, connection_id, "192.0.2.17")[1]
        return encoder.server_answer(connection_id=connection_id, token=token, **arguments)

    nk = noise_vector("NK, defaults", make_offer(table_hash=declared), "NK", 1, client_parameters(), server_answer())
    ik = noise_vector("IK, defaults", make_offer(table_hash=declared, pattern=1), "IK", 1, client_parameters(),
                      server_answer(suite=AES))
    yield nk
    yield ik
    yield noise_vector("NK, table from the server, ACCEPT in three parts", make_offer(), "NK", 1, client_parameters(),
                       server_answer(table=full))
    yield noise_vector("IK, several versions, CONNECT in two parts",
                       make_offer(versions=(3, 2, 1), table_hash=declared, pattern=1), "IK", 2,
                       client_parameters(entries=((2, fixed("user", 512)), (4, fixed("four", 700)))),
                       server_answer(entries=((2, b"welcome"),)))
    token_key, at = fixed("token key"), 1_700_000_100
    token = connect_token(token_key, fixed("token nonce", 24), hints=(("192.0.2.1", 7777),),
                          audience={"kind": 2, "key": SERVER.public.hex()})[0]
    yield {**noise_vector("NK, with a connect token", make_offer(table_hash=declared), "NK", 1,
                          client_parameters(entries=((1, token), (2, b"hello"))), server_answer()),
           "token_key": token_key.hex(), "unix_time": at}
    yield noise_vector("NK, plaintext suite", make_offer(table_hash=declared, suites=PLAIN), "NK", 1,
                       client_parameters(), server_answer(suite=PLAIN))
    yield noise_vector("IK, refused", make_offer(table_hash=declared, pattern=1), "IK", 1, client_parameters(),
                       refusal(8, b"until Monday"))

    def spoiled(name, vector, field, change):
        return {**vector, "name": name, field: change(vector[field]), "error": True}

    def flip(at):
        def change(value):
            text = value if isinstance(value, str) else value[0]
            data = bytearray.fromhex(text)
            data[at] ^= 1
            return data.hex() if isinstance(value, str) else [data.hex()]
        return change

    for vector, pattern in ((nk, "NK"), (ik, "IK")):
        yield spoiled(f"{pattern}: tag of message 1", vector, "connect", flip(-1))
        yield spoiled(f"{pattern}: ephemeral of message 1 differs from the offer", vector, "connect", flip(88))
        yield spoiled(f"{pattern}: tag of message 2", vector, "accept", flip(-1))
        yield spoiled(f"{pattern}: ephemeral of message 2", vector, "accept", flip(15))
        yield spoiled(f"{pattern}: COOKIE names another version", vector, "cookie", flip(13))
        raw = bytearray.fromhex(vector["hello"])
        raw[32] ^= 2
        connect = bytearray.fromhex(vector["connect"][0])
        connect[32] ^= 2
        yield {**vector, "hello": raw.hex(), "connect": [connect.hex()], "error": True,
               "name": f"{pattern}: suites changed in HELLO and CONNECT"}
    yield spoiled("IK: encrypted identity of message 1", ik, "connect", flip(88 + 32))
    yield spoiled("IK: another client key", ik, "client_static_private", lambda _: SERVER_EPHEMERAL.private.hex())


# ---------------------------------------------------------------- recorded sessions

class Recorder:
    """Writes a session by hand: each call adds a datagram and moves the clock."""

    ADDRESS = "192.0.2.17"

    def __init__(self, description, pattern="NK", suite=CHACHA, declare=True, server_limits=None,
                 entries=((2, b"alice"),)):
        self.clock, self.step_us, self.datagrams, self.messages = 0, 10_000, [], {"c2s": {}, "s2c": {}}
        self.suite, self.numbers, self.generations = suite, {"c2s": 0, "s2c": 0}, {"c2s": 0, "s2c": 0}
        self.connection_ids = {"c2s": 0x07ABCDEF, "s2c": 0xC0FFEE01}
        suites = PLAIN if suite == PLAIN else AES | CHACHA
        self.offer, self.form = make_offer(table_hash=table_hash(TABLE) if declare else 0, suites=suites,
                                           pattern=int(pattern == "IK"))
        self.token = reset_token(SERVER.private, self.connection_ids["c2s"], self.ADDRESS)[1]
        answer = server_answer(suite=suite, token=self.token, table=() if declare else TABLE, changes=server_limits)
        _, self.message_1, self.message_2, _, secrets = handshake(
            self.offer, pattern, 1, client_parameters(entries=entries)[0], answer[0])
        self.secrets = dict(zip(("c2s", "s2c"), secrets))
        self.head = {"description": description, "application_id": self.form["application_id"],
                     "server_private_key": SERVER.private.hex(),
                     "client_ephemeral_private": CLIENT_EPHEMERAL.private.hex(),
                     "client_static_private": CLIENT.private.hex() if pattern == "IK" else None,
                     "client_address": self.ADDRESS,
                     "channels": [{name: entry[name] for name in ("id", "mode", "name")} for entry in TABLE]}

    def add(self, direction, data, **extra):
        self.datagrams.append({"t_us": self.clock, "direction": direction, "hex": data.hex(), **extra})
        self.clock += self.step_us
        return data

    def shake_hands(self, repeat=False):
        nonce = self.form["nonce"]
        cookie = make_cookie(fixed("cookie key"), 100, self.ADDRESS, 40_001, nonce, CLIENT_EPHEMERAL.public)
        for _ in range(1 + repeat):
            self.add("c2s", hello(self.offer))
        self.add("s2c", cookie_datagram(nonce, 1, SERVER.public, cookie))
        for _ in range(1 + repeat):
            for data in connect_datagrams(self.offer, cookie, self.message_1):
                self.add("c2s", data)
            for data in accept_datagrams(nonce, self.message_2):
                self.add("s2c", data)
        return self

    def packet(self, direction, *frames, number=None, size=2, generation=None):
        number = self.numbers[direction] if number is None else number
        self.numbers[direction] = max(self.numbers[direction], number + 1)
        generation = self.generations[direction] if generation is None else generation
        return seal(self.suite, self.secrets[direction], generation, self.connection_ids[direction], number, size,
                    join(frames))

    def send(self, direction, *frames, **options):
        return self.add(direction, self.packet(direction, *frames, **options))

    def expect(self, direction, position, *messages):
        self.messages[direction].setdefault(str(position), []).extend(hashlib.sha256(m).hexdigest() for m in messages)

    def session(self):
        return {**self.head, "datagrams": self.datagrams, "expect": self.messages}


def session_ik():
    """Every frame, losses, both key updates, a wrap of the short number; everything that a real session holds."""
    r = Recorder("hand-built: IK, ChaCha20-Poly1305, declared table, repetitions, loss, key updates, close", "IK")
    r.shake_hands(repeat=True)
    chat, upload = fixed("chat", 900), fixed("upload", 25_000)
    r.send("c2s", ping())
    r.send("s2c", ack(0, 100), message(3, b"welcome", 0), message(3, b"to the game", 1, implied=True))
    r.send("c2s", ack(0, 5), message(3, chat, 0), message(0, b"voice 1"), message(1, b"pose 0", 0),
           message(4, b"hp=10", 0, key=1), message(4, b"hp=20", 1, implied=True, key=2))
    # Packet 2 is lost: its message travels again in packet 4.
    r.send("c2s", message(2, b"event 0", 0), message(2, b"event 1", 1, implied=True))
    r.send("c2s", message(1, b"pose 1", 1), message(4, b"hp=9", 2, key=1))
    r.send("s2c", ack(3, 40, "fe" + "ff" * 7), channel_credit(3, 3_000_000, 9000), connection_credit(6_000_000))
    r.send("c2s", message(2, b"event 0", 0), message(2, b"event 1", 1, implied=True), ack(1), padding(3))
    for cell in range(23):
        r.send("c2s", fragment(3, upload, cell, 1, 1))
    r.send("s2c", ack(27, 62, "ff" * 2 + "fe" + "ff" * 5))
    r.send("c2s", fragment(3, upload, 7, 1, 1), ack(2))
    # A superseded value that was never sent whole.
    state = fixed("state", 2_500)
    r.send("c2s", fragment(4, state, 0, 1, 3, key=5))
    r.send("c2s", skip(4, 3, len(state)), message(4, b"small", 4, key=5))
    r.step_us = 0
    copy = r.send("c2s", message(0, b"voice 2"))
    r.add("c2s", copy)
    r.step_us = 10_000
    r.send("s2c", ack(31))
    # The client updates its keys, the server follows; a packet of the old keys comes late.
    late = r.packet("c2s", message(3, b"late, old keys", 2))
    r.generations["c2s"] = 1
    r.send("c2s", message(3, b"new keys", 3))
    r.add("c2s", late)
    r.generations["s2c"] = 1
    r.send("s2c", ack(33), message(3, b"new keys too", 2))
    r.send("c2s", ack(r.numbers["s2c"] - 1))
    # Numbers may rise by more than one: this one needs four bytes, those after its acknowledgement two.
    r.send("c2s", ping(), number=40_000, size=4)
    r.send("s2c", ack(40_000, 0, "00" * 8))
    r.send("c2s", message(3, b"after the jump", 4), ack(r.numbers["s2c"] - 1))
    # A packet far outside the replay window.
    r.add("c2s", r.packet("c2s", message(3, b"too late", 5), number=35, size=4), refused=True)
    # The server starts the second update.
    r.generations["s2c"] = 2
    r.send("s2c", ack(40_001, 3, "01" + "00" * 7), message(3, b"and again", 3))
    r.generations["c2s"] = 2
    r.send("c2s", ack(r.numbers["s2c"] - 1), message(3, b"third keys", 5))
    forged = bytearray(r.packet("c2s", ping(), number=40_003))
    forged[9] ^= 0x40
    r.add("c2s", bytes(forged), refused=True)
    r.send("c2s", message(3, b"after a forgery", 6), number=40_003)
    r.send("s2c", ack(40_003, 3, "07" + "00" * 7), message(0, b"v"))
    r.send("s2c", fragment(0, upload[:1500], 1, 1, 0))
    r.send("s2c", fragment(0, upload[:1500], 0, 1, 0))
    r.send("c2s", close(100, 7, b"bye"), ack(r.numbers["s2c"] - 1))
    r.send("s2c", ack(40_004, 1, "0f" + "00" * 7))
    r.expect("c2s", 2, b"event 0", b"event 1")
    r.expect("c2s", 3, chat, upload, b"late, old keys", b"new keys", b"after the jump", b"third keys",
             b"after a forgery")
    r.expect("c2s", 4, b"hp=10", b"hp=20", b"hp=9", b"small")
    r.expect("s2c", 2)
    r.expect("s2c", 3, b"welcome", b"to the game", b"new keys too", b"and again")
    return r.session()


def session_nk():
    """A server's table, AES, CONNECT in two parts, and the end by RESET."""
    r = Recorder("hand-built: NK, AES-256-GCM, the server's table, two-part CONNECT, reordering, end by RESET",
                 "NK", AES, declare=False, entries=((2, fixed("user", 512)), (4, fixed("four", 700))))
    r.shake_hands()
    first, second, third = (r.packet("c2s", message(3, text, n)) for n, text in enumerate((b"one", b"two", b"three")))
    for data in (first, third, second):
        r.add("c2s", data)
    r.send("s2c", ack(2), message(2, b"", 0), message(4, b"x", 0, key=2**32 - 1))
    r.send("c2s", ack(0), message(3, b"four", 3))
    r.send("s2c", ping(), padding(1428))
    r.add("s2c", b"TMED\x06" + r.token)
    r.expect("c2s", 3, b"one", b"two", b"three", b"four")
    r.expect("s2c", 2, b"")
    r.expect("s2c", 4, b"x")
    return r.session()


TIGHT = {"largest_reliable_message": 1100, "connection_credit": 2000, "channel_credit_bytes": 1500,
         "channel_credit_messages": 2}


def session_plaintext():
    """No cipher, and every credit used to the last byte; a repetition uses none."""
    r = Recorder("hand-built: NK, plaintext suite, credit used up", "NK", PLAIN, server_limits=TIGHT)
    r.shake_hands()
    long, rest = fixed("long", 1100), fixed("rest", 395)
    r.send("c2s", message(3, b"clear", 0))
    r.send("c2s", message(3, b"clear", 0), message(3, long, 1, implied=True))
    r.send("s2c", ack(1), message(3, b"as day", 0), channel_credit(3, 1500, 3), channel_credit(3, 1, 1))
    r.send("c2s", ack(0), message(3, rest, 2), message(2, bytes(500), 0))
    r.send("c2s", message(2, b"", 1))
    r.expect("c2s", 2, bytes(500), b"")
    r.expect("c2s", 3, b"clear", long, rest)
    r.expect("s2c", 3, b"as day")
    return r.session()


def malformed_session_vectors():
    """Recordings with exactly one thing wrong, so that the reader's own checks are known to bite."""
    def entry(name, build, at, **options):
        r = Recorder(name, "NK", CHACHA, **options).shake_hands()
        r.send("c2s", message(3, b"zero", 0))
        r.send("s2c", ack(0))
        build(r)
        return {"name": name, "problems": [at], "session": r.session()}

    # Datagrams 0 to 3 are the handshake, 4 and 5 the first packets.
    yield entry("a packet number used twice", lambda r: r.send("c2s", ping(), number=0), 6)
    yield entry("a tag that does not verify", lambda r: r.add("c2s", r.packet("c2s", ping())[:-1] + b"\0"), 6)
    yield entry("an ACK for a packet never sent", lambda r: r.send("s2c", ack(1)), 6)
    yield entry("an ACK range that names a skipped number", lambda r: [
        r.send("c2s", ping(), number=200), r.send("s2c", ack(200, 0, "00" * 8, ((134, 2),)))], 7)
    yield entry("a malformed frame", lambda r: r.send("c2s", (b"\x0e", None)), 6)
    yield entry("a message that changed its data", lambda r: r.send("c2s", message(3, b"zerO", 0)), 6)
    yield entry("a message that changed its length", lambda r: r.send("c2s", message(3, b"zero!", 0)), 6)
    yield entry("a packet outside the replay window", lambda r: [
        r.send("c2s", ping(), number=2_060), r.send("c2s", ping(), number=12)], 7)
    yield entry("a two-byte number too far from the acknowledged", lambda r: [
        r.send("c2s", ping(), number=32_768, size=2)], 6)
    yield entry("message credit exceeded", lambda r: r.send("c2s", message(3, b"1", 1), message(3, b"2", 2)), 6,
                server_limits=TIGHT)
    yield entry("channel credit exceeded", lambda r: [
        r.send("c2s", message(3, bytes(1100), 1)), r.send("s2c", channel_credit(3, 1500, 10)),
        r.send("c2s", message(3, bytes(397), 2))], 8, server_limits=TIGHT)
    yield entry("connection credit exceeded", lambda r: [
        r.send("c2s", message(3, bytes(1000), 1)), r.send("c2s", message(2, bytes(997), 0))], 7, server_limits=TIGHT)
    yield entry("a sequence too far above a missing one", lambda r: [
        r.send("c2s", message(2, b"1", 1)), r.send("s2c", channel_credit(2, 1500, 10)),
        r.send("c2s", message(2, b"2", 2))], 8, server_limits=TIGHT)
    yield entry("a SKIP that contradicts the fragments before it", lambda r: [
        r.send("c2s", fragment(4, bytes(3000), 0, 1, 0, key=1)), r.send("c2s", skip(4, 0, 2999))], 7)
    yield entry("a SKIP above the limit", lambda r: r.send("c2s", skip(2, 0, 1101)), 6, server_limits=TIGHT)
    yield entry("a message above the limit", lambda r: r.send("c2s", fragment(3, bytes(1101), 0, 1, 1)), 6,
                server_limits=TIGHT)
    yield entry("a datagram above the limit", lambda r: r.send("c2s", padding(1430)), 6)
    yield entry("another connection id", lambda r: r.add("c2s", seal(CHACHA, r.secrets["c2s"], 0, 1, 1, 2, b"\x01")), 6)
    yield entry("RESET with another token", lambda r: r.add("s2c", b"TMED\x06" + bytes(16)), 6)
    yield entry("a COOKIE with another nonce", lambda r: r.add(
        "s2c", cookie_datagram(1, 1, SERVER.public, bytes(20))), 6)
    yield entry("a handshake datagram in the wrong direction", lambda r: r.add("s2c", hello(r.offer)), 6)
    yield entry("HELLO repeated with another nonce", lambda r: r.add("c2s", hello(make_offer(nonce=5)[0])), 6)
    yield entry("a key update that skips a generation", lambda r: r.send("c2s", ping(), generation=2), 6)
    yield entry("a key update below a packet of the old keys", lambda r: [
        r.send("c2s", ping(), number=5), r.send("c2s", ping(), number=3, generation=1)], 7)
    yield entry("old keys above a packet of the new ones", lambda r: [
        r.send("c2s", ping(), generation=1), r.send("c2s", ping(), generation=0)], 7)
    yield entry("two key updates that the other side did not follow", lambda r: [
        r.send("c2s", ping(), generation=1), r.send("c2s", ping(), generation=2)], 7)
    yield entry("a clock that runs backwards", lambda r: [setattr(r, "clock", 0), r.send("c2s", ping())], 6)
    yield entry("a datagram expected to be refused but good", lambda r: r.add(
        "c2s", r.packet("c2s", ping()), refused=True), 6)
    yield entry("digests that differ", lambda r: r.expect("c2s", 3, b"Zero"), None)
    yield entry("a sequence left out", lambda r: [
        r.send("c2s", message(3, b"two", 2)), r.expect("c2s", 3, b"zero", b"two")], None)
    yield entry("a message behind CLOSE does not count", lambda r: [
        r.send("c2s", close(100), message(3, b"one", 1)), r.expect("c2s", 3, b"zero", b"one")], None)
    yield entry("a message never completed", lambda r: [
        r.send("c2s", fragment(3, bytes(3000), 1, 1, 1)), r.expect("c2s", 3, b"zero")], None)
    yield entry("a message expected but never sent", lambda r: r.expect("c2s", 2, b"x"), None)


def record_vectors():
    def record(data):
        return u24(len(data)) + u8(0) + data

    def good(name, stream, datagrams, waiting=0):
        return {"name": name, "bytes": stream.hex(), "datagrams": [data.hex() for data in datagrams],
                "waiting": waiting}

    magic = b"TME1"
    one, two, largest = b"\x85", fixed("record", 60), fixed("largest record", 16_384)
    yield good("nothing yet", b"", [])
    yield good("a part of the beginning", magic[:3], [], 3)
    yield good("the beginning alone", magic, [])
    yield good("one byte", magic + record(one), [one])
    yield good("two datagrams", magic + record(two) + record(one), [two, one])
    yield good("the beginning again is a record like any other", magic + record(magic), [magic])
    yield good("the largest", magic + record(largest), [largest])
    yield good("a part of a prefix", magic + record(one) + record(two)[:3], [one], 3)
    yield good("a prefix alone", magic + record(one) + record(two)[:4], [one], 4)
    yield good("a part of a datagram", magic + record(one) + record(two)[:-1], [one], 63)
    for name, rest, whole in (
            ("no datagram", u24(0) + u8(0), []),
            ("no datagram behind a good one", record(one) + u24(0) + u8(0), [one]),
            ("one byte too long", u24(16_385) + u8(0), []),
            ("as long as the prefix can say", u24(2**24 - 1) + u8(0), []),
            ("a fourth byte", u24(5) + u8(1) + bytes(5), []),
            ("the beginning twice", magic, [])):
        yield bad(name, magic + rest, datagrams=[data.hex() for data in whole])
    for name, start in (("a handshake datagram without a stream", b"TMED"), ("another number", b"TME2"),
                        ("a web page", b"HTTP"), ("zeros", bytes(4))):
        yield bad(name, start, datagrams=[])


FILES = {
    "varint.json": ("Unsigned LEB128 (conventions).", varint_vectors),
    "handshake_datagrams.json": ("Handshake datagrams (§1, §2, §4).", datagram_vectors),
    "cookie.json": ("The cookie's construction (§2.3).", cookie_vectors),
    "parameters.json": ("Payloads of the Noise messages (§3.1 to §3.4).", parameter_vectors),
    "key_schedule.json": ("Packet keys (§3.5).", key_schedule_vectors),
    "packet_numbers.json": ("Packet numbers and nonces (§5).", packet_number_vectors),
    "packets.json": ("Sealed packets (§5).", packet_vectors),
    "frames.json": ("Valid payloads (§6).", frame_vectors),
    "frames_malformed.json": ("Malformed payloads (§6, §7.2).", malformed_frame_vectors),
    "messages.json": ("MESSAGE frames, sequences, reassembly (§7.2).", message_vectors),
    "ack.json": ("What an ACK reports (§6).", ack_vectors),
    "channel_tables.json": ("Channel tables and their hash (§7.1).", table_vectors),
    "reset.json": ("Reset tokens (§4.2).", reset_vectors),
    "connect_tokens.json": ("Connect tokens (§3.6).", token_vectors),
    "handshake_noise.json": ("Whole handshakes (§3).", noise_vectors),
    "records.json": ("Records of a stream (§12.1).", record_vectors),
    "serial.json": ("Typed values and messages (docs/SERIALIZATION.md).", serial_vectors),
    "sessions_malformed.json": ("Recorded sessions with one thing wrong.", malformed_session_vectors),
}
SESSIONS = {"session-handmade-ik.json": session_ik, "session-handmade-nk.json": session_nk,
            "session-handmade-plaintext.json": session_plaintext}


def lines(value):
    return ",\n".join(json.dumps(entry, ensure_ascii=True) for entry in value)


def render_vectors(note, entries):
    return f'{{"note": {json.dumps(note)},\n"vectors": [\n{lines(entries)}\n]}}\n'


def render_session(session):
    head = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}"
                      for name, value in session.items() if name != "datagrams")
    return f'{{{head},\n"datagrams": [\n{lines(session["datagrams"])}\n]}}\n'


def main():
    contents = {name: render_vectors(note, list(entries())) for name, (note, entries) in FILES.items()}
    contents.update({name: render_session(build()) for name, build in SESSIONS.items()})
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__.split("\n\n")[1])
    changed = 0
    for name, text in contents.items():
        path, data = FOLDER / name, text.encode()
        if path.exists() and path.read_bytes() == data:
            continue
        changed += 1
        if "--check" in sys.argv:
            print(f"{name} differs")
        else:
            path.write_bytes(data)
    print(f"{len(contents)} files, {changed} {'differ' if '--check' in sys.argv else 'written'}")
    return 1 if changed and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
