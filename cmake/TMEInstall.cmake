# Install rules: the library with its links, the headers, and what CMake and pkg-config read.
include_guard(GLOBAL)
include(CMakePackageConfigHelpers)

set(TME_PACKAGE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/TME")
set(TME_GENERATED "${CMAKE_CURRENT_BINARY_DIR}/package")

set(TME_LIBRARY_FILES "${TME_STATIC_FILE}" ${TME_IMPORT_FILE} ${TME_SHARED_LINKS})
list(TRANSFORM TME_LIBRARY_FILES PREPEND "${TME_STAGE}/")
install(FILES ${TME_LIBRARY_FILES} DESTINATION "${CMAKE_INSTALL_LIBDIR}")
if(TME_IMPORT_FILE)
    set(TME_SHARED_DESTINATION "${CMAKE_INSTALL_BINDIR}")
else()
    set(TME_SHARED_DESTINATION "${CMAKE_INSTALL_LIBDIR}")
endif()
install(PROGRAMS "${TME_STAGE}/${TME_SHARED_FILE}" DESTINATION "${TME_SHARED_DESTINATION}")
foreach(directory IN LISTS TME_INCLUDE_DIRECTORIES)
    install(DIRECTORY "${directory}/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
endforeach()

configure_package_config_file(cmake/TMEConfig.cmake.in "${TME_GENERATED}/TMEConfig.cmake"
    INSTALL_DESTINATION "${TME_PACKAGE_DIR}"
    PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_BINDIR)
# Before 1.0 a new minor version may change anything.
write_basic_package_version_file("${TME_GENERATED}/TMEConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${TME_GENERATED}/TMEConfig.cmake" "${TME_GENERATED}/TMEConfigVersion.cmake"
    cmake/TMETargets.cmake cmake/TMEStaticLibs.cmake DESTINATION "${TME_PACKAGE_DIR}")

# Relative to where the .pc file is, so that the installed tree can be moved.
function(tme_relative_to_pc output path)
    if(IS_ABSOLUTE "${path}")
        set(${output} "${path}" PARENT_SCOPE)
    else()
        file(RELATIVE_PATH relative "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix/${path}")
        string(REGEX REPLACE "/$" "" relative "${relative}")
        set(${output} "\${pcfiledir}/${relative}" PARENT_SCOPE)
    endif()
endfunction()
tme_relative_to_pc(TME_PC_INCLUDEDIR "${CMAKE_INSTALL_INCLUDEDIR}")
tme_relative_to_pc(TME_PC_LIBDIR "${CMAKE_INSTALL_LIBDIR}")
set(TME_PC_FILES tme)
if(DEFINED TME_STATIC_LIBS_${TME_SYSTEM})
    list(APPEND TME_PC_FILES tme-static)
    list(JOIN TME_STATIC_LIBS_${TME_SYSTEM} " " TME_PC_STATIC_LIBS)
endif()
foreach(name IN LISTS TME_PC_FILES)
    configure_file(cmake/${name}.pc.in "${TME_GENERATED}/${name}.pc" @ONLY)
    install(FILES "${TME_GENERATED}/${name}.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endforeach()
