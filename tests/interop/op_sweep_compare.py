# SPDX-License-Identifier: Apache-2.0
"""What a step of op_sweep.py gave in Lockstep, beside TensorFlow's values."""
import base64
import json
import os
import re

import peer

try:
    import numpy as np
    import tensorflow.compat.v1 as tf
except ImportError:
    peer.skip("no TensorFlow here; tools/peers installs it")

BFLOAT16 = tf.bfloat16.as_numpy_dtype
TOLERANCE = {  # relative, absolute
    np.dtype(np.float16): (4e-3, 4e-3), np.dtype(BFLOAT16): (3e-2, 3e-2),
    np.dtype(np.float32): (2e-5, 2e-6), np.dtype(np.float64): (1e-10, 1e-11),
    np.dtype(np.complex64): (2e-5, 2e-6), np.dtype(np.complex128): (1e-10, 1e-11)}


class StepError:
    def __init__(self, code, message):
        self.code, self.message = code, message


def first_words(message):
    """Up to four words of TensorFlow's message, up to a number or the node's name."""
    message = re.sub(r"(?<=operation )\S+ ", "", message)
    return " ".join(re.split(r"[\d\[(:=]", message, maxsplit=1)[0].lower().split()[:4])


def decode(item):
    return item.encode() if isinstance(item, str) else base64.b64decode(item["b64"])


def show(a, limit=5):
    flat = np.asarray(a).reshape(-1)
    return "[%s%s]" % (", ".join(str(v) for v in flat[:limit]), ", ..." if flat.size > limit else "")


def compare(got, want, case):
    """What differs, or None."""
    if got.shape != want.shape:
        return "shape %s, want %s" % (list(got.shape), list(want.shape))
    if want.dtype == object or want.dtype.kind in "SU":
        g = [bytes(v) for v in got.reshape(-1)]
        w = [v if isinstance(v, bytes) else str(v).encode() for v in want.reshape(-1)]
        return None if g == w else "strings %s, want %s" % (g[:4], w[:4])
    kind = np.dtype(np.float32) if want.dtype == np.dtype(BFLOAT16) else want.dtype
    if got.dtype != kind:
        return "dtype %s, want %s" % (got.dtype, kind)
    if case.shape_only:
        return None
    if want.dtype in TOLERANCE:
        rtol, atol = case.tolerance or TOLERANCE[want.dtype]
        wide = np.complex128 if want.dtype.kind == "c" else np.float64
        with np.errstate(all="ignore"):
            good = np.isclose(got.astype(wide), want.astype(wide), rtol, atol, equal_nan=True)
    else:
        good = got == want
    if good.all():
        return None
    return "%d of %d values differ: %s, want %s" % (
        (~good).sum(), good.size, show(got[~good]), show(want[~good]))


def read_value(directory, tensor):
    base = os.path.join(directory, tensor.replace(":", "_").replace("/", "_"))
    if os.path.exists(base + ".json"):
        with open(base + ".json") as f:
            items = [decode(v) for v in json.load(f)]
        out = np.empty(len(items), dtype=object)
        out[:] = items
        return out
    return np.load(base + ".npy")


def check_error(got, wanted, prefix, case):
    if got is None:
        return "no error, want %s" % wanted.code
    code, message = got["code"], got["message"]
    if code != wanted.code:
        return "error %s (%s), want %s" % (code, message[:160], wanted.code)
    if prefix not in message:
        return "the error names no node: %s" % message[:160]
    if case.words and first_words(wanted.message) not in message.lower():
        return "the error is '%s', TensorFlow's '%s'" % (message[:200], wanted.message[:200])
    return None


def check_step(directory, step, wanted, prefix, case):
    error = os.path.join(directory, "error.json")
    got_error = None
    if os.path.exists(error):
        with open(error) as f:
            got_error = json.load(f)
    if isinstance(wanted, StepError):
        return check_error(got_error, wanted, prefix, case)
    if got_error is not None:
        return "error %s: %s" % (got_error["code"], got_error["message"][:200])
    tensors = [t for t in step if not isinstance(t, tf.Operation)]
    for tensor, want in zip(tensors, wanted):
        got = read_value(directory, prefix + tensor.name)
        if got.dtype == object and got.size == want.size:
            got = got.reshape(want.shape)
        different = compare(got, want, case)
        if different:
            return "%s: %s" % (tensor.name, different)
    return None
