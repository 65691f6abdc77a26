/* The header, the library and this compiler agree on the version and on where the fields of frozen structs are. */
#include "world.h"

/* C99 has no static assertion. */
#define ASSERT_AT_COMPILE_TIME(name, condition) typedef char name[(condition) ? 1 : -1]
#define OFFSET(type, field, bytes) ASSERT_AT_COMPILE_TIME(type##_##field##_moved, offsetof(type, field) == (bytes))

OFFSET(TmeEvent, type, 0);
OFFSET(TmeEvent, flags, 4);
OFFSET(TmeEvent, peer, 8);
OFFSET(TmeEvent, reason, 16);
OFFSET(TmeEvent, channel, 20);
OFFSET(TmeEvent, token, 24);
OFFSET(TmeEvent, data, 32);
ASSERT_AT_COMPILE_TIME(TmePeer_size, sizeof(TmePeer) == 8);
ASSERT_AT_COMPILE_TIME(TmeMessageId_size, sizeof(TmeMessageId) == 8);
ASSERT_AT_COMPILE_TIME(TmeResult_size, sizeof(TmeResult) == 4);
ASSERT_AT_COMPILE_TIME(TmeBroadcast_size, sizeof(TmeBroadcast) == 32);
#if UINTPTR_MAX == UINT64_MAX
ASSERT_AT_COMPILE_TIME(TmeEvent_size, sizeof(TmeEvent) == 64);
OFFSET(TmeEvent, length, 40);
OFFSET(TmeEvent, message, 48);
OFFSET(TmeEvent, reserved, 56);
ASSERT_AT_COMPILE_TIME(TmeChannelConfig_size, sizeof(TmeChannelConfig) == 88);
OFFSET(TmeChannelConfig, queue_age_max_ms, 52);
OFFSET(TmeChannelConfig, redundancy, 56);
OFFSET(TmeChannelConfig, reserved, 60);
#endif

#define TEXT_OF(number) TEXT_OF_TOKEN(number)
#define TEXT_OF_TOKEN(token) #token
#define VERSION_TEXT TEXT_OF(TME_VERSION_MAJOR) "." TEXT_OF(TME_VERSION_MINOR) "." TEXT_OF(TME_VERSION_PATCH)

int main(void)
{
    watchdog(10);
    CHECK_UINT(tme_version(), TME_VERSION);
    CHECK_UINT(TME_VERSION, TME_VERSION_MAJOR * 1000000u + TME_VERSION_MINOR * 1000u + TME_VERSION_PATCH);
    CHECK_TEXT(tme_version_string(), VERSION_TEXT);

    /* Texts are for people and never missing, whatever the number. */
    static const int32_t numbers[] = {INT32_MIN, -999, -501, -1, 0, 1, 2, 6, 7, 109, 113, 114, 115, 999, INT32_MAX};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        CHECK(*tme_result_string(numbers[i]) != 0);
        CHECK(*tme_reason_string((uint32_t)numbers[i]) != 0);
        CHECK(*tme_event_string((uint32_t)numbers[i]) != 0);
    }
    CHECK_TEXT(tme_event_string(TME_EVENT_CONNECTED), "connected");
    CHECK_TEXT(tme_event_string(TME_EVENT_LINK_CHANGED), "link changed");
    CHECK_TEXT(tme_event_string(999), "unknown");
    CHECK_CONTAINS(tme_result_string(999), "not a result");
    return 0;
}
