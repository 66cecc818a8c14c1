// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

OpCase Diag(const std::string& align = "RIGHT_LEFT", int padding = 0) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    return ops::MatrixDiag(s, in[0], in[1], -1, -1, padding, align);
  });
}
OpCase DiagPart(const std::string& align = "RIGHT_LEFT", int padding = 0) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    return ops::MatrixDiagPart(s, in[0], in[1], padding, align);
  });
}
OpCase SetDiag(const std::string& align = "RIGHT_LEFT") {
  return OpCase([=](const Scope& s, const Outputs& in) {
    return ops::MatrixSetDiag(s, in[0], in[1], in[2], align);
  });
}

TEST(MatrixDiagTest, PutsDiagonalsIntoMatrices) {
  Diag()
      .In(I({2, 2}, {1, 2, 3, 4}))
      .In(I({}, {0}))
      .Want(I({2, 2, 2}, {1, 0, 0, 2, 3, 0, 0, 4}));
  Diag("RIGHT_LEFT", 9)
      .In(F({2}, {1, 2}))
      .In(I({}, {1}))
      .Want(F({3, 3}, {9, 1, 9, 9, 9, 2, 9, 9, 9}));
  Diag()
      .In(F({2}, {1, 2}))
      .In(I({1}, {-1}))
      .Want(F({3, 3}, {0, 0, 0, 1, 0, 0, 0, 2, 0}));
  // A band: the upper diagonal's padding is on its left, the lower's on its
  // right.
  Diag()
      .In(I({3, 3}, {0, 8, 9, 1, 2, 3, 4, 5, 0}))
      .In(I({2}, {-1, 1}))
      .Want(I({3, 3}, {1, 8, 0, 4, 2, 9, 0, 5, 3}));
  Diag("LEFT_RIGHT")
      .In(I({3, 3}, {8, 9, 0, 1, 2, 3, 0, 4, 5}))
      .In(I({2}, {-1, 1}))
      .Want(I({3, 3}, {1, 8, 0, 4, 2, 9, 0, 5, 3}));
}

TEST(MatrixDiagTest, TakesTheSizeThatIsAskedFor) {
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::MatrixDiag(s, in[0], -1, 3, 4);
  })
      .In(F({2}, {1, 2}))
      .Want(F({3, 4}, {0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0}));
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::MatrixDiag(s, in[0], 0, 1, 2);
  })
      .In(F({2}, {1, 2}))
      .WantError(Code::kInvalidArgument, "number of rows is too small");
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::MatrixDiag(s, in[0], 0, 3, 3);
  })
      .In(F({2}, {1, 2}))
      .WantError(Code::kInvalidArgument, "not consistent");
  Diag()
      .In(I({2, 3}, {1, 2, 3, 4, 5, 6}))
      .In(I({2}, {-1, 1}))
      .WantError(Code::kInvalidArgument, "number of diagonals");
}

TEST(MatrixDiagPartTest, TakesBandsOfRectangles) {
  const Tensor x = I({1, 3, 4}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 7, 6});
  DiagPart().In(x).In(I({}, {0})).Want(I({1, 3}, {1, 6, 7}));
  DiagPart().In(x).In(I({}, {1})).Want(I({1, 3}, {2, 7, 6}));
  DiagPart("RIGHT_LEFT", -1)
      .In(x)
      .In(I({2}, {-1, 2}))
      .Want(I({1, 4, 3}, {-1, 3, 8, 2, 7, 6, 1, 6, 7, 5, 8, -1}));
  DiagPart("LEFT_LEFT")
      .In(x)
      .In(I({2}, {2, 3}))
      .Want(I({1, 2, 2}, {4, 0, 3, 8}));
  DiagPart()
      .In(x)
      .In(I({}, {4}))
      .WantError(Code::kInvalidArgument, "out of bound");
  DiagPart()
      .In(x)
      .In(I({2}, {1, 0}))
      .WantError(Code::kInvalidArgument, "must not be larger than upper");
}

TEST(MatrixSetDiagTest, ReplacesTheBand) {
  const Tensor x = I({2, 3}, {7, 7, 7, 7, 7, 7});
  SetDiag()
      .In(x)
      .In(I({2}, {1, 2}))
      .In(I({}, {0}))
      .Want(I({2, 3}, {1, 7, 7, 7, 2, 7}));
  SetDiag()
      .In(x)
      .In(I({2, 2}, {3, 4, 1, 2}))
      .In(I({2}, {0, 1}))
      .Want(I({2, 3}, {1, 3, 7, 7, 2, 4}));
  SetDiag()
      .In(x)
      .In(I({3}, {1, 2, 3}))
      .In(I({}, {0}))
      .WantError(Code::kInvalidArgument, "diagonal must have shape");
}

TEST(MatrixDiagTest, Gradients) {
  const Tensor band = I({2}, {-1, 1});
  Diag().In(Doubles({2, 3, 3})).Constant(band).Gradient();
  DiagPart("LEFT_RIGHT").In(Doubles({2, 3, 4})).Constant(band).Gradient();
  SetDiag()
      .In(Doubles({3, 3}))
      .In(Doubles({3, 3}, -1, 1, 2))
      .Constant(band)
      .Gradient();
}

TEST(MatrixDiagTest, TheFirstVersionsKnowTheMainDiagonalOnly) {
  const auto op = [](const char* name) {
    return OpCase([name](const Scope& s, const Outputs& in) {
      NodeBuilder b = s.Op(name);
      for (const Output& x : in) b.In(x);
      return b.Out();
    });
  };
  op("MatrixDiag").In(F({2}, {1, 2})).Want(F({2, 2}, {1, 0, 0, 2}));
  op("MatrixDiagPart").In(F({2, 3}, {1, 2, 3, 4, 5, 6})).Want(F({2}, {1, 5}));
  op("MatrixSetDiag")
      .In(F({2, 2}, {1, 2, 3, 4}))
      .In(F({2}, {8, 9}))
      .Want(F({2, 2}, {8, 2, 3, 9}));
  op("MatrixDiag").In(Doubles({2, 2})).Gradient();
  op("MatrixDiagPart").In(Doubles({2, 2})).Gradient();
  op("MatrixSetDiag").In(Doubles({2, 2})).In(Doubles({2})).Gradient();
}

}  // namespace
}  // namespace lockstep
