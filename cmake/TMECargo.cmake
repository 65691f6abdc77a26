# Asks cargo for the library, and makes TME::tme and TME::tme_static of what it built.
include_guard(GLOBAL)
include("${CMAKE_CURRENT_LIST_DIR}/TMETargets.cmake")

# A CMake started from a desktop knows less of PATH than a shell.
set(TME_RUST_HINTS "$ENV{CARGO_HOME}/bin" "$ENV{HOME}/.cargo/bin" "$ENV{USERPROFILE}/.cargo/bin")
find_program(TME_CARGO cargo HINTS ${TME_RUST_HINTS} REQUIRED DOC "The program that builds Rust crates")
find_program(TME_RUSTC rustc HINTS ${TME_RUST_HINTS} REQUIRED DOC "The Rust compiler")
set(TME_CARGO_TARGET_DIR "${CMAKE_CURRENT_BINARY_DIR}/cargo" CACHE PATH "Where cargo builds")
set(TME_CARGO_FLAGS "--locked" CACHE STRING "More arguments for cargo build")

# Cargo's name for the system that CMake builds for; empty for the one cargo runs on.
function(tme_cargo_target output)
    set(processor "${CMAKE_SYSTEM_PROCESSOR}")
    string(TOLOWER "${processor}" processor)
    if(processor MATCHES "^(amd64|x86_64|x64)$")
        set(processor x86_64)
    elseif(processor MATCHES "^(arm64|aarch64)$")
        set(processor aarch64)
    endif()
    set(target "")
    if(WIN32 AND MINGW)
        # Always said: on Windows cargo's own choice may be the other toolchain.
        set(target ${processor}-pc-windows-gnu)
    elseif(WIN32 AND MSVC)
        set(target ${processor}-pc-windows-msvc)
    elseif(CMAKE_CROSSCOMPILING AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
        set(target ${processor}-unknown-linux-gnu)
    elseif(CMAKE_CROSSCOMPILING AND APPLE)
        set(target ${processor}-apple-darwin)
    elseif(CMAKE_CROSSCOMPILING)
        message(FATAL_ERROR "TME: set TME_CARGO_TARGET; no Rust target is known for ${CMAKE_SYSTEM_NAME}")
    endif()
    set(${output} "${target}" PARENT_SCOPE)
endfunction()

tme_cargo_target(TME_DERIVED_CARGO_TARGET)
set(TME_CARGO_TARGET "${TME_DERIVED_CARGO_TARGET}" CACHE STRING "Rust target; empty for this system")

if(TME_CARGO_TARGET)
    set(TME_TRIPLE "${TME_CARGO_TARGET}")
else()
    execute_process(COMMAND "${TME_RUSTC}" -vV WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
        OUTPUT_VARIABLE TME_RUSTC_SAYS COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCH "host: ([^\n]+)" TME_RUSTC_SAYS "${TME_RUSTC_SAYS}")
    set(TME_TRIPLE "${CMAKE_MATCH_1}")
endif()
tme_file_names("${TME_TRIPLE}" ${PROJECT_VERSION})

# Debug is cargo's profile `dev`, which puts its files into `debug`; every other configuration is `release`.
set(TME_CARGO_PROFILE "$<IF:$<CONFIG:Debug>,dev,release>")
set(TME_CARGO_OUTPUT "${TME_CARGO_TARGET_DIR}/$<$<BOOL:${TME_CARGO_TARGET}>:${TME_CARGO_TARGET}/>")
string(APPEND TME_CARGO_OUTPUT "$<IF:$<CONFIG:Debug>,debug,release>")

# A cross linker and a C compiler for ring's sources: those of CMake. Where cargo builds for its own system, its
# own defaults stay, or a plain `cargo build` and this one would rebuild each other's crates.
set(TME_CARGO_ENVIRONMENT "CARGO_TARGET_DIR=${TME_CARGO_TARGET_DIR}")
set(TME_CARGO_TARGET_ARGUMENTS "")
if(TME_CARGO_TARGET)
    set(TME_CARGO_TARGET_ARGUMENTS --target ${TME_CARGO_TARGET})
    if(CMAKE_CROSSCOMPILING)
        string(REPLACE - _ TME_TARGET_NAME "${TME_CARGO_TARGET}")
        string(TOUPPER "${TME_TARGET_NAME}" TME_TARGET_NAME_UPPER)
        list(APPEND TME_CARGO_ENVIRONMENT
            "CARGO_TARGET_${TME_TARGET_NAME_UPPER}_LINKER=${CMAKE_C_COMPILER}"
            "CC_${TME_TARGET_NAME}=${CMAKE_C_COMPILER}"
            "AR_${TME_TARGET_NAME}=${CMAKE_AR}")
    endif()
endif()
separate_arguments(TME_CARGO_ARGUMENTS NATIVE_COMMAND "${TME_CARGO_FLAGS}")

# Programs find the shared library by its soname, a name cargo does not make: it is staged with its links.
set(TME_STAGE "${CMAKE_CURRENT_BINARY_DIR}/lib/$<CONFIG>")
set(TME_STAGED_FILES "${TME_SHARED_FILE}" "${TME_STATIC_FILE}" ${TME_IMPORT_FILE} ${TME_SHARED_LINKS})
list(TRANSFORM TME_STAGED_FILES PREPEND "${TME_STAGE}/" OUTPUT_VARIABLE TME_STAGED_PATHS)

set(TME_ALL "")
if(PROJECT_IS_TOP_LEVEL OR TME_INSTALL)
    set(TME_ALL ALL)
endif()
# A target and not a command with an output: only cargo knows whether a source changed. It takes a fraction of a
# second to say no, and then leaves its files, and what was linked with them, as they are.
add_custom_target(tme_cargo ${TME_ALL}
    COMMAND "${CMAKE_COMMAND}" -E env ${TME_CARGO_ENVIRONMENT}
        "${TME_CARGO}" build --package tme-ffi --profile ${TME_CARGO_PROFILE}
        ${TME_CARGO_TARGET_ARGUMENTS} ${TME_CARGO_ARGUMENTS}
    COMMAND "${CMAKE_COMMAND}" "-DFROM=${TME_CARGO_OUTPUT}" "-DTO=${TME_STAGE}"
        "-DTRIPLE=${TME_TRIPLE}" -DVERSION=${PROJECT_VERSION}
        -P "${CMAKE_CURRENT_LIST_DIR}/TMEStage.cmake"
    BYPRODUCTS ${TME_STAGED_PATHS}
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
    COMMENT "Building libtme with cargo"
    USES_TERMINAL
    VERBATIM)

set(TME_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_SOURCE_DIR}/include")
if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/bindings/cpp/include")
    list(APPEND TME_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_SOURCE_DIR}/bindings/cpp/include")
endif()
get_property(TME_IS_MULTI_CONFIG GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
if(TME_IS_MULTI_CONFIG)
    set(TME_CONFIGURATIONS ${CMAKE_CONFIGURATION_TYPES})
else()
    set(TME_CONFIGURATIONS "${CMAKE_BUILD_TYPE}")
endif()
tme_imported_targets(
    SCOPE GLOBAL
    DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/lib"
    CONFIGURATIONS ${TME_CONFIGURATIONS}
    INCLUDES ${TME_INCLUDE_DIRECTORIES})
add_dependencies(TME::tme tme_cargo)
if(TARGET TME::tme_static)
    add_dependencies(TME::tme_static tme_cargo)
endif()
