// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/strings.h"

#include <gtest/gtest.h>
