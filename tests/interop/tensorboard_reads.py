# SPDX-License-Identifier: Apache-2.0
"""TensorBoard's readers see every summary that Lockstep wrote.

    tensorboard_reads.py FOLDER      (of interop_write_files)
"""
import io
import unittest
import wave

import peer

try:
    import numpy as np
    from google.protobuf import text_format
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.plugins.projector import projector_config_pb2
    from tensorboard.util import tensor_util
except ImportError as error:
    peer.skip("no TensorBoard here (%s)" % error)


class EventsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.events = event_accumulator.EventAccumulator(peer.path("events"))
        cls.events.Reload()

    def test_tags_of_every_kind(self):
        tags = self.events.Tags()
        self.assertEqual(tags["scalars"], ["loss"])
        self.assertEqual(tags["histograms"], ["weights"])
        self.assertEqual(tags["images"], ["picture/image"])
        self.assertEqual(tags["audio"], ["sound/audio"])
        self.assertEqual(tags["tensors"], ["note"])
        self.assertTrue(tags["graph"])

    def test_scalars(self):
        got = [(e.step, e.value) for e in self.events.Scalars("loss")]
        self.assertEqual([step for step, _ in got], [0, 1, 2])
        np.testing.assert_allclose([v for _, v in got], [1, 1 / 2, 1 / 3],
                                   rtol=1e-6)

    def test_histogram(self):
        h = self.events.Histograms("weights")[0].histogram_value
        self.assertEqual(h.num, 100)
        self.assertEqual(h.min, -1.25)
        self.assertEqual(h.max, 1.25)
        self.assertEqual(sum(h.bucket), 100)

    def test_image(self):
        image = self.events.Images("picture/image")[0]
        self.assertEqual((image.width, image.height), (3, 2))
        self.assertTrue(image.encoded_image_string.startswith(b"\x89PNG"))

    def test_audio(self):
        audio = self.events.Audio("sound/audio")[0]
        self.assertEqual(audio.content_type, "audio/wav")
        with wave.open(io.BytesIO(audio.encoded_audio_string)) as w:
            self.assertEqual(w.getframerate(), 8000)
            self.assertEqual(w.getnframes(), 50)
            samples = np.frombuffer(w.readframes(50), "<i2")
        self.assertEqual(samples[0], round(32768 * 0.1 * (3 - 5)))

    def test_text(self):
        note = self.events.Tensors("note")[2]
        self.assertEqual(tensor_util.make_ndarray(note.tensor_proto).item(),
                         b"step *2*")
        self.assertEqual(
            self.events.SummaryMetadata("note").plugin_data.plugin_name, "text")

    def test_graph(self):
        names = {node.name for node in self.events.Graph().node}
        self.assertLessEqual({"x", "layer/w", "loss", "Adam"}, names)

    def test_projector(self):
        config = projector_config_pb2.ProjectorConfig()
        with open(peer.path("events", "projector_config.pbtxt")) as f:
            text_format.Parse(f.read(), config)
        (embedding,) = config.embeddings
        self.assertEqual(embedding.tensor_name, "codes")
        self.assertEqual(list(embedding.tensor_shape), [3, 2])
        values = np.genfromtxt(peer.path("events", embedding.tensor_path),
                               delimiter="\t")
        self.assertEqual(values.shape, (3, 2))
        with open(peer.path("events", embedding.metadata_path)) as f:
            self.assertEqual(f.read().split(), ["a", "b", "c"])


if __name__ == "__main__":
    peer.run([EventsTest])
