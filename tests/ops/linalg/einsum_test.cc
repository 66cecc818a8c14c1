// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

OpCase Einsum(const char* equation) {
  return OpCase([equation](const Scope& s, const Outputs& in) {
    return ops::Einsum(s, in, equation);
  });
}

TEST(EinsumTest, MultipliesMatrices) {
  const Tensor a = F({2, 3}, {1, 2, 3, 4, 5, 6}), b = F({3, 1}, {1, 10, 100});
  Einsum("ij,jk->ik").In(a).In(b).Want(F({2, 1}, {321, 654}));
  Einsum("ij,jk->ki").In(a).In(b).Want(F({1, 2}, {321, 654}));
  Einsum("ij, jk -> ").In(a).In(b).Want(F({}, {975}));
  Einsum("i,j->ij")
      .In(I({2}, {1, 2}))
      .In(I({2}, {3, 4}))
      .Want(I({2, 2}, {3, 4, 6, 8}));
  Einsum("bij,bjk->bik")
      .In(F({2, 1, 2}, {1, 2, 3, 4}))
      .In(F({2, 2, 1}, {1, 1, 2, 2}))
      .Want(F({2, 1, 1}, {3, 14}));
}

TEST(EinsumTest, OneOperandIsMovedSummedOrItsDiagonalTaken) {
  const Tensor a = I({2, 2}, {1, 2, 3, 4});
  Einsum("ij->ji").In(a).Want(I({2, 2}, {1, 3, 2, 4}));
  Einsum("ij->j").In(a).Want(I({2}, {4, 6}));
  Einsum("ii->i").In(a).Want(I({2}, {1, 4}));
  Einsum("ii->").In(a).Want(I({}, {5}));
  Einsum("i->ii").In(I({2}, {7, 8})).Want(I({2, 2}, {7, 0, 0, 8}));
}

TEST(EinsumTest, TheEllipsisBroadcasts) {
  const Tensor a = F({2, 1, 2}, {1, 2, 3, 4}), b = F({2, 1}, {1, 1});
  Einsum("...ij,...jk->...ik").In(a).In(b).Want(F({2, 1, 1}, {3, 7}));
  Einsum("...ij->...ji").In(b).Want(F({1, 2}, {1, 1}));
  Einsum("i...,i...->...")
      .In(F({2, 2}, {1, 2, 3, 4}))
      .In(F({2, 1}, {1, 10}))
      .Want(F({2}, {31, 42}));
}

// Floats go to oneDNN, from where they lie if that is as matrices; doubles go
// by loops.
TEST(EinsumTest, LargeProductsOfFloats) {
  struct Case {
    const char* equation;
    Shape a, b;
  };
  for (const Case& c : {Case{"ij,jk->ik", {50, 40}, {40, 60}},
                        Case{"ji,kj->ik", {40, 50}, {60, 40}},
                        Case{"ij,jk->ki", {50, 40}, {40, 60}},
                        Case{"bij,bkj->bik", {4, 20, 30}, {4, 40, 30}},
                        Case{"bij,bjk->ibk", {4, 20, 30}, {4, 30, 40}},
                        Case{"bthd,bshd->bhts", {2, 12, 3, 40}, {2, 30, 3, 40}},
                        Case{"bhts,bshd->bthd", {2, 3, 12, 30}, {2, 30, 3, 40}},
                        Case{"ijk,kl->ijl", {5, 10, 40}, {40, 50}},
                        Case{"jik,lk->ijl", {5, 10, 40}, {50, 40}},
                        Case{"...ij,...jk->...ik", {3, 1, 20, 30}, {5, 30, 40}},
                        Case{"iij,jk->ik", {40, 40, 50}, {50, 40}},
                        Case{"ijq,jk->ik", {40, 50, 2}, {50, 40}},
                        Case{"ij,jk->iik", {40, 50}, {50, 40}},
                        Case{"bi,bij->bj", {30, 60}, {30, 60, 50}},
                        Case{"bi,bi->b", {300, 400}, {300, 400}},
                        Case{"i,j->ij", {300}, {400}}}) {
    const Tensor a = Doubles(c.a), b = Doubles(c.b, -1, 1, 2);
    const auto want = Einsum(c.equation).In(a).In(b).Run();
    ASSERT_TRUE(want.ok()) << want.status().ToString();
    SCOPED_TRACE(c.equation);
    Einsum(c.equation)
        .In(As(kFloat, a))
        .In(As(kFloat, b))
        .Within(2e-5)
        .Want(As(kFloat, *want));
  }
}

TEST(EinsumTest, RefusesWhatDoesNotFit) {
  Einsum("ij,jk->ik")
      .In(F({1, 2}, {1, 2}))
      .In(F({1, 1}, {1}))
      .WantError(Code::kInvalidArgument, "dimension");
  Einsum("ij->ik")
      .In(F({1, 1}, {1}))
      .WantError(Code::kInvalidArgument, "is in no input");
  Einsum("ij").In(F({1, 1}, {1})).WantError(Code::kInvalidArgument, "'->'");
  Einsum("i->i")
      .In(F({1, 1}, {1}))
      .WantError(Code::kInvalidArgument, "does not fit");
}

TEST(EinsumTest, Gradients) {
  Einsum("ij,jk->ki").In(Doubles({2, 3})).In(Doubles({3, 2})).Gradient();
  Einsum("bij,jk->bk").In(Doubles({2, 2, 3})).In(Doubles({3, 2})).Gradient();
  Einsum("ijk->j").In(Doubles({2, 3, 2})).Gradient();
  Einsum("ii->").In(Doubles({3, 3})).Gradient();
  Einsum("iij->ij").In(Doubles({2, 2, 3})).Gradient();
  Einsum("...ij,...jk->...ik")
      .In(Doubles({2, 2, 3}))
      .In(Doubles({3, 2}))
      .Gradient();
}

TEST(BatchMatMulTest, TheThirdVersionWidensBytes) {
  OpCase([](const Scope& s, const Outputs& in) {
    return s.Op("BatchMatMulV3")
        .In(in[0])
        .In(in[1])
        .Attr("Tout", kInt32)
        .Attr("adj_y", true)
        .Out();
  })
      .In(As(kInt8, I({2, 1, 2}, {100, -100, 1, 2})))
      .In(As(kUint8, I({1, 2}, {200, 3})))
      .Want(I({2, 1, 1}, {19700, 206}));
}

}  // namespace
}  // namespace lockstep
