"""Writes typed values and messages from docs/SERIALIZATION.md, and the vectors of serial.json. Never uses serial_reader.py.

A vector's value is written by calls on a `Writer`, one for each form, as a program in C does it: nothing here reads a schema.
"""

import hashlib
import math
import struct

HIGH = math.sqrt(0.5)


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value):
    return 2 * value if value >= 0 else -2 * value - 1


def double_bits(value):
    return struct.pack(">d", value).hex()


def single_bits(value):
    return struct.pack(">f", value).hex()


class Writer:
    """Every method gives the writer again, so that calls can be chained."""

    def __init__(self):
        self.out, self.open, self.free = bytearray(), None, 0

    def raw(self, data):
        self.out += data
        return self

    def bits(self, value, count):
        assert 0 <= value < 1 << count or count == 0 and value == 0
        for place in range(count):
            if self.free == 0:
                self.open, self.free = len(self.out), 8
                self.out.append(0)
            self.out[self.open] |= (value >> place & 1) << 8 - self.free
            self.free -= 1
        return self

    def bool(self, value):
        return self.bits(int(value), 1)

    def uint(self, value, size):
        return self.raw(value.to_bytes(size, "little"))

    def sint(self, value, size):
        return self.raw(value.to_bytes(size, "little", signed=True))

    def f32(self, value):
        return self.raw(struct.pack("<f", value))

    def f64(self, value):
        return self.raw(struct.pack("<d", value))

    def varint(self, value):
        return self.raw(varint(value))

    def signed(self, value):
        return self.varint(zigzag(value))

    def text(self, text):
        return self.varint(len(text.encode())).raw(text.encode())

    def ranged(self, value, low, high):
        assert low <= value <= high
        return self.bits(value - low, (high - low).bit_length())

    def quantised(self, value, low, high, steps):
        limited = min(max(value, low), high)
        step = math.floor((limited - low) / (high - low) * steps + 0.5)
        return self.bits(step, steps.bit_length())

    def step(self, value, precision):
        return self.signed(math.floor(value / precision + 0.5))

    def quaternion(self, parts, bits):
        x, y, z, w = parts
        length = math.sqrt(((x * x + y * y) + z * z) + w * w)
        unit = [part / length for part in parts]
        largest = max(range(4), key=lambda index: (abs(unit[index]), -index))
        sign = -1.0 if unit[largest] < 0 else 1.0
        self.bits(largest, 2)
        for index in range(4):
            if index != largest:
                self.quantised(unit[index] * sign, -HIGH, HIGH, 2**bits - 2)
        return self

    def block(self, content):
        inner = Writer()
        content(inner)
        return self.varint(len(inner.out)).raw(inner.out)


def steps_of(low, high, precision=None, bits=None):
    is_even = low == -high
    if precision is not None:
        ratio = (high - low) / precision
        steps = math.ceil(ratio)
        return steps + steps % 2 if is_even else steps
    return 2**bits - 2 if is_even else 2**bits - 1


def q_form(low, high, steps):
    return f"q({double_bits(low)}..{double_bits(high)}/{steps})"


def q_value(low, high, steps, step):
    return low if step == 0 else high if step == steps else (low * (steps - step) + high * step) / steps


def entry(name, form, writer, value):
    return {"name": name, "form": form, "bytes": bytes(writer.out).hex(), "value": value}


def bad(name, form, data, kind):
    return {"name": name, "form": form, "bytes": data.hex(), "error": True, "kind": kind}


