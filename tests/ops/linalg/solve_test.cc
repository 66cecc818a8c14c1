// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "tests/testing/named_op.h"

namespace lockstep {
namespace {

TEST(BandPartTest, KeepsABand) {
  const Tensor x = I({3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  NamedOp("MatrixBandPart")
      .In(x)
      .In(L({}, {1}))
      .In(L({}, {0}))
      .Want(I({3, 3}, {1, 0, 0, 4, 5, 0, 0, 8, 9}));
  NamedOp("MatrixBandPart")
      .In(x)
      .In(I({}, {0}))
      .In(I({}, {-1}))
      .Want(I({3, 3}, {1, 2, 3, 0, 5, 6, 0, 0, 9}));
  NamedOp("MatrixBandPart")
      .In(x)
      .In(L({}, {4}))
      .In(L({}, {0}))
      .WantError(Code::kInvalidArgument, "num_lower must be negative or less");
  NamedOp("MatrixBandPart")
      .In(Doubles({2, 2, 3}))
      .Constant(L({}, {0}))
      .Constant(L({}, {1}))
      .Gradient();
}

TEST(DiagTest, DoublesTheRankAndBack) {
  const Tensor x = F({2}, {1, 2}), y = F({2, 2}, {1, 0, 0, 2});
  NamedOp("Diag").In(x).Want(y);
  NamedOp("DiagPart").In(y).Want(x);
  NamedOp("DiagPart")
      .In(F({1, 2}, {1, 2}))
      .WantError(Code::kInvalidArgument, "halves");
  NamedOp("Diag").In(Doubles({2})).Gradient();
  NamedOp("DiagPart").In(Doubles({2, 2})).Gradient();
}

TEST(CrossTest, IsPerpendicular) {
  NamedOp("Cross")
      .In(I({3}, {1, 2, 3}))
      .In(I({3}, {4, 5, 6}))
      .Want(I({3}, {-3, 6, -3}));
  NamedOp("Cross").In(Doubles({2, 3})).In(Doubles({2, 3}, -1, 1, 2)).Gradient();
}

TEST(SolveTest, FactorsInvertsAndSolves) {
  const Tensor spd = D({2, 2}, {4, 2, 2, 5});
  NamedOp("Cholesky").In(spd).Within(1e-14).Want(D({2, 2}, {2, 0, 1, 2}));
  NamedOp("MatrixInverse")
      .In(D({1, 2, 2}, {1, 2, 3, 4}))
      .Within(1e-14)
      .Want(D({1, 2, 2}, {-2, 1, 1.5, -0.5}));
  NamedOp("MatrixDeterminant")
      .In(D({2, 2}, {1, 2, 3, 4}))
      .Within(1e-14)
      .Want(D({}, {-2}));
  NamedOp("LogMatrixDeterminant", {}, 1)
      .In(D({2, 2}, {1, 2, 3, 4}))
      .Within(1e-14)
      .Want(D({}, {std::log(2.0)}));
  NamedOp("MatrixSolve")
      .In(spd)
      .In(D({2, 1}, {8, 12}))
      .Within(1e-14)
      .Want(D({2, 1}, {1, 2}));
  NamedOp("MatrixTriangularSolve")
      .In(D({2, 2}, {2, 9, 1, 4}))
      .In(D({2, 1}, {2, 9}))
      .Within(1e-14)
      .Want(D({2, 1}, {1, 2}));
  NamedOp("MatrixTriangularSolve")
      .In(D({2, 2}, {0, 0, 1, 1}))
      .In(D({2, 1}, {1, 2}))
      .Want(D({2, 1}, {INFINITY, -INFINITY}));
  NamedOp("MatrixInverse")
      .In(D({2, 2}, {1, 2, 2, 4}))
      .WantError(Code::kInvalidArgument, "not invertible");
  NamedOp("Cholesky")
      .In(D({2, 2}, {1, 2, 2, 1}))
      .Want(D({2, 2}, {NAN, 0, NAN, NAN}));
  NamedOp("MatrixInverse")
      .In(D({1, 2}, {1, 2}))
      .WantError(Code::kInvalidArgument, "square");
}

// Far from singular.
Tensor LargeMatrices() {
  Tensor a = Doubles({3, 45, 45});
  for (size_t i = 0; i < 3 * 45; ++i) {
    a.flat<double>()[i * 45 + i % 45] += 20;
  }
  return a;
}

// A X = B for more columns than are solved for at once.
TEST(SolveTest, ManyColumnsOfManyMatrices) {
  const Tensor a = LargeMatrices(), b = Doubles({3, 45, 70}, -1, 1, 2);
  const auto product = [&](const OpCase::Build& solve, bool adjoint) {
    return OpCase([=](const Scope& s, const Outputs& in) {
             return ops::BatchMatMul(s, in[0], solve(s, in), adjoint, false);
           })
        .Within(1e-13);
  };
  for (const bool adjoint : {false, true}) {
    product(
        [=](const Scope& s, const Outputs& in) {
          return ops::MatrixSolve(s, in[0], in[1], adjoint);
        },
        adjoint)
        .In(a)
        .In(b)
        .Want(b);
    product(
        [=](const Scope& s, const Outputs& in) {
          const Output y = ops::MatrixInverse(s, in[0], adjoint);
          return ops::BatchMatMul(s, y, in[1]);
        },
        adjoint)
        .In(a)
        .In(b)
        .Want(b);
  }
}

TEST(SolveTest, LargeTriangles) {
  const Tensor a = LargeMatrices(), b = Doubles({3, 45, 70}, -1, 1, 2);
  const int64_t all = -1, none = 0;
  for (const bool lower : {false, true}) {
    for (const bool adjoint : {false, true}) {
      OpCase([=](const Scope& s, const Outputs& in) {
        const Output half = ops::MatrixBandPart(s, in[0], lower ? all : none,
                                                lower ? none : all);
        return ops::BatchMatMul(
            s, half,
            ops::MatrixTriangularSolve(s, in[0], in[1], lower, adjoint),
            adjoint, false);
      })
          .In(a)
          .In(b)
          .Within(1e-13)
          .Want(b);
    }
  }
  Tensor none_left(kDouble, a.shape());
  std::ranges::fill(none_left.flat<double>(), 0.0);
  // L L' = A of a symmetric A; the determinant is that of L, squared.
  const auto symmetric = [](const Scope& s, const Output& x) {
    return ops::BatchMatMul(s, x, x, false, true);
  };
  OpCase([=](const Scope& s, const Outputs& in) {
    const Output square = symmetric(s, in[0]), l = ops::Cholesky(s, square);
    return ops::Sub(s, symmetric(s, l), square);
  })
      .In(a)
      .Within(1e-11)
      .Want(none_left);
  OpCase([=](const Scope& s, const Outputs& in) {
    const Output l = ops::Cholesky(s, symmetric(s, in[0]));
    return ops::Div(s, ops::MatrixDeterminant(s, l),
                    ops::MatrixDeterminant(s, in[0]));
  })
      .In(a)
      .Within(1e-12)
      .Want(D({3}, {1, 1, 1}));
}

TEST(SolveTest, OneSingularMatrixOfMany) {
  Tensor a = LargeMatrices();
  std::fill_n(a.flat<double>().data() + 45 * 45, 45, 0.0);
  NamedOp("MatrixInverse")
      .In(a)
      .WantError(Code::kInvalidArgument, "not invertible");
}

TEST(SolveTest, Gradients) {
  const Tensor a = D({2, 2}, {4, 1, 2, 5}), b = Doubles({2, 3});
  NamedOp("MatrixInverse").In(a).Gradient(1e-5);
  NamedOp("MatrixInverse", {{"adjoint", true}}).In(a).Gradient(1e-5);
  NamedOp("MatrixDeterminant").In(a).Gradient(1e-5);
  NamedOp("LogMatrixDeterminant", {}, 1).In(a).Gradient(1e-5);
  for (const bool adjoint : {false, true}) {
    NamedOp("MatrixSolve", {{"adjoint", adjoint}}).In(a).In(b).Gradient(1e-5);
    for (const bool lower : {false, true}) {
      NamedOp("MatrixTriangularSolve", {{"adjoint", adjoint}, {"lower", lower}})
          .In(a)
          .In(b)
          .Gradient(1e-5);
    }
  }
  // Of a symmetric matrix made from any, as differences break the symmetry.
  OpCase([](const Scope& s, const Outputs& in) {
    const Output square = ops::MatMul(s, in[0], in[0], false, true);
    return ops::Cholesky(s, square);
  })
      .In(a)
      .Gradient(1e-5);
}

TEST(CountingTest, CountsNumbers) {
  const Tensor none = Tensor(kInt32, Shape{0});
  NamedOp("Bincount")
      .In(I({5}, {1, 0, 1, 4, 9}))
      .In(I({}, {5}))
      .In(none)
      .Want(I({5}, {1, 2, 0, 0, 1}));
  NamedOp("Bincount")
      .In(I({2}, {1, 1}))
      .In(I({}, {2}))
      .In(F({2}, {0.5f, 2}))
      .Want(F({2}, {0, 2.5f}));
  NamedOp("Bincount")
      .In(I({1}, {-1}))
      .In(I({}, {2}))
      .In(none)
      .WantError(Code::kInvalidArgument, "non-negative");
  NamedOp("DenseBincount", {{"binary_output", true}})
      .In(I({2, 2}, {0, 0, 1, 2}))
      .In(I({}, {3}))
      .In(none)
      .Want(I({2, 3}, {1, 0, 0, 0, 1, 1}));
  NamedOp("HistogramFixedWidth")
      .In(F({6}, {-1, 0, 1.5f, 2, 5, 15}))
      .In(F({2}, {0, 5}))
      .In(I({}, {5}))
      .Want(I({5}, {2, 1, 1, 0, 2}));
  NamedOp("Bucketize", {{"boundaries", std::vector<float>{0, 10, 100}}})
      .In(I({5}, {-5, 0, 10, 99, 1000}))
      .Want(I({5}, {0, 1, 2, 2, 3}));
}

// Recorded from TensorFlow.
TEST(QrTest, FactorsWithTensorFlowsSigns) {
  const Tensor deep = D({3, 2}, {1, 2, 3, 4, 5, 7});
  NamedOp("Qr", {}, 0)
      .In(deep)
      .Within(1e-14)
      .Want(D({3, 2},
              {-0.16903085094570325, 0.948683298050514, -0.5070925528371099,
               -0.3162277660168368, -0.8451542547285166, 0}));
  NamedOp("Qr", {}, 1)
      .In(deep)
      .Within(1e-14)
      .Want(D({2, 2},
              {-5.916079783099616, -8.282511696339462, 0, 0.632455532033676}));
  NamedOp("Qr", {{"full_matrices", true}}, 1)
      .In(deep)
      .Within(1e-14)
      .Want(D({3, 2}, {-5.916079783099616, -8.282511696339462, 0,
                       0.632455532033676, 0, 0}));
  // Columns that are done already keep their signs.
  NamedOp("Qr", {}, 1)
      .In(D({2, 2}, {2, 1, 0, -3}))
      .Want(D({2, 2}, {2, 1, 0, -3}));
  NamedOp("Qr").In(F({2, 0, 3}, {})).Want(F({2, 0, 0}, {}));
  NamedOp("Qr").In(F({3}, {1, 2, 3})).WantError(Code::kInvalidArgument, "rank");
}

TEST(QrTest, Gradients) {
  for (const Shape& shape : {Shape{3, 3}, Shape{4, 2}, Shape{2, 2, 4}}) {
    for (const int output : {0, 1}) {
      // As in TensorFlow, sizes have to be known.
      OpCase([=](const Scope& s, const Outputs& in) {
        const Output x =
            s.Op("EnsureShape").In(in[0]).Attr("shape", shape).Out();
        return s.Op("Qr").In(x).Out(output);
      })
          .In(Doubles(shape, 1, 3))
          .Gradient(1e-5);
    }
  }
}

// By hand: eigenvalues 1 and 3 of [[2, 1], [1, 2]]; what is above the diagonal
// is not read.
TEST(SelfAdjointEigTest, ValuesAscendAndVectorsFit) {
  const Tensor a = D({2, 2}, {2, 99, 1, 2});
  NamedOp("SelfAdjointEigV2", {}, 0).In(a).Within(1e-14).Want(D({2}, {1, 3}));
  NamedOp("SelfAdjointEigV2", {{"compute_v", false}}, 1).In(a).Want(D({0}, {}));
  // v diag(e) v' is the matrix again.
  OpCase([](const Scope& s, const std::vector<Output>& in) {
    const auto eig = s.Op("SelfAdjointEigV2").In(in[0]).Outs();
    return ops::BatchMatMul(s, ops::Mul(s, eig[1], eig[0]), eig[1], false,
                            true);
  })
      .In(D({3, 3}, {4, 1, -2, 1, 2, 0, -2, 0, 3}))
      .Within(1e-13)
      .Want(D({3, 3}, {4, 1, -2, 1, 2, 0, -2, 0, 3}));
  NamedOp("SelfAdjointEigV2")
      .In(D({1, 1}, {NAN}))
      .WantError(Code::kInvalidArgument, "not successful");
  NamedOp("SelfAdjointEigV2")
      .In(D({2, 1}, {1, 2}))
      .WantError(Code::kInvalidArgument, "square");
}

TEST(SelfAdjointEigTest, Gradients) {
  const Tensor a = D({3, 3}, {4, 1, -2, 1, 2, 0.5, -2, 0.5, 7});
  NamedOp("SelfAdjointEigV2", {}, 0).In(a).Gradient(1e-5);
  NamedOp("SelfAdjointEigV2", {{"compute_v", false}}, 0).In(a).Gradient(1e-5);
  NamedOp("SelfAdjointEigV2", {}, 1).In(a).Gradient(1e-5);
}

}  // namespace
}  // namespace lockstep
