# Warnings, sanitizers, and the tools that make builds fast where they are present.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
# The tests' compiler says the same of everybody's code; what another one warns of must not stop its user.
set(werror OFF)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  set(werror ON)
endif()
option(GENVINCI_WERROR "Warnings are errors (by default of g++ 12, which the tests use)" ${werror})

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
# torch's headers make debug information for hundreds of megabytes; line tables are enough for a backtrace.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")

# maybe-uninitialized: g++ 12 is wrong about it in LibTorch's SmallVector.
add_library(genvinci_warnings INTERFACE)
target_compile_options(genvinci_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:C,CXX>:-Wall;-Wextra;-Wno-unused-parameter;-Wno-maybe-uninitialized;$<$<BOOL:${GENVINCI_WERROR}>:-Werror>>)
if(GENVINCI_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # A precompiled header carries time stamps and macros; without this ccache would never hit. Paths are taken relative to
  # the build folder, and the header by a file that says what it was made of (cmake/Modules.cmake), so that one preset's
  # objects serve another that compiles them alike.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_PCH_EXTSUM=1 ${CCACHE})
  add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-fpch-preprocess>)
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()
