// Prints the version of the library it was linked with; fails if that is not the header's.
#include <cstdint>
#include <iostream>

#include <tme.h>

int main()
{
    const std::uint32_t version = tme_version();
    std::cout << version / 1000000 << '.' << version / 1000 % 1000 << '.' << version % 1000 << '\n';
    return version == TME_VERSION ? 0 : 1;
}
