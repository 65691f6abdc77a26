"""Decodes typed messages by their schema, written from docs/SERIALIZATION.md alone. Shares no code with serial_encoder.py.

A form is a tuple whose first element says which; `parse_form` makes it of the text of §7. Values are as README.md says.
"""

import hashlib
import math
import struct

INTEGERS = {f"{sign}{bits}": (sign, bits) for sign in "ui" for bits in (8, 16, 32, 64)}
FLOATS = {"f32": 4, "f64": 8}
QUATERNION_HIGH = struct.unpack(">d", bytes.fromhex("3fe6a09e667f3bcd"))[0]
KINDS = {"end": 1, "varint": 2, "range": 3, "utf-8": 4, "count": 5, "too long": 6, "order": 7, "variant": 8, "depth": 9,
         "memory": 10, "left over": 11, "padding": 12, "unknown message": 13}


class Malformed(Exception):
    def __init__(self, what):
        super().__init__(what)
        self.kind = KINDS[what]


# ---------------------------------------------------------------- schemas (§7)

class Text:
    """A schema on its way into forms."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def peek(self, part):
        return self.text.startswith(part, self.at)

    def take(self, part):
        found = self.peek(part)
        if found:
            self.at += len(part)
        return found

    def expect(self, part):
        if not self.take(part):
            raise ValueError(f"expected {part!r} at {self.at} of {self.text!r}")

    def word(self):
        begin = self.at
        while self.at < len(self.text) and (self.text[self.at].isalnum() or self.text[self.at] == "_"):
            self.at += 1
        return self.text[begin:self.at]

    def number(self):
        begin = self.at
        self.take("-")
        self.word()
        return int(self.text[begin:self.at])

    def double(self):
        return struct.unpack(">d", bytes.fromhex(self.word()))[0]


def parse_form(text):
    source = Text(text)
    form = read_form(source)
    source.expect("")
    if source.at != len(text):
        raise ValueError(f"{text[source.at:]!r} is left of {text!r}")
    return form


def read_form(source):
    if source.take("["):
        element = read_form(source)
        source.expect(";")
        count = source.number()
        source.expect("]")
        return ("array", element, count)
    if source.peek("{"):
        fields = read_fields(source)
        return ("struct", fields, source.take("+"))
    if source.take("^"):
        return ("again", source.number())
    word = source.word()
    if word in INTEGERS or word in FLOATS or word in ("bool", "char", "str"):
        return (word,)
    source.expect("(")
    if word == "varint":
        form = (word, source.word())
    elif word == "int":
        low = source.number()
        source.expect("..")
        form = (word, low, source.number())
    elif word == "q":
        low = source.double()
        source.expect("..")
        high = source.double()
        source.expect("/")
        form = (word, low, high, source.number())
    elif word == "step":
        form = (word, source.double())
    elif word == "quat":
        form = (word, source.number())
    elif word in ("opt", "list", "set"):
        form = (word, read_form(source))
    elif word == "map":
        key = read_form(source)
        source.expect(",")
        form = (word, key, read_form(source))
    elif word == "enum":
        bits = None if source.take("varint") else source.number()
        source.expect(";")
        form = (word, bits, read_variants(source))
    else:
        raise ValueError(f"no form is called {word!r}")
    source.expect(")")
    return form


def read_fields(source):
    """[(since or None, name, form), …]"""
    source.expect("{")
    fields, since = [], None
    while not source.take("}"):
        if source.take("|"):
            since = source.number()
            source.expect(":")
        elif fields:
            source.expect(",")
        name = source.word()
        source.expect(":")
        fields.append((since, name, read_form(source)))
    return fields


def read_variants(source):
    """{tag: (since or None, name, fields)}"""
    variants = {}
    while True:
        tag = source.number()
        since = source.number() if source.take("@") else None
        source.expect(":")
        name = source.word()
        variants[tag] = (since, name, read_fields(source) if source.peek("{") else [])
        if not source.take(","):
            return variants


def parse_schema(text):
    """{id: (name, form)}"""
    messages = {}
    for line in text.splitlines():
        number, name, form = line.split(" ")
        messages[int(number)] = (name, parse_form(form))
    if list(messages) != sorted(messages):
        raise ValueError("ids do not ascend")
    return messages


def schema_hash(base):
    digest = hashlib.sha256(b"TME schema 1\n" + base.encode()).digest()
    return int.from_bytes(digest[:8], "little") or 1


# ---------------------------------------------------------------- bytes and bits (§2)

def bits_for(highest):
    return highest.bit_length()


class Cursor:
    def __init__(self, data):
        self.data, self.at, self.end = data, 0, len(data)
        self.open, self.left = 0, 0

    def raw(self, count):
        if self.at + count > self.end:
            raise Malformed("end")
        self.at += count
        return self.data[self.at - count:self.at]

    def bits(self, count):
        value = 0
        for place in range(count):
            if self.left == 0:
                self.open, self.left = self.raw(1)[0], 8
            value |= (self.open & 1) << place
            self.open >>= 1
            self.left -= 1
        return value

    def varint(self):
        value = 0
        for index in range(10):
            byte = self.raw(1)[0]
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                if index and byte == 0 or value >= 2**64:
                    raise Malformed("varint")
                return value
        raise Malformed("varint")

    def count(self, bits):
        count = self.varint()
        if bits and count * bits > 8 * (self.end - self.at) + self.left:
            raise Malformed("count")
        return count

    def begin_block(self):
        length = self.count(8)
        outer = (self.end, self.open, self.left)
        self.end, self.open, self.left = self.at + length, 0, 0
        return outer

    def end_block(self, outer):
        self.finish()
        self.end, self.open, self.left = outer

    def skip_block(self, outer):
        self.at = self.end
        self.end, self.open, self.left = outer

    def finish(self):
        if self.at != self.end:
            raise Malformed("left over")
        if self.open:
            raise Malformed("padding")


# ---------------------------------------------------------------- forms (§3 to §6)

def double_text(value):
    return struct.pack(">d", value).hex()


def bits_min(form):
    """Bits that every value takes at least."""
    kind = form[0]
    if kind in INTEGERS:
        return INTEGERS[kind][1]
    if kind in FLOATS:
        return 8 * FLOATS[kind]
    if kind in ("varint", "step", "char", "str", "list", "set", "map"):
        return 8
    if kind in ("bool", "opt"):
        return 1
    if kind == "int":
        return bits_for(form[2] - form[1])
    if kind == "q":
        return bits_for(form[3])
    if kind == "quat":
        return 2 + 3 * form[1]
    if kind == "array":
        return bits_min(form[1]) * form[2]
    if kind == "struct":
        return sum(bits_min(field) for since, _, field in form[1] if since is None) + form[2]
    if kind == "enum":
        return 8 if form[1] is None else form[1]
    return 0


def signed(value):
    return value >> 1 if value & 1 == 0 else -(value >> 1) - 1


def in_kind(value, kind):
    sign, bits = INTEGERS[kind]
    low, high = (0, 2**bits - 1) if sign == "u" else (-2**(bits - 1), 2**(bits - 1) - 1)
    return low <= value <= high


def read_quantised(cursor, low, high, steps):
    step = cursor.bits(bits_for(steps))
    if step > steps:
        raise Malformed("range")
    if step == 0:
        return low
    if step == steps:
        return high
    return (low * (steps - step) + high * step) / steps


def read_quaternion(cursor, bits):
    largest = cursor.bits(2)
    parts = [read_quantised(cursor, -QUATERNION_HIGH, QUATERNION_HIGH, 2**bits - 2) for _ in range(3)]
    a, b, c = parts
    parts.insert(largest, math.sqrt(max(0.0, 1.0 - a * a - b * b - c * c)))
    return parts


def order_key(form, value):
    """What keys of a map or a set are compared by."""
    if form[0] == "str":
        return value.encode()
    if form[0] == "struct":
        return [order_key(field, value[name]) for _, name, field in form[1]]
    if form[0] in ("array", "list"):
        return [order_key(form[1], element) for element in value]
    return value


def read_value(cursor, form, around=()):
    kind = form[0]
    if kind == "again":
        place = len(around) - 1 - form[1]
        target = around[place]
        if place == 0 and target[0] == "body":
            target = ("struct", target[1], True)
        return read_value(cursor, target, around[:place])
    if kind in INTEGERS:
        sign, bits = INTEGERS[kind]
        return int.from_bytes(cursor.raw(bits // 8), "little", signed=sign == "i")
    if kind in FLOATS:
        return cursor.raw(FLOATS[kind])[::-1].hex()
    if kind == "varint":
        value = cursor.varint()
        value = signed(value) if form[1].startswith("i") else value
        if not in_kind(value, form[1]):
            raise Malformed("varint")
        return value
    if kind == "step":
        steps = signed(cursor.varint())
        if abs(steps) > 2**53:
            raise Malformed("range")
        return double_text(steps * form[1])
    if kind == "char":
        value = cursor.varint()
        if value > 0x10FFFF or 0xD800 <= value < 0xE000:
            raise Malformed("range")
        return chr(value)
    if kind == "str":
        try:
            return cursor.raw(cursor.count(8)).decode()
        except UnicodeDecodeError:
            raise Malformed("utf-8") from None
    if kind == "bool":
        return cursor.bits(1) == 1
    if kind == "int":
        offset = cursor.bits(bits_for(form[2] - form[1]))
        if offset > form[2] - form[1]:
            raise Malformed("range")
        return form[1] + offset
    if kind == "q":
        return double_text(read_quantised(cursor, *form[1:]))
    if kind == "quat":
        return [double_text(part) for part in read_quaternion(cursor, form[1])]
    if kind == "opt":
        return [read_value(cursor, form[1], around)] if cursor.bits(1) else None
    if kind == "array":
        return [read_value(cursor, form[1], around) for _ in range(form[2])]
    if kind == "list":
        return [read_value(cursor, form[1], around) for _ in range(cursor.count(bits_min(form[1])))]
    if kind == "set":
        return read_ascending(cursor, form[1], None, around)
    if kind == "map":
        return read_ascending(cursor, form[1], form[2], around)
    if kind == "struct":
        return read_struct(cursor, form, around)
    return read_enum(cursor, form, around)


def read_ascending(cursor, key_form, value_form, around):
    bits = bits_min(key_form) + (bits_min(value_form) if value_form else 0)
    entries, last = [], None
    for _ in range(cursor.count(bits)):
        key = read_value(cursor, key_form, around)
        compared = order_key(key_form, key)
        if last is not None and last >= compared:
            raise Malformed("order")
        last = compared
        entries.append([key, read_value(cursor, value_form, around)] if value_form else key)
    return entries


def read_struct(cursor, form, around):
    around = (*around, form)
    value = {name: read_value(cursor, field, around) for since, name, field in form[1] if since is None}
    if form[2] and cursor.bits(1):
        outer = cursor.begin_block()
        if cursor.at == cursor.end:
            raise Malformed("count")
        read_additions(cursor, form[1], value, around)
        cursor.end, cursor.open, cursor.left = outer
    return value


def read_additions(cursor, fields, value, around):
    groups = {}
    for since, name, field in fields:
        if since is not None:
            groups.setdefault(since, []).append((name, field))
    groups = [groups[since] for since in sorted(groups)]
    while cursor.at < cursor.end:
        try:
            outer = cursor.begin_block()
        except Malformed:
            raise Malformed("left over") from None
        if not groups:
            cursor.skip_block(outer)
            continue
        for name, field in groups.pop(0):
            value[name] = read_value(cursor, field, around)
        cursor.end_block(outer)


def read_enum(cursor, form, around):
    around = (*around, form)
    tag = cursor.varint() if form[1] is None else cursor.bits(form[1])
    if tag not in form[2]:
        others = [name for _, name, _ in form[2].values() if name == "Other"]
        if not others:
            raise Malformed("variant")
        cursor.skip_block(cursor.begin_block())
        return {others[0]: {}}
    since, name, fields = form[2][tag]
    outer = None if since is None else cursor.begin_block()
    value = {name: {field: read_value(cursor, inner, around) for _, field, inner in fields}}
    if outer is not None:
        cursor.end_block(outer)
    return value


def read_message(data, schema):
    cursor = Cursor(data)
    number = cursor.varint()
    if number not in schema:
        raise Malformed("unknown message")
    name, form = schema[number]
    if form[0] == "struct":
        body, fields = ("body", form[1]), form[1]
        value = {field: read_value(cursor, inner, (body,)) for since, field, inner in fields if since is None}
    else:
        fields, value = [], read_value(cursor, form)
    if cursor.open:
        raise Malformed("padding")
    cursor.left = 0
    read_additions(cursor, fields, value, (("body", fields),))
    return {name: value}


# ---------------------------------------------------------------- vectors

def equal(found, wanted, what):
    assert found == wanted, f"{what} is {found!r}, expected {wanted!r}"


def check(entry):
    """Raises Malformed, or gives a function that compares."""
    if "base" in entry and "bytes" not in entry:
        schema = parse_schema(entry["schema"])
        return lambda: (equal(schema_hash(entry["base"]), entry["hash"], "the hash"), parse_schema(entry["base"]),
                        equal(sorted(schema), list(schema), "ids"))
    data = bytes.fromhex(entry["bytes"])
    if "schema" in entry:
        value = read_message(data, parse_schema(entry["schema"]))
    else:
        cursor = Cursor(data)
        value = read_value(cursor, parse_form(entry["form"]))
        cursor.finish()
    return lambda: equal(value, entry["value"], "the value")
