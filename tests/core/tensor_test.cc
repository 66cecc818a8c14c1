// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/tensor.h"

#include <gtest/gtest.h>
