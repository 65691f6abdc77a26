/* Prints the version of the library it was linked with; fails if that is not the header's. */
#include <stdio.h>

#include <tme.h>

int main(void)
{
    uint32_t version = tme_version();
    printf("%u.%u.%u\n", (unsigned)(version / 1000000u), (unsigned)(version / 1000u % 1000u),
           (unsigned)(version % 1000u));
    return version == TME_VERSION ? 0 : 1;
}
