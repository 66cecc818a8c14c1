# SPDX-License-Identifier: Apache-2.0
"""TensorFlow loads and runs what Lockstep wrote, with equal values.

    tensorflow_reads.py FOLDER      (of interop_write_files)
"""
import tempfile
import unittest

import peer

try:
    import numpy as np
    import tensorflow as tf
except ImportError as error:
    peer.skip("no TensorFlow here (%s)" % error)

v1 = tf.compat.v1
LABELS = np.array([0, 1, 2, 2, 1, 0], np.int64)


def numbers(*shape):
    """The numbers that the writer of the files takes."""
    i = np.arange(int(np.prod(shape)))
    return (0.25 * ((i * 7 + 3) % 11 - 5)).astype(np.float32).reshape(shape)


class ModelTest(unittest.TestCase):
    folder = "model"

    def path(self, *parts):
        return peer.path(self.folder, *parts)

    def check_step(self, session, step, train):
        fetches = ["probabilities:0", "loss:0"] + ([train] if train else [])
        got = session.run(fetches, {"x:0": numbers(6, 4), "labels:0": LABELS})
        for value, name in zip(got, ["probabilities", "loss"]):
            want = np.load(self.path("expect%d_%s.npy" % (step, name)))
            np.testing.assert_allclose(value, want, rtol=1e-4, atol=1e-6,
                                       err_msg="step %d" % step)

    def test_graph_def_trains_from_its_initial_values(self):
        graph_def = v1.GraphDef()
        with open(self.path("graph.pb"), "rb") as f:
            graph_def.ParseFromString(f.read())
        with tf.Graph().as_default() as graph, v1.Session() as session:
            tf.import_graph_def(graph_def, name="")
            session.run(graph.get_operation_by_name("init"))
            for step in range(3):
                self.check_step(session, step,
                                graph.get_operation_by_name("Adam"))

    def test_meta_graphs_saver_restores_and_training_goes_on(self):
        with tf.Graph().as_default() as graph, v1.Session() as session:
            saver = v1.train.import_meta_graph(self.path("model.meta"))
            self.assertEqual([v.op.name for v in v1.trainable_variables()],
                             ["layer/w", "layer/b", "w"])
            self.assertEqual(v1.train.latest_checkpoint(self.path()),
                             self.path("model.ckpt-3"))
            saver.restore(session, self.path("model.ckpt-3"))
            (step,) = [v for v in v1.global_variables()
                       if v.op.name == "global_step"]
            self.assertEqual(session.run(step), 3)
            train = v1.get_collection("train_op")[0]
            for step in range(3, 6):
                self.check_step(session, step, train)
            self.check_step(session, 6, None)
            summary = v1.Summary.FromString(session.run(
                "summaries:0", {"x:0": numbers(6, 4), "labels:0": LABELS}))
            self.assertEqual([v.tag for v in summary.value],
                             ["loss", "hidden"])
            # And saves again, to what restores here.
            with tempfile.TemporaryDirectory() as folder:
                saved = saver.save(session, folder + "/again")
                session.run("init")
                saver.restore(session, saved)
                self.check_step(session, 6, None)
        self.assertIsNotNone(graph)

    def test_frozen_graph_needs_no_variables(self):
        graph_def = v1.GraphDef()
        with open(self.path("frozen.pb"), "rb") as f:
            graph_def.ParseFromString(f.read())
        self.assertFalse([n.op for n in graph_def.node if "Var" in n.op])
        with tf.Graph().as_default(), v1.Session() as session:
            tf.import_graph_def(graph_def, name="")
            scores = session.run("probabilities:0", {"x:0": numbers(6, 4)})
        want = np.load(self.path("expect6_probabilities.npy"))
        np.testing.assert_allclose(scores, want, rtol=1e-4, atol=1e-6)

    def test_saved_model_loads_in_a_session(self):
        with tf.Graph().as_default(), v1.Session() as session:
            meta = v1.saved_model.load(session, ["serve"],
                                       self.path("saved_model"))
            signature = meta.signature_def["serving_default"]
            scores = session.run(
                signature.outputs["scores"].name,
                {signature.inputs["images"].name: numbers(6, 4)})
        want = np.load(self.path("expect6_probabilities.npy"))
        np.testing.assert_allclose(scores, want, rtol=1e-4, atol=1e-6)

    def test_saved_model_loads_as_tensorflow_2_does(self):
        model = tf.saved_model.load(self.path("saved_model"))
        scores = model.signatures["serving_default"](
            images=tf.constant(numbers(6, 4)))["scores"]
        want = np.load(self.path("expect6_probabilities.npy"))
        np.testing.assert_allclose(scores.numpy(), want, rtol=1e-4, atol=1e-6)


class ShardedModelTest(ModelTest):
    folder = "sharded"


class ResourceModelTest(ModelTest):
    folder = "resources"


class TypesTest(unittest.TestCase):
    """Checkpoint of all types, read tensor by tensor."""

    def test_every_type_is_read(self):
        reader = tf.train.load_checkpoint(peer.path("types", "types.ckpt"))
        names = reader.get_variable_to_shape_map()
        self.assertEqual(len(names), 16)
        for name in names:
            got = reader.get_tensor(name)
            if name == "string":
                self.assertEqual(list(got), [b"", b"a\0\xff"])
                continue
            want = np.load(peer.path("types", name + ".npy"))
            if name == "bfloat16":
                got = got.astype(np.float32)
            self.assertEqual(got.dtype, want.dtype, name)
            np.testing.assert_array_equal(got, want, err_msg=name)


if __name__ == "__main__":
    peer.run([ModelTest, ShardedModelTest, ResourceModelTest, TypesTest])
