# SPDX-License-Identifier: Apache-2.0
# Options, and the flags every target of this project is compiled with
# (lockstep_flags, an interface target that is never installed).

set(LOCKSTEP_MPI AUTO CACHE STRING "Build distributed/: AUTO (when MPI is found), ON or OFF")
set_property(CACHE LOCKSTEP_MPI PROPERTY STRINGS AUTO ON OFF)
option(LOCKSTEP_CUDA "Build the CUDA device" OFF)
option(LOCKSTEP_TESTS "Build the tests" ON)
option(LOCKSTEP_EXAMPLES "Build the examples" ON)
option(LOCKSTEP_FUZZ "Build the fuzz targets for clang's libFuzzer" OFF)
option(LOCKSTEP_WERROR "Treat warnings as errors" OFF)
set(LOCKSTEP_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize takes them")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
# For the asan and tsan presets: assertions on, short stacks readable. No cache
# entry: project() has made an empty one, which would stay.
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)

if(NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(LOCKSTEP_CCACHE ccache)
  mark_as_advanced(LOCKSTEP_CCACHE)
  if(LOCKSTEP_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${LOCKSTEP_CCACHE})
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${LOCKSTEP_CCACHE})
  endif()
endif()

add_library(lockstep_flags INTERFACE)
target_compile_options(
  lockstep_flags
  INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall
    -Wextra
    -Wnon-virtual-dtor
    -Woverloaded-virtual
    -Wundef
    -Wvla
    -Wcast-align
    -Wimplicit-fallthrough
    # Designated initialisers leave the other members at their defaults.
    -Wno-missing-field-initializers
    # errno and floating-point traps are not read; sqrt and selects vectorise.
    -fno-math-errno
    -fno-trapping-math>)
if(LOCKSTEP_WERROR)
  target_compile_options(lockstep_flags
                         INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(LOCKSTEP_SANITIZE)
  target_compile_options(lockstep_flags INTERFACE -fsanitize=${LOCKSTEP_SANITIZE}
                                                  -fno-sanitize-recover=all)
  target_link_options(lockstep_flags INTERFACE -fsanitize=${LOCKSTEP_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Instrumented code misleads the analysis: it warns of std::regex.
    target_compile_options(lockstep_flags INTERFACE -Wno-maybe-uninitialized)
  endif()
  if(LOCKSTEP_SANITIZE STREQUAL "thread")
    # protobuf's headers lay classes out differently under this sanitizer than
    # the library that the system packages has them: hide it from them. That it
    # does not see fences (-Wno-tsan) can make it report too much, not too little.
    target_compile_options(
      lockstep_flags INTERFACE -U__SANITIZE_THREAD__ -D_GLIBCXX_TSAN=1
                               -DLOCKSTEP_TSAN=1)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      target_compile_options(lockstep_flags INTERFACE -Wno-tsan)
    endif()
  endif()
endif()
