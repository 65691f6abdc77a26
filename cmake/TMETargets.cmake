# The targets TME::tme and TME::tme_static over files that are already there, or will be: in the build tree and
# in an installed one alike.
include_guard(GLOBAL)
include("${CMAKE_CURRENT_LIST_DIR}/TMEStaticLibs.cmake")

# Sets, for a Rust target and a version of TME, what the library's files are called:
# TME_BUILT_FILE as cargo makes the shared library, TME_SHARED_FILE as it is staged and installed,
# TME_SHARED_LINKS the links to it, TME_SONAME, TME_IMPORT_FILE (empty where no import library is needed),
# TME_STATIC_FILE, and TME_SYSTEM, by which TMEStaticLibs.cmake knows the target.
macro(tme_file_names triple version)
    string(REGEX MATCH "^[0-9]+" tme_major "${version}")
    set(TME_IMPORT_FILE "")
    set(TME_SHARED_LINKS "")
    set(TME_SONAME "")
    set(TME_STATIC_FILE libtme.a)
    if("${triple}" MATCHES "windows-msvc")
        set(TME_SYSTEM windows_msvc)
        set(TME_BUILT_FILE tme.dll)
        set(TME_SHARED_FILE tme.dll)
        set(TME_IMPORT_FILE tme.dll.lib)
        set(TME_STATIC_FILE tme.lib)
    elseif("${triple}" MATCHES "windows-gnu")
        set(TME_SYSTEM windows_gnu)
        set(TME_BUILT_FILE tme.dll)
        set(TME_SHARED_FILE tme.dll)
        set(TME_IMPORT_FILE libtme.dll.a)
    elseif("${triple}" MATCHES "apple-darwin")
        set(TME_SYSTEM apple_darwin)
        set(TME_BUILT_FILE libtme.dylib)
        set(TME_SHARED_FILE libtme.${version}.dylib)
        set(TME_SONAME "@rpath/libtme.${tme_major}.dylib")
        set(TME_SHARED_LINKS libtme.${tme_major}.dylib libtme.dylib)
    else()
        string(REGEX REPLACE "^[^-]+-([^-]+-)?([^-]+)-([^-]+)$" "\\2_\\3" TME_SYSTEM "${triple}")
        set(TME_BUILT_FILE libtme.so)
        set(TME_SHARED_FILE libtme.so.${version})
        set(TME_SONAME libtme.so.${tme_major})
        set(TME_SHARED_LINKS ${TME_SONAME} libtme.so)
    endif()
endmacro()

# tme_imported_targets(SCOPE <GLOBAL or empty> DIRECTORY <dir> [RUNTIME_DIRECTORY <dir>]
#                      CONFIGURATIONS <list; its members are directories below DIRECTORY> INCLUDES <dirs>)
# reads what tme_file_names set. DLLs are in RUNTIME_DIRECTORY where that is given.
function(tme_imported_targets)
    cmake_parse_arguments(PARSE_ARGV 0 of "" "SCOPE;DIRECTORY;RUNTIME_DIRECTORY" "CONFIGURATIONS;INCLUDES")
    add_library(TME::tme SHARED IMPORTED ${of_SCOPE})
    set_target_properties(TME::tme PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${of_INCLUDES}")
    set(has_static OFF)
    if(DEFINED TME_STATIC_LIBS_${TME_SYSTEM})
        set(has_static ON)
        add_library(TME::tme_static STATIC IMPORTED ${of_SCOPE})
        set_target_properties(TME::tme_static PROPERTIES
            INTERFACE_INCLUDE_DIRECTORIES "${of_INCLUDES}"
            INTERFACE_COMPILE_DEFINITIONS TME_STATIC
            INTERFACE_LINK_LIBRARIES "${TME_STATIC_LIBS_${TME_SYSTEM}}"
            IMPORTED_LINK_INTERFACE_LANGUAGES C)
    endif()
    if(NOT of_CONFIGURATIONS)
        set(of_CONFIGURATIONS NONE)
    endif()
    foreach(configuration IN LISTS of_CONFIGURATIONS)
        set(directory "${of_DIRECTORY}/${configuration}")
        set(suffix "_${configuration}")
        if(configuration STREQUAL "NONE")
            set(directory "${of_DIRECTORY}")
            set(suffix "")
        endif()
        string(TOUPPER "${suffix}" suffix)
        set(runtime_directory "${directory}")
        if(of_RUNTIME_DIRECTORY AND TME_IMPORT_FILE)
            set(runtime_directory "${of_RUNTIME_DIRECTORY}")
        endif()
        set_target_properties(TME::tme PROPERTIES
            IMPORTED_LOCATION${suffix} "${runtime_directory}/${TME_SHARED_FILE}"
            IMPORTED_SONAME${suffix} "${TME_SONAME}")
        if(TME_IMPORT_FILE)
            set_target_properties(TME::tme PROPERTIES
                IMPORTED_IMPLIB${suffix} "${directory}/${TME_IMPORT_FILE}")
        endif()
        if(has_static)
            set_target_properties(TME::tme_static PROPERTIES
                IMPORTED_LOCATION${suffix} "${directory}/${TME_STATIC_FILE}")
        endif()
        if(suffix)
            string(SUBSTRING "${suffix}" 1 -1 name)
            set_property(TARGET TME::tme APPEND PROPERTY IMPORTED_CONFIGURATIONS ${name})
            if(has_static)
                set_property(TARGET TME::tme_static APPEND PROPERTY IMPORTED_CONFIGURATIONS ${name})
            endif()
        endif()
    endforeach()
endfunction()
