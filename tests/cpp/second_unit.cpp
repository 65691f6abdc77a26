// The header twice in one program: everything in it is inline.
#include <tme.hpp>

#include <tme.hpp>

std::uint32_t version_of_the_second_unit();
std::uint32_t version_of_the_second_unit() { return tme::version(); }
