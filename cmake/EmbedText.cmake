# SPDX-License-Identifier: Apache-2.0
# cmake -DOUTPUT=a.cc -DNAME=kText -DHEADER=a.h -DFILES=… -P EmbedText.cmake
# Writes the text of FILES (separated by |), one after the other and without
# their #include and #pragma once, as the string NAME that HEADER declares.
# FILE@FIRST@LAST is a file from what matches FIRST up to what matches LAST, at
# the ends of which stand its namespaces' begin and not their end.
string(REPLACE "|" ";" files "${FILES}")
set(code "#include \"${HEADER}\"\n\n")
string(APPEND code "namespace lockstep {\n\nconst char ${NAME}[] =\n")
foreach(part IN LISTS files)
  string(REPLACE "@" ";" words "${part}")
  list(GET words 0 file)
  file(READ ${file} text)
  list(LENGTH words count)
  if(count EQUAL 3)
    list(GET words 1 first)
    list(GET words 2 last)
    string(REGEX MATCH "${first}.*${last}" text "${text}")
    if(NOT text)
      message(FATAL_ERROR "${file}: no text from '${first}' to '${last}'")
    endif()
    string(REGEX REPLACE "${last}$" "\n}\n" text "${text}")
  endif()
  string(REGEX REPLACE "#(include|pragma once)[^\n]*\n" "" text "${text}")
  string(APPEND code "R\"LOCKSTEP(${text})LOCKSTEP\"\n")
endforeach()
string(APPEND code ";\n\n}  // namespace lockstep\n")
file(WRITE ${OUTPUT} "${code}")
