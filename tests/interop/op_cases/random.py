# SPDX-License-Identifier: Apache-2.0
"""Random ops: types, shapes and errors of all, values of the stateless ones."""
import tensorflow.compat.v1 as tf

from op_sweep_steps import Steps

R = tf.raw_ops


def cases(s):
    for dt in s.floats:
        for name in ("RandomUniform", "RandomStandardNormal", "TruncatedNormal"):
            s.add("%s_%s" % (name, dt), lambda name=name, dt=dt: getattr(R, name)(shape=s.arg([3, 2], "int32"), dtype=tf.as_dtype(dt), seed=1, seed2=2), shape_only=True)
        for name in ("StatelessRandomUniform", "StatelessRandomNormal", "StatelessTruncatedNormal"):
            tolerance = (1e-5, 1e-5) if dt == "float32" else None
            s.add("%s_%s" % (name, dt), lambda name=name, dt=dt: getattr(R, name)(shape=s.arg([5, 3], "int32"), seed=s.arg([7, 9], "int64"), dtype=tf.as_dtype(dt)), tolerance)
            def second(name=name, dt=dt):
                key = R.StatelessRandomGetKeyCounter(seed=s.arg([3, 4], "int32"))
                return getattr(R, name + "V2")(shape=s.arg([4, 2], "int32"), key=key.key, counter=key.counter, alg=tf.constant(1), dtype=tf.as_dtype(dt))
            s.add("%sV2_%s" % (name, dt), second, tolerance)
    s.add("seed_ops", lambda: list(R.StatelessRandomGetKeyCounter(seed=s.arg([3, 4], "int64"))) + [R.StatelessRandomGetAlg()] + list(R.StatelessRandomGetKeyCounterAlg(seed=s.arg([3, 4], "int64"))))
    for dt in ("int32", "int64"):
        s.add("RandomUniformInt_%s" % dt, lambda dt=dt: R.RandomUniformInt(shape=s.arg([4], "int32"), minval=s.arg(3, dt), maxval=s.arg(9, dt), seed=1, seed2=2), shape_only=True)
        s.add("StatelessRandomUniformInt_%s" % dt, lambda dt=dt: R.StatelessRandomUniformInt(shape=s.arg([6], "int32"), seed=s.arg([1, 2], "int32"), minval=s.arg(-3, dt), maxval=s.arg(9, dt)))
        s.add("StatelessRandomUniformFullInt_%s" % dt, lambda dt=dt: R.StatelessRandomUniformFullInt(shape=s.arg([6], "int32"), seed=s.arg([1, 2], "int32"), dtype=tf.as_dtype(dt)))
    s.add("RandomUniformInt_bad", lambda: R.RandomUniformInt(shape=s.arg([4], "int32"), minval=s.arg(9, "int32"), maxval=s.arg(3, "int32")))
    s.add("RandomUniform_bad", lambda: R.RandomUniform(shape=s.arg([-4], "int32"), dtype=tf.float32))
    s.add("RandomUniform_empty", lambda: R.RandomUniform(shape=s.arg([0, 4], "int64"), dtype=tf.float32))
    s.add("RandomShuffle", lambda: R.RandomShuffle(value=s.rand([5, 2]), seed=1, seed2=2), shape_only=True)
    s.add("RandomShuffle_same", lambda: R.RandomShuffle(value=s.arg([2.0, 2, 2])))
    s.add("Multinomial", lambda: R.Multinomial(logits=s.rand([2, 4]), num_samples=s.arg(6, "int32")), shape_only=True)
    s.add("Multinomial_certain", lambda: R.Multinomial(logits=s.arg([[0.0, 1000.0, 0.0]]), num_samples=s.arg(4, "int32")))
    s.add("StatelessMultinomial", lambda: R.StatelessMultinomial(logits=s.rand([2, 4]), num_samples=s.arg(6, "int32"), seed=s.arg([1, 2], "int32")))
    s.add("RandomGamma", lambda: R.RandomGamma(shape=s.arg([3], "int32"), alpha=s.arg([0.5, 2.0])), shape_only=True)
    s.add("RandomPoissonV2", lambda: R.RandomPoissonV2(shape=s.arg([3], "int32"), rate=s.arg([0.5, 20.0])), shape_only=True)
    s.add("ParameterizedTruncatedNormal", lambda: R.ParameterizedTruncatedNormal(shape=s.arg([4], "int32"), means=s.arg(0.0), stdevs=s.arg(1.0), minvals=s.arg(-1.0), maxvals=s.arg(1.0)), shape_only=True)
    s.add("dropout", lambda: tf.nn.dropout(s.rand([4, 4]), rate=0.5), shape_only=True)
    for first in ([5, 0, 7], [-5, 0, 7], [-1, -1, 7]):
        def generator(first=first):
            state = tf.get_variable("state", initializer=tf.constant(first, tf.int64), use_resource=True)
            read = R.RngReadAndSkip(resource=state.handle, alg=tf.constant(1), delta=s.arg(3, "uint64"))
            bits = tf.bitcast(read, tf.uint64)
            drawn = R.StatelessRandomNormalV2(shape=[3], key=bits[2:], counter=bits[:2], alg=tf.constant(1))
            return Steps([[state.initializer], [read], [drawn], [state.read_value()], [read]])
        s.add("generator_%d" % first[0], generator, (1e-5, 1e-5))
    for alg, size in ((2, 3), (7, 3), (1, 2)):
        def bad(alg=alg, size=size):
            state = tf.get_variable("state", initializer=tf.zeros([size], tf.int64), use_resource=True)
            return Steps([[state.initializer], [R.RngReadAndSkip(resource=state.handle, alg=s.arg(alg, "int32"), delta=s.arg(1, "uint64"))]])
        s.add("generator_bad_%d_%d" % (alg, size), bad)
