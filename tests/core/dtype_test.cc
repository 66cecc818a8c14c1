// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/dtype.h"

#include <gtest/gtest.h>