def numbers():
    for sign in "ui":
        for size in (1, 2, 4, 8):
            form = f"{sign}{8 * size}"
            bounds = (0, 2**(8 * size) - 1) if sign == "u" else (-2**(8 * size - 1), 2**(8 * size - 1) - 1)
            for value in sorted({0, 1, *bounds, 0x77 if size == 1 else 0x7766}):
                raw = value.to_bytes(size, "little", signed=sign == "i")
                yield entry(f"{form} {value}", form, Writer().raw(raw), value)
                if size > 1:
                    writer = Writer().varint(value) if sign == "u" else Writer().signed(value)
                    yield entry(f"varint({form}) {value}", f"varint({form})", writer, value)
    yield entry("varint(i64) -64", "varint(i64)", Writer().signed(-64), -64)
    yield entry("varint(i64) -65", "varint(i64)", Writer().signed(-65), -65)
    for value in (0.0, -0.0, 1.5, -1e30, math.inf):
        yield entry(f"f32 {value}", "f32", Writer().f32(value), single_bits(value))
        yield entry(f"f64 {value}", "f64", Writer().f64(value), double_bits(value))
    yield entry("f64 signalling nan", "f64", Writer().raw(bytes.fromhex("0100000000 00f07f")), "7ff0000000000001")
    for value in (False, True):
        yield entry(f"bool {value}", "bool", Writer().bool(value), value)
    for value in ("a", "\u00e9", "\u2603", "\U0001f980"):
        yield entry(f"char {value}", "char", Writer().varint(ord(value)), value)
    for low, high, value in ((0, 3, 2), (0, 4, 4), (5, 5, 5), (-16, 15, -16), (-16, 15, 15), (1, 1_000, 1_000),
                             (0, 2**64 - 1, 2**64 - 1), (-2**63, 2**63 - 1, -2**63), (-2**63, 2**63 - 1, -1)):
        yield entry(f"{value} of {low}..{high}", f"int({low}..{high})", Writer().ranged(value, low, high), value)
    yield bad("u16 cut", "u16", b"\x01", 1)
    yield bad("varint overlong", "varint(u32)", b"\x80\x00", 2)
    yield bad("varint of 11 bytes", "varint(u64)", b"\x80" * 10 + b"\x01", 2)
    yield bad("varint beyond 64 bits", "varint(u64)", b"\xff" * 9 + b"\x02", 2)
    yield bad("varint beyond u16", "varint(u16)", varint(65_536), 2)
    yield bad("varint beyond i16", "varint(i16)", varint(zigzag(32_768)), 2)
    yield bad("int above its range", "int(0..4)", b"\x05", 3)
    yield bad("char that is a surrogate", "char", varint(0xD800), 3)
    yield bad("char beyond Unicode", "char", varint(0x110000), 3)
    yield bad("bool with unused bits", "bool", b"\x02", 12)
    yield bad("a byte behind a bool", "bool", b"\x00\x00", 11)
    yield bad("nothing at all", "bool", b"", 1)


def floats():
    # Form, low, high, and how the steps were chosen.
    table = ((-1.0, 1.0, {"precision": 0.001}), (0.0, 100.0, {"precision": 0.25}), (0.0, 1.0, {"precision": 0.3}),
             (-180.0, 180.0, {"bits": 12}), (0.0, 1.0, {"bits": 8}), (-1000.0, 1000.0, {"precision": 0.01}))
    for low, high, choice in table:
        steps = steps_of(low, high, **choice)
        form = q_form(low, high, steps)
        for value in (low, high, (low + high) / 2, low + (high - low) * 0.3, low - 1.0, high + 1.0):
            limited = min(max(value, low), high)
            step = math.floor((limited - low) / (high - low) * steps + 0.5)
            writer = Writer().quantised(value, low, high, steps)
            found = entry(f"{value} in {low}..{high} by {choice}", form, writer, double_bits(q_value(low, high, steps, step)))
            yield {**found, "of": double_bits(value)}
    yield bad("quantised above its steps", q_form(0.0, 1.0, 4), b"\x05", 3)
    for precision in (0.001, 0.25):
        for value in (0.0, 0.5, -0.25, 1234.5678, -99999.0):
            step = math.floor(value / precision + 0.5)
            writer = Writer().step(value, precision)
            found = entry(f"{value} in steps of {precision}", f"step({double_bits(precision)})", writer,
                          double_bits(step * precision))
            yield {**found, "of": double_bits(value)}
    yield bad("steps beyond what a double counts", f"step({double_bits(1.0)})", varint(zigzag(2**53 + 1)), 3)
    rotations = ((0.0, 0.0, 0.0, 1.0), (1.0, 0.0, 0.0, 0.0), (0.5, 0.5, 0.5, 0.5), (-0.5, 0.5, -0.5, 0.5),
                 (0.0, 0.0, -0.7071067811865475, -0.7071067811865475), (1.0, 2.0, 3.0, 4.0), (0.0, -5.0, 0.0, 0.0))
    for bits in (2, 10, 15, 21):
        for parts in rotations:
            writer = Writer().quaternion(parts, bits)
            found = entry(f"rotation {parts} in {bits} bits", f"quat({bits})", writer, quaternion_value(parts, bits))
            yield {**found, "of": [double_bits(part) for part in parts]}
    yield bad("component above its steps", "quat(2)", b"\xfc", 3)


