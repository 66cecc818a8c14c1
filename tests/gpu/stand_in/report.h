// SPDX-License-Identifier: Apache-2.0
#pragma once

// Misuse of the libraries that the stand-in stands in for: what they leave
// undefined, or what no program does on purpose. Said on standard error, and
// counted; a process that did any ends with kMisuseStatus, however it ends
// otherwise. What the libraries answer with a plain error is none: the caller
// gets the error.

#include <string>

#include "runtime/core/strings.h"

namespace lockstep::stand_in {

inline constexpr int kMisuseStatus = 86;

void Misuse(const std::string& what);
// How often so far. Tests of the stand-in itself take it back to 0.
int Misuses();
void ForgetMisuses();

std::string AddressText(const void* address);

// `at_exit` says what is left when the process ends, empty for nothing.
void CheckAtExit(std::string (*at_exit)());

}  // namespace lockstep::stand_in
