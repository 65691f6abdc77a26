/* Typed messages: the bytes of the golden vectors, errors that stick, and buffers that are never left. */
#include <stdlib.h>

#include "world.h"

static char *vectors;

static int digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* The bytes of a vector, found by its name: the file has one entry a line. */
static size_t vector_bytes(const char *name, uint8_t *bytes, size_t capacity)
{
    char head[128];
    CHECK(strlen(name) < sizeof head - 16);
    strcpy(head, "{\"name\": \"");
    strcat(head, name);
    strcat(head, "\",");
    const char *entry = strstr(vectors, head);
    CHECK(entry != NULL);
    const char *field = strstr(entry, "\"bytes\": \"");
    CHECK(field != NULL && field < strchr(entry, '\n'));
    size_t length = 0;
    for (const char *at = field + 10; *at != '"'; at += 2) {
        CHECK(length < capacity);
        bytes[length++] = (uint8_t)(digit(at[0]) << 4 | digit(at[1]));
    }
    return length;
}

/* ---- Each form, written and read. What was read is checked, and what was written is the vector. */

typedef void Write(TmeWriter *to);
typedef void Read(TmeReader *from);

#define FIXED(name, type, value, written, taken)      \
    static void write_##name(TmeWriter *to) { written; } \
    static void read_##name(TmeReader *from)          \
    {                                                 \
        type found = 0;                               \
        taken;                                        \
        CHECK(found == value);                        \
    }

FIXED(u8, uint8_t, 0x77, tme_writer_u8(to, 0x77), tme_reader_u8(from, &found))
FIXED(u16, uint16_t, 0x7766, tme_writer_u16(to, 0x7766), tme_reader_u16(from, &found))
FIXED(u32, uint32_t, UINT32_MAX, tme_writer_u32(to, UINT32_MAX), tme_reader_u32(from, &found))
FIXED(u64, uint64_t, UINT64_MAX, tme_writer_u64(to, UINT64_MAX), tme_reader_u64(from, &found))
FIXED(i8, int8_t, INT8_MIN, tme_writer_i8(to, INT8_MIN), tme_reader_i8(from, &found))
FIXED(i16, int16_t, INT16_MIN, tme_writer_i16(to, INT16_MIN), tme_reader_i16(from, &found))
FIXED(i32, int32_t, INT32_MIN, tme_writer_i32(to, INT32_MIN), tme_reader_i32(from, &found))
FIXED(i64, int64_t, INT64_MIN, tme_writer_i64(to, INT64_MIN), tme_reader_i64(from, &found))
FIXED(f32, float, 1.5f, tme_writer_f32(to, 1.5f), tme_reader_f32(from, &found))
FIXED(f64, double, -1e30, tme_writer_f64(to, -1e30), tme_reader_f64(from, &found))

static void write_varint(TmeWriter *to) { tme_writer_varint(to, UINT64_MAX); }
static void read_varint(TmeReader *from)
{
    uint64_t found;
    tme_reader_varint(from, UINT64_MAX, &found);
    CHECK_UINT(found, UINT64_MAX);
}

static void write_signed_varint(TmeWriter *to) { tme_writer_signed_varint(to, -65); }
static void read_signed_varint(TmeReader *from)
{
    int64_t found;
    tme_reader_signed_varint(from, INT64_MIN, INT64_MAX, &found);
    CHECK_INT(found, -65);
}

static void write_mixed(TmeWriter *to)
{
    tme_writer_bool(to, 1);
    tme_writer_u16(to, 0x1234);
    tme_writer_range(to, 5, 0, 7);
    tme_writer_bits(to, 0x33, 6);
}
static void read_mixed(TmeReader *from)
{
    uint32_t a;
    uint16_t b;
    int64_t c;
    uint64_t d;
    tme_reader_bool(from, &a);
    tme_reader_u16(from, &b);
    tme_reader_range(from, 0, 7, &c);
    tme_reader_bits(from, 6, &d);
    CHECK(a == 1 && b == 0x1234 && c == 5 && d == 0x33);
}