def quaternion_value(parts, bits):
    steps = 2**bits - 2
    x, y, z, w = parts
    length = math.sqrt(((x * x + y * y) + z * z) + w * w)
    unit = [part / length for part in parts]
    largest = max(range(4), key=lambda index: (abs(unit[index]), -index))
    sign = -1.0 if unit[largest] < 0 else 1.0
    read = []
    for index in range(4):
        if index != largest:
            limited = min(max(unit[index] * sign, -HIGH), HIGH)
            read.append(q_value(-HIGH, HIGH, steps, math.floor((limited + HIGH) / (HIGH + HIGH) * steps + 0.5)))
    a, b, c = read
    read.insert(largest, math.sqrt(max(0.0, 1.0 - a * a - b * b - c * c)))
    return [double_bits(part) for part in read]


def compounds():
    for text in ("", "hello", "Gr\u00fc\u00dfe \U0001f980", "x" * 200):
        yield entry(f"text of {len(text)}", "str", Writer().text(text), text)
    yield bad("text that is no UTF-8", "str", b"\x02\xc3\x28", 4)
    yield bad("text whose length lies", "str", b"\x05abcd", 5)
    yield entry("nothing", "opt(u16)", Writer().bool(False), None)
    yield entry("something", "opt(u16)", Writer().bool(True).uint(7, 2), [7])
    yield entry("something that is nothing", "opt(opt(bool))", Writer().bool(True).bool(False), [None])
    yield entry("array", "[u16;3]", Writer().uint(1, 2).uint(2, 2).uint(3, 2), [1, 2, 3])
    yield entry("array of bools", "[bool;10]", Writer().bits(0b1000000001, 10), [True] + [False] * 8 + [True])
    yield entry("list", "list(u16)", Writer().varint(2).uint(1, 2).uint(0xFFFF, 2), [1, 0xFFFF])
    yield entry("empty list", "list(u16)", Writer().varint(0), [])
    yield entry("list of bytes", "list(u8)", Writer().varint(3).raw(b"\x01\x02\x03"), [1, 2, 3])
    yield entry("list of bools", "list(bool)", Writer().varint(11).bits(0b10101010101, 11),
                [index % 2 == 0 for index in range(11)])
    yield entry("list of lists", "list(list(u8))", Writer().varint(2).varint(0).varint(1).uint(9, 1), [[], [9]])
    yield entry("list of what takes nothing", "list({})", Writer().varint(5), [{}] * 5)
    yield entry("list of options", "list(opt(u8))", Writer().varint(3).bool(True).uint(5, 1).bool(False).bool(True).uint(6, 1),
                [[5], None, [6]])
    yield bad("list whose count lies", "list(u16)", b"\x03\x01\x00\x02\x00", 5)
    yield bad("list of bools whose count lies", "list(bool)", b"\x09\xff", 5)
    yield bad("count of everything there could be", "list(u8)", b"\xff" * 9 + b"\x01", 5)
    yield entry("set", "set(u16)", Writer().varint(3).uint(1, 2).uint(2, 2).uint(256, 2), [1, 2, 256])
    yield entry("set of signed", "set(i8)", Writer().varint(3).sint(-1, 1).sint(0, 1).sint(1, 1), [-1, 0, 1])
    yield bad("set in disorder", "set(u16)", b"\x02\x02\x00\x01\x00", 7)
    yield bad("set with one twice", "set(u16)", b"\x02\x02\x00\x02\x00", 7)
    yield entry("map", "map(str,bool)", Writer().varint(3).text("").bool(True).text("a").bool(False).text("ab").bool(True),
                [["", True], ["a", False], ["ab", True]])
    yield bad("map in disorder", "map(u8,u8)", b"\x02\x02\x00\x01\x00", 7)
    yield bad("map whose count lies", "map(u8,u8)", b"\x02\x02\x00\x01", 5)
    yield entry("tuple", "{0:u8,1:bool,2:u8}", Writer().uint(1, 1).bool(True).uint(2, 1), {"0": 1, "1": True, "2": 2})
    yield entry("bits among bytes", "{a:bool,b:u16,c:int(0..7),d:int(0..63)}",
                Writer().bool(True).uint(0x1234, 2).ranged(5, 0, 7).ranged(0b110011, 0, 63),
                {"a": True, "b": 0x1234, "c": 5, "d": 0b110011})
    inner, outer = Writer(), "{a:u8}+"
    yield entry("extensible struct", outer, inner.uint(3, 1).bool(False), {"a": 3})
    grown = Writer().uint(3, 1).bool(True).block(lambda w: w.block(lambda w: w.text("x").bool(True)))
    yield entry("extensible struct, grown", "{a:u8|2:b:str,c:bool}+", grown, {"a": 3, "b": "x", "c": True})
    yield {**entry("extensible struct, older", outer, grown, {"a": 3}), "older": True}
    yield {**entry("extensible struct, newer", "{a:u8|2:b:str,c:bool}+", Writer().uint(3, 1).bool(False), {"a": 3}),
           "older": True}
    yield bad("additions that are none", outer, b"\x03\x01\x00", 5)
    yield bad("additions beyond the end", outer, b"\x03\x01\x02\x00", 5)
    yield bad("additions that are no blocks", outer, b"\x03\x01\x02\x05\x00", 11)
    yield bad("a group with a byte left", "{a:u8|2:b:u8}+", b"\x03\x01\x03\x02\x07\x08", 11)
    yield bad("a group with bits left", "{a:u8|2:b:bool}+", b"\x03\x01\x02\x01\x02", 12)
    yield bad("a group that ends early", "{a:u8|2:b:u16}+", b"\x03\x01\x02\x01\x02", 1)
    weapon = "enum(varint;0:Fist,1:Bow{arrows:u8},5:Wand{0:bool,1:bool})"
    yield entry("variant without content", weapon, Writer().varint(0), {"Fist": {}})
    yield entry("variant with a field", weapon, Writer().varint(1).uint(9, 1), {"Bow": {"arrows": 9}})
    yield entry("variant of a tuple", weapon, Writer().varint(5).bool(True).bool(False), {"Wand": {"0": True, "1": False}})
    yield bad("variant that nobody knows", weapon, b"\x02", 8)
    yield bad("variant with the wrong tag's length", weapon, b"\x80\x00", 2)
    yield entry("tag in bits", "enum(3;0:North,1:East,2:South,3:West)", Writer().bits(2, 3), {"South": {}})
    yield bad("tag in bits that nobody knows", "enum(3;0:North,1:East,2:South,3:West)", b"\x07", 8)
    stone = "enum(varint;0:Other,1:Pebble,2@2:Gem{carat:u16},3@3:Dust)"
    yield entry("variant added", stone, Writer().varint(2).block(lambda w: w.uint(300, 2)), {"Gem": {"carat": 300}})
    yield entry("variant added without content", stone, Writer().varint(3).block(lambda w: w), {"Dust": {}})
    yield {**entry("variant added, older", "enum(varint;0:Other,1:Pebble)",
                   Writer().varint(2).block(lambda w: w.uint(300, 2)), {"Other": {}}), "older": True}
    yield bad("variant added, older, beyond the end", "enum(varint;0:Other,1:Pebble)", b"\x02\x03\x00", 5)
    tree = "{value:u8,children:list(^0)}"
    yield entry("tree", tree, Writer().uint(1, 1).varint(2).uint(2, 1).varint(0).uint(3, 1).varint(1).uint(4, 1).varint(0),
                {"value": 1, "children": [{"value": 2, "children": []},
                                          {"value": 3, "children": [{"value": 4, "children": []}]}]})


