/* Lines of the log reach a function of the host and a file, each at its own level, and stop when told to. */
#include <stdio.h>
#include <stdlib.h>

#include "world.h"

typedef struct Heard {
    unsigned lines;
    uint32_t highest_level;
    char last[512];
} Heard;

/* Handles are inline here: only this thread logs. */
static void hear(uint32_t level, const char *target, const char *text, void *user_data)
{
    Heard *heard = user_data;
    CHECK(*target != 0);
    heard->lines++;
    if (level > heard->highest_level)
        heard->highest_level = level;
    snprintf(heard->last, sizeof heard->last, "%s", text);
}

/* Warns that the server's key is not checked. */
static void do_something_that_warns(void)
{
    TmeClient *client;
    TmeClientConfig config;
    CHECK_OK(tme_client_config_init(&config, sizeof config));
    config.address = "127.0.0.1:9";
    CHECK_OK(tme_client_create(&config, &client));
    CHECK_OK(tme_client_destroy(client));
}

int main(void)
{
    watchdog(30);
    Heard heard = {0};
    char path[256];
    temporary_path(path, "log");

    TmeLogConfig config;
    CHECK_OK(tme_log_config_init(&config, sizeof config));
    CHECK_UINT(config.console_level + config.file_level + config.callback_level, TME_LOG_OFF);
    CHECK_ERROR(tme_log_init(&config), TME_ERROR_CONFIG, "off");
    config.callback_level = TME_LOG_WARN;
    CHECK_ERROR(tme_log_init(&config), TME_ERROR_CONFIG, "callback is NULL");
    config.callback_level = TME_LOG_OFF;
    config.file_level = TME_LOG_INFO;
    CHECK_ERROR(tme_log_init(&config), TME_ERROR_CONFIG, "file_path is NULL");
    config.file_path = "no such directory/log";
    CHECK_ERROR(tme_log_init(&config), TME_ERROR_FILE, "no such directory");
    config.file_path = path;
    config.file_count = 100;
    CHECK_RESULT(tme_log_init(&config), TME_ERROR_CONFIG);
    do_something_that_warns();

    config.file_count = 0;
    config.callback = hear;
    config.user_data = &heard;
    config.callback_level = TME_LOG_WARN;
    CHECK_OK(tme_log_init(&config));
    CHECK_ERROR(tme_log_init(&config), TME_ERROR_ALREADY_INSTALLED, "already");

    CHECK_UINT(heard.lines, 0);
    do_something_that_warns();
    CHECK_UINT(heard.lines, 1);
    CHECK_UINT(heard.highest_level, TME_LOG_WARN);
    CHECK_CONTAINS(heard.last, "127.0.0.1:9: the server's key is not verified");

    CHECK_OK(tme_log_set_level(TME_LOG_SINK_CALLBACK, TME_LOG_TRACE));
    do_something_that_warns();
    CHECK(heard.highest_level > TME_LOG_WARN);
    CHECK_OK(tme_log_set_level(TME_LOG_SINK_CALLBACK, TME_LOG_OFF));
    CHECK_OK(tme_log_set_level(TME_LOG_SINK_FILE, TME_LOG_OFF));
    unsigned lines = heard.lines;
    do_something_that_warns();
    CHECK_UINT(heard.lines, lines);
    /* A sink that was not installed. */
    CHECK_OK(tme_log_set_level(TME_LOG_SINK_CONSOLE, TME_LOG_TRACE));

    /* Two of the four warnings: before the log was there, and after it was off, nothing was written. */
    char *text = file_text(path);
    const char *first = strstr(text, "not verified");
    CHECK(first != NULL);
    const char *second = strstr(first + 1, "not verified");
    CHECK(second != NULL);
    CHECK(strstr(second + 1, "not verified") == NULL);
    CHECK_UINT(tme_log_lost_lines(), 0);
    free(text);
    CHECK_INT(remove(path), 0);
    return 0;
}
