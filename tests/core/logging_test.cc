// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/logging.h"

#include <gtest/gtest.h>
