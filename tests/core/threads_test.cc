// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/threads.h"

#include <gtest/gtest.h>
