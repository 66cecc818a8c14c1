# SPDX-License-Identifier: Apache-2.0
# CUDNN::cudnn, beside the CUDA toolkit or where the system has it.
find_path(CUDNN_INCLUDE_DIR cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
find_library(CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR})
foreach(header cudnn_version_v9.h cudnn_version.h)
  if(CUDNN_INCLUDE_DIR AND NOT CUDNN_VERSION
     AND EXISTS ${CUDNN_INCLUDE_DIR}/${header})
    file(STRINGS ${CUDNN_INCLUDE_DIR}/${header} lines
         REGEX "#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) +[0-9]+")
    string(REGEX MATCHALL "[0-9]+" numbers "${lines}")
    list(JOIN numbers "." CUDNN_VERSION)
  endif()
endforeach()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  CUDNN
  REQUIRED_VARS CUDNN_LIBRARY CUDNN_INCLUDE_DIR
  VERSION_VAR CUDNN_VERSION)
mark_as_advanced(CUDNN_INCLUDE_DIR CUDNN_LIBRARY)
if(CUDNN_FOUND AND NOT TARGET CUDNN::cudnn)
  add_library(CUDNN::cudnn UNKNOWN IMPORTED)
  set_target_properties(
    CUDNN::cudnn
    PROPERTIES IMPORTED_LOCATION ${CUDNN_LIBRARY}
               INTERFACE_INCLUDE_DIRECTORIES ${CUDNN_INCLUDE_DIR})
endif()
