# SPDX-License-Identifier: Apache-2.0
# The tree itself, and the installed package.
add_test(NAME Tree.KeepsItsRules COMMAND ${PROJECT_SOURCE_DIR}/tools/check_layers)
add_test(NAME Tree.IsFormatted COMMAND ${PROJECT_SOURCE_DIR}/tools/format --check)
add_test(NAME CheckLayers.FindsEveryBreach
         COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tools/check_layers_test.sh
                 ${PROJECT_SOURCE_DIR}/tools/check_layers
                 ${CMAKE_CURRENT_BINARY_DIR}/check_layers)
add_test(NAME Setup.InstallsWhatIsMissingAndNothingElse
         COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tools/setup_test.sh
                 ${PROJECT_SOURCE_DIR}/tools/setup
                 ${CMAKE_CURRENT_BINARY_DIR}/setup)
add_test(NAME Compare.KeepsMinimaAndSaysWhatIsMet
         COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tools/compare_test.sh
                 ${PROJECT_SOURCE_DIR}/tools/compare
                 ${CMAKE_CURRENT_BINARY_DIR}/compare)
add_test(NAME GpuCheck.DoesNotPassWhatIsSkipped
         COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tools/gpu_check_test.sh
                 ${PROJECT_SOURCE_DIR}/tools/gpu-check
                 ${CMAKE_CURRENT_BINARY_DIR}/gpu_check)
add_test(NAME Growth.MarksKnees
         COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tools/growth_test.sh
                 ${PROJECT_SOURCE_DIR}/tools/growth
                 ${CMAKE_CURRENT_BINARY_DIR}/growth)
set_tests_properties(
  Compare.KeepsMinimaAndSaysWhatIsMet GpuCheck.DoesNotPassWhatIsSkipped
  Growth.MarksKnees PROPERTIES LABELS cpu TIMEOUT 300 SKIP_RETURN_CODE 77)
if(LOCKSTEP_SANITIZE)
  set(package_flags -fsanitize=${LOCKSTEP_SANITIZE})
endif()
add_test(NAME Package.OutsideProgramBuildsAgainstTheInstalledLibrary
         COMMAND ${CMAKE_COMMAND} -DBUILD=${PROJECT_BINARY_DIR}
                 -DSOURCE=${CMAKE_CURRENT_SOURCE_DIR}/package
                 -DSCRATCH=${CMAKE_CURRENT_BINARY_DIR}/package
                 -DCOMPILER=${CMAKE_CXX_COMPILER}
                 "-DFLAGS=${package_flags}"
                 -P ${CMAKE_CURRENT_SOURCE_DIR}/package/run.cmake)
set_tests_properties(
  Tree.KeepsItsRules CheckLayers.FindsEveryBreach
  Setup.InstallsWhatIsMissingAndNothingElse
  Package.OutsideProgramBuildsAgainstTheInstalledLibrary
  PROPERTIES LABELS cpu TIMEOUT 300)
set_tests_properties(Tree.IsFormatted PROPERTIES LABELS cpu TIMEOUT 300
                                                 SKIP_RETURN_CODE 77)
