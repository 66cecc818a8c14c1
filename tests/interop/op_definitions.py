# SPDX-License-Identifier: Apache-2.0
"""Every op has TensorFlow's arguments, outputs, attributes and defaults.

    op_definitions.py LOCKSTEP

A graph that TensorFlow wrote leaves out attributes that have their default
values, so a default that differs is a wrong result.
"""
import re
import subprocess
import sys
import unittest

import peer

try:
    import tensorflow as tf
    from tensorflow.python.framework import op_def_registry
except ImportError as error:
    peer.skip("no TensorFlow here (%s)" % error)

LOCKSTEP = sys.argv[1]
# Ops of Lockstep's own begin with "_". These take what TensorFlow's take and
# more.
EXTRA_ATTRS = {"MaxPoolGradGrad": ["explicit_paddings"]}
# Defaults beyond TensorFlow's own, which has none there.
EXTRA_DEFAULTS = set()


def described():
    """name -> {"input": [(name, spec)], "output": ..., "attr": {name: text}}"""
    listed = subprocess.run([LOCKSTEP, "ops"], check=True, text=True,
                            capture_output=True).stdout
    names = re.findall(r"^([A-Z]\w*)", listed, re.MULTILINE)
    text = subprocess.run([LOCKSTEP, "ops"] + names, check=True, text=True,
                          capture_output=True).stdout
    ops, op = {}, None
    for line in text.splitlines():
        if re.fullmatch(r"\w+", line):
            op = ops[line] = {"input": [], "output": [], "attr": {}}
            continue
        m = re.match(r"  (input|output|attr) +(\w+): (.*)$", line)
        if m and m[1] == "attr":
            op["attr"][m[2]] = m[3]
        elif m:
            op[m[1]].append((m[2], m[3]))
    return ops


def spec(arg):
    """An ArgDef as `lockstep ops` writes it."""
    kind = arg.type_attr or arg.type_list_attr
    if not kind:
        kind = tf.dtypes.as_dtype(arg.type).name
        kind = {"float32": "float", "float64": "double",
                "float16": "half"}.get(kind, kind)
    if arg.number_attr:
        kind = "%s * %s" % (arg.number_attr, kind)
    return "Ref(%s)" % kind if arg.is_ref else kind


def default(text):
    """The default in an attribute's description; None when there is none."""
    m = re.search(r" = (.*)$", text)
    return m[1] if m else None


def wanted_default(attr):
    value = attr.default_value
    kind = value.WhichOneof("value")
    if kind == "i":
        return str(value.i)
    if kind == "b":
        return "true" if value.b else "false"
    if kind == "s":
        return '"%s"' % value.s.decode("latin-1")
    if kind == "f":
        return float(value.f)
    return None  # types, shapes, lists: compared by their presence


class DefinitionsTest(unittest.TestCase):
    maxDiff = None

    def test_arguments_and_attributes(self):
        wrong = []
        checked = 0
        for name, ours in sorted(described().items()):
            theirs = op_def_registry.get(name)
            if theirs is None:
                wrong.append("%s: TensorFlow has no such op" % name)
                continue
            checked += 1
            for side, args in (("input", theirs.input_arg),
                               ("output", theirs.output_arg)):
                want = [(a.name, spec(a)) for a in args]
                if ours[side] != want:
                    wrong.append("%s: %ss %s, wanted %s" % (
                        name, side, ours[side], want))
            for attr in theirs.attr:
                wrong += self.check_attr(name, ours["attr"], attr)
            extra = set(ours["attr"]) - {a.name for a in theirs.attr}
            if extra - set(EXTRA_ATTRS.get(name, ())):
                wrong.append("%s: has attributes %s of its own" % (
                    name, sorted(extra)))
        self.assertGreater(checked, 200)
        self.assertFalse(wrong, "\n" + "\n".join(wrong))

    def check_attr(self, op, ours, attr):
        if attr.name not in ours:
            # Dropped when read; harmful only where the value says something.
            if attr.HasField("default_value"):
                return []
            return ["%s: lacks attribute %s" % (op, attr.name)]
        have = default(ours[attr.name])
        if (op, attr.name) in EXTRA_DEFAULTS or (
                attr.default_value.s == b"\n"):  # written as a line's end
            return []
        if attr.HasField("default_value") != (have is not None):
            return ["%s.%s: default %s, wanted %s" % (
                op, attr.name, have, wanted_default(attr))]
        want = wanted_default(attr)
        if isinstance(want, float):
            return [] if abs(float(have) - want) <= 1e-6 * abs(want) else [
                "%s.%s: default %s, wanted %g" % (op, attr.name, have, want)]
        if want is not None and have != want:
            return ["%s.%s: default %s, wanted %s" % (
                op, attr.name, have, want)]
        return []


if __name__ == "__main__":
    peer.run([DefinitionsTest])
