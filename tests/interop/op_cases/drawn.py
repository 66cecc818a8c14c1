# SPDX-License-Identifier: Apache-2.0
"""Small graphs drawn at random: ops of several families behind each other, with shapes of zeros, ones
and many axes, types, broadcasting, control edges, and gradients where there is a float.
LOCKSTEP_DRAWN=FIRST:COUNT draws others than the recorded ones."""
import os

import numpy as np
import tensorflow.compat.v1 as tf

# Seeds that once differed, and some more.
RECORDED = range(60)
LOOSE = (2e-3, 2e-4)
NUMBERS = ["float32", "float64", "int32", "int64"]


def cases(s):
    first, count = (int(n) for n in os.environ.get("LOCKSTEP_DRAWN", "0:0").split(":"))
    for seed in range(first, first + count) if count else RECORDED:
        s.add("graph%d" % seed, lambda seed=seed: Drawn(s, seed).outputs(), LOOSE)


class Drawn:
    def __init__(self, sweep, seed):
        self.s, self.rng = sweep, np.random.RandomState(seed)
        self.inputs, self.values = [], []

    def one_of(self, values):
        return values[self.rng.randint(len(values))]

    def often(self, share):
        return self.rng.rand() < share

    def shape(self, most=5):
        return [int(self.one_of([0, 1, 1, 2, 2, 3, 4])) if self.often(0.9) else 5 for _ in range(self.rng.randint(0, most))]

    def new_input(self, shape=None, dtype=None):
        shape = self.shape() if shape is None else shape
        dtype = dtype or self.one_of(NUMBERS)
        if dtype.startswith("float"):
            value = self.rng.uniform(-2, 2, shape)
        else:
            value = self.rng.randint(-5, 6, shape)
        x = self.s.arg(value, dtype, known=self.often(0.5))
        self.inputs.append((x, list(shape)))
        return self.keep(x, list(shape))

    def keep(self, tensor, shape):
        self.values.append((tensor, shape))
        return tensor, shape

    def outputs(self):
        for _ in range(self.rng.randint(1, 4)):
            self.new_input()
        for _ in range(self.rng.randint(2, 12)):
            x, shape = self.one_of(self.values)
            step = self.one_of([self.unary, self.binary, self.binary, self.reduced, self.moved, self.sliced, self.joined, self.chosen, self.typed])
            if self.often(0.15):
                with tf.control_dependencies([self.one_of(self.values)[0]]):
                    step(x, shape)
            else:
                step(x, shape)
        fetched = [t for t, _ in self.values[-4:]]
        floats = [(t, n) for t, n in self.values if t.dtype.is_floating]
        sources = [t for t, _ in self.inputs if t.dtype.is_floating]
        if floats and sources and self.often(0.7):
            grads = tf.gradients([floats[-1][0]], sources)
            fetched += [tf.identity(g) for g in map(dense, grads) if g is not None]
        return fetched

    def keep_made(self, tensor, like):
        """`like` computes the shape with NumPy."""
        return self.keep(tensor, list(like.shape))

    def unary(self, x, shape):
        if x.dtype == tf.bool:
            return self.keep(tf.logical_not(x), shape)
        general = [tf.negative, tf.square, tf.abs, tf.sign, tf.identity, tf.zeros_like, tf.ones_like, tf.stop_gradient]
        real = [tf.tanh, tf.sigmoid, tf.nn.relu, tf.exp, tf.nn.softplus, tf.floor, tf.round, tf.sin, tf.nn.elu, tf.nn.relu6,
                tf.erf, tf.atan, lambda v: tf.sqrt(tf.abs(v) + 1), lambda v: tf.clip_by_value(v, -1, 1)]
        return self.keep(self.one_of(general + (real if x.dtype.is_floating else []))(x), shape)

    def binary(self, x, shape):
        if x.dtype == tf.bool:
            return self.unary(x, shape)
        other = [1 if self.often(0.2) else n for n in shape][self.rng.randint(0, len(shape) + 1) if self.often(0.4) else 0:]
        y, _ = self.new_input(other, x.dtype.name)
        general = [tf.add, tf.subtract, tf.multiply, tf.maximum, tf.minimum, tf.squared_difference]
        real = [lambda a, b: a / (tf.abs(b) + 1), tf.atan2]
        compare = [tf.less, tf.greater_equal, tf.equal, tf.not_equal]
        f = self.one_of(general * 2 + (real if x.dtype.is_floating else []) + compare)
        return self.keep(f(x, y) if self.often(0.5) or f is real[0] else f(y, x), shape)

    def reduced(self, x, shape):
        rank = len(shape)
        axes = [int(a) - (rank if self.often(0.4) else 0) for a in self.rng.permutation(rank)[:self.rng.randint(0, rank + 1)]]
        keep = self.often(0.4)
        like = np.zeros(shape).sum(tuple(axes), keepdims=keep)
        if x.dtype == tf.bool:
            f = self.one_of([tf.reduce_any, tf.reduce_all])
        elif x.dtype.is_floating:
            f = self.one_of([tf.reduce_sum, tf.reduce_mean, tf.reduce_max, tf.reduce_min, tf.reduce_logsumexp])
        else:
            f = self.one_of([tf.reduce_sum, tf.reduce_max, tf.reduce_min])
        return self.keep_made(f(x, axes, keepdims=keep), like)

    def moved(self, x, shape):
        like = np.zeros(shape)
        kind = self.rng.randint(6)
        if kind == 0:
            perm = self.rng.permutation(len(shape))
            return self.keep_made(tf.transpose(x, perm), like.transpose(perm))
        if kind == 1:
            flat = [-1] if like.size and self.often(0.5) else [like.size]
            return self.keep_made(tf.reshape(x, flat), like.reshape(-1))
        if kind == 2 and len(shape) < 7:
            axis = int(self.rng.randint(-len(shape) - 1, len(shape) + 1))
            return self.keep_made(tf.expand_dims(x, axis), np.expand_dims(like, axis))
        if kind == 3:
            return self.keep_made(tf.squeeze(x), like.squeeze())
        if kind == 4 and shape:
            times = self.rng.randint(0 if self.often(0.1) else 1, 3, len(shape))
            return self.keep_made(tf.tile(x, times), np.tile(like, times))
        if kind == 5 and shape:
            axes = [int(a) for a in self.rng.permutation(len(shape))[:self.rng.randint(1, len(shape) + 1)]]
            return self.keep(tf.reverse(x, axes), shape)
        wide = [int(self.rng.randint(1, 3))] + shape
        return self.keep(tf.broadcast_to(x, wide), wide) if len(wide) < 7 else None

    def sliced(self, x, shape):
        if not shape:
            return self.unary(x, shape)
        like = np.zeros(shape)
        if self.often(0.3) and x.dtype != tf.bool:
            pads = self.rng.randint(0, 3, (len(shape), 2))
            return self.keep_made(tf.pad(x, pads), np.pad(like, pads))
        spec = []
        for n in shape[:self.rng.randint(1, len(shape) + 1)]:
            if n and self.often(0.3):
                spec.append(int(self.rng.randint(-n, n)))
            else:
                a, b = [None if self.often(0.4) else int(self.rng.randint(-4, 5)) for _ in range(2)]
                spec.append(slice(a, b, self.one_of([None, None, 1, 2, -1, -2])))
        return self.keep_made(x[tuple(spec)], like[tuple(spec)])

    def joined(self, x, shape):
        like = np.zeros(shape)
        if not shape or self.often(0.3):
            axis = int(self.rng.randint(0, len(shape) + 1))
            return self.keep_made(tf.stack([x, x], axis), np.stack([like, like], axis))
        axis = int(self.rng.randint(-len(shape), len(shape)))
        if shape[axis] and shape[axis] % 2 == 0 and self.often(0.4):
            parts, like = tf.split(x, 2, axis), np.split(like, 2, axis)
            return self.keep_made(parts[self.rng.randint(2)], like[0])
        if len(shape) >= 2 and x.dtype.is_floating and self.often(0.5):
            y, _ = self.new_input(shape[:-2] + [shape[-1], int(self.rng.randint(1, 4))], x.dtype.name)
            return self.keep(tf.matmul(x, y), shape[:-1] + [self.values[-1][1][-1]])
        other = list(shape)
        other[axis] = int(self.rng.randint(0, 3))
        y, _ = (self.new_input(other, x.dtype.name) if x.dtype != tf.bool else (x, shape))
        both = np.concatenate([like, np.zeros(other if x.dtype != tf.bool else shape)], axis)
        return self.keep_made(tf.concat([x, y], axis), both)

    def chosen(self, x, shape):
        like = np.zeros(shape)
        if shape and shape[0] and self.often(0.5):
            at = self.rng.randint(0, shape[0], self.shape(3))
            return self.keep_made(tf.gather(x, self.s.arg(at, "int32")), like[at])
        if shape and like.size and x.dtype.is_floating and self.often(0.5):
            f = self.one_of([tf.nn.softmax, tf.nn.log_softmax, tf.cumsum])
            return self.keep(f(x), shape)
        if shape and shape[-1] and x.dtype != tf.bool and self.often(0.5):
            return self.keep_made(self.one_of([tf.argmax, tf.argmin])(x, -1), like.argmax(-1) if like.size else like[..., 0])
        condition = self.s.arg(self.rng.randint(0, 2, shape), "bool")
        return self.keep(tf.where_v2(condition, x, x if x.dtype == tf.bool else tf.zeros_like(x)), shape)

    def typed(self, x, shape):
        return self.keep(tf.cast(x, self.one_of(NUMBERS)), shape)


def dense(g):
    return tf.convert_to_tensor(g) if isinstance(g, tf.IndexedSlices) else g