static void write_range(TmeWriter *to) { tme_writer_range(to, -16, -16, 15); }
static void read_range(TmeReader *from)
{
    int64_t found;
    tme_reader_range(from, -16, 15, &found);
    CHECK_INT(found, -16);
}

static void write_quantized(TmeWriter *to) { tme_writer_quantized(to, 30.0, 0.0, 100.0, 0.25); }
static void read_quantized(TmeReader *from)
{
    double found;
    tme_reader_quantized(from, 0.0, 100.0, 0.25, &found);
    CHECK(found == 30.0);
}

static void write_quantized_bits(TmeWriter *to) { tme_writer_quantized_bits(to, 0.0, -180.0, 180.0, 12); }
static void read_quantized_bits(TmeReader *from)
{
    double found;
    tme_reader_quantized_bits(from, -180.0, 180.0, 12, &found);
    CHECK(found == 0.0);
}

static void write_step(TmeWriter *to) { tme_writer_step(to, -99999.0, 0.25); }
static void read_step(TmeReader *from)
{
    double found;
    tme_reader_step(from, 0.25, &found);
    CHECK(found == -99999.0);
}

static void write_quaternion(TmeWriter *to)
{
    static const double rotation[4] = {0.0, -5.0, 0.0, 0.0};
    tme_writer_quaternion(to, rotation, 10);
}
static void read_quaternion(TmeReader *from)
{
    double found[4];
    tme_reader_quaternion(from, 10, found);
    CHECK(found[0] == 0.0 && found[1] == 1.0 && found[2] == 0.0 && found[3] == 0.0);
}

static void write_text(TmeWriter *to) { tme_writer_text(to, "hello", 5); }
static void read_text(TmeReader *from)
{
    const char *text;
    size_t length;
    tme_reader_text(from, 5, &text, &length);
    CHECK_BYTES(text, length, "hello");
}

static void write_bytes(TmeWriter *to) { tme_writer_bytes(to, "\1\2\3", 3); }
static void read_bytes(TmeReader *from)
{
    const uint8_t *bytes;
    size_t length;
    tme_reader_bytes(from, 10, &bytes, &length);
    CHECK_BYTES(bytes, length, "\1\2\3");
}

static void write_array(TmeWriter *to) { tme_writer_raw(to, "\1\0\2\0\3\0", 6); }
static void read_array(TmeReader *from)
{
    const uint8_t *bytes;
    tme_reader_raw(from, 6, &bytes);
    CHECK_BYTES(bytes, 6, "\1\0\2\0\3\0");
}

static void write_list(TmeWriter *to)
{
    tme_writer_count(to, 3);
    tme_writer_bool(to, 1);
    tme_writer_u8(to, 5);
    tme_writer_bool(to, 0);
    tme_writer_bool(to, 1);
    tme_writer_u8(to, 6);
}
static void read_list(TmeReader *from)
{
    static const int expected[3] = {5, -1, 6};
    size_t count;
    tme_reader_count(from, 1, 100, &count);
    CHECK_UINT(count, 3);
    for (size_t i = 0; i < count; i++) {
        uint32_t is_there;
        uint8_t value = 0;
        tme_reader_bool(from, &is_there);
        if (is_there)
            tme_reader_u8(from, &value);
        CHECK_INT(is_there ? value : -1, expected[i]);
    }
}

/* A message of version 4, and its readers of versions 1, 2 and 4. */

static void write_move_base(TmeWriter *to)
{
    static const double position[3] = {1.25, -2.5, 999.99};
    static const double rotation[4] = {0.0, 0.0, 0.0, 1.0};
    tme_writer_message(to, 1);
    for (int i = 0; i < 3; i++)
        tme_writer_quantized(to, position[i], -1000.0, 1000.0, 0.01);
    tme_writer_quaternion(to, rotation, 10);
    tme_writer_bool(to, 1);
}

