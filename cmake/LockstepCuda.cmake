# SPDX-License-Identifier: Apache-2.0
# What only a build with CUDA has: the device and the kernels, listed in the
# folders' CMakeLists.txt, and what is distributed/'s. Where LOCKSTEP_CUDA is
# off and CUDA's compiler is there, target lockstep_cuda compiles and links it
# all the same, beside the library, for A100, H100 and H200: no GPU is needed
# for that, and nothing runs.

set(LOCKSTEP_CUDA_SOURCES ${LOCKSTEP_CUDA_DEVICE} ${LOCKSTEP_CUDA_OPS})

# Flags and libraries of `target`, which has these sources.
function(lockstep_configure_cuda target)
  # Status is assigned to within its own class: 2810 takes that for a result
  # that is thrown away.
  target_compile_options(
    ${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:--extended-lambda
                      --expt-relaxed-constexpr
                      -diag-suppress=2810>)
  # The kernels that NVRTC compiles at run time round as these do, so that
  # fused ops have the bits of ops by themselves.
  target_compile_options(
    ${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-fmad=false>)
  # Only to link with: no other file sees a header of CUDA.
  target_link_libraries(
    ${target} PRIVATE $<LINK_ONLY:CUDA::cudart> $<LINK_ONLY:CUDA::cublasLt>
                      $<LINK_ONLY:CUDNN::cudnn> lockstep_cuda_functors
                      ${CMAKE_DL_LIBS})
endfunction()

file(GLOB lists CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/ops/*/gpu_kernels.cc)
# The few other files that differ are told; all others are those of any build.
set(differ ops/array/pad.cc ops/array/strided_copy.cc
           runtime/device/element_compiler.cc runtime/device/stream.cc
           runtime/exec/session_devices.cc)
set(cuda_headers ${CUDAToolkit_INCLUDE_DIRS} ${CUDNN_INCLUDE_DIR})
if(LOCKSTEP_CUDA)
  target_sources(lockstep PRIVATE ${LOCKSTEP_CUDA_SOURCES})
  set_source_files_properties(
    ${LOCKSTEP_CUDA_SOURCES}
    ${lists}
    ${differ}
    PROPERTIES COMPILE_DEFINITIONS LOCKSTEP_CUDA=1
               INCLUDE_DIRECTORIES "${cuda_headers}")
  lockstep_configure_cuda(lockstep)
  return()
endif()

include(CheckLanguage)
check_language(CUDA)
if(CMAKE_CUDA_COMPILER)
  lockstep_find_cuda(QUIET)
endif()
if(NOT CUDNN_FOUND OR NOT NCCL_FOUND)
  return()
endif()
# What the host's compiler sees of it, and tests run on a stand-in for GPUs
# (tests/gpu/stand_in).
set(host_sources ${LOCKSTEP_CUDA_SOURCES})
list(FILTER host_sources EXCLUDE REGEX "\\.cu$")
function(lockstep_cuda_objects target)
  add_library(${target} OBJECT EXCLUDE_FROM_ALL ${ARGN})
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_compile_definitions(${target} PRIVATE LOCKSTEP_CUDA=1)
  target_include_directories(
    ${target} PRIVATE ${PROJECT_SOURCE_DIR} ${CUDAToolkit_INCLUDE_DIRS}
                      ${CUDNN_INCLUDE_DIR} ${NCCL_INCLUDE_DIR})
  target_compile_features(${target} PRIVATE cxx_std_20)
  target_link_libraries(${target} PRIVATE lockstep_flags OpenMP::OpenMP_CXX)
endfunction()
lockstep_cuda_objects(lockstep_cuda_host ${host_sources} ${lists} ${differ})
target_link_libraries(lockstep_cuda_host PRIVATE DNNL::dnnl)

set(kernels ${LOCKSTEP_CUDA_SOURCES})
list(FILTER kernels INCLUDE REGEX "\\.cu$")
add_library(lockstep_cuda MODULE EXCLUDE_FROM_ALL
                          ${kernels} $<TARGET_OBJECTS:lockstep_cuda_host>)
target_compile_definitions(lockstep_cuda PRIVATE LOCKSTEP_CUDA=1)
target_include_directories(lockstep_cuda PRIVATE ${CUDAToolkit_INCLUDE_DIRS}
                                                 ${CUDNN_INCLUDE_DIR})
target_compile_features(lockstep_cuda PRIVATE cxx_std_20)
target_link_libraries(lockstep_cuda PRIVATE lockstep lockstep_flags DNNL::dnnl)
target_link_options(lockstep_cuda PRIVATE LINKER:--no-undefined)
lockstep_configure_cuda(lockstep_cuda)
if(LOCKSTEP_MPI)
  lockstep_cuda_objects(
    lockstep_nccl_host distributed/gpu_exchange.cc
    distributed/nccl_communicator.cc)
  target_sources(lockstep_cuda PRIVATE $<TARGET_OBJECTS:lockstep_nccl_host>)
  target_link_libraries(lockstep_cuda PRIVATE lockstep_distributed NCCL::nccl)
endif()
