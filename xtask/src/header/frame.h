/**
 * @file tme.h
 * TME, the Travelers Multiplayer Engine: encrypted, reliable game networking for whatever can call C.
 *
 * Generated from crates/tme-capi by `cargo xtask header`; edit that crate instead. What holds for
 * all functions is in docs/C_API.md, how to link the library in docs/BUILDING_C.md. Valid C99 and
 * C++11, and all later versions.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef TME_H
#define TME_H

#include <stddef.h>
#include <stdint.h>
@STDBOOL@
/** The version of this header; tme_version() tells that of the library that was loaded. */
#define TME_VERSION_MAJOR @MAJOR@
#define TME_VERSION_MINOR @MINOR@
#define TME_VERSION_PATCH @PATCH@
/** The same as one number, to compare with tme_version(). */
#define TME_VERSION (TME_VERSION_MAJOR * 1000000u + TME_VERSION_MINOR * 1000u + TME_VERSION_PATCH)

/**
 * Stands before every function. Define TME_STATIC where the static library is linked, as the CMake
 * target TME::tme_static and the pkg-config package tme-static do by themselves.
 */
#if defined(TME_STATIC)
#define TME_C_API
#elif defined(_WIN32)
#define TME_C_API __declspec(dllimport)
#elif defined(__GNUC__)
#define TME_C_API __attribute__((visibility("default")))
#else
#define TME_C_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

@DECLARATIONS@

#ifdef __cplusplus
}
#endif

#endif /* TME_H */