static void write_move(TmeWriter *to)
{
    TmeBlock block;
    write_move_base(to);
    tme_writer_block_begin(to, &block);
    tme_writer_range(to, 77, 0, 100);
    tme_writer_bool(to, 1);
    tme_writer_block_end(to, &block);
    tme_writer_block_begin(to, &block);
    tme_writer_bool(to, 1);
    tme_writer_u32(to, 0xDEADBEEF);
    tme_writer_block_end(to, &block);
}

/* Groups that were there. */
static int read_move(TmeReader *from, int known)
{
    uint32_t id;
    uint32_t is_there;
    double position[3];
    double rotation[4];
    uint32_t is_running;
    TmeBlock block;
    int found = 0;
    tme_reader_message(from, &id);
    for (int i = 0; i < 3; i++)
        tme_reader_quantized(from, -1000.0, 1000.0, 0.01, &position[i]);
    tme_reader_quaternion(from, 10, rotation);
    tme_reader_bool(from, &is_running);
    CHECK(id == 1 && position[1] == -2.5 && rotation[3] == 1.0 && is_running == 1);
    if (known >= 2) {
        int64_t stamina = 50;
        uint32_t is_sneaking = 0;
        tme_reader_group_begin(from, &block, &is_there);
        if (is_there) {
            tme_reader_range(from, 0, 100, &stamina);
            tme_reader_bool(from, &is_sneaking);
            tme_reader_block_end(from, &block);
            found++;
        }
        CHECK(is_there ? stamina == 77 && is_sneaking : stamina == 50);
    }
    if (known >= 4) {
        uint32_t has_mount;
        uint32_t mount = 0;
        tme_reader_group_begin(from, &block, &is_there);
        if (is_there) {
            tme_reader_bool(from, &has_mount);
            if (has_mount)
                tme_reader_u32(from, &mount);
            tme_reader_block_end(from, &block);
            CHECK_UINT(mount, 0xDEADBEEF);
            found++;
        }
    }
    return found;
}

static void read_all_of_move(TmeReader *from) { CHECK_INT(read_move(from, 4), 2); }
static void read_some_of_move(TmeReader *from) { CHECK_INT(read_move(from, 2), 1); }
static void read_base_of_move(TmeReader *from) { CHECK_INT(read_move(from, 1), 0); }
static void read_older_move(TmeReader *from) { CHECK_INT(read_move(from, 4), 0); }

static void write_grown(TmeWriter *to)
{
    TmeBlock additions;
    TmeBlock group;
    tme_writer_u8(to, 3);
    tme_writer_bool(to, 1);
    tme_writer_block_begin(to, &additions);
    tme_writer_block_begin(to, &group);
    tme_writer_text(to, "x", 1);
    tme_writer_bool(to, 1);
    tme_writer_block_end(to, &group);
    tme_writer_block_end(to, &additions);
}
static void read_grown(TmeReader *from)
{
    uint8_t a;
    uint32_t is_there;
    uint32_t c = 0;
    const char *text;
    size_t length;
    TmeBlock additions;
    TmeBlock group;
    tme_reader_u8(from, &a);
    tme_reader_additions_begin(from, &additions);
    tme_reader_group_begin(from, &group, &is_there);
    if (is_there) {
        tme_reader_text(from, 9, &text, &length);
        CHECK_BYTES(text, length, "x");
        tme_reader_bool(from, &c);
        tme_reader_block_end(from, &group);
    }
    tme_reader_additions_end(from, &additions);
    CHECK(a == 3 && c == is_there);
}
static void read_grown_older(TmeReader *from)
{
    uint8_t a;
    TmeBlock additions;
    tme_reader_u8(from, &a);
    tme_reader_additions_begin(from, &additions);
    tme_reader_additions_end(from, &additions);
    CHECK_UINT(a, 3);
}
static void write_not_grown(TmeWriter *to)
{
    tme_writer_u8(to, 3);
    tme_writer_bool(to, 0);
}

