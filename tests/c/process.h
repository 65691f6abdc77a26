/* What the system knows of this process. Linux only. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stddef.h>

unsigned open_descriptors(void);
unsigned threads(void);
/* Bytes that malloc has given out; 0 where it does not tell, or a tool has taken its place. */
size_t allocated_bytes(void);
/* The number of the first open descriptor from `from` on whose target begins with `kind` ("socket:"), or -1. */
int find_descriptor(int from, const char *kind);
/* Whether a library whose path contains this is mapped. */
int is_mapped(const char *part);

#endif
