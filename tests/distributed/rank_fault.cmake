# SPDX-License-Identifier: Apache-2.0
# A rank that misbehaves ends the job: soon, and with these words. Included by
# tests/CMakeLists.txt.
target_link_libraries(rank_fault PRIVATE lockstep_distributed lockstep_flags)

function(lockstep_rank_fault_test fault words)
  foreach(backend shm mpi)
    list(JOIN ARGN "" kind)
    set(test rank_fault.${fault}.${backend})
    if(kind)
      set(test rank_fault.${kind}.${fault}.${backend})
    endif()
    add_test(NAME ${test}
             COMMAND ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} 3
                     $<TARGET_FILE:rank_fault> ${fault} ${ARGN})
    lockstep_mpi_properties(${test} RANKS 2 TIMEOUT 60 LABELS fault)
    set_tests_properties(${test} PROPERTIES PASS_REGULAR_EXPRESSION "${words}")
    set_property(
      TEST ${test} APPEND
      PROPERTY ENVIRONMENT LOCKSTEP_COMM=${backend} LOCKSTEP_COMM_TIMEOUT=2)
  endforeach()
endfunction()

lockstep_rank_fault_test(leave "rank 1.* has left the job")
lockstep_rank_fault_test(
  kill "lockstep: .rank [02] on .* stopped because rank 1 on .* \\(process [0-9]+\\) (died|was killed)")
lockstep_rank_fault_test(hang "rank 1.* did not arrive within")
lockstep_rank_fault_test(
  abort "stopped because rank 1 on .* failed.*INTERNAL: out of luck")
lockstep_rank_fault_test(
  differ "lockstep: .rank [02] on .* stopped because rank 1 on .* \\(process [0-9]+\\) differs from the other ranks")
# Who is told first may wait for a rank that waits for rank 1.
lockstep_rank_fault_test(leave "rank 1.* has left the job" tasks)
lockstep_rank_fault_test(kill "on signal 9" tasks)
lockstep_rank_fault_test(hang "rank [12].* did not arrive within" tasks)
