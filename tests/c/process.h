/* What the system knows of this process. Linux only. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stddef.h>

unsigned open_descriptors(void);
unsigned threads(void);
/* Bytes of memory in use, as the system counts them. */
size_t resident_bytes(void);
/* The number of the first open descriptor from `from` on whose target begins with `kind` ("socket:"), or -1. */
int find_descriptor(int from, const char *kind);
/* Whether a library whose path contains this is mapped. */
int is_mapped(const char *part);

#endif
