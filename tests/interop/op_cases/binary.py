# SPDX-License-Identifier: Apache-2.0
"""Element-wise ops of two arguments: types, broadcasting, gradients, integers' corners."""
import numpy as np
import tensorflow.compat.v1 as tf

R = tf.raw_ops
INF, NAN = float("inf"), float("nan")
ARITHMETIC = ["Add", "AddV2", "Sub", "Mul", "RealDiv", "Maximum", "Minimum", "SquaredDifference", "Pow", "FloorDiv",
              "FloorMod", "DivNoNan", "MulNoNan", "Div", "TruncateDiv", "TruncateMod", "Mod", "Atan2", "Xdivy", "Xlogy",
              "Xlog1py", "NextAfter", "Zeta", "Polygamma", "Igamma", "Igammac"]
COMPARE = ["Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "NotEqual"]
SHAPES = [([3, 4], [3, 4]), ([3, 4], [4]), ([3, 4], []), ([], [3, 4]), ([3, 1], [1, 4]), ([2, 1, 3], [4, 1]),
          ([0, 3], [3]), ([1], [0]), ([2, 3, 1, 5], [3, 4, 1]), ([1, 1], [5]), ([], [])]
INTS = [7, -7, 3, -3, 0, 1, -1, 100]


def supported(name, dt):
    if name in ("Atan2", "NextAfter", "Zeta", "Polygamma", "Igamma", "Igammac", "Xlog1py", "Xlogy", "Xdivy", "MulNoNan",
                "DivNoNan"):
        if name in ("NextAfter", "Zeta", "Polygamma"):
            return dt in ("float32", "float64")
        return dt in ("float16", "bfloat16", "float32", "float64")
    if name in ("TruncateMod", "Mod", "FloorMod"):
        return dt in ("int32", "int64", "float32", "float64", "bfloat16", "float16")
    if name == "TruncateDiv":
        return dt.startswith(("int", "uint"))
    if name == "SquaredDifference":
        return dt in ("float16", "bfloat16", "float32", "float64", "int32", "int64")
    if name == "Pow":
        return dt in ("float16", "bfloat16", "float32", "float64", "int32", "int64", "int8", "int16")
    if name == "Add":
        return dt not in ("uint16", "uint32", "uint64")
    if name == "RealDiv":
        return dt in ("float16", "bfloat16", "float32", "float64")
    return True


def values_for(dt, seed, name, which):
    if dt.startswith(("int", "uint")):
        v = np.random.RandomState(seed).randint(1, 9, [12])
        if dt.startswith("int") and not (name == "Pow" and which == "y"):
            v = v * np.random.RandomState(seed + 5).choice([-1, 1], [12])
        if name == "Pow":
            v = v % 4
        return v
    low = 0.3 if name in ("Pow", "Xlogy", "Zeta", "Polygamma", "Igamma", "Igammac") and (
        which == "x" or name != "Pow") else -2.0
    v = np.random.RandomState(seed).uniform(low, 2.5, [12])
    if name == "Xlog1py" and which == "y":
        v = np.abs(v)
    if name == "Zeta":
        v = v + 1.5
    if name == "Polygamma" and which == "x":
        v = np.round(v) + 1
    return v


def call(name, x, y):
    f = getattr(R, name)
    if name == "Polygamma":
        return f(a=x, x=y)
    if name in ("Igamma", "Igammac"):
        return f(a=x, x=y)
    if name == "Zeta":
        return f(x=x, q=y)
    if name == "NextAfter":
        return f(x1=x, x2=y)
    if name == "Atan2":
        return f(y=x, x=y)
    return f(x=x, y=y)


NO_GRADIENT = ("NextAfter", "Mod", "TruncateMod", "TruncateDiv", "Zeta", "Polygamma", "Igamma", "Igammac")


def cases(s):
    for name in ARITHMETIC:
        for dt in s.numbers:
            if not supported(name, dt) or (dt in s.complexes and name in (
                    "Maximum", "Minimum", "FloorDiv", "Div", "TruncateDiv")):
                continue
            def build(name=name, dt=dt):
                x = s.arg(values_for(dt, 1, name, "x"), dt)
                y = s.arg(values_for(dt, 2, name, "y"), dt)
                z = call(name, x, y)
                if dt in s.wide and name not in NO_GRADIENT:
                    return s.with_grads(z, [x, y])
                return z
            loose = {"float16": (1e-2, 1e-2), "bfloat16": (6e-2, 6e-2)}.get(dt)
            if name in ("Igamma", "Igammac", "Zeta", "Polygamma") and dt == "float32":
                loose = (1e-4, 1e-5)
            s.add("%s_%s" % (name, dt), build, loose)
        if supported(name, "float32"):
            special = [0.0, -0.0, 1.0, -1.0, 2.0, INF, -INF, NAN, 3.5, -3.5]
            grid = np.array([(a, b) for a in special for b in special])
            if name not in ("Zeta", "Polygamma", "Igamma", "Igammac"):
                s.add("%s_special" % name, lambda name=name, grid=grid: call(
                    name, s.arg(grid[:, 0]), s.arg(grid[:, 1])))
    for name in ("AddV2", "Mul", "Sub", "Maximum", "SquaredDifference", "Pow"):
        for i, (a, b) in enumerate(SHAPES):
            def build(name=name, a=a, b=b):
                x, y = s.rand(a, low=0.2), s.rand(b, low=0.3, seed=2)
                return s.with_grads(call(name, x, y), [x, y])
            s.add("%s_broadcast%d" % (name, i), build)
    for name in COMPARE:
        for dt in s.floats + s.ints:
            s.add("%s_%s" % (name, dt), lambda name=name, dt=dt: call(
                name, s.arg([1, 2, 3, 0], dt), s.arg([2, 2, 1, 0], dt)))
        s.add("%s_nan" % name, lambda name=name: call(name, s.arg([NAN, 1, INF, -0.0]), s.arg([NAN, NAN, INF, 0.0])))
        for i, (a, b) in enumerate(SHAPES):
            s.add("%s_broadcast%d" % (name, i), lambda name=name, a=a, b=b: call(name, s.rand(a), s.rand(b, seed=2)))
    for dt in s.complexes + ["bool"]:
        for name in ("Equal", "NotEqual"):
            s.add("%s_%s" % (name, dt), lambda name=name, dt=dt: call(name, s.arg([1, 0, 1], dt), s.arg([1, 1, 0], dt)))
    for name in ("Equal", "NotEqual"):
        s.add("%s_string" % name, lambda name=name: call(name, s.arg(["a", "b"], "string"), s.arg(["a", "c"], "string")))
        for a, b, same in (([2], [3], True), ([2], [3], False), ([2], [1], False)):
            s.add("%s_%s_%s_%s" % (name, a, b, same), lambda name=name, a=a, b=b, same=same: getattr(R, name)(
                x=s.rand(a, known=False), y=s.rand(b, known=False), incompatible_shape_error=same))
    for name in ("FloorDiv", "FloorMod", "TruncateDiv", "Div", "TruncateMod", "Mod"):
        for dt in ("int32", "int64", "int8", "uint8"):
            if not supported(name, dt):
                continue
            grid = np.array([(a, b) for a in INTS for b in INTS if b != 0])
            if dt.startswith("u"):
                grid = np.abs(grid)
            s.add("%s_signs_%s" % (name, dt), lambda name=name, dt=dt, grid=grid: call(
                name, s.arg(grid[:, 0], dt), s.arg(grid[:, 1], dt)))
            if name.startswith("Truncate"):  # TensorFlow calls it INTERNAL, its own mistake
                continue
            s.add("%s_by_zero_%s" % (name, dt), lambda name=name, dt=dt: call(
                name, s.arg([1, 2], dt), s.arg([1, 0], dt)))
            s.add("%s_by_zero_scalar_%s" % (name, dt), lambda name=name, dt=dt: call(
                name, s.arg([1, 2], dt), s.arg(0, dt)))
    for dt in s.ints:
        info = np.iinfo(dt)
        for name in ("AddV2", "Sub", "Mul"):
            s.add("%s_overflow_%s" % (name, dt), lambda name=name, dt=dt, info=info: call(
                name, s.arg(np.array([info.max, info.min, info.max], dt), dt), s.arg(np.array([1, 1, 3], dt), dt)))
    s.add("Pow_negative_exponent", lambda: R.Pow(x=s.arg([2, 1], "int32"), y=s.arg([-1, -1], "int32")))
    s.add("AddV2_mismatch", lambda: R.AddV2(x=s.rand([2, 3], known=False), y=s.rand([2, 4], known=False)))
    s.add("Add_string", lambda: R.Add(x=s.arg(["a", "b"], "string"), y=s.arg("x", "string")))
    for name in ("LogicalAnd", "LogicalOr"):
        s.add(name, lambda name=name: call(name, s.arg([[True], [False]], "bool"), s.arg([True, False], "bool")))
    for name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor", "LeftShift", "RightShift"):
        for dt in s.ints:
            low = 0 if "Shift" in name or dt.startswith("u") else -5
            s.add("%s_%s" % (name, dt), lambda name=name, dt=dt, low=low: call(
                name, s.arg(np.arange(12) * 3 + (low * 2 if low else 0), dt), s.arg(np.arange(12) % 5, dt)))
    for dt in s.numbers:
        s.add("AddN_%s" % dt, lambda dt=dt: R.AddN(inputs=[s.arg([1, 2], dt), s.arg([3, 4], dt), s.arg([5, 6], dt)]))
        s.add("BiasAdd_%s" % dt, lambda dt=dt: R.BiasAdd(value=s.arg(np.arange(6).reshape(2, 3), dt), bias=s.arg([1, 2, 3], dt)))
    for name in ("Select", "SelectV2"):
        for dt in ("float32", "int64", "bool", "string", "float16", "complex64"):
            v = (["a", "b"], ["c", "d"]) if dt == "string" else ([1, 0], [0, 1])
            arg = "condition"
            a, b = ("x", "y") if name == "Select" else ("t", "e")
            s.add("%s_%s" % (name, dt), lambda name=name, dt=dt, v=v, a=a, b=b: getattr(R, name)(
                **{"condition": s.arg([True, False], "bool"), a: s.arg(v[0], dt), b: s.arg(v[1], dt)}))
    def select_grad():
        x, y = s.rand([3, 4]), s.rand([4], seed=2)
        return s.with_grads(R.SelectV2(condition=s.arg([[True], [False], [True]], "bool"), t=x, e=y), [x, y])
    s.add("SelectV2_broadcast", select_grad)
    s.add("Select_rows", lambda: R.Select(condition=s.arg([True, False], "bool"), x=s.rand([2, 3]), y=s.rand([2, 3], seed=2)))
    s.add("Select_scalar", lambda: R.Select(condition=s.arg(False, "bool"), x=s.rand([2, 3]), y=s.rand([2, 3], seed=2)))
    s.add("Select_mismatch", lambda: R.Select(condition=s.arg([True, False], "bool", known=False),
                                              x=s.rand([3], known=False), y=s.rand([3], seed=2, known=False)))
    s.add("ApproximateEqual", lambda: R.ApproximateEqual(x=s.arg([1.0, 1.1]), y=s.arg([1.000001, 1.0])))
    s.add("Complex", lambda: R.Complex(real=s.arg([1.0, 2.0]), imag=s.arg([3.0, -4.0])))
    s.add("ClipByValue", lambda: R.ClipByValue(t=s.rand([9]), clip_value_min=s.arg(-1.0), clip_value_max=s.arg(0.5)))
