# SPDX-License-Identifier: Apache-2.0
# cmake --install, and find_package(Lockstep) afterwards.

include(CMakePackageConfigHelpers)

set(lockstep_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Lockstep)
install(TARGETS lockstep lockstep_openmp_waits EXPORT LockstepTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
set(lockstep_header_folders runtime ops)
if(TARGET lockstep_distributed)
  install(TARGETS lockstep_distributed EXPORT LockstepTargets
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  list(APPEND lockstep_header_folders distributed)
endif()
install(
  DIRECTORY ${lockstep_header_folders}
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/lockstep
  FILES_MATCHING
  PATTERN "*.h")
install(
  EXPORT LockstepTargets
  NAMESPACE Lockstep::
  DESTINATION ${lockstep_package_dir})
configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/LockstepConfig.cmake.in
  ${PROJECT_BINARY_DIR}/LockstepConfig.cmake
  INSTALL_DESTINATION ${lockstep_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/LockstepConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/LockstepConfig.cmake
              ${PROJECT_BINARY_DIR}/LockstepConfigVersion.cmake
        DESTINATION ${lockstep_package_dir})
