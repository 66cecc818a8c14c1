// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/env.h"

#include <gtest/gtest.h>
