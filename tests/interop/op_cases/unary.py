# SPDX-License-Identifier: Apache-2.0
"""Element-wise ops of one argument, over their types, and their gradients."""
import numpy as np
import tensorflow.compat.v1 as tf

R = tf.raw_ops
INF, NAN = float("inf"), float("nan")

# op, low, high: a range on which it is defined
FLOAT_OPS = [
    ("Abs", -3, 3), ("Neg", -3, 3), ("Sign", -3, 3), ("Square", -3, 3), ("Sqrt", 0, 9),
    ("Rsqrt", 0.1, 9), ("Exp", -6, 6), ("Expm1", -3, 3), ("Log", 0.01, 9), ("Log1p", -0.9, 9),
    ("Sin", -9, 9), ("Cos", -9, 9), ("Tan", -1.2, 1.2), ("Asin", -1, 1), ("Acos", -1, 1),
    ("Atan", -5, 5), ("Sinh", -3, 3), ("Cosh", -3, 3), ("Tanh", -4, 4), ("Asinh", -5, 5),
    ("Acosh", 1.1, 9), ("Atanh", -0.9, 0.9), ("Sigmoid", -9, 9), ("Erf", -3, 3), ("Erfc", -3, 3),
    ("Floor", -3, 3), ("Ceil", -3, 3), ("Round", -3, 3), ("Rint", -3, 3), ("Reciprocal", 0.2, 4),
    ("Inv", 0.2, 4), ("Lgamma", 0.3, 6), ("Digamma", 0.5, 6), ("Ndtri", 0.05, 0.95), ("Erfinv", -0.9, 0.9),
    ("Relu", -3, 3), ("Relu6", -3, 9), ("Elu", -3, 3), ("Selu", -3, 3), ("Softplus", -9, 9),
    ("Softsign", -3, 3), ("LeakyRelu", -3, 3), ("IsNan", -3, 3), ("IsInf", -3, 3), ("IsFinite", -3, 3),
    ("OnesLike", -1, 1), ("ZerosLike", -1, 1), ("L2Loss", -2, 2), ("LogSoftmax", -5, 5), ("Softmax", -5, 5),
    ("Identity", -1, 1), ("StopGradient", -1, 1), ("Snapshot", -1, 1), ("PreventGradient", -1, 1)]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, INF, -INF, NAN, 1e30, -1e30, 88.0, -104.0, 1e-5]
INT_OPS = ["Abs", "Neg", "Sign", "Square", "Relu", "Relu6", "OnesLike", "ZerosLike", "Inv",
           "Reciprocal", "Invert", "Identity", "PopulationCount"]
COMPLEX_OPS = ["Neg", "Square", "Sqrt", "Exp", "Log", "Sin", "Cos", "Tanh", "Sigmoid", "Reciprocal",
               "Rsqrt", "Sign", "Tan", "Sinh", "Cosh", "Log1p", "Expm1", "Conj", "Real", "Imag", "ComplexAbs", "Angle"]


def call(name, x):
    f = getattr(R, name)
    for arg in ("x", "features", "t", "input", "logits", "a"):
        try:
            return f(**{arg: x})
        except TypeError:
            continue
    raise TypeError(name)


