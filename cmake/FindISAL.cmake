# SPDX-License-Identifier: Apache-2.0
# Finds Intel's storage library (CRC32C, gzip): target ISAL::isal.
find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(PC_ISAL QUIET libisal)
endif()
find_path(ISAL_INCLUDE_DIR isa-l.h HINTS ${PC_ISAL_INCLUDEDIR})
find_library(ISAL_LIBRARY isal HINTS ${PC_ISAL_LIBDIR})
mark_as_advanced(ISAL_INCLUDE_DIR ISAL_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  ISAL
  REQUIRED_VARS ISAL_LIBRARY ISAL_INCLUDE_DIR
  VERSION_VAR PC_ISAL_VERSION)
if(ISAL_FOUND AND NOT TARGET ISAL::isal)
  add_library(ISAL::isal UNKNOWN IMPORTED)
  set_target_properties(
    ISAL::isal PROPERTIES IMPORTED_LOCATION ${ISAL_LIBRARY}
                          INTERFACE_INCLUDE_DIRECTORIES ${ISAL_INCLUDE_DIR})
endif()
