# SPDX-License-Identifier: Apache-2.0
# Finds the libraries. Everything but MPI and CUDA is required.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(ZLIB REQUIRED)
find_package(PNG REQUIRED)
find_package(CURL REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(FarmHash REQUIRED)
find_package(ISAL REQUIRED)
find_package(RE2 REQUIRED)
find_package(leveldb CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(Boost 1.81 CONFIG REQUIRED COMPONENTS program_options)
find_package(Protobuf REQUIRED)
find_package(nlohmann_json 3.11 CONFIG REQUIRED)
find_package(OneDNN 2.6...<4 REQUIRED)
if(LOCKSTEP_TESTS)
  find_package(GTest CONFIG REQUIRED)
endif()

if(LOCKSTEP_MPI)
  set(MPI_CXX_SKIP_MPICXX ON) # the C interface is what distributed/ calls
  if(LOCKSTEP_MPI STREQUAL "AUTO")
    find_package(MPI COMPONENTS CXX)
    set(LOCKSTEP_MPI ${MPI_CXX_FOUND})
  else()
    find_package(MPI REQUIRED COMPONENTS CXX)
  endif()
endif()

# A macro: what it finds and sets is the caller's.
macro(lockstep_find_cuda)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80 90) # A100; H100 and H200
  endif()
  enable_language(CUDA)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    # CMake 3.25 does not know CUDA's flag for C++20.
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_COMPILE_FEATURES cuda_std_20)
    list(APPEND CMAKE_CUDA_COMPILE_FEATURES cuda_std_20)
  endif()
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
  find_package(CUDAToolkit ${ARGN})
  find_package(CUDNN 9 ${ARGN})
  find_package(NCCL ${ARGN})
endmacro()
if(LOCKSTEP_CUDA)
  lockstep_find_cuda(REQUIRED)
endif()

message(
  STATUS "Lockstep ${PROJECT_VERSION}: ${CMAKE_BUILD_TYPE}, oneDNN ${OneDNN_VERSION}, "
         "MPI ${LOCKSTEP_MPI}, CUDA ${LOCKSTEP_CUDA}")
