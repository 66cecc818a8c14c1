# SPDX-License-Identifier: Apache-2.0
"""What the interoperability tests share: skipping, and running one file's tests."""
import os
import sys
import unittest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

SKIPPED = 77


def skip(why):
    """Ends the program so that ctest counts the test as skipped."""
    print("skipped: %s" % why)
    sys.exit(SKIPPED)


def run(cases):
    """Runs test cases; sys.argv[1] is the folder that write_files made."""
    suite = unittest.TestSuite(
        unittest.defaultTestLoader.loadTestsFromTestCase(c) for c in cases)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)


def path(*parts):
    return os.path.join(sys.argv[1], *parts)