static void write_gem(TmeWriter *to)
{
    TmeBlock block;
    tme_writer_varint(to, 2);
    tme_writer_block_begin(to, &block);
    tme_writer_u16(to, 300);
    tme_writer_block_end(to, &block);
}
static void read_gem(TmeReader *from)
{
    uint64_t tag;
    uint16_t carat;
    TmeBlock block;
    tme_reader_varint(from, UINT32_MAX, &tag);
    tme_reader_block_begin(from, &block);
    tme_reader_u16(from, &carat);
    tme_reader_block_end(from, &block);
    CHECK(tag == 2 && carat == 300);
}
static void skip_gem(TmeReader *from)
{
    uint64_t tag;
    tme_reader_varint(from, UINT32_MAX, &tag);
    CHECK_UINT(tag, 2);
    tme_reader_block_skip(from);
}

/* NULL where the vector is of another version than the writer. */
static const struct {
    const char *name;
    Write *write;
    Read *read;
} good[] = {
    {"u8 119", write_u8, read_u8},
    {"u16 30566", write_u16, read_u16},
    {"u32 4294967295", write_u32, read_u32},
    {"u64 18446744073709551615", write_u64, read_u64},
    {"i8 -128", write_i8, read_i8},
    {"i16 -32768", write_i16, read_i16},
    {"i32 -2147483648", write_i32, read_i32},
    {"i64 -9223372036854775808", write_i64, read_i64},
    {"f32 1.5", write_f32, read_f32},
    {"f64 -1e+30", write_f64, read_f64},
    {"varint(u64) 18446744073709551615", write_varint, read_varint},
    {"varint(i64) -65", write_signed_varint, read_signed_varint},
    {"bits among bytes", write_mixed, read_mixed},
    {"-16 of -16..15", write_range, read_range},
    {"30.0 in 0.0..100.0 by {'precision': 0.25}", write_quantized, read_quantized},
    {"0.0 in -180.0..180.0 by {'bits': 12}", write_quantized_bits, read_quantized_bits},
    {"-99999.0 in steps of 0.25", write_step, read_step},
    {"rotation (0.0, -5.0, 0.0, 0.0) in 10 bits", write_quaternion, read_quaternion},
    {"text of 5", write_text, read_text},
    {"list of bytes", write_bytes, read_bytes},
    {"array", write_array, read_array},
    {"list of options", write_list, read_list},
    {"extensible struct, grown", write_grown, read_grown},
    {"extensible struct, older", write_grown, read_grown_older},
    {"extensible struct, newer", write_not_grown, read_grown},
    {"variant added", write_gem, read_gem},
    {"variant added, older", NULL, skip_gem},
    {"move of version 4", write_move, read_all_of_move},
    {"move of version 2, newer reader", NULL, read_some_of_move},
    {"move of version 1, newer reader", write_move_base, read_older_move},
    {"move of version 4, oldest reader", NULL, read_base_of_move},
};

static void forms_have_the_bytes_of_the_vectors(void)
{
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        uint8_t expected[512];
        uint8_t buffer[600];
        size_t length = vector_bytes(good[i].name, expected, sizeof expected);
        TmeReader reader;
        CHECK_OK(tme_reader_init(&reader, expected, length));
        good[i].read(&reader);
        CHECK_OK(tme_reader_finish(&reader));
        CHECK_UINT(reader.position, length);
        if (good[i].write == NULL)
            continue;
        /* Every room there could be: too little is an error, and what is beyond stays as it was. */
        for (size_t room = 0; room <= length + 1; room++) {
            TmeWriter writer;
            size_t written;
            memset(buffer, 0xA5, sizeof buffer);
            CHECK_OK(tme_writer_init(&writer, buffer, room));
            good[i].write(&writer);
            CHECK_RESULT(tme_writer_finish(&writer, &written), room < length ? TME_ERROR_BUFFER_TOO_SMALL : TME_OK);
            CHECK_UINT(written, room < length ? 0 : length);
            for (size_t at = room; at < sizeof buffer; at++)
                CHECK(buffer[at] == 0xA5);
            if (room >= length)
                CHECK(memcmp(buffer, expected, length) == 0);
        }
    }
}

