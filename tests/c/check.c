#if !defined(_WIN32)
#define _POSIX_C_SOURCE 200809L
#endif
#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
#else
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#endif

/* ---- Checks ---- */

static void end_failed(void)
{
    fflush(NULL);
    /* No exit handlers: other threads may still be using what they tear down. */
    _Exit(1);
}

void check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
    end_failed();
}

void check_int(const char *file, int line, const char *what, int64_t actual, int64_t expected)
{
    if (actual == expected)
        return;
    fprintf(stderr, "%s:%d: %s\n  actual   %" PRId64 "\n  expected %" PRId64 "\n", file, line, what, actual, expected);
    end_failed();
}

void check_uint(const char *file, int line, const char *what, uint64_t actual, uint64_t expected)
{
    if (actual == expected)
        return;
    fprintf(stderr, "%s:%d: %s\n  actual   %" PRIu64 "\n  expected %" PRIu64 "\n", file, line, what, actual, expected);
    end_failed();
}

void check_text(const char *file, int line, const char *what, const char *actual, const char *expected)
{
    if (actual != NULL && strcmp(actual, expected) == 0)
        return;
    fprintf(stderr, "%s:%d: %s\n  actual   \"%s\"\n  expected \"%s\"\n", file, line, what,
            actual == NULL ? "(NULL)" : actual, expected);
    end_failed();
}

void check_contains(const char *file, int line, const char *what, const char *text, const char *part)
{
    if (text != NULL && strstr(text, part) != NULL)
        return;
    fprintf(stderr, "%s:%d: %s\n  actual   \"%s\"\n  expected to contain \"%s\"\n", file, line, what,
            text == NULL ? "(NULL)" : text, part);
    end_failed();
}

void check_bytes(const char *file, int line, const char *what, const void *actual, size_t length,
                 const void *expected, size_t expected_length)
{
    if (length == expected_length && (length == 0 || memcmp(actual, expected, length) == 0))
        return;
    fprintf(stderr, "%s:%d: %s\n  actual   \"%.*s\" (%zu bytes)\n  expected \"%.*s\" (%zu bytes)\n", file, line, what,
            (int)length, (const char *)actual, length, (int)expected_length, (const char *)expected, expected_length);
    end_failed();
}

/* ---- Time ---- */

static unsigned scale_percent(void)
{
    const char *text = getenv("TME_TEST_SCALE");
    long percent = text == NULL ? 100 : strtol(text, NULL, 10);
    return percent < 1 || percent > 100 ? 100 : (unsigned)percent;
}

unsigned scaled(unsigned count)
{
    uint64_t less = (uint64_t)count * scale_percent() / 100;
    return less < 2 ? 2 : (unsigned)less;
}

#ifdef _WIN32

uint64_t now_ms(void)
{
    return GetTickCount64();
}

void sleep_ms(unsigned milliseconds)
{
    Sleep(milliseconds);
}

#else

uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void sleep_ms(unsigned milliseconds)
{
    struct timespec time = {(time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000};
    nanosleep(&time, NULL);
}

#endif

/* ---- Threads ---- */

struct Thread {
    void (*body)(void *);
    void *argument;
#ifdef _WIN32
    HANDLE handle;
#else
    pthread_t handle;
#endif
};

#ifdef _WIN32

static DWORD WINAPI run_thread(void *argument)
{
    Thread *thread = argument;
    thread->body(thread->argument);
    return 0;
}

static int start(Thread *thread)
{
    thread->handle = CreateThread(NULL, 0, run_thread, thread, 0, NULL);
    return thread->handle != NULL;
}

void thread_join(Thread *thread)
{
    WaitForSingleObject(thread->handle, INFINITE);
    CloseHandle(thread->handle);
    free(thread);
}

static void watch(void *seconds)
{
    Sleep(*(unsigned *)seconds * 1000);
    fprintf(stderr, "still running after %u s\n", *(unsigned *)seconds);
    end_failed();
}

void watchdog(unsigned seconds)
{
    static unsigned patience;
    static Thread thread = {watch, &patience, NULL};
    patience = seconds * 100 / scale_percent();
    CHECK(start(&thread));
}

#else

static void *run_thread(void *argument)
{
    Thread *thread = argument;
    thread->body(thread->argument);
    return NULL;
}

static int start(Thread *thread)
{
    return pthread_create(&thread->handle, NULL, run_thread, thread) == 0;
}

void thread_join(Thread *thread)
{
    CHECK_INT(pthread_join(thread->handle, NULL), 0);
    free(thread);
}

/* A signal and not a thread, which leak checkers would find running at the end. */
static void handle_alarm(int signal)
{
    (void)signal;
    static const char text[] = "still running: the watchdog ends this test\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    _exit(written > 0 ? 1 : 2);
}

void watchdog(unsigned seconds)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle_alarm;
    CHECK_INT(sigaction(SIGALRM, &action, NULL), 0);
    alarm(seconds * 100 / scale_percent());
}

#endif

Thread *thread_start(void (*body)(void *), void *argument)
{
    Thread *thread = calloc(1, sizeof *thread);
    CHECK(thread != NULL);
    thread->body = body;
    thread->argument = argument;
    CHECK(start(thread));
    return thread;
}

/* ---- Files ---- */

void temporary_path(char path[256], const char *name)
{
#ifdef _WIN32
    const char *directory = getenv("TEMP");
    unsigned long process = GetCurrentProcessId();
#else
    const char *directory = getenv("TMPDIR");
    unsigned long process = (unsigned long)getpid();
#endif
    if (directory == NULL)
        directory = "/tmp";
    int length = snprintf(path, 256, "%s/tme-c-%lu-%s", directory, process, name);
    CHECK(length > 0 && length < 256);
    remove(path);
}

void set_environment(const char *name, const char *value)
{
#ifdef _WIN32
    CHECK(_putenv_s(name, value == NULL ? "" : value) == 0);
#else
    CHECK((value == NULL ? unsetenv(name) : setenv(name, value, 1)) == 0);
#endif
}

char *file_text(const char *path)
{
    enum { BYTES_MAX = 1 << 20 };
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    char *text = malloc(BYTES_MAX);
    CHECK(text != NULL);
    size_t length = fread(text, 1, BYTES_MAX - 1, file);
    text[length] = 0;
    fclose(file);
    return text;
}

void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    CHECK(fputs(text, file) >= 0);
    CHECK_INT(fclose(file), 0);
}
