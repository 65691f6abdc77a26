#define _POSIX_C_SOURCE 200809L
#include "process.h"

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

static unsigned entries(const char *directory)
{
    DIR *entries = opendir(directory);
    CHECK(entries != NULL);
    unsigned count = 0;
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(entries);
    return count;
}

unsigned open_descriptors(void)
{
    /* Without the one that reads the directory. */
    return entries("/proc/self/fd") - 1;
}

unsigned threads(void)
{
    return entries("/proc/self/task");
}

size_t allocated_bytes(void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    return mallinfo2().uordblks;
#else
    return 0;
#endif
}

int find_descriptor(int from, const char *kind)
{
    for (int descriptor = from; descriptor < 1024; descriptor++) {
        char path[64];
        char target[256] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
        if (readlink(path, target, sizeof target - 1) > 0 && strncmp(target, kind, strlen(kind)) == 0)
            return descriptor;
    }
    return -1;
}

int is_mapped(const char *part)
{
    char line[1024];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL)
        found |= strstr(line, part) != NULL;
    fclose(maps);
    return found;
}
