/* A machine that is in no network, not even its own: a network namespace in which nothing is up. Linux only. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>

#include "world.h"

int main(void)
{
    /* Before anything starts a thread, which a process that changes its user namespace must not have. */
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        printf("skipped: this user may make no network namespaces\n");
        return 0;
    }
    watchdog(30);
    TmeDiscovery *discovery;
    TmeEvent event;
    uint32_t count = 7;
    CHECK_OK(tme_discovery_create(NULL, &discovery));
    CHECK_ERROR(tme_discovery_search(discovery, 0), TME_ERROR_NO_NETWORK, "no network");
    /* Who waits for a network goes on looking. */
    CHECK_OK(tme_discovery_update(discovery, 10));
    CHECK_OK(tme_discovery_poll(discovery, &event, 1, &count));
    CHECK_UINT(count, 0);
    CHECK_OK(tme_discovery_destroy(discovery));
    return 0;
}
