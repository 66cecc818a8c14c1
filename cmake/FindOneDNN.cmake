# SPDX-License-Identifier: Apache-2.0
# Finds oneDNN: target DNNL::dnnl, OneDNN_VERSION. Not by oneDNN's own package
# file: Debian's asks for OpenCL's headers, which nothing here needs.
find_path(OneDNN_INCLUDE_DIR oneapi/dnnl/dnnl.hpp)
find_library(OneDNN_LIBRARY dnnl)
mark_as_advanced(OneDNN_INCLUDE_DIR OneDNN_LIBRARY)

set(version_header ${OneDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h)
if(EXISTS ${version_header})
  foreach(part MAJOR MINOR PATCH)
    file(STRINGS ${version_header} line REGEX "define DNNL_VERSION_${part} ")
    string(REGEX MATCH "[0-9]+" OneDNN_VERSION_${part} "${line}")
  endforeach()
  set(OneDNN_VERSION
      ${OneDNN_VERSION_MAJOR}.${OneDNN_VERSION_MINOR}.${OneDNN_VERSION_PATCH})
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  OneDNN
  REQUIRED_VARS OneDNN_LIBRARY OneDNN_INCLUDE_DIR
  VERSION_VAR OneDNN_VERSION
  HANDLE_VERSION_RANGE)
if(OneDNN_FOUND AND NOT TARGET DNNL::dnnl)
  add_library(DNNL::dnnl UNKNOWN IMPORTED)
  set_target_properties(
    DNNL::dnnl PROPERTIES IMPORTED_LOCATION ${OneDNN_LIBRARY}
                          INTERFACE_INCLUDE_DIRECTORIES ${OneDNN_INCLUDE_DIR})
endif()
