# SPDX-License-Identifier: Apache-2.0
"""Cases of op_sweep.py by family, and the differences that are known."""

KNOWN = {
    # TensorFlow refuses what Lockstep computes.
    "array/Where_float16": "TensorFlow has no kernel for half",
    "array/Tile_uint16": "TensorFlow has no kernel for uint16",
    # Lockstep lacks them.
    "binary/BiasAdd_complex64": "no kernel for complex",
    "binary/BiasAdd_complex128": "no kernel for complex",
}