/* ---- Malformed vectors, each with its own error. */

static void read_u16_value(TmeReader *from)
{
    uint16_t value;
    tme_reader_u16(from, &value);
    CHECK_UINT(value, 0);
}
static void read_varint_u32(TmeReader *from)
{
    uint64_t value;
    tme_reader_varint(from, UINT32_MAX, &value);
    CHECK_UINT(value, 0);
}
static void read_varint_u16(TmeReader *from)
{
    uint64_t value;
    tme_reader_varint(from, UINT16_MAX, &value);
    CHECK_UINT(value, 0);
}
static void read_varint_i16(TmeReader *from)
{
    int64_t value;
    tme_reader_signed_varint(from, INT16_MIN, INT16_MAX, &value);
    CHECK_INT(value, 0);
}
static void read_to_four(TmeReader *from)
{
    int64_t value;
    tme_reader_range(from, 0, 4, &value);
    CHECK_INT(value, 0);
}
static void read_a_bool(TmeReader *from)
{
    uint32_t value;
    tme_reader_bool(from, &value);
    CHECK_UINT(value, 0);
}
static void read_a_text(TmeReader *from)
{
    const char *text;
    size_t length;
    tme_reader_text(from, SIZE_MAX, &text, &length);
    CHECK(text == NULL && length == 0);
}
static void read_shorts(TmeReader *from)
{
    size_t count;
    tme_reader_count(from, 16, 100, &count);
    CHECK_UINT(count, 0);
}
static void read_few_shorts(TmeReader *from)
{
    size_t count;
    tme_reader_count(from, 8, 2, &count);
    CHECK_UINT(count, 0);
}
static void read_ascending(TmeReader *from)
{
    size_t count;
    uint16_t last = 0;
    tme_reader_count(from, 16, 100, &count);
    for (size_t i = 0; i < count; i++) {
        uint16_t key;
        tme_reader_u16(from, &key);
        if (i > 0 && key <= last)
            tme_reader_fail(from, TME_ERROR_SERIAL_ORDER);
        last = key;
    }
}
static void read_variant(TmeReader *from)
{
    uint64_t tag;
    tme_reader_varint(from, UINT32_MAX, &tag);
    if (tag != 0 && tag != 1 && tag != 5)
        tme_reader_fail(from, TME_ERROR_SERIAL_VARIANT);
}
static void read_byte_behind(TmeReader *from)
{
    uint32_t value;
    tme_reader_bool(from, &value);
}
static void read_an_id(TmeReader *from)
{
    uint32_t id;
    tme_reader_message(from, &id);
    CHECK_UINT(id, 0);
}
static void read_fire(TmeReader *from)
{
    uint32_t id;
    int64_t weapon;
    double direction;
    tme_reader_message(from, &id);
    tme_reader_range(from, 0, 3, &weapon);
    for (int i = 0; i < 3; i++)
        tme_reader_step(from, 0.001, &direction);
}

