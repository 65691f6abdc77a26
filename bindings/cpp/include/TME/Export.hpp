/**
 * @file TME/Export.hpp
 * The macro of the original engine for names that leave a shared library. Games that used it go on doing so.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef TME_EXPORT_HPP
#define TME_EXPORT_HPP

#if defined(_WIN32)
#if defined(TME_EXPORTS)
#define TME_API __declspec(dllexport)
#else
#define TME_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define TME_API __attribute__((visibility("default")))
#else
#define TME_API
#endif

#endif // TME_EXPORT_HPP