FIRE = "{weapon:int(0..3),direction:[step(3f50624dd2f1a9fc);3]}"
MOVE_1 = f"{{position:[{q_form(-1000.0, 1000.0, 200_000)};3],rotation:quat(10),is_running:bool}}"
MOVE_2 = MOVE_1[:-1] + "|2:stamina:int(0..100),is_sneaking:bool|4:mount:opt(u32)}"
CHAT = "{text:str,to:list(varint(u32))}"
ITEM = "enum(varint;0:Other,1:Sword{damage:u16},2:Potion)"
BAG = f"{{items:list({{item:{ITEM},count:u8}}+),gold:varint(u64),slots:map(u8,str)}}"
SCHEMA = f"1 Move {MOVE_2}\n7 Fire {FIRE}\n8 Chat {CHAT}\n200 Bag {BAG}\n"
BASE = f"1 Move {MOVE_1}\n7 Fire {FIRE}\n8 Chat {CHAT}\n200 Bag {BAG}\n"


def message(name, schema, writer, value, **more):
    return {"name": name, "schema": schema, "bytes": bytes(writer.out).hex(), "value": value, **more}


def fire():
    writer = Writer().varint(7).ranged(2, 0, 3)
    for part in (0.5, -0.25, 1.0):
        writer.step(part, 0.001)
    return writer