static const struct {
    const char *name;
    Read *read;
    TmeResult error;
} bad[] = {
    {"u16 cut", read_u16_value, TME_ERROR_SERIAL_END},
    {"varint overlong", read_varint_u32, TME_ERROR_SERIAL_VARINT},
    {"varint beyond u16", read_varint_u16, TME_ERROR_SERIAL_VARINT},
    {"varint beyond i16", read_varint_i16, TME_ERROR_SERIAL_VARINT},
    {"int above its range", read_to_four, TME_ERROR_SERIAL_RANGE},
    {"text that is no UTF-8", read_a_text, TME_ERROR_SERIAL_UTF8},
    {"text whose length lies", read_a_text, TME_ERROR_SERIAL_COUNT},
    {"list whose count lies", read_shorts, TME_ERROR_SERIAL_COUNT},
    {"list of bytes", read_few_shorts, TME_ERROR_SERIAL_TOO_LONG},
    {"set in disorder", read_ascending, TME_ERROR_SERIAL_ORDER},
    {"variant that nobody knows", read_variant, TME_ERROR_SERIAL_VARIANT},
    {"variant added, older, beyond the end", skip_gem, TME_ERROR_SERIAL_COUNT},
    {"additions that are none", read_grown_older, TME_ERROR_SERIAL_COUNT},
    {"additions that are no blocks", read_grown_older, TME_ERROR_SERIAL_LEFT_OVER},
    {"a byte behind a bool", read_byte_behind, TME_ERROR_SERIAL_LEFT_OVER},
    {"bool with unused bits", read_a_bool, TME_ERROR_SERIAL_PADDING},
    {"nothing at all", read_a_bool, TME_ERROR_SERIAL_END},
    {"message 0", read_an_id, TME_ERROR_SERIAL_UNKNOWN_MESSAGE},
    {"bytes behind a message", read_fire, TME_ERROR_SERIAL_LEFT_OVER},
    {"unused bits of a message", read_fire, TME_ERROR_SERIAL_PADDING},
    {"message cut", read_fire, TME_ERROR_SERIAL_END},
};

static void malformed_vectors_have_an_error_each(void)
{
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        uint8_t bytes[512];
        TmeReader reader;
        uint64_t value = 7;
        CHECK_OK(tme_reader_init(&reader, bytes, vector_bytes(bad[i].name, bytes, sizeof bytes)));
        bad[i].read(&reader);
        CHECK_RESULT(tme_reader_finish(&reader), bad[i].error);
        /* It stays, and nothing more is read. */
        CHECK_RESULT(tme_reader_u64(&reader, &value), bad[i].error);
        CHECK_UINT(value, 0);
        CHECK_RESULT(tme_reader_fail(&reader, TME_ERROR_SERIAL_VARIANT), bad[i].error);
        CHECK(*tme_result_string(bad[i].error) != 0);
    }
    /* These are told by readers in Rust, and by a program of its own. */
    CHECK_CONTAINS(tme_result_string(TME_ERROR_SERIAL_DEPTH), "deep");
    CHECK_CONTAINS(tme_result_string(TME_ERROR_SERIAL_MEMORY), "memory");
    CHECK_CONTAINS(tme_result_string(TME_ERROR_SERIAL_TOO_LARGE), "16 MiB");
}

