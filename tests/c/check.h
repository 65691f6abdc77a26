/* Checks, threads, time and a watchdog: what a test program needs and C99 does not have. Knows nothing of TME. */
#ifndef CHECK_H
#define CHECK_H

#include <stddef.h>
#include <stdint.h>

/* Ends the program with a report if the condition is false. */
#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

#define CHECK_INT(actual, expected) check_int(__FILE__, __LINE__, #actual, (actual), (expected))
#define CHECK_UINT(actual, expected) check_uint(__FILE__, __LINE__, #actual, (actual), (expected))
#define CHECK_TEXT(actual, expected) check_text(__FILE__, __LINE__, #actual, (actual), (expected))
#define CHECK_CONTAINS(text, part) check_contains(__FILE__, __LINE__, #text, (text), (part))
#define CHECK_BYTES(actual, length, expected) \
    check_bytes(__FILE__, __LINE__, #actual, (actual), (length), (expected), sizeof(expected) - 1)

void check_failed(const char *file, int line, const char *condition);
void check_int(const char *file, int line, const char *what, int64_t actual, int64_t expected);
void check_uint(const char *file, int line, const char *what, uint64_t actual, uint64_t expected);
void check_text(const char *file, int line, const char *what, const char *actual, const char *expected);
void check_contains(const char *file, int line, const char *what, const char *text, const char *part);
void check_bytes(const char *file, int line, const char *what, const void *actual, size_t length,
                 const void *expected, size_t expected_length);

/* Ends the program with a report if it runs for longer: call it first. Slow tools get more time, see `scaled`. */
void watchdog(unsigned seconds);

/* A count, smaller where TME_TEST_SCALE (percent) says that a slow tool watches; at least 2. */
unsigned scaled(unsigned count);

/* Milliseconds, the same measure from any thread. */
uint64_t now_ms(void);
void sleep_ms(unsigned milliseconds);

typedef struct Thread Thread;
Thread *thread_start(void (*body)(void *), void *argument);
void thread_join(Thread *thread);

/* Sets a variable of this process's environment, or with NULL takes it away. While no other thread reads it. */
void set_environment(const char *name, const char *value);

/* A path of this process's own for a file that is not there. The caller removes what it makes. */
void temporary_path(char path[256], const char *name);
/* The whole of a short file as text; fails if it cannot be read. The caller frees it. */
char *file_text(const char *path);
void write_file(const char *path, const char *text);

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

#endif