def move():
    writer = Writer().varint(1)
    for part in (1.25, -2.5, 999.99):
        writer.quantised(part, -1000.0, 1000.0, 200_000)
    return writer.quaternion((0.0, 0.0, 0.0, 1.0), 10).bool(True)


def move_value():
    steps = [math.floor((part + 1000.0) / 2000.0 * 200_000 + 0.5) for part in (1.25, -2.5, 999.99)]
    return {"position": [double_bits(q_value(-1000.0, 1000.0, 200_000, step)) for step in steps],
            "rotation": quaternion_value((0.0, 0.0, 0.0, 1.0), 10), "is_running": True}


def messages():
    digest = hashlib.sha256(b"TME schema 1\n" + BASE.encode()).digest()
    yield {"name": "schema", "schema": SCHEMA, "base": BASE, "hash": int.from_bytes(digest[:8], "little")}
    direction = [double_bits(step * 0.001) for step in (500, -250, 1000)]
    yield message("fire", SCHEMA, fire(), {"Fire": {"weapon": 2, "direction": direction}})
    added = {"stamina": 77, "is_sneaking": True}
    first, second = (lambda w: w.ranged(77, 0, 100).bool(True)), (lambda w: w.bool(True).uint(0xDEADBEEF, 4))
    newest = {"Move": {**move_value(), **added, "mount": [0xDEADBEEF]}}
    yield message("move of version 4", SCHEMA, move().block(first).block(second), newest)
    yield message("move of version 2, newer reader", SCHEMA, move().block(first), {"Move": {**move_value(), **added}}, older=True)
    yield message("move of version 1, newer reader", SCHEMA, move(), {"Move": move_value()}, older=True)
    yield message("move of version 4, oldest reader", BASE, move().block(first).block(second), {"Move": move_value()}, older=True)
    chat = Writer().varint(8).text("hello, \u4e16\u754c").varint(3).varint(1).varint(300).varint(2**32 - 1)
    yield message("chat", SCHEMA, chat, {"Chat": {"text": "hello, \u4e16\u754c", "to": [1, 300, 2**32 - 1]}})
    bag = Writer().varint(200).varint(2)
    bag.varint(1).uint(500, 2).uint(1, 1).bool(False).varint(2).uint(3, 1).bool(False)
    bag.varint(123_456_789_012).varint(2).uint(0, 1).text("hand").uint(9, 1).text("back")
    value = {"items": [{"item": {"Sword": {"damage": 500}}, "count": 1}, {"item": {"Potion": {}}, "count": 3}],
             "gold": 123_456_789_012, "slots": [[0, "hand"], [9, "back"]]}
    yield message("bag", SCHEMA, bag, {"Bag": value})

    def bad_message(name, data, kind):
        return {"name": name, "schema": SCHEMA, "bytes": data.hex(), "error": True, "kind": kind}

    yield bad_message("unknown message", varint(9), 13)
    yield bad_message("message 0", b"\x00", 13)
    yield bad_message("id cut", b"\x80", 1)
    yield bad_message("bytes behind a message", bytes(fire().out) + b"\x01", 11)
    yield bad_message("unused bits of a message", bytes([7, 0x06]) + bytes(fire().out[2:]), 12)
    yield bad_message("message cut", bytes(fire().out[:-1]), 1)
    yield bad_message("group behind a message cut", bytes(move().block(first).out[:-1]), 11)


def serial_vectors():
    yield from numbers()
    yield from floats()
    yield from compounds()
    yield from messages()