static void what_cannot_be_written_says_why(void)
{
    uint8_t buffer[64];
    size_t length = 1;
    TmeWriter writer;
    static const double nothing[4] = {0};
#define REFUSED(call, error, part)                             \
    do {                                                       \
        CHECK_OK(tme_writer_init(&writer, buffer, sizeof buffer)); \
        CHECK_ERROR(call, error, part);                        \
        CHECK_RESULT(tme_writer_u8(&writer, 1), error);        \
        CHECK_ERROR(tme_writer_finish(&writer, &length), error, part); \
        CHECK_UINT(length, 0);                                 \
    } while (0)
    REFUSED(tme_writer_range(&writer, 4, 0, 3), TME_ERROR_SERIAL_RANGE, "4 is outside 0..=3");
    REFUSED(tme_writer_range(&writer, 4, 3, 0), TME_ERROR_ARGUMENT, "from 3 to 0");
    REFUSED(tme_writer_bits(&writer, 8, 3), TME_ERROR_SERIAL_RANGE, "8 takes more than 3 bits");
    REFUSED(tme_writer_bits(&writer, 8, 65), TME_ERROR_ARGUMENT, "65 bits");
    REFUSED(tme_writer_quantized(&writer, 1.0, 1.0, 0.0, 0.1), TME_ERROR_ARGUMENT, "cannot be divided");
    REFUSED(tme_writer_quantized(&writer, 1.0, 0.0, 1.0, 0.0), TME_ERROR_ARGUMENT, "cannot be divided");
    REFUSED(tme_writer_quantized_bits(&writer, 1.0, 0.0, 1.0, 33), TME_ERROR_ARGUMENT, "33 bits");
    REFUSED(tme_writer_quantized_bits(&writer, 1.0, -1.0, 1.0, 1), TME_ERROR_ARGUMENT, "1 bits");
    REFUSED(tme_writer_step(&writer, 1e300, 1e-10), TME_ERROR_SERIAL_NUMBER, "cannot be expressed");
    REFUSED(tme_writer_step(&writer, 1.0, -1.0), TME_ERROR_ARGUMENT, "precision of -1");
    REFUSED(tme_writer_quaternion(&writer, nothing, 10), TME_ERROR_SERIAL_NUMBER, "cannot be expressed");
    REFUSED(tme_writer_quaternion(&writer, nothing, 22), TME_ERROR_ARGUMENT, "22 bits");
    REFUSED(tme_writer_quaternion(&writer, NULL, 10), TME_ERROR_NULL, "no rotation");
    REFUSED(tme_writer_text(&writer, "a\xff", 2), TME_ERROR_SERIAL_UTF8, "after 1 bytes");
    REFUSED(tme_writer_text(&writer, NULL, 2), TME_ERROR_NULL, "");
    REFUSED(tme_writer_message(&writer, 0), TME_ERROR_ARGUMENT, "id 0");
    REFUSED(tme_writer_fail(&writer, TME_ERROR_SERIAL_TOO_LONG), TME_ERROR_SERIAL_TOO_LONG, "");
    REFUSED(tme_writer_fail(&writer, 5), TME_ERROR_ARGUMENT, "below 0");
    REFUSED(tme_writer_block_end(&writer, NULL), TME_ERROR_NULL, "");
    REFUSED(tme_writer_block_begin(&writer, NULL), TME_ERROR_NULL, "");
    TmeBlock foreign;
    memset(&foreign, 0xA5, sizeof foreign);
    REFUSED(tme_writer_block_end(&writer, &foreign), TME_ERROR_ARGUMENT, "not begun by this writer");
}

static void pointers_may_be_missing(void)
{
    TmeWriter writer;
    TmeReader reader;
    TmeBlock block;
    uint8_t byte = 0;
    memset(&block, 0xA5, sizeof block);
    CHECK_RESULT(tme_writer_init(NULL, &byte, 1), TME_ERROR_NULL);
    CHECK_RESULT(tme_writer_init(&writer, NULL, 1), TME_ERROR_NULL);
    CHECK_RESULT(tme_writer_u8(&writer, 1), TME_ERROR_NULL);
    CHECK_RESULT(tme_writer_u8(NULL, 1), TME_ERROR_NULL);
    CHECK_RESULT(tme_writer_finish(NULL, NULL), TME_ERROR_NULL);
    CHECK_OK(tme_writer_init(&writer, NULL, 0));
    CHECK_OK(tme_writer_finish(&writer, NULL));
    CHECK_RESULT(tme_reader_init(NULL, &byte, 1), TME_ERROR_NULL);
    CHECK_RESULT(tme_reader_init(&reader, NULL, 1), TME_ERROR_NULL);
    CHECK_RESULT(tme_reader_u8(&reader, &byte), TME_ERROR_NULL);
    CHECK_RESULT(tme_reader_u8(NULL, &byte), TME_ERROR_NULL);
    CHECK_RESULT(tme_reader_finish(NULL), TME_ERROR_NULL);
    CHECK_OK(tme_reader_init(&reader, NULL, 0));
    CHECK_OK(tme_reader_finish(&reader));
    CHECK_OK(tme_reader_init(&reader, "ab", 2));
    CHECK_ERROR(tme_reader_block_end(&reader, &block), TME_ERROR_ARGUMENT, "not begun by this reader");
    CHECK_OK(tme_reader_init(&reader, "ab", 2));
    CHECK_RESULT(tme_reader_u8(&reader, NULL), TME_ERROR_NULL);
    CHECK_OK(tme_reader_init(&reader, "ab", 2));
    CHECK_RESULT(tme_reader_fail(&reader, 0), TME_ERROR_ARGUMENT);
    /* Fields that are nonsense lead nowhere. */
    CHECK_OK(tme_reader_init(&reader, "ab", 2));
    reader.position = 77;
    reader.end = SIZE_MAX;
    reader.open_bits = UINT32_MAX;
    reader.open_count = UINT32_MAX;
    while (tme_reader_u8(&reader, &byte) == TME_OK)
        CHECK(reader.position <= 2);
    uint8_t buffer[8];
    memset(buffer, 0xA5, sizeof buffer);
    CHECK_OK(tme_writer_init(&writer, buffer, 4));
    writer.length = 77;
    writer.open_index = 6;
    writer.open_free = UINT32_MAX;
    tme_writer_bits(&writer, 1, 1);
    tme_writer_u32(&writer, 0);
    CHECK(memcmp(buffer + 4, "\xa5\xa5\xa5\xa5", 4) == 0);
}

