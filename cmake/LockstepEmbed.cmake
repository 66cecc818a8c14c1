# SPDX-License-Identifier: Apache-2.0
# lockstep_embed(TARGET SYMBOL FILE): makes the bytes of FILE part of TARGET, as
#   extern const unsigned char SYMBOL[]; extern const unsigned int SYMBOL_size;
# in namespace lockstep. For small files: they become C++ text.
function(lockstep_embed target symbol file)
  cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_property(
    DIRECTORY
    APPEND
    PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} bytes HEX)
  string(LENGTH "${bytes}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  set(source ${CMAKE_CURRENT_BINARY_DIR}/embedded/${symbol}.cc)
  file(
    CONFIGURE
    OUTPUT ${source}
    CONTENT
      "namespace lockstep {
extern const unsigned int ${symbol}_size;
extern const unsigned char ${symbol}[];
const unsigned int ${symbol}_size = ${size};
const unsigned char ${symbol}[] = {
${bytes}};
}  // namespace lockstep
"
    @ONLY)
  target_sources(${target} PRIVATE ${source})
endfunction()
