#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the checkpoint `objects` of this folder with TensorFlow 2 (2.21).

    python3 make_objects.py DIR
"""
import sys

import tensorflow as tf


class Layer(tf.Module):
    def __init__(self, name, value):
        super().__init__(name=name)
        self.kernel = tf.Variable([[value, 2.0]], name="kernel")


class Model(tf.Module):
    def __init__(self):
        super().__init__()
        # Two variables of one name, and one whose place needs escapes.
        self.layers = [Layer("a", 1.0), Layer("b", 3.0)]
        self.step = tf.Variable(7, dtype=tf.int64, name="global_step")
        with tf.name_scope("deep"):
            self.w = tf.Variable([8.0], name="w")
        self.extra = {"x/y.z": tf.Variable(9.0, name="kernel")}


if __name__ == "__main__":
    tf.train.Checkpoint(model=Model()).write(sys.argv[1] + "/objects")