/* ---- The schema, compared when they connect. */

static void schemas_are_compared_when_clients_connect(void)
{
    static const char ours[] = "7 Fire {weapon:int(0..3)}\n";
    static const char theirs[] = "7 Fire {weapon:int(0..4)}\n";
    uint64_t hash;
    uint64_t other;
    CHECK_OK(tme_schema_hash(ours, sizeof ours - 1, &hash));
    CHECK_OK(tme_schema_hash(theirs, sizeof theirs - 1, &other));
    CHECK(hash != other && hash != 0);
    CHECK_OK(tme_schema_hash(NULL, 0, &other));
    CHECK(other != 0);
    CHECK_RESULT(tme_schema_hash(ours, sizeof ours - 1, NULL), TME_ERROR_NULL);
    CHECK_RESULT(tme_schema_hash("\xff", 1, &other), TME_ERROR_UTF8);
    CHECK_UINT(other, 0);

    static World world;
    TmeServerConfig server = server_config();
    server.schema_hash = hash;
    open_server(&world, &server);
    TmeClientConfig client = client_config(&world);
    client.schema_hash = hash;
    connect_client(&world, &client);
    client.schema_hash = 0;
    connect_client(&world, &client);
    client.schema_hash = hash + 1;
    unsigned refused = add_client(&world, &client);
    TmeEvent event = expect_client_event(&world, refused, TME_EVENT_DISCONNECTED);
    CHECK_UINT(event.reason, TME_REASON_SCHEMA);

    /* What the page shows: a message on its way. */
    uint8_t buffer[64];
    size_t length;
    TmeWriter writer;
    CHECK_OK(tme_writer_init(&writer, buffer, sizeof buffer));
    tme_writer_message(&writer, 7);
    tme_writer_range(&writer, 2, 0, 3);
    CHECK_OK(tme_writer_finish(&writer, &length));
    CHECK_UINT(length, 2);
    CHECK_OK(tme_client_send(world.clients[0], 0, buffer, length, 0));
    event = expect_server_event(&world, TME_EVENT_MESSAGE);
    TmeReader reader;
    uint32_t id;
    int64_t weapon;
    CHECK_OK(tme_reader_init(&reader, event.data, event.length));
    CHECK_OK(tme_reader_message(&reader, &id));
    CHECK_UINT(id, 7);
    tme_reader_range(&reader, 0, 3, &weapon);
    CHECK_OK(tme_reader_finish(&reader));
    CHECK_INT(weapon, 2);
    close_world(&world);
}

int main(void)
{
    watchdog(60);
    vectors = file_text(TME_SERIAL_VECTORS);
    forms_have_the_bytes_of_the_vectors();
    malformed_vectors_have_an_error_each();
    what_cannot_be_written_says_why();
    pointers_may_be_missing();
    schemas_are_compared_when_clients_connect();
    free(vectors);
    return 0;
}