def cases(s):
    no_half = {"Ndtri", "Erfinv", "Lgamma", "Digamma"}
    for name, low, high in FLOAT_OPS:
        for dt in s.floats:
            def build(name=name, low=low, high=high, dt=dt):
                x = s.rand([3, 7], dt, low, high)
                y = call(name, x)
                floating = y.dtype == x.dtype and name not in ("OnesLike", "ZerosLike", "StopGradient", "Snapshot",
                                                               "PreventGradient")
                return s.with_grads(y, [x]) if floating else y
            if dt in s.wide or name not in no_half:
                tolerance = (6e-2, 6e-2) if dt == "bfloat16" else (1e-2, 1e-2) if dt == "float16" else None
                s.add("%s_%s" % (name, dt), build, tolerance)
        if name not in ("L2Loss", "LogSoftmax", "Softmax"):
            for dt in ("float32", "float64"):
                # TensorFlow's Erf of an infinite double is NaN.
                values = [v for v in SPECIAL if name != "Erf" or abs(v) < INF]
                values = [v for v in values if name not in ("Sin", "Cos", "Tan") or not 1e9 < abs(v) < INF]
                s.add("%s_special_%s" % (name, dt),
                      lambda name=name, dt=dt, values=values: call(name, s.arg(values, dt)))
        s.add("%s_empty" % name, lambda name=name: call(name, s.arg(np.zeros([0, 3]), "float32")))
        if name not in ("LogSoftmax", "Softmax"):
            s.add("%s_scalar" % name, lambda name=name, low=low: call(name, s.arg(0.7 if low < 1 else 1.5)))
    for name in INT_OPS:
        for dt in s.ints:
            def build(name=name, dt=dt):
                info = np.iinfo(dt)
                values = [1, 2, 3, 5, 100, info.max, info.min if info.min < 0 else 7]
                if info.min < 0:
                    values += [-1, -2, -100]
                return call(name, s.arg(np.array(values, dt), dt))
            unsigned = dt.startswith("u")
            if name in ("Inv", "Reciprocal") and dt not in ("int32", "int64", "int8", "int16"):
                continue
            if unsigned and name in ("Abs", "Neg", "Sign"):
                continue
            if name == "Square" and dt in ("int8", "int16", "uint8", "uint16"):
                continue
            s.add("%s_%s" % (name, dt), build)
    for name in COMPLEX_OPS:
        for dt in s.complexes:
            def build(name=name, dt=dt):
                rng = np.random.RandomState(3)
                return call(name, s.arg((rng.uniform(-2, 2, 9) + 1j * rng.uniform(-2, 2, 9)), dt))
            def build_out(name=name, dt=dt):
                rng = np.random.RandomState(3)
                x = s.arg((rng.uniform(-2, 2, 9) + 1j * rng.uniform(-2, 2, 9)), dt)
                kinds = {"Real": {"input": x}, "Imag": {"input": x}, "Angle": {"input": x}, "ComplexAbs": {"x": x}}
                out = tf.float32 if dt == "complex64" else tf.float64
                return getattr(R, name)(Tout=out, **kinds[name])
            special = name in ("Real", "Imag", "Angle", "ComplexAbs")
            s.add("%s_%s" % (name, dt), build_out if special else build)
    s.add("LogicalNot", lambda: R.LogicalNot(x=s.arg([True, False], "bool")))
    for grad in ("TanhGrad", "SigmoidGrad", "SqrtGrad", "RsqrtGrad", "ReciprocalGrad", "InvGrad"):
        for dt in s.floats + s.complexes:
            s.add("%s_%s" % (grad, dt), lambda grad=grad, dt=dt: getattr(R, grad)(
                y=s.rand([5], dt, 0.2, 0.9), dy=s.rand([5], dt, seed=2)))
    for grad, arg in (("ReluGrad", "features"), ("Relu6Grad", "features"), ("EluGrad", "outputs"),
                      ("SeluGrad", "outputs"), ("SoftplusGrad", "features"), ("SoftsignGrad", "features"),
                      ("LeakyReluGrad", "features")):
        for dt in s.floats:
            s.add("%s_%s" % (grad, dt), lambda grad=grad, arg=arg, dt=dt: getattr(R, grad)(
                gradients=s.rand([9], dt, seed=2), **{arg: s.rand([9], dt, -2, 7)}))
    for alpha in (0.0, 0.3, 1.5):
        s.add("LeakyRelu_alpha%g" % alpha, lambda alpha=alpha: R.LeakyRelu(features=s.rand([6]), alpha=alpha))
    for dt in s.floats:
        s.add("CheckNumerics_good_%s" % dt, lambda dt=dt: R.CheckNumerics(tensor=s.rand([4], dt), message="m"))
        s.add("CheckNumerics_nan_%s" % dt, lambda dt=dt: R.CheckNumerics(tensor=s.arg([1, NAN], dt), message="m"))
        s.add("CheckNumerics_inf_%s" % dt, lambda dt=dt: R.CheckNumerics(tensor=s.arg([1, INF], dt), message="m"))
