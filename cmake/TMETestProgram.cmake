# tme_add_test_program(name sources…): a program of this repository's tests.
# tme_use_test_certificates(name): certificates.h for it, and where they are.
include_guard(GLOBAL)

set(TME_TEST_LAUNCHER "" CACHE STRING "Program and arguments before each test, for example of valgrind")
set(TME_TEST_TIMEOUT 60 CACHE STRING "Seconds after which a test has failed")

# Compiles as C99 or C++17 with warnings as errors, links TME::tme, and registers a test of the same name, which
# passes if the program returns 0.
function(tme_add_test_program name)
    add_executable(${name} ${ARGN})
    target_link_libraries(${name} PRIVATE TME::tme)
    set_target_properties(${name} PROPERTIES
        C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
        CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
    if(MSVC)
        target_compile_options(${name} PRIVATE /W4 /WX)
    else()
        target_compile_options(${name} PRIVATE -Wall -Wextra -Wpedantic -Werror
            $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>)
    endif()
    if(WIN32)
        # There a program finds a library beside itself, and in no path of its own.
        add_custom_command(TARGET ${name} POST_BUILD COMMAND_EXPAND_LISTS VERBATIM
            COMMAND "${CMAKE_COMMAND}" -E copy_if_different $<TARGET_RUNTIME_DLLS:${name}> $<TARGET_FILE_DIR:${name}>)
    endif()
    add_test(NAME ${name} COMMAND ${TME_TEST_LAUNCHER} ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:${name}>)
    set_tests_properties(${name} PROPERTIES TIMEOUT ${TME_TEST_TIMEOUT})
endfunction()

function(tme_use_test_certificates name)
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests/certificates")
    target_compile_definitions(${name} PRIVATE "TME_TEST_CERTIFICATES=\"${PROJECT_SOURCE_DIR}/tests/certificates\"")
endfunction()
