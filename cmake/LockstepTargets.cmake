# SPDX-License-Identifier: Apache-2.0
# Functions that make the project's kinds of targets.

include(GoogleTest)

# Where programs started by ctest find Open MPI willing: as root, in a
# container, with more ranks than processors.
set(LOCKSTEP_MPI_ENVIRONMENT
    OMPI_ALLOW_RUN_AS_ROOT=1
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    OMPI_MCA_rmaps_base_oversubscribe=1
    PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe # Open MPI 5
    OMPI_MCA_btl_vader_single_copy_mechanism=none
    OMPI_MCA_hwloc_base_binding_policy=none
    HWLOC_HIDE_ERRORS=2
    # Ranks share the processors: a waiting thread gives its own away.
    OMPI_MCA_mpi_yield_when_idle=1
    OMP_WAIT_POLICY=passive
    # Open MPI keeps what MPI_Init allocated, in modules it has unloaded.
    ASAN_OPTIONS=detect_leaks=0)

# Include paths, version and flags of a library that is installed.
function(lockstep_configure_library target)
  target_include_directories(
    ${target}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/lockstep>)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:lockstep_flags>)
  set_target_properties(
    ${target}
    PROPERTIES VERSION ${PROJECT_VERSION}
               SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
               INSTALL_RPATH $ORIGIN)
endfunction()

# lockstep_proto_library(a.proto b.proto …), from proto/CMakeLists.txt:
#   lockstep_proto          objects, linked into the library
#   lockstep_proto_headers  for tests: #include "proto/a.pb.h"
# The files import each other as "proto/a.proto".
function(lockstep_proto_library)
  set(outputs)
  foreach(file IN LISTS ARGN)
    cmake_path(REMOVE_EXTENSION file OUTPUT_VARIABLE stem)
    set(base ${PROJECT_BINARY_DIR}/proto/${stem})
    add_custom_command(
      OUTPUT ${base}.pb.cc ${base}.pb.h
      COMMAND protobuf::protoc --cpp_out=${PROJECT_BINARY_DIR}
              -I${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/proto/${file}
      DEPENDS ${PROJECT_SOURCE_DIR}/proto/${file}
      VERBATIM)
    list(APPEND outputs ${base}.pb.cc ${base}.pb.h)
  endforeach()
  add_library(lockstep_proto OBJECT ${outputs})
  target_include_directories(lockstep_proto SYSTEM PUBLIC ${PROJECT_BINARY_DIR})
  target_link_libraries(lockstep_proto PUBLIC protobuf::libprotobuf)
  if(LOCKSTEP_SANITIZE)
    target_link_libraries(lockstep_proto PRIVATE lockstep_flags)
    target_compile_options(lockstep_proto PRIVATE -w)
  endif()
  add_library(lockstep_proto_headers INTERFACE)
  target_include_directories(lockstep_proto_headers SYSTEM
                             INTERFACE ${PROJECT_BINARY_DIR})
  target_link_libraries(lockstep_proto_headers INTERFACE protobuf::libprotobuf)
  add_dependencies(lockstep_proto_headers lockstep_proto)
endfunction()

# lockstep_program(NAME SOURCES a.cc … [LIBS …]): a program of ours, at
# <build>/<this folder>/NAME/NAME, linked to the library, to distributed when
# there is MPI, and to program_options.
function(lockstep_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE lockstep lockstep_flags
                                        Boost::program_options ${ARG_LIBS})
  if(TARGET lockstep_distributed)
    target_link_libraries(${name} PRIVATE lockstep_distributed)
  endif()
  set_target_properties(
    ${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/${name}
                       INSTALL_RPATH $ORIGIN/../${CMAKE_INSTALL_LIBDIR})
endfunction()

# lockstep_test(NAME LABELS cpu … SOURCES a_test.cc … [LIBS …]): one GoogleTest
# program NAME_test for a folder of tests; ctest shows each test by its name.
# Labels: cpu, gpu, mpi, interop, fuzz, fault.
function(lockstep_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LABELS;SOURCES;LIBS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  lockstep_test_program(${name}_test ${ARGN})
  # Escaped so that the list survives gtest_discover_tests' generated script.
  string(REPLACE ";" "\\;" labels "${ARG_LABELS}")
  gtest_discover_tests(
    ${name}_test
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS "${labels}" TIMEOUT ${ARG_TIMEOUT})
endfunction()

# lockstep_mpi_test(NAME RANKS 1 2 4 SOURCES a_test.cc … [LIBS …] [ARGS …]):
# one GoogleTest program, run whole under mpirun for each number of ranks.
function(lockstep_mpi_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "RANKS;LABELS;SOURCES;LIBS;ARGS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  lockstep_test_program(${name}_test ${ARGN})
  target_link_libraries(${name}_test PRIVATE lockstep_distributed)
  foreach(ranks IN LISTS ARG_RANKS)
    add_test(NAME ${name}.np${ranks}
             COMMAND ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} ${ranks}
                     $<TARGET_FILE:${name}_test> ${ARG_ARGS})
    lockstep_mpi_properties(${name}.np${ranks} RANKS ${ranks}
                            TIMEOUT ${ARG_TIMEOUT} LABELS ${ARG_LABELS})
  endforeach()
endfunction()

# Properties of a test that calls mpirun: labels (mpi added), environment, the
# processors it takes. For tests added with add_test.
function(lockstep_mpi_properties test)
  cmake_parse_arguments(ARG "" "RANKS;TIMEOUT" "LABELS" ${ARGN})
  set_tests_properties(
    ${test}
    PROPERTIES LABELS "mpi;${ARG_LABELS}"
               ENVIRONMENT "${LOCKSTEP_MPI_ENVIRONMENT}"
               PROCESSORS ${ARG_RANKS}
               TIMEOUT ${ARG_TIMEOUT})
endfunction()

function(lockstep_test_program target)
  cmake_parse_arguments(ARG "" "TIMEOUT" "RANKS;LABELS;SOURCES;LIBS;ARGS" ${ARGN})
  add_executable(${target} ${ARG_SOURCES})
  # The tests' own code need not be fast; a third of its build time is saved.
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  target_link_libraries(${target} PRIVATE lockstep lockstep_flags lockstep_testing
                                          ${ARG_LIBS})
endfunction()
