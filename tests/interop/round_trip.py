# SPDX-License-Identifier: Apache-2.0
"""Graphs that TensorFlow made, read and written again by Lockstep, are the same
graphs to TensorFlow: they give the same values.

    round_trip.py FOLDER INTEROP_WRITE_FILES
"""
import os
import subprocess
import sys
import tempfile
import unittest

import peer

try:
    import numpy as np
    import tensorflow as tf
except ImportError as error:
    peer.skip("no TensorFlow here (%s)" % error)

v1 = tf.compat.v1
X = np.linspace(-1, 2, 12, dtype=np.float32).reshape(3, 4)


def loop(x):
    return tf.while_loop(lambda i, a: i < 4,
                         lambda i, a: (i + 1, a * 0.5 + tf.sin(a)),
                         [tf.constant(0), x])[1]


@tf.function
def twice(x):
    return tf.tanh(x) * 2.0


def dense(x):
    w = v1.get_variable("w", [4, 2], initializer=v1.ones_initializer())
    y = tf.nn.relu(tf.matmul(x, w))
    step = v1.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(y * y))
    with tf.control_dependencies([step]):
        return tf.identity(w.read_value() if hasattr(w, "read_value") else w)


def network(x):
    image = tf.reshape(x, [1, 3, 4, 1])
    y = tf.nn.conv2d(image, tf.ones([2, 2, 1, 3]), 1, "SAME")
    y = v1.nn.fused_batch_norm(y, tf.ones([3]), tf.zeros([3]))[0]
    return tf.nn.max_pool2d(y, 2, 1, "VALID")


GRAPHS = {
    "arithmetic": lambda x: tf.concat([x + 1, x * 2, x ** 2], 0)[1:, ::2],
    "constants": lambda x: x + tf.constant([1, 2, 3, 4], tf.float32) + tf.cast(
        tf.zeros([1000, 4]), tf.float32)[0],
    "while": loop,
    "cond": lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2, lambda: -x),
    "function": lambda x: twice(twice(x)),
    "map": lambda x: tf.map_fn(lambda v: v * v, x),
    "gradient": lambda x: v1.gradients(loop(x), x)[0],
    "gradient of functions": lambda x: v1.gradients(twice(x), x)[0],
    "strings": lambda x: tf.strings.join([tf.strings.as_string(x, 2), "\xff"]),
    "dense": dense,
    "network": network,
    "pruned": lambda x: tf.where(x > 0, x, tf.zeros_like(x)),
}


class RoundTripTest(unittest.TestCase):
    def evaluate(self, graph_def):
        with tf.Graph().as_default() as graph, v1.Session() as session:
            tf.import_graph_def(graph_def, name="")
            if "init" in [op.name for op in graph.get_operations()]:
                session.run("init")
            return session.run("result:0", {"x:0": X})

    def check(self, name, build):
        with tf.Graph().as_default() as graph:
            x = v1.placeholder(tf.float32, [3, 4], name="x")
            tf.identity(build(x), name="result")
            if v1.global_variables():
                v1.global_variables_initializer()
        original = graph.as_graph_def(add_shapes=True)
        with tempfile.TemporaryDirectory() as folder:
            source, copy = (os.path.join(folder, f) for f in ("a.pb", "b.pb"))
            with open(source, "wb") as f:
                f.write(original.SerializeToString())
            subprocess.run([sys.argv[2], "--copy", source, copy], check=True)
            copied = v1.GraphDef()
            with open(copy, "rb") as f:
                copied.ParseFromString(f.read())
        self.assertEqual({n.name for n in copied.node},
                         {n.name for n in original.node})
        self.assertEqual({f.signature.name for f in copied.library.function},
                         {f.signature.name for f in original.library.function})
        want, got = self.evaluate(original), self.evaluate(copied)
        if want.dtype == object:
            np.testing.assert_array_equal(got, want)
        else:
            np.testing.assert_allclose(got, want, rtol=1e-6)

    def check_all(self):
        for name, build in GRAPHS.items():
            with self.subTest(graph=name):
                self.check(name, build)

    def test_graphs_of_tensorflow_1(self):
        v1.disable_control_flow_v2()
        v1.disable_resource_variables()
        self.check_all()

    def test_graphs_of_tensorflow_2(self):
        v1.enable_control_flow_v2()
        v1.enable_resource_variables()
        self.check_all()


if __name__ == "__main__":
    v1.disable_eager_execution()
    peer.run([RoundTripTest])
