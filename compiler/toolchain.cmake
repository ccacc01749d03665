# For `cmake --toolchain`: compiles with twin-cc and finds nothing of the host's, only what lies below TWIN_PREFIX
# (libraries that were built with twin-cc and installed there). Programs run on this machine, so that this is no
# cross compilation.
get_filename_component(TWIN_BIN "${CMAKE_CURRENT_LIST_DIR}/../target/release" ABSOLUTE)
set(CMAKE_C_COMPILER "${TWIN_BIN}/twin-cc")
set(CMAKE_ASM_COMPILER "${CMAKE_C_COMPILER}")
set(BUILD_SHARED_LIBS OFF CACHE BOOL "Twin programs are static")

list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES TWIN_PREFIX)
set(CMAKE_FIND_ROOT_PATH "${TWIN_BIN}/../twin" ${TWIN_PREFIX})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
foreach(kind LIBRARY INCLUDE PACKAGE)
    set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY)
endforeach()
# For pkg_check_modules: static libraries need those that they use, too.
set(ENV{PKG_CONFIG_LIBDIR} "${TWIN_PREFIX}/lib/pkgconfig:${TWIN_PREFIX}/share/pkgconfig")
set(ENV{PKG_CONFIG_PATH} "")
set(PKG_CONFIG_ARGN "--static" CACHE STRING "")
