# SPDX-License-Identifier: Apache-2.0
"""For op_cases: a list of lists of tensors and operations, each run after the
other in one session, instead of one list of outputs."""


class Steps(list):
    pass
