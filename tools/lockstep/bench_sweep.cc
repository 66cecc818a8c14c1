// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/bench_sweep.h"

#include <cstdio>
#include <functional>

#include "ops/ops.h"
#include "runtime/core/threads.h"
#include "runtime/exec/session.h"
#include "tools/lockstep/bench_models.h"
#include "tools/lockstep/bench_peaks.h"
#include "tools/lockstep/bench_steps.h"

namespace lockstep {
namespace {

constexpr double kMicrosTimed = 300e3;  // of one size, at most
constexpr int kSteps = 1000;
constexpr int64_t kSmallest = 16 << 10;
constexpr int64_t kColumns = 1024;

// One op, or a few that are made in one pass, of one size.
struct Case {
  std::string op;
  std::string size;
  std::vector<Shape> feeds;
  std::function<Output(const Scope&, const std::vector<Output>&)> build;
  NodeWork work;  // operands in memory once; what is between them is not
};

double Elements(const std::vector<Shape>& shapes) {
  double n = 0;
  for (const Shape& s : shapes) n += static_cast<double>(s.NumElements());
  return n;
}

using Outputs = std::vector<Output>;

std::vector<Case> Elementwise(const BenchOptions& o) {
  std::vector<Case> cases;
  const auto add = [&](const char* op, int feeds, double flops, int64_t n,
                       auto build) {
    const std::vector<Shape> shapes(static_cast<size_t>(feeds), Shape{n});
    const auto count = static_cast<double>(n);
    cases.push_back(
        {op,
         StrCat(n),
         shapes,
         build,
         {.bytes = 4 * count * (feeds + 1), .flops = flops * count}});
  };
  for (int64_t n = kSmallest / 4; n * 12 <= o.max_bytes; n *= 4) {
    add("x+y", 2, 1, n, [](const Scope& s, const Outputs& x) {
      return ops::Add(s, x[0], x[1]);
    });
    add("relu(x*y+z)", 3, 3, n, [](const Scope& s, const Outputs& x) {
      return ops::Relu(s, ops::Add(s, ops::Mul(s, x[0], x[1]), x[2]));
    });
    add("sqrt(x)/(y+1)", 2, 3, n, [](const Scope& s, const Outputs& x) {
      return ops::Div(s, ops::Sqrt(s, x[0]), ops::Add(s, x[1], 1.0f));
    });
    add("exp(x)", 1, 1, n,
        [](const Scope& s, const Outputs& x) { return ops::Exp(s, x[0]); });
    add("tanh(x)", 1, 1, n,
        [](const Scope& s, const Outputs& x) { return ops::Tanh(s, x[0]); });
  }
  return cases;
}

std::vector<Case> Reduce(const BenchOptions& o) {
  std::vector<Case> cases;
  for (int64_t n = kSmallest / 4; n * 4 <= o.max_bytes; n *= 4) {
    const Shape shape{n / kColumns, kColumns};
    const auto count = static_cast<double>(n);
    const auto add = [&](const char* op, double results, auto build,
                         size_t feeds = 1) {
      cases.push_back(
          {op,
           StrCat(shape),
           std::vector<Shape>(feeds, shape),
           build,
           {.bytes = 4 * (count * static_cast<double>(feeds) + results),
            .flops = count}});
    };
    const auto rows = static_cast<double>(n / kColumns);
    add("sum of all", 1, [](const Scope& s, const Outputs& x) {
      return ops::Sum(s, x[0], {0, 1});
    });
    add("sum of rows", rows, [](const Scope& s, const Outputs& x) {
      return ops::Sum(s, x[0], {1});
    });
    add("sum of columns", kColumns, [](const Scope& s, const Outputs& x) {
      return ops::Sum(s, x[0], {0});
    });
    add("max of rows", rows, [](const Scope& s, const Outputs& x) {
      return ops::Max(s, x[0], {1});
    });
    add(
        "mean of (x-y)^2", 1,
        [](const Scope& s, const Outputs& x) {
          return ops::Mean(s, ops::Square(s, ops::Sub(s, x[0], x[1])), {0, 1});
        },
        2);
  }
  return cases;
}

Case Product(int64_t m, int64_t k, int64_t n, bool ta, bool tb) {
  const Shape a = ta ? Shape{k, m} : Shape{m, k};
  const Shape b = tb ? Shape{n, k} : Shape{k, n};
  return {StrCat(ta ? "A'" : "A", tb ? "B'" : "B"),
          StrCat(m, "x", k, "x", n),
          {a, b},
          [ta, tb](const Scope& s, const Outputs& x) {
            return ops::MatMul(s, x[0], x[1], ta, tb);
          },
          {.bytes = 4 * Elements({a, b, Shape{m, n}}),
           .flops = 2 * Elements({Shape{m, n}}) * static_cast<double>(k)}};
}

std::vector<Case> Matmul(const BenchOptions& o) {
  std::vector<Case> cases;
  for (int64_t n = 4; n <= 2048 && 12 * n * n <= o.max_bytes; n *= 2) {
    cases.push_back(Product(n, n, n, false, false));
  }
  // Of the MLP: forward, weight gradient, gradient of a layer between.
  const int64_t batch = o.batch > 0 ? o.batch : 100;
  for (const auto& [in, out] : {std::pair(784, 300), std::pair(300, 10)}) {
    cases.push_back(Product(batch, in, out, false, false));
    cases.push_back(Product(in, batch, out, true, false));
    cases.push_back(Product(batch, out, in, false, true));
  }
  return cases;
}

void AddConvolutions(const Shape& x, int64_t out, std::vector<Case>* cases) {
  const int64_t in = x.dim(3);
  const Shape filter{3, 3, in, out}, y{x.dim(0), x.dim(1), x.dim(2), out};
  const NodeWork work{
      .bytes = 4 * Elements({x, filter, y}),
      .flops = 2.0 * Elements({y}) * 9 * static_cast<double>(in)};
  const std::string size = StrCat(x, " 3x3x", out);
  const auto sizes = [](const Shape& shape) {
    std::vector<int32_t> dims;
    for (const int64_t d : shape.dims())
      dims.push_back(static_cast<int32_t>(d));
    return Tensor::Vector(dims);
  };
  const std::vector<int64_t> strides = {1, 1, 1, 1};
  cases->push_back({"forward",
                    size,
                    {x, filter},
                    [strides](const Scope& s, const Outputs& f) {
                      return ops::Conv2D(s, f[0], f[1], strides, "SAME");
                    },
                    work});
  cases->push_back({"filter gradient",
                    size,
                    {x, y},
                    [=](const Scope& s, const Outputs& f) {
                      return ops::Conv2DBackpropFilter(s, f[0], sizes(filter),
                                                       f[1], strides, "SAME");
                    },
                    work});
  // Of the first layer nobody asks for it.
  if (in == 1) return;
  cases->push_back({"input gradient",
                    size,
                    {filter, y},
                    [=](const Scope& s, const Outputs& f) {
                      return ops::Conv2DBackpropInput(s, sizes(x), f[0], f[1],
                                                      strides, "SAME");
                    },
                    work});
}

std::vector<Case> Conv(const BenchOptions& o) {
  const int64_t batch = o.batch > 0 ? o.batch : 128;
  std::vector<Case> cases, fitting;
  AddConvolutions({batch, 28, 28, 1}, 32, &cases);
  AddConvolutions({batch, 14, 14, 32}, 64, &cases);
  AddConvolutions({batch / 8 + 1, 56, 56, 64}, 64, &cases);
  AddConvolutions({batch / 8 + 1, 28, 28, 128}, 128, &cases);
  for (Case& c : cases) {
    if (c.work.bytes <= static_cast<double>(o.max_bytes)) {
      fitting.push_back(std::move(c));
    }
  }
  return fitting;
}

struct Sweep {
  const char* name;
  std::vector<Case> (*cases)(const BenchOptions& options);
};
constexpr Sweep kSweeps[] = {{"elementwise", Elementwise},
                             {"reduce", Reduce},
                             {"matmul", Matmul},
                             {"conv", Conv}};

Result<BenchTimes> Time(const Case& c, const BenchOptions& o, int threads) {
  BenchModel model;
  const Scope root(&model.graph);
  model.batches.emplace_back();
  for (const Shape& shape : c.feeds) {
    model.feeds.push_back(ops::Placeholder(root, kFloat, shape));
    model.batches[0].push_back(UniformTensor(shape, model.feeds.size()));
  }
  // Run, not fetched: a fetch would be a copy.
  model.targets = {c.build(root, model.feeds).node};
  LS_RETURN_IF_ERROR(model.graph.status());
  SessionOptions options;
  LS_RETURN_IF_ERROR(o.session.Apply("bench", *Env::Default(), &options));
  options.intra_op_threads = threads;
  LS_ASSIGN_OR_RETURN(auto session, Session::Create(model.graph, options));
  double first_us = 0;
  return TimeSteps(model, *session, o.steps > 0 ? o.steps : kSteps, o.warmup,
                   &first_us, kMicrosTimed);
}

void Print(const Case& c, const BenchTimes& times, double least) {
  std::printf("%-16s %-22s %11.2f %11.2f %11.2f %9.2f %9.1f %7.1f %%\n",
              c.op.c_str(), c.size.c_str(), times.min(), times.median(),
              times.At(0.95), c.work.bytes / times.min() * 1e-3,
              c.work.flops / times.min() * 1e-3, 100 * least / times.min());
  std::fflush(stdout);
}

}  // namespace

std::vector<std::string> SweepNames() {
  std::vector<std::string> names;
  for (const Sweep& sweep : kSweeps) names.emplace_back(sweep.name);
  return names;
}

Status BenchSweep(const BenchOptions& o, int threads) {
  const Sweep* sweep = nullptr;
  for (const Sweep& s : kSweeps) {
    if (o.name == s.name) sweep = &s;
  }
  if (sweep == nullptr) return NotFound("no sweep '", o.name, "'");
  SetThreads(threads);
  MachinePeaks peaks(threads);
  if (!o.json) {
    std::printf(
        "%d threads; the machine's peak is %.0f GFLOP/s\n%-16s %-22s "
        "%11s %11s %11s %9s %9s  of peak\n",
        threads, peaks.FlopsPerMicro() * 1e-3, o.name.c_str(), "size", "us min",
        "us median", "us 95 %", "GB/s", "GFLOP/s");
  }
  for (const Case& c : sweep->cases(o)) {
    LS_ASSIGN_OR_RETURN(const BenchTimes times, Time(c, o, threads));
    const double least = peaks.Micros(c.work);
    if (!o.json) {
      Print(c, times, least);
      continue;
    }
    PrintJson(RowJson({o.name, threads, 1, o.batch}, times,
                      {{"op", c.op},
                       {"size", c.size},
                       {"bytes", c.work.bytes},
                       {"flops", c.work.flops},
                       {"gb_s", Rounded(c.work.bytes / times.min() * 1e-3)},
                       {"gflop_s", Rounded(c.work.flops / times.min() * 1e-3)},
                       {"of_peak", Rounded(least / times.min(), 3)}}));
  }
  return Ok();
}

}  // namespace lockstep
