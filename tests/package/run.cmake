# SPDX-License-Identifier: Apache-2.0
# Installs a build into a scratch folder, builds the outside program against
# it and runs it.
#   cmake -DBUILD=… -DSOURCE=… -DSCRATCH=… -DCOMPILER=… -DFLAGS=… -P run.cmake
file(REMOVE_RECURSE ${SCRATCH})
function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${SCRATCH}/prefix)
run(${CMAKE_COMMAND} -G Ninja -S ${SOURCE} -B ${SCRATCH}/build
    -DCMAKE_PREFIX_PATH=${SCRATCH}/prefix -DCMAKE_CXX_COMPILER=${COMPILER}
    -DCMAKE_CXX_FLAGS=${FLAGS})
run(${CMAKE_COMMAND} --build ${SCRATCH}/build)

# The library sees to it that OpenMP's threads do not spin for long.
execute_process(
  COMMAND ${CMAKE_COMMAND} -E env --unset=OMP_WAIT_POLICY
          --unset=GOMP_SPINCOUNT OMP_DISPLAY_ENV=verbose
          ${SCRATCH}/build/outside
  ERROR_VARIABLE openmp COMMAND_ERROR_IS_FATAL ANY)
if(NOT openmp MATCHES "GOMP_SPINCOUNT = '1000'")
  message(FATAL_ERROR "OpenMP was there first:\n${openmp}")
endif()
