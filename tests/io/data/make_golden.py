#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the files of this folder with TensorFlow (made with 2.21).

    python3 make_golden.py DIR

The tests hold what is in them: tests/io/checkpoint_golden_test.cc.
"""
import os
import sys

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
tf1.disable_eager_execution()

TYPES = {
    "t/float": np.array([[1.5, -2.25], [0, np.inf]], np.float32),
    "t/double": np.array([1e300, -0.1]),
    "t/half": np.array([0.5, -65504], np.float16),
    "t/int8": np.array([-128, 127], np.int8),
    "t/int16": np.array([-300, 300], np.int16),
    "t/int32": np.array(-70000, np.int32),
    "t/int64": np.array(1 << 40, np.int64),
    "t/uint8": np.array([0, 255], np.uint8),
    "t/uint16": np.array([65535], np.uint16),
    "t/uint32": np.array([4000000000], np.uint32),
    "t/uint64": np.array([(1 << 64) - 1], np.uint64),
    "t/bool": np.array([True, False, True]),
    "t/complex64": np.array([1 + 2j], np.complex64),
    "t/complex128": np.array([3 - 4j], np.complex128),
    "t/empty": np.zeros([0, 3], np.float32),
    "t/string": np.array([b"alpha", b"", b"\xff\x00z" * 70], object),
}


def save(prefix, names, slices, values):
    return tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names,
                             shape_and_slices=slices, tensors=values)


def main():
    types = {k: tf.constant(v) for k, v in TYPES.items()}
    types["t/bfloat16"] = tf.constant([1.5, -8], tf.bfloat16)
    path = "types"
    ops = [save(path, list(types), [""] * len(types), list(types.values()))]

    # "w" in three parts along its first dimension, "m" in four along both.
    w = np.arange(28, dtype=np.float32).reshape(7, 4)
    m = np.arange(15, dtype=np.int32).reshape(3, 5)
    rows, parts, names = [(0, 3), (3, 2), (5, 2)], [], []
    for start, n in rows:
        names.append("w")
        parts.append(("7 4 %d,%d:-" % (start, n), w[start:start + n]))
    for r, rn in [(0, 1), (1, 2)]:
        for c, cn in [(0, 3), (3, 2)]:
            names.append("m")
            parts.append(("3 5 %d,%d:%d,%d" % (r, rn, c, cn),
                          m[r:r + rn, c:c + cn]))
    ops.append(save("parts", names,
                    [p[0] for p in parts], [p[1] for p in parts]))

    # Two data files.
    a = "part-0"
    b = "part-1"
    with tf.control_dependencies([
            save(a, ["left"], [""], [tf.constant([1.0, 2.0])]),
            save(b, ["right"], [""], [tf.constant([3, 4, 5])])]):
        ops.append(tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=[a, b],
            destination_prefix="shards",
            delete_old_dirs=False))
    with tf1.Session() as session:
        session.run(ops)
    tf1.train.update_checkpoint_state(
        ".", "types", all_model_checkpoint_paths=["parts", "types"],
        all_model_checkpoint_timestamps=[1700000000.5, 1700000001.25],
        last_preserved_timestamp=1700000000.0)

    with tf1.summary.FileWriter(".", tf1.get_default_graph().as_graph_def(),
                                filename_suffix=".golden") as events:
        events.add_summary(tf1.Summary(value=[
            tf1.Summary.Value(tag="loss", simple_value=0.25)]), 3)


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    main()
    for name in os.listdir("."):
        if name.startswith("events.out"):
            os.rename(name, "events.golden")
