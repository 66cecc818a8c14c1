// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/shape.h"

#include <gtest/gtest.h>
