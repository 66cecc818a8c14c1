// SPDX-License-Identifier: Apache-2.0
#pragma once

// All builder functions, family by family; see the families' headers.
//
//   #include "ops/ops.h"
//   Output y = ops::Add(scope, ops::MatMul(scope, x, w), b);

#include "ops/array/array.h"
#include "ops/check/check.h"
#include "ops/control/control.h"
#include "ops/conv/conv.h"
#include "ops/image/image.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "ops/random/random.h"
#include "ops/reduce/reduce.h"
#include "ops/sparse/sparse.h"
#include "ops/state/state.h"
#include "ops/string/string.h"
#include "ops/summary/summary.h"
#include "ops/training/clip.h"
#include "ops/training/optimizer.h"
#include "ops/training/training.h"
