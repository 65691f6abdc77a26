# Puts cargo's files into TO under the names that programs look for. Run as a script:
# cmake -DFROM=… -DTO=… -DTRIPLE=… -DVERSION=… -P TMEStage.cmake
cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/TMETargets.cmake")
tme_file_names("${TRIPLE}" "${VERSION}")
file(MAKE_DIRECTORY "${TO}")

# A hard link costs nothing and keeps cargo's time of change, so that programs are linked again only after a
# change. Where there can be none, a copy is made when cargo's file is the newer one.
function(stage from to)
    if(NOT EXISTS "${TO}/${to}" OR "${FROM}/${from}" IS_NEWER_THAN "${TO}/${to}")
        file(CREATE_LINK "${FROM}/${from}" "${TO}/${to}" COPY_ON_ERROR)
    endif()
endfunction()

stage("${TME_BUILT_FILE}" "${TME_SHARED_FILE}")
stage("${TME_STATIC_FILE}" "${TME_STATIC_FILE}")
if(TME_IMPORT_FILE)
    stage("${TME_IMPORT_FILE}" "${TME_IMPORT_FILE}")
endif()
foreach(link IN LISTS TME_SHARED_LINKS)
    if(NOT EXISTS "${TO}/${link}")
        file(CREATE_LINK "${TME_SHARED_FILE}" "${TO}/${link}" SYMBOLIC)
    endif()
endforeach()
